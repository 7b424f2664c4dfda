//! Whether a listener's connections speak TLS, and what is served of them.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[cfg(feature = "tls")]
use crate::tls;
use crate::{connection::Settings, listener::Stream, prefixed::Version};

/// What comes before HTTP.
#[derive(Debug, Clone)]
pub(crate) enum Front {
    Plain,
    #[cfg(feature = "tls")]
    Tls(tls::Server),
}

/// A connection that can be served.
pub(crate) struct Opened<T> {
    pub(crate) stream: Io<T>,
    /// Known from the handshake.
    pub(crate) version: Option<Version>,
    #[cfg(feature = "tls")]
    pub(crate) agreed: Option<std::sync::Arc<tls::Agreed>>,
}

/// A connection as it was accepted, or what TLS makes of it.
#[derive(Debug)]
pub(crate) enum Io<T> {
    Plain(T),
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::server::TlsStream<T>>),
}

impl Front {
    /// Does what comes before HTTP.
    pub(crate) async fn open<T: Stream>(
        &self,
        stream: T,
        settings: &Settings,
    ) -> io::Result<Opened<T>> {
        match self {
            Front::Plain => {
                let _ = settings;
                Ok(Opened {
                    stream: Io::Plain(stream),
                    version: None,
                    #[cfg(feature = "tls")]
                    agreed: None,
                })
            }
            #[cfg(feature = "tls")]
            Front::Tls(server) => {
                let (stream, agreed) = settings.handshakes.shake(server, stream).await?;
                let alpn = stream.get_ref().1.alpn_protocol();
                let version = alpn.map(|protocol| match protocol {
                    b"h2" => Version::Two,
                    _ => Version::One,
                });
                Ok(Opened {
                    version,
                    stream: Io::Tls(Box::new(stream)),
                    agreed: agreed.map(std::sync::Arc::new),
                })
            }
        }
    }
}

impl<T: Stream> Io<T> {
    /// The connection beneath.
    fn beneath(&self) -> &T {
        match self {
            Io::Plain(stream) => stream,
            #[cfg(feature = "tls")]
            Io::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl<T: Stream> Stream for Io<T> {
    fn set_nodelay(&self, at_once: bool) -> io::Result<()> {
        self.beneath().set_nodelay(at_once)
    }

    fn unacknowledged(&self) -> Option<u64> {
        self.beneath().unacknowledged()
    }

    fn reset(&self) {
        self.beneath().reset();
    }
}

/// Calls the same of whichever it is.
macro_rules! either {
    ($io:expr, $stream:ident => $call:expr) => {
        match $io.get_mut() {
            Io::Plain(it) => {
                let $stream = Pin::new(it);
                $call
            }
            #[cfg(feature = "tls")]
            Io::Tls(it) => {
                let $stream = Pin::new(&mut **it);
                $call
            }
        }
    };
}

impl<T: Stream> AsyncRead for Io<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(context, buffer))
    }
}

impl<T: Stream> AsyncWrite for Io<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Io::Plain(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(context))
    }
}
