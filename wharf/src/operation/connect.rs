//! Connecting to a peer.

#[cfg(unix)]
use std::path::Path;
use std::{io, net::SocketAddr};

use super::{OperationId, Refused, With};
use crate::{
    CompletionPort,
    buffer::{Payload, readable},
    handle::{Association, Key, Socket},
    raw::{ConnectSend, Handle, Request},
    record::{Manner, Memory},
};

impl<K: Key> CompletionPort<K> {
    /// Connects a new TCP socket to `address`. The completion brings the socket, under `key`.
    ///
    /// # Errors
    /// The system has no socket to give, or the port is closed. If the address can't be reached, the completion has the error.
    #[doc(alias = "ConnectEx")]
    pub fn connect(&self, address: SocketAddr, key: K) -> io::Result<OperationId> {
        Ok(self.plain().connect(address, key)?)
    }

    /// As [`connect`](Self::connect), from an address of this machine; port 0 is any that is free. A pair of addresses
    /// has some 28,000 ports (sysctl `net.ipv4.ip_local_port_range`): a client that needs more connections to one server
    /// uses several addresses of its own, such as the addresses of 127.0.0.0/8.
    ///
    /// The port number is chosen when the connection is made, so that it has to be free for this pair only
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
        Ok(self.plain().connect_from(local, address, key)?)
    }

    /// Connects a new TCP socket to `address`, and sends the payload when it is connected: one operation, whose completion
    /// counts the bytes.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect); the payload comes back.
    #[doc(alias = "ConnectEx")]
    pub fn connect_send(
        &self,
        address: SocketAddr,
        payload: impl Into<Payload>,
        key: K,
    ) -> Result<OperationId, Refused<Payload>> {
        self.plain().connect_send(address, payload, key)
    }

    /// Connects a new local (Unix) stream socket to the one that listens at `path`. A listener whose backlog is full refuses
    /// with [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// # Errors
    /// As for [`connect`](Self::connect); and [`InvalidInput`](io::ErrorKind::InvalidInput) if the path is too long for a
    /// socket.
    #[cfg(unix)]
    pub fn connect_local(&self, path: impl AsRef<Path>, key: K) -> io::Result<OperationId> {
        Ok(self.plain().connect_local(path, key)?)
    }

    fn connecting(&self, handle: Handle, key: K) -> Socket<K> {
        Socket::from_association(Association {
            records: self.records().clone(),
            handle,
            key,
        })
    }
}

impl<K: Key> With<'_, CompletionPort<K>> {
    /// As [`CompletionPort::connect`].
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn connect(self, address: SocketAddr, key: K) -> Result<OperationId, Refused<()>> {
        self.connect_with(None, address, key)
    }

    /// As [`CompletionPort::connect_from`].
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn connect_from(
        self,
        local: SocketAddr,
        address: SocketAddr,
        key: K,
    ) -> Result<OperationId, Refused<()>> {
        self.connect_with(Some(local), address, key)
    }

    fn connect_with(
        self,
        local: Option<SocketAddr>,
        address: SocketAddr,
        key: K,
    ) -> Result<OperationId, Refused<()>> {
        let raw = self.on.records().raw();
        match raw.associate_unconnected(address, local, 0) {
            Ok(handle) => {
                let socket = self.on.connecting(handle, key);
                let request = Request::Connect(Box::new(address));
                self.on_socket(&socket).start_request(request)
            }
            Err(error) => Err(self.refuse(error, ())),
        }
    }

    /// As [`CompletionPort::connect_send`].
    ///
    /// # Errors
    /// As there; the payload and the context come back.
    pub fn connect_send(
        self,
        address: SocketAddr,
        payload: impl Into<Payload>,
        key: K,
    ) -> Result<OperationId, Refused<Payload>> {
        let payload = payload.into();
        let raw = self.on.records().raw();
        let handle = match raw.associate_unconnected(address, None, 0) {
            Ok(handle) => handle,
            Err(error) => return Err(self.refuse(error, payload)),
        };
        let socket = self.on.connecting(handle, key);
        let connect = ConnectSend::new(address, readable(&payload));
        self.on_socket(&socket).start(
            Memory::Send(payload),
            Request::ConnectSend(Box::new(connect)),
            Manner::Reported,
            Memory::into_payload,
        )
    }

    /// As [`CompletionPort::connect_local`].
    ///
    /// # Errors
    /// As there; the context comes back.
    #[cfg(unix)]
    pub fn connect_local(self, path: impl AsRef<Path>, key: K) -> Result<OperationId, Refused<()>> {
        let raw = self.on.records().raw();
        let address = crate::raw::LocalAddress::new(path.as_ref());
        let made = address.and_then(|address| Ok((address, raw.associate_unconnected_local(0)?)));
        match made {
            Ok((address, handle)) => {
                let socket = self.on.connecting(handle, key);
                let request = Request::ConnectLocal(Box::new(address));
                self.on_socket(&socket).start_request(request)
            }
            Err(error) => Err(self.refuse(error, ())),
        }
    }

    /// The same context, on the socket that is to be connected.
    fn on_socket<'a>(self, socket: &'a Socket<K>) -> With<'a, Socket<K>> {
        With {
            on: socket,
            context: self.context,
            timeout: self.timeout,
        }
    }
}
