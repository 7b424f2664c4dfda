//! The two halves of a stream: borrowed for one task, or owned by two.

use std::{
    fmt,
    io::{self, IoSlice},
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

/// The reading half of a stream; see [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a Inner);

/// The writing half of a stream; see [`TcpStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a Inner);

/// The reading half of a stream; see [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf(Arc<Inner>);

/// The writing half of a stream; see [`TcpStream::into_split`]. Dropped, it ends the stream behind what was written.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    inner: Arc<Inner>,
    /// It was put together with the other half again.
    is_reunited: bool,
}

pub(super) fn split(stream: &mut TcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf(&stream.inner), WriteHalf(&stream.inner))
}

pub(super) fn into_split(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let inner = stream.inner;
    let write = OwnedWriteHalf {
        inner: inner.clone(),
        is_reunited: false,
    };
    (OwnedReadHalf(inner), write)
}

/// Two halves that are not of the same stream.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReuniteError {
    /// The reading half.
    pub read: OwnedReadHalf,
    /// The writing half.
    pub write: OwnedWriteHalf,
}

impl fmt::Display for ReuniteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the halves are of two streams")
    }
}

impl std::error::Error for ReuniteError {}

impl OwnedReadHalf {
    /// Puts the halves together again.
    ///
    /// # Errors
    /// They are of two streams, and come back.
    pub fn reunite(self, mut write: OwnedWriteHalf) -> Result<TcpStream, Box<ReuniteError>> {
        if !Arc::ptr_eq(&self.0, &write.inner) {
            return Err(Box::new(ReuniteError { read: self, write }));
        }
        write.is_reunited = true;
        Ok(TcpStream { inner: self.0 })
    }

    /// As [`TcpStream::peer_addr`].
    ///
    /// # Errors
    /// As there.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.socket.peer_addr()
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

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if !self.is_reunited {
            self.inner.begin_shutdown();
        }
    }
}

reads!(ReadHalf<'_>, 0);
reads!(OwnedReadHalf, 0);
writes!(AsyncWrite, WriteHalf<'_>, 0);
writes!(AsyncWrite, OwnedWriteHalf, inner);
