//! Asking a server to stop: from any thread, from a handler, by a signal.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

/// Asks a server to stop ([`Server::wait`](crate::Server::wait)), from any thread. Clones are the same.
#[derive(Clone, Default)]
pub struct Stopper(Arc<(Mutex<bool>, Condvar)>);

impl Stopper {
    /// The server is to stop. Does nothing more if it was asked before.
    pub fn stop(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether the server was asked to stop.
    pub fn is_stopped(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether both stop the same server.
    #[cfg(feature = "signals")]
    pub(crate) fn is(&self, other: &Stopper) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Waits until the server is asked to stop.
    pub(crate) fn wait(&self) {
        let mut is_stopped = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_stopped {
            let waited = self.0.1.wait(is_stopped);
            is_stopped = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Stopper")
            .field("is_stopped", &self.is_stopped())
            .finish()
    }
}
