//! The work protocol: requests that cost the server a time of the client's choice.
//!
//! A request is a frame of 16 bytes, little-endian: `id: u64`, `service_us: u32`, `kind: u8` (0 spin, 1 sleep) and 3 bytes
//! that are zero. The server spends `service_us` microseconds in its handler, then sends the same frame back. It takes
//! the frames of a connection in order. What is not of the protocol ends the connection.

use std::{hint, io, num::NonZeroU64, thread, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// The bytes of a frame.
pub const FRAME_BYTES: usize = 16;

/// A frame, as it travels.
pub type Frame = [u8; FRAME_BYTES];

/// No request may ask for longer.
const SERVICE_MAX: Duration = Duration::from_secs(10);

/// What a frame asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// To compute for so long: on the thread's own processor clock, so that it does not end sooner where the thread has
    /// to share its processor.
    Spin(Duration),
    /// To block the thread for so long, and to tell no runtime.
    Sleep(Duration),
}

impl Request {
    /// Reads a frame. An error if it is not of the protocol.
    pub fn read(frame: &Frame) -> io::Result<Request> {
        // The first 8 bytes are the client's, to know its requests by.
        let [_, _, _, _, _, _, _, _, us0, us1, us2, us3, kind, zeros @ ..] = *frame;
        let service = Duration::from_micros(u32::from_le_bytes([us0, us1, us2, us3]).into());
        match kind {
            0 if zeros == [0; 3] && service <= SERVICE_MAX => Ok(Request::Spin(service)),
            1 if zeros == [0; 3] && service <= SERVICE_MAX => Ok(Request::Sleep(service)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Spends the time that is asked for, on the calling thread.
    pub fn serve(self) {
        match self {
            Request::Sleep(service) => {
                // Else the kernel may make the sleep 50 us longer (prctl(2), PR_SET_TIMERSLACK).
                let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
                thread::sleep(service);
            }
            Request::Spin(service) => {
                let end = processor_time() + service;
                while processor_time() < end {
                    hint::spin_loop();
                }
            }
        }
    }
}

/// Does what a frame asks for, on the calling thread. An error if it is not of the protocol.
pub fn serve(frame: &Frame) -> io::Result<()> {
    Request::read(frame)?.serve();
    Ok(())
}

/// Cuts what a connection receives into frames. They may come in pieces, and many at once.
#[derive(Debug, Default)]
pub struct Cutter {
    /// The frame that has begun to arrive.
    begun: Frame,
    /// The bytes of it that are here.
    length: usize,
}

impl Cutter {
    /// Takes the next frame off the front of what has been received. None once all of it is taken; what is left of a
    /// frame then waits here for the rest of it.
    pub fn next(&mut self, received: &mut &[u8]) -> Option<Frame> {
        let missing = &mut self.begun[self.length..];
        let (piece, later) = received.split_at(missing.len().min(received.len()));
        missing[..piece.len()].copy_from_slice(piece);
        *received = later;
        self.length += piece.len();
        if self.length < FRAME_BYTES {
            return None;
        }
        self.length = 0;
        Some(self.begun)
    }
}

/// The processor time that the calling thread has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is ever negative.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn frame(id: u8, service_us: u32, kind: u8) -> Frame {
        let mut frame = [0; FRAME_BYTES];
        frame[0] = id;
        frame[8..12].copy_from_slice(&service_us.to_le_bytes());
        frame[12] = kind;
        frame
    }

    #[test]
    fn a_frame_is_read_as_it_is_documented() {
        let spin = [1, 2, 3, 4, 5, 6, 7, 8, 0x0A, 0x0B, 0x0C, 0, 0, 0, 0, 0];
        let service = Duration::from_micros(0x000C_0B0A);
        assert_eq!(Request::read(&spin).unwrap(), Request::Spin(service));
        let sleep = frame(1, 10_000_000, 1);
        assert_eq!(Request::read(&sleep).unwrap(), Request::Sleep(SERVICE_MAX));
    }

    #[test]
    fn what_is_not_of_the_protocol_is_refused() {
        let mut refused = vec![frame(1, 0, 2), frame(1, 0, 255)];
        refused.extend([frame(1, 10_000_001, 0), frame(1, u32::MAX, 1)]);
        for at in 13..FRAME_BYTES {
            let mut padded = frame(1, 0, 1);
            padded[at] = 1;
            refused.push(padded);
        }
        for frame in refused {
            let error = Request::read(&frame).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{frame:?}");
        }
    }

    #[test]
    fn frames_are_the_same_however_they_are_cut() {
        let frames: Vec<Frame> = (0..20).map(|id| frame(id, 7, 1)).collect();
        let stream = frames.concat();
        for piece_bytes in 1..=stream.len() {
            let mut cutter = Cutter::default();
            let mut found = Vec::new();
            for mut piece in stream.chunks(piece_bytes) {
                while let Some(frame) = cutter.next(&mut piece) {
                    found.push(frame);
                }
                assert!(piece.is_empty());
            }
            assert_eq!(found, frames, "in pieces of {piece_bytes}");
        }
    }

    #[test]
    fn half_a_frame_is_none() {
        let mut cutter = Cutter::default();
        assert_eq!(cutter.next(&mut &[0; FRAME_BYTES - 1][..]), None);
        assert_eq!(cutter.next(&mut &[][..]), None);
        assert_eq!(cutter.next(&mut &[1][..]).unwrap()[FRAME_BYTES - 1], 1);
    }

    #[test]
    fn a_spin_uses_the_processor_for_as_long_as_asked() {
        let before = processor_time();
        serve(&frame(1, 3_000, 0)).unwrap();
        assert!(processor_time() - before >= Duration::from_millis(3));
    }

    #[test]
    fn a_sleep_takes_as_long_as_asked_and_hardly_uses_the_processor() {
        let (began, before) = (Instant::now(), processor_time());
        serve(&frame(1, 30_000, 1)).unwrap();
        assert!(began.elapsed() >= Duration::from_millis(30));
        assert!(processor_time() - before < Duration::from_millis(15));
    }
}
