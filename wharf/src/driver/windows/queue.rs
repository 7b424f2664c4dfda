//! The kernel's completion port.

use std::{
    io,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
    ptr, thread,
    time::Duration,
};

use windows_sys::Win32::{
    Foundation::{
        ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_ENOUGH_MEMORY, HANDLE, HANDLE_FLAG_INHERIT,
        INVALID_HANDLE_VALUE, SetHandleInformation, WAIT_TIMEOUT,
    },
    Networking::WinSock::{
        SO_PROTOCOL_INFOW, SOCKET, SOL_SOCKET, WSAPROTOCOL_INFOW, XP1_IFS_HANDLES, getsockopt,
    },
    Storage::FileSystem::SetFileCompletionNotificationModes,
    System::{
        IO::{
            CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED, OVERLAPPED_ENTRY,
            PostQueuedCompletionStatus,
        },
        WindowsProgramming::{FILE_SKIP_COMPLETION_PORT_ON_SUCCESS, FILE_SKIP_SET_EVENT_ON_HANDLE},
    },
};

use super::{Descriptor, code_of};

/// So many packets are taken in one call at most: they come on the stack.
pub(crate) const TAKEN_MAX: usize = 64;

/// A packet as the kernel gives it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub key: usize,
    pub address: *mut OVERLAPPED,
    /// The bytes that were moved, or why it failed and the bytes that were.
    pub outcome: Result<usize, (i32, usize)>,
}

/// A completion port of the kernel's.
#[derive(Debug)]
pub(crate) struct Queue(OwnedHandle);

impl Queue {
    /// Makes one that lets so many threads run.
    pub(crate) fn new(concurrency: usize) -> io::Result<Queue> {
        let concurrency = u32::try_from(concurrency).unwrap_or(u32::MAX);
        // SAFETY: it is made anew, of no file.
        let port = unsafe {
            CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, concurrency)
        };
        if port.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just made, and no other code has it.
        Ok(Queue(unsafe { OwnedHandle::from_raw_handle(port) }))
    }

    fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    /// Has the packets of a handle's calls queued here, under `key`; with `skips`, not of those that end within the call, if
    /// the handle can be told so. Says whether it is.
    pub(crate) fn associate(
        &self,
        descriptor: &Descriptor,
        key: usize,
        skips: bool,
    ) -> io::Result<bool> {
        let handle = descriptor.number() as HANDLE;
        // SAFETY: both are open: we have them.
        let associated = unsafe { CreateIoCompletionPort(handle, self.raw(), key, 0) };
        if associated.is_null() {
            return Err(io::Error::last_os_error());
        }
        // What the standard library accepts, a child would have too.
        // SAFETY: the handle is open.
        if unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0) } == 0 {
            return Err(io::Error::last_os_error());
        }
        let skips = skips && is_the_kernels(descriptor);
        let modes = match skips {
            true => FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE,
            false => FILE_SKIP_SET_EVENT_ON_HANDLE,
        };
        // SAFETY: the handle is open.
        match unsafe { SetFileCompletionNotificationModes(handle, modes as u8) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(skips),
        }
    }

    /// Queues a packet of our own. What it carries comes back as it is; the kernel does not look at the address.
    pub(crate) fn post(&self, key: usize, address: *mut OVERLAPPED) -> io::Result<()> {
        // SAFETY: the port is open.
        match unsafe { PostQueuedCompletionStatus(self.raw(), 0, key, address) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// As [`post`](Self::post), for what has ended and can't be refused any more: where the kernel has no memory for the
    /// packet, this waits until it has.
    pub(crate) fn post_surely(&self, key: usize, address: *mut OVERLAPPED) {
        while self.post(key, address).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes up to `max` packets, and calls `each` with them; waits for the first for `timeout` at most. Says how many there
    /// were. It may return up to a tick of the clock too early, without any.
    pub(crate) fn take(
        &self,
        max: usize,
        timeout: Option<Duration>,
        each: impl FnMut(Taken),
    ) -> io::Result<usize> {
        let mut entries = [OVERLAPPED_ENTRY::default(); TAKEN_MAX];
        let mut max = max.min(TAKEN_MAX) as u32;
        let mut count = 0;
        loop {
            // SAFETY: the port is open, and there is room for so many entries.
            let taken = unsafe {
                GetQueuedCompletionStatusEx(
                    self.raw(),
                    entries.as_mut_ptr(),
                    max,
                    &mut count,
                    timeout.map_or(u32::MAX, milliseconds),
                    0,
                )
            };
            if taken != 0 {
                break;
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error().map(|code| code as u32) {
                Some(WAIT_TIMEOUT) => return Ok(0),
                // For more than a few the kernel takes memory, and refuses at once where it has none. For one it needs none.
                Some(ERROR_NO_SYSTEM_RESOURCES | ERROR_NOT_ENOUGH_MEMORY) if max > 1 => max = 1,
                _ => return Err(error),
            }
        }
        let taken = &entries[..count as usize];
        taken.iter().map(Taken::of).for_each(each);
        Ok(taken.len())
    }
}

impl Taken {
    fn of(entry: &OVERLAPPED_ENTRY) -> Taken {
        let moved = entry.dwNumberOfBytesTransferred as usize;
        Taken {
            key: entry.lpCompletionKey,
            address: entry.lpOverlapped,
            outcome: code_of(entry.Internal as i32).map_or(Ok(moved), |code| Err((code, moved))),
        }
    }
}

/// Whether the kernel itself carries out the calls on a handle. A socket may be a layered provider's, in between: that one
/// queues a packet for each call, whatever the mode says, and the call would end twice. Only the sockets that are handles of the
/// kernel's (`XP1_IFS_HANDLES`) take the mode (`SetFileCompletionNotificationModes`, remarks).
fn is_the_kernels(descriptor: &Descriptor) -> bool {
    if !matches!(descriptor, Descriptor::Socket(_)) {
        return true;
    }
    let mut info = WSAPROTOCOL_INFOW::default();
    let mut len = size_of_val(&info) as i32;
    // SAFETY: the socket is open; the option writes what this is, and no more than there is room for.
    let result = unsafe {
        getsockopt(
            descriptor.number() as SOCKET,
            SOL_SOCKET,
            SO_PROTOCOL_INFOW,
            (&raw mut info).cast(),
            &mut len,
        )
    };
    // Where it can't be told, a packet for each call is right for either.
    result == 0 && info.dwServiceFlags1 & XP1_IFS_HANDLES != 0
}

/// A time-out for the kernel: no shorter, and not "for ever".
fn milliseconds(timeout: Duration) -> u32 {
    let whole = timeout.as_nanos().div_ceil(1_000_000);
    u32::try_from(whole).map_or(u32::MAX - 1, |whole| whole.min(u32::MAX - 1))
}
