//! From `bind` to `shutdown`: what makes connections and ends them, without an OVERLAPPED.

use std::{
    os::fd::{FromRawFd, OwnedFd},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use rustix::event::PollFlags;
use wharf::raw::Request;

use super::{
    Socket,
    address::{self, Address},
    find, flag, life,
    seat::Place,
    table,
    transfer::CallerBuffer,
};
use crate::{
    call::{self, Outcome, checked},
    codes::{self, wsa},
    operation::CallerOverlapped,
};

/// SOMAXCONN of Windows: as many as is sensible.
const BACKLOG_MOST: i32 = 0x7fff_ffff;

/// How long an accept waits that the system has refused, before it is tried again.
const REFUSED_PAUSE: Duration = Duration::from_millis(10);

impl Socket {
    /// Binds it. An address is one socket's, whether SO_EXCLUSIVEADDRUSE says so or not, unless each that is bound to it has
    /// SO_REUSEADDR: that is SO_REUSEPORT of Linux, or for datagrams its SO_REUSEADDR.
    fn bind(&self, to: &Address) -> Outcome<()> {
        if self.is(flag::BOUND) {
            return Err(wsa::INVALID);
        }
        let reuses = self.is(flag::REUSES_ADDRESS);
        if reuses {
            let shares = if self.is_stream() {
                libc::SO_REUSEPORT
            } else {
                libc::SO_REUSEADDR
            };
            address::set_option(self.number(), libc::SOL_SOCKET, shares, &1_i32)?;
        }
        let bound = match self.bind_to(to) {
            Err(libc::EADDRINUSE) if self.is_stream() => self.bind_beside_sessions(to)?,
            bound => bound,
        };
        match bound {
            Ok(()) => {
                self.set(flag::BOUND, true);
                Ok(())
            }
            Err(libc::EADDRINUSE) if reuses => Err(wsa::ACCESS),
            Err(errno) => Err(self.code_of(errno)),
        }
    }

    /// Linux holds the ports of sessions that have ended, or whose listener is closed, against a new listener, unless both were
    /// told not to ([`lets_others_follow`](Self::lets_others_follow)); Windows does not. But another that is bound is not to follow
    /// before this one listens.
    fn bind_beside_sessions(&self, to: &Address) -> Outcome<Result<(), i32>> {
        self.set_lets_others_follow(true)?;
        let bound = self.bind_to(to);
        self.set_lets_others_follow(false)?;
        Ok(bound)
    }

    /// The sessions of a stream hold its port against nobody when its listener, or they themselves, have ended. Called when it gets
    /// its role: a listener keeps others out all the same.
    pub(super) fn lets_others_follow(&self) -> Outcome<()> {
        match self.is_stream() {
            true => self.set_lets_others_follow(true),
            false => Ok(()),
        }
    }

    fn set_lets_others_follow(&self, to: bool) -> Outcome<()> {
        let to = i32::from(to);
        address::set_option(self.number(), libc::SOL_SOCKET, libc::SO_REUSEADDR, &to)
    }

    fn bind_to(&self, to: &Address) -> Result<(), i32> {
        let (start, len) = to.as_linux();
        // SAFETY: the address is as long as it says.
        checked(unsafe { libc::bind(self.number(), start, len) }).map(|_| ())
    }

    fn listen(&self, backlog: i32) -> Outcome<()> {
        if !self.is_stream() {
            return Err(wsa::NOT_SUPPORTED);
        }
        if self.is(flag::CONNECTED) {
            return Err(wsa::IS_CONNECTED);
        }
        if !self.is(flag::BOUND) {
            return Err(wsa::INVALID);
        }
        let backlog = if backlog <= 0 { BACKLOG_MOST } else { backlog };
        self.lets_others_follow()?;
        // SAFETY: it takes numbers only.
        let listens = checked(unsafe { libc::listen(self.number(), backlog) });
        listens.map_err(|errno| self.code_of(errno))?;
        self.set(flag::LISTENS, true);
        self.wake_sleepers();
        Ok(())
    }

    /// Accepts a connection; waits for one, unless the socket is non-blocking. Returns the number of the new socket.
    fn accept(&self, place: *mut libc::c_void, len: *mut i32) -> Outcome<usize> {
        if !self.is(flag::LISTENS) {
            return Err(if self.is_stream() {
                wsa::INVALID
            } else {
                wsa::NOT_SUPPORTED
            });
        }
        loop {
            let mut peer = Address::empty_place();
            let (start, mut room) = peer.place();
            let mode = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
            // SAFETY: there is as much room as it says.
            let accepted =
                unsafe { libc::accept4(self.number(), start.cast(), &raw mut room, mode) };
            match checked(accepted) {
                Ok(descriptor) => {
                    // SAFETY: it was made just now.
                    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
                    peer.set_len(room);
                    self.enable_again();
                    // SAFETY: passed on to the caller.
                    unsafe { peer.write(place, len) }?;
                    return self.list_accepted(descriptor);
                }
                Err(libc::EAGAIN) if self.is(flag::NON_BLOCKING) => return Err(wsa::WOULD_BLOCK),
                // As long as it takes: the time-out for receiving is the accepted sockets' only.
                Err(libc::EAGAIN) => self.wait_for(PollFlags::IN, None)?,
                // A firewall's word on one connection, or a rule on all: so not at once again.
                Err(libc::EPERM) if self.is_closed() => return Err(wsa::INTERRUPTED),
                Err(libc::EPERM) if self.is(flag::NON_BLOCKING) => return Err(wsa::WOULD_BLOCK),
                Err(libc::EPERM) => wharf::raw::blocking(|| std::thread::sleep(REFUSED_PAUSE)),
                // Of one connection that is gone (accept(2)): the next may be another.
                Err(
                    libc::EINTR
                    | libc::ECONNABORTED
                    | libc::EPROTO
                    | libc::ENOPROTOOPT
                    | libc::ENETDOWN
                    | libc::EHOSTDOWN
                    | libc::ENONET
                    | libc::EHOSTUNREACH
                    | libc::ENETUNREACH,
                ) => {}
                Err(errno) => return Err(self.code_of(errno)),
            }
        }
    }

    /// A connection has the properties of its listener.
    fn list_accepted(&self, descriptor: OwnedFd) -> Outcome<usize> {
        let inherited =
            self.flags.load(Ordering::Acquire) & (flag::OVERLAPPED | flag::NON_BLOCKING);
        let flags = inherited | flag::BOUND | flag::CONNECTED;
        let kind = (self.family.into(), self.kind.into(), self.protocol.into());
        let number = life::list(descriptor, kind, flags)?;
        if let Ok(accepted) = find(number) {
            for (of, to) in [
                (&self.receive_timeout, &accepted.receive_timeout),
                (&self.send_timeout, &accepted.send_timeout),
            ] {
                to.store(of.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            if let Err(code) = accepted.select_as(self) {
                table::close(number);
                return Err(code);
            }
        }
        Ok(number)
    }

    fn connect(&self, to: &Address) -> Outcome<()> {
        if self.is(flag::LISTENS) {
            return Err(wsa::INVALID);
        }
        if self.is_stream() && self.is(flag::CONNECTED) {
            return Err(wsa::IS_CONNECTED);
        }
        self.lets_others_follow()?;
        let (start, len) = to.as_linux();
        loop {
            // SAFETY: the address is as long as it says.
            let connected = checked(unsafe { libc::connect(self.number(), start, len) });
            match connected {
                // Linux tells once that an attempt has succeeded meanwhile.
                Ok(_) | Err(libc::EISCONN) if self.is(flag::CONNECTS) => {
                    self.has_connected();
                    return Err(wsa::IS_CONNECTED);
                }
                Ok(_) if self.is(flag::NON_BLOCKING) && self.is_stream() => {
                    // Windows never has it done at once.
                    return self.connects();
                }
                Ok(_) => {
                    self.has_connected();
                    return Ok(());
                }
                Err(libc::EINTR) => {}
                Err(libc::EINPROGRESS | libc::EAGAIN) if self.is(flag::NON_BLOCKING) => {
                    return self.connects();
                }
                Err(libc::EINPROGRESS | libc::EAGAIN | libc::EALREADY)
                    if !self.is(flag::NON_BLOCKING) =>
                {
                    return self.await_connected();
                }
                // The attempt goes on, and its end is still to be told.
                Err(libc::EALREADY) => return Err(wsa::ALREADY),
                Err(errno) => {
                    self.set(flag::CONNECTS, false);
                    return Err(self.code_of(errno));
                }
            }
        }
    }

    /// A datagram socket has no peer any more. Its own address stays, as on Windows: Linux gives up one that it chose itself.
    fn dissolve(&self) -> Outcome<()> {
        let failed = |errno| self.code_of(errno);
        let before = address::local(self.number()).map_err(failed)?;
        let nobody = libc::sockaddr {
            sa_family: libc::AF_UNSPEC as u16,
            sa_data: [0; 14],
        };
        let len = size_of_val(&nobody) as libc::socklen_t;
        // SAFETY: the address is as long as is said.
        checked(unsafe { libc::connect(self.number(), &raw const nobody, len) }).map_err(failed)?;
        self.set(flag::CONNECTED, false);
        let port = |address: &Address| address.internet().map(|address| address.port());
        let now = address::local(self.number()).map_err(failed)?;
        match (port(&before), now.internet()) {
            (Some(port), Some(mut any)) if any.port() == 0 && port != 0 => {
                any.set_port(port);
                self.bind_to(&Address::of(any)).map_err(failed)
            }
            _ => Ok(()),
        }
    }

    /// An attempt is under way.
    fn connects(&self) -> Outcome<()> {
        self.set(flag::CONNECTS, true);
        self.wake_sleepers();
        // It may have come to its end before that was known.
        self.enable_again();
        Err(wsa::WOULD_BLOCK)
    }

    fn has_connected(&self) {
        self.note_connected();
        if self.seat.place() != Place::Nowhere && self.is_stream() {
            // It was made when the socket had another role.
            self.detach();
        }
    }

    fn await_connected(&self) -> Outcome<()> {
        self.wait_for(PollFlags::OUT, None)?;
        match address::option(self.number(), libc::SOL_SOCKET, libc::SO_ERROR)? {
            0 => {
                self.has_connected();
                Ok(())
            }
            errno => Err(self.code_of(errno)),
        }
    }

    /// Ends one side or both. What was given to be sent before goes before the end.
    fn shut_down(self: &std::sync::Arc<Self>, how: i32) -> Outcome<()> {
        const RECEIVE: i32 = 0;
        const BOTH: i32 = 2;
        if !(RECEIVE..=BOTH).contains(&how) {
            return Err(wsa::INVALID);
        }
        if self.is_stream() && !self.is_connected() {
            return Err(wsa::NOT_CONNECTED);
        }
        let mut now = how;
        if how != RECEIVE && self.has_unsent() && self.shut_down_later() {
            now = RECEIVE;
        }
        if how != RECEIVE {
            self.set(flag::SHUT_SEND, true);
        }
        if how == RECEIVE || how == BOTH {
            self.set(flag::SHUT_RECEIVE, true);
        }
        if how != now && how != BOTH {
            return Ok(());
        }
        // SAFETY: it takes numbers only.
        match checked(unsafe { libc::shutdown(self.number(), now) }) {
            // A datagram socket need not be connected, on Windows.
            Err(libc::ENOTCONN) if !self.is_stream() => Ok(()),
            Err(errno) => Err(self.code_of(errno)),
            Ok(_) => Ok(()),
        }
    }

    fn has_unsent(&self) -> bool {
        self.seat.place() != Place::Nowhere
            && self
                .with_raw(|port, handle| port.raw.unsent(handle) > 0)
                .unwrap_or(false)
    }

    /// Makes the sends now that were left for the next batch, as far as the system takes them.
    pub(super) fn carry_out_sends(&self) {
        if self.has_unsent() {
            // A failure to poll is not known to happen; who waits for packets would see it too.
            self.with_raw(|port, _| drop(port.raw.attend()));
        }
    }

    /// Waits until the system has all that was given to be sent with an OVERLAPPED: what is sent without one comes behind it.
    /// Fails with 10035 if that may not wait, with 10004 if the socket is closed meanwhile, with 10060 when the time is over.
    pub(super) fn await_sent(&self, may_wait: bool, deadline: Option<Instant>) -> Outcome<()> {
        self.carry_out_sends();
        while self.has_unsent() {
            if !may_wait {
                self.tell_write_again();
                return Err(wsa::WOULD_BLOCK);
            }
            self.wait_for(PollFlags::OUT, deadline)?;
            self.carry_out_sends();
            // Another thread may be at it just now.
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Has the raw layer shut the sending side down when all before it is sent. False if it does not.
    fn shut_down_later(self: &std::sync::Arc<Self>) -> bool {
        // Nobody is told of its end: the result goes to an OVERLAPPED of our own.
        static NOBODYS: std::sync::LazyLock<Box<CallerOverlapped>> =
            std::sync::LazyLock::new(|| Box::new(CallerOverlapped::new(1)));
        let caller = (&raw const **NOBODYS).cast_mut();
        // SAFETY: it is one, and stays.
        let record = unsafe { crate::operation::begin(caller, self) };
        match self.start(record, wharf::raw::Kind::Stream, |_| Request::Shutdown) {
            Ok(()) => true,
            Err((record, _)) => {
                crate::operation::refuse(record, codes::SUCCESS, true);
                false
            }
        }
    }
}

/// Binds a socket to an address of its own.
///
/// # Safety
/// There are `len` bytes at `address`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_bind(
    socket: usize,
    address: *const libc::c_void,
    len: i32,
) -> i32 {
    call::status(|| {
        let socket = find(socket)?;
        // SAFETY: passed on to the caller.
        socket.bind(&unsafe { Address::read(address, len, socket.family) }?)
    })
}

/// Has a bound socket accept connections; `backlog` of them may wait.
#[unsafe(no_mangle)]
pub extern "C" fn wharf_w32_listen(socket: usize, backlog: i32) -> i32 {
    call::status(|| find(socket)?.listen(backlog))
}

/// Accepts a connection, or waits for one; INVALID_SOCKET on failure: 10004, the listener was closed meanwhile.
///
/// # Safety
/// `len` is NULL, or says how much room there is at `address`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_accept(
    socket: usize,
    address: *mut libc::c_void,
    len: *mut i32,
) -> usize {
    call::winsock(life::INVALID_SOCKET, || find(socket)?.accept(address, len))
}

/// LPCONDITIONPROC: the peer's address, its data, two qualities of service, our address, data for the peer, a group, and what
/// belongs to the program.
type Condition = unsafe extern "C" fn(
    *const CallerBuffer,
    *const CallerBuffer,
    *const libc::c_void,
    *const libc::c_void,
    *const CallerBuffer,
    *const CallerBuffer,
    *mut u32,
    usize,
) -> i32;

const CF_ACCEPT: i32 = 0;

impl Socket {
    /// Asks the program whether it takes a connection, which is this.
    ///
    /// # Safety
    /// It may be called.
    unsafe fn is_taken_by(&self, condition: Condition, data: usize) -> Outcome<bool> {
        let mut peer = self.name(address::peer)?;
        let mut own = self.name(address::local)?;
        let (peer, own) = (CallerBuffer::of(&mut peer), CallerBuffer::of(&mut own));
        let (none, mut group) = (std::ptr::null(), 0);
        // SAFETY: passed on to the caller.
        let said = unsafe {
            let group = &raw mut group;
            condition(
                &raw const peer,
                none,
                none.cast(),
                none.cast(),
                &raw const own,
                none,
                group,
                data,
            )
        };
        Ok(said == CF_ACCEPT)
    }

    fn name(&self, of: fn(i32) -> Result<Address, i32>) -> Outcome<Vec<u8>> {
        let address = of(self.number()).map_err(|errno| self.code_of(errno))?;
        Ok(address.to_windows())
    }
}

/// As `accept`; and `condition`, if there is one, is asked about each connection. What it does not accept is reset, also what it would
/// put off (CF_DEFER), and the call fails with 10061: the system has connected it before, as on Windows without
/// SO_CONDITIONAL_ACCEPT.
///
/// # Safety
/// As for `accept`; `condition` may be called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAAccept(
    socket: usize,
    address: *mut libc::c_void,
    len: *mut i32,
    condition: Option<Condition>,
    data: usize,
) -> usize {
    call::winsock(life::INVALID_SOCKET, || {
        let number = find(socket)?.accept(address, len)?;
        let Some(condition) = condition else {
            return Ok(number);
        };
        let accepted = find(number)?;
        // SAFETY: passed on to the caller.
        let is_taken = unsafe { accepted.is_taken_by(condition, data) };
        if is_taken == Ok(true) {
            return Ok(number);
        }
        // A failure to do so is one of a connection that is gone.
        let _ = accepted.set_resets();
        table::close(number);
        Err(wsa::REFUSED)
    })
}

/// Connects a socket; waits until that is done, unless it is non-blocking (10035). A datagram socket that is connected to an address of
/// zeros has no peer any more.
///
/// # Safety
/// There are `len` bytes at `address`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_connect(
    socket: usize,
    address: *const libc::c_void,
    len: i32,
) -> i32 {
    call::status(|| {
        let socket = find(socket)?;
        // SAFETY: passed on to the caller.
        if !socket.is_stream() && unsafe { address::is_nobodys(address, len) } {
            return socket.dissolve();
        }
        // SAFETY: as above.
        socket.connect(&unsafe { Address::read(address, len, socket.family) }?)
    })
}

/// As `connect`. Data and qualities of service are not sent.
///
/// # Safety
/// As for `connect`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAConnect(
    socket: usize,
    address: *const libc::c_void,
    len: i32,
    _caller_data: *const libc::c_void,
    _callee_data: *const libc::c_void,
    _sqos: *const libc::c_void,
    _gqos: *const libc::c_void,
) -> i32 {
    // SAFETY: passed on to the caller.
    unsafe { wharf_w32_connect(socket, address, len) }
}

/// Ends receiving (0), sending (1) or both (2).
#[unsafe(no_mangle)]
pub extern "C" fn wharf_w32_shutdown(socket: usize, how: i32) -> i32 {
    call::status(|| find(socket)?.shut_down(how))
}

/// Ends sending. `data` is not sent.
#[unsafe(no_mangle)]
pub extern "C" fn WSASendDisconnect(socket: usize, _data: *const libc::c_void) -> i32 {
    wharf_w32_shutdown(socket, 1)
}

/// Ends receiving.
#[unsafe(no_mangle)]
pub extern "C" fn WSARecvDisconnect(socket: usize, _data: *const libc::c_void) -> i32 {
    wharf_w32_shutdown(socket, 0)
}

/// The address of a socket. 10022: it is not bound.
///
/// # Safety
/// `len` says how much room there is at `address`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_getsockname(
    socket: usize,
    address: *mut libc::c_void,
    len: *mut i32,
) -> i32 {
    call::status(|| {
        let socket = find(socket)?;
        if address.is_null() || len.is_null() {
            return Err(wsa::FAULT);
        }
        let own = address::local(socket.number()).map_err(|errno| socket.code_of(errno))?;
        if !socket.is(flag::BOUND) && own.internet().is_some_and(|own| own.port() == 0) {
            return Err(wsa::INVALID);
        }
        // SAFETY: passed on to the caller.
        unsafe { own.write(address, len) }
    })
}

/// The address of a socket's peer. 10057: it is not connected.
///
/// # Safety
/// As for `getsockname`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_getpeername(
    socket: usize,
    address: *mut libc::c_void,
    len: *mut i32,
) -> i32 {
    call::status(|| {
        let socket = find(socket)?;
        if address.is_null() || len.is_null() {
            return Err(wsa::FAULT);
        }
        let peer = address::peer(socket.number()).map_err(|errno| socket.code_of(errno))?;
        // SAFETY: passed on to the caller.
        unsafe { peer.write(address, len) }
    })
}
