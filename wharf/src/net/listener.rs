//! A listening socket that starts accepts on its port.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
};

use super::{Associate, Association};
use crate::{
    CompletionPort,
    operation::OperationId,
    raw::{
        Kind, Request,
        record::{Cargo, Memory, Source},
    },
};

/// A listening socket, associated with a port. Like a [`Socket`](super::Socket), it lives for as long as somebody
/// holds it or an accept is under way.
#[derive(Debug)]
pub struct Listener<K> {
    association: Arc<Association<K>>,
    local: SocketAddr,
}

impl<K> Clone for Listener<K> {
    fn clone(&self) -> Self {
        Listener {
            association: self.association.clone(),
            local: self.local,
        }
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
        let handle = port.records().raw().associate(self.into(), 0, Kind::Listener)?;
        let association = Arc::new(Association {
            records: port.records().clone(),
            handle,
            key,
        });
        Ok(Listener { association, local })
    }
}

impl<K> Listener<K> {
    /// The key that it was associated with.
    pub fn key(&self) -> &K {
        &self.association.key
    }

    /// The address that it listens on, with the real port if it was bound to port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Which of our addresses an accepted connection was made to. The system is asked only if we listen on all.
    pub(crate) fn local_address_of(&self, stream: &TcpStream) -> io::Result<SocketAddr> {
        if self.local.ip().is_unspecified() {
            stream.local_addr()
        } else {
            Ok(self.local)
        }
    }

    /// Cancels all accepts; says how many there were.
    pub fn cancel_all(&self) -> usize {
        self.association.records.raw().cancel_all(self.association.handle)
    }

    /// Stops listening: accepts complete as cancelled, and connections that nobody has accepted are reset. Says
    /// whether it was open.
    pub fn close(&self) -> bool {
        self.association.records.raw().close_handle(self.association.handle)
    }
}

impl<K: Clone + Send + Sync + 'static> Listener<K> {
    /// Accepts one connection. Several accepts may be under way at once.
    ///
    /// A peer that vanishes before it is accepted is passed over. Where the process or the system is out of
    /// descriptors, the accept fails with the system's error (`EMFILE`, `ENFILE`); the connection stays in the
    /// backlog for the next accept.
    ///
    /// # Errors
    /// The listener or its port is closed, or too many operations are under way.
    pub fn accept(&self) -> io::Result<OperationId> {
        let cargo = Cargo {
            source: Source::Listener(self.clone()),
            memory: Memory::None,
        };
        let Association {
            records, handle, ..
        } = &*self.association;
        records
            .start_request(*handle, cargo, Request::Accept(None), false)
            .map_err(|(error, _)| error)
    }
}
