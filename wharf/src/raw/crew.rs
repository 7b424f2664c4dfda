//! Pools that may grow, as the port sees them.

use std::io;

use crate::user_code::log;

/// Threads that can become more: a pool that may grow.
pub(crate) trait Crew: Send + Sync {
    /// Starts a thread that waits on the port, if it may.
    fn hire(&self) -> Hired;
}

/// What came of [`Crew::hire`].
#[derive(Debug)]
pub(crate) enum Hired {
    /// A thread was started.
    One,
    /// One that was started before has not arrived yet.
    OnTheWay,
    /// The system had no thread, now or a moment ago: it is to be asked again. With its error, if that is news.
    Refused(Option<io::Error>),
    /// There are as many as there may be.
    Full,
}

/// Says that the system has no thread. Under no lock: whoever writes the log may use the port.
pub(super) fn tell_refused(refused: Option<io::Error>) {
    if let Some(error) = refused {
        log(|| {
            tracing::warn!(
                %error,
                "no thread for one more worker, though all are blocked: it is tried again and again; raise the limit of \
                 threads (ulimit -u, pids.max)"
            );
        });
    }
}
