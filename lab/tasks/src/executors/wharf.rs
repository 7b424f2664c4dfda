//! Wharf's runtime: two workers run at once, and there may be more where some are blocked.

use wharf_async::{JoinError, JoinHandle, Runtime};

use super::{Executor, WORKERS};

/// As in the lab's rows of HTTP.
const THREADS_MAX: usize = 64;

pub struct Wharf(Runtime);

impl Executor for Wharf {
    type JoinHandle = JoinHandle<()>;
    type JoinError = JoinError;

    fn open() -> Self {
        let builder = Runtime::builder().concurrency(WORKERS);
        let runtime = builder.threads(WORKERS..=THREADS_MAX).build();
        Wharf(runtime.expect("the system gives a runtime"))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Self::JoinHandle {
        self.0.spawn(task)
    }

    fn spawn_here(task: impl Future<Output = ()> + Send + 'static) {
        // Dropped, it leaves the task alone.
        drop(wharf_async::spawn(task));
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        wharf_async::yield_now()
    }
}
