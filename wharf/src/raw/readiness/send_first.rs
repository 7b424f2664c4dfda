//! Sends that are tried before there is an operation: most are taken whole by the system at once, and then none is needed.
//!
//! For sends whose success is not reported. The thread has the side to itself as in a [transfer](super::transfer), so that sends
//! of other threads go behind this one. What the system does not take at once becomes an operation at the head of the line,
//! before the thread gives the side back.

use std::ptr::NonNull;

use super::{
    entry::Entry,
    handles::Handles,
    port::Port,
    results::{FollowUp, Results},
    side::Ready,
    transfer::Pending,
};
use crate::{
    driver::{Call, Outcome, Transfer},
    raw::{
        Direction, Handle, Kind, OperationId, Overlapped, RawBuffer, Status,
        shape::{Sends, Tried},
    },
};

/// A send that was tried, and has not ended. This thread has the side, until the send [goes on](Sends::go_on_sending).
#[derive(Debug)]
pub(crate) struct BegunSend {
    id: OperationId,
    bytes: usize,
    /// The edges seen when it began.
    tick: u32,
    transfer: Transfer,
}

impl Sends for Port {
    unsafe fn send_first(&self, handle: Handle, bytes: RawBuffer) -> Tried {
        if self.outstanding.is_full() || self.batches_for_this_thread() {
            return Tried::Not;
        }
        // SAFETY: passed on to the caller.
        let (tried, is_counted) = unsafe {
            let is_closed = || self.is_closed();
            self.handles
                .send_first(handle, bytes, is_closed, &mut self.outside())
        };
        if is_counted {
            self.outstanding.dismiss(1);
        }
        tried
    }

    unsafe fn go_on_sending(
        &self,
        begun: BegunSend,
        operation: NonNull<Overlapped>,
    ) -> OperationId {
        // Before it is counted, since that is done under a lock.
        self.make_room_for(self.outstanding.count() + 1);
        let count = || self.outstanding.exceed();
        let results = &mut self.outside();
        // SAFETY: passed on to the caller.
        unsafe { self.handles.go_on_sending(begun, operation, count, results) }
    }

    fn batches_sends(&self) -> bool {
        self.batches_for_this_thread()
    }
}

impl Port {
    /// The port closes, and this handle next: a send that another thread has begun on it counts as an operation from now on.
    pub(super) fn count_begun_send(&self, handle: Handle) {
        let Some(mut entry) = self.handles.table.lock(handle) else {
            return;
        };
        let side = entry.side(Direction::Write);
        if !side.begun {
            return;
        }
        side.begun_is_counted = true;
        // Under the lock, so that it is counted before it ends.
        let count = self.outstanding.exceed();
        drop(entry);
        self.make_room_for(count);
    }
}

impl Handles {
    /// Returns also whether it has ended and was counted.
    ///
    /// # Safety
    /// As for [`Sends::send_first`].
    #[inline]
    unsafe fn send_first(
        &self,
        handle: Handle,
        bytes: RawBuffer,
        is_closed: impl Fn() -> bool,
        results: &mut impl Results,
    ) -> (Tried, bool) {
        let Some(mut begun) = self.begin_to_send(handle, bytes, is_closed) else {
            return (Tried::Not, false);
        };
        // SAFETY: the side is busy, so the descriptor stays open; the caller promises that the memory is valid.
        unsafe {
            self.driver
                .transfer(std::slice::from_mut(&mut begun.transfer));
        }
        match begun.transfer.outcome {
            Outcome::Moved(count) if count == bytes.len => {
                let is_counted = self.end_sending(&begun, results);
                (Tried::Sent(begun.id), is_counted)
            }
            _ => (Tried::Begun(begun), false),
        }
    }

    /// Has the write side of a stream for this thread, if a send can be made at once.
    fn begin_to_send(
        &self,
        handle: Handle,
        bytes: RawBuffer,
        is_closed: impl Fn() -> bool,
    ) -> Option<BegunSend> {
        let mut entry = self.table.open(handle).ok()?;
        // Under the lock: a thread that closes the port marks it as closed first, and then looks, under the same lock, for a send
        // that is begun.
        if is_closed() {
            return None;
        }
        let descriptor = entry.descriptor.as_ref()?.number();
        let is_first = entry.unsent.takes_the_first(entry.limits());
        if entry.kind != Kind::Stream || !is_first || bytes.len == 0 {
            return None;
        }
        let side = entry.side(Direction::Write);
        if !side.ready || side.busy || side.failure != 0 || side.head().is_some() {
            return None;
        }
        side.busy = true;
        side.begun = true;
        let tick = side.tick;
        entry.sequence += 1;
        entry.unsent.begin_send(bytes.len);
        Some(BegunSend {
            id: OperationId {
                handle,
                sequence: entry.sequence,
            },
            bytes: bytes.len,
            tick,
            transfer: Transfer {
                descriptor,
                slot: handle.slot(),
                call: Call::Send(bytes),
                outcome: Outcome::Untried,
            },
        })
    }

    /// The system has taken all of it. Returns whether it was counted.
    #[inline]
    fn end_sending(&self, begun: &BegunSend, results: &mut impl Results) -> bool {
        let handle = begun.id.handle;
        let mut entry = self.table.lock(handle).expect("a busy handle stays");
        entry.count_sent(begun.bytes, begun.bytes, begun.tick);
        entry.unsent.end_send(begun.bytes);
        let is_counted = entry.side(Direction::Write).end_begun();
        if entry.is_alone_with_its_send() {
            entry.side(Direction::Write).busy = false;
            return is_counted;
        }
        let direction = Direction::Write;
        self.give_back(
            entry,
            Ready { handle, direction },
            FollowUp::default(),
            results,
        );
        is_counted
    }

    /// # Safety
    /// As for [`Sends::go_on_sending`].
    #[cold]
    unsafe fn go_on_sending(
        &self,
        begun: BegunSend,
        mut pointer: NonNull<Overlapped>,
        count: impl FnOnce() -> usize,
        results: &mut impl Results,
    ) -> OperationId {
        let (id, direction) = (begun.id, Direction::Write);
        let handle = id.handle;
        let ready = Ready { handle, direction };
        let mut follow_up = FollowUp::default();
        let mut entry = self.table.lock(handle).expect("a busy handle stays");
        // A thread that closes the port locks each handle first, and waits for all that are counted by then.
        if !entry.side(direction).end_begun() {
            count();
        }
        // SAFETY: the caller gives the operation to the port from now on.
        let operation = unsafe { pointer.as_mut() };
        operation.handle = handle;
        operation.key = entry.key;
        operation.sequence = id.sequence;
        operation.transferred = 0;
        // Closing the handle has cancelled all that was under way then.
        operation.status = match entry.closing {
            true => Status::Cancelling,
            false => Status::Pending,
        };
        let waits = operation.waits;
        entry.end_marked(direction, &mut follow_up);
        // SAFETY: the caller promises that it is valid and in no line.
        unsafe { entry.side(direction).push_front(pointer) };
        drop(entry);
        follow_up.tell(results);
        let pending = Pending::of_send(ready, pointer, begun.tick, waits);
        self.finish(pending, begun.transfer, results);
        id
    }
}

impl Entry {
    /// Whether nothing follows from the end of the send that was just made: nothing stands behind it, and nothing waits for it.
    fn is_alone_with_its_send(&self) -> bool {
        let nothing_waits = self.sides[Direction::Write as usize].head().is_none();
        nothing_waits && !self.end_in_doubt && !self.closing
    }
}
