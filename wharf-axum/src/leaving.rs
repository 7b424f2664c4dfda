//! How long a connection of HTTP/2 is read on after all was written: what comes to a socket that is closed has the system reset it, and
//! the client may lose what it has not read. As nginx does it (its `lingering_close`).

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use wharf_async::time::{self, Sleep};

use crate::connection::HEAD_AT_STOP;

/// From the last write on.
#[derive(Debug)]
pub(crate) struct Leaving {
    /// A client that goes on to allow more reads what its system has. None: for as long as it likes.
    at_most: Option<Duration>,
    until: Option<Instant>,
    /// How often it had allowed more when the sleep began.
    allowed: u64,
    sleep: Sleep,
}

impl Leaving {
    pub(crate) fn new(at_most: Option<Duration>, allowed: u64) -> Leaving {
        Leaving {
            at_most,
            until: at_most.map(|it| time::now() + it),
            allowed,
            sleep: time::sleep(HEAD_AT_STOP),
        }
    }

    /// Ready: all has arrived, and the client has had its time to read it.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        is_in_flight: bool,
        allowed: u64,
    ) -> Poll<()> {
        loop {
            ready!(Pin::new(&mut self.sleep).poll(context));
            if is_in_flight {
                *self = Leaving::new(self.at_most, allowed);
                continue;
            }
            let now = time::now();
            let has_time = self.until.is_none_or(|until| now < until);
            if allowed == self.allowed || !has_time {
                return Poll::Ready(());
            }
            self.allowed = allowed;
            self.sleep.reset(now + HEAD_AT_STOP);
        }
    }
}
