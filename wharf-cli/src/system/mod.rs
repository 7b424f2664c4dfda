//! What differs from system to system: signals, clocks, processes.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

use std::{io, process, thread};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// To stop in order; a second one, at once.
    Stop {
        /// What it is called.
        name: &'static str,
        /// The code that a shell reports for a process that it has ended.
        code: i32,
    },
    /// To print the table of workers. Windows has no signal for it.
    #[cfg(unix)]
    Table,
}

impl Signal {
    /// Whether it asks to stop.
    pub fn stops(self) -> bool {
        match self {
            Signal::Stop { .. } => true,
            #[cfg(unix)]
            Signal::Table => false,
        }
    }
}

/// Has `each` told of the signals to this process, on a thread of its own. The second that asks it to stop ends it at once.
///
/// # Errors
/// The system's: signals can't be watched, or there is no thread.
pub fn watch_signals(mut each: impl FnMut(Signal) + Send + 'static) -> io::Result<()> {
    let signals = signals()?;
    let watch = move || {
        let mut stopping = false;
        for signal in signals {
            #[cfg_attr(windows, allow(irrefutable_let_patterns))]
            if let Signal::Stop { code, .. } = signal
                && std::mem::replace(&mut stopping, true)
            {
                tracing::warn!("a second signal: ending at once");
                process::exit(code);
            }
            each(signal);
        }
    };
    thread::Builder::new().name("signals".into()).spawn(watch)?;
    Ok(())
}
