//! The only rooms that talk to a kernel.
//!
//! | driver | waits with | transfers with |
//! |---|---|---|
//! | `readiness` | epoll, edge-triggered | a system call each |
//! | `uring` | the same | one `io_uring_enter` for many, on registered descriptors |
//! | `simulated` | a queue in memory, with a feature of that name | nothing but memory |
//! | `windows` | the kernel's own completion port | overlapped calls |
//!
//! The first three bring readiness, and share a `contract`; the queue, the gate and the parking above them are ours.
//! Windows has all of that in its kernel. `threads` asks the kernel after the threads of this process.

#[cfg(unix)]
mod calls;
#[cfg(unix)]
mod contract;
#[cfg(unix)]
mod descriptor;
mod query;
#[cfg(unix)]
mod readiness;
#[cfg(unix)]
mod signals;
#[cfg(all(unix, feature = "simulated"))]
pub mod simulated;
#[cfg(unix)]
#[cfg_attr(shuttle, path = "simulated/threads.rs")]
mod threads;
#[cfg(unix)]
mod uring;
#[cfg(windows)]
pub(crate) mod windows;

#[cfg(unix)]
pub(crate) use contract::*;
pub(crate) use query::{Query, Reply};
#[cfg(windows)]
pub(crate) use windows::codes;
#[cfg(windows)]
pub use windows::{
    Descriptor, RawDescriptor, SystemSocket, thread_states_available, uring_available,
};
#[cfg(unix)]
pub use {
    contract::uring_available,
    descriptor::{Descriptor, LocalAddress, RawDescriptor, SystemSocket},
    threads::thread_states_available,
};
#[cfg(unix)]
pub(crate) use {
    descriptor::codes,
    signals::block_file_size_signal,
    threads::{Probe, Reserve, coarse_now_ns},
};

use std::ptr::NonNull;

/// Which driver a port is to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DriverChoice {
    /// The best that the kernel allows: `Uring`, else `Readiness`.
    #[default]
    Auto,
    /// Readiness, with transfers batched through io_uring. An error where the kernel does not allow it.
    ///
    /// When the port is gone, the kernel takes its rings down and interrupts the threads that made or used them: a call
    /// of theirs that it does not start again by itself, such as `epoll_wait`, may then fail once with `EINTR`.
    Uring,
    /// Readiness, with a system call for each transfer.
    Readiness,
    /// The completion port of the Windows kernel, which is all that there is on Windows, and only there.
    Windows,
}

/// The driver that a port uses, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverInfo {
    /// `"uring"`, `"readiness"` or `"windows"`.
    pub name: &'static str,
    /// Where `Auto` had to fall back: what the kernel refused, and what to change.
    pub fallback: Option<String>,
}

/// One piece of caller-owned memory. Laid out as the kernel's `iovec`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct RawBuffer {
    /// Where it starts. May dangle if `len` is 0.
    pub start: *mut u8,
    /// How many bytes it holds.
    pub len: usize,
}

impl RawBuffer {
    /// No memory at all.
    pub const EMPTY: RawBuffer = RawBuffer {
        start: NonNull::dangling().as_ptr(),
        len: 0,
    };
}
