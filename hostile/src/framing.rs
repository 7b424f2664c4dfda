//! How `wharf serve --frames` cuts bytes into frames: what polite clients say to it, and what hostile peers do.
//!
//! Written by hand and not by the library: it is the library that is tested.

use clap::ValueEnum;

/// Bytes of a frame of [`Framing::Fixed`].
const FIXED: usize = 16;

/// The server's --max-frame, by default.
const FRAME_MAX: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Framing {
    Lines,
    U8,
    U16,
    U32,
    Varint,
    Zero,
    Fixed,
}

impl Framing {
    pub fn name(self) -> &'static str {
        match self {
            Framing::Lines => "lines",
            Framing::U8 => "u8",
            Framing::U16 => "u16",
            Framing::U32 => "u32",
            Framing::Varint => "varint",
            Framing::Zero => "zero",
            Framing::Fixed => "fixed",
        }
    }

    /// At least `len` bytes, as frames.
    pub fn frames(self, number: usize, len: usize) -> Vec<u8> {
        let letters = |at: usize| b'a' + (at % 26) as u8;
        let body: Vec<u8> = (number..number + len).map(letters).collect();
        let longest = match self {
            Framing::U8 => 255,
            Framing::Fixed => FIXED,
            _ => len,
        };
        let frames = body.chunks(longest.max(1));
        frames.flat_map(|body| self.frame(body)).collect()
    }

    fn frame(self, body: &[u8]) -> Vec<u8> {
        let mut frame = self.head(body.len());
        frame.extend_from_slice(body);
        match self {
            Framing::Lines => frame.push(b'\n'),
            Framing::Zero => frame.push(0),
            Framing::Fixed => frame.resize(FIXED, b'.'),
            _ => {}
        }
        frame
    }

    /// What comes before so many bytes.
    fn head(self, len: usize) -> Vec<u8> {
        match self {
            Framing::U8 => vec![len as u8],
            Framing::U16 => (len as u16).to_be_bytes().to_vec(),
            Framing::U32 => (len as u32).to_be_bytes().to_vec(),
            Framing::Varint => {
                let mut bytes = Vec::new();
                let mut left = len;
                while left > 0x7F {
                    bytes.push((left & 0x7F) as u8 | 0x80);
                    left >>= 7;
                }
                bytes.push(left as u8);
                bytes
            }
            Framing::Lines | Framing::Zero | Framing::Fixed => Vec::new(),
        }
    }

    /// So many bytes of the smallest frames that there are.
    pub fn smallest(self, len: usize) -> Vec<u8> {
        let smallest = self.frame(&[]);
        smallest.iter().copied().cycle().take(len).collect()
    }

    /// The longest frame that the server takes.
    pub fn longest(self) -> Vec<u8> {
        let len = match self {
            Framing::U8 => 255,
            Framing::Fixed => FIXED,
            // The head, or what comes behind it, counts too.
            _ => FRAME_MAX - 5,
        };
        self.frame(&vec![b'x'; len])
    }

    /// What is no frame, each in another way. The last is only the beginning of one: it is none where nothing comes behind it.
    pub fn bad(self) -> Vec<Vec<u8>> {
        let endless = vec![b'x'; FRAME_MAX + 1];
        match self {
            Framing::Lines => vec![b"\xFF\xFE\n".to_vec(), endless, b"\xC3".to_vec()],
            Framing::U8 => vec![vec![2, 0]],
            Framing::U16 => vec![vec![0xFF; 2], vec![0xFF; 9_000], vec![0]],
            Framing::U32 => vec![vec![0xFF; 4], self.head(FRAME_MAX - 3), vec![0; 3]],
            Framing::Varint => vec![
                vec![0xFF; 10],
                b"\xFF\xFF\xFF\xFF\x7F".to_vec(),
                b"\x80\x80\x80\x80\x00".to_vec(),
                vec![0x80],
            ],
            Framing::Zero => vec![endless, vec![b'x'; 7]],
            Framing::Fixed => vec![vec![0; FIXED + 1]],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_they_are_documented() {
        let frames = |framing: Framing| framing.frames(0, 3);
        assert_eq!(frames(Framing::Lines), b"abc\n");
        assert_eq!(frames(Framing::U8), b"\x03abc");
        assert_eq!(frames(Framing::U16), b"\0\x03abc");
        assert_eq!(frames(Framing::U32), b"\0\0\0\x03abc");
        assert_eq!(frames(Framing::Varint), b"\x03abc");
        assert_eq!(frames(Framing::Zero), b"abc\0");
        assert_eq!(frames(Framing::Fixed), b"abc.............");
        assert_eq!(Framing::Varint.head(300), [0xAC, 2]);
        assert_eq!(Framing::U8.frames(0, 300).len(), 302);
        assert_eq!(Framing::U16.smallest(5), [0; 5]);
    }

    #[test]
    fn the_longest_frame_is_just_not_too_long() {
        for framing in Framing::value_variants() {
            assert!(framing.longest().len() <= FRAME_MAX, "{framing:?}");
        }
    }
}
