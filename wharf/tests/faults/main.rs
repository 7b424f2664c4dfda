//! Every system call that the drivers make, failed once with each error that its manual page names: what comes of it.
//!
//! Each case runs a scenario in a process of its own; when all is set up, `strace` attaches to the thread that is about to act,
//! and has one call fail. What the scenario says is compared with what a user may expect, and so is that the port goes on
//! afterwards. Left out, with the reason, is what [`cases::LEFT_OUT`] lists.
//!
//! Needs `strace`, and leave to trace one's own children; `ci/faults.sh` installs it. Elsewhere the test says that it judges
//! nothing. `cargo test --test faults -- accept4` runs the cases of one call.

#[cfg(unix)]
mod cases;
#[cfg(unix)]
#[macro_use]
#[path = "../conformance/harness.rs"]
#[allow(dead_code, unused_macros, reason = "the chapters use all of it")]
mod harness;
#[cfg(unix)]
mod runner;
#[cfg(unix)]
mod scenarios;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    runner::run()
}

/// The calls are those of Unix.
#[cfg(windows)]
fn main() {}
