//! What comes with a descriptor beside its bytes: descriptors that a peer passes, a mode that somebody changes behind the port's
//! back, and the kernel that it is of.

#![cfg(unix)]

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, reason = "the chapters use all of it")]
mod harness;

use std::{
    fs::File,
    io::{ErrorKind, IoSlice, Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    sync::Arc,
    thread,
};

use crate as descriptors;
use harness::*;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
    pipe::{PipeFlags, pipe_with},
};
use wharf::{
    Buffer, CompletionPort, Finished, Socket, Transmit, Wait,
    raw::{Kind, Options, Port},
    simulated::Kernel,
};

macro_rules! suite {
    ($driver:expr) => {
        tests! {
            $driver;
            descriptors {
                what_stands_behind_a_passed_descriptor_is_received
                what_stands_behind_passed_descriptors_fills_the_buffers_of_many
                a_stream_of_the_raw_layer_may_be_of_any_family
                a_type_that_says_tcp_is_no_proof_of_it
                an_accepted_stream_is_what_its_listener_is
                a_big_send_on_a_local_socket_goes_on_when_there_is_room
                an_accept_waits_for_nobody_though_the_listener_was_made_blocking
                a_transmit_waits_for_nobody_though_the_socket_was_made_blocking
                receives_and_sends_wait_for_nobody_though_the_socket_was_made_blocking
                a_connect_waits_for_nobody_though_the_socket_was_made_blocking
            }
        }
    };
}

on_every_driver!(suite);

/// Sends a byte with a descriptor beside it.
fn pass(stream: &UnixStream, byte: u8, descriptor: BorrowedFd<'_>) {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let bytes = [byte];
    let sent = sendmsg(
        stream,
        &[IoSlice::new(&bytes)],
        &mut control,
        SendFlags::empty(),
    );
    assert_eq!(sent, Ok(1));
}

/// Sends `count` times a byte with the end of a pipe beside it, then more bytes. What was passed and nobody has is closed: then
/// the pipe has ended.
fn pass_many(peer: &mut UnixStream, count: usize) -> File {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    for _ in 0..count {
        pass(peer, b'a', writer.as_fd());
    }
    peer.write_all(b"behind").expect("a write");
    reader.into()
}

#[track_caller]
fn expect_ended(mut pipe: File) {
    let mut polled = [PollFd::new(&pipe, PollFlags::IN)];
    let guard = Timespec::try_from(GUARD).expect("a short time");
    assert_eq!(poll(&mut polled, Some(&guard)), Ok(1), "nobody has it open");
    assert_eq!(pipe.read(&mut [0; 1]).expect("a read"), 0);
}

/// Receives on each of the sockets, at once, until all have this many bytes. Several, so that a driver that batches does.
#[track_caller]
fn receive_all(port: &CompletionPort<usize>, sockets: &[Socket<usize>], bytes: usize) {
    let mut got = vec![0; sockets.len()];
    for socket in sockets {
        socket.receive(Buffer::with_capacity(64)).expect("a start");
    }
    while got.iter().any(|got| *got < bytes) {
        let completion = next(port);
        let count = completion.result.expect("a receive succeeds");
        assert!(count > 0, "nobody has ended");
        let Finished::Received { socket, buffer } = completion.what else {
            panic!("it was a receive");
        };
        got[completion.key] += count;
        if got[completion.key] < bytes {
            socket.receive(buffer).expect("a start");
        }
    }
    assert_eq!(got, vec![bytes; sockets.len()]);
}

fn what_stands_behind_a_passed_descriptor_is_received(driver: Driver) {
    let port = port::<usize>(driver, 1);
    let mut pairs: Vec<_> = (0..3)
        .map(|_| UnixStream::pair().expect("a pair"))
        .collect();
    let pipes: Vec<_> = pairs
        .iter_mut()
        .map(|(_, peer)| pass_many(peer, 2))
        .collect();
    let mut peers = Vec::new();
    let mut sockets = Vec::new();
    for (key, (ours, peer)) in pairs.into_iter().enumerate() {
        sockets.push(port.associate(ours, key).expect("an association"));
        peers.push(peer);
    }
    receive_all(&port, &sockets, 8);
    // Received without asking for them, they are closed by the system: no process has them by accident.
    pipes.into_iter().for_each(expect_ended);
}

fn what_stands_behind_passed_descriptors_fills_the_buffers_of_many(driver: Driver) {
    let port = port::<()>(driver, 1);
    let (ours, mut peer) = UnixStream::pair().expect("a pair");
    let pipe = pass_many(&mut peer, 3);
    let socket = port.associate(ours, ()).expect("an association");
    let mut all = Vec::new();
    while all.len() < 9 {
        let buffers = vec![Buffer::with_capacity(16), Buffer::with_capacity(16)];
        socket.receive_vectored(buffers).expect("a start");
        let completion = next(&port);
        completion.result.expect("a receive succeeds");
        let Finished::ReceivedVectored { buffers, .. } = completion.what else {
            panic!("it was a receive");
        };
        buffers
            .iter()
            .for_each(|buffer| all.extend_from_slice(buffer));
    }
    assert_eq!(all, b"aaabehind");
    expect_ended(pipe);
}

/// What the other tests do through one API, with whatever makes a socket of the port.
fn receives_what_was_passed(
    driver: Driver,
    associate: impl Fn(&CompletionPort<usize>, UnixStream) -> Socket<usize>,
) {
    let port = port::<usize>(driver, 1);
    let (ours, mut peer) = UnixStream::pair().expect("a pair");
    let pipe = pass_many(&mut peer, 1);
    let socket = associate(&port, ours);
    receive_all(&port, &[socket], 7);
    expect_ended(pipe);
}

fn a_type_that_says_tcp_is_no_proof_of_it(driver: Driver) {
    receives_what_was_passed(driver, |port, stream| {
        let stream = TcpStream::from(OwnedFd::from(stream));
        port.associate(stream, 0).expect("an association")
    });
}

fn an_accepted_stream_is_what_its_listener_is(driver: Driver) {
    let port = port::<usize>(driver, 1);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a listener");
    let listener = port.associate(listener, 0).expect("an association");
    listener.accept().expect("a start");
    let mut peer = UnixStream::connect(&path).expect("a connection");
    let pipe = pass_many(&mut peer, 1);
    let Finished::AcceptedLocal { connection, .. } = next(&port).what else {
        panic!("it was an accept");
    };
    let connection = connection.expect("a connection");
    let socket = port.associate(connection, 0).expect("an association");
    receive_all(&port, &[socket], 7);
    expect_ended(pipe);
}

fn a_stream_of_the_raw_layer_may_be_of_any_family(driver: Driver) {
    use std::ptr::NonNull;
    use wharf::raw::{Answer, Buffers, Overlapped, RawBuffer, Request};
    let port = Port::new(&driver.options()).expect("the driver is available here");
    let (ours, mut peer) = UnixStream::pair().expect("a pair");
    ours.set_nonblocking(true).expect("a mode");
    let pipe = pass_many(&mut peer, 1);
    let handle = port
        .associate(ours, 0, Kind::Stream)
        .expect("an association");
    let mut got = 0;
    while got < 7 {
        let mut memory = [0; 16];
        let buffer = RawBuffer {
            start: memory.as_mut_ptr(),
            len: memory.len(),
        };
        let mut operation = Overlapped::new(0, Request::Receive(Buffers::One(buffer)));
        // SAFETY: both stay in place, untouched, until the packet is here.
        unsafe { port.start(handle, NonNull::from(&mut operation)) }.expect("a start");
        match port.wait(Some(GUARD)).expect("a wait") {
            Answer::Packet(packet) => got += packet.transferred,
            answer => {
                // The operation has to end before its memory does.
                port.close();
                panic!("a packet is due, the answer is {answer:?}");
            }
        }
    }
    expect_ended(pipe);
}

fn a_big_send_on_a_local_socket_goes_on_when_there_is_room(driver: Driver) {
    let port = port::<()>(driver, 1);
    let (ours, mut peer) = UnixStream::pair().expect("a pair");
    let socket = port.associate(ours, ()).expect("an association");
    socket.send(pattern(BIG)).expect("a start");
    let reader = thread::spawn(move || {
        let mut all = vec![0; BIG];
        peer.read_exact(&mut all).expect("all of it");
        all
    });
    assert_eq!(sent(&port).len(), BIG);
    assert!(reader.join().expect("no panic") == pattern(BIG));
}

fn an_accept_waits_for_nobody_though_the_listener_was_made_blocking(driver: Driver) {
    let port = port(driver, 1);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let twin = listener.try_clone().expect("a duplicate");
    let listener = port.associate(listener, ()).expect("an association");
    for _ in 0..2 {
        twin.set_nonblocking(false).expect("a mode");
        let _peer = TcpStream::connect(listener.local_addr()).expect("a connection");
        listener.accept().expect("a start");
        next(&port).result.expect("there was one");
        // Nothing is left, and there was no word of that: it is tried.
        listener.accept().expect("a start");
        expect_nothing(&port);
        listener
            .accept_receive(Buffer::with_capacity(8))
            .expect("a start");
        assert_eq!(listener.cancel_all(), 2);
        cancelled(next(&port));
        cancelled(next(&port));
    }
    twin.set_nonblocking(false).expect("a mode");
    listener.accept().expect("a start");
    // The test is over only if this is.
    port.close();
}

fn a_transmit_waits_for_nobody_though_the_socket_was_made_blocking(driver: Driver) {
    let port = port(driver, 1);
    let (ours, mut peer) = streams(driver);
    let Stream::System(ours) = ours else {
        unreachable!("it is the system's")
    };
    let twin = ours.try_clone().expect("a duplicate");
    let socket = port.associate(ours, ()).expect("an association");
    twin.set_nonblocking(false).expect("a mode");
    let content = pattern(4 * BIG);
    let file = Arc::new(file(driver, &content));
    let range = 0..content.len() as u64;
    socket
        .transmit(Transmit::new(file, range))
        .expect("a start");
    expect_nothing(&port);
    twin.set_nonblocking(false).expect("a mode");
    let reader = thread::spawn(move || {
        let mut all = vec![0; 4 * BIG];
        peer.read_exact(&mut all).expect("all of it");
        all
    });
    let completion = next(&port);
    assert_eq!(completion.result.expect("success"), content.len());
    assert!(reader.join().expect("no panic") == content);
}

fn receives_and_sends_wait_for_nobody_though_the_socket_was_made_blocking(driver: Driver) {
    let port = port(driver, 1);
    // Several at once, so that a driver that batches does.
    let mut pairs = Vec::new();
    for key in 0..4 {
        let (ours, peer) = streams(driver);
        let Stream::System(ours) = ours else {
            unreachable!("it is the system's")
        };
        let twin = ours.try_clone().expect("a duplicate");
        let socket = port.associate(ours, key).expect("an association");
        twin.set_nonblocking(false).expect("a mode");
        pairs.push((socket, peer, twin));
    }
    for (socket, peer, _) in &mut pairs {
        peer.write_all(b"ahoy").expect("a write");
        until_arrived(socket, 4);
        // One that fills its buffer says nothing of what is left.
        for _ in 0..2 {
            socket.receive(Buffer::with_capacity(4)).expect("a start");
        }
    }
    for _ in &pairs {
        assert_eq!(received(&port)[..], *b"ahoy");
    }
    for (socket, ..) in &pairs {
        socket.send(pattern(4 * BIG)).expect("a start");
    }
    expect_nothing(&port);
    port.close();
}

fn a_connect_waits_for_nobody_though_the_socket_was_made_blocking(driver: Driver) {
    use std::ptr::NonNull;
    use wharf::raw::{Answer, LocalAddress, Overlapped, Request};
    let port = Port::new(&driver.options()).expect("the driver is available here");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let [full, ours] = [(); 2].map(|()| {
        let (family, kind) = (socket2::Domain::UNIX, socket2::Type::STREAM);
        socket2::Socket::new(family, kind, None).expect("a socket")
    });
    let address = socket2::SockAddr::unix(&path).expect("an address");
    full.bind(&address).expect("an address");
    full.listen(0).expect("a listener");
    // A backlog of 0 has room for one.
    let _first = UnixStream::connect(&path).expect("a connection");
    // It was never made anything but blocking.
    let handle = port
        .associate(ours, 0, Kind::Unconnected)
        .expect("an association");
    let address = Box::new(LocalAddress::new(&path).expect("an address"));
    let mut operation = Overlapped::new(0, Request::ConnectLocal(address));
    // SAFETY: it stays in place, untouched, until the packet is here.
    unsafe { port.start(handle, NonNull::from(&mut operation)) }.expect("a start");
    let Answer::Packet(packet) = port.wait(Some(GUARD)).expect("a wait") else {
        port.close();
        panic!("a packet is due");
    };
    let error = packet.error.expect("the backlog is full");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

/// A port on the system, and one on a kernel of its own.
fn ports() -> (CompletionPort<()>, Kernel, CompletionPort<()>) {
    let kernel = Kernel::new();
    let simulated = CompletionPort::builder().simulated(&kernel).build();
    let system = CompletionPort::new(1).expect("a port");
    (system, kernel, simulated.expect("a port"))
}

#[test]
fn what_a_simulated_kernel_opened_is_refused_by_a_port_on_the_system() {
    let (port, kernel, _) = ports();
    let before = kernel.open_count();
    let (stream, _other) = kernel.streams();
    let refused = [
        port.associate(stream, ()).map(drop),
        port.associate(kernel.listen(), ()).map(drop),
        port.associate(kernel.datagrams(), ()).map(drop),
        port.associate(kernel.file(*b"ahoy"), ()).map(drop),
    ];
    for result in refused {
        let error = result.expect_err("its number means something else here");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("simulated kernel"), "{error}");
    }
    drop(_other);
    assert_eq!(kernel.open_count(), before, "what is refused is closed");
}

#[test]
fn what_the_system_opened_is_refused_by_a_port_on_a_simulated_kernel() {
    let (_, _, port) = ports();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let stream = TcpStream::connect(listener.local_addr().expect("an address"));
    let refused = [
        port.associate(stream.expect("a connection"), ()).map(drop),
        port.associate(listener, ()).map(drop),
        port.associate(UnixStream::pair().expect("a pair").0, ())
            .map(drop),
        port.associate(UdpSocket::bind("127.0.0.1:0").expect("a socket"), ())
            .map(drop),
        port.associate(File::open("/dev/null").expect("a file"), ())
            .map(drop),
    ];
    for result in refused {
        let error = result.expect_err("its number means something else there");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("the system's"), "{error}");
    }
}

#[test]
fn what_one_simulated_kernel_opened_is_refused_by_a_port_on_another() {
    let (_, _, port) = ports();
    let other = Kernel::new();
    // Numbered alike, so that it would be taken for the port's own.
    let (stream, _peer) = other.streams();
    let error = port.associate(stream, ()).expect_err("it is another's");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let mut options = Options::default();
    options.kernel = Some(other.clone());
    let raw = Port::new(&options).expect("a port");
    let error = raw.associate(Kernel::new().streams().0, 0, Kind::Stream);
    assert_eq!(error.expect_err("likewise").kind(), ErrorKind::InvalidInput);
    raw.associate(other.streams().0, 0, Kind::Stream)
        .expect("its own");
}

#[test]
fn a_file_is_sent_only_on_a_port_of_its_own_kernel() {
    let (system, kernel, simulated) = ports();
    let (ours, _peer) = streams(Driver::Readiness);
    let on_system = ours.associate(&system, ()).expect("an association");
    let file = Arc::new(kernel.file(*b"ahoy").into());
    let refused = on_system.transmit(Transmit::new(file, 0..4));
    let refused = refused.expect_err("its number means another file");
    assert_eq!(refused.error.kind(), ErrorKind::InvalidInput);
    assert_eq!(refused.given.range, 0..4, "what was given comes back");

    let (ours, mut peer) = kernel.streams();
    let on_simulated = simulated.associate(ours, ()).expect("an association");
    let file = Arc::new(tempfile::tempfile().expect("a file").into());
    let refused = on_simulated.transmit(Transmit::new(file, 0..4));
    let refused = refused.expect_err("its number means another file");
    assert_eq!(refused.error.kind(), ErrorKind::InvalidInput);
    let file = Arc::new(kernel.file(*b"ahoy").into());
    on_simulated
        .transmit(Transmit::new(file, 0..4))
        .expect("a start");
    assert!(matches!(
        simulated.wait(Some(GUARD)),
        Ok(Wait::Completed(_))
    ));
    peer.read_exact(&mut [0; 4]).expect("bytes");
}

#[test]
fn what_was_accepted_on_one_kernel_is_refused_by_a_port_on_another() {
    let (system, kernel, simulated) = ports();
    let listener = kernel.listen();
    let address = listener.local_addr().expect("an address");
    let listener = simulated.associate(listener, ()).expect("an association");
    listener.accept().expect("a start");
    let _peer = kernel.connect(address).expect("a connection");
    let Finished::Accepted { connection, .. } = next(&simulated).what else {
        panic!("it was an accept");
    };
    let connection = connection.expect("a connection");
    let error = system.associate(connection, ()).expect_err("another's");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
