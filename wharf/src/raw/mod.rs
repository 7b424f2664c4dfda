//! The unsafe layer: overlapped operations in memory that the caller owns, several buffers for each, a token that the caller
//! chooses.
//!
//! The safe API is built on it, and an interface for another language can be: everything here is expressed in
//! numbers and addresses. Each unsafe function says what its caller must guarantee; in short, an [`Overlapped`], its
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
//!
//! # Tasks
//!
//! A layer on the port may have code of its own to run, as an executor has. The threads of the port run it beside the packets:
//! a [`Task`] is a function and a pointer, and is posted like a packet ([`Port::post_task`]). The thread that takes it out of a
//! wait runs it, and counts as running meanwhile. A task that is not run is discarded when it is dropped, also when the port is
//! closed. For a task that is posted again and again, a place can be reserved beforehand ([`Port::reserve_post`]): its posts
//! fail only on a closed port. A task that posts another and then returns can do so [quietly](PostPlace::post_quietly), and its
//! thread goes on with the other.
//!
//! ```
//! use std::ptr::NonNull;
//! use wharf::raw::{Answer, Options, Port, Task, TaskFunctions};
//!
//! type Job = Box<dyn FnOnce() + Send>;
//!
//! static FUNCTIONS: TaskFunctions = TaskFunctions { run, discard };
//!
//! /// # Safety
//! /// The pointer is that of a leaked `Box<Job>`, and not used by other code.
//! unsafe fn run(pointer: NonNull<()>) {
//!     // SAFETY: passed on to the caller.
//!     let job = unsafe { Box::from_raw(pointer.cast::<Job>().as_ptr()) };
//!     job()
//! }
//!
//! /// # Safety
//! /// As for [`run`].
//! unsafe fn discard(pointer: NonNull<()>) {
//!     // SAFETY: passed on to the caller.
//!     drop(unsafe { Box::from_raw(pointer.cast::<Job>().as_ptr()) });
//! }
//!
//! fn task(job: impl FnOnce() + Send + 'static) -> Task {
//!     let job: Box<Job> = Box::new(Box::new(job));
//!     // SAFETY: either function may have the box, on any thread: what is in it is `Send`.
//!     unsafe { Task::new(&FUNCTIONS, NonNull::from(Box::leak(job)).cast()) }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let port = Port::new(&Options::default())?;
//! let (sender, receiver) = std::sync::mpsc::channel();
//! let job = task(move || sender.send("done").expect("the receiver is there"));
//! port.post_task(job).map_err(|(error, _)| error)?;
//!
//! // What each thread of the executor does, until the port is closed:
//! let Answer::Packet(packet) = port.wait(None)? else { panic!("neither closed nor timed out") };
//! if let Some(task) = packet.task {
//!     task.run();
//! }
//! assert_eq!(receiver.recv(), Ok("done"));
//! # Ok(())
//! # }
//! ```

// What both shapes of the port have in common.
mod attempt;
#[cfg(feature = "safe")]
mod counted;
#[cfg(feature = "safe")]
mod erased;
#[cfg(feature = "safe")]
mod erased_key;
mod line;
mod membership;
mod options;
mod outstanding;
mod overlapped;
mod packet;
mod pools;
mod port;
mod refusal;
#[cfg(unix)]
pub(crate) mod ring;
mod shape;
#[cfg(feature = "safe")]
mod space;
mod start;
mod table;
mod task;
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
pub(crate) use counted::Counted;
#[cfg(feature = "safe")]
pub(crate) use erased::Erased;
#[cfg(feature = "safe")]
pub(crate) use erased_key::ErasedKey;
pub use options::Options;
pub use overlapped::{
    AcceptReceive, Accepted, Buffers, ConnectSend, Datagram, Destination, OnEnd, OperationId,
    Overlapped, Provider, Request, Span, Transmit,
};
use overlapped::{Direction, Status};
pub use packet::{Answer, Packet, Started, WaitMany};
pub(crate) use packet::{Completed, End, Queued};
pub use pools::{DescriptorReserve, LentDescriptor, Spawned, ThreadPool};
#[cfg(unix)]
use readiness as system;
#[cfg(all(unix, feature = "safe"))]
pub(crate) use readiness::idle::IdleReceive;
use refusal::check_max;
pub(crate) use refusal::closed;
pub use refusal::{PortError, is_cancelled};
#[cfg(feature = "safe")]
pub(crate) use shape::Tried;
#[cfg(feature = "safe")]
pub(crate) use space::Space;
#[cfg(feature = "safe")]
pub(crate) use system::send_first::BegunSend;
use system::{entry::Entry, start::Next};
pub use system::{member::blocking, port::Port};
use table::LockedEntry;
pub use table::{HANDLES_MAX, Handle, Kind};
pub use task::{PostPlace, Task, TaskFunctions};
pub use timers::deadline_after;
use unsent::{Limits, Unsent};
#[cfg(windows)]
use windows as system;
