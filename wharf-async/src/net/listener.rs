//! A TCP listener.

use std::{
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use socket2::SockRef;
use wharf::{Associate, Connection, Finished, Listener, user_code::contain};

use super::{TcpStream, ToTarget, connect};
use crate::{
    budget, context,
    runtime::{Key, Shared},
    sync::{Mutex, lock},
};

/// Connections that the system may hold, made and not accepted; as tokio has it.
const BACKLOG: i32 = 1024;

/// The key of a listener's socket: what its accept brings, until a future takes it.
#[derive(Debug, Default)]
pub(crate) struct ListenerState(Mutex<Accepting>);

#[derive(Debug, Default)]
struct Accepting {
    is_under_way: bool,
    accepted: Option<io::Result<Box<Connection>>>,
    /// Of each future that waits: which of them takes the connection is not known before. Those of [`TcpListener::accept`] have a
    /// number each, by which they leave when they are dropped; those of a caller's own share 0.
    wakers: BTreeMap<u64, Vec<Waker>>,
    last_number: u64,
}

impl ListenerState {
    /// An accept has completed. Returns what to wake.
    pub(crate) fn complete(&self, result: io::Result<usize>, what: Finished<Key>) -> Option<Waker> {
        let Finished::Accepted { connection, .. } = what else {
            return None;
        };
        let mut accepting = lock(&self.0);
        accepting.is_under_way = false;
        accepting.accepted = match (connection, result) {
            (Some(connection), _) => Some(Ok(connection)),
            (None, Err(error)) => Some(Err(error)),
            (None, Ok(_)) => None,
        };
        let wakers = std::mem::take(&mut accepting.wakers);
        drop(accepting);
        let mut wakers = wakers.into_values().flatten();
        let first = wakers.next();
        // A waker of the program's may panic; the others are woken all the same.
        for waker in wakers {
            contain("a waker", || waker.wake());
        }
        first
    }

    fn next_number(&self) -> u64 {
        let mut accepting = lock(&self.0);
        accepting.last_number += 1;
        accepting.last_number
    }
}

/// A future that waits, or has waited: dropped, it leaves no waker behind.
struct Waits<'a> {
    state: &'a ListenerState,
    number: u64,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let left = lock(&self.state.0).wakers.remove(&self.number);
        drop(left);
    }
}

/// Accepts TCP connections, for tasks of one runtime. Several tasks may accept at once.
///
/// Cancel-safe: a future that is dropped loses no connection.
pub struct TcpListener {
    listener: Listener<Key>,
    state: Arc<ListenerState>,
    shared: Arc<Shared>,
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("TcpListener");
        debug.field("address", &self.local_addr());
        debug.finish_non_exhaustive()
    }
}

impl TcpListener {
    /// Listens on an address, or on the first address of a name that can be listened on; port 0 is any that is free. On Unix the
    /// address may be one that was in use just now (`SO_REUSEADDR`).
    ///
    /// # Errors
    /// The system's: the address is in use, or not of this machine. [`InvalidInput`](io::ErrorKind::InvalidInput) if what is given is
    /// neither address nor name with a port.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub async fn bind(target: impl ToTarget) -> io::Result<TcpListener> {
        let target = target.to_target()?;
        let name = target.to_string();
        let addresses = connect::resolve(target).await?;
        let listener = std::net::TcpListener::bind(&addresses[..]).map_err(|error| {
            io::Error::new(error.kind(), format!("can't listen on {name}: {error}"))
        })?;
        SockRef::from(&listener).listen(BACKLOG)?;
        TcpListener::from_std(listener)
    }

    /// Takes a listener of the standard library's into the runtime that this thread works for.
    ///
    /// # Errors
    /// The system's: it can't be made non-blocking or be registered.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::associate(listener)
    }

    /// Takes a simulated kernel's listener into the runtime that this thread works for, which must be on that kernel; see
    /// [`Builder::simulated`](crate::Builder::simulated).
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): it is another kernel's.
    ///
    /// # Panics
    /// The thread works for no runtime.
    #[cfg(all(unix, feature = "simulated"))]
    pub fn from_simulated(listener: wharf::simulated::Listener) -> io::Result<TcpListener> {
        TcpListener::associate(listener)
    }

    fn associate(
        listener: impl Associate<Associated<Key> = Listener<Key>>,
    ) -> io::Result<TcpListener> {
        context::with_current(|shared| {
            let state = Arc::new(ListenerState::default());
            let listener = shared
                .port
                .associate(listener, Key::Listener(state.clone()))?;
            Ok(TcpListener {
                listener,
                state,
                shared: Arc::clone(shared),
            })
        })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Accepts a connection; with it comes the address of the peer.
    ///
    /// # Errors
    /// The system's: descriptors or memory have run out, for one. The connection stays in the backlog then, and to
    /// accept again at once would fail again: wait a moment.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let waits = Waits {
            state: &self.state,
            number: self.state.next_number(),
        };
        poll_fn(|context| self.poll_accept_as(waits.number, context)).await
    }

    /// As [`accept`](Self::accept), for a future of the caller's own.
    pub fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.poll_accept_as(0, context)
    }

    fn poll_accept_as(
        &self,
        number: u64,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        ready!(budget::poll_left(context));
        let mut accepting = lock(&self.state.0);
        if let Some(accepted) = accepting.accepted.take() {
            drop(accepting);
            budget::spend();
            let connection = accepted?;
            let peer = connection.peer;
            let stream = TcpStream::accepted(&self.shared, *connection)?;
            return Poll::Ready(Ok((stream, peer)));
        }
        if !accepting.is_under_way {
            self.listener.accept()?;
            accepting.is_under_way = true;
        }
        let waker = context.waker();
        let held = accepting.wakers.entry(number).or_default();
        if held.iter().any(|held| held.will_wake(waker)) {
            return Poll::Pending;
        }
        // A future that is polled in another task now wants no wake of the one before.
        let before = match number {
            0 => Vec::new(),
            _ => std::mem::take(held),
        };
        held.push(waker.clone());
        drop(accepting);
        drop(before);
        Poll::Pending
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        // The accept that is under way would keep it open.
        self.listener.close();
    }
}
