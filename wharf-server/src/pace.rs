//! How fast a client is read from: a byte rate, kept by pauses between receives.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// One client's. Written by the holder of its turn, but for the rate.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Bytes a second; 0 is no limit.
    rate: AtomicU32,
    /// So long after the client came, all that was received is paid for, in nanoseconds.
    paid_ns: AtomicU64,
}

impl Pace {
    pub(crate) fn new(rate: u32) -> Self {
        Pace {
            rate: AtomicU32::new(rate),
            paid_ns: AtomicU64::new(0),
        }
    }

    /// From now on; what was received before is paid for.
    pub(crate) fn set(&self, bytes_per_second: u32) {
        self.paid_ns.store(0, Ordering::Relaxed);
        self.rate.store(bytes_per_second, Ordering::Relaxed);
    }

    /// So many bytes were received from a client that came at `since`.
    #[inline]
    pub(crate) fn charge(&self, bytes: usize, since: Instant) {
        match self.rate.load(Ordering::Relaxed) {
            0 => {}
            rate => self.charge_at(rate, bytes, since),
        }
    }

    fn charge_at(&self, rate: u32, bytes: usize, since: Instant) {
        let cost_ns = (bytes as u64).saturating_mul(1_000_000_000) / u64::from(rate);
        let paid_ns = self.paid_ns.load(Ordering::Relaxed).max(now_ns(since));
        let paid_ns = paid_ns.saturating_add(cost_ns);
        self.paid_ns.store(paid_ns, Ordering::Relaxed);
    }

    /// For how long nothing is to be received.
    #[inline]
    pub(crate) fn delay(&self, since: Instant) -> Option<Duration> {
        match self.rate.load(Ordering::Relaxed) {
            0 => None,
            _ => self.unpaid(since),
        }
    }

    fn unpaid(&self, since: Instant) -> Option<Duration> {
        let paid_ns = self.paid_ns.load(Ordering::Relaxed);
        let delay_ns = paid_ns.saturating_sub(now_ns(since));
        (delay_ns > 0).then(|| Duration::from_nanos(delay_ns))
    }
}

fn now_ns(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_read_from_again_once_its_bytes_are_paid_for() {
        let since = Instant::now();
        let pace = Pace::new(0);
        pace.charge(usize::MAX, since);
        assert_eq!(pace.delay(since), None, "there is no limit");
        pace.set(1_000);
        assert_eq!(pace.delay(since), None, "nothing was received since");
        pace.charge(60_000, since);
        let delay = pace.delay(since).expect("a minute");
        assert!(
            delay <= Duration::from_secs(60) && delay > Duration::from_secs(30),
            "{delay:?}"
        );
        pace.set(0);
        assert_eq!(pace.delay(since), None);
    }
}
