//! Locks that are in the caller's memory: a futex each, and no system call as long as nobody has to wait.
//!
//! A thread that sleeps for one gives its place in its completion port away.
//!
//! | file | what it has |
//! |---|---|
//! | `critical_section.rs` | `CRITICAL_SECTION` |
//! | `srw.rs` | `SRWLOCK`: many readers or one writer |
//! | `condition.rs` | `CONDITION_VARIABLE` |
//! | `once.rs` | `INIT_ONCE` |
//! | `tests.rs`, `model.rs` | tests under contention, and in every order |
//! | `address.rs` | waits for a change of any address |

mod address;
mod condition;
mod critical_section;
#[cfg(all(test, loom))]
mod model;
mod once;
mod srw;
#[cfg(all(test, not(loom)))]
mod tests;

use std::sync::LazyLock;

#[cfg(all(test, not(loom)))]
pub(crate) use {
    address::{WaitOnAddress, WakeByAddressAll},
    condition::ConditionVariable,
    critical_section::CriticalSection,
    srw::SrwLock,
};

/// Looks so many times at most whether a lock is free, before it sleeps: with one processor, none, since then its owner can't run
/// meanwhile. Nor in a model, where each look is another order to try.
fn spins(most: u32) -> u32 {
    static SEVERAL: LazyLock<bool> =
        LazyLock::new(|| std::thread::available_parallelism().is_ok_and(|count| count.get() > 1));
    if !cfg!(loom) && *SEVERAL { most } else { 0 }
}
