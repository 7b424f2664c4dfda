//! Asking a server to stop, or to be not ready: from any thread, from a handler, by a signal.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// Asks a server to stop ([`Server::wait`](crate::Server::wait)), from any thread, and says whether it is ready for new clients. Clones
/// are the same.
#[derive(Clone, Default)]
pub struct Stopper(Arc<(Mutex<Stage>, Condvar)>);

/// How far a server is on its way to its end.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Ready,
    /// It is to get no new clients, and goes on.
    Draining,
    /// It is to stop, or has stopped.
    Stopped,
}

impl Stopper {
    /// The server is not ready from now on: who asks its [health](crate::Settings::health) is told so, and a balancer sends it no
    /// new clients. It goes on, and accepts those that come. Does nothing more if it was asked before.
    pub fn drain(&self) {
        self.move_to(Stage::Draining);
    }

    /// The server is to stop. Does nothing more if it was asked before.
    pub fn stop(&self) {
        self.move_to(Stage::Stopped);
    }

    /// Whether the server was asked to stop.
    pub fn is_stopped(&self) -> bool {
        *self.stage() == Stage::Stopped
    }

    /// Whether new clients are welcome: the server was asked neither to [drain](Self::drain) nor to stop.
    pub fn is_ready(&self) -> bool {
        *self.stage() == Stage::Ready
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn move_to(&self, stage: Stage) {
        let mut now = self.stage();
        *now = (*now).max(stage);
        self.0.1.notify_all();
    }

    /// Whether both stop the same server.
    #[cfg(feature = "signals")]
    pub(crate) fn is(&self, other: &Stopper) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Waits until the server is asked to stop.
    pub(crate) fn wait(&self) {
        let mut stage = self.stage();
        while *stage != Stage::Stopped {
            let waited = self.0.1.wait(stage);
            stage = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Stopper")
            .field("stage", &*self.stage())
            .finish()
    }
}
