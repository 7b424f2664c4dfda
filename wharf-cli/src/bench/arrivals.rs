//! When requests are due in an open loop: Poisson arrivals.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{deadline::after, service::exponential};

/// Up to so many requests that never left are drawn one by one; of more, it is told how many there are on average.
const DRAWN_MAX: f64 = 100_000.0;

/// So many parts of a time are told apart then.
const PARTS: u32 = 1_000;

/// Requests that come independently of each other and of the answers, at an average rate.
///
/// Nothing is stored for those that are due and can't leave yet: the next one just stays due.
#[derive(Debug)]
pub(super) struct Arrivals {
    next: Instant,
    rate_hz: f64,
    /// Other rates, from when on, that the next request has not come to yet.
    changes: VecDeque<(Instant, f64)>,
    random: fastrand::Rng,
}

impl Arrivals {
    pub(super) fn new(start: Instant, rate_hz: f64, random: fastrand::Rng) -> Self {
        let mut arrivals = Arrivals {
            next: start,
            rate_hz,
            changes: VecDeque::new(),
            random,
        };
        arrivals.next = arrivals.draw(start);
        arrivals
    }

    /// When the next request is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Takes the next request; the one after it becomes the next.
    pub(super) fn take(&mut self) -> Instant {
        let due = self.next;
        self.next = self.draw(due);
        due
    }

    /// From now on requests come at this rate. Those that are due already stay due.
    pub(super) fn set_rate(&mut self, now: Instant, rate_hz: f64) {
        let last = self
            .changes
            .back()
            .map_or(self.rate_hz, |(_, rate_hz)| *rate_hz);
        if rate_hz == last {
            return;
        }
        if self.next <= now {
            self.changes.push_back((now, rate_hz));
            return;
        }
        // How long it is until the next one does not depend on how long it has been since the last.
        self.rate_hz = rate_hz;
        self.next = self.draw(now);
    }

    /// Takes all that are due before `end`: when, and how many. A few are drawn one by one; many come in parts, each at the
    /// middle of its time and as many as there are on average, so that any number is told at once.
    pub(super) fn take_all(&mut self, end: Instant, mut each: impl FnMut(Instant, u64)) {
        while self.next < end {
            let spans = self.spans(end);
            let expected = |(from, to, rate_hz): &(Instant, Instant, f64)| {
                to.saturating_duration_since(*from).as_secs_f64() * rate_hz
            };
            if spans.iter().map(expected).sum::<f64>() <= DRAWN_MAX {
                while self.next < end {
                    each(self.take(), 1);
                }
                return;
            }
            let mut left_over = 0.0;
            for span in &spans {
                let part = span.1.saturating_duration_since(span.0) / PARTS;
                for index in 0..PARTS {
                    let count = expected(span) / f64::from(PARTS) + left_over;
                    left_over = count.fract();
                    if count >= 1.0 {
                        each(span.0 + part * index + part / 2, count as u64);
                    }
                }
                self.rate_hz = span.2;
            }
            self.changes.clear();
            self.next = self.draw(end);
        }
    }

    /// From the next request to `end`: from when to when it comes at which rate.
    fn spans(&self, end: Instant) -> Vec<(Instant, Instant, f64)> {
        let mut spans = Vec::new();
        let (mut from, mut rate_hz) = (self.next, self.rate_hz);
        for (at, other_hz) in &self.changes {
            let to = (*at).clamp(from, end);
            spans.push((from, to, rate_hz));
            (from, rate_hz) = (to, *other_hz);
        }
        spans.push((from, end, rate_hz));
        spans
    }

    /// Draws when the one after `from` is due.
    fn draw(&mut self, mut from: Instant) -> Instant {
        // In mean gaps, whose length is another after each change.
        let mut left = exponential(&mut self.random);
        while let Some((at, rate_hz)) = self.changes.front() {
            let until_then = at.saturating_duration_since(from).as_secs_f64() * self.rate_hz;
            if left < until_then {
                break;
            }
            left -= until_then;
            from = from.max(*at);
            self.rate_hz = *rate_hz;
            self.changes.pop_front();
        }
        // A rate so low that no clock reaches the next request has no next request.
        let seconds = (left / self.rate_hz).min(1e9);
        after(from, Duration::from_secs_f64(seconds))
    }
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

    #[test]
    fn a_rate_holds_from_its_own_time_on_also_for_those_that_wait() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for wait in [true, false] {
            let mut arrivals = Arrivals::new(start, 1_000.0, fastrand::Rng::with_seed(5));
            let mut counts = [0; 4];
            let mut count = |due: Instant| counts[((due - start).as_secs() as usize).min(3)] += 1;
            for (seconds, rate_hz) in [(1, 100.0), (2, 0.0), (3, 500.0)] {
                while !wait && arrivals.next() <= at(seconds) {
                    count(arrivals.take());
                }
                arrivals.set_rate(at(seconds), rate_hz);
            }
            while arrivals.next() < at(4) {
                count(arrivals.take());
            }
            // Five standard deviations.
            let [first, second, third, fourth] = counts;
            assert!((840..1_160).contains(&first), "{counts:?}");
            assert!((50..150).contains(&second), "{counts:?}");
            assert_eq!(third, 0, "{counts:?}");
            assert!((390..610).contains(&fourth), "{counts:?}");
        }
    }

    #[test]
    fn what_never_left_is_told_at_once_however_much_it_is() {
        let start = Instant::now();
        for (rate_hz, seconds, off_by) in [(1e3, 10, 500.0), (1e9, 3_600, 2e6), (1.0, 0, 0.0)] {
            let mut arrivals = Arrivals::new(start, rate_hz, fastrand::Rng::with_seed(1));
            let end = start + Duration::from_secs(seconds);
            let (mut total, mut calls) = (0, 0);
            arrivals.take_all(end, |due, count| {
                assert!((start..end).contains(&due));
                total += count;
                calls += 1;
            });
            assert!((total as f64 - rate_hz * seconds as f64).abs() <= off_by);
            assert!(calls <= 20_000, "{calls}");
            assert!(arrivals.next() >= end);
        }
    }
}
