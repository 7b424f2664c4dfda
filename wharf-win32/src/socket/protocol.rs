//! What SO_PROTOCOL_INFO says of a socket: as Windows says it of its own TCP and UDP.

use super::{Socket, address};
use crate::call::Outcome;
use crate::codes::wsa;

/// WSAPROTOCOL_INFOA and WSAPROTOCOL_INFOW, up to the name of the protocol.
#[repr(C)]
struct Info {
    services: u32,
    other_services: [u32; 3],
    provider_flags: u32,
    provider: [u8; 16],
    entry: u32,
    chain_len: i32,
    chain: [u32; 7],
    version: i32,
    family: i32,
    address_max: i32,
    address_min: i32,
    kind: i32,
    protocol: i32,
    protocol_offset_max: i32,
    byte_order: i32,
    security: i32,
    message_max: u32,
    reserved: u32,
}

const _: () = assert!(size_of::<Info>() == 116);

/// So many characters the name has room for.
const NAME_ROOM: usize = 256;

/// Guaranteed delivery and order, graceful close, expedited data; a handle of files.
const OF_STREAMS: u32 = 0x2_0066;
/// Without a connection, in messages, broadcast, multipoint; a handle of files.
const OF_DATAGRAMS: u32 = 0x2_0609;
const MATCHES_PROTOCOL_ZERO: u32 = 8;
const PROVIDER_4: [u8; 16] = [
    0xa0, 0x1a, 0x0f, 0xe7, 0x8b, 0xab, 0xcf, 0x11, 0x8c, 0xa3, 0x00, 0x80, 0x5f, 0x48, 0xa1, 0x92,
];
const PROVIDER_6: [u8; 16] = [
    0xc0, 0xb0, 0xea, 0xf9, 0xd4, 0x26, 0xd0, 0x11, 0xbb, 0xbf, 0x00, 0xaa, 0x00, 0x6c, 0x34, 0xe4,
];
const FIRST_ENTRY: u32 = 1001;

impl Socket {
    fn info(&self) -> Info {
        let is_6 = i32::from(self.family) == libc::AF_INET6;
        let is_stream = self.is_stream();
        let address_len = match is_6 {
            true => size_of::<libc::sockaddr_in6>(),
            false => size_of::<libc::sockaddr_in>(),
        } as i32;
        Info {
            services: if is_stream { OF_STREAMS } else { OF_DATAGRAMS },
            other_services: [0; 3],
            provider_flags: MATCHES_PROTOCOL_ZERO,
            provider: if is_6 { PROVIDER_6 } else { PROVIDER_4 },
            entry: FIRST_ENTRY + u32::from(!is_stream) + if is_6 { 3 } else { 0 },
            // A protocol by itself, in no chain.
            chain_len: 1,
            chain: [0; 7],
            version: 2,
            family: address::family_to_windows(self.family.into()),
            address_max: address_len,
            address_min: address_len,
            kind: self.kind.into(),
            protocol: self.protocol_number(),
            protocol_offset_max: 0,
            byte_order: 0,
            security: 0,
            message_max: if is_stream {
                0
            } else {
                super::option::MESSAGE_MAX as u32
            },
            reserved: 0,
        }
    }

    fn protocol_number(&self) -> i32 {
        match (i32::from(self.protocol), i32::from(self.kind)) {
            (0, libc::SOCK_STREAM) => libc::IPPROTO_TCP,
            (0, libc::SOCK_DGRAM) => libc::IPPROTO_UDP,
            (protocol, _) => protocol,
        }
    }

    /// Writes a WSAPROTOCOL_INFO whose name has characters of this type. Fails with 10014 if there is no room for it; the length that
    /// it needs is said then, too.
    ///
    /// # Safety
    /// `len` says how much room there is at `to`.
    pub(super) unsafe fn write_info<Character: From<u8> + Copy>(
        &self,
        to: *mut u8,
        len: *mut i32,
    ) -> Outcome<()> {
        let name = match (i32::from(self.family), self.is_stream()) {
            (libc::AF_INET6, true) => "MSAFD Tcpip [TCP/IPv6]",
            (libc::AF_INET6, false) => "MSAFD Tcpip [UDP/IPv6]",
            (_, true) => "MSAFD Tcpip [TCP/IP]",
            (_, false) => "MSAFD Tcpip [UDP/IP]",
        };
        let mut text = [Character::from(0); NAME_ROOM];
        for (place, character) in text.iter_mut().zip(name.bytes()) {
            *place = character.into();
        }
        let needed = (size_of::<Info>() + size_of_val(&text)) as i32;
        // SAFETY: passed on to the caller.
        let room = unsafe { len.replace(needed) };
        if room < needed {
            return Err(wsa::FAULT);
        }
        // SAFETY: there is as much room, as was just found.
        unsafe {
            to.cast::<Info>().write_unaligned(self.info());
            to.add(size_of::<Info>())
                .cast::<[Character; NAME_ROOM]>()
                .write_unaligned(text);
        }
        Ok(())
    }
}
