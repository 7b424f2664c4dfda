//! Accepting connections, until the server is to stop.

use std::{
    fmt,
    future::{Future, IntoFuture, pending, poll_fn},
    io,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tokio::sync::watch;
use wharf::user_code::log;
use wharf_async::time;

use crate::{
    connection::{self, Settings},
    front::Front,
    listener::Listener,
    make::{Accepted, MakeService},
    room::Room,
};

/// How long a client may take for the head of a request, unless a program says otherwise.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may take nothing, unless a program says otherwise; as `wharf_server` has it.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a client may send nothing of a body that is read, unless a program says otherwise.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The most requests of one connection of HTTP/2 at once, unless a program says otherwise.
const REQUESTS_AT_MOST: u32 = 100;

/// The most connections at once, unless a program says otherwise.
const CONNECTIONS_AT_MOST: usize = 10_000;

/// How long to wait where the system has no descriptor or memory for a connection; as axum does.
const SHORTAGE_PAUSE: Duration = Duration::from_secs(1);

/// How many connections in a row may fail before they are accepted, without a pause.
const FAILED_AT_MOST: u32 = 100;

/// Serves HTTP/1 and HTTP/2 (without TLS) on a listener: a [`Router`](axum::Router), or one with
/// [`ConnectInfo`](axum::extract::ConnectInfo), by `into_make_service_with_connect_info::<SocketAddr>()`. Await the [`Serve`]
/// that is returned; it ends only if a [graceful stop](Serve::with_graceful_shutdown) was asked for.
///
/// Each connection is a task of the runtime that this is awaited on. If the [`Serve`] is dropped, the connections end by themselves as at
/// a graceful stop.
pub fn serve<L: Listener, M: MakeService<L> + Clone>(listener: L, make: M) -> Serve<M> {
    Serve::new(make, for_each_listener).and(listener)
}

/// As [`serve`], and over TLS: a client chooses HTTP/2 or HTTP/1.1 in its handshake (ALPN). With the feature `tls`; the module
/// [`tls`](crate::tls) shows more of it.
#[cfg(feature = "tls")]
pub fn serve_tls<L, M>(listener: L, tls: crate::tls::Server, make: M) -> Serve<M>
where
    L: Listener,
    M: MakeService<L> + Clone,
{
    Serve::new(make, for_each_listener).and_tls(listener, tls)
}

/// A server that begins when it is awaited. Made by [`serve`].
#[must_use = "a server begins when it is awaited"]
pub struct Serve<M> {
    /// One for each listener.
    gates: Vec<Gate<M>>,
    make: M,
    for_each: fn(M, usize) -> Vec<M>,
    settings: Settings,
    connections_at_most: usize,
    signal: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// A listener, of whatever kind it is.
struct Gate<M> {
    address: Option<SocketAddr>,
    begin: Box<dyn FnOnce(M, Settings, Room, watch::Receiver<()>) -> Accepting + Send>,
}

/// Accepts connections of one listener, and begins a task for each. It does not end by itself.
type Accepting = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<M> fmt::Debug for Serve<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Serve");
        debug.field("listeners", &self.gates.len());
        debug.field("settings", &self.settings);
        debug.finish_non_exhaustive()
    }
}

impl<M: Send + 'static> Serve<M> {
    /// Serves the same on another listener as well, which may be of another kind. A stop ends all listeners.
    pub fn and<L: Listener>(self, listener: L) -> Self
    where
        M: MakeService<L> + Clone,
    {
        self.and_behind(listener, Front::Plain)
    }

    /// As [`and`](Self::and), over TLS.
    #[cfg(feature = "tls")]
    pub fn and_tls<L: Listener>(self, listener: L, tls: crate::tls::Server) -> Self
    where
        M: MakeService<L> + Clone,
    {
        self.and_behind(listener, Front::Tls(tls))
    }

    fn new(make: M, for_each: fn(M, usize) -> Vec<M>) -> Self {
        Serve {
            gates: Vec::new(),
            make,
            for_each,
            settings: Settings {
                header_timeout: Some(HEADER_TIMEOUT),
                body_timeout: Some(BODY_TIMEOUT),
                stall_timeout: Some(STALL_TIMEOUT),
                requests_at_most: REQUESTS_AT_MOST,
                nodelay: true,
                #[cfg(feature = "tls")]
                handshakes: crate::tls::Handshakes::default(),
            },
            connections_at_most: CONNECTIONS_AT_MOST,
            signal: Box::pin(pending()),
        }
    }

    fn and_behind<L: Listener>(mut self, listener: L, front: Front) -> Self
    where
        M: MakeService<L> + Clone,
    {
        self.gates.push(Gate {
            address: listener.local_addr(),
            begin: Box::new(move |make, settings, room, stopping| {
                let accepting = accept_all(listener, front, make, settings, room, stopping);
                Box::pin(accepting)
            }),
        });
        self
    }

    /// When this future is ready, the server stops in order: it accepts no more, ends the connections that have asked nothing, and
    /// ends itself when the requests that are under way have their answers. A client of HTTP/1 that has begun a request's head has a
    /// second to complete it; one of HTTP/2 has a second to say which requests it has begun, and then is closed when it has their
    /// answers, also if it says nothing any more, or goes on to ask. Bodies of HTTP/1's requests have their
    /// [time-out](Self::body_timeout). On HTTP/2 a handler waits for a body as long as the client is there. Handlers have no time-out.
    ///
    /// A client of HTTP/2 may read the end of its answers slowly, as [`stall_timeout`](Self::stall_timeout) allows, until its system has
    /// all of them; on Windows, which does not tell that, as soon as they are written. Then it has a second to end the connection, and
    /// another each time that it has allowed more meanwhile, for as long as `stall_timeout` altogether.
    ///
    /// The stop does not wait for connections of HTTP/1 that were upgraded, such as WebSockets: they are the program's. On HTTP/2 these are
    /// streams of their connection, which goes on while there are any, and the stop waits for it: the program has to end them itself, or
    /// to bound the stop. For that, put a [`timeout`](wharf_async::time::timeout) around what comes after the signal, or stop the
    /// [runtime](wharf_async::Runtime::stop).
    pub fn with_graceful_shutdown<F>(mut self, signal: F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.signal = Box::pin(signal);
        self
    }

    /// How long a client may take for its first bytes, and for the head of each request. On HTTP/1 this also ends a connection that is
    /// idle for so long between two requests; on HTTP/2 a client that has sent nothing for so long is asked whether it is still
    /// there, and has as much time again to say so; and again while it allows more of an answer, or its system takes what was sent before
    /// the question (which Windows does not tell). None is for ever; 0 is refused. The default is 30 seconds.
    pub fn header_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.header_timeout = timeout.into();
        self
    }

    /// How long a client of HTTP/1 may send nothing of a request's body while the handler waits for more of it: each wait has this time.
    /// Then reading the body fails, with an error that says so, and the connection ends when the handler has answered. None is for ever;
    /// 0 is refused. The default is 30 seconds.
    ///
    /// On HTTP/2 there is no such time: a stream of gRPC may have nothing to say for hours, and a client may have to wait until the server
    /// reads what it has sent for another request. The client is asked whether it is there, as [`header_timeout`](Self::header_timeout) says.
    pub fn body_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.body_timeout = timeout.into();
        self
    }

    /// The most requests of one connection at once, on HTTP/2 (`SETTINGS_MAX_CONCURRENT_STREAMS`); on HTTP/1 it is one. A client that
    /// begins more is told so, and that request is refused. A request that the client resets counts until its handler has ended: another
    /// waits for its turn until then. At least 1; the default is 100. A handler that blocks holds a worker for as long: so one client may
    /// hold this many workers, and with several connections more. [The limits](crate#limits) say how to bound that.
    pub fn requests_at_most(mut self, requests: u32) -> Self {
        self.settings.requests_at_most = requests;
        self
    }

    /// The most connections at once, of all listeners, also upgraded ones: above it accepting pauses, and goes on when one ends; the log
    /// has a line of it, at the level `warn`. Each listener accepts one more, which waits for its turn. At least 1; the default is
    /// 10,000. The limit of open files (`ulimit -n`) should be higher: where it is lower, accepting fails, and is
    /// tried again each second.
    ///
    /// A client of HTTP/2 that answers pings keeps its connection, and so does a WebSocket: nothing here shares the connections out by
    /// address, which is for a firewall or a balancer before the server.
    pub fn connections_at_most(mut self, connections: usize) -> Self {
        self.connections_at_most = connections;
        self
    }

    /// How long a client may take nothing of what is sent to it, before its connection is reset; also of an upgraded one. None is for
    /// ever; 0 is refused. A client that reads slowly and all the time is not cut: what its system acknowledges counts, except on
    /// Windows, which does not tell it. The default is 60 seconds.
    ///
    /// On HTTP/2 a client also says how much of each answer may come. A client that allows nothing of any answer is cut after this time, at
    /// the latest after twice this time and a second, even if it answers pings; so is a client that takes less than 16 KiB in this time. Two
    /// things may stay for ever, and hold up a graceful stop: the end of an answer, up to 16 KiB, of which the client has allowed a part; and
    /// what was written to an upgraded stream.
    pub fn stall_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.stall_timeout = timeout.into();
        self
    }

    /// Whether small segments are sent at once (`TCP_NODELAY`). The default is true.
    pub fn nodelay(mut self, at_once: bool) -> Self {
        self.settings.nodelay = at_once;
        self
    }

    /// How long a TLS handshake may take: a client that is not done then is closed. The default is 10 seconds.
    #[cfg(feature = "tls")]
    pub fn tls_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.settings.handshakes.timeout = timeout;
        self
    }

    /// The most TLS handshakes at once, of all listeners: when a client comes while there are as many, the oldest is closed, so that
    /// silent clients keep no others out. At least 1; the default is 1,000.
    #[cfg(feature = "tls")]
    pub fn handshakes_at_most(mut self, handshakes: usize) -> Self {
        self.settings.handshakes.at_most = handshakes;
        self
    }

    /// The IP addresses of the listeners that have one, in the order in which they were given.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.gates.iter().filter_map(|gate| gate.address).collect()
    }

    async fn run(mut self) -> io::Result<()> {
        self.settings.check()?;
        #[cfg(feature = "tls")]
        self.settings.handshakes.check()?;
        let room = Room::new(self.connections_at_most)?;
        // Each connection has a receiver, until it ends.
        let (stop, stopping) = watch::channel(());
        let makes = (self.for_each)(self.make, self.gates.len());
        let begun = self.gates.into_iter().zip(makes).map(|(gate, make)| {
            (gate.begin)(make, self.settings.clone(), room.clone(), stopping.clone())
        });
        let mut accepting: Vec<_> = begun.collect();
        let (mut signal, mut first) = (self.signal, 0);
        poll_fn(|context| {
            if signal.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            // A poll may do so much. Each has its turn to be the first, so that none has all of it.
            accepting.rotate_left(first);
            first = 1 % accepting.len();
            for accepts in &mut accepting {
                let _endless = accepts.as_mut().poll(context);
            }
            Poll::Pending
        })
        .await;
        // Connections that come from now on are refused.
        drop((accepting, stopping));
        if stop.send(()).is_ok() {
            stop.closed().await;
        }
        Ok(())
    }
}

/// What makes the services, prepared, for so many listeners.
fn for_each_listener<L: Listener, M: MakeService<L> + Clone>(
    mut make: M,
    listeners: usize,
) -> Vec<M> {
    make.prepare();
    vec![make; listeners]
}

/// Accepts connections for ever, and begins a task for each.
async fn accept_all<L: Listener, M: MakeService<L>>(
    listener: L,
    front: Front,
    mut make: M,
    settings: Settings,
    room: Room,
    stopping: watch::Receiver<()>,
) {
    loop {
        let (stream, peer) = accept(&listener).await;
        // After the accept: a listener to which nobody comes takes no place from the others.
        let place = room.enter().await;
        let accepted = Accepted {
            stream: &stream,
            peer,
        };
        // A panic of the program's `ConnectInfo` costs its connection.
        let Some(service) = contained(|| make.make(accepted)).await else {
            continue;
        };
        let (front, settings) = (front.clone(), settings.clone());
        let serving = connection::serve(stream, place, front, service, settings, stopping.clone());
        wharf_async::spawn(serving).detach();
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
async fn accept<L: Listener>(listener: &L) -> (L::Stream, L::Address) {
    let mut connections_failed = 0;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // Where it is not the connection in truth, it comes again and again.
            Err(error) if is_of_the_connection(&error) && connections_failed < FAILED_AT_MOST => {
                connections_failed += 1;
            }
            Err(error) => {
                connections_failed = 0;
                // A subscriber that panics, as one does whose disk is full, does not end the server.
                log(
                    || tracing::error!(%error, "no connection can be accepted; trying again in a second"),
                );
                time::sleep(SHORTAGE_PAUSE).await;
            }
        }
    }
}

/// Whether the connection has failed, and not the listener. On Linux an accept also tells errors of the network that the connection has
/// (accept(2)), and that a firewall forbids it.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    let is_of_one = matches!(
        error.kind(),
        ConnectionRefused
            | ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | NetworkDown
            | NetworkUnreachable
            | PermissionDenied
            | TimedOut
    );
    is_of_one || cfg!(target_os = "linux") && error.raw_os_error().is_some_and(is_of_the_network)
}

/// EPROTO, ENONET, EPROTONOSUPPORT, ENOPROTOOPT, EOPNOTSUPP and EHOSTDOWN, which have no kind.
fn is_of_the_network(code: i32) -> bool {
    matches!(code, 71 | 64 | 93 | 92 | 95 | 112)
}

impl<M: Send + 'static> IntoFuture for Serve<M> {
    type Output = io::Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
