//! What a thread of a runtime knows: whose it is, and whether a task that is woken now is to run on it next.

use std::{cell::RefCell, mem, sync::Arc, task::Waker};

use crate::{shared::Shared, sync::thread_local, task::Runnable};

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
    static NEXT: RefCell<Next> = const { RefCell::new(Next { runtime: None, task: None }) };
}

/// The task that a completion wakes: the worker that took the completion polls it, and it is not posted.
struct Next {
    /// The address of the registry of the runtime whose task may be taken; none: no task may.
    runtime: Option<usize>,
    task: Option<Runnable>,
}

/// The runtime that a thread works for. Each thread has a count of its own, so that clones by two threads do not write to the same
/// cache line.
pub(crate) type Current = Arc<Arc<Shared>>;

/// The runtime that this thread works for.
pub(crate) fn current() -> Option<Current> {
    CURRENT.try_with(|current| current.borrow().clone()).ok()?
}

/// Calls something with the runtime that this thread works for.
pub(crate) fn with_current<T>(with: impl FnOnce(&Current) -> T) -> T {
    match current() {
        Some(shared) => with(&shared),
        None => panic!(
            "no runtime: this must be called in a task of a `wharf_async::Runtime`, or within its `block_on`"
        ),
    }
}

/// Until it is dropped, the thread works for a runtime; then for the one before, if there was one. In the destructor of another
/// thread-local, as the thread ends, ours may be gone: then it works for none.
pub(crate) struct Entered(Option<Current>);

impl Entered {
    pub(crate) fn new(shared: &Arc<Shared>) -> Entered {
        let entered = Some(Arc::new(Arc::clone(shared)));
        let before = CURRENT.try_with(|current| mem::replace(&mut *current.borrow_mut(), entered));
        Entered(before.ok().flatten())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.0.take();
        let ours = CURRENT.try_with(|current| mem::replace(&mut *current.borrow_mut(), before));
        drop(ours);
    }
}

/// Takes a task that is to be scheduled, if this worker is to run it next; else gives it back.
pub(crate) fn offer(task: Runnable) -> Option<Runnable> {
    let runtime = std::ptr::from_ref(task.metadata().home.registry()).addr();
    let mut offered = Some(task);
    let _ = NEXT.try_with(|next| {
        if let Ok(mut next) = next.try_borrow_mut() {
            if next.runtime == Some(runtime) && next.task.is_none() {
                next.task = offered.take();
            }
        }
    });
    offered
}

/// Wakes a task for a completion that this worker has taken, and runs it here if it is this runtime's.
pub(crate) fn wake_and_run(shared: &Shared, waker: Waker) {
    let waking = Waking::new(shared);
    waker.wake();
    let task = NEXT.with(|next| next.borrow_mut().task.take());
    // User code runs from here on, and what it wakes is posted.
    drop(waking);
    if let Some(task) = task {
        crate::task::run(task);
    }
}

/// The thread is about to wait: a task that is kept for it, since code of the program's does so in a waker, is posted.
pub(crate) fn give_up_next() {
    let kept = NEXT.try_with(|next| {
        let mut next = next.borrow_mut();
        next.runtime = None;
        next.task.take()
    });
    if let Ok(Some(task)) = kept {
        task.schedule();
    }
}

/// Until it is dropped, the first task that is woken on this thread is kept for it.
struct Waking;

impl Waking {
    fn new(shared: &Shared) -> Waking {
        let runtime = std::ptr::from_ref(&shared.registry).addr();
        NEXT.with(|next| next.borrow_mut().runtime = Some(runtime));
        Waking
    }
}

impl Drop for Waking {
    fn drop(&mut self) {
        // A task is left only if a waker panicked.
        give_up_next();
    }
}
