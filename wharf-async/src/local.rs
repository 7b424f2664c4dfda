//! Tasks that only the thread of a `block_on` polls: their futures need not be `Send`.

use std::{cell::RefCell, collections::VecDeque, future::Future, panic::Location, sync::Arc};

use crate::{
    registry::Registry,
    sync::{Mutex, Thread, lock, thread, thread_local},
    task::{self, JoinHandle, Runnable},
};

thread_local! {
    static QUEUE: RefCell<Option<Arc<Queue>>> = const { RefCell::new(None) };
}

/// The local tasks of one `block_on`.
#[derive(Debug)]
pub(crate) struct Queue {
    registry: Registry,
    ready: Mutex<VecDeque<Runnable>>,
    thread: Thread,
}

impl Queue {
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A task was woken, on any thread.
    pub(crate) fn push(&self, task: Runnable) {
        lock(&self.ready).push_back(task);
        self.thread.unpark();
    }
}

/// The queue of the calling thread, until this is dropped: then its tasks end, on this thread.
pub(crate) struct Entered {
    queue: Arc<Queue>,
    before: Option<Arc<Queue>>,
}

impl Entered {
    pub(crate) fn new() -> Entered {
        let queue = Arc::new(Queue {
            registry: Registry::default(),
            ready: Mutex::default(),
            thread: thread::current(),
        });
        // As the thread ends, it may be gone: then nobody finds the queue to put a task into it.
        let before = QUEUE.try_with(|current| current.replace(Some(queue.clone())));
        Entered {
            queue,
            before: before.ok().flatten(),
        }
    }

    /// Whether there is a task to be polled.
    pub(crate) fn is_ready(&self) -> bool {
        !lock(&self.queue.ready).is_empty()
    }

    /// Polls each task that is ready, once. Says whether there was any.
    pub(crate) fn run(&self) -> bool {
        let ready = lock(&self.queue.ready).len();
        for _ in 0..ready {
            let task = lock(&self.queue.ready).pop_front();
            let Some(task) = task else { break };
            task::run(task);
        }
        ready > 0
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.queue.registry.close();
        // Each of them is in the queue now, or is put there by another thread that has just woken it; and its turn drops it.
        while self.queue.registry.count() > 0 {
            if !self.run() {
                wharf::blocking(thread::park);
            }
        }
        let ours = QUEUE.try_with(|current| current.replace(self.before.take()));
        drop(ours);
    }
}

/// Begins a task on the thread of the innermost [`Runtime::block_on`](crate::Runtime::block_on), which alone polls it: its future
/// need not be [`Send`]. It ends at the latest when that `block_on` does: it is aborted then.
///
/// While that thread blocks, its local tasks wait.
///
/// # Panics
/// The calling thread is in no `block_on`.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let queue = QUEUE.try_with(|current| current.borrow().clone());
    let Some(queue) = queue.ok().flatten() else {
        panic!("`spawn_local` must be called within `Runtime::block_on`, on its thread");
    };
    task::spawn_local(&queue, Location::caller(), future)
}
