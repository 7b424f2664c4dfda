//! Completion ports: making them, posting to them, waiting on them.
//!
//! A port of a program is a raw port of Wharf's, whose queue, gate and order of release these are. When its handle is closed only the
//! waits end: the sockets stay usable and what is pending ends, since [`watch`] goes on with it. The raw port is closed when
//! the last socket is gone.

use std::{
    cell::Cell,
    io, ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use wharf::{
    DriverChoice,
    raw::{Answer, Options, Packet, Port, PortError, WaitMany, deadline_after},
};

use crate::{
    INFINITE, TRUE,
    call::KeptErrno,
    error,
    handle::{self, INVALID_HANDLE_VALUE, Object},
    last_error,
    objects::End,
    operation::{self, CallerOverlapped, Record, Told},
    socket, threads, watch,
};

/// A port of the program's, or the hidden one for sockets of no port.
#[derive(Debug)]
pub(crate) struct CompletionPort {
    pub(crate) raw: Arc<Port>,
    closed: AtomicBool,
    /// A thread has come to wait since this was last looked at.
    pub(crate) visited: AtomicBool,
    /// The thread that watches goes on with the port, and sleeps until the system has events for it.
    pub(crate) is_attended: AtomicBool,
}

impl Object for CompletionPort {
    fn closed(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.raw.end_waits();
        watch::look();
    }
}

impl Drop for CompletionPort {
    fn drop(&mut self) {
        // This thread may be one that transfers for the port, and closing it waits for such threads.
        watch::dispose(self.raw.clone());
    }
}

impl CompletionPort {
    pub(crate) fn new(concurrency: usize, driver: DriverChoice) -> Option<CompletionPort> {
        let mut options = Options::default();
        options.concurrency = concurrency;
        options.driver = driver;
        // It is the program's memory that bounds them, as on Windows.
        options.operations_max = usize::MAX >> 1;
        Some(CompletionPort {
            raw: Port::new(&options).ok()?,
            closed: AtomicBool::new(false),
            visited: AtomicBool::new(true),
            is_attended: AtomicBool::new(false),
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Queues a packet of success. Fails with 6 if the port is closed, just now maybe: nobody would take it.
    fn post(&self, key: usize, bytes: usize, caller: *mut CallerOverlapped) -> Result<(), u32> {
        let token = caller.expose_provenance() as u64;
        let posted = self.raw.post(key, bytes, token);
        posted.map_err(|refusal| match PortError::of(&refusal) {
            Some(PortError::Closed) => error::INVALID_HANDLE,
            _ => error::NO_SYSTEM_RESOURCES,
        })
    }

    /// Queues a packet of success from within a call: a thread that runs on the port takes it when it comes back, and no other is
    /// released for it, unless the thread stays away.
    pub(crate) fn post_quietly(&self, key: usize, bytes: usize, caller: *mut CallerOverlapped) {
        let token = caller.expose_provenance() as u64;
        // It is refused on a closed port only, or where the system has no memory: then nobody is told.
        let _ = self.raw.post_quietly(key, bytes, token);
    }

    /// Queues the packet of an operation that has ended elsewhere.
    pub(crate) fn post_record(&self, record: Box<Record>) {
        let pointer = record.into_raw(wharf::raw::Request::Posted);
        // SAFETY: the record is the port's from now on.
        if unsafe { self.raw.post_overlapped(pointer, 0) }.is_err() {
            // SAFETY: it was refused, so it is ours.
            drop(unsafe { Record::from_raw(pointer) });
        }
    }
}

thread_local! {
    /// The port that this thread used last, by its handle: it is looked up under no lock. It is so as long as the port is open and
    /// [`handle::outlived`] is this.
    static LAST: Cell<Option<(usize, usize, Arc<CompletionPort>)>> = const { Cell::new(None) };
}

/// Calls `with` with the port of a handle. None if it is none.
fn with_port<T>(handle: usize, with: impl FnOnce(&CompletionPort) -> T) -> Option<T> {
    let last = LAST.try_with(Cell::take).ok().flatten();
    let now = handle::outlived();
    let found = match last {
        Some((number, then, port)) if number == handle && then == now && !port.is_closed() => port,
        _ => handle::get::<CompletionPort>(handle)?,
    };
    let result = with(&found);
    let _ = LAST.try_with(|last| last.set(Some((handle, now, found))));
    Some(result)
}

/// Makes a completion port, or associates a socket with one, or both.
///
/// `file`: a socket, or INVALID_HANDLE_VALUE to make a port only. `port`: a port to associate the socket with, or NULL for a new one,
/// at which as many as `threads` may run at once; 0 for as many as there are processors. Returns the port; NULL on failure: 87, it
/// is associated already or can't be; 6, one of them is no handle; 8, the system has no descriptors or memory.
#[unsafe(no_mangle)]
pub extern "C" fn CreateIoCompletionPort(
    file: usize,
    port: usize,
    key: usize,
    threads: u32,
) -> usize {
    let _errno = KeptErrno::new();
    match create(file, port, key, threads) {
        Ok(port) => port,
        Err(code) => {
            last_error::set(code);
            0
        }
    }
}

fn create(file: usize, port: usize, key: usize, threads: u32) -> Result<usize, u32> {
    if file == INVALID_HANDLE_VALUE {
        return match port {
            0 => list_new(threads),
            _ => Err(error::INVALID_PARAMETER),
        };
    }
    let socket = match socket::find(file) {
        Ok(socket) => socket,
        Err(_) if handle::get_any(file).is_some() => return Err(error::INVALID_PARAMETER),
        Err(_) => return Err(error::INVALID_HANDLE),
    };
    if socket.association().is_some() {
        return Err(error::INVALID_PARAMETER);
    }
    let number = match port {
        0 => list_new(threads)?,
        port => port,
    };
    let object = handle::get::<CompletionPort>(number).ok_or(error::INVALID_HANDLE)?;
    match socket.associate(object, key) {
        true => Ok(number),
        // Another thread was faster.
        false => {
            if port == 0 {
                handle::close(number);
            }
            Err(error::INVALID_PARAMETER)
        }
    }
}

fn list_new(threads: u32) -> Result<usize, u32> {
    let port = CompletionPort::new(threads as usize, DriverChoice::Auto);
    let port = port.ok_or(error::NOT_ENOUGH_MEMORY)?;
    handle::insert(Arc::new(port)).ok_or(error::NOT_ENOUGH_MEMORY)
}

/// Queues a packet with any values. FALSE: 6, it is no port; 1450, the system has no memory for it.
#[unsafe(no_mangle)]
pub extern "C" fn PostQueuedCompletionStatus(
    port: usize,
    bytes: u32,
    key: usize,
    overlapped: *mut CallerOverlapped,
) -> i32 {
    let _errno = KeptErrno::new();
    let posted = with_port(port, |port| port.post(key, bytes as usize, overlapped));
    match posted.unwrap_or(Err(error::INVALID_HANDLE)) {
        Ok(()) => TRUE,
        Err(code) => last_error::fail(code),
    }
}

fn timeout_of(milliseconds: u32) -> Option<Duration> {
    (milliseconds != INFINITE).then(|| Duration::from_millis(milliseconds.into()))
}

/// What a packet says.
#[inline]
fn told_of(packet: Packet) -> Told {
    match packet.operation {
        // SAFETY: it was handed out just now, and all operations of our ports are those of records.
        Some(operation) => unsafe { operation::take(operation) },
        None => Told {
            key: packet.key,
            bytes: packet.transferred,
            caller: ptr::with_exposed_provenance_mut(packet.token as usize),
            status: 0,
        },
    }
}

/// A thread comes to wait.
fn note_visit(port: &CompletionPort) {
    // Seldom written: all threads that wait read it.
    if !port.visited.load(Ordering::Relaxed) {
        port.visited.store(true, Ordering::Relaxed);
    }
}

/// Takes a packet off a port's queue, or waits for one, for so many milliseconds; `INFINITE` is for ever.
///
/// TRUE: the packet is one of success. FALSE with an address in `overlapped`: of an operation that failed, with the last error. FALSE
/// with NULL there: 258, the time is over; 735, the port was closed; 6, it is no port.
///
/// # Safety
/// Each address is NULL, or that of a variable of its type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetQueuedCompletionStatus(
    port: usize,
    bytes: *mut u32,
    key: *mut usize,
    overlapped: *mut *mut CallerOverlapped,
    milliseconds: u32,
) -> i32 {
    let _errno = KeptErrno::new();
    let answer = with_port(port, |port| {
        note_visit(port);
        let answer = port.raw.wait(timeout_of(milliseconds));
        watch::note_leave();
        match answer {
            Ok(Answer::Packet(packet)) => Ok(told_of(packet)),
            Ok(Answer::TimedOut) => Err(error::WAIT_TIMEOUT),
            Ok(Answer::Closed) => Err(error::ABANDONED_WAIT),
            Err(_) => Err(error::NO_SYSTEM_RESOURCES),
        }
    });
    let failure = match answer.unwrap_or(Err(error::INVALID_HANDLE)) {
        Ok(told) => {
            // SAFETY: passed on to the caller.
            unsafe {
                put(bytes, u32::try_from(told.bytes).unwrap_or(u32::MAX));
                put(key, told.key);
                put(overlapped, told.caller);
            }
            operation::failure(told.status)
        }
        Err(code) => {
            // SAFETY: passed on to the caller.
            unsafe { put(overlapped, ptr::null_mut()) };
            Some(code)
        }
    };
    failure.map_or(TRUE, last_error::fail)
}

/// # Safety
/// The address is NULL, or that of a variable of the type.
unsafe fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: passed on to the caller.
        unsafe { place.write(value) };
    }
}

/// One packet of [`GetQueuedCompletionStatusEx`].
#[derive(Debug)]
#[repr(C)]
pub struct CallerEntry {
    key: usize,
    overlapped: *mut CallerOverlapped,
    internal: usize,
    bytes: u32,
}

const _: () = assert!(size_of::<CallerEntry>() == 32);

thread_local! {
    /// The room for the packets of one wait.
    static PACKETS: Cell<Vec<Packet>> = const { Cell::new(Vec::new()) };
}

/// How a wait for several packets ended.
enum Many {
    Packets(usize),
    TimedOut,
    Closed,
    /// Calls are queued for the thread.
    Alerted,
}

/// How often a thread in an alertable wait looks for calls that were queued for it, of which ports know nothing.
pub(crate) const ALERT_STEP: Duration = Duration::from_millis(10);

/// Whether calls are queued for the calling thread, to be run in an alertable wait.
pub(crate) fn has_calls() -> bool {
    threads::current().called(true) == Some(End::Alerted)
}

impl CompletionPort {
    fn wait_many(
        &self,
        packets: &mut Vec<Packet>,
        most: usize,
        timeout: Option<Duration>,
        alertable: bool,
    ) -> io::Result<Many> {
        let deadline = timeout.map(deadline_after);
        // Packets that are there win over calls.
        let mut step = Duration::ZERO;
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let this = match alertable {
                true => Some(left.map_or(step, |left| left.min(step))),
                false => timeout,
            };
            match self.raw.wait_many(packets, most, this)? {
                WaitMany::Packets(count) => return Ok(Many::Packets(count)),
                WaitMany::Closed => return Ok(Many::Closed),
                WaitMany::TimedOut if alertable && has_calls() => return Ok(Many::Alerted),
                WaitMany::TimedOut if !alertable || left.is_some_and(|left| left.is_zero()) => {
                    return Ok(Many::TimedOut);
                }
                WaitMany::TimedOut => step = ALERT_STEP,
            }
        }
    }
}

/// Takes up to `most` packets off a port's queue, or waits for the first; failed operations are among them, each with its status.
///
/// FALSE: 258, the time is over, and the count is 1; 735, the port was closed; 6, it is no port; 87, there is no room for a
/// packet; 192, it is `alertable`, and calls that were queued for the thread were run.
///
/// # Safety
/// `entries` has room for `most`, `removed` is the address of a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetQueuedCompletionStatusEx(
    port: usize,
    entries: *mut CallerEntry,
    most: u32,
    removed: *mut u32,
    milliseconds: u32,
    alertable: i32,
) -> i32 {
    let _errno = KeptErrno::new();
    if entries.is_null() || most == 0 {
        return last_error::fail(error::INVALID_PARAMETER);
    }
    let mut packets = PACKETS.try_with(Cell::take).unwrap_or_default();
    let answer = with_port(port, |port| {
        note_visit(port);
        let timeout = timeout_of(milliseconds);
        let answer = port.wait_many(&mut packets, most as usize, timeout, alertable != 0);
        watch::note_leave();
        answer
    });
    let (count, failure) = match answer {
        Some(Ok(Many::Packets(count))) => (count, None),
        Some(Ok(Many::TimedOut)) => (1, Some(error::WAIT_TIMEOUT)),
        Some(Ok(Many::Closed)) => (1, Some(error::ABANDONED_WAIT)),
        Some(Ok(Many::Alerted)) => (1, Some(error::WAIT_IO_COMPLETION)),
        Some(Err(_)) => (1, Some(error::NO_SYSTEM_RESOURCES)),
        None => (1, Some(error::INVALID_HANDLE)),
    };
    for (at, packet) in packets.drain(..).enumerate() {
        let told = told_of(packet);
        let entry = CallerEntry {
            key: told.key,
            overlapped: told.caller,
            internal: told.status as usize,
            bytes: u32::try_from(told.bytes).unwrap_or(u32::MAX),
        };
        // SAFETY: passed on to the caller; there are no more packets than were asked for.
        unsafe { entries.add(at).write(entry) };
    }
    let _ = PACKETS.try_with(|place| place.set(packets));
    // SAFETY: passed on to the caller.
    unsafe { put(removed, u32::try_from(count).unwrap_or(u32::MAX)) };
    if failure == Some(error::WAIT_IO_COMPLETION) {
        threads::run_calls();
    }
    failure.map_or(TRUE, last_error::fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its handle was found, and another thread closes it before the packet is queued.
    #[test]
    fn a_port_that_is_closed_under_a_post_is_no_handle() {
        let port = CompletionPort::new(1, DriverChoice::Auto).expect("a port");
        assert_eq!(port.post(1, 2, ptr::null_mut()), Ok(()));
        port.closed();
        let refused = port.post(1, 2, ptr::null_mut());
        assert_eq!(refused, Err(error::INVALID_HANDLE));
    }
}
