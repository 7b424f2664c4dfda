//! What the kernel needs of an operation, in the operation.

use std::{cell::UnsafeCell, fmt, ptr::NonNull};

use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::{
    driver::windows::{Arrival, Sender},
    raw::Overlapped,
};

/// The first field of an [`Overlapped`], so that the kernel's address of the one is the address of the other.
#[repr(C)]
pub(in crate::raw) struct Native {
    /// The kernel's while a call is under way.
    overlapped: UnsafeCell<OVERLAPPED>,
    /// Its place among its handle's operations that are under way.
    pub place: usize,
    pub step: Step,
    /// Where the kernel writes what comes beside the bytes.
    pub output: Output,
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::raw) enum Step {
    /// A call that moves what is to be moved, or has not begun.
    #[default]
    Moving,
    /// Asks whether there is anything to find memory for.
    Asking,
    /// There is, and a thread finds the memory.
    Finding,
    /// There is no memory; it is to be told when there is.
    Starved,
    /// Memory was found, and a call receives into it.
    Filling,
}

/// Memory that the kernel writes to, other than the caller's.
#[derive(Debug, Default)]
pub(in crate::raw) enum Output {
    #[default]
    None,
    Arrival(Box<Arrival>),
    Sender(Box<Sender>),
}

impl Default for Native {
    fn default() -> Self {
        Native {
            overlapped: UnsafeCell::new(OVERLAPPED::default()),
            place: 0,
            step: Step::Moving,
            output: Output::None,
        }
    }
}

impl Native {
    /// What the kernel is given for a call.
    pub(super) fn fresh(&mut self) -> *mut OVERLAPPED {
        *self.overlapped.get_mut() = OVERLAPPED::default();
        self.overlapped.get()
    }

    /// Where the kernel has it.
    pub(super) fn address(&self) -> *mut OVERLAPPED {
        self.overlapped.get()
    }
}

/// What the kernel carries in a packet beside its key.
pub(super) type Address = *mut OVERLAPPED;

/// The operation whose `OVERLAPPED` this is.
pub(super) fn operation_at(address: *mut OVERLAPPED) -> Option<NonNull<Overlapped>> {
    NonNull::new(address.cast())
}

/// The address that the kernel is to carry for an operation.
pub(super) fn address_of(operation: NonNull<Overlapped>) -> *mut OVERLAPPED {
    operation.as_ptr().cast()
}

impl fmt::Debug for Native {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Native")
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}
