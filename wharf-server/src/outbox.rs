//! The unsent bytes of a client that reads more slowly than the server sends.
//!
//! While nothing waits, a send goes to the socket at once, and the outbox is not used. Payloads that can't go at once
//! wait here: small ones are copied, one behind the other, into chunks that are used again, so that each byte takes
//! one byte of memory, however large its buffer was, and many small sends become few operations. At most one operation of
//! a client's outbox is under way; its completion sends the next piece. So a client that does not read can occupy only a
//! limited number of bytes and operations, and none of it is memory that other clients receive into.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use wharf::{Buffer, BufferPool, Key, Payload, PortError, Refused, Socket};

/// The size of a chunk, in bytes: one page.
pub(crate) const CHUNK_BYTES: usize = 4096;

/// Shared bytes are kept as they are, uncopied, from this size on. Below, the copy costs less than keeping them.
const WHOLE_MIN: usize = CHUNK_BYTES / 2;

/// A client that has caught up keeps memory for so many pieces.
const PLACES_KEPT: usize = 16;

/// The next step once everything is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    /// The client's turn was left here: it goes on.
    GoOn,
    /// Likewise, and our side of the stream ends.
    EndOurSide,
}

/// How all clients' outboxes are limited, and where their chunks come from.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) chunks: BufferPool,
    /// The most for each client: bytes here and at its socket.
    pub(crate) bytes_max: usize,
}

/// How one client's outbox stands, to be read without its lock.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// An operation of the outbox is under way: new payloads go behind it.
    is_behind: AtomicBool,
    /// Our side ends: nothing more is taken.
    is_ending: AtomicBool,
}

/// What waits in one client's outbox.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<Pieces>);

/// One client's.
#[derive(Debug)]
pub(crate) struct Outbox<'a> {
    pub(crate) flags: &'a Flags,
    pub(crate) waiting: &'a Waiting,
}

#[derive(Debug)]
struct Pieces {
    pieces: VecDeque<Payload>,
    /// The bytes in the pieces.
    bytes: usize,
    next: Next,
}

impl Flags {
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Acquire)
    }
}

impl Outbox<'_> {
    fn lock(&self) -> MutexGuard<'_, Pieces> {
        // A payload's drop may panic under the lock; the data is in order then.
        let waiting = &self.waiting.0;
        waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes wait here, beside those at the socket.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Takes what can't go at once. Says whether the client has just fallen behind.
    pub(crate) fn push<K: Key>(
        &self,
        socket: &Socket<K>,
        payload: Payload,
        sending: &Sending,
    ) -> Result<bool, Refused<Payload>> {
        let mut waiting = self.lock();
        if self.flags.is_ending.load(Ordering::Relaxed) {
            return Err(Refused::new(io::ErrorKind::BrokenPipe, payload));
        }
        let (unsent, max) = (socket.unsent() + waiting.bytes, sending.bytes_max);
        if unsent > 0 && payload.len() > max.saturating_sub(unsent) {
            return Err(Refused::new(too_much(unsent, max), payload));
        }
        waiting.push(&payload, &sending.chunks);
        if self.flags.is_behind() {
            return Ok(false);
        }
        match waiting.send_next(socket) {
            Ok(_) => {
                self.flags.is_behind.store(true, Ordering::Release);
                Ok(true)
            }
            Err(refused) => {
                let dropped = waiting.clear();
                drop(waiting);
                drop((dropped, refused.given));
                Err(Refused::new(refused.error, payload))
            }
        }
    }

    /// The operation of the outbox has succeeded: sends the next piece. If there is none, returns the next step.
    pub(crate) fn advance<K: Key>(&self, socket: &Socket<K>) -> io::Result<Next> {
        let mut waiting = self.lock();
        match waiting.send_next(socket) {
            Ok(true) => return Ok(Next::Nothing),
            Ok(false) => {}
            Err(refused) => {
                drop(waiting);
                return Err(refused.into());
            }
        }
        self.flags.is_behind.store(false, Ordering::Release);
        waiting.pieces.shrink_to(PLACES_KEPT);
        Ok(std::mem::replace(&mut waiting.next, Next::Nothing))
    }

    /// Nothing more can be sent: drops what waits, and returns the step that was to follow. No turn can be left here from now
    /// on.
    pub(crate) fn fail(&self) -> Next {
        let mut waiting = self.lock();
        self.flags.is_ending.store(true, Ordering::Relaxed);
        self.flags.is_behind.store(false, Ordering::Release);
        let next = std::mem::replace(&mut waiting.next, Next::Nothing);
        let dropped = waiting.clear();
        drop(waiting);
        // The drop of a payload may run code of the user's: not under the lock.
        drop(dropped);
        next
    }

    /// Leaves the client's turn here if more than `max` bytes wait, until all of them are out.
    pub(crate) fn pause<K>(&self, socket: &Socket<K>, max: usize) -> bool {
        let mut waiting = self.lock();
        let pauses = self.flags.is_behind() && socket.unsent() + waiting.bytes > max;
        if pauses {
            waiting.next = Next::GoOn;
        }
        pauses
    }

    /// Takes nothing more. Leaves the client's turn here if something waits, until it is out.
    pub(crate) fn end(&self) -> bool {
        let mut waiting = self.lock();
        self.flags.is_ending.store(true, Ordering::Relaxed);
        let is_behind = self.flags.is_behind();
        if is_behind {
            waiting.next = Next::EndOurSide;
        }
        is_behind
    }

    /// Calls a function while nothing waits here; none if something waits.
    pub(crate) fn if_empty<T>(&self, then: impl FnOnce() -> Option<T>) -> Option<T> {
        let _waiting = self.lock();
        match self.flags.is_behind() {
            true => None,
            false => then(),
        }
    }
}

impl Default for Pieces {
    fn default() -> Self {
        Pieces {
            pieces: VecDeque::new(),
            bytes: 0,
            next: Next::Nothing,
        }
    }
}

impl Pieces {
    fn push(&mut self, payload: &Payload, chunks: &BufferPool) {
        self.bytes += payload.len();
        match payload {
            Payload::Bytes(bytes) if bytes.len() >= WHOLE_MIN => {
                self.pieces.push_back(Payload::Bytes(bytes.clone()));
            }
            payload => self.copy(payload, chunks),
        }
    }

    /// Copies bytes behind the last, into chunks.
    fn copy(&mut self, mut bytes: &[u8], chunks: &BufferPool) {
        while !bytes.is_empty() {
            let room = match self.pieces.back_mut() {
                Some(Payload::Buffer(chunk)) => append(chunk, bytes),
                _ => 0,
            };
            bytes = &bytes[room..];
            if room == 0 {
                let chunk = chunks.get();
                let chunk = chunk.unwrap_or_else(|| Buffer::with_capacity(CHUNK_BYTES));
                self.pieces.push_back(Payload::Buffer(chunk));
            }
        }
    }

    /// Starts to send the first piece; returns whether there was one.
    fn send_next<K: Key>(&mut self, socket: &Socket<K>) -> Result<bool, Refused<Payload>> {
        let Some(piece) = self.pieces.pop_front() else {
            return Ok(false);
        };
        self.bytes -= piece.len();
        socket.send(piece)?;
        Ok(true)
    }

    fn clear(&mut self) -> VecDeque<Payload> {
        self.bytes = 0;
        std::mem::take(&mut self.pieces)
    }
}

/// Appends as many bytes to a chunk as there is room for; returns how many.
fn append(chunk: &mut Buffer, bytes: &[u8]) -> usize {
    let at = chunk.len();
    let count = bytes.len().min(chunk.capacity() - at);
    chunk.set_len(at + count);
    chunk[at..].copy_from_slice(&bytes[..count]);
    count
}

fn too_much(unsent_bytes: usize, max_bytes: usize) -> PortError {
    PortError::TooManyUnsent {
        unsent_bytes,
        max_bytes,
    }
}
