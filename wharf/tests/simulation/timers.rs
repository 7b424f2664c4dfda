//! Timers that several threads fire at once: whichever thread does, they are queued in the order of their deadlines. And timers
//! that are cancelled quietly while others are set and fired: each ends once, and none is forgotten.
//!
//! The order of a queue that several threads take from is not to be seen by any one of them, but each sees a part of it: where no
//! thread ever takes an earlier deadline after a later one, in no seed, there is no such pair on the queue either.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use shuttle::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};
use wharf::{CompletionPort, Wait, simulated::Kernel, sync};

const TIMERS: usize = 8;

/// A timer of [`are_cancelled_quietly`]: its number, and when it is due.
type Key = (usize, Instant);

/// Panics if a thread takes an earlier timer after a later one.
pub fn live(kernel: &Kernel, random: &mut Rng) {
    let builder = CompletionPort::builder().simulated(kernel);
    let port: CompletionPort<Instant> = builder.concurrency(3).build().expect("a port");
    let port = Arc::new(port);
    let soon = sync::now() + Duration::from_millis(1);
    for _ in 0..TIMERS {
        // Some after each other, some at one instant.
        let deadline = soon + Duration::from_micros(random.u64(..4));
        port.timer_at(deadline, deadline).expect("a timer");
    }
    // Else one that is set late may have a deadline that is past already.
    let all_are_set = sync::now() < soon;
    let taken = Arc::new(AtomicUsize::new(0));
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let (port, taken) = (port.clone(), taken.clone());
            thread::spawn(move || take_in_order(&port, &taken, all_are_set))
        })
        .collect();
    waiters
        .into_iter()
        .for_each(|waiter| waiter.join().expect("no panic"));
    assert_eq!(taken.load(Ordering::SeqCst), TIMERS);
}

fn take_in_order(port: &CompletionPort<Instant>, taken: &AtomicUsize, all_are_set: bool) {
    let mut last = None;
    while let Wait::Completed(completion) = port.wait(None).expect("a wait") {
        let deadline = completion.key;
        assert!(
            Some(deadline) >= last || !all_are_set,
            "{deadline:?} after {last:?}"
        );
        last = Some(deadline);
        if taken.fetch_add(1, Ordering::SeqCst) + 1 == TIMERS {
            port.close();
        }
    }
}

/// Panics if a timer ends twice, or early. One that never ends leaves no thread that could run.
pub fn are_cancelled_quietly(kernel: &Kernel, random: &mut Rng) {
    let builder = CompletionPort::builder().simulated(kernel);
    let port: CompletionPort<Key> = builder.concurrency(2).build().expect("a port");
    let port = Arc::new(port);
    let ends: Arc<Vec<_>> = Arc::new((0..2 * TIMERS).map(|_| AtomicUsize::new(0)).collect());
    let takers: Vec<_> = (0..2)
        .map(|_| {
            let (port, ends) = (port.clone(), ends.clone());
            thread::spawn(move || take_in_time(&port, &ends))
        })
        .collect();
    let setters: Vec<_> = (0..2)
        .map(|who| {
            let (port, ends, random) = (port.clone(), ends.clone(), random.fork());
            thread::spawn(move || set_and_cancel(&port, &ends, who * TIMERS, random))
        })
        .collect();
    setters
        .into_iter()
        .for_each(|setter| setter.join().expect("no panic"));
    takers
        .into_iter()
        .for_each(|taker| taker.join().expect("no panic"));
    assert!(ends.iter().all(|ends| ends.load(Ordering::SeqCst) == 1));
}

/// Notes the end of a timer, and closes the port with the last of them.
fn ends(port: &CompletionPort<Key>, ends: &[AtomicUsize], number: usize) {
    let before = ends[number].fetch_add(1, Ordering::SeqCst);
    assert_eq!(before, 0, "timer {number} ended before");
    if ends.iter().all(|ends| ends.load(Ordering::SeqCst) > 0) {
        assert!(port.close().is_empty(), "all have ended");
    }
}

fn set_and_cancel(port: &CompletionPort<Key>, all: &[AtomicUsize], first: usize, mut random: Rng) {
    let mut set = Vec::new();
    for number in first..first + TIMERS {
        let deadline = sync::now() + Duration::from_micros(random.u64(..30));
        let timer = port.timer_at(deadline, (number, deadline));
        set.push(timer.expect("the port is open"));
        match random.u8(..4) {
            0 => sync::sleep(Duration::from_micros(random.u64(..30))),
            1 => thread::yield_now(),
            _ => {}
        }
        if random.bool() {
            let chosen = random.usize(..set.len());
            if let Ok(timer) = port.cancel_timer_quietly(set.swap_remove(chosen)) {
                ends(port, all, timer.key.0);
            }
        }
    }
}

fn take_in_time(port: &CompletionPort<Key>, all: &[AtomicUsize]) {
    while let Wait::Completed(completion) = port.wait(None).expect("a wait") {
        let (number, deadline) = completion.key;
        assert!(sync::now() >= deadline, "never early");
        assert!(completion.result.is_ok(), "it was not cancelled");
        ends(port, all, number);
    }
}
