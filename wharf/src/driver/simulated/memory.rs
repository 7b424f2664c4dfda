//! The memory of a call: as the caller names it, and as bytes.

use crate::driver::{Call, RawBuffer, unix::calls::Left};

/// The memory that a call names: a call that sends or writes reads it, a call that receives or reads writes it.
pub(super) enum Memory {
    Source(Vec<RawBuffer>),
    Target(Vec<RawBuffer>),
}

impl Memory {
    /// # Safety
    /// A list of several buffers is in place. For as long as this lives, the buffers are valid for reading if the call sends or
    /// writes; if it receives or reads, they are valid for writing, and not used by other code.
    pub unsafe fn of(call: Call) -> Self {
        match call {
            Call::Send(buffer) | Call::SendTo(buffer, _) | Call::WriteAt(buffer, _) => {
                Memory::Source(vec![buffer])
            }
            Call::Receive(buffer) | Call::ReceiveFrom(buffer) | Call::ReadAt(buffer, _) => {
                Memory::Target(vec![buffer])
            }
            Call::Gather { first, count, .. } => {
                // SAFETY: passed on to the caller.
                let list = unsafe { std::slice::from_raw_parts(first, count) };
                Memory::Source(list.to_vec())
            }
            Call::Scatter { first, count, skip } => {
                // SAFETY: passed on to the caller.
                let list = unsafe { std::slice::from_raw_parts(first, count) };
                Memory::Target(Left::of(list, skip).list().to_vec())
            }
            _ => Memory::Source(Vec::new()),
        }
    }

    fn buffers(&self) -> &[RawBuffer] {
        match self {
            Memory::Source(buffers) | Memory::Target(buffers) => buffers,
        }
    }

    /// In bytes.
    pub fn len(&self) -> usize {
        self.buffers().iter().map(|buffer| buffer.len).sum()
    }

    /// The addresses of the memory, from the first to the last.
    pub fn ranges(&self) -> Vec<(usize, usize)> {
        let ranges = self.buffers().iter().map(|buffer| {
            let start = buffer.start as usize;
            (start, start + buffer.len)
        });
        ranges.collect()
    }

    /// The bytes to be sent or written; none for a call that receives or reads.
    pub fn read(&self) -> Vec<u8> {
        let Memory::Source(buffers) = self else {
            return Vec::new();
        };
        let slices = buffers.iter().map(|buffer| {
            // SAFETY: valid for reading, by the promise made to `of`.
            unsafe { std::slice::from_raw_parts(buffer.start, buffer.len) }
        });
        slices.collect::<Vec<_>>().concat()
    }

    /// Fills the buffers, one after the other, if the call receives or reads.
    pub fn write(&self, mut bytes: &[u8]) {
        let Memory::Target(buffers) = self else {
            return;
        };
        for buffer in buffers {
            let (here, rest) = bytes.split_at(bytes.len().min(buffer.len));
            let (from, len) = (here.as_ptr(), here.len());
            // SAFETY: valid for writing and not used by other code, by the promise made to `of`; no more than the memory holds.
            unsafe { buffer.start.copy_from_nonoverlapping(from, len) };
            bytes = rest;
        }
    }
}
