//! Sending: whole, in order, and with or without a word of success.

use super::{OperationId, Refused};
use crate::{buffer::Payload, net::Socket, raw::record::Memory};

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
        self.send_payload(payload.into(), false)
    }

    /// Sends all of the payload, and completes only if that fails: success has no packet, and costs none. The
    /// payload is dropped when the system has taken it.
    ///
    /// # Errors
    /// As [above](Self#errors-1).
    pub fn send_quietly(
        &self,
        payload: impl Into<Payload>,
    ) -> Result<OperationId, Refused<Payload>> {
        self.send_payload(payload.into(), true)
    }

    fn send_payload(&self, payload: Payload, quiet: bool) -> Result<OperationId, Refused<Payload>> {
        self.start(Memory::Send(payload), quiet, Memory::into_payload)
    }

    /// Sends several payloads, one after the other: one operation.
    ///
    /// # Errors
    /// As [above](Self#errors-1).
    pub fn send_many(&self, payloads: Vec<Payload>) -> Result<OperationId, Refused<Vec<Payload>>> {
        let memory = Memory::send_many(payloads);
        self.start(memory, false, Memory::into_payloads)
    }
}
