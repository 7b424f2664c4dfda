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

// What both shapes of the port have in common.
mod crew;
mod options;
mod overlapped;
mod parcel;
pub(crate) mod record;
mod shared;
mod table;
mod timers;
mod unsent;

// The two shapes: a port of our own, on a kernel that tells readiness, and the port of the Windows kernel.
#[cfg(unix)]
mod readiness;
#[cfg(windows)]
mod windows;

use std::{io, ptr::NonNull};

#[cfg(unix)]
pub use crate::driver::LocalAddress;
pub use crate::driver::{Descriptor, RawBuffer, RawDescriptor, SystemSocket};
pub(crate) use crew::{Crew, Hired};
pub use options::Options;
pub use overlapped::{
    AcceptReceive, Accepted, Buffers, ConnectSend, Datagram, Landing, OperationId, Overlapped,
    Provider, Request, Span, Transmit,
};
use overlapped::{Direction, Status};
use parcel::Parcel;
#[cfg(unix)]
use readiness as shape;
pub(crate) use shape::member::{Reserve, discharge, enlist};
use shape::{entry::Entry, start::Next};
pub use shape::{member::blocking, port::Port};
pub use table::{HANDLES_MAX, Handle, Kind};
pub use timers::deadline_after;
use unsent::Unsent;
#[cfg(windows)]
use windows as shape;

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

impl Packet {
    /// # Safety
    /// The operation is valid, has ended, and is handed out with this.
    unsafe fn of(operation: NonNull<Overlapped>) -> Packet {
        // SAFETY: passed on to the caller.
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

/// What came of [`Port::start_direct`].
#[derive(Debug)]
#[must_use = "what is done is handed out here, and nowhere else"]
pub enum Started {
    /// Its packet follows.
    Pending(OperationId),
    /// It ended within the call.
    Done(Packet),
}

/// What a wait for many packets came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Many {
    /// So many packets were appended.
    Packets(usize),
    /// The time is over.
    TimedOut,
    /// The port is closed.
    Closed,
}

/// How a wait ended that brought no packet.
pub(crate) enum End {
    TimedOut,
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
            // SAFETY: a queued operation is valid, and nobody else's until its packet is handed out: now.
            Queued::Operation(Completed(operation)) => unsafe { Packet::of(operation) },
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

/// The error of whatever is started where no more operations may be under way.
fn too_many(max: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::QuotaExceeded,
        format!(
            "{max} operations are under way, the most this port takes; wait for some, or raise operations_max"
        ),
    )
}
