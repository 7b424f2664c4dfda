//! Frames with their length before them.

use super::{Codec, Decoded, FrameError, Written};

/// The most bytes of a length that is written as a varint: seven bits a byte, up to 32 bits.
const VARINT_MAX: usize = 5;

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum ByteOrder {
    /// The most significant: network byte order.
    BigEndian,
    /// The least significant.
    LittleEndian,
}

/// Frames with their length before them: a number of 1, 2 or 4 bytes, or a varint. The handler gets a frame without it.
///
/// ```
/// use wharf_server::codec::{ByteOrder, Codec, Decoded, LengthPrefixed};
///
/// let mut frames = LengthPrefixed::u16(ByteOrder::BigEndian);
/// assert_eq!(frames.frame(b"ahoy")?.to_vec(), b"\0\x04ahoy");
/// assert_eq!(frames.decode(b"\0\x04ahoy\0")?, Decoded::Frame(&b"ahoy"[..], 6));
/// assert_eq!(frames.decode(b"\0\x04ah")?, Decoded::Incomplete(6));
///
/// // Where the number says the length of all, itself too:
/// let of_all = LengthPrefixed::u16(ByteOrder::BigEndian).counting_itself();
/// assert_eq!(of_all.frame(b"ahoy")?.to_vec(), b"\0\x06ahoy");
/// # Ok::<(), wharf_server::codec::FrameError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthPrefixed {
    number: Number,
    counts_itself: bool,
}

/// How the length is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    U8,
    U16(ByteOrder),
    U32(ByteOrder),
    Varint,
}

impl LengthPrefixed {
    /// The length is 1 byte.
    pub const fn u8() -> Self {
        Self::of(Number::U8)
    }

    /// The length is 2 bytes.
    pub const fn u16(order: ByteOrder) -> Self {
        Self::of(Number::U16(order))
    }

    /// The length is 4 bytes.
    pub const fn u32(order: ByteOrder) -> Self {
        Self::of(Number::U32(order))
    }

    /// The length is a varint, as Protocol Buffers write it: seven bits a byte, the least significant first, and the highest
    /// bit says that more follow. At most 5 bytes, for lengths of up to 32 bits.
    pub const fn varint() -> Self {
        Self::of(Number::Varint)
    }

    const fn of(number: Number) -> Self {
        LengthPrefixed {
            number,
            counts_itself: false,
        }
    }

    /// The length is that of the whole: the number and the frame.
    ///
    /// # Panics
    /// For a varint, whose own length is not known in advance.
    pub const fn counting_itself(mut self) -> Self {
        assert!(
            !matches!(self.number, Number::Varint),
            "a varint's own length is not known in advance"
        );
        self.counts_itself = true;
        self
    }

    /// A frame to be sent: the length, and these bytes behind it.
    ///
    /// # Errors
    /// [`TooLong`](FrameError::TooLong): the number can't say so much.
    pub fn frame<'a>(&self, bytes: &'a [u8]) -> Result<Written<'a>, FrameError> {
        let more = if self.counts_itself {
            self.number.size()
        } else {
            0
        };
        let most = self.number.most() as usize - more;
        if bytes.len() > most {
            return Err(FrameError::TooLong {
                bytes: bytes.len(),
                bytes_max: most,
            });
        }
        let (before, len) = self.number.write((bytes.len() + more) as u32);
        Ok(Written::new(&before[..len], bytes, &[]))
    }
}

impl Number {
    /// How many bytes it has, at least.
    const fn size(self) -> usize {
        match self {
            Number::U8 | Number::Varint => 1,
            Number::U16(_) => 2,
            Number::U32(_) => 4,
        }
    }

    /// The most that it can say.
    const fn most(self) -> u32 {
        match self {
            Number::U8 => u8::MAX as u32,
            Number::U16(_) => u16::MAX as u32,
            Number::U32(_) | Number::Varint => u32::MAX,
        }
    }

    /// Reads the number; returns it and how many bytes it has. None: more bytes are needed.
    fn read(self, bytes: &[u8]) -> Result<Option<(u32, usize)>, FrameError> {
        let number = match (self, bytes) {
            (Number::U8, [a, ..]) => u32::from(*a),
            (Number::U16(ByteOrder::BigEndian), [a, b, ..]) => {
                u32::from(u16::from_be_bytes([*a, *b]))
            }
            (Number::U16(ByteOrder::LittleEndian), [a, b, ..]) => {
                u32::from(u16::from_le_bytes([*a, *b]))
            }
            (Number::U32(ByteOrder::BigEndian), [a, b, c, d, ..]) => {
                u32::from_be_bytes([*a, *b, *c, *d])
            }
            (Number::U32(ByteOrder::LittleEndian), [a, b, c, d, ..]) => {
                u32::from_le_bytes([*a, *b, *c, *d])
            }
            (Number::Varint, bytes) => return read_varint(bytes),
            _ => return Ok(None),
        };
        Ok(Some((number, self.size())))
    }

    /// The number's bytes, and how many they are.
    fn write(self, number: u32) -> ([u8; VARINT_MAX], usize) {
        let mut bytes = [0; VARINT_MAX];
        let mut put = |from: &[u8]| {
            bytes[..from.len()].copy_from_slice(from);
            from.len()
        };
        let len = match self {
            Number::U8 => put(&[number as u8]),
            Number::U16(ByteOrder::BigEndian) => put(&(number as u16).to_be_bytes()),
            Number::U16(ByteOrder::LittleEndian) => put(&(number as u16).to_le_bytes()),
            Number::U32(ByteOrder::BigEndian) => put(&number.to_be_bytes()),
            Number::U32(ByteOrder::LittleEndian) => put(&number.to_le_bytes()),
            Number::Varint => return write_varint(number),
        };
        (bytes, len)
    }
}

fn read_varint(bytes: &[u8]) -> Result<Option<(u32, usize)>, FrameError> {
    let mut number = 0;
    for (index, &byte) in bytes.iter().take(VARINT_MAX).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let number = u32::try_from(number)
                .map_err(|_| FrameError::invalid("a length of more than 32 bits"))?;
            return Ok(Some((number, index + 1)));
        }
    }
    match bytes.len() < VARINT_MAX {
        true => Ok(None),
        false => Err(FrameError::invalid("a length of more than 5 bytes")),
    }
}

fn write_varint(mut number: u32) -> ([u8; VARINT_MAX], usize) {
    let mut bytes = [0; VARINT_MAX];
    let mut len = 0;
    loop {
        let more = number > 0x7f;
        bytes[len] = (number & 0x7f) as u8 | u8::from(more) << 7;
        len += 1;
        number >>= 7;
        if !more {
            return (bytes, len);
        }
    }
}

impl Codec for LengthPrefixed {
    type Frame<'a> = &'a [u8];

    fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<&'a [u8]>, FrameError> {
        let Some((number, size)) = self.number.read(bytes)? else {
            let least = self.number.size().max(bytes.len() + 1);
            return Ok(Decoded::Incomplete(least));
        };
        let number = number as usize;
        let end = match self.counts_itself {
            false => size.saturating_add(number),
            true if number >= size => number,
            true => {
                return Err(FrameError::invalid(
                    "a length that is less than that of itself",
                ));
            }
        };
        Ok(match bytes.get(size..end) {
            Some(frame) => Decoded::Frame(frame, end),
            None => Decoded::Incomplete(end),
        })
    }
}
