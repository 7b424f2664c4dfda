//! Bugs that are planted, in a simulation, to see that it finds them. No other build has any of this.

use std::cell::Cell;

/// A kind of bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A thread that is to be released is not.
    LostWakeUp,
    /// An operation completes, and completes again.
    DoubleCompletion,
    /// An operation that is cancelled completes while its memory is still in use.
    EarlyFree,
    /// A share of a pool gives more buffers than it has.
    ShareNotKept,
    /// The alarm for the next timer is not set.
    LostAlarm,
    /// The monitor is not called for a packet that is left to the thread that posted it.
    LeftForEver,
}

/// One occasion in so many shows it.
const RATE: u32 = 11;

thread_local! {
    // The threads of a simulation are all on the same thread of the system.
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    static OCCASIONS: Cell<u32> = const { Cell::new(0) };
}

/// Plants a bug into the simulations that this thread runs.
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether there is any.
pub fn is_any() -> bool {
    PLANTED.get().is_some()
}

/// Whether this bug is there, and shows now.
pub(crate) fn strikes(bug: Bug) -> bool {
    if PLANTED.get() != Some(bug) {
        return false;
    }
    let occasions = OCCASIONS.get().wrapping_add(1);
    OCCASIONS.set(occasions);
    occasions.is_multiple_of(RATE)
}
