//! A TCP listener.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use wharf::{Associate, Connection, Finished, Listener};

use super::{Arrivals, TcpStream, ToTarget, arrivals::Arrival, connect, stream::Inner};
use crate::{
    context,
    shared::{Key, Shared},
};

/// Connections that the system may hold, made and not accepted; as tokio has it.
pub(super) const BACKLOG: i32 = 1024;

impl Arrival for Box<Connection> {
    fn of(result: io::Result<usize>, what: Finished<Key>) -> Option<io::Result<Self>> {
        match what {
            Finished::Accepted { connection, .. } => Some(brought(result, connection)),
            _ => None,
        }
    }
}

/// What an accept brought.
pub(super) fn brought<T>(result: io::Result<usize>, connection: Option<T>) -> io::Result<T> {
    match (connection, result) {
        (Some(connection), _) => Ok(connection),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(io::Error::other("the accept brought no connection")),
    }
}

/// Accepts TCP connections, for tasks of one runtime. Several tasks may accept at once.
///
/// Cancel-safe: a future that is dropped loses no connection.
pub struct TcpListener {
    listener: Listener<Key>,
    state: Arc<Arrivals<Box<Connection>>>,
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
        let refused = |error: io::Error| {
            io::Error::new(error.kind(), format!("can't listen on {name}: {error}"))
        };
        #[cfg(all(unix, feature = "simulated"))]
        if let Some(kernel) = context::with_current(|runtime| runtime.kernel()) {
            let address = addresses.first().ok_or(io::ErrorKind::InvalidInput)?;
            let listener = kernel.listen_on(*address).map_err(refused)?;
            return TcpListener::from_simulated(listener);
        }
        let listener = std::net::TcpListener::bind(&addresses[..]).map_err(refused)?;
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
            let state = Arc::new(Arrivals::default());
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
    /// The system's: descriptors or memory have run out, for example. The connection stays in the backlog then, and
    /// another accept at once would fail again: wait a moment.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let start = || self.listener.accept_skip_port();
        let accepted = self.state.next(start, Option::take).await?;
        self.stream(*accepted?)
    }

    /// As [`accept`](Self::accept), for a future of the caller's own. Of such futures, the 64 that polled last are woken.
    pub fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let start = || self.listener.accept_skip_port();
        let accepted = ready!(self.state.poll_next(context, start, Option::take))?;
        Poll::Ready(self.stream(*accepted?))
    }

    fn stream(&self, connection: Connection) -> io::Result<(TcpStream, SocketAddr)> {
        let peer = connection.peer;
        let inner = Inner::associate_with(&self.shared, connection)?;
        Ok((TcpStream::new(inner), peer))
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        // The accept that is under way would keep it open.
        self.listener.close();
    }
}
