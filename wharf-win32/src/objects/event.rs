//! Events.

use std::{ffi::c_void, sync::Arc};

use super::{Waitable, What};
use crate::{
    TRUE, error,
    handle::{self, Object},
    last_error,
};

/// Handles to events, semaphores and mutexes stand for what is waited on, and nothing else.
impl Object for Waitable {
    fn waitable(self: Arc<Self>) -> Option<Arc<Waitable>> {
        Some(self)
    }
}

/// Lists a new object. Returns its handle, 0 (with the last error) if there are too many.
pub(super) fn list(object: Arc<dyn Object>) -> usize {
    let handle = handle::insert(object);
    // As on Windows: an error that is left would say that an object of this name was there.
    last_error::set(handle.map_or(error::NOT_ENOUGH_MEMORY, |_| 0));
    handle.unwrap_or(0)
}

fn change(handle: usize, to: bool) -> bool {
    match handle::get::<Waitable>(handle) {
        None => false,
        Some(event) => event.change(|what| match what {
            What::Event { set, .. } => {
                *set = to;
                true
            }
            _ => false,
        }),
    }
}

/// Sets an event. False if the handle is none of an event.
pub(crate) fn set(handle: usize) -> bool {
    change(handle, true)
}

/// Resets an event. False if the handle is none of an event.
pub(crate) fn reset(handle: usize) -> bool {
    change(handle, false)
}

fn answer(done: bool) -> i32 {
    if done {
        TRUE
    } else {
        last_error::fail(error::INVALID_HANDLE)
    }
}

/// Makes an event, and returns its handle; NULL if there are too many handles. Names are not shared: each call makes an event of
/// its own.
#[unsafe(no_mangle)]
pub extern "C" fn CreateEventA(
    _security: *const c_void,
    manual_reset: i32,
    set: i32,
    _name: *const c_void,
) -> usize {
    list(Waitable::new(What::Event {
        manual: manual_reset != 0,
        set: set != 0,
    }))
}

/// The same as [`CreateEventA`].
#[unsafe(no_mangle)]
pub extern "C" fn CreateEventW(
    security: *const c_void,
    manual_reset: i32,
    set: i32,
    name: *const c_void,
) -> usize {
    CreateEventA(security, manual_reset, set, name)
}

/// Makes an event from flags: 1 is a manual reset, 2 that it is set.
#[unsafe(no_mangle)]
pub extern "C" fn CreateEventExA(
    security: *const c_void,
    name: *const c_void,
    flags: u32,
    _access: u32,
) -> usize {
    CreateEventA(security, (flags & 1) as i32, (flags & 2) as i32, name)
}

/// The same as [`CreateEventExA`].
#[unsafe(no_mangle)]
pub extern "C" fn CreateEventExW(
    security: *const c_void,
    name: *const c_void,
    flags: u32,
    access: u32,
) -> usize {
    CreateEventExA(security, name, flags, access)
}

/// Sets an event: releases all who wait for it, or one if it resets itself.
#[unsafe(no_mangle)]
pub extern "C" fn SetEvent(event: usize) -> i32 {
    answer(set(event))
}

/// Resets an event.
#[unsafe(no_mangle)]
pub extern "C" fn ResetEvent(event: usize) -> i32 {
    answer(reset(event))
}

/// Releases those who wait for the event at this moment (one, if it resets itself), and leaves it reset.
#[unsafe(no_mangle)]
pub extern "C" fn PulseEvent(event: usize) -> i32 {
    let put = |what: &mut What, to| match what {
        What::Event { set, .. } => {
            *set = to;
            true
        }
        _ => false,
    };
    let Some(event) = handle::get::<Waitable>(event) else {
        return answer(false);
    };
    answer(event.change_for_a_moment(
        |what| put(what, true),
        |what| {
            put(what, false);
        },
    ))
}

/// Makes an event that is reset by hand, and is not set.
#[unsafe(no_mangle)]
pub extern "C" fn WSACreateEvent() -> usize {
    CreateEventA(std::ptr::null(), TRUE, 0, std::ptr::null())
}

/// The same as [`SetEvent`].
#[unsafe(no_mangle)]
pub extern "C" fn WSASetEvent(event: usize) -> i32 {
    SetEvent(event)
}

/// The same as [`ResetEvent`].
#[unsafe(no_mangle)]
pub extern "C" fn WSAResetEvent(event: usize) -> i32 {
    ResetEvent(event)
}

/// Closes an event. FALSE, with error 6, if the handle is none of an event.
#[unsafe(no_mangle)]
pub extern "C" fn WSACloseEvent(event: usize) -> i32 {
    let is_event = handle::get::<Waitable>(event)
        .is_some_and(|event| event.look(|what| matches!(what, What::Event { .. })));
    answer(is_event && handle::close(event))
}
