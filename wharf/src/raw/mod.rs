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
mod attempt;
#[cfg(feature = "safe")]
mod erased;
mod line;
mod membership;
mod options;
mod outstanding;
mod overlapped;
mod packet;
#[cfg(feature = "safe")]
mod parcel;
mod pools;
mod port;
mod refusal;
mod shape;
#[cfg(feature = "safe")]
mod space;
mod start;
mod table;
mod timers;
mod unsent;
mod wait;

// The two shapes: a port of our own, on a kernel that tells readiness, and the port of the Windows kernel.
#[cfg(unix)]
mod readiness;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use crate::driver::{BorrowedDescriptor, LocalAddress};
pub use crate::driver::{Descriptor, RawBuffer, RawDescriptor, SystemSocket};
#[cfg(feature = "safe")]
pub(crate) use erased::Erased;
pub use options::Options;
pub use overlapped::{
    AcceptReceive, Accepted, Buffers, ConnectSend, Datagram, Landing, OnEnd, OperationId,
    Overlapped, Provider, Request, Span, Transmit,
};
use overlapped::{Direction, Status};
pub use packet::{Answer, Many, Packet, Started};
pub(crate) use packet::{Completed, End, Queued};
#[cfg(feature = "safe")]
pub(crate) use parcel::Parcel;
pub use pools::{DescriptorReserve, LentDescriptor, Spawned, ThreadPool};
#[cfg(unix)]
use readiness as system;
pub(crate) use refusal::closed;
pub use refusal::is_cancelled;
use refusal::{check_max, takes_no_attempts, too_many};
#[cfg(feature = "safe")]
pub(crate) use space::Space;
use system::{entry::Entry, start::Next};
pub use system::{member::blocking, port::Port};
pub use table::{HANDLES_MAX, Handle, Kind};
pub use timers::deadline_after;
use unsent::Unsent;
#[cfg(windows)]
use windows as system;
