//! A timer that is set and cancelled makes no system call. On Linux alone: a process that asks the kernel for it is ended by any
//! call but `read` and `write` (`SECCOMP_MODE_STRICT` of prctl(2)), and the kernel counts those two (`/proc`). It is asked on the
//! first thread, with which the process ends: so this has a `main` of its own.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
fn main() {
    linux::run();
}

/// There the kernel can't be asked for it.
#[cfg(not(target_os = "linux"))]
fn main() {}
