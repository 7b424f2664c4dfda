//! Sending: all of the bytes, in order, with a completion for each send or only for the failed ones.

use super::{OperationId, Refused, With, context::Startable};
use crate::{
    buffer::Payload,
    handle::{Key, Socket},
    record::{Manner, Memory},
};

/// # Sending
///
/// Sends go out whole, in the order in which they were started, whichever threads start them.
///
/// # Errors
/// An operation is refused, with what was given to it, if the socket or its port is closed, if the connection is known
/// to have failed (a reset, for one), or if too many operations are under way.
/// Also if the sending side is shut down, or if too many bytes [wait](Socket::set_unsent_max) to be sent.
impl<K: Key> Socket<K> {
    /// Sends all of the payload. Completes when the system has taken the last byte, over as many writes as that
    /// needs.
    ///
    /// # Errors
    /// As [above](Self#errors-1).
    #[doc(alias = "WSASend")]
    pub fn send(&self, payload: impl Into<Payload>) -> Result<OperationId, Refused<Payload>> {
        self.plain().send(payload)
    }

    /// Sends all of the payload, and completes only if that fails: a successful send queues no packet, and does not cost one. One that
    /// fails, if it was not cancelled, ends the sending side: those behind it fail as well, and not one byte arrives in a wrong place. The
    /// payload is dropped when the system has taken it, by the thread that finds this out: the one that makes this call, one
    /// that waits, or one of the port's own. So the `Drop` of its owner must not block. It may use the port, and close it; and
    /// if it panics, the log says so, and the send has succeeded all the same.
    ///
    /// If the send has to wait because the peer reads too slowly, bytes in a buffer of a [pool](crate::BufferPool) are copied
    /// to other memory, and the buffer goes back to the pool: unsent bytes keep no other connection from receiving. On Windows,
    /// where the system has the memory until it is sent, they are copied before.
    ///
    /// # Errors
    /// As [above](Self#errors-1).
    pub fn send_quietly(
        &self,
        payload: impl Into<Payload>,
    ) -> Result<OperationId, Refused<Payload>> {
        self.plain().send_quietly(payload)
    }

    /// Sends as [`send_quietly`](Self::send_quietly) does, if no send is under way: for a program that collects what can't be
    /// sent at once, and sends it later as one piece.
    ///
    /// # Errors
    /// As [above](Self#errors-1); and [`WouldBlock`](std::io::ErrorKind::WouldBlock) if a send is under way.
    pub fn send_if_idle(
        &self,
        payload: impl Into<Payload>,
    ) -> Result<OperationId, Refused<Payload>> {
        self.plain().send_if_idle(payload)
    }

    /// Vectored send (gather, writev(2), several `WSABUF`): sends several payloads, one after the other, in one operation.
    ///
    /// # Errors
    /// As [above](Self#errors-1).
    #[doc(alias = "writev")]
    pub fn send_vectored(
        &self,
        payloads: Vec<Payload>,
    ) -> Result<OperationId, Refused<Vec<Payload>>> {
        self.plain().send_vectored(payloads)
    }
}

impl<K: Key> With<'_, Socket<K>> {
    /// As [`Socket::send`].
    ///
    /// # Errors
    /// As there; the payload and the context come back.
    pub fn send(self, payload: impl Into<Payload>) -> Result<OperationId, Refused<Payload>> {
        let memory = Memory::Send(payload.into());
        self.start_stream(memory, Manner::Reported, Memory::into_payload)
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
        self.send_and_forget(payload, Manner::Quiet)
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
        self.send_and_forget(payload.into(), Manner::QuietAlone)
    }

    /// Sends without a report of the success.
    #[inline]
    fn send_and_forget(
        self,
        payload: Payload,
        manner: Manner,
    ) -> Result<OperationId, Refused<Payload>> {
        if self.timeout.is_some() {
            return Err(self.refuse_time_out(payload));
        }
        // The kernel has the memory until it is sent, and the bytes can't be moved meanwhile: so they are copied at the start.
        #[cfg(windows)]
        let payload = payload.aside();
        let (records, handle) = (&self.on.association().records, self.on.association().handle);
        let origin = || self.on.origin();
        let sent = records.send_quietly(handle, origin, payload, self.context, manner);
        sent.map_err(|(error, owned)| Refused::of_owned(error, owned, Memory::into_payload))
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
