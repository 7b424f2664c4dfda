//! Statements 11 to 18: what a wait answers, and what an operation is told at its start.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use wharf::{Buffer, BufferPool, Completion, CompletionPort, Finished, Payload, Wait, WaitMany};

use crate::harness::*;

pub fn s11_success_brings_the_bytes_the_key_and_the_operation(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, "key");
    let receive = socket.receive(Buffer::with_capacity(64)).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    let completion = next(&port);
    assert_eq!(
        (completion.key, completion.transferred, completion.operation),
        ("key", 4, receive)
    );
    assert_eq!(completion.result.expect("success"), 4);

    let send = socket.send(b"hello").expect("a start");
    let completion = next(&port);
    assert_eq!(
        (completion.key, completion.transferred, completion.operation),
        ("key", 5, send)
    );
    assert_eq!(completion.result.expect("success"), 5);
    assert_ne!(receive, send);
}

pub fn s12_a_time_out_is_an_answer_of_its_own_and_never_early(driver: Driver) {
    let port = port::<()>(driver, 1);
    let threads = Threads::new(&port, 1);
    let timed = |timeout: Duration| {
        let start = Instant::now();
        let answer = port.wait(timeout).expect("a wait");
        assert!(matches!(answer, Wait::TimedOut), "{answer:?}");
        assert!(
            start.elapsed() >= timeout,
            "{:?} of {timeout:?}",
            start.elapsed()
        );
    };
    for micros in [1, 900, 1100, 30_500] {
        timed(Duration::from_micros(micros));
    }
    // Beside a thread that waits already, the next may wait in another place.
    threads.park(0);
    for micros in [1, 900, 1100, 30_500] {
        timed(Duration::from_micros(micros));
    }
    assert_eq!(port.counts().parked, 1, "a wait that timed out is over");
}

pub fn s12_zero_polls(driver: Driver) {
    let port = port(driver, 1);
    assert!(matches!(port.wait(Duration::ZERO), Ok(Wait::TimedOut)));
    port.post("post", 0).expect("a post");
    assert_eq!(
        completed(port.wait(Duration::ZERO).expect("a wait")).key,
        "post"
    );
    assert!(matches!(port.wait(Duration::ZERO), Ok(Wait::TimedOut)));

    // Also where the data has come and nobody has looked yet.
    let (socket, mut peer) = pair(&port, "data");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    until_arrived(&socket, 4);
    assert_eq!(
        completed(port.wait(Duration::ZERO).expect("a wait")).key,
        "data"
    );
}

pub fn s12_no_time_out_waits_until_something_comes(driver: Driver) {
    let port = port(driver, 1);
    let threads = Threads::new(&port, 1);
    threads.park(0);
    threads.expect_no_report();
    port.post("post", 0).expect("a post");
    assert_eq!(threads.released(&"post"), 0);
}

pub fn s12_a_very_long_time_out_does_not_overflow(driver: Driver) {
    let port = port(driver, 1);
    let waiters = [0, 1].map(|_| {
        let port = port.clone();
        thread::spawn(move || completed(port.wait(Duration::MAX).expect("a wait")).key)
    });
    eventually("both wait", || port.counts().parked == 2);
    port.post("post", 0).expect("a post");
    port.post("post", 0).expect("a post");
    for waiter in waiters {
        assert_eq!(waiter.join().expect("no panic"), "post");
    }
}

pub fn s12_events_that_complete_nothing_do_not_end_a_wait(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    let (start, timeout) = (Instant::now(), 3 * QUIET);
    // Nothing is started that this could complete.
    let writer = thread::spawn(move || {
        thread::sleep(QUIET);
        peer.write_all(b"ahoy").expect("a write");
        peer
    });
    assert!(matches!(port.wait(timeout), Ok(Wait::TimedOut)));
    assert!(start.elapsed() >= timeout);
    drop((writer.join().expect("it ends well"), socket));
}

pub fn s13_a_failure_brings_key_operation_error_and_the_bytes_that_did_move(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = narrow_pair(&port, "key");
    let send = socket.send(pattern(BIG)).expect("a start");
    peer.read_exact(&mut [0; 1000]).expect("a part");
    reset(peer);
    let completion = next(&port);
    assert_eq!((completion.key, completion.operation), ("key", send));
    assert_eq!(failed(&completion), ErrorKind::ConnectionReset);
    assert!(!completion.is_cancelled());
    assert!(
        (1000..BIG).contains(&completion.transferred),
        "{}",
        completion.transferred
    );
    let Finished::Sent { payload, .. } = completion.what else {
        panic!("it was a send");
    };
    assert_eq!(payload.len(), BIG, "the payload comes back whole");
    assert_eq!(socket.unsent(), 0, "nothing of it waits any more");
}

pub fn s14_closing_releases_every_waiter_and_answers_every_later_wait(driver: Driver) {
    for concurrency in [1, 3] {
        let port = port::<()>(driver, concurrency);
        let threads = Threads::new(&port, 3);
        (0..3).for_each(|who| threads.park(who));
        assert!(!port.is_closed());
        port.close();
        let mut told: Vec<_> = (0..3).map(|_| threads.closed()).collect();
        told.sort_unstable();
        assert_eq!(told, [0, 1, 2]);

        assert!(port.is_closed());
        assert!(matches!(port.wait(None), Ok(Wait::Closed)));
        assert!(matches!(port.wait(Duration::ZERO), Ok(Wait::Closed)));
        assert_eq!(
            port.wait_many(&mut Vec::new(), 8, None).expect("a wait"),
            WaitMany::Closed
        );
        eventually("nobody waits", || {
            port.counts().parked == 0 && port.counts().running == 0
        });
    }
}

pub fn s15_a_wait_for_many_takes_up_to_so_many_in_queue_order(driver: Driver) {
    let port = port(driver, 1);
    (0..10).for_each(|number| port.post(number, 0).expect("a post"));
    let mut taken = Vec::new();
    let wait =
        |taken: &mut Vec<Completion<i32>>, max| port.wait_many(taken, max, GUARD).expect("a wait");
    assert_eq!(wait(&mut taken, 1), WaitMany::Packets(1));
    assert_eq!(wait(&mut taken, 4), WaitMany::Packets(4));
    assert_eq!(
        wait(&mut taken, 100),
        WaitMany::Packets(5),
        "it does not wait for more than there are"
    );
    let keys: Vec<_> = taken.iter().map(|completion| completion.key).collect();
    assert_eq!(
        keys,
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        "appended, in queue order"
    );

    assert_eq!(
        port.wait_many(&mut taken, 8, Duration::ZERO)
            .expect("a wait"),
        WaitMany::TimedOut
    );
    assert_eq!(taken.len(), 10);
}

pub fn s15_a_wait_for_many_waits_for_at_least_one(driver: Driver) {
    let port = port(driver, 1);
    let waiter = {
        let port: CompletionPort<&str> = port.clone();
        thread::spawn(move || {
            let mut taken = Vec::new();
            let many = port.wait_many(&mut taken, 8, None).expect("a wait");
            (many, taken.len())
        })
    };
    eventually("it waits", || port.counts().parked == 1);
    port.post("post", 0).expect("a post");
    assert_eq!(
        waiter.join().expect("it ends well"),
        (WaitMany::Packets(1), 1)
    );
}

pub fn s15_failed_ones_among_many_are_marked_each_by_itself(driver: Driver) {
    let port = port(driver, 1);
    let (socket, _peer) = pair(&port, "socket");
    port.post("before", 1).expect("a post");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    socket.cancel_all();
    port.post("after", 2).expect("a post");
    let mut taken = Vec::new();
    assert_eq!(
        port.wait_many(&mut taken, 8, GUARD).expect("a wait"),
        WaitMany::Packets(3)
    );
    let results: Vec<_> = taken
        .iter()
        .map(|taken| (taken.key, taken.result.as_ref().ok()))
        .collect();
    assert_eq!(
        results,
        [("before", Some(&1)), ("socket", None), ("after", Some(&2))]
    );
    assert!(taken[1].is_cancelled());
}

pub fn s15_a_wait_for_none_is_an_error(driver: Driver) {
    let port = port(driver, 1);
    port.post((), 0).expect("a post");
    let error = port
        .wait_many(&mut Vec::new(), 0, GUARD)
        .expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    drop(next(&port));
}

pub fn s16_a_posted_packet_carries_what_was_posted(driver: Driver) {
    let port = port(driver, 1);
    for bytes in [0, 1, usize::MAX] {
        let key = Arc::new([7_u8; 1000]);
        port.post(key.clone(), bytes).expect("a post");
        let completion = next(&port);
        assert!(
            Arc::ptr_eq(&completion.key, &key),
            "the key itself, not another like it"
        );
        assert_eq!(completion.transferred, bytes);
        assert_eq!(completion.result.expect("success"), bytes);
        assert!(matches!(completion.what, Finished::Posted));
        assert_eq!(Arc::strong_count(&key), 2, "the port keeps nothing of it");
        drop(completion.key);
    }
}

pub fn s17_what_succeeds_at_once_still_completes_through_the_port_and_once(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    let send = socket.send(b"ahoy").expect("a start");
    peer.read_exact(&mut [0; 4]).expect("it is out already");
    assert_eq!(next(&port).operation, send);
    expect_nothing(&port);

    peer.write_all(b"ahoy").expect("a write");
    until_arrived(&socket, 4);
    expect_nothing(&port);
    let receive = socket.receive(Buffer::with_capacity(8)).expect("a start");
    assert_eq!(next(&port).operation, receive);
    expect_nothing(&port);
}

pub fn s17_a_quiet_send_gives_no_packet_when_it_succeeds(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = narrow_pair(&port, ());
    // At once, and after having waited for the peer; each followed by one that is not quiet.
    for len in [4, BIG] {
        let whole = Bytes::from(pattern(len));
        socket.send_quietly(whole.clone()).expect("a start");
        let last = socket.send(b"!").expect("a start");
        let reader = thread::spawn(move || {
            let mut all = vec![0; len + 1];
            peer.read_exact(&mut all).expect("all of it");
            (all, peer)
        });
        let completion = next(&port);
        assert_eq!(completion.operation, last);
        expect_nothing(&port);
        let all;
        (all, peer) = reader.join().expect("it ends well");
        assert_eq!(&all[..len], whole);
        assert!(whole.is_unique(), "the payload was dropped");
    }
}

pub fn s17_a_quiet_send_gives_its_packet_when_it_fails(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = narrow_pair(&port, "key");
    let send = socket.send_quietly(pattern(BIG)).expect("a start");
    expect_nothing(&port);
    reset(peer);
    let completion = next(&port);
    assert_eq!((completion.key, completion.operation), ("key", send));
    assert_eq!(failed(&completion), ErrorKind::ConnectionReset);
    assert!(matches!(completion.what, Finished::Sent { payload, .. } if payload.len() == BIG));
    expect_nothing(&port);

    // And when it is cancelled.
    let (socket, _peer) = narrow_pair(&port, "key");
    let send = socket.send_quietly(pattern(BIG)).expect("a start");
    socket.cancel(send).expect("it is under way");
    let completion = next(&port);
    assert_eq!(completion.operation, send);
    cancelled(completion);
}

/// Starts everything that a socket can, all of which must be refused, and give back what was given.
#[track_caller]
fn refuses_all(socket: &wharf::Socket<&'static str>) {
    let pool = BufferPool::new(8);
    let refused = socket
        .receive(Buffer::from(vec![1; 5]))
        .expect_err("a refusal");
    assert_eq!(refused.given[..], [1; 5]);
    let refused = socket
        .receive_vectored(vec![Buffer::with_capacity(3)])
        .expect_err("a refusal");
    assert_eq!(refused.given[0].capacity(), 3);
    socket.receive_from(&pool).expect_err("a refusal");
    assert_eq!(pool.in_use(), 0);
    socket.readable().expect_err("a refusal");
    let refused = socket.send(b"ahoy").expect_err("a refusal");
    assert_eq!(refused.given[..], *b"ahoy");
    let refused = socket.send_quietly(b"ahoy").expect_err("a refusal");
    assert_eq!(refused.given[..], *b"ahoy");
    let payload = Payload::from(b"ahoy");
    let refused = socket.send_vectored(vec![payload]).expect_err("a refusal");
    assert_eq!(refused.given[0][..], *b"ahoy");
    socket.shutdown().expect_err("a refusal");
}

pub fn s18_what_is_refused_at_the_start_gives_no_packet(driver: Driver) {
    let port = port(driver, 1);
    let (socket, _peer) = pair(&port, "closed");
    socket.close();
    refuses_all(&socket);
    expect_nothing(&port);
    let listener = listen(&port, "listener");
    assert!(listener.close());
    listener.accept().expect_err("a refusal");
    expect_nothing(&port);
}

pub fn s18_a_closed_port_refuses_everything(driver: Driver) {
    let port = port(driver, 1);
    let (socket, _peer) = pair(&port, "socket");
    let (ours, mut peer) = streams(driver);
    assert!(port.close().is_empty());
    refuses_all(&socket);
    let refused = port.post("posted", 3).expect_err("a refusal");
    assert_eq!(refused.given, "posted");
    port.timer(Duration::ZERO, "timer").expect_err("a refusal");
    let address: SocketAddr = ([127, 0, 0, 1], 9).into();
    port.connect(address, "connect").expect_err("a refusal");
    ours.associate(&port, "late").expect_err("a refusal");
    assert_eq!(
        peer.read(&mut [0; 1]).expect("the end"),
        0,
        "the handle is closed then"
    );
    assert!(matches!(port.wait(GUARD), Ok(Wait::Closed)));
}

pub fn s18_no_more_is_under_way_than_the_port_takes(driver: Driver) {
    let builder = driver.builder::<&str>().operations_max(2);
    let port = builder.build().expect("a port");
    let (socket, _peer) = pair(&port, "socket");
    let receive = socket.receive(Buffer::with_capacity(8)).expect("a start");
    port.post("posted", 0).expect("a post");
    let refused = socket.send(b"ahoy").expect_err("a refusal");
    assert_eq!(
        (refused.error.kind(), &refused.given[..]),
        (ErrorKind::QuotaExceeded, &b"ahoy"[..])
    );
    let refused = port.post("too many", 0).expect_err("a refusal");
    assert_eq!(
        (refused.error.kind(), refused.given),
        (ErrorKind::QuotaExceeded, "too many")
    );
    let error = port.timer(Duration::ZERO, "timer").expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);

    // What was handed out makes room again.
    assert_eq!(next(&port).key, "posted");
    port.post("room", 0).expect("a post");
    assert_eq!(next(&port).key, "room");
    socket.cancel(receive).expect("it is under way");
    cancelled(next(&port));
    expect_nothing(&port);
}

pub fn s18_a_send_is_refused_on_a_side_that_is_shut_down(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = pair(&port, ());
    peer.shutdown();
    let shutdown = socket.shutdown().expect("a start");
    assert_eq!(next(&port).operation, shutdown);
    let refused = socket.send(b"ahoy").expect_err("a refusal");
    assert_eq!(
        (refused.error.kind(), &refused.given[..]),
        (ErrorKind::BrokenPipe, &b"ahoy"[..])
    );
    expect_nothing(&port);
}
