//! Sockets and listeners that are associated with a port, and start operations on it.

mod listener;
mod socket;

use std::{io, net::SocketAddr};

pub use listener::Listener;
pub use socket::Socket;

use rustix::fd::BorrowedFd;

use crate::{CompletionPort, raw::Handle};

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
}

/// An association: the handle, and the port and key that it belongs to. The handle is closed with the last of them.
#[derive(Debug)]
pub(crate) struct Association<K> {
    pub(crate) records: std::sync::Arc<crate::raw::record::Records<K>>,
    pub(crate) handle: Handle,
    pub(crate) key: K,
}

impl<K> Association<K> {
    fn with_descriptor<T>(
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
