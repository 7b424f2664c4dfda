//! The raw layer: memory that is the caller's, several buffers an operation, tokens that come back untouched, and
//! handles that stay stale.

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, unused_macros, reason = "the chapters use all of it")]
mod harness;

use std::{
    io::{self, ErrorKind, Read, Write},
    mem::MaybeUninit,
    net::{Ipv4Addr, TcpListener, TcpStream},
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate as raw;
use harness::*;
use wharf::{
    WaitMany,
    raw::{
        Answer, Buffers, Handle, Kind, OnEnd, OperationId, Overlapped, Packet, Port, Provider,
        RawBuffer, Request,
    },
};

macro_rules! suite {
    ($driver:expr) => {
        tests! {
            $driver;
            raw {
                the_operation_its_token_and_its_key_come_back_untouched
                an_operation_can_be_started_again
                several_buffers_are_one_operation
                a_receive_until_full_has_its_bytes_before_those_behind_it
                a_receive_until_full_ends_with_the_stream
                a_receive_until_full_that_is_cancelled_says_what_had_come
                a_receive_until_full_takes_any_number_of_buffers
                posted_packets_carry_what_was_posted
                a_wait_for_many_takes_packets_of_every_kind_in_order
                timers_carry_their_key_and_token
                a_stale_handle_reaches_nothing_though_its_place_is_used_again
                a_handle_is_a_number_for_those_who_know_no_types
                a_handle_takes_only_the_operations_of_its_kind
                an_accept_gives_the_socket_and_the_peer
                a_connect_makes_a_stream_of_its_handle
                a_provider_is_asked_when_there_is_something_to_receive
                a_quiet_operation_is_handed_back_without_a_packet
                closing_hands_out_every_operation_once
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

/// A handle with this key, and its peer.
fn pair(port: &Port, key: usize) -> (Handle, Stream) {
    let driver = Driver::ALL
        .into_iter()
        .find(|driver| driver.name() == port.driver().name);
    let (ours, peer) = streams(driver.expect("one of them"));
    (ours.associate_raw(port, key).expect("an association"), peer)
}

/// Starts an operation on the heap, where [`finished`] finds it again. A refused one is freed.
fn start(port: &Port, handle: Handle, token: u64, request: Request) -> io::Result<OperationId> {
    start_with(Overlapped::new(token, request), |operation| {
        // SAFETY: the operation is on the heap, and nobody touches it before its packet is here. The memory that it
        // names outlives the port's use of it: each test keeps it until then.
        unsafe { port.start(handle, operation) }
    })
}

fn start_with<T>(
    operation: Overlapped,
    start: impl FnOnce(NonNull<Overlapped>) -> io::Result<T>,
) -> io::Result<T> {
    let operation = NonNull::from(Box::leak(Box::new(operation)));
    start(operation).inspect_err(|_| {
        // SAFETY: it was refused, so it is the caller's still, and it came from a box.
        drop(unsafe { Box::from_raw(operation.as_ptr()) });
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
    assert!(
        matches!(answer, Answer::TimedOut),
        "nothing is due, the answer is {answer:?}"
    );
}

fn raw_buffer(memory: &mut [u8]) -> RawBuffer {
    RawBuffer {
        start: memory.as_mut_ptr(),
        len: memory.len(),
    }
}

fn one(memory: &mut [u8]) -> Buffers {
    Buffers::One(raw_buffer(memory))
}

fn many(list: &[RawBuffer]) -> Buffers {
    Buffers::Many {
        first: list.as_ptr(),
        count: list.len(),
    }
}

fn the_operation_its_token_and_its_key_come_back_untouched(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(&port, usize::MAX);
    let mut memory = [0; 8];
    let id = start(&port, handle, u64::MAX, Request::Receive(one(&mut memory))).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    let packet = next(&port);
    assert_eq!(
        (packet.key, packet.token, packet.transferred),
        (usize::MAX, u64::MAX, 4)
    );
    assert!(packet.error.is_none());
    let operation = finished(&packet);
    assert_eq!((operation.token, operation.id()), (u64::MAX, id));
    assert_eq!(
        memory, *b"ahoy\0\0\0\0",
        "received into the caller's memory, and not beyond"
    );

    let id = start(&port, handle, 0, Request::Receive(one(&mut memory))).expect("a start");
    port.cancel(id).expect("it is under way");
    let packet = next(&port);
    assert_eq!(
        (packet.key, packet.token, packet.transferred),
        (usize::MAX, 0, 0)
    );
    assert!(wharf::raw::is_cancelled(
        packet.error.as_ref().expect("cancelled")
    ));
    finished(&packet);
}

fn an_operation_can_be_started_again(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(&port, 1);
    let mut memory = [0; 8];
    let mut operation = Overlapped::new(2, Request::Receive(one(&mut memory)));
    let mut last = None;
    for _ in 0..3 {
        // SAFETY: the operation and its memory stay in place, untouched, until the packet is here.
        let id = unsafe { port.start(handle, NonNull::from(&mut operation)) }.expect("a start");
        assert_ne!(last.replace(id), Some(id), "a name is never used again");
        peer.write_all(b"ahoy").expect("a write");
        let packet = next(&port);
        assert_eq!((packet.token, packet.transferred), (2, 4));
        assert_eq!(
            packet.operation,
            Some(NonNull::from(&mut operation)),
            "the same address"
        );
    }
    assert_eq!(port.traffic(handle).map(moved), Some((12, 0)));
}

fn several_buffers_are_one_operation(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(&port, 1);
    let mut parts = [
        b"ah".to_vec(),
        Vec::new(),
        b"oy, ".to_vec(),
        b"you".to_vec(),
    ];
    let mut list: Vec<_> = parts.iter_mut().map(|part| raw_buffer(part)).collect();
    list.insert(2, RawBuffer::EMPTY);
    start(&port, handle, 7, Request::Send(many(&list))).expect("a start");
    let packet = next(&port);
    assert_eq!((packet.token, packet.transferred), (7, 9));
    finished(&packet);
    let mut got = [0; 9];
    peer.read_exact(&mut got).expect("all of it");
    assert_eq!(&got, b"ahoy, you");

    let (mut first, mut second) = ([0; 4], [0; 8]);
    let list = [
        raw_buffer(&mut first),
        RawBuffer::EMPTY,
        raw_buffer(&mut second),
    ];
    start(&port, handle, 8, Request::Receive(many(&list))).expect("a start");
    peer.write_all(&got).expect("a write");
    let packet = next(&port);
    assert_eq!((packet.token, packet.transferred), (8, 9));
    finished(&packet);
    assert_eq!((&first, &second), (b"ahoy", b", you\0\0\0"));
}

fn a_receive_until_full_has_its_bytes_before_those_behind_it(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(&port, 1);
    let (mut first, mut second) = ([0; 3], [0; 5]);
    let list = [
        raw_buffer(&mut first),
        RawBuffer::EMPTY,
        raw_buffer(&mut second),
    ];
    let (mut behind, mut last) = ([0; 4], [0; 8]);
    start(&port, handle, 1, Request::ReceiveAll(many(&list))).expect("a start");
    start(&port, handle, 2, Request::ReceiveAll(one(&mut behind))).expect("a start");
    start(&port, handle, 3, Request::Receive(one(&mut last))).expect("a start");
    for part in [&b"ab"[..], b"cd", b"efg"] {
        peer.write_all(part).expect("a write");
        expect_nothing(&port);
    }
    peer.write_all(b"hij").expect("a write");
    let packet = next(&port);
    assert_eq!((packet.token, packet.transferred), (1, 8));
    assert!(packet.error.is_none());
    finished(&packet);
    assert_eq!((&first, &second), (b"abc", b"defgh"));
    expect_nothing(&port);
    peer.write_all(b"klmn").expect("a write");
    let packets = [next(&port), next(&port)];
    let told = packets
        .each_ref()
        .map(|packet| (packet.token, packet.transferred));
    assert_eq!(told, [(2, 4), (3, 2)]);
    packets.iter().for_each(|packet| drop(finished(packet)));
    assert_eq!((&behind, &last[..2]), (b"ijkl", &b"mn"[..]));
    assert_eq!(port.traffic(handle).map(moved), Some((14, 0)));
}

fn a_receive_until_full_ends_with_the_stream(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(&port, 1);
    let mut memory = [0; 8];
    start(&port, handle, 1, Request::ReceiveAll(one(&mut memory))).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    expect_nothing(&port);
    peer.shutdown();
    let packet = next(&port);
    assert_eq!((packet.token, packet.transferred), (1, 4));
    assert!(packet.error.is_none());
    finished(&packet);
    assert_eq!(memory, *b"ahoy\0\0\0\0");
    start(&port, handle, 2, Request::ReceiveAll(one(&mut memory))).expect("a start");
    let packet = next(&port);
    assert_eq!((packet.token, packet.transferred), (2, 0));
    assert!(packet.error.is_none());
    finished(&packet);
}

fn a_receive_until_full_that_is_cancelled_says_what_had_come(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(&port, 1);
    let (mut memory, mut behind) = ([0; 8], [0; 8]);
    let all = Request::ReceiveAll(one(&mut memory));
    let id = start(&port, handle, 1, all).expect("a start");
    start(&port, handle, 2, Request::Receive(one(&mut behind))).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    expect_nothing(&port);
    port.cancel(id).expect("it is under way");
    let packet = next(&port);
    assert_eq!((packet.token, packet.transferred), (1, 4));
    let error = packet.error.as_ref().expect("cancelled");
    assert!(wharf::raw::is_cancelled(error));
    finished(&packet);
    assert_eq!(memory, *b"ahoy\0\0\0\0");
    peer.write_all(b"you").expect("a write");
    let packet = next(&port);
    assert_eq!((packet.token, packet.transferred), (2, 3));
    finished(&packet);
    assert_eq!(&behind[..3], b"you");
}

fn a_receive_until_full_takes_any_number_of_buffers(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(&port, 1);
    // More than one call of the system takes.
    let mut memory = [0_u8; 100];
    let list: Vec<_> = memory.chunks_mut(1).map(raw_buffer).collect();
    start(&port, handle, 1, Request::ReceiveAll(many(&list))).expect("a start");
    let sent: Vec<u8> = (0..100).collect();
    peer.write_all(&sent[..70]).expect("a write");
    expect_nothing(&port);
    peer.write_all(&sent[70..]).expect("a write");
    let packet = next(&port);
    assert_eq!((packet.token, packet.transferred), (1, 100));
    finished(&packet);
    assert_eq!(memory[..], sent);

    // Into no memory it is a request to be told that there is something.
    start(&port, handle, 2, Request::ReceiveAll(many(&list[..0]))).expect("a start");
    expect_nothing(&port);
    peer.write_all(b"!").expect("a write");
    let packet = next(&port);
    assert_eq!((packet.token, packet.transferred), (2, 0));
    finished(&packet);
    let mut left = [MaybeUninit::uninit(); 2];
    assert_eq!(port.try_receive(handle, &mut left).expect("a byte"), 1);
}

fn posted_packets_carry_what_was_posted(driver: Driver) {
    let port = port(driver);
    for (key, transferred, token) in [(0, 0, 0), (1, 2, 3), (usize::MAX, usize::MAX, u64::MAX)] {
        port.post(key, transferred, token).expect("a post");
        let packet = next(&port);
        assert_eq!(
            (packet.key, packet.transferred, packet.token),
            (key, transferred, token)
        );
        assert!(packet.error.is_none() && packet.operation.is_none());
    }
    // And one with an operation of its own.
    start_with(Overlapped::new(9, Request::Posted), |operation| {
        // SAFETY: it is on the heap, and nobody touches it before its packet is here.
        unsafe { port.post_overlapped(operation, 77) }
    })
    .expect("a post");
    let packet = next(&port);
    assert_eq!((packet.transferred, packet.token), (77, 9));
    finished(&packet);
    port.close();
    assert_eq!(
        port.post(0, 0, 0).expect_err("a refusal").kind(),
        ErrorKind::NotConnected
    );
}

fn a_wait_for_many_takes_packets_of_every_kind_in_order(driver: Driver) {
    let port = port(driver);
    let (handle, _peer) = pair(&port, 5);
    let mut memory = [0; 8];
    port.post(1, 0, 10).expect("a post");
    start(&port, handle, 20, Request::Receive(one(&mut memory))).expect("a start");
    port.cancel_all(handle);
    start(
        &port,
        handle,
        30,
        Request::Send(Buffers::One(RawBuffer::EMPTY)),
    )
    .expect("a start");
    port.post(1, 0, 40).expect("a post");
    let mut packets = Vec::new();
    assert_eq!(
        port.wait_many(&mut packets, 3, Some(GUARD))
            .expect("a wait"),
        WaitMany::Packets(3)
    );
    assert_eq!(
        port.wait_many(&mut packets, 3, Some(GUARD))
            .expect("a wait"),
        WaitMany::Packets(1)
    );
    let told: Vec<_> = packets
        .iter()
        .map(|packet| (packet.token, packet.error.is_some()))
        .collect();
    assert_eq!(told, [(10, false), (20, true), (30, false), (40, false)]);
    packets
        .iter()
        .filter(|packet| packet.operation.is_some())
        .for_each(|packet| drop(finished(packet)));
    assert_eq!(
        port.wait_many(&mut packets, 3, Some(QUIET))
            .expect("a wait"),
        WaitMany::TimedOut
    );
    let error = port
        .wait_many(&mut packets, 0, None)
        .expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

fn timers_carry_their_key_and_token(driver: Driver) {
    let port = port(driver);
    let set = |deadline, token| {
        start_with(Overlapped::new(token, Request::Timer), |operation| {
            // SAFETY: it is on the heap, and nobody touches it before its packet is here.
            unsafe { port.start_timer(deadline, 99, operation) }
        })
    };
    let deadline = Instant::now() + Duration::from_millis(5);
    let id = set(deadline, 7).expect("a timer");
    let packet = next(&port);
    assert!(Instant::now() >= deadline);
    assert_eq!((packet.key, packet.token, packet.transferred), (99, 7, 0));
    finished(&packet);
    assert_eq!(
        port.cancel(id).expect_err("it fired").kind(),
        ErrorKind::NotFound
    );

    let id = set(Instant::now() + 10 * GUARD, 8).expect("a timer");
    port.cancel(id).expect("it is set");
    let packet = next(&port);
    assert!(
        packet.token == 8 && wharf::raw::is_cancelled(packet.error.as_ref().expect("cancelled"))
    );
    finished(&packet);

    let id = set(Instant::now() + 10 * GUARD, 9).expect("a timer");
    let operation = port.cancel_timer_quietly(id).expect("it is set");
    // SAFETY: it was handed out, and was given from a box.
    let operation = unsafe { Box::from_raw(operation.as_ptr()) };
    assert_eq!((operation.key(), operation.token), (99, 9));
    assert!(wharf::raw::is_cancelled(
        &operation.error().expect("cancelled")
    ));
    assert_eq!(operation.id(), id);
    let refused = port.cancel_timer_quietly(id).expect_err("it is cancelled");
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    assert!(port.close().is_empty(), "it has no packet");
}

fn a_stale_handle_reaches_nothing_though_its_place_is_used_again(driver: Driver) {
    let port = port(driver);
    let (stale, _stale_peer) = pair(&port, 1);
    let mut memory = [0; 8];
    let stale_id = start(&port, stale, 1, Request::Receive(one(&mut memory))).expect("a start");
    assert!(port.close_handle(stale));
    finished(&next(&port));

    let (handle, mut peer) = pair(&port, 2);
    assert_eq!(
        handle.to_bits() as u32,
        stale.to_bits() as u32,
        "the same place"
    );
    assert_ne!(handle, stale);
    let id = start(&port, handle, 2, Request::Receive(one(&mut memory))).expect("a start");

    let refused = |request| {
        start(&port, stale, 3, request)
            .expect_err("a refusal")
            .kind()
    };
    assert_eq!(refused(Request::ReceiveNothing), ErrorKind::NotConnected);
    assert_eq!(
        refused(Request::Send(Buffers::One(RawBuffer::EMPTY))),
        ErrorKind::NotConnected
    );
    assert_eq!(refused(Request::Shutdown), ErrorKind::NotConnected);
    assert_eq!(
        port.cancel(stale_id).expect_err("a refusal").kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        (port.cancel_all(stale), port.cancel_receives(stale)),
        (0, 0)
    );
    assert!(!port.resume(stale) && !port.close_handle(stale));
    assert_eq!((port.unsent(stale), port.traffic(stale)), (0, None));
    port.set_unsent_max(stale, 0).expect_err("a refusal");
    expect_nothing(&port);

    // The one that is there now has noticed nothing.
    peer.write_all(b"ahoy").expect("a write");
    let packet = next(&port);
    assert_eq!((packet.key, packet.token, packet.transferred), (2, 2, 4));
    assert_eq!(finished(&packet).id(), id);
    assert_eq!(memory, *b"ahoy\0\0\0\0");
}

fn a_handle_is_a_number_for_those_who_know_no_types(driver: Driver) {
    let port = port(driver);
    let (handle, _peer) = pair(&port, 1);
    assert_eq!(Handle::from_bits(handle.to_bits()), handle);
    assert_eq!(Handle::NONE.to_bits(), 0);
    // Whatever number it is, it names this handle or none.
    for bits in [
        0,
        1,
        u64::from(u32::MAX),
        1 << 32 | 0xFFFF,
        7 << 32,
        u64::MAX,
        !handle.to_bits(),
    ] {
        assert!(!port.close_handle(Handle::from_bits(bits)), "{bits:#x}");
    }
    assert!(port.close_handle(handle));
}

fn a_handle_takes_only_the_operations_of_its_kind(driver: Driver) {
    let port = port(driver);
    let (stream, _peer) = pair(&port, 1);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    listener.set_nonblocking(true).expect("a mode");
    let address = listener.local_addr().expect("an address");
    let listener = port
        .associate(listener, 2, Kind::Listener)
        .expect("an association");
    for (handle, request) in [
        (stream, Request::Accept(None)),
        (stream, Request::Connect(Box::new(address))),
        (stream, Request::Timer),
        (stream, Request::Posted),
        (listener, Request::ReceiveNothing),
        (listener, Request::Send(Buffers::One(RawBuffer::EMPTY))),
        (listener, Request::Shutdown),
        (listener, Request::Connect(Box::new(address))),
    ] {
        let error = start(&port, handle, 0, request).expect_err("a refusal");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    expect_nothing(&port);
}

fn an_accept_gives_the_socket_and_the_peer(driver: Driver) {
    let port = port(driver);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    listener.set_nonblocking(true).expect("a mode");
    let address = listener.local_addr().expect("an address");
    let listener = port
        .associate(listener, 4, Kind::Listener)
        .expect("an association");
    start(&port, listener, 5, Request::Accept(None)).expect("a start");
    let peer = connect(driver, address);
    let packet = next(&port);
    assert_eq!((packet.key, packet.token), (4, 5));
    let mut operation = finished(&packet);
    let accepted = operation.take_accepted().expect("a connection");
    assert_eq!(accepted.peer, Some(peer.local_addr()));
    assert!(operation.take_accepted().is_none(), "it is taken once");
    let stream = TcpStream::from(accepted.socket.into_system().expect("the system's"));
    assert_eq!(stream.local_addr().expect("an address"), address);
    let error = (&stream).read(&mut [0; 1]).expect_err("nothing was sent");
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "it is non-blocking");
}

fn a_connect_makes_a_stream_of_its_handle(driver: Driver) {
    let port = port(driver);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.set_nonblocking(true).expect("a mode");
    socket
        .bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .expect("an address");
    let handle = port
        .associate(socket, 6, Kind::Unconnected)
        .expect("an association");
    let error = start(&port, handle, 0, Request::ReceiveNothing).expect_err("a refusal");
    assert_eq!(
        error.kind(),
        ErrorKind::InvalidInput,
        "it is not connected yet"
    );

    start(&port, handle, 1, Request::Connect(Box::new(address))).expect("a start");
    let packet = next(&port);
    assert!(packet.key == 6 && packet.error.is_none(), "{packet:?}");
    finished(&packet);
    let (mut peer, _) = listener.accept().expect("a connection");
    let mut memory = [0; 8];
    start(&port, handle, 2, Request::Receive(one(&mut memory))).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    let packet = next(&port);
    assert_eq!((packet.token, packet.transferred), (2, 4));
    finished(&packet);
}

/// How often [`PROVIDER`] was asked and told to take its memory back, by the token of the operation.
static ASKED: [AtomicUsize; Driver::ALL.len()] = [const { AtomicUsize::new(0) }; Driver::ALL.len()];
static WITHDRAWN: [AtomicUsize; Driver::ALL.len()] =
    [const { AtomicUsize::new(0) }; Driver::ALL.len()];

/// Gives memory when asked for the second time. The token is the driver's number above the address of the memory,
/// which has room for 8 bytes.
static PROVIDER: Provider = Provider {
    provide: |operation| {
        // SAFETY: the operation is in transfer, by this thread.
        let token = unsafe { operation.as_ref() }.token;
        let asked = ASKED[(token >> 62) as usize].fetch_add(1, Ordering::SeqCst);
        (asked > 0).then_some(RawBuffer {
            start: (token & !(3 << 62)) as *mut u8,
            len: 8,
        })
    },
    withdraw: |operation| {
        // SAFETY: the operation is in transfer, by this thread.
        let token = unsafe { operation.as_ref() }.token;
        WITHDRAWN[(token >> 62) as usize].fetch_add(1, Ordering::SeqCst);
    },
};

fn a_provider_is_asked_when_there_is_something_to_receive(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(&port, 1);
    let number = driver as usize;
    let asked = || ASKED[number].load(Ordering::SeqCst);
    let mut memory = Box::new([0_u8; 8]);
    let token = memory.as_mut_ptr().expose_provenance() as u64 | (number as u64) << 62;
    start(&port, handle, token, Request::ReceiveProvided(&PROVIDER)).expect("a start");
    expect_nothing(&port);
    assert_eq!(asked(), 0, "an idle receive needs no memory");

    peer.write_all(b"ahoy").expect("a write");
    expect_nothing(&port);
    assert_eq!(
        asked(),
        1,
        "it had none, and is not asked again before it is resumed"
    );
    assert!(port.resume(handle));
    let packet = next(&port);
    assert_eq!((packet.token, packet.transferred), (token, 4));
    finished(&packet);
    assert_eq!(*memory, *b"ahoy\0\0\0\0");
    assert_eq!((asked(), WITHDRAWN[number].load(Ordering::SeqCst)), (2, 0));
    assert!(!port.resume(handle), "nothing waits for memory any more");
}

/// Quiet operations that were handed back, by their token: the driver's number.
static QUIETLY: [AtomicUsize; Driver::ALL.len()] =
    [const { AtomicUsize::new(0) }; Driver::ALL.len()];

fn a_quiet_operation_is_handed_back_without_a_packet(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(&port, 1);
    let number = driver as usize;
    let mut bytes = *b"ahoy";
    let quiet = |bytes: &mut [u8]| {
        let mut operation = Overlapped::new(number as u64, Request::Send(one(bytes)));
        operation.on_end = OnEnd::NothingOnSuccess(|operation| {
            // SAFETY: it is handed out by this call, and came from a box.
            let operation = unsafe { Box::from_raw(operation.as_ptr()) };
            QUIETLY[operation.token as usize].fetch_add(1, Ordering::SeqCst);
        });
        start_with(operation, |operation| {
            // SAFETY: it is on the heap, nobody touches it before it is handed out, and its memory stays as long.
            unsafe { port.start(handle, operation) }
        })
    };
    quiet(&mut bytes).expect("a start");
    peer.read_exact(&mut [0; 4]).expect("it is out");
    expect_nothing(&port);
    assert_eq!(QUIETLY[number].load(Ordering::SeqCst), 1);

    reset(peer);
    eventually("the reset is noticed", || {
        let started = quiet(&mut bytes);
        let answer = port.wait(Some(Duration::ZERO)).expect("a wait");
        if let Answer::Packet(packet) = answer {
            assert!(
                packet.token == number as u64 && packet.error.is_some(),
                "only a failure is told: {packet:?}"
            );
            finished(&packet);
            return true;
        }
        assert!(
            started.is_ok(),
            "no start is refused before the failure was told"
        );
        false
    });
}

fn closing_hands_out_every_operation_once(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(&port, 1);
    let mut memory = [0; 8];
    start(&port, handle, 1, Request::Receive(one(&mut memory))).expect("a start");
    start(&port, handle, 2, Request::ReceiveNothing).expect("a start");
    start(
        &port,
        handle,
        4,
        Request::Send(Buffers::One(RawBuffer::EMPTY)),
    )
    .expect("a start");
    port.post(0, 0, 8).expect("a post");
    start_with(Overlapped::new(16, Request::Timer), |operation| {
        // SAFETY: it is on the heap, and nobody touches it before its packet is here.
        unsafe { port.start_timer(Instant::now() + 10 * GUARD, 0, operation) }
    })
    .expect("a timer");
    let packets = port.close();
    let tokens = |failed: bool| {
        let those = packets
            .iter()
            .filter(|packet| packet.error.is_some() == failed);
        those.map(|packet| packet.token).sum::<u64>()
    };
    assert_eq!(
        (packets.len(), tokens(false), tokens(true)),
        (5, 4 + 8, 1 + 2 + 16)
    );
    packets
        .iter()
        .filter(|packet| packet.operation.is_some())
        .for_each(|packet| drop(finished(packet)));
    assert!(port.close().is_empty());
    assert!(matches!(port.wait(None), Ok(Answer::Closed)));
    assert_eq!(peer.read(&mut [0; 1]).expect("the end"), 0);
    assert_eq!(
        start(&port, handle, 0, Request::ReceiveNothing)
            .expect_err("a refusal")
            .kind(),
        ErrorKind::NotConnected
    );
}
