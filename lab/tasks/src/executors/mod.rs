//! What the benchmarks need of a runtime, and the runtimes.

pub mod tokio;
pub mod wharf;

use std::fmt::Debug;

/// So many workers run at once: as many as the lab's machine has processors, which is what programs have by default.
const WORKERS: usize = 2;

/// A runtime whose workers all take any task.
pub trait Executor: Sized + 'static {
    /// What waits for a task's end.
    type JoinHandle: Future<Output = Result<(), Self::JoinError>>;
    type JoinError: Debug;

    fn open() -> Self;

    /// Spawns a task from a thread that is not the runtime's.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Self::JoinHandle;

    /// Spawns a task from within another one, or from within `block_on`; nobody waits for it.
    fn spawn_here(task: impl Future<Output = ()> + Send + 'static);

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T;

    fn yield_now() -> impl Future<Output = ()> + Send;
}
