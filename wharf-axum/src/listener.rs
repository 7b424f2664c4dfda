//! What connections come from, and what they are: TCP's, or a type of a program's own.

use std::{fmt, future::Future, io, net::SocketAddr, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};
use wharf_async::net::{TcpListener, TcpStream};
#[cfg(unix)]
use wharf_async::net::{UnixListener, UnixStream, unix};

/// A source of connections, for [`serve`](crate::serve()): a [`TcpListener`], on Unix a `UnixListener`, or a type of a program's own.
pub trait Listener: Send + Sync + 'static {
    /// A connection.
    type Stream: Stream;
    /// The address of a peer.
    type Address: fmt::Debug + Send + 'static;

    /// Accepts a connection. If the future is dropped, no connection may be lost.
    ///
    /// # Errors
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted), [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) and
    /// [`ConnectionReset`](io::ErrorKind::ConnectionReset) are of one connection, and so are the errors of the network and of a firewall,
    /// which Linux reports by an accept: the next connection is accepted at once. After any other error, and after a hundred of these in a
    /// row, the server waits for a second.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::Address)>> + Send;

    /// The address that it listens on, if that is an IP address.
    fn local_addr(&self) -> Option<SocketAddr> {
        None
    }
}

/// A connection that is served.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static {
    /// Whether small segments are sent at once; for TCP.
    ///
    /// # Errors
    /// The system's.
    fn set_nodelay(&self, at_once: bool) -> io::Result<()> {
        let _ = at_once;
        Ok(())
    }

    /// Bytes that were written and that the peer's system has not acknowledged. The number falls while the peer reads, if only little by
    /// little. None: it is not known, and a peer takes nothing if a write waits for the [stall time-out](crate::Serve::stall_timeout).
    fn unacknowledged(&self) -> Option<u64> {
        None
    }

    /// Makes a later drop reset the connection: unsent bytes do not keep it.
    fn reset(&self) {}
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Address = SocketAddr;

    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send {
        TcpListener::accept(self)
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        Some(TcpListener::local_addr(self))
    }
}

#[cfg(unix)]
impl Listener for UnixListener {
    type Stream = UnixStream;
    type Address = unix::SocketAddr;

    fn accept(&self) -> impl Future<Output = io::Result<(UnixStream, unix::SocketAddr)>> + Send {
        UnixListener::accept(self)
    }
}

/// It can't be reset.
#[cfg(unix)]
impl Stream for UnixStream {
    fn unacknowledged(&self) -> Option<u64> {
        UnixStream::unacknowledged(self).ok()
    }
}

impl Stream for TcpStream {
    fn set_nodelay(&self, at_once: bool) -> io::Result<()> {
        TcpStream::set_nodelay(self, at_once)
    }

    fn unacknowledged(&self) -> Option<u64> {
        TcpStream::unacknowledged(self).ok()
    }

    fn reset(&self) {
        let _ = self.set_linger(Some(Duration::ZERO));
    }
}
