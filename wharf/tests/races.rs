//! What only goes wrong when two threads meet at one point: each is repeated until they have met there.

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, unused_macros, reason = "the chapters use all of it")]
mod harness;

use std::{
    io::{Read, Write},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate as races;
use harness::*;
use wharf::{Buffer, Completion, CompletionPort, Finished, Wait};

macro_rules! suite {
    ($driver:expr) => {
        tests! {
            $driver;
            races {
                s20_a_reset_that_a_send_is_just_told_of_is_no_end_of_file
                s23_a_send_that_is_started_while_the_last_is_finished_leaves
                s27_closing_if_sent_counts_what_is_just_being_received
            }
        }
    };
}

on_every_driver!(suite);

/// For how long a meeting is tried.
const TRIES: Duration = Duration::from_secs(1);

/// Threads that wait until the port is closed, and where their completions go.
fn staff(port: &CompletionPort<u32>, count: usize) -> mpsc::Receiver<Completion<u32>> {
    let (tell, told) = mpsc::channel();
    for _ in 0..count {
        let (port, tell) = (port.clone(), tell.clone());
        thread::spawn(move || {
            while let Ok(Wait::Completed(completion)) = port.wait(None) {
                let _ = tell.send(completion);
            }
        });
    }
    told
}

pub fn s20_a_reset_that_a_send_is_just_told_of_is_no_end_of_file(driver: Driver) {
    let port = port::<u32>(driver, 2);
    let completions = staff(&port, 3);
    let end = Instant::now() + TRIES;
    while Instant::now() < end {
        let (socket, mut peer) = narrow_pair(&port, 0);
        socket.send(pattern(BIG)).expect("a start");
        socket.receive(Buffer::with_capacity(64)).expect("a start");
        // The system has room for more of the send, which somebody is told of, and then there is a reset.
        peer.read_exact(&mut [0; 64 << 10]).expect("a part of it");
        reset(peer);
        for _ in 0..2 {
            let completion = told(&completions);
            assert!(
                completion.result.is_err(),
                "no end was sent, a failure is due: {completion:?}"
            );
        }
    }
    port.close();
}

pub fn s23_a_send_that_is_started_while_the_last_is_finished_leaves(driver: Driver) {
    let port = port::<u32>(driver, 1);
    let (socket, mut peer) = pair(&port, 0);
    peer.set_blocking(false);
    // This thread is in its handler from here on, with more work behind it, so that its sends are put off.
    (0..5).for_each(|key| port.post(key, 0).expect("a post"));
    assert_eq!(next(&port).key, 0);
    let end = Instant::now() + TRIES;
    while Instant::now() < end {
        socket.send_quietly(b"ahoy").expect("a start");
        let deadline = Instant::now() + GUARD;
        // It computes; who carries the send out may be in the midst of it when the bytes are here.
        while peer.read(&mut [0; 4]).is_err() {
            assert!(Instant::now() < deadline, "the bytes leave");
        }
    }
}

pub fn s27_closing_if_sent_counts_what_is_just_being_received(driver: Driver) {
    let port = port::<u32>(driver, 2);
    let completions = staff(&port, 2);
    let end = Instant::now() + TRIES;
    while Instant::now() < end {
        let (socket, mut peer) = pair(&port, 0);
        socket.receive(Buffer::with_capacity(64)).expect("a start");
        peer.write_all(b"ahoy").expect("a write");
        let traffic = socket.close_if_sent().map(moved);
        let completion = told(&completions);
        assert!(matches!(completion.what, Finished::Received { .. }));
        let received = completion.transferred as u64;
        // A receive that is in transfer just then keeps it open: else its bytes would not be told of.
        if let Some(traffic) = traffic {
            assert_eq!(traffic, (received, 0), "in all: {completion:?}");
        }
    }
    port.close();
}
