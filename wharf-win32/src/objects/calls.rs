//! The functions for handles of all kinds, and the waits on handles.

use std::{slice, sync::Arc};

use super::{End, For, Patience, Waitable, What, mutex, wait, wait::OBJECTS_MAX, waitable::AllOf};
use crate::{FALSE, TRUE, error, handle, last_error, socket, threads};

const WAIT_ABANDONED: u32 = 0x80;
const WAIT_FAILED: u32 = u32::MAX;

/// The pseudo-handle of the calling process.
pub(crate) const CURRENT_PROCESS: usize = usize::MAX;
/// The pseudo-handle of the calling thread.
pub(crate) const CURRENT_THREAD: usize = usize::MAX - 1;

const DUPLICATE_CLOSE_SOURCE: u32 = 1;

/// Closes a handle, or a socket.
#[unsafe(no_mangle)]
pub extern "C" fn CloseHandle(handle: usize) -> i32 {
    // Pseudo-handles are never open or closed.
    if matches!(handle, CURRENT_PROCESS | CURRENT_THREAD)
        || handle::close(handle)
        || socket::close(handle)
    {
        return TRUE;
    }
    last_error::fail(error::INVALID_HANDLE)
}

/// Makes another handle of the same object, in this process.
///
/// # Safety
/// `copy` is NULL, or the handle can be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn DuplicateHandle(
    from_process: usize,
    source: usize,
    to_process: usize,
    copy: *mut usize,
    _access: u32,
    _inherit: i32,
    options: u32,
) -> i32 {
    if from_process != CURRENT_PROCESS || to_process != CURRENT_PROCESS {
        return last_error::fail(error::INVALID_HANDLE);
    }
    let duplicate = match source {
        CURRENT_PROCESS => Some(CURRENT_PROCESS),
        CURRENT_THREAD => handle::insert(threads::current()),
        source => handle::duplicate(source),
    };
    let Some(duplicate) = duplicate else {
        return last_error::fail(error::INVALID_HANDLE);
    };
    if options & DUPLICATE_CLOSE_SOURCE != 0 {
        handle::close(source);
    }
    if copy.is_null() {
        // Then it was to be closed, or a check.
        handle::close(duplicate);
    } else {
        // SAFETY: of the caller, who says that it can be written.
        unsafe { copy.write(duplicate) };
    }
    TRUE
}

/// Tells the flags of a handle: none are ever set, since nothing is inherited.
///
/// # Safety
/// `flags` is NULL, or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetHandleInformation(handle: usize, flags: *mut u32) -> i32 {
    if !is_open(handle) {
        return last_error::fail(error::INVALID_HANDLE);
    }
    if flags.is_null() {
        return last_error::fail(error::INVALID_PARAMETER);
    }
    // SAFETY: of the caller.
    unsafe { flags.write(0) };
    TRUE
}

/// Takes any flags of a handle. They have no meaning here: no handle is inherited.
#[unsafe(no_mangle)]
pub extern "C" fn SetHandleInformation(handle: usize, _mask: u32, _flags: u32) -> i32 {
    if is_open(handle) {
        TRUE
    } else {
        last_error::fail(error::INVALID_HANDLE)
    }
}

/// Whether it is the number of something, a socket included.
fn is_open(handle: usize) -> bool {
    handle::get_any(handle).is_some() || socket::find(handle).is_ok()
}

/// What to wait on for a handle, or a socket.
fn waitable(handle: usize) -> Option<Arc<Waitable>> {
    match handle {
        CURRENT_THREAD => Some(threads::current().waitable().clone()),
        handle => match handle::get_any(handle) {
            Some(object) => object.waitable(),
            None => socket::waitable(handle),
        },
    }
}

fn wait_on(on: &For, owned: &[Arc<Waitable>], milliseconds: u32, alertable: bool) -> End {
    let end = wait(on, Patience::of(milliseconds), alertable);
    if let End::Signalled { index, .. } = end {
        match on {
            For::All(_) => owned.iter().for_each(mutex::note_owned),
            _ => owned
                .get(index as usize)
                .into_iter()
                .for_each(mutex::note_owned),
        }
    }
    end
}

/// What a function that has waited returns. Nothing that must be dropped may be left on the stack: the thread may be one that is
/// to end. In one that this library has not started that is an unwinding, so those who call this are `C-unwind`.
fn answer(end: Option<End>) -> u32 {
    match end {
        None => WAIT_FAILED,
        Some(End::Signalled {
            index,
            abandoned: false,
        }) => index,
        Some(End::Signalled {
            index,
            abandoned: true,
        }) => WAIT_ABANDONED + index,
        Some(End::TimedOut) => error::WAIT_TIMEOUT,
        Some(End::Alerted) => {
            threads::run_calls();
            error::WAIT_IO_COMPLETION
        }
        Some(End::Terminated) => threads::leave_terminated(),
    }
}

fn wait_for_one(handle: usize, milliseconds: u32, alertable: bool) -> Option<End> {
    let Some(object) = waitable(handle) else {
        last_error::set(error::INVALID_HANDLE);
        return None;
    };
    let on = For::One(&object);
    Some(wait_on(
        &on,
        slice::from_ref(&object),
        milliseconds,
        alertable,
    ))
}

fn wait_for_several(
    handles: &[usize],
    all: bool,
    milliseconds: u32,
    alertable: bool,
) -> Option<End> {
    let objects: Option<Vec<_>> = handles.iter().map(|handle| waitable(*handle)).collect();
    let Some(objects) = objects else {
        last_error::set(error::INVALID_HANDLE);
        return None;
    };
    if !all {
        return Some(wait_on(
            &For::Any(&objects),
            &objects,
            milliseconds,
            alertable,
        ));
    }
    let Some(set) = AllOf::new(&objects) else {
        last_error::set(error::INVALID_PARAMETER);
        return None;
    };
    Some(wait_on(&For::All(&set), &objects, milliseconds, alertable))
}

/// Waits until an object is signalled. 0 then, 258 after the time-out, 0x80 for a mutex whose owner ended without a release,
/// 0xffffffff (and the last error) for what is no object to be waited for.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn WaitForSingleObject(object: usize, milliseconds: u32) -> u32 {
    WaitForSingleObjectEx(object, milliseconds, FALSE)
}

/// [`WaitForSingleObject`]; if it is alertable, it ends with 192 as well, after calls that were queued for the thread were run.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn WaitForSingleObjectEx(
    object: usize,
    milliseconds: u32,
    alertable: i32,
) -> u32 {
    answer(wait_for_one(object, milliseconds, alertable != 0))
}

/// Waits until any of up to 64 objects is signalled, or all of them are at once.
///
/// # Safety
/// `objects` is NULL, or so many handles can be read there.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn WaitForMultipleObjects(
    count: u32,
    objects: *const usize,
    all: i32,
    milliseconds: u32,
) -> u32 {
    // SAFETY: passed on to the caller.
    unsafe { WaitForMultipleObjectsEx(count, objects, all, milliseconds, FALSE) }
}

/// [`WaitForMultipleObjects`], alertable or not.
///
/// # Safety
/// As for [`WaitForMultipleObjects`].
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn WaitForMultipleObjectsEx(
    count: u32,
    objects: *const usize,
    all: i32,
    milliseconds: u32,
    alertable: i32,
) -> u32 {
    let count = count as usize;
    if count == 0 || count > OBJECTS_MAX || objects.is_null() {
        last_error::set(error::INVALID_PARAMETER);
        return WAIT_FAILED;
    }
    // SAFETY: of the caller.
    let handles = unsafe { slice::from_raw_parts(objects, count) };
    answer(wait_for_several(
        handles,
        all != 0,
        milliseconds,
        alertable != 0,
    ))
}

/// [`WaitForMultipleObjectsEx`] for events of sockets.
///
/// # Safety
/// As for [`WaitForMultipleObjects`].
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn WSAWaitForMultipleEvents(
    count: u32,
    events: *const usize,
    all: i32,
    milliseconds: u32,
    alertable: i32,
) -> u32 {
    // SAFETY: passed on to the caller.
    unsafe { WaitForMultipleObjectsEx(count, events, all, milliseconds, alertable) }
}

/// Sets an event, or releases a mutex or one of a semaphore, and then waits for another object.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn SignalObjectAndWait(
    to_signal: usize,
    to_wait_for: usize,
    milliseconds: u32,
    alertable: i32,
) -> u32 {
    // Before anything is changed.
    if waitable(to_wait_for).is_none() {
        last_error::set(error::INVALID_HANDLE);
        return WAIT_FAILED;
    }
    match signal(to_signal) {
        Ok(()) => WaitForSingleObjectEx(to_wait_for, milliseconds, alertable),
        Err(code) => {
            last_error::set(code);
            WAIT_FAILED
        }
    }
}

fn signal(handle: usize) -> Result<(), u32> {
    let object = handle::get::<Waitable>(handle).ok_or(error::INVALID_HANDLE)?;
    if object.is_mutex() {
        return mutex::release(&object);
    }
    object.change(|what| match what {
        What::Event { set, .. } => {
            *set = true;
            Ok(())
        }
        What::Semaphore { count, most } if *count < *most => {
            *count += 1;
            Ok(())
        }
        _ => Err(error::TOO_MANY_POSTS),
    })
}

/// Sleeps for so many milliseconds; `INFINITE` for ever. 0 gives way to another thread that is ready to run.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn Sleep(milliseconds: u32) {
    SleepEx(milliseconds, FALSE);
}

/// [`Sleep`]; if it is alertable, it ends with 192 after calls that were queued for the thread were run. Else 0.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn SleepEx(milliseconds: u32, alertable: i32) -> u32 {
    let end = wait(&For::Nothing, Patience::of(milliseconds), alertable != 0);
    if let End::TimedOut = end {
        if milliseconds == 0 {
            std::thread::yield_now();
        }
        return 0;
    }
    answer(Some(end))
}
