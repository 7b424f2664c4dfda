//! Cancelling operations, and asking for their results.

use std::{
    sync::atomic::{AtomicU32, Ordering, fence},
    time::Instant,
};

use super::{Socket, find, flag};
use crate::{
    INFINITE, TRUE,
    call::{self, KeptErrno, Outcome},
    codes, error, files, futex, last_error,
    operation::{self, CallerOverlapped, Record},
    port::{self, ALERT_STEP},
    threads, watch,
};

impl Socket {
    /// Cancels the operations of that OVERLAPPED, or all; of that thread, or of all. Returns whether there were any.
    fn cancel(&self, caller: Option<*mut CallerOverlapped>, thread: Option<u32>) -> bool {
        let cancelled = self.with_raw(|port, handle| {
            let is_one =
                |operation: &wharf::raw::Overlapped| Record::is_of(operation, caller, thread);
            let count = port.raw.cancel_matching(handle, is_one);
            watch::note_start(port);
            count
        });
        cancelled.is_some_and(|count| count > 0)
    }
}

/// Cancels one operation of a socket, or all if `overlapped` is NULL, whichever thread began them. FALSE with 1168: there is none, as
/// there never is of a file, whose calls have ended when they return.
#[unsafe(no_mangle)]
pub extern "C" fn CancelIoEx(socket: usize, overlapped: *mut CallerOverlapped) -> i32 {
    let _errno = KeptErrno::new();
    let caller = (!overlapped.is_null()).then_some(overlapped);
    match find(socket) {
        Err(_) if files::is_file(socket) => last_error::fail(error::NOT_FOUND),
        Err(_) => last_error::fail(error::INVALID_HANDLE),
        Ok(socket) if !socket.cancel(caller, None) => last_error::fail(error::NOT_FOUND),
        Ok(_) => TRUE,
    }
}

/// Cancels all operations of a socket that the calling thread began.
#[unsafe(no_mangle)]
pub extern "C" fn CancelIo(socket: usize) -> i32 {
    let _errno = KeptErrno::new();
    match find(socket) {
        Err(_) if files::is_file(socket) => TRUE,
        Err(_) => last_error::fail(error::INVALID_HANDLE),
        Ok(socket) => {
            socket.cancel(None, Some(threads::number()));
            TRUE
        }
    }
}

/// Changes whenever an operation ends while a thread waits for one.
static ENDED: AtomicU32 = AtomicU32::new(0);
/// The threads that wait for that.
static WATCHERS: AtomicU32 = AtomicU32::new(0);

/// An operation has ended, and its OVERLAPPED says so.
pub(super) fn tell_watchers() {
    fence(Ordering::SeqCst);
    if WATCHERS.load(Ordering::Relaxed) > 0 {
        ENDED.fetch_add(1, Ordering::SeqCst);
        futex::wake(&ENDED, u32::MAX);
    }
}

/// What an OVERLAPPED says: its status and its bytes; none while it is pending.
///
/// # Safety
/// It is the address of one.
unsafe fn result(caller: *mut CallerOverlapped) -> Option<(u32, usize)> {
    // SAFETY: passed on to the caller.
    let (internal, high) = unsafe { (&(*caller).internal, &(*caller).internal_high) };
    let status = internal.load(Ordering::Acquire);
    (!operation::is_pending(status)).then(|| (status as u32, high.load(Ordering::Relaxed)))
}

/// Waits until the operation has ended that has this OVERLAPPED, or the time is over.
///
/// # Safety
/// It is the address of one.
unsafe fn wait(
    caller: *mut CallerOverlapped,
    deadline: Option<Instant>,
    alertable: bool,
) -> Option<(u32, usize)> {
    WATCHERS.fetch_add(1, Ordering::SeqCst);
    let found = wharf::raw::blocking(|| {
        loop {
            let before = ENDED.load(Ordering::SeqCst);
            // SAFETY: passed on to the caller.
            let result = unsafe { result(caller) };
            let now = Instant::now();
            if result.is_some() || deadline.is_some_and(|deadline| deadline <= now) {
                return result;
            }
            if alertable && port::has_calls() {
                return None;
            }
            let until = match alertable {
                true => {
                    let step = now + ALERT_STEP;
                    Some(deadline.map_or(step, |deadline| deadline.min(step)))
                }
                false => deadline,
            };
            // Whatever ends it, the operation is looked at again.
            futex::wait(&ENDED, before, until);
        }
    });
    WATCHERS.fetch_sub(1, Ordering::SeqCst);
    found
}

/// Waits until the operation has ended that has this OVERLAPPED. Returns its status.
///
/// # Safety
/// It is the address of one.
pub(super) unsafe fn await_end(caller: *mut CallerOverlapped) -> u32 {
    // SAFETY: passed on to the caller.
    let found = unsafe { result(caller).or_else(|| wait(caller, None, false)) };
    found.map_or(codes::CANCELLED, |(status, _)| status)
}

/// The result of an operation, also of a socket that was closed meanwhile; waits for it, for a time.
///
/// # Safety
/// The addresses are those of an OVERLAPPED and of a number.
unsafe fn ask(
    caller: *mut CallerOverlapped,
    bytes: *mut u32,
    milliseconds: u32,
    alertable: bool,
) -> Result<u32, u32> {
    if caller.is_null() {
        return Err(error::INVALID_PARAMETER);
    }
    // SAFETY: passed on to the caller.
    let mut found = unsafe { result(caller) };
    if found.is_none() && milliseconds > 0 {
        // SAFETY: passed on to the caller.
        found = unsafe { wait(caller, futex::deadline(milliseconds), alertable) };
    }
    let (status, moved) = match found {
        Some(found) => found,
        None if milliseconds == 0 => return Err(error::IO_INCOMPLETE),
        None if alertable && port::has_calls() => return Err(error::WAIT_IO_COMPLETION),
        None => return Err(error::WAIT_TIMEOUT),
    };
    // SAFETY: passed on to the caller.
    unsafe { super::transfer::put_count(bytes, moved) };
    Ok(status)
}

/// The result of an operation. FALSE with 996: it is under way, and is not to be waited for.
///
/// # Safety
/// The addresses are those of an OVERLAPPED and of a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetOverlappedResult(
    handle: usize,
    overlapped: *mut CallerOverlapped,
    bytes: *mut u32,
    wait: i32,
) -> i32 {
    let milliseconds = if wait == 0 { 0 } else { INFINITE };
    // SAFETY: passed on to the caller.
    unsafe { GetOverlappedResultEx(handle, overlapped, bytes, milliseconds, 0) }
}

/// As [`GetOverlappedResult`], and waits for so many milliseconds: 258 when they are over; 192 when calls were run that were queued
/// for the thread, if it is `alertable`.
///
/// # Safety
/// As for [`GetOverlappedResult`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetOverlappedResultEx(
    _handle: usize,
    overlapped: *mut CallerOverlapped,
    bytes: *mut u32,
    milliseconds: u32,
    alertable: i32,
) -> i32 {
    let _errno = KeptErrno::new();
    // SAFETY: passed on to the caller.
    let code = match unsafe { ask(overlapped, bytes, milliseconds, alertable != 0) } {
        Ok(status) => match operation::failure(status) {
            None => return TRUE,
            Some(code) => code,
        },
        Err(code) => code,
    };
    if code == error::WAIT_IO_COMPLETION {
        threads::run_calls();
    }
    last_error::fail(code)
}

/// As [`GetOverlappedResult`], with the codes of Winsock. 10038: the socket was closed.
///
/// # Safety
/// As for [`GetOverlappedResult`]; `flags` is the address of a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAGetOverlappedResult(
    socket: usize,
    overlapped: *mut CallerOverlapped,
    bytes: *mut u32,
    wait: i32,
    flags: *mut u32,
) -> i32 {
    call::whether(|| {
        find(socket)?;
        let milliseconds = if wait == 0 { 0 } else { INFINITE };
        // SAFETY: passed on to the caller.
        let status = unsafe { ask(overlapped, bytes, milliseconds, false) }?;
        // SAFETY: passed on to the caller.
        unsafe { super::transfer::put_count(flags, 0) };
        match codes::is_success(status) {
            true => Ok(()),
            false => Err(codes::wsa_of(status)),
        }
    })
}

const SKIP_PORT_ON_SUCCESS: u8 = 1;
const SKIP_EVENT: u8 = 2;

/// Sets, for good, that calls that succeed at once give no packet (1), and that they do not set the socket itself (2).
#[unsafe(no_mangle)]
pub extern "C" fn SetFileCompletionNotificationModes(socket: usize, modes: u8) -> i32 {
    let set = || -> Outcome<()> {
        let socket = find(socket).map_err(|_| error::INVALID_HANDLE)?;
        if modes & !(SKIP_PORT_ON_SUCCESS | SKIP_EVENT) != 0 {
            return Err(error::INVALID_PARAMETER);
        }
        if modes & SKIP_PORT_ON_SUCCESS != 0 {
            socket.set(flag::SKIPS_ON_SUCCESS, true);
        }
        Ok(())
    };
    match set() {
        Ok(()) => TRUE,
        Err(code) => last_error::fail(code),
    }
}
