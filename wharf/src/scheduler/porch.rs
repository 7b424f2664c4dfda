//! Where posted packets stand until a thread of the pool takes them in: all at once, once it has served those that it
//! took in before.
//!
//! It has a lock of its own, so that those who post seldom meet those who wait. A post need not even look at the state
//! of the scheduler, unless it is *wanted*: somebody waits whom a packet would release. Whoever makes that so says it
//! here, and is told in turn whether a packet came before.
//!
//! How many packets may be posted is counted here too, out of a share of the port's operations that is taken from time
//! to time: a counter that each post and each wait changed would be all that the two threads do.

use std::collections::VecDeque;

use crate::sync::{AtomicUsize, Mutex, Ordering};

/// So many packets must have been taken for a look at their number to be worth its while.
const WORTHWHILE: usize = 256;

/// On cache lines of its own: those who wait write beside it all the time.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Porch<P> {
    stands: Mutex<Stands<P>>,
    /// How many packets stand here: a hint, to be read without the lock.
    len: AtomicUsize,
    /// How many of the packets that stood here were delivered, ever. Written by those who wait.
    taken: Apart<AtomicUsize>,
}

#[derive(Debug)]
struct Stands<P> {
    packets: VecDeque<P>,
    /// Since when the first of them has stood here.
    since_ns: u64,
    /// So many more may be posted, apart from what those make room for that were taken since.
    room: usize,
    /// So many were taken when that was last looked at.
    taken: usize,
    /// The next post is to see whom to release.
    wanted: bool,
    closed: bool,
}

/// On a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Apart<T>(T);

/// Why a packet was not posted.
#[derive(Debug)]
pub(crate) enum Refused<P> {
    /// The room that was [granted](Porch::grant) is used up.
    NoRoom(P),
    /// The port is closed.
    Closed(P),
}

impl<P> Porch<P> {
    pub(super) fn new() -> Self {
        Porch {
            stands: Mutex::new(Stands {
                packets: VecDeque::new(),
                since_ns: 0,
                room: 0,
                taken: 0,
                wanted: false,
                closed: false,
            }),
            len: AtomicUsize::new(0),
            taken: Apart(AtomicUsize::new(0)),
        }
    }

    /// Posts a packet. Says whether it was wanted: the caller then sees whom to release, and nobody else will.
    #[inline]
    pub(super) fn push(&self, packet: P, clock: fn() -> u64) -> Result<bool, Refused<P>> {
        let mut stands = self.stands.lock();
        if stands.closed {
            return Err(Refused::Closed(packet));
        }
        if stands.room == 0 {
            // Room for a few is left for later: to look costs those who wait more than a look at a larger share would.
            let taken = self.taken.0.load(Ordering::Relaxed);
            if taken.wrapping_sub(stands.taken) < WORTHWHILE {
                return Err(Refused::NoRoom(packet));
            }
            stands.make_room(taken);
        }
        stands.room -= 1;
        if stands.packets.is_empty() {
            stands.since_ns = clock();
        }
        stands.packets.push_back(packet);
        self.len.store(stands.packets.len(), Ordering::Relaxed);
        Ok(std::mem::take(&mut stands.wanted))
    }

    /// How many packets stood here a moment ago.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Swaps the packets that stand here for `empty`. Says since when the first of them has stood here.
    pub(super) fn take(&self, empty: &mut VecDeque<P>) -> u64 {
        debug_assert!(empty.is_empty());
        let mut stands = self.stands.lock();
        std::mem::swap(&mut stands.packets, empty);
        self.len.store(0, Ordering::Relaxed);
        stands.since_ns
    }

    /// Since when the first packet has stood here.
    pub(super) fn oldest_since_ns(&self) -> Option<u64> {
        let stands = self.stands.lock();
        (!stands.packets.is_empty()).then_some(stands.since_ns)
    }

    /// Has the next post see whom to release. Says whether there is a packet already, so that the caller sees to it.
    pub(super) fn want(&self) -> bool {
        let mut stands = self.stands.lock();
        stands.wanted = true;
        !stands.packets.is_empty()
    }

    /// Shows those who post how many packets that stood here were delivered, ever.
    pub(super) fn show_taken(&self, taken: usize) {
        self.taken.0.store(taken, Ordering::Relaxed);
    }

    /// Lets so many more packets be posted; says how many may be now. None: the port is closed and has no use for them.
    pub(super) fn grant(&self, room: usize) -> Option<usize> {
        let mut stands = self.stands.lock();
        if stands.closed {
            return None;
        }
        stands.room += room;
        stands.make_room(self.taken.0.load(Ordering::Relaxed));
        Some(stands.room)
    }

    /// How many more may be posted, if it is looked at what was taken.
    pub(super) fn room(&self) -> usize {
        let stands = self.stands.lock();
        let taken = self.taken.0.load(Ordering::Relaxed);
        stands.room + taken.wrapping_sub(stands.taken)
    }

    /// Takes back the room that no packet uses.
    pub(super) fn take_room(&self) -> usize {
        let mut stands = self.stands.lock();
        stands.make_room(self.taken.0.load(Ordering::Relaxed));
        std::mem::take(&mut stands.room)
    }

    pub(super) fn close(&self) {
        self.stands.lock().closed = true;
    }
}

impl<P> Stands<P> {
    fn make_room(&mut self, taken: usize) {
        self.room += taken.wrapping_sub(self.taken);
        self.taken = taken;
    }
}
