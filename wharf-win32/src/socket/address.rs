//! Addresses of sockets. Windows and Linux lay them out alike; the families have other numbers, and Windows says so if there is too
//! little room.

use std::{
    mem::{self, MaybeUninit},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
};

use crate::{
    call::{Outcome, checked, errno},
    codes::{self, wsa},
};

/// AF_INET6 of Windows.
pub(super) const WINDOWS_INET6: u16 = 23;

/// An address as Linux knows it.
#[derive(Clone, Copy)]
pub(super) struct Address {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

/// The family that Linux knows by another number.
pub(super) fn family_to_linux(family: i32) -> i32 {
    match u16::try_from(family) {
        Ok(WINDOWS_INET6) => libc::AF_INET6,
        _ => family,
    }
}

/// The family that Windows knows by another number.
pub(super) fn family_to_windows(family: i32) -> i32 {
    match family {
        libc::AF_INET6 => WINDOWS_INET6.into(),
        family => family,
    }
}

/// How long an address of a family is at least, in bytes.
fn len_of(family: i32) -> usize {
    match family {
        libc::AF_INET => size_of::<libc::sockaddr_in>(),
        libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
        _ => size_of::<u16>(),
    }
}

/// Whether a program gives the address of nobody, all zeros: what dissolves a datagram socket's association.
///
/// # Safety
/// There are `len` bytes to be read, or it is NULL.
pub(super) unsafe fn is_nobodys(address: *const libc::c_void, len: i32) -> bool {
    let len = usize::try_from(len).unwrap_or(0);
    if address.is_null() || len < len_of(libc::AF_INET) {
        return false;
    }
    // SAFETY: passed on to the caller.
    let bytes = unsafe { std::slice::from_raw_parts(address.cast::<u8>(), len) };
    bytes.iter().all(|byte| *byte == 0)
}

impl Address {
    fn empty() -> Address {
        Address {
            // SAFETY: it consists of numbers.
            storage: unsafe { mem::zeroed() },
            len: size_of::<libc::sockaddr_storage>() as libc::socklen_t,
        }
    }

    /// Reads an address of Windows.
    ///
    /// # Errors
    /// 10014: there is none, or it is too short; 10047: its family is not `family`, unless it is of none.
    ///
    /// # Safety
    /// There are `len` bytes to be read, or it is NULL.
    pub(super) unsafe fn read(
        address: *const libc::c_void,
        len: i32,
        family: u16,
    ) -> Outcome<Address> {
        let len = usize::try_from(len).map_err(|_| wsa::FAULT)?;
        if address.is_null() || len < size_of::<u16>() {
            return Err(wsa::FAULT);
        }
        let mut read = Address::empty();
        let len = len.min(size_of::<libc::sockaddr_storage>());
        // SAFETY: the caller promises so many bytes, and there is room for them.
        unsafe {
            let place = (&raw mut read.storage).cast::<u8>();
            place.copy_from_nonoverlapping(address.cast(), len);
        }
        let its_family = family_to_linux(read.storage.ss_family.into());
        read.storage.ss_family = its_family as u16;
        if its_family != i32::from(family) {
            return Err(wsa::FAMILY_NOT_SUPPORTED);
        }
        if len < len_of(its_family) {
            return Err(wsa::FAULT);
        }
        read.len = len as libc::socklen_t;
        if matches!(its_family, libc::AF_INET | libc::AF_INET6) {
            read.len = len_of(its_family) as libc::socklen_t;
        }
        Ok(read)
    }

    /// Fills an address in by a call of Linux, which returns a negative number on failure.
    pub(super) fn filled(
        call: impl FnOnce(*mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int,
    ) -> Result<Address, i32> {
        let mut address = Address::empty();
        checked(call(
            (&raw mut address.storage).cast(),
            &raw mut address.len,
        ))?;
        Ok(address)
    }

    pub(super) fn of(address: SocketAddr) -> Address {
        let mut of = Address::empty();
        match address {
            SocketAddr::V4(address) => {
                // SAFETY: the storage is large enough, and aligned, for each kind of address.
                let place = unsafe { &mut *(&raw mut of.storage).cast::<libc::sockaddr_in>() };
                place.sin_family = libc::AF_INET as u16;
                place.sin_port = address.port().to_be();
                place.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
                of.len = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            }
            SocketAddr::V6(address) => {
                // SAFETY: as above.
                let place = unsafe { &mut *(&raw mut of.storage).cast::<libc::sockaddr_in6>() };
                place.sin6_family = libc::AF_INET6 as u16;
                place.sin6_port = address.port().to_be();
                place.sin6_flowinfo = address.flowinfo();
                place.sin6_addr.s6_addr = address.ip().octets();
                place.sin6_scope_id = address.scope_id();
                of.len = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            }
        }
        of
    }

    /// The Internet address that it is, if it is one.
    pub(super) fn internet(&self) -> Option<SocketAddr> {
        match i32::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: it is one of that family, of which all is written.
                let address = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let address = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in6>() };
                let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
                let port = u16::from_be(address.sin6_port);
                let (flow, scope) = (address.sin6_flowinfo, address.sin6_scope_id);
                Some(SocketAddrV6::new(ip, port, flow, scope).into())
            }
            _ => None,
        }
    }

    pub(super) fn as_linux(&self) -> (*const libc::sockaddr, libc::socklen_t) {
        ((&raw const self.storage).cast(), self.len)
    }

    pub(super) fn family(&self) -> i32 {
        self.storage.ss_family.into()
    }

    /// Where Linux may write the address of a message, and how much.
    pub(super) fn place(&mut self) -> (*mut libc::c_void, libc::socklen_t) {
        (
            (&raw mut self.storage).cast(),
            size_of::<libc::sockaddr_storage>() as libc::socklen_t,
        )
    }

    pub(super) fn empty_place() -> Address {
        Address::empty()
    }

    pub(super) fn set_len(&mut self, len: libc::socklen_t) {
        self.len = len;
    }

    /// Its bytes, as Windows knows it.
    pub(super) fn to_windows(self) -> Vec<u8> {
        let mut address = self;
        address.storage.ss_family = family_to_windows(self.family()) as u16;
        let len = (self.len as usize).min(size_of::<libc::sockaddr_storage>());
        // SAFETY: all of it is written.
        let bytes = unsafe { std::slice::from_raw_parts((&raw const address.storage).cast(), len) };
        bytes.to_vec()
    }

    /// Writes it where a program of Windows wants it, if it wants it.
    ///
    /// # Errors
    /// 10014: there is too little room.
    ///
    /// # Safety
    /// `len` is NULL or says how much room there is at `place`.
    pub(super) unsafe fn write(self, place: *mut libc::c_void, len: *mut i32) -> Outcome<()> {
        if place.is_null() || len.is_null() {
            return Ok(());
        }
        let bytes = self.to_windows();
        // SAFETY: passed on to the caller.
        unsafe {
            if usize::try_from(*len).is_ok_and(|room| room < bytes.len()) || *len < 0 {
                return Err(wsa::FAULT);
            }
            place
                .cast::<u8>()
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            *len = bytes.len() as i32;
        }
        Ok(())
    }
}

/// The address of a socket's peer.
pub(super) fn peer(socket: i32) -> Result<Address, i32> {
    // SAFETY: the address has room for any.
    Address::filled(|place, len| unsafe { libc::getpeername(socket, place, len) })
}

/// The address of a socket.
pub(super) fn local(socket: i32) -> Result<Address, i32> {
    // SAFETY: as above.
    Address::filled(|place, len| unsafe { libc::getsockname(socket, place, len) })
}

/// An option of a socket that is a number.
pub(super) fn option(socket: i32, level: i32, name: i32) -> Outcome<i32> {
    let mut value = MaybeUninit::<i32>::zeroed();
    let mut len = size_of::<i32>() as libc::socklen_t;
    // SAFETY: there is room for a number, which the length says.
    let result =
        unsafe { libc::getsockopt(socket, level, name, value.as_mut_ptr().cast(), &raw mut len) };
    match result {
        // SAFETY: it was zeroed, and any bytes are a number.
        0 => Ok(unsafe { value.assume_init() }),
        _ => Err(codes::of_call(errno(), false)),
    }
}

/// Sets an option of a socket.
pub(super) fn set_option<T>(socket: i32, level: i32, name: i32, value: &T) -> Outcome<()> {
    let (address, len) = (
        (&raw const *value).cast(),
        size_of::<T>() as libc::socklen_t,
    );
    // SAFETY: the value is as long as the length says.
    match unsafe { libc::setsockopt(socket, level, name, address, len) } {
        0 => Ok(()),
        _ => Err(codes::of_call(errno(), false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_goes_to_linux_and_back() {
        for text in ["1.2.3.4:5", "[fe80::1]:80", "[::]:0", "0.0.0.0:65535"] {
            let address: SocketAddr = text.parse().expect("an address");
            let family = if address.is_ipv6() {
                libc::AF_INET6
            } else {
                libc::AF_INET
            };
            let bytes = Address::of(address).to_windows();
            let windows_family = u16::from_ne_bytes([bytes[0], bytes[1]]);
            assert_eq!(windows_family, if address.is_ipv6() { 23 } else { 2 });
            let (start, len) = (bytes.as_ptr().cast(), bytes.len() as i32);
            // SAFETY: there are so many bytes.
            let back = unsafe { Address::read(start, len, family as u16) };
            assert_eq!(back.ok().and_then(|back| back.internet()), Some(address));
            // SAFETY: as above.
            let short = unsafe { Address::read(start, len - 1, family as u16) };
            assert_eq!(short.err(), Some(wsa::FAULT));
            // SAFETY: as above.
            let other = unsafe { Address::read(start, len, libc::AF_UNIX as u16) };
            assert_eq!(other.err(), Some(wsa::FAMILY_NOT_SUPPORTED));
        }
    }

    #[test]
    fn too_little_room_is_told() {
        let address = Address::of("1.2.3.4:5".parse().expect("an address"));
        let (mut room, mut len) = ([0_u8; 16], 15);
        // SAFETY: there is as much room as is said.
        let told = unsafe { address.write(room.as_mut_ptr().cast(), &raw mut len) };
        assert_eq!((told, len), (Err(wsa::FAULT), 15));
        len = 16;
        // SAFETY: as above.
        let told = unsafe { address.write(room.as_mut_ptr().cast(), &raw mut len) };
        assert_eq!(
            (told, len, &room[..8]),
            (Ok(()), 16, &[2, 0, 0, 5, 1, 2, 3, 4][..])
        );
    }
}
