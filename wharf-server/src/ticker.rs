//! The tick of a server: a timer that comes back at equal distances, without drifting.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use wharf::user_code::log;

use crate::{Tick, client::Who, shared::ServerState};

/// A server's.
#[derive(Debug)]
pub(crate) struct Ticker {
    period: Duration,
    since: Instant,
    /// The number of the tick that is next.
    next: AtomicU64,
}

impl Ticker {
    pub(crate) fn new(period: Duration) -> Self {
        Ticker {
            period,
            since: Instant::now(),
            next: AtomicU64::new(1),
        }
    }

    /// When a tick is due.
    fn due(&self, number: u64) -> Instant {
        let nanoseconds = self.period.as_nanos().saturating_mul(u128::from(number));
        let after = u64::try_from(nanoseconds).map_or(Duration::MAX, Duration::from_nanos);
        let far = || wharf::raw::deadline_after(Duration::MAX);
        self.since.checked_add(after).unwrap_or_else(far)
    }

    /// The next tick, which is due now; and those whose time is over too are missed.
    fn tick(&self, now: Instant) -> Tick {
        let expected = self.next.load(Ordering::Relaxed);
        let passed = now.saturating_duration_since(self.since).as_nanos() / self.period.as_nanos();
        let number = u64::try_from(passed).unwrap_or(u64::MAX).max(expected);
        self.next.store(number + 1, Ordering::Relaxed);
        Tick {
            number,
            missed: number - expected,
            late: now.saturating_duration_since(self.due(number)),
        }
    }
}

impl<M: Send + 'static> ServerState<M> {
    /// A tick is due. The next is set once this one's call has returned, so one worker at a time is in it.
    pub(crate) fn tick(&self) {
        let Some(ticker) = &self.ticker else {
            return;
        };
        let tick = ticker.tick(Instant::now());
        self.contain("tick", || self.handler.tick(&self.clients, tick));
        self.set_ticker();
    }

    /// Sets the timer for the next tick.
    pub(crate) fn set_ticker(&self) {
        let Some(ticker) = &self.ticker else {
            return;
        };
        let due = ticker.due(ticker.next.load(Ordering::Relaxed));
        if let Err(error) = self.port.timer_at(due, Who::Tick.into()) {
            if !self.port.is_closed() {
                log(|| tracing::error!(%error, "the server ticks no more"));
            }
        }
    }
}
