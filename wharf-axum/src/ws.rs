//! WebSockets, over HTTP/1.1 and HTTP/2, with the API of [`axum::extract::ws`]. With the feature `ws`.
//!
//! axum's own extractor runs the callback of `on_upgrade` by `tokio::spawn`: on tokio's threads, where it must not block, or not at all if
//! there are none. The extractor here runs it as a task of `wharf-async`, which may block. To change over, import [`WebSocketUpgrade`] and [`WebSocket`] from here;
//! all else is axum's.
//!
//! ```
//! use axum::{Router, extract::ws::Message, response::Response, routing::any};
//! use wharf_axum::ws::{WebSocket, WebSocketUpgrade};
//!
//! async fn shouts(upgrade: WebSocketUpgrade) -> Response {
//!     upgrade.max_message_size(64 << 10).on_upgrade(session)
//! }
//!
//! async fn session(mut socket: WebSocket) {
//!     while let Some(Ok(message)) = socket.recv().await {
//!         let Message::Text(text) = message else { continue };
//!         std::thread::sleep(std::time::Duration::from_millis(10)); // a database, say
//!         if socket.send(text.to_uppercase().into()).await.is_err() {
//!             return;
//!         }
//!     }
//! }
//!
//! // `any`: HTTP/2 asks by CONNECT, and HTTP/1.1 by GET.
//! let app: Router = Router::new().route("/ws", any(shouts));
//! # drop(app);
//! ```
//!
//! A socket is a [`Stream`] and a [`Sink`]: `futures_util::StreamExt::split` makes two halves of it, for two tasks. A
//! [graceful stop](crate::Serve::with_graceful_shutdown) does not end it. Over HTTP/1.1 the stop does not wait for it either; over HTTP/2 the
//! stop waits until the last socket of a connection has ended. The program has to end them, for instance by a signal that its sessions wait
//! for as well.

use std::{
    borrow::Cow,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    Error,
    body::Body,
    extract::{FromRequestParts, ws},
    http::{HeaderValue, StatusCode, Version, header, request::Parts},
    response::Response,
};
use futures_util::{
    Sink, Stream,
    stream::FusedStream,
    task::{ArcWake, AtomicWaker, waker_ref},
};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, handshake::derive_accept_key, protocol::WebSocketConfig},
};

pub use axum::extract::ws::{
    CloseCode, CloseFrame, Message, OnFailedUpgrade, Utf8Bytes, close_code, rejection,
};

/// What may wait to be written, unless a program says otherwise: a message as large as one that may come, and more.
const MAX_WRITE_BUFFER: usize = 65 << 20;

/// So many answers to pings may wait to be written while more is read. Each has 125 bytes at most.
const ANSWERS_MAX: usize = 64;

/// Extracts what is needed to make a WebSocket of a request. Make the route with [`any`](axum::routing::any), for clients of HTTP/1.1
/// and of HTTP/2.
#[must_use = "`on_upgrade` makes the response"]
pub struct WebSocketUpgrade<F = DefaultOnFailedUpgrade> {
    /// It has looked at the request, and chooses the protocol.
    checked: ws::WebSocketUpgrade,
    /// None: it is HTTP/2.
    key: Option<HeaderValue>,
    upgrade: OnUpgrade,
    config: WebSocketConfig,
    on_failed_upgrade: F,
}

impl<F> fmt::Debug for WebSocketUpgrade<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("WebSocketUpgrade");
        debug.field("checked", &self.checked);
        debug.field("config", &self.config);
        debug.finish_non_exhaustive()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = rejection::WebSocketUpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        // It takes the upgrade out of the request.
        let upgrade = parts.extensions.get::<OnUpgrade>().cloned();
        let checked = ws::WebSocketUpgrade::from_request_parts(parts, state).await?;
        let key = match parts.version <= Version::HTTP_11 {
            true => parts.headers.get(header::SEC_WEBSOCKET_KEY).cloned(),
            false => None,
        };
        Ok(WebSocketUpgrade {
            checked,
            key,
            upgrade: upgrade.expect("without it the request is rejected"),
            config: WebSocketConfig::default().max_write_buffer_size(MAX_WRITE_BUFFER),
            on_failed_upgrade: DefaultOnFailedUpgrade,
        })
    }
}

impl<F> WebSocketUpgrade<F> {
    /// Bytes that are read at once, at most. The default is 128 KiB, which each socket holds.
    pub fn read_buffer_size(mut self, bytes: usize) -> Self {
        self.config.read_buffer_size = bytes;
        self
    }

    /// When this many bytes wait, messages are written out without a flush. The default is 128 KiB; 0 is at once.
    pub fn write_buffer_size(mut self, bytes: usize) -> Self {
        self.config.write_buffer_size = bytes;
        self
    }

    /// The most bytes that wait to be written, while the peer does not read: a message that comes then is refused, and so is one that is
    /// larger than this. The default is 65 MiB. If it is not more than [`write_buffer_size`](Self::write_buffer_size), it counts as one
    /// more than that.
    pub fn max_write_buffer_size(mut self, bytes: usize) -> Self {
        self.config.max_write_buffer_size = bytes;
        self
    }

    /// The most bytes of a message, and of each of its frames. The default is 64 MiB.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.config.max_message_size = Some(bytes);
        self
    }

    /// The most bytes of a frame; a message may have several frames. A frame is in memory as a whole before it is a part of its message.
    /// The default is 16 MiB, or [`max_message_size`](Self::max_message_size) if that is less.
    pub fn max_frame_size(mut self, bytes: usize) -> Self {
        self.config.max_frame_size = Some(bytes);
        self
    }

    /// Whether frames of a client need no mask. The default is false, as the standard has it.
    pub fn accept_unmasked_frames(mut self, accept: bool) -> Self {
        self.config.accept_unmasked_frames = accept;
        self
    }

    /// The protocols (`Sec-WebSocket-Protocol`) that the server knows, the preferred one first: the first of them that the client
    /// asks for is chosen.
    pub fn protocols<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Cow<'static, str>>,
    {
        self.checked = self.checked.protocols(protocols);
        self
    }

    /// The protocols that the client asks for.
    pub fn requested_protocols(&self) -> impl Iterator<Item = &HeaderValue> {
        self.checked.requested_protocols()
    }

    /// Chooses a protocol, whatever was chosen before.
    pub fn set_selected_protocol(&mut self, protocol: HeaderValue) {
        self.checked.set_selected_protocol(protocol);
    }

    /// The protocol that was chosen, if one was.
    pub fn selected_protocol(&self) -> Option<&HeaderValue> {
        self.checked.selected_protocol()
    }

    /// The function that is called if the connection fails before there is a WebSocket. By default none is.
    pub fn on_failed_upgrade<C: OnFailedUpgrade>(self, callback: C) -> WebSocketUpgrade<C> {
        WebSocketUpgrade {
            checked: self.checked,
            key: self.key,
            upgrade: self.upgrade,
            config: self.config,
            on_failed_upgrade: callback,
        }
    }

    /// Makes the response, which has to be returned. When it was sent, the callback gets the socket, in a task of its own, which may
    /// block.
    ///
    /// # Panics
    /// The thread works for no runtime of `wharf-async`.
    #[must_use = "the response has to be returned"]
    #[track_caller]
    pub fn on_upgrade<C, Fut>(self, callback: C) -> Response
    where
        C: FnOnce(WebSocket) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
        F: OnFailedUpgrade,
    {
        let protocol = self.selected_protocol().cloned();
        let response = response(self.key.as_ref(), protocol.clone());
        let WebSocketUpgrade {
            upgrade,
            config,
            on_failed_upgrade,
            ..
        } = self;
        let config = bounded(config);
        let session = async move {
            let upgraded = match upgrade.await {
                Ok(upgraded) => TokioIo::new(upgraded),
                Err(error) => return on_failed_upgrade.call(Error::new(error)),
            };
            let role = tungstenite::protocol::Role::Server;
            let socket = WebSocketStream::from_raw_socket(upgraded, role, Some(config)).await;
            let socket = WebSocket {
                socket,
                protocol,
                waiting: Arc::default(),
                answers_owed: 0,
                has_failed: false,
            };
            callback(socket).await;
        };
        wharf_async::spawn(session).detach();
        response
    }
}

/// Makes the bounds agree. A frame is held whole before tungstenite looks at the limit of messages.
fn bounded(mut config: WebSocketConfig) -> WebSocketConfig {
    if let Some(message) = config.max_message_size {
        let frame = config.max_frame_size.unwrap_or(usize::MAX);
        config.max_frame_size = Some(frame.min(message));
    }
    // Otherwise tungstenite panics; and nothing is more than all.
    config.write_buffer_size = config.write_buffer_size.min(usize::MAX - 1);
    let more = config.write_buffer_size + 1;
    config.max_write_buffer_size = config.max_write_buffer_size.max(more);
    config
}

/// What is done by default about an upgrade that has failed: nothing.
#[derive(Debug)]
#[non_exhaustive]
pub struct DefaultOnFailedUpgrade;

impl OnFailedUpgrade for DefaultOnFailedUpgrade {
    fn call(self, _error: Error) {}
}

/// Says yes: to a key on HTTP/1.1 (RFC 6455, section 4.2.2), and by a plain answer on HTTP/2 (RFC 8441).
fn response(key: Option<&HeaderValue>, protocol: Option<HeaderValue>) -> Response {
    let mut response = Response::new(Body::empty());
    if let Some(key) = key {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let accepted = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(
            header::SEC_WEBSOCKET_ACCEPT,
            accepted.expect("base64 has only letters that a header may have"),
        );
    }
    if let Some(protocol) = protocol {
        let headers = response.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    response
}

/// A stream of messages, and a sink for them. Pings and close frames are answered by themselves while messages are awaited, until no more
/// come. A client that pings again and again and does not take the answers is not read until it does; over HTTP/1.1 it is cut by the
/// [stall time-out](crate::Serve::stall_timeout). If it is dropped, the connection closes without a close frame; [`Message::Close`] sends one.
#[derive(Debug)]
pub struct WebSocket {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    protocol: Option<HeaderValue>,
    waiting: Arc<Waiting>,
    /// So many pings have come whose answers may not be written out yet.
    answers_owed: usize,
    has_failed: bool,
}

impl WebSocket {
    /// The next message. None: the client has ended.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The connection has failed, or was closed.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        poll_fn(|context| Pin::new(&mut *self).poll_ready(context)).await?;
        Pin::new(&mut *self).start_send(message)?;
        poll_fn(|context| Pin::new(&mut *self).poll_flush(context)).await
    }

    /// The protocol that was chosen, if one was.
    pub fn protocol(&self) -> Option<&HeaderValue> {
        self.protocol.as_ref()
    }

    /// Writes out the answers to pings before more is read: each ping would leave another in memory. None: there is none, they are
    /// out, or few enough.
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Option<tungstenite::Error>> {
        if self.answers_owed == 0 {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.socket).poll_flush(context) {
            Poll::Ready(flushed) => {
                self.answers_owed = 0;
                self.has_failed = flushed.is_err();
                Poll::Ready(flushed.err())
            }
            // It may take the answers when it has been read from.
            Poll::Pending if self.answers_owed < ANSWERS_MAX => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    /// As the writer.
    fn write<T>(
        &mut self,
        context: &Context<'_>,
        write: impl FnOnce(
            Pin<&mut WebSocketStream<TokioIo<Upgraded>>>,
            &mut Context<'_>,
        ) -> Poll<Result<T, tungstenite::Error>>,
    ) -> Poll<Result<T, Error>> {
        self.waiting.writer.register(context.waker());
        let waker = waker_ref(&self.waiting);
        let written = write(Pin::new(&mut self.socket), &mut Context::from_waker(&waker));
        written.map_err(Error::new)
    }
}

impl Stream for WebSocket {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        use tungstenite::Error::{AlreadyClosed, ConnectionClosed};
        let waiting = self.waiting.clone();
        waiting.reader.register(context.waker());
        let waker = waker_ref(&waiting);
        let context = &mut Context::from_waker(&waker);
        loop {
            match ready!(self.poll_answer(context)) {
                Some(AlreadyClosed | ConnectionClosed) => return Poll::Ready(None),
                Some(error) => return Poll::Ready(Some(Err(Error::new(error)))),
                None if self.has_failed => return Poll::Ready(None),
                None => {}
            }
            let next = match ready!(Pin::new(&mut self.socket).poll_next(context)) {
                Some(Ok(message)) => {
                    self.answers_owed += usize::from(message.is_ping());
                    received(message).transpose()
                }
                Some(Err(error)) => Some(Err(Error::new(error))),
                None => return Poll::Ready(None),
            };
            // A bare frame is no message.
            if next.is_some() {
                return Poll::Ready(next);
            }
        }
    }
}

impl FusedStream for WebSocket {
    fn is_terminated(&self) -> bool {
        self.has_failed || self.socket.is_terminated()
    }
}

impl Sink<Message> for WebSocket {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.write(context, Sink::poll_ready)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        let message = to_send(message)?;
        let started = Pin::new(&mut self.socket).start_send(message);
        started.map_err(Error::new)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.write(context, Sink::poll_flush)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.write(context, Sink::poll_close)
    }
}

/// Who waits for a socket. The reader writes as well, what answers a ping, and must not be woken in the writer's place.
#[derive(Debug, Default)]
struct Waiting {
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl ArcWake for Waiting {
    fn wake_by_ref(it: &Arc<Self>) {
        it.reader.wake();
        it.writer.wake();
    }
}

/// A message of axum's, as tungstenite has it. Texts are not copied.
fn to_send(message: Message) -> Result<tungstenite::Message, Error> {
    let text = |text: Utf8Bytes| {
        let bytes = axum::body::Bytes::from(text);
        tungstenite::Utf8Bytes::try_from(bytes).map_err(Error::new)
    };
    Ok(match message {
        Message::Text(it) => tungstenite::Message::Text(text(it)?),
        Message::Binary(it) => tungstenite::Message::Binary(it),
        Message::Ping(it) => tungstenite::Message::Ping(it),
        Message::Pong(it) => tungstenite::Message::Pong(it),
        Message::Close(None) => tungstenite::Message::Close(None),
        Message::Close(Some(frame)) => {
            tungstenite::Message::Close(Some(tungstenite::protocol::CloseFrame {
                code: frame.code.into(),
                reason: text(frame.reason)?,
            }))
        }
    })
}

/// A message of tungstenite's, as axum has it; none of a bare frame.
fn received(message: tungstenite::Message) -> Result<Option<Message>, Error> {
    let text = |text: tungstenite::Utf8Bytes| {
        let bytes = axum::body::Bytes::from(text);
        Utf8Bytes::try_from(bytes).map_err(Error::new)
    };
    Ok(Some(match message {
        tungstenite::Message::Text(it) => Message::Text(text(it)?),
        tungstenite::Message::Binary(it) => Message::Binary(it),
        tungstenite::Message::Ping(it) => Message::Ping(it),
        tungstenite::Message::Pong(it) => Message::Pong(it),
        tungstenite::Message::Close(None) => Message::Close(None),
        tungstenite::Message::Close(Some(frame)) => Message::Close(Some(CloseFrame {
            code: frame.code.into(),
            reason: text(frame.reason)?,
        })),
        tungstenite::Message::Frame(_) => return Ok(None),
    }))
}
