//! A listening socket. How it accepts is in the room of the [operations](crate::operation).

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use super::{Associate, Association, handle};
use crate::{CompletionPort, driver::Descriptor, raw::Kind};

/// A listening socket, associated with a port. Like a [`Socket`](super::Socket), it lives for as long as somebody
/// holds it or an accept is under way.
#[derive(Debug)]
pub struct Listener<K>(Arc<Listening<K>>);

#[derive(Debug)]
struct Listening<K> {
    association: Association<K>,
    local: SocketAddr,
    is_tcp: Option<bool>,
}

handle!(Listener);

impl Associate for TcpListener {
    type Associated<K> = Listener<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<Listener<K>>
    where
        K: Clone + Send + Sync + 'static,
    {
        self.set_nonblocking(true)?;
        let local = self.local_addr()?;
        Listener::associate(self, local, port, key)
    }
}

impl<K> Listener<K> {
    /// `listener` is non-blocking, and listens at `local`.
    pub(crate) fn associate(
        listener: impl Into<Descriptor>,
        local: SocketAddr,
        port: &CompletionPort<K>,
        key: K,
    ) -> io::Result<Self> {
        let association = Association::new(port, listener, key, Kind::Listener)?;
        let is_tcp = association.raw().is_tcp(association.handle);
        Ok(Listener(Arc::new(Listening {
            association,
            local,
            is_tcp,
        })))
    }

    pub(crate) fn association(&self) -> &Association<K> {
        &self.0.association
    }

    /// The address that it listens on, with the real port if it was bound to port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local
    }

    /// Whether what it accepts is TCP, if that is known.
    pub(crate) fn is_tcp(&self) -> Option<bool> {
        self.0.is_tcp
    }

    /// Stops listening: accepts complete as cancelled, and connections that nobody has accepted are reset. Says
    /// whether it was open.
    pub fn close(&self) -> bool {
        let association = &self.0.association;
        association.raw().close_handle(association.handle)
    }
}
