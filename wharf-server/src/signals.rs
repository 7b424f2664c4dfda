//! The signals that ask a process to end: watched by one thread for all servers of the process that wait for one.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::Stopper;

/// The same signal again within so long is the same wish: some send it to a process and then to its group, as timeout(1) does, and
/// the process is in both.
const SAME_WISH: Duration = Duration::from_millis(200);

/// The servers that wait, and the signal that has come for them.
static WAITING: Mutex<Waiting> = Mutex::new(Waiting {
    is_watching: false,
    stoppers: Vec::new(),
    first: None,
});

struct Waiting {
    /// The signals are watched, from the first server on that waits.
    is_watching: bool,
    stoppers: Vec<Stopper>,
    first: Option<(i32, Instant)>,
}

/// A server that waits for a signal, until this is dropped.
pub(crate) struct Waits(Stopper);

fn waiting() -> MutexGuard<'static, Waiting> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waits {
    /// From now on a signal stops this server.
    pub(crate) fn new(stopper: Stopper) -> io::Result<Waits> {
        let mut waiting = waiting();
        if !waiting.is_watching {
            watch()?;
            waiting.is_watching = true;
        }
        waiting.stoppers.push(stopper.clone());
        Ok(Waits(stopper))
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let mut waiting = waiting();
        waiting.stoppers.retain(|stopper| !stopper.is(&self.0));
        if waiting.stoppers.is_empty() {
            waiting.first = None;
        }
    }
}

impl Waiting {
    /// A signal has come. Returns whether it is to do what it does by default: where no server waits, and where one that was told to stop
    /// by another signal, or some time ago, has not.
    fn signalled(&mut self, signal: i32, now: Instant) -> bool {
        if self.stoppers.is_empty() {
            return true;
        }
        match self.first {
            None => {
                self.first = Some((signal, now));
                self.stoppers.iter().for_each(Stopper::stop);
                false
            }
            Some((first, at)) => first != signal || now.saturating_duration_since(at) >= SAME_WISH,
        }
    }
}

#[cfg(unix)]
fn watch() -> io::Result<()> {
    use signal_hook::{
        consts::{SIGINT, SIGTERM},
        iterator::Signals,
        low_level::emulate_default_handler,
    };

    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let watch = move || {
        for signal in signals.forever() {
            let ends = waiting().signalled(signal, Instant::now());
            if ends {
                // It ends the process; there is nothing to be done where it can't.
                let _ = emulate_default_handler(signal);
            }
        }
    };
    let builder = std::thread::Builder::new().name("wharf-signals".into());
    builder.spawn(watch).map(drop)
}

/// Ctrl-C and Ctrl-Break are one signal here. So is the closing of the console, but the system ends the process right after it.
#[cfg(windows)]
fn watch() -> io::Result<()> {
    const INTERRUPTED: i32 = 130;
    let signalled = || {
        let ends = waiting().signalled(INTERRUPTED, Instant::now());
        if ends {
            std::process::exit(INTERRUPTED);
        }
    };
    ctrlc::set_handler(signalled).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_signal_ends_the_process_and_the_same_one_at_once_is_the_first() {
        let stopper = Stopper::default();
        let mut waiting = Waiting {
            is_watching: true,
            stoppers: vec![stopper.clone()],
            first: None,
        };
        let start = Instant::now();
        assert!(!waiting.signalled(15, start) && stopper.is_stopped());
        assert!(!waiting.signalled(15, start));
        assert!(waiting.signalled(2, start), "another is a second wish");
        assert!(waiting.signalled(15, start + SAME_WISH));
        waiting.stoppers.clear();
        assert!(
            waiting.signalled(15, start),
            "where no server waits, it does as ever"
        );
    }
}
