//! Wharf: an I/O completion port.
//!
//! A program starts operations (receive, send, accept, connect, ...) and gets on with its work; any free thread of
//! its pool picks up what completed. At most as many threads run as the port's *concurrency* allows, and the others
//! wait, the last to have run first in line. Windows has this in its kernel, and there this is a
//! safe skin over it; on Linux the port is our own.
//!
//! - [`CompletionPort`]: make one, associate sockets with it, wait on it.
//! - [`Socket`], [`Listener`], [`DatagramSocket`], [`File`], and on Unix `LocalListener`: start operations.
//! - [`Buffer`], [`Payload`], [`BufferPool`]: memory that operations own while they are under way.
//! - [`Completion`]: what was done, its result, and everything it owned back.
//! - [`Context`]: what goes with an operation, and comes back with its completion.
//! - [`Workers`]: the threads, if the port is to have a pool of its own; [`ThreadPool`]: a pool of the program's.
//! - `simulated`, with the feature of that name: a kernel in memory, for tests.
//! - [`raw`]: the layer beneath, for other languages and for memory that is not Rust's.
//!
//! What C programmers get wrong with completion ports does not compile here, or has one obvious answer: a buffer
//! can't be freed before its operation has completed, a failed operation can't be mistaken for a time-out, a handle
//! can't be associated twice, and one that is closed can't reach another socket.
#![warn(missing_docs, missing_debug_implementations)]
// What is public may grow, unless it says why not.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]
#![deny(
    unsafe_code,
    unsafe_op_in_unsafe_fn,
    clippy::undocumented_unsafe_blocks
)]

#[cfg(feature = "safe")]
mod buffer;
#[allow(unsafe_code)] // It talks to the kernel.
#[allow(clippy::exhaustive_structs)] // What the kernel lays out.
mod driver;
#[cfg(feature = "safe")]
mod handle;
#[cfg(feature = "safe")]
mod operation;
#[cfg(shuttle)]
#[doc(hidden)]
pub mod planted;
#[cfg(feature = "safe")]
mod port;
#[allow(unsafe_code)]
// It is the unsafe layer.
// Callers lay these types out in their own memory, and answer each case of a wait.
#[allow(clippy::exhaustive_enums, clippy::exhaustive_structs)]
pub mod raw;
#[cfg(feature = "safe")]
#[allow(unsafe_code)] // It gives memory to the unsafe layer, and takes it back.
mod record;
#[cfg(unix)]
mod scheduler;
mod snapshot;
#[cfg(not(shuttle))]
mod sync;
#[cfg(shuttle)]
#[doc(hidden)]
pub mod sync;
#[doc(hidden)] // For the toolkit, which calls code of the user's in the midst of its own as well.
pub mod user_code;
#[cfg(feature = "safe")]
mod workers;

#[cfg(all(unix, feature = "simulated"))]
pub use driver::simulated;

pub use driver::{Descriptor, DriverChoice, DriverInfo, thread_states_available, uring_available};
#[cfg(all(unix, feature = "safe"))]
pub use handle::{LocalConnection, LocalListener};
pub use raw::{
    DescriptorReserve, HANDLES_MAX, LentDescriptor, PortError, Spawned, ThreadPool, WaitMany,
    blocking,
};
pub use snapshot::{Counts, Snapshot, Traffic, WorkerSnapshot, WorkerState};
#[cfg(feature = "safe")]
pub use {
    buffer::{Buffer, BufferPool, Payload, Transmit},
    handle::{Associate, DatagramSocket, File, Listener, Socket},
    operation::{
        Completion, Connection, Context, Finished, OperationId, Refused, SkipPort, Started, Wait,
        With,
    },
    port::{CompletionPort, PortBuilder},
    workers::{Threads, Workers, WorkersBuilder},
};

/// The README's program, so that it is compiled like any other.
#[cfg(all(doctest, feature = "safe"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;
