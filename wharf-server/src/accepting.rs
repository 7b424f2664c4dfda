//! The listeners, the state of accepting on each, and when each shortage was last logged.
//!
//! On each listener one accept is under way at a time, or accepting is paused: at the limit of clients, until one goes; or because
//! the system has no descriptor or memory for another, until a client goes or a moment has passed. Meanwhile connections
//! wait in the backlog, and no thread spins.
//!
//! With several listeners, a connection may come while another has taken the last place: it is held until there is one, as if it
//! were in the backlog still.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

#[cfg(unix)]
use wharf::LocalListener;
use wharf::{CompletionPort, Listener, user_code::log};

#[cfg(unix)]
use crate::listen::SocketFile;
use crate::{
    ListenAddress, StartError,
    admission::Arrival,
    client::{Key, Who},
    listen::Bound,
};

/// A shortage is logged once, and once more if it still comes up after so long.
const SAY_AGAIN: Duration = Duration::from_secs(60);

pub(crate) struct Acceptor<M> {
    pub(crate) clients_max: usize,
    listeners: Vec<Listening<M>>,
    /// Each is logged once, and then once a minute.
    said_no_room: Seldom,
    pub(crate) said_crowded: Seldom,
    pub(crate) said_unserved: Seldom,
    #[cfg(feature = "tls")]
    pub(crate) said_handshakes: Seldom,
}

/// One listener, and how accepting stands there.
pub(crate) struct Listening<M> {
    socket: Socket<M>,
    address: ListenAddress,
    /// What those that connect here speak.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::tls::Server>,
    state: Mutex<Accepting>,
    /// The file of a local socket, until accepting ends.
    #[cfg(unix)]
    file: Mutex<Option<SocketFile>>,
}

enum Socket<M> {
    Tcp(Listener<Key<M>>),
    #[cfg(unix)]
    Local(LocalListener<Key<M>>),
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

#[derive(Debug)]
pub(crate) enum Accepting {
    /// An accept is under way, or its completion is being handled.
    UnderWay,
    /// None is under way, because there is no room.
    Paused,
    /// Likewise, and a connection has come that waits for a place.
    Held(Arrival),
    /// None will be under way any more.
    Ended,
}

impl<M: Send + 'static> Listening<M> {
    /// The listener with this number.
    pub(crate) fn new(
        port: &CompletionPort<Key<M>>,
        number: usize,
        bound: Bound,
    ) -> Result<Self, StartError> {
        let address = bound.address().map_err(StartError::Listen)?;
        let key = Arc::new(Who::Listener(number));
        #[cfg(unix)]
        let mut file = None;
        let socket = match bound {
            Bound::Tcp(listener) => port.associate(listener, key).map(Socket::Tcp),
            #[cfg(unix)]
            Bound::Local(local) => {
                file = local.file;
                port.associate(local.listener, key).map(Socket::Local)
            }
        };
        Ok(Listening {
            socket: socket.map_err(StartError::Accept)?,
            address,
            #[cfg(feature = "tls")]
            tls: None,
            state: Mutex::new(Accepting::UnderWay),
            #[cfg(unix)]
            file: Mutex::new(file),
        })
    }

    pub(crate) fn address(&self) -> &ListenAddress {
        &self.address
    }

    #[cfg(feature = "tls")]
    pub(crate) fn with_tls(mut self, tls: Option<&crate::tls::Server>) -> Self {
        self.tls = tls.cloned();
        self
    }

    /// Whether those that connect here begin with a handshake.
    pub(crate) fn speaks_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    pub(crate) fn accept(&self) -> io::Result<()> {
        match &self.socket {
            Socket::Tcp(listener) => listener.accept().map(drop),
            #[cfg(unix)]
            Socket::Local(listener) => listener.accept().map(drop),
        }
    }

    fn end(&self) {
        self.set(Accepting::Ended);
        // Before the socket: who finds the file can connect.
        #[cfg(unix)]
        drop(
            self.file
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        match &self.socket {
            Socket::Tcp(listener) => listener.close(),
            #[cfg(unix)]
            Socket::Local(listener) => listener.close(),
        };
    }

    fn state(&self) -> MutexGuard<'_, Accepting> {
        // Nothing under the lock can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves to another state, unless accepting has ended.
    pub(crate) fn set(&self, next: Accepting) {
        let mut state = self.state();
        if !matches!(*state, Accepting::Ended) {
            *state = next;
        }
    }

    /// Accepting goes on, if it was paused. Returns whether it was, and the connection that has waited.
    pub(crate) fn resume(&self) -> Option<Option<Arrival>> {
        let mut state = self.state();
        let waited = match std::mem::replace(&mut *state, Accepting::UnderWay) {
            Accepting::Paused => None,
            Accepting::Held(arrival) => Some(arrival),
            before => {
                *state = before;
                return None;
            }
        };
        Some(waited)
    }

    /// Whether a connection waits for a place.
    pub(crate) fn holds(&self) -> bool {
        matches!(*self.state(), Accepting::Held(_))
    }
}

impl<M: Send + 'static> Acceptor<M> {
    pub(crate) fn new(listeners: Vec<Listening<M>>, clients_max: usize) -> Self {
        Acceptor {
            clients_max,
            listeners,
            said_no_room: Seldom::default(),
            said_crowded: Seldom::default(),
            said_unserved: Seldom::default(),
            #[cfg(feature = "tls")]
            said_handshakes: Seldom::default(),
        }
    }

    /// The listeners, each at the place of its number.
    pub(crate) fn listeners(&self) -> &[Listening<M>] {
        &self.listeners
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = &ListenAddress> {
        self.listeners.iter().map(|listening| &listening.address)
    }

    /// The first of the TCP addresses.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        self.addresses().find_map(ListenAddress::tcp)
    }

    pub(crate) fn end(&self) {
        self.listeners.iter().for_each(Listening::end);
    }

    /// Logs that there is no room, if that was not logged lately.
    pub(crate) fn say(&self, what: &str) {
        if self.said_no_room.is_due() {
            log(|| tracing::warn!("{what}; accepting pauses, and resumes by itself"));
        }
    }
}
