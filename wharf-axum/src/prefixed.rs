//! A stream of which the first bytes were read already, to find out which HTTP it speaks.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::AsyncReadExt;
use wharf_async::net::TcpStream;

use crate::stall::Stall;

/// What a client says first that speaks HTTP/2 without having asked (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream, behind the bytes that were read of it.
#[derive(Debug)]
pub(crate) struct Prefixed {
    stream: TcpStream,
    prefix: [u8; PREFACE.len()],
    /// Which bytes of the prefix were not read again yet.
    from: usize,
    to: usize,
    stall: Stall,
}

/// Which HTTP a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

impl Prefixed {
    /// Reads until it is known which HTTP the client speaks. None: it has ended before.
    pub(crate) async fn find_version(
        mut stream: TcpStream,
        stall_timeout: Option<Duration>,
    ) -> io::Result<Option<(Version, Prefixed)>> {
        let mut prefix = [0; PREFACE.len()];
        let mut to = 0;
        let version = loop {
            let read = stream.read(&mut prefix[to..]).await?;
            if read == 0 {
                return Ok(None);
            }
            to += read;
            if prefix[..to] != PREFACE[..to] {
                break Version::One;
            }
            if to == PREFACE.len() {
                break Version::Two;
            }
        };
        let prefixed = Prefixed {
            stream,
            prefix,
            from: 0,
            to,
            stall: Stall::new(stall_timeout),
        };
        Ok(Some((version, prefixed)))
    }

    /// Writes, and judges whether the peer takes anything.
    fn write<T>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let this = self.get_mut();
        let written = write(Pin::new(&mut this.stream), context);
        this.stall.judge(&this.stream, context, written)
    }
}

impl Read for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.from < self.to {
            let len = cursor.remaining().min(self.to - self.from);
            let from = self.from;
            cursor.put_slice(&self.prefix[from..from + len]);
            self.from += len;
            return Poll::Ready(Ok(()));
        }
        Read::poll_read(Pin::new(&mut self.stream), context, cursor)
    }
}

impl Write for Prefixed {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |stream, context| {
            Write::poll_write(stream, context, bytes)
        })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |stream, context| {
            Write::poll_write_vectored(stream, context, pieces)
        })
    }

    fn is_write_vectored(&self) -> bool {
        Write::is_write_vectored(&self.stream)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(context, Write::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(context, Write::poll_shutdown)
    }
}
