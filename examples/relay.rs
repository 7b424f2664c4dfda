//! What the proxies share: sessions of two sockets, and the bytes between them.
//!
//! Each direction is a ring of operations: receive on one socket, send that on the other, receive again. So one buffer is in use in
//! each direction, however fast one side sends and however slowly the other reads. The end of a stream passes on behind its
//! bytes, and leaves the other direction open; an error on one side ends both. A session without bytes stays for as long as both
//! sides do.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use wharf::{BufferPool, Completion, CompletionPort, Finished, Listener, Socket, Workers};

use crate::lock;

/// When the system had no room for another connection, it is asked again after so long.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// The most workers. There are as many while handlers block.
pub const WORKERS_MAX: usize = 64;

/// The key says which session a completion belongs to, and which of its two sockets.
#[derive(Debug, Clone)]
pub enum Key {
    /// The listener's.
    Listener,
    /// A timer's: accept again, on this listener.
    AcceptAgain(Listener<Key>),
    /// A socket's: the number of its session, and which of the two it is.
    Socket(u64, Side),
}

/// The two sockets of a session.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    /// The one that was accepted.
    Client,
    /// The one that the proxy has connected.
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

/// What a proxy does before the bytes flow: it finds out where to connect to, and connects.
pub trait Opening: Send + Sync + Sized + 'static {
    /// What is kept for a session meanwhile.
    type State: Default + Send;

    /// A client has come.
    ///
    /// # Errors
    /// The session is broken off.
    fn begin(
        &self,
        port: &CompletionPort<Key>,
        sessions: &Sessions<Self::State>,
        number: u64,
    ) -> io::Result<()>;

    /// An operation of the session has completed, and its target is not connected yet, or is now.
    ///
    /// # Errors
    /// The session is broken off.
    fn step(
        &self,
        port: &CompletionPort<Key>,
        sessions: &Sessions<Self::State>,
        number: u64,
        done: Completion<Key>,
    ) -> io::Result<()>;
}

/// The sessions, by the number that is in the key. A key that had the session itself would be a reference cycle, which is
/// never freed: the session has the sockets, and a socket has its key.
#[derive(Debug)]
pub struct Sessions<S> {
    /// For what is received.
    pub buffers: BufferPool,
    last: AtomicU64,
    open: Mutex<HashMap<u64, Session<S>>>,
}

#[derive(Debug)]
struct Session<S> {
    client: Socket<Key>,
    /// None until it is connected.
    target: Option<Socket<Key>>,
    opening: S,
    /// One direction has ended, and its end has been passed on.
    half: bool,
}

/// Runs a proxy until a line comes on standard input, or the end of it.
///
/// # Errors
/// It can't listen, or there is no port or no thread to be had.
pub fn run<O: Opening>(listen: SocketAddr, opening: O) -> io::Result<()> {
    let port = CompletionPort::<Key>::new(0)?;
    let listener = port.associate(TcpListener::bind(listen)?, Key::Listener)?;
    println!("listening on {}", listener.local_addr());
    listener.accept()?;

    let relay = Arc::new(Relay {
        opening,
        sessions: Sessions {
            buffers: BufferPool::new(15_000),
            last: AtomicU64::new(0),
            open: Mutex::default(),
        },
    });
    let serving = relay.clone();
    // More than run at once, for handlers that block.
    let least = port.concurrency() + 1;
    let threads = least..=WORKERS_MAX.max(least);
    let workers = Workers::start(&port, threads, move |port, completion| {
        serving.serve(port, completion);
    })?;

    let _ = io::stdin().read_line(&mut String::new());
    // Before the port is closed: a session whose next operation it refuses is broken off.
    let open = relay.sessions.open().len();
    port.close();
    workers.join();
    println!("stopped, {open} sessions were open");
    Ok(())
}

struct Relay<O: Opening> {
    opening: O,
    sessions: Sessions<O::State>,
}

impl<O: Opening> Relay<O> {
    /// Called by any worker, for any session.
    fn serve(&self, port: &CompletionPort<Key>, completion: Completion<Key>) {
        let served = match completion.key {
            Key::Listener => self.accepted(port, completion),
            Key::AcceptAgain(listener) => accept(port, listener),
            Key::Socket(number, side) => {
                let stepped = match self.sessions.is_connected(number) {
                    Some(true) => self.sessions.step(number, side, completion),
                    Some(false) => self.opening.step(port, &self.sessions, number, completion),
                    // It was broken off before this came.
                    None => Ok(()),
                };
                self.sessions.checked(number, stepped)
            }
        };
        match served {
            Err(error) if !port.is_closed() => eprintln!("{error}"),
            _ => {}
        }
    }

    /// Begins a session: the client is here.
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
            accept_again(port, listener)?;
            return done.result.map(drop);
        };
        accept(port, listener)?;
        let number = self.sessions.last.fetch_add(1, Ordering::Relaxed) + 1;
        let client = port.associate(connection, Key::Socket(number, Side::Client))?;
        // The sender has decided how much to send at once; the proxy does not wait for more.
        client.set_nodelay(true)?;
        let session = Session {
            client,
            target: None,
            opening: O::State::default(),
            half: false,
        };
        // It is there before it is needed: what is begun may complete at once.
        self.sessions.open().insert(number, session);
        let begun = self.opening.begin(port, &self.sessions, number);
        self.sessions.checked(number, begun)
    }
}

/// Accepts the next connection, now or later.
fn accept(port: &CompletionPort<Key>, listener: Listener<Key>) -> io::Result<()> {
    match listener.accept() {
        Ok(_) => Ok(()),
        Err(_) => accept_again(port, listener),
    }
}

fn accept_again(port: &CompletionPort<Key>, listener: Listener<Key>) -> io::Result<()> {
    port.timer(ACCEPT_AGAIN, Key::AcceptAgain(listener))?;
    Ok(())
}

impl<S: Default> Sessions<S> {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Session<S>>> {
        lock(&self.open)
    }

    /// Whether a session's target is connected; none if the session is gone.
    fn is_connected(&self, number: u64) -> Option<bool> {
        let open = self.open();
        let session = open.get(&number)?;
        Some(session.target.is_some())
    }

    /// Takes what the opening keeps for a session, unless that has ended meanwhile.
    pub fn take(&self, number: u64) -> Option<S> {
        let mut open = self.open();
        open.get_mut(&number)
            .map(|session| std::mem::take(&mut session.opening))
    }

    /// Keeps it for the next step.
    pub fn keep(&self, number: u64, state: S) {
        if let Some(session) = self.open().get_mut(&number) {
            session.opening = state;
        }
    }

    /// One of the sockets of a session.
    ///
    /// # Errors
    /// The session has ended meanwhile.
    pub fn socket(&self, number: u64, side: Side) -> io::Result<Socket<Key>> {
        let open = self.open();
        let session = open.get(&number);
        let socket = session.and_then(|session| match side {
            Side::Client => Some(&session.client),
            Side::Target => session.target.as_ref(),
        });
        socket.cloned().ok_or(io::ErrorKind::NotConnected.into())
    }

    /// The target is connected: both rings begin. `early` is what the client has sent for it already.
    ///
    /// # Errors
    /// A socket's; or the session has ended meanwhile.
    pub fn connected(&self, number: u64, target: Socket<Key>, early: Vec<u8>) -> io::Result<()> {
        let client = self.socket(number, Side::Client)?;
        target.set_nodelay(true)?;
        match self.open().get_mut(&number) {
            Some(session) => session.target = Some(target.clone()),
            None => return Err(io::ErrorKind::NotConnected.into()),
        }
        target.receive_from(&self.buffers)?;
        match early.is_empty() {
            true => client.receive_from(&self.buffers)?,
            false => target.send(early)?,
        };
        Ok(())
    }

    /// An operation has completed; the next one of its ring follows.
    fn step(&self, number: u64, side: Side, done: Completion<Key>) -> io::Result<()> {
        let bytes = done.result?;
        let other = self.socket(number, side.other())?;
        match done.what {
            // The end: passed on behind all bytes that were sent before. The other direction goes on.
            Finished::Received { .. } if bytes == 0 => other.shutdown()?,
            Finished::Received { buffer, .. } => other.send(buffer)?,
            // The bytes from the other socket are out, and their buffer is back in the pool: receive the next.
            Finished::Sent { .. } => other.receive_from(&self.buffers)?,
            Finished::Shutdown { .. } => {
                self.ended(number);
                return Ok(());
            }
            _ => unreachable!("nothing else was started"),
        };
        Ok(())
    }

    /// A direction has ended in order. With the second one the session is over.
    fn ended(&self, number: u64) {
        let first = |session: &mut Session<S>| !std::mem::replace(&mut session.half, true);
        if !self.open().get_mut(&number).is_some_and(first) {
            self.close(number);
        }
    }

    /// Ends a session on which nothing is under way any more.
    pub fn close(&self, number: u64) {
        // Its sockets close with it, and not under the lock.
        let over = self.open().remove(&number);
        drop(over);
    }

    /// Breaks the session off if this is an error. The first one counts: those after it are of operations that the end of the
    /// session cancels.
    fn checked(&self, number: u64, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if self.break_off(number) => Err(io::Error::new(
                error.kind(),
                format!("session {number}: {error}"),
            )),
            _ => Ok(()),
        }
    }

    /// Breaks a session off on both sides; returns whether it was there. Operations that are under way complete as cancelled.
    /// The other side is reset as well: after an orderly end it would take a part of the bytes for the whole.
    fn break_off(&self, number: u64) -> bool {
        let Some(session) = self.open().remove(&number) else {
            return false;
        };
        session.client.reset();
        if let Some(target) = session.target {
            target.reset();
        }
        true
    }
}
