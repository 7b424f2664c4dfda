//! The contestants: one file each, behind one trait.
//!
//! One row for each way of taking packets, since taking many at once is another promise than taking one: what a thread
//! has taken and not begun, no other can take.
//!
//! Tokio's channel has one consumer. For two, tokio's tutorial points to `async-channel`, so that is the contestant in
//! its place; a receiver behind a mutex, the other thing people do, measures the mutex.
//!
//! Three are pools that sleep as a whole, of as many workers as there are processors: a packet to the port's, and a notification
//! and a task to tokio's. Their throughput is not measured, only how long such a pool takes to wake.

mod async_channel;
mod crossbeam;
mod flume;
mod tokio;
mod wharf;

use std::{
    ops::ControlFlow,
    sync::{Mutex, PoisonError, mpsc},
};

use crate::{
    queue::{Packet, Queue, Sink},
    throughput,
    wakes::{self, Latency},
};

/// A queue, and what is measured on it.
pub struct Contestant {
    pub name: &'static str,
    /// None if only wakes are measured.
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
    contestant::<wharf::Pool>("wharf workers", 0),
    contestant::<tokio::Notified>("tokio notify", 0),
    contestant::<tokio::Spawned>("tokio spawn", 0),
    // How far it is from itself is what else the machine does.
    contestant::<wharf::One>("wharf wait again", 2),
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

/// What a pool calls with each packet, from whichever thread; and where the sink comes back when it has enough.
fn handler<S: Sink>(sink: S) -> (impl Fn(Packet) + Send + Sync + 'static, mpsc::Receiver<S>) {
    let (sender, full) = mpsc::channel();
    let sink = Mutex::new(Some(sink));
    let handle = move |packet| {
        let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
        let flow = sink.as_mut().map(|sink| sink.take(packet));
        if flow.is_some_and(|flow| flow.is_break()) {
            // What comes after is for nobody.
            let full = sink.take().expect("it was just there");
            sender.send(full).expect("it is waited for");
        }
    };
    (handle, full)
}

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
