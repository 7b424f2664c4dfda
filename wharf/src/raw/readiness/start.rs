//! Starting operations: each is put into the line that it belongs to, and begun where that is worth a try at once.

use std::{io, ptr::NonNull};

use super::{
    entry::Entry,
    member,
    port::Port,
    side::Ready,
    transfer::{Pending, Quiet, Results},
};
use crate::{
    driver::{self, Transfer, codes},
    raw::{Completed, Direction, Kind, Overlapped, Queued, Request, Status},
    sync::MutexGuard,
    user_code::log,
};

/// Where the results of a transfer go that may end the operation within the call that starts it.
struct Direct<'a> {
    port: &'a Port,
    operation: NonNull<Overlapped>,
    is_done: bool,
}

impl Results for Direct<'_> {
    fn packet(&mut self, packet: Queued) {
        match packet {
            Queued::Operation(Completed(operation)) if operation == self.operation => {
                self.is_done = true;
            }
            other => self.port.complete(other),
        }
    }

    fn ready(&mut self, ready: Ready) {
        self.port.release(self.port.scheduler.ready(ready));
    }

    fn quiet(&mut self, quiet: Quiet) {
        (&mut &*self.port).quiet(quiet);
    }
}

/// What follows from lining up an operation.
pub(in crate::raw) enum Next {
    Nothing,
    Queue(Ready),
    Stage(Ready),
    Transfer(Pending, Transfer),
}

impl Port {
    /// Has happen what follows.
    pub(in crate::raw) fn follow(&self, next: Next) {
        match next {
            Next::Nothing => {}
            Next::Queue(ready) => self.release(self.scheduler.ready(ready)),
            Next::Stage(ready) => self.release(self.scheduler.stage(ready)),
            Next::Transfer(pending, transfer) => {
                self.transfer_here(pending, transfer, &mut &*self);
            }
        }
    }

    /// As [`follow`](Self::follow). Says whether this operation ended meanwhile: then no packet tells of it.
    pub(in crate::raw) fn follow_direct(&self, next: Next, operation: NonNull<Overlapped>) -> bool {
        let Next::Transfer(pending, transfer) = next else {
            self.follow(next);
            return false;
        };
        let mut results = Direct {
            port: self,
            operation,
            is_done: false,
        };
        self.transfer_here(pending, transfer, &mut results);
        results.is_done
    }

    /// Puts an operation that has its number into the line that it belongs to, whose entry is locked. `here`: a transfer is to
    /// be made by this thread if it can be.
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    pub(in crate::raw) unsafe fn put_in_line(
        &self,
        mut entry: MutexGuard<'_, Entry>,
        pointer: NonNull<Overlapped>,
        here: bool,
    ) -> io::Result<Next> {
        // SAFETY: the caller leaves the operation to us from now on.
        let operation = unsafe { pointer.as_ref() };
        let (handle, connects) = (operation.handle, operation.connects());
        if entry.kind == Kind::File {
            let refused = self.line_up_on_file(&mut entry, handle, pointer)?;
            drop(entry);
            if let Some(error) = refused {
                log(|| tracing::warn!(%error, "no further thread for files"));
            }
            return Ok(Next::Nothing);
        }
        let direction = operation.direction();
        let side = &mut entry.sides[direction as usize];
        if matches!(operation.request, Request::Shutdown) {
            side.failure = codes::SHUT_DOWN;
        }
        // SAFETY: the caller promises that it is valid and in no line.
        unsafe { side.push(pointer) };
        let ready = Ready { handle, direction };
        if !side.enqueue() {
            return Ok(Next::Nothing);
        }
        let next = if direction == Direction::Read && !here {
            Next::Queue(ready)
        } else if !connects && !here && self.batches_for_this_thread() {
            Next::Stage(ready)
        } else {
            side.queued = false;
            let begun = Self::begin_locked(entry, ready);
            begun.map_or(Next::Nothing, |(pending, transfer)| {
                Next::Transfer(pending, transfer)
            })
        };
        Ok(next)
    }

    /// Whether a transfer should be left for the next batch rather than be made at once: if this thread is in a
    /// handler, more work waits for it, and the driver gains from batches. It then stands on the shared queue,
    /// where any thread can take it.
    fn batches_for_this_thread(&self) -> bool {
        self.driver.batch_max() > 1 && self.scheduler.seems_busy() && member::runs_on(self)
    }
}

impl Overlapped {
    /// Whether it can be started on a handle in this state. Returns the bytes that it adds to what waits to be
    /// sent.
    ///
    /// # Safety
    /// The list of buffers is in place.
    pub(in crate::raw) unsafe fn check(&mut self, entry: &Entry) -> io::Result<usize> {
        self.check_kind(entry.kind)?;
        if self.connects() && entry.sides[Direction::Write as usize].head().is_some() {
            return Err(io::Error::from_raw_os_error(codes::CONNECTS_ALREADY));
        }
        let failure = entry.sides[self.direction() as usize].failure;
        if failure != 0 {
            return Err(io::Error::from_raw_os_error(failure));
        }
        self.transferred = 0;
        self.status = Status::Pending;
        if let Request::Receive(buffers) = self.request {
            // SAFETY: passed on to the caller.
            if unsafe { buffers.len(driver::BUFFERS_PER_CALL_MAX) } == 0 {
                // Into 0 bytes is a question of its own; received as data, it would read as the end.
                self.request = Request::ReceiveNothing;
            }
        }
        // SAFETY: passed on to the caller.
        let unsent = unsafe { self.unsent() };
        entry.unsent.check(self, unsent)?;
        Ok(unsent)
    }
}
