//! Sending: whole, in order, and with or without a word of success.

use super::{OperationId, Refused, With};
use crate::{
    buffer::Payload,
    handle::Socket,
    record::{Manner, Memory},
};

/// # Sending
///
/// Sends go out whole, in the order in which they were started, whichever threads start them.
///
/// # Errors
/// An operation is refused, with what was given to it, if the socket or its port is closed, if the connection is known
/// to have failed (a reset, for one), or if too many operations are under way.
/// Also if the sending side is shut down, or if too much [waits](Socket::set_unsent_max) to be sent.
impl<K: Clone + Send + Sync + 'static> Socket<K> {
    /// Sends all of the payload. Completes when the system has taken the last byte, over as many writes as that
    /// needs.
    ///
    /// # Errors
    /// As [above](Self#errors-1).
    pub fn send(&self, payload: impl Into<Payload>) -> Result<OperationId, Refused<Payload>> {
        self.plain().send(payload)
    }

    /// Sends all of the payload, and completes only if that fails: success has no packet, and costs none. The
    /// payload is dropped when the system has taken it, by whatever thread finds that out: within this call, in a wait, or by
    /// one of the port's own. So a `Drop` of its owner must not block; it may use the port, and close it; and where it
    /// panics, the log says so, and the send has succeeded all the same.
    ///
    /// Where it has to wait since the peer reads too slowly, bytes in a buffer of a [pool](crate::BufferPool) move to other
    /// memory, and the buffer goes back: what waits to be sent keeps nobody from receiving. On Windows, where the system
    /// has the memory until it is sent, they move before.
    ///
    /// # Errors
    /// As [above](Self#errors-1).
    pub fn send_quietly(
        &self,
        payload: impl Into<Payload>,
    ) -> Result<OperationId, Refused<Payload>> {
        self.plain().send_quietly(payload)
    }

    /// Sends as [`send_quietly`](Self::send_quietly) does, if no send is under way: for those who gather what can't
    /// leave at once, and send it as one.
    ///
    /// # Errors
    /// As [above](Self#errors-1); and [`WouldBlock`](std::io::ErrorKind::WouldBlock) if a send is under way.
    pub fn send_if_idle(
        &self,
        payload: impl Into<Payload>,
    ) -> Result<OperationId, Refused<Payload>> {
        self.plain().send_if_idle(payload)
    }

    /// Sends several payloads, one after the other: one operation.
    ///
    /// # Errors
    /// As [above](Self#errors-1).
    pub fn send_vectored(
        &self,
        payloads: Vec<Payload>,
    ) -> Result<OperationId, Refused<Vec<Payload>>> {
        self.plain().send_vectored(payloads)
    }
}

impl<K: Clone + Send + Sync + 'static> With<'_, Socket<K>> {
    /// As [`Socket::send`].
    ///
    /// # Errors
    /// As there; the payload and the context come back.
    pub fn send(self, payload: impl Into<Payload>) -> Result<OperationId, Refused<Payload>> {
        self.send_payload(payload.into(), Manner::Reported)
    }

    /// As [`Socket::send_quietly`]. The context of a success is dropped as the payload is; that of a failure comes with the
    /// completion.
    ///
    /// # Errors
    /// As there; the payload and the context come back.
    pub fn send_quietly(
        self,
        payload: impl Into<Payload>,
    ) -> Result<OperationId, Refused<Payload>> {
        let mut payload = payload.into();
        if self.on.unsent() > 0 {
            payload.set_aside();
        }
        self.send_payload(payload, Manner::Quiet)
    }

    /// As [`Socket::send_if_idle`]. The context of a success is dropped as the payload is; that of a failure comes with the
    /// completion.
    ///
    /// # Errors
    /// As there; the payload and the context come back.
    pub fn send_if_idle(
        self,
        payload: impl Into<Payload>,
    ) -> Result<OperationId, Refused<Payload>> {
        self.send_payload(payload.into(), Manner::QuietAlone)
    }

    fn send_payload(
        self,
        payload: Payload,
        manner: Manner,
    ) -> Result<OperationId, Refused<Payload>> {
        // The kernel has the memory until it is sent, and it can't be moved meanwhile: so it is other memory from the start.
        #[cfg(windows)]
        let payload = match manner {
            Manner::Reported => payload,
            Manner::Quiet | Manner::QuietAlone => payload.aside(),
        };
        self.start_stream(Memory::Send(payload), manner, Memory::into_payload)
    }

    /// As [`Socket::send_vectored`].
    ///
    /// # Errors
    /// As there; the payloads and the context come back.
    pub fn send_vectored(
        self,
        payloads: Vec<Payload>,
    ) -> Result<OperationId, Refused<Vec<Payload>>> {
        let memory = Memory::send_vectored(payloads);
        self.start_stream(memory, Manner::Reported, Memory::into_payloads)
    }
}
