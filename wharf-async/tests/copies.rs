//! Copies between streams, by tokio's functions, on every driver of the system: all bytes arrive, and the end of one direction is passed
//! on while the other goes on.

#[macro_use]
mod harness;

use harness::{PATIENCE, one_at_once, run, sleep_until_idle};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, copy_bidirectional};
use wharf::DriverChoice;
use wharf_async::{
    net::{TcpListener, TcpStream},
    spawn,
    time::timeout,
};

macro_rules! suite {
    ($driver:expr) => {
        tests! { $driver,
            the_end_of_one_direction_is_passed_on_over_tcp
            the_end_of_one_direction_is_passed_on_over_local_sockets
            the_end_of_one_direction_is_passed_on_from_one_kind_to_the_other
            much_is_copied_both_ways_at_once
            a_copy_ends_when_a_side_is_gone
        }
    };
}

on_every_driver!(suite);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("it listens");
    let connect = TcpStream::connect(listener.local_addr());
    let (near, far) = tokio::join!(connect, listener.accept());
    (near.expect("connected"), far.expect("accepted").0)
}

/// A client and a server, and what is between them.
async fn half_closes(
    (mut client, mut from): (impl Stream, impl Stream),
    (mut to, mut server): (impl Stream, impl Stream),
) {
    let copies = spawn(async move { copy_bidirectional(&mut from, &mut to).await });
    client.write_all(b"all that I say").await.expect("it goes");
    client.shutdown().await.expect("it ends");
    let mut request = String::new();
    let read = timeout(PATIENCE, server.read_to_string(&mut request)).await;
    read.expect("the end is passed on").expect("no failure");
    assert_eq!(request, "all that I say");
    // The other direction goes on, for as long as it likes.
    for _ in 0..3 {
        server.write_all(b"answer ").await.expect("it goes");
        let mut answer = [0; 7];
        client.read_exact(&mut answer).await.expect("it comes");
        assert_eq!(&answer, b"answer ");
    }
    drop(server);
    assert_eq!(client.read(&mut [0; 1]).await.expect("the end"), 0);
    let copied = copies.await.expect("no panic").expect("no failure");
    assert_eq!(copied, (14, 21));
}

fn the_end_of_one_direction_is_passed_on_over_tcp(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        half_closes(connected().await, connected().await).await;
    });
    sleep_until_idle(&runtime);
}

#[cfg(unix)]
fn the_end_of_one_direction_is_passed_on_over_local_sockets(driver: DriverChoice) {
    use wharf_async::net::UnixStream;

    let runtime = one_at_once(driver);
    run(&runtime, async {
        let pair = || UnixStream::pair().expect("a pair");
        half_closes(pair(), pair()).await;
    });
    sleep_until_idle(&runtime);
}

#[cfg(unix)]
fn the_end_of_one_direction_is_passed_on_from_one_kind_to_the_other(driver: DriverChoice) {
    use wharf_async::net::UnixStream;

    let runtime = one_at_once(driver);
    run(&runtime, async {
        let pair = || UnixStream::pair().expect("a pair");
        half_closes(connected().await, pair()).await;
        half_closes(pair(), connected().await).await;
    });
    sleep_until_idle(&runtime);
}

#[cfg(not(unix))]
fn the_end_of_one_direction_is_passed_on_over_local_sockets(_driver: DriverChoice) {}

#[cfg(not(unix))]
fn the_end_of_one_direction_is_passed_on_from_one_kind_to_the_other(_driver: DriverChoice) {}

fn much_is_copied_both_ways_at_once(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let ((client, mut from), (mut to, server)) = (connected().await, connected().await);
        let copies = spawn(async move { copy_bidirectional(&mut from, &mut to).await });
        let much: Vec<u8> = (0..4 << 20).map(|at| (at % 251) as u8).collect();
        let ends = [client, server].map(|stream| {
            let sent = much.clone();
            let (mut reads, mut writes) = stream.into_split();
            spawn(async move { writes.write_all(&sent).await }).detach();
            spawn(async move {
                let mut all = Vec::new();
                reads.read_to_end(&mut all).await.expect("no failure");
                all
            })
        });
        for end in ends {
            assert!(end.await.expect("no panic") == much, "bytes came otherwise");
        }
        let copied = copies.await.expect("no panic").expect("no failure");
        assert_eq!(copied, (4 << 20, 4 << 20));
    });
    sleep_until_idle(&runtime);
}

fn a_copy_ends_when_a_side_is_gone(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let ((mut client, mut from), (mut to, server)) = (connected().await, connected().await);
        let copies = spawn(async move { copy(&mut from, &mut to).await });
        server
            .set_linger(Some(std::time::Duration::ZERO))
            .expect("an option");
        drop(server);
        // Until a write of the copy's fails.
        let full = async { while client.write_all(&[7; 1_000]).await.is_ok() {} };
        timeout(PATIENCE, full).await.expect("it ends");
        copies
            .await
            .expect("no panic")
            .expect_err("nobody is there");
    });
    sleep_until_idle(&runtime);
}
