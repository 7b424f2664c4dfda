//! `--http`: the requests that are made, and whether the answers are what they must be.

use std::{collections::VecDeque, mem, ops::Range, sync::OnceLock};

use bytes::Bytes;
use crc32fast::Hasher;
use wharf::Payload;

use super::{
    content::{Departure, End, PERIOD, Taken},
    http_path::Also,
    outcome::Outcome,
};
use crate::http_answer::{Answers, Part};

/// What is asked for over HTTP.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) main: Target,
    /// What some of the requests ask for in its stead, and how many of them, in percent.
    pub(super) also: Option<(f64, Target)>,
}

/// A path, the requests for it, and what they are answered with.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) method: &'static str,
    pub(super) path: String,
    /// Requests of the same length, one behind another.
    requests: Bytes,
    request_bytes: usize,
    /// Of each, so much stands before its body.
    head_bytes: usize,
    expected: Expected,
}

/// The body that an answer must have.
#[derive(Debug)]
pub(super) enum Expected {
    /// That of the request.
    Echo,
    Text(Bytes),
    /// That of the first answer.
    First(OnceLock<Body>),
}

/// What is kept of a body, since there may be many under way, and large ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Body {
    bytes: u64,
    checksum: u32,
}

/// What a connection is receiving.
#[derive(Debug, Default)]
pub(super) struct Reading {
    answers: Answers,
    /// What has come of the body.
    bytes: u64,
    checksum: Hasher,
}

impl Http {
    /// Requests to this server: GET, or POST with a body of `post` bytes. Their answers have the body `answer`, if that is
    /// known.
    pub(super) fn new(
        server: &str,
        path: &str,
        post: Option<usize>,
        answer: Option<&str>,
        also: Option<&Also>,
    ) -> Self {
        let expected = match (answer, post) {
            (Some(text), _) => Expected::Text(Bytes::copy_from_slice(text.as_bytes())),
            (None, Some(_)) => Expected::Echo,
            (None, None) => Expected::First(OnceLock::new()),
        };
        let main = match post {
            Some(size) => Target::post(server, path, size, expected),
            None => Target::get(server, path, expected),
        };
        let also = also.map(|also| {
            let expected = Expected::First(OnceLock::new());
            (also.percent, Target::get(server, &also.path, expected))
        });
        Http { main, also }
    }

    /// Whether the next request is for the other path.
    pub(super) fn draw(&self, random: &mut fastrand::Rng) -> bool {
        let also = self.also.as_ref();
        also.is_some_and(|(percent, _)| random.f64() * 100.0 < *percent)
    }

    /// The bytes of the longest request.
    pub(super) fn request_bytes_max(&self) -> usize {
        let also = self.also.as_ref();
        let also = also.map_or(0, |(_, target)| target.request_bytes);
        self.main.request_bytes.max(also)
    }

    /// The bytes of several requests.
    pub(super) fn payload<'a>(
        &self,
        mut requests: impl ExactSizeIterator<Item = &'a Departure>,
    ) -> Payload {
        match (requests.len(), requests.next()) {
            // Of a large one there is no copy.
            (1, Some(departure)) => {
                let target = self.target(departure);
                target.requests.slice(target.place(departure)).into()
            }
            (count, first) => {
                let mut bytes = Vec::with_capacity(count * self.request_bytes_max());
                for departure in first.into_iter().chain(requests) {
                    let target = self.target(departure);
                    bytes.extend_from_slice(&target.requests[target.place(departure)]);
                }
                bytes.into()
            }
        }
    }

    /// Takes in what a connection has received that has these requests under way.
    pub(super) fn take_in(
        &self,
        reading: &mut Reading,
        mut bytes: &[u8],
        requests: &VecDeque<Departure>,
    ) -> Taken {
        let mut answered = 0;
        let end = loop {
            let part = match reading.answers.next(&mut bytes) {
                Ok(None) => break None,
                Ok(Some(part)) => part,
                Err(malformed) => break Some(wrong(format!("no HTTP/1.1, since {malformed}"))),
            };
            let Some(request) = requests.get(answered) else {
                break Some(wrong("one that no request has asked for"));
            };
            let target = self.target(request);
            let checked = match part {
                Part::Head { status: 200 } => Ok(()),
                Part::Head { status } => Err(format!("status {status}")),
                Part::Body(piece) => target.check_piece(reading, piece, request),
                Part::End { .. } => target.check_end(reading),
            };
            if let Err(what) = checked {
                break Some(wrong(what));
            }
            if let Part::End { closes } = part {
                answered += 1;
                if closes {
                    break Some(End::Closed);
                }
            }
        };
        Taken { answered, end }
    }

    /// The server has closed a connection that has these requests under way.
    pub(super) fn take_close(
        &self,
        reading: &mut Reading,
        requests: &VecDeque<Departure>,
    ) -> Taken {
        let is_between = reading.answers.is_between();
        let (answered, end) = match requests.front() {
            Some(request) if reading.answers.closed() => {
                match self.target(request).check_end(reading) {
                    Ok(()) => (1, End::Closed),
                    Err(what) => (0, wrong(what)),
                }
            }
            _ if is_between => (0, End::Lost(CLOSED.into())),
            _ => (0, End::Lost(format!("{CLOSED} within an answer"))),
        };
        Taken {
            answered,
            end: Some(end),
        }
    }

    /// The bytes of the bodies of all requests that count, and of their answers.
    pub(super) fn bytes(&self, outcome: &Outcome) -> [f64; 2] {
        let main = (outcome.requests - outcome.also_requests) as f64;
        let received = |target: &Target| target.answer_bytes().unwrap_or_default() as f64;
        let also = self.also.as_ref().map_or(0.0, |(_, target)| {
            outcome.also_requests as f64 * received(target)
        });
        let sent = main * self.main.body_bytes() as f64;
        [sent, main * received(&self.main) + also]
    }

    fn target(&self, request: &Departure) -> &Target {
        match &self.also {
            Some((_, target)) if request.is_also => target,
            _ => &self.main,
        }
    }
}

/// Why a connection is lost that the server has closed.
pub(super) const CLOSED: &str = "receive: the server has closed the connection";

fn wrong(what: impl Into<String>) -> End {
    End::Wrong(Some(format!("answer: {}", what.into())))
}

impl Target {
    fn get(server: &str, path: &str, expected: Expected) -> Self {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n");
        let head_bytes = head.len();
        Target {
            method: "GET",
            path: path.to_owned(),
            requests: head.into(),
            request_bytes: head_bytes,
            head_bytes,
            expected,
        }
    }

    fn post(server: &str, path: &str, size: usize, expected: Expected) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/octet-stream\r\n\
             Content-Length: {size}\r\n\r\n"
        );
        // Bodies that follow each other differ, if they are small, so that an answer to another request is a wrong one.
        let count = (PERIOD / size).max(1);
        let mut random = fastrand::Rng::with_seed(size as u64);
        let mut requests = Vec::with_capacity(count * (head.len() + size));
        for _ in 0..count {
            requests.extend_from_slice(head.as_bytes());
            requests.extend((0..size).map(|_| random.u8(..)));
        }
        Target {
            method: "POST",
            path: path.to_owned(),
            requests: requests.into(),
            request_bytes: head.len() + size,
            head_bytes: head.len(),
            expected,
        }
    }

    /// The bytes of a request's body.
    pub(super) fn body_bytes(&self) -> usize {
        self.request_bytes - self.head_bytes
    }

    /// What answers are compared with, for programs.
    pub(super) fn checked_against(&self) -> &'static str {
        match &self.expected {
            Expected::Echo => "echo",
            Expected::Text(_) => "text",
            Expected::First(_) => "first",
        }
    }

    /// The bytes of each answer's body, if they are known.
    pub(super) fn answer_bytes(&self) -> Option<u64> {
        match &self.expected {
            Expected::Echo => Some(self.body_bytes() as u64),
            Expected::Text(text) => Some(text.len() as u64),
            Expected::First(first) => Some(first.get()?.bytes),
        }
    }

    /// Where a request is among the [requests](Self::requests).
    fn place(&self, departure: &Departure) -> Range<usize> {
        let count = self.requests.len() / self.request_bytes;
        let start = (departure.id % count as u64) as usize * self.request_bytes;
        start..start + self.request_bytes
    }

    /// Checks a piece of an answer's body.
    fn check_piece(
        &self,
        reading: &mut Reading,
        piece: &[u8],
        request: &Departure,
    ) -> Result<(), String> {
        let at = reading.bytes;
        reading.bytes += piece.len() as u64;
        if let Some(bytes) = self.answer_bytes()
            && reading.bytes > bytes
        {
            return Err(format!("a body that is longer than {bytes} bytes"));
        }
        let is_equal = match &self.expected {
            Expected::Echo => {
                let request = &self.requests[self.place(request)];
                piece_of(&request[self.head_bytes..], at, piece)
            }
            Expected::Text(text) => piece_of(text, at, piece),
            Expected::First(_) => {
                reading.checksum.update(piece);
                true
            }
        };
        match is_equal {
            true => Ok(()),
            false => Err(self.other_body()),
        }
    }

    /// Checks an answer that has come to its end.
    fn check_end(&self, reading: &mut Reading) -> Result<(), String> {
        let hasher = &mut reading.checksum;
        let body = Body {
            bytes: mem::take(&mut reading.bytes),
            checksum: hasher.clone().finalize(),
        };
        hasher.reset();
        let expected = self.answer_bytes();
        match &self.expected {
            Expected::First(first) if *first.get_or_init(|| body) != body => Err(self.other_body()),
            _ if expected.is_some_and(|expected| expected != body.bytes) => Err(self.other_body()),
            _ => Ok(()),
        }
    }

    fn other_body(&self) -> String {
        let than = match &self.expected {
            Expected::Echo => "that of the request",
            Expected::Text(_) => "--answer",
            Expected::First(_) => "that of the first answer",
        };
        format!("another body than {than}")
    }
}

/// Whether a piece is what stands there. It is not longer than what is left.
fn piece_of(whole: &[u8], at: u64, piece: &[u8]) -> bool {
    let at = at as usize;
    whole.get(at..at + piece.len()) == Some(piece)
}
