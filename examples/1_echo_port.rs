//! The echo server that every completion-port book starts with, on the bare port.
//!
//! The classic program has a pool of threads around one queue, a structure for each client, and two operations that
//! hand over to each other: what was received is sent, what was sent makes room for the next receive. This is that
//! program; the notes say what it usually gets wrong.
//!
//! Run it, and talk to it: `cargo run -p wharf-examples --example echo_port`, then `nc 127.0.0.1 21001`.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use wharf::{Completion, CompletionPort, Done, Pool, Workers};

/// The key: what a handler is told about the socket whose completion it has. The classic casts a pointer.
#[derive(Clone)]
enum Key {
    Listener,
    Client(SocketAddr),
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:21001".into());
    let port = CompletionPort::<Key>::new(0)?;
    let listener = port.associate(TcpListener::bind(address)?, Key::Listener)?;
    println!("listening on {}", listener.local_addr());
    listener.accept()?;

    // One thread more than run at once: while a handler blocks, another can go on in its place.
    let buffers = Pool::new(15_000);
    let count = port.concurrency() + 1;
    let workers = Workers::start(&port, count, move |port, completion| {
        if let Err(error) = serve(port, &buffers, completion) {
            eprintln!("a client is gone: {error}");
        }
    })?;

    // Orderly stop: the classic frees its clients while the kernel still writes into their buffers. Closing the port
    // cancels what is under way and hands it back, so that nothing is freed before its time.
    io::stdin().read_line(&mut String::new())?;
    let unfinished = port.close();
    workers.join();
    println!("stopped, {} operations were under way", unfinished.len());
    Ok(())
}

/// Called by any worker, for any client.
fn serve(port: &CompletionPort<Key>, buffers: &Pool, done: Completion<Key>) -> io::Result<()> {
    // The classic tests the result of the wait, and forgets that a failed wait may carry a failed operation. Here an
    // operation that failed is a completion like any other, and gives its socket and its buffer back.
    let bytes = match (&done.key, done.result) {
        (_, Ok(bytes)) => bytes,
        (Key::Listener, Err(error)) => panic!("can't accept: {error}"),
        (Key::Client(peer), Err(error)) => {
            return Err(io::Error::new(error.kind(), format!("{peer}: {error}")));
        }
    };
    match done.done {
        Done::Accepted { listener, connection } => {
            listener.accept()?;
            if let Some(connection) = connection {
                let peer = connection.peer;
                let client = port.associate(connection, Key::Client(peer))?;
                // No buffer is held for a client that says nothing: the pool gives one when data is there.
                client.receive_from(buffers)?;
            }
        }
        // The end of the stream. Nothing is under way on the socket, and nobody holds it: it closes here.
        Done::Received { .. } if bytes == 0 => {}
        // The buffer that was received is the one that is sent. It belongs to the operation until that completes,
        // and a send completes when all of it is out: the classic forgets that it may be only a part.
        Done::Received { socket, buffer } => {
            socket.send(buffer)?;
        }
        // One operation at a time for each client, so its bytes stay in order whichever worker serves it.
        Done::Sent { socket, .. } => {
            socket.receive_from(buffers)?;
        }
        _ => unreachable!("nothing else was started"),
    }
    Ok(())
}
