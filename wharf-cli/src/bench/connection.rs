//! A connection of the load: the requests that are under way on it, and how often making it failed.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use wharf::{OperationId, Socket};

use super::{content::Departure, http::Reading};

/// The first attempt to make a lost connection again is made at once, the next after this, and each later one after twice
/// as long as the one before, up to the longest.
const AGAIN: Duration = Duration::from_millis(10);
const AGAIN_MAX: Duration = Duration::from_secs(1);

/// Whose completion it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key {
    /// A connection: its place, and how many had the place before it.
    Connection(usize, u64),
    /// Connections of another thread were lost or made, so that the load is to be shared out anew.
    Shared,
    /// Told to end.
    Stop,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: Option<Socket<Key>>,
    pub(super) generation: u64,
    /// Its number in the run; the first ones are hot.
    pub(super) number: usize,
    /// What is under way, oldest first.
    pub(super) departures: VecDeque<Departure>,
    /// Bytes sent and received, as places in the stream.
    pub(super) sent: u64,
    pub(super) received: u64,
    /// What is being received over HTTP.
    pub(super) reading: Reading,
    /// Requests it has made.
    pub(super) made: u64,
    /// When it was begun, if it has not made a request since.
    pub(super) begun: Option<Instant>,
    /// The attempt to connect that is under way.
    pub(super) attempt: Option<OperationId>,
    /// It was there before and was lost, or could not be made before.
    pub(super) again: bool,
    /// How often in a row it was lost, or could not be made, without an answer between.
    pub(super) failures: u32,
    /// The last attempt to make it came to nothing.
    pub(super) is_refused: bool,
    /// How many addresses of ours had no port left when it was begun.
    pub(super) full_sources: usize,
    /// It is among those to be looked at for answers that do not come.
    pub(super) is_watched: bool,
}

impl Connection {
    /// A vacant place, for requests of `size` bytes.
    pub(super) fn new(number: usize, size: usize) -> Self {
        // Each in another place of the stream, so that an answer to another connection's request is a wrong one.
        let position = (number * 61 * size) as u64;
        Connection {
            socket: None,
            generation: 0,
            number,
            departures: VecDeque::new(),
            sent: position,
            received: position,
            reading: Reading::default(),
            made: 0,
            begun: None,
            attempt: None,
            again: false,
            failures: 0,
            is_refused: false,
            full_sources: 0,
            is_watched: false,
        }
    }

    /// The place without what was there. What completes of that is no longer for it.
    pub(super) fn vacated(&self, size: usize) -> Self {
        Connection {
            generation: self.generation + 1,
            failures: self.failures,
            is_refused: self.is_refused,
            ..Connection::new(self.number, size)
        }
    }

    /// So many bytes have come, of answers of `size` bytes each. Says how many answers are complete by them.
    pub(super) fn receive(&mut self, bytes: usize, size: usize) -> usize {
        let size = size as u64;
        let answered_before = self.received / size;
        self.received += bytes as u64;
        self.failures = 0;
        (self.received / size - answered_before) as usize
    }

    /// How long to wait before it is made again.
    pub(super) fn again_after(&self) -> Duration {
        match self.failures {
            0 | 1 => Duration::ZERO,
            failures => AGAIN
                .saturating_mul(1_u32.checked_shl(failures - 2).unwrap_or(u32::MAX))
                .min(AGAIN_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_is_lost_again_and_again_is_made_ever_less_often() {
        let mut connection = Connection::new(0, 64);
        let waits: Vec<u128> = [0, 1, 2, 3, 8, 9, 40, u32::MAX]
            .into_iter()
            .map(|failures| {
                connection.failures = failures;
                connection.again_after().as_millis()
            })
            .collect();
        assert_eq!(waits, [0, 0, 10, 20, 640, 1_000, 1_000, 1_000]);
    }

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let mut connection = Connection::new(7, 64);
        let answers = [63, 1, 64, 130, 62].map(|bytes| connection.receive(bytes, 64));
        assert_eq!(answers, [0, 1, 1, 2, 1]);
    }
}
