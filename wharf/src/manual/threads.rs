//! The thread pool: how many threads, which of them runs next, and what a thread that blocks costs.
//!
//! # Two numbers
//!
//! | | concurrency | threads |
//! |---|---|---|
//! | is | how many threads *run* at once: they took a packet, and have not come back for the next | how many threads there *are*: running, blocked and waiting |
//! | belongs to | the port: [`CompletionPort::new(n)`](crate::CompletionPort::new), [`PortBuilder::concurrency`](crate::PortBuilder::concurrency) | the pool: [`Workers::start(&port, 4..=64, handler)`](crate::Workers::start), [`WorkersBuilder::threads`](crate::WorkersBuilder::threads) |
//! | default | 0: as many as the processors that this process may use | the port's concurrency |
//! | too high | threads take turns on the processors, and all of them get slower | each costs its stack, and on Linux one descriptor; a thread that waits takes no processor time |
//! | too low | processors stay idle | work waits while all threads are blocked |
//!
//! Leave the concurrency at 0, unless the processors are shared with something else. The number of threads is the one to
//! think about.
//!
//! # How many threads
//!
//! - **Handlers never block:** as many as the concurrency, the default.
//! - **Handlers block now and then** (a lock, a log, a file): a few more. Each spare thread runs in the place of one that blocks.
//! - **Handlers block as a rule** (a database, another service): a range, such as `4..=64`. The first number is there from the
//!   start. More are started one by one, when work waits, the concurrency would let it be done, and every thread is blocked.
//!   Each of them ends again when it has had nothing to do for five seconds.
//!
//! The second number of a range is a limit: when that many handlers are blocked, nothing more is served until one returns. Choose
//! it by what the handlers wait for: with a database that takes 32 connections, more than 32 threads gain nothing.
//! [`Threads`](crate::Threads) says what a growing pool keeps ready for the moment when the system has nothing left.
//!
//! In this example one thread may run, and each handler waits for three others:
//!
//! ```
//! use std::sync::{Barrier, mpsc};
//! use wharf::{CompletionPort, Workers};
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<u32>::builder().concurrency(1).build()?;
//! let all_here = Barrier::new(4);
//! let (sender, done) = mpsc::channel();
//! let workers = Workers::builder(&port)
//!     .threads(1..=4)
//!     .name_prefix("clerk-")
//!     .start(move |_port, completion| {
//!         all_here.wait(); // It blocks. The port finds that out, and the pool grows.
//!         let _ = sender.send(completion.key);
//!     })?;
//! for key in 0..4 {
//!     port.post(key, 0)?;
//! }
//! let mut keys: Vec<u32> = done.iter().take(4).collect();
//! keys.sort_unstable();
//! assert_eq!(keys, [0, 1, 2, 3]);
//! port.close();
//! workers.join();
//! # Ok(())
//! # }
//! ```
//!
//! # The old advice: twice as many as processors
//!
//! Books on Windows' ports give a pool twice as many threads as there are processors, with a concurrency of one for each. That is
//! one spare thread for each that runs, in case its handler blocks. The factor is a guess: it is right where a handler is blocked
//! for half of its time. A pool that grows needs no guess.
//!
//! The advice is about threads. A *concurrency* of twice the processors is a mistake, unless the system can't tell that threads
//! block (see below): the port then lets twice as many run as can.
//!
//! # Which thread is next
//!
//! - **Work-conserving.** When work waits, a thread waits, and fewer run than the concurrency allows, one is released at once. Any
//!   thread serves any completion of any handle: none belongs to a thread. (A program may put off a release, for a moment, by a
//!   [quiet post](crate::CompletionPort::post_quietly).)
//! - **First in, first out** for packets: what came first is served first.
//! - **Last in, first out (LIFO)** for threads: the last that came to wait is released first. So the threads that run are the
//!   ones whose caches are warm, and a pool that is larger than needed keeps the rest of its threads asleep.
//! - A thread that comes back from its handler takes the next packet itself, without a sleep, if the concurrency allows it.
//!
//! # Who counts as running
//!
//! | a thread that | counts as running |
//! |---|---|
//! | waits, in [`wait`](crate::CompletionPort::wait) | no |
//! | is in its handler and computes, or would if it had a processor | yes, however long that takes: another thread would only take turns with it |
//! | is in its handler and sleeps there: on a lock, a disk, a socket, a child process | no, as soon as that is detected; another thread has its place |
//! | is in [`blocking`](crate::blocking) | no, at once |
//! | comes back from any of these two | yes, at once; so for a moment more may run than the concurrency, until one of them next waits |
//! | waits on another port, or has ended | no. A thread counts for the port that it last waited on |
//!
//! Windows finds out at once that a thread blocks. On Linux the port asks the system, from 0.1 to some milliseconds after it began,
//! and only when work waits for its place. It needs `/proc`; [`thread_states_available`](crate::thread_states_available) tells
//! whether that can be read. Where it can't, or where this is too late, the handler says so beforehand with
//! [`blocking`](crate::blocking); see [the page about it](super::blocking).
//!
//! # Threads of your own
//!
//! A pool is not needed: any thread may call [`wait`](crate::CompletionPort::wait), and counts by the same rules. Threads
//! may come and go.
//!
//! ```
//! use std::thread;
//! use wharf::{CompletionPort, Wait};
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<u32>::new(2)?;
//! port.post(7, 0)?;
//! thread::scope(|scope| {
//!     for _ in 0..3 {
//!         scope.spawn(|| {
//!             while let Ok(Wait::Completed(completion)) = port.wait(None) {
//!                 assert_eq!(completion.key, 7);
//!                 port.close(); // ends all three
//!             }
//!         });
//!     }
//! });
//! # Ok(())
//! # }
//! ```
//!
//! Such threads are not replaced by new ones when all are blocked. For that, implement [`ThreadPool`](crate::ThreadPool), and give
//! the port your pool with [`add_pool`](crate::CompletionPort::add_pool). A port may have several pools.
//!
//! # Names, and what a thread needs for its whole life
//!
//! The threads of a pool are named `wharf-0`, `wharf-1` and so on; [`name_prefix`](crate::WorkersBuilder::name_prefix) changes
//! the first part. [`around`](crate::WorkersBuilder::around) runs each thread within a function of the program's, for a
//! thread-local or a guard. The threads hold the port: it stays open until it is [closed](crate::CompletionPort::close), and they
//! end then.
//!
//! # How it stands
//!
//! [`port.snapshot()`](crate::CompletionPort::snapshot) lists the threads, with what each does ([`WorkerState`](crate::WorkerState))
//! and for how long, and [`counts`](crate::Counts) how many run, wait and are blocked, and how much waits for them. On Windows
//! it does not say which threads are blocked or how much waits. A pool is too small where `queued` stays above 0 while `blocked` is as many as
//! there are threads. It is at its limit of processors where `queued` stays above 0 while `running` is the concurrency.
