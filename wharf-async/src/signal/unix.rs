//! Signals of Unix. The code with which axum programs stop in order on tokio, with another path:
//!
//! ```
//! use std::io;
//! use wharf_async::{Runtime, signal::{ctrl_c, unix::{SignalKind, signal}}};
//!
//! # fn main() -> io::Result<()> {
//! Runtime::new()?.block_on(async {
//!     let mut terminate = signal(SignalKind::terminate())?;
//! #   signal_hook::low_level::raise(signal_hook::consts::SIGTERM)?;
//!     tokio::select! {
//!         told = ctrl_c() => told,
//!         _ = terminate.recv() => Ok(()),
//!     }
//! })
//! # }
//! ```

use std::{
    fmt,
    future::poll_fn,
    io,
    os::unix::net::UnixStream,
    task::{Context, Poll, ready},
};

use signal_hook::{
    SigId,
    consts::{
        FORBIDDEN, SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGIO, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1,
        SIGUSR2, SIGWINCH,
    },
    low_level,
};
use tokio::io::ReadBuf;

use crate::net::Inner;

/// Which signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind(i32);

/// Makes functions that name a signal.
macro_rules! kinds {
    ($($(#[$about:meta])* $name:ident: $number:ident;)*) => {
        $(
            $(#[$about])*
            #[doc = concat!("(`", stringify!($number), "`).")]
            pub const fn $name() -> SignalKind {
                SignalKind($number)
            }
        )*
    };
}

impl SignalKind {
    /// The signal of that number.
    pub const fn from_raw(number: i32) -> SignalKind {
        SignalKind(number)
    }

    /// Its number.
    pub const fn as_raw_value(&self) -> i32 {
        self.0
    }

    kinds! {
        /// The process is to end
        terminate: SIGTERM;
        /// The terminal is gone; by custom, the settings are to be read again
        hangup: SIGHUP;
        /// Ctrl-C
        interrupt: SIGINT;
        /// Ctrl-\
        quit: SIGQUIT;
        /// What the program makes of it
        user_defined1: SIGUSR1;
        /// What the program makes of it
        user_defined2: SIGUSR2;
        /// A child process has ended or stopped
        child: SIGCHLD;
        /// The terminal has another size
        window_change: SIGWINCH;
        /// A timer of the process's has ended
        alarm: SIGALRM;
        /// A descriptor is ready
        io: SIGIO;
        /// Something was written to a pipe or a connection that no process reads
        pipe: SIGPIPE;
    }
}

impl From<i32> for SignalKind {
    fn from(number: i32) -> Self {
        SignalKind(number)
    }
}

impl From<SignalKind> for i32 {
    fn from(kind: SignalKind) -> Self {
        kind.0
    }
}

/// Listens for a signal. From the first call on, its default action (such as ending the process) does not happen any more, even when
/// nothing listens any more.
///
/// # Errors
/// The system's: it knows no such signal, lets no handler be set, or has no descriptors.
/// [`InvalidInput`](io::ErrorKind::InvalidInput): the signal must not be caught (`SIGKILL`, `SIGSTOP`, `SIGSEGV`, `SIGILL`, `SIGFPE`).
///
/// # Panics
/// The thread works for no runtime.
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let number = kind.0;
    if FORBIDDEN.contains(&number) {
        let name = low_level::signal_name(number).unwrap_or("it");
        let text = format!("signal {number} ({name}) must not be caught");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    // The handler writes to one, and the port receives from the other.
    let (receives, sends) = UnixStream::pair()?;
    sends.set_nonblocking(true)?;
    // When the runtime stops, the port closes what it has: a handler that writes to nobody would raise SIGPIPE.
    let stays_open = receives.try_clone()?;
    let inner = Inner::associate(receives)?;
    let registered = low_level::pipe::register(number, sends)
        .map_err(|error| io::Error::new(error.kind(), format!("signal {number}: {error}")))?;
    Ok(Signal {
        _registered: Registered(registered),
        _stays_open: stays_open,
        inner,
        kind,
    })
}

/// The arrivals of a [signal](signal()): signals that come before a call of [`recv`](Self::recv) are reported as one, or as some.
pub struct Signal {
    _registered: Registered,
    _stays_open: UnixStream,
    inner: Inner,
    kind: SignalKind,
}

impl fmt::Debug for Signal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Signal");
        debug.field("kind", &self.kind);
        debug.finish_non_exhaustive()
    }
}

impl Signal {
    /// Waits for the signal, unless it has come since it was last reported. None: the runtime has stopped.
    ///
    /// Cancel-safe: a future that is dropped loses no signal.
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// As [`recv`](Self::recv), for a future of the caller's own.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<()>> {
        let mut memory = [0; 64];
        let read = self
            .inner
            .poll_read(context, &mut ReadBuf::new(&mut memory));
        Poll::Ready(ready!(read).is_ok_and(|bytes| bytes > 0).then_some(()))
    }
}

/// Takes the handler back when it is dropped.
struct Registered(SigId);

impl Drop for Registered {
    fn drop(&mut self) {
        low_level::unregister(self.0);
    }
}
