//! How many connections there may be at once.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wharf::user_code::log;
use wharf_async::time;

/// How often the log tells that there is no room, at most.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// For all listeners of a server.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    at_most: usize,
    places: Arc<Semaphore>,
    /// When the log has told last that there is none.
    told: Arc<Mutex<Option<Instant>>>,
}

/// Of one connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "for its drop")] OwnedSemaphorePermit);

impl Room {
    /// Fails if there would be no place.
    pub(crate) fn new(at_most: usize) -> io::Result<Room> {
        if at_most == 0 {
            let wrong = "connections_at_most is 0, so no client could come; allow at least 1, 10,000 is the default";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, wrong));
        }
        Ok(Room {
            at_most,
            places: Arc::new(Semaphore::new(at_most.min(Semaphore::MAX_PERMITS))),
            told: Arc::default(),
        })
    }

    /// Waits until there is a place.
    pub(crate) async fn enter(&self) -> Place {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Place(place);
        }
        self.tell();
        let place = self.places.clone().acquire_owned().await;
        Place(place.expect("it is never closed"))
    }

    fn tell(&self) {
        let now = time::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| now < told + TOLD_EVERY) {
            return;
        }
        *told = Some(now);
        drop(told);
        let at_most = self.at_most;
        log(|| {
            tracing::warn!(
                at_most,
                "there are as many connections as may be; accepting pauses, and goes on when one ends"
            )
        });
    }
}
