//! May 0.3, after the echo server of its README and its example `echo`.
//!
//! Coroutines with stacks of their own, on readiness from epoll. What is special: the main thread accepts, and each
//! connection is a coroutine on one of N workers; idle workers take coroutines from others. May would bind each worker to
//! a processor; it is told not to, so that the mask which the process was started with holds.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
    thread,
};

use may::{
    go,
    net::{TcpListener, TcpStream},
};
use peer_common::{
    App, Arguments, BUFFER_BYTES,
    work::{self, Cutter},
};

fn main() -> ExitCode {
    peer_common::run(|arguments: Arguments| {
        may::config()
            .set_workers(arguments.threads.get())
            .set_worker_pin(false);
        let app = arguments.app;
        let listener = TcpListener::bind(arguments.listen)
            .map_err(|error| peer_common::cannot_listen(arguments.listen, error))?;
        // May listens with a backlog of its own.
        peer_common::set_backlog(listener.inner())?;
        peer_common::announce(listener.local_addr()?);
        loop {
            match listener.accept() {
                // A client's error ends its connection, and nobody waits to hear of it.
                Ok((stream, _)) => drop(go!(move || serve(stream, app))),
                // Blocks the main thread alone, which does nothing but accept.
                Err(error) => thread::sleep(peer_common::pause_after(&error)),
            }
        }
    })
}

fn serve(stream: TcpStream, app: App) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match app {
        App::Echo => echo(stream),
        App::Work => work(stream),
    }
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    // On the heap: a coroutine's stack is small.
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count])?;
    }
}

fn work(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut cutter = Cutter::default();
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let mut received = &buffer[..count];
        while let Some(frame) = cutter.next(&mut received) {
            work::serve(&frame)?;
            stream.write_all(&frame)?;
        }
    }
}
