//! flume: threads, any number of consumers.

use std::iter;

use flume::{Receiver, Sender, bounded, unbounded};

use super::{Packet, Queue, Sink, take_all};

struct Channel {
    sender: Sender<Packet>,
    receiver: Receiver<Packet>,
}

/// One packet a receive.
pub struct One(Channel);

/// Each receive is followed by a drain of what else is there.
pub struct Drain(Channel);

impl Channel {
    fn open(backlog_max: Option<usize>) -> Self {
        let (sender, receiver) = backlog_max.map_or_else(unbounded, bounded);
        Channel { sender, receiver }
    }

    fn offer(&self, packet: Packet) -> bool {
        self.sender.try_send(packet).is_ok()
    }
}

impl Queue for One {
    fn open(_consumers: usize, backlog_max: Option<usize>) -> Self {
        One(Channel::open(backlog_max))
    }

    fn offer(&self, packet: Packet) -> bool {
        self.0.offer(packet)
    }

    fn consume<S: Sink>(&self, mut sink: S) -> S {
        for packet in &self.0.receiver {
            if sink.take(packet).is_break() {
                break;
            }
        }
        sink
    }
}

impl Queue for Drain {
    fn open(_consumers: usize, backlog_max: Option<usize>) -> Self {
        Drain(Channel::open(backlog_max))
    }

    fn offer(&self, packet: Packet) -> bool {
        self.0.offer(packet)
    }

    fn consume<S: Sink>(&self, mut sink: S) -> S {
        while let Ok(first) = self.0.receiver.recv() {
            let packets = iter::once(first).chain(self.0.receiver.drain());
            if take_all(self, &mut sink, packets).is_break() {
                break;
            }
        }
        sink
    }
}
