//! What hyper needs of a runtime: its I/O traits for streams, an executor and a timer. With the feature `hyper`.

use std::{
    cell::RefCell,
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
    net::{Room, Straight, TcpStream, writes},
    sync::{now, thread_local},
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

writes!(rt::Write, TcpStream, inner);

impl Room for ReadBufCursor<'_> {
    fn room(&self) -> usize {
        self.remaining()
    }

    fn put(&mut self, bytes: &[u8]) {
        self.put_slice(bytes);
    }
}

impl Straight for ReadBufCursor<'_> {
    fn read_with(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        // Safe code can't tell the cursor that its memory was written; and a copy out of the processor's cache costs little.
        with_scratch(self.remaining(), |scratch| {
            let len = read(scratch)?;
            self.put_slice(&scratch[..len]);
            Ok(len)
        })
    }
}

/// Lends memory of this thread's, of so many bytes or 64 KiB.
fn with_scratch<T>(len: usize, with: impl FnOnce(&mut [u8]) -> T) -> T {
    const SCRATCH_BYTES: usize = 64 << 10;
    thread_local! {
        static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    SCRATCH.with(|scratch| {
        let mut scratch = scratch.borrow_mut();
        if scratch.is_empty() {
            scratch.resize(SCRATCH_BYTES, 0);
        }
        with(&mut scratch[..len.min(SCRATCH_BYTES)])
    })
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
        crate::context::with_current(|runtime| Executor(Handle(runtime.clone())))
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
