//! Timers: the driver reports the earliest deadline, and whoever hears of it fires what is due.

use std::{io, ptr::NonNull, time::Instant};

use super::port::Port;
use crate::{
    driver::codes,
    raw::{Completed, Handle, OperationId, Overlapped, Queued, Status},
    sync::now,
};

impl Port {
    /// Starts a timer: an operation of the kind [`Request::Timer`](crate::raw::Request::Timer) that completes at
    /// `deadline`, never earlier.
    ///
    /// # Errors
    /// As for [`post`](Self::post).
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    pub unsafe fn start_timer(
        &self,
        deadline: Instant,
        key: usize,
        mut operation: NonNull<Overlapped>,
    ) -> io::Result<OperationId> {
        self.admit()?;
        self.release(self.scheduler.watch());
        let sequence = {
            let mut timers = self.timers.lock();
            // SAFETY: the caller leaves the operation to us from now on.
            let overlapped = unsafe { operation.as_mut() };
            overlapped.key = key;
            overlapped.sequence = timers.next_number();
            timers.set(deadline, Completed(operation))
        };
        self.arm();
        if self.is_closed() {
            self.cancel_timers();
        }
        Ok(OperationId {
            handle: Handle::NONE,
            sequence,
        })
    }

    /// Has the driver report the earliest deadline. The call is made without the lock, so it is made again if the
    /// earliest changed meanwhile: whoever calls last looks last.
    fn arm(&self) {
        let mut armed = self.timers.lock().earliest();
        loop {
            let delay = armed.map(|deadline| deadline.saturating_duration_since(now()));
            self.driver.arm(delay);
            let earliest = self.timers.lock().earliest();
            if earliest == armed {
                return;
            }
            armed = earliest;
        }
    }

    /// Completes the timers that are due, and queues their packets; says whether there were any.
    pub(super) fn fire_timers(&self) -> bool {
        let mut any = false;
        {
            let mut timers = self.timers.lock();
            while let Some(Completed(mut operation)) = timers.take_due(now()) {
                // SAFETY: it was among the timers, so it is valid; out of them, it is ours.
                unsafe { operation.as_mut() }.status = Status::Done;
                // Under the timers' lock: so they stand in the order of their deadlines, whoever else fires some.
                let packet = Queued::Operation(Completed(operation));
                self.scheduler.line_up(packet);
                any = true;
            }
        }
        self.arm();
        any
    }

    /// Cancels one timer. Says whether it was found.
    pub(super) fn cancel_timer(&self, number: u64) -> bool {
        let timer = self.timers.lock().cancel(number);
        timer.map(|timer| self.complete_cancelled(timer)).is_some()
    }

    pub(super) fn cancel_timers(&self) {
        loop {
            let Some(timer) = self.timers.lock().take_any() else {
                return;
            };
            self.complete_cancelled(timer);
        }
    }

    fn complete_cancelled(&self, Completed(mut operation): Completed) {
        let status = Status::Failed(codes::CANCELLED);
        // SAFETY: it was among the timers, so it is valid; out of them, it is ours.
        unsafe { operation.as_mut() }.status = status;
        self.complete(Queued::Operation(Completed(operation)));
    }
}
