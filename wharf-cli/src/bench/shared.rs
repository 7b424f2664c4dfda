//! What the threads of a load have in common, and how they are told of it.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::Instant,
};

use wharf::CompletionPort;

use super::{connection::Key, content::Content, plan::Plan};

/// What the threads share.
#[derive(Debug)]
pub(super) struct LoadState<'a> {
    pub(super) plan: &'a Plan,
    pub(super) content: &'a Content,
    pub(super) address: SocketAddr,
    /// Each thread's.
    pub(super) threads: Vec<Told>,
    /// Told to end.
    pub(super) stop: AtomicBool,
    /// Requests that may still be made, where there is a limit.
    pub(super) budget: Option<AtomicU64>,
    /// Connections that live, of each stream of an open loop.
    pub(super) living: [AtomicUsize; 2],
    /// Connections that are made, and answers: for the progress line.
    pub(super) connected: AtomicU64,
    pub(super) answered: AtomicU64,
}

/// How a thread of the load is told something.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) port: CompletionPort<Key>,
    /// It has been told to share out the load anew, and has not heard it yet.
    pub(super) shared: AtomicBool,
}

/// When to do what; the same for all threads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) start: Instant,
    pub(super) measure: Instant,
    /// None if the requests say when it ends.
    pub(super) end: Option<Instant>,
}

impl LoadState<'_> {
    /// Takes from the requests that may be made in all: as many as asked, or what is left. None if nothing is.
    pub(super) fn claim(&self, count: u64) -> Option<u64> {
        let Some(budget) = &self.budget else {
            return Some(count);
        };
        let take = |left: u64| (left > 0).then(|| left.saturating_sub(count));
        let left = budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .ok()?;
        Some(left.min(count))
    }

    /// Requests that may still be made, of a limited number.
    pub(super) fn left(&self) -> Option<u64> {
        Some(self.budget.as_ref()?.load(Ordering::Relaxed))
    }

    /// Whether all requests that were to be made are made, or on their way.
    pub(super) fn is_used_up(&self) -> bool {
        self.left() == Some(0)
    }

    /// Whether the threads were told to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
