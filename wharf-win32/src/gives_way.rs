//! Tests: a function that blocks gives its thread's place in a completion port away at once. Here no work waits, so the port looks at
//! no thread by itself: who counts as blocked has said so.

use std::{
    ptr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use wharf::raw::{Answer, Options, Port};

use crate::{
    INFINITE,
    locks::{ConditionVariable, CriticalSection, SrwLock, WaitOnAddress, WakeByAddressAll},
    objects::{
        Sleep, WaitForSingleObject,
        event::{CreateEventA, SetEvent},
    },
    threads,
};

/// Runs what blocks as the handler of a packet, and what releases it when it counts as blocked.
fn check(blocks: impl FnOnce() + Send + 'static, releases: impl FnOnce()) {
    let mut options = Options::default();
    options.concurrency = 1;
    let port = Port::new(&options).unwrap();
    port.post(0, 0, 0).unwrap();
    let worker = {
        let port = port.clone();
        thread::spawn(move || {
            assert!(matches!(port.wait(None), Ok(Answer::Packet(_))));
            blocks();
        })
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while port.counts().blocked == 0 {
        assert!(Instant::now() < deadline, "it has kept its place");
        thread::yield_now();
    }
    releases();
    worker.join().unwrap();
    port.close();
}

#[test]
fn a_wait_and_a_sleep_do() {
    let event = CreateEventA(ptr::null(), 0, 0, ptr::null());
    check(
        move || assert_eq!(WaitForSingleObject(event, INFINITE), 0),
        || assert_eq!(SetEvent(event), 1),
    );
    check(|| Sleep(300), || ());
}

#[test]
fn locks_do_if_they_are_contended() {
    let section = Arc::new(CriticalSection::new(0));
    section.enter(threads::number());
    let enters = section.clone();
    check(move || enters.enter(threads::number()), || section.leave());

    for readers in [false, true] {
        let lock = Arc::new(SrwLock::default());
        lock.exclusive();
        let takes = lock.clone();
        check(
            move || {
                if readers {
                    takes.shared()
                } else {
                    takes.exclusive()
                }
            },
            || lock.release_exclusive(),
        );
    }
}

#[test]
fn a_condition_variable_and_an_address_do() {
    let condition = Arc::new(ConditionVariable::default());
    let sleeps = condition.clone();
    check(
        move || assert!(sleeps.sleep(INFINITE, || (), || ())),
        || condition.wake(1),
    );

    let word = Arc::new(AtomicU32::new(0));
    let waits = word.clone();
    check(
        move || {
            let address = waits.as_ptr().cast();
            // SAFETY: both can be read.
            let woken =
                unsafe { WaitOnAddress(address, ptr::from_ref(&0_u32).cast(), 4, INFINITE) };
            assert_eq!(woken, 1);
        },
        || {
            word.store(1, Ordering::SeqCst);
            WakeByAddressAll(word.as_ptr().cast());
        },
    );
}
