//! A part of a file to send, with memory before and behind it.

use std::{ops::Range, sync::Arc};

use super::{Payload, readable};
use crate::{driver::Descriptor, raw};

/// What [`Socket::transmit`](crate::Socket::transmit) sends: `head`, the bytes of the file in `range`, `tail`.
///
/// The file is shared, so that it can be sent to many at once: `Arc::new(file.into())`, with a [`std::fs::File`].
#[derive(Debug)]
#[non_exhaustive]
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
            head: Payload::from(b""),
            file,
            range,
            tail: Payload::from(b""),
        }
    }

    /// Sends this before the file.
    #[must_use]
    pub fn with_head(mut self, head: impl Into<Payload>) -> Self {
        self.head = head.into();
        self
    }

    /// Sends this behind the file.
    #[must_use]
    pub fn with_tail(mut self, tail: impl Into<Payload>) -> Self {
        self.tail = tail.into();
        self
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
