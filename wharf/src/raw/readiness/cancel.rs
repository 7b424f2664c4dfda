//! Cancelling operations and closing handles: an operation that waits in a line is taken out, one that is in transfer is
//! marked.

use super::{
    handles::Handles,
    results::{FollowUp, Results},
    side::{Found, Ready},
};
use crate::{
    raw::{Direction, Handle, Kind, LockedEntry, OperationId, Overlapped},
    snapshot::Traffic,
};

impl Handles {
    /// Cancels one operation. Returns whether it was found.
    pub(super) fn cancel_one(&self, id: OperationId, results: &mut impl Results) -> bool {
        #[cfg_attr(not(feature = "safe"), expect(unused_mut))]
        let Some(mut entry) = self.table.lock(id.handle) else {
            return false;
        };
        // Another operation than this is left as it is.
        #[cfg(feature = "safe")]
        if entry.idle.as_ref().is_some_and(|idle| idle.is(id.sequence)) {
            self.make_idle(&mut entry, id.handle);
        }
        let arrival = entry.arrivals().find(id.sequence);
        let is_it = |operation: &Overlapped| operation.sequence == id.sequence;
        self.cancel_where(id.handle, entry, is_it, results) > 0
            || arrival.is_some_and(|arrival| self.close(arrival, results))
    }

    /// Cancels the operations of a handle that `which` accepts, and the accepts that wait for first bytes; says how many
    /// there were.
    pub(super) fn cancel_those(
        &self,
        handle: Handle,
        which: impl Fn(&Overlapped) -> bool,
        results: &mut impl Results,
    ) -> usize {
        #[cfg_attr(not(feature = "safe"), expect(unused_mut))]
        let Some(mut entry) = self.table.lock(handle) else {
            return 0;
        };
        #[cfg(feature = "safe")]
        self.make_idle(&mut entry, handle);
        let mut arrivals = entry.arrivals().handles();
        let cancelled = self.cancel_where(handle, entry, &which, results);
        arrivals.retain(|arrival| self.is_for(*arrival, &which));
        cancelled + self.close_arrivals(arrivals, results)
    }

    /// Whether a connection waits for its first bytes on behalf of an operation that `which` accepts.
    fn is_for(&self, arrival: Handle, which: impl Fn(&Overlapped) -> bool) -> bool {
        let Some(mut entry) = self.table.lock(arrival) else {
            return false;
        };
        let operation = entry.side(Direction::Read).head();
        // SAFETY: what stands in a line is valid, and the handle is locked.
        operation.is_some_and(|operation| which(unsafe { operation.as_ref() }))
    }

    /// Cancels the accepts that wait for the first bytes of these connections; says how many there were.
    fn close_arrivals(&self, arrivals: Vec<Handle>, results: &mut impl Results) -> usize {
        let closed = arrivals
            .into_iter()
            .filter(|arrival| self.close(*arrival, results));
        closed.count()
    }

    fn cancel_where(
        &self,
        handle: Handle,
        mut entry: LockedEntry<'_>,
        which: impl Fn(&Overlapped) -> bool,
        results: &mut impl Results,
    ) -> usize {
        let mut follow_up = FollowUp::default();
        let mut marked = 0;
        if entry.kind == Kind::File {
            for operation in self.files.cancel(handle, &which) {
                entry.holds -= 1;
                follow_up.end(entry.cancelled(operation));
            }
        }
        for direction in [Direction::Read, Direction::Write] {
            while let Some(found) = entry.side(direction).cancel(&which) {
                match found {
                    Found::Marked => marked += 1,
                    Found::Out(operation) => follow_up.end(entry.cancelled(operation)),
                }
            }
            // The operations behind one that waited for memory need not wait for that memory.
            if entry.side(direction).enqueue() {
                follow_up.ready(Ready { handle, direction });
            }
        }
        drop(entry);
        let count = follow_up.ended() + marked;
        follow_up.tell(results);
        count
    }

    /// Closes a handle, unless a send or a shutdown is under way, or a thread is receiving just now. Returns the bytes received
    /// and sent in all; none if it is not closed by this.
    pub(super) fn close_if_sent(
        &self,
        handle: Handle,
        results: &mut impl Results,
    ) -> Option<Traffic> {
        let entry = self.table.open(handle).ok()?;
        let [read, write] = &entry.sides;
        if write.head().is_some() || write.busy || read.busy {
            return None;
        }
        let traffic = entry.traffic;
        self.close_entry(handle, entry, results);
        Some(traffic)
    }

    pub(super) fn close_entry(
        &self,
        handle: Handle,
        mut entry: LockedEntry<'_>,
        results: &mut impl Results,
    ) {
        entry.closing = true;
        #[cfg(feature = "safe")]
        self.make_idle(&mut entry, handle);
        let arrivals = entry.arrivals().handles();
        self.cancel_where(handle, entry, |_| true, results);
        self.close_arrivals(arrivals, results);
        if let Some(entry) = self.table.lock(handle) {
            self.let_go(entry, handle);
        }
    }
}
