//! The manual: the cost of a task that blocks or computes, how to stop the runtime, and what a program that comes from tokio has
//! to change ([`from_tokio`]).
//!
//! The words that the pages use:
//!
//! | word | is |
//! |---|---|
//! | task | a future that was [spawned](crate::spawn); any worker polls it |
//! | worker | a thread of the runtime |
//! | poll | one call of a task's code, from one await to the next |
//! | [concurrency](crate::Builder::concurrency) | how many workers may run at once; as a rule as many as there are processors |
//! | [threads](crate::Builder::threads) | how many workers there are: a range, whose end is the most that there may be while tasks block |
//! | port | the completion port that the runtime is built on; `wharf::manual` explains it |
//!
//! # Tasks that block
//!
//! A task may block its thread: in a database's driver, on a lock, on a disk. Its worker sleeps then, and the port gives its
//! place to another worker. If no worker is left to take the place, one more is started, up to the end of the range.
//!
//! ```
//! use std::{sync::mpsc, thread, time::Duration};
//! use wharf_async::Runtime;
//!
//! # fn main() -> std::io::Result<()> {
//! // One worker runs at once, and there may be 16.
//! let runtime = Runtime::builder().concurrency(1).threads(1..=16).build()?;
//! let blocked: Vec<_> = (0..8)
//!     .map(|_| runtime.spawn(async { thread::sleep(Duration::from_millis(200)) }))
//!     .collect();
//! let (sender, receiver) = mpsc::channel();
//! runtime.spawn(async move { sender.send("ahoy") }).detach();
//! // The eight that sleep were spawned before it, and it does not wait for them.
//! assert_eq!(receiver.recv(), Ok("ahoy"));
//! assert!(blocked.iter().any(|task| !task.is_finished()));
//! # Ok(())
//! # }
//! ```
//!
//! | question | answer |
//! |---|---|
//! | What does it cost? | A thread for as long as it blocks: its stack. A worker that is not needed ends after 5 seconds. On Linux each worker has a descriptor. Those for all workers that there may be are open from the start: 512, or a quarter of the limit of open files (`ulimit -n`) if that is less |
//! | Does a time-out end it? | No. [`time::timeout`](crate::time::timeout), or a layer with a time-out, looks at the time only when the call has returned, and if the future is ready then, its result counts. The driver of the database has a time-out of its own, as a rule |
//! | How late is it noticed? | On Linux 0.1 to some milliseconds after it began, while work waits; later on a machine whose processors are all busy. On Windows the kernel notices at once |
//! | Where is that too late? | Where a call is known to take long, and the other tasks take microseconds: [`wharf::blocking`] around the call gives the place away at once. [`spawn_blocking`](crate::spawn_blocking) has that in it |
//! | What if it blocks for less than 0.1 ms, as in most locks? | Nothing happens, and nothing has to |
//! | What does it need? | On Linux `/proc`. Where it can't be read, a worker counts as running until it comes back, unless `wharf::blocking` says that it blocks; the log says so |
//! | What if more tasks block than there may be workers? | The others wait for the first that returns. If a task held its worker for 10 ms or more at that limit, the log says where it was spawned |
//! | What if the range has one number only, as `4..=4`? | No other worker takes the place of one that blocks: tasks that block halt the others as on any other runtime. The log says so when the runtime is built |
//!
//! The limit is 512 workers, unless [`Builder::threads`](crate::Builder::threads) says otherwise. It bounds how many tasks block
//! at once, and with that the memory of their stacks. To bound the load on a database, use a `tokio::sync::Semaphore`
//! or the connection pool: a task that waits for its permit at an await costs no thread.
//!
//! Locks of the standard library may be held while a task blocks, but not over an await (their guards are not `Send`). If a task
//! that holds one blocks until another task is done, each of the two needs a worker; at the limit that is a deadlock, as with threads.
//!
//! # Tasks that compute
//!
//! A task that computes keeps its place, on purpose: another worker beside it would take turns with it on the same processors. When
//! as many tasks compute as the concurrency allows, the others wait until one of them comes to an await. So hash a password, or scale a
//! picture, in [`spawn_blocking`](crate::spawn_blocking), as on tokio: it gives the place away, and shares the processors with the others.
//! Where a computation comes in pieces, [`yield_now`](crate::yield_now()) is an await between them:
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! # let runtime = wharf_async::Runtime::new()?;
//! let sum = runtime.block_on(async {
//!     let mut sum = 0_u64;
//!     for number in 0..1_000_000 {
//!         sum += number;
//!         // Others have their turns.
//!         if number % 100_000 == 0 {
//!             wharf_async::yield_now().await;
//!         }
//!     }
//!     sum
//! });
//! assert_eq!(sum, 499_999_500_000);
//! # Ok(())
//! # }
//! ```
//!
//! For a long computation that has no place for an await, [`wharf::blocking`] gives its place away as if it blocked; it and the others then
//! share the processors. Many long computations belong on a second runtime, with a concurrency below the number of processors.
//!
//! A task that is always ready, since its peer is as fast as it is, lets others go first after 128 results of this crate's futures.
//!
//! # What a snapshot shows
//!
//! [`Runtime::snapshot`](crate::Runtime::snapshot), printed, is a table of the workers: which of them is blocked or runs, for how long,
//! and where the task that it polls was spawned. Its fields have the longest poll and how much work waits. On Windows the kernel does not tell which
//! workers are blocked.
//!
//! # The end
//!
//! A program that wants its tasks to finish by themselves signals them (a `watch` channel, a `CancellationToken`) and waits for
//! them. Then it stops the runtime, within a time limit:
//!
//! ```
//! use std::time::Duration;
//! use wharf_async::{JoinSet, Runtime, time::timeout};
//!
//! # fn main() -> std::io::Result<()> {
//! let runtime = Runtime::new()?;
//! let (stop, stopping) = tokio::sync::watch::channel(false);
//! runtime.block_on(async {
//!     let mut tasks = JoinSet::new();
//!     for _ in 0..4 {
//!         let mut stopping = stopping.clone();
//!         tasks.spawn(async move { stopping.wait_for(|stop| *stop).await.is_ok() });
//!     }
//!     // ... ctrl_c().await ...
//!     let _ = stop.send(true);
//!     let all = async { while tasks.join_next().await.is_some() {} };
//!     let _ = timeout(Duration::from_secs(10), all).await;
//! });
//! let report = runtime.stop(Duration::from_secs(5));
//! for place in report.tasks_left {
//!     eprintln!("a task is still in a poll; it was spawned at {place}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Runtime::stop`](crate::Runtime::stop) drops the future of each task that is left, on a worker. A task that blocks or computes
//! can't be ended from outside: it is named in the [report](crate::StopReport), and left alone. A `block_on` of another thread
//! should end before the stop: later, its operations fail as cancelled, and a sleep in it panics.

pub mod from_tokio;
pub mod metrics;
