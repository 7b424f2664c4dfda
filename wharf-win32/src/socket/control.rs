//! Ioctls of sockets: `ioctlsocket` and `WSAIoctl`.

use std::sync::Arc;

use super::{Socket, address::set_option, extension, find, flag, transfer::put_count, transmit};
use crate::{
    call::{self, Outcome, checked},
    codes::{self, SUCCESS, wsa},
    error,
    operation::{self, CallerOverlapped},
};

const FIONREAD: u32 = 0x4004_667f;
const FIONBIO: u32 = 0x8004_667e;
const SIOCATMARK: u32 = 0x4004_7307;
/// The same of Linux, which the crate `libc` lacks.
const LINUX_SIOCATMARK: libc::Ioctl = 0x8905;
const GET_EXTENSION_FUNCTION_POINTER: u32 = 0xc800_0006;
const KEEPALIVE_VALS: u32 = 0x9800_0004;
const UDP_CONNRESET: u32 = 0x9800_000c;
const LOOPBACK_FAST_PATH: u32 = 0x9800_0010;
const BASE_HANDLE: u32 = 0x4800_0022;

impl Socket {
    /// Bytes that can be received; of datagrams, those of the first.
    pub(super) fn unread(&self) -> Outcome<u32> {
        // SAFETY: the request writes one `int`.
        let count = unsafe { self.ask(libc::FIONREAD) }?;
        Ok(count as u32)
    }

    /// # Safety
    /// The request writes one `int`.
    unsafe fn ask(&self, request: libc::Ioctl) -> Outcome<libc::c_int> {
        let mut answer: libc::c_int = 0;
        // SAFETY: passed on to the caller; there is room.
        let asked = unsafe { libc::ioctl(self.number(), request, &raw mut answer) };
        checked(asked).map_err(|errno| self.code_of(errno))?;
        Ok(answer)
    }

    fn is_at_mark(&self) -> Outcome<u32> {
        // SAFETY: as above.
        let at = unsafe { self.ask(LINUX_SIOCATMARK) }?;
        // Windows says whether there is no urgent data, Linux whether it is next.
        Ok(u32::from(at == 0))
    }

    /// `struct tcp_keepalive`: whether, after how many milliseconds, how often.
    fn keep_alive(&self, [on, time, interval]: [u32; 3]) -> Outcome<()> {
        let number = self.number();
        let on = i32::from(on != 0);
        set_option(number, libc::SOL_SOCKET, libc::SO_KEEPALIVE, &on)?;
        if on == 0 {
            return Ok(());
        }
        let seconds =
            |millis: u32| i32::try_from(millis.div_ceil(1000).clamp(1, 32_767)).unwrap_or(1);
        set_option(
            number,
            libc::IPPROTO_TCP,
            libc::TCP_KEEPIDLE,
            &seconds(time),
        )?;
        set_option(
            number,
            libc::IPPROTO_TCP,
            libc::TCP_KEEPINTVL,
            &seconds(interval),
        )
    }
}

/// The number of a function, as its bytes are in memory.
type Guid = [u8; 16];
/// It, and what gives the address of the function.
type Function = (Guid, fn() -> usize);

/// The functions that are asked for by a number.
const FUNCTIONS: &[Function] = &[
    (
        guid(
            0xb536_7df0,
            0xcbac,
            0x11cf,
            *b"\x95\xca\x00\x80\x5f\x48\xa1\x92",
        ),
        || transmit::TransmitFile as *const () as usize,
    ),
    (
        guid(
            0xb536_7df1,
            0xcbac,
            0x11cf,
            *b"\x95\xca\x00\x80\x5f\x48\xa1\x92",
        ),
        || extension::AcceptEx as *const () as usize,
    ),
    (
        guid(
            0xb536_7df2,
            0xcbac,
            0x11cf,
            *b"\x95\xca\x00\x80\x5f\x48\xa1\x92",
        ),
        || extension::GetAcceptExSockaddrs as *const () as usize,
    ),
    (
        guid(
            0x25a2_07b9,
            0xddf3,
            0x4660,
            *b"\x8e\xe9\x76\xe5\x8c\x74\x06\x3e",
        ),
        || extension::ConnectEx as *const () as usize,
    ),
    (
        guid(
            0x7fda_2e11,
            0x8630,
            0x436f,
            *b"\xa0\x31\xf5\x36\xa6\xee\xc1\x57",
        ),
        || extension::DisconnectEx as *const () as usize,
    ),
];

const fn guid(first: u32, second: u16, third: u16, rest: [u8; 8]) -> Guid {
    let (first, second, third) = (
        first.to_le_bytes(),
        second.to_le_bytes(),
        third.to_le_bytes(),
    );
    let mut guid = [0; 16];
    let mut at = 0;
    while at < 16 {
        guid[at] = match at {
            0..4 => first[at],
            4..6 => second[at - 4],
            6..8 => third[at - 6],
            _ => rest[at - 8],
        };
        at += 1;
    }
    guid
}

/// What goes into a WSAIoctl and comes out of it.
struct Room {
    input: *const u8,
    input_len: u32,
    output: *mut u8,
    output_len: u32,
}

impl Room {
    /// # Safety
    /// There are as many bytes as is said.
    unsafe fn read<T: Copy>(&self) -> Outcome<T> {
        if self.input.is_null() || (self.input_len as usize) < size_of::<T>() {
            return Err(wsa::FAULT);
        }
        // SAFETY: passed on to the caller; any bytes are one of those types.
        Ok(unsafe { self.input.cast::<T>().read_unaligned() })
    }

    /// Returns how many bytes were written.
    ///
    /// # Safety
    /// There is as much room as is said.
    unsafe fn write<T: Copy>(&self, value: T) -> Outcome<usize> {
        if self.output.is_null() || (self.output_len as usize) < size_of::<T>() {
            return Err(wsa::FAULT);
        }
        // SAFETY: passed on to the caller.
        unsafe { self.output.cast::<T>().write_unaligned(value) };
        Ok(size_of::<T>())
    }
}

/// Does what is asked. Returns how many bytes come out.
///
/// # Safety
/// There is as much as is said in the room.
unsafe fn control(socket: &Socket, code: u32, room: &Room) -> Outcome<usize> {
    // SAFETY: passed on to the caller.
    unsafe {
        match code {
            FIONBIO => {
                let on = room.read::<u32>()?;
                if on == 0 && socket.is(flag::SELECTED) {
                    // WSAEventSelect's page: only once the selection is taken back.
                    return Err(wsa::INVALID);
                }
                socket.set(flag::NON_BLOCKING, on != 0);
                Ok(0)
            }
            FIONREAD => room.write(socket.unread()?),
            SIOCATMARK => room.write(socket.is_at_mark()?),
            KEEPALIVE_VALS => socket.keep_alive(room.read()?).map(|()| 0),
            UDP_CONNRESET | LOOPBACK_FAST_PATH => Ok(0),
            BASE_HANDLE => room.write(socket.number() as usize),
            GET_EXTENSION_FUNCTION_POINTER => {
                let asked = room.read::<Guid>()?;
                let found = FUNCTIONS.iter().find(|(guid, _)| *guid == asked);
                let (_, function) = found.ok_or(wsa::INVALID)?;
                room.write(function())
            }
            _ => Err(wsa::NOT_SUPPORTED),
        }
    }
}

/// Sets the blocking mode (FIONBIO), or says how much can be received (FIONREAD).
///
/// # Safety
/// `argument` is the address of a number of 32 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ioctlsocket(socket: usize, command: i32, argument: *mut u32) -> i32 {
    call::status(|| {
        let socket = find(socket)?;
        let room = Room {
            input: argument.cast(),
            input_len: 4,
            output: argument.cast(),
            output_len: 4,
        };
        // SAFETY: passed on to the caller.
        unsafe { control(&socket, command as u32, &room) }.map(|_| ())
    })
}

/// Asks or sets something of a socket. With an OVERLAPPED what succeeds gives a packet. 10045: a completion routine is not called.
///
/// # Safety
/// There are as many bytes at `input`, and as much room at `output`, as is said; the others are addresses of variables.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAIoctl(
    socket: usize,
    code: u32,
    input: *const u8,
    input_len: u32,
    output: *mut u8,
    output_len: u32,
    returned: *mut u32,
    overlapped: *mut CallerOverlapped,
    routine: *const libc::c_void,
) -> i32 {
    call::status(|| {
        let socket = find(socket)?;
        let room = Room {
            input,
            input_len,
            output,
            output_len,
        };
        if overlapped.is_null() || !socket.is(flag::OVERLAPPED) {
            // SAFETY: passed on to the caller.
            let bytes = unsafe { control(&socket, code, &room) }?;
            // SAFETY: passed on to the caller.
            unsafe { put_count(returned, bytes) };
            return Ok(());
        }
        if !routine.is_null() {
            return Err(wsa::NOT_SUPPORTED);
        }
        // SAFETY: passed on to the caller.
        unsafe { control_overlapped(&socket, code, &room, returned, overlapped) }
    })
}

/// # Safety
/// As for [`WSAIoctl`].
unsafe fn control_overlapped(
    socket: &Arc<Socket>,
    code: u32,
    room: &Room,
    returned: *mut u32,
    overlapped: *mut CallerOverlapped,
) -> Outcome<()> {
    // SAFETY: passed on to the caller.
    let done = unsafe { control(socket, code, room) };
    let (status, bytes, answer) = match done {
        Ok(bytes) => (SUCCESS, bytes, Ok(())),
        Err(wsa::NOT_SUPPORTED) => (codes::NOT_SUPPORTED, 0, Err(error::IO_PENDING)),
        Err(code) => return Err(code),
    };
    // SAFETY: passed on to the caller.
    let record = unsafe { operation::begin(overlapped, socket) };
    operation::end_at_once(record, status, bytes, status != SUCCESS);
    // SAFETY: passed on to the caller.
    unsafe { put_count(returned, bytes) };
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_lies_in_memory_as_programs_have_it() {
        // {25a207b9-ddf3-4660-8ee9-76e58c74063e}: ConnectEx.
        let bytes = [
            0xb9, 0x07, 0xa2, 0x25, 0xf3, 0xdd, 0x60, 0x46, 0x8e, 0xe9, 0x76, 0xe5, 0x8c, 0x74,
            0x06, 0x3e,
        ];
        let found = FUNCTIONS.iter().find(|(guid, _)| *guid == bytes);
        let (_, function) = found.expect("it is listed");
        assert_eq!(function(), extension::ConnectEx as *const () as usize);
    }
}
