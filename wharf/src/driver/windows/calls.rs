//! The overlapped calls, each begun and not waited for.
//!
//! What every one of them asks for: the descriptor is open; the operation's `OVERLAPPED` and the memory that the call names
//! stay where they are, and are not used by other code, until the call has ended: within it, or with the packet.

use std::{
    net::SocketAddr,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
    ptr, thread,
};

use socket2::SockAddr;
use windows_sys::Wdk::Foundation::{NtQueryObject, ObjectBasicInformation};
use windows_sys::Win32::{
    Foundation::{
        ERROR_HANDLE_EOF, ERROR_IO_PENDING, ERROR_NOT_FOUND, GetLastError, HANDLE,
        INVALID_HANDLE_VALUE, STATUS_PENDING,
    },
    Networking::WinSock::{
        FIONBIO, MSG_PEEK, SD_SEND, SOCKET, TransmitFile, WSABUF, WSAGetLastError, WSARecv,
        WSARecvFrom, WSASend, WSASendTo, ioctlsocket,
    },
    Storage::FileSystem::{
        FILE_FLAG_OVERLAPPED, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, GetFileSizeEx,
        ReOpenFile, ReadFile, WriteFile,
    },
    System::{
        IO::{CancelIoEx, OVERLAPPED},
        WindowsProgramming::PUBLIC_OBJECT_BASIC_INFORMATION,
    },
};

use super::{Sender, address::as_raw, codes};
use crate::driver::{RawBuffer, RawDescriptor};

/// How a call was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Its packet follows.
    Pending,
    /// It has ended, having moved so many bytes. No packet follows.
    Done(usize),
    /// It has failed. No packet follows.
    Failed(i32),
}

impl Begun {
    /// What it is on a handle that queues what ended within the call, too. What was cut has been received: the kernel's status
    /// for it is a warning and no error.
    pub(crate) fn queued(self) -> Begun {
        match self {
            Begun::Done(_) | Begun::Failed(codes::CUT) => Begun::Pending,
            begun => begun,
        }
    }
}

/// More than this is not asked of one call, whose counts have 32 bits.
pub(super) const CALL_MAX: usize = 1 << 30;

pub(super) fn last_error() -> i32 {
    // SAFETY: it only tells. The same as `GetLastError`.
    unsafe { WSAGetLastError() }
}

/// What a call says of itself by its return value.
pub(super) fn begun(is_done: bool, moved: u32) -> Begun {
    if is_done {
        return Begun::Done(moved as usize);
    }
    match last_error() {
        pending if pending as u32 == ERROR_IO_PENDING => Begun::Pending,
        code => Begun::Failed(code),
    }
}

/// As many buffers are listed without an allocation.
const FEW: usize = 8;

/// Lists buffers for a socket, less the first `skip` bytes, for one call, which captures the list.
fn with_list<T>(buffers: &[RawBuffer], skip: usize, call: impl FnOnce(&[WSABUF]) -> T) -> T {
    const NONE: WSABUF = WSABUF {
        len: 0,
        buf: ptr::null_mut(),
    };
    let mut few = [NONE; FEW];
    let mut many = Vec::new();
    let list = match buffers.len() <= FEW {
        true => &mut few[..],
        false => {
            many.resize(buffers.len(), NONE);
            &mut many
        }
    };
    let count = fill(list, buffers, skip);
    // One that is empty is for a call that moves nothing.
    call(&list[..count.max(1)])
}

/// Says how many places of the list were used.
fn fill(list: &mut [WSABUF], buffers: &[RawBuffer], mut skip: usize) -> usize {
    let mut room = CALL_MAX;
    let mut count = 0;
    for buffer in buffers {
        let skipped = skip.min(buffer.len);
        skip -= skipped;
        let len = (buffer.len - skipped).min(room);
        if len > 0 {
            room -= len;
            list[count] = WSABUF {
                len: len as u32,
                buf: buffer.start.wrapping_add(skipped),
            };
            count += 1;
        }
    }
    count
}

/// Receives into several buffers, behind their first `skip` bytes; into none it asks whether there is anything, or the end. `peeks`:
/// what there is stays there, even if it is a datagram.
///
/// # Safety
/// As told [above](self).
pub(crate) unsafe fn receive(
    socket: RawDescriptor,
    buffers: &[RawBuffer],
    skip: usize,
    peeks: bool,
    overlapped: *mut OVERLAPPED,
) -> Begun {
    let mut moved = 0;
    let mut flags = if peeks { MSG_PEEK as u32 } else { 0 };
    // SAFETY: as the caller promises.
    let result = with_list(buffers, skip, |list| unsafe {
        WSARecv(
            socket as SOCKET,
            list.as_ptr(),
            list.len() as u32,
            &mut moved,
            &mut flags,
            overlapped,
            None,
        )
    });
    begun(result == 0, moved)
}

/// Has calls on a socket without an `OVERLAPPED` not wait. Overlapped ones do not go by that mode.
///
/// # Safety
/// The socket is open.
pub(crate) unsafe fn do_not_wait(socket: RawDescriptor) -> Result<(), i32> {
    let mut on = 1;
    // SAFETY: the socket is open, and the call reads one number.
    match unsafe { ioctlsocket(socket as SOCKET, FIONBIO, &mut on) } {
        0 => Ok(()),
        _ => Err(last_error()),
    }
}

/// Sends from several buffers, less the first `skip` bytes.
///
/// # Safety
/// As told [above](self).
pub(crate) unsafe fn send(
    socket: RawDescriptor,
    buffers: &[RawBuffer],
    skip: usize,
    overlapped: *mut OVERLAPPED,
) -> Begun {
    let mut moved = 0;
    // SAFETY: as the caller promises.
    let result = with_list(buffers, skip, |list| unsafe {
        WSASend(
            socket as SOCKET,
            list.as_ptr(),
            list.len() as u32,
            &mut moved,
            0,
            overlapped,
            None,
        )
    });
    begun(result == 0, moved)
}

/// Receives one datagram.
///
/// # Safety
/// As told [above](self); `sender` stays, too.
pub(crate) unsafe fn receive_from(
    socket: RawDescriptor,
    buffer: RawBuffer,
    sender: &mut Sender,
    overlapped: *mut OVERLAPPED,
) -> Begun {
    let (mut moved, mut flags) = (0, 0);
    // SAFETY: as the caller promises.
    let result = with_list(&[buffer], 0, |list| unsafe {
        WSARecvFrom(
            socket as SOCKET,
            list.as_ptr(),
            1,
            &mut moved,
            &mut flags,
            sender.storage.as_mut_ptr().cast(),
            &mut sender.len,
            overlapped,
            None,
        )
    });
    begun(result == 0, moved)
}

/// Sends one datagram.
///
/// # Safety
/// As told [above](self).
pub(crate) unsafe fn send_to(
    socket: RawDescriptor,
    buffer: RawBuffer,
    to: SocketAddr,
    overlapped: *mut OVERLAPPED,
) -> Begun {
    let to = SockAddr::from(to);
    let (address, len) = as_raw(&to);
    let mut moved = 0;
    // SAFETY: as the caller promises; the address is captured within the call.
    let result = with_list(&[buffer], 0, |list| unsafe {
        WSASendTo(
            socket as SOCKET,
            list.as_ptr(),
            1,
            &mut moved,
            0,
            address,
            len,
            overlapped,
            None,
        )
    });
    begun(result == 0, moved)
}

/// Ends the sending side.
///
/// # Safety
/// It is open.
pub(crate) unsafe fn shutdown(socket: RawDescriptor) -> Begun {
    // SAFETY: passed on to the caller.
    let result =
        unsafe { windows_sys::Win32::Networking::WinSock::shutdown(socket as SOCKET, SD_SEND) };
    begun(result == 0, 0)
}

/// Sends `len` bytes of a file, 1 at least, from where `overlapped` says.
///
/// # Safety
/// As told [above](self); the file stays open, too.
pub(crate) unsafe fn send_file(
    socket: RawDescriptor,
    file: RawDescriptor,
    offset: u64,
    len: u64,
    overlapped: *mut OVERLAPPED,
) -> Begun {
    let mut size = 0;
    // SAFETY: the file is open.
    if unsafe { GetFileSizeEx(file as HANDLE, &mut size) } == 0 {
        return Begun::Failed(last_error());
    }
    let left = (size.max(0) as u64).saturating_sub(offset);
    if left == 0 {
        return Begun::Failed(ERROR_HANDLE_EOF as i32);
    }
    let len = len.min(left).min(CALL_MAX as u64) as u32;
    // SAFETY: as the caller promises.
    let sent = unsafe {
        at(overlapped, offset);
        TransmitFile(
            socket as SOCKET,
            file as HANDLE,
            len,
            0,
            overlapped,
            ptr::null(),
            0,
        )
    };
    begun(sent != 0, len)
}

/// # Safety
/// The operation is not under way.
pub(super) unsafe fn at(overlapped: *mut OVERLAPPED, offset: u64) {
    // SAFETY: the caller has it to itself; the parts of the union are numbers.
    let place = unsafe { &mut (*overlapped).Anonymous.Anonymous };
    place.Offset = offset as u32;
    place.OffsetHigh = (offset >> 32) as u32;
}

/// Reads from a file.
///
/// # Safety
/// As told [above](self).
pub(crate) unsafe fn read_at(
    file: RawDescriptor,
    buffer: RawBuffer,
    offset: u64,
    overlapped: *mut OVERLAPPED,
) -> Begun {
    let len = buffer.len.min(CALL_MAX) as u32;
    let mut moved = 0;
    // SAFETY: as the caller promises.
    let read = unsafe {
        at(overlapped, offset);
        ReadFile(file as HANDLE, buffer.start, len, &mut moved, overlapped)
    };
    begun(read != 0, moved)
}

/// Writes to a file.
///
/// # Safety
/// As told [above](self).
pub(crate) unsafe fn write_at(
    file: RawDescriptor,
    buffer: RawBuffer,
    offset: u64,
    overlapped: *mut OVERLAPPED,
) -> Begun {
    let len = buffer.len.min(CALL_MAX) as u32;
    let mut moved = 0;
    // SAFETY: as the caller promises.
    let written = unsafe {
        at(overlapped, offset);
        WriteFile(file as HANDLE, buffer.start, len, &mut moved, overlapped)
    };
    begun(written != 0, moved)
}

/// Whether a call has ended whose packet was not taken yet.
///
/// # Safety
/// The address is valid.
pub(crate) unsafe fn has_ended(overlapped: *const OVERLAPPED) -> bool {
    // SAFETY: passed on to the caller; the kernel writes it once, when the call ends.
    let status = unsafe { (&raw const (*overlapped).Internal).read_volatile() };
    status as i32 != STATUS_PENDING
}

/// How often a call is looked for that is neither found nor over.
const LOOKS: usize = 1000;

/// Cancels one call. Says whether it was under way; its packet follows.
///
/// # Safety
/// The descriptor is open, and the address valid.
pub(crate) unsafe fn cancel(descriptor: RawDescriptor, overlapped: *const OVERLAPPED) -> bool {
    for _ in 0..LOOKS {
        // SAFETY: passed on to the caller; the address is only compared.
        let cancelled = unsafe { CancelIoEx(descriptor as HANDLE, overlapped) } != 0;
        // SAFETY: it only tells.
        if cancelled || unsafe { GetLastError() } != ERROR_NOT_FOUND {
            return true;
        }
        // SAFETY: passed on to the caller.
        if unsafe { has_ended(overlapped) } {
            return false;
        }
        // It is ending just now; or a part of it is being moved, which Wine does not call under way.
        thread::yield_now();
    }
    false
}

/// Cancels all calls of a descriptor.
///
/// # Safety
/// It is open.
pub(crate) unsafe fn cancel_all(descriptor: RawDescriptor) {
    // SAFETY: passed on to the caller. That there is nothing to cancel is no failure.
    unsafe { CancelIoEx(descriptor as HANDLE, ptr::null()) };
}

/// Opens a file once more, for overlapped calls: what the standard library opens waits in each call. None if the system does
/// not let it, as where nobody else may open the file.
///
/// It is opened for what the handle may do, and no more: to open it anew is to be given whatever the process may, so that a file
/// that was opened to be read could be written.
pub(super) fn reopened(file: &OwnedHandle) -> Option<OwnedHandle> {
    let share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    let access = access_of(file)?;
    // SAFETY: the file is open.
    let opened = unsafe { ReOpenFile(file.as_raw_handle(), access, share, FILE_FLAG_OVERLAPPED) };
    if opened == INVALID_HANDLE_VALUE {
        return None;
    }
    // SAFETY: it was just made, and no other code has it.
    Some(unsafe { OwnedHandle::from_raw_handle(opened) })
}

/// What a handle may do (`NtQueryObject`, `GrantedAccess`).
fn access_of(file: &OwnedHandle) -> Option<u32> {
    let mut information = PUBLIC_OBJECT_BASIC_INFORMATION::default();
    // SAFETY: the handle is open, and what is asked for is what this has room for.
    let status = unsafe {
        NtQueryObject(
            file.as_raw_handle(),
            ObjectBasicInformation,
            (&raw mut information).cast(),
            size_of_val(&information) as u32,
            ptr::null_mut(),
        )
    };
    (status >= 0).then_some(information.GrantedAccess)
}
