//! Tokio 1.54, after the tutorial's pages "I/O" (its echo server) and "Spawning", and the documentation of
//! `tokio::runtime` and of `tokio::task::spawn_blocking`.
//!
//! Readiness from epoll. What is special:
//! - `pool` is the multi-thread runtime, which moves tasks between its workers. As with `#[tokio::main]`, the main thread
//!   accepts, next to the N workers that serve.
//! - `one` is the current-thread runtime: one thread accepts and serves.
//! - `spawn-blocking` is `pool`, with each piece of work done by a thread of the blocking pool, which is the remedy that
//!   the documentation gives for handlers that block. It has up to 512 of them, beside the N workers.
//! - `block-in-place` is `pool`, with each piece of work in `tokio::task::block_in_place`: the worker gives its tasks to
//!   another thread of the blocking pool, and then blocks.

use std::{io, net, process::ExitCode};

use clap::{Parser, ValueEnum};
use peer_common::{
    App, BUFFER_BYTES,
    work::{Cutter, Request},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    task::{block_in_place, spawn_blocking},
    time::sleep,
};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    common: peer_common::Arguments,

    /// How the work is spread over threads
    #[arg(long, value_enum, default_value_t = Flavour::Pool)]
    flavour: Flavour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Flavour {
    /// The multi-thread runtime, with N workers
    Pool,
    /// The current-thread runtime
    One,
    /// As `pool`, and work is handed to the threads for what blocks
    SpawnBlocking,
    /// As `pool`, and a worker that is to block gives its tasks away first
    BlockInPlace,
}

fn main() -> ExitCode {
    peer_common::run(|Arguments { common, flavour }| {
        let threads = common.threads.get();
        let mut builder = match flavour {
            Flavour::One if threads > 1 => {
                peer_common::refuse::<Arguments>("--flavour one has one thread: no other --threads")
            }
            Flavour::One => Builder::new_current_thread(),
            Flavour::Pool | Flavour::SpawnBlocking | Flavour::BlockInPlace => {
                Builder::new_multi_thread()
            }
        };
        // The current-thread runtime does not look at this.
        let runtime = builder.worker_threads(threads).enable_all().build()?;
        let listener = peer_common::listen(common.listen)?;
        runtime.block_on(accept(listener, common.app, flavour))
    })
}

async fn accept(listener: net::TcpListener, app: App, flavour: Flavour) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            // A client's error ends its connection, and nobody waits to hear of it.
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, app, flavour))),
            Err(error) => sleep(peer_common::pause_after(&error)).await,
        }
    }
}

async fn serve(stream: TcpStream, app: App, flavour: Flavour) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match app {
        App::Echo => echo(stream).await,
        App::Work => work(stream, flavour).await,
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

async fn work(mut stream: TcpStream, flavour: Flavour) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut cutter = Cutter::default();
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let mut received = &buffer[..count];
        while let Some(frame) = cutter.next(&mut received) {
            let request = Request::read(&frame)?;
            match flavour {
                Flavour::SpawnBlocking => spawn_blocking(move || request.serve()).await?,
                Flavour::BlockInPlace => block_in_place(|| request.serve()),
                Flavour::Pool | Flavour::One => request.serve(),
            }
            stream.write_all(&frame).await?;
        }
    }
}
