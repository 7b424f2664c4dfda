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
    record::{Context, Owned},
};

/// A timer that was cancelled without a packet: what was given with it. See
/// [`CompletionPort::cancel_timer_quietly`].
#[derive(Debug)]
#[non_exhaustive]
pub struct CancelledTimer<K> {
    /// The key that the timer was started with.
    pub key: K,
    /// The [context](Context) that was given with it, if one was.
    pub context: Option<Context>,
}

impl<K> CancelledTimer<K> {
    /// Takes the value that went with the timer, if there is one and it is a `C`; one of another type stays.
    pub fn take_context<C: 'static>(&mut self) -> Option<C> {
        Context::take_from(&mut self.context)
    }
}

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

    /// Cancels a timer without a completion: what was given with it comes back from the call, and no packet follows. This is the
    /// call for a time-out that was not needed: it makes no system call, and wakes no thread.
    ///
    /// [`cancel`](Self::cancel) is the call for a program that ends its timers in one place, where their completions are handled.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wharf::CompletionPort;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let port = CompletionPort::new(1)?;
    /// let time_out = port.with("the third request").timer(Duration::from_secs(30), 7)?;
    /// // The answer is there.
    /// let mut timer = port.cancel_timer_quietly(time_out)?;
    /// assert_eq!((timer.key, timer.take_context()), (7, Some("the third request")));
    /// assert!(port.close().is_empty(), "no completion is left");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound): the timer has fired, and its completion is queued or was delivered; or it was
    /// cancelled before, or the port is closed; or the operation is not a timer. Nothing changes.
    #[doc(alias = "SetThreadpoolTimer")]
    #[doc(alias = "DeleteTimerQueueTimer")]
    pub fn cancel_timer_quietly(&self, timer: OperationId) -> io::Result<CancelledTimer<K>> {
        let owned = self.records().cancel_timer_quietly(timer)?;
        let Origin::Own(key) = owned.source else {
            unreachable!("a timer has a key of its own");
        };
        Ok(CancelledTimer {
            key,
            context: owned.context,
        })
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
        if self.timeout.is_some() {
            return Err(self.refuse_time_out(()));
        }
        let owned = Owned::without_memory(Origin::Own(key), self.context);
        let started = self.on.records().start_timer(deadline, owned);
        started.map_err(|(error, owned)| Refused::of_owned(error, owned, |_| Some(())))
    }
}
