//! The state of accepting, and when each shortage was last logged.
//!
//! One accept is under way at a time, or accepting is paused: at the limit of clients, until one goes; or because the
//! system has no descriptor or memory for another, until a client goes or a moment has passed. Meanwhile connections
//! wait in the backlog, and no thread spins.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use wharf::{Listener, user_code::log};

use crate::client::Key;

/// A shortage is logged once, and once more if it still comes up after so long.
const SAY_AGAIN: Duration = Duration::from_secs(60);

pub(crate) struct Acceptor<M> {
    pub(crate) clients_max: usize,
    listener: Listener<Key<M>>,
    state: Mutex<Accepting>,
    /// Each is logged once, and then once a minute.
    said_no_room: Seldom,
    pub(crate) said_crowded: Seldom,
    pub(crate) said_unserved: Seldom,
}

/// When a shortage was last logged.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// Whether it is to be logged now.
    pub(crate) fn is_due(&self) -> bool {
        let now = Instant::now();
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = said.is_none_or(|said| now.saturating_duration_since(said) >= SAY_AGAIN);
        if due {
            *said = Some(now);
        }
        due
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepting {
    /// An accept is under way, or its completion is being handled.
    UnderWay,
    /// None is under way, because there is no room.
    Paused,
    /// None will be under way any more.
    Ended,
}

impl<M> Acceptor<M> {
    pub(crate) fn new(listener: Listener<Key<M>>, clients_max: usize) -> Self {
        Acceptor {
            clients_max,
            listener,
            state: Mutex::new(Accepting::UnderWay),
            said_no_room: Seldom::default(),
            said_crowded: Seldom::default(),
            said_unserved: Seldom::default(),
        }
    }

    pub(crate) fn listener(&self) -> &Listener<Key<M>> {
        &self.listener
    }

    pub(crate) fn end(&self) {
        self.set(Accepting::Ended);
        self.listener.close();
    }

    /// Moves to another state, unless accepting has ended. Returns the state before.
    pub(crate) fn set(&self, next: Accepting) -> Accepting {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *state;
        if before != Accepting::Ended {
            *state = next;
        }
        before
    }

    /// Logs that there is no room, if that was not logged lately.
    pub(crate) fn say(&self, what: &str) {
        if self.said_no_room.is_due() {
            log(|| tracing::warn!("{what}; accepting pauses, and resumes by itself"));
        }
    }
}
