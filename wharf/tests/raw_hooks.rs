//! The raw layer's hooks for what is built on it: ends told by a function, attempts on lent memory, readiness without a call,
//! paused receives, and descriptors that are lent or borrowed.

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, unused_macros, reason = "the chapters use all of it")]
mod harness;

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    mem::MaybeUninit,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate as hooks;
use harness::*;
use wharf::raw::{
    Answer, Buffers, Handle, OnEnd, OperationId, Overlapped, Packet, Port, RawBuffer, Request,
};

macro_rules! suite {
    ($driver:expr) => {
        tests! {
            $driver;
            hooks {
                a_function_is_told_of_every_end_and_there_is_no_packet
                a_function_is_told_of_what_a_close_of_the_port_cancels
                a_function_may_close_the_port_while_others_wait_for_theirs
                a_direct_start_hands_no_operation_to_its_function
                an_attempt_moves_at_once_or_would_block
                an_attempt_gives_way_to_what_is_in_line
                an_attempt_finds_the_end_and_the_failure
                an_attempt_in_several_pieces_is_one_after_the_other
                readiness_is_told_without_a_call_and_again_for_new_data
                paused_receives_wait_and_lose_nothing
                a_peer_that_has_ended_is_told_from_one_that_has_not
                a_handle_answers_questions_and_lends_its_descriptor
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

fn pair(driver: Driver, port: &Port) -> (Handle, Stream) {
    let (ours, peer) = streams(driver);
    (ours.associate_raw(port, 7).expect("an association"), peer)
}

/// Starts an operation on the heap. A refused one is freed.
fn start(port: &Port, handle: Handle, operation: Overlapped) -> io::Result<OperationId> {
    let operation = NonNull::from(Box::leak(Box::new(operation)));
    // SAFETY: it is on the heap, and nobody touches it before its end is told; each test keeps the memory that it names.
    let started = unsafe { port.start(handle, operation) };
    // SAFETY: it was refused, so it is the caller's still, and it came from a box.
    started.inspect_err(|_| drop(unsafe { Box::from_raw(operation.as_ptr()) }))
}

fn buffer(memory: &mut [u8]) -> Buffers {
    Buffers::One(RawBuffer {
        start: memory.as_mut_ptr(),
        len: memory.len(),
    })
}

#[track_caller]
fn next(port: &Arc<Port>) -> Packet {
    match port.wait(Some(GUARD)).expect("a wait") {
        Answer::Packet(packet) => {
            if let Some(operation) = packet.operation {
                // SAFETY: every operation here is started in a box, and handed out by this packet alone.
                drop(unsafe { Box::from_raw(operation.as_ptr()) });
            }
            packet
        }
        other => panic!("a packet is due, the answer is {other:?}"),
    }
}

#[track_caller]
fn expect_nothing(port: &Arc<Port>) {
    let answer = port.wait(Some(QUIET)).expect("a wait");
    assert!(
        matches!(answer, Answer::TimedOut),
        "nothing is due: {answer:?}"
    );
}

/// Has threads of the port make what transfers there are to make.
fn turn(port: &Arc<Port>) {
    let answer = port.wait(Some(Duration::from_millis(1))).expect("a wait");
    assert!(
        matches!(answer, Answer::TimedOut),
        "nothing is due: {answer:?}"
    );
}

/// The operations that were handed to [`told`], by their token: how many, and the bytes of the last.
struct Told {
    count: AtomicUsize,
    failed: AtomicUsize,
    bytes: AtomicU64,
}

/// Counts an operation as told.
///
/// # Safety
/// The operation came from a box, and its token is the address of a [`Told`] that is there.
unsafe fn told(operation: NonNull<Overlapped>) {
    // SAFETY: the caller says so.
    let operation = unsafe { Box::from_raw(operation.as_ptr()) };
    // SAFETY: likewise.
    let told = unsafe { &*(operation.token as usize as *const Told) };
    match operation.error() {
        None => told
            .bytes
            .store(operation.transferred() as u64, Ordering::SeqCst),
        Some(_) => drop(told.failed.fetch_add(1, Ordering::SeqCst)),
    }
    told.count.fetch_add(1, Ordering::SeqCst);
}

impl Told {
    fn new() -> Box<Told> {
        Box::new(Told {
            count: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
        })
    }

    fn operation(&self, request: Request) -> Overlapped {
        let mut operation = Overlapped::new(std::ptr::from_ref(self) as usize as u64, request);
        operation.on_end = OnEnd::Call(told);
        operation
    }

    fn counts(&self) -> (usize, usize) {
        let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        (count(&self.count), count(&self.failed))
    }
}

fn a_function_is_told_of_every_end_and_there_is_no_packet(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(driver, &port);
    let told = Told::new();
    let mut memory = [0; 8];
    let receive = |memory: &mut [u8]| told.operation(Request::Receive(buffer(memory)));

    start(&port, handle, receive(&mut memory)).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    eventually("it is told", || {
        turn(&port);
        told.counts() == (1, 0)
    });
    assert_eq!(told.bytes.load(Ordering::SeqCst), 4);
    assert_eq!(&memory[..4], b"ahoy");

    let id = start(&port, handle, receive(&mut memory)).expect("a start");
    port.cancel(id).expect("it waits");
    eventually("it is told", || {
        turn(&port);
        told.counts() == (2, 1)
    });

    start(&port, handle, receive(&mut memory)).expect("a start");
    assert!(port.close_handle(handle));
    eventually("it is told", || {
        turn(&port);
        told.counts() == (3, 2)
    });
    expect_nothing(&port);
    assert_eq!(port.snapshot().operations, 0);
}

fn a_function_is_told_of_what_a_close_of_the_port_cancels(driver: Driver) {
    let port = port(driver);
    let (handle, _peer) = pair(driver, &port);
    let told = Told::new();
    let mut memory = [0; 8];
    let receive = told.operation(Request::Receive(buffer(&mut memory)));
    start(&port, handle, receive).expect("a start");
    assert!(port.close().is_empty(), "there is no packet of it");
    assert_eq!(told.counts(), (1, 1));
}

/// Frees the operation, and closes the port.
///
/// # Safety
/// The operation came from a box, and its token is the address of a port that is there.
unsafe fn close_port(operation: NonNull<Overlapped>) {
    // SAFETY: the caller says so.
    let operation = unsafe { Box::from_raw(operation.as_ptr()) };
    // SAFETY: likewise.
    let port = unsafe { &*(operation.token as usize as *const Port) };
    assert!(port.close().is_empty(), "no operation here has a packet");
}

fn a_function_may_close_the_port_while_others_wait_for_theirs(driver: Driver) {
    let port = port(driver);
    let (handle, _peer) = pair(driver, &port);
    let mut memory = [[0; 8]; 3];
    for memory in &mut memory {
        let token = Arc::as_ptr(&port) as usize as u64;
        let mut receive = Overlapped::new(token, Request::Receive(buffer(memory)));
        receive.on_end = OnEnd::Call(close_port);
        start(&port, handle, receive).expect("a start");
    }
    let (sender, receiver) = mpsc::channel();
    let cancels = port.clone();
    let thread = thread::spawn(move || {
        let count = cancels.cancel_all(handle);
        if cfg!(windows) {
            // There the kernel's packets tell of the ends, which a wait takes.
            let answer = cancels.wait(Some(GUARD)).expect("a wait");
            assert!(matches!(answer, Answer::Closed), "{answer:?}");
        }
        sender.send(count)
    });
    assert_eq!(
        receiver.recv_timeout(GUARD),
        Ok(3),
        "it does not wait for itself"
    );
    thread.join().expect("it ends").expect("somebody listens");
    assert!(port.is_closed());
}

fn a_direct_start_hands_no_operation_to_its_function(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(driver, &port);
    let told = Told::new();
    let mut bytes = *b"ahoy";
    let operation = Box::new(told.operation(Request::Send(buffer(&mut bytes))));
    let operation = NonNull::from(Box::leak(operation));
    // SAFETY: as in `start`.
    let started = unsafe { port.start_skip_port(handle, operation) }.expect("a start");
    match started {
        wharf::raw::Started::Completed(packet) => {
            assert_eq!(packet.transferred, 4);
            assert_eq!(told.counts(), (0, 0));
            // SAFETY: it was handed out by this.
            drop(unsafe { Box::from_raw(operation.as_ptr()) });
        }
        wharf::raw::Started::Pending(_) => eventually("it is told", || {
            turn(&port);
            told.counts() == (1, 0)
        }),
    }
    peer.read_exact(&mut [0; 4]).expect("it is out");
    expect_nothing(&port);
}

fn uninitialised() -> [MaybeUninit<u8>; 64] {
    [MaybeUninit::uninit(); 64]
}

/// Tries until it can be done, and makes transfers meanwhile.
#[track_caller]
fn received(port: &Arc<Port>, handle: Handle) -> io::Result<Vec<u8>> {
    let mut result = None;
    eventually("there is something", || {
        let mut memory = uninitialised();
        match port.try_receive(handle, &mut memory) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                turn(port);
                return false;
            }
            Ok(count) => {
                // SAFETY: so many were written.
                let written = |byte: &MaybeUninit<u8>| unsafe { byte.assume_init() };
                result = Some(Ok(memory[..count].iter().map(written).collect()));
            }
            Err(error) => result = Some(Err(error)),
        }
        true
    });
    result.expect("it came")
}

fn an_attempt_moves_at_once_or_would_block(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(driver, &port);
    let nothing = port.try_receive(handle, &mut uninitialised());
    assert_eq!(
        nothing.expect_err("nothing came").kind(),
        ErrorKind::WouldBlock
    );
    peer.write_all(b"ahoy").expect("a write");
    assert_eq!(received(&port, handle).expect("bytes"), b"ahoy");

    assert_eq!(port.try_send(handle, b"sailor").expect("room"), 6);
    let mut echo = [0; 6];
    peer.read_exact(&mut echo).expect("it is out");
    assert_eq!(&echo, b"sailor");
    assert_eq!(port.traffic(handle).map(moved), Some((4, 6)));
    assert_eq!(port.unsent(handle), 0);
    assert_eq!(port.try_send(handle, b"").expect("nothing to do"), 0);
    assert_eq!(port.try_receive(handle, &mut []).expect("nothing to do"), 0);

    let large = vec![7; 1 << 20];
    let mut sent = 0;
    let full = loop {
        match port.try_send(handle, &large) {
            Ok(count) => sent += count,
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    let mut left = vec![0; sent];
    peer.read_exact(&mut left).expect("they are out");
    eventually("there is room", || {
        turn(&port);
        port.try_send(handle, b"x").is_ok()
    });

    port.close_handle(handle);
    assert!(port.try_send(handle, b"late").is_err());
    assert!(port.try_receive(handle, &mut uninitialised()).is_err());
    expect_nothing(&port);
}

fn an_attempt_gives_way_to_what_is_in_line(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(driver, &port);
    let mut memory = [0; 4];
    let receive = Overlapped::new(1, Request::Receive(buffer(&mut memory)));
    start(&port, handle, receive).expect("a start");
    peer.write_all(b"ahoysailor").expect("a write");
    let refused = port.try_receive(handle, &mut uninitialised());
    assert_eq!(
        refused.expect_err("one is in line").kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(next(&port).transferred, 4);
    assert_eq!(&memory, b"ahoy");
    assert_eq!(received(&port, handle).expect("the rest"), b"sailor");
}

fn an_attempt_finds_the_end_and_the_failure(driver: Driver) {
    let port = port(driver);
    let (handle, peer) = pair(driver, &port);
    drop(peer);
    assert_eq!(received(&port, handle).expect("the end"), b"");
    let (handle, peer) = pair(driver, &port);
    reset(peer);
    let error = received(&port, handle).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let mut memory = [0; 4];
    let receive = Overlapped::new(1, Request::Receive(buffer(&mut memory)));
    match start(&port, handle, receive) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        Ok(_) => assert!(next(&port).error.is_some(), "it fails as well"),
    }
}

fn an_attempt_in_several_pieces_is_one_after_the_other(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(driver, &port);
    let pieces = [&b"ahoy"[..], b"", b", ", b"sailor"].map(IoSlice::new);
    assert_eq!(port.try_send_vectored(handle, &pieces).expect("room"), 12);
    let mut echo = [0; 12];
    peer.read_exact(&mut echo).expect("it is out");
    assert_eq!(&echo, b"ahoy, sailor");
    let many = [IoSlice::new(b"x"); 100];
    let sent = port.try_send_vectored(handle, &many).expect("room");
    assert!((1..=64).contains(&sent), "{sent}");
    assert_eq!(
        port.try_send_vectored(handle, &[]).expect("nothing to do"),
        0
    );
}

fn readiness_is_told_without_a_call_and_again_for_new_data(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(driver, &port);
    let ready = || Overlapped::new(1, Request::ReceiveReadiness);
    start(&port, handle, ready()).expect("a start");
    expect_nothing(&port);
    for word in [&b"ahoy"[..], b"sailor"] {
        peer.write_all(word).expect("a write");
        assert_eq!(next(&port).transferred, 0);
        assert_eq!(received(&port, handle).expect("bytes"), word);
        // What it is told next may be old; not after an attempt that found nothing.
        let nothing = port.try_receive(handle, &mut uninitialised());
        assert!(nothing.is_err());
        start(&port, handle, ready()).expect("a start");
        expect_nothing(&port);
    }
    drop(peer);
    assert!(next(&port).error.is_none(), "the end is worth a look");
    assert_eq!(received(&port, handle).expect("the end"), b"");
}

fn paused_receives_wait_and_lose_nothing(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(driver, &port);
    port.pause_receives(handle).expect("an open handle");
    let mut memory = [0; 4];
    let receive = |memory: &mut [u8]| Overlapped::new(1, Request::Receive(buffer(memory)));
    start(&port, handle, receive(&mut memory)).expect("a start");
    peer.write_all(b"ahoysailor").expect("a write");
    expect_nothing(&port);
    port.resume_receives(handle).expect("an open handle");
    assert_eq!(next(&port).transferred, 4);
    assert_eq!(&memory, b"ahoy");

    port.pause_receives(handle).expect("an open handle");
    let id = start(&port, handle, receive(&mut memory)).expect("a start");
    expect_nothing(&port);
    port.cancel(id).expect("a paused one can be cancelled");
    assert!(next(&port).error.is_some());
    port.resume_receives(handle).expect("an open handle");
    start(&port, handle, receive(&mut memory)).expect("a start");
    assert_eq!(next(&port).transferred, 4);
    assert_eq!(&memory, b"sail");
    assert!(port.close_handle(handle));
    assert!(port.pause_receives(handle).is_err());
}

fn a_peer_that_has_ended_is_told_from_one_that_has_not(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(driver, &port);
    peer.write_all(b"ahoy").expect("a write");
    assert_eq!(received(&port, handle).expect("bytes"), b"ahoy");
    assert!(!port.peer_has_ended(handle).expect("an open handle"));
    peer.shutdown();
    assert_eq!(received(&port, handle).expect("the end"), b"");
    assert!(port.peer_has_ended(handle).expect("an open handle"));
    // Its receiving side is open.
    assert_eq!(port.try_send(handle, b"sailor").expect("room"), 6);
    peer.read_exact(&mut [0; 6]).expect("it takes them");
}

fn a_handle_answers_questions_and_lends_its_descriptor(driver: Driver) {
    let port = port(driver);
    let (handle, mut peer) = pair(driver, &port);
    assert_eq!(port.peer_addr(handle).expect("a peer"), peer.local_addr());
    assert!(port.local_addr(handle).is_ok());
    peer.write_all(b"ahoy").expect("a write");
    eventually("they arrive", || {
        port.unread(handle).expect("an open handle") == 4
    });
    let number = port.with_descriptor(handle, Ok).expect("an open handle");
    let again = port.with_descriptor(handle, |descriptor| {
        assert_eq!(descriptor, number);
        Err::<(), _>(ErrorKind::Other.into())
    });
    assert_eq!(again.expect_err("its own").kind(), ErrorKind::Other);
    assert!(port.close_handle(handle));
    assert!(port.with_descriptor(handle, Ok).is_err());
    assert!(port.peer_addr(handle).is_err());
}

#[cfg(unix)]
mod borrowed {
    use std::{
        net::{TcpListener, TcpStream},
        os::fd::AsRawFd,
    };

    use wharf::raw::Kind;

    use super::*;

    fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let peer = TcpStream::connect(listener.local_addr().expect("an address"));
        let (ours, _) = listener.accept().expect("a connection");
        (ours, peer.expect("a connection"))
    }

    /// The drivers on the system's own kernel.
    fn drivers() -> impl Iterator<Item = Driver> {
        let all = Driver::ALL.into_iter();
        all.filter(|driver| driver.name() != "simulated" && port_is_possible(*driver))
    }

    /// A container may forbid io_uring.
    fn port_is_possible(driver: Driver) -> bool {
        Port::new(&driver.options()).is_ok()
    }

    #[test]
    fn a_borrowed_descriptor_stays_open_and_can_be_associated_again() {
        for driver in drivers() {
            let port = port(driver);
            let (ours, mut peer) = connected();
            ours.set_nonblocking(true).expect("a mode");
            let number = ours.as_raw_fd();
            // SAFETY: it is open until each handle is released.
            let associate = || unsafe { port.associate_borrowed(number, 7, Kind::Stream) };
            for word in [*b"ahoy", *b"good"] {
                let handle = associate().expect("an association");
                let twice = associate().expect_err("it is registered already");
                assert_eq!(twice.kind(), ErrorKind::AlreadyExists);
                let mut memory = [0; 4];
                let receive = Overlapped::new(1, Request::Receive(buffer(&mut memory)));
                start(&port, handle, receive).expect("a start");
                peer.write_all(&word).expect("a write");
                assert_eq!(next(&port).transferred, 4);
                assert_eq!(memory, word);
                let mut left = [0; 4];
                let receive = Overlapped::new(2, Request::Receive(buffer(&mut left)));
                start(&port, handle, receive).expect("a start");
                assert!(port.release_handle(handle));
                assert!(next(&port).error.is_some(), "it is cancelled");
                assert!(!port.release_handle(handle));
            }
            let mut ours = ours;
            ours.set_nonblocking(false).expect("it is open");
            ours.write_all(b"bye").expect("it is open");
            peer.read_exact(&mut [0; 3]).expect("it arrives");
        }
    }

    #[test]
    fn a_release_waits_for_the_threads_that_use_the_descriptor() {
        for driver in drivers() {
            let port = port(driver);
            let (ours, _peer) = connected();
            // SAFETY: it is open until it is released.
            let handle = unsafe { port.associate_borrowed(ours.as_raw_fd(), 7, Kind::Stream) };
            let handle = handle.expect("an association");
            let is_released = AtomicUsize::new(0);
            thread::scope(|threads| {
                let used = port.with_descriptor(handle, |_| {
                    threads.spawn(|| {
                        port.release_handle(handle);
                        is_released.store(1, Ordering::SeqCst);
                    });
                    eventually("it is closed", || port.with_descriptor(handle, Ok).is_err());
                    Ok(is_released.load(Ordering::SeqCst))
                });
                assert_eq!(used.expect("an open handle"), 0, "it is in use");
            });
            assert_eq!(is_released.load(Ordering::SeqCst), 1);
        }
    }
}
