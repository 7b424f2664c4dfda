//! The pipes of a child process.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::Pin,
    process::Stdio,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustix::io::{ioctl_fionbio, read, write, writev};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{context::Current, shared::Shared, watch::Side};

/// One call moves no more bytes than a pipe has by default.
const BYTES_MAX: usize = 64 << 10;

/// Our end of a pipe.
#[derive(Debug)]
struct Pipe {
    descriptor: OwnedFd,
    side: Side,
    shared: Arc<Shared>,
}

impl Pipe {
    fn new(runtime: &Current, descriptor: OwnedFd, side: Side) -> io::Result<Pipe> {
        // The child's end is not concerned.
        ioctl_fionbio(&descriptor, true)?;
        Ok(Pipe {
            descriptor,
            side,
            shared: Arc::clone(runtime),
        })
    }

    fn poll<T>(
        &mut self,
        context: &Context<'_>,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let descriptor = self.descriptor.as_fd();
        let attempt = || Ok(attempt(descriptor)?);
        self.side.poll(context, &self.shared, descriptor, attempt)
    }

    fn poll_read(
        &mut self,
        context: &Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let memory = buffer.initialize_unfilled_to(buffer.remaining().min(BYTES_MAX));
        let received = ready!(self.poll(context, |descriptor| read(descriptor, &mut *memory)))?;
        buffer.advance(received);
        Poll::Ready(Ok(()))
    }

    /// The pipe for another process, which expects that it blocks.
    fn into_stdio(self) -> io::Result<Stdio> {
        ioctl_fionbio(&self.descriptor, false)?;
        Ok(self.descriptor.into())
    }
}

/// The standard input of a child. If it is dropped or shut down, the child sees the end.
///
/// A write fails when no process reads the pipe any more; and this process gets a `SIGPIPE`, which programs in Rust ignore unless they say otherwise.
#[derive(Debug)]
pub struct ChildStdin(Option<Pipe>);

impl ChildStdin {
    pub(super) fn new(runtime: &Current, stdin: std::process::ChildStdin) -> io::Result<Self> {
        let pipe = Pipe::new(runtime, stdin.into(), Side::write())?;
        Ok(ChildStdin(Some(pipe)))
    }
}

impl AsyncWrite for ChildStdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(pipe) => pipe.poll(context, |descriptor| write(descriptor, bytes)),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(pipe) => pipe.poll(context, |descriptor| writev(descriptor, pieces)),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0 = None;
        Poll::Ready(Ok(()))
    }
}

impl TryFrom<ChildStdin> for Stdio {
    type Error = io::Error;

    /// For another child.
    fn try_from(stdin: ChildStdin) -> io::Result<Stdio> {
        match stdin.0 {
            Some(pipe) => pipe.into_stdio(),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// Makes one of the two that a child writes to.
macro_rules! output {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Debug)]
        pub struct $name(Pipe);

        impl $name {
            pub(super) fn new(runtime: &Current, output: std::process::$name) -> io::Result<Self> {
                Ok($name(Pipe::new(runtime, output.into(), Side::read())?))
            }
        }

        impl AsyncRead for $name {
            fn poll_read(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.0.poll_read(context, buffer)
            }
        }

        impl TryFrom<$name> for Stdio {
            type Error = io::Error;

            /// For another child to read.
            fn try_from(output: $name) -> io::Result<Stdio> {
                output.0.into_stdio()
            }
        }
    };
}

output! {
    /// The standard output of a child. If it is dropped, the child's next write fails.
    ChildStdout
}
output! {
    /// The standard error of a child. If it is dropped, the child's next write fails.
    ChildStderr
}
