//! The I/O traits of the `futures` crates, on every driver of the system.

#[macro_use]
mod harness;

use std::fmt::Debug;

use futures_util::{AsyncReadExt, AsyncWriteExt, future::join, io::copy};
use harness::{one_at_once, run};
use wharf::DriverChoice;
use wharf_async::net::{TcpListener, TcpStream};

macro_rules! suite {
    ($driver:expr) => {
        tests! { $driver,
            streams_and_halves_of_tcp_have_the_traits_of_futures
            streams_and_halves_of_local_sockets_have_the_traits_of_futures
        }
    };
}

on_every_driver!(suite);

trait Both: futures_io::AsyncRead + futures_io::AsyncWrite + Debug + Unpin + Send + 'static {}

impl<S> Both for S where
    S: futures_io::AsyncRead + futures_io::AsyncWrite + Debug + Unpin + Send + 'static
{
}

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("it listens");
    let connect = TcpStream::connect(listener.local_addr());
    let (near, far) = join(connect, listener.accept()).await;
    (near.expect("connected"), far.expect("accepted").0)
}

/// Sends much from one to the other and back.
async fn converse(mut near: impl Both, mut far: impl Both) {
    let much: Vec<u8> = (0..1 << 20).map(|at| (at % 251) as u8).collect();
    let mut back = Vec::new();
    let sends = async {
        near.write_all(&much).await.expect("it goes");
        near.flush().await.expect("nothing has failed");
        near.close().await.expect("it ends");
        near.read_to_end(&mut back).await.expect("it comes");
    };
    let echoes = async {
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.expect("it comes");
        far.write_all(&all).await.expect("it goes");
        far.close().await.expect("it ends");
    };
    join(sends, echoes).await;
    assert!(back == much, "bytes came otherwise");
}

fn streams_and_halves_of_tcp_have_the_traits_of_futures(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, far) = connected().await;
        converse(near, far).await;
        let (near, mut far) = connected().await;
        let (mut reads, mut writes) = near.into_split();
        // The trait has a `split` of its own, which takes the stream.
        let (mut far_reads, mut far_writes) = TcpStream::split(&mut far);
        let echoes = async {
            copy(&mut far_reads, &mut far_writes).await.expect("bytes");
            far_writes.close().await.expect("it ends");
        };
        let talks = async {
            writes.write_all(b"ahoy").await.expect("it goes");
            drop(writes);
            let mut text = String::new();
            reads.read_to_string(&mut text).await.expect("it comes");
            assert_eq!(text, "ahoy");
        };
        join(echoes, talks).await;
    });
}

#[cfg(unix)]
fn streams_and_halves_of_local_sockets_have_the_traits_of_futures(driver: DriverChoice) {
    use wharf_async::net::UnixStream;

    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, far) = UnixStream::pair().expect("a pair");
        converse(near, far).await;
        let (near, far) = UnixStream::pair().expect("a pair");
        let (_, mut writes) = near.into_split();
        let (mut reads, _) = far.into_split();
        writes.write_all(b"ahoy").await.expect("it goes");
        writes.close().await.expect("it ends");
        let mut text = String::new();
        reads.read_to_string(&mut text).await.expect("it comes");
        assert_eq!(text, "ahoy");
    });
}

#[cfg(not(unix))]
fn streams_and_halves_of_local_sockets_have_the_traits_of_futures(_driver: DriverChoice) {}
