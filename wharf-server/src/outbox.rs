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
pub(crate) struct Waiting(Mutex<Option<Box<Pieces>>>);

/// One client's.
#[derive(Debug)]
pub(crate) struct Outbox<'a> {
    pub(crate) flags: &'a Flags,
    pub(crate) waiting: &'a Waiting,
}

/// None but while the client is behind.
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
    fn lock(&self) -> MutexGuard<'_, Option<Box<Pieces>>> {
        // A payload's drop may panic under the lock; the data is in order then.
        let waiting = &self.waiting.0;
        waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes wait here, beside those at the socket.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().as_ref().map_or(0, |pieces| pieces.bytes)
    }

    /// Takes what can't go at once. Says whether the client has just fallen behind.
    pub(crate) fn push<K: Key>(
        &self,
        socket: &Socket<K>,
        payload: Payload,
        sending: &Sending,
    ) -> Result<bool, Refused<Payload>> {
        let mut slot = self.lock();
        if self.flags.is_ending.load(Ordering::Relaxed) {
            return Err(Refused::new(io::ErrorKind::BrokenPipe, payload));
        }
        let bytes = slot.as_ref().map_or(0, |waiting| waiting.bytes);
        let (unsent, max) = (socket.unsent() + bytes, sending.bytes_max);
        if unsent > 0 && payload.len() > max.saturating_sub(unsent) {
            return Err(Refused::new(too_much(unsent, max), payload));
        }
        let waiting = slot.get_or_insert_default();
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
                let dropped = slot.take();
                drop(slot);
                drop((dropped, refused.given));
                Err(Refused::new(refused.error, payload))
            }
        }
    }

    /// The operation of the outbox has succeeded: sends the next piece. If there is none, returns the next step.
    pub(crate) fn advance<K: Key>(&self, socket: &Socket<K>) -> io::Result<Next> {
        let mut slot = self.lock();
        let Some(waiting) = &mut *slot else {
            return Ok(Next::Nothing);
        };
        match waiting.send_next(socket) {
            Ok(true) => return Ok(Next::Nothing),
            Ok(false) => {}
            Err(refused) => {
                drop(slot);
                return Err(refused.into());
            }
        }
        self.flags.is_behind.store(false, Ordering::Release);
        Ok(slot.take().map_or(Next::Nothing, |waiting| waiting.next))
    }

    /// Nothing more can be sent: drops what waits, and returns the step that was to follow. No turn can be left here from now
    /// on.
    pub(crate) fn fail(&self) -> Next {
        let mut slot = self.lock();
        self.flags.is_ending.store(true, Ordering::Relaxed);
        self.flags.is_behind.store(false, Ordering::Release);
        let dropped = slot.take();
        drop(slot);
        // The drop of a payload may run code of the user's: not under the lock.
        dropped.map_or(Next::Nothing, |waiting| waiting.next)
    }

    /// Leaves the client's turn here if more than `max` bytes wait, until all of them are out.
    pub(crate) fn pause<K>(&self, socket: &Socket<K>, max: usize) -> bool {
        match &mut *self.lock() {
            Some(waiting) if socket.unsent() + waiting.bytes > max => {
                waiting.next = Next::GoOn;
                true
            }
            _ => false,
        }
    }

    /// Takes nothing more. Leaves the client's turn here if something waits, until it is out.
    pub(crate) fn end(&self) -> bool {
        let mut slot = self.lock();
        self.flags.is_ending.store(true, Ordering::Relaxed);
        let Some(waiting) = &mut *slot else {
            return false;
        };
        waiting.next = Next::EndOurSide;
        true
    }

    /// Calls a function while nothing waits here; none if something waits.
    pub(crate) fn if_empty<T>(&self, then: impl FnOnce() -> Option<T>) -> Option<T> {
        let slot = self.lock();
        match &*slot {
            Some(_) => None,
            None => then(),
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
