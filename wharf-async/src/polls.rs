//! The polls that are under way, and the longest that there was: which task is in which worker, and where it was spawned.
//!
//! Each worker writes to memory of its own, and no lock is taken for a poll. Times are as coarse as the system's timer tick.

use std::{
    cell::RefCell,
    panic::Location,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use crate::{
    registry::Id,
    shared::Shared,
    sync::{
        AtomicU64, AtomicUsize, Mutex, Ordering, coarse_now_ns, lock, now, thread, thread_local,
    },
};

/// A poll that took so long, at a time when no worker was left, is told in the log.
const LONG_NS: u64 = 10_000_000;

/// No more often than this.
const TOLD_EVERY: Duration = Duration::from_secs(1);

type Where = &'static Location<'static>;

/// The polls of a runtime.
#[derive(Debug, Default)]
pub(crate) struct Polls {
    workers: Mutex<Vec<Weak<Worker>>>,
    longest: Mutex<Option<(Duration, Where)>>,
    told: Mutex<Option<Instant>>,
    /// Polls that have taken long.
    long: AtomicU64,
}

/// A worker, and the poll that it is in.
#[derive(Debug)]
struct Worker {
    name: String,
    shared: Weak<Shared>,
    poll: Poll,
    /// The longest poll of this worker that was told to all.
    longest_ns: AtomicU64,
}

/// A poll: of which task, and when it began. A task whose number is 0: none.
#[derive(Debug, Default)]
struct Poll {
    number: AtomicU64,
    place: AtomicUsize,
    begun_ns: AtomicU64,
}

impl Poll {
    /// Puts another in its place. A look from elsewhere may see a part of both, and then finds no such task.
    fn replace(&self, (id, begun_ns): (Option<Id>, u64)) -> (Option<Id>, u64) {
        let before = self.get();
        let (number, place) = id.map_or((0, 0), Id::to_words);
        self.number.store(number, Ordering::Relaxed);
        self.place.store(place, Ordering::Relaxed);
        self.begun_ns.store(begun_ns, Ordering::Relaxed);
        before
    }

    fn get(&self) -> (Option<Id>, u64) {
        let number = self.number.load(Ordering::Relaxed);
        let place = self.place.load(Ordering::Relaxed);
        let id = (number > 0).then(|| Id::from_words(number, place));
        (id, self.begun_ns.load(Ordering::Relaxed))
    }
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
    /// For how long it has been under way; as coarse as the system's timer tick.
    pub since: Duration,
}

impl Polls {
    /// The calling thread is a worker, until what is returned is dropped.
    pub(crate) fn enter(shared: &Arc<Shared>) -> Registered {
        let worker = Arc::new(Worker {
            name: thread::current().name().unwrap_or_default().to_owned(),
            shared: Arc::downgrade(shared),
            poll: Poll::default(),
            longest_ns: AtomicU64::new(0),
        });
        let mut workers = lock(&shared.polls.workers);
        workers.retain(|worker| worker.strong_count() > 0);
        workers.push(Arc::downgrade(&worker));
        WORKER.with(|current| current.replace(Some(worker)));
        Registered
    }

    /// The longest poll that has ended, and where its task was spawned.
    pub(crate) fn longest(&self) -> Option<(Duration, Where)> {
        *lock(&self.longest)
    }

    /// How many polls have taken 10 ms or more.
    #[cfg(feature = "metrics")]
    pub(crate) fn long(&self) -> u64 {
        self.long.load(Ordering::Relaxed)
    }

    /// The polls that are under way.
    pub(crate) fn under_way(&self, shared: &Shared) -> Vec<PollSnapshot> {
        let now_ns = coarse_now_ns();
        let workers = lock(&self.workers);
        let polls = workers.iter().filter_map(|worker| {
            let worker = worker.upgrade()?;
            let (id, begun_ns) = worker.poll.get();
            Some(PollSnapshot {
                worker: worker.name.clone(),
                spawned_at: shared.registry.location(id?)?,
                since: Duration::from_nanos(now_ns.saturating_sub(begun_ns)),
            })
        });
        polls.collect()
    }

    fn note(&self, took: Duration, location: Where) {
        let mut longest = lock(&self.longest);
        if longest.is_none_or(|(before, _)| took > before) {
            *longest = Some((took, location));
        }
    }

    /// Whether it is time for a line in the log.
    fn may_tell(&self) -> bool {
        let now = now();
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
        drop(WORKER.with(RefCell::take));
    }
}

/// Notes that this thread polls a task, until what is returned is dropped. On a thread that is no worker nothing is noted.
pub(crate) fn watch(id: Id, location: Where) -> Watched {
    let begun_ns = coarse_now_ns();
    // A thread that ends, and blocks on a future in the destructor of a thread-local, has none of ours any more.
    let outer = WORKER.try_with(|worker| {
        let worker = worker.borrow();
        let worker = worker.as_ref()?;
        Some(worker.poll.replace((Some(id), begun_ns)))
    });
    Watched {
        location,
        begun_ns,
        outer: outer.ok().flatten(),
    }
}

/// A poll that is under way.
pub(crate) struct Watched {
    location: Where,
    begun_ns: u64,
    /// The poll that this one is within, of a task that blocks on this runtime or on another; none: the thread is no worker.
    outer: Option<(Option<Id>, u64)>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Some(outer) = self.outer else {
            return;
        };
        let took_ns = coarse_now_ns().saturating_sub(self.begun_ns);
        let noteworthy = WORKER.with(|worker| {
            let worker = worker.borrow();
            let worker = worker.as_ref()?;
            worker.poll.replace(outer);
            let is_longest = took_ns > worker.longest_ns.load(Ordering::Relaxed);
            (is_longest || took_ns >= LONG_NS).then(|| worker.clone())
        });
        if let Some(worker) = noteworthy {
            worker.judge(took_ns, self.location);
        }
    }
}

impl Worker {
    /// A poll has ended that took long.
    #[cold]
    fn judge(&self, took_ns: u64, location: Where) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let took = Duration::from_nanos(took_ns);
        self.longest_ns.fetch_max(took_ns, Ordering::Relaxed);
        shared.polls.note(took, location);
        if took_ns >= LONG_NS {
            shared.polls.long.fetch_add(1, Ordering::Relaxed);
        }
        if took_ns >= LONG_NS && shared.is_at_its_limit() && shared.polls.may_tell() {
            let threads = shared.threads_max;
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
