//! What the waits and the locks are built on, behind one door, so that a model checker's can take their place
//! (`RUSTFLAGS="--cfg loom"`; `src/objects/model.rs`, `src/locks/model.rs`, `src/socket/model.rs`).
//!
//! Poisoning is left out on purpose: no code of the program's runs under any of these locks.

#[cfg(loom)]
use loom::sync as primitive;
#[cfg(not(loom))]
use std::sync as primitive;

use std::time::Instant;

#[cfg(not(loom))]
pub(crate) use crate::futex;
pub(crate) use primitive::{
    MutexGuard,
    atomic::{AtomicU8, AtomicU32, AtomicU64, fence},
};

#[cfg(loom)]
pub(crate) use loom::thread::yield_now;
#[cfg(not(loom))]
pub(crate) use std::thread::yield_now;

/// A mutual exclusion lock that hands out its value whether or not an earlier holder panicked.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(primitive::Mutex<T>);

impl<T> Mutex<T> {
    #[cfg(not(loom))]
    pub(crate) const fn new(value: T) -> Self {
        Mutex(primitive::Mutex::new(value))
    }

    #[cfg(loom)]
    pub(crate) fn new(value: T) -> Self {
        Mutex(primitive::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        match self.0.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// Runs so many threads of a test, which get their numbers from 1 on, and waits for all.
#[cfg(test)]
pub(crate) fn run(threads: u32, work: impl Fn(u32) + Send + Sync + 'static) {
    #[cfg(loom)]
    use loom::thread;
    #[cfg(not(loom))]
    use std::thread;

    let work = std::sync::Arc::new(work);
    let threads: Vec<_> = (1..=threads)
        .map(|number| {
            let work = work.clone();
            thread::spawn(move || work(number))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A value that is written once, by whichever thread comes first, and for which one thread can sleep. It begins as 0.
#[cfg(not(loom))]
#[derive(Debug, Default)]
pub(crate) struct Verdict(std::sync::atomic::AtomicU32);

#[cfg(not(loom))]
impl Verdict {
    /// Writes the value, if none was written yet. The sleeper is not woken by that.
    pub(crate) fn set(&self, value: u32) -> bool {
        use std::sync::atomic::Ordering::{Acquire, Release};
        self.0.compare_exchange(0, value, Release, Acquire).is_ok()
    }

    /// Wakes the sleeper, after [`set`](Self::set).
    pub(crate) fn wake(&self) {
        crate::futex::wake(&self.0, 1);
    }

    /// Sleeps until the value is written, or the time has come. Returns it, 0 if there is none.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) -> u32 {
        use std::sync::atomic::Ordering::Acquire;
        loop {
            let value = self.0.load(Acquire);
            if value != 0 || !crate::futex::wait(&self.0, 0, deadline) {
                return value;
            }
        }
    }
}

/// The same for the model checker, which knows no futex. Its time never comes.
#[cfg(loom)]
#[derive(Debug, Default)]
pub(crate) struct Verdict(Mutex<u32>, primitive::Condvar);

#[cfg(loom)]
impl Verdict {
    pub(crate) fn set(&self, value: u32) -> bool {
        let mut written = self.0.lock();
        if *written != 0 {
            return false;
        }
        *written = value;
        true
    }

    pub(crate) fn wake(&self) {
        self.1.notify_one();
    }

    pub(crate) fn sleep(&self, _deadline: Option<Instant>) -> u32 {
        let mut written = self.0.lock();
        while *written == 0 {
            written = self.1.wait(written).unwrap();
        }
        *written
    }
}

/// The kernel's futex, as far as the locks use it.
#[cfg(loom)]
pub(crate) mod futex {
    use std::time::Instant;

    use super::{AtomicU32, Mutex, primitive::Condvar};

    /// Who sleeps: the address, and a number of the sleeper's own.
    #[derive(Default)]
    struct Sleepers {
        listed: Vec<(usize, usize)>,
        next: usize,
    }

    loom::lazy_static! {
        static ref SLEEPERS: Mutex<Sleepers> = Mutex::default();
        static ref WOKEN: Condvar = Condvar::new();
    }

    /// Sleeps as long as the word has that value, until it is woken. Its time never comes.
    pub(crate) fn wait(word: &AtomicU32, value: u32, _deadline: Option<Instant>) -> bool {
        let mut sleepers = SLEEPERS.lock();
        if word.load(std::sync::atomic::Ordering::SeqCst) != value {
            return true;
        }
        let number = sleepers.next;
        sleepers.next += 1;
        sleepers
            .listed
            .push((std::ptr::from_ref(word).addr(), number));
        while sleepers.listed.iter().any(|(_, other)| *other == number) {
            sleepers = WOKEN.wait(sleepers).unwrap();
        }
        true
    }

    /// Wakes up to so many, the first first.
    pub(crate) fn wake(word: &AtomicU32, most: u32) -> bool {
        let address = std::ptr::from_ref(word).addr();
        let mut sleepers = SLEEPERS.lock();
        let mut woken = 0;
        sleepers.listed.retain(|(at, _)| {
            let stays = *at != address || woken == most;
            woken += u32::from(!stays);
            stays
        });
        WOKEN.notify_all();
        woken > 0
    }
}
