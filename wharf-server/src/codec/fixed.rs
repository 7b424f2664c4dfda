//! Frames of one size.

use super::{Codec, Decoded, FrameError};

/// Frames of so many bytes each.
#[derive(Debug, Clone, Copy)]
pub struct Fixed {
    bytes: usize,
}

impl Fixed {
    /// Frames of `bytes` bytes.
    ///
    /// # Panics
    /// If that is 0.
    pub fn new(bytes: usize) -> Self {
        assert!(bytes > 0, "a frame has at least 1 byte");
        Fixed { bytes }
    }
}

impl Codec for Fixed {
    type Frame<'a> = &'a [u8];

    fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<&'a [u8]>, FrameError> {
        Ok(match bytes.get(..self.bytes) {
            Some(frame) => Decoded::Frame(frame, self.bytes),
            None => Decoded::Incomplete(self.bytes),
        })
    }
}
