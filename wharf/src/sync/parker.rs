//! One parked thread, and the way to release it.
//!
//! Not [`std::thread::park`]: its token belongs to the thread, so a wait on a port could swallow a token that the
//! user's own code was sent.

use std::time::Duration;

use super::{Condvar, Mutex};

/// Where one thread sleeps while it is parked. A release that comes before the sleep is not lost.
#[derive(Debug, Default)]
pub(crate) struct Parker {
    released: Mutex<bool>,
    condition: Condvar,
}

impl Parker {
    /// Sleeps until released, or for about `timeout`. May return early; the caller looks for itself.
    pub(crate) fn park(&self, timeout: Option<Duration>) {
        let mut released = self.released.lock();
        if !*released {
            released = self.condition.wait(released, timeout);
        }
        *released = false;
    }

    /// Releases the sleeper, or the next sleep.
    pub(crate) fn release(&self) {
        *self.released.lock() = true;
        self.condition.notify_one();
    }
}
