//! Unix, as Linux has it.

use std::{io, num::NonZeroU64, os::unix::process::CommandExt, process::Command, time::Duration};

use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1},
    iterator::Signals,
};

use super::Signal;
use crate::exit;

/// The signals that are looked after, as they come.
///
/// # Errors
/// The system's.
pub fn signals(reloads: bool) -> io::Result<impl Iterator<Item = Signal> + Send> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1])?;
    if reloads {
        signals.add_signal(SIGHUP)?;
    }
    Ok(std::iter::from_fn(move || {
        let signal = match signals.forever().next()? {
            SIGUSR1 => return Some(Signal::Table),
            SIGHUP => return Some(Signal::Reload),
            signal => signal,
        };
        Some(Signal::Stop {
            name: signal_hook::low_level::signal_name(signal).unwrap_or("a signal"),
            code: match signal {
                SIGINT => exit::INTERRUPTED,
                _ => exit::TERMINATED,
            },
        })
    }))
}

/// Writes to standard output, once, and without its lock, which another thread may hold while it waits.
///
/// # Errors
/// The system's.
pub fn write_output(bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::io::write(io::stdout(), bytes)?)
}

/// Writes to standard error, likewise.
///
/// # Errors
/// The system's.
pub fn write_errors(bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::io::write(io::stderr(), bytes)?)
}

/// Has this thread's waits end when they are due: else the kernel may make them 50 us longer, to save power (prctl(2),
/// PR_SET_TIMERSLACK).
///
/// # Errors
/// The system's.
pub fn wait_exactly() -> io::Result<()> {
    Ok(rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?)
}

/// The processor time that the calling thread has used, where it can be told.
pub fn processor_time() -> Option<Duration> {
    Some(spin_time())
}

/// The clock of a thread that computes for a while: it stops while the thread is not let run.
pub fn spin_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is ever negative.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Keeps a Ctrl-C for us that is meant for a process and those it has started.
pub fn apart(command: &mut Command) {
    command.process_group(0);
}

/// The most files that may be open, if there is such a limit.
pub fn open_files_max() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// What the system is called.
pub fn kernel() -> String {
    let name = rustix::system::uname();
    let (system, release) = (
        name.sysname().to_string_lossy(),
        name.release().to_string_lossy(),
    );
    format!("{system} {release} {}", name.machine().to_string_lossy())
}
