//! Calls that wait, made by a thread of the system's pool: what the kernel has no overlapped call for, and everything on a file
//! that can't be opened for overlapped calls.

use std::{
    ffi::c_void,
    io,
    os::windows::io::{AsRawHandle, BorrowedHandle, OwnedHandle},
    ptr,
    sync::Arc,
};

use windows_sys::Win32::{
    Foundation::{ERROR_IO_PENDING, HANDLE},
    Storage::FileSystem::{FlushFileBuffers, ReadFile, WriteFile},
    System::{
        IO::{GetOverlappedResult, OVERLAPPED},
        Threading::{QueueUserWorkItem, WT_EXECUTELONGFUNCTION},
    },
};

use super::{
    Queue,
    calls::{Begun, CALL_MAX, at, last_error},
};
use crate::driver::{RawBuffer, RawDescriptor};

/// What is to be done with the file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Task {
    /// Have what was written reach the disk.
    Flush,
    ReadAt(RawBuffer, u64),
    WriteAt(RawBuffer, u64),
}

/// A call that a thread of the pool makes.
struct Errand {
    task: Task,
    /// Its own: the port's may be closed meanwhile.
    file: OwnedHandle,
    queue: Arc<Queue>,
    key: usize,
    overlapped: *mut OVERLAPPED,
}

/// Has a thread of the pool do it, and then queue a packet under `key`, of which [`errand_result`] tells how it went.
///
/// # Safety
/// The file is open. The `OVERLAPPED` and the memory of the task stay where they are, and are nobody else's, until the packet
/// is taken.
pub(crate) unsafe fn send_on_errand(
    task: Task,
    file: RawDescriptor,
    queue: &Arc<Queue>,
    key: usize,
    overlapped: *mut OVERLAPPED,
) -> Begun {
    let failed = |error: io::Error| Begun::Failed(error.raw_os_error().unwrap_or_default());
    // SAFETY: the file is open.
    let file = unsafe { BorrowedHandle::borrow_raw(file as HANDLE) };
    let file = match file.try_clone_to_owned() {
        Ok(file) => file,
        Err(error) => return failed(error),
    };
    let errand = Box::into_raw(Box::new(Errand {
        task,
        file,
        queue: queue.clone(),
        key,
        overlapped,
    }));
    // SAFETY: the function is given what it expects, once.
    match unsafe { QueueUserWorkItem(Some(run), errand.cast(), WT_EXECUTELONGFUNCTION) } {
        0 => {
            // SAFETY: it was refused, so it is ours still.
            drop(unsafe { Box::from_raw(errand) });
            failed(io::Error::last_os_error())
        }
        _ => Begun::Pending,
    }
}

unsafe extern "system" fn run(errand: *mut c_void) -> u32 {
    // SAFETY: it is called once, with the box that was made for it.
    let errand = unsafe { Box::from_raw(errand.cast::<Errand>()) };
    let (code, moved) = match errand.make_call() {
        Ok(moved) => (0, moved as usize),
        Err(code) => (code as usize, 0),
    };
    // SAFETY: the operation is under way, and its `OVERLAPPED` nobody else's.
    unsafe {
        (*errand.overlapped).Internal = code;
        (*errand.overlapped).InternalHigh = moved;
    }
    errand.queue.post_surely(errand.key, errand.overlapped);
    0
}

impl Errand {
    fn make_call(&self) -> Result<u32, i32> {
        let file = self.file.as_raw_handle();
        let mut moved = 0;
        // Only the place in the file; the call waits.
        let mut place = OVERLAPPED::default();
        let len = |buffer: &RawBuffer| buffer.len.min(CALL_MAX) as u32;
        // SAFETY: the file is open, and the memory stays until the packet is taken.
        let done = unsafe {
            match &self.task {
                Task::Flush => FlushFileBuffers(file),
                Task::ReadAt(buffer, offset) => {
                    at(&mut place, *offset);
                    ReadFile(file, buffer.start, len(buffer), &mut moved, &mut place)
                }
                Task::WriteAt(buffer, offset) => {
                    at(&mut place, *offset);
                    let bytes = buffer.start.cast_const();
                    WriteFile(file, bytes, len(buffer), &mut moved, &mut place)
                }
            }
        };
        if done != 0 {
            return Ok(moved);
        }
        match last_error() {
            // It was opened for overlapped calls after all, and can't be opened again.
            pending if pending as u32 == ERROR_IO_PENDING => {
                // SAFETY: the call is under way, and this waits for its end.
                let ended =
                    unsafe { GetOverlappedResult(file, ptr::from_ref(&place), &mut moved, 1) };
                if ended != 0 {
                    Ok(moved)
                } else {
                    Err(last_error())
                }
            }
            code => Err(code),
        }
    }
}

/// How an errand went.
///
/// # Safety
/// Its packet was taken.
pub(crate) unsafe fn errand_result(overlapped: *mut OVERLAPPED) -> Result<usize, (i32, usize)> {
    // SAFETY: it is nobody else's since the packet was queued.
    let (code, moved) = unsafe { ((*overlapped).Internal, (*overlapped).InternalHigh) };
    match code {
        0 => Ok(moved),
        code => Err((code as i32, moved)),
    }
}
