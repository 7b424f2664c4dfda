//! Answers of HTTP/1.1: what a server sends, cut into heads and bodies, in whatever pieces it comes.
//!
//! Strangers' bytes are read here. So it needs nothing of the rest of the command, and the fuzzers read with it, too.

use std::{fmt, mem, mem::MaybeUninit};

use httparse::{Error, Header, ParserConfig, Response, Status};
use memchr::{memchr, memchr_iter};

/// What is held of a head, or of what stands behind the last chunk, is bounded.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// The same for the line before a chunk, which may have more than a size.
pub const CHUNK_LINE_BYTES_MAX: usize = 4 << 10;
/// Headers in a head.
pub const HEADERS_MAX: usize = 128;

/// How each answer begins.
const BEGIN: &[u8] = b"HTTP/1.";

/// Reads the answers of one connection.
#[derive(Debug, Default)]
pub struct Answers {
    state: State,
    /// The beginning of a head or of a line whose end has not come.
    held: Vec<u8>,
    /// The connection ends with this answer.
    closes: bool,
    /// The bytes behind the last chunk so far.
    trailer_bytes: usize,
}

/// A part of an answer. Each has a head, then none or more pieces of a body, then an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    Head {
        status: u16,
    },
    Body(&'a [u8]),
    End {
        /// No other answer comes on this connection.
        closes: bool,
    },
}

/// What was wrong with an answer that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(&'static str);

/// What comes next, and of how many bytes it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    Body(u64),
    ChunkLine,
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    Trailer,
    /// A body that only the end of the connection ends.
    UntilClosed,
}

impl Answers {
    /// Takes the next part from the front of `bytes`; none if all of them are taken, and the next part needs others. There may
    /// be a part though no bytes are left.
    ///
    /// # Errors
    /// This is no HTTP/1.1. Nothing can be read behind it.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Part<'a>>, Malformed> {
        loop {
            match self.state {
                State::Head => match self.take_head(bytes)? {
                    None => return Ok(None),
                    Some(head) if head.is_interim() => {}
                    Some(head) => {
                        self.state = head.body;
                        self.closes = head.closes;
                        let status = head.status;
                        return Ok(Some(Part::Head { status }));
                    }
                },
                State::Body(0) => return Ok(Some(self.end())),
                State::Chunk(0) => self.state = State::ChunkEnd,
                _ if bytes.is_empty() => return Ok(None),
                State::Body(left) => return Ok(Some(self.take_body(bytes, left, State::Body))),
                State::Chunk(left) => return Ok(Some(self.take_body(bytes, left, State::Chunk))),
                State::UntilClosed => return Ok(Some(Part::Body(mem::take(bytes)))),
                State::ChunkLine => {
                    let size = self.take_line(bytes, CHUNK_LINE_BYTES_MAX, chunk_size)?;
                    self.state = match size {
                        None => return Ok(None),
                        Some(0) => State::Trailer,
                        Some(size) => State::Chunk(size),
                    };
                }
                State::ChunkEnd => {
                    if self.take_line(bytes, LINE_END.len(), chunk_end)?.is_none() {
                        return Ok(None);
                    }
                    self.state = State::ChunkLine;
                }
                State::Trailer => {
                    let left = HEAD_BYTES_MAX - self.trailer_bytes;
                    match self.take_line(bytes, left, trailer)? {
                        None => return Ok(None),
                        Some(0) => return Ok(Some(self.end())),
                        Some(length) => self.trailer_bytes += length,
                    }
                }
            }
        }
    }

    /// The connection has ended. Says whether an answer ends by that.
    pub fn closed(&mut self) -> bool {
        let is_end = self.state == State::UntilClosed;
        if is_end {
            self.state = State::Head;
        }
        is_end
    }

    /// Whether no part of an answer has come without its end.
    pub fn is_between(&self) -> bool {
        self.state == State::Head && self.held() == 0
    }

    /// How many bytes are held, of what has not come in full.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn end<'a>(&mut self) -> Part<'a> {
        self.state = State::Head;
        self.trailer_bytes = 0;
        let closes = self.closes;
        Part::End { closes }
    }

    /// Takes what has come of so many bytes.
    fn take_body<'a>(
        &mut self,
        bytes: &mut &'a [u8],
        left: u64,
        state: fn(u64) -> State,
    ) -> Part<'a> {
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let (body, rest) = bytes.split_at(most.min(bytes.len()));
        *bytes = rest;
        self.state = state(left - body.len() as u64);
        Part::Body(body)
    }

    /// Takes a whole head. A head that comes in one piece is not copied.
    fn take_head(&mut self, bytes: &mut &[u8]) -> Result<Option<Head>, Malformed> {
        let before = self.held.len();
        let (piece, _) = bytes.split_at(bytes.len().min(HEAD_BYTES_MAX - before));
        if before > 0 {
            self.held.extend_from_slice(piece);
        }
        let head = match before {
            0 => piece,
            _ => &self.held,
        };
        let begin = head.len().min(BEGIN.len());
        if head[..begin] != BEGIN[..begin] {
            return Err(Malformed("it does not begin with HTTP/1"));
        }
        match head_end(head, before.saturating_sub(LINE_END.len())) {
            Some(end) => {
                let read = read_head(&head[..end]);
                *bytes = &bytes[end - before..];
                self.held.clear();
                read.map(Some)
            }
            None if head.len() == HEAD_BYTES_MAX => Err(Malformed("its head is above 64 KiB")),
            None => {
                if before == 0 {
                    self.held.extend_from_slice(piece);
                }
                *bytes = &[];
                Ok(None)
            }
        }
    }

    /// Takes a whole line with its end, and what is read of it.
    fn take_line<T>(
        &mut self,
        bytes: &mut &[u8],
        most: usize,
        read: impl FnOnce(&[u8]) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        let end = memchr(b'\n', bytes).map(|at| at + 1);
        let (piece, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        *bytes = rest;
        if piece.len() > most.saturating_sub(self.held.len()) {
            return Err(Malformed("a line of its chunks is too long"));
        }
        if end.is_some() && self.held.is_empty() {
            return read(piece).map(Some);
        }
        self.held.extend_from_slice(piece);
        if end.is_none() {
            return Ok(None);
        }
        let line = read(&self.held);
        self.held.clear();
        line.map(Some)
    }
}

/// What a head says.
#[derive(Debug)]
struct Head {
    status: u16,
    body: State,
    closes: bool,
}

impl Head {
    /// Whether the answer itself is still to come. 101 is an answer: what follows is another protocol.
    fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}

const LINE_END: &[u8] = b"\r\n";

/// Where a head ends with its empty line, if it does. Before `from` it does not.
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    memchr_iter(b'\n', &bytes[from..]).find_map(|at| {
        let next = from + at + 1;
        match bytes[next..] {
            [b'\n', ..] => Some(next + 1),
            [b'\r', b'\n', ..] => Some(next + 2),
            _ => None,
        }
    })
}

fn read_head(head: &[u8]) -> Result<Head, Malformed> {
    let mut headers = [const { MaybeUninit::<Header>::uninit() }; HEADERS_MAX];
    let mut response = Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        head,
        &mut headers,
    );
    match parsed {
        Ok(Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(Malformed("its head has no clear end")),
        Err(Error::TooManyHeaders) => return Err(Malformed("its head has more than 128 headers")),
        Err(Error::Version) => return Err(Malformed("it is neither HTTP/1.1 nor HTTP/1.0")),
        Err(Error::Status) => return Err(Malformed("its status can't be read")),
        Err(_) => return Err(Malformed("its head can't be read")),
    }
    let (mut length, mut is_chunked) = (None, false);
    // Before 1.1, each answer was the last one unless it said otherwise.
    let is_old = response.version == Some(0);
    let (mut is_last, mut is_kept) = (false, false);
    for header in response.headers.iter() {
        let value = header.value.trim_ascii();
        if header.name.eq_ignore_ascii_case("content-length") {
            let new = content_length(value)?;
            if length.replace(new).is_some_and(|old| old != new) {
                return Err(Malformed("it has two different Content-Lengths"));
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if is_old || is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed("it has a Transfer-Encoding other than chunked"));
            }
            is_chunked = true;
        } else if header.name.eq_ignore_ascii_case("connection") {
            let has = |what: &[u8]| {
                let mut words = value.split(|byte| *byte == b',');
                words.any(|word| word.trim_ascii().eq_ignore_ascii_case(what))
            };
            is_last |= has(b"close");
            is_kept |= has(b"keep-alive");
        }
    }
    let Some(status @ 100..) = response.code else {
        return Err(Malformed("its status can't be read"));
    };
    let body = match length {
        _ if matches!(status, 100..=199 | 204 | 304) => State::Body(0),
        Some(_) if is_chunked => {
            return Err(Malformed("it has a Content-Length and is chunked"));
        }
        Some(length) => State::Body(length),
        None if is_chunked => State::ChunkLine,
        None => State::UntilClosed,
    };
    Ok(Head {
        status,
        body,
        closes: is_last || (is_old && !is_kept) || body == State::UntilClosed,
    })
}

fn content_length(value: &[u8]) -> Result<u64, Malformed> {
    // `parse` would also take a sign.
    let digits = value.iter().all(u8::is_ascii_digit);
    let length = str::from_utf8(value).ok().filter(|_| digits);
    length
        .and_then(|length| length.parse().ok())
        .ok_or(Malformed("its Content-Length is no number of bytes"))
}

fn chunk_size(line: &[u8]) -> Result<u64, Malformed> {
    // `httparse` takes no digit at all for 0.
    let has_digit = line.first().is_some_and(u8::is_ascii_hexdigit);
    match httparse::parse_chunk_size(line) {
        Ok(Status::Complete((_, size))) if has_digit => Ok(size),
        _ => Err(Malformed("the size of a chunk can't be read")),
    }
}

fn chunk_end(line: &[u8]) -> Result<(), Malformed> {
    match line {
        b"\r\n" => Ok(()),
        _ => Err(Malformed("a chunk is longer than its size")),
    }
}

/// The length of a line behind the last chunk, 0 if it is the one that ends the answer.
fn trailer(line: &[u8]) -> Result<usize, Malformed> {
    match line {
        b"\r\n" | b"\n" => Ok(0),
        _ => Ok(line.len()),
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer: its status, its body, and whether it was the last. What the end of the connection ends is the last.
    type Answer = (u16, Vec<u8>, Option<bool>);

    /// Reads a stream that comes in pieces: the answers, the last perhaps without an end, and what was wrong behind them.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Answer>, Option<Malformed>) {
        let (mut reader, mut answers) = (Answers::default(), Vec::<Answer>::new());
        for mut piece in pieces {
            loop {
                match reader.next(&mut piece) {
                    Ok(None) => break,
                    Ok(Some(Part::Head { status })) => answers.push((status, Vec::new(), None)),
                    Ok(Some(Part::Body(body))) => {
                        assert!(!body.is_empty());
                        answers.last_mut().expect("a head").1.extend(body);
                    }
                    Ok(Some(Part::End { closes })) => {
                        answers.last_mut().expect("a head").2 = Some(closes);
                    }
                    Err(error) => return (answers, Some(error)),
                }
            }
            assert!(piece.is_empty());
        }
        if reader.closed() {
            answers.last_mut().expect("a head").2 = Some(true);
        }
        (answers, None)
    }

    fn whole(stream: &[u8]) -> Vec<Answer> {
        let (answers, error) = read([stream]);
        assert_eq!(error, None, "{}", stream.escape_ascii());
        answers
    }

    fn refusal(stream: &[u8]) -> String {
        let (_, error) = read([stream]);
        let refused = error.unwrap_or_else(|| panic!("it was read: {}", stream.escape_ascii()));
        refused.to_string()
    }

    const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nServer: x\r\ncontent-LENGTH: 5 \r\n\r\nhello";
    const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n\
        3\r\nhel\r\n0a;name=\"a b\"\r\nlo, world!\r\n0\r\nTrailer: x\r\na\n\r\n";
    const INTERIM: &[u8] =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    const NO_CONTENT: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
    const NOT_MODIFIED: &[u8] = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n";
    const BARE: &[u8] = b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi";
    const OLD_AND_KEPT: &[u8] =
        b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi";
    const OLD: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    const LAST: &[u8] =
        b"HTTP/1.1 500 No\r\nConnection: upgrade, CLOSE\r\nContent-Length: 2\r\n\r\nhi";
    const UNTIL_CLOSED: &[u8] = b"HTTP/1.1 200 OK\r\n\r\nas long as it comes";

    fn answer(status: u16, body: &str, closes: bool) -> Answer {
        (status, body.into(), Some(closes))
    }

    #[test]
    fn an_answer_is_read_by_its_head() {
        for (stream, status, body, closes) in [
            (PLAIN, 200, "hello", false),
            (EMPTY, 200, "", false),
            (CHUNKED, 200, "hello, world!", false),
            (NO_CONTENT, 204, "", false),
            (NOT_MODIFIED, 304, "", false),
            (BARE, 200, "hi", false),
            (OLD_AND_KEPT, 200, "hi", false),
            (OLD, 200, "hi", true),
            (LAST, 500, "hi", true),
            (UNTIL_CLOSED, 200, "as long as it comes", true),
        ] {
            assert_eq!(whole(stream), [answer(status, body, closes)]);
        }
        let after_interim = whole(&[INTERIM, PLAIN].concat());
        assert_eq!(after_interim, [answer(200, "hello", false)]);
        let other_protocol = whole(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
        assert_eq!(other_protocol, [answer(101, "", false)]);
    }

    #[test]
    fn a_stream_is_the_same_answers_however_it_is_cut() {
        let stream = [
            PLAIN,
            INTERIM,
            CHUNKED,
            EMPTY,
            NO_CONTENT,
            BARE,
            NOT_MODIFIED,
            OLD_AND_KEPT,
            CHUNKED,
            UNTIL_CLOSED,
        ]
        .concat();
        let wrong = [PLAIN, CHUNKED, b"HTTP/1.1 200 OK\r\nno header\r\n\r\n"].concat();
        for stream in [stream, wrong] {
            let expected = read([&stream[..]]);
            assert!(expected.0.len() >= 2);
            for size in 1..80 {
                assert_eq!(read(stream.chunks(size)), expected, "pieces of {size}");
            }
            for cut in 0..=stream.len() {
                let (one, other) = stream.split_at(cut);
                assert_eq!(read([one, other]), expected, "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_has_come_of_an_answer_without_an_end_is_no_answer() {
        for stream in [PLAIN, CHUNKED, OLD] {
            for cut in 1..stream.len() {
                let (answers, error) = read([&stream[..cut]]);
                assert_eq!(error, None);
                assert!(
                    answers.iter().all(|(.., end)| end.is_none()),
                    "cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_refused_with_what_is_wrong_with_it() {
        let with = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n").into_bytes();
        let chunk = |chunk: &str| [&with("Transfer-Encoding: chunked"), chunk.as_bytes()].concat();
        for (stream, message) in [
            (b"SSH-2.0-x".to_vec(), "does not begin with HTTP/1"),
            (
                b"\r\nHTTP/1.1 200 OK".to_vec(),
                "does not begin with HTTP/1",
            ),
            (b"HTTP/2 200\r\n\r\n".to_vec(), "does not begin with HTTP/1"),
            (b"HTTP/1.2 200 OK\r\n\r\n".to_vec(), "neither HTTP/1.1 nor"),
            (b"HTTP/1.1 20 OK\r\n\r\n".to_vec(), "status"),
            (b"HTTP/1.1 099 OK\r\n\r\n".to_vec(), "status"),
            (b"HTTP/1.1 2000 OK\r\n\r\n".to_vec(), "status"),
            (with("no header"), "head can't be read"),
            (with("a: b\r\n c"), "head can't be read"),
            (with(&"a: b\r\n".repeat(129)), "more than 128 headers"),
            (with("Content-Length: -1"), "no number of bytes"),
            (with("Content-Length: +1"), "no number of bytes"),
            (with("Content-Length:"), "no number of bytes"),
            (with("Content-Length: 1, 1"), "no number of bytes"),
            (
                with("Content-Length: 18446744073709551616"),
                "no number of bytes",
            ),
            (
                with("Content-Length: 1\r\nContent-Length: 2"),
                "two different",
            ),
            (
                with("Transfer-Encoding: gzip, chunked"),
                "other than chunked",
            ),
            (
                with("Transfer-Encoding: chunked\r\nContent-Length: 1"),
                "and is chunked",
            ),
            (chunk("\r\n"), "size of a chunk"),
            (chunk("x\r\n"), "size of a chunk"),
            (chunk("-1\r\n"), "size of a chunk"),
            (chunk("5\n"), "size of a chunk"),
            (chunk("11112222333344445\r\n"), "size of a chunk"),
            (chunk("1\r\nab\r\n"), "too long"),
            (chunk("1\r\nab\n"), "longer than its size"),
            (
                chunk(&format!("1;{}", "x".repeat(CHUNK_LINE_BYTES_MAX))),
                "too long",
            ),
            (
                chunk(&format!(
                    "0\r\n{}",
                    "a: b\r\n".repeat(HEAD_BYTES_MAX / 6 + 1)
                )),
                "too long",
            ),
        ] {
            let refused = refusal(&stream);
            let begin = stream[..stream.len().min(80)].escape_ascii();
            assert!(refused.contains(message), "{begin}: {refused}");
        }
    }

    #[test]
    fn the_largest_head_is_read_and_a_larger_one_is_refused_before_it_has_come() {
        let start = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\na: ";
        let value = HEAD_BYTES_MAX - start.len() - 4;
        let largest = format!("{start}{}\r\n\r\n", "x".repeat(value));
        for size in [1_000, 65_535, 65_536, 100_000] {
            let (answers, error) = read(largest.as_bytes().chunks(size));
            assert_eq!((answers.len(), error), (1, None));
            let endless = format!("{start}{}", "x".repeat(HEAD_BYTES_MAX));
            let (_, error) = read(endless.as_bytes().chunks(size));
            assert_eq!(error, Some(Malformed("its head is above 64 KiB")));
        }
    }

    #[test]
    fn whatever_comes_is_read_or_refused_the_same_in_any_pieces() {
        const PIECES: [&[u8]; 22] = [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.0 200\r\n",
            b"HTTP/1.1 100 x\r\n",
            b"HTTP/1.1 ",
            b"204",
            b"\r\n",
            b"\n",
            b"\r",
            b":",
            b" ",
            b"Content-Length: 3\r\n\r\n",
            b"Content-Length: 3\r\n",
            b"Connection: close\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"3\r\n",
            b"abc",
            b"0\r\n",
            b"0",
            b"ffffffffffffffff\r\n",
            b"\0",
            b"\xff",
        ];
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..50_000 {
            let stream: Vec<u8> = (0..random.usize(..12))
                .flat_map(|_| PIECES[random.usize(..PIECES.len())])
                .copied()
                .collect();
            let expected = read([&stream[..]]);
            let (one, other) = stream.split_at(random.usize(..=stream.len()));
            assert_eq!(read([one, other]), expected, "{}", stream.escape_ascii());
            assert_eq!(
                read(stream.chunks(1)),
                expected,
                "{}",
                stream.escape_ascii()
            );
        }
    }
}
