//! Timers: the driver reports the earliest deadline, and the thread that hears of it completes what is due.

use std::{ptr::NonNull, time::Instant};

use crate::{
    driver::{Driver, codes},
    raw::{Completed, Overlapped, Status, timers::Timers},
    sync::{Mutex, now},
};

/// The timers of a port.
#[derive(Debug)]
pub(super) struct Timekeeper(Mutex<Timers<Completed>>);

impl Timekeeper {
    pub(super) fn new() -> Self {
        Timekeeper(Mutex::new(Timers::new()))
    }

    /// Sets a timer, and returns its number.
    ///
    /// # Safety
    /// The operation is valid, and nobody else's until it is completed here.
    pub(super) unsafe fn set(
        &self,
        driver: &dyn Driver,
        deadline: Instant,
        key: usize,
        operation: NonNull<Overlapped>,
    ) -> u64 {
        // SAFETY: passed on to the caller.
        let number = unsafe { self.0.lock().set_operation(deadline, key, operation) };
        self.arm(driver);
        number
    }

    /// Has the driver report the earliest deadline. The call is made without the lock, so it is made again if the
    /// earliest changed meanwhile: the thread that calls last looks last.
    fn arm(&self, driver: &dyn Driver) {
        let mut armed = self.0.lock().earliest();
        loop {
            let delay = armed.map(|deadline| deadline.saturating_duration_since(now()));
            driver.arm(delay);
            let earliest = self.0.lock().earliest();
            if earliest == armed {
                return;
            }
            armed = earliest;
        }
    }

    /// Completes the timers that are due, and gives them to `complete`, under the lock: so they come in the order of their
    /// deadlines, whichever threads hear of them. Says whether there were any.
    pub(super) fn fire(&self, driver: &dyn Driver, mut complete: impl FnMut(Completed)) -> bool {
        let mut any = false;
        {
            let mut timers = self.0.lock();
            while let Some(timer) = timers.take_due(now()) {
                complete(timer.with(Status::Done));
                any = true;
            }
        }
        self.arm(driver);
        any
    }

    /// Takes a timer back, as cancelled. None if its time has come.
    pub(super) fn cancel(&self, number: u64) -> Option<Completed> {
        let timer = self.0.lock().cancel(number)?;
        Some(timer.with(Status::Failed(codes::CANCELLED)))
    }

    /// Takes any timer back, as cancelled.
    pub(super) fn cancel_any(&self) -> Option<Completed> {
        let timer = self.0.lock().take_any()?;
        Some(timer.with(Status::Failed(codes::CANCELLED)))
    }
}
