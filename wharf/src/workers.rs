//! A pool of threads that wait on a port and call a handler.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
};

use crate::{
    CompletionPort,
    operation::{Completion, Wait},
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
    threads: Vec<JoinHandle<()>>,
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
        let handler = Arc::new(handler);
        let threads: io::Result<Vec<_>> = (0..count)
            .map(|number| {
                let (port, handler) = (port.clone(), handler.clone());
                thread::Builder::new()
                    .name(format!("wharf-{number}"))
                    .spawn(move || work(&port, &*handler))
            })
            .collect();
        Ok(Workers { threads: threads? })
    }

    /// Waits until all of the threads have ended, which they do once the port is closed and their handlers have
    /// returned. Called from one of them, it does not wait for that one.
    pub fn join(self) {
        for thread in self.threads {
            if thread.thread().id() != thread::current().id() {
                // A worker catches its handlers' panics and has none of its own to report.
                let _ = thread.join();
            }
        }
    }

    /// How many threads have not ended yet.
    pub fn alive(&self) -> usize {
        self.threads.iter().filter(|thread| !thread.is_finished()).count()
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
