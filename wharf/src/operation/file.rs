//! Reading and writing files, and having the disk keep what was written.

use std::io;

use super::{OperationId, Refused};
use crate::{
    buffer::{Buffer, Payload, readable, writable},
    handle::{File, Origin},
    raw::{Request, Span},
    record::{Cargo, Manner, Memory},
};

/// # Operations
///
/// Any number may be under way on one file; they end in any order. A file that is no regular one fails them with the system's
/// error (`ESPIPE`).
///
/// # Errors
/// An operation is refused, with what was given to it, if the file or its port is closed, if too many operations are
/// under way, or if the system has no thread for the first of them.
impl<K: Clone + Send + Sync + 'static> File<K> {
    /// Reads from `offset` on, as much as the buffer holds; less only where the file ends, and 0 bytes at its end.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn read_at(&self, mut buffer: Buffer, offset: u64) -> Result<OperationId, Refused<Buffer>> {
        let span = Span {
            buffer: writable(&mut buffer),
            offset,
        };
        let cargo = self.cargo(Memory::Receive(buffer));
        let request = Request::ReadAt(Box::new(span));
        self.association()
            .start(cargo, request, Manner::Reported, Memory::into_buffer)
    }

    /// Writes all of the payload at `offset`. The completion tells that the system has it; [`flush`](Self::flush) that the
    /// disk does.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn write_at(
        &self,
        payload: impl Into<Payload>,
        offset: u64,
    ) -> Result<OperationId, Refused<Payload>> {
        let payload = payload.into();
        let span = Span {
            buffer: readable(&payload),
            offset,
        };
        let cargo = self.cargo(Memory::Send(payload));
        let request = Request::WriteAt(Box::new(span));
        self.association()
            .start(cargo, request, Manner::Reported, Memory::into_payload)
    }

    /// Has the writes that have completed reach the disk (fsync(2)). Those that are under way may be covered or not.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn flush(&self) -> io::Result<OperationId> {
        let source = Origin::File(self.clone());
        self.association().start_request(source, Request::Flush)
    }

    fn cargo(&self, memory: Memory) -> Cargo<Origin<K>> {
        Cargo {
            source: Origin::File(self.clone()),
            memory,
        }
    }
}
