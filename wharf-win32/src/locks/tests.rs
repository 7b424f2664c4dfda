//! The locks, under contention.

use std::{
    cell::UnsafeCell,
    ptr,
    sync::{
        Arc, Barrier,
        atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering},
    },
    thread,
};

use super::{address::*, condition::*, critical_section::*, once::*, srw::*};
use crate::{INFINITE, last_error::GetLastError, objects::Sleep, sync::run, threads};

/// What a lock guards, counted without care: only a lock makes it right.
#[derive(Default)]
struct Guarded(UnsafeCell<usize>);

// SAFETY: the tests use it under a lock only.
unsafe impl Sync for Guarded {}
// SAFETY: as above.
unsafe impl Send for Guarded {}

impl Guarded {
    fn count(&self) {
        // SAFETY: the caller has the lock.
        unsafe { *self.0.get() += 1 };
    }

    fn get(&self) -> usize {
        // SAFETY: the caller has the lock, or is alone.
        unsafe { *self.0.get() }
    }
}

fn new_section() -> Arc<CriticalSection> {
    let mut section = std::mem::MaybeUninit::uninit();
    // SAFETY: it is written, and moved before anybody uses it.
    unsafe {
        InitializeCriticalSection(section.as_mut_ptr());
        Arc::new(section.assume_init())
    }
}

#[test]
fn one_thread_is_in_a_critical_section_and_as_often_as_it_likes() {
    let (section, guarded) = (new_section(), Arc::new(Guarded::default()));
    {
        let (section, guarded) = (section.clone(), guarded.clone());
        run(4, move |_| {
            for round in 0..20_000 {
                section.enter(threads::number());
                assert!(section.try_enter(threads::number()));
                guarded.count();
                section.leave();
                if round % 1_000 == 0 {
                    thread::yield_now();
                }
                section.leave();
            }
        });
    }
    assert_eq!(guarded.get(), 80_000);
    // Who leaves what nobody has entered lets nobody in beside another.
    section.leave();
    section.enter(threads::number());
    run(1, {
        let section = section.clone();
        move |_| assert!(!section.try_enter(threads::number()))
    });
    section.leave();
    run(1, move |_| assert!(section.try_enter(threads::number())));
}

#[test]
fn a_slim_lock_lets_many_read_or_one_write() {
    let (lock, guarded) = (Arc::new(SrwLock::default()), Arc::new(Guarded::default()));
    let readers = Arc::new(AtomicI32::new(0));
    {
        let (lock, guarded) = (lock.clone(), guarded.clone());
        run(6, move |number| {
            for round in 0..10_000 {
                if (number + round) % 3 == 0 {
                    lock.exclusive();
                    assert_eq!(readers.load(Ordering::Relaxed), 0);
                    guarded.count();
                    lock.release_exclusive();
                } else {
                    lock.shared();
                    readers.fetch_add(1, Ordering::Relaxed);
                    let before = guarded.get();
                    assert!(!lock.try_exclusive());
                    assert_eq!(guarded.get(), before);
                    readers.fetch_sub(1, Ordering::Relaxed);
                    lock.release_shared();
                }
            }
        });
    }
    assert_eq!(guarded.get(), 20_000);
    assert!(lock.try_shared() && lock.try_shared() && !lock.try_exclusive());
    lock.release_shared();
    lock.release_shared();
    assert!(lock.try_exclusive() && !lock.try_shared() && !lock.try_exclusive());
}

/// A queue of one place between threads that put and take: no wake is lost.
#[test]
fn condition_variables_lose_no_wake() {
    const ROUNDS: usize = 5_000;
    let section = new_section();
    let full = Arc::new(Guarded::default());
    let changed = Arc::new(ConditionVariable::default());
    let taken = Arc::new(AtomicUsize::new(0));
    {
        let taken = taken.clone();
        run(4, move |number| {
            let number = number as usize;
            for _ in 0..ROUNDS {
                section.enter(threads::number());
                // The even ones put, the others take.
                while full.get() % 2 != number % 2 {
                    // SAFETY: both are initialised, and the section was entered.
                    let woken = unsafe { SleepConditionVariableCS(&*changed, &*section, INFINITE) };
                    assert_eq!(woken, 1);
                }
                full.count();
                taken.fetch_add(number % 2, Ordering::Relaxed);
                section.leave();
                // SAFETY: it is initialised.
                unsafe { WakeAllConditionVariable(&*changed) };
            }
        });
    }
    assert_eq!(taken.load(Ordering::Relaxed), 2 * ROUNDS);
}

#[test]
fn a_condition_variable_tells_that_the_time_came() {
    let (lock, condition) = (SrwLock::default(), ConditionVariable::default());
    lock.shared();
    // SAFETY: both are initialised, and the lock was taken so.
    let woken = unsafe { SleepConditionVariableSRW(&condition, &lock, 1, 1) };
    assert_eq!((woken, GetLastError()), (0, 1460));
    assert!(!lock.try_exclusive(), "it was taken again");
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

extern "C-unwind" fn initialise(
    _: *mut InitOnce,
    fails: *mut std::ffi::c_void,
    value: *mut usize,
) -> i32 {
    CALLS.fetch_add(1, Ordering::Relaxed);
    Sleep(5);
    // SAFETY: it can be written.
    unsafe { value.write(0x1230) };
    i32::from(fails.is_null())
}

#[test]
fn it_is_done_once() {
    let once = Arc::new(InitOnce::default());
    let address = |once: &InitOnce| ptr::from_ref(once).cast_mut();
    let mut value = 0;
    // SAFETY: it is initialised, and the function takes any argument.
    let failed = unsafe {
        InitOnceExecuteOnce(
            address(&once),
            initialise,
            ptr::dangling_mut(),
            &raw mut value,
        )
    };
    assert_eq!((failed, value), (0, 0));
    CALLS.store(0, Ordering::Relaxed);
    {
        let once = once.clone();
        run(4, move |_| {
            let mut value = 0;
            // SAFETY: as above.
            let done = unsafe {
                InitOnceExecuteOnce(address(&once), initialise, ptr::null_mut(), &raw mut value)
            };
            assert_eq!((done, value), (1, 0x1230));
        });
    }
    assert_eq!(CALLS.load(Ordering::Relaxed), 1);
}

extern "C-unwind" fn throw(_: *mut InitOnce, _: *mut std::ffi::c_void, _: *mut usize) -> i32 {
    std::panic::panic_any("an exception")
}

extern "C-unwind" fn succeed(_: *mut InitOnce, _: *mut std::ffi::c_void, _: *mut usize) -> i32 {
    1
}

#[test]
fn an_exception_leaves_it_to_the_next() {
    let once = InitOnce::default();
    let run = |function| {
        let address = ptr::from_ref(&once).cast_mut();
        // SAFETY: it is initialised, and the functions take anything.
        unsafe { InitOnceExecuteOnce(address, function, ptr::null_mut(), ptr::null_mut()) }
    };
    let thrown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(throw)));
    assert!(thrown.is_err());
    assert_eq!(run(succeed), 1);
}

#[test]
fn several_may_compete_to_do_it() {
    const ASYNC: u32 = 2;
    let (once, mut pending, mut value) = (InitOnce::default(), 0, 0);
    // SAFETY: they are variables.
    unsafe {
        assert_eq!(
            InitOnceBeginInitialize(&once, 1, &mut pending, &mut value),
            0
        );
        for _ in 0..2 {
            assert_eq!(
                InitOnceBeginInitialize(&once, ASYNC, &mut pending, &mut value),
                1
            );
            assert_eq!(pending, 1);
        }
        assert_eq!(
            InitOnceBeginInitialize(&once, 0, &mut pending, &mut value),
            0
        );
        assert_eq!(
            InitOnceComplete(&once, ASYNC, 0x41),
            0,
            "its lowest bits are not 0"
        );
        assert_eq!(InitOnceComplete(&once, ASYNC, 0x40), 1);
        assert_eq!(
            InitOnceComplete(&once, ASYNC, 0x80),
            0,
            "another was faster"
        );
        assert_eq!(
            InitOnceBeginInitialize(&once, 0, &mut pending, &mut value),
            1
        );
    }
    assert_eq!((pending, value), (0, 0x40));
}

#[test]
fn an_address_of_one_byte_wakes_who_waits_for_it() {
    let byte = Arc::new(AtomicU8::new(0));
    let started = Arc::new(Barrier::new(3));
    let waits = {
        let (byte, started) = (byte.clone(), started.clone());
        move |_| {
            started.wait();
            while byte.load(Ordering::SeqCst) == 0 {
                // SAFETY: it can be read.
                let woken = unsafe {
                    WaitOnAddress(
                        byte.as_ptr().cast(),
                        ptr::from_ref(&0_u8).cast(),
                        1,
                        INFINITE,
                    )
                };
                assert_eq!(woken, 1);
            }
        }
    };
    let waiting = thread::spawn(move || run(2, waits));
    started.wait();
    byte.store(1, Ordering::SeqCst);
    WakeByAddressAll(byte.as_ptr().cast());
    waiting.join().unwrap();
    // SAFETY: it can be read.
    let woken = unsafe { WaitOnAddress(byte.as_ptr().cast(), byte.as_ptr().cast(), 1, 1) };
    assert_eq!((woken, GetLastError()), (0, 1460));
    // SAFETY: nothing is read.
    assert_eq!(unsafe { WaitOnAddress(ptr::null(), ptr::null(), 3, 1) }, 0);
}
