//! What is promised of `#[wharf_async::main]` and `#[wharf_async::test]`. What they refuse: the documentation of `main`.

#![allow(missing_docs)]

use std::{io, sync::mpsc, thread, time::Duration};

use wharf_async::{Handle, Runtime, spawn, time::sleep};

#[wharf_async::test]
async fn a_test_runs_in_a_runtime() {
    sleep(Duration::from_millis(1)).await;
    assert_eq!(spawn(async { 1 }).await.expect("no panic"), 1);
}

#[wharf_async::test(concurrency = 1, threads = 1..=8)]
async fn its_arguments_are_those_of_the_builder() {
    let (release, released) = mpsc::channel::<()>();
    let blocks = spawn(async move { released.recv() });
    spawn(async {}).await.expect("no panic");
    release.send(()).expect("a receiver");
    blocks.await.expect("no panic").expect("it was sent");
}

#[wharf_async::test(threads = 1..=1_0,)]
async fn it_may_fail_with_an_error() -> io::Result<()> {
    wharf_async::net::TcpListener::bind("127.0.0.1:0").await?;
    Ok(())
}

#[wharf_async::test]
#[should_panic(expected = "as a test wants it")]
async fn it_keeps_its_attributes() {
    spawn(async { panic!("as a test wants it") }).await.unwrap();
}

/// A `main` is a function like any other.
#[wharf_async::main(concurrency = 2)]
pub async fn answer() -> Result<u32, io::Error> {
    let answer = spawn(async { 42 }).await?;
    // It is ended with the runtime.
    spawn(sleep(Duration::from_secs(600))).detach();
    Ok(answer)
}

#[test]
fn main_gives_its_result_and_leaves_nothing() {
    assert_eq!(answer().expect("no panic"), 42);
    assert!(Handle::current().is_none());
}

#[test]
fn run_waits_for_what_was_written() {
    use std::io::Read;
    use tokio::io::AsyncWriteExt;
    const BYTES: usize = 8 << 20;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("an address");
    let address = listener.local_addr().expect("an address");
    let reads = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        // What is on its way is more than the system takes at once.
        thread::sleep(Duration::from_millis(20));
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).map(|_| bytes.len())
    });
    Runtime::builder().threads(1..=4).run(async move {
        let stream = wharf_async::net::TcpStream::connect(address).await;
        let mut stream = stream.expect("a connection");
        stream.write_all(&[1; BYTES]).await.expect("it is there");
    });
    let read = reads.join().expect("no panic");
    assert_eq!(read.expect("no reset"), BYTES);
}
