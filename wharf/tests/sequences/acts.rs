//! Carrying out what a thread does to the port, and noting what it was told. Nothing is judged here: operations complete
//! on other threads before their starter has noted them, so the [ledger](crate::ledger) takes in the notes first.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use wharf::{Buffer, BufferPool, CompletionPort, OperationId, Payload, Socket};

use crate::moves::{Act, Closing, Into, SEATS, What};

/// Which of the port's threads: the one that the sequence runs on, the helper, and from here on those that only wait.
pub const MAIN: usize = 0;
pub const HELPER: usize = 1;
pub const STAFF: usize = 2;

/// A time that does not come while a test runs.
const NEVER: Duration = Duration::from_secs(60 * 60);

/// What comes back with a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    Stream(usize),
    Timer(u64),
    Post { poster: usize, number: u64 },
}

/// What an operation was started as, with all that its completion is checked against.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Receive {
        capacities: Vec<usize>,
        many: bool,
    },
    ReceiveFrom {
        capacity: usize,
    },
    Readable,
    Send {
        stamp: u64,
        lens: Vec<usize>,
        many: bool,
        quiet: bool,
    },
    Shutdown,
    Timer {
        stamp: u64,
        due: Instant,
    },
}

/// What a thread did, and was told.
#[derive(Debug)]
pub enum Note {
    Started {
        stream: Option<usize>,
        kind: Kind,
        answer: io::Result<OperationId>,
        /// What waited to be sent on the stream before and after.
        unsent: (usize, usize),
    },
    Cancelled {
        operation: OperationId,
        answer: io::Result<()>,
    },
    /// A timer; its key.
    CancelledQuietly {
        operation: OperationId,
        answer: io::Result<Key>,
    },
    CancelledAll {
        stream: usize,
        receives_only: bool,
        count: usize,
    },
    Closed {
        stream: usize,
        how: Closing,
        was_open: bool,
        traffic: Option<(u64, u64)>,
    },
    Limited {
        stream: usize,
        bytes: usize,
        answer: io::Result<()>,
    },
    Posted {
        number: u64,
        poster: usize,
        answer: io::Result<()>,
    },
}

/// A stream, as a thread holds it.
#[derive(Debug, Clone)]
pub struct Held {
    pub stream: usize,
    pub socket: Socket<Key>,
    /// What was started on it, the latest last.
    pub started: Vec<OperationId>,
}

/// What a thread needs to act.
#[derive(Debug, Clone)]
pub struct Hand {
    pub port: CompletionPort<Key>,
    pub pool: BufferPool,
    pub who: usize,
    pub seats: [Option<Held>; SEATS],
    pub timers: Vec<OperationId>,
    /// The last number given to a post, a timer, or the bytes of a send.
    pub stamps: Arc<AtomicU64>,
}

/// The bytes that a send with this stamp sends, or that a peer writes.
pub fn content(stamp: u64, from: usize, len: usize) -> Vec<u8> {
    let byte = |at: usize| {
        let word = ((stamp << 32) ^ (at as u64 / 8)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (word ^ (word >> 29)).to_le_bytes()[at % 8]
    };
    (from..from + len).map(byte).collect()
}

impl Hand {
    fn stamp(&self) -> u64 {
        self.stamps.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Does it, and notes what came of it: nothing, where there is no such seat or operation.
    pub fn act(&mut self, act: &Act) -> Vec<Note> {
        let note = match *act {
            Act::Receive { on, ref into } => self.receive(on, into),
            Act::Send { on, ref what } => self.send(on, what),
            Act::Shutdown { on } => {
                self.start(on, Kind::Shutdown, |socket| (socket.shutdown(), Vec::new()))
            }
            Act::Cancel { on, back } => self.cancel(on, back),
            Act::CancelTimer { back, quietly } => self.cancel_timer(back, quietly),
            Act::CancelAll { on } => self.cancel_all(on, false),
            Act::CancelReceives { on } => self.cancel_all(on, true),
            Act::Close { on, how } => self.close(on, how),
            Act::LimitUnsent { on, bytes } => self.limit(on, bytes),
            Act::Timer { ms } => Some(self.timer(ms)),
            Act::Post { count } => return (0..count).map(|_| self.post()).collect(),
        };
        note.into_iter().collect()
    }

    /// Starts an operation. What is refused comes back as the sizes of what was given, to be what it was started with.
    fn start(
        &mut self,
        on: usize,
        kind: Kind,
        start: impl FnOnce(&Socket<Key>) -> (io::Result<OperationId>, Vec<usize>),
    ) -> Option<Note> {
        let held = self.seats[on].as_mut()?;
        let before = held.socket.unsent();
        let (answer, given_back) = start(&held.socket);
        match (&answer, &kind) {
            (Ok(id), _) => held.started.push(*id),
            (
                Err(_),
                Kind::Receive {
                    capacities: given, ..
                }
                | Kind::Send { lens: given, .. },
            ) => {
                assert_eq!(&given_back, given, "what is refused comes back whole");
            }
            (Err(_), _) => {}
        }
        Some(Note::Started {
            stream: Some(held.stream),
            kind,
            answer,
            unsent: (before, held.socket.unsent()),
        })
    }

    fn receive(&mut self, on: usize, into: &Into) -> Option<Note> {
        match *into {
            Into::Own(capacity) => {
                let kind = Kind::Receive {
                    capacities: vec![capacity],
                    many: false,
                };
                self.start(on, kind, |socket| {
                    match socket.receive(Buffer::with_capacity(capacity)) {
                        Ok(id) => (Ok(id), Vec::new()),
                        Err(refused) => (Err(refused.error), vec![refused.given.capacity()]),
                    }
                })
            }
            Into::Many(ref capacities) => {
                let kind = Kind::Receive {
                    capacities: capacities.clone(),
                    many: true,
                };
                let buffers = capacities.iter().map(|size| Buffer::with_capacity(*size));
                self.start(on, kind, |socket| {
                    match socket.receive_vectored(buffers.collect()) {
                        Ok(id) => (Ok(id), Vec::new()),
                        Err(refused) => {
                            let given = refused.given.iter().map(Buffer::capacity);
                            (Err(refused.error), given.collect())
                        }
                    }
                })
            }
            Into::BufferPool => {
                let pool = self.pool.clone();
                let kind = Kind::ReceiveFrom {
                    capacity: pool.capacity(),
                };
                self.start(on, kind, |socket| (socket.receive_from(&pool), Vec::new()))
            }
            Into::Nothing => {
                self.start(on, Kind::Readable, |socket| (socket.readable(), Vec::new()))
            }
        }
    }

    fn send(&mut self, on: usize, what: &What) -> Option<Note> {
        let stamp = self.stamp();
        let kind = |lens, many, quiet| Kind::Send {
            stamp,
            lens,
            many,
            quiet,
        };
        match *what {
            What::Bytes(len) => {
                let payload = content(stamp, 0, len).into();
                self.send_one(on, kind(vec![len], false, false), payload)
            }
            What::Quiet(len) => {
                let payload = content(stamp, 0, len).into();
                self.send_one(on, kind(vec![len], false, true), payload)
            }
            What::Pooled => {
                let mut buffer = self.pool.get()?;
                buffer.copy_from(&content(stamp, 0, buffer.capacity()));
                let kind = kind(vec![buffer.len()], false, false);
                self.send_one(on, kind, buffer.into())
            }
            What::Many(ref lens) => {
                let payloads = payloads(stamp, lens);
                self.start(on, kind(lens.clone(), true, false), |socket| {
                    match socket.send_vectored(payloads) {
                        Ok(id) => (Ok(id), Vec::new()),
                        Err(refused) => {
                            let given = refused.given.iter().map(|payload| payload.len());
                            (Err(refused.error), given.collect())
                        }
                    }
                })
            }
        }
    }

    fn send_one(&mut self, on: usize, kind: Kind, payload: Payload) -> Option<Note> {
        let quiet = matches!(kind, Kind::Send { quiet: true, .. });
        self.start(on, kind, |socket| {
            let started = match quiet {
                true => socket.send_quietly(payload),
                false => socket.send(payload),
            };
            match started {
                Ok(id) => (Ok(id), Vec::new()),
                Err(refused) => (Err(refused.error), vec![refused.given.len()]),
            }
        })
    }

    fn cancel(&self, on: usize, back: usize) -> Option<Note> {
        let held = self.seats[on].as_ref()?;
        let operation = *held.started.iter().rev().nth(back)?;
        let answer = held.socket.cancel(operation);
        Some(Note::Cancelled { operation, answer })
    }

    fn cancel_timer(&self, back: usize, quietly: bool) -> Option<Note> {
        let operation = *self.timers.iter().rev().nth(back)?;
        if quietly {
            let answer = self.port.cancel_timer_quietly(operation);
            let answer = answer.map(|timer| timer.key);
            return Some(Note::CancelledQuietly { operation, answer });
        }
        let answer = self.port.cancel(operation);
        Some(Note::Cancelled { operation, answer })
    }

    fn cancel_all(&self, on: usize, receives_only: bool) -> Option<Note> {
        let held = self.seats[on].as_ref()?;
        let count = match receives_only {
            true => held.socket.cancel_receives(),
            false => held.socket.cancel_all(),
        };
        Some(Note::CancelledAll {
            stream: held.stream,
            receives_only,
            count,
        })
    }

    fn close(&self, on: usize, how: Closing) -> Option<Note> {
        let held = self.seats[on].as_ref()?;
        let (was_open, traffic) = match how {
            Closing::Plain => (held.socket.close(), None),
            Closing::Reset => (held.socket.reset(), None),
            Closing::IfSent => {
                let traffic = held.socket.close_if_sent().map(crate::harness::moved);
                (traffic.is_some(), traffic)
            }
        };
        Some(Note::Closed {
            stream: held.stream,
            how,
            was_open,
            traffic,
        })
    }

    fn limit(&self, on: usize, bytes: usize) -> Option<Note> {
        let held = self.seats[on].as_ref()?;
        let answer = held.socket.set_unsent_max(bytes);
        Some(Note::Limited {
            stream: held.stream,
            bytes,
            answer,
        })
    }

    fn timer(&mut self, ms: Option<u64>) -> Note {
        let stamp = self.stamp();
        let delay = ms.map_or(NEVER, Duration::from_millis);
        let due = Instant::now() + delay;
        let answer = self.port.timer(delay, Key::Timer(stamp));
        self.timers.extend(answer.as_ref().ok());
        Note::Started {
            stream: None,
            kind: Kind::Timer { stamp, due },
            answer,
            unsent: (0, 0),
        }
    }

    fn post(&self) -> Note {
        let (poster, number) = (self.who, self.stamp());
        let key = Key::Post { poster, number };
        let answer = self.port.post(key, number as usize);
        Note::Posted {
            number,
            poster,
            answer: answer.map_err(|refused| {
                assert_eq!(refused.given, key, "what is refused comes back");
                refused.error
            }),
        }
    }
}

fn payloads(stamp: u64, lens: &[usize]) -> Vec<Payload> {
    let mut from = 0;
    let payload = |len: &usize| {
        let bytes = content(stamp, from, *len);
        from += len;
        bytes.into()
    };
    lens.iter().map(payload).collect()
}
