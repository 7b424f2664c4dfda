//! Overlapped operations: what is kept of one from its call to its packet.
//!
//! The caller's OVERLAPPED is an address only, and nothing of ours is kept in it: programs use it again while it is under way, use
//! one for two operations, and free it early. Ours is a [`Record`], with the raw layer's `Overlapped` in front. Its life:
//!
//! | state | whose it is |
//! |---|---|
//! | taken from the list of used ones, filled | the call's |
//! | started | the port's |
//! | ended ([`ended`]): the result is written to the caller's OVERLAPPED, its event set | the thread's that made the transfer |
//! | its packet is queued, if there is to be one | the port's |
//! | the packet is taken, or there is none | back on the list |
//!
//! What ends within its call is written in the same way, and its packet, which needs no record, is posted.

use std::{
    cell::RefCell,
    net::SocketAddr,
    ptr::{self, NonNull},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use wharf::raw::{Accepted, Buffers, Datagram, OnEnd, Overlapped, RawBuffer, Request};

use crate::{
    codes::{self, PENDING, SUCCESS},
    handle,
    objects::Waitable,
    port::CompletionPort,
    socket::{self, Socket},
    threads,
};

/// The OVERLAPPED of a program, of which other threads of its read the first two at any time.
#[derive(Debug)]
#[repr(C)]
pub struct CallerOverlapped {
    pub(crate) internal: AtomicUsize,
    pub(crate) internal_high: AtomicUsize,
    pub(crate) offset: u64,
    pub(crate) event: usize,
}

const _: () = assert!(size_of::<CallerOverlapped>() == 32);

impl CallerOverlapped {
    /// One of our own, for what no program asked for.
    pub(crate) fn new(event: usize) -> CallerOverlapped {
        CallerOverlapped {
            internal: AtomicUsize::new(0),
            internal_high: AtomicUsize::new(0),
            offset: 0,
            event,
        }
    }
}

/// In the handle of an event: its operation gives no packet.
pub(crate) const NO_PACKET: usize = 1;

/// What an operation does, beyond what the raw layer knows.
#[derive(Debug)]
pub(crate) enum Work {
    /// Moves bytes of a stream, or sends a datagram.
    Transfer,
    ReceiveFrom(ReceiveFrom),
    Transmit(Box<socket::Transmission>),
    Accept(Box<socket::Arrival>),
    Connect,
    Disconnect {
        reuse: bool,
    },
    /// A call of another kind that has ended: only its packet is missing.
    Done,
    /// It has ended, and its packet has this key. The record has no socket any more: a packet that nobody takes must not keep a
    /// descriptor open, nor the port that it is queued on.
    Ended {
        key: usize,
    },
}

/// Where the parts of a received datagram go.
#[derive(Debug)]
pub(crate) struct ReceiveFrom {
    pub(crate) from: *mut libc::c_void,
    pub(crate) from_len: *mut i32,
}

/// What operations of several buffers have. It stays with the record.
#[derive(Debug, Default)]
struct Lists {
    /// The caller's buffers. The raw layer reads the list until the end.
    buffers: Vec<RawBuffer>,
    /// The bytes of all of them, for what is one piece to the raw layer.
    whole: Vec<u8>,
}

/// One operation. An idle connection has one: it is as small as it can be.
#[repr(C)]
pub(crate) struct Record {
    raw: Overlapped,
    pub(crate) socket: Option<Arc<Socket>>,
    caller: *mut CallerOverlapped,
    event: Option<Arc<Waitable>>,
    bytes: usize,
    status: u32,
    /// The thread that began it.
    thread: u32,
    pub(crate) work: Work,
    lists: Option<Box<Lists>>,
    /// It was begun on the port that its socket is associated with: its packet is queued there.
    pub(crate) is_on_own_port: bool,
    /// A packet is to tell of its end.
    has_packet: bool,
}

// SAFETY: the addresses are the caller's, who gives what they point to to the operation, on whatever thread.
unsafe impl Send for Record {}

impl std::fmt::Debug for Record {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Record")
            .field("caller", &self.caller)
            .field("work", &self.work)
            .finish_non_exhaustive()
    }
}

/// So many used records a thread keeps for itself; what it has more goes to all threads, half of them at a time.
const OWN_MAX: usize = 64;
/// So many are kept for all threads.
const SHARED_MAX: usize = 4096;
/// As much memory a used record keeps for its lists.
const BUFFERS_KEPT: usize = 16;
const BYTES_KEPT: usize = 2048;
/// No datagram is longer.
const DATAGRAM_MAX: usize = 0xffff;

// Boxed: a record keeps its address.
#[expect(clippy::vec_box)]
static SHARED: Mutex<Vec<Box<Record>>> = Mutex::new(Vec::new());

thread_local! {
    #[expect(clippy::vec_box)]
    static OWN: RefCell<Vec<Box<Record>>> = const { RefCell::new(Vec::new()) };
}

/// A record for an operation of that OVERLAPPED, which is marked as pending, its event reset.
///
/// # Safety
/// `caller` is the address of an OVERLAPPED.
pub(crate) unsafe fn begin(caller: *mut CallerOverlapped, socket: &Arc<Socket>) -> Box<Record> {
    // SAFETY: passed on to the caller.
    let event = unsafe {
        (*caller)
            .internal
            .store(PENDING as usize, Ordering::Release);
        (*caller).event
    };
    let has_packet = event & NO_PACKET == 0;
    // The object, and not its handle, which may be closed meanwhile.
    let event = match event & !NO_PACKET {
        0 => None,
        event => handle::get::<Waitable>(event),
    };
    if let Some(event) = &event {
        event.set_to(false);
    }
    let mut record = used().unwrap_or_else(|| {
        Box::new(Record {
            raw: Overlapped::new(0, Request::Posted),
            socket: None,
            caller: ptr::null_mut(),
            event: None,
            bytes: 0,
            status: PENDING,
            thread: 0,
            work: Work::Transfer,
            lists: None,
            is_on_own_port: false,
            has_packet: true,
        })
    });
    socket.tell_begun();
    record.socket = Some(socket.clone());
    record.caller = caller;
    record.event = event;
    record.has_packet = has_packet;
    record.status = PENDING;
    record.is_on_own_port = false;
    record.thread = threads::number();
    record
}

fn used() -> Option<Box<Record>> {
    let own = OWN.try_with(|own| {
        let mut own = own.borrow_mut();
        if own.is_empty() {
            let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
            let from = shared.len().saturating_sub(OWN_MAX / 2);
            own.extend(shared.drain(from..));
        }
        own.pop()
    });
    own.ok().flatten()
}

/// Gives a record back.
fn give_back(mut record: Box<Record>) {
    record.socket = None;
    record.event = None;
    record.work = Work::Transfer;
    if let Some(lists) = &mut record.lists {
        lists.buffers.clear();
        lists.whole.clear();
        // Thousands of records are kept: what few operations need goes with them.
        lists.buffers.shrink_to(BUFFERS_KEPT);
        lists.whole.shrink_to(BYTES_KEPT);
    }
    // In a thread that ends it is freed.
    let _ = OWN.try_with(|own| {
        let mut own = own.borrow_mut();
        if own.len() >= OWN_MAX {
            let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
            let half = own.drain(OWN_MAX / 2..);
            let room = SHARED_MAX.saturating_sub(shared.len());
            shared.extend(half.take(room));
        }
        own.push(record);
    });
}

impl Record {
    /// Keeps a list of several buffers.
    pub(crate) fn keep_buffers(&mut self, list: impl Iterator<Item = RawBuffer>) {
        let buffers = &mut self.lists.get_or_insert_default().buffers;
        buffers.clear();
        buffers.extend(list);
    }

    /// The buffers of the operation: those that are kept, or else this one.
    pub(crate) fn list<'a>(&'a self, one: &'a RawBuffer) -> &'a [RawBuffer] {
        match &self.lists {
            Some(lists) if !lists.buffers.is_empty() => &lists.buffers,
            _ => std::slice::from_ref(one),
        }
    }

    /// As [`list`](Self::list), as the raw layer wants them. The list stays in place until the record is given back.
    pub(crate) fn buffers(&self, one: RawBuffer) -> Buffers {
        match &self.lists {
            Some(lists) if !lists.buffers.is_empty() => Buffers::Many {
                first: lists.buffers.as_ptr(),
                count: lists.buffers.len(),
            },
            _ => Buffers::One(one),
        }
    }

    /// The buffers as one: this one, or memory for the bytes of all that are kept.
    pub(crate) fn as_one(&mut self, one: RawBuffer) -> RawBuffer {
        let Some(lists) = self
            .lists
            .as_mut()
            .filter(|lists| !lists.buffers.is_empty())
        else {
            return one;
        };
        let len: usize = lists.buffers.iter().map(|buffer| buffer.len).sum();
        let len = len.min(DATAGRAM_MAX);
        lists.whole.resize(len, 0);
        RawBuffer {
            start: lists.whole.as_mut_ptr(),
            len,
        }
    }

    /// As [`as_one`](Self::as_one), with the bytes of the buffers in it.
    ///
    /// # Safety
    /// They can be read.
    pub(crate) unsafe fn gathered(&mut self, one: RawBuffer) -> RawBuffer {
        let whole = self.as_one(one);
        if let Some(lists) = &self.lists {
            let (mut at, mut left) = (whole.start, whole.len);
            for buffer in &lists.buffers {
                // What is longer than any datagram was refused before.
                let len = buffer.len.min(left);
                // SAFETY: passed on to the caller; there is room for so many.
                unsafe { at.copy_from_nonoverlapping(buffer.start, len) };
                (at, left) = (at.wrapping_add(len), left - len);
            }
        }
        whole
    }

    /// Copies the first bytes of what was received as one to the caller's buffers, if they are several.
    pub(crate) fn scatter(&mut self, bytes: usize) {
        let Some(lists) = &self.lists else { return };
        let mut rest = lists.whole.get(..bytes).unwrap_or_default();
        for buffer in &lists.buffers {
            let (part, behind) = rest.split_at(buffer.len.min(rest.len()));
            // SAFETY: the caller's memory, for as long as the operation is under way.
            unsafe {
                buffer
                    .start
                    .copy_from_nonoverlapping(part.as_ptr(), part.len())
            };
            rest = behind;
        }
    }

    /// Makes it ready to be started, and gives it to the port.
    pub(crate) fn into_raw(mut self: Box<Self>, request: Request) -> NonNull<Overlapped> {
        self.raw = Overlapped::new(0, request);
        self.raw.on_end = OnEnd::PacketIf(ended);
        if matches!(self.work, Work::Accept(_)) {
            self.raw.waits = Some(waits);
        }
        let pointer = NonNull::from(Box::leak(self)).cast::<Overlapped>();
        // SAFETY: it is ours, and not started yet. The token is the record's address, for those who look at it under way.
        unsafe { (*pointer.as_ptr()).token = pointer.as_ptr().expose_provenance() as u64 };
        pointer
    }

    /// Takes a record back whose operation has ended, or was refused.
    ///
    /// # Safety
    /// It came from [`into_raw`](Self::into_raw), and the port has handed it out or not taken it.
    pub(crate) unsafe fn from_raw(pointer: NonNull<Overlapped>) -> Box<Record> {
        // SAFETY: passed on to the caller.
        unsafe { Box::from_raw(pointer.cast::<Record>().as_ptr()) }
    }

    /// The bytes that it has moved, where the raw layer counted them.
    pub(crate) fn transferred(&self) -> usize {
        self.raw.transferred()
    }

    /// The address of a datagram's sender, once that came.
    pub(crate) fn take_datagram(&mut self) -> Option<SocketAddr> {
        match self.raw.take_request() {
            Request::ReceiveFrom(datagram) => {
                let Datagram { peer, .. } = *datagram;
                peer
            }
            _ => None,
        }
    }

    /// When the connection came for whose first bytes it waited, if it did.
    pub(crate) fn arrived_at(&self) -> Option<Instant> {
        self.raw.arrived_at()
    }

    pub(crate) fn take_accepted(&mut self) -> Option<Accepted> {
        self.raw.take_accepted()
    }

    pub(crate) fn errno(&self) -> Option<i32> {
        let error = self.raw.error()?;
        // What the port refuses by itself is that it has no room.
        Some(error.raw_os_error().unwrap_or(libc::ENOBUFS))
    }

    /// Whether `operation`, which is one of these and under way, is of that OVERLAPPED and thread. None stands for any.
    pub(crate) fn is_of(
        operation: &Overlapped,
        caller: Option<*mut CallerOverlapped>,
        thread: Option<u32>,
    ) -> bool {
        let record = ptr::with_exposed_provenance::<Record>(operation.token as usize);
        if record.is_null() {
            return false;
        }
        // SAFETY: the token is the address of the record that the operation is part of; these two fields do not change while it is
        // under way.
        let (its_caller, its_thread) = unsafe {
            (
                (&raw const (*record).caller).read(),
                (&raw const (*record).thread).read(),
            )
        };
        caller.is_none_or(|caller| caller == its_caller)
            && thread.is_none_or(|thread| thread == its_thread)
    }
}

/// Writes a result where the program looks for it, in the order in which that may be read.
///
/// # Safety
/// `caller` is the address of an OVERLAPPED, or of memory that once was one.
unsafe fn write(caller: *mut CallerOverlapped, status: u32, bytes: usize) {
    // SAFETY: passed on to the caller.
    unsafe {
        (*caller).internal_high.store(bytes, Ordering::Relaxed);
        (*caller).internal.store(status as usize, Ordering::Release);
    }
}

/// Called by the raw layer when an operation has ended: tells the program, and says whether a packet is to follow.
///
/// # Safety
/// It is that of a record, which has ended.
unsafe fn ended(operation: NonNull<Overlapped>) -> bool {
    // SAFETY: passed on to the caller.
    let mut record = unsafe { Record::from_raw(operation) };
    let (status, bytes) = socket::result_of(&mut record);
    match conclude(&mut record, status, bytes) {
        // The packet that the raw layer is about to queue is of the right port: it has the record from now on.
        Follows::Packet => {
            let _ = Box::leak(record);
            true
        }
        Follows::PacketOn(port) => {
            port.post_record(record);
            false
        }
        Follows::Nothing => {
            give_back(record);
            false
        }
    }
}

/// Called by the raw layer when the system has no descriptor for an accept, which stays under way.
///
/// # Safety
/// It is that of a record, which is in transfer.
unsafe fn waits(operation: NonNull<Overlapped>) -> Option<RawBuffer> {
    let record = operation.cast::<Record>().as_ptr();
    // SAFETY: passed on to the caller. This field does not change while it is under way.
    if let Some(listener) = unsafe { &(*record).socket } {
        socket::note_short(listener);
    }
    None
}

/// What follows the end of an operation.
enum Follows {
    /// A packet on the port that it was begun on.
    Packet,
    /// One on the port that its socket was associated with later.
    PacketOn(Arc<CompletionPort>),
    Nothing,
}

/// Writes the result, sets the event, and takes the socket out, which knows of the end from now on.
fn tell(record: &mut Record, status: u32, bytes: usize) -> Option<Arc<Socket>> {
    record.status = status;
    record.bytes = bytes;
    // SAFETY: the caller gave the address for that.
    unsafe { write(record.caller, status, bytes) };
    if let Some(event) = record.event.take() {
        event.set_to(true);
    }
    let socket = record.socket.take()?;
    socket.tell_ended();
    Some(socket)
}

fn conclude(record: &mut Record, status: u32, bytes: usize) -> Follows {
    let Some(socket) = tell(record, status, bytes) else {
        return Follows::Nothing;
    };
    match socket.association() {
        Some(association) if record.has_packet && !association.port.is_closed() => {
            record.work = Work::Ended {
                key: association.key,
            };
            match record.is_on_own_port {
                true => Follows::Packet,
                false => Follows::PacketOn(association.port.clone()),
            }
        }
        _ => Follows::Nothing,
    }
}

/// An operation has ended within its call: its result is written, and its packet posted, if one is to be. `pended`: it is one of
/// those that give a packet always.
pub(crate) fn end_at_once(mut record: Box<Record>, status: u32, bytes: usize, pended: bool) {
    let socket = tell(&mut record, status, bytes);
    let association = socket
        .as_ref()
        .filter(|socket| record.has_packet && (pended || !socket.skips_on_success()))
        .and_then(|socket| socket.association())
        .filter(|association| !association.port.is_closed());
    let Some(association) = association else {
        return give_back(record);
    };
    if status == SUCCESS {
        (association.port).post_quietly(association.key, bytes, record.caller);
        return give_back(record);
    }
    record.work = Work::Ended {
        key: association.key,
    };
    association.port.post_record(record);
}

/// An operation was refused within its call: nothing follows. Its OVERLAPPED says so, unless it is `left` as it is.
pub(crate) fn refuse(record: Box<Record>, status: u32, left: bool) {
    if !left {
        // SAFETY: the caller gave the address for that.
        unsafe { write(record.caller, status, 0) };
    }
    if let Some(socket) = &record.socket {
        socket.tell_ended();
    }
    give_back(record);
}

/// What a packet of an operation says.
pub(crate) struct Told {
    pub(crate) key: usize,
    pub(crate) bytes: usize,
    pub(crate) caller: *mut CallerOverlapped,
    pub(crate) status: u32,
}

/// Takes an operation out of its packet.
///
/// # Safety
/// The packet was handed out just now.
pub(crate) unsafe fn take(operation: NonNull<Overlapped>) -> Told {
    // SAFETY: passed on to the caller.
    let record = unsafe { Record::from_raw(operation) };
    let told = Told {
        key: match record.work {
            Work::Ended { key } => key,
            _ => 0,
        },
        bytes: record.bytes,
        caller: record.caller,
        status: record.status,
    };
    give_back(record);
    told
}

/// Whether a status is that of an operation that is under way.
pub(crate) fn is_pending(status: usize) -> bool {
    status == PENDING as usize
}

/// What GetLastError is to say of a packet with that status; none: it is one of success.
pub(crate) fn failure(status: u32) -> Option<u32> {
    (!codes::is_success(status)).then(|| codes::code_of(status))
}
