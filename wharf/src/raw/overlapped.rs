//! One operation, in memory that the caller owns.

#[cfg(unix)]
use std::time::Instant;
use std::{io, net::SocketAddr, ptr::NonNull};

#[cfg(unix)]
use super::LocalAddress;
#[cfg(windows)]
use super::windows::native::Native;
use super::{Descriptor, Handle, Kind, PortError, RawBuffer};
use crate::driver::RawDescriptor;

/// Finds the memory for a receive only when there is something to receive.
///
/// Both functions are called with an operation that is in transfer, by the thread that transfers, under no lock. They may use
/// the data that the caller keeps beside the operation, but not the operation's own fields: another thread may mark it as
/// cancelled, or put an operation behind it in line.
#[derive(Debug)]
pub struct Provider {
    /// Finds memory for the operation: valid for writing, and not used by any other code until the operation's packet is handed
    /// out or `withdraw` is called. With `None`, nothing happens until [`Port::resume`](super::Port::resume) is
    /// called for the handle; a call that comes before this function has returned is not lost.
    pub provide: unsafe fn(operation: NonNull<Overlapped>) -> Option<RawBuffer>,
    /// Takes the memory back: there was nothing to receive after all, or receives are
    /// [paused](super::Port::pause_receives).
    pub withdraw: unsafe fn(operation: NonNull<Overlapped>),
}

/// Caller-owned memory for one operation: one buffer, or several.
#[derive(Debug, Clone, Copy)]
pub enum Buffers {
    /// One buffer.
    One(RawBuffer),
    /// `count` buffers, listed from `first` on. The list, too, must stay in place.
    Many {
        /// The first of them.
        first: *const RawBuffer,
        /// How many there are.
        count: usize,
    },
}

/// What an operation does. Memory to receive or read into need not be initialised; when the operation has ended, as many bytes
/// of it as were transferred are initialised, from the front of the first buffer on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Request {
    /// Receives at least 1 byte, or the end.
    Receive(Buffers),
    /// Receives until the memory is full, or the end: fewer bytes than there is room for mean the end, as 0 bytes do. Receives that
    /// were started behind it get what comes behind its bytes. If it fails or is cancelled, what had come is in the memory, and counts
    /// as [transferred](Overlapped::transferred).
    ReceiveAll(Buffers),
    /// Receives into memory that is found when there is something to receive.
    ReceiveProvided(&'static Provider),
    /// Zero-byte receive: completes with 0 bytes when there is something to receive, or the end; takes nothing.
    ReceiveNothing,
    /// Completes with 0 bytes when there *may* be something to receive, or the end. No system call is made to check, so the
    /// bytes may have been received by another call since. The caller then calls [`try_receive`](super::Port::try_receive); if
    /// that finds nothing, the next of these operations waits for new data. On Windows it is the same as
    /// [`ReceiveNothing`](Self::ReceiveNothing).
    ReceiveReadiness,
    /// Sends all of the bytes, over as many writes as it needs.
    Send(Buffers),
    /// Ends the sending side, after the sends that were started before it.
    Shutdown,
    /// Ends the connection, after the sends that were started before it, and leaves the socket to be connected again.
    /// Receives are cancelled.
    #[cfg(windows)]
    Disconnect,
    /// Accepts a connection on a listener; see [`Overlapped::take_accepted`].
    Accept(Option<Box<Accepted>>),
    /// Connects an unconnected socket. The address is in a box, else every operation would be as large as this one.
    Connect(Box<SocketAddr>),
    /// Connects an unconnected socket, and sends the bytes when it is connected.
    ConnectSend(Box<ConnectSend>),
    /// Connects an unconnected local socket.
    #[cfg(unix)]
    ConnectLocal(Box<LocalAddress>),
    /// Accepts a connection on a listener and receives its first bytes, at least 1, or the end; see
    /// [`Overlapped::take_accepted`]. Meanwhile the connection counts as a handle of the port; if the port has as many handles
    /// as it takes, the connection is closed, and the operation fails with [`QuotaExceeded`](io::ErrorKind::QuotaExceeded).
    AcceptReceive(Box<AcceptReceive>),
    /// Receives one datagram. If it is longer than the memory, it is truncated: the rest is lost, and the operation fails with
    /// the system's `EMSGSIZE`, having transferred as much as fitted.
    ReceiveFrom(Box<Datagram>),
    /// Sends one datagram.
    SendTo(RawBuffer, Box<SocketAddr>),
    /// Sends a part of a file, with memory before and behind it: all one send.
    Transmit(Box<Transmit>),
    /// Reads from a file, as much as there is memory for; less only at the end of the file.
    ReadAt(Box<Span>),
    /// Writes all of the bytes to a file.
    WriteAt(Box<Span>),
    /// Has the writes to a file that have completed reach the disk.
    Flush,
    /// Completes when its time has come; started with [`Port::start_timer`](super::Port::start_timer).
    Timer,
    /// Nothing: it completes at once; queued with [`Port::post_overlapped`](super::Port::post_overlapped).
    Posted,
}

/// The address and the bytes of a [`Request::ConnectSend`].
#[derive(Debug)]
pub struct ConnectSend {
    /// Where to connect.
    pub address: SocketAddr,
    /// What to send when it is connected.
    pub buffer: RawBuffer,
    pub(super) is_connected: bool,
}

impl ConnectSend {
    /// Connects to `address`, and sends what is in `buffer`.
    pub fn new(address: SocketAddr, buffer: RawBuffer) -> Self {
        ConnectSend {
            address,
            buffer,
            is_connected: false,
        }
    }
}

/// The memory of a [`Request::AcceptReceive`], and the connection that it brings.
#[derive(Debug)]
pub struct AcceptReceive {
    /// Where to receive into: 1 byte at least.
    pub buffer: RawBuffer,
    /// The peer, once the connection is made and its first bytes are awaited, and since when. The kernel of Windows waits for both
    /// at once.
    #[cfg(unix)]
    pub(super) arrived: Option<(Option<SocketAddr>, Instant)>,
    pub(super) accepted: Option<Accepted>,
}

impl AcceptReceive {
    /// Receives into `buffer`.
    pub fn new(buffer: RawBuffer) -> Self {
        AcceptReceive {
            buffer,
            #[cfg(unix)]
            arrived: None,
            accepted: None,
        }
    }
}

/// The memory of a [`Request::ReceiveFrom`], and the address that it brings.
#[derive(Debug)]
pub struct Datagram {
    /// Where to receive into.
    pub destination: Destination,
    /// The sender, if that is an Internet address.
    pub peer: Option<SocketAddr>,
}

/// Memory for a datagram.
#[derive(Debug, Clone, Copy)]
pub enum Destination {
    /// Memory that is given at the start.
    Buffer(RawBuffer),
    /// Memory that is found when a datagram is there.
    Provided(&'static Provider),
}

/// What [`Request::Transmit`] sends: `head`, `len` bytes of the file from `offset` on, `tail`.
#[derive(Debug, Clone, Copy)]
pub struct Transmit {
    /// Sent before the file.
    pub head: RawBuffer,
    /// The file's descriptor, on the port's own kernel. It stays open until the packet is handed out.
    pub file: RawDescriptor,
    /// Where in the file to begin.
    pub offset: u64,
    /// How many bytes of it to send. If the file ends before, the operation fails with `ENODATA`.
    pub len: u64,
    /// Sent behind the file.
    pub tail: RawBuffer,
}

/// A place in a file, and the memory for its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// The memory.
    pub buffer: RawBuffer,
    /// Where in the file.
    pub offset: u64,
}

/// A connection that an [`Request::Accept`] brought: close-on-exec and non-blocking.
#[derive(Debug)]
pub struct Accepted {
    /// The new socket.
    pub socket: Descriptor,
    /// The address of its peer; none if it is not an Internet address.
    pub peer: Option<SocketAddr>,
}

/// How the end of an operation is told.
///
/// A function gets the operation back as a packet would hand it out: valid, and the caller's again from then on. The function
/// runs on the thread that finished or cancelled the operation: in the call that did so, in a wait, or on a thread of the
/// port's own. It is called under no lock, when that thread has no other operation to hand out. It may use the port, must not
/// block, and must not panic. The operation counts as handed out before the call, so another thread may have closed the port
/// meanwhile. A [posted](Request::Posted) operation always has a packet, and so has a timer, unless it is
/// [cancelled quietly](super::Port::cancel_timer_quietly).
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub enum OnEnd {
    /// By a packet.
    #[default]
    Packet,
    /// Its success by a call of this function only, its failure by a packet.
    NothingOnSuccess(unsafe fn(operation: NonNull<Overlapped>)),
    /// By a call of this function, for success and failure: there is never a packet. When the port is closed, it is called
    /// within [`Port::close`](super::Port::close), or by the thread that transferred.
    Call(unsafe fn(operation: NonNull<Overlapped>)),
    /// By a packet, if this function says so. It is called as soon as the operation has ended, before its packet is queued, so
    /// it may tell of the end in a way of its own; that is where the layer above has the result written though nobody waits for
    /// packets. If it says no, the operation is the caller's again from within the call, there is no packet, and the function
    /// may have freed it. It is called under no lock, and may post to any port, but must not wait for operations, close a
    /// port or release a handle. It is not called for an operation that
    /// [`start_skip_port`](super::Port::start_skip_port) gives back.
    #[cfg(unix)]
    PacketIf(unsafe fn(operation: NonNull<Overlapped>) -> bool),
}

/// Names an operation, for cancelling it. Never names another one of the same port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OperationId {
    pub(crate) handle: Handle,
    pub(super) sequence: u64,
}

impl OperationId {
    /// Whether it names a timer; also where it names no operation.
    pub(super) fn is_timer(self) -> bool {
        self.handle == Handle::NONE || self.handle.timer().is_some()
    }

    #[cfg(feature = "safe")]
    /// The name of a posted packet, which can't be cancelled.
    pub(crate) const NONE: OperationId = OperationId {
        handle: Handle::NONE,
        sequence: 0,
    };
}

/// The direction of an operation: each handle has a line of operations for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Read = 0,
    Write = 1,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Status {
    #[default]
    Pending,
    /// Cancelled while in transfer: completes as such unless the transfer finishes it.
    Cancelling,
    Done,
    /// The system's own error number.
    Failed(i32),
    /// The connection that it brought has no place: the port has as many handles as it takes.
    #[cfg(unix)]
    Full,
}

/// One operation, in memory that the caller owns.
///
/// It is to the raw layer what `OVERLAPPED` is to Windows: the caller keeps it in place from the
/// start of the operation until its packet is handed out, and its address names the operation. It is also the
/// slot in which the result waits, so completing needs no memory and can't fail.
///
/// # The life of an operation
///
/// | state | who may touch it | on cancel | on close of the handle |
/// |---|---|---|---|
/// | *idle*: not started, or handed out | the caller | not found | nothing |
/// | *lined up*: in its side's line | the port, under the handle's lock | taken out, completes as cancelled | likewise |
/// | *in transfer*: head of the line, side busy | its memory: the one thread that transfers; itself: the port, under the handle's lock | marked; completes as cancelled unless the transfer finishes it | likewise |
/// | *queued*: complete, on the port's queue | no code | not found | nothing |
///
/// The caller may not free or move it in the last three.
#[derive(Debug)]
#[repr(C)]
pub struct Overlapped {
    #[cfg(windows)]
    pub(super) native: Native,
    /// Chosen by the caller: comes back unchanged with the packet.
    pub token: u64,
    /// How its end is told.
    pub on_end: OnEnd,
    /// Called with a [send](Request::Send) from one buffer that the system has not taken whole, by the thread that
    /// transfers, under no lock: the caller may move the bytes to other memory, and says where all of them are now. `None`
    /// leaves them. Windows has the memory until the send has ended, and does not call it.
    ///
    /// Called likewise with an accept that the system refuses for want of a descriptor or of memory (`EMFILE`, `ENFILE`,
    /// `ENOBUFS`, `ENOMEM`); what it returns is not used. The accept then stays under way: it is tried again 50 ms later, when
    /// another connection comes, and when [`Port::resume`](super::Port::resume) is called for the listener. Without the function
    /// it fails. On Windows the socket is there before the connection, and nothing of the kind happens.
    pub waits: Option<unsafe fn(operation: NonNull<Overlapped>) -> Option<RawBuffer>>,
    pub(crate) request: Request,
    /// The next in the line of its side.
    pub(super) next: Option<NonNull<Overlapped>>,
    pub(crate) handle: Handle,
    pub(super) sequence: u64,
    /// The key of its handle.
    pub(super) key: usize,
    pub(crate) transferred: usize,
    pub(super) status: Status,
}

impl Overlapped {
    /// An operation that is ready to be started.
    pub fn new(token: u64, request: Request) -> Self {
        Overlapped {
            #[cfg(windows)]
            native: Native::default(),
            token,
            on_end: OnEnd::Packet,
            waits: None,
            request,
            next: None,
            handle: Handle::NONE,
            sequence: 0,
            key: 0,
            transferred: 0,
            status: Status::Pending,
        }
    }

    /// The name of the operation, as [`Port::start`](super::Port::start) returned it.
    pub fn id(&self) -> OperationId {
        OperationId {
            handle: self.handle,
            sequence: self.sequence,
        }
    }

    /// Takes the connection that a completed accept brought.
    pub fn take_accepted(&mut self) -> Option<Accepted> {
        self.request.take_accepted()
    }

    /// When the connection came for whose first bytes a [`Request::AcceptReceive`] has waited; see also
    /// [`Port::arrived_at`](super::Port::arrived_at). None of other requests, and where none came.
    #[cfg(unix)]
    pub fn arrived_at(&self) -> Option<Instant> {
        match &self.request {
            Request::AcceptReceive(arrival) => arrival.arrived.map(|(_, at)| at),
            _ => None,
        }
    }

    /// Takes what was asked for, once it was handed out: the address of a datagram's sender is in there, and boxes can be used
    /// again.
    pub fn take_request(&mut self) -> Request {
        std::mem::replace(&mut self.request, Request::Posted)
    }

    /// Notes the connection that it brought.
    pub(super) fn put_accepted(&mut self, accepted: Accepted) {
        match &mut self.request {
            Request::AcceptReceive(arrival) => arrival.accepted = Some(accepted),
            request => *request = Request::Accept(Some(Box::new(accepted))),
        }
    }

    /// The bytes that it moved, once it was handed out; also where it failed.
    pub fn transferred(&self) -> usize {
        self.transferred
    }

    /// The key of its handle, once it was started.
    pub fn key(&self) -> usize {
        self.key
    }

    /// Why it failed, if it did, once it was handed out: the system's own error, or the port's.
    pub fn error(&self) -> Option<io::Error> {
        match self.status {
            Status::Failed(number) => Some(self.failure(number)),
            #[cfg(unix)]
            Status::Full => Some(PortError::TooManyHandles.into()),
            Status::Done | Status::Pending | Status::Cancelling => None,
        }
    }

    fn failure(&self, number: i32) -> io::Error {
        // A socket that comes to be registered within the operation may not be. None of its calls fails so.
        #[cfg(unix)]
        if matches!(
            self.request,
            Request::AcceptReceive(_)
                | Request::Connect(_)
                | Request::ConnectSend(_)
                | Request::ConnectLocal(_)
        ) {
            return crate::driver::unregistered(number);
        }
        io::Error::from_raw_os_error(number)
    }

    /// The function that the ended operation is handed to; none if a packet tells of its end.
    pub(super) fn handed_to(&self) -> Option<unsafe fn(NonNull<Overlapped>)> {
        match self.on_end {
            _ if matches!(self.request, Request::Timer | Request::Posted) => None,
            OnEnd::Call(function) => Some(function),
            OnEnd::NothingOnSuccess(function) if self.status == Status::Done => Some(function),
            OnEnd::NothingOnSuccess(_) | OnEnd::Packet => None,
            #[cfg(unix)]
            OnEnd::PacketIf(_) => None,
        }
    }

    /// The function that says whether a packet is to tell of its end, if one does.
    #[cfg(unix)]
    pub(super) fn asks(&self) -> Option<unsafe fn(NonNull<Overlapped>) -> bool> {
        match self.on_end {
            OnEnd::PacketIf(function) => Some(function),
            _ => None,
        }
    }

    /// Whether it is a send of which only a failure is told.
    #[cfg(unix)]
    pub(super) fn is_quiet_send(&self) -> bool {
        let is_quiet = matches!(self.on_end, OnEnd::NothingOnSuccess(_));
        is_quiet && matches!(self.request, Request::Send(_))
    }

    pub(super) fn direction(&self) -> Direction {
        match self.request {
            Request::Send(_)
            | Request::SendTo(..)
            | Request::Transmit(_)
            | Request::Shutdown
            | Request::Connect(_)
            | Request::ConnectSend(_) => Direction::Write,
            #[cfg(unix)]
            Request::ConnectLocal(_) => Direction::Write,
            #[cfg(windows)]
            Request::Disconnect => Direction::Write,
            _ => Direction::Read,
        }
    }

    /// The bytes that a send has still to move; 0 for anything else.
    ///
    /// # Safety
    /// As for [`to_send`](Self::to_send).
    pub(super) unsafe fn unsent(&self) -> usize {
        // SAFETY: passed on to the caller.
        unsafe { self.to_send() }.saturating_sub(self.transferred)
    }

    /// The bytes that a send has to move in all; 0 for anything else.
    ///
    /// # Safety
    /// The list of buffers is in place, as [`Port::start`](super::Port::start) asks.
    pub(super) unsafe fn to_send(&self) -> usize {
        match &self.request {
            // SAFETY: passed on to the caller.
            Request::Send(buffers) => unsafe { buffers.len(usize::MAX) },
            Request::SendTo(buffer, _) => buffer.len,
            Request::ConnectSend(connect) => connect.buffer.len,
            Request::Transmit(transmit) => transmit.total(),
            _ => 0,
        }
    }

    /// The bytes that are to come still if it receives until its memory is full; 0 for anything else.
    ///
    /// # Safety
    /// As for [`to_send`](Self::to_send).
    pub(super) unsafe fn unfilled(&self) -> usize {
        match &self.request {
            Request::ReceiveAll(buffers) => {
                // SAFETY: passed on to the caller.
                let room = unsafe { buffers.len(usize::MAX) };
                room.saturating_sub(self.transferred)
            }
            _ => 0,
        }
    }

    /// Whether a handle of this kind takes the operation.
    pub(super) fn check_kind(&self, kind: Kind) -> io::Result<()> {
        let fits = match self.request {
            Request::Accept(_) | Request::AcceptReceive(_) => kind == Kind::Listener,
            Request::Connect(_) | Request::ConnectSend(_) => kind == Kind::Unconnected,
            #[cfg(unix)]
            Request::ConnectLocal(_) => kind == Kind::Unconnected,
            Request::ReceiveFrom(_) | Request::SendTo(..) => kind == Kind::Datagram,
            Request::ReceiveNothing | Request::ReceiveReadiness => {
                matches!(kind, Kind::Stream | Kind::Datagram)
            }
            Request::ReadAt(_) | Request::WriteAt(_) | Request::Flush => kind == Kind::File,
            Request::Timer | Request::Posted => false,
            _ => kind == Kind::Stream,
        };
        match fits {
            true => Ok(()),
            false => Err(PortError::WrongKind(kind).into()),
        }
    }

    /// Whether it makes a connection, and has not yet.
    pub(super) fn connects(&self) -> bool {
        match &self.request {
            Request::Connect(_) => true,
            #[cfg(unix)]
            Request::ConnectLocal(_) => true,
            Request::ConnectSend(connect) => !connect.is_connected,
            _ => false,
        }
    }

    /// Notes that the connection is made.
    pub(super) fn connected(&mut self) {
        if let Request::ConnectSend(connect) = &mut self.request {
            connect.is_connected = true;
        }
    }

    /// Whether it ends the connection and keeps the socket.
    #[cfg(windows)]
    pub(super) fn disconnects(&self) -> bool {
        matches!(self.request, Request::Disconnect)
    }

    /// What finds the memory for its receive.
    pub(super) fn provider(&self) -> Option<&'static Provider> {
        match &self.request {
            Request::ReceiveProvided(provider) => Some(provider),
            Request::ReceiveFrom(datagram) => match datagram.destination {
                Destination::Provided(provider) => Some(provider),
                Destination::Buffer(_) => None,
            },
            _ => None,
        }
    }
}

impl Request {
    /// Takes the connection that a completed accept brought.
    pub(crate) fn take_accepted(&mut self) -> Option<Accepted> {
        match self {
            Request::Accept(accepted) => accepted.take().map(|accepted| *accepted),
            Request::AcceptReceive(arrival) => arrival.accepted.take(),
            _ => None,
        }
    }
}

/// What a [`Transmit`] sends next.
pub(super) enum Part {
    Memory(RawBuffer),
    File { offset: u64, len: u64 },
}

impl Transmit {
    /// What to send when so much is sent.
    pub(super) fn part(&self, moved: usize) -> Part {
        let Some(of_file) = moved.checked_sub(self.head.len).map(|bytes| bytes as u64) else {
            return Part::Memory(self.head.from(moved));
        };
        match of_file.checked_sub(self.len) {
            None => Part::File {
                offset: self.offset + of_file,
                len: self.len - of_file,
            },
            Some(of_tail) => Part::Memory(self.tail.from(of_tail as usize)),
        }
    }

    fn total(&self) -> usize {
        let len = usize::try_from(self.len).unwrap_or(usize::MAX);
        self.head
            .len
            .saturating_add(len)
            .saturating_add(self.tail.len)
    }
}

impl RawBuffer {
    /// What is left of it behind its first `bytes`.
    pub(super) fn from(self, bytes: usize) -> RawBuffer {
        RawBuffer {
            start: self.start.wrapping_add(bytes),
            len: self.len - bytes,
        }
    }
}

impl Buffers {
    /// The bytes in the first `count_max` buffers.
    ///
    /// # Safety
    /// A list of several is in place.
    pub(super) unsafe fn len(&self, count_max: usize) -> usize {
        match *self {
            Buffers::One(buffer) => buffer.len,
            Buffers::Many { first, count } => {
                // SAFETY: the caller promises that the list is in place.
                let list = unsafe { std::slice::from_raw_parts(first, count.min(count_max)) };
                list.iter().map(|buffer| buffer.len).sum()
            }
        }
    }
}
