//! The frames of HTTP/2 that a client and a server exchange (RFC 9113, section 4.1): which streams the client has begun, and of which the
//! answer has not ended. hyper and h2 don't tell when the last frame of one is out, which may have to wait until the client allows it; nor
//! of requests that h2 answers or refuses by itself. And how far the bytes have to arrive until the client has its answers.

/// What comes before the payload of a frame: 3 bytes of its length, the kind, the flags, and 4 of the stream.
const HEAD_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// So many streams more than there may be are kept in mind: those that h2 refuses, or has done with, until that is written.
const STREAMS_MORE: usize = 1 << 10;

/// The streams of a connection whose answers have not ended.
#[derive(Debug)]
pub(crate) struct Streams {
    read: Frames,
    written: Frames,
    /// They rise.
    open: Vec<u32>,
    at_most: usize,
    /// The last that the client has begun.
    last: u32,
    /// How often the client has allowed more of an answer.
    allowed: u64,
    /// It has said that it leaves.
    leaves: bool,
    /// The first so many bytes that were written have the answers.
    answers_end: u64,
    /// So many have the word that the server stops.
    word_ends: Option<u64>,
}

impl Streams {
    /// Of a connection of which nothing was seen but the client's preface. So many may be open at once.
    pub(crate) fn new(at_most: u32) -> Streams {
        Streams {
            read: Frames::default(),
            written: Frames::default(),
            open: Vec::new(),
            at_most: (at_most as usize).saturating_add(STREAMS_MORE),
            last: 0,
            allowed: 0,
            leaves: false,
            answers_end: 0,
            word_ends: None,
        }
    }

    /// How many there are.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// The client has all answers of which something was written until now.
    pub(crate) fn answers_have_arrived(&mut self) {
        self.answers_end = 0;
    }

    /// Whether an answer, or a part of one, has not arrived, if so many bytes have not.
    pub(crate) fn is_in_flight(&self, unacknowledged: u64) -> bool {
        self.answers_end > self.arrived(unacknowledged)
    }

    /// Whether the client was told of the stop, if so many bytes have not arrived.
    pub(crate) fn is_told(&self, unacknowledged: u64) -> bool {
        let arrived = self.arrived(unacknowledged);
        self.word_ends.is_some_and(|end| end <= arrived)
    }

    /// Whether the client has said that it leaves, when it has its answers.
    pub(crate) fn leaves(&self) -> bool {
        self.leaves
    }

    /// How often the client has allowed more of an answer.
    pub(crate) fn allowed(&self) -> u64 {
        self.allowed
    }

    /// How many bytes have arrived, if so many have not. Behind TLS that is some less, as the same bytes are more for the system; or as
    /// much more as rustls keeps (64 KiB at most) while the system takes no more.
    pub(crate) fn arrived(&self, unacknowledged: u64) -> u64 {
        self.written.passed.saturating_sub(unacknowledged)
    }

    /// These bytes were read. What is begun with them counts, or does not.
    pub(crate) fn read(&mut self, bytes: &[u8], counts: bool) {
        let (open, last, at_most) = (&mut self.open, &mut self.last, self.at_most);
        let (allowed, leaves) = (&mut self.allowed, &mut self.leaves);
        self.read.go_over(bytes, |head, _| {
            let stream = head.stream();
            match head.kind() {
                // Where a head has come in part, the client is not waited for. What comes on a stream that was begun is its trailers.
                HEADERS | CONTINUATION if head.has(END_HEADERS) && stream > *last => {
                    *last = stream;
                    if counts && open.len() < at_most {
                        open.push(stream);
                    }
                }
                RST_STREAM => {
                    if let Ok(place) = open.binary_search(&stream) {
                        open.remove(place);
                    }
                }
                WINDOW_UPDATE => *allowed += 1,
                GOAWAY => *leaves = true,
                _ => {}
            }
        });
    }

    /// These bytes were written.
    pub(crate) fn wrote(&mut self, bytes: &[u8]) {
        let open = &mut self.open;
        self.written.go_over(bytes, |head, end| {
            let is_end = match head.kind() {
                DATA | HEADERS => head.has(END_STREAM),
                kind => kind == RST_STREAM,
            };
            if head.kind() == GOAWAY {
                self.word_ends.get_or_insert(end);
            }
            if let Ok(place) = open.binary_search(&head.stream()) {
                self.answers_end = end;
                if is_end {
                    open.remove(place);
                }
            }
        });
    }
}

/// How far the frames of one direction were seen.
#[derive(Debug, Default)]
struct Frames {
    head: Head,
    /// Bytes of the head that were seen.
    seen: usize,
    /// Bytes of the payload that were not.
    rest: usize,
    /// Bytes that were seen, of all frames.
    passed: u64,
}

impl Frames {
    /// Goes on over these bytes: calls for each frame that ends within them, and tells how many bytes there were until then.
    fn go_over(&mut self, mut bytes: &[u8], mut ended: impl FnMut(&Head, u64)) {
        let end = self.passed + bytes.len() as u64;
        self.passed = end;
        while !bytes.is_empty() {
            if self.seen < HEAD_BYTES {
                let len = bytes.len().min(HEAD_BYTES - self.seen);
                self.head.0[self.seen..][..len].copy_from_slice(&bytes[..len]);
                self.seen += len;
                bytes = &bytes[len..];
                if self.seen < HEAD_BYTES {
                    break;
                }
                self.rest = self.head.len();
            }
            let len = bytes.len().min(self.rest);
            self.rest -= len;
            bytes = &bytes[len..];
            if self.rest == 0 {
                self.seen = 0;
                ended(&self.head, end - bytes.len() as u64);
            }
        }
    }
}

/// What comes before the payload of a frame.
#[derive(Debug, Default)]
struct Head([u8; HEAD_BYTES]);

impl Head {
    fn len(&self) -> usize {
        let [a, b, c, ..] = self.0;
        u32::from_be_bytes([0, a, b, c]) as usize
    }

    fn kind(&self) -> u8 {
        self.0[3]
    }

    fn has(&self, flag: u8) -> bool {
        self.0[4] & flag != 0
    }

    /// Its first bit has no meaning.
    fn stream(&self) -> u32 {
        let [.., a, b, c, d] = self.0;
        u32::from_be_bytes([a & 0x7f, b, c, d])
    }
}

#[cfg(test)]
mod tests {
    use super::{STREAMS_MORE, Streams};

    /// Settings; a request; one whose head, data and trailers are four frames; one of which half the head has come; the acknowledgement of
    /// a ping; a request that is reset, and one that is not.
    const READ: &[&[u8]] = &[
        &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100],
        &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x82],
        &[0, 0, 1, 1, 0, 0, 0, 0, 3, 0x82],
        &[0, 0, 1, 9, 4, 0, 0, 0, 3, 0x82],
        &[0, 0, 8, 6, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1],
        &[0, 0, 3, 0, 0, 0, 0, 0, 3, 1, 1, 1],
        &[0, 0, 1, 1, 5, 0, 0, 0, 3, 0x82],
        &[0, 0, 1, 1, 5, 0, 0, 0, 5, 0x82],
        &[0, 0, 4, 3, 0, 0, 0, 0, 5, 0, 0, 0, 8],
        &[0, 0, 1, 1, 5, 0x80, 0, 0, 7, 0x82],
        &[0, 0, 1, 1, 5, 0, 0, 0, 9, 0x82],
        &[0, 0, 1, 1, 1, 0, 0, 0, 11, 0x82],
    ];

    /// Settings; an answer without a body; one whose head, data and trailers are three frames; the acknowledgement of a ping, whose flag has
    /// the same number; a stream that is reset; and a head.
    const WRITTEN: &[&[u8]] = &[
        &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100],
        &[0, 0, 2, 1, 5, 0, 0, 0, 1, 0x88, 0x88],
        &[0, 0, 1, 1, 4, 0, 0, 0, 3, 0x88],
        &[0, 0, 3, 0, 0, 0, 0, 0, 3, 1, 1, 1],
        &[0, 0, 1, 1, 5, 0, 0, 0, 3, 0x88],
        &[0, 0, 8, 6, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1],
        &[0, 0, 4, 3, 0, 0, 0, 0, 7, 0, 0, 0, 8],
        &[0, 0, 1, 1, 4, 0, 0, 0, 9, 0x88],
    ];

    #[test]
    fn the_same_streams_are_open_however_the_bytes_are_cut() {
        for len in 1..=READ.concat().len() {
            let mut streams = Streams::new(100);
            READ.concat()
                .chunks(len)
                .for_each(|it| streams.read(it, true));
            assert_eq!(streams.open, [1, 3, 7, 9]);
            let written = WRITTEN.concat();
            written.chunks(len).for_each(|it| streams.wrote(it));
            assert_eq!(streams.open, [9], "in pieces of {len}");
        }
    }

    #[test]
    fn an_answer_has_ended_when_its_last_byte_is_there() {
        let mut streams = Streams::new(100);
        streams.read(READ[1], true);
        streams.wrote(&WRITTEN[1][..10]);
        assert_eq!(streams.open(), 1);
        streams.wrote(&WRITTEN[1][10..]);
        assert_eq!(streams.open(), 0);
    }

    /// 11 bytes of an answer, and 17 of the word of the stop.
    #[test]
    fn what_has_arrived_is_told_by_what_has_not() {
        let mut streams = Streams::new(100);
        streams.read(READ[1], true);
        streams.wrote(WRITTEN[1]);
        assert!(streams.is_in_flight(1) && !streams.is_in_flight(0));
        assert!(!streams.is_told(0));
        streams.wrote(&[
            0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0,
        ]);
        assert!(streams.is_in_flight(18) && !streams.is_in_flight(17));
        assert!(!streams.is_told(1) && streams.is_told(0));
        streams.answers_have_arrived();
        assert!(!streams.is_in_flight(28));
    }

    #[test]
    fn what_does_not_count_is_no_stream_and_its_answer_is_not_waited_for() {
        let mut streams = Streams::new(100);
        streams.read(READ[1], false);
        streams.wrote(WRITTEN[1]);
        assert_eq!(streams.open(), 0);
        assert!(!streams.is_in_flight(11));
    }

    #[test]
    fn a_client_that_begins_without_end_takes_no_more_memory_than_some() {
        let mut streams = Streams::new(3);
        for stream in 0..2 * STREAMS_MORE as u32 {
            let [a, b, c, d] = (2 * stream + 1).to_be_bytes();
            streams.read(&[0, 0, 1, 1, 5, a, b, c, d, 0x82], true);
        }
        assert_eq!(streams.open(), 3 + STREAMS_MORE);
    }
}
