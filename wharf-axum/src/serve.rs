//! Accepting connections, until the server is to stop.

use std::{
    fmt,
    future::{Future, IntoFuture, pending, poll_fn},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tokio::sync::watch;
use wharf_async::{
    net::{TcpListener, TcpStream},
    time,
};

use crate::{
    connection::{self, Settings},
    make::{Accepted, MakeService},
};

/// How long a client may take for the head of a request, unless a program says otherwise.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may take nothing, unless a program says otherwise; as `wharf_server` has it.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to wait where the system has no descriptor or memory for a connection; as axum does.
const SHORTAGE_PAUSE: Duration = Duration::from_secs(1);

/// Serves HTTP/1 and HTTP/2 (without TLS) on a listener: a [`Router`](axum::Router), or one with
/// [`ConnectInfo`](axum::extract::ConnectInfo), by `into_make_service_with_connect_info::<SocketAddr>()`. What is returned is awaited;
/// it ends only if a [graceful stop](Serve::with_graceful_shutdown) was asked for.
///
/// Each connection is a task of the runtime that this is awaited on. If what is returned is dropped, they end by themselves as at a
/// graceful stop.
pub fn serve<M: MakeService>(listener: TcpListener, make: M) -> Serve<M> {
    Serve {
        listener,
        make,
        settings: Settings {
            header_timeout: Some(HEADER_TIMEOUT),
            stall_timeout: Some(STALL_TIMEOUT),
            nodelay: true,
        },
        signal: Box::pin(pending()),
    }
}

/// A server that begins when it is awaited. Made by [`serve`].
#[must_use = "a server begins when it is awaited"]
pub struct Serve<M> {
    listener: TcpListener,
    make: M,
    settings: Settings,
    signal: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl<M> fmt::Debug for Serve<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Serve");
        debug.field("listener", &self.listener);
        debug.field("settings", &self.settings);
        debug.finish_non_exhaustive()
    }
}

impl<M: MakeService> Serve<M> {
    /// When this future is ready, the server stops in order: it accepts no more, ends the connections that have asked nothing, and
    /// ends itself when the requests that are under way have their answers. It does not wait for connections that were upgraded:
    /// they are the program's. For a bound on that, put a [`timeout`](wharf_async::time::timeout) around what comes after the signal, or stop
    /// the [runtime](wharf_async::Runtime::stop).
    pub fn with_graceful_shutdown<F>(mut self, signal: F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.signal = Box::pin(signal);
        self
    }

    /// How long a client may take for its first bytes, and for the head of each request. On HTTP/1 this also ends a connection that is
    /// idle for so long between two requests; on HTTP/2 a client that has sent nothing for so long is asked whether it is still
    /// there, and has as much time again to say so. None is for ever. The default is 30 seconds.
    pub fn header_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.header_timeout = timeout.into();
        self
    }

    /// How long a client may take nothing of what is sent to it, before its connection is reset; also of an upgraded one. None is for
    /// ever. A client that reads slowly and all the time is not cut: what its system acknowledges counts, except on Windows, which does
    /// not tell it. The default is 60 seconds.
    pub fn stall_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.stall_timeout = timeout.into();
        self
    }

    /// Whether small segments are sent at once (`TCP_NODELAY`). The default is true.
    pub fn nodelay(mut self, at_once: bool) -> Self {
        self.settings.nodelay = at_once;
        self
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> std::net::SocketAddr {
        self.listener.local_addr()
    }

    async fn run(mut self) -> io::Result<()> {
        // Each connection has a receiver, until it ends.
        let (stop, stopping) = watch::channel(());
        while let Some((stream, peer)) = self.accept_or_stop().await {
            let accepted = Accepted {
                stream: &stream,
                peer,
            };
            // A panic of the program's `ConnectInfo` costs its connection.
            let Some(service) = contained(|| self.make.make(accepted)).await else {
                continue;
            };
            let serving = connection::serve(stream, service, self.settings, stopping.clone());
            wharf_async::spawn(serving).detach();
        }
        // Connections that come from now on are refused.
        drop((self.listener, stopping));
        if stop.send(()).is_ok() {
            stop.closed().await;
        }
        Ok(())
    }

    /// The next connection. None: the server is to stop.
    async fn accept_or_stop(&mut self) -> Option<(TcpStream, std::net::SocketAddr)> {
        let (listener, signal) = (&self.listener, &mut self.signal);
        let mut accepting = pin!(accept(listener));
        poll_fn(|context| {
            if signal.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            accepting.as_mut().poll(context).map(Some)
        })
        .await
    }
}

/// Waits for a future of the program's. None: it has panicked, as was told on standard error.
async fn contained<F: Future>(make: impl FnOnce() -> F) -> Option<F::Output> {
    let future = catch_unwind(AssertUnwindSafe(make)).ok()?;
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        match polled {
            Ok(polled) => polled.map(Some),
            Err(_panic) => Poll::Ready(None),
        }
    })
    .await
}

/// Accepts, and waits a moment where the system is short of something.
async fn accept(listener: &TcpListener) -> (TcpStream, std::net::SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted; trying again in a second");
                time::sleep(SHORTAGE_PAUSE).await;
            }
        }
    }
}

/// Whether the connection has failed, and not the listener.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

impl<M: MakeService> IntoFuture for Serve<M> {
    type Output = io::Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
