//! Timers.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{OperationId, Refused, With};
use crate::{
    CompletionPort,
    handle::{Key, Origin},
    raw::deadline_after,
    record::Owned,
};

impl<K: Key> CompletionPort<K> {
    /// Starts a timer: a completion with `key` comes once `delay` is over, never earlier, and in the order of the deadlines. A
    /// delay that is too long for the clock counts as a very long one.
    ///
    /// # Errors
    /// The port is closed, or as many operations are under way as it takes.
    pub fn timer(&self, delay: Duration, key: K) -> io::Result<OperationId> {
        self.timer_at(deadline_after(delay), key)
    }

    /// Starts a timer whose completion, with `key`, comes at `deadline`; see [`timer`](Self::timer).
    ///
    /// # Errors
    /// The port is closed, or as many operations are under way as it takes.
    pub fn timer_at(&self, deadline: Instant, key: K) -> io::Result<OperationId> {
        Ok(self.plain().timer_at(deadline, key)?)
    }
}

impl<K: Key> With<'_, CompletionPort<K>> {
    /// As [`CompletionPort::timer`].
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn timer(self, delay: Duration, key: K) -> Result<OperationId, Refused<()>> {
        self.timer_at(deadline_after(delay), key)
    }

    /// As [`CompletionPort::timer_at`].
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn timer_at(self, deadline: Instant, key: K) -> Result<OperationId, Refused<()>> {
        let owned = Owned::without_memory(Origin::Own(key), self.context);
        let started = self.on.records().start_timer(deadline, owned);
        started.map_err(|(error, owned)| Refused::of_owned(error, owned, |_| Some(())))
    }
}
