//! The port on Windows: a thin layer over the kernel's own.
//!
//! The queue, the gate and the parking are the kernel's. What is left to do here is what keeps the promises that it leaves to
//! the caller: operations are counted and can be named, lined up where the kernel knows no order, taken back where they are
//! cancelled before they have begun, and freed only after their packet.
//!
//! An operation's life: [`start`] lines it up and begins what can be begun; the kernel's packet, or the end within the call,
//! goes through [`finish`], which has the next step taken or hands the operation out; [`wait`] takes packets.

mod attempt;
mod cancel;
pub(super) mod entry;
mod finish;
mod key;
pub(super) mod member;
pub(super) mod native;
pub(super) mod port;
mod post;
mod seat;
#[cfg(feature = "safe")]
pub(super) mod send_first;
pub(super) mod start;
mod timekeeper;
mod wait;
