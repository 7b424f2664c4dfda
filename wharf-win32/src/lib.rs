//! The functions of Windows that servers on completion ports call, for programs of C and C++ on Linux.
//!
//! The headers are in `include`. On other systems than Linux the crate is empty.
#![cfg(target_os = "linux")]

mod call;
mod codes;
mod handle;
mod last_error;
mod objects;
mod operation;
mod port;
mod socket;
mod watch;
