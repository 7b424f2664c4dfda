//! What is sent, and whether what comes back is the same, byte for byte.

use std::time::{Duration, Instant};

use bytes::Bytes;
use wharf::Payload;

use super::{
    connection::Connection,
    http::{CLOSED, Http},
    service::Service,
};
use crate::{
    framing::Framing,
    work::{FRAME_BYTES, Frame, Kind},
};

/// The stream of an echo repeats after so many bytes. A prime, so that it falls in step with no size; small, so that
/// it stays in the processor's nearest cache. A stream of frames repeats after as many frames as fit into it.
pub(super) const PERIOD: usize = 8_191;

/// Requests that leave together leave in one send, up to so many bytes.
const SEND_BYTES_MAX: usize = 64 << 10;

/// A request that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Departure {
    /// When it left, or should have left.
    pub(super) due: Instant,
    pub(super) left: Instant,
    /// The time that it asks for; nothing for an echo.
    pub(super) service: Duration,
    pub(super) id: u64,
    /// It asks for the path of `--also`.
    pub(super) is_also: bool,
}

/// What has come on a connection.
#[derive(Debug)]
pub(super) struct Taken {
    /// So many requests were answered, the oldest ones.
    pub(super) answered: usize,
    /// What has happened then, if the connection can't be used any more.
    pub(super) end: Option<End>,
}

/// Why a connection can't be used any more.
#[derive(Debug)]
pub(super) enum End {
    /// Other bytes have come than must; and what is wrong with them, if that is known.
    Wrong(Option<String>),
    /// The last answer said that it ends, which is no failure.
    Closed,
    /// It is lost, and why.
    Lost(String),
}

/// What requests are made of.
#[derive(Debug)]
pub(super) enum Content {
    Echo {
        stream: Bytes,
        /// The stream repeats after so many bytes.
        period: usize,
        size: usize,
    },
    Work {
        service: Service,
        kind: Kind,
    },
    Http(Box<Http>),
}

impl Content {
    /// Requests of `size` bytes, cut from a stream that is random but the same each time.
    ///
    /// # Panics
    /// If no frame has that size.
    pub(super) fn echo(framing: Framing, size: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(size as u64);
        let repeated: Vec<u8> = match framing {
            Framing::None => (0..PERIOD).map(|_| random.u8(..)).collect(),
            framing => (0..(PERIOD / size).max(1))
                .flat_map(|_| framing.frame(size, &mut random).expect("it was checked"))
                .collect(),
        };
        let period = repeated.len();
        let len = period + size.max(SEND_BYTES_MAX);
        let stream = repeated.iter().copied().cycle().take(len).collect();
        Content::Echo {
            stream,
            period,
            size,
        }
    }

    /// The bytes of a request, and of its answer; over HTTP, of what a request has as its body.
    pub(super) fn size(&self) -> usize {
        match self {
            Content::Echo { size, .. } => *size,
            Content::Work { .. } => FRAME_BYTES,
            Content::Http(http) => http.main.body_bytes(),
        }
    }

    /// The bytes of an answer, with all that belongs to it, if they are known.
    pub(super) fn answer_bytes(&self) -> Option<usize> {
        match self {
            Content::Echo { .. } | Content::Work { .. } => Some(self.size()),
            Content::Http(_) => None,
        }
    }

    pub(super) fn http(&self) -> Option<&Http> {
        match self {
            Content::Http(http) => Some(http),
            _ => None,
        }
    }

    /// How long the longest request takes that there is to be.
    pub(super) fn longest(&self) -> Duration {
        match self {
            Content::Echo { .. } | Content::Http(_) => Duration::ZERO,
            Content::Work { service, .. } => service.longest(),
        }
    }

    /// How many requests fit into one send.
    pub(super) fn requests_per_send(&self) -> usize {
        let bytes = match self {
            Content::Http(http) => http.request_bytes_max(),
            _ => self.size(),
        };
        (SEND_BYTES_MAX / bytes).max(1)
    }

    /// A request that leaves, and was due then or before.
    pub(super) fn request(
        &self,
        id: u64,
        due: Instant,
        left: Instant,
        random: &mut fastrand::Rng,
    ) -> Departure {
        let service = match self {
            Content::Echo { .. } | Content::Http(_) => Duration::ZERO,
            Content::Work { service, .. } => service.draw(random),
        };
        Departure {
            due,
            left,
            service,
            id,
            is_also: self.http().is_some_and(|http| http.draw(random)),
        }
    }

    /// The bytes of several requests, which start at `position` in what the connection sends.
    pub(super) fn payload<'a>(
        &self,
        position: u64,
        requests: impl ExactSizeIterator<Item = &'a Departure>,
    ) -> Payload {
        match self {
            Content::Echo {
                stream,
                period,
                size,
            } => {
                let start = offset(position, *period);
                stream.slice(start..start + size * requests.len()).into()
            }
            Content::Work { kind, .. } => {
                let frames: Vec<u8> = requests
                    .flat_map(|departure| frame(departure, *kind))
                    .collect();
                frames.into()
            }
            Content::Http(http) => http.payload(requests),
        }
    }

    /// Takes in what has come on a connection.
    pub(super) fn take_in(&self, connection: &mut Connection, bytes: &[u8]) -> Taken {
        let Connection {
            reading,
            departures,
            received,
            ..
        } = connection;
        match self {
            Content::Http(http) => {
                let taken = http.take_in(reading, bytes, departures);
                if taken.answered > 0 {
                    connection.failures = 0;
                }
                taken
            }
            _ if self.is_expected(*received, bytes, departures.iter()) => Taken {
                answered: connection.receive(bytes.len(), self.size()),
                end: None,
            },
            _ => Taken {
                answered: 0,
                end: Some(End::Wrong(None)),
            },
        }
    }

    /// The server has closed a connection. Says what that means for its requests.
    pub(super) fn take_close(&self, connection: &mut Connection) -> Taken {
        match self {
            Content::Http(http) => http.take_close(&mut connection.reading, &connection.departures),
            _ => Taken {
                answered: 0,
                end: Some(End::Lost(CLOSED.into())),
            },
        }
    }

    /// Whether these are the bytes that must come at `position` in what the connection receives, where `requests` is
    /// what has been sent and not been answered in full.
    fn is_expected<'a>(
        &self,
        mut position: u64,
        mut bytes: &[u8],
        requests: impl ExactSizeIterator<Item = &'a Departure>,
    ) -> bool {
        let size = self.size() as u64;
        let expected = requests.len() as u64 * size - position % size;
        if bytes.len() as u64 > expected {
            return false;
        }
        match self {
            Content::Echo { stream, period, .. } => {
                while !bytes.is_empty() {
                    let rest = &stream[offset(position, *period)..];
                    let (run, behind) = bytes.split_at(bytes.len().min(rest.len()));
                    if run != &rest[..run.len()] {
                        return false;
                    }
                    position += run.len() as u64;
                    bytes = behind;
                }
                true
            }
            Content::Work { kind, .. } => requests
                .flat_map(|departure| frame(departure, *kind))
                .skip((position % size) as usize)
                .zip(bytes)
                .all(|(expected, byte)| expected == *byte),
            Content::Http(_) => unreachable!("its answers are taken in one by one"),
        }
    }
}

fn offset(position: u64, period: usize) -> usize {
    (position % period as u64) as usize
}

fn frame(departure: &Departure, kind: Kind) -> [u8; FRAME_BYTES] {
    let frame = Frame {
        id: departure.id,
        service: departure.service,
        kind,
    };
    frame.encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn departures(content: &Content, count: u64) -> Vec<Departure> {
        let mut random = fastrand::Rng::with_seed(1);
        let now = Instant::now();
        (0..count)
            .map(|id| content.request(id, now, now, &mut random))
            .collect()
    }

    fn check(content: &Content) {
        let requests = departures(content, 5);
        let size = content.size();
        let position = 3 * size as u64;
        let payload = content.payload(position, requests.iter());
        assert_eq!(payload.len(), 5 * size);
        let is_expected = |at: usize, bytes: &[u8]| {
            let answered = at / size;
            content.is_expected(position + at as u64, bytes, requests[answered..].iter())
        };
        // In pieces of every length, what was sent is what must come.
        for cut in 0..payload.len() {
            assert!(is_expected(0, &payload[..cut]));
            assert!(is_expected(cut, &payload[cut..]));
        }
        // One byte that is other, missing or too many is seen.
        for at in 0..payload.len() {
            let mut other = payload.to_vec();
            other[at] ^= 1;
            assert!(!is_expected(0, &other), "byte {at} differs");
        }
        assert!(!is_expected(0, &payload[1..]));
        assert!(!is_expected(0, &[&payload[..], &[0]].concat()));
    }

    #[test]
    fn every_byte_of_an_echo_is_checked() {
        check(&Content::echo(Framing::None, 64));
        check(&Content::echo(Framing::None, 1));
        check(&Content::echo(Framing::None, 2_000));
    }

    #[test]
    fn every_byte_of_a_frame_is_checked() {
        check(&Content::echo(Framing::U32, 64));
        check(&Content::echo(Framing::Lines, 100));
    }

    #[test]
    fn every_byte_of_a_work_frame_is_checked() {
        let mean = Duration::from_millis(1);
        check(&Content::Work {
            service: Service::Exponential(mean),
            kind: Kind::Sleep,
        });
    }
}
