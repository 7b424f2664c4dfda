//! Linux: waits in epoll, transfers by system calls or in batches by io_uring, threads' states from `/proc`.

pub(crate) mod codes;
mod epoll;
#[cfg_attr(shuttle, path = "../simulated/threads.rs")]
mod threads;
mod uring;

use std::{io, num::NonZeroU64, panic::resume_unwind, thread};

use rustix::io::Errno;

use self::{
    epoll::Readiness,
    uring::{Rings, Uring},
};
use super::{Advised, Driver, DriverChoice, DriverInfo, unix::calls};
pub use threads::thread_states_available;
pub(crate) use threads::{Probe, Reserve, coarse_now_ns};

/// Makes the driver that was asked for, or the best that there is. `concurrency`: how many threads will transfer
/// at once.
pub(crate) fn open(
    choice: DriverChoice,
    concurrency: usize,
) -> io::Result<(Box<dyn Driver>, DriverInfo)> {
    let readiness = Readiness::new()?;
    let refused = match choice {
        DriverChoice::Readiness => None,
        DriverChoice::Windows => {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the driver windows is for Windows only; use auto, uring or readiness",
            ));
        }
        DriverChoice::Auto | DriverChoice::Uring => match Rings::new(concurrency) {
            Ok(rings) => {
                let driver = Uring::new(readiness, rings);
                let info = DriverInfo {
                    name: driver.name(),
                    fallback: None,
                };
                return Ok((Box::new(driver), info));
            }
            Err(refused) if choice == DriverChoice::Uring => return Err(refused.into()),
            Err(refused) => Some(refused.to_string()),
        },
    };
    let info = DriverInfo {
        name: readiness.name(),
        fallback: refused,
    };
    Ok((Box::new(readiness), info))
}

/// Whether io_uring can be used here; if not, why not and what to change.
///
/// # Errors
/// The system's own error inside, with the likely cause and the remedy as its text; or the system has no thread to try it on.
pub fn uring_available() -> io::Result<()> {
    // When a ring goes, the kernel may interrupt the thread that made it, some time later: so that is one of its own.
    let attempt = || Rings::new(1).map(drop).map_err(io::Error::from);
    let attempt = thread::Builder::new().spawn(attempt)?;
    attempt.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Why a descriptor can't be [registered](Driver::register), by the system's number of the error.
pub(crate) fn unregistered(number: i32) -> io::Error {
    let error = Errno::from_raw_os_error(number);
    if error != Errno::NOSPC {
        return error.into();
    }
    let advised = Advised {
        what: "the limit of epoll registrations is reached",
        error: error.into(),
        remedy: "raise sysctl fs.epoll.max_user_watches",
    };
    advised.into()
}

/// Has pauses of the calling thread end when they are to. Else the kernel may make each 50 us longer, to save power (prctl(2),
/// `PR_SET_TIMERSLACK`).
pub(crate) fn pause_exactly() {
    // Refused, they are that much longer.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}
