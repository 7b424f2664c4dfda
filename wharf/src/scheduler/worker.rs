//! One thread that waits on ports: its parker, its name, and the figures about it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Parker;
use crate::{
    driver::Probe,
    sync::{AtomicBool, AtomicUsize},
};

/// One thread. It keeps this for as long as it lives, on whatever port it waits.
///
/// The figures in it are written without a lock, since only snapshots tell them; but the number of claims is a part of the thread's
/// turn, and the number of packets says which threads the monitor need not ask about yet.
#[derive(Debug)]
pub(crate) struct Worker {
    pub parker: Parker,
    /// Tells whether it sleeps.
    pub probe: Probe,
    pub name: Box<str>,
    /// It counts as running at its port, so that it may claim packets. Written under the scheduler's lock, when that changes, and
    /// read by the thread itself.
    runs: AtomicBool,
    /// It has posted a packet since its last visit that is left to it: no other thread was released for it. Written by the thread
    /// itself.
    left_a_packet: AtomicBool,
    /// How often it went on to another packet without a visit. Written by the thread itself.
    claims: AtomicUsize,
    packets: AtomicU64,
    /// When it came to its present state: a time of the port's clock, in nanoseconds.
    since_ns: AtomicU64,
}

impl Worker {
    pub(crate) fn new(probe: Probe, name: &str) -> Worker {
        Worker {
            parker: Parker::default(),
            probe,
            name: name.into(),
            runs: AtomicBool::new(false),
            left_a_packet: AtomicBool::new(false),
            claims: AtomicUsize::new(0),
            packets: AtomicU64::new(0),
            since_ns: AtomicU64::new(0),
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.runs.load(Ordering::Relaxed)
    }

    pub(super) fn set_runs(&self, runs: bool) {
        self.runs.store(runs, Ordering::Relaxed);
    }

    pub(crate) fn left_a_packet(&self) -> bool {
        self.left_a_packet.load(Ordering::Relaxed)
    }

    /// Whether a packet that it posts now may be left to it: it runs, and was left none since its last visit. If so, it is. Called by
    /// the thread itself.
    pub(crate) fn leaves_a_packet(&self) -> bool {
        let leaves = self.runs() && !self.left_a_packet();
        if leaves {
            self.left_a_packet.store(true, Ordering::Relaxed);
        }
        leaves
    }

    /// It visits, and sees to what was left to it. Called by the thread itself.
    #[inline]
    pub(super) fn comes_back(&self) {
        if self.left_a_packet() {
            self.left_a_packet.store(false, Ordering::Relaxed);
        }
    }

    /// How often it went on without a visit.
    pub(super) fn claims(&self) -> usize {
        self.claims.load(Ordering::Relaxed)
    }

    /// It goes on without a visit. Called by the thread itself.
    #[inline]
    pub(super) fn note_claim(&self) {
        // As below: no other thread writes.
        let before = self.claims.load(Ordering::Relaxed);
        self.claims.store(before.wrapping_add(1), Ordering::Relaxed);
    }

    /// It took so many packets, and goes to handle them. Called by the thread itself.
    #[inline]
    pub(crate) fn took(&self, packets: usize, now_ns: u64) {
        // No other thread writes, so it need not be one step.
        let before = self.packets.load(Ordering::Relaxed);
        self.packets
            .store(before + packets as u64, Ordering::Relaxed);
        self.since_ns.store(now_ns, Ordering::Relaxed);
    }

    /// It goes to wait, or does something else than handle packets. Called by the thread itself.
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
