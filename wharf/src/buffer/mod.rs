//! Memory that operations own: [`Buffer`] to receive into, [`Payload`] to send from, [`BufferPool`] to use memory again.

mod aside;
mod pool;
mod transmit;

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use bytes::Bytes;
pub use pool::BufferPool;
use pool::Lease;
pub(crate) use pool::QueuePlace;
pub use transmit::Transmit;

use crate::raw::RawBuffer;

use crate::raw::Space;

/// Memory to receive into, and what was received.
///
/// A buffer has a fixed capacity, and dereferences to the bytes that are in use: after a receive, the bytes that
/// arrived. A receive always starts at the front and may fill the whole capacity. The memory is on the heap and
/// stays where it is when the buffer is moved. It is not zeroed in advance: a large buffer costs what is written to it.
///
/// ```
/// let mut buffer = wharf::Buffer::with_capacity(16);
/// buffer.copy_from(b"ahoy");
/// assert_eq!((&buffer[..], buffer.capacity()), (&b"ahoy"[..], 16));
/// ```
#[derive(Default)]
pub struct Buffer {
    memory: Space,
    /// At least so many bytes have been written.
    len: usize,
    /// Takes the memory back to its pool when the buffer is dropped.
    lease: Option<Lease>,
}

impl Buffer {
    /// A buffer for `capacity` bytes, with none in use. Capacity 0 allocates nothing.
    pub fn with_capacity(capacity: usize) -> Self {
        Buffer {
            memory: Space::with_capacity(capacity),
            len: 0,
            lease: None,
        }
    }

    /// The pool that it counts against.
    pub(crate) fn pool(&self) -> Option<&BufferPool> {
        self.lease.as_ref().and_then(Lease::counted)
    }

    /// A copy that counts against no pool, if this buffer counts against one: for bytes that have to wait while other
    /// operations need the pool. The copy's memory is used again, too.
    pub(crate) fn set_aside(&self) -> Option<Buffer> {
        Some(self.pool()?.copy_aside(self))
    }

    fn leased(memory: Space, lease: Lease) -> Self {
        Buffer {
            memory,
            len: 0,
            lease: Some(lease),
        }
    }

    /// How many bytes it can hold.
    pub fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// Makes the first `len` bytes of the memory the bytes in use. They keep the values that were written there last;
    /// bytes that were never written become 0 now.
    ///
    /// # Panics
    /// If `len` is above the capacity.
    pub fn set_len(&mut self, len: usize) {
        self.memory.zero_up_to(len);
        self.len = len;
    }

    /// Replaces the bytes in use with a copy of `bytes`.
    ///
    /// # Panics
    /// If there are more bytes than the capacity.
    pub fn copy_from(&mut self, bytes: &[u8]) {
        self.memory.write(bytes);
        self.len = bytes.len();
    }

    /// The whole memory, in use or not. Bytes that were never written become 0 now: the first time, that touches all of them.
    pub fn memory_mut(&mut self) -> &mut [u8] {
        self.memory.zero_up_to(self.capacity());
        self.memory.written_mut()
    }

    /// The memory itself, for operations.
    pub(crate) fn space_mut(&mut self) -> &mut Space {
        &mut self.memory
    }
}

/// In a debug build, memory that was given back is filled with this value, so that a late read of it shows.
const POISON: u8 = 0xDB;

impl Drop for Buffer {
    fn drop(&mut self) {
        if cfg!(debug_assertions) {
            self.memory.written_mut().fill(POISON);
        }
        if let Some(lease) = self.lease.take() {
            lease.give_back(std::mem::take(&mut self.memory));
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory.written()[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory.written_mut()[..self.len]
    }
}

impl From<Vec<u8>> for Buffer {
    /// All of the bytes are in use, and are the capacity.
    fn from(bytes: Vec<u8>) -> Self {
        Buffer {
            len: bytes.len(),
            memory: bytes.into(),
            lease: None,
        }
    }
}

impl From<Buffer> for Vec<u8> {
    /// The bytes in use: the memory itself; or a copy, if the memory belongs to a pool, which gets it back.
    fn from(mut buffer: Buffer) -> Self {
        if buffer.lease.is_some() {
            return buffer.to_vec();
        }
        let mut bytes = std::mem::take(&mut buffer.memory).into_vec();
        bytes.truncate(std::mem::take(&mut buffer.len));
        bytes
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Buffer")
            .field("len", &self.len)
            .field("capacity", &self.capacity())
            .field("pooled", &self.lease.is_some())
            .finish()
    }
}

/// Bytes to send: a [`Buffer`], as it was received, or shared [`Bytes`], to be sent to many without a copy.
#[derive(Debug)]
#[non_exhaustive]
pub enum Payload {
    /// The bytes in use in a buffer.
    Buffer(Buffer),
    /// Shared bytes.
    Bytes(Bytes),
}

impl Payload {
    /// The same bytes, out of a pooled buffer if they are in one.
    #[cfg(windows)]
    pub(crate) fn aside(mut self) -> Self {
        self.set_aside();
        self
    }

    /// Moves its bytes out of a pooled buffer, if they are in one; says whether they were.
    pub(crate) fn set_aside(&mut self) -> bool {
        let copy = match self {
            Payload::Buffer(buffer) => buffer.set_aside(),
            Payload::Bytes(_) => None,
        };
        let any = copy.is_some();
        copy.into_iter()
            .for_each(|copy| *self = Payload::Buffer(copy));
        any
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Payload::Buffer(buffer) => buffer,
            Payload::Bytes(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Buffer> for Payload {
    fn from(buffer: Buffer) -> Self {
        Payload::Buffer(buffer)
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Payload::Bytes(bytes.into())
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Payload::Bytes(bytes)
    }
}

impl From<&'static [u8]> for Payload {
    fn from(bytes: &'static [u8]) -> Self {
        Payload::Bytes(Bytes::from_static(bytes))
    }
}

impl<const N: usize> From<&'static [u8; N]> for Payload {
    /// So that `b"..."` is one.
    fn from(bytes: &'static [u8; N]) -> Self {
        Payload::from(&bytes[..])
    }
}

impl From<&'static str> for Payload {
    fn from(text: &'static str) -> Self {
        Payload::from(text.as_bytes())
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Payload::from(text.into_bytes())
    }
}

/// Where a buffer's memory is; it stays there when the buffer is moved.
pub(crate) fn writable(buffer: &mut Buffer) -> RawBuffer {
    buffer.space_mut().raw()
}

/// Where a payload's bytes are; they stay there when it is moved.
pub(crate) fn readable(payload: &Payload) -> RawBuffer {
    RawBuffer {
        start: payload.as_ptr().cast_mut(),
        len: payload.len(),
    }
}
