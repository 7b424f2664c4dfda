//! The tasks that have not ended: to abort them, and to say at a stop which are left.

use std::{panic::Location, task::Waker, time::Instant};

use slab::Slab;

use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Condvar, Mutex, Ordering, lock, now, wait};

/// Tasks that begin and end at once seldom want the same shard.
const SHARDS: usize = 16;

/// The name of a task, never given twice by one runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id {
    number: u64,
    /// Where it is in its shard.
    place: usize,
}

impl Id {
    /// As two words, of which the first is not 0.
    pub(crate) fn to_words(self) -> (u64, usize) {
        (self.number, self.place)
    }

    pub(crate) fn from_words(number: u64, place: usize) -> Id {
        Id { number, place }
    }

    fn shard(self) -> usize {
        self.number as usize % SHARDS
    }
}

#[derive(Debug)]
struct Entry {
    number: u64,
    waker: Waker,
    location: &'static Location<'static>,
    is_aborted: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Registry {
    shards: [Mutex<Slab<Entry>>; SHARDS],
    numbers: AtomicU64,
    count: AtomicUsize,
    panics: AtomicU64,
    /// Tasks that were aborted and have not ended: while there are none, nobody has to look.
    aborted: AtomicUsize,
    /// No task begins any more.
    is_closed: AtomicBool,
    /// For the one that waits for the last of them.
    ended: (Mutex<()>, Condvar),
}

/// The entry of a task in its shard, if it has not ended.
fn find(shard: &mut Slab<Entry>, id: Id) -> Option<&mut Entry> {
    shard.get_mut(id.place).filter(|it| it.number == id.number)
}

impl Registry {
    /// How many tasks have not ended.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How many tasks were begun, and how many of them have panicked.
    #[cfg(feature = "metrics")]
    pub(crate) fn totals(&self) -> (u64, u64) {
        let panics = self.panics.load(Ordering::Relaxed);
        (self.numbers.load(Ordering::Relaxed), panics)
    }

    pub(crate) fn count_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of a task that is to be listed: from 1 on, 0 is no task's.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Lists a task that `make` makes, which calls no code of the user's. None: no task begins any more, and none was made.
    pub(crate) fn insert<T>(
        &self,
        number: u64,
        location: &'static Location<'static>,
        make: impl FnOnce(Id) -> (Waker, T),
    ) -> Option<T> {
        let mut shard = lock(&self.shards[number as usize % SHARDS]);
        // Read under the lock, under which `close` looks for those that are listed.
        if self.is_closed.load(Ordering::SeqCst) {
            return None;
        }
        let vacant = shard.vacant_entry();
        let place = vacant.key();
        let (waker, made) = make(Id { number, place });
        vacant.insert(Entry {
            number,
            waker,
            location,
            is_aborted: false,
        });
        self.count.fetch_add(1, Ordering::SeqCst);
        Some(made)
    }

    /// A task has ended, and its future is gone.
    pub(crate) fn remove(&self, id: Id) {
        let mut shard = lock(&self.shards[id.shard()]);
        if find(&mut shard, id).is_none() {
            return;
        }
        let entry = shard.remove(id.place);
        drop(shard);
        if entry.is_aborted {
            self.aborted.fetch_sub(1, Ordering::SeqCst);
        }
        let was_last = self.count.fetch_sub(1, Ordering::SeqCst) == 1;
        if was_last && self.is_closed.load(Ordering::SeqCst) {
            drop(lock(&self.ended.0));
            self.ended.1.notify_all();
        }
    }

    /// Has a task end at its next turn, which it gets now. Nothing changes if it has ended.
    pub(crate) fn abort(&self, id: Id) {
        let mut shard = lock(&self.shards[id.shard()]);
        let Some(entry) = find(&mut shard, id).filter(|it| !it.is_aborted) else {
            return;
        };
        entry.is_aborted = true;
        self.aborted.fetch_add(1, Ordering::SeqCst);
        let waker = entry.waker.clone();
        drop(shard);
        waker.wake();
    }

    /// Whether a task is to end.
    pub(crate) fn is_aborted(&self, id: Id) -> bool {
        if self.aborted.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let mut shard = lock(&self.shards[id.shard()]);
        find(&mut shard, id).is_some_and(|it| it.is_aborted)
    }

    /// From now on no task begins, and those that there are end at their next turn.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        for (shard, entries) in self.shards.iter().enumerate() {
            let ids: Vec<_> = {
                let entries = lock(entries);
                let id = |(place, entry): (usize, &Entry)| Id {
                    number: entry.number,
                    place,
                };
                entries.iter().map(id).collect()
            };
            debug_assert!(ids.iter().all(|id| id.shard() == shard));
            ids.into_iter().for_each(|id| self.abort(id));
        }
    }

    /// Waits until a closed registry is empty, or until then. Returns where the tasks that are left were spawned.
    pub(crate) fn wait_for_the_last(&self, deadline: Instant) -> Vec<&'static Location<'static>> {
        let mut guard = lock(&self.ended.0);
        while self.count.load(Ordering::SeqCst) > 0 {
            let rest = deadline.saturating_duration_since(now());
            if rest.is_zero() {
                drop(guard);
                return self.locations();
            }
            guard = wait(&self.ended.1, guard, rest);
        }
        Vec::new()
    }

    /// Where a task was spawned that has not ended.
    pub(crate) fn location(&self, id: Id) -> Option<&'static Location<'static>> {
        let mut shard = lock(&self.shards[id.shard()]);
        find(&mut shard, id).map(|entry| entry.location)
    }

    /// Where the tasks were spawned that have not ended.
    pub(crate) fn locations(&self) -> Vec<&'static Location<'static>> {
        let shards = self.shards.iter();
        let all = shards.flat_map(|shard| {
            let shard = lock(shard);
            let locations: Vec<_> = shard.iter().map(|(_, entry)| entry.location).collect();
            locations
        });
        all.collect()
    }
}
