//! What the runtime promises of streams, of TCP and local ones alike, on every driver of the system.

#[macro_use]
mod harness;

use std::{
    fmt::Debug,
    future::{Future, poll_fn},
    io::{Read, Write},
    task::Poll,
    thread,
    time::Duration,
};

use harness::{one_at_once, pattern, run};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wharf::DriverChoice;
use wharf_async::{net::TcpStream, time::sleep};

/// A kind of streams, and the standard library's of that kind.
trait Kind: AsyncRead + AsyncWrite + Unpin + Send + Sized + 'static {
    type Peer: Read + Write + Debug + Send + 'static;

    /// A stream of the runtime's, and the standard library's other end. To be called in a task.
    fn pair() -> (Self, Self::Peer);
}

impl Kind for TcpStream {
    type Peer = std::net::TcpStream;

    fn pair() -> (Self, Self::Peer) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("it listens");
        let address = listener.local_addr().expect("an address");
        let peer = std::net::TcpStream::connect(address).expect("it connects");
        let (near, _) = listener.accept().expect("a connection");
        (TcpStream::from_std(near).expect("a stream"), peer)
    }
}

#[cfg(unix)]
impl Kind for wharf_async::net::UnixStream {
    type Peer = std::os::unix::net::UnixStream;

    fn pair() -> (Self, Self::Peer) {
        let (near, peer) = Self::Peer::pair().expect("a pair");
        (Self::from_std(near).expect("a stream"), peer)
    }
}

/// Each promise, for each kind that the system has.
macro_rules! of_each_kind {
    ($($name:ident => $promise:ident)*) => {
        $(
            fn $name(driver: DriverChoice) {
                $promise::<TcpStream>(driver);
                #[cfg(unix)]
                $promise::<wharf_async::net::UnixStream>(driver);
            }
        )*

        macro_rules! suite {
            ($driver:expr) => {
                tests! { $driver, $($name)* }
            };
        }
    };
}

of_each_kind! {
    bytes_come_in_order_small_and_large => in_order
    a_read_that_is_dropped_loses_no_byte => dropped_reads
}

on_every_driver!(suite);

fn in_order<K: Kind>(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        for size in [1, 100, 16 << 10, (16 << 10) + 1, 1 << 20] {
            let (mut stream, mut peer) = K::pair();
            let sent = pattern(size);
            let expected = sent.clone();
            let peer = thread::spawn(move || {
                peer.write_all(&sent).expect("it takes them");
                let mut back = vec![0; sent.len()];
                peer.read_exact(&mut back).expect("they come back");
                assert!(back == sent, "{size} bytes came back otherwise");
            });
            let mut received = vec![0; size];
            stream.read_exact(&mut received).await.expect("they come");
            assert!(received == expected, "{size} bytes came otherwise");
            stream.write_all(&received).await.expect("they go");
            stream.flush().await.expect("nothing has failed");
            peer.join().expect("no panic");
        }
    });
}

fn dropped_reads<K: Kind>(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, peer) = K::pair();
        let sent = pattern(100_000);
        let mut begins = Some((peer, sent.clone()));
        let mut received: Vec<u8> = Vec::new();
        while received.len() < sent.len() {
            let mut piece = [0; 500];
            let mut read = Box::pin(stream.read(&mut piece));
            // Polled once, and dropped if it is not ready.
            let polled = poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await;
            drop(read);
            match (polled, begins.take()) {
                (Poll::Ready(len), None) => received.extend(&piece[..len.expect("no failure")]),
                (Poll::Ready(_), Some(_)) => panic!("nothing has been sent"),
                // The first read of all: the operation beneath it waits.
                (Poll::Pending, Some((mut peer, sends))) => drop(thread::spawn(move || {
                    for piece in sends.chunks(777) {
                        peer.write_all(piece).expect("it takes them");
                    }
                })),
                (Poll::Pending, None) => sleep(Duration::from_micros(100)).await,
            }
        }
        assert!(received == sent, "bytes were lost");
    });
}
