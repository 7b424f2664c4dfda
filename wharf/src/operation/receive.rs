//! Receiving: into a buffer, several, one of a pool, or none.

use std::io;

use super::{OperationId, Refused, With};
use crate::{
    buffer::{Buffer, BufferPool},
    handle::{Key, Socket},
    raw::Request,
    record::{Manner, Memory},
};

/// # Receiving
///
/// Each of these starts one operation, which gives one [`Completion`](crate::Completion) on the port when it has ended; the
/// returned id names the operation, for cancelling. Several receives may be under way: they are filled in the order in which
/// they were started.
///
/// # Errors
/// An operation is refused, with what was given to it, if the socket or its port is closed, if the connection is known
/// to have failed (a reset, for one), or if too many operations are under way.
impl<K: Key> Socket<K> {
    /// Receives at least 1 byte into the buffer, from its front; 0 is the end of the stream. With a buffer of capacity 0
    /// it is a zero-byte receive: it completes when there is something to receive, or the end, and takes nothing.
    ///
    /// # Errors
    /// As [above](Self#errors).
    #[doc(alias = "WSARecv")]
    pub fn receive(&self, buffer: Buffer) -> Result<OperationId, Refused<Buffer>> {
        self.plain().receive(buffer)
    }

    /// Receives into a buffer of the pool, which is taken when there is something to receive. Until then the
    /// operation owns none.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn receive_from(&self, pool: &BufferPool) -> io::Result<OperationId> {
        Ok(self.plain().receive_from(pool)?)
    }

    /// Vectored receive (scatter, readv(2), several `WSABUF`): receives into several buffers, filled one after the other, in
    /// one operation. If none of them has any capacity it is a zero-byte receive, as for [`receive`](Self::receive).
    ///
    /// # Errors
    /// As [above](Self#errors).
    #[doc(alias = "readv")]
    pub fn receive_vectored(
        &self,
        buffers: Vec<Buffer>,
    ) -> Result<OperationId, Refused<Vec<Buffer>>> {
        self.plain().receive_vectored(buffers)
    }

    /// Completes when there is something to receive, or the end, and takes nothing: a zero-byte receive. An idle connection
    /// that waits like this needs no buffer.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn readable(&self) -> io::Result<OperationId> {
        Ok(self.plain().readable()?)
    }

    /// Completes when there *may* be something to receive, or the end, and takes nothing. No system call is made to check, so
    /// the bytes may have been received by another call since. A program then calls [`try_receive`](Socket::try_receive); if
    /// that finds nothing, the next of these operations waits for new data. On Windows it is the same as
    /// [`readable`](Self::readable).
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn ready_to_receive(&self) -> io::Result<OperationId> {
        Ok(self.plain().ready_to_receive()?)
    }
}

impl<K: Key> With<'_, Socket<K>> {
    /// As [`Socket::receive`].
    ///
    /// # Errors
    /// As there; the buffer and the context come back.
    pub fn receive(self, buffer: Buffer) -> Result<OperationId, Refused<Buffer>> {
        let memory = Memory::Receive(buffer);
        self.start_stream(memory, Manner::Reported, Memory::into_buffer)
    }

    /// As [`Socket::receive_from`].
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn receive_from(self, pool: &BufferPool) -> Result<OperationId, Refused<()>> {
        if self.context.is_some() || self.timeout.is_some() {
            let memory = Memory::ReceiveFrom(pool.clone(), None);
            return self.start_stream(memory, Manner::Reported, |_| Some(()));
        }
        let stream = self.on.shared();
        let (records, handle) = (&stream.records, stream.handle);
        let started = records.receive_from(handle, stream.clone(), pool.clone());
        started.map_err(|(error, owned)| Refused::of_owned(error, owned, |_| Some(())))
    }

    /// As [`Socket::receive_vectored`].
    ///
    /// # Errors
    /// As there; the buffers and the context come back.
    pub fn receive_vectored(
        self,
        buffers: Vec<Buffer>,
    ) -> Result<OperationId, Refused<Vec<Buffer>>> {
        let memory = Memory::receive_vectored(buffers);
        self.start_stream(memory, Manner::Reported, Memory::into_buffers)
    }

    /// As [`Socket::readable`].
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn readable(self) -> Result<OperationId, Refused<()>> {
        self.start_request(Request::ReceiveNothing)
    }

    /// As [`Socket::ready_to_receive`].
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn ready_to_receive(self) -> Result<OperationId, Refused<()>> {
        self.start_request(Request::ReceiveReadiness)
    }
}
