//! Mutexes. Who owns one is written in it; the thread lists what it owns, and abandons it when it ends.

use std::{ffi::c_void, sync::Arc};

use super::{Waitable, What, event::list};
use crate::{TRUE, error, handle, last_error, threads};

/// The calling thread has waited for the object: if that is a mutex that it owns for the first time now, the thread lists it.
pub(super) fn note_owned(object: &Arc<Waitable>) {
    if object.is_mutex() && object.look(|what| matches!(what, What::Mutex { times: 1, .. })) {
        threads::own(object.clone());
    }
}

/// The calling thread releases a mutex, once. The last error if it does not own it.
pub(super) fn release(object: &Arc<Waitable>) -> Result<(), u32> {
    let thread = threads::number();
    let left = object.change(|what| match what {
        What::Mutex { owner, times, .. } if *owner == Some(thread) => {
            *times -= 1;
            if *times == 0 {
                *owner = None;
            }
            Ok(*times)
        }
        What::Mutex { .. } => Err(error::NOT_OWNER),
        _ => Err(error::INVALID_HANDLE),
    })?;
    if left == 0 {
        threads::disown(object);
    }
    Ok(())
}

/// The thread of that number ends, and owns this mutex.
pub(crate) fn abandon(object: &Waitable, thread: u32) {
    object.change(|what| match what {
        What::Mutex {
            owner,
            times,
            abandoned,
        } if *owner == Some(thread) => {
            (*owner, *times, *abandoned) = (None, 0, true);
        }
        _ => {}
    });
}

/// Makes a mutex, owned by the calling thread if asked for. Names are not shared: each call makes a mutex of its own.
#[unsafe(no_mangle)]
pub extern "C" fn CreateMutexA(
    _security: *const c_void,
    owned: i32,
    _name: *const c_void,
) -> usize {
    let mutex = Waitable::new(What::Mutex {
        owner: (owned != 0).then(threads::number),
        times: u32::from(owned != 0),
        abandoned: false,
    });
    note_owned(&mutex);
    list(mutex)
}

/// The same as [`CreateMutexA`].
#[unsafe(no_mangle)]
pub extern "C" fn CreateMutexW(security: *const c_void, owned: i32, name: *const c_void) -> usize {
    CreateMutexA(security, owned, name)
}

/// Releases a mutex, once. FALSE, with error 288, if the calling thread does not own it.
#[unsafe(no_mangle)]
pub extern "C" fn ReleaseMutex(mutex: usize) -> i32 {
    let object = handle::get::<Waitable>(mutex).ok_or(error::INVALID_HANDLE);
    match object.and_then(|object| release(&object)) {
        Ok(()) => TRUE,
        Err(code) => last_error::fail(code),
    }
}
