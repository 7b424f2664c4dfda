//! The contestants: one file each, behind one trait.
//!
//! A producer [offers](Queue::offer) packets, and yields the processor while there is no room: the port has no post that
//! waits, and with the same waiting for all, what is compared is the queues. Each consumer is a thread that
//! [consumes](Queue::consume) in the way that the contestant's documentation gives for it.
//!
//! One row for each way of taking packets, since taking many at once is another promise than taking one: what a thread
//! has taken and not begun, no other can take.
//!
//! Tokio's channel has one consumer. For two, tokio's tutorial points to `async-channel`, so that is the contestant in
//! its place; a receiver behind a mutex, the other thing people do, measures the mutex.

mod async_channel;
mod crossbeam;
mod flume;
mod tokio;
mod wharf;

use std::ops::ControlFlow;

use crate::{
    throughput,
    wakes::{self, Latency},
};

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

/// A queue, and what is measured on it.
pub struct Contestant {
    pub name: &'static str,
    pub consumers_max: usize,
    /// Packets a second, given how many packets, how many consumers and the backlog's bound.
    pub throughput: fn(usize, usize, Option<usize>) -> f64,
    /// How long a sleeping consumer takes, over so many wakes.
    pub wakes: fn(usize) -> Latency,
}

/// The contestant that the others are compared with.
pub const STANDARD: &str = "wharf wait";

/// In the order in which they take their turns.
pub const CONTESTANTS: &[Contestant] = &[
    contestant::<wharf::One>(STANDARD, 2),
    contestant::<wharf::Many>("wharf wait_many", 2),
    contestant::<crossbeam::Crossbeam>("crossbeam", 2),
    contestant::<flume::One>("flume", 2),
    contestant::<flume::Drain>("flume drain", 2),
    contestant::<tokio::Blocking>("tokio blocking_recv", 1),
    contestant::<tokio::BlockingMany>("tokio blocking_recv_many", 1),
    contestant::<tokio::Task>("tokio task", 1),
    contestant::<async_channel::Task>("async-channel task", 2),
];

const fn contestant<Q: Queue>(name: &'static str, consumers_max: usize) -> Contestant {
    Contestant {
        name,
        consumers_max,
        throughput: throughput::run::<Q>,
        wakes: wakes::run::<Q>,
    }
}

/// The most packets that a consumer takes at once, where it takes many.
const MANY_MAX: usize = 64;

/// Gives a batch to the sink; says whether that has enough. A batch may end with the last packets of other consumers:
/// they go back.
fn take_all<Q: Queue, S: Sink>(
    queue: &Q,
    sink: &mut S,
    packets: impl Iterator<Item = Packet>,
) -> ControlFlow<()> {
    let mut flow = ControlFlow::Continue(());
    for packet in packets {
        if flow.is_continue() {
            flow = sink.take(packet);
        } else {
            assert!(queue.offer(packet), "there is room where it was taken from");
        }
    }
    flow
}
