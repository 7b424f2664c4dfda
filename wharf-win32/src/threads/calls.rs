//! Functions for threads and the process.

use std::sync::{Arc, atomic::Ordering};

use super::{Call, Thread, current, number, start};
use crate::{
    TRUE, error, handle, last_error,
    objects::{CURRENT_PROCESS, CURRENT_THREAD},
};

/// What `ResumeThread` and `SuspendThread` return that failed.
const FAILED: u32 = u32::MAX;
const PRIORITY_FAILED: i32 = i32::MAX;

fn thread(handle: usize) -> Option<Arc<Thread>> {
    match handle {
        CURRENT_THREAD => Some(current()),
        handle => handle::get_or_fail(handle),
    }
}

/// The pseudo-handle of the calling thread, in whatever thread it is used.
#[unsafe(no_mangle)]
pub extern "C" fn GetCurrentThread() -> usize {
    CURRENT_THREAD
}

/// The calling thread's number, which is the system's.
#[unsafe(no_mangle)]
pub extern "C" fn GetCurrentThreadId() -> u32 {
    number()
}

/// The number of a thread. 0 if the handle is none of a thread.
#[unsafe(no_mangle)]
pub extern "C" fn GetThreadId(handle: usize) -> u32 {
    thread(handle).map_or(0, |thread| thread.number())
}

/// Tells the exit code of a thread, 259 as long as it runs.
///
/// # Safety
/// `code` is NULL, or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetExitCodeThread(handle: usize, code: *mut u32) -> i32 {
    let Some(thread) = thread(handle) else {
        return 0;
    };
    if code.is_null() {
        return last_error::fail(error::INVALID_PARAMETER);
    }
    // SAFETY: of the caller.
    unsafe { code.write(thread.state_or_code()) };
    TRUE
}

/// Lets a thread begin that was made with the flag 4. Returns how often it was suspended, 0xffffffff if the handle is none of a
/// thread.
#[unsafe(no_mangle)]
pub extern "C" fn ResumeThread(handle: usize) -> u32 {
    thread(handle).map_or(FAILED, |thread| thread.resume())
}

/// A thread that runs can't be suspended here: fails with error 5.
#[unsafe(no_mangle)]
pub extern "C" fn SuspendThread(handle: usize) -> u32 {
    if thread(handle).is_some() {
        last_error::set(error::ACCESS_DENIED);
    }
    FAILED
}

/// Tells a thread to end. Those who wait for its end are released at once, and its exit code is the one given. The thread itself
/// ends where it next waits by a function of this library (a wait for objects, `Sleep`), or now if it is in one; never in the
/// midst of its own code, since what it holds there (a lock of the C library, for one) would be held for ever.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn TerminateThread(handle: usize, code: u32) -> i32 {
    let Some(thread) = thread(handle) else {
        return 0;
    };
    if Arc::ptr_eq(&thread, &current()) {
        drop(thread);
        start::leave(code);
    }
    thread.terminate(code);
    TRUE
}

/// Notes the priority of a thread. The system's schedule of threads is not changed, since a priority that was lowered could not
/// be raised again without privileges.
#[unsafe(no_mangle)]
pub extern "C" fn SetThreadPriority(handle: usize, priority: i32) -> i32 {
    let Some(thread) = thread(handle) else {
        return 0;
    };
    if !matches!(priority, -15 | -2..=2 | 15) {
        return last_error::fail(error::INVALID_PARAMETER);
    }
    thread.priority().store(priority, Ordering::Relaxed);
    TRUE
}

/// The priority that [`SetThreadPriority`] has noted, 0 if none. `0x7fffffff` if the handle is none of a thread.
#[unsafe(no_mangle)]
pub extern "C" fn GetThreadPriority(handle: usize) -> i32 {
    thread(handle).map_or(PRIORITY_FAILED, |thread| {
        thread.priority().load(Ordering::Relaxed)
    })
}

/// Gives way to another thread that is ready to run. Always TRUE: the system does not tell whether there is one.
#[unsafe(no_mangle)]
pub extern "C" fn SwitchToThread() -> i32 {
    std::thread::yield_now();
    TRUE
}

/// Queues a call for a thread, which runs it when it next is in an alertable wait. Not 0 if that was done.
///
/// # Safety
/// The function may be called with this argument in that thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn QueueUserAPC(
    function: Option<extern "C-unwind" fn(usize, usize, usize)>,
    handle: usize,
    argument: usize,
) -> u32 {
    let Some(function) = function else {
        last_error::set(error::INVALID_PARAMETER);
        return 0;
    };
    let call = Call {
        function,
        arguments: [argument, 0, 0],
    };
    match thread(handle) {
        None => 0,
        Some(thread) if thread.queue(call) => 1,
        Some(_) => {
            last_error::set(error::GEN_FAILURE);
            0
        }
    }
}

/// The pseudo-handle of the process.
#[unsafe(no_mangle)]
pub extern "C" fn GetCurrentProcess() -> usize {
    CURRENT_PROCESS
}

/// The number of the process.
#[unsafe(no_mangle)]
pub extern "C" fn GetCurrentProcessId() -> u32 {
    std::process::id()
}
