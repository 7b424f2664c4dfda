//! The threads, locks and time that the port is built on, behind one door.
//!
//! Everything in `scheduler` takes its primitives from here, and so does everything in
//! [`raw`](crate::raw) that waits or asks for the time, so that others can take their place: those of a model checker
//! (`RUSTFLAGS="--cfg loom"`, see `ci/model.sh`), and those of a simulation, which runs threads in an order that a seed
//! decides, by a clock of its own (`RUSTFLAGS="--cfg shuttle"`, see `ci/simulate.sh`).
//!
//! Poisoning is left out on purpose: no code of the user's runs under any of these locks, so a guard is never dropped by a
//! panic that is not ours.

#[cfg(unix)]
mod parker;
#[cfg(shuttle)]
mod simulated;

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};
#[cfg(shuttle)]
pub use simulated::{
    Condvar, asleep, coarse_now_ns, end_of_time, now, run_time, sleep, thread_number,
};
#[cfg(all(unix, not(any(loom, shuttle))))]
pub(crate) use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};
#[cfg(not(shuttle))]
pub(crate) use std::{thread, thread_local};
#[cfg(shuttle)]
pub(crate) use {
    shuttle::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    simulated::{thread, thread_local},
    std::sync::Arc,
};

#[cfg(loom)]
use loom::sync as primitive;
#[cfg(shuttle)]
use shuttle::sync as primitive;
#[cfg(not(any(loom, shuttle)))]
use std::sync as primitive;

#[cfg(unix)]
pub(crate) use parker::Parker;
pub(crate) use primitive::MutexGuard;

#[cfg(not(shuttle))]
use std::time::{Duration, Instant};

/// The time, of a clock that never goes back.
#[cfg(not(shuttle))]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A place for a value that threads share by a rule of their own. The model checker sees each use.
#[cfg(all(unix, not(loom)))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(all(unix, not(loom)))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, with: impl FnOnce(*mut T) -> R) -> R {
        with(self.0.get())
    }
}

/// A mutual exclusion lock that hands out its value whether or not an earlier holder panicked.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(primitive::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(primitive::Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        match self.0.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// A condition variable for [`Mutex`].
#[cfg(not(shuttle))]
#[derive(Debug, Default)]
pub(crate) struct Condvar(primitive::Condvar);

#[cfg(not(shuttle))]
impl Condvar {
    pub(crate) fn new() -> Self {
        Condvar(primitive::Condvar::new())
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    #[cfg(any(unix, feature = "safe"))]
    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    /// Waits for a notification, for `timeout` at most where one is given. May return for no reason.
    pub(crate) fn wait<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, T> {
        match timeout {
            None => match self.0.wait(guard) {
                Ok(guard) => guard,
                Err(poisoned) => poisoned.into_inner(),
            },
            Some(timeout) => match self.0.wait_timeout(guard, timeout) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            },
        }
    }
}
