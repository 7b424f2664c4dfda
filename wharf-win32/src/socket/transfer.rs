//! Receiving and sending, with an OVERLAPPED and without one.

use std::sync::Arc;

use rustix::event::PollFlags;
use wharf::raw::{Handle, Kind, OperationId, RawBuffer, Request, Started};

use super::{
    Socket,
    address::Address,
    attach::{Attached, code_of},
    find, flag,
    sleep::deadline_of,
};
use crate::{
    call::{self, Outcome, errno},
    codes::{self, SUCCESS, wsa},
    error,
    operation::{self, CallerOverlapped, Record},
    watch,
};

/// WSABUF.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct CallerBuffer {
    len: u32,
    start: *mut u8,
}

const _: () = assert!(size_of::<CallerBuffer>() == 16);

impl CallerBuffer {
    /// Of a few bytes, such as those of an address.
    pub(super) fn of(bytes: &mut [u8]) -> CallerBuffer {
        CallerBuffer {
            len: bytes.len() as u32,
            start: bytes.as_mut_ptr(),
        }
    }
}

/// Flags of Winsock.
const OOB: u32 = 1;
const PEEK: u32 = 2;
const DONT_ROUTE: u32 = 4;
const WAIT_ALL: u32 = 8;
pub(super) const PARTIAL: u32 = 0x8000;

/// The most buffers of one call: of Linux (IOV_MAX), and so here.
const BUFFERS_MAX: u32 = 1024;

/// The caller's buffers, as the raw layer has them.
///
/// # Errors
/// 10014: there is no list; 10022: it is empty, or has more than 1,024 buffers, of which the system takes no datagram.
///
/// # Safety
/// There are `count` buffers at `list`.
unsafe fn read_buffers<'a>(
    list: *const CallerBuffer,
    count: u32,
) -> Outcome<impl ExactSizeIterator<Item = RawBuffer> + 'a> {
    if list.is_null() {
        return Err(wsa::FAULT);
    }
    if !(1..=BUFFERS_MAX).contains(&count) {
        return Err(wsa::INVALID);
    }
    // SAFETY: passed on to the caller.
    let list = unsafe { std::slice::from_raw_parts(list, count as usize) };
    Ok(list.iter().map(|buffer| RawBuffer {
        start: match buffer.len {
            // May be NULL then.
            0 => RawBuffer::EMPTY.start,
            _ => buffer.start,
        },
        len: buffer.len as usize,
    }))
}

/// Calls `with` with the caller's buffers, for a call that has ended when it returns.
///
/// # Safety
/// As for `WSARecv`.
pub(super) unsafe fn with_buffers<T>(
    list: *const CallerBuffer,
    count: u32,
    with: impl FnOnce(&mut [RawBuffer]) -> Outcome<T>,
) -> Outcome<T> {
    // SAFETY: passed on to the caller.
    let mut buffers = unsafe { read_buffers(list, count) }?;
    match buffers.len() {
        1 => with(&mut [buffers.next().unwrap_or(RawBuffer::EMPTY)]),
        _ => with(&mut buffers.collect::<Vec<_>>()),
    }
}

pub(super) fn total(buffers: &[RawBuffer]) -> usize {
    buffers.iter().map(|buffer| buffer.len).sum()
}

/// A message of Linux of these buffers, which are laid out as its own.
fn message(buffers: &[RawBuffer]) -> libc::msghdr {
    // SAFETY: it consists of numbers and addresses that may be NULL.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = buffers.as_ptr().cast_mut().cast();
    message.msg_iovlen = buffers.len();
    message
}

/// What a receive brought.
pub(super) struct Received {
    pub(super) bytes: usize,
    /// A datagram did not fit.
    pub(super) is_cut: bool,
    pub(super) from: Option<Address>,
}

impl Socket {
    /// Receives what is there, and never waits.
    pub(super) fn receive_now(
        &self,
        buffers: &[RawBuffer],
        flags: i32,
        wants_address: bool,
    ) -> Result<Received, i32> {
        let mut message = message(buffers);
        let mut from = Address::empty_place();
        if wants_address {
            (message.msg_name, message.msg_namelen) = from.place();
        }
        let flags = flags | libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
        loop {
            // SAFETY: the caller's buffers are his promise; the rest is in place.
            let received = unsafe { libc::recvmsg(self.number(), &raw mut message, flags) };
            match usize::try_from(received) {
                Ok(bytes) => {
                    from.set_len(message.msg_namelen);
                    let from = (wants_address && message.msg_namelen > 0).then_some(from);
                    let is_cut = !self.is_stream() && message.msg_flags & libc::MSG_TRUNC != 0;
                    return Ok(Received {
                        bytes,
                        is_cut,
                        from,
                    });
                }
                Err(_) if errno() == libc::EINTR => {}
                Err(_) => return Err(errno()),
            }
        }
    }

    /// Sends what the system takes now, and never waits.
    pub(super) fn send_now(
        &self,
        buffers: &[RawBuffer],
        flags: i32,
        to: Option<&Address>,
    ) -> Result<usize, i32> {
        let mut message = message(buffers);
        if let Some(to) = to {
            let (start, len) = to.as_linux();
            (message.msg_name, message.msg_namelen) = (start.cast_mut().cast(), len);
        }
        let flags = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        loop {
            // SAFETY: as above.
            let sent = unsafe { libc::sendmsg(self.number(), &raw const message, flags) };
            match usize::try_from(sent) {
                Ok(bytes) => return Ok(bytes),
                Err(_) if errno() == libc::EINTR => {}
                Err(_) => return Err(errno()),
            }
        }
    }

    /// Fails as a call that was tried just now.
    pub(super) fn fail(&self, errno: i32) -> u32 {
        self.note_broken(errno);
        self.code_of(errno)
    }

    pub(super) fn check_receives(&self) -> Outcome<()> {
        self.check_whole()?;
        match self.is(flag::SHUT_RECEIVE) {
            true => Err(wsa::SHUT_DOWN),
            false => Ok(()),
        }
    }

    pub(super) fn check_sends(&self) -> Outcome<()> {
        self.check_whole()?;
        match self.is(flag::SHUT_SEND) {
            true => Err(wsa::SHUT_DOWN),
            false => Ok(()),
        }
    }

    /// A receive without an OVERLAPPED: waits, unless the socket is non-blocking.
    pub(super) fn receive(
        &self,
        buffers: &mut [RawBuffer],
        flags: u32,
        wants_address: bool,
    ) -> Outcome<Received> {
        self.check_receives()?;
        if flags & WAIT_ALL != 0 && (self.is(flag::NON_BLOCKING) || !self.is_stream()) {
            return Err(wsa::NOT_SUPPORTED);
        }
        let deadline = deadline_of(self.receive_patience());
        let linux = (flags & (OOB | PEEK | DONT_ROUTE)) as i32;
        let (mut left, mut bytes) = (buffers, 0);
        loop {
            match self.receive_now(left, linux, wants_address) {
                Ok(received) => {
                    self.enable_again();
                    bytes += received.bytes;
                    left = behind(left, received.bytes);
                    let is_whole = received.bytes == 0 || total(left) == 0;
                    if flags & WAIT_ALL == 0 || flags & PEEK != 0 || is_whole {
                        return Ok(Received { bytes, ..received });
                    }
                }
                Err(libc::EAGAIN) if self.is(flag::NON_BLOCKING) => return Err(wsa::WOULD_BLOCK),
                Err(libc::EAGAIN) => {
                    let urgent = if flags & OOB != 0 {
                        PollFlags::PRI
                    } else {
                        PollFlags::IN
                    };
                    self.wait_for(urgent, deadline)?;
                }
                Err(errno) => return Err(self.fail(errno)),
            }
        }
    }

    /// A send without an OVERLAPPED: all of it, unless the socket is non-blocking.
    pub(super) fn send(
        &self,
        buffers: &mut [RawBuffer],
        flags: u32,
        to: Option<&Address>,
    ) -> Outcome<usize> {
        self.check_sends()?;
        let deadline = deadline_of(self.send_patience());
        if self.is_stream() && flags & OOB == 0 {
            self.await_sent(!self.is(flag::NON_BLOCKING), deadline)?;
        }
        let linux = (flags & (OOB | DONT_ROUTE)) as i32;
        let (mut left, mut bytes) = (buffers, 0);
        loop {
            match self.send_now(left, linux, to) {
                Ok(sent) => {
                    bytes += sent;
                    left = behind(left, sent);
                    if !self.is_stream() || total(left) == 0 || self.is(flag::NON_BLOCKING) {
                        return Ok(bytes);
                    }
                }
                Err(libc::EAGAIN) if self.is(flag::NON_BLOCKING) => {
                    self.tell_write_again();
                    return Err(wsa::WOULD_BLOCK);
                }
                Err(libc::EAGAIN) => self.wait_for(PollFlags::OUT, deadline)?,
                Err(errno) => return Err(self.fail(errno)),
            }
        }
    }

    /// Calls `with` with the raw handle, if there is one.
    pub(super) fn with_raw<T>(
        &self,
        with: impl FnOnce(&crate::port::CompletionPort, Handle) -> T,
    ) -> Option<T> {
        let (port, handle) = self.attached()?;
        Some(with(port, handle))
    }

    /// Gives an operation to the raw layer; its end is told as that of one that pended, also if it comes at once.
    pub(super) fn start(
        &self,
        record: Box<Record>,
        kind: Kind,
        request: impl Fn(&mut Record) -> Request,
    ) -> Result<(), (Box<Record>, u32)> {
        self.start_with_id(record, kind, request, |_| {})
    }

    /// As [`start`](Self::start), and tells which operation it is.
    pub(super) fn start_with_id(
        &self,
        record: Box<Record>,
        kind: Kind,
        request: impl Fn(&mut Record) -> Request,
        mut tell: impl FnMut(OperationId),
    ) -> Result<(), (Box<Record>, u32)> {
        let started = self.give(record, kind, request, |attached, pointer| {
            // SAFETY: the record is the port's from now on, and the caller's buffers are his promise.
            let id = unsafe { attached.port.raw.start(attached.handle, pointer) }?;
            tell(id);
            Ok(None)
        });
        started.map(|_| ())
    }

    /// As [`start`](Self::start); but what ends within the call comes back.
    pub(super) fn start_here(
        &self,
        record: Box<Record>,
        kind: Kind,
        request: impl Fn(&mut Record) -> Request,
    ) -> Result<Option<Box<Record>>, (Box<Record>, u32)> {
        self.give(record, kind, request, |attached, pointer| {
            // SAFETY: as above.
            let started = unsafe { attached.port.raw.start_skip_port(attached.handle, pointer) }?;
            ended_of(started, pointer)
        })
    }

    fn give(
        &self,
        mut record: Box<Record>,
        kind: Kind,
        request: impl Fn(&mut Record) -> Request,
        mut start: impl FnMut(
            &Attached<'_>,
            std::ptr::NonNull<wharf::raw::Overlapped>,
        ) -> std::io::Result<Option<Box<Record>>>,
    ) -> Result<Option<Box<Record>>, (Box<Record>, u32)> {
        loop {
            let attached = match self.attach(kind) {
                Ok(attached) => attached,
                Err(code) => return Err((record, code)),
            };
            record.is_on_own_port = attached.is_own;
            let request = request(&mut record);
            let pointer = record.into_raw(request);
            let error = match start(&attached, pointer) {
                Ok(ended) => {
                    watch::note_start(attached.port);
                    return Ok(ended);
                }
                Err(error) => error,
            };
            // SAFETY: it was refused, so it is ours.
            record = unsafe { Record::from_raw(pointer) };
            let moved = self
                .attached()
                .is_none_or(|(_, handle)| handle != attached.handle);
            // Another thread has moved the socket to its port meanwhile.
            if !moved || self.is_closed() {
                let code = match error.raw_os_error() {
                    Some(errno) => self.fail(errno),
                    None => code_of(&error),
                };
                return Err((record, code));
            }
        }
    }

    /// An overlapped receive of a stream. Returns the bytes if it ends at once.
    ///
    /// # Safety
    /// The caller's OVERLAPPED and buffers stay until it has ended.
    unsafe fn receive_overlapped(
        self: &Arc<Self>,
        record: Box<Record>,
        one: RawBuffer,
        flags: u32,
    ) -> Outcome<usize> {
        if let Err(code) = self.check_receives_of_peer() {
            operation::refuse(record, status_of(code), false);
            return Err(code);
        }
        // Nothing is known of the socket before it is attached, so it is tried.
        let fills = flags & WAIT_ALL != 0;
        if !fills && self.attached().is_none() && total(record.list(&one)) > 0 {
            match self.receive_now(record.list(&one), 0, false) {
                Ok(received) => {
                    operation::end_at_once(record, SUCCESS, received.bytes, false);
                    return Ok(received.bytes);
                }
                Err(libc::EAGAIN) => {}
                Err(errno) => return self.refuse(record, errno),
            }
        }
        let started = self.start_here(record, Kind::Stream, |record| match fills {
            true => Request::ReceiveAll(record.buffers(one)),
            false => Request::Receive(record.buffers(one)),
        });
        self.told_at_once(started)
    }

    fn check_receives_of_peer(&self) -> Outcome<()> {
        self.check_receives()?;
        self.check_connected()
    }

    pub(super) fn check_connected(&self) -> Outcome<()> {
        match self.is_connected() {
            true => Ok(()),
            false => Err(wsa::NOT_CONNECTED),
        }
    }

    /// An overlapped send of a stream.
    fn send_overlapped(&self, record: Box<Record>, one: RawBuffer) -> Outcome<usize> {
        if let Err(code) = self.check_sends().and_then(|()| self.check_connected()) {
            operation::refuse(record, status_of(code), false);
            return Err(code);
        }
        let request = |record: &mut Record| Request::Send(record.buffers(one));
        let started = self.give(record, Kind::Stream, request, |attached, pointer| {
            let port = &attached.port.raw;
            // SAFETY: the record is the port's from now on, and the caller's buffers are his promise.
            ended_of(
                unsafe { port.start_here_or_batch(attached.handle, pointer) }?,
                pointer,
            )
        });
        self.told_at_once(started)
    }

    /// What a call says of an operation that was given to the raw layer.
    pub(super) fn told_at_once(
        &self,
        started: Result<Option<Box<Record>>, (Box<Record>, u32)>,
    ) -> Outcome<usize> {
        match started {
            Ok(None) => Err(error::IO_PENDING),
            Ok(Some(record)) => match record.errno() {
                None => {
                    let bytes = record.transferred();
                    operation::end_at_once(record, SUCCESS, bytes, false);
                    Ok(bytes)
                }
                Some(errno) => self.refuse(record, errno),
            },
            Err((record, code)) => {
                operation::refuse(record, status_of(code), false);
                Err(code)
            }
        }
    }

    pub(super) fn refuse<T>(&self, record: Box<Record>, errno: i32) -> Outcome<T> {
        let code = self.fail(errno);
        operation::refuse(record, codes::status_of(errno, !self.is_stream()), false);
        Err(code)
    }
}

/// The record of an operation that was started just now, if it has ended.
fn ended_of(
    started: Started,
    pointer: std::ptr::NonNull<wharf::raw::Overlapped>,
) -> std::io::Result<Option<Box<Record>>> {
    Ok(match started {
        Started::Pending(_) => None,
        // SAFETY: it was handed out just now.
        Started::Completed(_) => Some(unsafe { Record::from_raw(pointer) }),
    })
}

/// What an OVERLAPPED says of an operation that a call refused.
pub(super) fn status_of(code: u32) -> u32 {
    match code {
        wsa::RESET => codes::RESET,
        wsa::NOT_SUPPORTED => codes::NOT_SUPPORTED,
        _ => codes::UNSUCCESSFUL,
    }
}

/// The buffers that are left behind so many bytes.
fn behind(buffers: &mut [RawBuffer], mut bytes: usize) -> &mut [RawBuffer] {
    let mut first = 0;
    while first < buffers.len() && bytes >= buffers[first].len {
        bytes -= buffers[first].len;
        first += 1;
    }
    let left = &mut buffers[first..];
    if let Some(buffer) = left.first_mut() {
        buffer.start = buffer.start.wrapping_add(bytes);
        buffer.len -= bytes;
    }
    left
}

/// # Safety
/// `place` is NULL or the address of a number.
pub(super) unsafe fn put_count(place: *mut u32, count: usize) {
    if !place.is_null() {
        // SAFETY: passed on to the caller.
        unsafe { place.write(u32::try_from(count).unwrap_or(u32::MAX)) };
    }
}

/// Receives into one buffer. Returns the bytes, 0 at the end of the stream.
///
/// # Safety
/// There is room for `len` bytes at `buffer`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_recv(
    socket: usize,
    buffer: *mut u8,
    len: i32,
    flags: i32,
) -> i32 {
    call::number(|| {
        let socket = find(socket)?;
        let mut buffers = [buffer_of(buffer, len)?];
        let received = socket.receive(&mut buffers, flags as u32, false)?;
        match received.is_cut {
            true => Err(wsa::MESSAGE_SIZE),
            false => Ok(received.bytes as i32),
        }
    })
}

pub(super) fn buffer_of(start: *mut u8, len: i32) -> Outcome<RawBuffer> {
    let len = usize::try_from(len).map_err(|_| wsa::FAULT)?;
    match start.is_null() && len > 0 {
        true => Err(wsa::FAULT),
        false => Ok(RawBuffer { start, len }),
    }
}

/// Sends from one buffer: all of it, unless the socket is non-blocking. Returns the bytes.
///
/// # Safety
/// There are `len` bytes at `buffer`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_send(
    socket: usize,
    buffer: *const u8,
    len: i32,
    flags: i32,
) -> i32 {
    call::number(|| {
        let socket = find(socket)?;
        let mut buffers = [buffer_of(buffer.cast_mut(), len)?];
        let sent = socket.send(&mut buffers, flags as u32, None)?;
        Ok(sent as i32)
    })
}

/// Receives into several buffers. With an OVERLAPPED it does not wait: 997 is that it is under way.
///
/// # Safety
/// The addresses are those of what their types say; the buffers and the OVERLAPPED stay until the operation has ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSARecv(
    socket: usize,
    buffers: *const CallerBuffer,
    count: u32,
    received: *mut u32,
    flags: *mut u32,
    overlapped: *mut CallerOverlapped,
    routine: *const libc::c_void,
) -> i32 {
    call::status(|| {
        let list = (buffers, count);
        // SAFETY: passed on to the caller.
        unsafe {
            receive_into(
                &find(socket)?,
                list,
                received,
                flags,
                None,
                overlapped,
                routine,
            )
        }
    })
}

/// The room for a sender's address, and for its length.
pub(super) type Sender = (*mut libc::c_void, *mut i32);

/// What `WSARecv` does; and, if there is a place for a sender, `WSARecvFrom` of a datagram.
///
/// # Safety
/// As for them.
pub(super) unsafe fn receive_into(
    socket: &Arc<Socket>,
    (buffers, count): (*const CallerBuffer, u32),
    received: *mut u32,
    flags: *mut u32,
    sender: Option<Sender>,
    overlapped: *mut CallerOverlapped,
    routine: *const libc::c_void,
) -> Outcome<()> {
    if flags.is_null() {
        return Err(wsa::FAULT);
    }
    // SAFETY: passed on to the caller.
    let asked = unsafe { *flags };
    if overlapped.is_null() || !socket.is(flag::OVERLAPPED) {
        let receive = |list: &mut [RawBuffer]| match sender {
            // SAFETY: passed on to the caller.
            Some(sender) => unsafe { socket.receive_from(list, asked, sender) },
            None => socket.receive(list, asked, false),
        };
        // SAFETY: passed on to the caller.
        let came = unsafe { with_buffers(buffers, count, receive) }?;
        // SAFETY: passed on to the caller.
        unsafe {
            put_count(received, came.bytes);
            flags.write(if came.is_cut { PARTIAL } else { 0 });
        }
        return match came.is_cut {
            true => Err(wsa::MESSAGE_SIZE),
            false => Ok(()),
        };
    }
    check_overlapped(socket, asked & !PARTIAL, routine)?;
    // SAFETY: passed on to the caller.
    let (record, one) = unsafe { begin_with(socket, buffers, count, overlapped) }?;
    let nowhere = (std::ptr::null_mut(), std::ptr::null_mut());
    let bytes = match socket.is_stream() {
        // SAFETY: passed on to the caller.
        true => unsafe { socket.receive_overlapped(record, one, asked) },
        false => socket.receive_datagram(record, one, sender.unwrap_or(nowhere)),
    }?;
    // SAFETY: passed on to the caller.
    unsafe {
        put_count(received, bytes);
        flags.write(0);
    }
    Ok(())
}

/// What is not to be had with an OVERLAPPED.
pub(super) fn check_overlapped(
    socket: &Socket,
    flags: u32,
    routine: *const libc::c_void,
) -> Outcome<()> {
    if !routine.is_null() || flags & (PEEK | OOB) != 0 {
        return Err(wsa::NOT_SUPPORTED);
    }
    if flags & WAIT_ALL != 0 && socket.is(flag::NON_BLOCKING) {
        return Err(wsa::NOT_SUPPORTED);
    }
    Ok(())
}

/// A record with the caller's buffers, if they are several; and the first of them.
///
/// # Safety
/// As for `WSARecv`.
pub(super) unsafe fn begin_with(
    socket: &Arc<Socket>,
    buffers: *const CallerBuffer,
    count: u32,
    overlapped: *mut CallerOverlapped,
) -> Outcome<(Box<Record>, RawBuffer)> {
    // SAFETY: passed on to the caller.
    let mut list = unsafe { read_buffers(buffers, count) }?;
    // SAFETY: passed on to the caller.
    let mut record = unsafe { operation::begin(overlapped, socket) };
    if list.len() == 1 {
        return Ok((record, list.next().unwrap_or(RawBuffer::EMPTY)));
    }
    record.keep_buffers(list);
    Ok((record, RawBuffer::EMPTY))
}

/// Sends from several buffers. With an OVERLAPPED it does not wait: 997 is that it is under way.
///
/// # Safety
/// As for `WSARecv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSASend(
    socket: usize,
    buffers: *const CallerBuffer,
    count: u32,
    sent: *mut u32,
    flags: u32,
    overlapped: *mut CallerOverlapped,
    routine: *const libc::c_void,
) -> i32 {
    call::status(|| {
        let list = (buffers, count);
        // SAFETY: passed on to the caller.
        unsafe { send_from(&find(socket)?, list, sent, flags, overlapped, routine) }
    })
}

/// What `WSASend` does.
///
/// # Safety
/// As for it.
pub(super) unsafe fn send_from(
    socket: &Arc<Socket>,
    (buffers, count): (*const CallerBuffer, u32),
    sent: *mut u32,
    flags: u32,
    overlapped: *mut CallerOverlapped,
    routine: *const libc::c_void,
) -> Outcome<()> {
    let bytes = if overlapped.is_null() || !socket.is(flag::OVERLAPPED) {
        let send = |list: &mut [RawBuffer]| socket.send(list, flags, None);
        // SAFETY: passed on to the caller.
        unsafe { with_buffers(buffers, count, send) }?
    } else {
        if !routine.is_null() || flags & OOB != 0 {
            return Err(wsa::NOT_SUPPORTED);
        }
        // SAFETY: passed on to the caller.
        let (record, one) = unsafe { begin_with(socket, buffers, count, overlapped) }?;
        match socket.is_stream() {
            true => socket.send_overlapped(record, one),
            false => socket.send_datagram(record, one, None),
        }?
    };
    // SAFETY: passed on to the caller.
    unsafe { put_count(sent, bytes) };
    Ok(())
}

/// ReadFile of a socket: a WSARecv into one buffer.
///
/// # Safety
/// As for [`WSARecv`].
pub(crate) unsafe fn read_file(
    socket: usize,
    start: *mut u8,
    len: u32,
    count: *mut u32,
    overlapped: *mut CallerOverlapped,
) -> i32 {
    let (buffer, mut flags) = (CallerBuffer { len, start }, 0);
    let (list, flags) = (&raw const buffer, &raw mut flags);
    // SAFETY: passed on to the caller; the list is read within the call.
    let result = unsafe { WSARecv(socket, list, 1, count, flags, overlapped, std::ptr::null()) };
    i32::from(result == 0)
}

/// WriteFile of a socket: a WSASend from one buffer.
///
/// # Safety
/// As for [`WSASend`].
pub(crate) unsafe fn write_file(
    socket: usize,
    start: *const u8,
    len: u32,
    count: *mut u32,
    overlapped: *mut CallerOverlapped,
) -> i32 {
    let start = start.cast_mut();
    let buffer = CallerBuffer { len, start };
    let list = &raw const buffer;
    // SAFETY: passed on to the caller; the list is read within the call.
    let result = unsafe { WSASend(socket, list, 1, count, 0, overlapped, std::ptr::null()) };
    i32::from(result == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_behind_some_bytes() {
        let mut memory = [0_u8; 10];
        let start = memory.as_mut_ptr();
        let buffer = |at: usize, len| RawBuffer {
            start: start.wrapping_add(at),
            len,
        };
        let lens = |bytes| {
            let mut list = [buffer(0, 3), buffer(3, 0), buffer(3, 7)];
            let left = behind(&mut list, bytes);
            let lens: Vec<_> = left
                .iter()
                .map(|left| (left.start as usize - start as usize, left.len))
                .collect();
            lens
        };
        assert_eq!(lens(0), [(0, 3), (3, 0), (3, 7)]);
        assert_eq!(lens(2), [(2, 1), (3, 0), (3, 7)]);
        assert_eq!(lens(3), [(3, 7)], "empty ones go with those before them");
        assert_eq!(lens(9), [(9, 1)]);
        assert_eq!(lens(10), []);
    }
}
