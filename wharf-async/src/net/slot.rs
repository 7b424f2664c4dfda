//! The completion of one operation, for the future that has started it. If the future is dropped, the completion is dropped with
//! all that it brings.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use wharf::Finished;

use crate::{
    shared::Key,
    sync::{Mutex, lock, register},
};

/// What an operation brought.
pub(crate) type Outcome = (io::Result<usize>, Finished<Key>);

/// Travels with the operation, as its context.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

impl Slot {
    /// Returns what to wake.
    pub(crate) fn complete(&self, result: io::Result<usize>, what: Finished<Key>) -> Option<Waker> {
        let mut inner = lock(&self.0);
        inner.outcome = Some((result, what));
        inner.waker.take()
    }

    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Outcome> {
        let mut inner = lock(&self.0);
        if let Some(outcome) = inner.outcome.take() {
            return Poll::Ready(outcome);
        }
        register(inner, |inner| &mut inner.waker, context.waker());
        Poll::Pending
    }
}
