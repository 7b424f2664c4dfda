//! A stream of which the first bytes were read already, to find out which HTTP it speaks.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::AsyncReadExt;
use wharf_async::net::TcpStream;

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
        };
        Ok(Some((version, prefixed)))
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.get_mut().stream)
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
        Read::poll_read(self.stream(), context, cursor)
    }
}

impl Write for Prefixed {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Write::poll_write(self.stream(), context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Write::poll_write_vectored(self.stream(), context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        Write::is_write_vectored(&self.stream)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_flush(self.stream(), context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_shutdown(self.stream(), context)
    }
}
