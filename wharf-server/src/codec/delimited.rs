//! Frames that end with a mark.

use std::borrow::Cow;

use super::{Codec, Decoded, FrameError, Written};

/// Frames of any bytes, each with a mark behind it. The handler gets a frame without the mark.
#[derive(Debug, Clone)]
pub struct Delimited {
    mark: Cow<'static, [u8]>,
    /// No mark begins before this place.
    seen: usize,
}

impl Delimited {
    /// Frames with this mark.
    ///
    /// # Panics
    /// If the mark is empty.
    pub fn new(mark: impl Into<Cow<'static, [u8]>>) -> Self {
        let mark = mark.into();
        assert!(!mark.is_empty(), "a mark has at least 1 byte");
        Delimited { mark, seen: 0 }
    }

    /// A frame to be sent: these bytes, and the mark behind them.
    ///
    /// # Panics
    /// If the mark has more than 16 bytes.
    pub fn frame<'a>(&self, bytes: &'a [u8]) -> Written<'a> {
        Written::new(&[], bytes, &self.mark)
    }
}

impl Codec for Delimited {
    type Frame<'a> = &'a [u8];

    fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<&'a [u8]>, FrameError> {
        let found = memchr::memmem::find(&bytes[self.seen..], &self.mark);
        let Some(end) = found.map(|at| self.seen + at) else {
            // The mark may have begun.
            self.seen = (bytes.len() + 1).saturating_sub(self.mark.len());
            return Ok(Decoded::Incomplete(bytes.len() + 1));
        };
        self.seen = 0;
        Ok(Decoded::Frame(&bytes[..end], end + self.mark.len()))
    }
}
