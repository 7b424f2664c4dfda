//! Statements 19 to 33: connected streams, accepting and connecting.

use std::{
    collections::HashSet,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener},
    sync::{Arc, Barrier, Mutex, mpsc},
    thread,
    time::Instant,
};

use bytes::Bytes;
use socket2::{Domain, SockRef, Type};
use wharf::{
    Buffer, BufferPool, Completion, CompletionPort, Connection, Finished, Listener, OperationId,
    Payload, Socket, Workers,
};

use crate::harness::*;

pub fn s19_an_orderly_end_is_0_bytes_and_so_is_the_next_receive(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    peer.write_all(b"bye").expect("a write");
    drop(peer);
    assert_eq!(received(&port)[..], *b"bye");
    for _ in 0..2 {
        socket.receive(Buffer::with_capacity(8)).expect("a start");
        assert!(received(&port).is_empty());
        socket.receive_from(&BufferPool::new(8)).expect("a start");
        assert!(received(&port).is_empty());
        socket.readable().expect("a start");
        assert_eq!(next(&port).result.expect("success"), 0);
    }
    assert_eq!(socket.traffic().map(moved), Some((3, 0)));
}

pub fn s19_several_receives_under_way_all_see_the_end(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = pair(&port, ());
    for _ in 0..3 {
        socket.receive(Buffer::with_capacity(8)).expect("a start");
    }
    drop(peer);
    for _ in 0..3 {
        assert!(received(&port).is_empty());
    }
}

pub fn s20_a_reset_fails_the_pending_receive_and_whatever_is_started_after_it(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = pair(&port, ());
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    socket.receive(Buffer::with_capacity(9)).expect("a start");
    expect_nothing(&port);
    reset(peer);
    for capacity in [8, 9] {
        let completion = next(&port);
        assert_eq!(failed(&completion), ErrorKind::ConnectionReset);
        let Finished::Received { buffer, .. } = completion.what else {
            panic!("it was a receive");
        };
        assert_eq!(
            (buffer.capacity(), buffer.len()),
            (capacity, 0),
            "the buffer comes back"
        );
    }
    let refused = socket
        .receive(Buffer::with_capacity(8))
        .expect_err("a refusal");
    assert_eq!(refused.error.kind(), ErrorKind::ConnectionReset);
    let refused = socket.send(b"ahoy").expect_err("a refusal");
    assert_eq!(refused.error.kind(), ErrorKind::ConnectionReset);
    socket.shutdown().expect_err("a refusal");
    expect_nothing(&port);
}

/// A way to start a receive.
type Start<'a> = dyn Fn(&Socket<()>) -> OperationId + 'a;

pub fn s20_a_reset_is_no_end_of_file_however_the_receive_is_made(driver: Driver) {
    let port = port(driver, 1);
    let pool = BufferPool::new(8);
    let starts: [&Start; 5] = [
        &|socket| socket.receive(Buffer::with_capacity(8)).expect("a start"),
        &|socket| socket.receive(Buffer::with_capacity(0)).expect("a start"),
        &|socket| socket.receive_from(&pool).expect("a start"),
        &|socket| {
            socket
                .receive_vectored(vec![Buffer::with_capacity(8)])
                .expect("a start")
        },
        &|socket| socket.readable().expect("a start"),
    ];
    for start in starts {
        // Started before the reset, and after it.
        let (socket, peer) = pair(&port, ());
        start(&socket);
        reset(peer);
        assert_eq!(failed(&next(&port)), ErrorKind::ConnectionReset);
        let (socket, peer) = pair(&port, ());
        reset(peer);
        until_reset(&socket);
        start(&socket);
        assert_eq!(failed(&next(&port)), ErrorKind::ConnectionReset);
    }
    assert_eq!(pool.in_use(), 0);
}

pub fn s20_a_reset_fails_pending_sends_beside_a_pending_receive(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = narrow_pair(&port, ());
    let receive = socket.receive(Buffer::with_capacity(8)).expect("a start");
    socket.send(pattern(BIG)).expect("a start");
    socket.send(b"behind it").expect("a start");
    socket.shutdown().expect("a start");
    reset(peer);
    for _ in 0..4 {
        let completion = next(&port);
        let kind = failed(&completion);
        // Linux tells of the reset once; a write after that fails with a broken pipe.
        let told_apart = completion.operation == receive || kind != ErrorKind::BrokenPipe;
        assert!(
            kind == ErrorKind::ConnectionReset || !told_apart,
            "{completion:?}"
        );
    }
    expect_nothing(&port);
    assert_eq!(socket.unsent(), 0);
}

pub fn s20_a_reset_that_a_send_noticed_first_is_no_end_of_file(driver: Driver) {
    let port = port(driver, 1);
    // With the receive under way already, and started afterwards.
    for before in [true, false] {
        let (socket, peer) = pair(&port, ());
        let receive = || socket.receive(Buffer::with_capacity(8)).map(drop);
        if before {
            receive().expect("a start");
        }
        reset(peer);
        until_reset(&socket);
        let send = socket.send(b"ahoy").expect("a start");
        if before {
            let both = [next(&port), next(&port)];
            assert!(both.iter().any(|completion| completion.operation == send));
            assert!(
                both.iter()
                    .all(|completion| failed(completion) == ErrorKind::ConnectionReset)
            );
        } else {
            assert_eq!(failed(&next(&port)), ErrorKind::ConnectionReset);
            match receive() {
                Ok(()) => assert_eq!(failed(&next(&port)), ErrorKind::ConnectionReset),
                Err(refused) => assert_eq!(refused.error.kind(), ErrorKind::ConnectionReset),
            }
        }
        let refused = socket
            .receive(Buffer::with_capacity(8))
            .expect_err("a refusal");
        assert_eq!(refused.error.kind(), ErrorKind::ConnectionReset);
    }
}

pub fn s21_a_receive_brings_at_least_1_byte_and_at_most_its_buffer(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    peer.write_all(b"0123456789").expect("a write");
    until_arrived(&socket, 10);
    for part in [&b"0123"[..], b"4567", b"89"] {
        socket.receive(Buffer::with_capacity(4)).expect("a start");
        assert_eq!(received(&port)[..], *part);
    }
    socket.receive(Buffer::with_capacity(4)).expect("a start");
    expect_nothing(&port);
    peer.write_all(b"!").expect("a write");
    assert_eq!(received(&port)[..], *b"!");
    // What a buffer held before is no part of what was received.
    socket
        .receive(Buffer::from(b"old bytes".to_vec()))
        .expect("a start");
    peer.write_all(b"new").expect("a write");
    assert_eq!(received(&port)[..], *b"new");
    assert_eq!(socket.traffic().map(moved), Some((14, 0)));
}

pub fn s22_a_receive_into_0_bytes_waits_for_data_and_takes_none(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    let ask = || {
        socket.receive(Buffer::with_capacity(0)).expect("a start");
        socket.readable().expect("a start");
        socket.receive_vectored(Vec::new()).expect("a start");
    };
    let answered = || {
        for _ in 0..3 {
            assert_eq!(next(&port).result.expect("success"), 0);
        }
    };
    ask();
    expect_nothing(&port);
    peer.write_all(b"ahoy").expect("a write");
    answered();
    // Data is there already.
    ask();
    answered();
    assert_eq!(socket.unread().expect("a number"), 4);
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    assert_eq!(received(&port)[..], *b"ahoy");
    // There is none any more; then there is the end.
    ask();
    expect_nothing(&port);
    drop(peer);
    answered();
}

pub fn s22_idle_receives_from_a_pool_own_no_buffer(driver: Driver) {
    let port = port(driver, 1);
    let pool = BufferPool::new(64);
    let mut pairs: Vec<_> = (0..100).map(|key| pair(&port, key)).collect();
    for (socket, _) in &pairs {
        socket.receive_from(&pool).expect("a start");
    }
    expect_nothing(&port);
    assert_eq!(pool.in_use(), 0);

    pairs[42].1.write_all(b"ahoy").expect("a write");
    let completion = next(&port);
    assert_eq!((completion.key, pool.in_use()), (42, 1));
    let Finished::Received { buffer, .. } = completion.what else {
        panic!("it was a receive");
    };
    assert_eq!(buffer[..], *b"ahoy");
    drop(buffer);
    expect_nothing(&port);
    assert_eq!(pool.in_use(), 0);
}

pub fn s22_a_failed_receive_from_a_pool_holds_no_buffer(driver: Driver) {
    let port = port(driver, 1);
    let pool = BufferPool::with_limit(64, 1);
    let (socket, peer) = pair(&port, ());
    socket.receive_from(&pool).expect("a start");
    reset(peer);
    let completion = next(&port);
    assert_eq!(failed(&completion), ErrorKind::ConnectionReset);
    let Finished::Received { buffer, .. } = &completion.what else {
        panic!("it was a receive");
    };
    assert_eq!(
        (buffer.capacity(), pool.in_use()),
        (0, 0),
        "it had no use for one"
    );
}

/// A pool of which every buffer is given out, as many sockets whose receives wait for one, and the buffer.
fn waiting_for_buffers(
    port: &CompletionPort<u8>,
    count: u8,
) -> (BufferPool, Buffer, Vec<(Socket<u8>, Stream)>) {
    let pool = BufferPool::with_limit(16, 1);
    let held = pool.get().expect("the first buffer");
    assert!(pool.get().is_none(), "there is no second");
    let mut pairs: Vec<_> = (0..count).map(|key| pair(port, key)).collect();
    for (socket, peer) in &mut pairs {
        socket.receive_from(&pool).expect("a start");
        peer.write_all(&[*socket.key()]).expect("a write");
        // One after the other, so that their order is known.
        until_arrived(socket, 1);
        expect_nothing(port);
    }
    (pool, held, pairs)
}

pub fn s22_receives_wait_for_a_pool_that_is_at_its_limit_and_go_on_in_order(driver: Driver) {
    let port = port(driver, 1);
    let (pool, held, pairs) = waiting_for_buffers(&port, 5);
    let mut held = Some(held);
    for key in 0..5 {
        drop(held.take());
        let completion = next(&port);
        assert_eq!(completion.key, key);
        assert_eq!(completion.result.as_ref().expect("none fails for it"), &1);
        let Finished::Received { buffer, .. } = completion.what else {
            panic!("it was a receive");
        };
        assert_eq!(buffer[..], [key]);
        assert_eq!(pool.in_use(), 1);
        expect_nothing(&port);
        held = Some(buffer);
    }
    drop((held, pairs));
    assert_eq!(pool.in_use(), 0);
}

pub fn s22_many_clients_share_few_buffers_and_lose_nothing(driver: Driver) {
    const CLIENTS: usize = 24;
    const LEN: usize = 100_000;
    let port = port(driver, 2);
    let pool = BufferPool::with_limit(512, 3);
    let buffers = pool.clone();
    let workers = Workers::start(&port, 4, move |_, completion| match completion.what {
        Finished::Received { socket, buffer } if !buffer.is_empty() => drop(socket.send(buffer)),
        Finished::Sent { socket, .. } => drop(socket.receive_from(&buffers)),
        _ => {}
    });
    let clients = (0..CLIENTS).map(|key| {
        let (socket, peer) = pair(&port, key);
        socket.receive_from(&pool).expect("a start");
        thread::spawn(move || {
            let message: Vec<_> = pattern(LEN).iter().map(|byte| byte ^ key as u8).collect();
            let mut echo = vec![0; LEN];
            thread::scope(|both| {
                both.spawn(|| (&peer).read_exact(&mut echo).expect("an echo"));
                for part in message.chunks(1 + 97 * (key + 1)) {
                    (&peer).write_all(part).expect("a write");
                }
            });
            assert!(echo == message, "client {key} gets its own bytes back");
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.join().expect("the client is served");
    }
    eventually("all buffers are back", || pool.in_use() == 0);
    port.close();
    workers.expect("workers").join();
}

pub fn s22_a_buffer_goes_to_the_next_when_the_first_in_line_is_cancelled(driver: Driver) {
    let port = port(driver, 1);
    let (pool, held, pairs) = waiting_for_buffers(&port, 3);
    assert_eq!(pairs[0].0.cancel_all(), 1);
    cancelled(next(&port));
    assert!(pairs[1].0.close());
    cancelled(next(&port));
    drop(held);
    assert_eq!(next(&port).key, 2);
    assert_eq!(pool.in_use(), 0);
}

pub fn s22_a_buffer_goes_to_the_next_when_its_receive_is_cancelled_meanwhile(driver: Driver) {
    let port = port(driver, 1);
    let (_pool, held, pairs) = waiting_for_buffers(&port, 2);
    // The first is told of the buffer, and cancelled before any thread has come by to take it.
    drop(held);
    pairs[0].0.cancel_all();
    cancelled(next(&port));
    assert_eq!(next(&port).key, 1);
}

pub fn s22_a_buffer_goes_to_the_next_when_the_first_in_line_has_its_own_by_now(driver: Driver) {
    let port = port(driver, 1);
    let (pool, held, pairs) = waiting_for_buffers(&port, 2);
    pairs[0].0.cancel_all();
    cancelled(next(&port));
    pairs[0]
        .0
        .receive(Buffer::with_capacity(16))
        .expect("a start");
    drop(held);
    let mut keys = [next(&port).key, next(&port).key];
    keys.sort_unstable();
    assert_eq!(keys, [0, 1]);
    assert_eq!(pool.in_use(), 0);
}

pub fn s22_a_receive_with_its_own_buffer_does_not_wait_for_a_pool(driver: Driver) {
    let port = port(driver, 1);
    let (_pool, _held, pairs) = waiting_for_buffers(&port, 1);
    pairs[0].0.cancel_all();
    cancelled(next(&port));
    // The data that the pool had no buffer for is there still.
    pairs[0]
        .0
        .receive(Buffer::with_capacity(16))
        .expect("a start");
    assert_eq!(received(&port)[..], [0]);
}

pub fn s22_a_share_that_is_used_up_keeps_nobody_else_waiting(driver: Driver) {
    let port = port(driver, 1);
    let pool = BufferPool::with_limit(16, 8);
    let share = pool.share(2);
    let (greedy, mut greedy_peer) = pair(&port, "greedy");
    let (polite, mut polite_peer) = pair(&port, "polite");
    let mut kept = Vec::new();
    for _ in 0..2 {
        greedy_peer.write_all(b"1").expect("a write");
        greedy.receive_from(&share).expect("a start");
        kept.push(received(&port));
    }
    greedy_peer.write_all(b"2").expect("a write");
    until_arrived(&greedy, 1);
    greedy.receive_from(&share).expect("a start");
    expect_nothing(&port);
    assert!(share.get().is_none(), "the share is used up");
    assert_eq!(pool.in_use(), 2, "and takes nothing more");

    polite.receive_from(&pool.share(2)).expect("a start");
    polite_peer.write_all(b"3").expect("a write");
    assert_eq!(received(&port)[..], *b"3");

    kept.pop();
    assert_eq!(received(&port)[..], *b"2");
    drop(kept);
    assert_eq!(pool.in_use(), 0);
}

pub fn s22_a_share_lets_the_next_in_when_the_first_goes_without(driver: Driver) {
    let port = port(driver, 1);
    let pool = BufferPool::with_limit(16, 8);
    for is_told in [false, true] {
        let share = pool.share(1);
        let held = share.get();
        let mut pairs: Vec<_> = (0..2).map(|key| pair(&port, key)).collect();
        for (socket, peer) in &mut pairs {
            socket.receive_from(&share).expect("a start");
            peer.write_all(b"x").expect("a write");
            until_arrived(socket, 1);
            expect_nothing(&port);
        }
        if is_told {
            drop(held);
            pairs[0].0.cancel_all();
        } else {
            pairs[0].0.cancel_all();
            drop(held);
        }
        cancelled(next(&port));
        assert_eq!(next(&port).key, 1);
    }
    assert_eq!(pool.in_use(), 0);
}

pub fn s22_a_buffer_that_is_promised_to_a_receive_is_nobody_elses(driver: Driver) {
    let port = port(driver, 1);
    let (pool, held, mut pairs) = waiting_for_buffers(&port, 2);
    drop(held);
    assert!(pool.get().is_none(), "it is for the first in line");
    // A share whose receive waits for its own buffer gets in line when that comes back, and not ahead of it.
    let first = next(&port);
    assert_eq!(first.key, 0);
    assert!(pool.get().is_none());
    let (socket, peer) = &mut pairs[0];
    peer.write_all(b"again").expect("a write");
    socket.receive_from(&pool).expect("a start");
    drop(first);
    assert_eq!(next(&port).key, 1);
    assert_eq!(next(&port).key, 0);
    assert_eq!(pool.in_use(), 0);
}

pub fn s22_a_receive_that_waits_for_memory_sees_the_end_and_a_reset(driver: Driver) {
    let port = port(driver, 1);
    let pool = BufferPool::with_limit(16, 1);
    let held = pool.get();
    for resets in [false, true] {
        let (socket, peer) = pair(&port, resets);
        socket.receive_from(&pool).expect("a start");
        expect_nothing(&port);
        match resets {
            false => {
                drop(peer);
                assert_eq!(next(&port).result.expect("an orderly end"), 0);
            }
            true => {
                reset(peer);
                assert_eq!(failed(&next(&port)), ErrorKind::ConnectionReset);
            }
        }
    }
    // Also with bytes before it that nobody has read: there is nobody left to answer them.
    let (socket, mut peer) = pair(&port, true);
    peer.write_all(b"unread").expect("a write");
    until_arrived(&socket, 6);
    socket.receive_from(&pool).expect("a start");
    expect_nothing(&port);
    if driver != Driver::Simulated {
        reset(peer);
        assert_eq!(failed(&next(&port)), ErrorKind::ConnectionReset);
    }
    drop(held);
    assert_eq!(pool.in_use(), 0);
}

/// Reads on a thread of its own, so that nothing the port does has to wait for it.
fn read_later(mut peer: Stream, len: usize) -> thread::JoinHandle<(Vec<u8>, Stream)> {
    thread::spawn(move || {
        let mut all = vec![0; len];
        peer.read_exact(&mut all).expect("all of it");
        (all, peer)
    })
}

pub fn s23_a_send_completes_when_all_of_its_bytes_are_taken(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = narrow_pair(&port, ());
    let payload = pattern(BIG);
    socket.send(payload.clone()).expect("a start");
    expect_nothing(&port);
    // Windows does not tell how much of it is taken already.
    let whole = usize::from(driver == Driver::Windows);
    assert!((1..BIG + whole).contains(&socket.unsent()));
    let reader = read_later(peer, BIG);
    assert_eq!(sent(&port)[..], payload);
    assert_eq!(
        (socket.unsent(), socket.traffic().map(moved)),
        (0, Some((0, BIG as u64)))
    );
    assert!(reader.join().expect("it ends well").0 == payload);
}

pub fn s23_a_quiet_send_that_waits_keeps_no_buffer_of_its_pool(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = narrow_pair(&port, ());
    let pool = BufferPool::with_limit(BIG, 3);
    let bytes = pattern(BIG);
    // The first can't leave whole, the second stands behind it.
    for _ in 0..2 {
        let mut buffer = pool.get().expect("a buffer");
        buffer.copy_from(&bytes);
        socket.send_quietly(buffer).expect("a start");
        expect_nothing(&port);
    }
    assert!(socket.unsent() > BIG);
    assert_eq!(pool.in_use(), 0);
    let workers = Workers::start(&port, 1, |_, _| ()).expect("a worker");
    let (all, _) = read_later(peer, 2 * BIG).join().expect("it ends well");
    assert!(all[..BIG] == bytes && all[BIG..] == bytes);
    port.close();
    workers.join();
}

pub fn s23_a_send_that_asks_for_it_is_refused_while_another_is_under_way(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = narrow_pair(&port, ());
    socket.send_if_idle(pattern(BIG)).expect("nothing waits");
    expect_nothing(&port);
    let refused = socket.send_if_idle(b"more").expect_err("one waits");
    assert_eq!(refused.error.kind(), ErrorKind::WouldBlock);
    assert_eq!(refused.given[..], *b"more");
    let reader = read_later(peer, BIG);
    eventually("the first is out", || {
        expect_nothing(&port);
        socket.unsent() == 0
    });
    let (all, mut peer) = reader.join().expect("it ends well");
    assert!(all == pattern(BIG));
    eventually("nothing waits", || socket.send_if_idle(b"more").is_ok());
    let mut more = [0; 4];
    peer.read_exact(&mut more).expect("it is out");
    assert_eq!(more, *b"more");
}

pub fn s23_the_number_of_sends_under_way_is_bounded(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = narrow_pair(&port, ());
    socket.set_sends_max(3).expect("an open socket");
    socket.send(pattern(BIG)).expect("the first");
    for _ in 0..2 {
        socket.send(b"x").expect("there is room");
    }
    let refused = socket.send(b"y").expect_err("three are under way");
    assert_eq!(refused.error.kind(), ErrorKind::WouldBlock);
    let text = refused.error.to_string();
    assert!(text.contains("the limit is 3"), "{text}");
    // What ends the stream needs no room.
    socket.shutdown().expect("a start");
    let reader = read_later(peer, BIG + 2);
    for _ in 0..3 {
        sent(&port);
    }
    assert!(matches!(next(&port).what, Finished::Shutdown { .. }));
    let (all, _) = reader.join().expect("it ends well");
    assert_eq!(all[BIG..], *b"xx");
}

pub fn s23_a_send_of_nothing_completes(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    socket.send(Buffer::with_capacity(8)).expect("a start");
    assert!(sent(&port).is_empty());
    socket.send_vectored(Vec::new()).expect("a start");
    assert_eq!(next(&port).result.expect("success"), 0);
    socket.send(b"ahoy").expect("a start");
    assert_eq!(sent(&port)[..], *b"ahoy");
    peer.read_exact(&mut [0; 4]).expect("the stream goes on");
}

/// A port on which this thread runs, with `queued` more packets behind the one that it took.
fn busy_port(driver: Driver, concurrency: usize, queued: u32) -> CompletionPort<u32> {
    let port = port(driver, concurrency);
    (0..=queued).for_each(|key| port.post(key, 0).expect("a post"));
    assert_eq!(next(&port).key, 0);
    port
}

pub fn s23_a_send_that_its_starter_leaves_behind_goes_out_through_another_thread(driver: Driver) {
    // A driver may put a send off that is started while other work waits, to let it go with that.
    let port = busy_port(driver, 2, 5);
    let (socket, mut peer) = pair(&port, 100);
    socket.send(b"ahoy").expect("a start");
    let threads = Threads::new(&port, 1);
    for key in 1..=5 {
        threads.wait(0);
        assert_eq!(threads.released(&key), 0);
    }
    threads.wait(0);
    peer.read_exact(&mut [0; 4]).expect("the bytes leave");
    assert_eq!(threads.released(&100), 0);
}

pub fn s23_a_send_leaves_although_its_starter_does_not_come_back(driver: Driver) {
    let port = busy_port(driver, 1, 5);
    let (socket, mut peer) = pair(&port, 100);
    socket.send(b"ahoy").expect("a start");
    // This thread is in its handler all the time, asleep or computing, and no other comes by.
    peer.read_exact(&mut [0; 4])
        .expect("the bytes leave while the handler sleeps");

    socket.send(b"ahoy").expect("a start");
    peer.set_blocking(false);
    let deadline = Instant::now() + GUARD;
    while peer.peek(&mut [0; 4]).is_err() {
        assert!(
            Instant::now() < deadline,
            "the bytes leave while the handler computes"
        );
    }
}

pub fn s24_sends_leave_in_call_order_from_any_thread_and_whole(driver: Driver) {
    const THREADS: usize = 4;
    const FRAMES: usize = 400;
    let port = port(driver, 2);
    let (socket, mut peer) = narrow_pair(&port, ());
    let (done, completions) = mpsc::channel();
    let workers = Workers::start(&port, 3, move |_, completion| {
        let _ = done.send(completion.result.ok());
    });
    let number = Arc::new(Mutex::new(0_usize));
    let starters = [(); THREADS].map(|()| {
        let (socket, number) = (socket.clone(), number.clone());
        thread::spawn(move || {
            loop {
                let mut number = number.lock().expect("no panic");
                if *number == FRAMES {
                    return;
                }
                socket.send(frame(*number)).expect("a start");
                *number += 1;
            }
        })
    });
    // The peer reads late: nearly all of them wait in line.
    for starter in starters {
        starter.join().expect("it ends well");
    }
    assert!(socket.unsent() > 0);
    for number in 0..FRAMES {
        let expected = frame(number);
        let mut got = vec![0; expected.len()];
        peer.read_exact(&mut got).expect("a frame");
        assert!(got == expected, "frame {number} comes next and whole");
    }
    for _ in 0..FRAMES {
        told(&completions).expect("each send succeeds");
    }
    port.close();
    workers.expect("workers").join();
}

/// A message that tells its number in each of its bytes; lengths vary a lot.
fn frame(number: usize) -> Vec<u8> {
    let len = 1 + (number * 7919) % 20_000;
    (number as u32)
        .to_be_bytes()
        .into_iter()
        .cycle()
        .take(len)
        .collect()
}

pub fn s24_receives_fill_in_call_order(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    let pool = BufferPool::new(3);
    let first = socket.receive(Buffer::with_capacity(3)).expect("a start");
    let many = vec![Buffer::with_capacity(2), Buffer::with_capacity(1)];
    let second = socket.receive_vectored(many).expect("a start");
    let third = socket.receive_from(&pool).expect("a start");
    let fourth = socket.receive(Buffer::with_capacity(3)).expect("a start");
    peer.write_all(b"aaabbbcccddd").expect("a write");
    let mut got = Vec::new();
    for operation in [first, second, third, fourth] {
        let completion = next(&port);
        assert_eq!(completion.operation, operation);
        match completion.what {
            Finished::Received { buffer, .. } => got.extend_from_slice(&buffer),
            Finished::ReceivedVectored { buffers, .. } => {
                got.extend(buffers.iter().flat_map(|buffer| buffer.to_vec()))
            }
            other => panic!("it was a receive, not {other:?}"),
        }
    }
    assert_eq!(got, b"aaabbbcccddd");
}

pub fn s25_gathered_payloads_are_one_operation(driver: Driver) {
    const LEN: usize = 1 << 20;
    let port = port(driver, 1);
    let (socket, peer) = narrow_pair(&port, ());
    let whole = pattern(LEN);
    // More pieces than one system call takes, of all kinds, empty ones among them.
    let mut payloads: Vec<Payload> = vec![Bytes::new().into()];
    for (index, piece) in whole.chunks(LEN / 300).enumerate() {
        payloads.push(match index % 2 {
            0 => Bytes::copy_from_slice(piece).into(),
            _ => Buffer::from(piece.to_vec()).into(),
        });
        payloads.push(Buffer::default().into());
    }
    let count = payloads.len();
    let operation = socket.send_vectored(payloads).expect("a start");
    expect_nothing(&port);
    let reader = read_later(peer, LEN);
    let completion = next(&port);
    assert_eq!(
        (completion.operation, completion.transferred),
        (operation, LEN)
    );
    let Finished::SentVectored { payloads, .. } = completion.what else {
        panic!("it was a send of many");
    };
    assert_eq!(payloads.len(), count);
    assert!(
        payloads
            .iter()
            .flat_map(|payload| payload.iter())
            .eq(&whole),
        "they come back as given"
    );
    assert!(reader.join().expect("it ends well").0 == whole);
    expect_nothing(&port);
}

pub fn s25_scattered_buffers_are_one_operation(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    peer.write_all(b"012345678").expect("a write");
    until_arrived(&socket, 9);
    let buffers = [2, 0, 5, 3, 4].map(Buffer::with_capacity).into();
    socket.receive_vectored(buffers).expect("a start");
    let completion = next(&port);
    assert_eq!(completion.result.expect("success"), 9);
    let Finished::ReceivedVectored { buffers, .. } = completion.what else {
        panic!("it was a receive of many");
    };
    let parts: Vec<_> = buffers.iter().map(|buffer| &buffer[..]).collect();
    assert_eq!(parts, [&b"01"[..], b"", b"23456", b"78", b""]);

    // More buffers than one system call takes are still filled from the first on, without a gap.
    peer.write_all(&pattern(200)).expect("a write");
    until_arrived(&socket, 200);
    let buffers = (0..300).map(|_| Buffer::with_capacity(1)).collect();
    socket.receive_vectored(buffers).expect("a start");
    let completion = next(&port);
    let count = completion.result.expect("success");
    let Finished::ReceivedVectored { buffers, .. } = completion.what else {
        panic!("it was a receive of many");
    };
    assert!((1..=200).contains(&count), "{count}");
    assert!(
        buffers
            .iter()
            .flat_map(|buffer| buffer.iter())
            .eq(&pattern(200)[..count])
    );
}

pub fn s26_a_shutdown_follows_the_sends_before_it_and_receives_go_on(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = narrow_pair(&port, ());
    let receive = socket.receive(Buffer::with_capacity(8)).expect("a start");
    let send = socket.send(pattern(BIG)).expect("a start");
    let shutdown = socket.shutdown().expect("a start");
    expect_nothing(&port);
    socket
        .send(b"late")
        .expect_err("a send after it is refused");
    socket.shutdown().expect_err("so is another shutdown");

    let reader = thread::spawn(move || {
        let (mut peer, mut all) = (peer, Vec::new());
        peer.read_to_end(&mut all).expect("all of it, and the end");
        (all, peer)
    });
    let completion = next(&port);
    assert_eq!(
        (completion.operation, completion.result.ok()),
        (send, Some(BIG))
    );
    let completion = next(&port);
    assert_eq!(
        (completion.operation, completion.result.ok()),
        (shutdown, Some(0))
    );
    assert!(matches!(completion.what, Finished::Shutdown { .. }));
    let (all, mut peer) = reader.join().expect("it ends well");
    assert!(all == pattern(BIG));

    expect_nothing(&port);
    peer.write_all(b"ahoy").expect("a write");
    let completion = next(&port);
    assert_eq!(
        (completion.operation, completion.result.ok()),
        (receive, Some(4))
    );
}

pub fn s27_closing_completes_everything_as_cancelled(driver: Driver) {
    let port = port(driver, 1);
    let pool = BufferPool::with_limit(8, 1);
    let (socket, mut peer) = narrow_pair(&port, "key");
    let mut started = HashSet::from([
        socket.receive(Buffer::with_capacity(8)).expect("a start"),
        socket.receive_from(&pool).expect("a start"),
        socket
            .receive_vectored(vec![Buffer::with_capacity(8)])
            .expect("a start"),
        socket.readable().expect("a start"),
        socket.send(pattern(BIG)).expect("a start"),
        socket
            .send_vectored(vec![Bytes::from_static(b"more").into()])
            .expect("a start"),
        socket.send_quietly(b"still more").expect("a start"),
        socket.shutdown().expect("a start"),
    ]);
    assert_eq!(started.len(), 8, "each has a name of its own");
    assert!(socket.close());
    assert!(!socket.close(), "it is closed already");
    while !started.is_empty() {
        let completion = next(&port);
        assert!(started.remove(&completion.operation), "once each");
        assert_eq!(completion.key, "key");
        if let Finished::Sent { payload, .. } = &completion.what {
            assert!(
                [BIG, 10].contains(&payload.len()),
                "payloads come back whole"
            );
        }
        cancelled(completion);
    }
    expect_nothing(&port);
    assert_eq!(
        (pool.in_use(), socket.unsent(), socket.traffic().map(moved)),
        (0, 0, None)
    );
    // The peer sees the end, behind what the system had taken.
    let taken = peer.read_to_end(&mut Vec::new()).expect("an end");
    assert!((1..BIG).contains(&taken));
}

pub fn s27_a_socket_is_closed_if_sent_only_when_nothing_is_on_its_way(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, "key");
    // More than the system takes before the peer reads.
    let bytes = vec![7; BIG];
    socket.send(bytes.clone()).expect("a start");
    assert_eq!(socket.close_if_sent().map(moved), None);
    let reader = thread::spawn(move || {
        let mut received = Vec::new();
        peer.read_to_end(&mut received).map(|_| received)
    });
    sent(&port);
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    assert_eq!(socket.close_if_sent().map(moved), Some((0, BIG as u64)));
    assert!(next(&port).is_cancelled());
    assert_eq!(
        socket.close_if_sent().map(moved),
        None,
        "it is closed already"
    );
    let received = reader.join().expect("it ends").expect("no reset");
    assert!(received == bytes, "all of it arrives, and the end");
}

pub fn s27_a_socket_closes_with_the_last_that_holds_it(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    let clone = socket.clone();
    drop(socket);
    clone.receive(Buffer::with_capacity(8)).expect("a start");
    drop(clone);
    // The operation holds it; then its completion does.
    peer.write_all(b"ahoy").expect("a write");
    let completion = next(&port);
    assert!(completion.result.is_ok());
    peer.set_blocking(false);
    let error = peer.read(&mut [0; 8]).expect_err("it is still open");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    peer.set_blocking(true);
    drop(completion);
    assert_eq!(peer.read(&mut [0; 8]).expect("the end"), 0);
}

pub fn s27_a_busy_socket_is_gone_for_its_peer_once_it_is_closed(driver: Driver) {
    // Busy enough that a driver keeps it close at hand; closing has to take it out of there, too.
    let port = port(driver, 1);
    let mut pairs: Vec<_> = (0..8).map(|key| pair(&port, key)).collect();
    for _ in 0..100 {
        for (socket, peer) in &mut pairs {
            socket.receive(Buffer::with_capacity(8)).expect("a start");
            peer.write_all(b"ahoy").expect("a write");
            until_arrived(socket, 4);
        }
        for _ in 0..pairs.len() {
            received(&port);
        }
    }
    for (socket, peer) in &mut pairs {
        assert!(socket.close());
        assert_eq!(peer.read(&mut [0; 8]).expect("the end"), 0);
    }
    // Its place is used again, by another socket.
    let (socket, mut peer) = pair(&port, 9);
    let (_other, mut other_peer) = pair(&port, 10);
    for _ in 0..100 {
        socket.send(b"ahoy").expect("a start");
        sent(&port);
        peer.read_exact(&mut [0; 4])
            .expect("it arrives where it belongs");
    }
    other_peer.set_blocking(false);
    other_peer.read(&mut [0; 8]).expect_err("and nowhere else");
}

pub fn s27_the_descriptor_is_not_used_again_under_an_operation(driver: Driver) {
    const ROUNDS: u8 = 200;
    let port = port::<u8>(driver, 2);
    let workers = Workers::start(&port, 3, |_, completion| drop(completion));
    let (give, take) = mpsc::channel::<Socket<u8>>();
    // Starts sends on each socket until it is closed, while its descriptor is given to the next.
    let sender = thread::spawn(move || {
        for socket in take {
            let mark = [*socket.key(); 16];
            while socket.send(mark.to_vec()).is_ok() {}
        }
    });
    let mut peers = Vec::new();
    for key in 0..ROUNDS {
        let (socket, mut peer) = pair(&port, key);
        give.send(socket.clone()).expect("a thread");
        peer.read_exact(&mut [0; 16]).expect("sends are under way");
        assert!(socket.close());
        peers.push((key, peer));
    }
    drop(give);
    sender.join().expect("it ends well");
    for (key, mut peer) in peers {
        let mut all = Vec::new();
        // Closed with nothing unread, so in order.
        peer.read_to_end(&mut all).expect("an end");
        assert!(
            all.iter().all(|&byte| byte == key),
            "only what was sent on this socket"
        );
    }
    port.close();
    workers.expect("workers").join();
}

pub fn s28_a_cancelled_receive_gives_its_buffer_back_and_takes_no_data(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    let operation = socket.receive(Buffer::with_capacity(77)).expect("a start");
    socket.cancel(operation).expect("it is under way");
    let error = socket.cancel(operation).expect_err("it is finished");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let completion = next(&port);
    assert!(completion.is_cancelled() && completion.operation == operation);
    assert!(
        matches!(completion.what, Finished::Received { buffer, .. } if buffer.capacity() == 77)
    );

    peer.write_all(b"ahoy").expect("a write");
    until_arrived(&socket, 4);
    expect_nothing(&port);
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    assert_eq!(received(&port)[..], *b"ahoy");
}

pub fn s28_cancelling_one_leaves_the_others_in_their_order(driver: Driver) {
    // The first in line, one in the middle, the last; each followed by another start.
    for index in 0..3 {
        let port = port(driver, 1);
        let (socket, mut peer) = pair(&port, ());
        let start = || socket.receive(Buffer::with_capacity(1)).expect("a start");
        let mut operations = vec![start(), start(), start()];
        let gone = operations.remove(index);
        port.cancel(gone).expect("it is under way");
        let completion = next(&port);
        assert_eq!(completion.operation, gone);
        cancelled(completion);
        operations.push(start());
        peer.write_all(b"abc").expect("a write");
        for (operation, byte) in operations.into_iter().zip(b"abc") {
            let completion = next(&port);
            assert_eq!(completion.operation, operation);
            assert!(
                matches!(completion.what, Finished::Received { buffer, .. } if buffer[..] == [*byte])
            );
        }
    }
}

pub fn s28_cancelling_what_has_finished_says_not_found_and_changes_nothing(driver: Driver) {
    let port = port(driver, 1);
    let (socket, _peer) = pair(&port, ());
    let operation = socket.send(b"ahoy").expect("a start");
    eventually("the send is out", || socket.unsent() == 0);
    // Its completion waits on the queue, and then it does not.
    let error = socket.cancel(operation).expect_err("it is finished");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(socket.cancel_all(), 0);
    assert_eq!(sent(&port)[..], *b"ahoy");
    let error = port.cancel(operation).expect_err("it is finished");
    assert_eq!(error.kind(), ErrorKind::NotFound);

    port.post((), 0).expect("a post");
    let posted = next(&port).operation;
    assert_eq!(
        port.cancel(posted).expect_err("it is finished").kind(),
        ErrorKind::NotFound
    );
    socket.close();
    assert_eq!(
        port.cancel(operation).expect_err("it is finished").kind(),
        ErrorKind::NotFound
    );
    expect_nothing(&port);
}

pub fn s28_cancelling_a_handle_covers_all_of_its_operations(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = narrow_pair(&port, ());
    let (other, mut other_peer) = pair(&port, ());
    let untouched = other.receive(Buffer::with_capacity(8)).expect("a start");
    for _ in 0..3 {
        socket.receive(Buffer::with_capacity(8)).expect("a start");
        socket.send(pattern(BIG)).expect("a start");
    }
    assert_eq!(socket.cancel_all(), 6);
    (0..6).for_each(|_| cancelled(next(&port)));
    assert_eq!(socket.unsent(), 0);
    // It stays open, as does the other.
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    assert_eq!(received(&port)[..], *b"ahoy");
    other_peer.write_all(b"ahoy").expect("a write");
    assert_eq!(next(&port).operation, untouched);
}

pub fn s28_cancelling_the_receives_leaves_the_sends(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = narrow_pair(&port, ());
    socket.send(pattern(BIG)).expect("a start");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    socket.readable().expect("a start");
    assert_eq!(socket.cancel_receives(), 2);
    cancelled(next(&port));
    cancelled(next(&port));
    expect_nothing(&port);
    let reader = read_later(peer, BIG);
    assert_eq!(sent(&port).len(), BIG);
    assert!(reader.join().expect("it ends well").0 == pattern(BIG));
}

pub fn s28_a_cancelled_send_says_how_much_of_it_is_out(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = narrow_pair(&port, ());
    let operation = socket.send(pattern(BIG)).expect("a start");
    socket.cancel(operation).expect("it is under way");
    let completion = next(&port);
    assert!(completion.is_cancelled());
    let out = completion.transferred;
    assert!((1..BIG).contains(&out));
    drop(completion);
    drop(socket);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).expect("an end");
    assert_eq!(all, pattern(BIG)[..out]);
}

pub fn s28_a_cancelled_shutdown_leaves_the_sending_side_open(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = narrow_pair(&port, ());
    socket.send(pattern(BIG)).expect("a start");
    let shutdown = socket.shutdown().expect("a start");
    socket.cancel(shutdown).expect("it is under way");
    cancelled(next(&port));
    socket.send(b"!").expect("the side was not shut down");
    let reader = read_later(peer, BIG + 1);
    assert_eq!(sent(&port).len(), BIG);
    assert_eq!(sent(&port)[..], *b"!");
    drop(reader.join().expect("it ends well"));
    socket.shutdown().expect("it can be shut down still");
    assert!(next(&port).result.is_ok());
}

pub fn s28_cancel_and_data_at_once_give_one_completion_and_lose_nothing(driver: Driver) {
    const ROUNDS: u8 = 250;
    let port = port(driver, 2);
    let (socket, mut peer) = pair(&port, ());
    let (done, completions) = mpsc::channel();
    let workers = Workers::start(&port, 2, move |_, completion| {
        done.send(completion).expect("a test")
    });
    let start_line = Arc::new(Barrier::new(2));
    let writer = thread::spawn({
        let start_line = start_line.clone();
        move || {
            for round in 0..ROUNDS {
                start_line.wait();
                peer.write_all(&[round]).expect("a write");
            }
            peer
        }
    });
    for round in 0..ROUNDS {
        let operation = socket.receive(Buffer::with_capacity(8)).expect("a start");
        start_line.wait();
        // Either answer is right; which, the completion has to confirm.
        let found = socket.cancel(operation).is_ok();
        let mut completion = told(&completions);
        assert_eq!(completion.operation, operation);
        if completion.is_cancelled() {
            assert!(found);
            // The byte was not taken by it.
            socket.receive(Buffer::with_capacity(8)).expect("a start");
            completion = told(&completions);
        }
        assert!(
            matches!(completion.what, Finished::Received { buffer, .. } if buffer[..] == [round])
        );
    }
    drop(writer.join().expect("it ends well"));
    assert!(
        completions.try_recv().is_err(),
        "no operation completes twice"
    );
    port.close();
    workers.expect("workers").join();
}

pub fn s28_an_accept_and_a_connect_can_be_cancelled(driver: Driver) {
    let port = port(driver, 1);
    let listener = listen(&port, "listener");
    let one = listener.accept().expect("a start");
    listener.accept().expect("a start");
    listener.accept().expect("a start");
    port.cancel(one).expect("it is under way");
    let completion = next(&port);
    assert_eq!(completion.operation, one);
    assert!(matches!(
        completion.what,
        Finished::Accepted {
            connection: None,
            ..
        }
    ));
    assert_eq!(listener.cancel_all(), 2);
    cancelled(next(&port));
    cancelled(next(&port));

    let full = FullBacklog::new(driver);
    let connect = port.connect(full.address, "connect").expect("a start");
    expect_nothing(&port);
    port.cancel(connect).expect("it is under way");
    let completion = next(&port);
    assert_eq!((completion.key, completion.operation), ("connect", connect));
    assert!(matches!(completion.what, Finished::Connected { .. }));
    assert!(completion.is_cancelled());
}

/// A listener that has no room for another connection: who connects to it waits.
struct FullBacklog {
    address: std::net::SocketAddr,
    listener: socket2::Socket,
    _connections: Vec<Stream>,
}

impl FullBacklog {
    fn new(driver: Driver) -> Self {
        let listener = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        listener
            .bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
            .expect("an address");
        listener.listen(0).expect("a listener");
        let address = listener
            .local_addr()
            .expect("an address")
            .as_socket()
            .expect("an address");
        // A backlog of 0 has room for one.
        let connections = vec![connect(driver, address)];
        FullBacklog {
            address,
            listener,
            _connections: connections,
        }
    }
}

/// A listener on the port with one accept under way.
fn listening<K: Key>(port: &CompletionPort<K>, key: K) -> Listener<K> {
    let listener = listen(port, key);
    listener.accept().expect("a start");
    listener
}

#[track_caller]
fn accepted<K: Key>(completion: Completion<K>) -> Box<Connection> {
    match completion.what {
        Finished::Accepted { connection, .. } => {
            let result = completion.result;
            connection.unwrap_or_else(|| panic!("the accept succeeds, it was {result:?}"))
        }
        other => panic!("an accept is due, it was {other:?}"),
    }
}

pub fn s29_an_accept_gives_the_new_socket_and_both_addresses(driver: Driver) {
    // A simulated kernel has one address.
    let listens_on_all = [false, driver != Driver::Simulated];
    for on_all in listens_on_all {
        let port = port(driver, 1);
        let listener = match on_all {
            false => listen(&port, ()),
            true => {
                let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a listener");
                port.associate(listener, ()).expect("an association")
            }
        };
        let local = (Ipv4Addr::LOCALHOST, listener.local_addr().port()).into();
        listener.accept().expect("a start");
        expect_nothing(&port);
        let mut peer = connect(driver, local);
        let connection = accepted(next(&port));
        assert_eq!(connection.peer, peer.local_addr());
        assert_eq!(
            connection.local, local,
            "the real one, also where all are listened on"
        );
        let socket = port.associate(connection, ()).expect("an association");
        assert_eq!(socket.peer_addr().expect("an address"), peer.local_addr());
        assert_eq!(socket.local_addr().expect("an address"), local);
        socket.send(b"ahoy").expect("a start");
        sent(&port);
        peer.read_exact(&mut [0; 4])
            .expect("it is connected to this peer");
    }
}

pub fn s29_several_accepts_and_several_connections_find_each_other(driver: Driver) {
    const COUNT: usize = 20;
    let port = port(driver, 1);
    let listener = listen(&port, ());
    let connect = || connect(driver, listener.local_addr());
    let accept = || listener.accept().expect("a start");
    // Connections first, then accepts; and the other way about.
    for connections_first in [true, false] {
        let mut peers = Vec::new();
        if connections_first {
            peers.extend((0..COUNT).map(|_| connect()));
            expect_nothing(&port);
        }
        for _ in 0..COUNT {
            accept();
        }
        if !connections_first {
            peers.extend((0..COUNT).map(|_| connect()));
        }
        let address = |peer: &Stream| peer.local_addr();
        let expected: HashSet<_> = peers.iter().map(address).collect();
        let found: HashSet<_> = (0..COUNT).map(|_| accepted(next(&port)).peer).collect();
        assert_eq!(found, expected);
        expect_nothing(&port);
    }
}

pub fn s29_a_peer_that_vanishes_in_the_backlog_does_not_stop_the_listener(driver: Driver) {
    let port = port(driver, 1);
    let listener = listen(&port, ());
    for _ in 0..5 {
        reset(connect(driver, listener.local_addr()));
    }
    let peer = connect(driver, listener.local_addr());
    // Systems differ in whether the vanished are accepted; the last is.
    loop {
        listener.accept().expect("a start");
        if accepted(next(&port)).peer == peer.local_addr() {
            return;
        }
    }
}

pub fn s29_closing_the_listener_cancels_its_accepts(driver: Driver) {
    let port = port(driver, 1);
    let listener = listening(&port, "listener");
    assert!(listener.close());
    assert!(!listener.close());
    cancelled(next(&port));
    let error = try_to_connect(driver, listener.local_addr()).expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

pub fn s30_a_connection_knows_its_addresses_and_carries_bytes(driver: Driver) {
    let port = port(driver, 1);
    let listener = Listening::on(driver);
    let address = listener.address();
    let operation = port.connect(address, "key").expect("a start");
    let completion = next(&port);
    assert_eq!((completion.key, completion.operation), ("key", operation));
    assert_eq!(completion.result.expect("success"), 0);
    let Finished::Connected { socket } = completion.what else {
        panic!("it was a connect");
    };
    let (mut peer, from) = listener.accept();
    assert_eq!(socket.local_addr().expect("an address"), from);
    assert_eq!(socket.peer_addr().expect("an address"), address);

    socket.send(b"ahoy").expect("a start");
    sent(&port);
    peer.read_exact(&mut [0; 4]).expect("bytes");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    peer.write_all(b"hello").expect("a write");
    assert_eq!(received(&port)[..], *b"hello");
    drop(peer);
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    assert!(received(&port).is_empty());
}

pub fn s30_a_connection_comes_from_the_address_that_was_asked_for(driver: Driver) {
    let port = port(driver, 1);
    let listener = Listening::on(driver);
    let address = listener.address();
    let local = |host| std::net::SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0));
    for host in [2, 3] {
        port.connect_from(local(host), address, "connect")
            .expect("a start");
        let (_, peer) = listener.accept();
        assert_eq!(peer.ip(), local(host).ip());
        let completion = next(&port);
        assert_eq!(completion.result.expect("success"), 0);
        let Finished::Connected { socket } = completion.what else {
            panic!("it was a connect");
        };
        assert_eq!(socket.local_addr().expect("an address"), peer);
    }
    // An address that belongs to documentation (RFC 5737), hence to no machine.
    let foreign = std::net::SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 0));
    let refused = port.connect_from(foreign, address, "connect");
    let error = refused.expect_err("the machine has no such address");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrNotAvailable);
}

pub fn s30_refused_and_unreachable_are_told_apart(driver: Driver) {
    let port = port(driver, 1);
    let (_held, nobody) = nobody(driver);
    // No stream goes to a group of hosts: the kernel has no route for it.
    let unreachable = (Ipv4Addr::new(224, 0, 0, 1), 9).into();
    for (address, kind) in [
        (nobody, ErrorKind::ConnectionRefused),
        (unreachable, ErrorKind::NetworkUnreachable),
    ] {
        let operation = port
            .connect(address, kind)
            .expect("it is for the completion to say");
        let completion = next(&port);
        assert_eq!((completion.key, completion.operation), (kind, operation));
        assert_eq!(failed(&completion), kind);
        let Finished::Connected { socket } = completion.what else {
            panic!("it was a connect");
        };
        socket
            .receive(Buffer::with_capacity(8))
            .expect_err("it is not connected");
        socket.send(b"ahoy").expect_err("it is not connected");
        expect_nothing(&port);
    }
}

pub fn s30_a_connection_on_its_way_completes_when_it_is_made(driver: Driver) {
    let port = port(driver, 1);
    let full = FullBacklog::new(driver);
    port.connect(full.address, ()).expect("a start");
    expect_nothing(&port);
    // Room in the backlog: the next attempt of the system's own succeeds, about a second after the first.
    full.listener
        .accept()
        .expect("the connection that was in the way");
    let completion = next(&port);
    assert!(completion.result.is_ok(), "{completion:?}");
    let Finished::Connected { socket } = completion.what else {
        panic!("it was a connect");
    };
    let (peer, _) = full.listener.accept().expect("the one that waited");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    std::net::TcpStream::from(peer)
        .write_all(b"ahoy")
        .expect("a write");
    assert_eq!(received(&port)[..], *b"ahoy");
}

pub fn s33_urgent_data_hides_nothing_of_the_stream(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, ());
    // Linux reads up to the urgent mark, and skips the byte there.
    peer.write_all(b"before").expect("a write");
    let Stream::System(system) = &peer else {
        panic!("only the system has urgent data");
    };
    SockRef::from(system)
        .send_out_of_band(b"!")
        .expect("urgent data");
    peer.write_all(b"after").expect("a write");
    let mut got = Vec::new();
    while got.len() < 11 {
        socket.receive(Buffer::with_capacity(64)).expect("a start");
        let buffer = received(&port);
        assert!(!buffer.is_empty(), "this is no end of the stream");
        got.extend_from_slice(&buffer);
    }
    assert_eq!(got, b"beforeafter");
}

pub fn s33_a_peer_that_ended_its_side_is_still_sent_to(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = narrow_pair(&port, ());
    peer.shutdown();
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    assert!(received(&port).is_empty());
    socket.send(pattern(BIG)).expect("a start");
    let reader = read_later(peer, BIG);
    assert_eq!(sent(&port).len(), BIG);
    assert!(reader.join().expect("it ends well").0 == pattern(BIG));
}

pub fn s33_sends_to_a_peer_that_stops_reading_are_bounded(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = narrow_pair(&port, ());
    socket.set_unsent_max(1000).expect("an open socket");
    // Nothing waits, so even this one is taken.
    socket.send(pattern(BIG)).expect("a start");
    assert!(socket.unsent() > 1000);
    let payload = Bytes::from_static(b"too much");
    let refused = socket.send(payload.clone()).expect_err("a refusal");
    assert_eq!(
        (refused.error.kind(), refused.given.as_ptr()),
        (ErrorKind::WouldBlock, payload.as_ptr())
    );
    socket.send_quietly(payload.clone()).expect_err("a refusal");
    socket
        .send_vectored(vec![payload.into()])
        .expect_err("a refusal");
    expect_nothing(&port);

    let reader = read_later(peer, BIG);
    assert_eq!(sent(&port).len(), BIG);
    drop(reader);
    socket.send(b"in time").expect("there is room again");
}

pub fn s33_small_sends_fill_the_limit_exactly(driver: Driver) {
    let port = port(driver, 1);
    let (socket, _peer) = narrow_pair(&port, ());
    socket.send(pattern(BIG)).expect("a start");
    // While the peer does not read, what waits stays as it is.
    let waiting = socket.unsent();
    socket.set_unsent_max(waiting + 10).expect("an open socket");
    socket.send(b"0123456").expect("a start");
    socket.send(b"0123").expect_err("a refusal");
    socket.send(b"012").expect("a start");
    assert_eq!(socket.unsent(), waiting + 10);
    socket.send(b"0").expect_err("a refusal");
    assert_eq!(socket.cancel_all(), 3);
    for _ in 0..3 {
        cancelled(next(&port));
    }
    assert_eq!(socket.unsent(), 0);
}
