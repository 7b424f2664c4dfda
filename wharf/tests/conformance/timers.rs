//! Statement 37: timers. Statement 48: a timer that is cancelled quietly has no packet; it has ended when the call returns.

use std::{
    collections::HashSet,
    io::ErrorKind,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use wharf::{Buffer, CompletionPort, Finished, OperationId, Wait};

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

pub fn s37_a_million_at_once_are_set_and_cancelled(driver: Driver) {
    const COUNT: u64 = 1_000_000;
    let port = port(driver, 1);
    let deadline = Instant::now() + 10 * GUARD;
    // They differ, and are set in another order than that in which they are due.
    let deadline = |key: u64| deadline + Duration::from_nanos(key * 7_919 % COUNT);
    let set: Vec<_> = (0..COUNT)
        .map(|key| port.timer_at(deadline(key), key).expect("a timer"))
        .collect();
    port.timer(millis(5), COUNT).expect("a timer");
    assert_eq!(next(&port).key, COUNT, "the others do not hold it up");
    for key in (0..COUNT).rev() {
        let cancelled = port.cancel_timer_quietly(set[key as usize]);
        assert_eq!(cancelled.expect("it is set").key, key);
    }
    expect_nothing(&port);
    assert!(port.close().is_empty());
}

#[track_caller]
fn expect_not_found<K: Key>(port: &CompletionPort<K>, timer: OperationId) {
    let refused = port.cancel_timer_quietly(timer);
    let error = refused.map(drop).expect_err("it is over");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = port.cancel(timer).expect_err("it is over");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

pub fn s48_a_quietly_cancelled_timer_gives_all_back_and_has_no_packet(driver: Driver) {
    let port = port(driver, 1);
    let key = Arc::new(());
    let context = Arc::new(());
    let with_context = port.with(context.clone());
    let timer = with_context
        .timer(millis(20), key.clone())
        .expect("a timer");
    let kept = port.timer(millis(40), Arc::new(())).expect("a timer");
    let mut cancelled = port.cancel_timer_quietly(timer).expect("it is set");
    assert!(Arc::ptr_eq(&cancelled.key, &key));
    let brought = cancelled.take_context::<Arc<()>>();
    assert!(Arc::ptr_eq(&brought.expect("it was given"), &context));
    expect_not_found(&port, timer);
    // The timer behind it comes, at its time.
    let completion = next(&port);
    assert!(completion.operation == kept && completion.result.is_ok());
    drop((completion, cancelled));
    expect_nothing(&port);
    assert_eq!(
        (Arc::strong_count(&key), Arc::strong_count(&context)),
        (1, 1)
    );
    assert!(port.close().is_empty());
    expect_not_found(&port, timer);
}

pub fn s48_a_timer_that_has_fired_is_not_cancelled_quietly(driver: Driver) {
    let port = port(driver, 1);
    port.timer(Duration::ZERO, "first").expect("a timer");
    let second = port.timer(Duration::ZERO, "second").expect("a timer");
    assert_eq!(next(&port).key, "first");
    // It is queued.
    expect_not_found(&port, second);
    let completion = next(&port);
    assert!(completion.result.is_ok() && completion.key == "second");
    // It was delivered.
    expect_not_found(&port, second);
    // One that was cancelled has its packet.
    let third = port.timer(GUARD * 10, "third").expect("a timer");
    port.cancel(third).expect("it is set");
    expect_not_found(&port, third);
    cancelled(next(&port));
    expect_nothing(&port);
}

pub fn s48_nothing_but_a_timer_is_cancelled_quietly(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, 1);
    let buffer = Buffer::with_capacity(4);
    let receive = socket.receive(buffer).expect("a start");
    port.post(2, 0).expect("a post");
    let posted = next(&port).operation;
    for operation in [receive, posted] {
        let refused = port.cancel_timer_quietly(operation);
        let error = refused.map(drop).expect_err("it is no timer");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    std::io::Write::write_all(&mut peer, b"ahoy").expect("a write");
    assert_eq!(&received(&port)[..], b"ahoy");
}

pub fn s48_a_quietly_cancelled_timer_counts_as_ended(driver: Driver) {
    let builder = driver.builder().concurrency(1);
    let port = builder.operations_max(2).build().expect("a port");
    let kept = port.timer(GUARD * 10, 0).expect("a timer");
    for key in 1..10_000 {
        // Before the one that is kept, and behind it.
        let delay = GUARD * (9 + key % 3);
        let timer = port.timer(delay, key).expect("there is room for it");
        assert!(port.timer(delay, 0).is_err(), "and for no more");
        let cancelled = port.cancel_timer_quietly(timer).expect("it is set");
        assert_eq!(cancelled.key, key);
    }
    assert_eq!(port.snapshot().operations, 1);
    let left = port.close();
    assert!(left.len() == 1 && left[0].operation == kept);
}

pub fn s48_a_timer_that_is_gone_ends_no_wait(driver: Driver) {
    let port = port(driver, 1);
    // The alarm that was set for it may still come. Neither a wait nor the next timer is the earlier for it, nor the later.
    for late in [false, true] {
        let gone = port.timer(millis(10), "gone").expect("a timer");
        let start = Instant::now();
        if late {
            port.timer(millis(40), "late").expect("a timer");
        }
        port.cancel_timer_quietly(gone).expect("it is set");
        match port.wait(millis(200)).expect("a wait") {
            Wait::Completed(completion) => assert!(late && completion.key == "late"),
            answer => assert!(matches!(answer, Wait::TimedOut) && !late),
        }
        let due = if late { millis(40) } else { millis(200) };
        assert!(start.elapsed() >= due, "never early");
    }
}

pub fn s48_a_timer_fires_or_is_cancelled_quietly_and_never_both(driver: Driver) {
    const COUNT: usize = 3_000;
    let port = Arc::new(port(driver, 2));
    let taking = port.clone();
    let taker = thread::spawn(move || {
        let mut fired = Vec::new();
        loop {
            match taking.wait(None).expect("a wait") {
                Wait::Completed(completion) if completion.key == COUNT => return fired,
                Wait::Completed(completion) => fired.push(completion.key),
                answer => panic!("it is neither closed nor timed out: {answer:?}"),
            }
        }
    });
    let mut cancelled = Vec::new();
    for key in 0..COUNT {
        let delay = Duration::from_micros(key as u64 % 50);
        let timer = port.timer(delay, key).expect("a timer");
        let until = Instant::now() + Duration::from_micros(key as u64 % 40);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        match port.cancel_timer_quietly(timer) {
            Ok(timer) => cancelled.push(timer.key),
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
        }
    }
    port.timer(millis(5), COUNT).expect("a timer");
    let fired = taker.join().expect("no panic");
    let mut all = [fired, cancelled].concat();
    all.sort_unstable();
    assert_eq!(all, (0..COUNT).collect::<Vec<_>>(), "each of them once");
}

pub fn s48_a_timer_is_cancelled_quietly_or_given_back_by_a_close(driver: Driver) {
    for round in 0..50 {
        let port = Arc::new(port(driver, 1));
        let set: Vec<_> = (0..100)
            .map(|key| port.timer(GUARD * 10, key).expect("a timer"))
            .collect();
        let cancelling = port.clone();
        let canceller = thread::spawn(move || {
            let cancelled = set
                .iter()
                .filter_map(|timer| cancelling.cancel_timer_quietly(*timer).ok());
            cancelled.map(|timer| timer.key).collect::<Vec<_>>()
        });
        (0..round * 20).for_each(|_| std::hint::spin_loop());
        let given_back = port.close().into_iter().map(|completion| completion.key);
        let mut all: Vec<_> = given_back.collect();
        all.extend(canceller.join().expect("no panic"));
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>(), "each of them once");
    }
}
