//! The body of a request, whose client may not be silent for ever.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use wharf_async::time::{self, Sleep};

/// A body that fails when the client has sent nothing of it for the time.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Incoming,
    timeout: Duration,
    /// It stays when the wait is over, to be put off with the next one.
    sleep: Option<Sleep>,
    waits: bool,
}

/// The client has sent nothing of a body for so long.
#[derive(Debug)]
pub(crate) struct Silent(Duration);

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, timeout: Duration) -> RequestBody {
        RequestBody {
            incoming,
            timeout,
            sleep: None,
            waits: false,
        }
    }

    /// Ready when this wait has taken its time.
    fn poll_timeout(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let timeout = self.timeout;
        let sleep = self.sleep.get_or_insert_with(|| time::sleep(timeout));
        if !self.waits {
            sleep.reset(time::now() + timeout);
            self.waits = true;
        }
        Pin::new(sleep).poll(context)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) {
            self.waits = false;
            return Poll::Ready(frame.map(|it| it.map_err(Into::into)));
        }
        ready!(self.poll_timeout(context));
        Poll::Ready(Some(Err(Silent(self.timeout).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Display for Silent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timeout = self.0;
        write!(
            formatter,
            "the client has sent nothing of its body for {timeout:?} (`Serve::body_timeout`)"
        )
    }
}

impl std::error::Error for Silent {}
