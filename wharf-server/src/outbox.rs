//! The unsent bytes of a client that reads more slowly than the server sends, and what is sent to it in one piece.
//!
//! While nothing waits, a send goes to the socket at once, and the outbox is not used. What can't go at once waits here:
//! small sends are copied, one behind the other, into chunks that are used again, so that each byte takes one byte of memory,
//! however large its buffer was, and many small sends become few operations. At most one operation of a client's outbox is under
//! way; its completion sends the next piece. So a client that does not read can occupy only a limited number of bytes and
//! operations, and none of it is memory that other clients receive into.
//!
//! An outbox is *corked* while its client's handler is called for one of several frames: what is sent waits here too, and leaves
//! in one piece when the last of the frames is handled.
//!
//! A client of [TLS](crate::tls) has its session here. Its sends all come here, since they are sealed in the order in which they go to
//! the socket, and when they go: what waits is as it was given.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use wharf::{Buffer, BufferPool, Key, Payload, PortError, Socket};

use crate::{
    dropped::Dropped,
    outgoing::Outgoing,
    tls::{Session, Stands},
};

/// The size of a chunk, in bytes: one page.
pub(crate) const CHUNK_BYTES: usize = 4096;

/// Shared bytes are kept as they are, uncopied, from this size on. Below, the copy costs less than keeping them.
const WHOLE_MIN: usize = CHUNK_BYTES / 2;

/// A client that has caught up keeps memory for so many pieces, if any.
const PLACES_KEPT: usize = 8;

/// What a send that is a piece of its own takes beside its bytes.
const PIECE_BYTES: usize = 64;

/// What happens to a send when too much waits to be sent to its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SlowReader {
    /// It is refused ([`WouldBlock`](io::ErrorKind::WouldBlock)), and nothing else happens.
    #[default]
    Refuse,
    /// The oldest sends that wait are dropped, whole, as many as are needed; for news of which the last counts. One that has
    /// gone to the system in part is not dropped.
    DropOldest,
    /// The client is cut ([`Ended::TooSlow`](crate::Ended::TooSlow)), and the send is refused.
    Cut,
}

/// The next step once everything is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Next {
    #[default]
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
    /// The most sends that wait here.
    pub(crate) sends_max: usize,
    pub(crate) slow_reader: SlowReader,
}

/// How one client's outbox stands, to be read without its lock.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// New sends go behind what is here.
    is_behind: AtomicBool,
    /// Our side ends: nothing more is taken.
    is_ending: AtomicBool,
}

/// What waits in one client's outbox.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<State>);

/// One client's.
#[derive(Debug)]
pub(crate) struct Outbox<'a> {
    pub(crate) flags: &'a Flags,
    pub(crate) waiting: &'a Waiting,
}

#[derive(Debug, Default)]
struct State {
    /// The client's own choice.
    slow_reader: Option<SlowReader>,
    /// None before something waits, and once all is out that has waited.
    pieces: Option<Box<Pieces>>,
    /// Seals what is sent, if it is.
    session: Option<Box<Session>>,
}

#[derive(Debug, Default)]
struct Pieces {
    pieces: VecDeque<Piece>,
    /// The bytes in the pieces.
    bytes: usize,
    /// The sends in the pieces.
    sends: usize,
    /// The pieces that are sends of their own.
    whole: usize,
    /// An operation of the outbox is under way.
    is_sending: bool,
    is_corked: bool,
    next: Next,
}

/// One send, or parts of several.
#[derive(Debug)]
struct Piece {
    payload: Payload,
    /// So many sends end in it.
    sends: usize,
    /// It is one send, all of it.
    is_whole: bool,
    /// It is of the session itself, and goes as it is.
    is_sealed: bool,
}

/// Where pieces go.
struct Way<'a, K> {
    socket: &'a Socket<K>,
    session: Option<&'a mut Session>,
    /// What has a drop of the user's, which may not run under the lock.
    dropped: &'a mut Dropped,
}

impl Flags {
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Acquire)
    }

    pub(crate) fn set_behind(&self, is_behind: bool) {
        self.is_behind.store(is_behind, Ordering::Release);
    }
}

impl Waiting {
    /// With what seals its sends, if they are sealed: then its [flags](Flags) have to be [set](Flags::set_behind) too, for good.
    pub(crate) fn new(session: Option<Box<Session>>) -> Self {
        Waiting(Mutex::new(State {
            session,
            ..State::default()
        }))
    }
}

impl Outbox<'_> {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A payload's drop may panic under the lock; the data is in order then.
        let waiting = &self.waiting.0;
        waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes wait here, beside those at the socket.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().pieces.as_ref().map_or(0, |pieces| pieces.bytes)
    }

    pub(crate) fn set_slow_reader(&self, slow_reader: SlowReader) {
        self.lock().slow_reader = Some(slow_reader);
    }

    /// Takes what can't go at once.
    pub(crate) fn push<K: Key>(
        &self,
        socket: &Socket<K>,
        outgoing: &Outgoing<'_>,
        sending: &Sending,
    ) -> Result<Pushed, Unsent> {
        // Dropped after the lock is given back: the drop of a payload may run code of the user's.
        let mut dropped = Dropped::default();
        let mut state = self.lock();
        if self.flags.is_ending.load(Ordering::Relaxed) {
            return Err(Unsent::Failed(io::ErrorKind::BrokenPipe.into()));
        }
        let was_behind = self.flags.is_behind();
        let dropped_sends = self.make_room(&mut state, socket, outgoing, sending, &mut dropped)?;
        if state.session.is_some() && !state.waits() {
            let sent = state.seal_at_once(socket, outgoing);
            return sent.map_err(Unsent::Failed);
        }
        let is_whole = state.slow_reader(sending) == SlowReader::DropOldest;
        let (pieces, mut way) = state.pieces_and_way(socket, &mut dropped);
        pieces.push(outgoing, is_whole, &sending.chunks);
        let sent = match pieces.is_sending || pieces.is_corked {
            true => Ok(true),
            false => pieces.send_next(&mut way),
        };
        let pushed = Pushed {
            has_fallen_behind: !was_behind && !pieces.is_corked,
            dropped: dropped_sends,
        };
        self.set_behind(&state, sent.is_ok());
        if sent.is_err() {
            state.clear(&mut dropped);
        }
        drop(state);
        sent.map(|_| pushed).map_err(Unsent::Failed)
    }

    /// Sees to it that so much more may wait; returns how many sends were dropped for that.
    fn make_room<K: Key>(
        &self,
        state: &mut State,
        socket: &Socket<K>,
        outgoing: &Outgoing<'_>,
        sending: &Sending,
        dropped: &mut Dropped,
    ) -> Result<usize, Unsent> {
        let mut refusal = state.refusal(socket, outgoing.len(), sending);
        if refusal.is_some() {
            // What is corked waits for the server, and not for the client.
            let is_ready = |pieces: &Pieces| pieces.is_corked && !pieces.is_sending;
            if state.pieces.as_deref().is_some_and(is_ready) {
                let (pieces, mut way) = state.pieces_and_way(socket, dropped);
                let sent = pieces.send_at_once(&mut way);
                sent.map_err(Unsent::Failed)?;
                refusal = state.refusal(socket, outgoing.len(), sending);
            }
        }
        let mut sends = 0;
        while let Some(error) = refusal {
            match state.slow_reader(sending) {
                SlowReader::Refuse => return Err(Unsent::Failed(error)),
                SlowReader::Cut => return Err(Unsent::TooSlow(error)),
                SlowReader::DropOldest => {}
            }
            // Where it would not fit behind what is at the socket either, nothing is dropped for it.
            let fits = outgoing.len() <= sending.bytes_max.saturating_sub(socket.unsent());
            let oldest = fits.then(|| state.pieces.as_mut()?.take_oldest());
            let oldest = oldest.flatten().ok_or(Unsent::Failed(error))?;
            dropped.push(oldest);
            sends += 1;
            refusal = state.refusal(socket, outgoing.len(), sending);
        }
        Ok(sends)
    }

    /// From now on sends wait here, until [`uncork`](Self::uncork).
    pub(crate) fn cork(&self) {
        let mut state = self.lock();
        state.pieces.get_or_insert_default().is_corked = true;
        self.flags.set_behind(true);
    }

    /// Sends what has waited. Says whether the client has fallen behind.
    ///
    /// # Errors
    /// It can't be sent, and what has waited is dropped.
    pub(crate) fn uncork<K: Key>(&self, socket: &Socket<K>) -> io::Result<bool> {
        let mut dropped = Dropped::default();
        let mut state = self.lock();
        if !state.pieces.as_ref().is_some_and(|pieces| pieces.is_corked) {
            return Ok(false);
        }
        let (pieces, mut way) = state.pieces_and_way(socket, &mut dropped);
        pieces.is_corked = false;
        if pieces.is_sending {
            return Ok(false);
        }
        let sent = pieces.send_at_once(&mut way);
        self.say_end(&mut state, socket);
        let pieces = state.pieces.get_or_insert_default();
        let is_sending = pieces.is_sending && sent.is_ok();
        let has_much = pieces.pieces.capacity() > PLACES_KEPT;
        self.set_behind(&state, is_sending);
        let is_behind = is_sending || socket.unsent() > 0;
        // A little memory is kept for the next time.
        if sent.is_err() || (!is_sending && has_much) {
            state.clear(&mut dropped);
        }
        drop(state);
        sent.map(|()| is_behind)
    }

    /// The operation of the outbox has succeeded: sends the next piece. If there is none, returns the next step.
    pub(crate) fn advance<K: Key>(&self, socket: &Socket<K>) -> io::Result<Next> {
        let mut dropped = Dropped::default();
        let mut state = self.lock();
        if state.pieces.is_none() {
            return Ok(Next::Nothing);
        }
        let (pieces, mut way) = state.pieces_and_way(socket, &mut dropped);
        pieces.is_sending = false;
        // What waits while it is corked leaves when the last frame is handled.
        if pieces.is_corked || pieces.send_next(&mut way)? {
            return Ok(Next::Nothing);
        }
        self.say_end(&mut state, socket);
        if state.waits() {
            return Ok(Next::Nothing);
        }
        self.set_behind(&state, false);
        Ok(state.take_next())
    }

    /// Nothing more can be sent: drops what waits, and returns the step that was to follow. No turn can be left here from now
    /// on.
    pub(crate) fn fail(&self) -> Next {
        let mut state = self.lock();
        self.flags.is_ending.store(true, Ordering::Relaxed);
        if let Some(session) = &mut state.session {
            session.fail();
        }
        self.set_behind(&state, false);
        let dropped = state.pieces.take();
        // Not under the lock: the drop of a payload may run code of the user's.
        drop(state);
        dropped.map_or(Next::Nothing, |pieces| pieces.next)
    }

    /// Leaves the client's turn here if more than `max` bytes wait, until all of them are out.
    pub(crate) fn pause<K>(&self, socket: &Socket<K>, max: usize) -> bool {
        match &mut self.lock().pieces {
            Some(pieces) if pieces.is_sending && socket.unsent() + pieces.bytes > max => {
                pieces.next = Next::GoOn;
                true
            }
            _ => false,
        }
    }

    /// Takes the client's turn back, if it was left here until all is out.
    pub(crate) fn take_turn(&self) -> bool {
        match &mut self.lock().pieces {
            Some(pieces) if pieces.next == Next::GoOn => {
                pieces.next = Next::Nothing;
                true
            }
            _ => false,
        }
    }

    /// Takes nothing more. Returns whether something waits, or is corked: then [`advance`](Self::advance) or
    /// [`uncork`](Self::uncork) is called when it is out.
    pub(crate) fn end_sending<K: Key>(&self, socket: &Socket<K>) -> bool {
        let mut state = self.lock();
        self.flags.is_ending.store(true, Ordering::Relaxed);
        self.say_end(&mut state, socket);
        state.waits()
    }

    /// Whether something waits, or is on its way.
    pub(crate) fn waits(&self) -> bool {
        self.lock().waits()
    }

    /// Takes nothing more. Leaves the client's turn here if something waits, until it is out.
    pub(crate) fn end<K: Key>(&self, socket: &Socket<K>) -> bool {
        let mut state = self.lock();
        self.flags.is_ending.store(true, Ordering::Relaxed);
        self.say_end(&mut state, socket);
        match &mut state.pieces {
            Some(pieces) if pieces.is_sending => {
                pieces.next = Next::EndOurSide;
                true
            }
            _ => false,
        }
    }

    /// Calls a function while nothing waits here, nor is to be said at the end; none otherwise.
    pub(crate) fn if_empty<T>(&self, then: impl FnOnce() -> Option<T>) -> Option<T> {
        let state = self.lock();
        match state.waits() || state.session.is_some() {
            true => None,
            false => then(),
        }
    }

    /// A client whose sends are sealed has all of them come here.
    fn set_behind(&self, state: &State, is_behind: bool) {
        self.flags.set_behind(is_behind || state.session.is_some());
    }

    /// Says that what was sent was all, where it is to be said, and nothing waits any more. Where that can't be sent, the connection has
    /// failed.
    fn say_end<K: Key>(&self, state: &mut State, socket: &Socket<K>) {
        if !self.flags.is_ending.load(Ordering::Relaxed) || state.waits() {
            return;
        }
        if let Some(end) = state.session.as_mut().and_then(|session| session.end()) {
            let _ = state.send_sealed(socket, end);
        }
    }

    /// Opens what was received, and sends what is to be sent because of it.
    ///
    /// # Errors
    /// It can't be opened, or the connection has failed.
    pub(crate) fn open<K: Key>(
        &self,
        socket: &Socket<K>,
        received: &mut [u8],
    ) -> io::Result<Stands> {
        let mut state = self.lock();
        let Some(session) = &mut state.session else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let mut reply = Vec::new();
        let opened = session.open(received, &mut reply);
        if !reply.is_empty() {
            let sent = state.send_sealed(socket, Payload::from(reply));
            return opened.and_then(|stands| sent.map(|()| stands));
        }
        opened
    }

    /// Calls a function with the session, if there is one.
    pub(crate) fn with_session<T>(&self, call: impl FnOnce(&mut Session) -> T) -> Option<T> {
        self.lock().session.as_mut().map(|session| call(session))
    }
}

/// What a push came to.
pub(crate) struct Pushed {
    /// The client has just fallen behind.
    pub(crate) has_fallen_behind: bool,
    /// So many sends were dropped for it.
    pub(crate) dropped: usize,
}

/// Why nothing was pushed.
pub(crate) enum Unsent {
    Failed(io::Error),
    /// Too much waits, and the client is to be cut for that.
    TooSlow(io::Error),
}

impl State {
    /// Whether anything waits, or is on its way.
    fn waits(&self) -> bool {
        self.pieces.as_ref().is_some_and(|pieces| pieces.waits())
    }

    fn slow_reader(&self, sending: &Sending) -> SlowReader {
        self.slow_reader.unwrap_or(sending.slow_reader)
    }

    /// Why so many bytes more can't wait, if they can't.
    fn refusal<K>(&self, socket: &Socket<K>, more: usize, sending: &Sending) -> Option<io::Error> {
        let (bytes, sends, whole) = match &self.pieces {
            Some(pieces) => (pieces.bytes, pieces.sends, pieces.whole),
            None => (0, 0, 0),
        };
        let (unsent_bytes, max_bytes) = (socket.unsent() + bytes, sending.bytes_max);
        let occupied = unsent_bytes.saturating_add(whole.saturating_mul(PIECE_BYTES));
        if unsent_bytes > 0 && more > max_bytes.saturating_sub(occupied) {
            let error = PortError::TooManyUnsent {
                unsent_bytes,
                max_bytes,
            };
            return Some(error.into());
        }
        let most = sending.sends_max;
        let too_many = || {
            let text = format!(
                "{most} sends wait for a client that does not read, the most that may (unsent_max)"
            );
            io::Error::new(io::ErrorKind::WouldBlock, text)
        };
        (sends >= most).then(too_many)
    }

    /// The pieces, and where they go.
    fn pieces_and_way<'a, K>(
        &'a mut self,
        socket: &'a Socket<K>,
        dropped: &'a mut Dropped,
    ) -> (&'a mut Pieces, Way<'a, K>) {
        let way = Way {
            socket,
            session: self.session.as_deref_mut(),
            dropped,
        };
        (self.pieces.get_or_insert_default(), way)
    }

    /// Seals and sends what has nothing before it.
    fn seal_at_once<K: Key>(
        &mut self,
        socket: &Socket<K>,
        outgoing: &Outgoing<'_>,
    ) -> io::Result<Pushed> {
        let Some(session) = &mut self.session else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let sealed = match outgoing.in_one() {
            Some(bytes) => session.seal(bytes)?,
            None => session.seal(&outgoing.to_vec())?,
        };
        self.send_sealed(socket, sealed)?;
        Ok(Pushed {
            has_fallen_behind: socket.unsent() > 0,
            dropped: 0,
        })
    }

    /// Sends what is sealed: before all that waits, since that is sealed when it is sent.
    fn send_sealed<K: Key>(&mut self, socket: &Socket<K>, sealed: Payload) -> io::Result<()> {
        let Some(pieces) = self.pieces.as_mut().filter(|pieces| pieces.is_sending) else {
            let Err(refused) = socket.send_if_idle(sealed) else {
                return Ok(());
            };
            if refused.error.kind() != io::ErrorKind::WouldBlock {
                return Err(refused.error);
            }
            // It is memory of ours: its drop may run here.
            let pieces = self.pieces.get_or_insert_default();
            return pieces.start(socket, refused.given, &mut Dropped::default());
        };
        let at = pieces.pieces.iter().take_while(|it| it.is_sealed).count();
        pieces.bytes += sealed.len();
        pieces.pieces.insert(
            at,
            Piece {
                payload: sealed,
                sends: 0,
                is_whole: false,
                is_sealed: true,
            },
        );
        Ok(())
    }

    /// Nothing waits any more: returns the next step.
    fn take_next(&mut self) -> Next {
        let pieces = self.pieces.take();
        pieces.map_or(Next::Nothing, |pieces| pieces.next)
    }

    /// What waits is not to be sent.
    fn clear(&mut self, dropped: &mut Dropped) {
        if let Some(mut pieces) = self.pieces.take() {
            pieces.leave(dropped);
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.leave(&mut Dropped::default());
    }
}

impl Pieces {
    /// Whether anything waits, or is on its way.
    fn waits(&self) -> bool {
        self.is_sending || self.is_corked || !self.pieces.is_empty()
    }

    /// None of what waits is to be sent.
    fn leave(&mut self, dropped: &mut Dropped) {
        dropped.extend(self.pieces.drain(..).map(|piece| piece.payload));
    }

    /// Takes the first piece, as it is to be sent.
    fn take_first<K>(&mut self, way: &mut Way<'_, K>) -> io::Result<Option<Payload>> {
        let Some(piece) = self.pieces.pop_front() else {
            return Ok(None);
        };
        let is_sealed = piece.is_sealed;
        let payload = self.forget(piece);
        match way.session.as_mut().filter(|_| !is_sealed) {
            None => Ok(Some(payload)),
            Some(session) => {
                let sealed = session.seal(&payload);
                way.dropped.push(payload);
                sealed.map(Some)
            }
        }
    }

    /// Takes the oldest send out of the line, of those that are pieces of their own.
    fn take_oldest(&mut self) -> Option<Payload> {
        let at = self.pieces.iter().position(|piece| piece.is_whole)?;
        let piece = self.pieces.remove(at)?;
        Some(self.forget(piece))
    }

    fn forget(&mut self, piece: Piece) -> Payload {
        self.bytes -= piece.payload.len();
        self.sends -= piece.sends;
        self.whole -= usize::from(piece.is_whole);
        piece.payload
    }

    /// Puts a send behind the others; `is_whole`: it is to be a piece of its own.
    fn push(&mut self, outgoing: &Outgoing<'_>, is_whole: bool, chunks: &BufferPool) {
        self.bytes += outgoing.len();
        self.sends += 1;
        match outgoing.shared() {
            Some(bytes) if is_whole || bytes.len() >= WHOLE_MIN => {
                self.push_whole(Payload::Bytes(bytes.clone()));
            }
            _ if is_whole => self.push_whole(outgoing.to_vec().into()),
            _ => {
                outgoing.for_each(|piece| self.copy(piece, chunks));
                if let Some(last) = self.pieces.back_mut() {
                    last.sends += 1;
                }
            }
        }
    }

    fn push_whole(&mut self, payload: Payload) {
        self.whole += 1;
        self.pieces.push_back(Piece {
            payload,
            sends: 1,
            is_whole: true,
            is_sealed: false,
        });
    }

    /// Copies bytes behind the last, into chunks.
    fn copy(&mut self, mut bytes: &[u8], chunks: &BufferPool) {
        while !bytes.is_empty() {
            let last = self.pieces.back_mut().filter(|piece| !piece.is_sealed);
            let room = match last.map(|piece| &mut piece.payload) {
                Some(Payload::Buffer(chunk)) => append(chunk, bytes),
                _ => 0,
            };
            bytes = &bytes[room..];
            if room == 0 {
                let chunk = chunks.get();
                let chunk = chunk.unwrap_or_else(|| Buffer::with_capacity(CHUNK_BYTES));
                self.pieces.push_back(Piece {
                    payload: Payload::Buffer(chunk),
                    sends: 0,
                    is_whole: false,
                    is_sealed: false,
                });
            }
        }
    }

    /// Starts to send the first piece; returns whether there was one. What is refused is left in `dropped`.
    fn send_next<K: Key>(&mut self, way: &mut Way<'_, K>) -> io::Result<bool> {
        match self.take_first(way)? {
            Some(payload) => self.start(way.socket, payload, way.dropped).map(|()| true),
            None => Ok(false),
        }
    }

    fn start<K: Key>(
        &mut self,
        socket: &Socket<K>,
        payload: Payload,
        dropped: &mut Dropped,
    ) -> io::Result<()> {
        match socket.send(payload) {
            Ok(_) => {
                self.is_sending = true;
                Ok(())
            }
            Err(refused) => {
                dropped.push(refused.given);
                Err(refused.error)
            }
        }
    }

    /// Sends the pieces without reports, as long as the system takes them at once; starts an operation for the next. What has a
    /// drop of the user's is left in `dropped`.
    fn send_at_once<K: Key>(&mut self, way: &mut Way<'_, K>) -> io::Result<()> {
        while let Some(payload) = self.take_first(way)? {
            if let Payload::Bytes(bytes) = &payload {
                // So that the send does not drop the last of it.
                way.dropped.push(Payload::Bytes(bytes.clone()));
            }
            let Err(refused) = way.socket.send_if_idle(payload) else {
                continue;
            };
            if refused.error.kind() != io::ErrorKind::WouldBlock {
                way.dropped.push(refused.given);
                return Err(refused.error);
            }
            return self.start(way.socket, refused.given, way.dropped);
        }
        Ok(())
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
