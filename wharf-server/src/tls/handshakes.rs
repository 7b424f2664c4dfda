//! Which handshakes are under way, and what came of the others: one counter each, for all of a server.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// How many handshakes of a server's came to what ([`Clients::handshakes`](crate::Clients::handshakes)); those of what it has dialled
/// too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HandshakeCounts {
    /// Under way at this moment.
    pub under_way: usize,
    /// Done.
    pub done: u64,
    /// Failed: they were wrong, or did not come to their end.
    pub failed: u64,
    /// Ended for newer ones, since as many were under way as [may](crate::Settings::handshakes_at_most).
    pub refused: u64,
}

/// A server's.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    at_most: usize,
    /// Under way: the clients that were accepted. Their numbers rise, so the oldest is the first.
    accepted: Mutex<BTreeSet<u64>>,
    /// Under way: how many were dialled.
    dialled: AtomicUsize,
    done: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

/// One that is under way. One that is dropped has failed.
#[derive(Debug)]
pub(crate) struct Handshake {
    all: Arc<Handshakes>,
    /// Of which client, if that was accepted.
    accepted: Option<u64>,
    is_done: bool,
}

impl Handshakes {
    pub(crate) fn new(at_most: usize) -> Arc<Self> {
        Arc::new(Handshakes {
            at_most,
            ..Handshakes::default()
        })
    }

    pub(crate) fn at_most(&self) -> usize {
        self.at_most
    }

    /// No code of the user's runs under the lock.
    fn accepted(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one with the client of this number, which was accepted. If as many are under way as may be, it takes the place of the
    /// oldest: peers that are silent keep no others out. The number of that client is returned, which is to end.
    pub(crate) fn begin(self: &Arc<Self>, client: u64) -> (Handshake, Option<u64>) {
        let mut accepted = self.accepted();
        let is_full = accepted.len() >= self.at_most;
        let oldest = is_full.then(|| accepted.pop_first()).flatten();
        accepted.insert(client);
        drop(accepted);
        if oldest.is_some() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        (Handshake::of(self, Some(client)), oldest)
    }

    /// Whether that of a client which was accepted has its place still.
    pub(crate) fn are_with(&self, client: u64) -> bool {
        self.accepted().contains(&client)
    }

    /// Begins one that the server itself has asked for: there are no more of these than dials.
    pub(crate) fn begin_own(self: &Arc<Self>) -> Handshake {
        self.dialled.fetch_add(1, Ordering::Relaxed);
        Handshake::of(self, None)
    }

    pub(crate) fn counts(&self) -> HandshakeCounts {
        HandshakeCounts {
            under_way: self.accepted().len() + self.dialled.load(Ordering::Relaxed),
            done: self.done.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

impl Handshake {
    fn of(all: &Arc<Handshakes>, accepted: Option<u64>) -> Self {
        Handshake {
            all: all.clone(),
            accepted,
            is_done: false,
        }
    }

    /// It is done, unless it has lost its place before.
    pub(super) fn succeed(&mut self) -> bool {
        self.is_done = self.gives_place_back();
        self.is_done
    }

    fn gives_place_back(&self) -> bool {
        match self.accepted {
            Some(client) => self.all.accepted().remove(&client),
            None => true,
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        if self.accepted.is_none() {
            self.all.dialled.fetch_sub(1, Ordering::Relaxed);
        }
        let count = match self.is_done {
            true => &self.all.done,
            false if self.gives_place_back() => &self.all.failed,
            // It was counted when its place was taken.
            false => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
