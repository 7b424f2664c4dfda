//! Monoio 0.2, after the echo server of its README and the documentation of `monoio::RuntimeBuilder`.
//!
//! Completions from io_uring, and nothing else: it is built without the driver for epoll, and asks for `IoUringDriver` by
//! name. What is special: N threads have a runtime and a listener each, and the system spreads the connections over
//! them (`SO_REUSEPORT`, which is Monoio's own default). A connection stays with its thread.

use std::{io, net, process::ExitCode};

use monoio::{
    IoUringDriver, RuntimeBuilder,
    io::{AsyncReadRent, AsyncWriteRentExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};
use peer_common::{
    App, Arguments, BUFFER_BYTES,
    work::{self, Cutter, FRAME_BYTES},
};

fn main() -> ExitCode {
    peer_common::run(|arguments: Arguments| {
        let app = arguments.app;
        let listeners = peer_common::listen_for_each(arguments.listen, arguments.threads)?;
        peer_common::serve_each(listeners, move |listener| {
            let mut runtime = RuntimeBuilder::<IoUringDriver>::new()
                .enable_timer()
                .build()?;
            runtime.block_on(accept(listener, app))
        })
    })
}

async fn accept(listener: net::TcpListener, app: App) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            // A client's error ends its connection, and nobody waits to hear of it.
            Ok((stream, _)) => drop(monoio::spawn(serve(stream, app))),
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
    let mut buffer: Vec<u8> = Vec::with_capacity(BUFFER_BYTES);
    loop {
        let (count, read) = stream.read(buffer).await;
        if count? == 0 {
            return Ok(());
        }
        let (written, same) = stream.write_all(read).await;
        written?;
        buffer = same;
        buffer.clear();
    }
}

async fn work(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer: Vec<u8> = Vec::with_capacity(BUFFER_BYTES);
    let mut answer = Vec::with_capacity(FRAME_BYTES);
    let mut cutter = Cutter::default();
    loop {
        let (count, read) = stream.read(buffer).await;
        if count? == 0 {
            return Ok(());
        }
        let mut received = &read[..];
        while let Some(frame) = cutter.next(&mut received) {
            work::serve(&frame)?;
            answer.clear();
            answer.extend_from_slice(&frame);
            let (written, same) = stream.write_all(answer).await;
            written?;
            answer = same;
        }
        buffer = read;
        buffer.clear();
    }
}
