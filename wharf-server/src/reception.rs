//! Where clients are let in: accepting, and pausing when there is no room.
//!
//! One accept is under way at a time, or accepting is paused: at the limit of clients, until one goes; or since the
//! system has no descriptor or memory for another, until a client goes or a moment has passed. Meanwhile connections
//! wait in the backlog, and nothing spins.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use wharf::{Connection, Listener};

use crate::{
    Client,
    client::{Key, State, Who},
    server::Shared,
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
    said: Mutex<Option<Instant>>,
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
            said: Mutex::new(None),
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
        let now = Instant::now();
        let due = {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            let due = said.is_none_or(|said| now - said >= SAY_AGAIN);
            if due {
                *said = Some(now);
            }
            due
        };
        if due {
            tracing::warn!("{what}; accepting pauses, and resumes by itself");
        }
    }
}

impl Shared {
    /// An accept has completed.
    pub(crate) fn accepted(&self, result: io::Result<usize>, connection: Option<Box<Connection>>) {
        match (result, connection) {
            (Ok(_), Some(connection)) => {
                let client = self.register(connection);
                // The next one first: the handler may take its time.
                self.accept_next();
                match client {
                    Ok(client) => self.welcome(&client),
                    Err(error) => tracing::warn!(%error, "a connection can't be served"),
                }
            }
            // Closed: the server stops.
            (Err(error), _) if wharf::is_cancelled(&error) => {}
            (Err(error), _) if is_shortage(&error) => self.pause(&error),
            (result, _) => self.fail(&result.err().unwrap_or_else(|| io::ErrorKind::Other.into())),
        }
    }

    fn register(&self, connection: Box<Connection>) -> io::Result<Client> {
        let id = self.clients.next_id();
        let round = self.idle_round();
        let state = State::new(id, connection.peer, self.clients.clone(), round);
        let key = Arc::new(Who::Client(state));
        let client = Client(self.port.associate(connection, key)?);
        client.0.set_unsent_max(self.unsent_bytes_max)?;
        self.clients.insert(client.clone());
        if self.is_stopping() {
            client.close();
        }
        self.watch_idleness();
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
            self.fail(&error);
        }
    }

    fn pause(&self, error: &io::Error) {
        self.reception
            .say(&format!("no room for another client ({error})"));
        self.reception.set(Accepting::Paused);
        if let Err(error) = self.port.timer(RETRY, Arc::new(Who::AcceptAgain)) {
            self.fail(&error);
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
        tracing::error!(%error, "no more clients can be accepted");
        self.handler.failed(error);
    }
}

/// Whether an accept failed for want of something that will be there again.
fn is_shortage(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(is_shortage_of_system)
        || error.kind() == io::ErrorKind::QuotaExceeded
}

#[cfg(unix)]
fn is_shortage_of_system(number: i32) -> bool {
    use rustix::io::Errno;

    matches!(
        Errno::from_raw_os_error(number),
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM
    )
}

/// `ERROR_NOT_ENOUGH_MEMORY`, `ERROR_NO_SYSTEM_RESOURCES`, `WSAEMFILE` and `WSAENOBUFS`.
#[cfg(windows)]
fn is_shortage_of_system(number: i32) -> bool {
    matches!(number, 8 | 1450 | 10_024 | 10_055)
}
