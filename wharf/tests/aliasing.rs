//! Memory that is lent to operations, on a kernel in memory: a small course through every kind of them, for Miri, which sees
//! where two hold a reference to what only one may. By hand:
//!
//! ```text
//! MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p wharf-port --test aliasing
//! ```
#![cfg(unix)]

use std::{
    io::{Read, Write},
    time::Duration,
};

use wharf::{
    Buffer, BufferPool, Completion, CompletionPort, Finished, Payload, Started, Wait,
    simulated::{Kernel, Stream},
};

type Port = CompletionPort<u32>;

fn port(kernel: &Kernel) -> Port {
    let builder = CompletionPort::builder().concurrency(1).simulated(kernel);
    builder.build().expect("a port")
}

fn pair(kernel: &Kernel, port: &Port) -> (wharf::Socket<u32>, Stream) {
    let (ours, peer) = kernel.streams();
    (port.associate(ours, 7).expect("an association"), peer)
}

#[track_caller]
fn next(port: &Port) -> Completion<u32> {
    match port.wait(Duration::from_secs(60)).expect("a wait") {
        Wait::Completed(completion) => completion,
        other => panic!("a completion is due, the answer is {other:?}"),
    }
}

#[test]
fn timers_and_posts() {
    let port = port(&Kernel::new());
    port.post(1, 11).expect("a post");
    assert_eq!(next(&port).key, 1);
    port.timer(Duration::from_millis(1), 2).expect("a timer");
    assert_eq!(next(&port).key, 2);
    let late = port.timer(Duration::MAX, 3).expect("a timer");
    port.cancel(late).expect("it is there");
    assert!(next(&port).is_cancelled());
    port.timer(Duration::MAX, 4).expect("a timer");
    port.post(5, 55).expect("a post");
    assert_eq!(port.close().len(), 2);
}

#[test]
fn streams() {
    let kernel = Kernel::new();
    let port = port(&kernel);
    let (socket, mut peer) = pair(&kernel, &port);
    let pool = BufferPool::with_limit(8, 1);
    peer.write_all(b"ahoy").expect("a write");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    let Finished::Received { buffer, .. } = next(&port).what else {
        panic!("a receive is due");
    };
    assert_eq!(&buffer[..], b"ahoy");
    socket.send(buffer).expect("a start");
    assert!(matches!(next(&port).what, Finished::Sent { .. }));
    let buffers = vec![Buffer::with_capacity(2), Buffer::with_capacity(8)];
    socket.receive_vectored(buffers).expect("a start");
    socket.receive_from(&pool).expect("a start");
    socket.receive_from(&pool).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    let Finished::ReceivedVectored { buffers, .. } = next(&port).what else {
        panic!("a receive is due");
    };
    assert_eq!((&buffers[0][..], &buffers[1][..]), (&b"ah"[..], &b"oy"[..]));
    peer.write_all(b"12345678abcdefgh").expect("a write");
    let Finished::Received { buffer, .. } = next(&port).what else {
        panic!("a receive is due");
    };
    assert_eq!(&buffer[..], b"12345678");
    // The one behind it waits for this buffer.
    drop(buffer);
    assert_eq!(next(&port).transferred, 8);

    let payloads = vec![Payload::from(b"a"), Payload::from(vec![b'b'; 3])];
    socket.send_vectored(payloads).expect("a start");
    assert_eq!(next(&port).transferred, 4);
    socket.send_quietly(b"quiet").expect("a start");
    let direct = socket.skip_port().send(vec![b'd'; 3]).expect("a start");
    assert!(matches!(direct, Started::Completed(_)));
    let mut sent = [0; 16];
    peer.read_exact(&mut sent).expect("all of it");
    assert_eq!(&sent, b"ahoyabbbquietddd");

    // More than there is room for, in line, cancelled, and failed with the line.
    peer.set_room(8);
    for _ in 0..3 {
        socket.send(vec![1; 64]).expect("a start");
    }
    let id = socket.send(vec![2; 64]).expect("a start");
    port.cancel(id).expect("it is in the line");
    assert!(next(&port).is_cancelled());
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    peer.reset();
    for _ in 0..4 {
        assert!(next(&port).result.is_err());
    }
    let (socket, _peer) = pair(&kernel, &port);
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    socket.receive_from(&pool).expect("a start");
    assert_eq!(port.close().len(), 2);
}

#[test]
fn listeners_and_datagrams() {
    let kernel = Kernel::new();
    let port = port(&kernel);
    let listener = port.associate(kernel.listen(), 1).expect("a listener");
    listener.accept().expect("a start");
    let first = kernel.connect(listener.local_addr()).expect("a peer");
    let Finished::Accepted { connection, .. } = next(&port).what else {
        panic!("an accept is due");
    };
    drop((first, connection));
    let buffer = Buffer::with_capacity(8);
    listener.accept_receive(buffer).expect("a start");
    let mut second = kernel.connect(listener.local_addr()).expect("a peer");
    second.write_all(b"ahoy").expect("a write");
    let Finished::AcceptedReceived { buffer, .. } = next(&port).what else {
        panic!("an accept is due");
    };
    assert_eq!(&buffer[..], b"ahoy");

    let one = port.associate(kernel.datagrams(), 2).expect("a socket");
    let other = port.associate(kernel.datagrams(), 3).expect("a socket");
    let pool = BufferPool::new(8);
    one.receive(Buffer::with_capacity(8)).expect("a start");
    one.receive_from(&pool).expect("a start");
    let to = one.local_addr().expect("an address");
    for _ in 0..2 {
        other.send_to(b"ahoy", to).expect("a start");
    }
    for _ in 0..4 {
        assert_eq!(next(&port).transferred, 4);
    }
    one.receive(Buffer::with_capacity(2)).expect("a start");
    other.send_to_quietly(&b"ahoy"[..], to).expect("a start");
    let completion = next(&port);
    assert!(completion.is_truncated());
    let Finished::ReceivedDatagram { buffer, .. } = completion.what else {
        panic!("a datagram is due");
    };
    assert_eq!(&buffer[..], b"ah");
    assert!(port.close().is_empty());
}

#[test]
fn memory_that_nothing_was_written_to() {
    let kernel = Kernel::new();
    let port = port(&kernel);
    let (socket, mut peer) = pair(&kernel, &port);
    let pool = BufferPool::new(8);
    for pooled in [false, true] {
        if pooled {
            socket.receive_from(&pool).expect("a start");
        } else {
            socket.receive(Buffer::with_capacity(8)).expect("a start");
        }
        peer.write_all(b"ahoy").expect("a write");
        let Finished::Received { mut buffer, .. } = next(&port).what else {
            panic!("a receive is due");
        };
        buffer.set_len(6);
        assert_eq!(&buffer[..], b"ahoy\0\0");
        assert_eq!(buffer.memory_mut(), b"ahoy\0\0\0\0");
    }
    let buffers = (0..3).map(|_| Buffer::with_capacity(3)).collect();
    socket.receive_vectored(buffers).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    let Finished::ReceivedVectored { mut buffers, .. } = next(&port).what else {
        panic!("a receive is due");
    };
    let all: Vec<_> = buffers.iter_mut().map(Buffer::memory_mut).collect();
    assert_eq!(all, [b"aho", b"y\0\0", b"\0\0\0"]);
}

#[test]
#[cfg_attr(
    miri,
    ignore = "the threads for files block a signal, which Miri knows nothing of"
)]
fn files() {
    let kernel = Kernel::new();
    let port = port(&kernel);
    let file = port.associate(kernel.file(b"content"), 4).expect("a file");
    file.read_at(Buffer::with_capacity(4), 3).expect("a start");
    let Finished::Read { buffer, .. } = next(&port).what else {
        panic!("a read is due");
    };
    assert_eq!(&buffer[..], b"tent");
    file.write_at(buffer, 0).expect("a start");
    assert_eq!(next(&port).transferred, 4);
    assert!(port.close().is_empty());
}
