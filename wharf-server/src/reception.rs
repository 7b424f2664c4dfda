//! Where clients are let in: accepting, and pausing when there is no room.
//!
//! One accept is under way at a time, or accepting is paused: at the limit of clients, until one goes; or since the
//! system has no descriptor or memory for another, until a client goes or a moment has passed. Meanwhile connections
//! wait in the backlog, and nothing spins.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use wharf::{
    Connection, Listener, panic_message,
    user_code::{discard, log},
};

use crate::{
    Client,
    client::{Key, State, Who},
    shared::Shared,
};

/// When the system had no room for another client, and no client of ours goes, this is when it is tried again: others
/// may have given something back.
const RETRY: Duration = Duration::from_millis(250);

/// A shortage is said once, and once more if it still comes up after so long.
const SAY_AGAIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Reception {
    listener: Listener<Key>,
    clients_max: usize,
    state: Mutex<Accepting>,
    /// Each is said once, and then once a minute.
    said_no_room: Seldom,
    said_crowded: Seldom,
    said_unserved: Seldom,
}

/// When something was last said.
#[derive(Debug, Default)]
struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// Whether it is to be said now.
    fn is_due(&self) -> bool {
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
enum Accepting {
    /// An accept is under way, or its completion is being handled.
    UnderWay,
    /// None is, for want of room.
    Paused,
    /// None will be.
    Ended,
}

impl Reception {
    pub(crate) fn new(listener: Listener<Key>, clients_max: usize) -> Self {
        Reception {
            listener,
            clients_max,
            state: Mutex::new(Accepting::UnderWay),
            said_no_room: Seldom::default(),
            said_crowded: Seldom::default(),
            said_unserved: Seldom::default(),
        }
    }

    pub(crate) fn listener(&self) -> &Listener<Key> {
        &self.listener
    }

    pub(crate) fn end(&self) {
        self.set(Accepting::Ended);
        self.listener.close();
    }

    /// Moves to another state, unless accepting has ended. Returns the state before.
    fn set(&self, next: Accepting) -> Accepting {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *state;
        if before != Accepting::Ended {
            *state = next;
        }
        before
    }

    /// Says that there is no room, if that was not said lately.
    fn say(&self, what: &str) {
        if self.said_no_room.is_due() {
            log(|| tracing::warn!("{what}; accepting pauses, and resumes by itself"));
        }
    }
}

impl Shared {
    /// An accept has completed.
    pub(crate) fn accepted(&self, result: io::Result<usize>, connection: Option<Box<Connection>>) {
        match (result, connection) {
            (Ok(_), Some(connection)) => {
                let client = self.admit(connection);
                // The next one first: the handler may take its time.
                self.accept_next();
                if let Some(client) = client {
                    self.welcome(&client);
                }
            }
            // Closed: the server stops.
            (Err(error), _) if wharf::is_cancelled(&error) => {}
            (Err(error), _) => self.pause_or_fail(&error),
            // It came to nothing, for no reason that is told.
            (Ok(_), None) => self.accept_next(),
        }
    }

    /// Lets a connection in as a client, if its address has none too many.
    fn admit(&self, connection: Box<Connection>) -> Option<Client> {
        let peer = connection.peer;
        if !self.addresses.admit(peer) {
            if let Some(max) = self.addresses.max
                && self.reception.said_crowded.is_due()
            {
                log(|| {
                    tracing::warn!(%peer, "an address has {max} clients, the most it may: more are closed at once");
                });
            }
            return None;
        }
        let client = self.register(connection);
        let client = client.inspect_err(|error| {
            self.addresses.leave(peer);
            if self.reception.said_unserved.is_due() {
                log(|| tracing::warn!(%error, %peer, "a connection can't be served"));
            }
        });
        client.ok()
    }

    fn register(&self, connection: Box<Connection>) -> io::Result<Client> {
        let id = self.clients.next_id();
        let round = self.patience.round();
        let share = self.buffers.share(self.buffers_per_client);
        let state = State::new(id, connection.peer, self.clients.clone(), share, round);
        let key = Arc::new(Who::Client(state));
        let client = Client(self.port.associate(connection, key)?);
        self.clients.insert(client.clone());
        if self.is_stopping() {
            client.close();
        }
        if self.patience.minds_idleness() {
            self.watch_patience();
        }
        Ok(client)
    }

    /// Starts the next accept, if there is room for another client.
    fn accept_next(&self) {
        if self.clients.len() >= self.reception.clients_max {
            let limit = self.reception.clients_max;
            self.reception
                .say(&format!("{limit} clients, the most there may be"));
            self.reception.set(Accepting::Paused);
            // Clients may have gone between the count and the pause, and have seen nobody to resume.
            if self.clients.len() < self.reception.clients_max {
                self.resume_accepting();
            }
        } else if let Err(error) = self.reception.listener.accept() {
            self.pause_or_fail(&error);
        }
    }

    /// Whether an accept was refused or failed, it is tried again after a while, unless it can never succeed.
    fn pause_or_fail(&self, error: &io::Error) {
        if is_lasting(error) {
            self.fail(error);
            return;
        }
        self.reception
            .say(&format!("no client can be accepted now ({error})"));
        self.reception.set(Accepting::Paused);
        if let Err(error) = self.port.timer(RETRY, Arc::new(Who::AcceptAgain)) {
            // The next client that goes has it tried again. The port has timers to spare, so it is closed.
            log(|| tracing::debug!(%error, "accepting is not tried again by itself"));
        }
    }

    /// Accepts again, if accepting was paused.
    pub(crate) fn resume_accepting(&self) {
        if self.reception.set(Accepting::UnderWay) == Accepting::Paused {
            self.accept_next();
        }
    }

    fn fail(&self, error: &io::Error) {
        if self.is_stopping() || self.port.is_closed() {
            return;
        }
        self.reception.set(Accepting::Ended);
        log(|| tracing::error!(%error, "no more clients can be accepted"));
        let called = catch_unwind(AssertUnwindSafe(|| self.handler.failed(error)));
        if let Err(panic) = called {
            log(|| tracing::error!("a handler panicked: {}", panic_message(&*panic)));
            discard(panic);
        }
    }
}

/// Whether no accept can succeed any more. All else passes: a shortage of descriptors or memory, a firewall's refusal
/// (`EPERM`, accept(2)), and whatever a later system makes of it.
fn is_lasting(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(is_lasting_for_system)
        || error.kind() == io::ErrorKind::NotConnected
}

/// What accept(2) says of a descriptor that is none, is no listener, or can't be.
#[cfg(unix)]
fn is_lasting_for_system(number: i32) -> bool {
    use rustix::io::Errno;

    matches!(
        Errno::from_raw_os_error(number),
        Errno::BADF | Errno::INVAL | Errno::NOTSOCK | Errno::OPNOTSUPP | Errno::NOSYS
    )
}

/// `ERROR_INVALID_HANDLE`, `WSAEINVAL`, `WSAENOTSOCK` and `WSAEOPNOTSUPP`.
#[cfg(windows)]
fn is_lasting_for_system(number: i32) -> bool {
    matches!(number, 6 | 10_022 | 10_038 | 10_045)
}
