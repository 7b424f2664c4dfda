//! Ending a connection and keeping its socket for another. Only Windows can do this.

use std::{io, net::SocketAddr};

use super::{OperationId, Refused, With};
use crate::{
    handle::{Key, Socket},
    raw::Request,
};

impl<K: Key> Socket<K> {
    /// Ends the connection in order, once all sends that were started before are out, and leaves the socket to
    /// [`connect_again`](Self::connect_again): it keeps its port and its key. Receives are cancelled, and no other operation
    /// can be started meanwhile. If it fails or is cancelled, the socket can only be closed.
    ///
    /// The system takes its time: as long as the old connection is remembered (`TIME_WAIT`), the socket is not free. This is
    /// `DisconnectEx` with `TF_REUSE_SOCKET`. Accepting onto such a socket is not offered.
    ///
    /// # Errors
    /// The socket or its port is closed, it is being disconnected already
    /// ([`NotConnected`](io::ErrorKind::NotConnected)), the connection is known to have failed, or too many operations are
    /// under way.
    #[doc(alias = "DisconnectEx")]
    pub fn disconnect(&self) -> io::Result<OperationId> {
        Ok(self.plain().disconnect()?)
    }

    /// Connects a socket that was [disconnected](Self::disconnect), from the address that it has. The completion brings it, as
    /// for [`CompletionPort::connect`](crate::CompletionPort::connect).
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): it is connected. The socket or its port is closed, or too many operations
    /// are under way.
    pub fn connect_again(&self, address: SocketAddr) -> io::Result<OperationId> {
        Ok(self.plain().connect_again(address)?)
    }
}

impl<K: Key> With<'_, Socket<K>> {
    /// As [`Socket::disconnect`].
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn disconnect(self) -> Result<OperationId, Refused<()>> {
        self.start_request(Request::Disconnect)
    }

    /// As [`Socket::connect_again`].
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn connect_again(self, address: SocketAddr) -> Result<OperationId, Refused<()>> {
        self.start_request(Request::Connect(Box::new(address)))
    }
}
