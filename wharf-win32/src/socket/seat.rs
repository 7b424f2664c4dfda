//! Where a socket's raw handle is, and how many operations are under way on it: what threads must agree on when a socket moves.
//!
//! A socket that was used before it was associated has its handle on the hidden port. It moves to its own when nothing is under way
//! there but what the mover itself is about to start:
//!
//! | who starts an operation | who moves the socket |
//! |---|---|
//! | counts it ([`begin`](Seat::begin)) | has counted its own |
//! | waits while the socket moves, then looks where it is ([`settled`](Seat::settled)) | if the count is that one alone, marks it as moving, in one step ([`leave_if_idle`](Seat::leave_if_idle)) |
//! | starts it there | leaves the handle, takes the mark off, and makes another |
//!
//! Count and mark are one word. So whoever has counted before the mark keeps the socket where it is, and whoever counts after it sees
//! the mark, and waits: nobody starts an operation on a handle that is being left, which would be cancelled with it. `model.rs` has the
//! orders tried.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use crate::sync::{AtomicU8, AtomicU32, AtomicU64, yield_now};

/// Where a raw handle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Nowhere = 0,
    Own = 1,
    Hidden = 2,
}

/// In the count of operations: the handle is about to be given up for one on the socket's own port.
const MOVES: u32 = 1 << 31;

#[derive(Debug)]
pub(super) struct Seat {
    /// The raw handle, as a number; 0 is none.
    raw: AtomicU64,
    /// Operations that are under way, and [`MOVES`].
    pending: AtomicU32,
    place: AtomicU8,
}

impl Seat {
    pub(super) fn new() -> Seat {
        Seat {
            raw: AtomicU64::new(0),
            pending: AtomicU32::new(0),
            place: AtomicU8::new(Place::Nowhere as u8),
        }
    }

    /// An operation is about to be started.
    pub(super) fn begin(&self) {
        self.pending.fetch_add(1, SeqCst);
    }

    /// An operation has ended, or was refused.
    pub(super) fn end(&self) {
        self.pending.fetch_sub(1, SeqCst);
    }

    /// How many operations are under way.
    pub(super) fn pending(&self) -> u32 {
        self.pending.load(SeqCst) & !MOVES
    }

    pub(super) fn place(&self) -> Place {
        match self.place.load(Acquire) {
            1 => Place::Own,
            2 => Place::Hidden,
            _ => Place::Nowhere,
        }
    }

    /// Where the handle is, and the handle, which may be left meanwhile. The two belong together: on another port the number of a
    /// handle is another socket's.
    pub(super) fn located(&self) -> (Place, u64) {
        loop {
            let place = self.place();
            let raw = self.raw.load(Acquire);
            // A socket that has left a port does not come back to it: but for one and the same port, the place is another then.
            if self.place() == place {
                return (place, raw);
            }
        }
    }

    /// As [`located`](Self::located), once the socket does not move. The caller has counted an operation, and may start it there.
    pub(super) fn settled(&self) -> (Place, u64) {
        while self.pending.load(Acquire) & MOVES != 0 {
            yield_now();
        }
        self.located()
    }

    /// Calls `leave`, which is to close the handle and [`clear`](Self::clear) this, if nothing is under way but the caller's operation,
    /// which is counted and not started yet. Returns whether it did.
    pub(super) fn leave_if_idle(&self, leave: impl FnOnce()) -> bool {
        let is_idle = self
            .pending
            .compare_exchange(1, 1 | MOVES, Acquire, Relaxed);
        if is_idle.is_ok() {
            leave();
            self.pending.fetch_and(!MOVES, Release);
        }
        is_idle.is_ok()
    }

    /// There is a handle. Under the lock of the socket's [`Rest`](super::Rest), as the next.
    pub(super) fn put(&self, place: Place, raw: u64) {
        self.raw.store(raw, Release);
        self.place.store(place as u8, Release);
    }

    /// There is none any more.
    pub(super) fn clear(&self) {
        self.place.store(Place::Nowhere as u8, Release);
        self.raw.store(0, Release);
    }
}
