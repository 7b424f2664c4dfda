//! Datagrams: with addresses, and with the parts of a datagram in several buffers.
//!
//! An overlapped call is tried at once. What has to wait goes to the raw layer, which knows one buffer: if the caller has several, it
//! is one of our own, from or to which the bytes are copied.

use wharf::raw::{Datagram, Destination, Kind, RawBuffer, Request};

use super::{
    Socket,
    address::{self, Address},
    find, flag,
    transfer::{
        CallerBuffer, PARTIAL, Received, Sender, begin_with, buffer_of, check_overlapped,
        put_count, receive_into, send_from, with_buffers,
    },
};
use crate::{
    call::{self, Outcome},
    codes::{self, CUT, SUCCESS, wsa},
    operation::{self, CallerOverlapped, ReceiveFrom, Record, Work},
};

impl Socket {
    /// A datagram socket that receives has an address.
    fn check_bound(&self) -> Outcome<()> {
        if self.is(flag::BOUND) || self.is_stream() {
            return Ok(());
        }
        let own = address::local(self.number()).map_err(|errno| self.code_of(errno))?;
        match own.internet() {
            Some(own) if own.port() == 0 => Err(wsa::INVALID),
            _ => Ok(()),
        }
    }

    /// An overlapped receive of a datagram. Returns the bytes if it ends at once.
    pub(super) fn receive_datagram(
        &self,
        mut record: Box<Record>,
        one: RawBuffer,
        (from, from_len): Sender,
    ) -> Outcome<usize> {
        if let Err(code) = self.check_receives().and_then(|()| self.check_bound()) {
            operation::refuse(record, codes::UNSUCCESSFUL, false);
            return Err(code);
        }
        let is_first = self.seat.pending() <= 1;
        if is_first {
            match self.receive_now(record.list(&one), 0, !from.is_null()) {
                Ok(received) => {
                    if let Some(address) = received.from {
                        // SAFETY: the caller promised the room.
                        unsafe { address.write(from, from_len) }.unwrap_or_default();
                    }
                    if received.is_cut {
                        operation::refuse(record, CUT, false);
                        return Err(wsa::MESSAGE_SIZE);
                    }
                    operation::end_at_once(record, SUCCESS, received.bytes, false);
                    return Ok(received.bytes);
                }
                Err(libc::EAGAIN) => {}
                Err(errno) => return self.refuse(record, errno),
            }
        }
        record.work = Work::ReceiveFrom(ReceiveFrom { from, from_len });
        let started = self.start_here(record, Kind::Datagram, |record| {
            Request::ReceiveFrom(Box::new(Datagram {
                destination: Destination::Buffer(record.as_one(one)),
                peer: None,
            }))
        });
        match started {
            Ok(Some(mut record)) => {
                let (status, bytes) = super::result_of(&mut record);
                if status == SUCCESS {
                    operation::end_at_once(record, status, bytes, false);
                    return Ok(bytes);
                }
                operation::refuse(record, status, false);
                Err(codes::wsa_of(status))
            }
            other => self.told_at_once(other),
        }
    }

    /// An overlapped send of a datagram, to the socket's peer if it is to nobody else.
    pub(super) fn send_datagram(
        &self,
        record: Box<Record>,
        one: RawBuffer,
        to: Option<&Address>,
    ) -> Outcome<usize> {
        if let Err(code) = self.check_sends() {
            operation::refuse(record, codes::UNSUCCESSFUL, false);
            return Err(code);
        }
        match self.send_now(record.list(&one), 0, to) {
            Ok(bytes) => {
                self.set(flag::BOUND, true);
                operation::end_at_once(record, SUCCESS, bytes, false);
                return Ok(bytes);
            }
            Err(libc::EAGAIN) => {}
            Err(errno) => return self.refuse(record, errno),
        }
        let to = match to {
            Some(to) => to.internet(),
            None => address::peer(self.number())
                .ok()
                .and_then(|peer| peer.internet()),
        };
        let Some(to) = to else {
            operation::refuse(record, codes::UNSUCCESSFUL, false);
            return Err(wsa::NOT_CONNECTED);
        };
        let started = self.start_here(record, Kind::Datagram, |record| {
            // SAFETY: the caller's buffers are his promise.
            let whole = unsafe { record.gathered(one) };
            Request::SendTo(whole, Box::new(to))
        });
        self.told_at_once(started)
    }
}

/// The raw layer has received a datagram: the caller gets its parts and its sender.
pub(super) fn received(record: &mut Record, receive: &ReceiveFrom, bytes: usize) {
    record.scatter(bytes);
    if let Some(from) = record.take_datagram() {
        // SAFETY: the caller's memory, for as long as the operation is under way. Too little room is his loss.
        let _ = unsafe { Address::of(from).write(receive.from, receive.from_len) };
    }
}

/// Receives a datagram into one buffer, and its sender's address. Returns the bytes. 10040: it was cut, and what fitted is there.
///
/// # Safety
/// There is room for `len` bytes at `buffer`; `from_len` is NULL or says how much room there is at `from`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_recvfrom(
    socket: usize,
    buffer: *mut u8,
    len: i32,
    flags: i32,
    from: *mut libc::c_void,
    from_len: *mut i32,
) -> i32 {
    call::number(|| {
        let socket = find(socket)?;
        let mut buffers = [buffer_of(buffer, len)?];
        // SAFETY: passed on to the caller.
        let came = unsafe { socket.receive_from(&mut buffers, flags as u32, (from, from_len)) }?;
        match came.is_cut {
            true => Err(wsa::MESSAGE_SIZE),
            false => Ok(came.bytes as i32),
        }
    })
}

impl Socket {
    /// A receive without an OVERLAPPED, which tells the sender.
    ///
    /// # Safety
    /// `from_len` is NULL or says how much room there is at `from`.
    pub(super) unsafe fn receive_from(
        &self,
        buffers: &mut [RawBuffer],
        flags: u32,
        (from, from_len): Sender,
    ) -> Outcome<Received> {
        self.check_bound()?;
        let received = self.receive(buffers, flags, !from.is_null())?;
        if let Some(address) = received.from {
            // SAFETY: passed on to the caller.
            unsafe { address.write(from, from_len) }?;
        }
        Ok(received)
    }
}

/// Sends a datagram. On a stream the address is ignored.
///
/// # Safety
/// There are `len` bytes at `buffer`, and `to_len` at `to`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_sendto(
    socket: usize,
    buffer: *const u8,
    len: i32,
    flags: i32,
    to: *const libc::c_void,
    to_len: i32,
) -> i32 {
    call::number(|| {
        let socket = find(socket)?;
        let mut buffers = [buffer_of(buffer.cast_mut(), len)?];
        // SAFETY: passed on to the caller.
        let to = unsafe { socket.destination(to, to_len) }?;
        let sent = socket.send(&mut buffers, flags as u32, to.as_ref())?;
        socket.set(flag::BOUND, true);
        Ok(sent as i32)
    })
}

impl Socket {
    /// # Safety
    /// There are `len` bytes at `to`.
    unsafe fn destination(&self, to: *const libc::c_void, len: i32) -> Outcome<Option<Address>> {
        match to.is_null() || self.is_stream() {
            true => Ok(None),
            // SAFETY: passed on to the caller.
            false => unsafe { Address::read(to, len, self.family) }.map(Some),
        }
    }
}

/// Receives a datagram into several buffers. With an OVERLAPPED it does not wait: 997 is that it is under way.
///
/// # Safety
/// As for `WSARecv`; and `from` and `from_len` stay until the operation has ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSARecvFrom(
    socket: usize,
    buffers: *const CallerBuffer,
    count: u32,
    received: *mut u32,
    flags: *mut u32,
    from: *mut libc::c_void,
    from_len: *mut i32,
    overlapped: *mut CallerOverlapped,
    routine: *const libc::c_void,
) -> i32 {
    call::status(|| {
        let socket = find(socket)?;
        let (list, sender) = ((buffers, count), (from, from_len));
        let sender = (!socket.is_stream()).then_some(sender);
        // SAFETY: passed on to the caller.
        unsafe { receive_into(&socket, list, received, flags, sender, overlapped, routine) }
    })
}

/// Sends a datagram from several buffers. With an OVERLAPPED it does not wait: 997 is that it is under way.
///
/// # Safety
/// As for `WSASend`; and there are `to_len` bytes at `to`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSASendTo(
    socket: usize,
    buffers: *const CallerBuffer,
    count: u32,
    sent: *mut u32,
    flags: u32,
    to: *const libc::c_void,
    to_len: i32,
    overlapped: *mut CallerOverlapped,
    routine: *const libc::c_void,
) -> i32 {
    call::status(|| {
        let socket = find(socket)?;
        if socket.is_stream() {
            let list = (buffers, count);
            // SAFETY: passed on to the caller.
            return unsafe { send_from(&socket, list, sent, flags, overlapped, routine) };
        }
        // SAFETY: passed on to the caller.
        let to = unsafe { socket.destination(to, to_len) }?;
        let bytes = if overlapped.is_null() || !socket.is(flag::OVERLAPPED) {
            let send = |list: &mut [RawBuffer]| socket.send(list, flags, to.as_ref());
            // SAFETY: passed on to the caller.
            let bytes = unsafe { with_buffers(buffers, count, send) }?;
            socket.set(flag::BOUND, true);
            bytes
        } else {
            check_overlapped(&socket, flags & !PARTIAL, routine)?;
            // SAFETY: passed on to the caller.
            let (record, one) = unsafe { begin_with(&socket, buffers, count, overlapped) }?;
            socket.send_datagram(record, one, to.as_ref())?
        };
        // SAFETY: passed on to the caller.
        unsafe { put_count(sent, bytes) };
        Ok(())
    })
}
