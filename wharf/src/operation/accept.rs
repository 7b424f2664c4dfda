//! Accepting connections.

use std::{
    io,
    net::{SocketAddr, TcpStream},
};

use super::OperationId;
use crate::{
    net::{Listener, Origin},
    raw::{
        Request,
        record::{Cargo, Memory},
    },
};

/// A connection that was accepted.
#[derive(Debug)]
pub struct Connection {
    /// The new socket, non-blocking and not yet associated with any port.
    pub stream: TcpStream,
    /// Who is at the other end.
    pub peer: SocketAddr,
    /// Which of our addresses it was made to.
    pub local: SocketAddr,
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
        let association = self.association();
        let cargo = Cargo {
            source: Origin::Listener(self.clone()),
            memory: Memory::None,
        };
        let request = Request::Accept(None);
        let started = association
            .records
            .start_request(association.handle, cargo, request);
        started.map_err(|(error, _)| error)
    }
}

/// The connection that an accept brought. One whose addresses can't be told is gone already: the accept failed.
pub(super) fn accepted<K>(
    listener: &Listener<K>,
    request: Request,
    result: &mut io::Result<usize>,
) -> Option<Box<Connection>> {
    let Request::Accept(Some(accepted)) = request else {
        return None;
    };
    let stream = TcpStream::from(accepted.socket);
    let addresses = || {
        let peer = accepted.peer.map_or_else(|| stream.peer_addr(), Ok)?;
        Ok((peer, listener.local_address_of(&stream)?))
    };
    match addresses() {
        Ok((peer, local)) => Some(Box::new(Connection {
            stream,
            peer,
            local,
        })),
        Err(error) => {
            *result = Err(error);
            None
        }
    }
}
