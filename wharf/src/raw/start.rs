//! Starting and cancelling operations, on either shape of the port.

use std::{io, ptr::NonNull, time::Instant};

#[cfg(feature = "safe")]
use super::{
    BegunSend, RawBuffer,
    shape::{Sends, Tried},
};
use super::{
    Buffers, Direction, Entry, Handle, Kind, LockedEntry, Next, OperationId, Overlapped, Packet,
    Port, PortError, Request, Started, Status,
    shape::{Operations, Packets, Parts},
};
use crate::driver::codes;

/// How an operation is to be started.
#[derive(Debug, Clone, Copy)]
enum How {
    /// Any thread may carry it out.
    Any,
    /// This thread carries out what can be done at once.
    Here,
    /// Not while a send is under way.
    Alone,
}

impl Port {
    /// Starts an operation on a handle. One packet follows when it has ended, with the result; unless its end is told
    /// [otherwise](super::OnEnd).
    ///
    /// # Errors
    /// Nothing was started and no packet follows: the port or handle is closed, the direction has failed or is
    /// shut down, the handle is not of the kind that the operation needs, too many bytes wait to be sent
    /// ([`WouldBlock`](io::ErrorKind::WouldBlock)), too many operations are under way
    /// ([`QuotaExceeded`](io::ErrorKind::QuotaExceeded)), or the request is not possible
    /// ([`InvalidInput`](io::ErrorKind::InvalidInput)).
    ///
    /// # Safety
    /// If this succeeds, then until the operation is handed out, on any thread (by a wait, by [`close`](Self::close), by
    /// [`start_skip_port`](Self::start_skip_port) or to the function of its [`OnEnd`](super::OnEnd)): the operation, its
    /// buffers and their list stay valid and in place; the operation and the memory that is received into are neither read nor
    /// written; and the memory that is sent from is not written. `operation` is not started already.
    pub unsafe fn start(
        &self,
        handle: Handle,
        operation: NonNull<Overlapped>,
    ) -> io::Result<OperationId> {
        // SAFETY: passed on to the caller.
        let (id, ()) =
            unsafe { self.enqueue(handle, operation, How::Any, |next| self.follow(next)) }?;
        Ok(id)
    }

    /// Starts an operation as [`start`](Self::start) does, unless a send is under way on the handle.
    ///
    /// # Errors
    /// As for [`start`](Self::start); and [`WouldBlock`](io::ErrorKind::WouldBlock) if a send is under way.
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    #[inline(always)]
    pub unsafe fn start_alone(
        &self,
        handle: Handle,
        operation: NonNull<Overlapped>,
    ) -> io::Result<OperationId> {
        // SAFETY: passed on to the caller.
        let (id, ()) =
            unsafe { self.enqueue(handle, operation, How::Alone, |next| self.follow(next)) }?;
        Ok(id)
    }

    /// Starts an operation, and gives it back at once if it ended within the call, with success or not: then neither does a
    /// packet follow, nor is it handed to the function of its [`OnEnd`](super::OnEnd). Windows has this as a mode of the handle
    /// (`FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`); here it is chosen for each operation.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    pub unsafe fn start_skip_port(
        &self,
        handle: Handle,
        operation: NonNull<Overlapped>,
    ) -> io::Result<Started> {
        let then = |next| self.follow_at_once(next, operation);
        // SAFETY: passed on to the caller.
        let (id, is_done) = unsafe { self.enqueue(handle, operation, How::Here, then) }?;
        if !is_done {
            return Ok(Started::Pending(id));
        }
        // SAFETY: it has ended, and no packet follows: it is handed out here.
        Ok(Started::Completed(unsafe { Packet::of(operation) }))
    }

    /// Starts a send as [`start_skip_port`](Self::start_skip_port) does; but in a handler, while more work is queued and the driver
    /// gains by batches, it is left for the next batch, as [`start`](Self::start) leaves it, and is pending.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    #[cfg(unix)]
    pub unsafe fn start_here_or_batch(
        &self,
        handle: Handle,
        operation: NonNull<Overlapped>,
    ) -> io::Result<Started> {
        let then = |next| self.follow_at_once(next, operation);
        // SAFETY: passed on to the caller.
        let (id, is_done) = unsafe { self.enqueue(handle, operation, How::Any, then) }?;
        if !is_done {
            return Ok(Started::Pending(id));
        }
        // SAFETY: it has ended, and no packet follows: it is handed out here.
        Ok(Started::Completed(unsafe { Packet::of(operation) }))
    }

    /// Sends bytes on a stream at once, if nothing goes before them.
    ///
    /// # Safety
    /// As for [`Sends::send_first`].
    #[cfg(feature = "safe")]
    #[inline]
    pub(crate) unsafe fn send_first(&self, handle: Handle, bytes: RawBuffer) -> Tried {
        // SAFETY: passed on to the caller.
        unsafe { Sends::send_first(self, handle, bytes) }
    }

    /// Goes on with a send that was begun, as this operation.
    ///
    /// # Safety
    /// As for [`Sends::go_on_sending`].
    #[cfg(feature = "safe")]
    pub(crate) unsafe fn go_on_sending(
        &self,
        begun: BegunSend,
        operation: NonNull<Overlapped>,
    ) -> OperationId {
        // SAFETY: passed on to the caller.
        unsafe { Sends::go_on_sending(self, begun, operation) }
    }

    /// Starts a timer: an operation of the kind [`Request::Timer`] that completes at `deadline`, never earlier. On Windows it may
    /// be later by as much as a tick of the system's clock, some 16 milliseconds.
    ///
    /// # Errors
    /// As for [`post`](Self::post); on Windows also the system's, where it has no thread for the first of them.
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    pub unsafe fn start_timer(
        &self,
        deadline: Instant,
        key: usize,
        operation: NonNull<Overlapped>,
    ) -> io::Result<OperationId> {
        self.admit()?;
        // SAFETY: passed on to the caller.
        let set = unsafe { self.set_timer(deadline, key, operation) };
        set.inspect_err(|_| self.dismiss(1))
    }

    /// Counts an operation, puts it into the line that it belongs to, and does `then` with the next step, under no lock.
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    #[inline(always)] // The next step is large, and would be copied.
    unsafe fn enqueue<T>(
        &self,
        handle: Handle,
        mut pointer: NonNull<Overlapped>,
        how: How,
        then: impl FnOnce(Next) -> T,
    ) -> io::Result<(OperationId, T)> {
        self.admit()?;
        // SAFETY: passed on to the caller; nothing else uses the operation before it is in its line.
        let enqueued = unsafe {
            let prepared = self.prepare_to_enqueue(handle, pointer.as_mut(), how);
            let id = pointer.as_ref().id();
            prepared.and_then(|entry| {
                let next = self.put_in_line(entry, pointer, matches!(how, How::Here))?;
                Ok((id, then(next)))
            })
        };
        if enqueued.is_err() {
            self.dismiss(1);
        }
        enqueued
    }

    /// Checks that an operation can be started, numbers it, and counts what it sends. Returns the state of its handle.
    ///
    /// # Safety
    /// The list of buffers is in place.
    #[inline]
    unsafe fn prepare_to_enqueue(
        &self,
        handle: Handle,
        operation: &mut Overlapped,
        how: How,
    ) -> io::Result<LockedEntry<'_>> {
        let mut entry = self.table().open(handle)?;
        // SAFETY: passed on to the caller.
        let unsent = unsafe { check(operation, &entry) }?;
        if matches!(how, How::Alone) {
            entry.unsent.check_alone()?;
        }
        entry.sequence += 1;
        if operation.direction() == Direction::Write {
            entry.unsent.begin(operation, unsent);
        }
        operation.handle = handle;
        operation.key = entry.key;
        operation.sequence = entry.sequence;
        Ok(entry)
    }

    /// Cancels one operation. Its packet follows, as for any other: with an error that
    /// [`is_cancelled`](super::is_cancelled) knows, or with its result if that came first.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound): it has finished already. Nothing changes.
    pub fn cancel(&self, id: OperationId) -> io::Result<()> {
        match self.cancel_one(id) {
            true => Ok(()),
            false => Err(PortError::NotUnderWay.into()),
        }
    }

    /// Cancels a timer without a packet: the operation is the caller's again when this returns, and its
    /// [`error`](Overlapped::error) is one that [`is_cancelled`](super::is_cancelled) knows. No system call is made.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound): the timer's time has come, or it was cancelled before, and it has had its packet or
    /// will have it; or the operation is none of a timer. Nothing changes.
    pub fn cancel_timer_quietly(&self, id: OperationId) -> io::Result<NonNull<Overlapped>> {
        let timer = self.take_timer(id);
        timer.ok_or_else(|| PortError::NotUnderWay.into())
    }

    /// Cancels all operations of a handle; returns how many there were.
    pub fn cancel_all(&self, handle: Handle) -> usize {
        self.cancel_those(handle, |_| true)
    }

    /// Cancels the operations of a handle that `which` accepts; returns how many there were. `which` is called under locks of the
    /// port's, so it may only look.
    pub fn cancel_matching(&self, handle: Handle, which: impl Fn(&Overlapped) -> bool) -> usize {
        self.cancel_those(handle, which)
    }

    /// Cancels the receives, accepts and waits for data of a handle; returns how many there were.
    pub fn cancel_receives(&self, handle: Handle) -> usize {
        self.cancel_those(handle, |operation| operation.direction() == Direction::Read)
    }
}

/// Checks that an operation can be started on a handle in this state, and makes it ready for that. Returns the bytes that it
/// adds to what waits to be sent.
///
/// # Safety
/// The list of buffers is in place.
#[inline(always)]
unsafe fn check(operation: &mut Overlapped, entry: &Entry) -> io::Result<usize> {
    operation.transferred = 0;
    operation.status = Status::Pending;
    // What a server starts most often is asked the fewest questions.
    match (&operation.request, entry.kind, entry.failure_of(operation)) {
        (Request::ReceiveProvided(_), Kind::Stream, 0) => Ok(0),
        (Request::Send(Buffers::One(bytes)), Kind::Stream, 0) => {
            entry.unsent.check_send(bytes.len, entry.limits())?;
            Ok(bytes.len)
        }
        // SAFETY: passed on to the caller.
        _ => unsafe { check_further(operation, entry) },
    }
}

/// As [`check`], with all questions.
///
/// # Safety
/// As there.
#[inline(never)]
unsafe fn check_further(operation: &mut Overlapped, entry: &Entry) -> io::Result<usize> {
    operation.check_kind(entry.kind)?;
    if operation.connects() && entry.has_under_way(Direction::Write) {
        return Err(io::Error::from_raw_os_error(codes::CONNECTS_ALREADY));
    }
    let failure = entry.failure_of(operation);
    if failure != 0 {
        return Err(io::Error::from_raw_os_error(failure));
    }
    if let Request::Receive(buffers) | Request::ReceiveAll(buffers) = operation.request {
        // SAFETY: passed on to the caller.
        if unsafe { buffers.len(usize::MAX) } == 0 {
            // A receive into 0 bytes is a request of its own; as an ordinary one, its result of 0 would mean the end.
            operation.request = Request::ReceiveNothing;
        }
    }
    // SAFETY: passed on to the caller.
    let unsent = unsafe { operation.unsent() };
    entry.unsent.check(operation, unsent, entry.limits())?;
    Ok(unsent)
}
