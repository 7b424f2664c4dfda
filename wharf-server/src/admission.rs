//! Letting clients in: each connection that was accepted, and the next one when a client has gone.
//! The [state of accepting](crate::accepting) is kept separately.

use std::{io, sync::Arc, time::Duration};

#[cfg(unix)]
use wharf::LocalConnection;
use wharf::{Connection, user_code::log};

use crate::{
    Client, Peer,
    accepting::{Accepting, Listening},
    client::{Beginning, State, Who},
    metrics::{Counted, Refusal, Shortage},
    prelude::Prelude,
    shared::ServerState,
    tls::Session,
};
#[cfg(feature = "tls")]
use crate::{Ended, marks::Mark};

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

/// A connection is not let in, and it was said why.
struct Refused;

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
        let client = self.admit(listening, arrival);
        if client.is_none() {
            self.clients.give_place_back();
            // Another listener may have found none meanwhile.
            self.resume_accepting();
        }
        // The next accept starts before this client's handler is called, which may take long.
        self.accept_next(listening);
        client
    }

    /// Lets a connection in as a client, if its address has none too many.
    fn admit(&self, listening: &Listening<M>, arrival: Arrival) -> Option<Client<M>> {
        let peer = arrival.peer();
        let prelude = Prelude::of(peer, &self.proxies, listening.speaks_tls());
        // A proxy's clients are counted by their own addresses.
        let is_counted = !prelude.as_ref().is_some_and(|prelude| prelude.is_proxied());
        if is_counted && !self.addresses.admit(peer) {
            self.count(Counted::Refused(Refusal::Address));
            if let Some(max) = self.addresses.max {
                if self.acceptor.said_crowded.is_due() {
                    log(|| {
                        tracing::warn!(%peer, "an address has {max} clients, the most it may: more are closed at once");
                    });
                }
            }
            return None;
        }
        let client = self.let_in(listening, arrival, peer, prelude);
        if client.is_none() && is_counted {
            self.addresses.leave(peer);
        }
        let client = client?;
        self.count(Counted::Accepted);
        client.state().make_span(Some(listening.address()), None);
        Some(client)
    }

    /// Makes it a client; none if that can't be, and it was said why.
    fn let_in(
        &self,
        listening: &Listening<M>,
        arrival: Arrival,
        peer: Peer,
        prelude: Option<Box<Prelude>>,
    ) -> Option<Client<M>> {
        let id = self.clients.next_id();
        // Behind the look at its address: those that are refused there take no handshake from others.
        let session = self.session(listening, id);
        let session = session.inspect_err(|_| self.count(Counted::Refused(Refusal::Tls)));
        let beginning = Beginning {
            id,
            peer,
            prelude,
            session: session.ok()?,
        };
        let client = self.register(arrival, beginning);
        let client = client.inspect_err(|error| {
            self.count(Counted::Refused(Refusal::Unserved));
            if self.acceptor.said_unserved.is_due() {
                log(|| tracing::warn!(%error, %peer, "a connection can't be served"));
            }
        });
        client.ok()
    }

    /// The TLS session of one that comes here, if it needs one.
    #[cfg(feature = "tls")]
    fn session(&self, listening: &Listening<M>, id: u64) -> Result<Option<Box<Session>>, Refused> {
        let Some(tls) = &listening.tls else {
            return Ok(None);
        };
        let (handshake, oldest) = self.clients.all_handshakes().begin(id);
        if let Some(oldest) = oldest {
            self.end_handshake(oldest);
        }
        let session = tls.session(self.clients.session_pools(), handshake);
        match session {
            Ok(session) => Ok(Some(Box::new(session))),
            Err(error) => {
                log(|| tracing::warn!(%error, "a connection can't be served"));
                Err(Refused)
            }
        }
    }

    #[cfg(not(feature = "tls"))]
    fn session(&self, _: &Listening<M>, _: u64) -> Result<Option<Box<Session>>, Refused> {
        Ok(None)
    }

    /// The handshake with a client gives its place to a newer one.
    #[cfg(feature = "tls")]
    fn end_handshake(&self, client: u64) {
        let most = self.clients.all_handshakes().at_most();
        if self.acceptor.said_handshakes.is_due() {
            log(|| {
                tracing::warn!(
                    "{most} TLS handshakes are under way, the most that may (handshakes_at_most): the oldest end for newer ones"
                );
            });
        }
        self.count(Counted::Refused(Refusal::Tls));
        // One that is not there yet looks itself.
        if let Some(client) = self.clients.find(client) {
            client.end(newer_go_first(most));
        }
    }

    /// Ends a new client whose handshake has lost its place before the client was there.
    #[cfg(feature = "tls")]
    fn look_at_handshake(&self, client: &Client<M>) {
        let all = self.clients.all_handshakes();
        if client.state().marks.has(Mark::IsSealed) && !all.are_with(client.id()) {
            client.end(newer_go_first(all.at_most()));
        }
    }

    fn register(&self, arrival: Arrival, beginning: Beginning) -> io::Result<Client<M>> {
        let share = self.buffers.share(self.buffers_per_client);
        let slot = self.contained("`codec`", || self.handler.slot());
        let slot = slot.ok_or_else(|| io::Error::other("its handler has no codec for it"))?;
        let state = State::new(beginning, self.clients.clone(), share, slot);
        let key = Arc::new(Who::Client(state));
        let socket = match arrival {
            Arrival::Tcp(connection) => self.port.associate(connection, key)?,
            #[cfg(unix)]
            Arrival::Local(connection) => self.port.associate(connection, key)?,
        };
        let client = Client(socket);
        self.clients.insert(client.clone());
        #[cfg(feature = "tls")]
        self.look_at_handshake(&client);
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
        self.count(Counted::Paused(Shortage::Clients));
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
        self.count(Counted::Paused(Shortage::System));
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
    /// its handler is called then. Those that were held come first: a listener where others crowd in would take each place before them.
    pub(crate) fn resume_accepting(&self) {
        let listeners = self.acceptor.listeners();
        // In this order: one that is let in is not held any more before it has its place.
        let free = self
            .acceptor
            .clients_max
            .saturating_sub(self.clients.places());
        let held = listeners.iter().filter(|it| it.holds()).count();
        for (number, listening) in listeners.iter().enumerate() {
            if listening.holds() {
                let key = Arc::new(Who::Listener(number));
                if self.port.post(key, 0).is_err() {
                    self.try_again();
                }
            } else if free > held && listening.resume().is_some() {
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

/// Why a client ends whose handshake has lost its place.
#[cfg(feature = "tls")]
fn newer_go_first(most: usize) -> Ended {
    Ended::NotBegun(format!(
        "{most} TLS handshakes were under way, and newer ones go first"
    ))
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
