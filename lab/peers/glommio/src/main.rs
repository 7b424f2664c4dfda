//! Glommio 0.9, after the documentation of `glommio::net::TcpListener` ("the ReusePort flag is set") and of
//! `glommio::LocalExecutorPoolBuilder`.
//!
//! io_uring says when a socket is ready; Glommio first tries to receive and to send with plain system calls. What is
//! special: N threads have an executor and a listener each, and the system spreads the connections over them
//! (`SO_REUSEPORT`). A connection stays with its thread. No thread is bound to a processor, so that the mask which the
//! process was started with holds.
//!
//! Glommio does not start where less than 512 KiB of memory may be locked (`ulimit -l`). The soft limit is raised to the
//! hard one, and of the memory for files, which is locked and not used here, it gets the least that it takes.

use std::{
    io, net,
    os::fd::{FromRawFd, IntoRawFd},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::{
    LocalExecutorPoolBuilder, PoolPlacement,
    net::{TcpListener, TcpStream},
    timer::sleep,
};
use peer_common::{
    App, Arguments, BUFFER_BYTES,
    work::{self, Cutter},
};
use rustix::process::Resource;

/// The bytes that an executor sets aside for files. It would be 10 MiB for each.
const FILE_MEMORY: usize = 64 * 1024;

fn main() -> ExitCode {
    peer_common::run(|arguments: Arguments| {
        peer_common::raise_limit(Resource::Memlock);
        let app = arguments.app;
        let threads = arguments.threads;
        let listeners = peer_common::listen_for_each(arguments.listen, threads)?;
        let listeners = Arc::new(Mutex::new(listeners));
        let executors = LocalExecutorPoolBuilder::new(PoolPlacement::Unbound(threads.get()))
            .io_memory(FILE_MEMORY)
            .on_all_shards(move || async move {
                let listener = listeners
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop();
                accept(listener.expect("there is one for each executor"), app).await
            })?;
        for ended in executors.join_all() {
            ended?;
        }
        Ok(())
    })
}

async fn accept(listener: net::TcpListener, app: App) {
    // SAFETY: the descriptor is of a socket that listens, and nobody else owns it: `into_raw_fd` has given it up.
    // `TcpListener::bind` would need no such care, but it sets a backlog of its own and no SO_REUSEADDR.
    let listener = unsafe { TcpListener::from_raw_fd(listener.into_raw_fd()) };
    loop {
        match listener.accept().await {
            // A client's error ends its connection, and nobody waits to hear of it.
            Ok(stream) => drop(glommio::spawn_local(serve(stream, app)).detach()),
            Err(error) => sleep(peer_common::pause_after(&error.into())).await,
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
