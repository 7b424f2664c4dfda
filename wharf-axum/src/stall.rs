//! A time-out for peers that take nothing of what is sent to them. It is judged by what the peer's system has acknowledged: one that
//! reads slowly and all the time is not cut.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use wharf_async::time::{self, Sleep};

use crate::listener::Stream;

/// For the writes of one connection.
#[derive(Debug)]
pub(crate) struct Stall {
    timeout: Option<Duration>,
    /// While a write waits: until then the peer has to have taken something.
    until: Option<Until>,
}

#[derive(Debug)]
struct Until {
    sleep: Sleep,
    /// What the peer had not acknowledged when the time began.
    unacknowledged: Option<u64>,
}

impl Until {
    fn new(timeout: Duration, stream: &impl Stream) -> Until {
        Until {
            sleep: time::sleep(timeout),
            unacknowledged: stream.unacknowledged(),
        }
    }
}

impl Stall {
    pub(crate) fn new(timeout: Option<Duration>) -> Stall {
        Stall {
            timeout,
            until: None,
        }
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The peer has taken something.
    pub(crate) fn begin_anew(&mut self) {
        self.until = None;
    }

    /// What a write came to; a failure, if it waits and the peer has taken nothing for the time.
    pub(crate) fn judge<T>(
        &mut self,
        stream: &impl Stream,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let Some(timeout) = self.timeout.filter(|_| written.is_pending()) else {
            self.until = None;
            return written;
        };
        loop {
            let until = self
                .until
                .get_or_insert_with(|| Until::new(timeout, stream));
            ready!(Pin::new(&mut until.sleep).poll(context));
            let next = Until::new(timeout, stream);
            // Where it is not known, as on Windows, it has taken nothing.
            if next.unacknowledged >= until.unacknowledged {
                // What is unsent keeps the connection no longer.
                stream.reset();
                let what = format!("the peer has taken nothing for {timeout:?}");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, what)));
            }
            self.until = Some(next);
        }
    }
}
