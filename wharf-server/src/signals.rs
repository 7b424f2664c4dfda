//! The signals that ask a process to end.

use std::io;

/// Calls `stop` at the first signal; the second ends the process at once.
#[cfg(unix)]
pub(crate) fn watch(stop: impl FnOnce() + Send + 'static) -> io::Result<()> {
    use signal_hook::{
        consts::{SIGINT, SIGTERM},
        iterator::Signals,
        low_level::emulate_default_handler,
    };

    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let watch = move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            stop();
        }
        if let Some(signal) = signals.next() {
            // It ends the process; there is nothing to be done where it can't.
            let _ = emulate_default_handler(signal);
        }
    };
    let builder = std::thread::Builder::new().name("wharf-signals".into());
    builder.spawn(watch).map(drop)
}

/// As on Unix.
#[cfg(windows)]
pub(crate) fn watch(stop: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut stop = Some(stop);
    let signalled = move || match stop.take() {
        Some(stop) => stop(),
        None => std::process::exit(130),
    };
    ctrlc::set_handler(signalled).map_err(io::Error::other)
}
