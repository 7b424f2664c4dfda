//! tokio-uring 0.5, after its example `tcp_listener` and the documentation of `tokio_uring::start` ("to add concurrency,
//! spawn multiple threads, each with a tokio-uring runtime").
//!
//! Completions from io_uring; it knows nothing else. What is special: N threads have a runtime and a listener each, and
//! the system spreads the connections over them (`SO_REUSEPORT`). A connection stays with its thread. A runtime is a
//! current-thread Tokio runtime, whose epoll waits for the ring.

use std::{io, net, process::ExitCode};

use peer_common::{
    App, Arguments, BUFFER_BYTES,
    work::{self, Cutter, FRAME_BYTES},
};
use tokio::time::sleep;
use tokio_uring::{
    Runtime,
    buf::BoundedBuf,
    net::{TcpListener, TcpStream},
};

fn main() -> ExitCode {
    peer_common::run(|arguments: Arguments| {
        let app = arguments.app;
        let listeners = peer_common::listen_for_each(arguments.listen, arguments.threads)?;
        peer_common::serve_each(listeners, move |listener| {
            // What `tokio_uring::start` does, except that this returns the error where there is no io_uring.
            Runtime::new(&tokio_uring::builder())?.block_on(accept(listener, app))
        })
    })
}

async fn accept(listener: net::TcpListener, app: App) -> io::Result<()> {
    let listener = TcpListener::from_std(listener);
    loop {
        match listener.accept().await {
            // A client's error ends its connection, and nobody waits to hear of it.
            Ok((stream, _)) => drop(tokio_uring::spawn(serve(stream, app))),
            Err(error) => sleep(peer_common::pause_after(&error)).await,
        }
    }
}

async fn serve(stream: TcpStream, app: App) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match app {
        App::Echo => echo(stream).await,
        App::Work => work(stream).await,
    }
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let (count, read) = stream.read(buffer).await;
        let count = count?;
        if count == 0 {
            return Ok(());
        }
        let (written, slice) = stream.write_all(read.slice(..count)).await;
        written?;
        buffer = slice.into_inner();
    }
}

async fn work(stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut answer = Vec::with_capacity(FRAME_BYTES);
    let mut cutter = Cutter::default();
    loop {
        let (count, read) = stream.read(buffer).await;
        let count = count?;
        if count == 0 {
            return Ok(());
        }
        let mut received = &read[..count];
        while let Some(frame) = cutter.next(&mut received) {
            work::serve(&frame)?;
            answer.clear();
            answer.extend_from_slice(&frame);
            let (written, same) = stream.write_all(answer).await;
            written?;
            answer = same;
        }
        buffer = read;
    }
}
