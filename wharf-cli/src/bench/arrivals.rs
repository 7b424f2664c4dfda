//! When requests are due in an open loop: Poisson arrivals.

use std::time::{Duration, Instant};

use super::service::exponential;

/// Requests that come independently of each other and of the answers, at an average rate.
///
/// Nothing is stored for those that are due and can't leave yet: the next one just stays due.
#[derive(Debug)]
pub(super) struct Arrivals {
    next: Instant,
    mean_gap_s: f64,
    random: fastrand::Rng,
}

impl Arrivals {
    pub(super) fn new(start: Instant, rate_hz: f64, mut random: fastrand::Rng) -> Self {
        let mean_gap_s = rate_hz.recip();
        let next = start + gap(mean_gap_s, &mut random);
        Arrivals {
            next,
            mean_gap_s,
            random,
        }
    }

    /// When the next request is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Takes the next request; the one after it becomes the next.
    pub(super) fn take(&mut self) -> Instant {
        let due = self.next;
        self.next += gap(self.mean_gap_s, &mut self.random);
        due
    }
}

fn gap(mean_s: f64, random: &mut fastrand::Rng) -> Duration {
    // A rate so low that no clock reaches the next request has no next request.
    let seconds = (mean_s * exponential(random)).min(1e9);
    Duration::from_secs_f64(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_have_the_rate_and_the_spread_of_poissons() {
        let start = Instant::now();
        let random = fastrand::Rng::with_seed(3);
        let mut arrivals = Arrivals::new(start, 10_000.0, random);
        let mut counts = Vec::new();
        // In each of 1,000 windows of 10 ms, 100 are expected; in a Poisson process the variance is the mean.
        for window in 1..=1_000 {
            let end = start + Duration::from_millis(10 * window);
            let mut count = 0.0;
            while arrivals.next() < end {
                arrivals.take();
                count += 1.0;
            }
            counts.push(count);
        }
        let mean = counts.iter().sum::<f64>() / 1e3;
        let variance = counts
            .iter()
            .map(|count| (count - mean).powi(2))
            .sum::<f64>()
            / 1e3;
        assert!((mean - 100.0).abs() < 2.0, "mean {mean}");
        assert!((variance - 100.0).abs() < 20.0, "variance {variance}");
    }
}
