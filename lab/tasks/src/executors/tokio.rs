//! tokio's multi-thread runtime, as `#[tokio::main]` makes it.

use tokio::{
    runtime::{Builder, Runtime},
    task,
};

use super::{Executor, WORKERS};

pub struct Tokio(Runtime);

impl Executor for Tokio {
    type JoinHandle = task::JoinHandle<()>;
    type JoinError = task::JoinError;

    fn open() -> Self {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(WORKERS).enable_all().build();
        Tokio(runtime.expect("the system gives a runtime"))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Self::JoinHandle {
        self.0.spawn(task)
    }

    fn spawn_here(task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        task::yield_now()
    }
}
