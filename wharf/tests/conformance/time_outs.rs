//! Statement 50: an operation that was given a time-out ends as timed out if it has no result by then; the time-out gives no
//! completion of its own, and ends no wait.

use std::{
    io::{ErrorKind, Write},
    time::{Duration, Instant},
};

use wharf::{Buffer, CompletionPort, Finished, Payload, Wait};

use crate::harness::*;

const SHORT: Duration = Duration::from_millis(20);

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3_600);

pub fn s50_an_operation_without_a_result_in_time_ends_as_timed_out(driver: Driver) {
    let port = port(driver, 1);
    let (socket, _peer) = pair(&port, 7);
    let start = Instant::now();
    let timed = socket.with("context").with_timeout(SHORT);
    let operation = timed.receive(Buffer::with_capacity(8)).expect("a receive");
    let mut completion = next(&port);
    assert!(start.elapsed() >= SHORT, "never early");
    assert_eq!(failed(&completion), ErrorKind::TimedOut);
    assert_eq!((completion.key, completion.operation), (7, operation));
    assert_eq!(completion.take_context(), Some("context"));
    let Finished::Received { buffer, .. } = completion.what else {
        panic!("{completion:?}");
    };
    assert_eq!(buffer.capacity(), 8, "it comes back");
    // The next receive has all that comes.
    expect_nothing(&port);
}

pub fn s50_a_result_that_comes_in_time_leaves_nothing_of_its_time_out(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    for round in 0..100 {
        let timed = socket.with(round).with_timeout(LONG);
        timed.receive(Buffer::with_capacity(8)).expect("a receive");
        peer.write_all(b"ahoy").expect("a write");
        let mut completion = next(&port);
        assert_eq!(completion.take_context(), Some(round));
        assert_eq!(completion.result.expect("success"), 4);
    }
    assert!(port.close().is_empty(), "no timer is left");
}

pub fn s50_a_time_out_that_strikes_too_late_ends_no_wait(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    for _ in 0..100 {
        let timed = socket.with_timeout(Duration::ZERO);
        timed.receive(Buffer::with_capacity(1)).expect("a receive");
        peer.write_all(b"x").expect("a write");
        // It has timed out, or got the byte; and there is one completion in either case.
        let completion = next(&port);
        if let Err(error) = completion.result {
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            socket.receive(Buffer::with_capacity(1)).expect("a receive");
            assert_eq!(next(&port).result.expect("no byte is lost"), 1);
        }
        let start = Instant::now();
        assert!(matches!(port.wait(SHORT).expect("a wait"), Wait::TimedOut));
        assert!(
            start.elapsed() >= SHORT,
            "a wait is never shorter than asked"
        );
    }
}

pub fn s50_many_time_outs_strike_one_after_the_other_and_at_once(driver: Driver) {
    const MANY: usize = 300;
    let port = port(driver, 1);
    let (socket, _peer) = pair(&port, ());
    for number in 0..MANY {
        let timed = socket.with(number).with_timeout(SHORT);
        timed.readable().expect("a receive");
    }
    let mut completions = Vec::new();
    while completions.len() < MANY {
        port.wait_many(&mut completions, 64, LONG).expect("a wait");
    }
    for completion in &completions {
        assert_eq!(failed(completion), ErrorKind::TimedOut);
    }
    expect_nothing(&port);
    assert!(port.close().is_empty());
}

pub fn s50_what_was_moved_before_the_time_out_is_told(driver: Driver) {
    let port = port(driver, 1);
    let (socket, _peer) = narrow_pair(&port, ());
    let payload = Payload::from(vec![7; 16 << 20]);
    socket.with_timeout(SHORT).send(payload).expect("a send");
    let completion = next(&port);
    assert_eq!(failed(&completion), ErrorKind::TimedOut);
    assert!(completion.transferred > 0 && completion.transferred < 16 << 20);
}

pub fn s50_a_cancelled_operation_is_no_timed_out_one(driver: Driver) {
    let port = port(driver, 1);
    let (socket, _peer) = pair(&port, ());
    let timed = socket.with_timeout(LONG);
    let operation = timed.readable().expect("a receive");
    socket.cancel(operation).expect("it is under way");
    cancelled(next(&port));
    // Nor is one that a close gives back.
    for _ in 0..3 {
        socket.with_timeout(LONG).readable().expect("a receive");
    }
    let left = port.close();
    assert_eq!(left.len(), 3, "and no completion of a time-out");
    left.into_iter().for_each(cancelled);
}

pub fn s50_what_is_refused_leaves_no_time_out_and_gives_all_back(driver: Driver) {
    let port = port(driver, 1);
    let (socket, _peer) = pair(&port, 7);
    let refused = |kind, expected: ErrorKind| assert_eq!(kind, expected);
    let timed = |port: &CompletionPort<i32>| port.with("context").with_timeout(LONG).timer(LONG, 1);
    let mut timer = timed(&port).expect_err("a timer has no time-out");
    refused(timer.error.kind(), ErrorKind::InvalidInput);
    assert_eq!(timer.take_context(), Some("context"));
    let quiet = socket.with_timeout(LONG).send_quietly(b"ahoy");
    refused(
        quiet.expect_err("refused").error.kind(),
        ErrorKind::InvalidInput,
    );
    let post = port.with(()).with_timeout(LONG).post(3, 4);
    assert_eq!(post.expect_err("refused").given, 3);
    socket.close();
    let closed = socket.with("context").with_timeout(LONG);
    let mut closed = closed
        .receive(Buffer::with_capacity(3))
        .expect_err("closed");
    assert_eq!(closed.take_context(), Some("context"));
    assert_eq!(closed.given.capacity(), 3);
    assert!(port.close().is_empty(), "nothing is left");
}
