//! The queue of a port: first in, first out, in two stages.
//!
//! Work that became ready waits in one line; when a thread takes some of it, the packets that come of it wait in
//! the other. The second line is always served first: whatever stands there was ready before anything in the
//! first. So order holds although several transfers may be done at once, and every packet that a thread has made
//! and not begun to handle stands where any other thread can take it.

use std::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Queue<P, R> {
    completed: VecDeque<P>,
    ready: VecDeque<R>,
}

impl<P, R> Queue<P, R> {
    pub(super) fn new() -> Self {
        Queue {
            completed: VecDeque::new(),
            ready: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.completed.len() + self.ready.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.completed.is_empty() && self.ready.is_empty()
    }

    pub(super) fn ready_len(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn reserve(&mut self, packets: usize, ready: usize) {
        let packets = packets.saturating_sub(self.completed.len());
        self.completed.reserve(packets);
        self.ready.reserve(ready.saturating_sub(self.ready.len()));
    }

    pub(super) fn push_completed(&mut self, packet: P) {
        self.completed.push_back(packet);
    }

    pub(super) fn push_ready(&mut self, work: R) {
        self.ready.push_back(work);
    }

    pub(super) fn take_in(&mut self, completed: &mut Vec<P>, ready: &mut Vec<R>) {
        self.completed.extend(completed.drain(..));
        self.ready.extend(ready.drain(..));
    }

    /// Moves up to `packets_max` packets to `into`; says whether there was any.
    pub(super) fn deliver(&mut self, into: &mut Vec<P>, packets_max: usize) -> bool {
        let count = self.completed.len().min(packets_max);
        into.extend(self.completed.drain(..count));
        count > 0
    }

    pub(super) fn take_ready(&mut self, into: &mut Vec<R>, count: usize) {
        let count = self.ready.len().min(count);
        into.extend(self.ready.drain(..count));
    }

    pub(super) fn drain(&mut self, into: &mut Vec<P>) {
        into.extend(self.completed.drain(..));
        self.ready.clear();
    }
}
