//! A set of tasks, whose results come as they end.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::{Future, poll_fn},
    panic::Location,
    sync::Arc,
    task::{Context, Poll, Wake, Waker, ready},
};

use crate::{
    budget, context,
    sync::{Mutex, lock, register},
    task::{self, AbortHandle, JoinError, JoinHandle},
};

/// A set of tasks with results of one type. Their results come in the order in which they end. Dropped, it aborts them all.
///
/// ```
/// use wharf_async::{JoinSet, Runtime};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::new()?;
/// let sum = runtime.block_on(async {
///     let mut set = JoinSet::new();
///     for number in 1..=10 {
///         set.spawn(async move { number });
///     }
///     let mut sum = 0;
///     while let Some(number) = set.join_next().await {
///         sum += number.expect("it does not panic");
///     }
///     sum
/// });
/// assert_eq!(sum, 55);
/// # Ok(())
/// # }
/// ```
pub struct JoinSet<T> {
    /// In the order of their spawns, in which they are aborted, too.
    handles: BTreeMap<u64, (JoinHandle<T>, Waker)>,
    next: u64,
    ended: Arc<Ended>,
}

/// The numbers of the tasks that were woken, and the one that waits for them.
#[derive(Default)]
struct Ended {
    inner: Mutex<Woken>,
}

#[derive(Default)]
struct Woken {
    numbers: VecDeque<u64>,
    waker: Option<Waker>,
}

impl Ended {
    fn push(&self, number: u64) {
        let waker = {
            let mut woken = lock(&self.inner);
            woken.numbers.push_back(number);
            woken.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What a task of the set wakes when it ends.
struct Entry {
    number: u64,
    ended: Arc<Ended>,
}

impl Wake for Entry {
    fn wake(self: Arc<Self>) {
        self.ended.push(self.number);
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("JoinSet");
        debug.field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        JoinSet {
            handles: BTreeMap::new(),
            next: 0,
            ended: Arc::default(),
        }
    }
}

impl<T> JoinSet<T> {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of tasks whose results were not taken.
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Whether all results were taken.
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// Begins a task in the set, on the runtime that this thread works for.
    ///
    /// # Panics
    /// The thread works for no runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let location = Location::caller();
        let handle = context::with_current(|shared| task::spawn(shared, location, future));
        let abort = handle.abort_handle();
        let number = self.next;
        self.next += 1;
        let entry = Entry {
            number,
            ended: self.ended.clone(),
        };
        let waker = Waker::from(Arc::new(entry));
        self.handles.insert(number, (handle, waker));
        // Its first look is due.
        self.ended.push(number);
        abort
    }

    /// Waits for the next task to end. None: the set is empty. If the future is dropped, no result is lost.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|context| self.poll_join_next(context)).await
    }

    /// As [`join_next`](Self::join_next), for a future of the caller's own.
    pub fn poll_join_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, JoinError>>> {
        ready!(budget::poll_left(context));
        loop {
            if self.is_empty() {
                return Poll::Ready(None);
            }
            let mut woken = lock(&self.ended.inner);
            let Some(number) = woken.numbers.pop_front() else {
                register(woken, |woken| &mut woken.waker, context.waker());
                return Poll::Pending;
            };
            drop(woken);
            if let Some(result) = self.take_ended(number) {
                budget::spend();
                return Poll::Ready(Some(result));
            }
        }
    }

    /// The result of a task that has ended, if there is one. None: no task that is left has ended, or the set is empty.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        loop {
            let number = lock(&self.ended.inner).numbers.pop_front()?;
            if let Some(result) = self.take_ended(number) {
                return Some(result);
            }
        }
    }

    /// Takes a task that was woken out of the set, if it has ended.
    fn take_ended(&mut self, number: u64) -> Option<Result<T, JoinError>> {
        let (handle, waker) = self.handles.get_mut(&number)?;
        match handle.poll_ended(&mut Context::from_waker(waker)) {
            Poll::Ready(result) => {
                self.handles.remove(&number);
                Some(result)
            }
            Poll::Pending => None,
        }
    }

    /// Waits for all tasks. Their results come in the order in which they end.
    ///
    /// # Panics
    /// A task has panicked, with its panic, or was cancelled. The others are aborted then.
    pub async fn join_all(mut self) -> Vec<T> {
        let mut results = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next().await {
            match result.map_err(JoinError::try_into_panic) {
                Ok(result) => results.push(result),
                Err(Ok(panic)) => std::panic::resume_unwind(panic),
                Err(Err(cancelled)) => panic!("{cancelled}"),
            }
        }
        results
    }

    /// Aborts all tasks; their results still come.
    pub fn abort_all(&self) {
        self.handles.values().for_each(|(handle, _)| handle.abort());
    }

    /// Aborts all tasks, and waits until they have ended.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Empties the set without aborting its tasks.
    pub fn detach_all(&mut self) {
        self.handles.clear();
        // They say there that they have ended, and nobody looks.
        self.ended = Arc::default();
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}
