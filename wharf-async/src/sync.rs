//! The threads, locks and time that the runtime waits with, behind one door: the simulation (`--cfg shuttle`, see
//! `ci/simulate.sh`) has its own. Its threads are all on one thread of the system, so that they need thread-locals of their own.

#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    thread_local,
};

#[cfg(shuttle)]
pub(crate) use {
    shuttle::{
        sync::{
            Mutex, MutexGuard,
            atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        },
        thread::{self, Thread},
        thread_local,
    },
    // One whose time-outs come by the simulation's clock.
    wharf::sync::Condvar,
};

use std::{sync::PoisonError, task::Waker, time::Duration};

/// The time, of a clock that never goes back.
pub(crate) fn now() -> std::time::Instant {
    #[cfg(not(shuttle))]
    return std::time::Instant::now();
    #[cfg(shuttle)]
    wharf::sync::now()
}

/// The time by the clock of [`now`], as of the last tick of the system's timer where that is cheaper to ask for.
pub(crate) fn coarse_now() -> std::time::Instant {
    #[cfg(any(shuttle, windows))]
    return now();
    #[cfg(all(unix, not(shuttle)))]
    {
        use rustix::time::{ClockId, clock_gettime};

        // One moment by both kinds of time. The second is looked at later, so that what is worked out is never ahead.
        static MOMENT: std::sync::OnceLock<(std::time::Instant, u64)> = std::sync::OnceLock::new();
        let (instant, at_ns) = *MOMENT.get_or_init(|| {
            let instant = now();
            (instant, to_ns(clock_gettime(ClockId::Monotonic)))
        });
        // The coarse clock is that one, as of its last tick.
        let coarse_ns = coarse_now_ns();
        let before = || instant.checked_sub(Duration::from_nanos(at_ns - coarse_ns));
        match coarse_ns.checked_sub(at_ns) {
            Some(since_ns) => instant + Duration::from_nanos(since_ns),
            None => before().unwrap_or(instant),
        }
    }
}

#[cfg(all(unix, not(shuttle)))]
fn to_ns(time: rustix::time::Timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The time in nanoseconds, of a clock that is cheap to read and as coarse as the system's timer tick.
pub(crate) fn coarse_now_ns() -> u64 {
    #[cfg(shuttle)]
    return wharf::sync::coarse_now_ns();
    #[cfg(all(unix, not(shuttle)))]
    return to_ns(rustix::time::clock_gettime(
        rustix::time::ClockId::MonotonicCoarse,
    ));
    #[cfg(windows)]
    {
        // Its clock is cheap.
        static BEGINNING: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        let beginning = *BEGINNING.get_or_init(std::time::Instant::now);
        beginning.elapsed().as_nanos() as u64
    }
}

/// Takes a lock, whether or not an earlier holder panicked: no code of the user's runs under any of ours.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a notification, for so long at most. May return for no reason.
pub(crate) fn wait<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    timeout: Duration,
) -> MutexGuard<'a, T> {
    #[cfg(not(shuttle))]
    return match condvar.wait_timeout(guard, timeout) {
        Ok((guard, _)) => guard,
        Err(poisoned) => poisoned.into_inner().0,
    };
    #[cfg(shuttle)]
    condvar.wait(guard, Some(timeout))
}

/// Has `slot`, which is under a lock, hold the waker of a future. Then drops the lock, and after it the waker that was held before:
/// that may be code of the user's.
pub(crate) fn register<T>(
    mut guard: MutexGuard<'_, T>,
    slot: impl FnOnce(&mut T) -> &mut Option<Waker>,
    waker: &Waker,
) {
    let slot = slot(&mut guard);
    let before = match slot {
        Some(held) if held.will_wake(waker) => None,
        _ => slot.replace(waker.clone()),
    };
    drop(guard);
    drop(before);
}
