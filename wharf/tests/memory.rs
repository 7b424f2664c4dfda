//! Memory that nothing was written to: it reads as zeroes, and no page of it is touched before data comes. A process of its
//! own, since its pages are the process's.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    io::{Seek, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use wharf::{Buffer, BufferPool, Completion, CompletionPort, Finished, Wait};

/// The system's allocator, without memory that is zeroed for nothing: what is asked for zeroed is written to.
struct Plain;

// SAFETY: the system's allocator does all of the work.
unsafe impl GlobalAlloc for Plain {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on to the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Plain = Plain;

#[track_caller]
fn next(port: &CompletionPort<()>) -> Completion<()> {
    match port.wait(Duration::from_secs(60)).expect("a wait") {
        Wait::Completed(completion) => completion,
        other => panic!("a completion is due, the answer is {other:?}"),
    }
}

/// A port, a socket of it, and its peer.
fn connected() -> (CompletionPort<()>, wharf::Socket<()>, TcpStream) {
    let (ours, peer) = streams();
    let port = CompletionPort::new(1).expect("a port");
    let socket = port.associate(ours, ()).expect("an association");
    (port, socket, peer)
}

fn streams() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let peer = TcpStream::connect(address).expect("a connection");
    (listener.accept().expect("a connection").0, peer)
}

/// Memory as the allocator hands it out again: not zeroed, and of this size.
fn leave_rubbish(capacity: usize) {
    drop(vec![0xAA_u8; capacity]);
}

#[test]
fn what_was_never_written_reads_as_zeroes() {
    for capacity in [1, 100, 4_096, 100_000] {
        leave_rubbish(capacity);
        let mut buffer = Buffer::with_capacity(capacity);
        buffer.set_len(capacity);
        assert!(buffer.iter().all(|byte| *byte == 0), "of {capacity}");
        drop(buffer);

        leave_rubbish(capacity);
        let mut buffer = BufferPool::new(capacity).get().expect("a buffer");
        assert!(buffer.is_empty());
        assert!(buffer.memory_mut().iter().all(|byte| *byte == 0));
        assert_eq!(buffer.memory_mut().len(), capacity);
    }
}

#[test]
fn what_was_written_stays_and_zeroes_follow_it() {
    leave_rubbish(16);
    let mut buffer = Buffer::with_capacity(16);
    buffer.copy_from(b"ahoy, sailor");
    buffer.copy_from(b"hi");
    assert_eq!(&buffer[..], b"hi");
    buffer.set_len(16);
    assert_eq!(&buffer[..], b"hioy, sailor\0\0\0\0");
    buffer.set_len(0);
    buffer.memory_mut()[15] = b'!';
    buffer.set_len(16);
    assert_eq!(&buffer[..], b"hioy, sailor\0\0\0!");
}

#[test]
fn a_receive_shows_what_arrived_and_zeroes_follow_it() {
    let (port, socket, mut peer) = connected();
    leave_rubbish(8);
    peer.write_all(b"ahoy").expect("a write");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    let Finished::Received { mut buffer, .. } = next(&port).what else {
        panic!("a receive is due");
    };
    assert_eq!(&buffer[..], b"ahoy");
    buffer.set_len(8);
    assert_eq!(&buffer[..], b"ahoy\0\0\0\0");
}

#[test]
fn a_receive_into_several_shows_what_arrived_and_zeroes_follow_it() {
    let (port, socket, mut peer) = connected();
    (0..3).for_each(|_| leave_rubbish(3));
    peer.write_all(b"ahoy").expect("a write");
    let buffers = (0..3).map(|_| Buffer::with_capacity(3)).collect();
    socket.receive_vectored(buffers).expect("a start");
    let Finished::ReceivedVectored { mut buffers, .. } = next(&port).what else {
        panic!("a receive is due");
    };
    let arrived: Vec<_> = buffers.iter().map(|buffer| buffer.to_vec()).collect();
    assert_eq!(arrived, [&b"aho"[..], b"y", b""]);
    buffers.iter_mut().for_each(|buffer| buffer.set_len(3));
    let all: Vec<_> = buffers.iter().map(|buffer| buffer.to_vec()).collect();
    assert_eq!(all, [b"aho", b"y\0\0", b"\0\0\0"]);
}

#[test]
fn a_read_shows_what_is_in_the_file_and_zeroes_follow_it() {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"ahoy").expect("a write");
    file.rewind().expect("a seek");
    let port = CompletionPort::new(1).expect("a port");
    let file = port.associate(file, ()).expect("an association");
    leave_rubbish(8);
    file.read_at(Buffer::with_capacity(8), 0).expect("a start");
    let Finished::Read { mut buffer, .. } = next(&port).what else {
        panic!("a read is due");
    };
    assert_eq!(&buffer[..], b"ahoy");
    buffer.set_len(8);
    assert_eq!(&buffer[..], b"ahoy\0\0\0\0");
}

#[test]
fn a_datagram_shows_what_arrived_and_zeroes_follow_it() {
    let port = CompletionPort::new(1).expect("a port");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    let socket = port.associate(socket, ()).expect("an association");
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for (sent, shown) in [(&b"hi"[..], &b"hi\0\0"[..]), (b"ahoy, sailor", b"ahoy")] {
        leave_rubbish(4);
        peer.send_to(sent, address).expect("a send");
        socket.receive(Buffer::with_capacity(4)).expect("a start");
        let completion = next(&port);
        assert_eq!(completion.is_truncated(), sent.len() > 4);
        let Finished::ReceivedDatagram {
            mut buffer,
            peer: Some(from),
            ..
        } = completion.what
        else {
            panic!("a datagram is due");
        };
        assert_eq!(from, peer.local_addr().expect("an address"));
        assert_eq!(buffer.len(), sent.len().min(4));
        buffer.set_len(4);
        assert_eq!(&buffer[..], shown);
    }
}

/// By way of its descriptor, any socket can be made a `UdpSocket`. A TCP socket would count bytes that it has not written.
#[cfg(unix)]
#[test]
fn a_stream_in_the_guise_of_a_datagram_socket_is_refused() {
    use std::os::fd::OwnedFd;
    let (ours, _peer) = streams();
    let port = CompletionPort::new(1).expect("a port");
    let disguised = UdpSocket::from(OwnedFd::from(ours));
    let refused = port.associate(disguised, ());
    let error = refused.expect_err("it is no datagram socket");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[cfg(target_os = "linux")]
mod pages {
    use std::sync::Mutex;

    use super::*;

    const MIB: usize = 1 << 20;

    /// One measures at a time.
    static MEASURING: Mutex<()> = Mutex::new(());

    /// Bytes of this process that are in memory (proc_pid_status(5)).
    fn resident() -> usize {
        let text = std::fs::read_to_string("/proc/self/status").expect("the system's own file");
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
        number.expect("a line").parse::<usize>().expect("a number") << 10
    }

    /// Bytes that come into memory meanwhile.
    fn touched_by(act: impl FnOnce()) -> usize {
        let before = resident();
        act();
        resident().saturating_sub(before)
    }

    #[test]
    fn a_pool_of_large_buffers_touches_no_memory_before_data_comes() {
        let _alone = MEASURING.lock();
        let pool = BufferPool::new(MIB);
        let mut buffers = Vec::new();
        let touched = touched_by(|| buffers.extend((0..256).map_while(|_| pool.get())));
        assert_eq!(buffers.len(), 256);
        assert!(touched < 16 * MIB, "{touched} bytes of 256 MiB are touched");
        // What is written is touched, and no more.
        let touched = touched_by(|| {
            buffers
                .iter_mut()
                .for_each(|buffer| buffer.copy_from(b"ahoy"))
        });
        assert!(touched < 16 * MIB, "{touched} bytes of 256 MiB are touched");
        // Given back and taken again, it stays so.
        let touched = touched_by(|| {
            buffers.clear();
            buffers.extend((0..256).map_while(|_| pool.get()));
        });
        assert!(touched < 16 * MIB, "{touched} bytes of 256 MiB are touched");
        let touched = touched_by(|| {
            for buffer in &mut buffers[..64] {
                buffer.memory_mut();
            }
        });
        assert!(touched > 48 * MIB, "only {touched} bytes of 64 MiB are");
    }

    #[test]
    fn a_receive_into_a_large_buffer_touches_what_it_brings() {
        let _alone = MEASURING.lock();
        let (port, socket, mut peer) = connected();
        let mut buffers = Vec::new();
        let touched = touched_by(|| {
            for _ in 0..64 {
                let buffer = Buffer::with_capacity(MIB);
                socket.receive(buffer).expect("a start");
                peer.write_all(b"ahoy").expect("a write");
                let Finished::Received { buffer, .. } = next(&port).what else {
                    panic!("a receive is due");
                };
                assert_eq!(&buffer[..], b"ahoy");
                buffers.push(buffer);
            }
        });
        assert!(touched < 16 * MIB, "{touched} bytes of 64 MiB are touched");
    }
}
