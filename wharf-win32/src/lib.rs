//! The functions of Windows that servers on completion ports call, for programs of C and C++ on Linux.
//!
//! The headers are in `include`. On systems other than Linux the crate is empty.
#![cfg(target_os = "linux")]

mod call;
mod code_page;
mod codes;
mod console;
mod error;
mod files;
mod futex;
#[cfg(all(test, not(loom)))]
mod gives_way;
mod handle;
mod last_error;
mod locks;
mod memory;
mod messages;
mod module;
mod objects;
mod operation;
mod port;
mod process;
mod socket;
mod sync;
mod text;
mod threads;
mod time;
mod watch;

/// The time-out of a wait that has none.
pub(crate) const INFINITE: u32 = u32::MAX;

/// What functions return that failed.
pub(crate) const FALSE: i32 = 0;
/// What functions return that succeeded.
pub(crate) const TRUE: i32 = 1;
