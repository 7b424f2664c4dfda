//! What hyper needs of a runtime: its I/O traits for streams, an executor and a timer. With the feature `hyper`.

use std::{
    future::Future,
    io::{self, IoSlice},
    panic::Location,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt::{self, ReadBufCursor};

use crate::{
    Handle,
    net::TcpStream,
    sync::now,
    time::{self, Sleep},
};

impl rt::Read for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.inner.poll_read(context, &mut cursor))?;
        Poll::Ready(Ok(()))
    }
}

impl rt::Write for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_write(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_flush()
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_shutdown(context)
    }
}

/// Begins hyper's tasks on a runtime.
#[derive(Debug, Clone)]
pub struct Executor(Handle);

impl Executor {
    /// On the runtime that this thread works for.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub fn current() -> Executor {
        let current = Handle::current();
        Executor(
            current.expect("a thread that works for a runtime: in a task, or in its `block_on`"),
        )
    }
}

impl From<Handle> for Executor {
    fn from(handle: Handle) -> Self {
        Executor(handle)
    }
}

impl<F> rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[track_caller]
    fn execute(&self, future: F) {
        self.0.spawn_at(Location::caller(), future).detach();
    }
}

/// hyper's timer: for its time-outs. To set one and cancel it makes no system call.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Timer;

impl Timer {
    /// It is the timer of the runtime that polls its futures.
    pub fn new() -> Timer {
        Timer
    }
}

impl rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(time::sleep(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(time::sleep_until(deadline))
    }

    fn now(&self) -> Instant {
        now()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(sleep) => sleep.get_mut().reset(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

impl rt::Sleep for Sleep {}
