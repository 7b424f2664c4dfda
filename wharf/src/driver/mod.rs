//! The only modules that call a kernel: a folder for each system, and what they share.
//!
//! | folder | driver | waits with | transfers with |
//! |---|---|---|---|
//! | `linux` | `readiness` | epoll, edge-triggered | one system call for each |
//! | `linux` | `uring` | the same | one `io_uring_enter` for many, on registered descriptors |
//! | `simulated` (a feature) | `simulated` | a queue in memory | copies in memory |
//! | `windows` | `windows` | the kernel's own completion port | overlapped calls |
//!
//! The first three report readiness, and share a `contract`; the queue, the gate and the parking above them are this crate's.
//! Windows has all of that in its kernel (IOCP). `unix` has the calls that Unix systems share.
//!
//! # A new system
//!
//! A system that reports readiness (kqueue, event ports) gets a folder of its own, such as `bsd`. The folder is chosen below,
//! by `target_os`, and provides these names:
//!
//! - `open`: the driver that was asked for; a type of its own that implements the trait [`Driver`], where its
//!   promises are written;
//! - `codes`: the numbers of errors that the port makes or looks for, and which of them end a connection;
//! - `unregistered`: the advice for a descriptor that can't be registered;
//! - `Probe`, `Reserve`, `thread_states_available`: whether a thread of this process sleeps. Where no system call tells,
//!   a probe answers `None` always, and only [`blocking`](crate::blocking) tells that a worker blocks;
//! - `coarse_now_ns` and `pause_exactly`: a clock that is cheap to read, and a thread whose pauses are exact;
//! - `uring_available`: on any system but Linux the error that says so.
//!
//! Of the calls in `unix`, these are Linux's and want another form elsewhere: `accept4`, `MSG_NOSIGNAL`, `sendfile`,
//! `SIOCOUTQ`, `IP_BIND_ADDRESS_NO_PORT`, `ENODATA`. The conformance suite (`wharf/tests/conformance`) runs on every driver
//! that `harness.rs` lists there.

// The system's driver, chosen here and nowhere else.
#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
pub(crate) mod windows;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(windows)]
use windows as system;
#[cfg(not(any(target_os = "linux", windows)))]
compile_error!(
    "Wharf has no driver for this system yet; what one must provide is listed in wharf/src/driver/mod.rs"
);

#[cfg(unix)]
mod advice;
#[cfg(unix)]
mod contract;
mod query;
#[cfg(all(unix, feature = "simulated"))]
pub mod simulated;
#[cfg(unix)]
mod unix;

#[cfg(unix)]
use advice::Advised;
#[cfg(unix)]
pub(crate) use advice::number_of;
#[cfg(unix)]
pub(crate) use contract::*;
pub(crate) use query::{Query, Reply};
pub(crate) use system::codes;
#[cfg(unix)]
pub(crate) use system::{Probe, Reserve, coarse_now_ns, open, pause_exactly, unregistered};
pub use system::{thread_states_available, uring_available};
#[cfg(all(unix, feature = "safe"))]
pub(crate) use unix::calls::peer_process;
#[cfg(unix)]
pub use unix::descriptor::{
    BorrowedDescriptor, Descriptor, LocalAddress, RawDescriptor, SystemSocket,
};
#[cfg(unix)]
pub(crate) use unix::signals::block_file_size_signal;
#[cfg(windows)]
pub use windows::{Descriptor, RawDescriptor, SystemSocket};

use std::ptr::NonNull;

/// Which driver a port is to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DriverChoice {
    /// The best that the kernel allows: `Uring`, else `Readiness`.
    #[default]
    Auto,
    /// Readiness, with transfers batched through io_uring. An error if the kernel does not allow io_uring.
    ///
    /// When the port is gone, the kernel removes its rings and interrupts the threads that made or used them: a system call
    /// that the kernel does not restart by itself, such as `epoll_wait`, may then fail once with `EINTR` on such a thread.
    Uring,
    /// Readiness, with a system call for each transfer.
    Readiness,
    /// The completion port of the Windows kernel (IOCP): the only driver on Windows, and only there.
    Windows,
}

/// The driver that a port uses, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverInfo {
    /// `"uring"`, `"readiness"` or `"windows"`.
    pub name: &'static str,
    /// If `Auto` had to fall back: what the kernel refused, and what to change.
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
