//! The I/O traits of others, for whole streams and for halves.

/// Implements tokio's trait for what reads by its field, an `Inner`.
macro_rules! reads {
    ($half:ty, $inner:tt) => {
        impl AsyncRead for $half {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                ready!(self.$inner.poll_read(context, buffer))?;
                Poll::Ready(Ok(()))
            }
        }
    };
}

/// Implements tokio's trait, or hyper's, whose methods are the same, for what writes by its field, an `Inner`.
macro_rules! writes {
    ($trait:path, $half:ty, $inner:tt) => {
        impl $trait for $half {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.$inner.poll_write(context, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                pieces: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.$inner.poll_write(context, pieces)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(
                self: Pin<&mut Self>,
                _context: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                self.$inner.poll_flush()
            }

            fn poll_shutdown(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                self.$inner.poll_shutdown(context)
            }
        }
    };
}

pub(crate) use {reads, writes};
