//! Receiving and sending datagrams.

use std::{io, net::SocketAddr};

use super::{OperationId, Refused, With};
use crate::{
    buffer::{Buffer, BufferPool, Payload, readable, writable},
    handle::{DatagramSocket, Key, Origin},
    raw::{Datagram, Destination, Request},
    record::{Manner, Memory, Records},
};

/// # Datagrams
///
/// One operation is one datagram. An error, such as a destination that can't be reached, is that of its operation; the socket
/// goes on.
///
/// # Errors
/// An operation is refused, with what was given to it, if the socket or its port is closed, or if too many operations are
/// under way; a send, too, if too much [waits](Self::set_unsent_max) to be sent.
impl<K: Key> DatagramSocket<K> {
    /// Receives one datagram, which may be empty. The completion brings the address of its sender.
    ///
    /// A datagram that is longer than the buffer is truncated, and the rest of it is lost: then the buffer comes back full, and
    /// the result is an error (`EMSGSIZE`, on Windows `WSAEMSGSIZE`) for which [`is_truncated`](crate::Completion::is_truncated) is true.
    ///
    /// # Errors
    /// As [above](Self#errors).
    #[doc(alias = "WSARecvFrom")]
    pub fn receive(&self, buffer: Buffer) -> Result<OperationId, Refused<Buffer>> {
        self.plain().receive(buffer)
    }

    /// As [`receive`](Self::receive), into a buffer of the pool, which is taken when a datagram is there.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn receive_from(&self, pool: &BufferPool) -> io::Result<OperationId> {
        Ok(self.plain().receive_from(pool)?)
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// As [above](Self#errors).
    #[doc(alias = "WSASendTo")]
    pub fn send_to(
        &self,
        payload: impl Into<Payload>,
        peer: SocketAddr,
    ) -> Result<OperationId, Refused<Payload>> {
        self.plain().send_to(payload, peer)
    }

    /// Sends one datagram, and completes only if that fails: a success has no packet, and does not cost one.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn send_to_quietly(
        &self,
        payload: impl Into<Payload>,
        peer: SocketAddr,
    ) -> Result<OperationId, Refused<Payload>> {
        self.plain().send_to_quietly(payload, peer)
    }
}

impl<K: Key> With<'_, DatagramSocket<K>> {
    /// As [`DatagramSocket::receive`].
    ///
    /// # Errors
    /// As there; the buffer and the context come back.
    pub fn receive(self, mut buffer: Buffer) -> Result<OperationId, Refused<Buffer>> {
        let destination = Destination::Buffer(writable(&mut buffer));
        let request = receive_into(destination);
        self.start(
            Memory::Receive(buffer),
            request,
            Manner::Reported,
            Memory::into_buffer,
        )
    }

    /// As [`DatagramSocket::receive_from`].
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn receive_from(self, pool: &BufferPool) -> Result<OperationId, Refused<()>> {
        let memory = Memory::ReceiveFrom(pool.clone(), None);
        self.start(memory, receive_from_pool::<K>(), Manner::Reported, |_| {
            Some(())
        })
    }

    /// As [`DatagramSocket::send_to`].
    ///
    /// # Errors
    /// As there; the payload and the context come back.
    pub fn send_to(
        self,
        payload: impl Into<Payload>,
        peer: SocketAddr,
    ) -> Result<OperationId, Refused<Payload>> {
        self.send_payload(payload.into(), peer, Manner::Reported)
    }

    /// As [`DatagramSocket::send_to_quietly`]. The context of a success is dropped as the payload is.
    ///
    /// # Errors
    /// As there; the payload and the context come back.
    pub fn send_to_quietly(
        self,
        payload: impl Into<Payload>,
        peer: SocketAddr,
    ) -> Result<OperationId, Refused<Payload>> {
        self.send_payload(payload.into(), peer, Manner::Quiet)
    }

    fn send_payload(
        self,
        payload: Payload,
        peer: SocketAddr,
        manner: Manner,
    ) -> Result<OperationId, Refused<Payload>> {
        let request = Request::SendTo(readable(&payload), Box::new(peer));
        self.start(Memory::Send(payload), request, manner, Memory::into_payload)
    }
}

/// A receive whose memory comes from its operation's pool.
pub(super) fn receive_from_pool<K: Key>() -> Request {
    receive_into(Destination::Provided(Records::<Origin<K>>::PROVIDER))
}

fn receive_into(destination: Destination) -> Request {
    Request::ReceiveFrom(Box::new(Datagram {
        destination,
        peer: None,
    }))
}
