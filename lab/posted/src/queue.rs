//! What a contestant is: a queue of packets between threads.
//!
//! A producer [offers](Queue::offer) packets, and yields the processor while there is no room: the port has no post that
//! waits, and with the same waiting for all, what is compared is the queues. Each consumer is a thread that
//! [consumes](Queue::consume) in the way that the contestant's documentation gives for it.

use std::ops::ControlFlow;

/// What is posted: a key and a number.
#[derive(Debug, Clone, Copy)]
pub struct Packet {
    pub key: u64,
    pub number: usize,
}

/// A queue of packets between threads.
pub trait Queue: Send + Sync + Sized + 'static {
    /// Makes a queue that holds `backlog_max` packets at most, or any number, for so many consumers.
    fn open(consumers: usize, backlog_max: Option<usize>) -> Self;

    /// Queues a packet; says whether there was room for it.
    fn offer(&self, packet: Packet) -> bool;

    /// Takes packets, and waits for more, until the sink has enough; gives it back.
    fn consume<S: Sink>(&self, sink: S) -> S;
}

/// Where the packets of one consumer go.
pub trait Sink: Send + 'static {
    /// Takes one packet; breaks off when it is the consumer's last.
    fn take(&mut self, packet: Packet) -> ControlFlow<()>;
}
