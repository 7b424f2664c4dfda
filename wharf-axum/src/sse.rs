//! Server-sent events: [`axum::response::Sse`] works as it is; the keep-alive of axum's own (`Sse::keep_alive`) needs the timer of tokio's
//! runtime, hence the feature `tokio` of `wharf-async`. [`KeepAlive`] needs nothing.
//!
//! A stream without an end is an answer that is under way, and a [graceful stop](crate::Serve::with_graceful_shutdown) waits for it: let it
//! end when the server is to stop (`take_until` of the `futures` crates, with a signal of the program's), or bound the stop.
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use axum::response::{IntoResponse, Sse, sse::Event};
//! use futures_util::stream;
//! use wharf_axum::sse::KeepAlive;
//!
//! async fn events() -> impl IntoResponse {
//!     let ahoy = stream::iter([Ok::<_, Infallible>(Event::default().data("ahoy"))]);
//!     Sse::new(KeepAlive::new(ahoy).interval(Duration::from_secs(5)))
//! }
//! # drop(events);
//! ```

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::response::sse::Event;
use futures_core::Stream;
use wharf_async::time::{self, Sleep};

/// As axum has it.
const INTERVAL: Duration = Duration::from_secs(15);

/// A stream of events, with another event whenever none has come for some time: proxies then keep the connection, and a client that has
/// gone is noticed.
pub struct KeepAlive<S> {
    stream: Pin<Box<S>>,
    interval: Duration,
    event: Event,
    /// None: the time begins with the next poll.
    sleep: Option<Sleep>,
}

impl<S> fmt::Debug for KeepAlive<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("KeepAlive");
        debug.field("interval", &self.interval);
        debug.finish_non_exhaustive()
    }
}

impl<S> KeepAlive<S> {
    /// With a comment that is empty, after 15 seconds.
    pub fn new(stream: S) -> KeepAlive<S> {
        KeepAlive {
            stream: Box::pin(stream),
            interval: INTERVAL,
            event: Event::default().comment(""),
            sleep: None,
        }
    }

    /// After how long without an event; a millisecond at least.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(1));
        self
    }

    /// The event.
    pub fn event(mut self, event: Event) -> Self {
        self.event = event;
        self
    }
}

impl<S, E> Stream for KeepAlive<S>
where
    S: Stream<Item = Result<Event, E>>,
{
    type Item = Result<Event, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(next) = self.stream.as_mut().poll_next(context) {
            self.sleep = None;
            return Poll::Ready(next);
        }
        let interval = self.interval;
        let sleep = self.sleep.get_or_insert_with(|| time::sleep(interval));
        ready!(Pin::new(sleep).poll(context));
        self.sleep = None;
        Poll::Ready(Some(Ok(self.event.clone())))
    }
}
