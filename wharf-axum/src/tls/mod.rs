//! TLS, by [rustls](https://docs.rs/rustls) with `ring`, for [`serve_tls`](crate::serve_tls). With the feature `tls`. The names are those
//! of `wharf_server::tls`.
//!
//! ```no_run
//! use std::sync::Arc;
//! use axum::{Extension, Router, routing::get};
//! use wharf_async::{Runtime, net::TcpListener};
//! use wharf_axum::tls;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let version = |Extension(agreed): Extension<Arc<tls::Agreed>>| async move { agreed.version.to_string() };
//! let app = Router::new().route("/", get(version));
//! let tls = tls::Server::builder(tls::Identity::files("chain.pem", "key.pem")).build()?;
//! Runtime::new()?.block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:21443").await?;
//!     // Elsewhere, at a signal or once an hour: tls.reload()?
//!     wharf_axum::serve_tls(listener, tls.clone(), app).await
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! | to | do |
//! |---|---|
//! | use new certificates without a stop | [`Server::reload`]. Files that are wrong change nothing |
//! | have several names on one address | [`ServerBuilder::name`]: the client says which it wants (SNI) |
//! | let in only clients with a certificate of an authority | [`ClientCertificates::Required`] |
//! | know what was agreed on | `Extension<Arc<`[`Agreed`]`>>` in a handler, which a request without TLS does not have. `ConnectInfo` is the peer of the connection beneath |
//! | serve both, with and without | [`serve`](crate::serve()) and [`Serve::and_tls`](crate::Serve::and_tls) |
//!
//! Clients choose HTTP/2 or HTTP/1.1 in the handshake (ALPN); a client that names no protocol is known by its first bytes, as without TLS. A
//! handshake that fails, or is not done [in time](crate::Serve::tls_handshake_timeout), costs its connection and a line of the log at the
//! level `debug`.

mod server;

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, ready},
    time::Duration,
};

use tokio::sync::oneshot;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use wharf_async::time;

/// An extension of each request, as `Arc<Agreed>`.
#[doc(inline)]
pub use wharf_tls::Agreed;
#[doc(inline)]
pub use wharf_tls::{ClientCertificates, Error, Identity, Pem, Version};

pub use self::server::{Server, ServerBuilder};

use crate::listener::Stream;

/// How many handshakes may be under way, and for how long each.
#[derive(Debug, Clone)]
pub(crate) struct Handshakes {
    pub(crate) timeout: Duration,
    pub(crate) at_most: usize,
    under_way: Arc<Mutex<UnderWay>>,
}

/// By numbers that rise, so that the oldest is the first. What is dropped from here ends.
#[derive(Debug, Default)]
struct UnderWay {
    last_number: u64,
    handshakes: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Default for Handshakes {
    fn default() -> Self {
        Handshakes {
            timeout: Duration::from_secs(10),
            at_most: 1_000,
            under_way: Arc::default(),
        }
    }
}

impl Handshakes {
    /// What can't work.
    pub(crate) fn check(&self) -> io::Result<()> {
        let wrong = if self.timeout.is_zero() {
            "tls_handshake_timeout is 0, so no handshake could be done in time; 10 s is the default"
        } else if self.at_most == 0 {
            "handshakes_at_most is 0, so no client of TLS could come; allow at least 1"
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, wrong))
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        let under_way = self.under_way.lock();
        under_way.unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one. If there are as many as may be, the oldest ends for it: clients that are silent keep nobody out.
    fn begin(&self) -> Handshake<'_> {
        let (end, ends) = oneshot::channel();
        let mut under_way = self.lock();
        let is_full = under_way.handshakes.len() >= self.at_most;
        let oldest = is_full.then(|| under_way.handshakes.pop_first());
        under_way.last_number += 1;
        let number = under_way.last_number;
        under_way.handshakes.insert(number, end);
        drop(under_way);
        // It wakes its task.
        drop(oldest);
        let all = self;
        Handshake { all, number, ends }
    }

    /// Has a handshake with a client.
    pub(crate) async fn shake<T: Stream>(
        &self,
        server: &Server,
        stream: T,
    ) -> io::Result<(TlsStream<T>, Option<Agreed>)> {
        let mut handshake = self.begin();
        let mut shaking = pin!(TlsAcceptor::from(server.config()).accept(stream));
        let shaken = poll_fn(|context| {
            if let Poll::Ready(shaken) = shaking.as_mut().poll(context) {
                return Poll::Ready(shaken);
            }
            let ended = ready!(Pin::new(&mut handshake.ends).poll(context));
            drop(ended);
            let at_most = self.at_most;
            let what = format!("{at_most} are under way, and newer ones go first");
            Poll::Ready(Err(io::Error::other(what)))
        });
        let shaken = time::timeout(self.timeout, shaken).await;
        let shaken = shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = shaken.map_err(|error| {
            let what = format!("the TLS handshake has failed: {error}");
            io::Error::new(error.kind(), what)
        })?;
        let (_, session) = stream.get_ref();
        let agreed = Agreed::of(session, session.server_name().map(str::to_owned));
        Ok((stream, agreed))
    }
}

/// One that is under way.
struct Handshake<'a> {
    all: &'a Handshakes,
    number: u64,
    /// Ready when it has to end.
    ends: oneshot::Receiver<()>,
}

impl Drop for Handshake<'_> {
    fn drop(&mut self) {
        let end = self.all.lock().handshakes.remove(&self.number);
        drop(end);
    }
}
