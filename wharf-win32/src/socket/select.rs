//! `select` and `WSAPoll`: waits for many sockets. A `closesocket` of one of them ends the wait.

use std::{sync::Arc, time::Duration};

use rustix::event::PollFlags;

use super::{Socket, find, flag, sleep::poll_all};
use crate::{
    call::{self, Outcome},
    codes::wsa,
};

/// `fd_set`, whose array may be longer than Windows' 64.
#[derive(Debug)]
#[repr(C)]
pub struct CallerSet {
    count: u32,
    sockets: [usize; 0],
}

/// `timeval`, as the C library has it.
#[derive(Debug)]
#[repr(C)]
pub struct CallerTime {
    seconds: i64,
    micros: i64,
}

/// # Safety
/// NULL, or the address of a set.
unsafe fn members(set: *const CallerSet) -> Outcome<Vec<(usize, Arc<Socket>)>> {
    if set.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: passed on to the caller.
    let numbers = unsafe {
        let sockets = (&raw const (*set).sockets).cast::<usize>();
        std::slice::from_raw_parts(sockets, (*set).count as usize)
    };
    let found = |number: &usize| find(*number).map(|socket| (*number, socket));
    numbers.iter().map(found).collect()
}

/// Leaves those in the set that are ready. Returns how many.
///
/// # Safety
/// NULL, or the address of a set with as many members.
unsafe fn leave(set: *mut CallerSet, ready: impl Iterator<Item = usize>) -> i32 {
    if set.is_null() {
        return 0;
    }
    let mut count = 0;
    for number in ready {
        // SAFETY: passed on to the caller.
        unsafe {
            (&raw mut (*set).sockets)
                .cast::<usize>()
                .add(count)
                .write(number)
        };
        count += 1;
    }
    // SAFETY: passed on to the caller.
    unsafe { (*set).count = count as u32 };
    count as i32
}

/// What a socket must be for each of the three sets.
const READ: PollFlags = PollFlags::IN.union(PollFlags::HUP).union(PollFlags::RDHUP);
const WRITE: PollFlags = PollFlags::OUT;
const EXCEPT: PollFlags = PollFlags::PRI;

/// Whether it is a stream that was never connected, and does not listen. Linux reports such as hung up and writable, Windows not at all.
fn has_no_role(socket: &Socket) -> bool {
    socket.is_stream() && !socket.is(flag::LISTENS | flag::CONNECTED | flag::CONNECTS)
}

/// Whether a socket belongs into a set, which asks for `asked`, after a poll.
fn belongs(socket: &Socket, asked: PollFlags, found: PollFlags) -> bool {
    if has_no_role(socket) {
        return false;
    }
    let failed = found.contains(PollFlags::ERR);
    // An attempt to connect that has failed is exceptional, and nothing else.
    if failed && socket.is(flag::CONNECTS) {
        return asked == EXCEPT;
    }
    match asked {
        READ => found.intersects(READ) || failed,
        // A connection that was reset can be written to: that fails, and says why.
        WRITE => found.contains(PollFlags::OUT),
        _ => found.contains(PollFlags::PRI),
    }
}

/// Waits until a socket of one of the sets is ready: to be read, to be written, or for what is exceptional. `first` is ignored.
/// Returns how many are in the sets afterwards; 0 when the time is over. 10038: one of them is closed, or was meanwhile.
///
/// # Safety
/// Each is NULL or the address of what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_select(
    _first: i32,
    read: *mut CallerSet,
    write: *mut CallerSet,
    except: *mut CallerSet,
    time: *const CallerTime,
) -> i32 {
    call::number(|| {
        // SAFETY: passed on to the caller.
        let sets = unsafe {
            [
                (read, READ, members(read)?),
                (write, WRITE, members(write)?),
                (except, EXCEPT, members(except)?),
            ]
        };
        let all = || {
            sets.iter()
                .flat_map(|(_, asked, members)| members.iter().map(move |it| (*asked, it)))
        };
        let polled: Vec<_> = all()
            .map(|(asked, (_, socket))| (&**socket, asked))
            .collect();
        if polled.is_empty() {
            return Err(wsa::INVALID);
        }
        // SAFETY: passed on to the caller.
        let patience = unsafe { time.as_ref() }.map(|time| {
            let seconds = Duration::from_secs(u64::try_from(time.seconds).unwrap_or(0));
            seconds.saturating_add(Duration::from_micros(
                u64::try_from(time.micros).unwrap_or(0),
            ))
        });
        let counts = |at: usize, found| {
            let (socket, asked) = polled[at];
            belongs(socket, asked, found)
        };
        let mut found = poll_all(&polled, patience, counts)?.into_iter();
        if polled.iter().any(|(socket, _)| socket.is_closed()) {
            return Err(wsa::NOT_A_SOCKET);
        }
        let mut count = 0;
        for (set, asked, members) in &sets {
            let ready: Vec<_> = (members.iter().zip(found.by_ref()))
                .filter(|((_, socket), found)| belongs(socket, *asked, *found))
                .map(|((number, _), _)| *number)
                .collect();
            // SAFETY: passed on to the caller.
            count += unsafe { leave(*set, ready.into_iter()) };
        }
        Ok(count)
    })
}

/// WSAPOLLFD.
#[derive(Debug)]
#[repr(C)]
pub struct CallerPoll {
    socket: usize,
    events: i16,
    found: i16,
}

/// Flags of WSAPoll, and those of Linux.
const POLLS: &[(i16, PollFlags)] = &[
    (0x100, PollFlags::RDNORM),
    (0x200, PollFlags::RDBAND),
    (0x400, PollFlags::PRI),
    (0x10, PollFlags::OUT),
    (0x20, PollFlags::WRBAND),
    (0x1, PollFlags::ERR),
    (0x2, PollFlags::HUP),
];
const INVALID: i16 = 4;

fn to_linux(events: i16) -> PollFlags {
    let each = POLLS.iter().filter(|(windows, _)| events & windows != 0);
    each.fold(PollFlags::empty(), |flags, (_, linux)| flags | *linux)
}

fn to_windows(found: PollFlags) -> i16 {
    let each = POLLS.iter().filter(|(_, linux)| found.intersects(*linux));
    each.fold(0, |flags, (windows, _)| flags | windows)
}

/// What WSAPoll reports of a socket after a poll.
fn reported(socket: &Socket, found: PollFlags) -> i16 {
    match has_no_role(socket) {
        true => 0,
        false => to_windows(found),
    }
}

/// Waits until one of the sockets is ready, for so many milliseconds; less than 0 is for ever. Returns how many are.
///
/// An entry whose socket is below 0, as INVALID_SOCKET, is passed over, as WSAPOLLFD's page says: POLLNVAL stands in it, it does not
/// count, and the others are waited for. 10038: all are such.
///
/// # Safety
/// There are as many at `list`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAPoll(list: *mut CallerPoll, count: u32, milliseconds: i32) -> i32 {
    call::number(|| {
        if list.is_null() || count == 0 {
            return Err(wsa::INVALID);
        }
        // SAFETY: passed on to the caller.
        let list = unsafe { std::slice::from_raw_parts_mut(list, count as usize) };
        let sockets: Vec<_> = list.iter().map(|one| find(one.socket).ok()).collect();
        let mut polled = Vec::new();
        for (one, socket) in list.iter().zip(&sockets) {
            if let Some(socket) = socket {
                polled.push((&**socket, to_linux(one.events)));
            }
        }
        let is_left_out = |one: &CallerPoll| (one.socket as isize) < 0;
        let asked = list.iter().filter(|one| !is_left_out(one)).count();
        if asked == 0 {
            return Err(wsa::NOT_A_SOCKET);
        }
        let any_invalid = polled.len() < asked;
        let patience = match u64::try_from(milliseconds) {
            _ if any_invalid => Some(Duration::ZERO),
            Ok(milliseconds) => Some(Duration::from_millis(milliseconds)),
            Err(_) => None,
        };
        let counts = |at: usize, found| reported(polled[at].0, found) != 0;
        let mut found = poll_all(&polled, patience, counts)?.into_iter();
        let mut ready = 0;
        for (one, socket) in list.iter_mut().zip(&sockets) {
            let found = socket.as_ref().and_then(|_| found.next());
            one.found = match (socket, found) {
                (Some(socket), Some(found)) if !socket.is_closed() => reported(socket, found),
                _ => INVALID,
            };
            ready += i32::from(one.found != 0 && !is_left_out(one));
        }
        Ok(ready)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_a_poll_go_to_linux_and_back() {
        for (windows, linux) in [
            (0x300, PollFlags::RDNORM | PollFlags::RDBAND),
            (0x10, PollFlags::OUT),
            (0x400, PollFlags::PRI),
        ] {
            assert_eq!(to_linux(windows), linux);
            assert_eq!(to_windows(linux), windows);
        }
        assert_eq!(to_windows(PollFlags::HUP | PollFlags::ERR), 3);
        assert_eq!(to_linux(0), PollFlags::empty());
    }
}
