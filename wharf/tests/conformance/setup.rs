//! Statements 17, 29, 30 and 32: connections that bring or take their first bytes, files that are sent, and operations whose
//! results the call brings.

use std::{
    io::{ErrorKind, Read, Write},
    sync::Arc,
    thread,
};

use wharf::{Buffer, Completion, CompletionPort, Connection, Finished, Started, Transmit};

use crate::harness::*;

#[track_caller]
fn done<K: Key>(started: Started<K>) -> Completion<K> {
    match started {
        Started::Completed(completion) => completion,
        Started::Pending(id) => panic!("it is done at once, it was {id:?}"),
    }
}

pub fn s17_what_is_done_at_once_comes_back_from_the_call_and_nothing_follows(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, "key");
    let completion = done(socket.skip_port().send(b"ahoy").expect("a start"));
    assert_eq!((completion.key, completion.transferred), ("key", 4));
    assert!(matches!(completion.what, Finished::Sent { payload, .. } if payload[..] == *b"ahoy"));
    peer.read_exact(&mut [0; 4]).expect("the bytes");
    expect_nothing(&port);

    // A receive is, once the port knows that there is something.
    socket.readable().expect("a start");
    peer.write_all(b"hello").expect("a write");
    assert!(matches!(next(&port).what, Finished::Readable { .. }));
    let receive = socket.skip_port().receive(Buffer::with_capacity(8));
    let completion = done(receive.expect("a start"));
    assert!(
        matches!(completion.what, Finished::Received { buffer, .. } if buffer[..] == *b"hello")
    );
    expect_nothing(&port);
    assert_eq!(socket.traffic().map(moved), Some((5, 4)));
}

pub fn s17_what_is_not_done_at_once_gives_its_packet(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = narrow_pair(&port, ());
    let receive = socket.skip_port().receive(Buffer::with_capacity(8));
    let Started::Pending(receive) = receive.expect("a start") else {
        panic!("nothing is there to receive");
    };
    let send = socket.skip_port().send(pattern(BIG)).expect("a start");
    let Started::Pending(send) = send else {
        panic!("there is no room for all of it");
    };
    expect_nothing(&port);
    peer.write_all(b"ahoy").expect("a write");
    assert_eq!(next(&port).operation, receive);
    let reader = thread::spawn(move || peer.read_exact(&mut vec![0; BIG]).expect("all of it"));
    let completion = next(&port);
    assert_eq!((completion.operation, completion.transferred), (send, BIG));
    reader.join().expect("it ends well");
    expect_nothing(&port);
}

pub fn s17_an_accept_takes_what_has_come_within_the_call(driver: Driver) {
    let port = port(driver, 1);
    let listener = listen(&port, "key");
    let started = listener.accept_skip_port().expect("a start");
    let Started::Pending(first) = started else {
        panic!("nobody has connected");
    };
    expect_nothing(&port);
    let connect = |_| connect(driver, listener.local_addr());
    let peers: Vec<_> = (0..4).map(connect).collect();
    let mut completions = vec![next(&port)];
    assert_eq!(completions[0].operation, first);
    for _ in 1..peers.len() {
        let started = listener.accept_skip_port().expect("a start");
        completions.push(match started {
            // There the kernel says whether it has ended.
            Started::Pending(_) if cfg!(windows) => next(&port),
            started => done(started),
        });
    }
    for completion in completions {
        assert_eq!(completion.key, "key");
        let Finished::Accepted { connection, .. } = completion.what else {
            panic!("an accept is due, it was {:?}", completion.what);
        };
        let peer = connection.expect("a connection").peer;
        assert!(peers.iter().any(|it| it.local_addr() == peer), "{peer}");
    }
    let started = listener.accept_skip_port().expect("a start");
    assert!(matches!(started, Started::Pending(_)), "there are no more");
    expect_nothing(&port);
}

pub fn s17_what_stands_in_line_before_goes_first(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = narrow_pair(&port, ());
    let first = socket.send(pattern(BIG)).expect("a start");
    let second = socket.skip_port().send(b"behind it").expect("a start");
    assert!(matches!(second, Started::Pending(_)));
    let reader = thread::spawn(move || {
        let mut all = vec![0; BIG + 9];
        peer.read_exact(&mut all).expect("all of it");
        all
    });
    assert_eq!(next(&port).operation, first);
    let _ = next(&port);
    assert_eq!(reader.join().expect("it ends well")[BIG..], *b"behind it");
}

pub fn s17_what_fails_at_once_comes_back_from_the_call(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = pair(&port, ());
    reset(peer);
    until_reset(&socket);
    let completion = done(socket.skip_port().send(b"ahoy").expect("a start"));
    let kind = failed(&completion);
    assert!([ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&kind));
    expect_nothing(&port);
    socket.skip_port().send(b"ahoy").expect_err("a refusal");
}

#[track_caller]
fn arrived<K: Key>(completion: Completion<K>) -> (Box<Connection>, Buffer) {
    match completion.what {
        Finished::AcceptedReceived {
            connection, buffer, ..
        } => (connection.expect("the accept succeeds"), buffer),
        other => panic!("an accept with first bytes is due, it was {other:?}"),
    }
}

pub fn s29_an_accept_waits_for_the_first_bytes(driver: Driver) {
    let port = port(driver, 1);
    let listener = listen(&port, "listener");
    let accept = listener
        .accept_receive(Buffer::with_capacity(8))
        .expect("a start");
    let mut peer = connect(driver, listener.local_addr());
    expect_nothing(&port);
    peer.write_all(b"ahoy").expect("a write");
    let completion = next(&port);
    assert_eq!((completion.key, completion.operation), ("listener", accept));
    assert_eq!(completion.result.as_ref().expect("success"), &4);
    let (connection, buffer) = arrived(completion);
    assert_eq!(buffer[..], *b"ahoy");
    assert_eq!(connection.peer, peer.local_addr());
    assert_eq!(connection.local, listener.local_addr());
    // The connection is a new one to the port, with a key of its own.
    let socket = port
        .associate(connection, "client")
        .expect("an association");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    peer.write_all(b"more").expect("a write");
    let completion = next(&port);
    assert_eq!((completion.key, completion.transferred), ("client", 4));
    drop(completion);
    let cancel = port.cancel(accept).expect_err("it has completed");
    assert_eq!(cancel.kind(), ErrorKind::NotFound);
}

pub fn s29_a_peer_that_sends_nothing_holds_up_no_other_accept(driver: Driver) {
    let port = port(driver, 1);
    let listener = listen(&port, ());
    let start = || listener.accept_receive(Buffer::with_capacity(8));
    start().expect("a start");
    start().expect("a start");
    let mut silent = connect(driver, listener.local_addr());
    expect_nothing(&port);
    let mut peer = connect(driver, listener.local_addr());
    peer.write_all(b"ahoy").expect("a write");
    assert_eq!(arrived(next(&port)).0.peer, peer.local_addr());
    listener.accept().expect("a start");
    let third = connect(driver, listener.local_addr());
    assert!(matches!(
        next(&port).what,
        Finished::Accepted { connection: Some(connection), .. } if connection.peer == third.local_addr()
    ));
    silent.write_all(b"late").expect("a write");
    assert_eq!(arrived(next(&port)).0.peer, silent.local_addr());
}

pub fn s29_a_peer_that_ends_or_resets_before_its_first_bytes_is_told_of(driver: Driver) {
    let port = port(driver, 1);
    let listener = listen(&port, ());
    let start = || listener.accept_receive(Buffer::with_capacity(8));
    start().expect("a start");
    let peer = connect(driver, listener.local_addr());
    peer.shutdown();
    let completion = next(&port);
    assert_eq!(completion.result.as_ref().expect("an orderly end"), &0);
    assert!(arrived(completion).1.is_empty());

    start().expect("a start");
    let peer = connect(driver, listener.local_addr());
    expect_nothing(&port);
    reset(peer);
    let completion = next(&port);
    assert_eq!(failed(&completion), ErrorKind::ConnectionReset);
    let Finished::AcceptedReceived {
        connection, buffer, ..
    } = completion.what
    else {
        panic!("it was an accept with first bytes");
    };
    assert!(connection.is_none());
    assert_eq!(buffer.capacity(), 8, "the buffer comes back");
}

pub fn s29_an_accept_that_waits_for_first_bytes_can_be_cancelled(driver: Driver) {
    let port = port(driver, 1);
    let listener = listen(&port, ());
    let start = || {
        let buffer = Buffer::with_capacity(8);
        listener.accept_receive(buffer).expect("a start")
    };
    // Before there is a connection, and after.
    let accept = start();
    port.cancel(accept).expect("it is under way");
    let completion = next(&port);
    assert_eq!(completion.operation, accept);
    cancelled(completion);

    let (first, second) = (start(), start());
    let mut peer = connect(driver, listener.local_addr());
    expect_nothing(&port);
    listener.cancel(first).expect("it is under way");
    let completion = next(&port);
    assert_eq!(completion.operation, first);
    cancelled(completion);
    assert_eq!(
        peer.read(&mut [0; 8]).unwrap_or(0),
        0,
        "its connection is gone"
    );
    let again = listener.cancel(first).expect_err("it has completed");
    assert_eq!(again.kind(), ErrorKind::NotFound);

    let _waits = connect(driver, listener.local_addr());
    expect_nothing(&port);
    assert_eq!(listener.cancel_all(), 1);
    let completion = next(&port);
    assert_eq!(completion.operation, second);
    cancelled(completion);
}

pub fn s29_closing_the_listener_cancels_accepts_that_wait_for_first_bytes(driver: Driver) {
    let port: CompletionPort<()> = port(driver, 1);
    for closes_port in [false, true] {
        let listener = listen(&port, ());
        for _ in 0..2 {
            let buffer = Buffer::with_capacity(8);
            listener.accept_receive(buffer).expect("a start");
        }
        let mut peer = connect(driver, listener.local_addr());
        expect_nothing(&port);
        if closes_port {
            let given_back = port.close();
            assert_eq!(given_back.len(), 2);
            given_back.into_iter().for_each(cancelled);
        } else {
            assert!(listener.close());
            cancelled(next(&port));
            cancelled(next(&port));
        }
        assert_eq!(peer.read(&mut [0; 8]).unwrap_or(0), 0);
    }
}

pub fn s29_an_accept_into_no_memory_is_refused(driver: Driver) {
    let port = port(driver, 1);
    let listener = listen(&port, ());
    let refused = listener.accept_receive(Buffer::with_capacity(0));
    let refused = refused.expect_err("nothing could be received");
    assert_eq!(refused.error.kind(), ErrorKind::InvalidInput);
    expect_nothing(&port);
}

pub fn s30_a_connect_sends_its_first_bytes(driver: Driver) {
    let port = port(driver, 1);
    let listener = Listening::on(driver);
    // Few enough to leave at once, and too many for that.
    for len in [4, 0, BIG] {
        let payload = pattern(len);
        let connect = port.connect_send(listener.address(), payload.clone(), "key");
        let connect = connect.expect("a start");
        let (mut peer, _) = listener.accept();
        let reader = thread::spawn(move || {
            let mut all = vec![0; len];
            peer.read_exact(&mut all).expect("all of it");
            (all, peer)
        });
        let completion = next(&port);
        assert_eq!((completion.key, completion.operation), ("key", connect));
        assert_eq!(completion.result.expect("success"), len);
        let Finished::ConnectedSent {
            socket,
            payload: given,
        } = completion.what
        else {
            panic!("it was a connect with first bytes");
        };
        assert!(given[..] == payload);
        let (all, mut peer) = reader.join().expect("it ends well");
        assert!(all == payload);
        socket.send(b"more").expect("a start");
        sent(&port);
        peer.read_exact(&mut [0; 4]).expect("the stream goes on");
        assert_eq!(socket.unsent(), 0);
    }
}

pub fn s30_a_connect_with_first_bytes_that_is_refused_gives_them_back(driver: Driver) {
    let port = port(driver, 1);
    let (_held, nobody) = nobody(driver);
    port.connect_send(nobody, &b"ahoy"[..], ())
        .expect("it is for the completion to say");
    let completion = next(&port);
    assert_eq!(failed(&completion), ErrorKind::ConnectionRefused);
    assert_eq!(completion.transferred, 0);
    assert!(
        matches!(completion.what, Finished::ConnectedSent { payload, .. } if payload[..] == *b"ahoy")
    );
    port.close();
    let refused = port.connect_send(nobody, &b"ahoy"[..], ());
    assert_eq!(refused.expect_err("it is closed").given[..], *b"ahoy");
}

/// Sends it, reads it at the other end, and says what came.
fn transmitted(driver: Driver, transmit: Transmit, len: usize) -> Vec<u8> {
    let port = port(driver, 1);
    let (socket, mut peer) = narrow_pair(&port, ());
    socket.transmit(transmit).expect("a start");
    socket.send(b"!").expect("a start");
    let reader = thread::spawn(move || {
        let mut all = vec![0; len + 1];
        peer.read_exact(&mut all).expect("all of it");
        all
    });
    let completion = next(&port);
    assert_eq!(completion.result.expect("success"), len);
    assert!(matches!(completion.what, Finished::Transmitted { .. }));
    sent(&port);
    let mut all = reader.join().expect("it ends well");
    assert_eq!(
        all.pop(),
        Some(b'!'),
        "what was sent behind it comes behind it"
    );
    assert_eq!(socket.unsent(), 0);
    all
}

pub fn s32_a_file_is_sent_with_head_and_tail_and_all_of_it_counts(driver: Driver) {
    let content = pattern(1000);
    let transmit = Transmit::new(Arc::new(file(driver, &content)), 0..1000)
        .with_head(b"head")
        .with_tail("tail");
    let all = transmitted(driver, transmit, 1008);
    assert!(all == [b"head", &content[..], b"tail"].concat());
}

pub fn s32_a_part_of_a_file_is_sent_from_an_offset(driver: Driver) {
    let content = pattern(1000);
    let file = Arc::new(file(driver, &content));
    for range in [0..0, 990..1000, 300..301] {
        let transmit = Transmit::new(file.clone(), range.start as u64..range.end as u64);
        let all = transmitted(driver, transmit, range.len());
        assert!(all == content[range]);
    }
}

pub fn s32_a_large_file_is_one_send_in_its_place_among_the_others(driver: Driver) {
    let content = pattern(BIG);
    let transmit = Transmit::new(Arc::new(file(driver, &content)), 0..BIG as u64)
        .with_head(pattern(BIG / 4))
        .with_tail(pattern(BIG / 4));
    let all = transmitted(driver, transmit, BIG + BIG / 2);
    assert!(all == [pattern(BIG / 4), content, pattern(BIG / 4)].concat());
}

pub fn s32_a_file_that_ends_too_soon_is_a_failure_that_says_how_much_is_out(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    let transmit = Transmit::new(Arc::new(file(driver, b"short")), 0..10);
    socket.transmit(transmit).expect("a start");
    let completion = next(&port);
    let error = completion.result.expect_err("the file has but 5 bytes");
    assert_eq!(error.raw_os_error(), Some(platform::NO_DATA));
    assert_eq!(completion.transferred, 5);
    peer.read_exact(&mut [0; 5]).expect("what there was");
    assert_eq!(socket.unsent(), 0);
    // The connection is none the worse for it.
    socket.send(b"ahoy").expect("a start");
    sent(&port);
    peer.read_exact(&mut [0; 4]).expect("bytes");
}
