//! The I/O traits of the `futures` crates, for streams and their halves. With the feature `futures-io`.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};
use tokio::io::ReadBuf;

#[cfg(unix)]
use super::UnixStream;
use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpStream, WriteHalf, traits::write_methods};

/// For what reads by its field, an `Inner`.
macro_rules! reads {
    ([$($of:ident)?] $half:ty, $inner:tt) => {
        impl$(<$of>)? AsyncRead for $half {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                memory: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.$inner.poll_read(context, &mut ReadBuf::new(memory))
            }
        }
    };
}

/// For what writes by its field, an `Inner`.
macro_rules! writes {
    ([$($of:ident)?] $half:ty, $inner:tt) => {
        impl$(<$of>)? AsyncWrite for $half {
            write_methods!($inner, poll_close);
        }
    };
}

reads!([] TcpStream, inner);
reads!([] ReadHalf<'_>, 0);
reads!([S] OwnedReadHalf<S>, inner);
writes!([] TcpStream, inner);
writes!([] WriteHalf<'_>, 0);
writes!([S] OwnedWriteHalf<S>, inner);

#[cfg(unix)]
reads!([] UnixStream, inner);
#[cfg(unix)]
writes!([] UnixStream, inner);
