//! A receive from a pool that waits for data is kept in fewer bytes than an operation takes, and nobody is to see a difference: in
//! each way that it can end, in its order, and in what comes with it.

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, unused_macros, reason = "the chapters use all of it")]
mod harness;

use std::{
    io::{self, Read, Write},
    mem::MaybeUninit,
};

use crate as idle_receives;
use harness::*;
use wharf::{Buffer, BufferPool, Completion, CompletionPort, Finished, OperationId, Socket};

macro_rules! suite {
    ($driver:expr) => {
        tests! {
            $driver;
            idle_receives {
                they_are_filled_in_the_order_in_which_they_were_started
                each_is_cancelled_by_its_id_and_by_no_other
                a_close_of_the_socket_or_of_the_port_gives_each_back
                one_that_waits_keeps_its_socket_open
                one_that_waits_goes_before_an_attempt
                one_that_is_paused_begins_after_the_pause
                one_counts_as_an_operation
            }
        }
    };
}

on_every_driver!(suite);

fn start(socket: &Socket<u32>, pool: &BufferPool) -> OperationId {
    socket.receive_from(pool).expect("a start")
}

/// Whether it is the completion of a receive that was started so.
#[track_caller]
fn expect_cancelled(completion: Completion<u32>, id: OperationId) {
    assert_eq!((completion.key, completion.operation), (7, id));
    assert!(matches!(completion.what, Finished::Received { .. }));
    cancelled(completion);
}

fn they_are_filled_in_the_order_in_which_they_were_started(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, 7);
    let pool = BufferPool::new(4);
    let first = start(&socket, &pool);
    let second = socket.receive(Buffer::with_capacity(4)).expect("a start");
    let third = start(&socket, &pool);
    let last = socket.with("context").receive_from(&pool);
    let last = last.expect("a start");
    assert_eq!(pool.in_use(), 0);
    peer.write_all(b"onlythisandnomore").expect("a write");
    for (id, bytes) in [
        (first, b"only"),
        (second, b"this"),
        (third, b"andn"),
        (last, b"omor"),
    ] {
        let mut completion = next(&port);
        assert_eq!((completion.key, completion.operation), (7, id));
        let context = completion.take_context::<&str>();
        assert_eq!(context.is_some(), id == last);
        let Finished::Received { buffer, .. } = completion.what else {
            panic!("a receive is due, it was {:?}", completion.what);
        };
        assert_eq!(buffer[..], bytes[..]);
    }
    // It is started where there is something to receive already.
    start(&socket, &pool);
    assert_eq!(received(&port)[..], *b"e");
}

fn each_is_cancelled_by_its_id_and_by_no_other(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, 7);
    let pool = BufferPool::new(4);
    socket.send_quietly(&b"ahoy"[..]).expect("a start");
    let send = socket.send(&b"ahoy"[..]).expect("a start");
    sent(&port);
    let first = start(&socket, &pool);
    let not_found = socket.cancel(send).expect_err("it has ended");
    assert_eq!(not_found.kind(), io::ErrorKind::NotFound);
    expect_nothing(&port);
    socket.cancel(first).expect("it is under way");
    expect_cancelled(next(&port), first);
    socket.cancel(first).expect_err("it has ended");
    let (first, second) = (start(&socket, &pool), start(&socket, &pool));
    socket.cancel(second).expect("it is under way");
    expect_cancelled(next(&port), second);
    peer.write_all(b"sail").expect("a write");
    let completion = next(&port);
    assert_eq!(completion.operation, first);
    drop(completion);
    start(&socket, &pool);
    assert_eq!(socket.cancel_receives(), 1);
    cancelled(next(&port));
    assert_eq!(socket.cancel_all(), 0);
}

fn a_close_of_the_socket_or_of_the_port_gives_each_back(driver: Driver) {
    let port = port(driver, 1);
    let pool = BufferPool::new(4);
    let (first, _peer) = pair(&port, 7);
    let id = start(&first, &pool);
    assert!(first.close());
    expect_cancelled(next(&port), id);
    first.receive_from(&pool).expect_err("it is closed");
    let (second, _peer) = pair(&port, 7);
    let id = start(&second, &pool);
    let mut given_back = port.close();
    assert_eq!(given_back.len(), 1);
    expect_cancelled(given_back.remove(0), id);
    second.receive_from(&pool).expect_err("it is closed");
}

fn one_that_waits_keeps_its_socket_open(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, 7);
    start(&socket, &BufferPool::new(4));
    drop(socket);
    peer.write_all(b"ahoy").expect("a write");
    let completion = next(&port);
    assert!(completion.socket().is_some());
    drop(completion);
    assert_eq!(peer.read(&mut [0; 1]).expect("the end"), 0);
}

fn one_that_waits_goes_before_an_attempt(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, 7);
    start(&socket, &BufferPool::new(4));
    peer.write_all(b"ahoy").expect("a write");
    let attempt = socket.try_receive(&mut [MaybeUninit::uninit(); 4]);
    let refused = attempt.expect_err("a receive is under way");
    assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(received(&port)[..], *b"ahoy");
}

fn one_that_is_paused_begins_after_the_pause(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, 7);
    socket.pause_receiving().expect("it is open");
    start(&socket, &BufferPool::new(4));
    peer.write_all(b"ahoy").expect("a write");
    expect_nothing(&port);
    socket.resume_receiving().expect("it is open");
    assert_eq!(received(&port)[..], *b"ahoy");
}

fn one_counts_as_an_operation(driver: Driver) {
    let port: CompletionPort<u32> = driver.builder().operations_max(1).build().expect("a port");
    let ((first, mut peer), (second, _other)) = (pair(&port, 7), pair(&port, 7));
    let pool = BufferPool::new(4);
    start(&first, &pool);
    assert_eq!(port.snapshot().operations, 1);
    let refused = second.receive_from(&pool).expect_err("there is one");
    assert_eq!(refused.kind(), io::ErrorKind::QuotaExceeded);
    peer.write_all(b"ahoy").expect("a write");
    received(&port);
    start(&second, &pool);
}
