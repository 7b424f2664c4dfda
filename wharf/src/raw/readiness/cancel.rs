//! Cancelling operations and closing handles: what waits in a line is taken out, what is in transfer is marked.

use super::{
    entry::Entry,
    port::Port,
    side::{Found, Ready},
};
use crate::{
    raw::{Direction, Handle, Kind, OperationId, Overlapped},
    sync::MutexGuard,
};

impl Port {
    /// Cancels one operation. Says whether it was found.
    pub(in crate::raw) fn cancel_one(&self, id: OperationId) -> bool {
        if id.handle == Handle::NONE {
            return self.cancel_timer(id.sequence);
        }
        let Some(entry) = self.table.lock(id.handle) else {
            return false;
        };
        let arrival = entry.arrivals.find(id.sequence);
        let is_it = |operation: &Overlapped| operation.sequence == id.sequence;
        self.cancel_where(id.handle, entry, is_it) > 0
            || arrival.is_some_and(|arrival| self.close_handle(arrival))
    }

    /// Cancels the operations of a handle that `which` accepts, and the accepts that wait for first bytes; says how many
    /// there were.
    pub(in crate::raw) fn cancel_those(
        &self,
        handle: Handle,
        which: impl Fn(&Overlapped) -> bool,
    ) -> usize {
        let Some(entry) = self.table.lock(handle) else {
            return 0;
        };
        let arrivals = entry.arrivals.handles();
        self.cancel_where(handle, entry, which) + self.close_arrivals(arrivals)
    }

    /// Cancels the accepts that wait for the first bytes of these connections; says how many there were.
    fn close_arrivals(&self, arrivals: Vec<Handle>) -> usize {
        let closed = arrivals
            .into_iter()
            .filter(|arrival| self.close_handle(*arrival));
        closed.count()
    }

    fn cancel_where(
        &self,
        handle: Handle,
        mut entry: MutexGuard<'_, Entry>,
        which: impl Fn(&Overlapped) -> bool,
    ) -> usize {
        let (mut packets, mut ready) = (Vec::new(), Vec::new());
        let mut marked = 0;
        if entry.kind == Kind::File {
            packets = self.cancel_on_file(&mut entry, handle, &which);
        }
        for direction in [Direction::Read, Direction::Write] {
            while let Some(found) = entry.sides[direction as usize].cancel(&which) {
                match found {
                    Found::Marked => marked += 1,
                    Found::Out(operation) => packets.push(entry.cancelled(operation)),
                }
            }
            // What stood behind an operation that waited for memory need not wait for it.
            if entry.sides[direction as usize].enqueue() {
                ready.push(Ready { handle, direction });
            }
        }
        drop(entry);
        let count = packets.len() + marked;
        for packet in packets {
            self.complete(packet);
        }
        for ready in ready {
            self.release(self.scheduler.ready(ready));
        }
        count
    }

    /// Closes a handle as [`close_handle`](Self::close_handle) does, unless a send or a shutdown is under way, or a thread is
    /// receiving just now, in one step: what is started meanwhile is under way before, or refused. Returns the bytes received
    /// and sent in all; none if it is not closed by this.
    pub fn close_handle_if_sent(&self, handle: Handle) -> Option<(u64, u64)> {
        let entry = self.open_entry(handle).ok()?;
        let [read, write] = &entry.sides;
        if write.head().is_some() || read.busy {
            return None;
        }
        let traffic = (entry.received, entry.sent);
        self.close_entry(handle, entry);
        Some(traffic)
    }

    pub(in crate::raw) fn close_entry(&self, handle: Handle, mut entry: MutexGuard<'_, Entry>) {
        entry.closing = true;
        let arrivals = entry.arrivals.handles();
        self.cancel_where(handle, entry, |_| true);
        self.close_arrivals(arrivals);
        if let Some(entry) = self.table.lock(handle) {
            self.let_go(entry, handle);
        }
    }
}
