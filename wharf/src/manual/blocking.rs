//! Handlers that block, and handlers that compute.
//!
//! A handler is an ordinary function. It may take a lock, write to the log, ask a database, wait for a child process. While it
//! sleeps there, its thread uses no processor, and another thread of the pool runs in its place. Nothing has to be marked, and
//! there is no second pool that blocking work must be moved to.
//!
//! A handler that *computes* keeps its place, however long it takes: another thread would not make it faster, only take turns
//! with it on the same processors.
//!
//! # How the port finds out
//!
//! On Windows the kernel's port knows at once that one of its threads blocks. Linux does not report it, so the port asks:
//!
//! 1. When all threads that may run are in their handlers (or no thread is left to wait), the port calls its *monitor*, a thread
//!    of its own, named `wharf-monitor`. While there is a thread that waits and may run, the monitor sleeps.
//! 2. The monitor looks again and again, at first after 0.1 ms, later up to every 4 ms (0.4 ms while places are being given away).
//!    A thread that is in the same handler at two looks is a *suspect*.
//! 3. If work waits, the monitor reads the suspect's state from `/proc`. A thread that sleeps (`S`), or waits for a disk
//!    (`D`), is blocked: its place is given to a thread that waits, or to one that the pool starts. A thread that runs, or would if
//!    it had a processor (`R`), keeps its place. The time alone never decides.
//!
//! This is what follows from it:
//!
//! | question | answer |
//! |---|---|
//! | How late is a blocked thread detected? | 0.1 to some milliseconds after it began; later on a machine whose processors are all busy. This is not a promise |
//! | What does it cost? | Nothing while there is a thread that waits and may run; else some twenty microseconds for each look |
//! | What if a handler sleeps for less than 0.1 ms? | Nothing happens: to give its place away would take as long |
//! | What if nothing else waits? | Nothing happens: no work is held up |
//! | What does it need? | `/proc`, and on Linux one descriptor for each thread, which it opens when it first waits |
//! | And where `/proc` can't be read? | Each thread counts as running until it comes back, and the log says so, with the reason. [`thread_states_available`](crate::thread_states_available) says beforehand whether it can |
//! | What if the thread wakes up again? | It runs on at once, nothing holds it. For a moment more may run than the concurrency, until one of them next waits |
//!
//! In this example one thread may run, and there are two. The first packet's handler blocks; the second packet is handled all the
//! same, and its handler looks at how things stand.
//!
//! ```
//! use std::sync::{Mutex, mpsc};
//! use wharf::{CompletionPort, Snapshot, Workers};
//! # #[cfg(unix)]
//! use wharf::WorkerState;
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<&str>::new(1)?;
//! let (go, may_go) = mpsc::channel::<()>();
//! let (sender, snapshots) = mpsc::channel::<Snapshot>();
//! let may_go = Mutex::new(may_go);
//! let workers = Workers::start(&port, 2, move |port, completion| match completion.key {
//!     "slow" => drop(may_go.lock().unwrap().recv()), // a database, say
//!     _ => drop(sender.send(port.snapshot())),
//! })?;
//! port.post("slow", 0)?;
//! port.post("quick", 0)?;
//!
//! let snapshot = snapshots.recv().expect("the second packet is handled");
//! # #[cfg(unix)] // Windows does not tell.
//! assert_eq!((snapshot.counts.blocked, snapshot.counts.running), (1, 1));
//! # #[cfg(unix)]
//! assert!(snapshot.workers.iter().any(|worker| worker.state == WorkerState::Blocked));
//! # #[cfg(windows)]
//! # assert_eq!(snapshot.workers.len(), 2);
//! go.send(()).expect("the first handler waits for it");
//! port.close();
//! workers.join();
//! # Ok(())
//! # }
//! ```
//!
//! # Saying so beforehand
//!
//! [`blocking`](crate::blocking) says that what follows may block. It gives the place away *at once*, for two short locks, and
//! does not need `/proc`:
//!
//! ```
//! use std::{sync::mpsc, thread};
//! use wharf::{CompletionPort, Workers};
//!
//! # fn main() -> std::io::Result<()> {
//! // Stands for a database: it takes questions, each with the way for its answer.
//! let (ask, questions) = mpsc::channel::<(u32, mpsc::Sender<u32>)>();
//! thread::spawn(move || questions.iter().for_each(|(question, reply)| drop(reply.send(question * 6))));
//!
//! let port = CompletionPort::<u32>::new(1)?;
//! let (sender, answers) = mpsc::channel();
//! let workers = Workers::start(&port, 1..=4, move |_port, completion| {
//!     let (reply, replied) = mpsc::channel();
//!     let _ = ask.send((completion.key, reply));
//!     let answer = wharf::blocking(|| replied.recv());
//!     let _ = sender.send(answer);
//! })?;
//! port.post(7, 0)?;
//! assert_eq!(answers.recv(), Ok(Ok(42)));
//! port.close();
//! workers.join();
//! # Ok(())
//! # }
//! ```
//!
//! Use it
//!
//! - where some milliseconds are too late: a call that is known to take long, in a server whose other answers take microseconds;
//! - where `/proc` is not there;
//! - for what sleeps in short pieces, such as a loop that polls with a pause.
//!
//! It is never needed for the result to be right. In a thread that is in no handler, `blocking` only calls the function; on Windows it
//! never does more.
//!
//! # The pool, and its limit
//!
//! A place that is given away is worth something only if a thread is there to take it. A pool of a fixed size starts no more
//! threads. A pool with a range, such as `4..=64`, starts one more when work waits, the concurrency has room, and no thread waits: one
//! after the other, not all at once. Such a thread ends when it has had nothing to do for five seconds. (Windows does not report
//! that all are blocked: there one is started whenever all are in their handlers.)
//!
//! **At the limit** nothing more is served until a handler returns. After two seconds of that, the log has a warning, "all workers
//! are held", with the numbers. Packets wait in the queue meanwhile, in their order; nothing is lost. So the limit is
//!
//! - at least as many as may block at once on ordinary days;
//! - no more than what the handlers wait for can bear, such as the connections to a database;
//! - bounded by memory: a thread has its stack (2 MiB of address space by default, of which it uses what it touches), and on Linux
//!   a descriptor.
//!
//! If the system refuses a thread (`ulimit -u`, `pids.max`), the pool asks again every 20 ms while the thread is wanted, and the log says
//! so once.
//!
//! # What a handler must not do
//!
//! - **Wait for another completion of the same port.** A handler that starts an operation and then sleeps until another worker has
//!   handled its end needs a second thread. With a pool of a fixed size, as many such handlers as threads wait for each other
//!   for ever; with a range, at its limit. Return instead, and go on in the handler of that completion, with a
//!   [context](crate::Context).
//! - **Wait on the port within a handler**, without need. It may: the thread then counts as having come back, and takes the next
//!   packet. But the outer handler stays on the stack, unfinished, until the inner one has returned.
//! - **Hold a lock that all handlers need while it blocks.** Each of the others then blocks, too, and each takes a thread of the pool.
//!
//! # Handlers that compute
//!
//! As many handlers as the concurrency may compute at once; the rest of the work waits for one of them. For the *throughput* that is
//! right: the processors are busy. But short requests have to wait. What to do, the simplest first:
//!
//! - **Nothing**, where a computation is shorter than the delay that the others can bear. A processor that is free takes the
//!   others meanwhile: with two or more, one computing handler holds up no other.
//! - **Give the place away:** `wharf::blocking(|| compute())`. The system then shares the processors among more threads than there
//!   are processors. That is right for a rare and long computation. The pool must have room for one more thread.
//! - **Do it in turns:** a part at a time, and post a packet for the next part. Each packet joins the end of the queue, behind all that
//!   waits.
//! - **A second port** with a concurrency of its own and its own [`Workers`](crate::Workers): for computations without end. Post
//!   the work there, and the result back. Give it a concurrency below the number of processors.
//!
//! In turns, with the rest of the work as the packet's context:
//!
//! ```
//! use std::{ops::Range, sync::mpsc};
//! use wharf::{Completion, CompletionPort, Workers};
//!
//! struct Sum {
//!     rest: Range<u64>,
//!     so_far: u64,
//! }
//!
//! /// A few milliseconds, at most.
//! const NUMBERS_A_TURN: u64 = 100_000;
//!
//! fn turn(port: &CompletionPort<()>, mut completion: Completion<()>, results: &mpsc::Sender<u64>) {
//!     let Some(mut sum) = completion.take_context::<Sum>() else { return };
//!     sum.so_far += sum.rest.by_ref().take(NUMBERS_A_TURN as usize).sum::<u64>();
//!     if sum.rest.is_empty() {
//!         let _ = results.send(sum.so_far);
//!     } else if let Err(refused) = port.with(sum).post((), 0) {
//!         eprintln!("the rest is lost: {refused}"); // The port is closed, or at its limit.
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<()>::new(0)?;
//! let (sender, results) = mpsc::channel();
//! let workers = Workers::start(&port, 2, move |port, completion| turn(port, completion, &sender))?;
//! port.with(Sum { rest: 0..1_000_000, so_far: 0 }).post((), 0)?;
//! assert_eq!(results.recv(), Ok(499_999_500_000));
//! port.close();
//! workers.join();
//! # Ok(())
//! # }
//! ```
//!
//! The toolkit has this for a client's handler: `Client::call_again`.
//!
//! # What the snapshot shows
//!
//! [`port.snapshot()`](crate::CompletionPort::snapshot) asks the system about each thread that is in a handler, some microseconds
//! for each: use it now and then.
//!
//! | what is seen | what it says |
//! |---|---|
//! | a worker [`Blocked`](crate::WorkerState::Blocked), [`since`](crate::WorkerSnapshot::since) long | its handler sleeps: find out on what |
//! | a worker [`Running`](crate::WorkerState::Running), since long | its handler computes; see above |
//! | a worker [`Unknown`](crate::WorkerState::Unknown) | its state can't be read: it keeps its place, even if it blocks |
//! | [`blocked`](crate::Counts::blocked) as many as the pool may have, [`queued`](crate::Counts::queued) above 0 | the pool is at its limit |
//! | [`running`](crate::Counts::running) as many as the concurrency, `queued` above 0 | the processors are the limit |
//! | [`running_max`](crate::Counts::running_max) above the concurrency | some that had blocked came back while others had their places: as it should be |
//! | [`releases`](crate::Counts::releases) grows | how often the monitor gave a place away; it does not count `blocking` |
//! | [`oldest`](crate::Snapshot::oldest) | how long the head of the queue has waited |
//!
//! On Windows the kernel does not tell which threads are blocked or how much waits: `blocked`, `queued` and `releases` are 0, and blocked
//! threads count as running.
