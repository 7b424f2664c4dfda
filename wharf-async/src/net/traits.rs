//! The I/O traits of others, for whole streams and for halves.

/// Implements tokio's trait for what reads by its field, an `Inner`. In brackets: what the type is generic over.
macro_rules! reads {
    ([$($of:ident)?] $half:ty, $inner:tt) => {
        impl$(<$of>)? AsyncRead for $half {
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

/// The methods that the writing traits of tokio, hyper and the `futures` crates share, which differ in the name of the last.
macro_rules! write_methods {
    ($inner:tt, $close:ident) => {
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

        fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.$inner.poll_flush()
        }

        fn $close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.$inner.poll_shutdown(context)
        }
    };
}

/// Implements tokio's trait, or hyper's, whose methods are the same, for what writes by its field, an `Inner`.
macro_rules! writes {
    ([$($of:ident)?] $trait:path, $half:ty, $inner:tt) => {
        impl$(<$of>)? $trait for $half {
            $crate::net::traits::write_methods!($inner, poll_shutdown);

            fn is_write_vectored(&self) -> bool {
                true
            }
        }
    };
}

pub(crate) use {reads, write_methods, writes};
