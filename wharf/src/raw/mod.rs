//! The unsafe layer: caller-owned buffers, several an operation, a caller-chosen token.
//!
//! The safe API is built on it, and so can be an interface for another language: everything here is spelled in
//! numbers and addresses. What the caller owes is written at each unsafe function; in short, an [`Overlapped`], its
//! buffers and their list stay where they are from [`Port::start`] until the packet is handed out.
//!
//! ```
//! use std::{net::{TcpListener, TcpStream}, io::Write, ptr::NonNull};
//! use wharf::raw::{Answer, Buffers, Kind, Options, Overlapped, Port, RawBuffer, Request};
//!
//! # fn main() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let mut peer = TcpStream::connect(listener.local_addr()?)?;
//! let (socket, _) = listener.accept()?;
//!
//! let port = Port::new(&Options::default())?;
//! let handle = port.associate(socket, 7, Kind::Stream)?;
//! let mut memory = [0; 64];
//! let buffer = RawBuffer { start: memory.as_mut_ptr(), len: memory.len() };
//! let mut operation = Overlapped::new(42, Request::Receive(Buffers::One(buffer)));
//! // SAFETY: `operation` and `memory` stay in place, untouched, until the packet is here.
//! unsafe { port.start(handle, NonNull::from(&mut operation)) }?;
//!
//! peer.write_all(b"ahoy")?;
//! let Answer::Packet(packet) = port.wait(None)? else { panic!("neither closed nor timed out") };
//! assert_eq!((packet.key, packet.token, packet.transferred), (7, 42, 4));
//! assert_eq!(&memory[..4], b"ahoy");
//! # Ok(())
//! # }
//! ```

mod arrival;
mod file;
mod member;
mod overlapped;
mod parcel;
mod port;
pub(crate) mod record;
mod side;
mod table;
mod transfer;
mod wait;
mod watcher;

use std::{io, ptr::NonNull};

pub use crate::driver::{Descriptor, LocalAddress, RawBuffer};
pub use member::blocking;
pub use overlapped::{
    AcceptReceive, Accepted, Buffers, ConnectSend, Datagram, Landing, Overlapped, Provider,
    Request, Span, Transmit,
};
use overlapped::{Direction, Status};
use parcel::Parcel;
pub(crate) use port::deadline_after;
pub use port::{OperationId, Options, Port, Started};
pub use table::{Handle, Kind};
pub(crate) use wait::End;
pub use wait::Many;
pub(crate) use watcher::{Crew, Hired};

/// One completed operation, or one posted packet.
#[derive(Debug)]
pub struct Packet {
    /// The key of the handle, or the one that was posted.
    pub key: usize,
    /// The bytes that were moved, also by an operation that failed; or the number that was posted.
    pub transferred: usize,
    /// The token of the operation, or the one that was posted.
    pub token: u64,
    /// Why the operation failed, if it did: the system's own error.
    pub error: Option<io::Error>,
    /// The operation, the caller's again; none for a posted packet.
    pub operation: Option<NonNull<Overlapped>>,
}

/// What a wait for one packet came to.
#[derive(Debug)]
pub enum Answer {
    /// A packet.
    Packet(Packet),
    /// The time is over.
    TimedOut,
    /// The port is closed.
    Closed,
}

/// A packet on the port's queue.
#[derive(Debug)]
pub(crate) enum Queued {
    /// An operation that completed.
    Operation(Completed),
    /// What was posted on a raw port.
    Posted {
        key: usize,
        transferred: usize,
        token: u64,
    },
    /// What was posted through the safe API: the key is of its own type.
    Carried { key: Parcel, transferred: usize },
}

/// A completed operation, which nobody touches until its packet is handed out.
#[derive(Debug)]
pub(crate) struct Completed(NonNull<Overlapped>);

// SAFETY: the caller of `Port::start` gives the operation up until its packet is handed out, on whatever thread; it
// is told so there. Until then only the port holds the address, in one place at a time.
unsafe impl Send for Completed {}

/// A side of a handle that is worth a transfer.
#[derive(Debug, Clone, Copy)]
struct Ready {
    handle: Handle,
    direction: Direction,
}

impl Queued {
    fn into_packet(self) -> Packet {
        match self {
            Queued::Posted {
                key,
                transferred,
                token,
            } => Packet {
                key,
                transferred,
                token,
                error: None,
                operation: None,
            },
            Queued::Carried { .. } => unreachable!("it is not posted on a port without records"),
            Queued::Operation(Completed(operation)) => {
                // SAFETY: a queued operation is valid, and nobody else's until its packet is handed out: now.
                let overlapped = unsafe { operation.as_ref() };
                Packet {
                    key: overlapped.key,
                    transferred: overlapped.transferred,
                    token: overlapped.token,
                    error: overlapped.error(),
                    operation: Some(operation),
                }
            }
        }
    }
}

/// The error of whatever is started on a closed port or handle.
pub(crate) fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotConnected,
        "the handle or its port is closed; nothing can be started on it",
    )
}
