//! One connection, from its first byte to its end.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{body::Body, extract::Request, response::Response};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use tokio::sync::watch;
use tower_service::Service;
use wharf::user_code::log;
use wharf_async::{
    hyper::{Executor, Timer},
    time,
};

use crate::{
    answer::{Doing, Stage, Turns, UnderWay},
    answering::Answering,
    front::{Front, Io},
    listener::Stream,
    patience,
    prefixed::{Prefixed, Version},
    request_body::RequestBody,
    room::Place,
};

/// As good as for ever, and a clock can reach it.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How long a client has at a stop to complete the head of a request that it has begun; and one of HTTP/2 to say which it has begun.
pub(crate) const HEAD_AT_STOP: Duration = Duration::from_secs(1);

/// What all connections of a server have.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) header_timeout: Option<Duration>,
    pub(crate) body_timeout: Option<Duration>,
    pub(crate) stall_timeout: Option<Duration>,
    pub(crate) requests_at_most: u32,
    pub(crate) nodelay: bool,
    #[cfg(feature = "tls")]
    pub(crate) handshakes: crate::tls::Handshakes,
}

impl Settings {
    /// Finds what can't work, and bounds what a clock can't reach: hyper adds it to now.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        for (name, timeout, default) in [
            ("header_timeout", &mut self.header_timeout, "30 s"),
            ("body_timeout", &mut self.body_timeout, "30 s"),
            ("stall_timeout", &mut self.stall_timeout, "60 s"),
        ] {
            if *timeout == Some(Duration::ZERO) {
                let wrong = format!(
                    "{name} is 0, so every client would be cut; None is for ever, and {default} is the default"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidInput, wrong));
            }
            *timeout = timeout.map(|it| it.min(CENTURY));
        }
        if self.requests_at_most == 0 {
            let wrong = "requests_at_most is 0, so no client of HTTP/2 could ask; allow at least 1, 100 is the default";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, wrong));
        }
        Ok(())
    }
}

/// Serves a connection until its end.
pub(crate) async fn serve<T, S>(
    stream: T,
    place: Place,
    front: Front,
    service: S,
    settings: Settings,
    mut stop: watch::Receiver<()>,
) where
    T: Stream,
    S: ServiceOfAxum,
{
    if settings.nodelay {
        // What fails on a connection that is gone shows again.
        let _ = stream.set_nodelay(true);
    }
    let doing = Arc::new(Doing::begin());
    let opening = begin(stream, place, &front, &settings, &doing);
    let found = begin_before_stop(opening, &doing, &mut stop).await;
    let begun = match found {
        Ok(Some(begun)) => begun,
        Ok(None) => return,
        Err(error) => return tell(&error),
    };
    let asked = Asked {
        service,
        // On HTTP/2 a client may have to be silent, since the server does not read what it has sent for another request.
        body_timeout: settings
            .body_timeout
            .filter(|_| begun.version == Version::One),
        doing,
        is_judged: begun.version == Version::Two && settings.stall_timeout.is_some(),
        turns: Turns::new(begun.version, settings.requests_at_most),
        #[cfg(feature = "tls")]
        agreed: begun.agreed,
    };
    match begun.version {
        Version::One => serve_one(begun.stream, asked, &settings, stop).await,
        Version::Two => serve_two(begun.stream, asked, &settings, stop).await,
    }
}

async fn serve_one<T, S>(
    stream: Prefixed<Io<T>>,
    asked: Asked<S>,
    settings: &Settings,
    stop: watch::Receiver<()>,
) where
    T: Stream,
    S: ServiceOfAxum,
{
    let mut builder = http1::Builder::new();
    builder.timer(Timer::new());
    builder.header_read_timeout(settings.header_timeout);
    let doing = asked.doing.clone();
    let service = service_fn(move |request| asked.answer(request));
    let connection = builder.serve_connection(stream, service).with_upgrades();
    let mut connection = pin!(connection);
    until_stop(connection.as_mut(), stop, |mut connection| async move {
        connection.as_mut().graceful_shutdown();
        // It waits for an answer, or for the rest of a head.
        end_in_time(connection, || doing.waits_for_a_head()).await
    })
    .await;
}

async fn serve_two<T, S>(
    stream: Prefixed<Io<T>>,
    asked: Asked<S>,
    settings: &Settings,
    stop: watch::Receiver<()>,
) where
    T: Stream,
    S: ServiceOfAxum,
{
    let mut builder = http2::Builder::new(Executor::current());
    builder.max_concurrent_streams(settings.requests_at_most);
    // A peer that is gone is found by that.
    builder.keep_alive_interval(settings.header_timeout);
    if let Some(timeout) = settings.header_timeout {
        let (doing, more) = (asked.doing.clone(), timeout);
        builder.timer(patience::Timer { doing, more });
        builder.keep_alive_timeout(timeout);
    }
    // Upgrades of HTTP/2 (RFC 8441), as axum has them.
    builder.enable_connect_protocol();
    let doing = asked.doing.clone();
    let service = service_fn(move |request| asked.answer(request));
    let at_stop = doing.clone();
    let mut connection = pin!(builder.serve_connection(stream, service));
    let serving = until_stop(connection.as_mut(), stop, |mut connection| async move {
        at_stop.goes_on_to(Stage::Begun);
        connection.as_mut().graceful_shutdown();
        // It waits for answers; and before it ends, for the client to answer a ping, which one that is gone never does.
        end_two(connection, &at_stop).await
    });
    let mut serving = pin!(serving);
    let mut stalled = pin!(doing.stalled(settings.stall_timeout));
    poll_fn(|context| match serving.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => stalled.as_mut().poll(context).map(|error| tell(&error)),
    })
    .await;
}

/// A connection whose client has said something.
struct Begun<T: Stream> {
    version: Version,
    stream: Prefixed<Io<T>>,
    #[cfg(feature = "tls")]
    agreed: Option<Arc<crate::tls::Agreed>>,
}

/// Does what comes before HTTP, and waits for the first bytes of that. None: the client has ended before them.
async fn begin<T: Stream>(
    stream: T,
    place: Place,
    front: &Front,
    settings: &Settings,
    doing: &Arc<Doing>,
) -> io::Result<Option<Begun<T>>> {
    let opened = front.open(stream, settings).await?;
    let mut stream = Prefixed::new(opened.stream, place, settings.stall_timeout, doing.clone());
    let finding = stream.find_version();
    let found = match settings.header_timeout {
        Some(timeout) => time::timeout(timeout, finding).await??,
        None => finding.await?,
    };
    let Some(found) = found else { return Ok(None) };
    let version = opened.version.unwrap_or(found);
    if version == Version::Two {
        stream.see_streams(settings.requests_at_most);
    }
    Ok(Some(Begun {
        version,
        stream,
        #[cfg(feature = "tls")]
        agreed: opened.agreed,
    }))
}

/// Waits for the first bytes until the server is to stop; where there are some by then, the rest has some time more.
async fn begin_before_stop<T: Stream>(
    opening: impl Future<Output = io::Result<Option<Begun<T>>>>,
    doing: &Doing,
    stop: &mut watch::Receiver<()>,
) -> io::Result<Option<Begun<T>>> {
    let mut opening = pin!(opening);
    match before_stop(opening.as_mut(), stop).await {
        Some(found) => found,
        // A client that has not asked is not waited for.
        None if !doing.has_begun() => Ok(None),
        None => {
            // The connection, if it comes to be one, has to see the stop, too.
            stop.mark_changed();
            let found = time::timeout(HEAD_AT_STOP, opening).await;
            found.unwrap_or(Ok(None))
        }
    }
}

/// Drives a connection to its end. When the server is to stop, it goes on with what `end` makes of it.
async fn until_stop<'a, C, E>(
    mut connection: Pin<&'a mut C>,
    mut stop: watch::Receiver<()>,
    end: impl FnOnce(Pin<&'a mut C>) -> E,
) where
    C: Future<Output = hyper::Result<()>>,
    E: Future<Output = hyper::Result<()>>,
{
    let ended = match before_stop(connection.as_mut(), &mut stop).await {
        Some(ended) => ended,
        None => end(connection).await,
    };
    if let Err(error) = ended {
        tell(&error);
    }
}

/// Drives a connection that is to end in order, until it has; or until some time is over, and it owes its client nothing.
async fn end_in_time<C>(mut connection: Pin<&mut C>, owes_nothing: impl Fn() -> bool) -> C::Output
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut patience = time::sleep(HEAD_AT_STOP);
    let mut is_late = false;
    poll_fn(|context| {
        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
            return Poll::Ready(ended);
        }
        // A request may end after the poll, in its own task: it is looked at again and again.
        while Pin::new(&mut patience).poll(context).is_ready() {
            is_late = true;
            patience.reset(time::now() + HEAD_AT_STOP);
        }
        match is_late && owes_nothing() {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    })
    .await
}

/// As [`end_in_time`], on HTTP/2: a client that answers no ping is closed when it has the answers to what it has begun within the time.
async fn end_two<C>(mut connection: Pin<&mut C>, doing: &Doing) -> C::Output
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut patience = time::sleep(HEAD_AT_STOP);
    poll_fn(|context| {
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                return Poll::Ready(ended);
            }
            while Pin::new(&mut patience).poll(context).is_ready() {
                patience.reset(time::now() + HEAD_AT_STOP);
                if !doing.is_at(Stage::Late) && doing.was_waited_for() {
                    doing.goes_on_to(Stage::Late);
                }
            }
            let is_over = doing.is_at(Stage::Over);
            if is_over || !doing.is_at(Stage::Late) || !doing.owes_nothing() {
                return Poll::Pending;
            }
            // The next poll reads the end.
            doing.goes_on_to(Stage::Over);
        }
    })
    .await
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
    log(|| tracing::debug!(error, "a connection has failed"));
}

/// A service of axum's.
pub(crate) trait ServiceOfAxum:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> ServiceOfAxum for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// What each request of a connection has.
#[derive(Debug)]
struct Asked<S> {
    service: S,
    body_timeout: Option<Duration>,
    doing: Arc<Doing>,
    /// Whether it is seen by the bodies of answers that a client takes nothing.
    is_judged: bool,
    turns: Turns,
    #[cfg(feature = "tls")]
    agreed: Option<Arc<crate::tls::Agreed>>,
}

impl<S: ServiceOfAxum> Asked<S> {
    /// Has a request answered, which is under way from the call on: on HTTP/2 the future is polled in a task of its own, some time later.
    #[cfg_attr(
        not(feature = "tls"),
        allow(unused_mut, reason = "there is nothing to add")
    )]
    fn answer(&self, request: hyper::Request<Incoming>) -> Answering<S> {
        let mut request = request.map(|body| match self.body_timeout {
            Some(timeout) if !body.is_end_stream() => Body::new(RequestBody::new(body, timeout)),
            _ => Body::new(body),
        });
        #[cfg(feature = "tls")]
        if let Some(agreed) = &self.agreed {
            request.extensions_mut().insert(agreed.clone());
        }
        let under_way = UnderWay::begin(self.doing.clone());
        Answering::new(
            (self.service.clone(), request),
            (under_way, &self.turns),
            self.is_judged,
        )
    }
}
