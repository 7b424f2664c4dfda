//! Cancelling operations: an operation that has not begun is taken back; for one that the kernel has, the kernel is asked.

use std::ptr::NonNull;

use super::{
    entry::{Entry, FollowUps},
    native::Step,
    port::Port,
};
use crate::{
    driver::windows::{self, codes},
    raw::{Direction, Kind, Overlapped, Request, Status},
};

impl Port {
    pub(super) fn cancel_chosen(
        &self,
        entry: &mut Entry,
        which: impl Fn(&Overlapped) -> bool,
        follow_ups: &mut FollowUps,
    ) -> usize {
        let mut count = self.cancel_lines(entry, &which, follow_ups);
        for operation in entry.under_way.clone() {
            // SAFETY: what is under way is valid.
            if which(unsafe { operation.as_ref() }) {
                count += usize::from(self.cancel_under_way(entry, operation, follow_ups));
            }
        }
        count
    }

    /// Cancels what has not begun.
    pub(super) fn cancel_lines(
        &self,
        entry: &mut Entry,
        which: &impl Fn(&Overlapped) -> bool,
        follow_ups: &mut FollowUps,
    ) -> usize {
        let mut count = 0;
        for direction in [Direction::Read, Direction::Write] {
            while let Some(mut operation) = entry.side(direction).line.take_first(which) {
                // SAFETY: it was in the line, so it is valid; out of it, it is ours.
                let overlapped = unsafe { operation.as_mut() };
                if matches!(overlapped.request, Request::Shutdown) {
                    // The side stays open.
                    entry.side(direction).failure = entry.broken;
                }
                overlapped.close_with(entry, Status::Failed(codes::CANCELLED));
                // SAFETY: it is valid, and in no line.
                unsafe { follow_ups.ended.push(operation) };
                count += 1;
            }
        }
        count
    }

    /// Cancels what the kernel has, or a thread that finds memory for it. Says whether it was found in time.
    fn cancel_under_way(
        &self,
        entry: &mut Entry,
        mut operation: NonNull<Overlapped>,
        follow_ups: &mut FollowUps,
    ) -> bool {
        // SAFETY: what is under way is valid; the kernel writes only what it was given.
        let overlapped = unsafe { operation.as_mut() };
        if overlapped.native.step == Step::Starved {
            entry.starved = None;
            self.end_failed(entry, operation, codes::CANCELLED, follow_ups);
            return true;
        }
        let found = overlapped.native.step != Step::Finding
            && entry.descriptor.as_ref().is_some_and(|descriptor| {
                // SAFETY: it is open: we have it.
                unsafe { windows::cancel(descriptor.number(), overlapped.native.address()) }
            });
        // Where more calls would have followed, none does.
        let goes_on = overlapped.status == Status::Pending
            && (overlapped.stands_alone() || entry.kind == Kind::File);
        if !found && goes_on {
            overlapped.status = Status::Cancelling;
        }
        found || goes_on
    }
}
