//! Signals: [`ctrl_c`] everywhere, and on Unix any signal that a process may catch ([`unix`]). The names are tokio's.

#[cfg(unix)]
pub mod unix;
#[cfg(windows)]
mod windows;

use std::io;

/// Waits for the next Ctrl-C (`SIGINT`), on Windows for Ctrl-Break as well. From the first call on the signal does not end the process
/// any more, also while nothing waits for it.
///
/// On Windows this ends too when the console is closed, and when the user logs off; but Windows ends the process then at once
/// ([handlers of the console](https://learn.microsoft.com/en-us/windows/console/handlerroutine)), so what is to be kept has to be saved before.
///
/// # Errors
/// The system's: it lets no handler be set, or has no descriptors.
///
/// # Panics
/// The thread works for no runtime.
pub async fn ctrl_c() -> io::Result<()> {
    #[cfg(unix)]
    match unix::signal(unix::SignalKind::interrupt())?.recv().await {
        Some(()) => Ok(()),
        None => Err(io::Error::other("the runtime has stopped")),
    }
    #[cfg(windows)]
    windows::wait().await
}
