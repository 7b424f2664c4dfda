//! The methods that both shapes of the port provide, each in files of the same names: the compiler reports one that is missing.
//! The part that is the same for both is written once, on top of these, in [`port`](super::port).

#[cfg(unix)]
use std::os::fd::BorrowedFd;
use std::{
    io,
    net::SocketAddr,
    ptr::NonNull,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

#[cfg(feature = "safe")]
use super::BegunSend;
use super::{
    Descriptor, Direction, End, Handle, Kind, Next, OperationId, Options, Overlapped, Queued,
    RawBuffer, RawDescriptor, Task, ThreadPool,
    membership::Membership,
    table::{LockedEntry, Table},
    task::Places,
};
use crate::{
    driver::{DriverInfo, Query, Reply},
    snapshot::{Counts, Snapshot, Traffic},
};

/// The parts of a port, and its state.
pub(super) trait Parts: Sized {
    fn make(options: &Options) -> io::Result<Arc<Self>>;

    fn info(&self) -> &DriverInfo;
    fn table(&self) -> &Table;

    fn concurrency(&self) -> usize;
    fn descriptors(&self) -> usize;
    fn counts(&self) -> Counts;
    fn snapshot(&self) -> Snapshot;
    fn oldest(&self) -> Option<Duration>;
    fn is_closed(&self) -> bool;

    /// Starts the thread that is needed when others block, so that it is there.
    fn prepare(&self) -> io::Result<()>;
    fn add_pool(&self, pool: Weak<dyn ThreadPool>);
    fn can_spawn(&self);
    fn worker_started(&self);
}

/// Handles: how they are associated, asked and closed.
pub(super) trait Associations {
    /// `is_tcp`: whether a stream, or a connection that a listener accepts, is TCP; if not known, the system is asked where it
    /// matters.
    fn associate_as(
        &self,
        descriptor: Descriptor,
        key: usize,
        kind: Kind,
        is_tcp: Option<bool>,
    ) -> io::Result<Handle>;

    fn stream_for(&self, peer: SocketAddr, local: Option<SocketAddr>) -> io::Result<Descriptor>;
    fn knows(&self, descriptor: &Descriptor) -> io::Result<()>;
    fn is_tcp(&self, handle: Handle) -> Option<bool>;
    fn ask(&self, handle: Handle, query: Query) -> io::Result<Reply>;
    #[cfg(feature = "safe")]
    fn ask_new(&self, descriptor: &Descriptor, query: Query) -> io::Result<Reply>;
    fn with_descriptor<T>(
        &self,
        handle: Handle,
        with: impl FnOnce(RawDescriptor) -> io::Result<T>,
    ) -> io::Result<T>;

    #[cfg(unix)]
    fn with_borrowed<T>(
        &self,
        handle: Handle,
        with: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T>;

    #[cfg(windows)]
    fn with_borrowed<T>(
        &self,
        handle: Handle,
        with: impl FnOnce(&Descriptor) -> io::Result<T>,
    ) -> io::Result<T>;

    /// There may be memory for the receives of a handle. Returns whether an operation of the handle can use it.
    fn feed(&self, handle: Handle) -> bool;

    /// Pauses the receives of a stream, or ends the pause.
    fn set_paused(&self, handle: Handle, paused: bool) -> io::Result<()>;

    /// Closes a handle that is open, whose entry is locked.
    fn close_entry(&self, handle: Handle, entry: LockedEntry<'_>);
    fn close_if_sent(&self, handle: Handle) -> Option<Traffic>;
}

/// Operations: how they are started, and cancelled.
pub(super) trait Operations {
    /// Puts an operation that has its number into its line; the handle's entry is locked. `here`: this thread carries out what
    /// can be done at once.
    ///
    /// # Safety
    /// As for [`Port::start`](super::Port::start).
    unsafe fn put_in_line(
        &self,
        entry: LockedEntry<'_>,
        operation: NonNull<Overlapped>,
        here: bool,
    ) -> io::Result<Next>;

    /// Carries out the follow-up of that.
    fn follow(&self, next: Next);

    /// Likewise. Returns whether this operation ended meanwhile: then it has no packet, and counts as handed out.
    fn follow_at_once(&self, next: Next, operation: NonNull<Overlapped>) -> bool;

    /// Cancels one operation or timer. Returns whether it was found.
    fn cancel_one(&self, id: OperationId) -> bool;

    /// Takes a timer back whose time has not come, as cancelled: no packet follows, and it counts as handed out.
    fn take_timer(&self, id: OperationId) -> Option<NonNull<Overlapped>>;

    /// Cancels the operations of a handle that `which` accepts; returns how many there were.
    fn cancel_those(&self, handle: Handle, which: impl Fn(&Overlapped) -> bool) -> usize;

    /// Sets a timer that was counted.
    ///
    /// # Safety
    /// As for [`Port::start`](super::Port::start).
    unsafe fn set_timer(
        &self,
        deadline: Instant,
        key: usize,
        operation: NonNull<Overlapped>,
    ) -> io::Result<OperationId>;
}

/// The kind of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attempt {
    Receive(RawBuffer),
    Send(RawBuffer),
    /// So many buffers from the first on.
    SendVectored {
        first: *const RawBuffer,
        count: usize,
    },
}

impl Attempt {
    pub(super) fn direction(&self) -> Direction {
        match self {
            Attempt::Receive(_) => Direction::Read,
            Attempt::Send(_) | Attempt::SendVectored { .. } => Direction::Write,
        }
    }
}

/// Attempts on memory that is lent for a call.
pub(super) trait Attempts {
    /// Makes one attempt, at once; in order with the operations that are under way.
    ///
    /// # Safety
    /// The memory, and a list of several, are valid until this returns; memory that is written is not used by other code.
    unsafe fn attempt(&self, handle: Handle, attempt: Attempt) -> io::Result<usize>;
}

/// What trying a send came to.
#[cfg(feature = "safe")]
pub(crate) enum Tried {
    /// It was not tried, for any reason: an operation is to be started.
    Not,
    /// The system has taken all of it.
    #[cfg_attr(
        windows,
        expect(dead_code, reason = "the kernel has all sends from the start")
    )]
    Sent(OperationId),
    /// It has not ended.
    #[cfg_attr(
        windows,
        expect(dead_code, reason = "the kernel has all sends from the start")
    )]
    Begun(BegunSend),
}

/// Sends that are tried before an operation is made for them.
#[cfg(feature = "safe")]
pub(super) trait Sends {
    /// Sends bytes on a stream at once, if nothing goes before them.
    ///
    /// # Safety
    /// The bytes are valid, and not written by other code, until this returns; or until
    /// [`go_on_sending`](Self::go_on_sending) is called.
    unsafe fn send_first(&self, handle: Handle, bytes: RawBuffer) -> Tried;

    /// Goes on with a send that was begun, as this operation. It has to be called for each.
    ///
    /// # Safety
    /// As for [`Port::start`](super::Port::start), which has succeeded; it is a send of the same bytes.
    unsafe fn go_on_sending(&self, begun: BegunSend, operation: NonNull<Overlapped>)
    -> OperationId;

    /// Whether a send that this thread starts now is made together with others.
    fn batches_sends(&self) -> bool;
}

/// Packets: how they come onto the queue, and from there to threads.
pub(super) trait Packets {
    /// The state that a thread keeps between two waits.
    type Member: Membership;

    /// Counts an operation as started, and makes room for its packet.
    fn admit(&self) -> io::Result<()>;

    /// Counts operations as handed out, or as never started.
    fn dismiss(&self, count: usize);

    /// Queues a packet from outside; gives it back if it is refused.
    fn post_packet(&self, packet: Queued) -> Result<(), (io::Error, Queued)>;

    /// As `post_packet`; in a handler, without another thread being released for it at first. Where the kernel has the queue, it
    /// releases as it does.
    fn post_packet_quietly(&self, packet: Queued) -> Result<(), (io::Error, Queued)> {
        self.post_packet(packet)
    }

    /// Queues an operation as a packet of its own.
    fn queue_overlapped(&self, operation: NonNull<Overlapped>) -> io::Result<()>;

    /// The places that are reserved for posts.
    fn places(&self) -> &Places;

    /// Reserves memory for the packets of so many places at once.
    fn reserve_posts(&self, places: usize);

    /// Queues a task on a reserved place, which is counted; gives it back if the port is closed.
    fn post_on_place(&self, task: Task) -> Result<(), Task>;

    /// As `post_on_place`, quietly like [`post_packet_quietly`](Self::post_packet_quietly).
    fn post_on_place_quietly(&self, task: Task) -> Result<(), Task> {
        self.post_on_place(task)
    }

    /// This thread's membership of the port; it leaves any other.
    fn enter(self: &Arc<Self>) -> Self::Member;

    /// Waits until there are packets for a member, `max` at most, or the wait is over.
    fn wait(
        &self,
        member: &mut Self::Member,
        timeout: Option<Duration>,
        max: usize,
    ) -> io::Result<Result<(), End>>;

    /// What is left to be noted of a claim.
    type Claim: Sized;

    /// A packet for a thread that comes back for the next one, if it can have one without a wait. What is left to be noted of it
    /// is noted when the second part is dropped: before code of the user's runs, and before the thread waits.
    fn claim(&self) -> Option<(Queued, Self::Claim)>;

    /// Waits for one packet, where none could be claimed.
    fn wait_one(self: &Arc<Self>, timeout: Option<Duration>) -> io::Result<Result<Queued, End>>;

    /// Closes the port, and takes the packets that were not handed out. None if it is closed already.
    fn close_queue(&self) -> Vec<Queued>;
}
