//! Condition variables.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::{critical_section::CriticalSection, srw::SrwLock};
use crate::{
    TRUE, error, last_error,
    sync::{AtomicU32, fence, futex},
    threads,
};

const LOCKMODE_SHARED: u32 = 1;

/// `CONDITION_VARIABLE`, of 8 bytes: zeros are a fresh one.
#[repr(C, align(8))]
#[derive(Debug, Default)]
pub struct ConditionVariable {
    /// Changed by each wake. Threads sleep on it.
    wakes: AtomicU32,
    /// How many sleep, or are about to.
    sleepers: AtomicU32,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<ConditionVariable>() == 8);

impl ConditionVariable {
    /// Releases a lock, sleeps until a wake, and takes the lock again. False if the time came first.
    pub(crate) fn sleep(
        &self,
        milliseconds: u32,
        release: impl FnOnce(),
        take: impl FnOnce(),
    ) -> bool {
        let deadline = crate::futex::deadline(milliseconds);
        let wakes = self.wakes.load(Relaxed);
        // Before the lock is released: whoever takes it next, changes what is waited for, and wakes, finds a sleeper. One who wakes
        // without the lock either finds it, or has changed the number before it was read above.
        self.sleepers.fetch_add(1, Relaxed);
        fence(SeqCst);
        release();
        let woken = wharf::blocking(|| futex::wait(&self.wakes, wakes, deadline));
        self.sleepers.fetch_sub(1, Relaxed);
        take();
        // A wake that came with the last of the time counts.
        woken || self.wakes.load(Relaxed) != wakes
    }

    pub(crate) fn wake(&self, most: u32) {
        self.wakes.fetch_add(1, Relaxed);
        fence(SeqCst);
        if self.sleepers.load(Relaxed) != 0 {
            futex::wake(&self.wakes, most);
        }
    }
}

fn answer(woken: bool) -> i32 {
    if woken {
        TRUE
    } else {
        last_error::fail(error::TIMEOUT)
    }
}

/// Makes a condition variable in memory of the caller's. Zeros are one as well.
///
/// # Safety
/// It can be written there, and nobody uses it meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn InitializeConditionVariable(condition: *mut ConditionVariable) {
    // SAFETY: passed on to the caller.
    unsafe { condition.write(ConditionVariable::default()) };
}

/// Leaves a critical section that was entered once, sleeps until a wake, and enters it again. FALSE, with error 1460, if the time
/// came first. May return TRUE for no reason.
///
/// # Safety
/// Both are initialised, and this thread is in the section.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn SleepConditionVariableCS(
    condition: *const ConditionVariable,
    section: *const CriticalSection,
    milliseconds: u32,
) -> i32 {
    // SAFETY: of the caller.
    let (condition, section) = unsafe { (&*condition, &*section) };
    answer(condition.sleep(
        milliseconds,
        || section.leave(),
        || section.enter(threads::number()),
    ))
}

/// The same for a slim lock, which the thread has alone; or with others, with the flag 1.
///
/// # Safety
/// Both are initialised, and this thread has the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn SleepConditionVariableSRW(
    condition: *const ConditionVariable,
    lock: *const SrwLock,
    milliseconds: u32,
    flags: u32,
) -> i32 {
    // SAFETY: of the caller.
    let (condition, lock) = unsafe { (&*condition, &*lock) };
    answer(if flags & LOCKMODE_SHARED != 0 {
        condition.sleep(milliseconds, || lock.release_shared(), || lock.shared())
    } else {
        condition.sleep(
            milliseconds,
            || lock.release_exclusive(),
            || lock.exclusive(),
        )
    })
}

/// Wakes one thread that sleeps for it.
///
/// # Safety
/// It is initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WakeConditionVariable(condition: *const ConditionVariable) {
    // SAFETY: of the caller.
    unsafe { &*condition }.wake(1);
}

/// Wakes all threads that sleep for it.
///
/// # Safety
/// It is initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WakeAllConditionVariable(condition: *const ConditionVariable) {
    // SAFETY: of the caller.
    unsafe { &*condition }.wake(u32::MAX);
}
