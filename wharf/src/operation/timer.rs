//! Timers.

use std::{
    io,
    time::{Duration, Instant},
};

use super::OperationId;
use crate::{
    CompletionPort,
    handle::Origin,
    raw::deadline_after,
    record::{Cargo, Memory},
};

impl<K: Clone + Send + Sync + 'static> CompletionPort<K> {
    /// Has a completion with `key` come once `delay` is over: never earlier, and in the order of the deadlines. A
    /// delay that no clock reaches is a very long one.
    ///
    /// # Errors
    /// The port is closed, or as many operations are under way as it takes.
    pub fn timer(&self, delay: Duration, key: K) -> io::Result<OperationId> {
        self.timer_at(deadline_after(delay), key)
    }

    /// Has a completion with `key` come at `deadline`; see [`timer`](Self::timer).
    ///
    /// # Errors
    /// The port is closed, or as many operations are under way as it takes.
    pub fn timer_at(&self, deadline: Instant, key: K) -> io::Result<OperationId> {
        let cargo = Cargo {
            source: Origin::Own(key),
            memory: Memory::None,
        };
        let started = self.records().start_timer(deadline, cargo);
        started.map_err(|(error, _)| error)
    }
}
