//! What a layer with the rules of Windows needs of the raw one: an end that is told before its packet, ports that go on though nobody
//! waits, waits that end alone, and operations that are cancelled by what the layer knows of them.
#![cfg(unix)]

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, unused_macros, reason = "the chapters use all of it")]
mod harness;

use std::{
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
    time::{Duration, Instant},
};

use crate as raw_attend;
use harness::*;
use wharf::raw::{
    AcceptReceive, Answer, Buffers, Handle, Kind, OnEnd, OperationId, Overlapped, Packet, Port,
    RawBuffer, Request, Started,
};

macro_rules! suite {
    ($driver:expr) => {
        tests! {
            $driver;
            raw_attend {
                a_function_says_whether_there_is_a_packet
                what_is_given_back_at_once_asks_nobody
                what_is_attended_ends_though_nobody_waits
                packets_that_stand_before_ready_work_stay_in_their_order
                waits_end_and_operations_go_on
                those_that_match_are_cancelled
                an_accept_that_waits_for_bytes_is_cancelled_if_it_matches
                an_accept_that_waits_for_bytes_says_since_when
            }
        }
    };
}

on_every_driver!(suite);

fn port(driver: Driver) -> Arc<Port> {
    let mut options = driver.options();
    options.concurrency = 1;
    Port::new(&options).expect("the driver is available here")
}

/// A listener with a key, and its address.
fn listener(port: &Port) -> (Handle, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let handle = port.associate(listener, 4, Kind::Listener);
    (handle.expect("an association"), address)
}

/// The memory stays in place until the operation has ended.
fn accept_receive(memory: &mut [u8; 8]) -> Request {
    let buffer = RawBuffer {
        start: memory.as_mut_ptr(),
        len: memory.len(),
    };
    Request::AcceptReceive(Box::new(AcceptReceive::new(buffer)))
}

/// A handle with this key, and its peer.
fn pair(port: &Port, key: usize) -> (Handle, Stream) {
    let driver = Driver::ALL
        .into_iter()
        .find(|driver| driver.name() == port.driver().name);
    let (ours, peer) = streams(driver.expect("one of them"));
    (ours.associate_raw(port, key).expect("an association"), peer)
}

/// What a test looks at while an operation is under way; its address is the operation's token.
#[derive(Default)]
struct Watched {
    ended: AtomicUsize,
    /// How many more are to have no packet.
    without_packet: AtomicUsize,
}

impl Watched {
    fn token(&self) -> u64 {
        (&raw const *self).expose_provenance() as u64
    }

    fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }
}

/// Counts the end of an operation, and frees it if it is to have no packet.
///
/// # Safety
/// It came from a box, and its token is the address of what its test watches, which is there still.
unsafe fn told(operation: NonNull<Overlapped>) -> bool {
    // SAFETY: passed on to the caller.
    let token = unsafe { operation.as_ref() }.token;
    // SAFETY: likewise.
    let watched = unsafe { &*std::ptr::with_exposed_provenance::<Watched>(token as usize) };
    watched.ended.fetch_add(1, Ordering::SeqCst);
    let one_less = |count: usize| count.checked_sub(1);
    let quiet = (watched.without_packet)
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
        .is_ok();
    if quiet {
        // SAFETY: passed on to the caller; there is no packet.
        drop(unsafe { Box::from_raw(operation.as_ptr()) });
    }
    !quiet
}

fn operation(watched: &Watched, request: Request) -> NonNull<Overlapped> {
    let mut operation = Overlapped::new(watched.token(), request);
    operation.on_end = OnEnd::PacketIf(told);
    NonNull::from(Box::leak(Box::new(operation)))
}

/// Starts an operation that `told` is called for.
fn start(port: &Port, handle: Handle, watched: &Watched, request: Request) -> OperationId {
    let operation = operation(watched, request);
    // SAFETY: it is on the heap, and nobody touches it before it is handed out; its memory outlives it in each test.
    unsafe { port.start(handle, operation) }.expect("a start")
}

fn one(memory: &mut [u8]) -> Buffers {
    Buffers::One(RawBuffer {
        start: memory.as_mut_ptr(),
        len: memory.len(),
    })
}

/// The operation of a packet, which is the caller's again.
#[track_caller]
fn finished(packet: &Packet) -> Box<Overlapped> {
    let operation = packet.operation.expect("the packet of an operation");
    // SAFETY: every operation here is started in a box, and handed out by this packet alone.
    unsafe { Box::from_raw(operation.as_ptr()) }
}

#[track_caller]
fn next(port: &Arc<Port>) -> Packet {
    match port.wait(Some(GUARD)).expect("a wait") {
        Answer::Packet(packet) => packet,
        other => panic!("a packet is due, the answer is {other:?}"),
    }
}

#[track_caller]
fn expect_nothing(port: &Arc<Port>) {
    let answer = port.wait(Some(QUIET)).expect("a wait");
    assert!(matches!(answer, Answer::TimedOut), "{answer:?}");
}

fn a_function_says_whether_there_is_a_packet(driver: Driver) {
    let watched = Watched::default();
    let (mut first, mut second) = ([0; 8], [0; 8]);
    let port = port(driver);
    let (handle, mut peer) = pair(&port, 1);
    watched.without_packet.store(1, Ordering::SeqCst);
    start(&port, handle, &watched, Request::Receive(one(&mut first)));
    peer.write_all(b"ahoy").expect("a write");
    expect_nothing(&port);
    assert_eq!((watched.ended(), &first[..4]), (1, &b"ahoy"[..]));

    start(&port, handle, &watched, Request::Receive(one(&mut second)));
    peer.write_all(b"again").expect("a write");
    let packet = next(&port);
    assert_eq!((watched.ended(), packet.transferred), (2, 5));
    finished(&packet);

    watched.without_packet.store(1, Ordering::SeqCst);
    start(&port, handle, &watched, Request::ReceiveNothing);
    start(&port, handle, &watched, Request::ReceiveNothing);
    assert_eq!(port.cancel_all(handle), 2);
    assert_eq!(watched.ended(), 4, "they are told within the call");
    finished(&next(&port));
    assert!(port.close().is_empty());
}

fn what_is_given_back_at_once_asks_nobody(driver: Driver) {
    let watched = Watched::default();
    let mut bytes = *b"ahoy";
    let port = port(driver);
    let (handle, _peer) = pair(&port, 1);
    let operation = operation(&watched, Request::Send(one(&mut bytes)));
    // SAFETY: it is on the heap, and nobody touches it before it is handed out.
    let started = unsafe { port.start_skip_port(handle, operation) }.expect("a start");
    let Started::Completed(packet) = started else {
        panic!("there is room for four bytes")
    };
    assert_eq!((packet.transferred, watched.ended()), (4, 0));
    finished(&packet);
    expect_nothing(&port);
}

fn what_is_attended_ends_though_nobody_waits(driver: Driver) {
    let watched = Watched::default();
    let mut memory = [0; 8];
    let port = port(driver);
    let (handle, mut peer) = pair(&port, 7);
    start(&port, handle, &watched, Request::Receive(one(&mut memory)));
    assert!(!port.attend().expect("an attempt"), "there is nothing yet");
    peer.write_all(b"ahoy").expect("a write");
    eventually("it has ended", || {
        port.attend().expect("an attempt");
        watched.ended() == 1
    });
    let answer = port.wait(Some(Duration::ZERO)).expect("a look");
    let Answer::Packet(packet) = answer else {
        panic!("its packet is on the queue: {answer:?}")
    };
    assert_eq!((packet.key, packet.transferred), (7, 4));
    finished(&packet);
}

fn packets_that_stand_before_ready_work_stay_in_their_order(driver: Driver) {
    let watched = Watched::default();
    let mut memory = [0; 8];
    let port = port(driver);
    let (handle, mut peer) = pair(&port, 7);
    start(&port, handle, &watched, Request::Receive(one(&mut memory)));
    for token in [1, 2] {
        port.post(0, 0, token).expect("a post");
    }
    peer.write_all(b"ahoy").expect("a write");
    eventually("it has ended", || {
        port.attend().expect("an attempt");
        watched.ended() == 1
    });
    port.post(0, 0, 3).expect("a post");
    let mut tokens = Vec::new();
    for _ in 0..4 {
        let packet = next(&port);
        match packet.operation {
            Some(_) => drop(finished(&packet)),
            None => tokens.push(packet.token),
        }
    }
    assert_eq!(tokens, [1, 2, 3]);
}

fn waits_end_and_operations_go_on(driver: Driver) {
    let watched = Watched::default();
    let mut memory = [0; 8];
    let port = port(driver);
    let (handle, mut peer) = pair(&port, 1);
    start(&port, handle, &watched, Request::Receive(one(&mut memory)));
    let (sender, answers) = channel();
    thread::scope(|threads| {
        for _ in 0..3 {
            let (port, sender) = (port.clone(), sender.clone());
            threads.spawn(move || {
                let answer = port.wait(Some(GUARD)).expect("a wait");
                sender
                    .send(matches!(answer, Answer::Closed))
                    .expect("the test listens");
            });
        }
        eventually("all wait", || port.counts().parked == 3);
        port.end_waits();
        for _ in 0..3 {
            assert_eq!(answers.recv_timeout(GUARD), Ok(true));
        }
    });
    assert!(matches!(port.wait(None), Ok(Answer::Closed)));
    assert!(port.post(0, 0, 0).is_err(), "nobody would take it");

    peer.write_all(b"ahoy").expect("a write");
    eventually("what was under way ends", || {
        port.attend().expect("an attempt");
        watched.ended() == 1
    });
    start(&port, handle, &watched, Request::ReceiveNothing);
    peer.write_all(b"again").expect("a write");
    eventually("what is started afterwards ends", || {
        port.attend().expect("an attempt");
        watched.ended() == 2
    });
    let packets = port.close();
    assert_eq!(packets.len(), 2, "nobody took them");
    packets.iter().for_each(|packet| drop(finished(packet)));
}

fn those_that_match_are_cancelled(driver: Driver) {
    let [first, second] = [(); 2].map(|()| Watched::default());
    let port = port(driver);
    let (handle, _peer) = pair(&port, 1);
    for watched in [&first, &second, &first] {
        start(&port, handle, watched, Request::ReceiveNothing);
    }
    let is_first = |operation: &Overlapped| operation.token == first.token();
    assert_eq!(port.cancel_matching(handle, is_first), 2);
    assert_eq!((first.ended(), second.ended()), (2, 0));
    assert_eq!(port.cancel_matching(handle, is_first), 0);
    for _ in 0..2 {
        let packet = next(&port);
        assert_eq!(packet.token, first.token());
        let error = packet.error.as_ref().expect("it was cancelled");
        assert!(wharf::raw::is_cancelled(error), "{error}");
        finished(&packet);
    }
    assert_eq!(port.cancel_all(handle), 1);
    finished(&next(&port));
}

fn an_accept_that_waits_for_bytes_is_cancelled_if_it_matches(driver: Driver) {
    if matches!(driver.name(), "simulated") {
        // Its listeners are not the system's.
        return;
    }
    let [first, second] = [(); 2].map(|()| Watched::default());
    let (mut memory, mut other) = ([0; 8], [0; 8]);
    let port = port(driver);
    let (handle, address) = listener(&port);
    start(&port, handle, &first, accept_receive(&mut memory));
    start(&port, handle, &second, accept_receive(&mut other));
    let _peers = [(); 2].map(|()| TcpStream::connect(address).expect("a connection"));
    // Both connections are made, and their bytes awaited.
    expect_nothing(&port);
    let is_first = |operation: &Overlapped| operation.token == first.token();
    assert_eq!(port.cancel_matching(handle, is_first), 1);
    let packet = next(&port);
    assert_eq!((packet.token, second.ended()), (first.token(), 0));
    finished(&packet);
    assert_eq!(port.cancel_all(handle), 1);
    finished(&next(&port));
}

fn an_accept_that_waits_for_bytes_says_since_when(driver: Driver) {
    if matches!(driver.name(), "simulated") {
        // Its listeners are not the system's.
        return;
    }
    let watched = Watched::default();
    let mut memory = [0; 8];
    let port = port(driver);
    let (handle, address) = listener(&port);
    let id = start(&port, handle, &watched, accept_receive(&mut memory));
    expect_nothing(&port);
    assert_eq!(port.arrived_at(id), None);
    let before = Instant::now();
    let mut peer = TcpStream::connect(address).expect("a connection");
    expect_nothing(&port);
    let after = Instant::now();
    let arrived = port.arrived_at(id).expect("it waits for bytes");
    assert!(before <= arrived && arrived <= after);
    peer.write_all(b"ahoy").expect("a write");
    let packet = next(&port);
    assert_eq!((port.arrived_at(id), packet.transferred), (None, 4));
    let operation = finished(&packet);
    assert_eq!(operation.arrived_at(), Some(arrived));
}
