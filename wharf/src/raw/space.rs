//! Memory for bytes to come, which is not zeroed first: a page that no data needs is never touched.

use super::RawBuffer;

/// Memory on the heap, of a fixed capacity, of which a first part has been written. The rest is uninitialised, and can't
/// be read before it is written.
///
/// The memory stays where it is when this is moved. It is no box: by moving a box, a program asserts that no other pointer to
/// its memory is in use, and operations have such pointers.
#[derive(Default)]
pub(crate) struct Space {
    /// As long as what has been written. It never outgrows its capacity, which is ours.
    memory: Vec<u8>,
}

impl Space {
    /// Memory for `capacity` bytes, none of them written. Capacity 0 allocates nothing.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        // A vector may be larger than it was asked to be. A boxed slice is not.
        let memory = Box::into_raw(Box::<[u8]>::new_uninit_slice(capacity));
        // SAFETY: the box is of so many bytes, was allocated as a vector's memory is, and has no other owner now. A
        // length of 0 says that none of them is initialised.
        let memory = unsafe { Vec::from_raw_parts(memory.cast(), 0, capacity) };
        Space { memory }
    }

    /// How many bytes it can hold.
    pub(crate) fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// What has been written.
    pub(crate) fn written(&self) -> &[u8] {
        &self.memory
    }

    /// What has been written, to be written again.
    pub(crate) fn written_mut(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    /// Writes a copy of `bytes` at the front. Bytes that were written behind them stay.
    ///
    /// # Panics
    /// If there are more bytes than the capacity.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.check(bytes.len());
        let (again, anew) = bytes.split_at(bytes.len().min(self.memory.len()));
        self.memory[..again.len()].copy_from_slice(again);
        self.memory.extend_from_slice(anew);
    }

    /// Makes the first `len` bytes count as written: bytes that were not become 0.
    ///
    /// # Panics
    /// If `len` is above the capacity.
    pub(crate) fn zero_up_to(&mut self, len: usize) {
        self.check(len);
        if len > self.memory.len() {
            self.memory.resize(len, 0);
        }
    }

    /// Where all of it is, for the kernel to write to.
    pub(crate) fn raw(&mut self) -> RawBuffer {
        RawBuffer {
            start: self.memory.as_mut_ptr(),
            len: self.capacity(),
        }
    }

    /// Notes that the first `len` bytes have been written through [`raw`](Self::raw).
    ///
    /// # Panics
    /// If `len` is above the capacity.
    ///
    /// # Safety
    /// They have been written, by the kernel or through the address.
    pub(crate) unsafe fn assume_written(&mut self, len: usize) {
        self.check(len);
        if len > self.memory.len() {
            // SAFETY: it is within the capacity, and the caller promises that so many bytes are initialised.
            unsafe { self.memory.set_len(len) };
        }
    }

    /// What has been written, in a vector of its own capacity.
    pub(crate) fn into_vec(self) -> Vec<u8> {
        self.memory
    }

    fn check(&self, len: usize) {
        let capacity = self.capacity();
        assert!(
            len <= capacity,
            "length {len} is above the capacity {capacity}"
        );
    }
}

impl From<Vec<u8>> for Space {
    /// All of the bytes are written, and are the capacity.
    fn from(bytes: Vec<u8>) -> Self {
        Space {
            memory: bytes.into_boxed_slice().into_vec(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_at_first_and_the_capacity_is_what_was_asked() {
        for capacity in [0, 1, 7, 4_096, 100_001] {
            let mut space = Space::with_capacity(capacity);
            assert_eq!(space.capacity(), capacity);
            assert_eq!(space.raw().len, capacity);
            assert!(space.written().is_empty());
        }
        assert_eq!(Space::default().capacity(), 0);
    }

    #[test]
    fn what_the_kernel_wrote_is_there_and_no_more() {
        let mut space = Space::with_capacity(8);
        let raw = space.raw();
        let mut moved = std::mem::take(&mut space);
        // SAFETY: the memory stays where it is when its owner is moved, and has 8 bytes; 4 of them are written.
        unsafe {
            raw.start.copy_from_nonoverlapping(b"ahoy".as_ptr(), 4);
            moved.assume_written(4);
        }
        assert_eq!(moved.written(), b"ahoy");
        // SAFETY: they are part of what was written.
        unsafe { moved.assume_written(2) };
        assert_eq!(moved.written(), b"ahoy", "what was written stays so");
    }

    #[test]
    fn what_was_never_written_becomes_zero_and_the_rest_stays() {
        let mut space = Space::with_capacity(8);
        space.write(b"ahoy");
        space.zero_up_to(2);
        assert_eq!(space.written(), b"ahoy");
        space.zero_up_to(6);
        assert_eq!(space.written(), b"ahoy\0\0");
        space.write(b"hi");
        assert_eq!(space.written(), b"hioy\0\0");
        space.write(b"12345678");
        assert_eq!(space.written(), b"12345678");
    }

    #[test]
    fn it_stays_where_it_is_however_it_is_written() {
        let mut space = Space::with_capacity(8);
        let start = space.raw().start;
        space.write(b"ahoy");
        space.zero_up_to(6);
        space.write(b"12345678");
        assert_eq!(space.raw().start, start);
        assert_eq!(space.capacity(), 8);
    }

    #[test]
    fn bytes_of_a_vector_are_all_written_and_are_the_capacity() {
        let mut bytes = Vec::with_capacity(100);
        bytes.extend_from_slice(b"ahoy");
        let space = Space::from(bytes);
        assert_eq!((space.written(), space.capacity()), (&b"ahoy"[..], 4));
    }

    #[test]
    #[should_panic(expected = "length 9 is above the capacity 8")]
    fn more_than_the_capacity_is_not_written() {
        Space::with_capacity(8).write(b"123456789");
    }
}
