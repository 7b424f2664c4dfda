//! The polls that are under way, and the longest that there was: which task is in which worker, and where it was spawned.

use std::{
    cell::RefCell,
    panic::Location,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    runtime::Shared,
    sync::{Mutex, lock, now},
};

/// A poll that took so long, at a time when no worker was left, is told in the log.
const LONG: Duration = Duration::from_millis(10);

/// No more often than this.
const TOLD_EVERY: Duration = Duration::from_secs(1);

type Where = &'static Location<'static>;

/// The polls of a runtime.
#[derive(Debug, Default)]
pub(crate) struct Polls {
    workers: Mutex<Vec<Weak<Worker>>>,
    longest: Mutex<Option<(Duration, Where)>>,
    /// The same in nanoseconds, to be compared with before the lock is taken.
    longest_ns: AtomicU64,
    told: Mutex<Option<Instant>>,
}

/// A worker, and the poll that it is in.
#[derive(Debug)]
struct Worker {
    name: String,
    poll: Mutex<Option<(Instant, Where)>>,
    shared: Weak<Shared>,
}

thread_local! {
    static WORKER: RefCell<Option<Arc<Worker>>> = const { RefCell::new(None) };
}

/// A poll that is under way; see [`Runtime::snapshot`](crate::Runtime::snapshot).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PollSnapshot {
    /// The name of the thread that makes it.
    pub worker: String,
    /// Where its task was spawned.
    pub spawned_at: Where,
    /// For how long it has been under way.
    pub since: Duration,
}

impl Polls {
    /// The calling thread is a worker, until what is returned is dropped.
    pub(crate) fn enter(shared: &Arc<Shared>) -> Registered {
        let worker = Arc::new(Worker {
            name: std::thread::current().name().unwrap_or_default().to_owned(),
            poll: Mutex::default(),
            shared: Arc::downgrade(shared),
        });
        let mut workers = lock(&shared.polls.workers);
        workers.retain(|worker| worker.strong_count() > 0);
        workers.push(Arc::downgrade(&worker));
        WORKER.set(Some(worker));
        Registered
    }

    /// The longest poll that has ended, and where its task was spawned.
    pub(crate) fn longest(&self) -> Option<(Duration, Where)> {
        *lock(&self.longest)
    }

    /// The polls that are under way.
    pub(crate) fn under_way(&self) -> Vec<PollSnapshot> {
        let now = now();
        let workers = lock(&self.workers);
        let polls = workers.iter().filter_map(|worker| {
            let worker = worker.upgrade()?;
            let (begun, spawned_at) = (*lock(&worker.poll))?;
            Some(PollSnapshot {
                worker: worker.name.clone(),
                spawned_at,
                since: now.saturating_duration_since(begun),
            })
        });
        polls.collect()
    }

    fn ended(&self, took: Duration, location: Where) {
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if took_ns <= self.longest_ns.load(Ordering::Relaxed) {
            return;
        }
        let mut longest = lock(&self.longest);
        if longest.is_none_or(|(before, _)| took > before) {
            *longest = Some((took, location));
            self.longest_ns.store(took_ns, Ordering::Relaxed);
        }
    }

    /// Whether it is time for a line in the log.
    fn may_tell(&self, now: Instant) -> bool {
        let mut told = lock(&self.told);
        let may = told.is_none_or(|at| now.saturating_duration_since(at) >= TOLD_EVERY);
        if may {
            *told = Some(now);
        }
        may
    }
}

/// The calling thread is a worker, until this is dropped.
pub(crate) struct Registered;

impl Drop for Registered {
    fn drop(&mut self) {
        WORKER.take();
    }
}

/// Notes that this thread polls a task that was spawned there, until what is returned is dropped. On a thread that is no worker
/// nothing is noted.
pub(crate) fn watch(location: Where) -> Option<Watched> {
    let worker = WORKER.with_borrow(Clone::clone)?;
    let begun = now();
    let outer = lock(&worker.poll).replace((begun, location));
    Some(Watched {
        worker,
        begun,
        location,
        outer,
    })
}

/// A poll that is under way.
pub(crate) struct Watched {
    worker: Arc<Worker>,
    begun: Instant,
    location: Where,
    /// The poll that this one is within: of a task that blocks on another runtime, or on this one.
    outer: Option<(Instant, Where)>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        *lock(&self.worker.poll) = self.outer.take();
        let now = now();
        let took = now.saturating_duration_since(self.begun);
        let Some(shared) = self.worker.shared.upgrade() else {
            return;
        };
        shared.polls.ended(took, self.location);
        if took >= LONG && shared.is_at_its_limit() && shared.polls.may_tell(now) {
            let (location, threads) = (self.location, shared.threads_max);
            wharf::user_code::log(|| {
                tracing::warn!(
                    "a task that was spawned at {location} held its worker for {took:.0?}, while all {threads} workers had work \
                     and more waited: if it blocks, raise the most threads (Builder::threads); if it computes, the \
                     processors are busy"
                );
            });
        }
    }
}
