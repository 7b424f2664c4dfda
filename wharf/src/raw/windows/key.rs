//! The number that a packet of the kernel's queue carries beside an address: the kind of the packet.
//!
//! A task is an address and its functions, which are an address too: so it needs no memory on its way. No functions are where
//! the numbers of the other packets would be.

use std::ptr::{self, NonNull};

use super::native::Address;
use crate::raw::{Task, TaskFunctions};

/// The kind of a packet of the kernel's queue: all but the first are posted by the port itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Key {
    /// A call has ended.
    Operation,
    /// An operation has, and is to be handed out.
    Ended,
    /// A box of what was posted.
    Posted,
    /// Memory is to be found for an operation.
    Provide,
    /// A call that waited has ended.
    BlockingCall,
    /// Nothing: the thread that takes it is to look again.
    Wake,
    /// Any other number: the functions of a task.
    Task,
}

impl Key {
    pub(super) fn of(number: usize) -> Key {
        [
            Key::Operation,
            Key::Ended,
            Key::Posted,
            Key::Provide,
            Key::BlockingCall,
            Key::Wake,
        ]
        .into_iter()
        .find(|key| *key as usize == number)
        .unwrap_or(Key::Task)
    }
}

/// The key and the address of a task's packet.
pub(super) fn of_task(task: Task) -> (usize, Address) {
    let (functions, pointer) = task.into_parts();
    let key = ptr::from_ref(functions).expose_provenance();
    debug_assert!(
        key >= Key::Task as usize,
        "no static is at the first addresses"
    );
    (key, pointer.as_ptr().cast())
}

/// The task of a packet.
///
/// # Safety
/// Both were made by [`of_task`], and this is the only task that is made of them.
pub(super) unsafe fn task_of(key: usize, address: Address) -> Task {
    let functions = ptr::with_exposed_provenance::<TaskFunctions>(key);
    // SAFETY: the key is the address of the functions, which are static.
    let functions = unsafe { &*functions };
    let pointer = NonNull::new(address.cast()).expect("it was given as an address");
    // SAFETY: the task was given up for these, with all that was promised of it.
    unsafe { Task::new(functions, pointer) }
}
