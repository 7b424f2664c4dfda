//! Framing: how the bytes of a client are cut into frames, and how frames are written.
//!
//! A stream has no messages: the network cuts its bytes where it likes. A [`Codec`] finds the frames in them. The
//! [`Handler`](crate::Handler) names the codec, and gets whole frames:
//!
//! | codec | a frame is | the handler gets |
//! |---|---|---|
//! | [`Raw`] | what has just arrived | a [`Buffer`] |
//! | [`Lines`] | a line, without its end | a `&str` |
//! | [`LengthPrefixed`] | as many bytes as a number before it says | a `&[u8]` |
//! | [`Delimited`] | all bytes up to a mark | a `&[u8]` |
//! | [`Fixed`] | so many bytes | a `&[u8]` |
//! | `Tokio`, by the feature `tokio-util` | what a decoder of tokio-util makes of the bytes | the decoder's item |
//!
//! A frame that arrived whole in one buffer is handed out where it lies, without a copy. The longest frame is a setting:
//! [`Settings::frame_bytes_max`](crate::Settings::frame_bytes_max). A client whose bytes are no frame is gone
//! ([`Ended::BadFrame`](crate::Ended::BadFrame)).
//!
//! The other way round, [`Lines::frame`], [`LengthPrefixed::frame`] and [`Delimited::frame`] put the bytes of a frame together
//! with what belongs around them, to be [sent](crate::Client::send).

mod delimited;
mod fixed;
mod length;
mod lines;
#[cfg(feature = "tokio-util")]
mod tokio_util;
mod written;

use std::{borrow::Cow, error::Error, fmt};

pub use delimited::Delimited;
pub use fixed::Fixed;
pub use length::{ByteOrder, LengthPrefixed};
pub use lines::Lines;
#[cfg(feature = "tokio-util")]
pub use tokio_util::Tokio;
use wharf::Buffer;
pub use written::Written;

/// Finds the frames in the bytes of one client: each client has a codec of its own
/// ([`Handler::codec`](crate::Handler::codec)), which may keep state from one call to the next.
///
/// ```
/// use wharf_server::codec::{Codec, Decoded, FrameError};
///
/// /// Numbers of two bytes, the most significant first; 0 is not allowed.
/// struct Numbers;
///
/// impl Codec for Numbers {
///     type Frame<'a> = u16;
///
///     fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<u16>, FrameError> {
///         match bytes {
///             [0, 0, ..] => Err(FrameError::invalid("a number is 0")),
///             [high, low, ..] => Ok(Decoded::Frame(u16::from_be_bytes([*high, *low]), 2)),
///             _ => Ok(Decoded::Incomplete(2)),
///         }
///     }
/// }
///
/// assert_eq!(Numbers.decode(&[1, 2, 3]), Ok(Decoded::Frame(258, 2)));
/// assert_eq!(Numbers.decode(&[3]), Ok(Decoded::Incomplete(2)));
/// ```
pub trait Codec: Send + 'static {
    /// What the handler gets. It may borrow the bytes.
    type Frame<'a>;

    /// Finds the first frame. `bytes` begins where the frame before ended; all that has arrived since may be there, or only a
    /// part of it. After a frame it is called with the bytes behind that, also if there are none; and again with the same bytes
    /// and more behind them, once they have arrived, if the frame is [incomplete](Decoded::Incomplete). A peer may send a frame
    /// byte by byte: a codec that searches remembers how far it has come, as [`Lines`] does, or bounds its search.
    ///
    /// # Errors
    /// The bytes are no frame, and what follows can't be understood either: the client is gone.
    fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<Self::Frame<'a>>, FrameError>;

    /// The peer has ended its side; these bytes, if there are any, are behind the last frame. A codec whose last frame may lack its
    /// end returns it.
    ///
    /// # Errors
    /// They are no frame. By default, if there are any: [`FrameError::Unfinished`].
    fn decode_end<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Self::Frame<'a>>, FrameError> {
        match bytes.len() {
            0 => Ok(None),
            bytes => Err(FrameError::Unfinished { bytes }),
        }
    }

    /// Makes one frame of a whole receive buffer, whatever is in it. By default it does not, and gives the buffer back.
    ///
    /// # Errors
    /// The buffer: [`decode`](Self::decode) is called with its bytes.
    fn decode_buffer(&mut self, buffer: Buffer) -> Result<Self::Frame<'static>, Buffer> {
        Err(buffer)
    }
}

/// What a codec finds at the front of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a codec makes it, and there is nothing else to be found"
)]
pub enum Decoded<F> {
    /// A frame, and how many bytes it takes, with all that belongs to it.
    Frame(F, usize),
    /// No frame: so many bytes, at least one, that are done with.
    Skip(usize),
    /// The frame has not arrived whole. It has at least so many bytes, as far as is known: the codec is not called again before
    /// so many are there. If that is no more than there are, one more is waited for.
    Incomplete(usize),
}

/// Why bytes are no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame is longer than the [longest](crate::Settings::frame_bytes_max).
    TooLong {
        /// The length of the frame, as far as it is known.
        bytes: usize,
        /// The longest frame.
        bytes_max: usize,
    },
    /// The peer ended its side within a frame.
    Unfinished {
        /// As many bytes of the frame had arrived.
        bytes: usize,
    },
    /// The bytes are no frame of this kind; the reason.
    Invalid(Cow<'static, str>),
}

impl FrameError {
    /// The bytes are no frame, for this reason.
    pub const fn invalid(reason: &'static str) -> Self {
        FrameError::Invalid(Cow::Borrowed(reason))
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLong { bytes, bytes_max } => write!(
                formatter,
                "a frame of {bytes} bytes or more, above the limit of {bytes_max} (frame_bytes_max)"
            ),
            FrameError::Unfinished { bytes } => {
                write!(formatter, "the end came after {bytes} bytes of a frame")
            }
            FrameError::Invalid(reason) => formatter.write_str(reason),
        }
    }
}

impl Error for FrameError {}

impl From<FrameError> for std::io::Error {
    /// Of the kind [`InvalidData`](std::io::ErrorKind::InvalidData), with the error inside.
    fn from(error: FrameError) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// No framing: the handler gets the bytes as they arrive, in the buffer that they were received into.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "it is written as `Raw`")]
pub struct Raw;

impl Codec for Raw {
    type Frame<'a> = Buffer;

    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded<Buffer>, FrameError> {
        Ok(match bytes.len() {
            0 => Decoded::Incomplete(1),
            len => Decoded::Frame(Buffer::from(bytes.to_vec()), len),
        })
    }

    fn decode_buffer(&mut self, buffer: Buffer) -> Result<Buffer, Buffer> {
        Ok(buffer)
    }
}
