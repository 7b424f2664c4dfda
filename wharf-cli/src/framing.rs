//! Frames: how `serve --frames` cuts bytes into them, and the frames that `bench --frames` sends.

use clap::ValueEnum;
use wharf_server::codec::{ByteOrder, LengthPrefixed};

/// The bytes of a frame of [`Framing::Fixed`].
pub const FIXED_BYTES: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Framing {
    /// No frames: what has arrived is sent back
    None,
    /// Lines of UTF-8, each with a line feed behind it
    Lines,
    /// A length of 1 byte before each frame
    U8,
    /// A length of 2 bytes before each frame, the most significant byte first
    U16,
    /// A length of 4 bytes before each frame, the most significant byte first
    U32,
    /// A length before each frame as Protocol Buffers write it, of 1 to 5 bytes
    Varint,
    /// A zero byte behind each frame
    Zero,
    /// 16 bytes each
    Fixed,
}

impl Framing {
    /// As it is written on the command line.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What reads the length before a frame, and writes it.
    pub fn lengths(self) -> Option<LengthPrefixed> {
        match self {
            Framing::U8 => Some(LengthPrefixed::u8()),
            Framing::U16 => Some(LengthPrefixed::u16(ByteOrder::BigEndian)),
            Framing::U32 => Some(LengthPrefixed::u32(ByteOrder::BigEndian)),
            Framing::Varint => Some(LengthPrefixed::varint()),
            Framing::None | Framing::Lines | Framing::Zero | Framing::Fixed => None,
        }
    }

    /// Whether there are frames of this size.
    ///
    /// # Errors
    /// There are not: which sizes there are.
    pub fn check(self, size: usize) -> Result<(), String> {
        match self {
            Framing::None => Ok(()),
            framing => framing
                .frame(size, &mut fastrand::Rng::with_seed(0))
                .map(drop),
        }
    }

    /// The frame that is so many bytes long with all that belongs to it, of these random bytes.
    ///
    /// # Errors
    /// There is none of that size: what sizes there are.
    pub fn frame(self, size: usize, random: &mut fastrand::Rng) -> Result<Vec<u8>, String> {
        let mut letters =
            |count: usize| -> Vec<u8> { (0..count).map(|_| random.alphanumeric() as u8).collect() };
        let sized = match self {
            Framing::None => Some(letters(size)),
            Framing::Lines => Some([&letters(size - 1)[..], b"\n"].concat()),
            Framing::Zero => Some([&letters(size - 1)[..], b"\0"].concat()),
            Framing::Fixed => (size == FIXED_BYTES).then(|| letters(size)),
            // The length has 1 to 5 bytes.
            Framing::U8 | Framing::U16 | Framing::U32 | Framing::Varint => {
                let lengths = self.lengths();
                (1..=size.min(5)).find_map(|head| {
                    let body = letters(size - head);
                    let frame = lengths?.frame(&body).ok()?.to_vec();
                    (frame.len() == size).then_some(frame)
                })
            }
        };
        sized.ok_or_else(|| {
            let sizes = match self {
                Framing::U8 => "it has 1 to 256",
                Framing::U16 => "it has 2 to 65537",
                Framing::U32 => "it has 4 or more",
                Framing::Varint => "its length would have another number of bytes; use one more",
                _ => "it has 16",
            };
            format!(
                "--size {size} is not the size of a frame of --frames {}: {sizes}",
                self.name()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(framing: Framing, size: usize) -> Result<Vec<u8>, String> {
        framing.frame(size, &mut fastrand::Rng::with_seed(1))
    }

    #[test]
    fn a_frame_has_the_size_that_it_is_asked_for() {
        for framing in Framing::value_variants() {
            let sizes = match framing {
                Framing::Fixed => 16..=16,
                Framing::U8 => 1..=256,
                Framing::U16 => 2..=65_537,
                Framing::U32 => 4..=70_000,
                _ => 1..=128,
            };
            for size in [*sizes.start(), *sizes.end()] {
                let frame = frame(*framing, size).expect("there is one");
                assert_eq!(frame.len(), size, "{framing:?}");
            }
            if *framing == Framing::U8 || *framing == Framing::Fixed {
                assert!(frame(*framing, sizes.end() + 1).is_err(), "{framing:?}");
            }
        }
        assert_eq!(frame(Framing::U16, 4).expect("there is one")[..2], [0, 2]);
        assert_eq!(frame(Framing::Lines, 3).expect("there is one")[2], b'\n');
    }

    #[test]
    fn a_size_that_no_frame_has_is_refused_with_those_that_frames_have() {
        // A length of 127 has one byte, and 128 has two.
        let refused = frame(Framing::Varint, 129).expect_err("there is none");
        assert!(refused.contains("--size 129"), "{refused}");
        assert!(frame(Framing::Varint, 130).is_ok());
        let refused = frame(Framing::U32, 3).expect_err("there is none");
        assert!(refused.contains("4 or more"), "{refused}");
    }
}
