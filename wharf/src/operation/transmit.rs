//! Sending a file, or a part of one, without reading it.

use std::{ops::Range, sync::Arc};

use super::{OperationId, Refused};
use crate::{
    buffer::Payload,
    driver::Descriptor,
    handle::Socket,
    raw::{
        self,
        record::{Manner, Memory, readable},
    },
};

/// What [`Socket::transmit`] sends: `head`, the bytes of the file in `range`, `tail`.
///
/// The file is shared, so that it can be sent to many at once: `Arc::new(file.into())`, with a [`std::fs::File`].
#[derive(Debug)]
pub struct Transmit {
    /// Sent before the file.
    pub head: Payload,
    /// The file.
    pub file: Arc<Descriptor>,
    /// Which of its bytes.
    pub range: Range<u64>,
    /// Sent behind the file.
    pub tail: Payload,
}

impl Transmit {
    /// This part of a file, with nothing before and behind it.
    pub fn new(file: Arc<Descriptor>, range: Range<u64>) -> Self {
        Transmit {
            head: Payload::from(&b""[..]),
            file,
            range,
            tail: Payload::from(&b""[..]),
        }
    }

    pub(crate) fn request(&self) -> raw::Transmit {
        raw::Transmit {
            head: readable(&self.head),
            file: self.file.number(),
            offset: self.range.start,
            len: self.range.end.saturating_sub(self.range.start),
            tail: readable(&self.tail),
        }
    }
}

impl<K: Clone + Send + Sync + 'static> Socket<K> {
    /// Sends a part of a file, with bytes before and behind it: one send, in its place among the others. The count of the
    /// completion includes all three. The system moves the file's bytes; a thread that does this may wait for the disk.
    ///
    /// If the file ends before the range does, the operation fails with `ENODATA`, having transferred what there was.
    ///
    /// # Errors
    /// As for [any send](Self#errors-1); what is in the range counts as bytes that wait to be sent. The file is of another
    /// kernel than the port, where one of them is simulated ([`InvalidInput`](std::io::ErrorKind::InvalidInput)).
    pub fn transmit(&self, transmit: Transmit) -> Result<OperationId, Refused<Box<Transmit>>> {
        let transmit = Box::new(transmit);
        if let Err(error) = self.association().raw().knows(&transmit.file) {
            let given = transmit;
            return Err(Refused { error, given });
        }
        let memory = Memory::Transmit(transmit);
        self.start(memory, Manner::Reported, Memory::into_transmit)
    }
}
