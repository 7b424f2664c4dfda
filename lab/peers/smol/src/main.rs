//! smol 2.0, after its example `tcp-server` and the documentation of `smol::spawn` ("it is otherwise more advisable to
//! create your own Executor") and of `smol::Executor`.
//!
//! Readiness from epoll. What is special: N threads run one executor, which has the task that accepts as well; a task
//! moves between the threads. Whichever of them has nothing to do waits for epoll. Beside them, smol has one thread of its
//! own (`async-io`), which does that when none of them does, such as when all are in a handler.

use std::{future::pending, io, process::ExitCode, thread};

use peer_common::{
    App, Arguments, BUFFER_BYTES,
    work::{self, Cutter},
};
use smol::{
    Executor, Timer,
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

static EXECUTOR: Executor = Executor::new();

fn main() -> ExitCode {
    peer_common::run(|arguments: Arguments| {
        let listener = TcpListener::try_from(peer_common::listen(arguments.listen)?)?;
        EXECUTOR.spawn(accept(listener, arguments.app)).detach();
        let run = || smol::block_on(EXECUTOR.run(pending::<io::Result<()>>()));
        for _ in 1..arguments.threads.get() {
            thread::Builder::new().spawn(run)?;
        }
        run()
    })
}

async fn accept(listener: TcpListener, app: App) {
    loop {
        match listener.accept().await {
            // A client's error ends its connection, and nobody waits to hear of it.
            Ok((stream, _)) => EXECUTOR.spawn(serve(stream, app)).detach(),
            Err(error) => drop(Timer::after(peer_common::pause_after(&error)).await),
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
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

async fn work(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut cutter = Cutter::default();
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let mut received = &buffer[..count];
        while let Some(frame) = cutter.next(&mut received) {
            work::serve(&frame)?;
            stream.write_all(&frame).await?;
        }
    }
}
