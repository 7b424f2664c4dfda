//! Addresses as the kernel writes and reads them.

use std::{
    mem,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
};

use socket2::SockAddr;
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, SOCKADDR, SOCKADDR_IN, SOCKADDR_IN6,
};

/// Reads an address that the kernel wrote; none if it is no Internet address.
///
/// # Safety
/// At `address` are `len` bytes, aligned for any address.
pub(super) unsafe fn read(address: *const SOCKADDR, len: usize) -> Option<SocketAddr> {
    if address.is_null() || len < mem::size_of::<SOCKADDR_IN>() {
        return None;
    }
    // SAFETY: there are as many bytes, and any will do.
    match unsafe { (*address).sa_family } {
        AF_INET => {
            // SAFETY: likewise.
            let address = unsafe { &*address.cast::<SOCKADDR_IN>() };
            // SAFETY: the parts of the union are the same bytes.
            let ip = Ipv4Addr::from(u32::from_be(unsafe { address.sin_addr.S_un.S_addr }));
            let port = u16::from_be(address.sin_port);
            Some(SocketAddrV4::new(ip, port).into())
        }
        AF_INET6 if len >= mem::size_of::<SOCKADDR_IN6>() => {
            // SAFETY: likewise.
            let address = unsafe { &*address.cast::<SOCKADDR_IN6>() };
            // SAFETY: the parts of the union are the same bytes.
            let ip = Ipv6Addr::from(unsafe { address.sin6_addr.u.Byte });
            // SAFETY: likewise.
            let scope = unsafe { address.Anonymous.sin6_scope_id };
            let port = u16::from_be(address.sin6_port);
            Some(SocketAddrV6::new(ip, port, address.sin6_flowinfo, scope).into())
        }
        _ => None,
    }
}

/// An address for the kernel to read, and its length; valid as long as `address` is.
pub(super) fn as_raw(address: &SockAddr) -> (*const SOCKADDR, i32) {
    (address.as_ptr().cast(), address.len())
}
