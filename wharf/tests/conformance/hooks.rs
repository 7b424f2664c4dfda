//! Statements 45 to 47: contexts, what is beneath a handle, and attempts on memory that is lent.

use std::{
    collections::HashMap,
    io::{ErrorKind, IoSlice, Read, Write},
    mem::MaybeUninit,
    sync::Arc,
    time::Duration,
};

use socket2::SockRef;
#[cfg(unix)]
use socket2::Type;
use wharf::{
    Buffer, BufferPool, Completion, CompletionPort, Context, Finished, Payload, Refused, Socket,
    Started, Transmit,
};

use crate::harness::*;

/// A context that is seen to be dropped: `seen` counts those that live.
type Tracked = (Arc<()>, u64);

#[track_caller]
fn living(seen: &Arc<()>) -> usize {
    Arc::strong_count(seen) - 1
}

#[track_caller]
fn context_of<K: Key, C: 'static>(mut completion: Completion<K>) -> C {
    let context = completion.take_context();
    context.unwrap_or_else(|| panic!("it has its own context: {completion:?}"))
}

/// What a refused start gives back.
#[track_caller]
fn refused<T, C: 'static>(started: Result<impl std::fmt::Debug, Refused<T>>) -> C {
    let Err(mut refused) = started else {
        panic!(
            "a refusal is due, it was {started:?}",
            started = started.ok()
        );
    };
    refused.take_context().expect("the context comes back")
}

pub fn s45_a_context_comes_back_with_its_own_operation(driver: Driver) {
    let port = port(driver, 1);
    let seen = Arc::new(());
    let mut expected = HashMap::new();
    let mut pairs = Vec::new();
    for key in 0..8 {
        let (socket, mut peer) = pair(&port, key);
        for _ in 0..8 {
            for is_send in [false, true] {
                let number = expected.len() as u64;
                let with: Tracked = (seen.clone(), number);
                let id = match is_send {
                    true => socket.with(with).send(b"ahoy").expect("a start"),
                    false => socket
                        .with(with)
                        .receive(Buffer::with_capacity(1))
                        .expect("a start"),
                };
                assert_eq!(expected.insert(number, id), None);
            }
        }
        peer.write_all(&[7; 8]).expect("a write");
        pairs.push((socket, peer));
    }
    assert_eq!(living(&seen), expected.len());
    for _ in 0..128 {
        let completion = next(&port);
        let id = completion.operation;
        let (_, number): Tracked = context_of(completion);
        assert_eq!(
            expected.remove(&number),
            Some(id),
            "its own comes back, once"
        );
    }
    assert!(expected.is_empty());
    assert_eq!(living(&seen), 0, "none is left behind");
    // The next operation has none, whatever record it uses.
    pairs[0].0.send(b"ahoy").expect("a start");
    assert!(next(&port).context.is_none());
}

pub fn s45_every_kind_of_operation_takes_a_context(driver: Driver) {
    let port = port::<&str>(driver, 1);
    let (near, far) = connected_with_contexts(&port);
    let pool = BufferPool::new(64);
    near.with("receive from")
        .receive_from(&pool)
        .expect("a start");
    far.with("send").send(b"ahoy").expect("a start");
    expect_both(&port, ["receive from", "send"]);
    let two = vec![Payload::from(b"ah"), Payload::from(b"oy")];
    far.with("send many").send_vectored(two).expect("a start");
    expect(&port, "send many");
    near.with("readable").readable().expect("a start");
    expect(&port, "readable");
    near.with("ready").ready_to_receive().expect("a start");
    expect(&port, "ready");
    let buffers = vec![Buffer::with_capacity(2), Buffer::with_capacity(2)];
    near.with("receive many")
        .receive_vectored(buffers)
        .expect("a start");
    expect(&port, "receive many");
    let file = Arc::new(file(driver, b"ahoy"));
    let transmit = Transmit::new(file, 0..4);
    far.with("transmit").transmit(transmit).expect("a start");
    expect(&port, "transmit");
    far.with("shutdown").shutdown().expect("a start");
    expect(&port, "shutdown");
    with_first_bytes(&port);
    datagrams_and_files(&port);
    timers_and_packets(&port);
}

#[track_caller]
fn expect(port: &CompletionPort<&'static str>, word: &str) {
    let completion = next(port);
    completion.result.as_ref().expect("success");
    assert_eq!(completion.context::<&str>(), Some(&word));
}

/// As `expect`, in either order.
#[track_caller]
fn expect_both(port: &CompletionPort<&'static str>, mut words: [&str; 2]) {
    let mut told = [context_of::<_, &str>(next(port)), context_of(next(port))];
    told.sort_unstable();
    words.sort_unstable();
    assert_eq!(told, words);
}

fn connected_with_contexts(
    port: &CompletionPort<&'static str>,
) -> (Socket<&'static str>, Socket<&'static str>) {
    let listener = listen(port, "listener");
    listener.with("accept").accept().expect("a start");
    let address = listener.local_addr();
    let connect = port.with("connect").connect(address, "near");
    connect.expect("a start");
    let (mut near, mut far) = (None, None);
    for _ in 0..2 {
        let mut completion = next(port);
        let word = completion.take_context::<&str>().expect("its context");
        match completion.what {
            Finished::Connected { socket } => {
                assert_eq!(word, "connect");
                near = Some(socket);
            }
            Finished::Accepted { connection, .. } => {
                assert_eq!(word, "accept");
                let connection = connection.expect("it succeeds");
                far = Some(port.associate(connection, "far").expect("an association"));
            }
            other => panic!("one of the two is due, it was {other:?}"),
        }
    }
    (near.expect("connected"), far.expect("accepted"))
}

fn with_first_bytes(port: &CompletionPort<&'static str>) {
    let listener = listen(port, "listener");
    listener
        .with("accept receive")
        .accept_receive(Buffer::with_capacity(8))
        .expect("a start");
    port.with("connect send")
        .connect_send(listener.local_addr(), &b"ahoy"[..], "near")
        .expect("a start");
    expect_both(port, ["accept receive", "connect send"]);
}

fn datagrams_and_files(port: &CompletionPort<&'static str>) {
    let (one, _) = datagrams(port, "one");
    let (other, address) = datagrams(port, "other");
    one.with("send to")
        .send_to(b"ahoy", address)
        .expect("a start");
    expect(port, "send to");
    other
        .with("datagram")
        .receive(Buffer::with_capacity(8))
        .expect("a start");
    expect(port, "datagram");

    let file = file_on(port, b"ahoy", "file");
    file.with("read")
        .read_at(Buffer::with_capacity(8), 0)
        .expect("a start");
    expect(port, "read");
    file.with("write").write_at(&b"x"[..], 0).expect("a start");
    expect(port, "write");
    file.with("flush").flush().expect("a start");
    expect(port, "flush");
}

fn timers_and_packets(port: &CompletionPort<&'static str>) {
    port.with("timer")
        .timer(Duration::from_millis(1), "key")
        .expect("a start");
    expect(port, "timer");
    port.with("post").post("key", 7).expect("a start");
    let posted = next(port);
    assert!(matches!(posted.what, Finished::Posted));
    assert_eq!((posted.key, posted.transferred), ("key", 7));
    assert_eq!(context_of::<_, &str>(posted), "post");
}

pub fn s45_a_context_comes_back_with_failures_cancels_and_closes(driver: Driver) {
    let port = port(driver, 1);
    let seen = Arc::new(());
    let track = |number: u64| -> Tracked { (seen.clone(), number) };
    // Cancelled.
    let (socket, peer) = pair(&port, ());
    let buffer = || Buffer::with_capacity(8);
    let id = socket.with(track(1)).receive(buffer()).expect("a start");
    socket.cancel(id).expect("it is under way");
    let completion = next(&port);
    assert!(completion.is_cancelled());
    assert_eq!(context_of::<_, Tracked>(completion).1, 1);
    // Failed.
    socket.with(track(2)).receive(buffer()).expect("a start");
    reset(peer);
    let completion = next(&port);
    failed(&completion);
    assert_eq!(context_of::<_, Tracked>(completion).1, 2);
    // Closed with its socket.
    let (socket, _peer) = pair(&port, ());
    socket.with(track(3)).receive(buffer()).expect("a start");
    assert!(socket.close());
    let completion = next(&port);
    assert!(completion.is_cancelled());
    assert_eq!(context_of::<_, Tracked>(completion).1, 3);
    assert_eq!(living(&seen), 0);
    // Closed with the port: under way, and queued.
    let (socket, _peer) = pair(&port, ());
    socket.with(track(4)).receive(buffer()).expect("a start");
    let hour = Duration::from_secs(3600);
    port.with(track(5)).timer(hour, ()).expect("a start");
    port.with(track(6)).post((), 0).expect("a start");
    let mut numbers: Vec<u64> = port
        .close()
        .into_iter()
        .map(|completion| context_of::<_, Tracked>(completion).1)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [4, 5, 6]);
    assert_eq!(living(&seen), 0);
}

pub fn s45_contexts_go_with_a_port_that_nobody_closes(driver: Driver) {
    let seen = Arc::new(());
    let port = port(driver, 1);
    let (socket, _peer) = pair(&port, ());
    let buffer = Buffer::with_capacity(8);
    let with: Tracked = (seen.clone(), 1);
    socket.with(with.clone()).receive(buffer).expect("a start");
    port.with(with.clone()).post((), 0).expect("a start");
    drop(with);
    assert_eq!(living(&seen), 2);
    drop(port);
    assert_eq!(living(&seen), 0);
}

pub fn s45_a_context_comes_back_with_what_is_refused(driver: Driver) {
    let port = port(driver, 1);
    let listener = listen(&port, 0);
    let address = listener.local_addr();
    let (datagrams, to) = datagrams(&port, 0);
    let file = file_on(&port, b"ahoy", 0);
    let (socket, _peer) = pair(&port, 0);
    let buffer = || Buffer::with_capacity(8);
    let ahoy = &b"ahoy"[..];
    // Before anything is started.
    let empty = Buffer::with_capacity(0);
    assert_eq!(
        refused::<_, u64>(listener.with(1_u64).accept_receive(empty)),
        1
    );
    port.close();
    let pool = BufferPool::new(8);
    let all: Vec<u64> = vec![
        refused(socket.with(0_u64).receive(buffer())),
        refused(socket.with(1_u64).receive_from(&pool)),
        refused(socket.with(2_u64).receive_vectored(vec![buffer()])),
        refused(socket.with(3_u64).readable()),
        refused(socket.with(4_u64).send(ahoy)),
        refused(socket.with(5_u64).send_quietly(ahoy)),
        refused(socket.with(6_u64).send_if_idle(ahoy)),
        refused(socket.with(7_u64).shutdown()),
        refused(socket.skip_port().with(8_u64).send(ahoy)),
        refused(listener.with(9_u64).accept()),
        refused(listener.with(10_u64).accept_receive(buffer())),
        refused(datagrams.with(11_u64).receive(buffer())),
        refused(datagrams.with(12_u64).send_to(ahoy, to)),
        refused(file.with(13_u64).read_at(buffer(), 0)),
        refused(file.with(14_u64).write_at(ahoy, 0)),
        refused(file.with(15_u64).flush()),
        refused(port.with(16_u64).connect(address, 0)),
        refused(port.with(17_u64).connect_send(address, ahoy, 0)),
        refused(port.with(18_u64).timer(Duration::ZERO, 0)),
        refused(port.with(19_u64).post(0, 0)),
        refused(socket.with(20_u64).ready_to_receive()),
    ];
    assert_eq!(all, (0..21).collect::<Vec<u64>>());
}

pub fn s45_a_refused_context_can_be_given_again(driver: Driver) {
    let port = port(driver, 1);
    let (socket, _peer) = narrow_pair(&port, ());
    socket.set_sends_max(1).expect("an open socket");
    socket.send(pattern(BIG)).expect("a start");
    let refused = socket.with(7_u64).send(b"ahoy").expect_err("a refusal");
    let context: Context = refused.context.expect("it comes back");
    assert_eq!(context.get::<u64>(), Some(&7));
    let buffer = Buffer::with_capacity(8);
    let id = socket.with(context).receive(buffer).expect("a start");
    socket.cancel(id).expect("it is under way");
    assert_eq!(context_of::<_, u64>(next(&port)), 7);
}

pub fn s45_a_context_of_another_type_stays(driver: Driver) {
    let port = port(driver, 1);
    port.with(String::from("ahoy"))
        .post((), 0)
        .expect("a start");
    let mut completion = next(&port);
    assert_eq!(completion.take_context::<u64>(), None);
    assert_eq!(completion.context::<u64>(), None);
    assert_eq!(completion.context::<String>().expect("it is one"), "ahoy");
    assert_eq!(
        completion.take_context::<String>().expect("it is one"),
        "ahoy"
    );
    assert!(completion.context.is_none());
}

pub fn s45_a_quiet_send_drops_its_context_with_its_payload_or_brings_it_with_its_failure(
    driver: Driver,
) {
    let port = port(driver, 1);
    let seen = Arc::new(());
    let track = |number: u64| -> Tracked { (seen.clone(), number) };
    let (socket, mut peer) = narrow_pair(&port, ());
    socket
        .with(track(1))
        .send_quietly(b"ahoy")
        .expect("a start");
    peer.read_exact(&mut [0; 4]).expect("the bytes");
    while_waiting(&port, "the context goes with the payload", || {
        living(&seen) == 0
    });
    // One that waits to be sent, and then fails.
    let big = pattern(BIG);
    socket.with(track(2)).send_quietly(big).expect("a start");
    assert_eq!(living(&seen), 1);
    assert!(socket.close());
    let completion = next(&port);
    assert!(completion.is_cancelled());
    assert_eq!(context_of::<_, Tracked>(completion).1, 2);
    assert_eq!(living(&seen), 0);
}

/// Waits until something is so, in waits on the port, in which nothing comes.
#[track_caller]
fn while_waiting<K: Key>(port: &CompletionPort<K>, what: &str, is_so: impl Fn() -> bool) {
    eventually(what, || {
        let answer = port.wait(Duration::from_millis(1)).expect("a wait");
        assert!(matches!(answer, wharf::Wait::TimedOut), "{answer:?}");
        is_so()
    });
}

pub fn s45_a_context_comes_back_from_the_call_or_with_the_packet(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    let started = socket.skip_port().with(1_u64).send(b"ahoy");
    let Started::Completed(completion) = started.expect("a start") else {
        panic!("there is room");
    };
    assert_eq!(context_of::<_, u64>(completion), 1);
    let buffer = Buffer::with_capacity(8);
    let started = socket.skip_port().with(2_u64).receive(buffer);
    assert!(matches!(started, Ok(Started::Pending(_))));
    peer.write_all(b"ahoy").expect("a write");
    assert_eq!(context_of::<_, u64>(next(&port)), 2);
    let pool = BufferPool::new(8);
    let started = socket.skip_port().with(3_u64).receive_from(&pool);
    assert!(matches!(started, Ok(Started::Pending(_))));
    peer.write_all(b"ahoy").expect("a write");
    assert_eq!(context_of::<_, u64>(next(&port)), 3);
}

pub fn s46_options_are_set_on_what_is_beneath(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    let set = socket.with_descriptor(|beneath| {
        let beneath = SockRef::from(&beneath);
        beneath.set_keepalive(true)?;
        beneath.keepalive()
    });
    if driver == Driver::Simulated {
        let error = set.expect_err("it has no descriptor of the system's");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        return;
    }
    assert!(set.expect("an open socket"));
    let listener = listen(&port, ());
    let (datagrams, _) = datagrams(&port, ());
    for set in [
        listener.with_descriptor(|beneath| SockRef::from(&beneath).set_reuse_address(true)),
        datagrams.with_descriptor(|beneath| SockRef::from(&beneath).set_broadcast(true)),
        file_on(&port, b"ahoy", ()).with_descriptor(|_| Ok(())),
    ] {
        set.expect("it is open");
    }
    let broadcasts = datagrams.with_descriptor(|beneath| SockRef::from(&beneath).broadcast());
    assert!(broadcasts.expect("an open socket"));
    // What the closure returns is returned, and the socket goes on.
    let error = socket.with_descriptor::<()>(|_| Err(ErrorKind::Other.into()));
    assert_eq!(error.expect_err("its own").kind(), ErrorKind::Other);
    socket.send(b"ahoy").expect("a start");
    peer.read_exact(&mut [0; 4]).expect("the bytes");
    socket.close();
    socket
        .with_descriptor(|_| Ok(()))
        .expect_err("it is closed, and the closure is not called");
}

#[cfg(unix)]
pub fn s46_what_is_beneath_stays_open_while_it_is_borrowed(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    let kind = socket.with_descriptor(|beneath| {
        assert!(socket.close());
        let other = port.clone();
        std::thread::spawn(move || drop(other.close()))
            .join()
            .expect("it ends well");
        SockRef::from(&beneath).r#type()
    });
    assert_eq!(kind.expect("it is open still"), Type::STREAM);
    let end = peer.read(&mut [0; 4]).expect("an orderly end");
    assert_eq!(end, 0, "it is closed behind the call");
}

#[cfg(unix)]
pub fn s46_a_blocking_mode_that_is_set_beneath_stops_no_thread(driver: Driver) {
    let port = port(driver, 1);
    let listener = listen(&port, "listener");
    let blocks = |beneath: std::os::fd::BorrowedFd<'_>| {
        let beneath = SockRef::from(&beneath);
        beneath.set_nonblocking(false)
    };
    listener.with_descriptor(blocks).expect("an open listener");
    listener.accept().expect("a start");
    expect_nothing(&port);
    port.connect(listener.local_addr(), "near")
        .expect("a start");
    let (mut near, mut far) = (None, None);
    for _ in 0..2 {
        match next(&port).what {
            Finished::Connected { socket } => near = Some(socket),
            Finished::Accepted { connection, .. } => {
                let connection = connection.expect("it succeeds");
                far = Some(port.associate(connection, "far").expect("an association"));
            }
            other => panic!("one of the two is due, it was {other:?}"),
        }
    }
    let (near, far) = (near.expect("connected"), far.expect("accepted"));
    near.with_descriptor(blocks).expect("an open socket");
    far.with_descriptor(blocks).expect("an open socket");
    // Each start and each wait is this thread's own: one that blocks hangs the test.
    far.receive(Buffer::with_capacity(8)).expect("a start");
    expect_nothing(&port);
    near.send(b"ahoy").expect("a start");
    let words = [next(&port), next(&port)].map(|completion| completion.result.expect("success"));
    assert_eq!(words, [4, 4]);
    sends_and_transmits_that_wait(&port, &near, &far, blocks);

    let (datagrams, address) = datagrams(&port, "datagrams");
    datagrams.with_descriptor(blocks).expect("an open socket");
    datagrams
        .receive(Buffer::with_capacity(8))
        .expect("a start");
    expect_nothing(&port);
    datagrams.send_to(b"ahoy", address).expect("a start");
    let words = [next(&port), next(&port)].map(|completion| completion.result.expect("success"));
    assert_eq!(words, [4, 4]);
    listener.accept().expect("a start");
    listener.with_descriptor(blocks).expect("an open listener");
    expect_nothing(&port);
}

#[cfg(windows)]
pub fn s46_what_is_beneath_stays_open_while_it_is_borrowed(_: Driver) {
    unreachable!("it is not judged here");
}

#[cfg(windows)]
pub fn s46_a_blocking_mode_that_is_set_beneath_stops_no_thread(_: Driver) {
    unreachable!("it is not judged here");
}

/// More than there is room for, while this thread does not receive.
#[cfg(unix)]
fn sends_and_transmits_that_wait(
    port: &CompletionPort<&'static str>,
    near: &Socket<&'static str>,
    far: &Socket<&'static str>,
    blocks: fn(std::os::fd::BorrowedFd<'_>) -> std::io::Result<()>,
) {
    const MUCH: usize = 4 * BIG;
    near.send(pattern(MUCH)).expect("a start");
    near.with_descriptor(blocks).expect("an open socket");
    let file = Arc::new(file(driver_of(port), &pattern(MUCH)));
    near.transmit(Transmit::new(file, 0..MUCH as u64))
        .expect("a start");
    expect_nothing(port);
    near.with_descriptor(blocks).expect("an open socket");
    let (mut received, mut sent) = (0, 0);
    far.receive(Buffer::with_capacity(1 << 20))
        .expect("a start");
    while received < 2 * MUCH || sent < 2 * MUCH {
        let completion = next(port);
        let bytes = completion.result.expect("success");
        match completion.what {
            Finished::Received { socket, buffer } => {
                received += bytes;
                if received < 2 * MUCH {
                    socket.receive(buffer).expect("a start");
                }
            }
            _ => sent += bytes,
        }
    }
    assert_eq!((received, sent), (2 * MUCH, 2 * MUCH));
}

/// Tries to receive until there is something to be had.
#[track_caller]
fn try_until_received<K: Key>(
    port: &CompletionPort<K>,
    socket: &Socket<K>,
    memory: &mut [MaybeUninit<u8>],
) -> usize {
    loop {
        socket.ready_to_receive().expect("a start");
        let Finished::Readable { socket } = next(port).what else {
            panic!("it is told that there may be something");
        };
        match socket.try_receive(memory) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            received => return received.expect("bytes or the end"),
        }
    }
}

pub fn s47_attempts_on_lent_memory_are_done_at_once_or_would_block(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    let mut memory = [MaybeUninit::uninit(); 8];
    let nothing = socket.try_receive(&mut memory);
    assert_eq!(nothing.expect_err("nothing").kind(), ErrorKind::WouldBlock);
    assert_eq!(socket.try_send(b"ahoy").expect("there is room"), 4);
    let pieces = [IoSlice::new(b"ah"), IoSlice::new(b""), IoSlice::new(b"oy")];
    assert_eq!(socket.try_send_vectored(&pieces).expect("there is room"), 4);
    let mut all = [0; 8];
    peer.read_exact(&mut all).expect("the bytes");
    assert_eq!(&all, b"ahoyahoy");
    peer.write_all(b"hello").expect("a write");
    assert_eq!(try_until_received(&port, &socket, &mut memory), 5);
    // One that is under way comes first.
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    let later = socket.try_receive(&mut memory);
    assert_eq!(later.expect_err("it waits").kind(), ErrorKind::WouldBlock);
    assert_eq!(received(&port)[..], *b"ahoy");
    assert!(!socket.peer_has_ended().expect("an open socket"));
    peer.shutdown();
    assert_eq!(try_until_received(&port, &socket, &mut memory), 0);
    assert!(socket.peer_has_ended().expect("an open socket"));
    expect_nothing(&port);
}

pub fn s47_receives_that_are_paused_wait_until_they_are_resumed(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    socket.pause_receiving().expect("an open socket");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    expect_nothing(&port);
    socket.resume_receiving().expect("an open socket");
    assert_eq!(received(&port)[..], *b"ahoy");
}

pub fn s47_a_paused_receive_keeps_no_buffer_from_others(driver: Driver) {
    if cfg!(windows) {
        return; // There it is begun already, and takes the buffer.
    }
    let port = port(driver, 1);
    let pool = BufferPool::with_limit(16, 1);
    let (first, mut peer_of_first) = pair(&port, 1);
    let (second, mut peer_of_second) = pair(&port, 2);
    let taken = pool.get().expect("it is free");
    first.receive_from(&pool).expect("a start");
    peer_of_first.write_all(b"ahoy").expect("a write");
    expect_nothing(&port);
    second.receive_from(&pool).expect("a start");
    peer_of_second.write_all(b"good").expect("a write");
    expect_nothing(&port);
    first.pause_receiving().expect("an open socket");
    drop(taken);
    let completion = next(&port);
    assert_eq!(completion.key, 2, "it does not wait for the first");
    drop(completion);
    expect_nothing(&port);
    first.resume_receiving().expect("an open socket");
    assert_eq!(next(&port).key, 1);
}
