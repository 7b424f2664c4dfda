//! A pool of threads that wait on a port and call a handler.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle, ThreadId},
    time::{Duration, Instant},
};

use crate::{
    CompletionPort,
    operation::{Completion, Wait},
    raw::deadline_after,
    sync::{Condvar, Mutex},
};

/// Threads that wait on a port, and call a handler with each completion, until the port is closed.
///
/// A handler that panics loses its completion, and with it the socket, unless somebody else holds it; the panic is
/// logged, and the worker goes on.
///
/// ```
/// use std::sync::mpsc;
/// use wharf::{CompletionPort, Workers};
///
/// # fn main() -> std::io::Result<()> {
/// let port = CompletionPort::<u32>::new(0)?;
/// let (sender, receiver) = mpsc::channel();
/// let workers = Workers::start(&port, 3, move |_port, completion| {
///     let _ = sender.send(completion.key);
/// })?;
/// port.post(7, 0).map_err(std::io::Error::from)?;
/// assert_eq!(receiver.recv(), Ok(7));
/// port.close();
/// workers.join();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Workers {
    crew: Arc<Crew>,
    threads: Vec<JoinHandle<()>>,
}

/// The threads that have ended.
#[derive(Debug, Default)]
struct Crew {
    ended: Mutex<Vec<ThreadId>>,
    changed: Condvar,
}

impl Workers {
    /// Starts `count` threads, named `wharf-0` and so on. They end when the port is closed.
    ///
    /// # Errors
    /// The system's, if it can't start a thread; those that were started end when the port is closed.
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `count` is 0.
    pub fn start<K, F>(port: &CompletionPort<K>, count: usize, handler: F) -> io::Result<Workers>
    where
        K: Clone + Send + Sync + 'static,
        F: Fn(&CompletionPort<K>, Completion<K>) + Send + Sync + 'static,
    {
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a pool of 0 workers would serve nobody; start at least 1",
            ));
        }
        let crew = Arc::new(Crew::default());
        let mut threads = Vec::with_capacity(count);
        let handler = Arc::new(handler);
        for number in 0..count {
            let (port, handler, ending) = (port.clone(), handler.clone(), Ending(crew.clone()));
            let name = format!("wharf-{number}");
            let thread = thread::Builder::new().name(name).spawn(move || {
                work(&port, &*handler);
                // With the last worker goes the handler; it has ended when that is gone too.
                drop((port, handler));
                drop(ending);
            })?;
            threads.push(thread);
        }
        Ok(Workers { crew, threads })
    }

    /// Waits until all of the threads have ended, which they do once the port is closed and their handlers have
    /// returned. Called from one of them, it does not wait for that one.
    pub fn join(self) {
        self.join_until(None);
    }

    /// As [`join`](Self::join), for `timeout` at most. Returns the names of the threads that are still in their
    /// handlers; they are left alone, and end when their handlers return.
    pub fn join_timeout(self, timeout: Duration) -> Vec<String> {
        self.join_until(Some(deadline_after(timeout)))
    }

    fn join_until(self, deadline: Option<Instant>) -> Vec<String> {
        let own = thread::current().id();
        let is_own = |thread: &JoinHandle<()>| thread.thread().id() == own;
        let (_, others): (Vec<_>, Vec<_>) = self.threads.into_iter().partition(is_own);
        let others_len = others.len();
        let ended = {
            let mut ended = self.crew.ended.lock();
            loop {
                let remaining =
                    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                if ended.len() >= others_len || remaining.is_some_and(|time| time.is_zero()) {
                    break ended.clone();
                }
                ended = self.crew.changed.wait(ended, remaining);
            }
        };
        let mut left = Vec::new();
        for thread in others {
            if ended.contains(&thread.thread().id()) {
                // It has nothing left to do but to end. Its handler's panics were caught.
                let _ = thread.join();
            } else {
                left.push(thread.thread().name().unwrap_or_default().to_owned());
            }
        }
        left
    }
}

/// Puts a thread on the list when it ends, however it ends.
struct Ending(Arc<Crew>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.ended.lock().push(thread::current().id());
        self.0.changed.notify_all();
    }
}

fn work<K, F>(port: &CompletionPort<K>, handler: &F)
where
    K: Clone + Send + Sync + 'static,
    F: Fn(&CompletionPort<K>, Completion<K>),
{
    loop {
        match port.wait(None) {
            Ok(Wait::Completed(completion)) => {
                let handled = catch_unwind(AssertUnwindSafe(|| handler(port, completion)));
                if let Err(panic) = handled {
                    tracing::error!("a handler panicked: {}", panic_message(&*panic));
                }
            }
            Ok(Wait::TimedOut) => {}
            Ok(Wait::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "a worker can't wait and ends");
                return;
            }
        }
    }
}

/// What a panic said, if it said anything.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it left no message")
}
