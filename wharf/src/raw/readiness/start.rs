//! Starting operations: each is put into its line, and begun at once if that is worth a try.

use std::{io, ptr::NonNull, time::Instant};

use super::{
    handles::Handles,
    member,
    port::Port,
    results::{Handover, Results},
    side::Ready,
    transfer::Pending,
};
use crate::{
    driver::{Transfer, codes},
    raw::{
        Completed, Direction, Handle, Kind, LockedEntry, OperationId, Overlapped, Queued, Request,
        shape::Operations,
    },
    user_code::log,
};

/// Where the results of a transfer go that may end the operation within the call that starts it.
struct AtOnce<'a> {
    port: &'a Port,
    operation: NonNull<Overlapped>,
    is_done: bool,
}

impl Results for AtOnce<'_> {
    fn packet(&mut self, packet: Queued) {
        match packet {
            Queued::Operation(Completed(operation)) if operation == self.operation => {
                self.port.outstanding.dismiss(1);
                self.is_done = true;
            }
            other => self.port.outside().packet(other),
        }
    }

    fn ready(&mut self, ready: Ready) {
        self.port.release(self.port.scheduler.ready(ready));
    }

    fn count_out(&mut self, handover: &Handover) {
        self.port.outside().count_out(handover);
    }

    fn hand_over(&mut self, handover: Handover) {
        match handover.is_of(self.operation) {
            true => self.is_done = true,
            false => self.port.outside().hand_over(handover),
        }
    }

    fn make_room(&mut self, sides: usize) {
        self.port.outside().make_room(sides);
    }

    fn tells_of(&self, operation: NonNull<Overlapped>) -> bool {
        operation == self.operation
    }
}

/// The next step after an operation was put into its line.
pub(in crate::raw) enum Next {
    Nothing,
    Queue(Ready),
    Stage(Ready),
    Transfer(Pending, Transfer),
}

impl Operations for Port {
    fn follow(&self, next: Next) {
        match next {
            Next::Nothing => {}
            Next::Queue(ready) => self.release(self.scheduler.ready(ready)),
            Next::Stage(ready) => self.release(self.scheduler.stage(ready)),
            Next::Transfer(pending, transfer) => {
                self.handles
                    .transfer_here(pending, transfer, &mut self.outside());
            }
        }
    }

    fn follow_at_once(&self, next: Next, operation: NonNull<Overlapped>) -> bool {
        let Next::Transfer(pending, transfer) = next else {
            self.follow(next);
            return false;
        };
        let mut results = AtOnce {
            port: self,
            operation,
            is_done: false,
        };
        self.handles.transfer_here(pending, transfer, &mut results);
        results.is_done
    }

    #[inline(always)] // What it returns is large.
    unsafe fn put_in_line(
        &self,
        mut entry: LockedEntry<'_>,
        pointer: NonNull<Overlapped>,
        here: bool,
    ) -> io::Result<Next> {
        // SAFETY: the caller gives the operation to the port from now on.
        let operation = unsafe { pointer.as_ref() };
        let handle = operation.handle;
        if entry.kind == Kind::File {
            let refused = self.enqueue_on_file(&mut entry, handle, pointer)?;
            drop(entry);
            if let Some(error) = refused {
                log(|| tracing::warn!(%error, "no further thread for files"));
            }
            return Ok(Next::Nothing);
        }
        let direction = operation.direction();
        #[cfg(feature = "safe")]
        if direction == Direction::Read {
            // What was started before goes first.
            self.handles.make_idle(&mut entry, handle);
        }
        let side = entry.side(direction);
        match operation.request {
            Request::Shutdown => side.failure = codes::SHUT_DOWN,
            // It may wait for the disk, and what is in a batch with it would wait too.
            Request::Transmit(_) => {
                self.scheduler
                    .limit_batches(self.handles.driver.batch_max());
            }
            _ => {}
        }
        // Once it is in the line, it is read through the line only.
        let connects = operation.connects();
        // SAFETY: the caller promises that it is valid and in no line.
        unsafe { side.push(pointer) };
        let ready = Ready { handle, direction };
        if !side.enqueue() {
            return Ok(Next::Nothing);
        }
        let next = if direction == Direction::Read && !here {
            Next::Queue(ready)
        } else if !here && !connects && self.batches_for_this_thread() {
            Next::Stage(ready)
        } else {
            side.queued = false;
            let begun = Handles::begin_locked(entry, ready);
            begun.map_or(Next::Nothing, |(pending, transfer)| {
                Next::Transfer(pending, transfer)
            })
        };
        Ok(next)
    }

    fn cancel_one(&self, id: OperationId) -> bool {
        if !id.is_timer() {
            return self.handles.cancel_one(id, &mut self.outside());
        }
        let timer = self.handles.timekeeper.cancel(id);
        timer.map(|timer| self.complete_timer(timer)).is_some()
    }

    fn take_timer(&self, id: OperationId) -> Option<NonNull<Overlapped>> {
        let Completed(timer) = self.handles.timekeeper.cancel(id)?;
        self.outstanding.dismiss(1);
        Some(timer)
    }

    fn cancel_those(&self, handle: Handle, which: impl Fn(&Overlapped) -> bool) -> usize {
        self.handles
            .cancel_those(handle, which, &mut self.outside())
    }

    unsafe fn set_timer(
        &self,
        deadline: Instant,
        key: usize,
        operation: NonNull<Overlapped>,
    ) -> io::Result<OperationId> {
        self.release(self.scheduler.begin_polling());
        let driver = &*self.handles.driver;
        // SAFETY: passed on to the caller.
        let id = unsafe {
            self.handles
                .timekeeper
                .set(driver, deadline, key, operation)
        };
        if self.is_closed() {
            self.cancel_timers();
        }
        Ok(id)
    }
}

impl Port {
    /// Whether a transfer should be left for the next batch rather than be made at once: if this thread is in a
    /// handler, more work is queued, and the driver gains from batches. The transfer is then on the shared queue,
    /// where any thread can take it.
    pub(super) fn batches_for_this_thread(&self) -> bool {
        self.handles.gains_by_batches() && self.scheduler.seems_busy() && member::runs_on(self)
    }

    pub(super) fn cancel_timers(&self) {
        while let Some(timer) = self.handles.timekeeper.cancel_any() {
            self.complete_timer(timer);
        }
    }

    fn complete_timer(&self, timer: Completed) {
        self.outside().packet(Queued::Operation(timer));
    }
}
