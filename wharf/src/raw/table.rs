//! The handles of a port: where each keeps its state, and how a stale one is recognised.
//!
//! A handle is a place in a table and a generation of that place. Places are used again and never move; each use has a new
//! generation. So an event that arrives late, or a caller that uses an old handle, finds another generation and does no harm.

use std::{
    io,
    ops::{Deref, DerefMut},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Descriptor, Entry, PortError};
use crate::sync::{Mutex, MutexGuard};

/// Names a socket that is associated with a port. Never names another, however long it is kept: a place whose generations are
/// used up, after 2^31 handles, is not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Handle(u64);

impl Handle {
    /// No handle: no socket is ever associated under it.
    pub const NONE: Handle = Handle(0);

    /// The handle as a number, for interfaces without types.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The handle that [`to_bits`](Self::to_bits) was called on. Any other number is a stale handle, or
    /// the handle of a connection whose first bytes are awaited, which the caller did not get and must not use.
    pub fn from_bits(bits: u64) -> Self {
        Handle(bits)
    }

    /// The place of a timer, in the name of its operation. No handle is the same: the first generation is 1.
    pub(super) fn of_timer(place: u32) -> Self {
        Handle(u64::from(place) + 1)
    }

    /// The place of a timer, if it is one's.
    pub(super) fn timer(self) -> Option<u32> {
        match self.generation() {
            0 => self.slot().checked_sub(1),
            _ => None,
        }
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

/// The kind of socket or file behind a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A connected stream socket.
    Stream,
    /// A stream socket that is not connected yet.
    Unconnected,
    /// A listening socket.
    Listener,
    /// A datagram socket. A stream in its place, on Linux, may count bytes that it has not written.
    Datagram,
    /// A file that is read and written at offsets.
    File,
}

/// Places in a chunk; chunks are made when they are first needed and stay.
const CHUNK: usize = 256;
const CHUNKS_MAX: usize = 4096;
/// The most handles of one port.
pub const HANDLES_MAX: usize = CHUNK * CHUNKS_MAX;

/// The last generation of a place. The bit above is left to the driver, which has tokens of its own there.
const GENERATION_MAX: u32 = i32::MAX as u32;

type Chunk = Box<[Place; CHUNK]>;

#[derive(Debug)]
struct Place {
    /// What waits to be sent on the handle that has the place, to be read without the lock: see [`LockedEntry::drop`].
    unsent_copy: AtomicU64,
    entry: Mutex<Entry>,
}

/// The state of a handle, under its lock.
pub(super) struct LockedEntry<'a> {
    unsent_copy: &'a AtomicU64,
    entry: MutexGuard<'a, Entry>,
}

impl Deref for LockedEntry<'_> {
    type Target = Entry;

    #[inline]
    fn deref(&self) -> &Entry {
        &self.entry
    }
}

impl DerefMut for LockedEntry<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Entry {
        &mut self.entry
    }
}

impl Drop for LockedEntry<'_> {
    /// Leaves a copy of how much waits to be sent, with the generation of the handle that this is true of.
    #[inline(always)]
    fn drop(&mut self) {
        let bytes = u32::try_from(self.entry.unsent.bytes).unwrap_or(u32::MAX);
        let copy = u64::from(self.entry.generation) << 32 | u64::from(bytes);
        self.unsent_copy.store(copy, Ordering::Release);
    }
}

/// Made on the heap: it is large.
fn new_chunk() -> Chunk {
    let places: Vec<Place> = (0..CHUNK).map(|_| Place::free()).collect();
    let places = places.into_boxed_slice().try_into();
    places.unwrap_or_else(|_| unreachable!("there are as many places"))
}

impl Place {
    fn free() -> Place {
        Place {
            unsent_copy: AtomicU64::new(0),
            entry: Mutex::new(Entry::free()),
        }
    }

    #[inline]
    fn lock(&self) -> LockedEntry<'_> {
        LockedEntry {
            unsent_copy: &self.unsent_copy,
            entry: self.entry.lock(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Table {
    chunks: Box<[OnceLock<Chunk>]>,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    /// Places that were used and are free now; the last to be freed is the first to be used again.
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
    #[cfg(unix)]
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
        *entry = Entry::of(descriptor, key, kind, generation);
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
            return Err(PortError::TooManyHandles.into());
        }
        places.fresh += 1;
        let chunk = &self.chunks[slot as usize / CHUNK];
        chunk.get_or_init(new_chunk);
        // So that freeing the place needs no memory.
        let used = places.fresh as usize;
        let missing = used.saturating_sub(places.free.len());
        places.free.reserve(missing);
        Ok(slot)
    }

    /// How many bytes wait to be sent on a handle; 0 if it is stale. Takes no lock where it can be avoided.
    #[inline]
    pub(super) fn unsent(&self, handle: Handle) -> usize {
        let Some(place) = self.entry(handle.slot()) else {
            return 0;
        };
        let copy = place.unsent_copy.load(Ordering::Acquire);
        if (copy >> 32) as u32 != handle.generation() {
            return 0;
        }
        match copy as u32 {
            // There is no room for more in the copy.
            u32::MAX => self.lock(handle).map_or(0, |entry| entry.unsent.bytes),
            bytes => bytes as usize,
        }
    }

    #[inline]
    fn entry(&self, slot: u32) -> Option<&Place> {
        let chunk = self.chunks.get(slot as usize / CHUNK)?.get()?;
        Some(&chunk[slot as usize % CHUNK])
    }

    /// Locks the state of a handle; none if it is stale.
    #[inline]
    pub(super) fn lock(&self, handle: Handle) -> Option<LockedEntry<'_>> {
        let entry = self.entry(handle.slot())?.lock();
        (entry.generation == handle.generation() && entry.is_in_use()).then_some(entry)
    }

    /// As [`lock`](Self::lock), of a handle that is not being closed.
    ///
    /// # Errors
    /// It is closed.
    pub(super) fn open(&self, handle: Handle) -> io::Result<LockedEntry<'_>> {
        let entry = self.lock(handle).ok_or_else(super::closed)?;
        match entry.closing {
            true => Err(super::closed()),
            false => Ok(entry),
        }
    }

    /// Makes the handle stale, and takes the descriptor out. The place is to be given back with
    /// [`release`](Self::release) once nothing refers to it.
    pub(super) fn remove(&self, mut entry: LockedEntry<'_>) -> Option<Descriptor> {
        // The first is 1, so that no handle is ever `Handle::NONE`. After the last comes a generation that no handle has.
        entry.generation += 1;
        entry.descriptor.take()
    }

    /// Gives the place of a removed handle back. If its generations are used up, it stays unused from now on.
    pub(super) fn release(&self, handle: Handle) {
        if handle.generation() < GENERATION_MAX {
            self.places.lock().free.push(handle.slot());
        }
    }

    /// Refuses new handles from now on, and lists the existing ones.
    pub(super) fn close(&self) -> Vec<Handle> {
        let used = {
            let mut places = self.places.lock();
            places.closed = true;
            places.fresh
        };
        let handle = |slot| {
            let entry = self.entry(slot)?.lock();
            entry
                .is_in_use()
                .then(|| Handle::new(slot, entry.generation))
        };
        (0..used).filter_map(handle).collect()
    }
}

#[cfg(all(test, unix, not(loom), not(shuttle)))]
mod tests {
    use std::fs::File;

    use super::*;

    impl Table {
        /// As if all places were in use.
        pub(in crate::raw) fn use_up(&self) {
            self.places.lock().fresh = HANDLES_MAX as u32;
        }
    }

    fn insert(table: &Table) -> Handle {
        let file = File::open("/dev/null").expect("a device");
        let handle = table.insert(file.into(), 0, Kind::File);
        handle.expect("a place")
    }

    fn let_go(table: &Table, handle: Handle) {
        let entry = table.lock(handle).expect("it is in use");
        table.remove(entry);
        table.release(handle);
    }

    #[test]
    fn a_place_is_used_again_under_another_handle() {
        let table = Table::new();
        let first = insert(&table);
        let_go(&table, first);
        let second = insert(&table);
        assert_eq!(second.slot(), first.slot());
        assert!(table.lock(first).is_none());
        assert!(table.lock(second).is_some());
    }

    #[test]
    fn a_place_whose_generations_are_used_up_is_not_used_again() {
        let table = Table::new();
        let first = insert(&table);
        let_go(&table, first);
        let place = table.entry(first.slot()).expect("a place");
        place.lock().generation = GENERATION_MAX;
        let last = insert(&table);
        assert_eq!((last.slot(), last.generation()), (0, GENERATION_MAX));
        assert!(last.to_bits() < 1 << 63, "the bit is the driver's");
        let_go(&table, last);
        let next = insert(&table);
        assert_eq!((next.slot(), next.generation()), (1, 1));
        for stale in [first, last] {
            assert!(table.lock(stale).is_none());
        }
        assert_eq!(table.close(), [next]);
    }

    #[test]
    fn a_full_table_says_what_ran_out_and_what_to_do() {
        let table = Table::new();
        table.use_up();
        let file = File::open("/dev/null").expect("a device");
        let error = table.insert(file.into(), 0, Kind::File);
        let error = error.expect_err("all places are in use");
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
        assert!(error.to_string().contains("1048576"), "{error}");
    }
}
