//! Memory for bytes that wait to be sent and must not keep a pooled buffer: a few sizes, each used again.

use crate::{raw::Space, sync::Mutex};

/// The smallest size, in bytes; each of the next is twice the one before, up to the size of the pool's buffers.
const SMALLEST: usize = 64;

/// So many free pieces of each size are kept; more go back to the allocator.
const FREE_MAX: usize = 64;

/// Free pieces, by size.
pub(super) struct Aside {
    free: Mutex<Vec<Vec<Space>>>,
    capacity: usize,
}

impl Aside {
    /// For copies of up to `capacity` bytes.
    pub(super) fn new(capacity: usize) -> Self {
        Aside {
            free: Mutex::new(Vec::new()),
            capacity,
        }
    }

    /// The size for so many bytes, and its number.
    fn size_for(&self, len: usize) -> (usize, usize) {
        let size = len.max(SMALLEST).next_power_of_two();
        let number = (size / SMALLEST).ilog2() as usize;
        (size.min(self.capacity.max(len)), number)
    }

    /// Memory for at least so many bytes.
    pub(super) fn take(&self, len: usize) -> Space {
        let (size, number) = self.size_for(len);
        let used = self.free.lock().get_mut(number).and_then(Vec::pop);
        used.unwrap_or_else(|| Space::with_capacity(size))
    }

    pub(super) fn give_back(&self, memory: Space) {
        let (_, number) = self.size_for(memory.capacity());
        let mut free = self.free.lock();
        if free.len() <= number {
            free.resize_with(number + 1, Vec::new);
        }
        if free[number].len() < FREE_MAX {
            free[number].push(memory);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_as_large_as_its_bytes_ask_and_is_used_again() {
        let aside = Aside::new(15_000);
        for (len, size) in [
            (0, 64),
            (1, 64),
            (65, 128),
            (8_192, 8_192),
            (8_193, 15_000),
            (15_000, 15_000),
        ] {
            let mut piece = aside.take(len);
            assert_eq!(piece.capacity(), size, "for {len}");
            let address = piece.raw().start;
            aside.give_back(piece);
            let mut again = aside.take(len);
            assert_eq!(again.raw().start, address, "for {len}");
        }
    }

    #[test]
    fn no_more_is_kept_than_a_few_of_each_size() {
        let aside = Aside::new(1_000);
        let pieces: Vec<_> = (0..FREE_MAX + 10).map(|_| aside.take(1)).collect();
        pieces.into_iter().for_each(|piece| aside.give_back(piece));
        assert_eq!(aside.free.lock()[0].len(), FREE_MAX);
    }
}
