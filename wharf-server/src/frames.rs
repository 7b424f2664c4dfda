//! The frames of one client: what has arrived and was not handed to its handler.
//!
//! Frames are cut from the buffer that they were received into, where they lie whole. The beginning of a frame that has not
//! arrived whole is copied, so that the buffer goes back to its pool; the rest of the frame is copied behind it when it comes.
//! Where more is copied than the frame needed, the next frame is cut from the buffer all the same.

use wharf::Buffer;

use crate::codec::{Codec, Decoded, FrameError};

/// Where a codec can't tell how long a frame is, at least so many bytes at a time are copied behind its beginning.
const PIECE_BYTES: usize = 256;

/// So much memory is kept for the beginning of the next frame; more is given back.
const KEPT_BYTES: usize = 1_024;

/// What has arrived of one client's, and its codec.
#[derive(Debug)]
pub(crate) struct Frames<C> {
    codec: C,
    /// The beginning of a frame.
    partial: Vec<u8>,
    /// It is worth another look when it has so many bytes.
    wanted: usize,
    /// What follows, up to the end of what was received.
    rest: Buffer,
    /// So many bytes of that were used.
    used: usize,
    /// The codec has not said yet that it needs more bytes.
    is_open: bool,
}

/// What comes of a look for a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress<T> {
    /// A frame was handed out; what came of that.
    Frame(T),
    /// No whole frame is there.
    Incomplete,
}

impl<C: Codec> Frames<C> {
    pub(crate) fn new(codec: C) -> Self {
        Frames {
            codec,
            partial: Vec::new(),
            wanted: 0,
            rest: Buffer::default(),
            used: 0,
            is_open: false,
        }
    }

    /// A buffer was received, and all before it is handed out. If the codec makes one frame of it as it is, that is returned.
    pub(crate) fn receive(&mut self, buffer: Buffer) -> Option<C::Frame<'static>> {
        debug_assert!(!self.is_open, "all before it is handed out");
        let buffer = match self.partial.is_empty() {
            true => match self.codec.decode_buffer(buffer) {
                Ok(frame) => return Some(frame),
                Err(buffer) => buffer,
            },
            false => buffer,
        };
        self.rest = buffer;
        self.used = 0;
        self.is_open = true;
        None
    }

    /// The client is gone: what has arrived is dropped.
    pub(crate) fn clear(&mut self) {
        self.partial = Vec::new();
        self.give_back();
    }

    /// Whether there may be a whole frame.
    pub(crate) fn has_more(&self) -> bool {
        self.is_open
    }

    /// How many bytes have arrived that belong to no frame yet.
    pub(crate) fn bytes(&self) -> usize {
        self.partial.len() + self.rest.len() - self.used
    }

    /// Hands the next frame to `take`, if one is there whole, and says whether no byte follows it. No frame may be longer than
    /// `bytes_max`.
    pub(crate) fn next<T>(
        &mut self,
        bytes_max: usize,
        mut take: impl FnMut(C::Frame<'_>, bool) -> T,
    ) -> Result<Progress<T>, FrameError> {
        loop {
            if !self.partial.is_empty() && !self.complete_partial() {
                return Ok(Progress::Incomplete);
            }
            let is_partial = !self.partial.is_empty();
            let bytes = match is_partial {
                true => &self.partial[..],
                false => &self.rest[self.used..],
            };
            let len = bytes.len();
            let found = match self.codec.decode(bytes)? {
                Decoded::Incomplete(wanted) => Decoded::Incomplete(wanted.max(len + 1)),
                Decoded::Skip(0) => return Err(FrameError::invalid("a codec skips no byte")),
                Decoded::Skip(used) => Decoded::Skip(used),
                Decoded::Frame(frame, used) => {
                    check(used, bytes_max)?;
                    let is_last = used == len && (!is_partial || self.used == self.rest.len());
                    Decoded::Frame(take(frame, is_last), used)
                }
            };
            match found {
                Decoded::Frame(taken, used) => {
                    self.advance(used, is_partial);
                    return Ok(Progress::Frame(taken));
                }
                Decoded::Skip(used) => self.advance(used, is_partial),
                Decoded::Incomplete(wanted) => {
                    check(wanted, bytes_max)?;
                    self.wanted = wanted;
                    if !is_partial {
                        self.begin_partial();
                        return Ok(Progress::Incomplete);
                    }
                }
            }
        }
    }

    /// The peer has ended its side: hands out what is left, if the codec makes a frame of that.
    pub(crate) fn end<T>(
        &mut self,
        take: impl FnOnce(C::Frame<'_>) -> T,
    ) -> Result<Option<T>, FrameError> {
        let bytes = std::mem::take(&mut self.partial);
        Ok(self.codec.decode_end(&bytes)?.map(take))
    }

    /// Copies what follows behind the beginning of a frame, until another look is worthwhile; returns whether it is.
    fn complete_partial(&mut self) -> bool {
        let missing = self.wanted - self.partial.len();
        // Where one more byte is wanted, it is not known how many there will be. Each time as many as there are, so that a codec
        // looks at each byte a few times at most.
        let piece = match missing {
            1 => PIECE_BYTES.max(self.partial.len()),
            missing => missing,
        };
        let rest = &self.rest[self.used..];
        let piece = &rest[..piece.min(rest.len())];
        // At least twice as much each time, and no more than is known to come.
        let more = missing.min(self.partial.len()).max(piece.len());
        self.partial.reserve_exact(more);
        self.partial.extend_from_slice(piece);
        self.used += piece.len();
        let is_enough = self.partial.len() >= self.wanted;
        if !is_enough {
            self.give_back();
        }
        is_enough
    }

    /// The rest is the beginning of a frame.
    fn begin_partial(&mut self) {
        let bytes = &self.rest[self.used..];
        if !bytes.is_empty() {
            // As much as is known to come, but no more than has come many times over: the peer may not mean it.
            let room = self
                .wanted
                .min(bytes.len().saturating_mul(8).max(KEPT_BYTES));
            self.partial.reserve_exact(room);
            self.partial.extend_from_slice(bytes);
        }
        self.give_back();
    }

    /// So many bytes are done with.
    fn advance(&mut self, used: usize, is_partial: bool) {
        if !is_partial {
            self.used += used;
            return;
        }
        // What was copied behind the frame is in the buffer too: the next frame is cut from there.
        let behind = self.partial.len() - used;
        if behind <= self.used {
            self.used -= behind;
            self.partial.clear();
            self.partial.shrink_to(KEPT_BYTES);
        } else {
            self.partial.drain(..used);
            self.wanted = self.partial.len();
        }
    }

    /// All that has arrived is looked at.
    fn give_back(&mut self) {
        self.rest = Buffer::default();
        self.used = 0;
        self.is_open = false;
    }
}

fn check(bytes: usize, bytes_max: usize) -> Result<(), FrameError> {
    match bytes > bytes_max {
        true => Err(FrameError::TooLong { bytes, bytes_max }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{ByteOrder, Delimited, Fixed, LengthPrefixed, Lines};

    const BYTES_MAX: usize = 40;

    /// The frames that come of these pieces, and whether an error ended them.
    fn frames<C: Codec>(
        codec: C,
        pieces: &[&[u8]],
        show: impl Fn(C::Frame<'_>) -> Vec<u8>,
    ) -> (Vec<Vec<u8>>, bool) {
        let mut frames = Frames::new(codec);
        let mut all = Vec::new();
        for piece in pieces {
            let mut buffer = Buffer::with_capacity(piece.len());
            buffer.copy_from(piece);
            if let Some(frame) = frames.receive(buffer) {
                all.push(show(frame));
            }
            while frames.has_more() {
                match frames.next(BYTES_MAX, |frame, _| show(frame)) {
                    Ok(Progress::Frame(frame)) => all.push(frame),
                    Ok(Progress::Incomplete) => {}
                    Err(_) => return (all, true),
                }
            }
            assert!(frames.bytes() <= BYTES_MAX, "more is kept than a frame");
        }
        (all, false)
    }

    /// Streams of these bytes, cut anywhere, are the same frames as in one piece.
    fn check<C: Codec + Clone>(
        codec: &C,
        alphabet: &[u8],
        show: impl Fn(C::Frame<'_>) -> Vec<u8> + Copy,
    ) {
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let stream: Vec<u8> = (0..random.usize(1..200))
                .map(|_| alphabet[random.usize(..alphabet.len())])
                .collect();
            let whole = frames(codec.clone(), &[&stream], show);
            let mut pieces = Vec::new();
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(random.usize(1..=rest.len().min(50)));
                pieces.push(piece);
                rest = behind;
            }
            assert_eq!(frames(codec.clone(), &pieces, show), whole, "seed {seed}");
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(frames(codec.clone(), &bytes, show), whole, "seed {seed}");
        }
    }

    #[test]
    fn frames_are_the_same_however_the_stream_is_cut() {
        let text = |line: &str| line.as_bytes().to_vec();
        check(&Lines::new(), b"abcdefgh\r\n\n", text);
        check(&Lines::new(), b"abcdefghijklmnop\xC3\xA9\n\n", text);
        let bytes = |frame: &[u8]| frame.to_vec();
        check(&Delimited::new(b"\r\n\r\n"), b"\r\n\r\n\r\n\r\na", bytes);
        check(&Delimited::new(b"\0"), b"abcdefghijklmnopqrst\0", bytes);
        check(&Fixed::new(7), b"abc", bytes);
        check(&LengthPrefixed::u8(), &[0, 1, 2, 3, 30, 39, 40], bytes);
        check(&LengthPrefixed::varint(), &[0, 1, 2, 9, 0x80, 0x81], bytes);
        for order in [ByteOrder::BigEndian, ByteOrder::LittleEndian] {
            let small = [0, 0, 0, 1, 5];
            check(&LengthPrefixed::u16(order), &small, bytes);
            check(&LengthPrefixed::u32(order), &[0, 0, 0, 0, 0, 1], bytes);
            let itself = LengthPrefixed::u16(order).counting_itself();
            check(&itself, &[0, 0, 2, 3, 9], bytes);
        }
    }
}
