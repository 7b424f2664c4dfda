//! Wakes: how long after a post a consumer that was asleep has the packet.
//!
//! One packet is under way at a time. Between two the producer computes for a while, never the same time twice running:
//! long enough for the consumer to fall asleep, short enough that its processor does not.

use std::{
    hint,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::queue::{Packet, Queue, Sink};

/// The idle times: steps of a microsecond from the first on.
const IDLE_MIN: Duration = Duration::from_micros(50);
const IDLE_STEPS: usize = 150;
/// Has no factor in common with the number of steps, so all of them have their turn.
const IDLE_STRIDE: usize = 67;

/// How long the wakes of one run took, in microseconds.
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
}

/// Notes the time of each packet. A packet's number is when it was posted, in nanoseconds since the beginning.
struct Stopwatch {
    beginning: Instant,
    wakes: usize,
    taken: Vec<u64>,
    arrived: Arc<AtomicUsize>,
}

impl Sink for Stopwatch {
    fn take(&mut self, packet: Packet) -> ControlFlow<()> {
        let now = nanos_since(self.beginning);
        self.taken.push(now - packet.number as u64);
        self.arrived.store(self.taken.len(), Ordering::Release);
        if self.taken.len() == self.wakes {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// Wakes one consumer so many times.
pub fn run<Q: Queue>(wakes: usize) -> Latency {
    let queue = Arc::new(Q::open(1, None));
    let beginning = Instant::now();
    let arrived = Arc::new(AtomicUsize::new(0));
    let sink = Stopwatch {
        beginning,
        wakes,
        taken: Vec::with_capacity(wakes),
        arrived: arrived.clone(),
    };
    let consumer = {
        let queue = queue.clone();
        thread::spawn(move || queue.consume(sink))
    };
    for wake in 0..wakes {
        while arrived.load(Ordering::Acquire) < wake {
            hint::spin_loop();
        }
        let steps = wake * IDLE_STRIDE % IDLE_STEPS;
        idle(IDLE_MIN + Duration::from_micros(steps as u64));
        let number = nanos_since(beginning) as usize;
        assert!(queue.offer(Packet { key: 1, number }), "it has no bound");
    }
    let mut taken = consumer.join().expect("the consumer panicked").taken;
    taken.sort_unstable();
    Latency {
        p50: quantile(&taken, 0.5),
        p99: quantile(&taken, 0.99),
    }
}

fn nanos_since(beginning: Instant) -> u64 {
    beginning.elapsed().as_nanos() as u64
}

fn idle(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        hint::spin_loop();
    }
}

/// In microseconds, from nanoseconds in ascending order.
fn quantile(sorted: &[u64], part: f64) -> f64 {
    let index = ((sorted.len() - 1) as f64 * part).round();
    sorted[index as usize] as f64 / 1e3
}
