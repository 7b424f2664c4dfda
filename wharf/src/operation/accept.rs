//! Accepting connections.

use std::{
    io,
    net::{SocketAddr, TcpStream},
};

use super::{OperationId, Refused, With};
use crate::{
    buffer::{Buffer, writable},
    driver::{Descriptor, Query},
    handle::{Key, Listener},
    raw::{AcceptReceive, Accepted, PortError, Request},
    record::{Manner, Memory},
};

/// A connection that was accepted, not yet associated with any port.
#[derive(Debug)]
pub struct Connection {
    pub(crate) socket: Descriptor,
    /// Whether it is TCP, if that is known.
    pub(crate) is_tcp: Option<bool>,
    /// The address of the other end.
    pub peer: SocketAddr,
    /// The address of this machine that it was made to.
    pub local: SocketAddr,
}

impl Connection {
    /// The system's stream, non-blocking, to be used without a port.
    ///
    /// # Errors
    /// The connection is of a simulated kernel, and no stream of the system's.
    pub fn into_stream(self) -> io::Result<TcpStream> {
        Ok(TcpStream::from(self.socket.into_system()?))
    }
}

impl<K: Key> Listener<K> {
    /// Accepts one connection. Several accepts may be under way at once.
    ///
    /// A peer that vanishes before it is accepted is skipped. Where the process or the system is out of
    /// descriptors, the accept fails with the system's error (`EMFILE`, `ENFILE`); the connection stays in the
    /// backlog for the next accept.
    ///
    /// # Errors
    /// The listener or its port is closed, or too many operations are under way.
    #[doc(alias = "AcceptEx")]
    pub fn accept(&self) -> io::Result<OperationId> {
        Ok(self.plain().accept()?)
    }

    /// Accepts one connection, and receives the first bytes on it: one operation. A peer that connects and sends nothing
    /// holds the operation up, and keeps its connection open; have a timer cancel the operation.
    ///
    /// The result counts the bytes; 0 means that the peer ended the stream without sending any.
    ///
    /// Until its first bytes have come, the connection counts as a handle of the port, except on Windows. Where the port has as
    /// many [handles](crate::HANDLES_MAX) as it takes, the connection is closed, and the operation fails with
    /// [`QuotaExceeded`](io::ErrorKind::QuotaExceeded).
    ///
    /// # Errors
    /// As for [`accept`](Self::accept); the buffer comes back. [`InvalidInput`](io::ErrorKind::InvalidInput): it has no
    /// capacity.
    #[doc(alias = "AcceptEx")]
    pub fn accept_receive(&self, buffer: Buffer) -> Result<OperationId, Refused<Buffer>> {
        self.plain().accept_receive(buffer)
    }
}

#[cfg(unix)]
impl<K: Key> crate::LocalListener<K> {
    /// Accepts one connection; see [`Listener::accept`].
    ///
    /// # Errors
    /// As there.
    pub fn accept(&self) -> io::Result<OperationId> {
        Ok(self.plain().accept()?)
    }
}

impl<K: Key> With<'_, Listener<K>> {
    /// As [`Listener::accept`].
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn accept(self) -> Result<OperationId, Refused<()>> {
        self.start_request(Request::Accept(None))
    }

    /// As [`Listener::accept_receive`].
    ///
    /// # Errors
    /// As there; the buffer and the context come back.
    pub fn accept_receive(self, mut buffer: Buffer) -> Result<OperationId, Refused<Buffer>> {
        if buffer.capacity() == 0 {
            return Err(self.refuse(PortError::NoRoom.into(), buffer));
        }
        let arrival = AcceptReceive::new(writable(&mut buffer));
        self.start(
            Memory::Receive(buffer),
            Request::AcceptReceive(Box::new(arrival)),
            Manner::Reported,
            Memory::into_buffer,
        )
    }
}

#[cfg(unix)]
impl<K: Key> With<'_, crate::LocalListener<K>> {
    /// As [`LocalListener::accept`](crate::LocalListener::accept).
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn accept(self) -> Result<OperationId, Refused<()>> {
        self.start_request(Request::Accept(None))
    }
}

/// The connection that an accept brought. If the system does not tell its addresses, it is gone already: the accept failed.
pub(super) fn accepted<K>(
    listener: &Listener<K>,
    accepted: Option<Accepted>,
    result: &mut io::Result<usize>,
) -> Option<Box<Connection>> {
    let Accepted { socket, peer } = accepted?;
    let raw = listener.association().records.raw();
    let ask = |query| raw.ask_new(&socket, query)?.address();
    let addresses = || {
        let peer = peer.map_or_else(|| ask(Query::PeerAddress), Ok)?;
        // The system is asked only if we listen on all of our addresses.
        let local = match listener.local_addr() {
            all if all.ip().is_unspecified() => ask(Query::LocalAddress)?,
            local => local,
        };
        Ok((peer, local))
    };
    match addresses() {
        Ok((peer, local)) => Some(Box::new(Connection {
            socket,
            is_tcp: listener.is_tcp(),
            peer,
            local,
        })),
        Err(error) => {
            *result = Err(error);
            None
        }
    }
}
