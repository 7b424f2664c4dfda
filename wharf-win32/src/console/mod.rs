//! The console: its signals, what is written to it and read from it, message boxes.
//!
//! | file | what it has |
//! |---|---|
//! | `control.rs` | handlers for Ctrl-C and its like |
//! | `output.rs` | standard handles, text to the console, debug output |
//! | `keys.rs` | single keys |
//! | `message_box.rs` | message boxes, without a window |

mod control;
mod keys;
mod message_box;
mod output;
#[cfg(all(test, not(loom)))]
mod tests;

pub(crate) use keys::restore_terminal;
pub(crate) use output::Stream;
