//! crossbeam-channel: threads, any number of consumers.

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::{Packet, Queue, Sink};

pub struct Crossbeam {
    sender: Sender<Packet>,
    receiver: Receiver<Packet>,
}

impl Queue for Crossbeam {
    fn open(_consumers: usize, backlog_max: Option<usize>) -> Self {
        let (sender, receiver) = backlog_max.map_or_else(unbounded, bounded);
        Crossbeam { sender, receiver }
    }

    fn offer(&self, packet: Packet) -> bool {
        self.sender.try_send(packet).is_ok()
    }

    fn consume<S: Sink>(&self, mut sink: S) -> S {
        for packet in &self.receiver {
            if sink.take(packet).is_break() {
                break;
            }
        }
        sink
    }
}
