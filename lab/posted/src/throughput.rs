//! Throughput: one producer, one consumer or two, and a check that every packet arrives exactly once.

use std::{
    ops::ControlFlow,
    sync::{Arc, Barrier},
    thread,
    time::Instant,
};

use crate::queue::{Packet, Queue, Sink};

/// The key of a consumer's last packet.
const LAST: u64 = u64::MAX;

/// What one consumer has taken. Counts and sums suffice to see that nothing is lost or comes twice: a loss that a
/// doubled packet makes up for shows in one of the sums.
struct Tally {
    packets: usize,
    keys: u64,
    squares: u64,
    ended: Option<Instant>,
}

impl Sink for Tally {
    fn take(&mut self, packet: Packet) -> ControlFlow<()> {
        if packet.key == LAST {
            self.ended = Some(Instant::now());
            return ControlFlow::Break(());
        }
        assert_eq!(packet.key, packet.number as u64, "a packet came changed");
        self.packets += 1;
        self.keys += packet.key;
        self.squares = self
            .squares
            .wrapping_add(packet.key.wrapping_mul(packet.key));
        ControlFlow::Continue(())
    }
}

/// Packets a second, from the first offer until the last consumer has its last.
pub fn run<Q: Queue>(packets: usize, consumers: usize, backlog_max: Option<usize>) -> f64 {
    let queue = Arc::new(Q::open(consumers, backlog_max));
    let start = Arc::new(Barrier::new(consumers + 1));
    let consumers: Vec<_> = (0..consumers)
        .map(|_| {
            let (queue, start) = (queue.clone(), start.clone());
            thread::spawn(move || consume(&*queue, &start))
        })
        .collect();
    start.wait();
    let started = Instant::now();
    for number in 0..packets {
        let key = number as u64;
        offer(&*queue, Packet { key, number });
    }
    for _ in &consumers {
        offer(
            &*queue,
            Packet {
                key: LAST,
                number: 0,
            },
        );
    }
    let tallies: Vec<Tally> = consumers
        .into_iter()
        .map(|consumer| consumer.join().expect("a consumer panicked"))
        .collect();
    check(packets, &tallies);
    let ended = tallies.iter().filter_map(|tally| tally.ended).max();
    let duration = ended.expect("there is a consumer") - started;
    packets as f64 / duration.as_secs_f64()
}

fn consume<Q: Queue>(queue: &Q, start: &Barrier) -> Tally {
    start.wait();
    queue.consume(Tally {
        packets: 0,
        keys: 0,
        squares: 0,
        ended: None,
    })
}

fn offer<Q: Queue>(queue: &Q, packet: Packet) {
    while !queue.offer(packet) {
        thread::yield_now();
    }
}

fn check(packets: usize, tallies: &[Tally]) {
    let taken = tallies.iter().fold((0, 0, 0), |sums, tally| {
        add(sums, (tally.packets, tally.keys, tally.squares))
    });
    let posted = (0..packets as u64).fold((0, 0, 0), |sums, key| {
        add(sums, (1, key, key.wrapping_mul(key)))
    });
    assert_eq!(taken, posted, "packets were lost or came twice");
}

/// Adds up packets, keys and squares of keys.
fn add(left: (usize, u64, u64), right: (usize, u64, u64)) -> (usize, u64, u64) {
    (
        left.0 + right.0,
        left.1 + right.1,
        left.2.wrapping_add(right.2),
    )
}
