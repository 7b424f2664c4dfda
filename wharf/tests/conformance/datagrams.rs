//! Statements 17 and 34: datagrams.

use std::{io::ErrorKind, net::SocketAddr};

use wharf::{Buffer, BufferPool, Completion, Finished, Started};

use crate::harness::*;

/// What a receive that is due next brought, and from whom.
#[track_caller]
fn datagram<K: Key>(completion: Completion<K>) -> (Buffer, Option<SocketAddr>) {
    match completion.what {
        Finished::ReceivedDatagram { buffer, peer, .. } => (buffer, peer),
        other => panic!("a datagram is due, it was {other:?}"),
    }
}

/// The send that is due next, and succeeds.
#[track_caller]
fn sent_datagram<K: Key>(completion: Completion<K>, len: usize) {
    assert_eq!(completion.result.expect("the send succeeds"), len);
    assert!(
        matches!(completion.what, Finished::SentDatagram { payload, .. } if payload.len() == len)
    );
}

pub fn s34_datagrams_keep_their_boundaries_and_bring_their_sender(driver: Driver) {
    let port = port(driver, 1);
    let (here, here_address) = datagrams(&port, "here");
    let (there, there_address) = datagrams(&port, "there");
    for word in [&b"one"[..], b"and another"] {
        there.send_to(word, here_address).expect("a start");
        sent_datagram(next(&port), word.len());
    }
    for word in [&b"one"[..], b"and another"] {
        here.receive(Buffer::with_capacity(64)).expect("a start");
        let completion = next(&port);
        assert_eq!(completion.key, "here");
        assert_eq!(completion.result.as_ref().expect("success"), &word.len());
        let (buffer, peer) = datagram(completion);
        assert_eq!((&buffer[..], peer), (word, Some(there_address)));
    }
    // And when the receive is there first.
    here.receive(Buffer::with_capacity(64)).expect("a start");
    expect_nothing(&port);
    there
        .send_to_quietly(&b"late"[..], here_address)
        .expect("a start");
    assert_eq!(datagram(next(&port)).0[..], *b"late");
}

pub fn s34_an_empty_datagram_is_no_end(driver: Driver) {
    let port = port(driver, 1);
    let (here, address) = datagrams(&port, ());
    let (there, from) = datagrams(&port, ());
    let pool = BufferPool::new(64);
    here.receive(Buffer::with_capacity(64)).expect("a start");
    here.receive_from(&pool).expect("a start");
    for _ in 0..2 {
        there.send_to_quietly(&b""[..], address).expect("a start");
        let completion = next(&port);
        assert_eq!(completion.result.as_ref().expect("success"), &0);
        assert_eq!(datagram(completion).1, Some(from));
    }
    assert_eq!(pool.in_use(), 0);
    here.receive(Buffer::with_capacity(64)).expect("a start");
    expect_nothing(&port);
    there
        .send_to_quietly(&b"ahoy"[..], address)
        .expect("a start");
    assert_eq!(datagram(next(&port)).0[..], *b"ahoy");
}

pub fn s34_what_does_not_fit_is_cut_and_says_so(driver: Driver) {
    let port = port(driver, 1);
    let (here, address) = datagrams(&port, ());
    let (there, from) = datagrams(&port, ());
    here.receive(Buffer::with_capacity(4)).expect("a start");
    here.receive(Buffer::with_capacity(4)).expect("a start");
    there
        .send_to_quietly(&b"ahoy, sailor"[..], address)
        .expect("a start");
    there
        .send_to_quietly(&b"next"[..], address)
        .expect("a start");
    let completion = next(&port);
    assert!(completion.is_truncated(), "{completion:?}");
    let error = completion
        .result
        .as_ref()
        .expect_err("a part is no success");
    assert_eq!(error.raw_os_error(), Some(platform::TOO_LONG));
    assert_eq!(completion.transferred, 4);
    let (buffer, peer) = datagram(completion);
    assert_eq!((&buffer[..], peer), (&b"ahoy"[..], Some(from)));
    // The rest is gone; the next is whole.
    let completion = next(&port);
    assert!(!completion.is_truncated());
    assert_eq!(datagram(completion).0[..], *b"next");
}

pub fn s17_a_datagram_that_has_come_is_received_within_the_call(driver: Driver) {
    const WORDS: [&[u8]; 3] = [b"one", b"two", b"three"];
    let port = port(driver, 1);
    let (here, address) = datagrams(&port, ());
    let (there, from) = datagrams(&port, ());
    let pool = BufferPool::new(64);
    let receive = || here.receive_from_skip_port(&pool).expect("a start");
    let Started::Pending(first) = receive() else {
        panic!("nothing was sent");
    };
    expect_nothing(&port);
    for word in WORDS {
        there.send_to_quietly(word, address).expect("a start");
    }
    let mut completions = vec![next(&port)];
    assert_eq!(completions[0].operation, first);
    completions.extend((1..WORDS.len()).map(|_| match receive() {
        Started::Completed(completion) => completion,
        // There the kernel says whether it has ended.
        Started::Pending(_) if cfg!(windows) => next(&port),
        Started::Pending(id) => panic!("it is done at once, it was {id:?}"),
    }));
    for (completion, word) in completions.into_iter().zip(WORDS) {
        let (buffer, peer) = datagram(completion);
        assert_eq!((&buffer[..], peer), (word, Some(from)));
    }
    assert!(
        matches!(receive(), Started::Pending(_)),
        "there are no more"
    );
    expect_nothing(&port);
}

pub fn s34_a_buffer_of_a_pool_is_taken_when_a_datagram_is_there(driver: Driver) {
    let port = port(driver, 1);
    let (here, address) = datagrams(&port, ());
    let (there, _) = datagrams(&port, ());
    let pool = BufferPool::with_limit(64, 1);
    here.receive_from(&pool).expect("a start");
    here.receive_from(&pool).expect("a start");
    expect_nothing(&port);
    assert_eq!(pool.in_use(), 0);
    for word in [&b"one"[..], b"two"] {
        there.send_to_quietly(word, address).expect("a start");
    }
    let (first, _) = datagram(next(&port));
    assert_eq!((&first[..], pool.in_use()), (&b"one"[..], 1));
    expect_nothing(&port);
    drop(first);
    assert_eq!(datagram(next(&port)).0[..], *b"two");
    assert_eq!(pool.in_use(), 0);
}

pub fn s34_one_socket_sends_to_several_peers(driver: Driver) {
    let port = port(driver, 1);
    let (here, _) = datagrams(&port, usize::MAX);
    let peers: Vec<_> = (0..5).map(|key| datagrams(&port, key)).collect();
    for (peer, _) in &peers {
        peer.receive(Buffer::with_capacity(8)).expect("a start");
    }
    for (key, (_, address)) in peers.iter().enumerate() {
        here.send_to_quietly(vec![key as u8], *address)
            .expect("a start");
    }
    let mut keys = Vec::new();
    for _ in &peers {
        let completion = next(&port);
        let key = completion.key;
        assert_eq!(datagram(completion).0[..], [key as u8]);
        keys.push(key);
    }
    keys.sort_unstable();
    assert_eq!(keys, [0, 1, 2, 3, 4]);
}

pub fn s34_a_datagram_that_is_too_long_to_send_fails_alone(driver: Driver) {
    let port = port(driver, 1);
    let (here, address) = datagrams(&port, ());
    here.send_to(pattern(70_000), address).expect("a start");
    let completion = next(&port);
    let error = completion
        .result
        .as_ref()
        .expect_err("no datagram is so long");
    assert_eq!(error.raw_os_error(), Some(platform::TOO_LONG));
    assert!(!completion.is_truncated());
    assert_eq!(here.unsent(), 0);
    here.send_to(b"ahoy", address).expect("a start");
    sent_datagram(next(&port), 4);
}

pub fn s34_receives_are_cancelled_and_refused_like_any(driver: Driver) {
    let port = port(driver, 1);
    let (here, _) = datagrams(&port, ());
    let one = here.receive(Buffer::with_capacity(8)).expect("a start");
    here.receive_from(&BufferPool::new(8)).expect("a start");
    here.cancel(one).expect("it is under way");
    let completion = next(&port);
    assert_eq!(completion.operation, one);
    cancelled(completion);
    assert_eq!(here.cancel_all(), 1);
    cancelled(next(&port));
    here.receive(Buffer::with_capacity(8)).expect("a start");
    assert!(here.close());
    cancelled(next(&port));
    let refused = here.receive(Buffer::with_capacity(8));
    let refused = refused.expect_err("it is closed");
    assert_eq!(refused.error.kind(), ErrorKind::NotConnected);
    assert_eq!(refused.given.capacity(), 8);
}

pub fn s34_a_quiet_send_gives_no_packet(driver: Driver) {
    let port = port(driver, 1);
    let (here, address) = datagrams(&port, ());
    here.send_to_quietly(&b"ahoy"[..], address)
        .expect("a start");
    expect_nothing(&port);
    here.send_to_quietly(pattern(70_000), address)
        .expect("a start");
    assert!(next(&port).result.is_err(), "a failure is told");
}
