//! Whether a client is read from, and where its turn is while it is not.
//!
//! A client that is not read from has nothing under way that could have its [turn](crate::conversation). So the turn is
//! *parked*, with an operation of the port's own that does not end by itself: a timer. Cancelling the timer takes the turn up
//! again, from any thread: the timer's completion has the turn then, as that of a receive would. Nothing can be refused at
//! that moment, since the operation is there; and a port that closes completes it like all others.
//!
//! | paused | parked | the turn |
//! |---|---|---|
//! | no | no | with an operation, or with a worker |
//! | yes | no | likewise; it is parked when a receive would be started, and a receive that is under way is cancelled |
//! | yes | yes | with the timer |
//! | no | yes | with the timer, for a moment: the thread that has changed this cancels the timer next |
//!
//! A turn is parked for good reasons only (the client is paused, or its peer has ended its side), and as long as nothing
//! else is to be done (it is closed, has ended, or is to be called again). Two rules make sure that no turn stays parked
//! without a reason, and that none is taken up twice:
//!
//! - A thread that changes one of these things does so first, takes the parked operation out of its place second, and cancels
//!   what it has taken.
//! - The worker that parks the turn puts the operation into the place first, looks at these things second, and takes the
//!   operation out as any other thread would if the turn should not be parked.
//!
//! The place is behind a lock, and is made when a thread first looks for it; threads that look at once find the same. If the changing thread has the lock first, the parking worker sees the change; otherwise the
//! changing thread finds the operation. One thread takes it out, so it is cancelled once.

use std::{
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use wharf::OperationId;

/// Whether one client is to be read from.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    paused: AtomicBool,
}

/// The place for the operation that has one client's turn.
#[derive(Debug, Default)]
pub(crate) struct Parked(Mutex<Option<OperationId>>);

impl Reading {
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::SeqCst)
    }

    /// Returns whether it was paused before.
    pub(crate) fn set_paused(&self, paused: bool) -> bool {
        self.paused.swap(paused, Ordering::SeqCst)
    }
}

impl Parked {
    fn lock(&self) -> MutexGuard<'_, Option<OperationId>> {
        // Nothing under the lock can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the turn parked with an operation that is started here, under the lock: if it ends at once, the thread that sees it
    /// finds it in its place.
    pub(crate) fn put(&self, start: impl FnOnce() -> io::Result<OperationId>) -> io::Result<()> {
        let mut place = self.lock();
        *place = Some(start()?);
        Ok(())
    }

    /// The operation that has the turn, if it is parked: to be cancelled.
    pub(crate) fn take(&self) -> Option<OperationId> {
        self.lock().take()
    }
}
