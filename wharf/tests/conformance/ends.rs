//! Statements 38 to 43: closing, panics, children, and threads that go. Forks and signals are in `tests/process.rs`.

use std::{
    collections::HashSet,
    io::{ErrorKind, Read, Write},
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use wharf::{
    Buffer, BufferPool, CompletionPort, Finished, OperationId, Socket, Wait, Workers,
    user_code::panic_message,
};

use crate::{harness::*, runner::sleeper};

/// One operation of each kind, none of which completes by itself.
struct UnderWay {
    operations: HashSet<OperationId>,
    pool: BufferPool,
    sockets: Vec<Socket<&'static str>>,
    peers: Vec<Stream>,
}

fn one_of_each(port: &CompletionPort<&'static str>) -> UnderWay {
    let (reading, reading_peer) = pair(port, "key");
    let (writing, writing_peer) = narrow_pair(port, "key");
    let listener = listen(port, "key");
    let pool = BufferPool::new(8);
    let operations = [
        reading.receive(Buffer::with_capacity(8)).expect("a start"),
        reading.receive_from(&pool).expect("a start"),
        reading
            .receive_vectored(vec![Buffer::with_capacity(8)])
            .expect("a start"),
        reading.readable().expect("a start"),
        writing.send(pattern(BIG)).expect("a start"),
        writing
            .send_vectored(vec![pattern(8).into()])
            .expect("a start"),
        writing.send_quietly(b"quiet").expect("a start"),
        writing.shutdown().expect("a start"),
        listener.accept().expect("a start"),
        port.timer(GUARD * 10, "key").expect("a start"),
    ];
    UnderWay {
        operations: operations.into(),
        pool,
        sockets: vec![reading, writing],
        peers: vec![reading_peer, writing_peer],
    }
}

pub fn s38_closing_gives_everything_back_that_was_under_way(driver: Driver) {
    let port = port(driver, 1);
    let mut under_way = one_of_each(&port);
    port.post("key", 7).expect("a post");
    let (done, _peer) = pair(&port, "key");
    let out = done.send(b"ahoy").expect("a start");
    eventually("the send is out", || done.unsent() == 0);

    let (mut posted, mut sent) = (0, 0);
    for completion in port.close() {
        assert_eq!(completion.key, "key");
        match (&completion.what, &completion.result) {
            // What had come already is returned as it was.
            (Finished::Posted, Ok(7)) => posted += 1,
            (Finished::Sent { .. }, Ok(4)) if completion.operation == out => sent += 1,
            _ => {
                assert!(
                    under_way.operations.remove(&completion.operation),
                    "once each"
                );
                cancelled(completion);
            }
        }
    }
    assert_eq!((posted, sent), (1, 1));
    assert!(
        under_way.operations.is_empty(),
        "still under way: {:?}",
        under_way.operations
    );
    assert_eq!(under_way.pool.in_use(), 0);
    for socket in &under_way.sockets {
        assert!(!socket.close(), "its sockets are closed with it");
    }
    for peer in &mut under_way.peers {
        peer.read_to_end(&mut Vec::new()).expect("an end");
    }
    assert!(matches!(port.wait(QUIET), Ok(Wait::Closed)));
}

pub fn s38_dropping_the_last_handle_closes_the_port(driver: Driver) {
    let port = port(driver, 1);
    let under_way = one_of_each(&port);
    let clone = port.clone();
    drop(port);
    assert!(!clone.is_closed());
    clone.post("key", 0).expect("it is open still");
    drop(clone);
    // Sockets do not keep it open.
    for mut peer in under_way.peers {
        peer.read_to_end(&mut Vec::new()).expect("an end");
    }
    under_way.sockets[0].readable().expect_err("a refusal");
    assert_eq!(under_way.pool.in_use(), 0);
}

pub fn s39_closing_twice_gives_everything_back_once(driver: Driver) {
    let port = port(driver, 1);
    let under_way = one_of_each(&port);
    assert_eq!(port.close().len(), under_way.operations.len());
    assert!(port.close().is_empty());
    assert!(port.clone().close().is_empty());
}

pub fn s39_closing_from_two_threads_at_once_gives_everything_back_once(driver: Driver) {
    for _ in 0..20 {
        let port = port(driver, 2);
        let workers = Workers::start(&port, 2, |_, _| {}).expect("workers");
        let under_way = one_of_each(&port);
        let closers = [0, 1].map(|_| {
            let port = port.clone();
            thread::spawn(move || port.close().len())
        });
        let given: usize = closers
            .map(|closer| closer.join().expect("it ends well"))
            .iter()
            .sum();
        workers.join();
        // Workers may have been handed some before.
        assert!(given <= under_way.operations.len());
        assert_eq!(under_way.pool.in_use(), 0);
        drop(under_way);
    }
}

pub fn s39_closing_from_inside_a_handler(driver: Driver) {
    let port = port(driver, 2);
    let under_way = one_of_each(&port);
    let (tell, told_of) = mpsc::channel();
    let workers = Workers::start(&port, 3, move |port, _| {
        let given: HashSet<_> = port
            .close()
            .into_iter()
            .map(|given| given.operation)
            .collect();
        let _ = tell.send(given);
    });
    port.post("close", 0).expect("a post");
    assert_eq!(told(&told_of), under_way.operations);
    assert_eq!(
        workers.expect("workers").join_timeout(GUARD),
        Vec::<String>::new()
    );
}

pub fn s39_closing_while_a_handler_runs_does_not_wait_for_it(driver: Driver) {
    let port = port::<&str>(driver, 2);
    let (entered, inside) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let may_leave = Mutex::new(may_leave);
    let (socket, _peer) = pair(&port, "socket");
    let held = socket.clone();
    let (tell, refused) = mpsc::channel();
    let workers = Workers::start(&port, 2, move |_, _| {
        let _ = entered.send(());
        let _ = may_leave.lock().expect("no panic").recv();
        let _ = tell.send(held.receive(Buffer::with_capacity(8)).is_err());
    });
    let workers = workers.expect("workers");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    port.post("post", 0).expect("a post");
    told(&inside);
    assert_eq!(
        port.close().len(),
        1,
        "the receive; the post is the handler's"
    );
    drop(leave);
    assert!(told(&refused), "nothing is started any more");
    workers.join();
}

pub fn s39_closing_while_threads_start_and_wait_loses_nothing(driver: Driver) {
    for _ in 0..20 {
        let port = port::<&str>(driver, 2);
        let (done, completions) = mpsc::channel();
        let workers = Workers::start(&port, 2, move |_, completion| {
            let _ = done.send(completion.operation);
        });
        let (socket, mut peer) = pair(&port, "socket");
        let starter = thread::spawn(move || {
            let mut started = Vec::new();
            loop {
                match socket.receive(Buffer::with_capacity(8)) {
                    Ok(operation) => started.push(operation),
                    Err(_) => return started,
                }
            }
        });
        peer.write_all(&pattern(500)).expect("a write");
        told(&completions);
        let closed = port
            .close()
            .into_iter()
            .map(|completion| completion.operation);
        let closed: Vec<_> = closed.collect();
        let started = starter.join().expect("it ends well");
        workers.expect("workers").join();
        let handled = 1 + completions.try_iter().count();
        assert_eq!(
            handled + closed.len(),
            started.len(),
            "each that was started completes once"
        );
    }
}

pub fn s40_a_handler_that_panics_costs_its_own_client_and_nobody_else(driver: Driver) {
    const COUNT: usize = 30;
    let port = port(driver, 2);
    let (done, served) = mpsc::channel();
    let workers = Workers::start(&port, 2, move |_, completion| {
        assert!(
            completion.key % 3 != 0,
            "this client's handler fails, as it is meant to"
        );
        let Finished::Received { socket, buffer } = completion.what else {
            return;
        };
        let _ = socket.send(buffer);
        let _ = done.send(completion.key);
    });
    let mut peers = Vec::new();
    for key in 0..COUNT {
        let (socket, peer) = pair(&port, key);
        socket.receive(Buffer::with_capacity(8)).expect("a start");
        peers.push(peer);
    }
    for (key, peer) in peers.iter_mut().enumerate() {
        peer.write_all(b"ahoy").expect("a write");
        let mut echo = [0; 4];
        match key % 3 {
            0 => assert_eq!(
                peer.read(&mut echo).expect("an end"),
                0,
                "its connection is closed"
            ),
            _ => peer.read_exact(&mut echo).expect("the others are served"),
        }
    }
    for _ in 0..COUNT - COUNT / 3 {
        told(&served);
    }
    eventually("both workers wait", || port.counts().parked == 2);
    assert_eq!(port.counts().running, 0);
    port.close();
    workers.expect("workers").join();
}

pub fn s40_a_panic_tells_what_it_said(_: Driver) {
    let panic = |panics: fn()| thread::spawn(panics).join().expect_err("a panic");
    assert_eq!(panic_message(&*panic(|| panic!("plain"))), "plain");
    assert_eq!(
        panic_message(&*panic(|| panic!("number {}", 7))),
        "number 7"
    );
    panic_message(&*panic(|| std::panic::panic_any(7)));
}

pub fn s40_workers_have_ended_when_they_are_joined(driver: Driver) {
    /// Takes its time to go, so that a close that does not wait for it is caught.
    struct Slow(Arc<AtomicBool>);
    impl Drop for Slow {
        fn drop(&mut self) {
            thread::sleep(QUIET);
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let port = port::<()>(driver, 2);
    let gone = Arc::new(AtomicBool::new(false));
    let slow = Slow(gone.clone());
    let workers = Workers::start(&port, 2, move |_, _| {
        let _ = &slow;
    })
    .expect("workers");
    port.close();
    workers.join();
    assert!(
        gone.load(Ordering::SeqCst),
        "nothing of the threads is left, their handler included"
    );
}

pub fn s40_joining_tells_which_workers_are_still_busy(driver: Driver) {
    let port = port(driver, 2);
    let (entered, inside) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let may_leave = Mutex::new(may_leave);
    let workers = Workers::start(&port, 2, move |_, _| {
        let _ = entered.send(thread::current().name().map(str::to_owned));
        let _ = may_leave.lock().expect("no panic").recv();
    });
    port.post((), 0).expect("a post");
    let name = told(&inside).expect("workers have names");
    assert!(["wharf-0", "wharf-1"].contains(&&*name));
    port.close();
    // Long enough for the other to end.
    assert_eq!(workers.expect("workers").join_timeout(5 * QUIET), [name]);
    drop(leave);
}

pub fn s40_a_worker_that_joins_does_not_wait_for_itself(driver: Driver) {
    let port = port(driver, 2);
    let workers = Arc::new(Mutex::new(None::<Workers>));
    let (tell, joined) = mpsc::channel();
    let own = workers.clone();
    let started = Workers::start(&port, 2, move |port: &CompletionPort<()>, _| {
        port.close();
        let workers = own.lock().expect("no panic").take().expect("workers");
        workers.join();
        let _ = tell.send(());
    });
    *workers.lock().expect("no panic") = Some(started.expect("workers"));
    port.post((), 0).expect("a post");
    told(&joined);
}

pub fn s40_a_very_long_join_does_not_overflow(driver: Driver) {
    let port = port::<()>(driver, 1);
    let workers = Workers::start(&port, 1, |_, _| {}).expect("workers");
    port.close();
    assert!(workers.join_timeout(Duration::MAX).is_empty());
    let error = Workers::start(&port, 0, |_, _| {}).expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

pub fn s41_an_operation_whose_handles_are_dropped_still_completes(driver: Driver) {
    let port = port(driver, 1);
    let pool = BufferPool::new(8);
    let (socket, mut peer) = pair(&port, "key");
    socket.receive_from(&pool).expect("a start");
    drop(socket);
    expect_nothing(&port);
    peer.write_all(b"ahoy").expect("a write");
    let completion = next(&port);
    assert_eq!((completion.key, pool.in_use()), ("key", 1));
    drop(completion);
    // Its buffer is free then, and the socket closed.
    assert_eq!(pool.in_use(), 0);
    assert_eq!(peer.read(&mut [0; 8]).expect("the end"), 0);
}

pub fn s41_a_quiet_send_whose_socket_is_dropped_still_goes_out(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = narrow_pair(&port, "key");
    socket.send_quietly(pattern(BIG)).expect("a start");
    drop(socket);
    let reader = thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).map(|_| all)
    });
    // Somebody has to wait for it to go on; nothing is to be reported.
    let deadline = Instant::now() + GUARD;
    while !reader.is_finished() {
        assert!(
            Instant::now() < deadline,
            "it goes out and its socket is closed"
        );
        expect_nothing(&port);
    }
    assert!(reader.join().expect("no panic").expect("an end") == pattern(BIG));
}

/// A process that does nothing, and ends with the test however that goes.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        let mut sleep = sleeper();
        // It keeps no pipe of the test's open either.
        sleep.stdin(Stdio::null()).stdout(Stdio::null());
        Sleeper(sleep.stderr(Stdio::null()).spawn().expect("a child"))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn s42_a_child_that_is_started_meanwhile_holds_nothing_of_the_port(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    let listener = listen(&port, ());
    listener.accept().expect("a start");
    let mut late = connect(driver, listener.local_addr());
    let Finished::Accepted { connection, .. } = next(&port).what else {
        panic!("it was an accept");
    };
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    let _child = Sleeper::start();
    peer.write_all(b"ahoy").expect("a write");
    assert_eq!(received(&port)[..], *b"ahoy");
    // While the child lives, closing closes.
    drop((socket, connection));
    assert_eq!(peer.read(&mut [0; 8]).expect("the end"), 0);
    assert_eq!(late.read(&mut [0; 8]).expect("the end"), 0);
}

pub fn s43_what_a_thread_started_completes_though_it_has_exited(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = narrow_pair(&port, "socket");
    let starter = thread::spawn({
        let (port, socket) = (port.clone(), socket.clone());
        move || {
            // It has waited before, so that it is known to the port.
            assert!(matches!(port.wait(Duration::ZERO), Ok(Wait::TimedOut)));
            port.timer(QUIET, "timer").expect("a timer");
            socket.receive(Buffer::with_capacity(8)).expect("a start");
            socket.send(pattern(BIG)).expect("a start");
        }
    });
    starter.join().expect("it ends well");
    let reader = thread::spawn(move || {
        let mut peer = peer;
        peer.write_all(b"ahoy").expect("a write");
        peer.read_exact(&mut vec![0; BIG]).expect("all of it");
        peer
    });
    let mut results: Vec<_> = (0..3)
        .map(|_| next(&port).result.expect("success"))
        .collect();
    results.sort_unstable();
    assert_eq!(results, [0, 4, BIG]);
    drop(reader.join().expect("it ends well"));
}

pub fn s43_what_a_thread_put_off_in_its_handler_goes_out_when_it_exits(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, 100);
    (0..5).for_each(|key| port.post(key, 0).expect("a post"));
    let starter = thread::spawn({
        let (port, socket) = (port.clone(), socket.clone());
        move || {
            assert_eq!(next(&port).key, 0);
            socket.send(b"ahoy").expect("a start");
        }
    });
    starter.join().expect("it ends well");
    let mut keys: Vec<_> = (0..5).map(|_| next(&port).key).collect();
    keys.sort_unstable();
    assert_eq!(keys, [1, 2, 3, 4, 100]);
    peer.read_exact(&mut [0; 4]).expect("the bytes are out");
}
