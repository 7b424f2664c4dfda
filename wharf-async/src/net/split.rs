//! The two halves of a stream: borrowed for one task, or owned by two.

use std::{
    fmt,
    io::{self, IoSlice},
    marker::PhantomData,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    stream::{Inner, TcpStream},
    traits::{reads, writes},
};

/// A stream that has halves; nobody else's can have them.
pub trait Whole {
    /// The stream of what its halves shared.
    fn whole(inner: Shares) -> Self;
}

/// What the halves of a stream share.
#[derive(Debug)]
pub struct Shares(pub(super) Arc<Inner>);

/// The reading half of a stream; see [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(pub(super) &'a Inner);

/// The writing half of a stream; see [`TcpStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a>(pub(super) &'a Inner);

/// The reading half of a stream; see [`TcpStream::into_split`].
pub struct OwnedReadHalf<S = TcpStream> {
    pub(super) inner: Arc<Inner>,
    of: PhantomData<fn() -> S>,
}

/// The writing half of a stream; see [`TcpStream::into_split`]. If it is dropped, the stream ends after what was written.
pub struct OwnedWriteHalf<S = TcpStream> {
    pub(super) inner: Arc<Inner>,
    /// It was put together with the other half again.
    is_reunited: bool,
    of: PhantomData<fn() -> S>,
}

impl<S> fmt::Debug for OwnedReadHalf<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("OwnedReadHalf");
        debug.finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for OwnedWriteHalf<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("OwnedWriteHalf");
        debug.finish_non_exhaustive()
    }
}

pub(super) fn split(inner: &Inner) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf(inner), WriteHalf(inner))
}

pub(super) fn into_split<S>(inner: Arc<Inner>) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    let read = OwnedReadHalf {
        inner: inner.clone(),
        of: PhantomData,
    };
    let write = OwnedWriteHalf {
        inner,
        is_reunited: false,
        of: PhantomData,
    };
    (read, write)
}

/// Two halves that are not of the same stream.
#[non_exhaustive]
pub struct ReuniteError<S = TcpStream> {
    /// The reading half.
    pub read: OwnedReadHalf<S>,
    /// The writing half.
    pub write: OwnedWriteHalf<S>,
}

impl<S> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("ReuniteError");
        debug.finish_non_exhaustive()
    }
}

impl<S> fmt::Display for ReuniteError<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the halves are of two streams")
    }
}

impl<S> std::error::Error for ReuniteError<S> {}

impl<S: Whole> OwnedReadHalf<S> {
    /// Puts the halves together again.
    ///
    /// # Errors
    /// They are of two streams, and come back.
    pub fn reunite(self, mut write: OwnedWriteHalf<S>) -> Result<S, Box<ReuniteError<S>>> {
        if !Arc::ptr_eq(&self.inner, &write.inner) {
            return Err(Box::new(ReuniteError { read: self, write }));
        }
        write.is_reunited = true;
        Ok(S::whole(Shares(self.inner)))
    }
}

impl OwnedReadHalf {
    /// As [`TcpStream::peer_addr`].
    ///
    /// # Errors
    /// As there.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.socket.peer_addr()
    }
}

impl OwnedWriteHalf {
    /// As [`TcpStream::peer_addr`].
    ///
    /// # Errors
    /// As there.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.socket.peer_addr()
    }
}

#[cfg(unix)]
impl OwnedReadHalf<super::UnixStream> {
    /// As [`UnixStream::peer_addr`](super::UnixStream::peer_addr).
    ///
    /// # Errors
    /// As there.
    pub fn peer_addr(&self) -> io::Result<std::os::unix::net::SocketAddr> {
        self.inner.socket.peer_addr_unix()
    }
}

#[cfg(unix)]
impl OwnedWriteHalf<super::UnixStream> {
    /// As [`UnixStream::peer_addr`](super::UnixStream::peer_addr).
    ///
    /// # Errors
    /// As there.
    pub fn peer_addr(&self) -> io::Result<std::os::unix::net::SocketAddr> {
        self.inner.socket.peer_addr_unix()
    }
}

impl<S> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if !self.is_reunited {
            self.inner.begin_shutdown();
        }
    }
}

reads!([] ReadHalf<'_>, 0);
reads!([S] OwnedReadHalf<S>, inner);
writes!([] AsyncWrite, WriteHalf<'_>, 0);
writes!([S] AsyncWrite, OwnedWriteHalf<S>, inner);
