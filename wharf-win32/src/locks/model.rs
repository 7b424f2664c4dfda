//! Model checks of the locks: a few threads, in every order in which they can run up to a bound on the number of pre-emptions.
//! `ci/model.sh` runs them.
//!
//! The futex is a model, too, and wakes no more than it is asked to. A wake that is lost leaves a thread asleep for ever, which
//! the checker reports as a deadlock. What a lock guards is a cell of the checker's, which sees two threads in it.

use std::sync::Arc;

use loom::cell::UnsafeCell;

use super::{condition::ConditionVariable, critical_section::CriticalSection, srw::SrwLock};
use crate::{INFINITE, sync::run};

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

/// Three threads, of which so many write, and the others read.
fn write_and_read(writers: u32) {
    loom::model(move || {
        let (lock, guarded) = (Arc::new(SrwLock::default()), Guarded::new());
        let inside = guarded.clone();
        run(3, move |number| {
            if number <= writers {
                lock.exclusive();
                inside.count();
                lock.release_exclusive();
            } else {
                lock.shared();
                inside.get();
                lock.release_shared();
            }
        });
        assert_eq!(guarded.get(), writers as usize);
    });
}

#[test]
fn a_slim_lock_has_one_writer() {
    write_and_read(3);
}

#[test]
fn a_slim_lock_has_readers_or_a_writer() {
    write_and_read(1);
}

#[test]
fn writers_and_a_reader_wake_each_other() {
    write_and_read(2);
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
