//! The trait of a driver that waits for readiness; on it the port for Linux is built.
//!
//! A driver waits for readiness and carries out transfers, and knows nothing of packets, keys or workers. Every driver
//! promises:
//!
//! - [`register`](Driver::register): from now on every *change* to ready of the descriptor is reported once, to one of
//!   the threads that wait. What is ready already is reported too.
//! - [`wait`](Driver::wait): any thread may wait.
//! - [`wake`](Driver::wake): ends one wait, or the next one if no thread waits; never lost.
//! - [`transfer`](Driver::transfer): tries each transfer once and never blocks; each gets its outcome.
//!
//! Some promises not every system can make; each driver states its own: [`Promises`], [`late_max`](Driver::late_max).

use std::{fmt, io, net::SocketAddr, os::fd::BorrowedFd, ptr::NonNull, time::Duration};

use super::{Descriptor, LocalAddress, Query, RawBuffer, Reply};

/// The most buffers that one system call is given, since they are listed on the stack; an operation may have more.
pub(crate) const BUFFERS_PER_CALL_MAX: usize = 64;

/// The call that one transfer asks of the kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Call {
    /// Into one buffer of at least 1 byte.
    Receive(RawBuffer),
    /// Vectored (scatter): into several buffers, behind their first `skip` bytes.
    Scatter {
        first: *const RawBuffer,
        count: usize,
        skip: usize,
    },
    /// Whether a receive would find anything, without taking it.
    Probe,
    /// Whether a stream has ended or failed, without taking anything. Not ready while neither is so.
    Peek,
    /// From one buffer.
    Send(RawBuffer),
    /// Vectored (gather): from several buffers, less the first `skip` bytes.
    Gather {
        first: *const RawBuffer,
        count: usize,
        skip: usize,
    },
    Accept,
    Connect(SocketAddr),
    ConnectLocal(NonNull<LocalAddress>),
    /// Ends the sending side.
    Shutdown,
    /// One datagram, into one buffer.
    ReceiveFrom(RawBuffer),
    /// One datagram.
    SendTo(RawBuffer, SocketAddr),
    /// From a file to a socket: `len` bytes, 1 at least.
    SendFile {
        file: i32,
        offset: u64,
        len: u64,
    },
    ReadAt(RawBuffer, u64),
    WriteAt(RawBuffer, u64),
    /// Everything that was written reaches the disk.
    Flush,
}

/// The outcome of a transfer.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Not tried yet.
    Untried,
    /// Bytes moved; for a receive, 0 is the end of the stream. What is received or read has been written to the memory that
    /// the call names, from its front on: safe code will read so much of it.
    Moved(usize),
    Accepted(Descriptor, Option<SocketAddr>),
    /// A datagram was received; `len` bytes of it were written. `is_truncated`: the bytes that did not fit are lost.
    Datagram {
        len: usize,
        peer: Option<SocketAddr>,
        is_truncated: bool,
    },
    /// Not now: the descriptor has to become ready first.
    NotReady,
    /// The system's number of the error.
    Failed(i32),
}

/// One transfer on its way through a driver.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub descriptor: i32,
    /// The place of the handle in the port's table; drivers may keep state for it.
    pub slot: u32,
    pub call: Call,
    pub outcome: Outcome,
}

/// A descriptor changed to ready.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    /// The token that it is registered under.
    pub token: u64,
    pub readable: bool,
    pub writable: bool,
    /// The peer has ended its sending side in order.
    pub ended: bool,
    /// The connection is gone.
    pub hangup: bool,
    /// Urgent data arrived: a short read no longer means that nothing is left.
    pub urgent: bool,
}

/// The results of one wait.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub list: Vec<Event>,
    /// A [`Driver::wake`] ended the wait.
    pub woken: bool,
    /// The timer that [`Driver::arm`] set is due.
    pub timer: bool,
}

/// The most events that one wait harvests: enough to fill a batch on each of many processors, few enough that
/// they are looked at while still warm.
pub(crate) const EVENTS_MAX: usize = 128;

/// The promises that a driver makes beyond those of every driver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promises {
    /// Of several threads that wait in the kernel, the last to come is woken first, by an event as by a wake.
    pub wakes_last_first: bool,
    /// So many threads may wait in the kernel at once, at least 1. A thread that polls without waiting does not count.
    pub waiters_max: usize,
    /// The system can tell that a thread is blocked.
    pub tells_blocked: bool,
}

impl Promises {
    /// All promises.
    pub(crate) const ALL: Promises = Promises {
        wakes_last_first: true,
        waiters_max: usize::MAX,
        tells_blocked: true,
    };

    /// None.
    #[cfg(feature = "simulated")]
    pub(crate) const LEAST: Promises = Promises {
        wakes_last_first: false,
        waiters_max: 1,
        tells_blocked: false,
    };
}

pub(crate) trait Driver: Send + Sync + fmt::Debug {
    fn name(&self) -> &'static str;

    /// The promises that it makes beyond those of every driver.
    fn promises(&self) -> Promises;

    /// How much later than asked a wait of such a length may end; none where it is exact but for the system's timer slack. The
    /// port makes a long wait in steps, so that none ends much too late.
    fn late_max(&self, timeout: Duration) -> Duration;

    /// How many descriptors the driver has open for itself.
    fn descriptors(&self) -> usize;

    /// The most transfers that are worth handing over at once.
    fn batch_max(&self) -> usize;

    /// Checks that a descriptor is of this driver's kernel, so that its number means it here.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): it is of another.
    fn knows(&self, descriptor: &Descriptor) -> io::Result<()>;

    /// Makes a stream socket that can be connected to `peer`, from `local` if that is given.
    fn stream_for(&self, peer: SocketAddr, local: Option<SocketAddr>) -> io::Result<Descriptor>;

    /// Makes a stream socket that can be connected to a local one.
    fn local_stream(&self) -> io::Result<Descriptor>;

    /// Asks or sets something.
    ///
    /// # Safety
    /// The descriptor is open.
    unsafe fn ask(&self, descriptor: i32, query: Query) -> io::Result<Reply>;

    /// Registers a descriptor, under a token that is not one of the driver's own ([`TOKEN_MAX`]).
    ///
    /// # Errors
    /// The system's, with advice. [`AlreadyExists`](io::ErrorKind::AlreadyExists): it is registered already.
    ///
    /// # Safety
    /// The descriptor is open.
    unsafe fn register(&self, descriptor: i32, token: u64) -> io::Result<()>;

    /// A descriptor that poll(2) reports as readable while there are events for [`wait`](Self::wait), if there is one: for a thread
    /// that watches several ports.
    fn pollable(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Waits for events, for `timeout` at most (`None`: for ever), and puts them into `events`, which it clears.
    fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()>;

    /// Ends one wait.
    fn wake(&self);

    /// Sets a timer: a wait reports [`Events::timer`] after `delay`. It replaces the one that was set before; `None` removes
    /// it.
    fn arm(&self, delay: Option<Duration>);

    /// Tries each transfer once, and never blocks. No transfer is left [`Outcome::Untried`].
    ///
    /// # Safety
    /// The descriptors are open, and the memory that the calls name is valid and not used by other code until this returns.
    unsafe fn transfer(&self, transfers: &mut [Transfer]);

    /// Tries one transfer of a file, for as long as that takes.
    ///
    /// # Safety
    /// As for [`transfer`](Self::transfer).
    unsafe fn transfer_file(&self, transfer: &mut Transfer);

    /// Deregisters a descriptor that stays open.
    ///
    /// # Safety
    /// The descriptor is open.
    unsafe fn deregister(&self, descriptor: i32);

    /// Drops everything that the driver keeps for a slot, before the slot's descriptor is closed.
    fn forget(&self, slot: u32);
}

/// Tokens above this are the driver's own.
pub(crate) const TOKEN_MAX: u64 = u64::MAX - 16;
