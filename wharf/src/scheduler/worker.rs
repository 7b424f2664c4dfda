//! What is kept of one thread that waits on ports: where it sleeps, what it is called, and what it has done.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Parker;
use crate::driver::Probe;

/// One thread. It keeps this for as long as it lives, on whatever port it waits.
///
/// What it writes here is for whoever asks how the threads stand: no decision hangs on it, so it is written without a
/// lock, and a model checker need not look at it.
#[derive(Debug)]
pub(crate) struct Worker {
    pub parker: Parker,
    /// Tells whether it sleeps.
    pub probe: Probe,
    pub name: Box<str>,
    packets: AtomicU64,
    /// When it came to where it stands: a time of the port's clock, in nanoseconds.
    since_ns: AtomicU64,
}

impl Worker {
    pub(crate) fn new(probe: Probe, name: &str) -> Worker {
        Worker {
            parker: Parker::default(),
            probe,
            name: name.into(),
            packets: AtomicU64::new(0),
            since_ns: AtomicU64::new(0),
        }
    }

    /// It took so many packets, and goes to handle them. Called by the thread itself.
    #[inline]
    pub(crate) fn took(&self, packets: usize, now_ns: u64) {
        // Nobody else writes, so it need not be one step.
        let before = self.packets.load(Ordering::Relaxed);
        self.packets
            .store(before + packets as u64, Ordering::Relaxed);
        self.since_ns.store(now_ns, Ordering::Relaxed);
    }

    /// It goes to wait, or on to something else than packets. Called by the thread itself.
    pub(crate) fn stands_since(&self, now_ns: u64) {
        self.since_ns.store(now_ns, Ordering::Relaxed);
    }

    pub(crate) fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    pub(crate) fn since_ns(&self) -> u64 {
        self.since_ns.load(Ordering::Relaxed)
    }
}
