//! The queue of a port: first in, first out (FIFO), in two stages.
//!
//! All packets and all ready work enter one line first. When a thread takes work from it, perhaps several pieces at once, the
//! packets that come of them wait in a second line, where any thread can take them. The second line is served first, since its
//! packets have been at the head of the first line already; and nothing gets there but through the first. So the order is kept
//! although several transfers are made at once, no entry is passed over for ever, and a packet that a thread has made and not
//! begun to handle can be taken by any other thread. Most of the second line is in a [ring](crate::raw::ring), where a running
//! thread claims a packet under no lock.
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
use crate::{
    raw::ring::{Filler, Ring},
    sync::Arc,
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
    /// All entries of the line before this one, in [`Ages`]' numbers, are known to be packets.
    packets_up_to: u64,
    /// Packets that came of work from the line: the first of them, and those for which the ring has no room.
    worked: Filler<P>,
    worked_rest: VecDeque<P>,
    staged: VecDeque<R>,
    /// How many pieces of work were ever staged, and how many of them were taken.
    staged_ever: u64,
    staged_taken: u64,
    /// Since when the work that was taken last had been in the line: nothing in `worked` or `staged` is older.
    worked_since_ns: u64,
    pub(super) posted: Posted<P>,
    /// Packets may be claimed, as far as threads are concerned.
    is_open: bool,
    /// Packets that were taken from the line while something was staged.
    passed_over: usize,
    /// For so many packets and pieces of work memory is reserved.
    packets_max: usize,
    ready_max: usize,
}

impl<P, R> Queue<P, R> {
    pub(super) fn new(posted: Posted<P>) -> Self {
        Queue {
            line: VecDeque::new(),
            ages: Ages::new(),
            packets_up_to: 0,
            worked: Filler::new(),
            worked_rest: VecDeque::new(),
            staged: VecDeque::new(),
            staged_ever: 0,
            staged_taken: 0,
            worked_since_ns: 0,
            posted,
            is_open: true,
            passed_over: 0,
            packets_max: 0,
            ready_max: 0,
        }
    }

    pub(super) fn len(&mut self) -> usize {
        self.len_of_unclaimed() + self.worked.len() + self.posted.len_of_ring()
    }

    /// How many entries no thread can claim, all of which are taken under the lock.
    #[inline]
    pub(super) fn len_of_unclaimed(&self) -> usize {
        self.line.len() + self.staged.len() + self.worked_rest.len() + self.posted.len_of_rest()
    }

    #[inline]
    pub(super) fn is_empty(&mut self) -> bool {
        self.len_of_unclaimed() == 0 && self.worked.len() == 0 && self.posted.len_of_ring() == 0
    }

    /// Where the packets that came of work are claimed.
    pub(super) fn worked_ring(&self) -> &Arc<Ring<P>> {
        self.worked.ring()
    }

    /// Reserves memory for so many packets and pieces of work at once.
    pub(super) fn reserve(&mut self, packets: usize, ready: usize) {
        self.packets_max = self.packets_max.max(packets);
        self.ready_max = self.ready_max.max(ready);
        reserve(&mut self.line, self.packets_max + self.ready_max);
        reserve(&mut self.worked_rest, self.packets_max);
        reserve(&mut self.staged, self.ready_max);
    }

    pub(super) fn push_packet(&mut self, packet: P, now_ns: u64) {
        self.enter(Entry::Packet(packet), now_ns);
    }

    pub(super) fn push_ready(&mut self, work: R, now_ns: u64) {
        self.enter(Entry::Ready(work), now_ns);
    }

    #[inline]
    fn enter(&mut self, entry: Entry<P, R>, now_ns: u64) {
        self.ages.enter(now_ns);
        self.line.push_back(entry);
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
    pub(super) fn oldest_since_ns(&mut self) -> Option<u64> {
        let worked = self.has_worked() || !self.staged.is_empty();
        let worked = worked.then_some(self.worked_since_ns);
        let posted = self.posted.oldest_since_ns();
        let all = [worked, posted, self.ages.oldest_since_ns()];
        all.into_iter().flatten().min()
    }

    #[inline]
    fn has_worked(&mut self) -> bool {
        self.worked.len() > 0 || !self.worked_rest.is_empty()
    }

    /// Packets that a thread made of its work come back with it. Up to `packets_max` of them go to `into`, if none goes before
    /// them: that thread begins with them at once.
    #[inline]
    pub(super) fn push_worked(
        &mut self,
        packets: &mut Vec<P>,
        into: &mut Vec<P>,
        packets_max: usize,
    ) {
        // The check is cheaper than to move nothing.
        if packets.is_empty() {
            return;
        }
        let mut packets = packets.drain(..);
        if !self.has_worked() {
            into.extend(packets.by_ref().take(packets_max));
        }
        if !self.is_open {
            self.worked.set_shut(true);
        }
        for packet in packets {
            self.push_one_worked(packet);
        }
    }

    fn push_one_worked(&mut self, packet: P) {
        if !self.worked_rest.is_empty() {
            self.worked_rest.push_back(packet);
        } else if let Err(packet) = self.worked.push(packet) {
            self.worked_rest.push_back(packet);
        }
    }

    /// Lets running threads claim the packets that are next; or none, where each thread has to visit. Returns whether it was
    /// otherwise before.
    #[inline]
    pub(super) fn open(&mut self, open: bool) -> bool {
        let changes = self.is_open != open;
        self.is_open = open;
        if open {
            self.worked.set_shut(false);
            if !self.worked_rest.is_empty() {
                self.worked.fill(&mut self.worked_rest);
                if self.worked_rest.is_empty() {
                    // So that it begins at the front of its memory again, and touches no more of it.
                    self.worked_rest.clear();
                }
            }
        } else if self.worked.len() > 0 {
            self.worked.set_shut(true);
        }
        // What is staged is passed over by so many packets only, and what was worked by none.
        let posted = open && self.staged.is_empty() && self.worked_rest.is_empty();
        self.posted.open(posted);
        changes
    }

    /// Takes in the posted packets, if all that were taken in before are served. They go behind everything that is in the line.
    /// Returns whether any came.
    #[inline]
    pub(super) fn take_in(&mut self, inbox: &Inbox<P>) -> bool {
        inbox.hand_over(&mut self.posted, self.line.len())
    }

    /// Moves packets to `into` until it holds `packets_max`, if packets are first in the queue.
    /// Staged work is passed over by `passed_over_max` packets at most.
    #[inline(always)]
    pub(super) fn take_packets(
        &mut self,
        into: &mut Vec<P>,
        packets_max: usize,
        passed_over_max: usize,
    ) {
        self.take_worked(into, packets_max - into.len());
        if self.staged.is_empty() {
            self.passed_over = 0;
            self.posted.take_into(into, packets_max - into.len());
        }
        while into.len() < packets_max && self.passed_over < passed_over_max {
            if !self.take_next_packet(into) {
                break;
            }
            self.passed_over += usize::from(!self.staged.is_empty());
        }
    }

    #[inline]
    fn take_worked(&mut self, into: &mut Vec<P>, packets_max: usize) {
        let before = into.len();
        self.worked.take(packets_max, |packet| into.push(packet));
        if !self.worked_rest.is_empty() {
            let more = packets_max - (into.len() - before);
            let count = self.worked_rest.len().min(more);
            into.extend(self.worked_rest.drain(..count));
        }
    }

    /// Takes the head of the line, if it is a packet.
    fn take_next_packet(&mut self, into: &mut Vec<P>) -> bool {
        if self.posted.take_into(into, 1) == 1 {
            return true;
        }
        let Some(Entry::Packet(_)) = self.line.front() else {
            return false;
        };
        let Some(Entry::Packet(packet)) = self.line.pop_front() else {
            unreachable!("it was a packet");
        };
        into.push(packet);
        self.moved_up();
        true
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
        self.begin_again();
    }

    /// A line that is empty begins again at the front of its memory. Else it would wander through all of that memory, which is reserved
    /// for the worst case, and keep every page of it in use.
    #[inline]
    fn begin_again(&mut self) {
        if self.line.is_empty() {
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

    /// Moves all work to `into`, also what stands behind packets: these stay. It looks at what has come since it was called last, and
    /// not again at packets that nobody takes.
    pub(super) fn take_all_ready(&mut self, into: &mut Vec<R>)
    where
        R: Copy,
    {
        self.take_staged(into, usize::MAX);
        let before_posted = self.posted.ahead();
        // Packets move up over the work, and so keep their order.
        let known = self.ages.count_up_to(self.packets_up_to);
        let mut packets = known;
        for index in known..self.line.len() {
            match self.line[index] {
                Entry::Ready(work) => {
                    into.push(work);
                    self.ages.leave_at(packets);
                    if index < before_posted {
                        self.posted.move_up();
                    }
                }
                Entry::Packet(_) => {
                    self.line.swap(packets, index);
                    packets += 1;
                }
            }
        }
        self.line.truncate(packets);
        self.begin_again();
        self.packets_up_to = self.ages.entered();
    }

    /// Moves staged work to `into`, until that holds `len` pieces.
    fn take_staged(&mut self, into: &mut Vec<R>, len: usize) {
        let count = self.staged.len().min(len.saturating_sub(into.len()));
        self.staged_taken += count as u64;
        into.extend(self.staged.drain(..count));
    }

    /// Takes all packets, and drops the work. Returns how many of the packets were posted on reserved places.
    pub(super) fn drain(&mut self, inbox: &Inbox<P>, into: &mut Vec<P>) -> usize {
        self.take_worked(into, usize::MAX);
        let reserved = inbox.drain(&mut self.posted, into);
        self.staged.clear();
        self.ages = Ages::new();
        self.packets_up_to = 0;
        let packet = |entry| match entry {
            Entry::Packet(packet) => Some(packet),
            Entry::Ready(_) => None,
        };
        into.extend(self.line.drain(..).filter_map(packet));
        reserved
    }
}

fn reserve<T>(line: &mut VecDeque<T>, room: usize) {
    if line.is_empty() && line.capacity() < room {
        // Memory that is made larger is copied as a whole, also what was never used, which takes memory of the system only then.
        *line = VecDeque::with_capacity(room.max(2 * line.capacity()));
    }
    line.reserve(room.saturating_sub(line.len()));
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn queue() -> Queue<u32, u32> {
        let (_inbox, posted) = Inbox::new();
        Queue::new(posted)
    }

    fn take_all(queue: &mut Queue<u32, u32>) -> Vec<u32> {
        let mut work = Vec::new();
        queue.take_all_ready(&mut work);
        work
    }

    fn take_packet(queue: &mut Queue<u32, u32>) -> Option<u32> {
        let mut packets = Vec::new();
        queue.take_packets(&mut packets, 1, 1);
        packets.pop()
    }

    #[test]
    fn work_is_taken_from_behind_packets_which_stay() {
        let mut queue = queue();
        queue.push_packet(1, 1);
        queue.push_ready(10, 2);
        queue.push_packet(2, 3);
        queue.push_ready(11, 3);
        queue.push_packet(3, 4);
        assert_eq!(take_all(&mut queue), [10, 11]);
        queue.push_ready(12, 5);
        queue.push_packet(4, 5);
        assert_eq!(take_all(&mut queue), [12]);
        assert!(take_all(&mut queue).is_empty());
        for (packet, since) in [(1, 1), (2, 3), (3, 4), (4, 5)] {
            assert_eq!(queue.oldest_since_ns(), Some(since));
            assert_eq!(take_packet(&mut queue), Some(packet));
        }
        assert!(queue.is_empty());
        assert_eq!(queue.oldest_since_ns(), None);
    }

    #[test]
    fn the_oldest_has_its_time_whatever_is_taken_from_behind_it() {
        let mut random = fastrand::Rng::with_seed(19);
        for _ in 0..200 {
            let mut queue = queue();
            // What is in the line: whether it is a packet, its number, its time.
            let mut line: Vec<(bool, u32, u64)> = Vec::new();
            for step in 0..60 {
                // Entries share their times, and there are fewer of these than marks.
                let now_ns = u64::from(step) / 2;
                match random.u32(..8) {
                    0..3 => {
                        queue.push_packet(step, now_ns);
                        line.push((true, step, now_ns));
                    }
                    3..6 => {
                        queue.push_ready(step, now_ns);
                        line.push((false, step, now_ns));
                    }
                    6 => {
                        let all = line.iter().filter(|(is_packet, ..)| !is_packet);
                        let all: Vec<_> = all.map(|(_, number, _)| *number).collect();
                        assert_eq!(take_all(&mut queue), all);
                        line.retain(|(is_packet, ..)| *is_packet);
                    }
                    _ => {
                        let is_first = line.first().is_some_and(|(is_packet, ..)| *is_packet);
                        let first = is_first.then(|| line.remove(0).1);
                        assert_eq!(take_packet(&mut queue), first);
                    }
                }
                let oldest = line.first().map(|(.., since_ns)| *since_ns);
                assert_eq!(queue.oldest_since_ns(), oldest);
                assert_eq!(queue.len(), line.len());
            }
        }
    }

    #[test]
    fn packets_that_nobody_takes_are_looked_at_once() {
        let mut queue = queue();
        (0..200_000).for_each(|packet| queue.push_packet(packet, 1));
        for work in 0..20_000 {
            queue.push_ready(work, 2);
            assert_eq!(take_all(&mut queue), [work]);
            // The next look begins behind all of them.
            assert_eq!(queue.ages.count_up_to(queue.packets_up_to), 200_000);
        }
        assert_eq!(queue.len(), 200_000);
    }
}
