//! The echo server that every completion-port book starts with, on the bare port.
//!
//! The classic program has a pool of threads around one queue, a structure for each client, and two operations that
//! hand over to each other: received bytes are sent, and a completed send makes room for the next receive. This is that
//! program; the notes say what it usually gets wrong.
//!
//! Run it, and talk to it: `cargo run -p wharf-examples --example echo_port`, then `nc 127.0.0.1 21001`. A line on its
//! standard input, or the end of it, stops it.

use std::{
    error::Error,
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use wharf::{BufferPool, Completion, CompletionPort, Finished, Listener, Workers};

/// When the system had no room for another connection, this is when it is asked again.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// The key: what a handler is told about the socket whose completion it has. The classic casts a pointer.
#[derive(Clone)]
enum Key {
    Listener,
    Client(SocketAddr),
    /// A timer's: accept again, on this listener.
    AcceptAgain(Listener<Key>),
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = wharf_examples::address("--listen", "127.0.0.1:21001")?;
    let port = CompletionPort::<Key>::new(0)?;
    let listener = port.associate(TcpListener::bind(address)?, Key::Listener)?;
    println!("listening on {}", listener.local_addr());
    // The classic gives a thread to accepting, which is outside of the pool. Here it is an operation like any other.
    listener.accept()?;

    // The classic takes the number of threads for the number that run. The port sees to that one; a thread more than
    // run at once is there to go on in the place of one whose handler blocks.
    let buffers = BufferPool::new(15_000);
    let count = port.concurrency() + 1;
    let workers = Workers::start(&port, count, move |port, completion| {
        let key = completion.key.clone();
        match (serve(port, &buffers, completion), key) {
            (Ok(()), _) => {}
            (Err(_), _) if port.is_closed() => {}
            (Err(error), Key::Client(peer)) => eprintln!("{peer}: {error}"),
            (Err(error), Key::Listener | Key::AcceptAgain(_)) => eprintln!("can't accept: {error}"),
        }
    })?;

    // Orderly stop: the classic frees its clients while the kernel still writes into their buffers. Closing the port
    // cancels the operations that are under way and hands them back, so that no memory is freed too early; it also ends the
    // workers, for which the classic posts a packet each, and counts wrong.
    let _ = io::stdin().read_line(&mut String::new());
    let unfinished = port.close();
    workers.join();
    println!("stopped, {} operations were under way", unfinished.len());
    Ok(())
}

/// Called by any worker, for any client.
///
/// The classic tests the result of the wait, and forgets that a failed wait may carry a failed operation. Here an
/// operation that failed is a completion like any other, and gives its socket and its buffer back: dropped, as they
/// are on an error, they close the connection and free the memory.
fn serve(
    port: &CompletionPort<Key>,
    buffers: &BufferPool,
    done: Completion<Key>,
) -> io::Result<()> {
    if let Key::AcceptAgain(listener) = done.key {
        return listener.accept().map(drop);
    }
    match (done.what, done.result) {
        (
            Finished::Accepted {
                listener,
                connection: Some(connection),
            },
            _,
        ) => {
            listener.accept()?;
            let peer = connection.peer;
            let client = port.associate(connection, Key::Client(peer))?;
            // No buffer is held for a client that says nothing: the pool gives one when data is there.
            client.receive_from(buffers)?;
        }
        // Out of descriptors, as a rule. The classic ends here, or spins. The connection waits in the backlog, and we
        // wait for others to go; the timer's key carries the listener to where it is used again.
        (Finished::Accepted { listener, .. }, result) => {
            port.timer(ACCEPT_AGAIN, Key::AcceptAgain(listener))?;
            return result.map(drop);
        }
        (_, Err(error)) => return Err(error),
        // The end of the stream. No operation is under way on the socket, and no other clone of it is held: it closes here.
        (Finished::Received { .. }, Ok(0)) => {}
        // The buffer that was received is the one that is sent. It belongs to the operation until that completes,
        // and a send completes when all of it is out: the classic forgets that it may be only a part.
        (Finished::Received { socket, buffer }, Ok(_)) => {
            socket.send(buffer)?;
        }
        // One operation at a time for each client: its bytes stay in order whichever worker serves it, and one that
        // does not read has one buffer of ours, where the classic goes on receiving.
        (Finished::Sent { socket, .. }, Ok(_)) => {
            socket.receive_from(buffers)?;
        }
        _ => unreachable!("nothing else was started"),
    }
    Ok(())
}
