//! Slim locks, for many readers or one writer. Who waits longest does not always come first, but a writer that waits keeps new
//! readers out.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::spins;
use crate::sync::{AtomicU32, futex};

/// The number of readers; [`WRITER`] if a writer has it.
const HOLDERS: u32 = (1 << 30) - 1;
const WRITER: u32 = HOLDERS;
const READERS_MAX: u32 = HOLDERS - 1;
const READERS_WAIT: u32 = 1 << 30;
const WRITERS_WAIT: u32 = 1 << 31;
const SPINS: u32 = 100;

/// `SRWLOCK`, of 8 bytes: zeros are a free one.
#[repr(C, align(8))]
#[derive(Debug, Default)]
pub struct SrwLock {
    /// The holders, and who waits. Readers sleep on it.
    state: AtomicU32,
    /// Changed when a writer is woken. Writers sleep on it.
    turn: AtomicU32,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<SrwLock>() == 8);

fn is_free(state: u32) -> bool {
    state & HOLDERS == 0
}

/// A reader comes in, unless there is a writer or somebody waits.
fn lets_readers_in(state: u32) -> bool {
    state & HOLDERS < READERS_MAX && state & (READERS_WAIT | WRITERS_WAIT) == 0
}

impl SrwLock {
    fn replace(&self, from: u32, to: u32) -> bool {
        self.state
            .compare_exchange_weak(from, to, Acquire, Relaxed)
            .is_ok()
    }

    pub(crate) fn try_exclusive(&self) -> bool {
        (self.state)
            .fetch_update(Acquire, Relaxed, |state| {
                is_free(state).then_some(state | WRITER)
            })
            .is_ok()
    }

    #[inline]
    pub(crate) fn exclusive(&self) {
        if self
            .state
            .compare_exchange(0, WRITER, Acquire, Relaxed)
            .is_err()
        {
            self.wait_exclusive();
        }
    }

    #[cold]
    fn wait_exclusive(&self) {
        let state = self.spin(|state| is_free(state) || state & WRITERS_WAIT != 0);
        if is_free(state) && self.replace(state, state | WRITER) {
            return;
        }
        wharf::blocking(|| {
            // What is left to be said once this one has it: after a sleep, others may still wait.
            let mut others = 0;
            loop {
                let state = self.state.load(Relaxed);
                if is_free(state) {
                    if self.replace(state, state | WRITER | others) {
                        return;
                    }
                    continue;
                }
                if state & WRITERS_WAIT == 0 && !self.replace(state, state | WRITERS_WAIT) {
                    continue;
                }
                others = WRITERS_WAIT;
                let turn = self.turn.load(Acquire);
                // If it has become free meanwhile, whoever freed it may have taken its turn before this one was read.
                let state = self.state.load(Relaxed);
                if !is_free(state) && state & WRITERS_WAIT != 0 {
                    futex::wait(&self.turn, turn, None);
                }
            }
        });
    }

    #[inline]
    pub(crate) fn release_exclusive(&self) {
        let state = self.state.fetch_sub(WRITER, Release) - WRITER;
        if state & (READERS_WAIT | WRITERS_WAIT) != 0 {
            self.wake(state);
        }
    }

    pub(crate) fn try_shared(&self) -> bool {
        (self.state)
            .fetch_update(Acquire, Relaxed, |state| {
                lets_readers_in(state).then_some(state + 1)
            })
            .is_ok()
    }

    #[inline]
    pub(crate) fn shared(&self) {
        let state = self.state.load(Relaxed);
        if !(lets_readers_in(state) && self.replace(state, state + 1)) {
            self.wait_shared();
        }
    }

    #[cold]
    fn wait_shared(&self) {
        let state = self
            .spin(|state| state & HOLDERS != WRITER || state & (READERS_WAIT | WRITERS_WAIT) != 0);
        if lets_readers_in(state) && self.replace(state, state + 1) {
            return;
        }
        wharf::blocking(|| {
            loop {
                let state = self.state.load(Relaxed);
                if lets_readers_in(state) {
                    if self.replace(state, state + 1) {
                        return;
                    }
                    continue;
                }
                if state & READERS_WAIT == 0 && !self.replace(state, state | READERS_WAIT) {
                    continue;
                }
                futex::wait(&self.state, state | READERS_WAIT, None);
            }
        });
    }

    #[inline]
    pub(crate) fn release_shared(&self) {
        let state = self.state.fetch_sub(1, Release) - 1;
        // Readers wait only for a writer that waits.
        if is_free(state) && state & WRITERS_WAIT != 0 {
            self.wake(state);
        }
    }

    /// It has become free, and somebody waits: one writer is woken, or all readers if there is none.
    #[cold]
    fn wake(&self, mut state: u32) {
        if state == WRITERS_WAIT {
            match self.state.compare_exchange(state, 0, Relaxed, Relaxed) {
                Ok(_) => {
                    self.wake_writer();
                    return;
                }
                Err(now) => state = now,
            }
        }
        if state == READERS_WAIT | WRITERS_WAIT {
            if self
                .state
                .compare_exchange(state, READERS_WAIT, Relaxed, Relaxed)
                .is_err()
            {
                // Somebody has it, who will do this.
                return;
            }
            if self.wake_writer() {
                return;
            }
            // No writer sleeps: one has given up, or has not slept yet. So the readers don't wait for it.
            state = READERS_WAIT;
        }
        if state == READERS_WAIT
            && self
                .state
                .compare_exchange(state, 0, Relaxed, Relaxed)
                .is_ok()
        {
            futex::wake(&self.state, u32::MAX);
        }
    }

    /// Wakes a writer that sleeps. Says whether there was one.
    fn wake_writer(&self) -> bool {
        self.turn.fetch_add(1, Release);
        futex::wake(&self.turn, 1)
    }

    fn spin(&self, until: impl Fn(u32) -> bool) -> u32 {
        for _ in 0..spins(SPINS) {
            let state = self.state.load(Relaxed);
            if until(state) {
                return state;
            }
            std::hint::spin_loop();
        }
        self.state.load(Relaxed)
    }
}

/// Makes a free lock in memory of the caller's. Zeros are one as well.
///
/// # Safety
/// It can be written there, and nobody uses it meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn InitializeSRWLock(lock: *mut SrwLock) {
    // SAFETY: passed on to the caller.
    unsafe { lock.write(SrwLock::default()) };
}

/// Takes the lock alone. A thread that has it must not take it again.
///
/// # Safety
/// It is an initialised lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn AcquireSRWLockExclusive(lock: *const SrwLock) {
    // SAFETY: of the caller.
    unsafe { &*lock }.exclusive();
}

/// Takes the lock alone, if it is free. Says whether it did.
///
/// # Safety
/// It is an initialised lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TryAcquireSRWLockExclusive(lock: *const SrwLock) -> u8 {
    // SAFETY: of the caller.
    u8::from(unsafe { &*lock }.try_exclusive())
}

/// Gives back what [`AcquireSRWLockExclusive`] took.
///
/// # Safety
/// It is an initialised lock, and this thread has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ReleaseSRWLockExclusive(lock: *const SrwLock) {
    // SAFETY: of the caller.
    unsafe { &*lock }.release_exclusive();
}

/// Takes the lock with other readers.
///
/// # Safety
/// It is an initialised lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn AcquireSRWLockShared(lock: *const SrwLock) {
    // SAFETY: of the caller.
    unsafe { &*lock }.shared();
}

/// Takes the lock with other readers, if no writer has it or waits for it. Says whether it did.
///
/// # Safety
/// It is an initialised lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TryAcquireSRWLockShared(lock: *const SrwLock) -> u8 {
    // SAFETY: of the caller.
    u8::from(unsafe { &*lock }.try_shared())
}

/// Gives back what [`AcquireSRWLockShared`] took.
///
/// # Safety
/// It is an initialised lock, and this thread is one of its readers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ReleaseSRWLockShared(lock: *const SrwLock) {
    // SAFETY: of the caller.
    unsafe { &*lock }.release_shared();
}
