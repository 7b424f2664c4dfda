//! Model checks of the locks: a few threads, in every order in which they can run up to a bound on the number of pre-emptions.
//! `ci/model.sh` runs them.
//!
//! The futex is a model, too, and wakes no more than it is asked to. A wake that is lost leaves a thread asleep for ever, which
//! the checker reports as a deadlock. What a lock guards is a cell of the checker's, which sees two threads in it.

use std::sync::Arc;

use loom::{cell::UnsafeCell, thread};

use super::{condition::ConditionVariable, critical_section::CriticalSection, srw::SrwLock};
use crate::INFINITE;

/// What a lock guards.
struct Guarded(UnsafeCell<usize>);

// SAFETY: the checker says if two threads use it at once.
unsafe impl Sync for Guarded {}
// SAFETY: as above.
unsafe impl Send for Guarded {}

impl Guarded {
    fn new() -> Arc<Guarded> {
        Arc::new(Guarded(UnsafeCell::new(0)))
    }

    fn count(&self) {
        // SAFETY: the lock is held; the checker looks.
        self.0.with_mut(|count| unsafe { *count += 1 });
    }

    fn get(&self) -> usize {
        // SAFETY: as above.
        self.0.with(|count| unsafe { *count })
    }
}

/// Runs so many threads, which get their numbers from 1 on, and waits for all.
fn run(threads: u32, work: impl Fn(u32) + Send + Sync + 'static) {
    let work = Arc::new(work);
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

#[test]
fn one_thread_is_in_a_critical_section() {
    loom::model(|| {
        let (section, guarded) = (Arc::new(CriticalSection::new(0)), Guarded::new());
        let inside = guarded.clone();
        run(3, move |number| {
            section.enter(number);
            inside.count();
            section.leave();
        });
        assert_eq!(guarded.get(), 3);
    });
}

#[test]
fn a_slim_lock_has_one_writer() {
    loom::model(|| {
        let (lock, guarded) = (Arc::new(SrwLock::default()), Guarded::new());
        let inside = guarded.clone();
        run(3, move |_| {
            lock.exclusive();
            inside.count();
            lock.release_exclusive();
        });
        assert_eq!(guarded.get(), 3);
    });
}

#[test]
fn a_slim_lock_has_readers_or_a_writer() {
    loom::model(|| {
        let (lock, guarded) = (Arc::new(SrwLock::default()), Guarded::new());
        let inside = guarded.clone();
        run(3, move |number| {
            if number == 1 {
                lock.exclusive();
                inside.count();
                lock.release_exclusive();
            } else {
                lock.shared();
                inside.get();
                lock.release_shared();
            }
        });
        assert_eq!(guarded.get(), 1);
    });
}

#[test]
fn writers_and_a_reader_wake_each_other() {
    loom::model(|| {
        let (lock, guarded) = (Arc::new(SrwLock::default()), Guarded::new());
        let inside = guarded.clone();
        run(3, move |number| {
            if number < 3 {
                lock.exclusive();
                inside.count();
                lock.release_exclusive();
            } else {
                lock.shared();
                inside.get();
                lock.release_shared();
            }
        });
        assert_eq!(guarded.get(), 2);
    });
}

/// Those who sleep are woken one by one, by threads that do not hold the lock any more.
#[test]
fn a_condition_variable_loses_no_wake() {
    loom::model(|| {
        let section = Arc::new(CriticalSection::new(0));
        let (condition, ready) = (Arc::new(ConditionVariable::default()), Guarded::new());
        run(3, move |number| {
            section.enter(number);
            if number == 1 {
                while ready.get() < 2 {
                    let (leave, enter) = (|| section.leave(), || section.enter(number));
                    condition.sleep(INFINITE, leave, enter);
                }
                section.leave();
            } else {
                ready.count();
                section.leave();
                condition.wake(1);
            }
        });
    });
}
