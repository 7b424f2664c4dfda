//! Local (Unix) stream sockets: connected, they are [`Socket`]s like any other.

use std::{
    io,
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
    sync::Arc,
};

use super::{Associate, Association, Socket, handle};
use crate::{CompletionPort, driver::Descriptor, raw::Kind};

/// A local (Unix) listening socket, associated with a port. Its path stays in the file system when it is closed.
#[derive(Debug)]
pub struct LocalListener<K>(Arc<Association<K>>);

handle!(LocalListener);

/// A local connection that was accepted, not yet associated with any port.
#[derive(Debug)]
pub struct LocalConnection(pub(crate) Descriptor);

impl LocalConnection {
    /// The system's stream, non-blocking, for who wants to use it without a port, or to ask who is at the other end.
    ///
    /// # Errors
    /// It is not the system's, but of a simulated kernel.
    pub fn into_stream(self) -> io::Result<UnixStream> {
        let descriptor: OwnedFd = self.0.into_system()?;
        Ok(descriptor.into())
    }
}

impl Associate for UnixListener {
    type Associated<K> = LocalListener<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<LocalListener<K>>
    where
        K: Clone + Send + Sync + 'static,
    {
        self.set_nonblocking(true)?;
        let association = Association::new_as(port, self, key, Kind::Listener, Some(false))?;
        Ok(LocalListener(Arc::new(association)))
    }
}

impl Associate for UnixStream {
    type Associated<K> = Socket<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<Socket<K>>
    where
        K: Clone + Send + Sync + 'static,
    {
        self.set_nonblocking(true)?;
        Socket::associate(self, port, key, Some(false))
    }
}

impl Associate for LocalConnection {
    type Associated<K> = Socket<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<Socket<K>>
    where
        K: Clone + Send + Sync + 'static,
    {
        // It was accepted as non-blocking.
        Socket::associate(self.0, port, key, Some(false))
    }
}

impl<K> LocalListener<K> {
    pub(crate) fn association(&self) -> &Association<K> {
        &self.0
    }

    /// Stops listening: accepts complete as cancelled. Says whether it was open.
    pub fn close(&self) -> bool {
        self.0.raw().close_handle(self.0.handle)
    }
}
