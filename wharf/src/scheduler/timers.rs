//! Timers in the order of their deadlines. The clock is the caller's, so that it can be a simulated one.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

/// What is to happen when; `T` is what a timer gives back.
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
