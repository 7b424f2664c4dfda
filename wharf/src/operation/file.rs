//! Reading and writing files, and having the disk keep what was written.

use std::io;

use super::{OperationId, Refused, With};
use crate::{
    buffer::{Buffer, Payload, readable, writable},
    handle::{File, Key},
    raw::{Request, Span},
    record::{Manner, Memory},
};

/// # Operations
///
/// Any number of operations may be under way on one file; they end in any order. On a file that is no regular one they fail
/// with the system's error (`ESPIPE`).
///
/// # Errors
/// An operation is refused, with what was given to it, if the file or its port is closed, if too many operations are
/// under way, or if the system has no thread for the first of them.
impl<K: Key> File<K> {
    /// Reads from `offset` on, as much as the buffer holds; less only where the file ends, and 0 bytes at its end.
    ///
    /// # Errors
    /// As [above](Self#errors).
    #[doc(alias = "ReadFile")]
    pub fn read_at(&self, buffer: Buffer, offset: u64) -> Result<OperationId, Refused<Buffer>> {
        self.plain().read_at(buffer, offset)
    }

    /// Writes all of the payload at `offset`. The completion says that the system has the bytes; that of [`flush`](Self::flush)
    /// says that the disk has them.
    ///
    /// # Errors
    /// As [above](Self#errors).
    #[doc(alias = "WriteFile")]
    pub fn write_at(
        &self,
        payload: impl Into<Payload>,
        offset: u64,
    ) -> Result<OperationId, Refused<Payload>> {
        self.plain().write_at(payload, offset)
    }

    /// Has the writes that have completed reach the disk (fsync(2)). Writes that are under way may be covered or not.
    ///
    /// # Errors
    /// As [above](Self#errors).
    #[doc(alias = "FlushFileBuffers")]
    pub fn flush(&self) -> io::Result<OperationId> {
        Ok(self.plain().flush()?)
    }
}

impl<K: Key> With<'_, File<K>> {
    /// As [`File::read_at`].
    ///
    /// # Errors
    /// As there; the buffer and the context come back.
    pub fn read_at(self, mut buffer: Buffer, offset: u64) -> Result<OperationId, Refused<Buffer>> {
        let span = Span {
            buffer: writable(&mut buffer),
            offset,
        };
        let (memory, request) = (Memory::Receive(buffer), Request::ReadAt(Box::new(span)));
        self.start(memory, request, Manner::Reported, Memory::into_buffer)
    }

    /// As [`File::write_at`].
    ///
    /// # Errors
    /// As there; the payload and the context come back.
    pub fn write_at(
        self,
        payload: impl Into<Payload>,
        offset: u64,
    ) -> Result<OperationId, Refused<Payload>> {
        let payload = payload.into();
        let span = Span {
            buffer: readable(&payload),
            offset,
        };
        let (memory, request) = (Memory::Send(payload), Request::WriteAt(Box::new(span)));
        self.start(memory, request, Manner::Reported, Memory::into_payload)
    }

    /// As [`File::flush`].
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn flush(self) -> Result<OperationId, Refused<()>> {
        self.start_request(Request::Flush)
    }
}
