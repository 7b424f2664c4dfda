//! Semaphores.

use std::ffi::c_void;

use super::{Waitable, What, event::list};
use crate::{TRUE, error, handle, last_error};

/// Makes a semaphore of `count`, which can rise to `most`. Names are not shared: each call makes a semaphore of its own.
#[unsafe(no_mangle)]
pub extern "C" fn CreateSemaphoreA(
    _security: *const c_void,
    count: i32,
    most: i32,
    _name: *const c_void,
) -> usize {
    let numbers = (u32::try_from(count), u32::try_from(most));
    let (Ok(count), Ok(most @ 1..)) = numbers else {
        last_error::set(error::INVALID_PARAMETER);
        return 0;
    };
    if count > most {
        last_error::set(error::INVALID_PARAMETER);
        return 0;
    }
    list(Waitable::new(What::Semaphore { count, most }))
}

/// The same as [`CreateSemaphoreA`].
#[unsafe(no_mangle)]
pub extern "C" fn CreateSemaphoreW(
    security: *const c_void,
    count: i32,
    most: i32,
    name: *const c_void,
) -> usize {
    CreateSemaphoreA(security, count, most, name)
}

/// Adds to the count of a semaphore, and tells what it was. FALSE, with error 298 and no change, if it would rise too far.
///
/// # Safety
/// `previous` is NULL, or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ReleaseSemaphore(semaphore: usize, more: i32, previous: *mut i32) -> i32 {
    let Some(object) = handle::get::<Waitable>(semaphore) else {
        return last_error::fail(error::INVALID_HANDLE);
    };
    let Ok(more @ 1..) = u32::try_from(more) else {
        return last_error::fail(error::INVALID_PARAMETER);
    };
    let before = object.change(|what| match what {
        What::Semaphore { count, most } => {
            let before = *count;
            // Both are below 2^31.
            if before + more > *most {
                return Err(error::TOO_MANY_POSTS);
            }
            *count += more;
            Ok(before)
        }
        _ => Err(error::INVALID_HANDLE),
    });
    match before {
        Err(code) => last_error::fail(code),
        Ok(before) => {
            if !previous.is_null() {
                // SAFETY: of the caller.
                unsafe { previous.write(before as i32) };
            }
            TRUE
        }
    }
}
