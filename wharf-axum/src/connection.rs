//! One connection, from its first byte to its end.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, extract::Request, response::Response};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
};
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tower_service::Service;
use wharf_async::{
    hyper::{Executor, Timer},
    net::TcpStream,
    time,
};

use crate::prefixed::{Prefixed, Version};

/// What all connections of a server have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) header_timeout: Option<Duration>,
    pub(crate) stall_timeout: Option<Duration>,
    pub(crate) nodelay: bool,
}

/// Serves a connection until its end.
pub(crate) async fn serve<S>(
    stream: TcpStream,
    service: S,
    settings: Settings,
    mut stop: watch::Receiver<()>,
) where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
{
    if settings.nodelay {
        // What fails on a connection that is gone shows again.
        let _ = stream.set_nodelay(true);
    }
    let (version, stream) = match find_version(stream, settings, &mut stop).await {
        Ok(Some(found)) => found,
        Ok(None) => return,
        Err(error) => return tell(&error),
    };
    let service = TowerToHyperService::new(OfAxum(service));
    match version {
        Version::One => {
            let mut builder = http1::Builder::new();
            builder.timer(Timer::new());
            builder.header_read_timeout(settings.header_timeout);
            let connection = builder.serve_connection(stream, service);
            until_stop(connection.with_upgrades(), stop, |it| {
                it.graceful_shutdown()
            })
            .await;
        }
        Version::Two => {
            let mut builder = http2::Builder::new(Executor::current());
            builder.timer(Timer::new());
            // A peer that is gone is found by that.
            builder.keep_alive_interval(settings.header_timeout);
            if let Some(timeout) = settings.header_timeout {
                builder.keep_alive_timeout(timeout);
            }
            // Upgrades of HTTP/2 (RFC 8441), as axum has them.
            builder.enable_connect_protocol();
            let connection = builder.serve_connection(stream, service);
            until_stop(connection, stop, |it| it.graceful_shutdown()).await;
        }
    }
}

/// Waits for the first bytes. None: the client has ended before them, or the server is to stop.
async fn find_version(
    stream: TcpStream,
    settings: Settings,
    stop: &mut watch::Receiver<()>,
) -> io::Result<Option<(Version, Prefixed)>> {
    let finding = async {
        let finding = Prefixed::find_version(stream, settings.stall_timeout);
        match settings.header_timeout {
            Some(timeout) => time::timeout(timeout, finding).await?,
            None => finding.await,
        }
    };
    // A client that has not asked is not waited for.
    let found = before_stop(pin!(finding), stop).await;
    found.unwrap_or(Ok(None))
}

/// Drives a connection to its end. When the server is to stop, it is told to end with the requests that are under way.
async fn until_stop<C>(connection: C, mut stop: watch::Receiver<()>, end: impl FnOnce(Pin<&mut C>))
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let ended = match before_stop(connection.as_mut(), &mut stop).await {
        Some(ended) => ended,
        None => {
            end(connection.as_mut());
            connection.await
        }
    };
    if let Err(error) = ended {
        tell(&error);
    }
}

/// What a future comes to. None: the server is to stop before.
async fn before_stop<F: Future>(
    mut future: Pin<&mut F>,
    stop: &mut watch::Receiver<()>,
) -> Option<F::Output> {
    let mut stopping = pin!(stop.changed());
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        stopping.as_mut().poll(context).map(|_| None)
    })
    .await
}

/// Peers that go, or speak no HTTP, are no fault of the server's.
fn tell(error: &(dyn std::error::Error + 'static)) {
    tracing::debug!(error, "a connection has failed");
}

/// A service of axum's, for requests as hyper has them.
#[derive(Debug, Clone)]
struct OfAxum<S>(S);

impl<S: Service<Request>> Service<hyper::Request<Incoming>> for OfAxum<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: hyper::Request<Incoming>) -> S::Future {
        self.0.call(request.map(Body::new))
    }
}
