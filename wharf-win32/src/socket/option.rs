//! Options of sockets: Windows' numbers and values, and Linux's.

use std::sync::atomic::Ordering;

use super::{Socket, address, address::set_option, find, flag};
use crate::{
    call::{self, Outcome},
    codes::{self, wsa},
};

const SOL_SOCKET: i32 = 0xffff;
const SO_DEBUG: i32 = 1;
const SO_ACCEPTCONN: i32 = 2;
const SO_REUSEADDR: i32 = 4;
const SO_KEEPALIVE: i32 = 8;
const SO_DONTROUTE: i32 = 0x10;
const SO_BROADCAST: i32 = 0x20;
const SO_LINGER: i32 = 0x80;
const SO_OOBINLINE: i32 = 0x100;
const SO_DONTLINGER: i32 = !SO_LINGER;
const SO_EXCLUSIVEADDRUSE: i32 = !SO_REUSEADDR;
const SO_SNDBUF: i32 = 0x1001;
const SO_RCVBUF: i32 = 0x1002;
const SO_SNDTIMEO: i32 = 0x1005;
const SO_RCVTIMEO: i32 = 0x1006;
const SO_ERROR: i32 = 0x1007;
const SO_TYPE: i32 = 0x1008;
const SO_MAX_MSG_SIZE: i32 = 0x2003;
const SO_PROTOCOL_INFOA: i32 = 0x2004;
const SO_PROTOCOL_INFOW: i32 = 0x2005;
const SO_CONDITIONAL_ACCEPT: i32 = 0x3002;
const SO_RANDOMIZE_PORT: i32 = 0x3005;
const SO_PORT_SCALABILITY: i32 = 0x3006;
const SO_REUSE_UNICASTPORT: i32 = 0x3007;
const SO_OPENTYPE: i32 = 0x7008;
const SO_UPDATE_ACCEPT_CONTEXT: i32 = 0x700b;
const SO_CONNECT_TIME: i32 = 0x700c;
const SO_UPDATE_CONNECT_CONTEXT: i32 = 0x7010;

/// Options that are a number on both sides: level and name of Windows, and of Linux.
const NUMBERS: &[(i32, i32, i32, i32)] = &[
    (SOL_SOCKET, SO_DEBUG, libc::SOL_SOCKET, libc::SO_DEBUG),
    (
        SOL_SOCKET,
        SO_KEEPALIVE,
        libc::SOL_SOCKET,
        libc::SO_KEEPALIVE,
    ),
    (
        SOL_SOCKET,
        SO_DONTROUTE,
        libc::SOL_SOCKET,
        libc::SO_DONTROUTE,
    ),
    (
        SOL_SOCKET,
        SO_BROADCAST,
        libc::SOL_SOCKET,
        libc::SO_BROADCAST,
    ),
    (
        SOL_SOCKET,
        SO_OOBINLINE,
        libc::SOL_SOCKET,
        libc::SO_OOBINLINE,
    ),
    (6, 1, libc::IPPROTO_TCP, libc::TCP_NODELAY),
    (6, 3, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
    (6, 4, libc::IPPROTO_TCP, libc::TCP_MAXSEG),
    (6, 15, libc::IPPROTO_TCP, libc::TCP_FASTOPEN),
    (6, 16, libc::IPPROTO_TCP, libc::TCP_KEEPCNT),
    (6, 17, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL),
    (0, 2, libc::IPPROTO_IP, libc::IP_HDRINCL),
    (0, 3, libc::IPPROTO_IP, libc::IP_TOS),
    (0, 4, libc::IPPROTO_IP, libc::IP_TTL),
    (0, 10, libc::IPPROTO_IP, libc::IP_MULTICAST_TTL),
    (0, 11, libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP),
    (41, 4, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS),
    (41, 9, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF),
    (41, 10, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS),
    (41, 11, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP),
    (41, 27, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
];

/// Options that are a structure which both sides lay out alike: a group to join or leave, an interface. Only to be set.
const ALIKE: &[(i32, i32, i32, i32, usize)] = &[
    (0, 9, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, 4),
    (0, 12, libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, 8),
    (0, 13, libc::IPPROTO_IP, libc::IP_DROP_MEMBERSHIP, 8),
    (41, 12, libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP, 20),
    (41, 13, libc::IPPROTO_IPV6, libc::IPV6_DROP_MEMBERSHIP, 20),
];

/// No datagram is longer.
pub(super) const MESSAGE_MAX: i32 = 65_507;

/// Those that are taken and change nothing here: what they ask for is so, or has no counterpart.
const TAKEN: &[i32] = &[
    SO_OPENTYPE,
    SO_CONDITIONAL_ACCEPT,
    SO_RANDOMIZE_PORT,
    SO_PORT_SCALABILITY,
    SO_REUSE_UNICASTPORT,
    SO_UPDATE_ACCEPT_CONTEXT,
    SO_UPDATE_CONNECT_CONTEXT,
];

/// An option of Windows that was set on a stream before it was connected: for the connection that an AcceptEx brings.
#[derive(Debug)]
pub(super) struct Chosen {
    level: i32,
    name: i32,
    value: Vec<u8>,
}

/// No option that is kept is longer.
const CHOSEN_VALUE_MAX: usize = 8;

impl Socket {
    fn choose(&self, level: i32, name: i32, value: &[u8]) -> Outcome<()> {
        self.set_option(level, name, value)?;
        let may_be_given = self.is_stream() && !self.is(flag::CONNECTED | flag::LISTENS);
        if may_be_given && !TAKEN.contains(&name) {
            let mut rest = self.rest();
            let chosen = &mut rest.make().chosen;
            chosen.retain(|before| (before.level, before.name) != (level, name));
            let value = value[..value.len().min(CHOSEN_VALUE_MAX)].to_vec();
            chosen.push(Chosen { level, name, value });
        }
        Ok(())
    }

    /// Its descriptor is another, which an AcceptEx has brought: what was set before is set there too. The others are its listener's.
    pub(super) fn choose_again(&self) {
        let chosen = self
            .rest()
            .get()
            .map(|rest| std::mem::take(&mut rest.chosen));
        for Chosen { level, name, value } in chosen.into_iter().flatten() {
            // It was taken before. What Linux does not take of a connection stays as it is.
            let _ = self.set_option(level, name, &value);
        }
    }

    fn set_option(&self, level: i32, name: i32, value: &[u8]) -> Outcome<()> {
        let socket = self.number();
        let alike = ALIKE.iter().find(|row| (row.0, row.1) == (level, name));
        if let Some(&(_, _, level, name, len)) = alike {
            let value = value.get(..len).ok_or(wsa::FAULT)?;
            // SAFETY: the value is as long as is said.
            let set = unsafe {
                let len = len as libc::socklen_t;
                libc::setsockopt(socket, level, name, value.as_ptr().cast(), len)
            };
            return call::winsock_of(set).map(|_| ());
        }
        if level == SOL_SOCKET && name == SO_LINGER {
            let &[on_low, on_high, low, high, ..] = value else {
                return Err(wsa::FAULT);
            };
            let linger = libc::linger {
                l_onoff: u16::from_ne_bytes([on_low, on_high]).into(),
                l_linger: u16::from_ne_bytes([low, high]).into(),
            };
            return set_option(socket, libc::SOL_SOCKET, libc::SO_LINGER, &linger);
        }
        if level == SOL_SOCKET && TAKEN.contains(&name) {
            return Ok(());
        }
        let number = number_of(value)?;
        if level == SOL_SOCKET && name == SO_DONTLINGER {
            return self.set_lingers(number == 0);
        }
        let row = NUMBERS.iter().find(|row| (row.0, row.1) == (level, name));
        if let Some(&(_, _, level, name)) = row {
            return set_option(socket, level, name, &number);
        }
        match (level, name) {
            (SOL_SOCKET, SO_REUSEADDR) => self.set_reuse(flag::REUSES_ADDRESS, number != 0),
            (SOL_SOCKET, SO_EXCLUSIVEADDRUSE) => {
                self.set_reuse(flag::EXCLUSIVE_ADDRESS, number != 0)
            }
            (SOL_SOCKET, SO_SNDBUF) => {
                self.set_buffer(libc::SO_SNDBUF, flag::NO_SEND_BUFFER, number)
            }
            (SOL_SOCKET, SO_RCVBUF) => {
                self.set_buffer(libc::SO_RCVBUF, flag::NO_RECEIVE_BUFFER, number)
            }
            (SOL_SOCKET, SO_SNDTIMEO) => {
                self.send_timeout.store(number as u32, Ordering::Relaxed);
                Ok(())
            }
            (SOL_SOCKET, SO_RCVTIMEO) => {
                self.receive_timeout.store(number as u32, Ordering::Relaxed);
                Ok(())
            }
            // IP_DONTFRAGMENT
            (0, 14) => {
                let how = if number != 0 {
                    libc::IP_PMTUDISC_DO
                } else {
                    libc::IP_PMTUDISC_DONT
                };
                set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, &how)
            }
            _ => Err(wsa::NO_SUCH_OPTION),
        }
    }

    /// Whether `closesocket` waits; for how long, it keeps.
    fn set_lingers(&self, to: bool) -> Outcome<()> {
        let linger = libc::linger {
            l_onoff: to.into(),
            ..self.linger()?
        };
        set_option(self.number(), libc::SOL_SOCKET, libc::SO_LINGER, &linger)
    }

    /// Its end is a reset.
    pub(super) fn set_resets(&self) -> Outcome<()> {
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        set_option(self.number(), libc::SOL_SOCKET, libc::SO_LINGER, &linger)
    }

    /// One of the two excludes the other.
    fn set_reuse(&self, which: u32, on: bool) -> Outcome<()> {
        let both = flag::REUSES_ADDRESS | flag::EXCLUSIVE_ADDRESS;
        if on && self.is(both & !which) {
            return Err(wsa::INVALID);
        }
        self.set(which, on);
        Ok(())
    }

    /// Linux keeps its size where Windows is told to have none: 0 there is the least, and slow.
    fn set_buffer(&self, name: i32, none: u32, size: i32) -> Outcome<()> {
        self.set(none, size == 0);
        match size {
            0 => Ok(()),
            size => set_option(self.number(), libc::SOL_SOCKET, name, &size),
        }
    }

    /// Linux counts its own memory as well, and says twice what was set.
    fn buffer(&self, name: i32, none: u32) -> Outcome<i32> {
        match self.is(none) {
            true => Ok(0),
            false => Ok(address::option(self.number(), libc::SOL_SOCKET, name)? / 2),
        }
    }

    /// An option that is a number.
    fn number_option(&self, level: i32, name: i32) -> Outcome<i32> {
        let socket = self.number();
        let row = NUMBERS.iter().find(|row| (row.0, row.1) == (level, name));
        if let Some(&(_, _, level, name)) = row {
            return address::option(socket, level, name);
        }
        Ok(match (level, name) {
            (SOL_SOCKET, SO_REUSEADDR) => i32::from(self.is(flag::REUSES_ADDRESS)),
            (SOL_SOCKET, SO_EXCLUSIVEADDRUSE) => i32::from(self.is(flag::EXCLUSIVE_ADDRESS)),
            (SOL_SOCKET, SO_ACCEPTCONN) => i32::from(self.is(flag::LISTENS)),
            (SOL_SOCKET, SO_TYPE) => self.kind.into(),
            (SOL_SOCKET, SO_SNDBUF) => self.buffer(libc::SO_SNDBUF, flag::NO_SEND_BUFFER)?,
            (SOL_SOCKET, SO_RCVBUF) => self.buffer(libc::SO_RCVBUF, flag::NO_RECEIVE_BUFFER)?,
            (SOL_SOCKET, SO_SNDTIMEO) => self.send_timeout.load(Ordering::Relaxed) as i32,
            (SOL_SOCKET, SO_RCVTIMEO) => self.receive_timeout.load(Ordering::Relaxed) as i32,
            (SOL_SOCKET, SO_ERROR) => {
                match address::option(socket, libc::SOL_SOCKET, libc::SO_ERROR)? {
                    0 => 0,
                    errno => {
                        // Linux tells of it once, and has told now.
                        self.note_broken(errno);
                        codes::of_call(errno, !self.is_stream()) as i32
                    }
                }
            }
            (SOL_SOCKET, SO_CONNECT_TIME) => self.connect_time(),
            (SOL_SOCKET, SO_MAX_MSG_SIZE) if !self.is_stream() => MESSAGE_MAX,
            (SOL_SOCKET, SO_DONTLINGER) => i32::from(self.linger()?.l_onoff == 0),
            (SOL_SOCKET, name) if TAKEN.contains(&name) => 0,
            (0, 14) => {
                let how = address::option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER)?;
                i32::from(how == libc::IP_PMTUDISC_DO)
            }
            _ => return Err(wsa::NO_SUCH_OPTION),
        })
    }

    fn linger(&self) -> Outcome<libc::linger> {
        let mut linger = libc::linger {
            l_onoff: 0,
            l_linger: 0,
        };
        let mut len = size_of::<libc::linger>() as libc::socklen_t;
        let place = (&raw mut linger).cast();
        // SAFETY: there is as much room as is said.
        let got = unsafe {
            libc::getsockopt(
                self.number(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                place,
                &raw mut len,
            )
        };
        call::winsock_of(got)?;
        Ok(linger)
    }

    /// For how many seconds it has been connected, also if an AcceptEx waits for its first bytes still; -1 if it is not.
    fn connect_time(&self) -> i32 {
        let since = match self.awaits_bytes_since() {
            Some(second) => second,
            None if self.is_connected() => self.connected_at.load(Ordering::Relaxed),
            None => return -1,
        };
        i32::try_from(super::seconds_now().wrapping_sub(since)).unwrap_or(i32::MAX)
    }
}

/// A BOOL or a number; some programs pass one byte.
fn number_of(value: &[u8]) -> Outcome<i32> {
    match *value {
        [] => Err(wsa::FAULT),
        [a, b, c, d, ..] => Ok(i32::from_ne_bytes([a, b, c, d])),
        [byte, ..] => Ok(byte.into()),
    }
}

/// Sets an option. 10042: there is none of that number.
///
/// # Safety
/// There are `len` bytes at `value`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_setsockopt(
    socket: usize,
    level: i32,
    name: i32,
    value: *const u8,
    len: i32,
) -> i32 {
    call::status(|| {
        let socket = find(socket)?;
        let value = match usize::try_from(len) {
            Ok(len) if len > 0 && !value.is_null() => {
                // SAFETY: passed on to the caller.
                unsafe { std::slice::from_raw_parts(value, len) }
            }
            // Some options have no value.
            Ok(_) => &[],
            Err(_) => return Err(wsa::FAULT),
        };
        socket.choose(level, name, value)
    })
}

/// Says what an option is. 10042: there is none of that number.
///
/// # Safety
/// `len` says how much room there is at `value`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_getsockopt(
    socket: usize,
    level: i32,
    name: i32,
    value: *mut u8,
    len: *mut i32,
) -> i32 {
    call::status(|| {
        let socket = find(socket)?;
        if value.is_null() || len.is_null() {
            return Err(wsa::FAULT);
        }
        match (level, name) {
            (SOL_SOCKET, SO_PROTOCOL_INFOA) => {
                // SAFETY: passed on to the caller.
                return unsafe { socket.write_info::<u8>(value, len) };
            }
            // A WCHAR has 32 bits.
            (SOL_SOCKET, SO_PROTOCOL_INFOW) => {
                // SAFETY: passed on to the caller.
                return unsafe { socket.write_info::<u32>(value, len) };
            }
            _ => {}
        }
        let mut bytes = [0; 4];
        if (level, name) == (SOL_SOCKET, SO_LINGER) {
            let linger = socket.linger()?;
            bytes[..2].copy_from_slice(&(linger.l_onoff as u16).to_ne_bytes());
            bytes[2..].copy_from_slice(&(linger.l_linger as u16).to_ne_bytes());
        } else {
            bytes = socket.number_option(level, name)?.to_ne_bytes();
        }
        // SAFETY: passed on to the caller.
        unsafe {
            let room = usize::try_from(*len).map_err(|_| wsa::FAULT)?;
            if room == 0 || ((level, name) == (SOL_SOCKET, SO_LINGER) && room < 4) {
                return Err(wsa::FAULT);
            }
            let count = room.min(bytes.len());
            value.copy_from_nonoverlapping(bytes.as_ptr(), count);
            *len = count as i32;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_option_is_listed_twice() {
        let numbers = NUMBERS.iter().map(|row| (row.0, row.1));
        let alike = ALIKE.iter().map(|row| (row.0, row.1));
        let taken = TAKEN.iter().map(|name| (SOL_SOCKET, *name));
        let all: Vec<_> = numbers.chain(alike).chain(taken).collect();
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn a_value_may_be_one_byte() {
        assert_eq!(number_of(&[1]), Ok(1));
        assert_eq!(number_of(&(-2_i32).to_ne_bytes()), Ok(-2));
        assert_eq!(number_of(&[]), Err(wsa::FAULT));
    }
}
