//! Critical sections: a lock that its owner may enter again.

use std::sync::atomic::{
    AtomicI32, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

use super::spins;
use crate::{
    FALSE, TRUE,
    sync::{AtomicU32, futex},
    threads,
};

/// Nobody has it. Windows' numbers, which programs print.
const FREE: u32 = -1_i32 as u32;
/// Somebody has it, and nobody waits.
const HELD: u32 = -2_i32 as u32;
/// Somebody has it, and others may wait.
const WAITED_FOR: u32 = -6_i32 as u32;

/// How often a lock is looked at before a thread sleeps, where the program did not say.
const SPINS: u32 = 100;
/// The upper bits of a spin count are flags.
const SPINS_MASK: u32 = 0x00ff_ffff;

/// `CRITICAL_SECTION`, of 40 bytes, with the members in the places that they have on Windows.
#[repr(C)]
#[derive(Debug)]
pub struct CriticalSection {
    debug_info: usize,
    /// The futex.
    state: AtomicU32,
    /// How often the owner has entered. It alone looks at it.
    times: AtomicI32,
    /// The number of the owner; 0 if there is none. Only the owner finds its own number there.
    owner: AtomicUsize,
    unused: usize,
    spins: AtomicUsize,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<CriticalSection>() == 40);

impl CriticalSection {
    pub(crate) fn new(spins: u32) -> Self {
        CriticalSection {
            debug_info: usize::MAX,
            state: AtomicU32::new(FREE),
            times: AtomicI32::new(0),
            owner: AtomicUsize::new(0),
            unused: 0,
            spins: AtomicUsize::new((spins & SPINS_MASK) as usize),
        }
    }

    /// The thread of that number enters, if it may at once.
    #[inline]
    pub(crate) fn try_enter(&self, thread: u32) -> bool {
        let thread = thread as usize;
        if self.try_take() {
            self.owner.store(thread, Relaxed);
            self.times.store(1, Relaxed);
            return true;
        }
        let mine = self.owner.load(Relaxed) == thread;
        if mine {
            let times = self.times.load(Relaxed);
            self.times.store(times.wrapping_add(1), Relaxed);
        }
        mine
    }

    #[inline]
    fn try_take(&self) -> bool {
        let taken = self.state.compare_exchange(FREE, HELD, Acquire, Relaxed);
        taken.is_ok()
    }

    /// The thread of that number enters: the calling one.
    #[inline]
    pub(crate) fn enter(&self, thread: u32) {
        if !self.try_enter(thread) {
            self.wait();
            self.owner.store(thread as usize, Relaxed);
            self.times.store(1, Relaxed);
        }
    }

    #[cold]
    fn wait(&self) {
        let asked = u32::try_from(self.spins.load(Relaxed)).unwrap_or(SPINS_MASK);
        for _ in 0..spins(asked.max(SPINS)) {
            match self.state.load(Relaxed) {
                FREE if self.try_take() => return,
                // Those who wait already come first.
                WAITED_FOR => break,
                _ => std::hint::spin_loop(),
            }
        }
        // Others may wait as well, so it is left as waited for.
        if self.state.swap(WAITED_FOR, Acquire) == FREE {
            return;
        }
        wharf::blocking(|| {
            loop {
                futex::wait(&self.state, WAITED_FOR, None);
                if self.state.swap(WAITED_FOR, Acquire) == FREE {
                    return;
                }
            }
        });
    }

    #[inline]
    pub(crate) fn leave(&self) {
        let times = self.times.load(Relaxed).wrapping_sub(1);
        self.times.store(times, Relaxed);
        // Below 0 for a thread that leaves what it has not entered: on Windows, too, nobody is let in by that.
        if times == 0 {
            self.owner.store(0, Relaxed);
            if self.state.swap(FREE, Release) == WAITED_FOR {
                futex::wake(&self.state, 1);
            }
        }
    }
}

/// Makes a critical section in memory of the caller's, where it must stay.
///
/// # Safety
/// It can be written there, and nobody uses it meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn InitializeCriticalSection(section: *mut CriticalSection) {
    // SAFETY: passed on to the caller.
    unsafe { section.write(CriticalSection::new(0)) };
}

/// [`InitializeCriticalSection`], with how often a thread looks whether it is free before it sleeps. Always TRUE.
///
/// # Safety
/// As for [`InitializeCriticalSection`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn InitializeCriticalSectionAndSpinCount(
    section: *mut CriticalSection,
    spins: u32,
) -> i32 {
    // SAFETY: passed on to the caller.
    unsafe { section.write(CriticalSection::new(spins)) };
    TRUE
}

/// The same as [`InitializeCriticalSectionAndSpinCount`]; the flags have no meaning here.
///
/// # Safety
/// As for [`InitializeCriticalSection`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn InitializeCriticalSectionEx(
    section: *mut CriticalSection,
    spins: u32,
    _flags: u32,
) -> i32 {
    // SAFETY: passed on to the caller.
    unsafe { InitializeCriticalSectionAndSpinCount(section, spins) }
}

/// Sets how often a thread looks whether it is free before it sleeps. Returns what it was.
///
/// # Safety
/// It is an initialised critical section.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn SetCriticalSectionSpinCount(
    section: *const CriticalSection,
    spins: u32,
) -> u32 {
    // SAFETY: of the caller.
    let section = unsafe { &*section };
    (section.spins.swap((spins & SPINS_MASK) as usize, Relaxed)) as u32
}

/// Enters: waits until no other thread is within. A thread may enter again, and must leave as often.
///
/// # Safety
/// It is an initialised critical section.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn EnterCriticalSection(section: *const CriticalSection) {
    // SAFETY: of the caller.
    unsafe { &*section }.enter(threads::number());
}

/// Enters, if no other thread is within. Says whether it did.
///
/// # Safety
/// It is an initialised critical section.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TryEnterCriticalSection(section: *const CriticalSection) -> i32 {
    // SAFETY: of the caller.
    if unsafe { &*section }.try_enter(threads::number()) {
        TRUE
    } else {
        FALSE
    }
}

/// Leaves what the calling thread has entered.
///
/// # Safety
/// It is an initialised critical section.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn LeaveCriticalSection(section: *const CriticalSection) {
    // SAFETY: of the caller.
    unsafe { &*section }.leave();
}

/// Ends a critical section. It holds nothing that must be freed; a thread that comes late, as those of programs do that end, finds
/// it free.
///
/// # Safety
/// It can be written there, and nobody uses it meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn DeleteCriticalSection(section: *mut CriticalSection) {
    // SAFETY: passed on to the caller.
    unsafe { section.write(CriticalSection::new(0)) };
}
