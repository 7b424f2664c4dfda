//! A TCP proxy on the bare port: two sockets, one session.
//!
//! Each direction is a ring of operations: receive on one socket, send that on the other, receive again. So one
//! buffer is in use in each direction, however fast one side sends and however slowly the other reads. The end of a stream
//! passes on behind its bytes, and leaves the other direction open; an error on one side ends both.
//!
//! `cargo run -p wharf-examples --example proxy -- LISTEN TARGET`, by default from 127.0.0.1:21004 to 127.0.0.1:21001,
//! where the first example listens. A line on its standard input, or the end of it, stops it.

use std::{
    collections::HashMap,
    error::Error,
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use wharf::{BufferPool, Completion, CompletionPort, Finished, Listener, Socket, Workers};

/// When the system had no room for another connection, it is asked again after so long.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// The key says which session a completion belongs to, and which of its two sockets.
#[derive(Clone)]
enum Key {
    Listener,
    /// A timer's: accept again, on this listener.
    AcceptAgain(Listener<Key>),
    Socket(u64, Side),
}

#[derive(Clone, Copy)]
enum Side {
    Client,
    Target,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Client => Side::Target,
            Side::Target => Side::Client,
        }
    }
}

struct Session {
    client: Socket<Key>,
    /// None until it is connected.
    target: Option<Socket<Key>>,
    /// One direction has ended, and its end has been passed on.
    half: bool,
}

struct Proxy {
    target: SocketAddr,
    buffers: BufferPool,
    last: AtomicU64,
    /// The sessions, by the number that is in the key. A key that had the session itself would be a reference cycle,
    /// which is never freed: the session has the sockets, and a socket has its key.
    sessions: Mutex<HashMap<u64, Session>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let listen = wharf_examples::address("--listen", "127.0.0.1:21004")?;
    let target = wharf_examples::address("--target", "127.0.0.1:21001")?;
    let proxy = Arc::new(Proxy {
        target,
        buffers: BufferPool::new(15_000),
        last: AtomicU64::new(0),
        sessions: Mutex::default(),
    });
    let port = CompletionPort::<Key>::new(0)?;
    let listener = port.associate(TcpListener::bind(listen)?, Key::Listener)?;
    println!("listening on {}", listener.local_addr());
    listener.accept()?;

    let serving = proxy.clone();
    let workers = Workers::start(&port, port.concurrency() + 1, move |port, completion| {
        serving.serve(port, completion);
    })?;

    let _ = io::stdin().read_line(&mut String::new());
    port.close();
    workers.join();
    println!("stopped, {} sessions were open", proxy.sessions().len());
    Ok(())
}

impl Proxy {
    fn sessions(&self) -> MutexGuard<'_, HashMap<u64, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called by any worker, for any session.
    fn serve(&self, port: &CompletionPort<Key>, completion: Completion<Key>) {
        let served = match completion.key {
            Key::Listener => self.accepted(port, completion),
            Key::AcceptAgain(listener) => listener.accept().map(drop),
            Key::Socket(number, side) => {
                // The first error counts. The errors after it are of operations that the end of the session cancels.
                match self.step(number, side, completion) {
                    Err(error) if self.break_off(number) => Err(in_session(number, &error)),
                    _ => Ok(()),
                }
            }
        };
        match served {
            Err(error) if !port.is_closed() => eprintln!("{error}"),
            _ => {}
        }
    }

    /// Begins a session: the client is here, the target is to be connected.
    fn accepted(&self, port: &CompletionPort<Key>, done: Completion<Key>) -> io::Result<()> {
        let Finished::Accepted {
            listener,
            connection,
        } = done.what
        else {
            unreachable!("a listener only accepts");
        };
        let Some(connection) = connection else {
            // As a rule, there is no descriptor left. The connection stays in the backlog until a session has ended.
            port.timer(ACCEPT_AGAIN, Key::AcceptAgain(listener))?;
            return done.result.map(drop);
        };
        listener.accept()?;
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let session = Session {
            client: port.associate(connection, Key::Socket(number, Side::Client))?,
            target: None,
            half: false,
        };
        // It is there before it is needed: the connection may be made before `connect` returns.
        self.sessions().insert(number, session);
        if let Err(error) = port.connect(self.target, Key::Socket(number, Side::Target)) {
            self.break_off(number);
            return Err(in_session(number, &error));
        }
        Ok(())
    }

    /// An operation of a session has completed; the next one of its ring follows.
    fn step(&self, number: u64, side: Side, done: Completion<Key>) -> io::Result<()> {
        let bytes = done.result?;
        if let Finished::Connected { socket } = done.what {
            return self.connected(number, socket);
        }
        let other = self.socket(number, side.other())?;
        match done.what {
            // The end: passed on behind all bytes that were sent before. The other direction goes on.
            Finished::Received { .. } if bytes == 0 => other.shutdown()?,
            Finished::Received { buffer, .. } => other.send(buffer)?,
            // The bytes from the other socket are out, and their buffer is back in the pool: receive the next.
            Finished::Sent { .. } => other.receive_from(&self.buffers)?,
            Finished::Shutdown { .. } => return self.ended(number),
            _ => unreachable!("nothing else was started"),
        };
        Ok(())
    }

    /// Both sockets are there: both rings begin.
    fn connected(&self, number: u64, target: Socket<Key>) -> io::Result<()> {
        if let Some(session) = self.sessions().get_mut(&number) {
            session.target = Some(target.clone());
        }
        let client = self.socket(number, Side::Client)?;
        for socket in [client, target] {
            // The sender has decided how much to send at once; the proxy does not wait for more.
            socket.set_nodelay(true)?;
            socket.receive_from(&self.buffers)?;
        }
        Ok(())
    }

    /// One of the sockets of a session, unless that has ended meanwhile.
    fn socket(&self, number: u64, side: Side) -> io::Result<Socket<Key>> {
        let sessions = self.sessions();
        let session = sessions.get(&number);
        let socket = session.and_then(|session| match side {
            Side::Client => Some(&session.client),
            Side::Target => session.target.as_ref(),
        });
        socket.cloned().ok_or(io::ErrorKind::NotConnected.into())
    }

    /// A direction has ended in order. With the second one the session is over.
    fn ended(&self, number: u64) -> io::Result<()> {
        let first = |session: &mut Session| !std::mem::replace(&mut session.half, true);
        if !self.sessions().get_mut(&number).is_some_and(first) {
            // Nothing is under way on its sockets any more, so they close with it.
            let over = self.sessions().remove(&number);
            drop(over);
        }
        Ok(())
    }

    /// Breaks a session off on both sides; returns whether it was there. Operations that are under way complete as cancelled.
    /// The other side is reset as well: after an orderly end it would take a part of the bytes for the whole.
    fn break_off(&self, number: u64) -> bool {
        let Some(session) = self.sessions().remove(&number) else {
            return false;
        };
        session.client.reset();
        if let Some(target) = session.target {
            target.reset();
        }
        true
    }
}

fn in_session(number: u64, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("session {number}: {error}"))
}
