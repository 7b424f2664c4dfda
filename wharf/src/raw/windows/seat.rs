//! The state of a thread, for snapshots of the port. The kernel counts running threads itself; nothing is decided by this
//! state.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::{
    snapshot::WorkerState,
    sync::{Mutex, now, thread},
};

/// A thread, as its port sees it.
#[derive(Debug)]
pub(super) struct Seat {
    pub name: Box<str>,
    pub packets: AtomicU64,
    state: Mutex<(WorkerState, Instant)>,
}

impl Seat {
    pub(super) fn new() -> Seat {
        Seat {
            name: thread::current().name().unwrap_or_default().into(),
            packets: AtomicU64::new(0),
            state: Mutex::new((WorkerState::Away, now())),
        }
    }

    /// What it does, and since when.
    pub(super) fn state(&self) -> (WorkerState, Instant) {
        *self.state.lock()
    }

    pub(super) fn stands(&self, state: WorkerState) -> WorkerState {
        let mut held = self.state.lock();
        std::mem::replace(&mut *held, (state, now())).0
    }

    pub(super) fn took(&self, packets: usize) {
        self.packets.fetch_add(packets as u64, Ordering::Relaxed);
        self.stands(WorkerState::Running);
    }

    pub(super) fn goes_away(&self) {
        self.stands(WorkerState::Away);
    }
}

/// How long ago that was.
pub(super) fn since(then: Instant) -> Duration {
    now().saturating_duration_since(then)
}
