//! The queue of a port: first in, first out (FIFO), in two stages.
//!
//! All packets and all ready work enter one line first. When a thread takes work from it, perhaps several pieces at once, the
//! packets that come of them wait in a second line, where any thread can take them. The second line is served first, since its
//! packets have been at the head of the first line already; and nothing gets there but through the first. So the order is kept
//! although several transfers are made at once, no entry is passed over for ever, and a packet that a thread has made and not
//! begun to handle can be taken by any other thread.
//!
//! Work that a handler leaves for the next batch is *staged*: it, too, follows from an entry that was at the head of the line,
//! and it goes ahead of the line, but takes no more than half of a batch while there is other work. Behind the line it would
//! pile up: each receive in the line would be made, and its memory held, before the first reply leaves.
//!
//! Posted packets come from the [inbox](super::inbox) all at once, and stay together: they go behind the entries that are in
//! the line then. No more come before the last of them is taken, and by then the entries that came later have moved up.

use std::collections::VecDeque;

use super::{
    age::Ages,
    inbox::{Inbox, Posted},
};

#[derive(Debug)]
enum Entry<P, R> {
    Packet(P),
    Ready(R),
}

#[derive(Debug)]
pub(super) struct Queue<P, R> {
    line: VecDeque<Entry<P, R>>,
    ages: Ages,
    /// Packets that came of work from the line.
    worked: VecDeque<P>,
    staged: VecDeque<R>,
    /// How many pieces of work were ever staged, and how many of them were taken.
    staged_ever: u64,
    staged_taken: u64,
    /// Since when the work that was taken last had been in the line: nothing in `worked` or `staged` is older.
    worked_since_ns: u64,
    pub(super) posted: Posted<P>,
    /// Packets that were taken from the line while something was staged.
    passed_over: usize,
    /// For so many packets and pieces of work memory is reserved.
    packets_max: usize,
    ready_max: usize,
}

impl<P, R> Queue<P, R> {
    pub(super) fn new() -> Self {
        Queue {
            line: VecDeque::new(),
            ages: Ages::new(),
            worked: VecDeque::new(),
            staged: VecDeque::new(),
            staged_ever: 0,
            staged_taken: 0,
            worked_since_ns: 0,
            posted: Posted::new(),
            passed_over: 0,
            packets_max: 0,
            ready_max: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.line.len() + self.worked.len() + self.staged.len() + self.posted.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reserves memory for so many packets and pieces of work at once.
    pub(super) fn reserve(&mut self, packets: usize, ready: usize) {
        self.packets_max = self.packets_max.max(packets);
        self.ready_max = self.ready_max.max(ready);
        reserve(&mut self.line, self.packets_max + self.ready_max);
        reserve(&mut self.worked, self.packets_max);
        reserve(&mut self.staged, self.ready_max);
    }

    pub(super) fn push_packet(&mut self, packet: P, now_ns: u64) {
        self.ages.enter(now_ns);
        self.line.push_back(Entry::Packet(packet));
    }

    pub(super) fn push_ready(&mut self, work: R, now_ns: u64) {
        self.ages.enter(now_ns);
        self.line.push_back(Entry::Ready(work));
    }

    pub(super) fn push_staged(&mut self, work: R) {
        self.staged_ever += 1;
        self.staged.push_back(work);
    }

    pub(super) fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// How many pieces of work were ever staged.
    pub(super) fn staged_ever(&self) -> u64 {
        self.staged_ever
    }

    /// Of the first `ever` pieces that were staged, moves the ones that are left to `into`, `batch_max` at most.
    pub(super) fn take_staged_of(&mut self, ever: u64, into: &mut Vec<R>, batch_max: usize) {
        let left = ever.saturating_sub(self.staged_taken);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(batch_max);
        self.take_staged(into, len);
    }

    /// Since when the oldest entry of all has been here.
    pub(super) fn oldest_since_ns(&self) -> Option<u64> {
        let worked = !self.worked.is_empty() || !self.staged.is_empty();
        let worked = worked.then_some(self.worked_since_ns);
        let posted = self.posted.oldest_since_ns();
        let all = [worked, posted, self.ages.oldest_since_ns()];
        all.into_iter().flatten().min()
    }

    pub(super) fn push_worked(&mut self, packets: &mut Vec<P>) {
        // The check is cheaper than an `extend` with nothing.
        if !packets.is_empty() {
            self.worked.extend(packets.drain(..));
        }
    }

    /// Takes in the posted packets, if all that were taken in before are served. They go behind everything that is in the line.
    /// Returns whether any came.
    #[inline]
    pub(super) fn take_in(&mut self, inbox: &Inbox<P>) -> bool {
        inbox.hand_over(&mut self.posted, self.line.len())
    }

    /// Takes a posted packet, if it is certain that nothing goes ahead of it.
    #[inline(always)]
    pub(super) fn take_next_posted(&mut self) -> Option<P> {
        if self.worked.is_empty() && self.staged.is_empty() {
            self.posted.take_next()
        } else {
            None
        }
    }

    /// Moves up to `packets_max` packets to `into`, if packets are first in the queue; returns whether there were any. Staged
    /// work is passed over by `passed_over_max` packets at most.
    #[inline(always)]
    pub(super) fn take_packets(
        &mut self,
        into: &mut Vec<P>,
        packets_max: usize,
        passed_over_max: usize,
    ) -> bool {
        if !self.worked.is_empty() {
            let count = self.worked.len().min(packets_max);
            into.extend(self.worked.drain(..count));
        }
        if self.staged.is_empty() {
            self.passed_over = 0;
            self.posted.take_into(into, packets_max - into.len());
        }
        while into.len() < packets_max && self.passed_over < passed_over_max {
            let Some(packet) = self.next_packet() else {
                break;
            };
            self.passed_over += usize::from(!self.staged.is_empty());
            into.push(packet);
        }
        !into.is_empty()
    }

    /// Takes the head of the line, if it is a packet.
    fn next_packet(&mut self) -> Option<P> {
        if let Some(packet) = self.posted.take_next() {
            return Some(packet);
        }
        let Some(Entry::Packet(_)) = self.line.front() else {
            return None;
        };
        let Some(Entry::Packet(packet)) = self.line.pop_front() else {
            unreachable!("it was a packet");
        };
        self.moved_up();
        Some(packet)
    }

    /// Takes the head of the line, if it is work.
    fn next_ready(&mut self) -> Option<R> {
        if self.posted.is_next() {
            return None;
        }
        let Some(Entry::Ready(_)) = self.line.front() else {
            return None;
        };
        let Some(Entry::Ready(work)) = self.line.pop_front() else {
            unreachable!("it was work");
        };
        self.worked_since_ns = self.ages.oldest_since_ns().unwrap_or_default();
        self.moved_up();
        Some(work)
    }

    /// The head of the line was taken.
    fn moved_up(&mut self) {
        self.ages.leave();
        self.posted.move_up();
        if self.line.is_empty() {
            // The line begins again at the front of its memory. Else it would wander through all of that memory, which is
            // reserved for the worst case, and keep every page of it in use.
            self.line.clear();
        }
    }

    /// Moves work to `into`: staged work, and work of the line up to the next packet. It moves one of `shares` equal parts of
    /// all there is, and `batch_max` at most.
    pub(super) fn take_ready(&mut self, into: &mut Vec<R>, shares: usize, batch_max: usize) {
        let there = self.line.len() + self.staged.len();
        let share = there.div_ceil(shares).min(batch_max);
        self.passed_over = 0;
        self.take_staged(into, share.div_ceil(2));
        while into.len() < share {
            match self.next_ready() {
                Some(work) => into.push(work),
                None => break,
            }
        }
        self.take_staged(into, share);
    }

    /// Moves staged work to `into`, until that holds `len` pieces.
    fn take_staged(&mut self, into: &mut Vec<R>, len: usize) {
        let count = self.staged.len().min(len.saturating_sub(into.len()));
        self.staged_taken += count as u64;
        into.extend(self.staged.drain(..count));
    }

    /// Takes all packets, and drops the work. Returns how many of the packets were posted on reserved places.
    pub(super) fn drain(&mut self, into: &mut Vec<P>) -> usize {
        into.extend(self.worked.drain(..));
        let reserved = self.posted.drain(into);
        self.staged.clear();
        self.ages = Ages::new();
        let packet = |entry| match entry {
            Entry::Packet(packet) => Some(packet),
            Entry::Ready(_) => None,
        };
        into.extend(self.line.drain(..).filter_map(packet));
        reserved
    }
}

fn reserve<T>(line: &mut VecDeque<T>, room: usize) {
    line.reserve(room.saturating_sub(line.len()));
}
