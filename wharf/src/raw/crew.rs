//! Pools that may grow, as the port sees them.

/// Threads that can become more: a pool that may grow.
pub(crate) trait Crew: Send + Sync {
    /// Starts a thread that waits on the port, if it may.
    fn hire(&self) -> Hired;
}

/// What came of [`Crew::hire`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hired {
    /// A thread was started.
    One,
    /// One that was started before has not arrived yet.
    OnTheWay,
    /// The system had no thread, now or a moment ago: it is to be asked again.
    Refused,
    /// There are as many as there may be.
    Full,
}
