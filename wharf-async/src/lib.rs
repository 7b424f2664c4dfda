//! An `async` runtime on an I/O completion port: any worker polls any task, and a task that blocks does not halt the rest.
//!
//! On other runtimes a task must not block: a worker that sleeps in a database's driver, or waits for a lock, holds up all
//! tasks of its thread, and each such call has to be found and marked (`spawn_blocking`, `block_in_place`). Here nothing is marked. The runtime
//! is a pool of threads on a [completion port](wharf): as many run as there are processors, and when one of them blocks, the port
//! notices it and another thread runs in its place.
//!
//! ```
//! use std::{thread, time::Duration};
//! use wharf_async::{Runtime, time::sleep};
//!
//! # fn main() -> std::io::Result<()> {
//! let runtime = Runtime::builder().concurrency(2).threads(2..=64).build()?;
//! runtime.block_on(async {
//!     // 32 tasks that block two processors' threads ...
//!     let sleepers: Vec<_> = (0..32)
//!         .map(|_| wharf_async::spawn(async { thread::sleep(Duration::from_millis(50)) }))
//!         .collect();
//!     // ... and the others go on.
//!     sleep(Duration::from_millis(1)).await;
//!     for sleeper in sleepers {
//!         sleeper.await.expect("it does not panic");
//!     }
//! });
//! # Ok(())
//! # }
//! ```
//!
//! # What is here
//!
//! - [`Runtime`], [`Handle`], [`spawn`], [`JoinHandle`], [`JoinSet`], [`spawn_local`], [`spawn_blocking`], [`yield_now`](yield_now())
//! - `main` and `test`, attributes of an `async fn`, with the feature `macros`, which is on by default
//! - [`net`]: TCP, UDP, and on Unix local sockets. Streams have tokio's I/O traits, and by the features `hyper` and
//!   `futures-io` those of hyper and of the `futures` crates.
//! - [`fs`]: files and folders.
//! - [`time`]: sleep, time-outs, intervals.
//! - [`signal`]: [`ctrl_c`], and on Unix the other signals.
//! - `simulation`, with the feature `simulated`: tests whose network, clock and order of tasks are simulated, by a seed.
//! - `process`, on Unix: child processes.
//! - `hyper`, with the feature of that name: an executor and a timer for hyper. axum is in the crate `wharf-axum`.
//! - With the feature `tokio`: [tokio's context](manual::from_tokio#a-runtime-of-tokios-beside-it) on each worker, for crates that ask for it.
//!
//! Channels, locks, `select!` and `join!` are tokio's or the `futures` crates': they need no runtime.
//!
//! tokio-console sees the tasks: they have the spans that it looks for. With the feature `metrics` a runtime reports its
//! [metrics](manual::metrics).
//!
//! [`manual`]: the cost of a task that blocks or computes, and how to stop a runtime. For a program that comes
//! [from tokio](manual::from_tokio): what to change, what works as it is, and what does not.
//!
//! # What is promised
//!
//! - A task that is ready is on the queue that all workers share, or is the one that a worker polls next: no ready task waits for a
//!   thread that blocks.
//! - A wake can't fail: a task has its place on the queue from its spawn to its end.
//! - Results belong to the stream, the listener or the socket: a future that is dropped at any await loses no byte, no
//!   connection and no datagram that has arrived.
//! - A task that is always ready lets others go first, after 128 results of this crate's futures; and so does a task that
//!   [yields](yield_now()).
//! - The program's code runs in polls, and in the drop of what they own: never within a wait on the port.
//!
//! # Costs and limits
//!
//! A worker that blocks is noticed after 0.1 to some milliseconds, while work waits. Where that is too late,
//! [`wharf::blocking`] says it beforehand. Tasks that *compute* keep their places, on purpose: when as many compute as the
//! [concurrency](Builder::concurrency) allows, the other tasks wait until one of them comes to an await.
#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod block_on;
mod budget;
mod builder;
mod console;
mod context;
pub mod fs;
#[cfg(feature = "hyper")]
pub mod hyper;
mod join_set;
mod local;
pub mod manual;
#[cfg(feature = "metrics")]
mod metrics;
pub mod net;
mod polls;
#[cfg(unix)]
pub mod process;
mod registry;
mod runtime;
mod shared;
pub mod signal;
#[cfg(all(unix, feature = "simulated"))]
pub mod simulation;
mod sync;
#[allow(unsafe_code)] // A task travels through the port as a pointer.
mod task;
pub mod time;
#[cfg(feature = "tokio")]
mod tokio_context;
#[cfg(unix)]
mod watch;
mod yield_now;

pub use builder::Builder;
pub use join_set::JoinSet;
pub use local::spawn_local;
pub use polls::PollSnapshot;
pub use runtime::{Handle, Runtime, Snapshot, StopReport, spawn, spawn_blocking};
pub use signal::ctrl_c;
pub use task::{AbortHandle, JoinError, JoinHandle};
pub use wharf::{Buffer, DriverChoice, Payload};
pub use yield_now::yield_now;

/// Runs an `async fn main` on a [`Runtime`], and stops the runtime when the function has ended, within [five seconds](Builder::run).
///
/// ```
/// #[wharf_async::main(concurrency = 2, threads = 2..=64)]
/// async fn main() -> std::io::Result<()> {
///     let listener = wharf_async::net::TcpListener::bind("127.0.0.1:0").await?;
///     println!("listening on {}", listener.local_addr());
///     Ok(())
/// }
/// ```
///
/// Both arguments may be left out: `concurrency` is [`Builder::concurrency`], and `threads` is [`Builder::threads`]. A program that needs more of
/// the builder, or the report of the [stop](Runtime::stop), has a plain `main`.
///
/// A mistake is a compiler error, at its place:
///
/// ```compile_fail
/// #[wharf_async::main(worker_threads = 2)] // it has no such argument
/// async fn main() {}
/// ```
/// ```compile_fail
/// #[wharf_async::main(concurrency = "2")] // no number
/// async fn main() {}
/// ```
/// ```compile_fail
/// #[wharf_async::main(threads = 64..=2)] // it ends before it begins
/// async fn main() {}
/// ```
/// ```compile_fail
/// #[wharf_async::main(threads = 4)] // no range
/// async fn main() {}
/// ```
/// ```compile_fail
/// #[wharf_async::main(threads = 1..=4, threads = 1..=4)] // twice
/// async fn main() {}
/// ```
/// ```compile_fail
/// #[wharf_async::main] // it is not async
/// fn main() {}
/// ```
/// ```compile_fail
/// #[wharf_async::main] // it has a parameter
/// async fn main(arguments: Vec<String>) {}
/// ```
#[cfg(feature = "macros")]
pub use wharf_async_macros::main;

/// Makes a test of an `async fn`: it runs on a [`Runtime`] of its own, which then stops, within [five seconds](Builder::run). The arguments are
/// those of [`main`](macro@main).
///
/// ```
/// #[wharf_async::test(concurrency = 1, threads = 1..=8)]
/// async fn a_task_that_blocks_does_not_halt_the_others() {
///     let blocks = wharf_async::spawn(async { std::thread::sleep(std::time::Duration::from_millis(10)) });
///     wharf_async::spawn(async {}).await.expect("no panic");
///     blocks.await.expect("no panic");
/// }
/// ```
#[cfg(feature = "macros")]
pub use wharf_async_macros::test;

/// The package's README: its program is compiled like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
