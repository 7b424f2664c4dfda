//! The port: what both shapes do in the same way, each on what it does in its own.

use std::{fmt, io, ptr::NonNull, sync::Arc, time::Duration};

use super::{
    Answer, Descriptor, Direction, End, Entry, Handle, Kind, Many, Next, OperationId, Overlapped,
    Packet, Port, Queued, Started, closed,
};
use crate::{driver::DriverInfo, sync::MutexGuard};

/// How an operation is to be started.
#[derive(Debug, Clone, Copy)]
enum How {
    /// Whoever comes by may carry it out.
    Any,
    /// What can be done at once is to be done by this thread.
    Here,
    /// Not while a send is under way.
    Alone,
}

impl fmt::Debug for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Port")
            .field("driver", &self.info.name)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Port {
    /// The driver that was chosen.
    pub fn driver(&self) -> &DriverInfo {
        &self.info
    }

    /// Sets the most bytes that may wait to be sent on a handle. A send that would pass it is refused, unless
    /// nothing waits. No limit is set at first.
    ///
    /// # Errors
    /// The handle is closed.
    pub fn set_unsent_max(&self, handle: Handle, bytes: usize) -> io::Result<()> {
        self.open_entry(handle)?.unsent.bytes_max = bytes;
        Ok(())
    }

    /// Sets the most sends that may be under way on a handle. One more is refused. No limit is set at first.
    ///
    /// # Errors
    /// The handle is closed.
    pub fn set_sends_max(&self, handle: Handle, sends: u32) -> io::Result<()> {
        self.open_entry(handle)?.unsent.sends_max = sends;
        Ok(())
    }

    /// Bytes of started sends that the system has not taken yet, as far as is known. 0 for a handle that is closed.
    pub fn unsent(&self, handle: Handle) -> usize {
        self.table
            .lock(handle)
            .map_or(0, |entry| entry.unsent.bytes)
    }

    /// Bytes received and sent so far. None for a handle that is closed.
    pub fn traffic(&self, handle: Handle) -> Option<(u64, u64)> {
        let entry = self.table.lock(handle)?;
        Some((entry.received, entry.sent))
    }

    pub(super) fn open_entry(&self, handle: Handle) -> io::Result<MutexGuard<'_, Entry>> {
        let entry = self.table.lock(handle).ok_or_else(closed)?;
        match entry.closing {
            true => Err(closed()),
            false => Ok(entry),
        }
    }

    /// Starts an operation on a handle. One packet follows, whenever it is done, with the result; unless it is
    /// [quiet](Overlapped::quiet).
    ///
    /// # Errors
    /// Nothing was started and no packet follows: the port or handle is closed, the direction has failed or is
    /// shut down, the handle is not of the kind that the operation needs, too much waits to be sent
    /// ([`WouldBlock`](io::ErrorKind::WouldBlock)), too many operations are under way
    /// ([`QuotaExceeded`](io::ErrorKind::QuotaExceeded)), or the request is not possible
    /// ([`InvalidInput`](io::ErrorKind::InvalidInput)).
    ///
    /// # Safety
    /// If this succeeds, until the packet is handed out by a wait, by [`close`](Self::close) or to `quiet`, on
    /// whatever thread that is: the operation, its buffers and their list stay valid and in place; the operation
    /// and the memory that is received into are neither read nor written; and the memory that is sent from is not
    /// written. `operation` is not started already.
    pub unsafe fn start(
        &self,
        handle: Handle,
        operation: NonNull<Overlapped>,
    ) -> io::Result<OperationId> {
        // SAFETY: passed on to the caller.
        let (id, next) = unsafe { self.line_up(handle, operation, How::Any) }?;
        self.follow(next);
        Ok(id)
    }

    /// Starts an operation as [`start`](Self::start) does, unless a send is under way on the handle.
    ///
    /// # Errors
    /// As for [`start`](Self::start); and [`WouldBlock`](io::ErrorKind::WouldBlock) if a send is under way.
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    pub unsafe fn start_alone(
        &self,
        handle: Handle,
        operation: NonNull<Overlapped>,
    ) -> io::Result<OperationId> {
        // SAFETY: passed on to the caller.
        let (id, next) = unsafe { self.line_up(handle, operation, How::Alone) }?;
        self.follow(next);
        Ok(id)
    }

    /// Starts an operation, and gives it back at once if it ended within the call, well or not: then no packet follows, and
    /// it is not [quiet](Overlapped::quiet) either. What Windows has as a mode of the handle
    /// (`FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`) is chosen for each operation here.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    pub unsafe fn start_direct(
        &self,
        handle: Handle,
        operation: NonNull<Overlapped>,
    ) -> io::Result<Started> {
        // SAFETY: passed on to the caller.
        let (id, next) = unsafe { self.line_up(handle, operation, How::Here) }?;
        if !self.follow_direct(next, operation) {
            return Ok(Started::Pending(id));
        }
        self.dismiss(1);
        // SAFETY: it has ended, and no packet tells of it: it is handed out here.
        Ok(Started::Done(unsafe { Packet::of(operation) }))
    }

    /// Counts an operation, and puts it into the line that it belongs to.
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    unsafe fn line_up(
        &self,
        handle: Handle,
        operation: NonNull<Overlapped>,
        how: How,
    ) -> io::Result<(OperationId, Next)> {
        self.admit()?;
        // SAFETY: passed on to the caller.
        let lined_up = unsafe { self.line_up_counted(handle, operation, how) };
        lined_up.inspect_err(|_| self.dismiss(1))
    }

    /// # Safety
    /// As for [`start`](Self::start).
    unsafe fn line_up_counted(
        &self,
        handle: Handle,
        mut pointer: NonNull<Overlapped>,
        how: How,
    ) -> io::Result<(OperationId, Next)> {
        let mut entry = self.open_entry(handle)?;
        // SAFETY: the caller leaves the operation to us from now on.
        let operation = unsafe { pointer.as_mut() };
        // SAFETY: the caller promises that the list of buffers is in place.
        let unsent = unsafe { operation.check(&entry) }?;
        if matches!(how, How::Alone) {
            entry.unsent.check_alone()?;
        }
        entry.sequence += 1;
        entry.unsent.begin(operation, unsent);
        operation.handle = handle;
        operation.key = entry.key;
        operation.sequence = entry.sequence;
        let id = operation.id();
        // SAFETY: passed on to the caller.
        let next = unsafe { self.put_in_line(entry, pointer, matches!(how, How::Here)) }?;
        Ok((id, next))
    }

    /// Cancels one operation. Its packet follows, as for any other: with an error that
    /// [`is_cancelled`](crate::is_cancelled) knows, or with its result if that came first.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound): it has finished already. Nothing changes.
    pub fn cancel(&self, id: OperationId) -> io::Result<()> {
        match self.cancel_one(id) {
            true => Ok(()),
            false => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the operation has finished",
            )),
        }
    }

    /// Cancels all operations of a handle; says how many there were.
    pub fn cancel_all(&self, handle: Handle) -> usize {
        self.cancel_those(handle, |_| true)
    }

    /// Cancels the receives, accepts and waits for data of a handle; says how many there were.
    pub fn cancel_receives(&self, handle: Handle) -> usize {
        self.cancel_those(handle, |operation| operation.direction() == Direction::Read)
    }

    /// Gives a descriptor a place, unless the port is closed meanwhile.
    pub(super) fn insert(
        &self,
        descriptor: Descriptor,
        key: usize,
        kind: Kind,
    ) -> io::Result<Handle> {
        let handle = self.table.insert(descriptor, key, kind)?;
        if self.is_closed() {
            // Who closes the port may have listed its handles before this one was there.
            self.close_handle(handle);
            return Err(closed());
        }
        Ok(handle)
    }

    /// Closes a handle: its operations complete as cancelled, and its descriptor is closed as soon as no thread
    /// transfers for it. Says whether it was open.
    pub fn close_handle(&self, handle: Handle) -> bool {
        match self.open_entry(handle) {
            Ok(entry) => {
                self.close_entry(handle, entry);
                true
            }
            Err(_) => false,
        }
    }

    /// Queues a packet of the caller's own: any key, any number, any token.
    ///
    /// # Errors
    /// The port is closed, too many packets and operations are under way
    /// ([`QuotaExceeded`](io::ErrorKind::QuotaExceeded)), or, on Windows, the system has no memory for it.
    pub fn post(&self, key: usize, transferred: usize, token: u64) -> io::Result<()> {
        let packet = Queued::Posted {
            key,
            transferred,
            token,
        };
        self.post_packet(packet).map_err(|(error, _)| error)
    }

    /// Waits for one packet, for `timeout` at most; `None` is for ever, zero only looks. Never shorter than asked.
    ///
    /// The calling thread counts as running from the packet on until it next waits, on this port or on another, or
    /// ends; or is found to block.
    ///
    /// # Errors
    /// The system can't wait. None is known to happen.
    pub fn wait(self: &Arc<Self>, timeout: Option<Duration>) -> io::Result<Answer> {
        Ok(match self.wait_one(timeout)? {
            Ok(queued) => Answer::Packet(queued.into_packet()),
            Err(End::TimedOut) => Answer::TimedOut,
            Err(End::Closed) => Answer::Closed,
        })
    }

    /// Waits for up to `max` packets, and appends those that are there, at least one, to `into`, in queue order.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `max` is 0.
    pub fn wait_many(
        self: &Arc<Self>,
        into: &mut Vec<Packet>,
        max: usize,
        timeout: Option<Duration>,
    ) -> io::Result<Many> {
        self.wait_each(max, timeout, |queued| {
            into.extend(queued.map(Queued::into_packet))
        })
    }

    /// Closes the port, and returns the packets that were not handed out.
    ///
    /// 1. From now on nothing is started, associated or posted, and every wait answers that the port is closed.
    /// 2. Timers and operations are cancelled, and handles closed.
    /// 3. What is in transfer ends. With a port of our own, transfers of sockets never block, so this is soon; those of files that
    ///    have begun are waited for, and the threads of the port's own end. On Windows, the kernel's last packets are waited
    ///    for; it gives them to as many threads as may run, so that while as many compute in their handlers, this waits for one
    ///    of them.
    /// 4. What was not handed out is returned.
    ///
    /// What is started meanwhile is refused, or cancelled with the rest. A second call, or one from another thread
    /// meanwhile, returns nothing at once. May be called from a handler.
    pub fn close(&self) -> Vec<Packet> {
        let queued = self.close_queue();
        queued.into_iter().map(Queued::into_packet).collect()
    }
}
