//! Lines of text.

use super::{Codec, Decoded, FrameError, Written};

/// Lines of UTF-8: each ends with `\n`, or with `\r\n`. The handler gets a line without its end. The last line before the end of
/// the stream may lack it.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Lines {
    /// So many bytes of the line were looked at.
    seen: usize,
}

impl Lines {
    /// Lines.
    pub fn new() -> Self {
        Lines::default()
    }

    /// A line to be sent: the text, and `\n` behind it.
    ///
    /// ```
    /// use wharf_server::codec::Lines;
    ///
    /// assert_eq!(Lines::frame("ahoy").to_vec(), b"ahoy\n");
    /// ```
    pub fn frame(text: &str) -> Written<'_> {
        Written::new(&[], text.as_bytes(), b"\n")
    }
}

impl Codec for Lines {
    type Frame<'a> = &'a str;

    fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<&'a str>, FrameError> {
        let found = memchr::memchr(b'\n', &bytes[self.seen..]);
        let Some(end) = found.map(|at| self.seen + at) else {
            self.seen = bytes.len();
            return Ok(Decoded::Incomplete(bytes.len() + 1));
        };
        self.seen = 0;
        let line = &bytes[..end];
        let line = text(line.strip_suffix(b"\r").unwrap_or(line))?;
        Ok(Decoded::Frame(line, end + 1))
    }

    fn decode_end<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<&'a str>, FrameError> {
        match bytes.is_empty() {
            true => Ok(None),
            false => text(bytes.strip_suffix(b"\r").unwrap_or(bytes)).map(Some),
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str, FrameError> {
    std::str::from_utf8(bytes).map_err(|_| FrameError::invalid("a line is not UTF-8"))
}
