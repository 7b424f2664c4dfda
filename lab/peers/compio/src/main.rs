//! Compio 0.19, after its examples `dispatcher` and `console` (an echo server on a dispatcher) and the documentation of
//! `compio::dispatcher`.
//!
//! Completions from io_uring. What is special: the main thread accepts, on a runtime of its own, and dispatches each
//! connection to one of N workers, each with a runtime of its own. There it stays: whichever worker takes it first has it
//! until it ends.

use std::{io, net, process::ExitCode};

use compio::{
    BufResult,
    dispatcher::Dispatcher,
    io::{AsyncRead, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    time::sleep,
};
use peer_common::{
    App, Arguments, BUFFER_BYTES,
    work::{self, Cutter},
};

fn main() -> ExitCode {
    peer_common::run(|arguments: Arguments| {
        let runtime = Runtime::new()?;
        let dispatcher = Dispatcher::builder()
            .worker_threads(arguments.threads)
            .build()?;
        let listener = peer_common::listen(arguments.listen)?;
        runtime.block_on(accept(listener, &dispatcher, arguments.app))
    })
}

async fn accept(listener: net::TcpListener, dispatcher: &Dispatcher, app: App) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            // A client's error ends its connection, and nobody waits to hear of it.
            Ok((stream, _)) => drop(
                dispatcher
                    .dispatch(move || serve(stream, app))
                    .map_err(|_| io::Error::other("the workers are gone"))?,
            ),
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

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    loop {
        let BufResult(count, read) = stream.read(buffer).await;
        if count? == 0 {
            return Ok(());
        }
        let BufResult(written, same) = stream.write_all(read).await;
        written?;
        buffer = same;
        // A read never makes the buffer shorter than it was.
        buffer.clear();
    }
}

async fn work(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    let mut cutter = Cutter::default();
    loop {
        let BufResult(count, read) = stream.read(buffer).await;
        if count? == 0 {
            return Ok(());
        }
        let mut received = &read[..];
        while let Some(frame) = cutter.next(&mut received) {
            work::serve(&frame)?;
            let BufResult(written, _) = stream.write_all(frame).await;
            written?;
        }
        buffer = read;
        buffer.clear();
    }
}
