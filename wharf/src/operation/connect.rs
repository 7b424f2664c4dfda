//! Connecting to a peer.

use std::{io, net::SocketAddr};

use rustix::{
    fd::{AsFd, BorrowedFd},
    net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with},
};

use super::OperationId;
use crate::{
    CompletionPort, driver,
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
        self.connect_with(address, key, |_| Ok(()))
    }

    /// As [`connect`](Self::connect), from an address of this machine; port 0 is any that is free. A pair of addresses
    /// has some 28,000 of those (sysctl `net.ipv4.ip_local_port_range`): who needs more connections to one server
    /// uses several addresses of its own, such as those of 127.0.0.0/8.
    ///
    /// The port is chosen when the connection is made, so that it has to be free for this pair only
    /// (`IP_BIND_ADDRESS_NO_PORT` in ip(7)).
    ///
    /// # Errors
    /// As for [`connect`](Self::connect); also if the machine has no such address, or the port is taken.
    pub fn connect_from(
        &self,
        local: SocketAddr,
        address: SocketAddr,
        key: K,
    ) -> io::Result<OperationId> {
        self.connect_with(address, key, |socket| {
            if local.port() == 0 {
                driver::choose_port_late(socket)?;
            }
            Ok(rustix::net::bind(socket, &local)?)
        })
    }

    fn connect_with(
        &self,
        address: SocketAddr,
        key: K,
        prepare: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>,
    ) -> io::Result<OperationId> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let descriptor = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        prepare(descriptor.as_fd())?;
        let handle = self
            .records()
            .raw()
            .associate(descriptor, 0, Kind::Unconnected)?;
        let socket = Socket::from_association(Association {
            records: self.records().clone(),
            handle,
            key,
        });
        socket.start_request(Request::Connect(Box::new(address)))
    }
}
