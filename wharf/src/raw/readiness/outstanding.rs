//! What is under way: it is counted when it starts and when it is handed out, bounded, and waited for at the end.

use std::{io, ptr::NonNull, sync::atomic::Ordering};

use super::port::Port;
use crate::{
    raw::{Completed, Overlapped, Queued, Status, closed, too_many},
    scheduler::Refused,
};

/// So much of the port's operations is granted to posts at once: they need not count one by one.
const POSTS_PER_GRANT: usize = 1024;

impl Port {
    /// Queues a packet from outside; gives it back if it is refused.
    pub(crate) fn post_packet(&self, mut packet: Queued) -> Result<(), (io::Error, Queued)> {
        loop {
            packet = match self.scheduler.post(packet) {
                Ok(release) => {
                    self.release(release);
                    return Ok(());
                }
                Err(Refused::Closed(packet)) => return Err((closed(), packet)),
                Err(Refused::NoRoom(packet)) => packet,
            };
            if let Err(error) = self.make_room() {
                return Err((error, packet));
            }
        }
    }

    /// Queues an operation of the kind [`Request::Posted`](crate::raw::Request::Posted) as a packet of its own, with the
    /// number `transferred`.
    ///
    /// # Errors
    /// As for [`post`](Self::post).
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    pub unsafe fn post_overlapped(
        &self,
        mut operation: NonNull<Overlapped>,
        transferred: usize,
    ) -> io::Result<()> {
        // SAFETY: the caller leaves the operation to us from now on.
        let overlapped = unsafe { operation.as_mut() };
        overlapped.status = Status::Done;
        overlapped.transferred = transferred;
        let packet = Queued::Operation(Completed(operation));
        self.post_packet(packet).map_err(|(error, _)| error)
    }

    /// As [`close`](Self::close).
    pub(crate) fn close_queue(&self) -> Vec<Queued> {
        let (first, release) = self.scheduler.close();
        self.release(release);
        if !first {
            return Vec::new();
        }
        self.cancel_timers();
        for handle in self.table.close() {
            self.close_handle(handle);
        }
        // What nothing was posted for. No more is granted.
        let room = self.scheduler.take_room();
        self.outstanding.fetch_sub(room, Ordering::SeqCst);
        let mut queued = Vec::new();
        let mut settling = self.settling.0.lock();
        loop {
            let before = queued.len();
            self.scheduler.drain(&mut queued);
            let drained = queued.len() - before;
            if self.outstanding.fetch_sub(drained, Ordering::SeqCst) == drained {
                break;
            }
            settling = self.settling.1.wait(settling, None);
        }
        drop(settling);
        self.watcher.end();
        self.files.end();
        queued
    }

    /// Counts an operation as started, and makes room for its packet.
    pub(in crate::raw) fn admit(&self) -> io::Result<()> {
        let mut outstanding = self.outstanding.fetch_add(1, Ordering::SeqCst) + 1;
        if outstanding > self.operations_max {
            let room = self.scheduler.take_room();
            outstanding = self.outstanding.fetch_sub(room, Ordering::SeqCst) - room;
        }
        let refused = if self.is_closed() {
            closed()
        } else if outstanding > self.operations_max {
            too_many(self.operations_max)
        } else {
            if outstanding > self.reserved.load(Ordering::Relaxed) {
                let room = outstanding.next_power_of_two().max(64);
                self.scheduler.reserve(room, 0);
                self.reserved.fetch_max(room, Ordering::Relaxed);
            }
            return Ok(());
        };
        self.dismiss(1);
        Err(refused)
    }

    /// Makes room for posts, out of the port's operations.
    fn make_room(&self) -> io::Result<()> {
        let granted = |outstanding: usize| {
            let left = self.operations_max.saturating_sub(outstanding);
            left.min(POSTS_PER_GRANT)
        };
        let before = self
            .outstanding
            .update(Ordering::SeqCst, Ordering::SeqCst, |outstanding| {
                outstanding + granted(outstanding)
            });
        match self.scheduler.grant(granted(before)) {
            Some(0) => Err(too_many(self.operations_max)),
            Some(_) => Ok(()),
            None => {
                self.dismiss(granted(before));
                Err(closed())
            }
        }
    }

    /// How many operations are under way. What is granted to posts and not used is none.
    pub(super) fn under_way(&self) -> usize {
        let outstanding = self.outstanding.load(Ordering::SeqCst);
        outstanding.saturating_sub(self.scheduler.room())
    }

    /// Counts operations as handed out, or as never started.
    pub(in crate::raw) fn dismiss(&self, count: usize) {
        if count == 0 {
            return;
        }
        self.outstanding.fetch_sub(count, Ordering::SeqCst);
        self.settle();
    }

    /// Queues a packet that was completed outside of a wait.
    pub(super) fn complete(&self, packet: Queued) {
        self.release(self.scheduler.complete(packet));
        self.settle();
    }

    /// Tells the thread that closes the port that something ended.
    pub(super) fn settle(&self) {
        if self.is_closed() {
            drop(self.settling.0.lock());
            self.settling.1.notify_one();
        }
    }
}
