//! Letting clients in: each connection that was accepted, and the next one when a client has gone.
//! The [state of accepting](crate::accepting) is kept separately.

use std::{io, sync::Arc, time::Duration};

#[cfg(unix)]
use wharf::LocalConnection;
use wharf::{Connection, user_code::log};

use crate::{
    Client, Peer,
    accepting::{Accepting, Listening},
    client::{State, Who},
    prelude::Prelude,
    shared::ServerState,
};

/// When the system had no room for another client, and no client of this server goes, an accept is tried again after so long:
/// other programs may have given something back.
const RETRY: Duration = Duration::from_millis(250);

/// A connection that was accepted.
#[derive(Debug)]
pub(crate) enum Arrival {
    Tcp(Box<Connection>),
    #[cfg(unix)]
    Local(LocalConnection),
}

impl Arrival {
    fn peer(&self) -> Peer {
        match self {
            Arrival::Tcp(connection) => connection.peer.into(),
            #[cfg(unix)]
            Arrival::Local(_) => Peer::Local,
        }
    }
}

impl<M: Send + 'static> ServerState<M> {
    /// An accept has completed on the listener with this number. Returns the client that it brought: its conversation is to begin.
    pub(crate) fn accepted(
        &self,
        number: usize,
        result: io::Result<usize>,
        arrival: Option<Arrival>,
    ) -> Option<Client<M>> {
        let listening = &self.acceptor.listeners()[number];
        match (result, arrival) {
            (Ok(_), Some(arrival)) => return self.arrived(listening, arrival),
            // Closed: the server stops.
            (Err(error), _) if wharf::raw::is_cancelled(&error) => {}
            (Err(error), _) => self.pause_or_fail(listening, &error),
            // It failed, and the system gives no reason.
            (Ok(_), None) => self.accept_next(listening),
        }
        None
    }

    /// Lets a connection in, and starts the next accept; or holds it until there is a place.
    fn arrived(&self, listening: &Listening<M>, arrival: Arrival) -> Option<Client<M>> {
        if !self.clients.take_place(self.acceptor.clients_max) {
            self.pause(listening, Accepting::Held(arrival));
            return None;
        }
        let client = self.admit(arrival);
        if client.is_none() {
            self.clients.give_place_back();
        }
        // The next accept starts before this client's handler is called, which may take long.
        self.accept_next(listening);
        client
    }

    /// Lets a connection in as a client, if its address has none too many.
    fn admit(&self, arrival: Arrival) -> Option<Client<M>> {
        let peer = arrival.peer();
        let prelude = Prelude::of(peer, &self.proxies);
        // A proxy's clients are counted by their own addresses.
        let is_counted = !prelude.as_ref().is_some_and(|prelude| prelude.is_proxied());
        if is_counted && !self.addresses.admit(peer) {
            if let Some(max) = self.addresses.max {
                if self.acceptor.said_crowded.is_due() {
                    log(|| {
                        tracing::warn!(%peer, "an address has {max} clients, the most it may: more are closed at once");
                    });
                }
            }
            return None;
        }
        let client = self.register(arrival, peer, prelude);
        let client = client.inspect_err(|error| {
            if is_counted {
                self.addresses.leave(peer);
            }
            if self.acceptor.said_unserved.is_due() {
                log(|| tracing::warn!(%error, %peer, "a connection can't be served"));
            }
        });
        client.ok()
    }

    fn register(
        &self,
        arrival: Arrival,
        peer: Peer,
        prelude: Option<Box<Prelude>>,
    ) -> io::Result<Client<M>> {
        let id = self.clients.next_id();
        let share = self.buffers.share(self.buffers_per_client);
        let slot = self.contained("`codec`", || self.handler.slot());
        let slot = slot.ok_or_else(|| io::Error::other("its handler has no codec for it"))?;
        let state = State::new(id, peer, prelude, self.clients.clone(), share, slot);
        let key = Arc::new(Who::Client(state));
        let socket = match arrival {
            Arrival::Tcp(connection) => self.port.associate(connection, key)?,
            #[cfg(unix)]
            Arrival::Local(connection) => self.port.associate(connection, key)?,
        };
        let client = Client(socket);
        self.clients.insert(client.clone());
        self.watch_new(&client);
        Ok(client)
    }

    /// A client has come.
    pub(crate) fn watch_new(&self, client: &Client<M>) {
        if self.is_stopping() {
            client.close();
        }
        if self.clients.patience().minds_all() || client.state().is_in_prelude() {
            self.clients.watch_patience();
        }
    }

    /// Starts the next accept, if there is room for another client.
    fn accept_next(&self, listening: &Listening<M>) {
        if self.has_no_place() {
            self.pause(listening, Accepting::Paused);
        } else if let Err(error) = listening.accept() {
            self.pause_or_fail(listening, &error);
        }
    }

    fn has_no_place(&self) -> bool {
        self.clients.places() >= self.acceptor.clients_max
    }

    /// There are as many clients as there may be.
    fn pause(&self, listening: &Listening<M>, how: Accepting) {
        let limit = self.acceptor.clients_max;
        self.acceptor
            .say(&format!("{limit} clients, the most there may be"));
        listening.set(how);
        // Clients may have gone between the count and the pause, when accepting was not paused yet.
        if !self.has_no_place() {
            self.resume_accepting();
        }
    }

    /// Whether an accept was refused or failed, it is tried again after a while, unless it can never succeed.
    fn pause_or_fail(&self, listening: &Listening<M>, error: &io::Error) {
        if is_lasting(error) {
            self.fail(listening, error);
            return;
        }
        self.acceptor
            .say(&format!("no client can be accepted now ({error})"));
        listening.set(Accepting::Paused);
        self.try_again();
    }

    /// Accepting is resumed after a while.
    fn try_again(&self) {
        if let Err(error) = self.port.timer(RETRY, Arc::new(Who::AcceptAgain)) {
            // The next client that goes has it tried again. The port has timers to spare, so it is closed.
            log(|| tracing::debug!(%error, "accepting is not tried again by itself"));
        }
    }

    /// Accepts again, where accepting was paused. A connection that was held is let in by the worker that takes a packet for it, since
    /// its handler is called then.
    pub(crate) fn resume_accepting(&self) {
        for (number, listening) in self.acceptor.listeners().iter().enumerate() {
            if listening.holds() {
                let key = Arc::new(Who::Listener(number));
                if self.port.post(key, 0).is_err() {
                    self.try_again();
                }
            } else if listening.resume().is_some() {
                self.accept_next(listening);
            }
        }
    }

    /// The packet for a connection that was held has come.
    pub(crate) fn resume_held(&self, number: usize) {
        let listening = &self.acceptor.listeners()[number];
        match listening.resume() {
            Some(Some(arrival)) => {
                if let Some(client) = self.arrived(listening, arrival) {
                    self.begin(&client);
                }
            }
            Some(None) => self.accept_next(listening),
            // Another packet has come before.
            None => {}
        }
    }

    /// A client has gone, and so many are left.
    pub(crate) fn make_room(&self, left: usize) {
        self.resume_accepting();
        if left == 0 && self.is_stopping() {
            self.notify_emptied();
        }
    }

    fn fail(&self, listening: &Listening<M>, error: &io::Error) {
        if self.is_stopping() || self.port.is_closed() {
            return;
        }
        listening.set(Accepting::Ended);
        log(|| tracing::error!(%error, "no more clients can be accepted"));
        self.contain("`failed`", || self.handler.failed(error));
    }
}

/// Whether no accept can succeed any more. All other errors are temporary: a shortage of descriptors or memory, a firewall's
/// refusal (`EPERM`, accept(2)), and errors that later systems may add.
fn is_lasting(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(is_lasting_for_system)
        || error.kind() == io::ErrorKind::NotConnected
}

/// The errors of accept(2) for a number that is no descriptor, or a descriptor that is no listener or can't be one.
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
