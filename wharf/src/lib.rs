//! Wharf: an I/O completion port for Linux and Windows.
//!
//! A program starts operations (receive, send, accept, connect, read, write, a timer) and gets on with its work; any free thread of
//! its thread pool picks up what completed. At most as many threads run as the port's *concurrency* allows, and the others
//! wait; the thread that waited last is released first (LIFO). Windows has this in its kernel (IOCP), and there Wharf is a
//! safe layer over it; on Linux Wharf builds the port itself, on epoll and, where the kernel allows it, io_uring.
//!
//! An echo server, and a client that tries it:
//!
//! ```
//! use std::{io::{Read, Write}, net::{TcpListener, TcpStream}};
//! use wharf::{BufferPool, CompletionPort, Finished, Workers};
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<()>::new(0)?; // as many threads run as there are processors
//! let pool = BufferPool::new(4096);
//! // Four threads, and up to 64 while handlers block. Each serves any connection.
//! let workers = Workers::start(&port, 4..=64, move |port, completion| match completion.what {
//!     Finished::Accepted { listener, connection: Some(connection) } => {
//!         let _ = listener.accept(); // the next one
//!         if let Ok(socket) = port.associate(connection, ()) {
//!             let _ = socket.receive_from(&pool);
//!         }
//!     }
//!     Finished::Received { socket, buffer } if !buffer.is_empty() => drop(socket.send(buffer)),
//!     Finished::Sent { socket, .. } => drop(socket.receive_from(&pool)),
//!     // The end, or a failure: nothing holds the socket any more, so it closes. (After a failed accept, accept again.)
//!     _ => {}
//! })?;
//! let listener = port.associate(TcpListener::bind("127.0.0.1:0")?, ())?;
//! listener.accept()?;
//!
//! let mut client = TcpStream::connect(listener.local_addr())?;
//! client.write_all(b"ahoy")?;
//! let mut echo = [0; 4];
//! client.read_exact(&mut echo)?;
//! assert_eq!(&echo, b"ahoy");
//! port.close();
//! workers.join();
//! # Ok(())
//! # }
//! ```
//!
//! The manual shows what a server adds to this: to [accept again](manual::patterns#accept-again-after-a-shortage) when descriptors
//! have run out, limits, an orderly stop.
//!
//! In the terms of the field: a *completion port* is a *proactor* and a *work-conserving* *thread pool* in one. Packets
//! leave its queue first in, first out; threads are released last in, first out. A thread that blocks in its handler stops counting,
//! and another runs in its place; nothing has to be marked. Sends and receives may be vectored, memory is owned by the operation
//! (an *overlapped* one, in Win32's term) until it completes, and every queue is bounded: there is backpressure at each limit.
//!
//! # The manual
//!
//! [`manual`]: what a completion port is, and a page for each thing that a program has to decide.
//!
//! - Where you come from: [Windows](manual::from_windows), or [tokio](manual::from_tokio).
//! - What each program decides: [keys and contexts](manual::keys_and_contexts), [threads](manual::threads),
//!   [handlers that block or compute](manual::blocking), [backpressure](manual::backpressure),
//!   [the orderly stop](manual::orderly_stop).
//! - To copy from: [patterns](manual::patterns): time-out, retry, request and response, broadcast, a periodic tick.
//! - To look things up: [promises](manual::promises), [writing a driver](manual::writing_a_driver).
//!
//! # What is here
//!
//! - [`CompletionPort`]: make one, associate sockets with it, wait on it.
//! - [`Socket`], [`Listener`], [`DatagramSocket`], [`File`], and on Unix `LocalListener`: start operations.
//! - [`Buffer`], [`Payload`], [`BufferPool`]: memory that operations own while they are under way.
//! - [`Completion`]: what was done, its result, and everything that the operation owned.
//! - [`Context`]: what goes with an operation, and comes back with its completion.
//! - [`PortError`]: why the port itself refused something, inside an [`io::Error`](std::io::Error).
//! - [`Workers`]: the threads, if the port is to have a pool of its own; [`ThreadPool`]: a pool of the program's.
//! - [`names`]: host names in place of addresses, looked up off the workers; in which order the addresses are tried.
//! - [`blocking`]: says beforehand that a handler may block; [`Snapshot`]: how the port and its threads stand.
//! - `simulated`, with the feature of that name: a kernel in memory, for tests.
//! - [`raw`]: the layer beneath, for other languages and for memory that is not Rust's.
//!
//! The parts that every server writes again (clients, limits, orderly stop) are in the crate `wharf-server`.
//!
//! The usual mistakes of C programs with completion ports do not compile here, or have one obvious answer: a buffer
//! can't be freed before its operation has completed, a failed operation can't be mistaken for a time-out, a handle
//! can't be associated twice, and a closed handle can't reach another socket.
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
pub mod manual;
#[cfg(feature = "safe")]
pub mod names;
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
pub use handle::{LocalConnection, LocalListener, PeerProcess};
pub use raw::{
    DescriptorReserve, HANDLES_MAX, LentDescriptor, PortError, Spawned, ThreadPool, WaitMany,
    blocking,
};
pub use snapshot::{Counts, Snapshot, Traffic, WorkerSnapshot, WorkerState};
#[cfg(feature = "safe")]
pub use {
    buffer::{Buffer, BufferPool, Payload, Transmit},
    handle::{Associate, DatagramSocket, File, Key, Listener, Socket},
    operation::{
        CancelledTimer, Completion, Connection, Context, Finished, OperationId, Refused, SkipPort,
        Started, Wait, With,
    },
    port::{CompletionPort, PortBuilder},
    workers::{Threads, Workers, WorkersBuilder},
};

/// The package's README: its program is compiled like any other. That of the repository is not in the package, and
/// `examples/lib.rs` has it compiled.
#[cfg(all(doctest, feature = "safe"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
