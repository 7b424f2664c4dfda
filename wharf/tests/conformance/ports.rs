//! Statements 1 to 10: the port, its keys, and which thread runs.

use std::{
    io::Write,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use wharf::{Buffer, CompletionPort, Finished, Wait, Workers};

use crate::harness::*;

pub fn s01_concurrency_0_is_the_processors_that_may_be_used(driver: Driver) {
    assert_eq!(port::<()>(driver, 5).concurrency(), 5);
    let processors = thread::available_parallelism().expect("a number").get();
    assert_eq!(port::<()>(driver, 0).concurrency(), processors);

    // Confined to one processor, this thread may not use the others. It is the test's own, and ends with it.
    if platform::confine_to_one_processor() {
        assert_eq!(port::<()>(driver, 0).concurrency(), 1);
    }
}

pub fn s01_the_driver_is_the_one_that_was_asked_for(driver: Driver) {
    let port = port::<()>(driver, 1);
    let name = format!("{driver:?}").to_lowercase();
    assert_eq!(
        (port.driver().name, &port.driver().fallback),
        (&*name, &None)
    );
}

pub fn s02_a_handle_keeps_its_port_and_its_key_until_it_is_closed(driver: Driver) {
    let (port, other) = (port(driver, 1), port::<&str>(driver, 1));
    let (socket, mut peer) = pair(&port, "the key");
    assert_eq!(socket.key(), &"the key");
    for _ in 0..3 {
        socket.receive(Buffer::with_capacity(8)).expect("a start");
        peer.write_all(b"ahoy").expect("a write");
        let completion = next(&port);
        assert_eq!(completion.key, "the key");
        let Finished::Received { socket: same, .. } = completion.what else {
            panic!("it was a receive");
        };
        assert!(same == socket, "the completion gives the same socket back");
    }
    assert!(socket.close());
    assert!(socket.receive(Buffer::with_capacity(8)).is_err());
    expect_nothing(&other);
}

pub fn s04_an_accept_has_the_listeners_key_and_the_new_socket_its_own(driver: Driver) {
    let port = port(driver, 1);
    let listener = listen(&port, "listener");
    listener.accept().expect("a start");
    let mut peer = connect(driver, listener.local_addr());

    let completion = next(&port);
    assert_eq!(completion.key, "listener");
    let Finished::Accepted {
        listener: same,
        connection,
    } = completion.what
    else {
        panic!("it was an accept");
    };
    assert_eq!(same.key(), &"listener");
    let connection = connection.expect("the accept succeeds");
    let socket = port
        .associate(connection, "client")
        .expect("an association");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    assert_eq!(next(&port).key, "client");
}

pub fn s05_packets_leave_in_the_order_in_which_a_thread_posts_them(driver: Driver) {
    let port = port(driver, 1);
    // All there before the first is taken, and more than any internal batch.
    for number in 0..1000_u32 {
        port.post((0, number), 0).expect("a post");
    }
    for number in 0..1000 {
        assert_eq!(next(&port).key, (0, number));
    }
    // Taken while two threads post.
    let posters = [1_u8, 2].map(|poster| {
        let port = port.clone();
        thread::spawn(move || {
            (0..1000).for_each(|number| port.post((poster, number), 0).expect("a post"))
        })
    });
    let mut expected = [0, 0];
    for _ in 0..2000 {
        let (poster, number) = next(&port).key;
        let expected = &mut expected[usize::from(poster) - 1];
        assert_eq!(number, *expected, "of poster {poster}");
        *expected += 1;
    }
    for poster in posters {
        poster.join().expect("it ends well");
    }
}

pub fn s06_waiting_threads_are_released_last_in_first_out(driver: Driver) {
    // Where one may run, and where all of them may: the port may keep them in different places.
    for concurrency in [1, 2, 4] {
        let port = port(driver, concurrency);
        let mut threads = Threads::new(&port, 4);
        (0..4).for_each(|who| threads.park(who));
        for last in (0..4).rev() {
            // The one that ran last is the first to run again.
            for _ in 0..3 {
                port.post(last, 0).expect("a post");
                assert_eq!(
                    threads.released(&last),
                    last,
                    "with concurrency {concurrency}"
                );
                threads.park(last);
            }
            port.post(last, 0).expect("a post");
            assert_eq!(
                threads.released(&last),
                last,
                "with concurrency {concurrency}"
            );
            threads.end(last);
        }
    }
}

pub fn s06_s08_a_thread_that_comes_late_takes_what_is_queued_before_a_parked_one_is_woken(
    driver: Driver,
) {
    let port = port(driver, 1);
    let threads = Threads::new(&port, 3);
    threads.park(0);
    threads.park(1);
    port.post("first", 0).expect("a post");
    let late = threads.released(&"first");
    let parked = 1 - late;
    for _ in 0..100 {
        port.post("next", 0).expect("a post");
        threads.wait(late);
        assert_eq!(
            threads.released(&"next"),
            late,
            "thread {parked} need not be woken for it"
        );
    }
    assert_eq!((port.counts().running, port.counts().parked), (1, 1));
}

pub fn s07_a_packet_stays_queued_while_as_many_run_as_may(driver: Driver) {
    for concurrency in [1, 2] {
        let port = port(driver, concurrency);
        let threads = Threads::new(&port, concurrency + 2);
        (0..concurrency + 2).for_each(|who| threads.park(who));
        for number in 0..=concurrency {
            port.post(number, 0).expect("a post");
        }
        // Threads that run at once may report in any order.
        let mut running: Vec<_> = (0..concurrency)
            .map(|_| threads.report())
            .map(|(who, completion)| (completion.key, who))
            .collect();
        running.sort_unstable();
        assert!(running.iter().map(|(key, _)| *key).eq(0..concurrency));
        threads.expect_no_report();
        let counts = port.counts();
        assert_eq!(
            (counts.running, counts.parked, counts.queued),
            (concurrency, 2, 1)
        );
        // Nor does a thread get it that only looks.
        assert!(matches!(port.wait(QUIET), Ok(Wait::TimedOut)));
        // It leaves when one of those that run comes back.
        let (_, first) = running[0];
        threads.wait(first);
        assert_eq!(threads.released(&concurrency), first);
        assert_eq!(port.counts().running_max, concurrency);
    }
}

pub fn s07_never_more_run_than_the_concurrency(driver: Driver) {
    const PACKETS: usize = 4000;
    for concurrency in [1, 2] {
        let port = port(driver, concurrency);
        let (running, running_max) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let (done, all_done) = mpsc::channel();
        let most = running_max.clone();
        let workers = Workers::start(&port, 6, move |_, completion| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // A handler that gives up the processor lets every mistake of the gate show.
            thread::yield_now();
            running.fetch_sub(1, Ordering::SeqCst);
            let _ = done.send(completion.key);
        });
        for number in 0..PACKETS {
            port.post(number, 0).expect("a post");
        }
        let mut served: Vec<_> = (0..PACKETS).map(|_| told(&all_done)).collect();
        served.sort_unstable();
        assert!(
            served.into_iter().eq(0..PACKETS),
            "each packet is served once"
        );
        // A worker that waits for another's lock may be found asleep; then there may be one more, for a moment.
        let counts = port.counts();
        let most = concurrency + counts.releases as usize;
        assert!(running_max.load(Ordering::SeqCst) <= most);
        assert!(counts.running_max <= most);
        port.close();
        workers.expect("workers").join();
    }
}

pub fn s07_the_gate_holds_over_a_million_packets(driver: Driver) {
    const PACKETS: usize = 1_000_000;
    const CONCURRENCY: usize = 2;
    let port = port(driver, CONCURRENCY);
    let (done, all_done) = mpsc::channel();
    let left = AtomicUsize::new(PACKETS);
    let workers = Workers::start(&port, 4..=8, move |_, _| {
        if left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let _ = done.send(());
        }
    });
    for number in 0..PACKETS {
        port.post(number, 0).expect("a post");
    }
    told(&all_done);
    let counts = port.counts();
    // A worker that waits for another's lock may be found asleep; then there may be one more, for a moment.
    assert!(counts.running_max as u64 <= CONCURRENCY as u64 + counts.releases);
    port.close();
    workers.expect("workers").join();
}

pub fn s07_a_released_waiter_runs_beside_one_that_runs_already(driver: Driver) {
    let port = port(driver, 2);
    let threads = Threads::new(&port, 2);
    let (socket, mut peer) = pair(&port, "data");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    threads.park(0);
    threads.park(1);
    port.post("post", 0).expect("a post");
    let first = threads.released(&"post");
    // One thread is in its handler, and stays there: the other serves whatever comes.
    peer.write_all(b"ahoy").expect("a write");
    assert_eq!(threads.released(&"data"), 1 - first);
}

pub fn s07_a_busy_thread_holds_back_no_other_sockets_data(driver: Driver) {
    const SOCKETS: usize = 8;
    let port = port(driver, 2);
    let threads = Threads::new(&port, 2);
    let mut pairs: Vec<_> = (0..SOCKETS).map(|key| pair(&port, key)).collect();
    for (socket, peer) in &mut pairs {
        socket.receive(Buffer::with_capacity(8)).expect("a start");
        peer.write_all(b"ahoy").expect("a write");
    }
    // The first thread finds all of them ready, takes one and never comes back; the other gets all the rest.
    threads.wait(0);
    let (busy, first) = threads.report();
    let mut keys = vec![first.key];
    for _ in 1..SOCKETS {
        threads.wait(1 - busy);
        keys.push(threads.report().1.key);
    }
    keys.sort_unstable();
    assert!(keys.into_iter().eq(0..SOCKETS));
}

pub fn s07_no_packet_is_left_beside_a_thread_that_waits(driver: Driver) {
    const ROUNDS: u64 = 500;
    let port = port(driver, 2);
    let (done, served) = mpsc::channel();
    // Two that wait for ever, and two that come and go, just when a packet does.
    let steady = done.clone();
    let workers = Workers::start(&port, 2, move |_, completion| {
        let _ = steady.send(completion.key);
    });
    let line = Arc::new(Barrier::new(3));
    let pollers = [0, 1].map(|poller| {
        let (port, line, done) = (port.clone(), line.clone(), done.clone());
        thread::spawn(move || {
            for round in 0..ROUNDS {
                line.wait();
                let timeout = Duration::from_micros((round * 37 + poller * 400) % 1500);
                if let Wait::Completed(completion) = port.wait(timeout).expect("a wait") {
                    let _ = done.send(completion.key);
                }
                line.wait();
            }
        })
    });
    for round in 0..ROUNDS {
        line.wait();
        port.post(round, 0).expect("a post");
        port.post(round, 0).expect("a post");
        // From here on only those wait that wait for ever: what was missed stays so.
        line.wait();
        assert_eq!((told(&served), told(&served)), (round, round));
    }
    for poller in pollers {
        poller.join().expect("it ends well");
    }
    port.close();
    workers.expect("workers").join();
}

pub fn s07_posts_that_never_end_do_not_hold_data_back(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, "data");
    for _ in 0..10 {
        port.post("post", 0).expect("a post");
    }
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    until_arrived(&socket, 4);
    let mut posts = 0;
    while next(&port).key == "post" {
        posts += 1;
        assert!(
            posts < 10_000,
            "what came first is passed over by all that came later"
        );
        port.post("post", 0).expect("a post");
    }
}

pub fn s10_a_thread_that_exits_gives_its_place_back(driver: Driver) {
    let port = port(driver, 1);
    let mut threads = Threads::new(&port, 2);
    threads.park(0);
    port.post("first", 0).expect("a post");
    assert_eq!(threads.released(&"first"), 0);
    threads.park(1);
    port.post("second", 0).expect("a post");
    threads.expect_no_report();
    threads.end(0);
    assert_eq!(threads.released(&"second"), 1);
    assert_eq!(port.counts().running, 1);
    threads.end(1);
    assert_eq!(port.counts().running, 0);
}

pub fn s10_a_thread_that_waits_on_another_port_gives_its_place_back(driver: Driver) {
    let (port, other): (_, CompletionPort<&str>) = (port(driver, 1), port(driver, 1));
    let threads = Threads::new(&port, 2);
    threads.park(0);
    port.post("first", 0).expect("a post");
    assert_eq!(threads.released(&"first"), 0);
    threads.park(1);
    port.post("second", 0).expect("a post");
    threads.expect_no_report();
    threads.wait_on(0, &other);
    assert_eq!(threads.released(&"second"), 1);

    // From then on it counts there.
    other.post("elsewhere", 0).expect("a post");
    assert_eq!(threads.released(&"elsewhere"), 0);
    assert_eq!((port.counts().running, other.counts().running), (1, 1));
}

pub fn s10_a_thread_that_waits_is_released_for_sockets_when_the_runner_leaves(driver: Driver) {
    // The place that is given back may be the one from which the kernel is polled: data, not a post, comes next.
    let port = port(driver, 1);
    let mut threads = Threads::new(&port, 2);
    let (socket, mut peer) = pair(&port, "data");
    threads.park(0);
    port.post("post", 0).expect("a post");
    assert_eq!(threads.released(&"post"), 0);
    threads.park(1);
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    threads.end(0);
    peer.write_all(b"ahoy").expect("a write");
    assert_eq!(threads.released(&"data"), 1);
}

pub fn s07_a_thread_that_waits_already_sees_the_first_socket_and_the_first_timer(driver: Driver) {
    // A port may keep its threads elsewhere for as long as it has nothing to poll for.
    for concurrency in [1, 2] {
        let with_socket = port(driver, concurrency);
        let with_timer = port(driver, concurrency);
        let pools = [Threads::new(&with_socket, 3), Threads::new(&with_timer, 3)];
        for threads in &pools {
            (0..3).for_each(|who| threads.park(who));
        }
        let (socket, mut peer) = pair(&with_socket, "data");
        socket.receive(Buffer::with_capacity(8)).expect("a start");
        peer.write_all(b"ahoy").expect("a write");
        assert_eq!(pools[0].report().1.key, "data");
        with_timer
            .timer(Duration::from_millis(5), "timer")
            .expect("a timer");
        assert_eq!(pools[1].report().1.key, "timer");
    }
}
