//! Sending a file, or a part of one, without reading it.

use super::{OperationId, Refused, With};
use crate::{
    buffer::Transmit,
    handle::{Key, Socket},
    record::{Manner, Memory},
};

impl<K: Key> Socket<K> {
    /// Sends a part of a file, with bytes before and behind it (sendfile(2), `TransmitFile`): one send, in order with the
    /// others. The count of the completion includes all three. The system moves the file's bytes; the thread that makes the
    /// call may wait for the disk.
    ///
    /// If the file ends before the range does, the operation fails with `ENODATA`, having transferred what there was.
    ///
    /// # Errors
    /// As for [any send](Self#errors-1); the bytes of the range count as bytes that wait to be sent. The file is of another
    /// kernel than the port, where one of the two is simulated ([`InvalidInput`](std::io::ErrorKind::InvalidInput)).
    #[doc(alias = "TransmitFile")]
    pub fn transmit(&self, transmit: Transmit) -> Result<OperationId, Refused<Box<Transmit>>> {
        self.plain().transmit(transmit)
    }
}

impl<K: Key> With<'_, Socket<K>> {
    /// As [`Socket::transmit`].
    ///
    /// # Errors
    /// As there; what was given and the context come back.
    pub fn transmit(self, transmit: Transmit) -> Result<OperationId, Refused<Box<Transmit>>> {
        let transmit = Box::new(transmit);
        if let Err(error) = self.on.association().raw().knows(&transmit.file) {
            return Err(self.refuse(error, transmit));
        }
        let memory = Memory::Transmit(transmit);
        self.start_stream(memory, Manner::Reported, Memory::into_transmit)
    }
}
