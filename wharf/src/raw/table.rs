//! The handles of a port: where each keeps its state, and how a stale one is told.
//!
//! A handle is a place in a table and the generation of what stands there. Places are used again and never move,
//! so an event that arrives late, or a caller that holds on too long, finds another generation and nothing else.

use std::{io, sync::OnceLock};

use super::{Descriptor, arrival::Arrivals, side::Side};
use crate::sync::{Mutex, MutexGuard};

/// Names a socket that is associated with a port. Never names another, however long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Handle(u64);

impl Handle {
    /// No handle: nothing is ever associated under it.
    pub const NONE: Handle = Handle(0);

    /// The handle as a number, for interfaces that know no types.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The handle that [`to_bits`](Self::to_bits) was called on. Any other number is a stale handle.
    pub fn from_bits(bits: u64) -> Self {
        Handle(bits)
    }

    fn new(slot: u32, generation: u32) -> Self {
        Handle(u64::from(generation) << 32 | u64::from(slot))
    }

    pub(super) fn slot(self) -> u32 {
        self.0 as u32
    }

    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// What a handle was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A connected stream socket.
    Stream,
    /// A stream socket that is not connected yet.
    Unconnected,
    /// A listening socket.
    Listener,
    /// A datagram socket.
    Datagram,
    /// A file that is read and written at offsets.
    File,
}

/// The state of one handle.
#[derive(Debug)]
pub(super) struct Entry {
    generation: u32,
    pub kind: Kind,
    /// Being closed: nothing is started any more, and whoever transfers last frees the place.
    pub closing: bool,
    /// None while the place is free.
    pub descriptor: Option<Descriptor>,
    /// Threads that use the descriptor other than for a transfer.
    pub holds: u32,
    pub key: usize,
    pub sides: [Side; 2],
    /// A short read does not mean that nothing is left: the peer has ended, or urgent data came.
    pub read_on: bool,
    /// A receive found the end while a send was in transfer, which may have been told that there is none.
    pub end_in_doubt: bool,
    /// The error that broke the connection, if it isn't 0: what follows is no orderly end.
    pub broken: i32,
    /// The number of the last operation.
    pub sequence: u64,
    /// Bytes of started sends that the kernel has not taken yet, and the most there may be.
    pub unsent: usize,
    pub unsent_max: usize,
    pub received: u64,
    pub sent: u64,
    /// Of a listener: the connections whose first bytes are waited for. Of such a connection: its listener.
    pub arrivals: Arrivals,
}

impl Entry {
    fn free() -> Self {
        Entry {
            generation: 1,
            kind: Kind::Stream,
            closing: false,
            descriptor: None,
            holds: 0,
            key: 0,
            sides: [Side::default(), Side::default()],
            read_on: false,
            end_in_doubt: false,
            broken: 0,
            sequence: 0,
            unsent: 0,
            unsent_max: usize::MAX,
            received: 0,
            sent: 0,
            arrivals: Arrivals::None,
        }
    }

    /// Whether a thread uses the descriptor, so that it must stay open.
    pub(super) fn is_busy(&self) -> bool {
        self.holds > 0 || self.sides.iter().any(|side| side.busy)
    }
}

/// Places in a chunk; chunks are made when they are first needed and stay.
const CHUNK: usize = 256;
const CHUNKS_MAX: usize = 4096;
/// The most handles of one port.
pub(super) const HANDLES_MAX: usize = CHUNK * CHUNKS_MAX;

type Chunk = Box<[Mutex<Entry>]>;

#[derive(Debug)]
pub(super) struct Table {
    chunks: Box<[OnceLock<Chunk>]>,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    /// Used before and free now; the last to be freed is the first to be used again.
    free: Vec<u32>,
    /// From here on, never used.
    fresh: u32,
    closed: bool,
}

impl Table {
    pub(super) fn new() -> Self {
        Table {
            chunks: (0..CHUNKS_MAX).map(|_| OnceLock::new()).collect(),
            places: Mutex::new(Places::default()),
        }
    }

    /// How many places were ever used: as many handles there may be at once without new memory.
    pub(super) fn places_used(&self) -> usize {
        self.places.lock().fresh as usize
    }

    /// Gives a descriptor a place.
    pub(super) fn insert(
        &self,
        descriptor: Descriptor,
        key: usize,
        kind: Kind,
    ) -> io::Result<Handle> {
        let slot = self.reserve()?;
        let mut entry = self.entry(slot).expect("a reserved place exists").lock();
        let generation = entry.generation;
        *entry = Entry {
            generation,
            kind,
            descriptor: Some(descriptor),
            key,
            ..Entry::free()
        };
        // Writing is worth trying at once; reading once there is an event.
        entry.sides[super::Direction::Write as usize].ready = true;
        Ok(Handle::new(slot, generation))
    }

    fn reserve(&self) -> io::Result<u32> {
        let mut places = self.places.lock();
        if places.closed {
            return Err(super::closed());
        }
        if let Some(slot) = places.free.pop() {
            return Ok(slot);
        }
        let slot = places.fresh;
        if slot as usize >= HANDLES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                format!(
                    "a port takes {HANDLES_MAX} handles at most; close some, or use a second port"
                ),
            ));
        }
        places.fresh += 1;
        let chunk = &self.chunks[slot as usize / CHUNK];
        chunk.get_or_init(|| (0..CHUNK).map(|_| Mutex::new(Entry::free())).collect());
        // So that freeing the place needs no memory.
        let used = places.fresh as usize;
        let missing = used.saturating_sub(places.free.len());
        places.free.reserve(missing);
        Ok(slot)
    }

    fn entry(&self, slot: u32) -> Option<&Mutex<Entry>> {
        let chunk = self.chunks.get(slot as usize / CHUNK)?.get()?;
        chunk.get(slot as usize % CHUNK)
    }

    /// Locks the state of a handle; none if it is stale.
    pub(super) fn lock(&self, handle: Handle) -> Option<MutexGuard<'_, Entry>> {
        let entry = self.entry(handle.slot())?.lock();
        (entry.generation == handle.generation() && entry.descriptor.is_some()).then_some(entry)
    }

    /// Makes the handle stale, and takes the descriptor out. The place is to be given back with
    /// [`release`](Self::release) once nothing refers to it.
    pub(super) fn remove(&self, mut entry: MutexGuard<'_, Entry>) -> Option<Descriptor> {
        // Generation 0 is left out, so that no handle is ever `Handle::NONE`; the top bit too, since the driver
        // has tokens of its own there.
        entry.generation = (entry.generation % (i32::MAX as u32)) + 1;
        entry.descriptor.take()
    }

    pub(super) fn release(&self, handle: Handle) {
        self.places.lock().free.push(handle.slot());
    }

    /// Refuses new handles from now on, and lists those there are.
    pub(super) fn close(&self) -> Vec<Handle> {
        let used = {
            let mut places = self.places.lock();
            places.closed = true;
            places.fresh
        };
        let handle = |slot| {
            let entry = self.entry(slot)?.lock();
            let open = entry.descriptor.is_some();
            open.then(|| Handle::new(slot, entry.generation))
        };
        (0..used).filter_map(handle).collect()
    }
}
