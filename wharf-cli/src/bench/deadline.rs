//! Deadlines: instants that a time is added to, and what is to be looked at when.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

/// What no clock reaches is as far away as this: some 100 years.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// So much later. A time that is longer than a clock can tell ends where nobody waits for it.
pub(super) fn after(instant: Instant, time: Duration) -> Instant {
    instant
        .checked_add(time)
        .unwrap_or_else(|| instant.checked_add(FAR).unwrap_or(instant))
}

/// A connection that is to be looked at: its place, and how many had the place before it.
pub(super) type Whose = (usize, u64);

/// Connections that are to be looked at, by when. One that has ended meanwhile is for the reader to leave out.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BinaryHeap<Reverse<(Instant, Whose)>>);

impl Deadlines {
    pub(super) fn add(&mut self, at: Instant, whose: Whose) {
        self.0.push(Reverse((at, whose)));
    }

    /// The first of all, and when it is due.
    pub(super) fn first(&self) -> Option<(Instant, Whose)> {
        self.0.peek().map(|Reverse(first)| *first)
    }

    /// Leaves the first one out.
    pub(super) fn skip(&mut self) {
        self.0.pop();
    }

    /// Takes the first one, if it is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Whose> {
        let (at, whose) = self.first()?;
        (at <= now).then(|| {
            self.skip();
            whose
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_too_long_to_be_added() {
        let now = Instant::now();
        assert_eq!(
            after(now, Duration::from_secs(1)),
            now + Duration::from_secs(1)
        );
        for time in [Duration::MAX, Duration::from_secs(u64::MAX / 2), FAR] {
            assert!(after(now, time) >= now + FAR);
        }
        assert!(after(after(now, Duration::MAX), Duration::MAX) > now);
    }

    #[test]
    fn what_is_due_comes_in_the_order_of_its_time() {
        let now = Instant::now();
        let at = |millis| now + Duration::from_millis(millis);
        let mut deadlines = Deadlines::default();
        for millis in [30, 10, 20] {
            deadlines.add(at(millis), (millis as usize, 0));
        }
        assert_eq!(deadlines.take_due(at(9)), None);
        assert_eq!(deadlines.take_due(at(20)), Some((10, 0)));
        assert_eq!(deadlines.take_due(at(20)), Some((20, 0)));
        assert_eq!(deadlines.take_due(at(20)), None);
        assert_eq!(deadlines.first(), Some((at(30), (30, 0))));
    }
}
