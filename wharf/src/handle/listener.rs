//! A listening socket. The methods that start accepts are in [`operation`](crate::operation).

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use super::{Associate, Association, Key, handle};
use crate::{CompletionPort, driver::Descriptor, raw::Kind};

/// A listening socket, associated with a port. Like a [`Socket`](super::Socket), it stays open for as long as a clone
/// of it is held or an accept is under way.
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
        K: Key,
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

    /// Whether its connections are TCP, if that is known.
    pub(crate) fn is_tcp(&self) -> Option<bool> {
        self.0.is_tcp
    }

    /// Stops listening: accepts complete as cancelled, and connections in the backlog, which were not accepted, are reset.
    /// Returns whether it was open.
    pub fn close(&self) -> bool {
        let association = &self.0.association;
        association.raw().close_handle(association.handle)
    }
}
