//! What differs from system to system: signals, clocks, processes.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

use std::{
    io, process, thread,
    time::{Duration, Instant},
};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// To stop in order; a second one, at once.
    Stop {
        /// What it is called.
        name: &'static str,
        /// The code that a shell reports for a process that it has ended.
        code: u8,
    },
    /// To print the table of workers. Windows has no signal for it.
    #[cfg(unix)]
    Table,
    /// To read files again. Likewise.
    #[cfg(unix)]
    Reload,
}

impl Signal {
    /// Whether it asks to stop.
    pub fn stops(self) -> bool {
        match self {
            Signal::Stop { .. } => true,
            #[cfg(unix)]
            Signal::Table | Signal::Reload => false,
        }
    }
}

/// The same signal again within so long is the same wish: some send it to a process and then to its group, as timeout(1)
/// does, and it is in both.
const SAME_WISH: Duration = Duration::from_millis(200);

/// Which signals came that ask to stop.
#[derive(Debug, Default)]
struct Stops {
    first: Option<(Signal, Instant)>,
}

/// What is to be done at a signal.
#[derive(Debug, PartialEq, Eq)]
enum Act {
    Tell,
    Nothing,
    EndAtOnce(u8),
}

impl Stops {
    fn signalled(&mut self, signal: Signal, now: Instant) -> Act {
        #[cfg_attr(windows, allow(irrefutable_let_patterns))]
        let Signal::Stop { code, .. } = signal else {
            return Act::Tell;
        };
        match self.first {
            None => {
                self.first = Some((signal, now));
                Act::Tell
            }
            Some((first, at)) if first == signal && now - at < SAME_WISH => Act::Nothing,
            Some(_) => Act::EndAtOnce(code),
        }
    }
}

/// Has `each` told of the signals to this process, on a thread of its own. The second that asks it to stop ends it at once;
/// the same one within 200 ms counts as the first. `before_end` is called before it does. Where nothing is to be reloaded, the signal
/// for that does what it does by default.
///
/// # Errors
/// The system's: signals can't be watched, or there is no thread.
pub fn watch_signals(
    mut each: impl FnMut(Signal) + Send + 'static,
    before_end: fn(),
    reloads: bool,
) -> io::Result<()> {
    let signals = signals(reloads)?;
    let watch = move || {
        let mut stops = Stops::default();
        for signal in signals {
            match stops.signalled(signal, Instant::now()) {
                Act::Tell => each(signal),
                Act::Nothing => tracing::debug!("the same signal again, at once: it is the first"),
                Act::EndAtOnce(code) => {
                    tracing::warn!("a second signal: ending at once");
                    before_end();
                    process::exit(code.into());
                }
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(watch)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Signal = Signal::Stop {
        name: "SIGTERM",
        code: 143,
    };
    const INT: Signal = Signal::Stop {
        name: "SIGINT",
        code: 130,
    };

    #[test]
    fn the_same_signal_at_once_is_the_first_and_any_later_one_the_second() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut stops = Stops::default();
        assert_eq!(stops.signalled(TERM, start), Act::Tell);
        assert_eq!(stops.signalled(TERM, start), Act::Nothing);
        assert_eq!(stops.signalled(TERM, after(199)), Act::Nothing);
        // However often it comes: what counts is how long ago the first was.
        assert_eq!(stops.signalled(TERM, after(200)), Act::EndAtOnce(143));
    }

    #[test]
    fn another_signal_is_a_second_however_soon_it_comes() {
        let start = Instant::now();
        let mut stops = Stops::default();
        assert_eq!(stops.signalled(INT, start), Act::Tell);
        assert_eq!(stops.signalled(TERM, start), Act::EndAtOnce(143));
    }

    #[cfg(unix)]
    #[test]
    fn a_wish_for_the_table_is_told_each_time_and_stops_nothing() {
        let start = Instant::now();
        let mut stops = Stops::default();
        assert_eq!(stops.signalled(Signal::Table, start), Act::Tell);
        assert_eq!(stops.signalled(TERM, start), Act::Tell);
        assert_eq!(stops.signalled(Signal::Table, start), Act::Tell);
    }
}
