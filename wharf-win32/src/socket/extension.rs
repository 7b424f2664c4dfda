//! AcceptEx, ConnectEx, DisconnectEx and GetAcceptExSockaddrs.
//!
//! A connection that AcceptEx brings becomes the socket that the program gave: its descriptor is put in the place of that socket's
//! (dup3(2)), under the same number. DisconnectEx for another use puts a new one there likewise.

use std::{
    net::SocketAddr,
    os::fd::{AsRawFd, OwnedFd},
    sync::Arc,
};

use wharf::raw::{AcceptReceive, ConnectSend, Kind, OperationId, RawBuffer, Request};

use super::{
    Socket,
    address::{self, Address},
    find, flag, life, shortage,
    transfer::{buffer_of, put_count},
};
use crate::{
    call::{self, Outcome, checked},
    codes::{self, ABORTED, CANCELLED, SUCCESS, wsa},
    error,
    operation::{self, CallerOverlapped, Record, Work},
    watch,
};

/// What an AcceptEx is to bring its connection to.
#[derive(Debug)]
pub(crate) struct Arrival {
    target: Arc<Socket>,
    /// Where the two addresses go, behind the data.
    local: RawBuffer,
    remote: RawBuffer,
}

impl Socket {
    /// Puts another descriptor under its number. No thread moves bytes by its raw handle.
    fn replace_descriptor(&self, by: &OwnedFd) -> Result<(), i32> {
        self.detach();
        // SAFETY: both are open.
        let replaced = unsafe { libc::dup3(by.as_raw_fd(), self.number(), libc::O_CLOEXEC) };
        checked(replaced).map(|_| ())
    }

    /// Ends its sending side, when the system has all that was sent.
    pub(super) fn end_sending(&self) {
        // SAFETY: it takes numbers only.
        let _ = unsafe { libc::shutdown(self.number(), libc::SHUT_WR) };
        self.set(flag::SHUT_SEND, true);
    }

    /// Puts another descriptor under its number, as soon as that can be. A thread that is about to receive from the old one, in the
    /// middle of a transfer, would take the next connection's bytes; and this thread, which may be it, must not wait for it. So then
    /// that is left to the next call of the program that names the socket.
    fn replace_descriptor_soon(&self, by: OwnedFd) -> Result<(), i32> {
        self.detach();
        if !self.is_held() {
            return self.replace_descriptor(&by);
        }
        self.rest().make().replacement = Some(by);
        self.set(flag::IS_LATE, true);
        Ok(())
    }

    /// Does what was left. Of several threads one does it, and the others wait.
    #[cold]
    pub(super) fn catch_up(&self) -> Outcome<()> {
        while self.is(flag::IS_LATE) {
            let by = self.rest().get().and_then(|rest| rest.replacement.take());
            let Some(by) = by else {
                std::thread::yield_now();
                continue;
            };
            self.await_left();
            let replaced = self.replace_descriptor(&by);
            self.set(flag::IS_LATE, false);
            replaced.map_err(|errno| self.code_of(errno))?;
        }
        Ok(())
    }

    pub(super) fn cancel_one(&self, operation: OperationId) {
        let cancelled = self.with_raw(|port, _| {
            let _ = port.raw.cancel(operation);
            watch::note_start(port);
        });
        debug_assert!(cancelled.is_some() || self.is_closed());
    }
}

/// An AcceptEx has ended: the connection, if there is one, becomes the socket that was given.
pub(super) fn arrived(
    record: &mut Record,
    arrival: Arrival,
    status: u32,
    bytes: usize,
) -> (u32, usize) {
    let target = &arrival.target;
    target.is_awaited_no_more();
    let accepted = record.take_accepted();
    let status = match accepted {
        _ if status != SUCCESS => status,
        None => CANCELLED,
        Some(_) if target.is_closed() => CANCELLED,
        Some(accepted) => {
            let placed = accepted.socket.into_system();
            let placed = placed.map_err(|_| libc::ECONNABORTED);
            match placed.and_then(|socket| target.replace_descriptor(&socket)) {
                Ok(()) => SUCCESS,
                Err(_) => ABORTED,
            }
        }
    };
    // That of the connection was closed, or the one in whose place it is.
    shortage::has_room();
    if status != SUCCESS {
        return (status, 0);
    }
    target.choose_again();
    // The connection may have waited for its first bytes.
    match record.arrived_at() {
        Some(moment) => target.note_connected_at(super::second_of(moment)),
        None => target.note_connected(),
    }
    for (of, place) in [
        (address::local(target.number()), arrival.local),
        (address::peer(target.number()), arrival.remote),
    ] {
        if let Ok(address) = of {
            let bytes = address.to_windows();
            let len = bytes.len().min(place.len);
            // SAFETY: the caller's memory, for as long as the operation is under way.
            unsafe { place.start.copy_from_nonoverlapping(bytes.as_ptr(), len) };
        }
    }
    (status, bytes)
}

/// A ConnectEx has ended.
pub(super) fn connected(socket: &Socket, status: u32) {
    if status == SUCCESS {
        socket.note_connected();
    }
}

/// A DisconnectEx has ended: all that was sent is on its way, and the end behind it. Returns its status: the system may have no
/// descriptor for another use.
pub(super) fn disconnected(socket: &Socket, reuse: bool) -> u32 {
    if !reuse {
        return SUCCESS;
    }
    let new = life::new_descriptor(
        socket.family.into(),
        socket.kind.into(),
        socket.protocol.into(),
    );
    if !new.is_ok_and(|new| socket.replace_descriptor_soon(new).is_ok()) {
        return codes::status_of(libc::ENOBUFS, false);
    }
    let of_before = flag::CONNECTED | flag::BOUND | flag::SHUT_SEND | flag::SHUT_RECEIVE;
    socket.set(of_before, false);
    socket.set(flag::REUSED, true);
    socket.broken.store(0, std::sync::atomic::Ordering::Release);
    SUCCESS
}

/// The room for an address behind the data of an AcceptEx is 16 bytes more than the longest.
const ROOM_BEYOND: u32 = 16;

/// Accepts a connection on a listener, as a socket that the program gives, and receives its first bytes, if there is room for any.
/// FALSE with 997: it is under way.
///
/// # Safety
/// There is room at `buffer` for all three lengths; it and the OVERLAPPED stay until the operation has ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn AcceptEx(
    listener: usize,
    socket: usize,
    buffer: *mut u8,
    data_len: u32,
    local_len: u32,
    remote_len: u32,
    received: *mut u32,
    overlapped: *mut CallerOverlapped,
) -> i32 {
    call::whether(|| {
        let listener = find(listener)?;
        let target = find(socket)?;
        if overlapped.is_null() {
            return Err(error::INVALID_PARAMETER);
        }
        if buffer.is_null() || remote_len == 0 {
            return Err(wsa::FAULT);
        }
        if !listener.is(flag::LISTENS) || listener.kind != target.kind {
            return Err(wsa::INVALID);
        }
        if target.is(flag::CONNECTED | flag::BOUND | flag::LISTENS)
            || target.number() == listener.number()
        {
            return Err(wsa::INVALID);
        }
        if !target.claim_for_accept() {
            return Err(wsa::INVALID);
        }
        // SAFETY: passed on to the caller.
        unsafe { put_count(received, 0) };
        let part = |at: usize, len: u32| RawBuffer {
            start: buffer.wrapping_add(at),
            len: len as usize,
        };
        let behind_data = data_len as usize;
        // SAFETY: passed on to the caller.
        let mut record = unsafe { operation::begin(overlapped, &listener) };
        record.work = Work::Accept(Box::new(Arrival {
            target: target.clone(),
            local: part(behind_data, local_len.saturating_sub(ROOM_BEYOND)),
            remote: part(
                behind_data + local_len as usize,
                remote_len.saturating_sub(ROOM_BEYOND),
            ),
        }));
        listener.accept_overlapped(record, &target, part(0, data_len))
    })
}

impl Socket {
    /// Whether no other AcceptEx is to bring its connection here; if so, this is to.
    fn claim_for_accept(&self) -> bool {
        let before = self
            .flags
            .fetch_or(flag::AWAITED, std::sync::atomic::Ordering::AcqRel);
        before & flag::AWAITED == 0
    }

    fn is_awaited_no_more(&self) {
        let by = self.rest().get().and_then(|rest| rest.awaited_by.take());
        // The last to hold a listener that was closed drops it under no lock.
        drop(by);
        self.set(flag::AWAITED, false);
    }

    /// The second in which the connection came that an AcceptEx is to bring here once its first bytes are there.
    pub(super) fn awaits_bytes_since(&self) -> Option<u32> {
        let (listener, operation) = self.rest().get()?.awaited_by.clone()?;
        let arrived = listener.with_raw(|port, _| port.raw.arrived_at(operation));
        arrived.flatten().map(super::second_of)
    }

    fn accept_overlapped(
        self: &Arc<Self>,
        record: Box<Record>,
        target: &Arc<Socket>,
        data: RawBuffer,
    ) -> Outcome<()> {
        let request = |_: &mut Record| match data.len {
            0 => Request::Accept(None),
            _ => Request::AcceptReceive(Box::new(AcceptReceive::new(data))),
        };
        // Under the lock, so that it is listed before it ends.
        let mut rest = target.rest();
        let started = if target.is_closed() {
            // By another thread, just now: whoever closes it looks for this operation once, before or after this.
            Err((record, wsa::NOT_A_SOCKET))
        } else {
            let listed = &mut rest.make().awaited_by;
            self.start_with_id(record, Kind::Listener, request, |id| {
                *listed = Some((self.clone(), id));
            })
        };
        drop(rest);
        match started {
            Ok(()) => Err(error::IO_PENDING),
            Err((record, code)) => {
                target.is_awaited_no_more();
                operation::refuse(record, codes::PENDING, true);
                Err(code)
            }
        }
    }
}

/// Says where in an AcceptEx's buffer the two addresses are.
///
/// # Safety
/// The lengths are those that AcceptEx was given; the other addresses are those of variables.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetAcceptExSockaddrs(
    buffer: *mut u8,
    data_len: u32,
    local_len: u32,
    remote_len: u32,
    local: *mut *mut libc::c_void,
    local_len_of: *mut i32,
    remote: *mut *mut libc::c_void,
    remote_len_of: *mut i32,
) {
    let behind_data = data_len as usize;
    for (at, room, place, len) in [
        (behind_data, local_len, local, local_len_of),
        (
            behind_data + local_len as usize,
            remote_len,
            remote,
            remote_len_of,
        ),
    ] {
        let address = buffer.wrapping_add(at);
        let mut family = [0; 2];
        if room >= 2 {
            // SAFETY: passed on to the caller.
            unsafe { address.copy_to_nonoverlapping(family.as_mut_ptr(), 2) };
        }
        let its_len = match u16::from_ne_bytes(family) {
            address::WINDOWS_INET6 => size_of::<libc::sockaddr_in6>(),
            _ => size_of::<libc::sockaddr_in>(),
        };
        // SAFETY: passed on to the caller.
        unsafe {
            if !place.is_null() {
                place.write(address.cast());
            }
            if !len.is_null() {
                len.write(its_len as i32);
            }
        }
    }
}

/// Connects a bound socket, and sends bytes when it is connected. FALSE with 997: it is under way.
///
/// # Safety
/// There are `len` bytes at `address`; the buffer and the OVERLAPPED stay until the operation has ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ConnectEx(
    socket: usize,
    address: *const libc::c_void,
    len: i32,
    buffer: *mut u8,
    buffer_len: u32,
    sent: *mut u32,
    overlapped: *mut CallerOverlapped,
) -> i32 {
    call::whether(|| {
        let socket = find(socket)?;
        if overlapped.is_null() {
            return Err(error::INVALID_PARAMETER);
        }
        // SAFETY: passed on to the caller.
        let to = unsafe { Address::read(address, len, socket.family) }?;
        let to = to.internet().ok_or(wsa::FAMILY_NOT_SUPPORTED)?;
        let data = match buffer.is_null() {
            true => RawBuffer::EMPTY,
            false => buffer_of(buffer, i32::try_from(buffer_len).unwrap_or(i32::MAX))?,
        };
        if !socket.is(flag::BOUND | flag::REUSED) || socket.is(flag::LISTENS) {
            return Err(wsa::INVALID);
        }
        if socket.is(flag::CONNECTED) {
            return Err(wsa::IS_CONNECTED);
        }
        // SAFETY: passed on to the caller.
        unsafe { put_count(sent, 0) };
        // SAFETY: passed on to the caller.
        let mut record = unsafe { operation::begin(overlapped, &socket) };
        record.work = Work::Connect;
        socket.connect_overlapped(record, to, data)
    })
}

impl Socket {
    fn connect_overlapped(
        &self,
        record: Box<Record>,
        to: SocketAddr,
        data: RawBuffer,
    ) -> Outcome<()> {
        let request = |_: &mut Record| match data.len {
            0 => Request::Connect(Box::new(to)),
            _ => Request::ConnectSend(Box::new(ConnectSend::new(to, data))),
        };
        match self.start(record, Kind::Unconnected, request) {
            Ok(()) => Err(error::IO_PENDING),
            Err((record, code)) => {
                operation::refuse(record, codes::PENDING, true);
                Err(code)
            }
        }
    }
}

const REUSE_SOCKET: u32 = 2;

/// Ends a connection, behind all that was sent on it. With the flag 2, TF_REUSE_SOCKET, the socket can be connected again.
///
/// # Safety
/// The OVERLAPPED stays until the operation has ended; NULL: the call waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn DisconnectEx(
    socket: usize,
    overlapped: *mut CallerOverlapped,
    flags: u32,
    _reserved: u32,
) -> i32 {
    call::whether(|| {
        let socket = find(socket)?;
        if flags & !REUSE_SOCKET != 0 {
            return Err(wsa::INVALID);
        }
        if !socket.is_stream() || !socket.is_connected() {
            return Err(wsa::NOT_CONNECTED);
        }
        let reuse = flags & REUSE_SOCKET != 0;
        if overlapped.is_null() {
            socket.await_sent(true, None)?;
            socket.end_sending();
            return match disconnected(&socket, reuse) {
                SUCCESS => Ok(()),
                status => Err(codes::wsa_of(status)),
            };
        }
        // SAFETY: passed on to the caller.
        let mut record = unsafe { operation::begin(overlapped, &socket) };
        record.work = Work::Disconnect { reuse };
        socket.set(flag::SHUT_SEND, true);
        match socket.start(record, Kind::Stream, |_| Request::Shutdown) {
            Ok(()) => Err(error::IO_PENDING),
            Err((record, code)) => {
                operation::refuse(record, codes::UNSUCCESSFUL, false);
                Err(code)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        ptr,
        sync::mpsc::channel,
        thread,
    };

    use super::{super::transfer::WSARecv, *};

    /// What is under the number of a socket, by its inode.
    fn descriptor_of(socket: &Socket) -> u64 {
        rustix::fs::fstat(socket.borrow())
            .expect("it is open")
            .st_ino
    }

    /// DisconnectEx ends while another thread is in the middle of a receive: until that has left, the number stays what it was.
    #[test]
    fn a_descriptor_is_not_replaced_under_a_transfer() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let peer = TcpStream::connect(listener.local_addr().expect("its address"));
        let (ours, _) = listener.accept().expect("a connection");
        let kind = (libc::AF_INET, libc::SOCK_STREAM, 0);
        let flags = flag::OVERLAPPED | flag::CONNECTED | flag::BOUND;
        let number = life::list(ours.into(), kind, flags).expect("a place");
        let socket = find(number).expect("it is listed");
        let mut data = [0_u8; 4];
        let list = [4, 0, data.as_mut_ptr().addr()];
        let (mut overlapped, mut nothing) = (CallerOverlapped::new(1), 0);
        // SAFETY: a WSABUF is a length, filled up, and an address; all of it stays until the receive is cancelled, below.
        unsafe {
            let list = (&raw const list[0]).cast();
            let (pending, none) = (&raw mut overlapped, ptr::null());
            WSARecv(
                number,
                list,
                1,
                ptr::null_mut(),
                &raw mut nothing,
                pending,
                none,
            );
        }
        let before = descriptor_of(&socket);
        let ((held, is_held), (let_go, is_let_go)) = (channel(), channel());
        thread::scope(|threads| {
            // Goes with a panic, and the thread that holds the descriptor ends.
            let let_go = let_go;
            let (port, handle) = socket.attached().expect("it receives");
            threads.spawn(move || {
                let hold = |_| {
                    held.send(()).expect("the test listens");
                    is_let_go.recv().expect("the test says so");
                    Ok(())
                };
                port.raw.with_descriptor(handle, hold).expect("it is open");
            });
            is_held.recv().expect("it is held");
            assert_eq!(disconnected(&socket, true), SUCCESS);
            assert_eq!(descriptor_of(&socket), before);
            let caller = threads.spawn(move || find(number));
            assert_eq!(descriptor_of(&socket), before);
            let_go.send(()).expect("it is held");
            assert!(caller.join().expect("it ends").is_ok());
        });
        assert_ne!(descriptor_of(&socket), before);
        assert!(!socket.is(flag::IS_LATE));
        super::super::close(number);
        drop(peer);
    }
}
