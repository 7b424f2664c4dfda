//! Timers that several threads fire at once: whichever thread does, they are queued in the order of their deadlines.
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
