//! From `WSAStartup` to `closesocket`.

use std::{
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::atomic::Ordering,
};

use super::{STARTED, Socket, address, check_started, flag, table};
use crate::{
    call::{self, Outcome, winsock_of},
    codes::wsa,
};

pub(super) const INVALID_SOCKET: usize = usize::MAX;

/// WSADATA, as programs of 64 bits have it.
#[derive(Debug)]
#[repr(C)]
pub struct CallerData {
    version: u16,
    high_version: u16,
    sockets_max: u16,
    datagram_max: u16,
    vendor: usize,
    description: [u8; 257],
    status: [u8; 129],
}

const VERSION_MAX: u16 = 0x0202;
/// WSAVERNOTSUPPORTED.
const NO_SUCH_VERSION: i32 = 10092;

/// Begins the use of Winsock. May be called several times; `WSACleanup` is then called as often.
///
/// # Safety
/// `data` is the address of a WSADATA.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAStartup(version: u16, data: *mut CallerData) -> i32 {
    if version & 0xff == 0 {
        return NO_SUCH_VERSION;
    }
    if data.is_null() {
        return wsa::FAULT as i32;
    }
    let mut description = [0; 257];
    description[..11].copy_from_slice(b"WinSock 2.0");
    let mut status = [0; 129];
    status[..7].copy_from_slice(b"Running");
    let filled = CallerData {
        version: if version & 0xff > 2 || version == 0x0202 {
            VERSION_MAX
        } else {
            version
        },
        high_version: VERSION_MAX,
        sockets_max: 0,
        datagram_max: 0,
        vendor: 0,
        description,
        status,
    };
    // SAFETY: passed on to the caller.
    unsafe { data.write(filled) };
    STARTED.fetch_add(1, Ordering::AcqRel);
    0
}

/// Ends one use of Winsock. Sockets stay open until they are closed.
#[unsafe(no_mangle)]
pub extern "C" fn WSACleanup() -> i32 {
    let one_less = |count: u32| count.checked_sub(1);
    let ended = STARTED.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less);
    call::status(|| ended.map(|_| ()).map_err(|_| wsa::NOT_INITIALISED))
}

/// Flags of WSASocket.
const FLAG_OVERLAPPED: u32 = 1;

/// What is listed beside a descriptor that was made for a program: one above 2, since many test for 0.
fn above_standard(descriptor: OwnedFd) -> Outcome<OwnedFd> {
    if descriptor.as_raw_fd() > 2 {
        return Ok(descriptor);
    }
    // SAFETY: the descriptor is open.
    let raised = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) };
    let raised = winsock_of(raised)?;
    // SAFETY: it was made just now.
    Ok(unsafe { OwnedFd::from_raw_fd(raised) })
}

/// A new descriptor of Linux.
pub(super) fn new_descriptor(family: i32, kind: i32, protocol: i32) -> Outcome<OwnedFd> {
    let mode = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: it takes numbers only.
    let descriptor = winsock_of(unsafe { libc::socket(family, kind | mode, protocol) })?;
    // SAFETY: it was made just now.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    if family == libc::AF_INET6 {
        // Windows' sockets of IPv6 take no IPv4 unless that is asked for.
        address::set_option(
            descriptor.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_V6ONLY,
            &1_i32,
        )?;
    }
    Ok(descriptor)
}

/// Lists a descriptor as a socket. Returns its number.
pub(super) fn list(
    descriptor: OwnedFd,
    (family, kind, protocol): (i32, i32, i32),
    flags: u32,
) -> Outcome<usize> {
    let descriptor = above_standard(descriptor)?;
    table::insert(Socket::new(descriptor, family, kind, protocol, flags))
}

fn new_socket(family: i32, kind: i32, protocol: i32, flags: u32) -> Outcome<usize> {
    check_started()?;
    let family = address::family_to_linux(family);
    let kind = match (kind, protocol) {
        (0, libc::IPPROTO_TCP) => libc::SOCK_STREAM,
        (0, libc::IPPROTO_UDP) => libc::SOCK_DGRAM,
        (kind, _) => kind,
    };
    if !matches!(kind, libc::SOCK_STREAM | libc::SOCK_DGRAM | libc::SOCK_RAW) {
        return Err(wsa::TYPE_NOT_SUPPORTED);
    }
    let family = if family == libc::AF_UNSPEC {
        libc::AF_INET
    } else {
        family
    };
    let descriptor = new_descriptor(family, kind, protocol)?;
    list(descriptor, (family, kind, protocol), flags)
}

/// Makes a socket for overlapped calls. INVALID_SOCKET: 10047, 10043, 10044: there is none of that family, protocol or type; 10024:
/// there are no more descriptors; 10093: `WSAStartup` was not called.
#[unsafe(no_mangle)]
pub extern "C" fn wharf_w32_socket(family: i32, kind: i32, protocol: i32) -> usize {
    call::winsock(INVALID_SOCKET, || {
        new_socket(family, kind, protocol, flag::OVERLAPPED)
    })
}

/// As `socket`. Without the flag 1, WSA_FLAG_OVERLAPPED, calls ignore an OVERLAPPED.
#[unsafe(no_mangle)]
pub extern "C" fn WSASocketW(
    family: i32,
    kind: i32,
    protocol: i32,
    info: *const libc::c_void,
    _group: u32,
    flags: u32,
) -> usize {
    call::winsock(INVALID_SOCKET, || {
        if !info.is_null() {
            // Of a socket of another process: not in this layer.
            return Err(wsa::INVALID);
        }
        let overlapped = if flags & FLAG_OVERLAPPED != 0 {
            flag::OVERLAPPED
        } else {
            0
        };
        new_socket(family, kind, protocol, overlapped)
    })
}

/// The same as [`WSASocketW`].
#[unsafe(no_mangle)]
pub extern "C" fn WSASocketA(
    family: i32,
    kind: i32,
    protocol: i32,
    info: *const libc::c_void,
    group: u32,
    flags: u32,
) -> usize {
    WSASocketW(family, kind, protocol, info, group, flags)
}

/// Closes a socket: what is under way on it ends, and blocking calls of other threads return with 10004.
#[unsafe(no_mangle)]
pub extern "C" fn closesocket(socket: usize) -> i32 {
    call::status(|| match table::close(socket) {
        true => Ok(()),
        false => Err(table::not_a_socket()),
    })
}
