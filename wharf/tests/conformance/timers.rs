//! Statement 37: timers.

use std::{
    collections::HashSet,
    io::ErrorKind,
    time::{Duration, Instant},
};

use wharf::Finished;

use crate::harness::*;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn s37_timers_complete_in_deadline_order_and_never_early(driver: Driver) {
    let port = port(driver, 1);
    let start = Instant::now();
    // Set in another order than that in which they are due; each earlier one has to be noticed.
    let mut expected: Vec<_> = [70, 10, 90, 40, 0, 20, 41]
        .map(|delay| {
            let deadline = start + millis(delay);
            (
                deadline,
                port.timer_at(deadline, deadline).expect("a timer"),
            )
        })
        .into();
    expected.sort_by_key(|&(deadline, _)| deadline);
    for (deadline, operation) in expected {
        let completion = next(&port);
        assert!(Instant::now() >= deadline, "never early");
        assert_eq!(
            (completion.key, completion.operation),
            (deadline, operation)
        );
        assert_eq!(completion.result.expect("success"), 0);
        assert!(matches!(completion.what, Finished::Timer));
    }
    expect_nothing(&port);
}

pub fn s37_a_delay_is_never_shorter_than_asked(driver: Driver) {
    let port = port(driver, 1);
    for micros in [0, 1, 400, 999, 1001, 2500] {
        let delay = Duration::from_micros(micros);
        let start = Instant::now();
        port.timer(delay, ()).expect("a timer");
        drop(next(&port));
        assert!(
            start.elapsed() >= delay,
            "{:?} of {delay:?}",
            start.elapsed()
        );
    }
    // A deadline that is over is due at once.
    let past = Instant::now();
    port.timer_at(past, ()).expect("a timer");
    drop(next(&port));
}

pub fn s37_a_timer_releases_whoever_waits(driver: Driver) {
    for concurrency in [1, 3] {
        let port = port(driver, concurrency);
        let threads = Threads::new(&port, 3);
        (0..3).for_each(|who| threads.park(who));
        port.timer(millis(5), "due").expect("a timer");
        let who = threads.released(&"due");
        // Also from a thread that waits with another time-out, and with one timer behind another.
        threads.park(who);
        port.timer(millis(500), "late").expect("a timer");
        port.timer(millis(5), "early").expect("a timer");
        threads.released(&"early");
        port.close();
    }
}

pub fn s37_a_cancelled_timer_completes_once_and_at_once(driver: Driver) {
    let port = port(driver, 1);
    let long = port.timer(GUARD * 10, "long").expect("a timer");
    let short = port.timer(millis(5), "short").expect("a timer");
    let kept = port.timer(millis(30), "kept").expect("a timer");
    port.cancel(short).expect("it is set");
    port.cancel(long).expect("it is set");
    for operation in [short, long] {
        assert_eq!(
            port.cancel(operation).expect_err("cancelled").kind(),
            ErrorKind::NotFound
        );
        let completion = next(&port);
        assert_eq!(completion.operation, operation);
        assert!(matches!(completion.what, Finished::Timer));
        cancelled(completion);
    }
    let completion = next(&port);
    assert_eq!((completion.key, completion.operation), ("kept", kept));
    assert!(completion.result.is_ok());
    assert_eq!(
        port.cancel(kept).expect_err("fired").kind(),
        ErrorKind::NotFound
    );
    expect_nothing(&port);
}

pub fn s37_a_timer_that_has_fired_is_not_found_though_nobody_took_it(driver: Driver) {
    let port = port(driver, 1);
    port.timer(Duration::ZERO, "first").expect("a timer");
    let second = port.timer(Duration::ZERO, "second").expect("a timer");
    // Both fired when somebody looked, and one is still queued.
    assert_eq!(next(&port).key, "first");
    assert_eq!(
        port.cancel(second).expect_err("fired").kind(),
        ErrorKind::NotFound
    );
    let completion = next(&port);
    assert!(completion.result.is_ok() && completion.key == "second");
}

pub fn s37_a_very_long_timer_does_not_overflow(driver: Driver) {
    let port = port(driver, 1);
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    for delay in [Duration::MAX, year * 1000, year] {
        port.timer(delay, "long").expect("a timer");
        expect_nothing(&port);
    }
    // Nor does it hold back the others.
    port.timer(millis(5), "short").expect("a timer");
    assert_eq!(next(&port).key, "short");
    expect_nothing(&port);
    assert_eq!(port.close().len(), 3);
}

pub fn s37_ten_thousand_at_one_instant_all_fire(driver: Driver) {
    const COUNT: usize = 10_000;
    let port = port(driver, 1);
    let deadline = Instant::now() + millis(50);
    let mut set: HashSet<_> = (0..COUNT)
        .map(|_| port.timer_at(deadline, ()).expect("a timer"))
        .collect();
    assert_eq!(set.len(), COUNT, "each has a name of its own");
    for _ in 0..COUNT {
        let completion = next(&port);
        assert!(Instant::now() >= deadline, "never early");
        assert!(completion.result.is_ok());
        assert!(set.remove(&completion.operation), "once each");
    }
    expect_nothing(&port);
}

pub fn s37_a_queue_that_is_never_empty_does_not_put_a_timer_off(driver: Driver) {
    let port = port(driver, 1);
    (0..10).for_each(|_| port.post("post", 0).expect("a post"));
    port.timer(millis(5), "timer").expect("a timer");
    let deadline = Instant::now() + GUARD;
    while next(&port).key == "post" {
        assert!(
            Instant::now() < deadline,
            "the timer is put off for as long as there is other work"
        );
        port.post("post", 0).expect("a post");
    }
}
