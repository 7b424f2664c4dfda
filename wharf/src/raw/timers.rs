//! Timers in the order of their deadlines. The clock is the caller's, so that it can be a simulated one.

use std::{
    collections::{BTreeMap, HashMap},
    ptr::NonNull,
    time::{Duration, Instant},
};

use super::{Completed, Overlapped, Status};
use crate::sync::now;

/// Timers by their deadlines; `T` is the value that a timer gives back.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    /// By deadline, then in the order in which they were set.
    queue: BTreeMap<(Instant, u64), T>,
    deadlines: HashMap<u64, Instant>,
    last: u64,
}

impl<T> Timers<T> {
    pub(crate) fn new() -> Self {
        Timers {
            queue: BTreeMap::new(),
            deadlines: HashMap::new(),
            last: 0,
        }
    }

    /// The number that the next timer will have.
    pub(crate) fn next_number(&self) -> u64 {
        self.last + 1
    }

    /// Sets a timer and returns its number.
    pub(crate) fn set(&mut self, deadline: Instant, value: T) -> u64 {
        self.last += 1;
        self.queue.insert((deadline, self.last), value);
        self.deadlines.insert(self.last, deadline);
        self.last
    }

    /// Takes a timer back, unless it was taken already.
    pub(crate) fn cancel(&mut self, number: u64) -> Option<T> {
        let deadline = self.deadlines.remove(&number)?;
        self.queue.remove(&(deadline, number))
    }

    /// The earliest deadline.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.queue
            .first_key_value()
            .map(|(&(deadline, _), _)| deadline)
    }

    /// Takes the earliest timer if it is due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<T> {
        let first = self.queue.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        self.deadlines.remove(&first.key().1);
        Some(first.remove())
    }

    /// Takes any timer.
    pub(crate) fn take_any(&mut self) -> Option<T> {
        let ((_, number), value) = self.queue.pop_first()?;
        self.deadlines.remove(&number);
        Some(value)
    }
}

impl Timers<Completed> {
    /// Sets an operation as a timer, under a key, and returns its number.
    ///
    /// # Safety
    /// The operation is valid, and not used by other code until it is taken out.
    pub(super) unsafe fn set_operation(
        &mut self,
        deadline: Instant,
        key: usize,
        mut operation: NonNull<Overlapped>,
    ) -> u64 {
        // SAFETY: passed on to the caller.
        let overlapped = unsafe { operation.as_mut() };
        overlapped.key = key;
        overlapped.sequence = self.next_number();
        self.set(deadline, Completed(operation))
    }
}

impl Completed {
    /// Notes how a timer ended that was taken out.
    pub(super) fn with(self, status: Status) -> Completed {
        let Completed(mut operation) = self;
        // SAFETY: it was among the timers, so it is valid; since it was taken out, no other code uses it.
        unsafe { operation.as_mut() }.status = status;
        self
    }
}

/// The deadline after this delay; if the delay is more than the clock can express, a century from now. All deadlines are made
/// with it, since `Instant::now() + delay` panics if it overflows.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let (soon, never) = (Duration::from_secs(1), Duration::MAX);
/// assert!(Instant::now() < wharf::raw::deadline_after(soon));
/// assert!(wharf::raw::deadline_after(soon) < wharf::raw::deadline_after(never));
/// ```
pub fn deadline_after(delay: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let now = now();
    now.checked_add(delay).unwrap_or_else(|| now + CENTURY)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn take_all_due<T>(timers: &mut Timers<T>, now: Instant) -> Vec<T> {
        std::iter::from_fn(|| timers.take_due(now)).collect()
    }

    #[test]
    fn timers_come_in_the_order_of_their_deadlines() {
        let start = Instant::now();
        let mut timers = Timers::new();
        for (seconds, value) in [(3, 'c'), (1, 'a'), (2, 'b')] {
            timers.set(after(start, seconds), value);
        }
        assert_eq!(timers.earliest(), Some(after(start, 1)));
        assert_eq!(take_all_due(&mut timers, after(start, 9)), ['a', 'b', 'c']);
        assert_eq!(timers.earliest(), None);
    }

    #[test]
    fn a_timer_is_taken_when_it_is_due_and_not_before() {
        let start = Instant::now();
        let deadline = after(start, 1);
        let mut timers = Timers::new();
        timers.set(deadline, 'a');
        assert_eq!(timers.take_due(start), None);
        assert_eq!(timers.take_due(deadline - Duration::from_nanos(1)), None);
        assert_eq!(timers.take_due(deadline), Some('a'));
        assert_eq!(timers.take_due(deadline), None);
    }

    #[test]
    fn a_timer_is_cancelled_once() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let first = timers.set(after(start, 1), 'a');
        let second = timers.set(after(start, 1), 'b');
        assert_eq!(timers.cancel(first), Some('a'));
        assert_eq!(timers.cancel(first), None);
        assert_eq!(timers.take_due(after(start, 1)), Some('b'));
        assert_eq!(timers.cancel(second), None, "it was taken");
        assert_eq!(timers.cancel(second + 1), None, "it was never set");
    }

    #[test]
    fn a_number_is_never_used_again() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let expected = timers.next_number();
        let first = timers.set(start, 'a');
        assert_eq!(first, expected);
        assert_eq!(timers.take_due(start), Some('a'));
        let second = timers.set(start, 'b');
        assert_ne!(first, second);
        assert_eq!(timers.cancel(first), None);
        assert_eq!(timers.cancel(second), Some('b'));
    }

    #[test]
    fn ten_thousand_at_one_instant_come_in_the_order_in_which_they_were_set() {
        let now = Instant::now();
        let mut timers = Timers::new();
        for value in 0..10_000 {
            timers.set(now, value);
        }
        let expected: Vec<_> = (0..10_000).collect();
        assert_eq!(take_all_due(&mut timers, now), expected);
    }

    #[test]
    fn what_is_left_can_be_taken_in_any_case() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let number = timers.set(after(start, 1_000_000), 'a');
        assert_eq!(timers.take_any(), Some('a'));
        assert_eq!(timers.take_any(), None);
        assert_eq!(timers.cancel(number), None);
    }
}
