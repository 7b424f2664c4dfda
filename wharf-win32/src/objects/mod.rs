//! Objects that can be waited for, and the waits.
//!
//! | file | what it has |
//! |---|---|
//! | `waitable.rs` | the one type behind all of them: its lock, its line, how it is served |
//! | `waiter.rs` | a thread in a wait, and how the wait ended |
//! | `wait.rs` | a wait for one, any or all |
//! | `calls.rs` | the functions for handles of all kinds, and the waits on handles |
//! | `event.rs`, `semaphore.rs`, `mutex.rs`, `timer.rs` | the functions of each kind |
//! | `tests.rs` | tests of the exported functions |
//! | `model.rs` | the model checks of the waits |

mod calls;
pub(crate) mod event;
#[cfg(all(test, loom))]
mod model;
mod mutex;
mod semaphore;
#[cfg(all(test, not(loom)))]
mod tests;
mod timer;
mod wait;
mod waitable;
mod waiter;

#[cfg(all(test, not(loom)))]
pub(crate) use calls::WaitForSingleObject;
pub(crate) use calls::{CURRENT_PROCESS, CURRENT_THREAD, Sleep};
pub(crate) use mutex::abandon;
pub(crate) use wait::{For, Patience, wait};
pub(crate) use waitable::{Waitable, What};
pub(crate) use waiter::{End, Waiter};
