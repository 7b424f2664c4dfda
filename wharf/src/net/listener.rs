//! A listening socket. How it accepts is in the room of the [operations](crate::operation).

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
};

use super::{Associate, Association};
use crate::{CompletionPort, raw::Kind};

/// A listening socket, associated with a port. Like a [`Socket`](super::Socket), it lives for as long as somebody
/// holds it or an accept is under way.
#[derive(Debug)]
pub struct Listener<K>(Arc<Listening<K>>);

#[derive(Debug)]
struct Listening<K> {
    association: Association<K>,
    local: SocketAddr,
}

impl<K> Clone for Listener<K> {
    fn clone(&self) -> Self {
        Listener(self.0.clone())
    }
}

impl Associate for TcpListener {
    type Associated<K> = Listener<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<Listener<K>>
    where
        K: Clone + Send + Sync + 'static,
    {
        self.set_nonblocking(true)?;
        let local = self.local_addr()?;
        let handle = port
            .records()
            .raw()
            .associate(self.into(), 0, Kind::Listener)?;
        let association = Association {
            records: port.records().clone(),
            handle,
            key,
        };
        Ok(Listener(Arc::new(Listening { association, local })))
    }
}

impl<K> Listener<K> {
    pub(crate) fn association(&self) -> &Association<K> {
        &self.0.association
    }

    /// The key that it was associated with.
    pub fn key(&self) -> &K {
        &self.0.association.key
    }

    /// The address that it listens on, with the real port if it was bound to port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local
    }

    /// Which of our addresses an accepted connection was made to. The system is asked only if we listen on all.
    pub(crate) fn local_address_of(&self, stream: &TcpStream) -> io::Result<SocketAddr> {
        if self.0.local.ip().is_unspecified() {
            stream.local_addr()
        } else {
            Ok(self.0.local)
        }
    }

    /// Cancels all accepts; says how many there were.
    pub fn cancel_all(&self) -> usize {
        let Association {
            records, handle, ..
        } = &self.0.association;
        records.raw().cancel_all(*handle)
    }

    /// Stops listening: accepts complete as cancelled, and connections that nobody has accepted are reset. Says
    /// whether it was open.
    pub fn close(&self) -> bool {
        let Association {
            records, handle, ..
        } = &self.0.association;
        records.raw().close_handle(*handle)
    }
}
