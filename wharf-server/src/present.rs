//! Things by their numbers, which are given in order and once. Those with neighbouring numbers stand together in a block, and a
//! block goes with the last of them: less memory than a hash table, which has room to spare and leaves as much behind as it grows.

use std::collections::BTreeMap;

/// So many stand in a block. If all but one in each are gone, that one takes the memory of a block.
const BLOCK: u64 = 16;

/// So many blocks are looked at under one lock.
const BLOCKS_AT_ONCE: usize = 256;

#[derive(Debug)]
pub(crate) struct Present<T> {
    blocks: BTreeMap<u64, Box<Block<T>>>,
    len: usize,
}

#[derive(Debug)]
struct Block<T> {
    things: [Option<T>; BLOCK as usize],
    len: usize,
}

impl<T> Default for Present<T> {
    fn default() -> Self {
        Present {
            blocks: BTreeMap::new(),
            len: 0,
        }
    }
}

impl<T> Default for Block<T> {
    fn default() -> Self {
        Block {
            things: [const { None }; BLOCK as usize],
            len: 0,
        }
    }
}

/// The number of a block, and the place in it.
fn place(number: u64) -> (u64, usize) {
    (number / BLOCK, (number % BLOCK) as usize)
}

impl<T> Present<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        let (block, place) = place(number);
        self.blocks.get(&block)?.things[place].as_ref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks
            .values()
            .flat_map(|block| &block.things)
            .flatten()
    }

    /// Looks at those from this number on, some thousands of them. Returns where to go on, if there are more.
    pub(crate) fn some_from(&self, number: u64, mut look: impl FnMut(&T)) -> Option<u64> {
        let mut blocks = self.blocks.range(number / BLOCK..);
        for (_, block) in blocks.by_ref().take(BLOCKS_AT_ONCE) {
            block.things.iter().flatten().for_each(&mut look);
        }
        blocks.next().map(|(block, _)| block * BLOCK)
    }

    /// Returns what had the number before.
    pub(crate) fn insert(&mut self, number: u64, thing: T) -> Option<T> {
        let (block, place) = place(number);
        let block = self.blocks.entry(block).or_default();
        let before = block.things[place].replace(thing);
        if before.is_none() {
            block.len += 1;
            self.len += 1;
        }
        before
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        let (key, place) = place(number);
        let block = self.blocks.get_mut(&key)?;
        let removed = block.things[place].take()?;
        block.len -= 1;
        self.len -= 1;
        if block.len == 0 {
            self.blocks.remove(&key);
        }
        Some(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_number_until_it_is_removed() {
        let mut present = Present::default();
        for number in 1..100 {
            assert_eq!(present.insert(number, number), None);
        }
        assert_eq!(present.insert(7, 700), Some(7));
        assert_eq!((present.len(), present.iter().count()), (99, 99));
        for number in (1..100).filter(|number| number % 3 > 0) {
            assert!(present.remove(number).is_some());
            assert_eq!(present.remove(number), None);
        }
        assert_eq!(
            (present.len(), present.get(4), present.get(6)),
            (33, None, Some(&6))
        );
        let left: Vec<u64> = present.iter().copied().collect();
        let mut looked = Vec::new();
        assert_eq!(present.some_from(0, |number| looked.push(*number)), None);
        assert_eq!(looked, left);
        assert!(left.iter().zip(1..).all(|(left, nth)| *left == 3 * nth));
    }

    #[test]
    fn a_block_goes_with_the_last_of_it() {
        let mut present = Present::default();
        (1..1000).for_each(|number| assert!(present.insert(number, ()).is_none()));
        assert_eq!(present.blocks.len(), 63);
        assert_eq!(present.some_from(993, |()| ()), None);
        (1..1000).for_each(|number| assert!(present.remove(number).is_some()));
        assert_eq!((present.blocks.len(), present.len()), (0, 0));
    }
}
