//! Connecting to a peer.

use std::{io, net::SocketAddr};

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};

use super::OperationId;
use crate::{
    CompletionPort,
    net::{Association, Socket},
    raw::{Kind, Request},
};

impl<K: Clone + Send + Sync + 'static> CompletionPort<K> {
    /// Connects a new TCP socket to `address`. The completion brings the socket, under `key`.
    ///
    /// # Errors
    /// The system has no socket to give, or the port is closed. That the address can't be reached is for the
    /// completion to say.
    pub fn connect(&self, address: SocketAddr, key: K) -> io::Result<OperationId> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let descriptor = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        let handle = self
            .records()
            .raw()
            .associate(descriptor, 0, Kind::Unconnected)?;
        let socket = Socket::from_association(Association {
            records: self.records().clone(),
            handle,
            key,
        });
        socket.start_request(Request::Connect(address))
    }
}
