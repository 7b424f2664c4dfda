//! Sockets and listeners that are associated with a port, and start operations on it.

mod listener;
mod socket;

use std::{io, net::SocketAddr, sync::Arc};

pub use listener::Listener;
pub use socket::Socket;

use rustix::fd::BorrowedFd;

use crate::{
    CompletionPort,
    raw::{
        Handle,
        record::{Records, Source},
    },
};

/// A handle that a port can be associated with: a connected [`TcpStream`](std::net::TcpStream) or an accepted
/// [`Connection`](crate::Connection), which become a [`Socket`], or a [`TcpListener`](std::net::TcpListener), which
/// becomes a [`Listener`].
///
/// The association takes the handle, so that it can't be associated twice, nor used behind the port's back.
pub trait Associate: sealed::Sealed {
    /// What it becomes.
    type Associated<K>;

    #[doc(hidden)]
    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<Self::Associated<K>>
    where
        K: Clone + Send + Sync + 'static;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for std::net::TcpStream {}
    impl Sealed for std::net::TcpListener {}
    impl Sealed for crate::Connection {}
    impl Sealed for Box<crate::Connection> {}
}

/// What an operation is started on, and keeps until it completes.
#[derive(Debug)]
pub(crate) enum Origin<K> {
    Socket(Socket<K>),
    Listener(Listener<K>),
    /// Nothing: a timer, with a key of its own.
    Own(K),
}

impl<K: Clone + Send + Sync + 'static> Source for Origin<K> {
    type Key = K;

    fn records(&self) -> &Arc<Records<Self>> {
        match self {
            Origin::Socket(socket) => &socket.association().records,
            Origin::Listener(listener) => &listener.association().records,
            Origin::Own(_) => unreachable!("a timer moves no memory"),
        }
    }
}

/// An association: the handle, and the port and key that it belongs to. The handle is closed with the last of them.
#[derive(Debug)]
pub(crate) struct Association<K> {
    pub(crate) records: Arc<Records<Origin<K>>>,
    pub(crate) handle: Handle,
    pub(crate) key: K,
}

impl<K> Association<K> {
    pub(crate) fn with_descriptor<T>(
        &self,
        with: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.records.raw().with_descriptor(self.handle, with)
    }
}

impl<K> Drop for Association<K> {
    fn drop(&mut self) {
        self.records.raw().close_handle(self.handle);
    }
}

fn internet(address: rustix::net::SocketAddrAny) -> io::Result<SocketAddr> {
    SocketAddr::try_from(address).map_err(io::Error::from)
}
