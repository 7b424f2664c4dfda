//! Calls that wait, made by a thread of the system's pool: what the kernel has no overlapped call for, and everything on a file
//! that can't be opened for overlapped calls.

use std::{
    ffi::c_void,
    io,
    os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle},
    ptr,
    sync::Arc,
    thread,
};

use windows_sys::Win32::{
    Foundation::{ERROR_IO_PENDING, HANDLE},
    Storage::FileSystem::{FlushFileBuffers, ReadFile, WriteFile},
    System::{
        IO::{GetOverlappedResult, OVERLAPPED},
        Threading::{CreateEventW, QueueUserWorkItem, WT_EXECUTELONGFUNCTION},
    },
};

use super::{
    Queue,
    calls::{Begun, CALL_MAX, at, has_ended, last_error},
};
use crate::driver::{RawBuffer, RawDescriptor};

/// What is to be done with the file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FileTask {
    /// Have what was written reach the disk.
    Flush,
    ReadAt(RawBuffer, u64),
    WriteAt(RawBuffer, u64),
}

/// A call that a thread of the pool makes.
struct BlockingCall {
    task: FileTask,
    /// Its own: the port's may be closed meanwhile.
    file: OwnedHandle,
    queue: Arc<Queue>,
    key: usize,
    overlapped: *mut OVERLAPPED,
}

/// Has a thread of the pool do it, and then queue a packet under `key`, of which [`blocking_call_result`] tells how it went.
///
/// # Safety
/// The file is open. The `OVERLAPPED` and the memory of the task stay where they are, and are not used by other code, until the
/// packet is taken.
pub(crate) unsafe fn send_by_blocking_call(
    task: FileTask,
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
    let call = Box::into_raw(Box::new(BlockingCall {
        task,
        file,
        queue: queue.clone(),
        key,
        overlapped,
    }));
    // SAFETY: the function is given what it expects, once.
    match unsafe { QueueUserWorkItem(Some(run), call.cast(), WT_EXECUTELONGFUNCTION) } {
        0 => {
            // SAFETY: it was refused, so it is ours still.
            drop(unsafe { Box::from_raw(call) });
            failed(io::Error::last_os_error())
        }
        _ => Begun::Pending,
    }
}

unsafe extern "system" fn run(call: *mut c_void) -> u32 {
    // SAFETY: it is called once, with the box that was made for it.
    let call = unsafe { Box::from_raw(call.cast::<BlockingCall>()) };
    let (code, moved) = match call.make_call() {
        Ok(moved) => (0, moved as usize),
        Err(code) => (code as usize, 0),
    };
    // SAFETY: the operation is under way, and its `OVERLAPPED` not used by other code.
    unsafe {
        (*call.overlapped).Internal = code;
        (*call.overlapped).InternalHigh = moved;
    }
    call.queue.post_surely(call.key, call.overlapped);
    0
}

impl BlockingCall {
    fn make_call(&self) -> Result<u32, i32> {
        let file = self.file.as_raw_handle();
        let mut moved = 0;
        // The place in the file, and what tells that the call is over, should it not wait: the file itself would tell of any
        // other call that ends on it, and the place would be gone before this one has ended.
        let event = new_event().map_err(|error| error.raw_os_error().unwrap_or_default())?;
        let mut place = OVERLAPPED {
            // With the lowest bit set, nothing is queued on a port that the file may have (`GetQueuedCompletionStatus`).
            hEvent: event.as_raw_handle().map_addr(|address| address | 1),
            ..OVERLAPPED::default()
        };
        let len = |buffer: &RawBuffer| buffer.len.min(CALL_MAX) as u32;
        // SAFETY: the file is open, and the memory stays until the packet is taken.
        let done = unsafe {
            match &self.task {
                FileTask::Flush => FlushFileBuffers(file),
                FileTask::ReadAt(buffer, offset) => {
                    at(&mut place, *offset);
                    ReadFile(file, buffer.start, len(buffer), &mut moved, &mut place)
                }
                FileTask::WriteAt(buffer, offset) => {
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
            pending if pending as u32 == ERROR_IO_PENDING => loop {
                // SAFETY: the call was begun, and this waits for its end.
                let ended =
                    unsafe { GetOverlappedResult(file, ptr::from_ref(&place), &mut moved, 1) };
                if ended != 0 {
                    return Ok(moved);
                }
                let code = last_error();
                // SAFETY: the place is here.
                if unsafe { has_ended(&place) } {
                    return Err(code);
                }
                // It was the wait that failed: the place is the kernel's still.
                thread::yield_now();
            },
            code => Err(code),
        }
    }
}

/// An event that stays set once it is.
fn new_event() -> io::Result<OwnedHandle> {
    // SAFETY: it is made anew, without a name.
    let event = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
    if event.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just made, and no other code has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(event) })
}

/// How a blocking call went.
///
/// # Safety
/// Its packet was taken.
pub(crate) unsafe fn blocking_call_result(
    overlapped: *mut OVERLAPPED,
) -> Result<usize, (i32, usize)> {
    // SAFETY: no other code uses it since the packet was queued.
    let (code, moved) = unsafe { ((*overlapped).Internal, (*overlapped).InternalHigh) };
    match code {
        0 => Ok(moved),
        code => Err((code as i32, moved)),
    }
}
