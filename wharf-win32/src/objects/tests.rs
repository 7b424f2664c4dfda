//! The waits, by their exported functions.

use std::{
    ptr,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{calls::*, event::*, mutex::*, semaphore::*};
use crate::{INFINITE, last_error::GetLastError};

const TIMEOUT: u32 = 258;
const FAILED: u32 = u32::MAX;

fn new_event(manual: bool, set: bool) -> usize {
    CreateEventA(ptr::null(), manual.into(), set.into(), ptr::null())
}

fn wait_several(handles: &[usize], all: bool, milliseconds: u32) -> u32 {
    let count = u32::try_from(handles.len()).unwrap();
    // SAFETY: of a slice.
    unsafe { WaitForMultipleObjects(count, handles.as_ptr(), all.into(), milliseconds) }
}

#[test]
fn an_event_is_taken_by_one_or_stays_set() {
    let (auto, manual) = (new_event(false, true), new_event(true, true));
    assert_eq!(WaitForSingleObject(auto, 0), 0);
    assert_eq!(WaitForSingleObject(auto, 0), TIMEOUT);
    assert_eq!(WaitForSingleObject(manual, 0), 0);
    assert_eq!(WaitForSingleObject(manual, 0), 0);
    assert_eq!(ResetEvent(manual), 1);
    assert_eq!(WaitForSingleObject(manual, 1), TIMEOUT);
}

#[test]
fn any_gives_the_lowest_index_and_takes_no_other() {
    let events = [
        new_event(false, false),
        new_event(false, true),
        new_event(false, true),
    ];
    assert_eq!(wait_several(&events, false, INFINITE), 1);
    assert_eq!(wait_several(&events, false, INFINITE), 2);
    assert_eq!(wait_several(&events, false, 0), TIMEOUT);
    // The same one twice is allowed.
    SetEvent(events[0]);
    assert_eq!(
        wait_several(&[events[1], events[0], events[0]], false, 0),
        1
    );
}

#[test]
fn all_takes_all_or_none() {
    let events = [new_event(false, true), new_event(false, false)];
    assert_eq!(wait_several(&events, true, 1), TIMEOUT);
    assert_eq!(
        WaitForSingleObject(events[0], 0),
        0,
        "the wait for both has not taken it"
    );
    SetEvent(events[0]);
    SetEvent(events[1]);
    assert_eq!(wait_several(&events, true, 0), 0);
    assert_eq!(wait_several(&events, false, 0), TIMEOUT);
    assert_eq!(wait_several(&[events[0], events[0]], true, 0), FAILED);
    assert_eq!(GetLastError(), 87);
}

#[test]
fn one_who_waits_for_all_gets_all_in_the_moment_of_the_last() {
    let (first, second) = (new_event(false, true), new_event(true, false));
    let started = Arc::new(Barrier::new(2));
    let waiter = {
        let started = started.clone();
        thread::spawn(move || {
            started.wait();
            wait_several(&[first, second], true, INFINITE)
        })
    };
    started.wait();
    // A pulse reaches only those who wait; the thread may not wait yet.
    while WaitForSingleObject(first, 0) == 0 {
        SetEvent(first);
        assert_eq!(PulseEvent(second), 1);
        thread::yield_now();
    }
    assert_eq!(waiter.join().unwrap(), 0);
    assert_eq!(WaitForSingleObject(second, 0), TIMEOUT);
}

#[test]
fn garbage_is_refused_and_changes_nothing() {
    let event = new_event(false, true);
    assert_eq!(wait_several(&[event, 0x1234], false, 0), FAILED);
    assert_eq!(GetLastError(), 6);
    assert_eq!(wait_several(&[], false, 0), FAILED);
    assert_eq!(GetLastError(), 87);
    assert_eq!(wait_several(&[event; 65], false, 0), FAILED);
    assert_eq!(GetLastError(), 87);
    assert_eq!(SignalObjectAndWait(event, 12, 0, 0), FAILED);
    assert_eq!(WaitForSingleObject(event, 0), 0);
    assert_eq!((CloseHandle(event), CloseHandle(event)), (1, 0));
    assert_eq!(GetLastError(), 6);
}

#[test]
fn a_semaphore_lets_so_many_in() {
    let semaphore = CreateSemaphoreA(ptr::null(), 1, 3, ptr::null());
    let mut before = -1;
    // SAFETY: a variable, and NULL.
    let released = unsafe {
        [
            ReleaseSemaphore(semaphore, 2, &raw mut before),
            ReleaseSemaphore(semaphore, 1, ptr::null_mut()),
        ]
    };
    assert_eq!((released, before), ([1, 0], 1));
    assert_eq!(GetLastError(), 298);
    for _ in 0..3 {
        assert_eq!(WaitForSingleObject(semaphore, 0), 0);
    }
    assert_eq!(WaitForSingleObject(semaphore, 0), TIMEOUT);
    assert_eq!(CreateSemaphoreA(ptr::null(), 4, 3, ptr::null()), 0);
    assert_eq!(CreateSemaphoreA(ptr::null(), 0, 0, ptr::null()), 0);
    assert_eq!(SetEvent(semaphore), 0, "it is no event");
}

#[test]
fn a_mutex_has_an_owner_who_may_abandon_it() {
    let mutex = CreateMutexA(ptr::null(), 1, ptr::null());
    assert_eq!(WaitForSingleObject(mutex, 0), 0);
    let other = thread::spawn(move || {
        assert_eq!((ReleaseMutex(mutex), GetLastError()), (0, 288));
        WaitForSingleObject(mutex, 1)
    });
    assert_eq!(other.join().unwrap(), TIMEOUT);
    assert_eq!(
        (
            ReleaseMutex(mutex),
            ReleaseMutex(mutex),
            ReleaseMutex(mutex)
        ),
        (1, 1, 0)
    );
    thread::spawn(move || assert_eq!(WaitForSingleObject(mutex, INFINITE), 0))
        .join()
        .unwrap();
    let event = new_event(true, true);
    assert_eq!(wait_several(&[event, mutex], true, INFINITE), 0x80);
    assert_eq!(WaitForSingleObject(mutex, 0), 0, "told once");
}

/// Threads take and set one event, which resets itself: so it is a lock, and nobody is lost.
#[test]
fn an_event_that_resets_itself_is_a_lock() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 2_000;
    let (event, never) = (new_event(false, true), new_event(false, false));
    let inside = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let inside = inside.clone();
            thread::spawn(move || {
                for _ in 0..ROUNDS {
                    match number {
                        0 => assert_eq!(WaitForSingleObject(event, INFINITE), 0),
                        1 => assert_eq!(wait_several(&[never, event], false, INFINITE), 1),
                        _ => assert_eq!(wait_several(&[event], true, INFINITE), 0),
                    }
                    assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                    inside.fetch_sub(1, Ordering::Relaxed);
                    SetEvent(event);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(WaitForSingleObject(event, 0), 0);
}

/// Philosophers take both their forks at once, or wait.
#[test]
fn philosophers_take_both_forks_at_once() {
    const SEATS: usize = 5;
    let forks: Arc<[usize]> = (0..SEATS)
        .map(|_| CreateMutexA(ptr::null(), 0, ptr::null()))
        .collect();
    let taken: Arc<[AtomicUsize]> = (0..SEATS).map(|_| AtomicUsize::new(0)).collect();
    let threads: Vec<_> = (0..SEATS)
        .map(|seat| {
            let (forks, taken) = (forks.clone(), taken.clone());
            thread::spawn(move || {
                let mine = [seat, (seat + 1) % SEATS];
                for _ in 0..500 {
                    assert_eq!(
                        wait_several(&mine.map(|fork| forks[fork]), true, INFINITE),
                        0
                    );
                    for fork in mine {
                        assert_eq!(taken[fork].fetch_add(1, Ordering::Relaxed), 0);
                    }
                    for fork in mine {
                        taken[fork].fetch_sub(1, Ordering::Relaxed);
                        assert_eq!(ReleaseMutex(forks[fork]), 1);
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}
