//! What hyper needs of a runtime: its I/O traits for streams, an executor and a timer. With the feature `hyper`.

use std::{
    future::Future,
    io::{self, IoSlice},
    mem,
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{self, ReadBufCursor};
use hyper_util::rt::TokioIo;

use crate::{
    Handle,
    net::{TcpStream, traits::writes},
    sync::{Mutex, lock},
    time::{self, Sleep},
};

/// Implements hyper's traits for a stream.
macro_rules! for_hyper {
    ($stream:ty) => {
        impl rt::Read for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                cursor: ReadBufCursor<'_>,
            ) -> Poll<io::Result<()>> {
                // It makes hyper's memory tokio's, which safe code can't.
                let mut stream = TokioIo::new(self.get_mut());
                rt::Read::poll_read(Pin::new(&mut stream), context, cursor)
            }
        }

        writes!([] rt::Write, $stream, inner);
    };
}

for_hyper!(TcpStream);
#[cfg(unix)]
for_hyper!(crate::net::UnixStream);

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

/// hyper's timer: for its time-outs. hyper begins one with each request and drops it; this keeps the last that was dropped, with
/// its timer of the port, and puts it off. So a connection's time-outs set a timer once in their time, and make no system call.
#[derive(Debug, Clone, Default)]
pub struct Timer(Spare);

/// A sleep that is over before its time, for the next one.
type Spare = Arc<Mutex<Option<Sleep>>>;

impl Timer {
    /// It is the timer of the runtime that polls its futures. Each connection is best given its own.
    pub fn new() -> Timer {
        Timer::default()
    }
}

impl rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(time::after(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        let spare = lock(&self.0).take();
        let mut sleep = match spare {
            Some(spare) if !spare.is_of_another_runtime() => spare,
            _ => time::sleep_until(deadline),
        };
        sleep.reset(deadline);
        Box::pin(Lent {
            sleep: Some(sleep),
            spare: self.0.clone(),
        })
    }

    fn now(&self) -> Instant {
        time::now()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Lent>() {
            Some(lent) => lent.get_mut().sleep().reset(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

/// A sleep that comes back to its timer.
struct Lent {
    /// There until this is dropped.
    sleep: Option<Sleep>,
    spare: Spare,
}

impl Lent {
    fn sleep(&mut self) -> &mut Sleep {
        self.sleep.as_mut().expect("it is there until the end")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let before = mem::replace(&mut *lock(&self.spare), self.sleep.take());
        // Under no lock: it has a waker.
        drop(before);
    }
}

impl Future for Lent {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(self.sleep()).poll(context)
    }
}

impl rt::Sleep for Lent {}
