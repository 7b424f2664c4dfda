//! The gate and the waiters: how many threads run, and which of the others is released next.
//!
//! At most `concurrency` threads run. The others wait, and are released last in, first out, so that warm threads
//! stay warm. A waiter waits in one of two places: as many as could run at once watch the kernel, where each new
//! event releases one of them without a detour; the rest sleep on their parkers. Linux wakes the threads in
//! `epoll_wait` last in, first out as well (`ep_poll` adds an exclusive waiter at the head of its list), so the
//! order holds in both places.

use super::{Parker, Standing, Step};
use crate::sync::Arc;

#[derive(Debug)]
pub(super) enum Waiter {
    /// In the kernel. Watchers are alike: the kernel chooses among them.
    Watching,
    /// On its parker.
    Parked(Arc<Parker>),
}

#[derive(Debug)]
pub(super) struct Gate {
    concurrency: usize,
    running: usize,
    running_max: usize,
    /// Oldest first; released from the end.
    waiters: Vec<Waiter>,
    watching: usize,
    /// There is something to watch the kernel for.
    watchable: bool,
    /// A wake is on its way to the watchers and none of them has reported it yet.
    wake_pending: bool,
}

impl Gate {
    pub(super) fn new(concurrency: usize) -> Self {
        Gate {
            concurrency,
            running: 0,
            running_max: 0,
            waiters: Vec::new(),
            watching: 0,
            watchable: false,
            wake_pending: false,
        }
    }

    pub(super) fn concurrency(&self) -> usize {
        self.concurrency
    }

    pub(super) fn running(&self) -> usize {
        self.running
    }

    pub(super) fn running_max(&self) -> usize {
        self.running_max
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// Undoes what `standing` counted for. `woken`: the thread consumed the watchers' wake.
    pub(super) fn withdraw(&mut self, standing: Standing, parker: &Arc<Parker>, woken: bool) {
        if woken {
            self.wake_pending = false;
        }
        match standing {
            Standing::Away => {}
            Standing::Running => self.running -= 1,
            Standing::Watching => {
                let index = self.last_index(|waiter| matches!(waiter, Waiter::Watching));
                self.waiters.remove(index.expect("a watcher is listed"));
                self.watching -= 1;
            }
            Standing::Parked => {
                let own = |waiter: &Waiter| matches!(waiter, Waiter::Parked(other) if Arc::ptr_eq(other, parker));
                match self.last_index(own) {
                    Some(index) => {
                        self.waiters.remove(index);
                    }
                    // Whoever took it off the list counted it as running on its behalf.
                    None => self.running -= 1,
                }
            }
        }
    }

    /// Lets the calling thread run, if there is room.
    pub(super) fn admit(&mut self) -> bool {
        let room = self.has_room();
        if room {
            self.running += 1;
            self.running_max = self.running_max.max(self.running);
        }
        room
    }

    fn has_room(&self) -> bool {
        self.running < self.concurrency
    }

    fn has_place_to_watch(&self) -> bool {
        self.watchable && self.running + self.watching < self.concurrency
    }

    /// From now on there is something to watch the kernel for.
    pub(super) fn watch(&mut self) {
        self.watchable = true;
    }

    /// Lists the calling thread as a waiter, and says where it is to wait.
    pub(super) fn wait(&mut self, parker: &Arc<Parker>) -> Step {
        if self.has_place_to_watch() {
            self.watching += 1;
            self.waiters.push(Waiter::Watching);
            Step::Watch
        } else {
            self.waiters.push(Waiter::Parked(parker.clone()));
            Step::Park
        }
    }

    /// Chooses the waiter to release, if one should be: for work that waits, for a free place among the
    /// watchers, or since the port closed.
    #[inline]
    pub(super) fn release(&mut self, work: bool, closed: bool) -> Option<Waiter> {
        if closed {
            return self.release_last();
        }
        if !self.has_room() {
            return None;
        }
        if work {
            return self.release_last();
        }
        if self.has_place_to_watch() {
            let index = self.last_index(|waiter| matches!(waiter, Waiter::Parked(_)))?;
            // Its place, until it comes.
            self.running += 1;
            return Some(self.waiters.remove(index));
        }
        None
    }

    /// Whether somebody would be released, were there work.
    pub(super) fn would_release(&self) -> bool {
        self.has_room()
            && match self.waiters.last() {
                None => false,
                Some(Waiter::Watching) => !self.wake_pending,
                Some(Waiter::Parked(_)) => true,
            }
    }

    fn release_last(&mut self) -> Option<Waiter> {
        match self.waiters.last()? {
            Waiter::Watching if self.wake_pending => None,
            // It stays listed until it reports: an event may wake another watcher than the one that is meant.
            Waiter::Watching => {
                self.wake_pending = true;
                Some(Waiter::Watching)
            }
            Waiter::Parked(_) => {
                // Its place, until it comes.
                self.running += 1;
                self.waiters.pop()
            }
        }
    }

    fn last_index(&self, which: impl Fn(&Waiter) -> bool) -> Option<usize> {
        self.waiters.iter().rposition(which)
    }
}
