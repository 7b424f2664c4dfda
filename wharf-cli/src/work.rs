//! The work protocol: requests that cost the server a time of the client's choice.
//!
//! A request is a frame of 16 bytes, little-endian: `id: u64`, `service_us: u32`, `kind: u8` (0 spin, 1 sleep), and 3
//! bytes that are zero. The server spends `service_us` microseconds in its handler, and sends the same frame back.
//!
//! This is where strangers' bytes are read: it is fuzzed (`fuzz/`), and so uses nothing but what it needs.

use std::time::Duration;

use clap::ValueEnum;

/// The bytes of a frame.
pub const FRAME_BYTES: usize = 16;

/// No request may hold a worker for longer, whatever a server allows.
pub const SERVICE_MAX: Duration = Duration::from_secs(10);

/// How a worker spends its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Compute. Only time on a processor counts
    Spin,
    /// Sleep, like a handler that waits for a disk or a database
    Sleep,
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub id: u64,
    pub service: Duration,
    pub kind: Kind,
}

impl Frame {
    /// The frame as it travels. Of the service time, whole microseconds do.
    pub fn encode(&self) -> [u8; FRAME_BYTES] {
        let service_us = u32::try_from(self.service.as_micros()).unwrap_or(u32::MAX);
        let mut bytes = [0; FRAME_BYTES];
        bytes[..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..12].copy_from_slice(&service_us.to_le_bytes());
        bytes[12] = match self.kind {
            Kind::Spin => 0,
            Kind::Sleep => 1,
        };
        bytes
    }

    /// Reads a frame. None if it is not of this protocol: an unknown kind, a longer time than
    /// [allowed](SERVICE_MAX), or other bytes than zero where they must be.
    pub fn decode(bytes: &[u8; FRAME_BYTES]) -> Option<Frame> {
        let (id, rest) = bytes.split_first_chunk()?;
        let (service_us, rest) = rest.split_first_chunk()?;
        let service_us = u32::from_le_bytes(*service_us);
        let service = Duration::from_micros(service_us.into());
        let kind = match rest {
            [0, 0, 0, 0] => Kind::Spin,
            [1, 0, 0, 0] => Kind::Sleep,
            _ => return None,
        };
        (service <= SERVICE_MAX).then_some(Frame {
            id: u64::from_le_bytes(*id),
            service,
            kind,
        })
    }
}

/// The bytes that a client sends, cut into frames as they come.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    /// As many at the beginning have been taken.
    taken: usize,
}

impl Frames {
    /// Adds what has come behind all that waits.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The first frame that is whole.
    pub fn first(&self) -> Option<&[u8; FRAME_BYTES]> {
        self.bytes.get(self.taken..)?.first_chunk()
    }

    /// Takes the first frame away.
    pub fn pop(&mut self) {
        self.taken = self.bytes.len().min(self.taken + FRAME_BYTES);
    }

    /// Gives memory back, if only the beginning of a frame is left: the rest of it may be long in coming.
    pub fn shrink(&mut self) {
        if self.first().is_none() {
            self.push(&[]);
            self.bytes.shrink_to_fit();
        }
    }

    /// Whether nothing waits, not even the beginning of a frame.
    pub fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_travels_as_it_is_documented() {
        let frame = Frame {
            id: 0x0807_0605_0403_0201,
            service: Duration::from_micros(0x000C_0B0A),
            kind: Kind::Sleep,
        };
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 0x0A, 0x0B, 0x0C, 0, 1, 0, 0, 0];
        assert_eq!(frame.encode(), bytes);
        assert_eq!(Frame::decode(&bytes), Some(frame));
    }

    #[test]
    fn what_is_not_of_the_protocol_is_refused() {
        let good = Frame {
            id: 1,
            service: SERVICE_MAX,
            kind: Kind::Spin,
        };
        assert_eq!(Frame::decode(&good.encode()), Some(good));
        let longer = Frame {
            service: SERVICE_MAX + Duration::from_micros(1),
            ..good
        };
        assert_eq!(Frame::decode(&longer.encode()), None);
        for (at, value) in [(12, 2), (13, 1), (15, 1)] {
            let mut bytes = good.encode();
            bytes[at] = value;
            assert_eq!(Frame::decode(&bytes), None, "byte {at} is {value}");
        }
    }

    #[test]
    fn a_stream_is_the_same_frames_however_it_is_cut() {
        let stream: Vec<u8> = (0..100).collect();
        for segment in 1..=stream.len() {
            let mut frames = Frames::default();
            let mut taken = Vec::new();
            for bytes in stream.chunks(segment) {
                frames.push(bytes);
                while let Some(frame) = frames.first() {
                    taken.extend_from_slice(frame);
                    frames.pop();
                }
                frames.shrink();
            }
            assert_eq!(taken, &stream[..96], "in segments of {segment}");
            assert!(!frames.is_empty());
        }
    }
}
