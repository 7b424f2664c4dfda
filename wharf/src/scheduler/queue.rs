//! The queue of a port: first in, first out, in two stages.
//!
//! Everything stands in one line first: packets that are complete, and work that became ready. When a thread takes
//! work from it, several pieces at once perhaps, the packets that come of them wait in a second line, where any thread
//! can take them. The second is served first, since what stands there has been at the head of the first already; and
//! nothing gets there but through the first. So order holds although several transfers are done at once, nothing is
//! passed over for ever, and nothing that a thread has made and not begun to handle is its own.

use std::collections::VecDeque;

#[derive(Debug)]
enum Entry<P, R> {
    Packet(P),
    Ready(R),
}

#[derive(Debug)]
pub(super) struct Queue<P, R> {
    line: VecDeque<Entry<P, R>>,
    /// What came of work from the line.
    worked: VecDeque<P>,
    /// For how much there is to be room.
    packets_max: usize,
    ready_max: usize,
}

impl<P, R> Queue<P, R> {
    pub(super) fn new() -> Self {
        Queue {
            line: VecDeque::new(),
            worked: VecDeque::new(),
            packets_max: 0,
            ready_max: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.line.len() + self.worked.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty() && self.worked.is_empty()
    }

    /// Makes room for so many packets and pieces of work at once.
    pub(super) fn reserve(&mut self, packets: usize, ready: usize) {
        self.packets_max = self.packets_max.max(packets);
        self.ready_max = self.ready_max.max(ready);
        reserve(&mut self.line, self.packets_max + self.ready_max);
        reserve(&mut self.worked, self.packets_max);
    }

    pub(super) fn push_packet(&mut self, packet: P) {
        self.line.push_back(Entry::Packet(packet));
    }

    pub(super) fn push_ready(&mut self, work: R) {
        self.line.push_back(Entry::Ready(work));
    }

    pub(super) fn push_worked(&mut self, packets: &mut Vec<P>) {
        self.worked.extend(packets.drain(..));
    }

    /// Moves up to `packets_max` packets to `into`, if packets are what stands first; says whether there was any.
    pub(super) fn take_packets(&mut self, into: &mut Vec<P>, packets_max: usize) -> bool {
        let count = self.worked.len().min(packets_max);
        into.extend(self.worked.drain(..count));
        while into.len() < packets_max
            && let Some(Entry::Packet(_)) = self.line.front()
        {
            let Some(Entry::Packet(packet)) = self.line.pop_front() else {
                unreachable!("it was a packet");
            };
            into.push(packet);
        }
        !into.is_empty()
    }

    /// Moves work to `into`, up to the next packet: a share of what there is, and `batch_max` at most.
    pub(super) fn take_ready(&mut self, into: &mut Vec<R>, shares: usize, batch_max: usize) {
        let share = self.line.len().div_ceil(shares).min(batch_max);
        while into.len() < share
            && let Some(Entry::Ready(_)) = self.line.front()
        {
            let Some(Entry::Ready(work)) = self.line.pop_front() else {
                unreachable!("it was work");
            };
            into.push(work);
        }
    }

    /// Takes all packets, and drops the work.
    pub(super) fn drain(&mut self, into: &mut Vec<P>) {
        into.extend(self.worked.drain(..));
        let packet = |entry| match entry {
            Entry::Packet(packet) => Some(packet),
            Entry::Ready(_) => None,
        };
        into.extend(self.line.drain(..).filter_map(packet));
    }
}

fn reserve<T>(line: &mut VecDeque<T>, room: usize) {
    line.reserve(room.saturating_sub(line.len()));
}
