//! An `async` runtime on an I/O completion port: any worker polls any task, and a task that blocks or computes does not halt the
//! rest.
//!
//! On other runtimes a task must not block: a worker that sleeps in a database's driver, waits for a lock or computes holds up all
//! tasks of its thread, and each such call has to be found and marked (`spawn_blocking`, `block_in_place`). Here nothing is marked. The runtime
//! is a pool of threads on a [completion port](wharf): as many run as there are processors, and when one of them blocks, the port
//! notices and another goes on in its place.
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
//! - [`net`]: TCP. Streams have tokio's I/O traits, and hyper's with the feature `hyper`.
//! - [`time`]: sleep, time-outs, intervals. [`ctrl_c`].
//! - `hyper`, with the feature of that name: an executor and a timer for hyper. axum is in the crate `wharf-axum`.
//!
//! Channels, locks, `select!` and `join!` are tokio's or the `futures` crates': they need no runtime.
//!
//! [`manual`]: what a task costs that blocks or computes, and how a runtime is stopped; and what a program that comes
//! [from tokio](manual::from_tokio) has to change, what works as it is, and what does not.
//!
//! # What is promised
//!
//! - A task that is ready is on the queue that all workers share, or is the very one that a worker polls next: none waits for a
//!   thread that blocks.
//! - A wake can't fail: a task has its place on the queue from its spawn to its end.
//! - What completes belongs to the stream or the listener: a future that is dropped at any await loses no byte and no connection.
//! - A task that is always ready lets others go first, after 128 results of this crate's futures; and so does one that
//!   [yields](yield_now()).
//! - Code of the program's runs in polls, and in the drop of what they own: never within a wait on the port.
//!
//! # What it costs, and what it can't
//!
//! A worker that blocks is noticed after 0.1 to some milliseconds, while work waits. Where that is too late,
//! [`wharf::blocking`] says it beforehand. Tasks that *compute* keep their places, on purpose: as many of them as the
//! [concurrency](Builder::concurrency) halt the rest, until they come to an await.
#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod block_on;
mod budget;
mod context;
#[cfg(feature = "hyper")]
pub mod hyper;
mod join_set;
mod local;
pub mod manual;
pub mod net;
mod polls;
mod registry;
mod runtime;
mod signal;
mod sync;
#[allow(unsafe_code)] // A task travels through the port as a pointer.
mod task;
pub mod time;
mod yield_now;

pub use join_set::JoinSet;
pub use local::spawn_local;
pub use polls::PollSnapshot;
pub use runtime::{Builder, Handle, Runtime, Snapshot, StopReport, spawn, spawn_blocking};
pub use signal::ctrl_c;
pub use task::{AbortHandle, JoinError, JoinHandle};
pub use wharf::{Buffer, DriverChoice, Payload};
pub use yield_now::yield_now;

/// The package's README: its program is compiled like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
