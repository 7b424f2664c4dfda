//! Sockets: a SOCKET is the number of its descriptor, and this is what is kept beside it.
//!
//! | file | what it has |
//! |---|---|
//! | `table.rs` | the sockets by number |
//! | `attach.rs` | a socket's handle on a raw port: made with its first overlapped operation, since only then its role is known |
//! | `seat.rs` | where that handle is, and the protocol of a socket that moves to another port; `model.rs` tries it in every order |
//! | `sleep.rs` | blocking calls, and how `closesocket` ends them |
//! | `address.rs` | addresses, as Windows and Linux know them |
//! | `life.rs` | from `WSAStartup` to `closesocket` |
//! | `connect.rs` | `bind` to `shutdown` |
//! | `transfer.rs`, `datagram.rs` | what moves bytes, overlapped and not |
//! | `extension.rs` | AcceptEx and its like |
//! | `shortage.rs` | listeners that wait for a descriptor |
//! | `transmit.rs` | TransmitFile |
//! | `cancel.rs` | cancelling, and asking for results |
//! | `option.rs`, `protocol.rs`, `control.rs` | options; what a socket is; ioctls |
//! | `events.rs` | events that are set when something happens |
//! | `select.rs` | `select`, `WSAPoll` |
//! | `names.rs` | names of hosts and of addresses |

mod address;
mod attach;
mod cancel;
mod connect;
mod control;
mod datagram;
mod events;
mod extension;
mod life;
#[cfg(all(test, loom))]
mod model;
mod names;
mod option;
mod protocol;
mod seat;
mod select;
mod shortage;
mod sleep;
mod table;
mod transfer;
mod transmit;

use std::{
    os::fd::{AsRawFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicI32, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    call::Outcome,
    codes::{self, ABORTED, CANCELLED, CUT, RESET, SUCCESS, wsa},
    objects::{Waitable, What},
    operation::{Record, Work},
    port::CompletionPort,
};
use seat::Seat;

pub(crate) use extension::Arrival;
pub(crate) use shortage::note_short;
pub(crate) use table::{close, find};
pub(crate) use transfer::{read_file, write_file};
pub(crate) use transmit::Transmission;

/// What a socket is for its port.
#[derive(Debug)]
pub(crate) struct Association {
    pub(crate) port: Arc<CompletionPort>,
    pub(crate) key: usize,
}

/// What is known of a socket, bit by bit.
mod flag {
    pub(super) const NON_BLOCKING: u32 = 1 << 0;
    /// It was made for overlapped calls: others ignore the OVERLAPPED.
    pub(super) const OVERLAPPED: u32 = 1 << 1;
    pub(super) const BOUND: u32 = 1 << 2;
    pub(super) const LISTENS: u32 = 1 << 3;
    pub(super) const CONNECTED: u32 = 1 << 4;
    /// Its program has shut down the one side or the other.
    pub(super) const SHUT_SEND: u32 = 1 << 5;
    pub(super) const SHUT_RECEIVE: u32 = 1 << 6;
    pub(super) const SKIPS_ON_SUCCESS: u32 = 1 << 7;
    pub(super) const CLOSED: u32 = 1 << 8;
    /// An AcceptEx that is under way is to bring its connection.
    pub(super) const AWAITED: u32 = 1 << 9;
    /// `connect` was called, and has not come to an end.
    pub(super) const CONNECTS: u32 = 1 << 10;
    pub(super) const REUSES_ADDRESS: u32 = 1 << 11;
    pub(super) const EXCLUSIVE_ADDRESS: u32 = 1 << 12;
    pub(super) const NO_SEND_BUFFER: u32 = 1 << 13;
    pub(super) const NO_RECEIVE_BUFFER: u32 = 1 << 14;
    /// A program waits for the socket itself, or has.
    pub(super) const IS_WAITED_FOR: u32 = 1 << 15;
    /// DisconnectEx has made it fit for another connection.
    pub(super) const REUSED: u32 = 1 << 16;
    /// An event is set when something happens on it.
    pub(super) const SELECTED: u32 = 1 << 17;
    /// Its new descriptor is to be put in place when nobody uses the old one any more.
    pub(super) const IS_LATE: u32 = 1 << 18;
}

/// One socket. There may be many that are idle: what few of them need is in [`Rest`].
#[derive(Debug)]
pub(crate) struct Socket {
    descriptor: OwnedFd,
    /// As Linux has them.
    family: u16,
    kind: u8,
    protocol: u8,
    flags: AtomicU32,
    /// How long a blocking call may take, in milliseconds; 0 is for ever.
    receive_timeout: AtomicU32,
    send_timeout: AtomicU32,
    /// The error that broke the connection, by the number of Linux; 0 if none did.
    broken: AtomicI32,
    /// When it was connected, in seconds of [`seconds_now`].
    connected_at: AtomicU32,
    /// Where its raw handle is, and what is under way.
    seat: Seat,
    association: OnceLock<Association>,
    rest: Mutex<Option<Box<Rest>>>,
}

/// What few sockets have.
#[derive(Debug, Default)]
struct Rest {
    /// Raw handles that were closed, and may still be in use.
    left: Vec<(seat::Place, wharf::raw::Handle)>,
    sleepers: Vec<Arc<sleep::Sleeper>>,
    /// The AcceptEx that is to bring its connection.
    awaited_by: Option<(Arc<Socket>, wharf::raw::OperationId)>,
    /// What is waited on when the socket itself is: made when that is done first.
    waitable: Option<Arc<Waitable>>,
    /// The descriptor that is to be put in the place of its own.
    replacement: Option<OwnedFd>,
    /// What was set on a stream that is not connected yet.
    chosen: Vec<option::Chosen>,
}

impl Rest {
    fn is_empty(&self) -> bool {
        let Rest {
            left,
            sleepers,
            awaited_by,
            waitable,
            replacement,
            chosen,
        } = self;
        let waits = !left.is_empty() || !sleepers.is_empty() || awaited_by.is_some();
        !waits && waitable.is_none() && replacement.is_none() && chosen.is_empty()
    }
}

/// The [`Rest`] of a socket, under its lock. It is made when it is first written to, and goes when it is empty.
struct LockedRest<'a>(MutexGuard<'a, Option<Box<Rest>>>);

impl LockedRest<'_> {
    fn get(&mut self) -> Option<&mut Rest> {
        self.0.as_deref_mut()
    }

    fn make(&mut self) -> &mut Rest {
        self.0.get_or_insert_default()
    }
}

impl Drop for LockedRest<'_> {
    fn drop(&mut self) {
        if self.0.as_ref().is_some_and(|rest| rest.is_empty()) {
            *self.0 = None;
        }
    }
}

impl Socket {
    fn new(descriptor: OwnedFd, family: i32, kind: i32, protocol: i32, flags: u32) -> Socket {
        Socket {
            descriptor,
            family: family as u16,
            kind: kind as u8,
            protocol: protocol as u8,
            flags: AtomicU32::new(flags),
            receive_timeout: AtomicU32::new(0),
            send_timeout: AtomicU32::new(0),
            broken: AtomicI32::new(0),
            connected_at: AtomicU32::new(seconds_now()),
            seat: Seat::new(),
            association: OnceLock::new(),
            rest: Mutex::default(),
        }
    }

    /// Its number.
    fn number(&self) -> i32 {
        self.descriptor.as_raw_fd()
    }

    fn rest(&self) -> LockedRest<'_> {
        LockedRest(self.rest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is(&self, flag: u32) -> bool {
        self.flags.load(Ordering::SeqCst) & flag != 0
    }

    fn set(&self, flag: u32, to: bool) {
        match to {
            true => self.flags.fetch_or(flag, Ordering::SeqCst),
            false => self.flags.fetch_and(!flag, Ordering::SeqCst),
        };
    }

    fn is_stream(&self) -> bool {
        i32::from(self.kind) == libc::SOCK_STREAM
    }

    /// Whether it is closed: what still uses it is about to find out.
    fn is_closed(&self) -> bool {
        self.is(flag::CLOSED)
    }

    /// Whether it is connected. Its program may have waited for that in its own way.
    fn is_connected(&self) -> bool {
        if self.is(flag::CONNECTED) {
            return true;
        }
        let connected = address::peer(self.number()).is_ok();
        if connected {
            self.note_connected();
        }
        connected
    }

    fn note_connected(&self) {
        self.note_connected_at(seconds_now());
    }

    /// As [`note_connected`](Self::note_connected), in this second of [`seconds_now`].
    fn note_connected_at(&self, second: u32) {
        self.connected_at.store(second, Ordering::Relaxed);
        // An earlier attempt may have failed.
        self.broken.store(0, Ordering::Release);
        self.set(flag::CONNECTED | flag::BOUND, true);
        self.set(flag::CONNECTS | flag::REUSED, false);
        if let Some(rest) = self.rest().get() {
            rest.chosen = Vec::new();
            // A `select` may have left it out.
            rest.sleepers.iter().for_each(|sleeper| sleeper.ring());
        }
    }

    fn was_never_connected(&self) -> bool {
        !self.is(flag::CONNECTED | flag::CONNECTS)
    }

    pub(crate) fn association(&self) -> Option<&Association> {
        self.association.get()
    }

    /// Whether successes that come at once give no packet. Never of datagrams.
    pub(crate) fn skips_on_success(&self) -> bool {
        self.is(flag::SKIPS_ON_SUCCESS) && self.is_stream()
    }

    /// An operation is about to begin.
    pub(crate) fn tell_begun(&self) {
        self.seat.begin();
        if self.is(flag::IS_WAITED_FOR) {
            self.signal(false);
        }
    }

    /// An operation has ended, and its OVERLAPPED says so.
    pub(crate) fn tell_ended(&self) {
        self.seat.end();
        if self.is(flag::IS_WAITED_FOR) {
            self.signal(true);
        }
        cancel::tell_watchers();
    }

    #[cold]
    fn signal(&self, to: bool) {
        let waitable = self.rest().get().and_then(|rest| rest.waitable.clone());
        if let Some(waitable) = waitable {
            waitable.set_to(to);
        }
    }

    /// The code of an error of a call on it.
    fn code_of(&self, errno: i32) -> u32 {
        match errno {
            libc::EPIPE if self.is(flag::SHUT_SEND) => wsa::SHUT_DOWN,
            // Of a datagram that is sent to nobody.
            libc::EDESTADDRREQ => wsa::NOT_CONNECTED,
            libc::EPIPE if self.was_never_connected() => wsa::NOT_CONNECTED,
            _ => codes::of_call(errno, !self.is_stream()),
        }
    }

    /// Notes that an error has broken the connection, if it is one that does.
    fn note_broken(&self, errno: i32) {
        let breaks =
            matches!(
                errno,
                libc::ECONNRESET | libc::ETIMEDOUT | libc::ECONNABORTED
            ) || (errno == libc::EPIPE && !self.is(flag::SHUT_SEND) && !self.was_never_connected());
        if breaks && self.is_stream() {
            self.broken.store(errno, Ordering::Release);
        }
    }

    /// Fails if the connection was broken before: Linux tells of that once.
    fn check_whole(&self) -> Outcome<()> {
        match self.broken.load(Ordering::Acquire) {
            0 => Ok(()),
            errno => Err(self.code_of(errno)),
        }
    }

    fn receive_patience(&self) -> Option<Duration> {
        patience(&self.receive_timeout)
    }

    fn send_patience(&self) -> Option<Duration> {
        patience(&self.send_timeout)
    }
}

/// What a wait on a socket is for: the end of an operation on it, since the last began. None: there is none with this number.
pub(crate) fn waitable(number: usize) -> Option<Arc<Waitable>> {
    let socket = find(number).ok()?;
    let waitable = {
        let mut rest = socket.rest();
        let new = || {
            Waitable::new(What::Event {
                manual: true,
                set: false,
            })
        };
        rest.make().waitable.get_or_insert_with(new).clone()
    };
    socket.set(flag::IS_WAITED_FOR, true);
    // What has ended before that told nobody.
    if socket.seat.pending() == 0 {
        waitable.set_to(true);
    }
    Some(waitable)
}

/// Seconds since the system was started.
fn seconds_now() -> u32 {
    crate::time::coarse_seconds()
}

/// The second of [`seconds_now`] of a moment that has passed.
fn second_of(moment: Instant) -> u32 {
    let seconds = u32::try_from(moment.elapsed().as_secs()).unwrap_or(u32::MAX);
    seconds_now().saturating_sub(seconds)
}

fn patience(milliseconds: &AtomicU32) -> Option<Duration> {
    match milliseconds.load(Ordering::Relaxed) {
        0 => None,
        milliseconds => Some(Duration::from_millis(milliseconds.into())),
    }
}

/// What an operation that the port has ended came to: its status and its bytes.
pub(crate) fn result_of(record: &mut Record) -> (u32, usize) {
    let socket = record.socket.take().expect("an operation has its socket");
    let result = socket.result_of(record);
    record.socket = Some(socket);
    result
}

impl Socket {
    fn result_of(&self, record: &mut Record) -> (u32, usize) {
        let errno = record.errno();
        let bytes = record.transferred();
        let status = match errno {
            None => SUCCESS,
            Some(libc::ECANCELED)
                if self.is_closed() && !matches!(record.work, Work::Accept(_)) =>
            {
                ABORTED
            }
            Some(libc::ECANCELED) => CANCELLED,
            Some(libc::EPIPE) if !self.is(flag::SHUT_SEND) => RESET,
            Some(errno) => {
                self.note_broken(errno);
                codes::status_of(errno, !self.is_stream())
            }
        };
        match std::mem::replace(&mut record.work, Work::Done) {
            Work::Transfer | Work::Done | Work::Ended { .. } => {}
            Work::ReceiveFrom(receive) => datagram::received(record, &receive, bytes),
            Work::Accept(arrival) => return extension::arrived(record, *arrival, status, bytes),
            Work::Connect => extension::connected(self, status),
            Work::Transmit(transmission) if status == SUCCESS => {
                return (transmit::transmitted(self, &transmission), bytes);
            }
            Work::Disconnect { reuse } if status == SUCCESS => {
                return (extension::disconnected(self, reuse), 0);
            }
            Work::Transmit(_) | Work::Disconnect { .. } => {}
        }
        match status {
            SUCCESS | CUT => (status, bytes),
            _ => (status, 0),
        }
    }
}

/// Whether `WSAStartup` was called, by how many calls.
static STARTED: AtomicU32 = AtomicU32::new(0);

fn check_started() -> Outcome<()> {
    match STARTED.load(Ordering::Acquire) {
        0 => Err(wsa::NOT_INITIALISED),
        _ => Ok(()),
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    /// An idle connection has a socket, with the counts of its `Arc`, and a record. What the raw layer has for it, and what the heap
    /// adds, is 200 bytes.
    #[test]
    fn an_idle_connection_costs_little() {
        let socket = size_of::<Socket>() + 2 * size_of::<usize>();
        assert!(
            socket + size_of::<Record>() <= 312,
            "{socket} + {}",
            size_of::<Record>()
        );
    }
}
