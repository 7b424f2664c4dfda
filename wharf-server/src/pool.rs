//! A pool of dialled clients: they are taken for a while, and given back.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt, io, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc},
    time::{Duration, Instant},
};

use wharf::{OperationId, user_code::contain};

use crate::{
    Client, Clients, Dial,
    client::{Who, copy_of},
    dialling::Owner,
};

/// How a [`Pool`] is limited.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PoolLimits {
    /// The most connections, those that are being made included; at least 1, by default 16. They count among the server's
    /// [dials](crate::Settings::dials_max).
    pub clients_max: usize,
    /// The most that may wait for a connection; at least 1, by default 1,024.
    pub waiting_max: usize,
    /// A connection that nobody has taken for so long is closed; `None` keeps it. A minute by default.
    pub idle_timeout: Option<Duration>,
}

impl Default for PoolLimits {
    fn default() -> Self {
        PoolLimits {
            clients_max: 16,
            waiting_max: 1_024,
            idle_timeout: Some(Duration::from_secs(60)),
        }
    }
}

/// A pool of connections to one target: clients of a server that it [dials](Clients::dial) as they are needed. Clones are the same.
///
/// What is taken is a [`Lease`]: for as long as it is there, nobody else has the client. Dropped, it gives the client back, and that is
/// taken next: so the connections that are not needed become idle, and are closed in the end. A client whose conversation
/// is not where it should be is not given back, but [closed](Client::close).
///
/// ```
/// # use std::{io::{Read, Write}, net::TcpListener, time::Duration};
/// use wharf_server::{Dial, Pool, PoolLimits, Server};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let address = listener.local_addr()?;
/// let server = Server::builder()
///     .listen("127.0.0.1:0".parse()?)
///     .serve(|_, answer| println!("{} bytes", answer.len()))?;
/// let pool = Pool::new(server.clients(), Dial::to(address)?, PoolLimits::default())?;
/// let lease = pool.wait(Duration::from_secs(5))?;
/// lease.client().send("ask")?;
/// drop(lease);
/// # let mut peer = listener.accept()?.0;
/// # peer.read_exact(&mut [0; 3])?;
/// # Ok(())
/// # }
/// ```
///
/// When the last clone is dropped, those that wait still get their connections. What nobody has is closed then, and no other is made.
pub struct Pool<M = ()> {
    shared: Arc<Shared<M>>,
    handle: Arc<Handle<M>>,
}

/// What the clones of a pool have, and nothing else: when it is dropped, nobody takes any more.
struct Handle<M>(Arc<dyn Pooled<M>>);

impl<M> Drop for Handle<M> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

struct Shared<M> {
    clients: Clients<M>,
    dial: Dial,
    limits: PoolLimits,
    state: Mutex<State<M>>,
    /// Itself: for timers and dials.
    own: Weak<Shared<M>>,
}

struct State<M> {
    /// Those that nobody has: the one that was given back last is at the end.
    idle: Vec<Idle<M>>,
    waiting: VecDeque<Waiting<M>>,
    /// None of them has an earlier deadline. Many may wait, so not all are looked at each time.
    first_deadline: Option<Instant>,
    /// All connections, those that are being made included.
    connections: usize,
    /// Those that are being made.
    dialling: usize,
    /// The timer, and when it is due.
    timer: Option<(Instant, OperationId)>,
    use_of_it: Use,
}

/// Who needs connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Whoever takes one.
    Taken,
    /// Those that wait, and nobody else: the pool was dropped.
    Left,
    /// Nobody any more.
    Over,
}

struct Idle<M> {
    client: Client<M>,
    since: Instant,
}

/// What is done with a client that was taken, or with the error.
enum Then<M> {
    Calls(Box<dyn FnOnce(io::Result<Lease<M>>) + Send>),
    /// A thread waits for it, perhaps within such a call.
    Sends(mpsc::Sender<io::Result<Lease<M>>>),
}

struct Waiting<M> {
    deadline: Instant,
    timeout: Duration,
    then: Then<M>,
}

/// A client that was taken from a [`Pool`]. Dropped, it is given back; if the client has ended, it is not missed.
pub struct Lease<M = ()> {
    client: Client<M>,
    pool: Arc<dyn Pooled<M>>,
}

/// A pool, for a lease and for a timer: these are there whatever `M` is.
pub(crate) trait Pooled<M>: Send + Sync {
    /// A client is free.
    fn give_back(&self, client: &Client<M>);
    /// The timer is due.
    fn is_due(&self);
    /// Nobody takes any more.
    fn leave(&self);
    /// How it stands.
    fn counts(&self) -> PoolCounts;
}

/// How a pool stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolCounts {
    /// Connections that nobody has.
    pub idle: usize,
    /// Connections that were taken.
    pub taken: usize,
    /// Connections that are being made.
    pub dialling: usize,
    /// How many wait for one.
    pub waiting: usize,
}

impl<M: Send + 'static> Pool<M> {
    /// A pool of clients of this server. A dial of it that fails is told to the handler, as any is; and to one of those that wait.
    /// What the dial says of [connecting again](Dial::reconnect) does not count: the pool dials when a connection is needed.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): a setting can't work; the text says which.
    pub fn new(clients: &Clients<M>, dial: Dial, limits: PoolLimits) -> io::Result<Pool<M>> {
        dial.check()?;
        for (limit, name) in [
            (limits.clients_max, "clients_max"),
            (limits.waiting_max, "waiting_max"),
        ] {
            if limit == 0 {
                let text =
                    format!("{name} of the pool is 0, so nothing could be taken; allow at least 1");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        }
        let shared = Arc::new_cyclic(|own| Shared {
            clients: clients.clone(),
            dial: dial.reconnect(false),
            limits,
            state: Mutex::new(State {
                idle: Vec::new(),
                waiting: VecDeque::new(),
                first_deadline: None,
                connections: 0,
                dialling: 0,
                timer: None,
                use_of_it: Use::Taken,
            }),
            own: own.clone(),
        });
        clients.note_pool(shared.own.clone());
        let handle = Arc::new(Handle(shared.clone()));
        Ok(Pool { shared, handle })
    }

    /// Takes a client: one that is idle, or the first that becomes free or is connected, in the order of the calls. `then` is
    /// called with it once: before this returns, or by another thread of the program's or a worker. It may send, and take another, for
    /// which `then` is called after it; it should not wait for long.
    ///
    /// The error that it gets says what was tried: the text of the dial's, if that has failed
    /// ([`ConnectError`](wharf::names::ConnectError)), and its kind; [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if it
    /// ended as soon as it was made; [`TimedOut`](io::ErrorKind::TimedOut) after `timeout`;
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if too many wait; [`NotConnected`](io::ErrorKind::NotConnected) if the
    /// server stops.
    pub fn take(
        &self,
        timeout: Duration,
        then: impl FnOnce(io::Result<Lease<M>>) + Send + 'static,
    ) {
        self.shared.take(timeout, Then::Calls(Box::new(then)));
    }

    /// As [`take`](Self::take), and waits for it. For threads of the program's own: a handler that waits holds a worker, and
    /// where all workers wait, nothing is connected.
    ///
    /// # Errors
    /// As for [`take`](Self::take).
    pub fn wait(&self, timeout: Duration) -> io::Result<Lease<M>> {
        let (sender, receiver) = mpsc::channel();
        // If this thread does not wait any more, the lease goes back.
        self.shared.take(timeout, Then::Sends(sender));
        let gone = |_| {
            Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the server is gone",
            ))
        };
        receiver.recv().unwrap_or_else(gone)
    }

    /// How it stands at this moment.
    pub fn counts(&self) -> PoolCounts {
        Pooled::counts(&*self.shared)
    }
}

impl<M> Lease<M> {
    /// The client, which nobody else has meanwhile.
    pub fn client(&self) -> &Client<M> {
        &self.client
    }
}

impl<M> Drop for Lease<M> {
    fn drop(&mut self) {
        self.pool.give_back(&self.client);
    }
}

impl<M: Send + 'static> Shared<M> {
    fn state(&self) -> MutexGuard<'_, State<M>> {
        // No code of the user's runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, timeout: Duration, then: Then<M>) {
        let deadline = wharf::raw::deadline_after(timeout);
        let mut state = self.state();
        if state.waiting.len() >= self.limits.waiting_max {
            drop(state);
            let text = format!(
                "{} wait for a connection to {}, the most that may (waiting_max of the pool)",
                self.limits.waiting_max, self.dial.target
            );
            let error = io::Error::new(io::ErrorKind::WouldBlock, text);
            return self.call(then, Err(error));
        }
        let first = match state.first_deadline {
            Some(first) if !state.waiting.is_empty() => first.min(deadline),
            _ => deadline,
        };
        state.first_deadline = Some(first);
        state.waiting.push_back(Waiting {
            deadline,
            timeout,
            then,
        });
        drop(state);
        self.serve();
    }

    /// Gives clients to those that wait, in their order, and has as many connected as they need.
    fn serve(&self) {
        loop {
            let mut state = self.state();
            if state.waiting.is_empty() {
                return match state.use_of_it {
                    Use::Taken => self.fail(self.set_timer(state)),
                    Use::Left | Use::Over => self.wind_down(state),
                };
            }
            if let Some(client) = state.take_idle() {
                let waiting = state.waiting.pop_front();
                drop(state);
                if let Some(waiting) = waiting {
                    self.call(waiting.then, Ok(client));
                }
                continue;
            }
            let needs_more = state.dialling < state.waiting.len();
            if !needs_more || state.connections >= self.limits.clients_max {
                return self.fail(self.set_timer(state));
            }
            state.connections += 1;
            state.dialling += 1;
            drop(state);
            let owner = self.own.upgrade().map(|own| own as Arc<dyn Owner<M>>);
            let Err(error) = self.clients.dial_for(self.dial.clone(), owner) else {
                continue;
            };
            let mut state = self.state();
            state.connections -= 1;
            state.dialling -= 1;
            if state.connections > 0 {
                // One of these may become free.
                return self.fail(self.set_timer(state));
            }
            let waiting = state.waiting.pop_front();
            drop(state);
            if let Some(waiting) = waiting {
                self.call(waiting.then, Err(error));
            }
        }
    }

    fn call(&self, then: Then<M>, client: io::Result<Client<M>>) {
        let pool = self.own.upgrade();
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        let lease = client.and_then(|client| {
            let pool = pool.ok_or_else(gone)?;
            Ok(Lease { client, pool })
        });
        match then {
            Then::Sends(sender) => drop(sender.send(lease)),
            Then::Calls(then) => call_in_turn(Box::new(|| {
                contain("what takes a client of a pool", || then(lease));
            })),
        }
    }

    /// Nobody needs connections any more: what is idle is closed, and what is under way is given up.
    fn wind_down(&self, mut state: MutexGuard<'_, State<M>>) {
        if mem::replace(&mut state.use_of_it, Use::Over) == Use::Over {
            return;
        }
        let (idle, timer) = (mem::take(&mut state.idle), state.timer.take());
        drop(state);
        if let Some((_, timer)) = timer {
            drop(self.clients.port().cancel_timer_quietly(timer));
        }
        for idle in idle {
            idle.client.close();
        }
        if let Some(own) = self.own.upgrade() {
            self.clients.stop_dials_of(&(own as Arc<dyn Owner<M>>));
        }
    }

    /// Sets the timer for what is next. Returns those that wait, if there is none to be had.
    fn set_timer(&self, state: MutexGuard<'_, State<M>>) -> Vec<Waiting<M>> {
        let idle = match (state.idle.first(), self.limits.idle_timeout) {
            (Some(first), Some(timeout)) => first.since.checked_add(timeout),
            _ => None,
        };
        let waiting = match state.waiting.is_empty() {
            true => None,
            false => state.first_deadline,
        };
        match waiting.into_iter().chain(idle).min() {
            Some(next) => self.set_timer_at(state, next),
            None => Vec::new(),
        }
    }

    fn set_timer_at(&self, mut state: MutexGuard<'_, State<M>>, at: Instant) -> Vec<Waiting<M>> {
        let port = self.clients.port();
        match state.timer {
            Some((due, _)) if due <= at => return Vec::new(),
            Some((_, timer)) => drop(port.cancel_timer_quietly(timer)),
            None => {}
        }
        let Some(own) = self.own.upgrade() else {
            return Vec::new();
        };
        match port.timer_at(at, Arc::new(Who::Pool(own))) {
            Ok(timer) => {
                state.timer = Some((at, timer));
                Vec::new()
            }
            Err(_) => {
                state.timer = None;
                state.waiting.drain(..).collect()
            }
        }
    }

    /// No timer is to be had: the port is closed.
    fn fail(&self, waiting: Vec<Waiting<M>>) {
        for waiting in waiting {
            let error = io::Error::new(io::ErrorKind::NotConnected, "the server is gone");
            self.call(waiting.then, Err(error));
        }
    }
}

type Call = Box<dyn FnOnce()>;

thread_local! {
    /// The calls that this thread is to make behind the one that it makes.
    static CALLS: RefCell<Option<VecDeque<Call>>> = const { RefCell::new(None) };
}

/// Makes a call that does not unwind: behind the one that this thread is within, if it is within one. So a function that takes a
/// client, and takes the next one when it has it, needs no more of the stack each time.
fn call_in_turn(call: Call) {
    let mut next = Some(call);
    // A thread that ends has no such list any more.
    let _ = CALLS.try_with(|calls| match &mut *calls.borrow_mut() {
        Some(behind) => behind.extend(next.take()),
        none => *none = Some(VecDeque::new()),
    });
    while let Some(call) = next {
        call();
        let take_next = |calls: &RefCell<Option<VecDeque<Call>>>| {
            let mut calls = calls.borrow_mut();
            let next = calls.as_mut().and_then(VecDeque::pop_front);
            if next.is_none() {
                *calls = None;
            }
            next
        };
        next = CALLS.try_with(take_next).ok().flatten();
    }
}

impl<M> State<M> {
    /// The client that was given back last, of those that are still there.
    fn take_idle(&mut self) -> Option<Client<M>> {
        loop {
            let client = self.idle.pop()?.client;
            if client.ended().is_none() && !client.is_closing() {
                return Some(client);
            }
        }
    }

    /// Takes those that have waited for too long.
    fn take_over(&mut self, now: Instant) -> Vec<Waiting<M>> {
        if self.first_deadline.is_none_or(|first| first > now) {
            return Vec::new();
        }
        let (over, waiting): (Vec<_>, _) = self
            .waiting
            .drain(..)
            .partition(|waiting| waiting.deadline <= now);
        self.waiting = waiting.into();
        self.first_deadline = self.waiting.iter().map(|waiting| waiting.deadline).min();
        over
    }

    /// Takes those that nobody has taken for so long: they are at the front.
    fn take_long_idle(&mut self, now: Instant, timeout: Duration) -> Vec<Client<M>> {
        let is_long = |idle: &Idle<M>| now.saturating_duration_since(idle.since) >= timeout;
        let count = self.idle.iter().take_while(|idle| is_long(idle)).count();
        self.idle.drain(..count).map(|idle| idle.client).collect()
    }
}

impl<M: Send + 'static> Pooled<M> for Shared<M> {
    fn give_back(&self, client: &Client<M>) {
        let mut state = self.state();
        // Under the lock: one that ends from here on is taken off the list behind it.
        if client.ended().is_some() || client.is_closing() {
            return;
        }
        if state.use_of_it == Use::Over {
            drop(state);
            return client.close();
        }
        let since = Instant::now();
        let client = client.clone();
        state.idle.push(Idle { client, since });
        let failed = match state.waiting.is_empty() {
            true => self.set_timer(state),
            // By a worker: what they do is nothing of this thread's.
            false => self.set_timer_at(state, since),
        };
        self.fail(failed);
    }

    fn counts(&self) -> PoolCounts {
        let state = self.state();
        PoolCounts {
            idle: state.idle.len(),
            // One that has gone may be on the list for a moment.
            taken: (state.connections - state.dialling).saturating_sub(state.idle.len()),
            dialling: state.dialling,
            waiting: state.waiting.len(),
        }
    }

    fn is_due(&self) {
        let now = Instant::now();
        let mut state = self.state();
        // A port that is closed gives its timers back before they are due.
        if state.timer.is_some_and(|(at, _)| at <= now) || self.clients.port().is_closed() {
            state.timer = None;
        }
        let over = state.take_over(now);
        let idle = match self.limits.idle_timeout {
            Some(timeout) => state.take_long_idle(now, timeout),
            None => Vec::new(),
        };
        drop(state);
        for client in idle {
            client.close();
        }
        for waiting in over {
            let text = format!(
                "no connection to {} was free within {:?}",
                self.dial.target, waiting.timeout
            );
            let error = io::Error::new(io::ErrorKind::TimedOut, text);
            self.call(waiting.then, Err(error));
        }
        self.serve();
    }

    fn leave(&self) {
        let mut state = self.state();
        state.use_of_it = Use::Left;
        if state.waiting.is_empty() {
            self.wind_down(state);
        }
    }
}

impl<M: Send + 'static> Owner<M> for Shared<M> {
    fn connected(&self, client: &Client<M>) {
        let mut state = self.state();
        state.dialling -= 1;
        if client.ended().is_some() || client.is_closing() {
            // By its handler, as a rule; and so would the next one. As where a dial has failed, one is told.
            let waiting = state.waiting.pop_front();
            drop(state);
            if let Some(waiting) = waiting {
                let error = ended_at_once(&self.dial, client);
                self.call(waiting.then, Err(error));
            }
            return self.serve();
        }
        if state.use_of_it == Use::Over {
            drop(state);
            return client.close();
        }
        let since = Instant::now();
        let client = client.clone();
        state.idle.push(Idle { client, since });
        drop(state);
        self.serve();
    }

    fn over(&self, client: Option<u64>, error: Option<&io::Error>) {
        let mut state = self.state();
        state.connections -= 1;
        if let Some(id) = client {
            state.idle.retain(|idle| idle.client.id() != id);
            drop(state);
            return self.serve();
        }
        state.dialling -= 1;
        // One of them has waited for this dial.
        let waiting = state.waiting.pop_front();
        drop(state);
        if let Some(waiting) = waiting {
            let stopped = || io::Error::new(io::ErrorKind::NotConnected, "its dial was stopped");
            let error = error.map_or_else(stopped, copy_of);
            self.call(waiting.then, Err(error));
        }
        self.serve();
    }
}

fn ended_at_once<M>(dial: &Dial, client: &Client<M>) -> io::Error {
    let why = match client.ended() {
        Some(ended) => format!("{ended:?}"),
        None => "it is closed".to_owned(),
    };
    let text = format!("the connection to {} ended at once: {why}", dial.target);
    io::Error::new(io::ErrorKind::ConnectionAborted, text)
}

impl<M> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Pool {
            shared: self.shared.clone(),
            handle: self.handle.clone(),
        }
    }
}

impl<M: Send + 'static> fmt::Debug for Pool<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("target", &self.shared.dial.target.to_string())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for Lease<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lease")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
