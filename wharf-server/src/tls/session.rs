//! One client's TLS: what it sends is opened here, and what is sent to it is sealed.
//!
//! A session lives in its client's [outbox](crate::outbox), behind the same lock: the order in which records are sealed is the order
//! in which they are sent. Bytes are sealed when they go to the socket, and not when they begin to wait: so what waits for a slow
//! reader is shared by all who wait for the same, and can be dropped.

use std::{collections::VecDeque, io, mem};

use rustls::{
    CommonState,
    client::UnbufferedClientConnection,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus},
};
use wharf::{Buffer, BufferPool, Payload};

use super::{Agreed, Handshake, server::Asked};
use crate::outbox::CHUNK_BYTES;

/// The most bytes in a record, but for what encrypting adds.
const RECORD_BYTES: usize = 16_384;

/// The most that encrypting adds to a record: its head, a nonce, a tag.
const RECORD_MORE: usize = 64;

/// The most bytes that are kept of what was not opened: a message of a handshake (64 KiB at most), cut into records of some length, and
/// what was received behind it.
pub(crate) const UNOPENED_MAX: usize = 256 << 10;

/// So much memory is kept for the beginning of a record; much more is given back.
const UNOPENED_KEPT: usize = RECORD_BYTES + 2 * RECORD_MORE;

/// What one receive brings of a client with TLS, at the most: the longest record of TLS 1.3 (RFC 8446, 5.2), so that it lies whole.
pub(crate) const RECEIVE_BYTES: usize = 5 + RECORD_BYTES + 256;

/// Enough for an alert.
const ALERT_BYTES: usize = 256;

/// Where sessions have memory from, to be used again.
#[derive(Debug, Clone)]
pub(crate) struct Pools {
    /// For small records that are to be sent.
    chunks: BufferPool,
    /// For the others, and for what is opened.
    records: BufferPool,
}

impl Pools {
    pub(crate) fn new(chunks: BufferPool) -> Self {
        Pools {
            chunks,
            records: BufferPool::new(RECORD_BYTES + RECORD_MORE),
        }
    }

    /// A buffer for so many bytes, all in use.
    fn get(&self, len: usize) -> Buffer {
        let pooled = match len {
            0..=CHUNK_BYTES => self.chunks.get(),
            _ if len <= self.records.capacity() => self.records.get(),
            _ => None,
        };
        let mut buffer = pooled.unwrap_or_else(|| Buffer::with_capacity(len));
        buffer.set_len(len);
        buffer
    }
}

/// One client's.
pub(crate) struct Session {
    connection: Box<Connection>,
    pools: Pools,
    /// What has arrived and was not opened: the beginning of a record, or of a message of the handshake.
    unopened: Vec<u8>,
    /// What was opened, and not handed out.
    opened: VecDeque<Buffer>,
    /// The peer has said that this was all.
    peer_has_ended: bool,
    /// We have said so, or shall not.
    has_ended: bool,
    /// Until it is done, or has failed.
    handshake: Option<Handshake>,
}

pub(super) enum Connection {
    /// With the name that its client asks for.
    Server(UnbufferedServerConnection, Asked),
    Client(UnbufferedClientConnection),
}

/// How a session stands after bytes were opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stands {
    /// The handshake is done.
    pub(crate) is_open: bool,
    /// So many bytes of the peer's wait to be handed out.
    pub(crate) opened_bytes: usize,
    /// So many have arrived that can't be opened yet.
    pub(crate) unopened_bytes: usize,
    /// The peer has said that this was all.
    pub(crate) peer_has_ended: bool,
}

/// What is to be done when the connection has nothing of its own to do.
#[derive(Clone, Copy)]
enum Task<'a> {
    Open,
    /// Seals these bytes.
    Seal(&'a [u8]),
    /// Says that this is all.
    End,
}

/// What came of one step of the connection.
struct Step {
    /// So many bytes of what has arrived are done with.
    used: usize,
    /// There may be more to do.
    goes_on: bool,
    /// Records were opened: if nothing is left of what has arrived, there is no more to do.
    has_opened: bool,
    result: Result<(), rustls::Error>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Session")
            .field("peer_has_ended", &self.peer_has_ended)
            .field("has_ended", &self.has_ended)
            .finish_non_exhaustive()
    }
}

impl Connection {
    fn common(&self) -> &CommonState {
        match self {
            Connection::Server(connection, _) => connection,
            Connection::Client(connection) => connection,
        }
    }
}

impl Session {
    pub(super) fn new(connection: Connection, pools: Pools, handshake: Handshake) -> Self {
        Session {
            connection: Box::new(connection),
            pools,
            unopened: Vec::new(),
            opened: VecDeque::new(),
            peer_has_ended: false,
            has_ended: false,
            handshake: Some(handshake),
        }
    }

    fn is_handshaking(&self) -> bool {
        self.connection.common().is_handshaking()
    }

    /// What both sides have agreed on; none before the handshake is done.
    pub(crate) fn agreed(&self) -> Option<Agreed> {
        let server_name = match &*self.connection {
            Connection::Server(_, asked) => asked.name(),
            Connection::Client(_) => None,
        };
        match self.is_handshaking() {
            true => None,
            false => Agreed::of(self.connection.common(), server_name),
        }
    }

    /// Opens what has arrived. What is to be sent because of it is put behind `reply`, also where this fails.
    ///
    /// # Errors
    /// It is no TLS, or the peer is not who it has to be. Nothing more can be opened or sealed.
    pub(crate) fn open(&mut self, arrived: &mut [u8], reply: &mut Vec<u8>) -> io::Result<Stands> {
        let opened = match self.unopened.is_empty() {
            true => {
                // Where records lie whole, they are opened where they lie.
                let (used, opened) = self.open_in_place(arrived, reply);
                let rest = arrived.get(used..).unwrap_or_default();
                if !rest.is_empty() && !self.peer_has_ended && opened.is_ok() {
                    self.unopened.extend_from_slice(rest);
                }
                opened
            }
            false => self.open_behind(arrived, reply),
        };
        if let Err(error) = opened {
            self.fail();
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        let is_over = !self.is_handshaking();
        // One that has lost its place stays: its client is ended by the thread that took the place.
        self.handshake
            .take_if(|handshake| is_over && handshake.succeed());
        Ok(self.stands())
    }

    /// Opens what has arrived behind what was kept.
    fn open_behind(&mut self, arrived: &[u8], reply: &mut Vec<u8>) -> Result<(), rustls::Error> {
        if self.unopened.len() + arrived.len() > UNOPENED_MAX {
            return Err(rustls::Error::General(format!(
                "a message of its handshake is longer than {UNOPENED_MAX} bytes"
            )));
        }
        self.unopened.extend_from_slice(arrived);
        let mut unopened = mem::take(&mut self.unopened);
        let (used, opened) = self.open_in_place(&mut unopened, reply);
        // Nothing is kept for a client that sends nothing.
        if !self.peer_has_ended && used < unopened.len() {
            unopened.drain(..used);
            if unopened.capacity() > 2 * UNOPENED_KEPT {
                unopened.shrink_to(UNOPENED_KEPT);
            }
            self.unopened = unopened;
        }
        opened
    }

    /// Returns how many bytes are done with.
    fn open_in_place(
        &mut self,
        bytes: &mut [u8],
        reply: &mut Vec<u8>,
    ) -> (usize, Result<(), rustls::Error>) {
        let (mut used, mut nothing) = (0, Buffer::default());
        loop {
            let step = self.step(&mut bytes[used..], Task::Open, &mut nothing, reply);
            used += step.used;
            if step.result.is_err() {
                // The peer is told why. Nothing more may be looked at.
                while self.connection.common().wants_write() {
                    let bytes = &mut bytes[used..];
                    used += self.step(bytes, Task::Open, &mut nothing, reply).used;
                }
                return (used, step.result);
            }
            let is_all = step.has_opened && used == bytes.len();
            if !step.goes_on || (is_all && !self.connection.common().wants_write()) {
                return (used, Ok(()));
            }
        }
    }

    /// Seals bytes. What has to be sent before them comes first.
    ///
    /// # Errors
    /// The handshake is not done, or the session has ended, or can't be used any more.
    pub(crate) fn seal(&mut self, bytes: &[u8]) -> io::Result<Payload> {
        if self.has_ended || self.is_handshaking() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let records = bytes.len() / RECORD_BYTES + 1;
        let mut sealed = self.pools.get(bytes.len() + records * RECORD_MORE);
        match self.finish(Task::Seal(bytes), &mut sealed) {
            Ok(before) => Ok(in_one(&before, sealed)),
            Err(error) => {
                self.fail();
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }

    /// Says that this is all; returns what is to be sent for that, if it was not said before.
    pub(crate) fn end(&mut self) -> Option<Payload> {
        if self.has_ended || self.is_handshaking() {
            return None;
        }
        let mut sealed = self.pools.get(ALERT_BYTES);
        let ended = self.finish(Task::End, &mut sealed);
        self.has_ended = true;
        ended.ok().map(|before| in_one(&before, sealed))
    }

    /// Has a task done that needs a session whose handshake is done; returns what is to be sent before what it has sealed.
    fn finish(&mut self, task: Task<'_>, sealed: &mut Buffer) -> Result<Vec<u8>, rustls::Error> {
        let (mut before, mut used) = (Vec::new(), 0);
        let mut unopened = mem::take(&mut self.unopened);
        loop {
            let step = self.step(&mut unopened[used..], task, sealed, &mut before);
            used += step.used;
            if step.result.is_err() || !step.goes_on {
                unopened.drain(..used);
                self.unopened = unopened;
                return step.result.map(|()| before);
            }
        }
    }

    /// One step of the connection.
    fn step(
        &mut self,
        bytes: &mut [u8],
        task: Task<'_>,
        sealed: &mut Buffer,
        reply: &mut Vec<u8>,
    ) -> Step {
        let mut peer_has_ended = false;
        let (opened, pools) = (&mut self.opened, &self.pools);
        let open = |bytes: &[u8]| put(opened, pools, bytes);
        let step = match &mut *self.connection {
            Connection::Server(it, _) => handle(
                it.process_tls_records(bytes),
                task,
                sealed,
                reply,
                open,
                &mut peer_has_ended,
            ),
            Connection::Client(it) => handle(
                it.process_tls_records(bytes),
                task,
                sealed,
                reply,
                open,
                &mut peer_has_ended,
            ),
        };
        self.peer_has_ended |= peer_has_ended;
        step
    }

    /// The next of what was opened, if it is wanted; and how the session stands then.
    pub(crate) fn take_opened(&mut self, is_wanted: bool) -> (Option<Buffer>, Stands) {
        let opened = is_wanted.then(|| self.opened.pop_front()).flatten();
        (opened, self.stands())
    }

    pub(crate) fn stands(&self) -> Stands {
        Stands {
            is_open: self.handshake.is_none(),
            opened_bytes: self.opened.iter().map(|buffer| buffer.len()).sum(),
            unopened_bytes: self.unopened.len(),
            peer_has_ended: self.peer_has_ended,
        }
    }

    /// Nothing more is opened or sealed, and nothing is kept.
    pub(crate) fn fail(&mut self) {
        self.has_ended = true;
        self.handshake = None;
        self.unopened = Vec::new();
        self.opened = VecDeque::new();
    }
}

/// Puts bytes that were opened behind the others.
fn put(opened: &mut VecDeque<Buffer>, pools: &Pools, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    if let Some(last) = opened.back_mut() {
        let at = last.len();
        if bytes.len() <= last.capacity() - at {
            last.set_len(at + bytes.len());
            last[at..].copy_from_slice(bytes);
            return;
        }
    }
    let mut buffer = pools.get(bytes.len());
    buffer.copy_from(bytes);
    opened.push_back(buffer);
}

/// What was sealed; what has to come before is there seldom.
fn in_one(before: &[u8], sealed: Buffer) -> Payload {
    match before.is_empty() {
        true => sealed.into(),
        false => Payload::from([before, &sealed[..]].concat()),
    }
}

/// Does what the state of a connection asks for.
fn handle<D>(
    status: UnbufferedStatus<'_, '_, D>,
    task: Task<'_>,
    sealed: &mut Buffer,
    reply: &mut Vec<u8>,
    mut open: impl FnMut(&[u8]),
    peer_has_ended: &mut bool,
) -> Step {
    let (mut used, mut has_opened) = (status.discard, false);
    let done = status.state.and_then(|state| match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            has_opened = true;
            while let Some(record) = traffic.next_record() {
                let record = record?;
                used += record.discard;
                open(record.payload);
            }
            Ok(true)
        }
        ConnectionState::EncodeTlsData(mut data) => {
            encode(reply, |memory| data.encode(memory))?;
            Ok(true)
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Ok(true)
        }
        ConnectionState::PeerClosed => {
            *peer_has_ended = true;
            Ok(true)
        }
        ConnectionState::WriteTraffic(mut traffic) => {
            match task {
                Task::Open => {}
                Task::Seal(bytes) => seal(sealed, |memory| traffic.encrypt(bytes, memory))?,
                Task::End => seal(sealed, |memory| traffic.queue_close_notify(memory))?,
            }
            Ok(false)
        }
        // Nothing is sent early, since that is not asked for.
        _ => Ok(false),
    });
    Step {
        used,
        goes_on: matches!(done, Ok(true)),
        has_opened,
        result: done.map(drop),
    }
}

/// Has a record put behind others.
fn encode(
    reply: &mut Vec<u8>,
    mut put: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
) -> Result<(), rustls::Error> {
    let at = reply.len();
    let mut len = match put(&mut []) {
        Err(EncodeError::InsufficientSize(error)) => error.required_size,
        _ => 0,
    };
    reply.resize(at + len, 0);
    len = put(&mut reply[at..]).map_err(|error| rustls::Error::General(error.to_string()))?;
    reply.truncate(at + len);
    Ok(())
}

/// Has records put into memory, of which those bytes are in use then.
fn seal(
    memory: &mut Buffer,
    mut put: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<(), rustls::Error> {
    let mut sealed = put(memory);
    if let Err(EncryptError::InsufficientSize(error)) = &sealed {
        *memory = Buffer::with_capacity(error.required_size);
        memory.set_len(error.required_size);
        sealed = put(memory);
    }
    let len = sealed.map_err(|error| rustls::Error::General(error.to_string()))?;
    memory.set_len(len);
    Ok(())
}
