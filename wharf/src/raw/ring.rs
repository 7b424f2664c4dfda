//! A bounded ring of values: filled under a lock, and emptied by any number of threads under none, in order (FIFO).
//!
//! A value is *claimed* by one compare-and-swap on the head of the ring, by which one thread gets it and no other. Each slot has
//! a *turn*, which says whether it holds the value of a given place in the order, and whether a thread that claimed the value
//! before has moved it out (the protocol of Dmitry Vyukov's bounded queue, with one thread at the other end).
//!
//! The end that fills is a value of its own, the [`Filler`]. So the compiler sees to it that one thread fills at a time.

use std::{collections::VecDeque, mem::MaybeUninit};

use crate::sync::{Arc, AtomicU64, Ordering, UnsafeCell};

/// So many values are in the ring at most. A power of two.
#[cfg(not(loom))]
pub(crate) const LEN: usize = 64;
/// Few, so that a model comes to the end of the ring, and around it.
#[cfg(loom)]
pub(crate) const LEN: usize = 2;

/// In the head: no value can be claimed.
const SHUT: u64 = 1;
/// From one place to the next. Places are even numbers, that the head may have a bit of another meaning.
const STEP: u64 = 2;

/// The end from which values are claimed.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    /// The place of the next value, and whether it is shut.
    head: Head,
    slots: [Slot<T>; LEN],
}

/// On a cache line of its own: each claim writes it.
#[derive(Debug)]
#[repr(align(128))]
struct Head(AtomicU64);

#[derive(Debug)]
struct Slot<T> {
    /// The place for which it is to be filled; one more: it holds the value of that place.
    turn: AtomicU64,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: values are moved from one thread to another, and no reference to them is handed out.
unsafe impl<T: Send> Sync for Ring<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Ring<T> {}

/// The end from which the ring is filled. Its holder can also take values from a ring that is shut.
#[derive(Debug)]
pub(crate) struct Filler<T> {
    ring: Arc<Ring<T>>,
    /// The place that is filled next.
    tail: u64,
    /// Where the head was when it was last looked at.
    seen: u64,
    shut: bool,
}

impl<T> Ring<T> {
    /// Claims the first value. None: the ring is empty, or shut.
    #[inline(always)]
    pub(crate) fn claim(&self) -> Option<T> {
        let mut head = self.head.0.load(Ordering::Relaxed);
        loop {
            if head & SHUT != 0 {
                return None;
            }
            let slot = self.slot(head);
            let found = if slot.turn.load(Ordering::Acquire) == head + 1 {
                match self.swap_head(head, head + STEP) {
                    // SAFETY: the slot was filled for this place, and the place is this thread's now.
                    Ok(_) => return Some(unsafe { slot.take(head) }),
                    Err(found) => found,
                }
            } else {
                self.head.0.load(Ordering::Relaxed)
            };
            if found == head {
                return None;
            }
            head = found;
        }
    }

    #[inline(always)]
    fn swap_head(&self, from: u64, to: u64) -> Result<u64, u64> {
        (self.head.0).compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
    }

    #[inline(always)]
    fn slot(&self, place: u64) -> &Slot<T> {
        &self.slots[(place / STEP) as usize % LEN]
    }

    /// Whether there was a value a moment ago.
    pub(crate) fn seems_filled(&self) -> bool {
        let head = self.head.0.load(Ordering::Relaxed) & !SHUT;
        self.slot(head).turn.load(Ordering::Relaxed) == head + 1
    }

    /// How many values have ever been claimed or taken.
    pub(crate) fn claimed(&self) -> u64 {
        self.head.0.load(Ordering::Relaxed) / STEP
    }
}

impl<T> Slot<T> {
    /// Moves the value of `place` out.
    ///
    /// # Safety
    /// The slot was filled for this place, which the calling thread has claimed.
    #[inline(always)]
    unsafe fn take(&self, place: u64) -> T {
        // SAFETY: no other thread looks at the value before the turn is set below. It is written, as the caller says.
        let value = self
            .value
            .with_mut(|value| unsafe { (*value).assume_init_read() });
        self.turn
            .store(place + LEN as u64 * STEP, Ordering::Release);
        value
    }
}

impl<T> Filler<T> {
    /// An empty ring, and its other end.
    pub(crate) fn new() -> Self {
        let slot = |index| Slot {
            turn: AtomicU64::new(index as u64 * STEP),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        };
        let ring = Arc::new(Ring {
            head: Head(AtomicU64::new(0)),
            slots: std::array::from_fn(slot),
        });
        Filler {
            ring,
            tail: 0,
            seen: 0,
            shut: false,
        }
    }

    /// The end from which values are claimed.
    pub(crate) fn ring(&self) -> &Arc<Ring<T>> {
        &self.ring
    }

    /// Whether there is room for another value.
    #[inline(always)]
    fn has_room(&self) -> bool {
        // The head alone does not say it: the thread that claimed the value may still be moving it out.
        self.ring.slot(self.tail).turn.load(Ordering::Acquire) == self.tail
    }

    /// Puts a value behind the others; gives it back if there is no room.
    #[inline]
    pub(crate) fn push(&mut self, value: T) -> Result<(), T> {
        if !self.has_room() {
            return Err(value);
        }
        // SAFETY: there is room.
        unsafe { self.put(value) };
        Ok(())
    }

    /// # Safety
    /// There is [room](Self::has_room).
    #[inline(always)]
    unsafe fn put(&mut self, value: T) {
        let slot = self.ring.slot(self.tail);
        // SAFETY: the slot is empty, and only this end fills it. The threads that claim look at it once the turn says so.
        slot.value.with_mut(|place| unsafe {
            (*place).write(value);
        });
        slot.turn.store(self.tail + 1, Ordering::Release);
        self.tail += STEP;
    }

    /// Moves values from the front of `from` behind the others, as long as there is room.
    #[inline]
    pub(crate) fn fill(&mut self, from: &mut VecDeque<T>) {
        while self.has_room() {
            let Some(value) = from.pop_front() else {
                return;
            };
            // SAFETY: there is room, and only this end takes it up.
            unsafe { self.put(value) };
        }
    }

    /// How many values are here. There may be fewer at once, and no more until [`push`](Self::push) is called.
    #[inline]
    pub(crate) fn len(&mut self) -> usize {
        if self.seen != self.tail {
            self.seen = self.ring.head.0.load(Ordering::Relaxed) & !SHUT;
        }
        ((self.tail - self.seen) / STEP) as usize
    }

    /// Takes up to `most` values from the front, also if the ring is shut, and hands each of them to `to`.
    #[inline]
    pub(crate) fn take(&mut self, most: usize, mut to: impl FnMut(T)) {
        if self.len() == 0 {
            return;
        }
        let shut = u64::from(self.shut) * SHUT;
        loop {
            let first = self.seen;
            let count = ((self.tail - first) / STEP).min(most as u64);
            if count == 0 {
                return;
            }
            let next = first + count * STEP;
            if let Err(found) = self.ring.swap_head(first | shut, next | shut) {
                self.seen = found & !SHUT;
                continue;
            }
            self.seen = next;
            let places = (0..count).map(|index| first + index * STEP);
            // SAFETY: all places up to the tail were filled by this end, and these are claimed now.
            return places.for_each(|place| to(unsafe { self.ring.slot(place).take(place) }));
        }
    }

    /// From now on values can be claimed, or none.
    #[inline]
    pub(crate) fn set_shut(&mut self, shut: bool) {
        if shut == self.shut {
            return;
        }
        // As one step with any claim: after this, none succeeds that must not.
        if shut {
            self.ring.head.0.fetch_or(SHUT, Ordering::Relaxed);
        } else {
            self.ring.head.0.fetch_and(!SHUT, Ordering::Relaxed);
        }
        self.shut = shut;
    }
}

impl<T> Drop for Filler<T> {
    /// Nothing can be added any more: what is left goes.
    fn drop(&mut self) {
        self.take(LEN, drop);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::{sync::Arc as Counted, thread};

    use super::*;

    fn filled(values: std::ops::Range<usize>) -> Filler<usize> {
        let mut filler = Filler::new();
        values.for_each(|value| filler.push(value).expect("there is room"));
        filler
    }

    #[test]
    fn values_leave_in_order_however_often_the_ring_comes_around() {
        let mut filler = Filler::new();
        let ring = filler.ring().clone();
        for round in 0..3 * LEN {
            assert_eq!(filler.push(2 * round), Ok(()));
            assert_eq!(filler.push(2 * round + 1), Ok(()));
            assert_eq!(ring.claim(), Some(2 * round));
            let mut taken = Vec::new();
            filler.take(LEN, |value| taken.push(value));
            assert_eq!(taken, [2 * round + 1]);
            assert_eq!((ring.claim(), ring.seems_filled()), (None, false));
        }
        assert_eq!(ring.claimed(), 6 * LEN as u64);
    }

    #[test]
    fn a_value_that_has_no_room_comes_back() {
        let mut filler = filled(0..LEN);
        assert_eq!(filler.push(LEN), Err(LEN));
        let mut more = (LEN..2 * LEN).collect();
        filler.fill(&mut more);
        assert_eq!((filler.len(), more.len()), (LEN, LEN));
        assert_eq!(filler.ring().claim(), Some(0));
        filler.fill(&mut more);
        assert_eq!((filler.len(), more.front()), (LEN, Some(&(LEN + 1))));
    }

    #[test]
    fn a_ring_that_is_shut_gives_nothing_but_to_the_end_that_fills_it() {
        let mut filler = filled(0..3);
        filler.set_shut(true);
        assert_eq!(filler.ring().claim(), None);
        assert!(filler.ring().seems_filled());
        let mut taken = Vec::new();
        filler.take(2, |value| taken.push(value));
        assert_eq!(taken, [0, 1]);
        assert_eq!(filler.push(3), Ok(()));
        assert_eq!(filler.ring().claim(), None);
        filler.set_shut(false);
        assert_eq!((filler.ring().claim(), filler.len()), (Some(2), 1));
    }

    #[test]
    fn what_is_left_is_dropped_once() {
        let value = Counted::new(());
        let mut filler = Filler::new();
        (0..3).for_each(|_| filler.push(value.clone()).expect("there is room"));
        let ring = filler.ring().clone();
        drop(ring.claim());
        assert_eq!(Counted::strong_count(&value), 3);
        drop(filler);
        assert_eq!(Counted::strong_count(&value), 1);
        assert!(ring.claim().is_none());
    }

    #[test]
    fn threads_that_claim_at_once_get_each_value_once_and_in_order() {
        const VALUES: usize = 20_000;
        let mut filler = Filler::new();
        let claim_all = |ring: Arc<Ring<usize>>| {
            let mut claimed = Vec::new();
            while claimed.last() < Some(&VALUES) {
                claimed.extend(ring.claim());
            }
            claimed
        };
        let threads = [(); 2].map(|()| {
            let ring = filler.ring().clone();
            thread::spawn(move || claim_all(ring))
        });
        // The last two are signs to end, one for each thread.
        let mut values: VecDeque<usize> = (0..VALUES).chain([VALUES; 2]).collect();
        while !values.is_empty() {
            filler.fill(&mut values);
            thread::yield_now();
        }
        let mut all: Vec<usize> = Vec::new();
        for thread in threads {
            let claimed = thread.join().expect("it ends");
            assert!(claimed.is_sorted());
            all.extend(claimed);
        }
        all.sort_unstable();
        assert!(all.into_iter().eq((0..VALUES).chain([VALUES; 2])));
    }
}
