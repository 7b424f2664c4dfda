//! A port of our own, on a kernel that tells readiness.
//!
//! An operation's life: [`start`] lines it up on its handle's [`side`]; once that is ready, a thread that [waits](mod@wait)
//! takes it from the scheduler and makes its [`transfer`], and the scheduler hands the packet out. Files have no readiness, and
//! go to threads of their own ([`mod@file`]); the [`monitor`] sees to it that no blocked thread holds anything up.

mod arrival;
mod attempt;
mod attend;
mod call;
mod cancel;
pub(super) mod entry;
mod file;
mod files;
mod handles;
#[cfg(feature = "safe")]
pub(super) mod idle;
pub(super) mod member;
mod monitor;
mod outcome;
pub(super) mod port;
mod post;
mod results;
#[cfg(feature = "safe")]
pub(super) mod send_first;
mod side;
pub(super) mod start;
mod timekeeper;
mod transfer;
mod wait;
