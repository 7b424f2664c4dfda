//! How an outgoing connection is made, and made again.
//!
//! ```text
//!             found                   connected              it has ended
//! look-up -----------> attempts ------------------> client ----------------> over
//!    ^   |                |                            |
//!    |   | not found      | none succeeds              | it has ended, and is to be connected again
//!    |   v                v                            v
//!    +--------------- a pause <------------------------+
//!                         |
//!                         +--> over: as many attempts have failed as may
//! ```
//!
//! The stage is under a lock. Each step is taken by the worker that brings what has happened: a timer of the dial that is due, a
//! connect that has completed, a client that has gone. A look-up ends on a thread of its own, which notes the result and sets a timer
//! that is due at once. A timer that comes too late for its stage finds nothing due, so none has to be told from another. The handler is
//! called under no lock, and before the timer for the next attempt is set: so by one worker at a time.
//!
//! The key of a connect is that of the client's socket later: its place for the client's state is filled when it is
//! connected.

use std::{
    collections::HashMap,
    io, mem,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use socket2::SockRef;
use wharf::{
    OperationId, Socket,
    names::{Attempts, LookUp, Target},
    user_code::log,
};

use crate::{
    Client, Clients, Dial, DialFailed, Dialled, Ended,
    client::{Beginning, Key, State, Who},
    metrics::Counted,
    prelude::Prelude,
    shared::ServerState,
    tls::Session,
};

/// A server's dials that are not over.
pub(crate) struct Dials<M> {
    max: usize,
    state: Mutex<DialsState<M>>,
}

struct DialsState<M> {
    dials: HashMap<u64, Dialled<M>>,
    last_id: u64,
    /// The server stops.
    is_closed: bool,
}

/// Who is told of a dial, beside the handler.
pub(crate) trait Owner<M>: Send + Sync {
    /// It has a client, of which the handler was told.
    fn connected(&self, client: &Client<M>);
    /// It is over: the client with this number has gone; or there was none, for this reason.
    fn over(&self, client: Option<u64>, error: Option<&io::Error>);
}

/// One dial.
pub(crate) struct Dialling<M> {
    pub(crate) id: u64,
    pub(crate) dial: Dial,
    pub(crate) clients: Clients<M>,
    owner: Option<Arc<dyn Owner<M>>>,
    progress: Mutex<Progress>,
}

struct Progress {
    stage: Stage,
    /// Attempts in a row that have failed.
    failures: u32,
    /// The number of the attempt: what completes for an earlier one is of no use.
    attempt: u32,
    timer: Option<OperationId>,
    /// No other attempt is to be made.
    is_stopped: bool,
}

enum Stage {
    LookingUp {
        deadline: Instant,
        /// It ends with the stage. None where nothing is looked up.
        _look_up: Option<LookUp>,
        found: Option<io::Result<Vec<SocketAddr>>>,
    },
    Connecting(Attempts<OperationId>),
    /// An attempt has failed, or its client has gone, and nothing follows yet: the handler is told.
    Failed,
    /// Until then.
    Pausing(Instant),
    /// The number of the client, and since when it is there.
    Connected(u64, Instant),
    Over,
}

/// The key of a connect, and of the client's socket.
pub(crate) struct DialledKey<M> {
    dialled: Dialled<M>,
    attempt: u32,
    /// The number of the address.
    number: u32,
    pub(crate) client: OnceLock<State<M>>,
}

impl<M> DialledKey<M> {
    pub(crate) fn dialled(&self) -> &Dialled<M> {
        &self.dialled
    }
}

impl<M> Dials<M> {
    pub(crate) fn new(max: usize) -> Self {
        Dials {
            max,
            state: Mutex::new(DialsState {
                dials: HashMap::new(),
                last_id: 0,
                is_closed: false,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, DialsState<M>> {
        // No code of the user's runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, id: u64) {
        let removed = self.lock().dials.remove(&id);
        drop(removed);
    }
}

impl<M: Send + 'static> Clients<M> {
    /// As [`dial`](Self::dial), for an owner.
    pub(crate) fn dial_for(
        &self,
        dial: Dial,
        owner: Option<Arc<dyn Owner<M>>>,
    ) -> io::Result<Dialled<M>> {
        dial.check()?;
        let dials = self.dials();
        let dialled = {
            let mut state = dials.lock();
            if state.is_closed {
                return Err(server_stops(&dial.target));
            }
            if state.dials.len() >= dials.max {
                self.metrics().count(Counted::DialRefused);
                let text = format!(
                    "{} connections are dialled, the most that may (dials_max); {} is not",
                    dials.max, dial.target
                );
                return Err(io::Error::new(io::ErrorKind::QuotaExceeded, text));
            }
            state.last_id += 1;
            let dialled = Dialled(Arc::new(Dialling {
                id: state.last_id,
                dial,
                clients: self.clone(),
                owner,
                progress: Mutex::new(Progress {
                    stage: Stage::Over,
                    failures: 0,
                    attempt: 0,
                    timer: None,
                    is_stopped: false,
                }),
            }));
            state.dials.insert(dialled.id(), dialled.clone());
            dialled
        };
        let begun = {
            let mut progress = dialled.0.progress();
            match progress.is_stopped {
                // The server has come to stop since it is among its dials.
                true => Err(server_stops(dialled.target())),
                false => dialled.begin(&mut progress),
            }
        };
        if let Err(error) = begun {
            dialled.0.end();
            return Err(error);
        }
        Ok(dialled)
    }

    /// Nobody needs a connection of this owner's any more: its attempts are given up.
    pub(crate) fn stop_dials_of(&self, owner: &Arc<dyn Owner<M>>) {
        let is_its = |dialled: &&Dialled<M>| {
            let other = dialled.0.owner.as_ref();
            other.is_some_and(|other| std::ptr::addr_eq(Arc::as_ptr(other), Arc::as_ptr(owner)))
        };
        let dials: Vec<_> = {
            let state = self.dials().lock();
            state.dials.values().filter(is_its).cloned().collect()
        };
        dials.iter().for_each(Dialled::stop);
    }

    /// The server stops: no attempt is made any more.
    pub(crate) fn end_dials(&self) {
        let dials: Vec<_> = {
            let mut state = self.dials().lock();
            state.is_closed = true;
            state.dials.values().cloned().collect()
        };
        for dialled in dials {
            if dialled.0.stop() {
                let error = server_stops(dialled.target());
                dialled.0.tell_over(None, Some(&error));
            }
        }
    }
}

fn server_stops(target: &Target) -> io::Error {
    let text = format!("the server stops: {target} is not dialled");
    io::Error::new(io::ErrorKind::NotConnected, text)
}

impl<M> Dialling<M> {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        // No code of the user's runs under the lock.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.progress().stage, Stage::Over)
    }

    pub(crate) fn client_id(&self) -> Option<u64> {
        match self.progress().stage {
            Stage::Connected(id, _) => Some(id),
            _ => None,
        }
    }

    /// Tells the owner.
    pub(crate) fn tell_over(&self, client: Option<u64>, error: Option<&io::Error>) {
        if let Some(owner) = &self.owner {
            owner.over(client, error);
        }
    }
}

impl<M: Send + 'static> Dialling<M> {
    /// Makes no attempt any more. Returns whether that was its end: it has no client.
    pub(crate) fn stop(&self) -> bool {
        self.progress().is_stopped = true;
        self.end()
    }

    /// Ends, unless it has ended before, or has a client: what is under way is given up.
    fn end(&self) -> bool {
        self.end_if(|stage| !matches!(stage, Stage::Connected(..)))
    }

    /// Likewise, if the stage is such: whether it is, and the end, are one step, since a connect may complete at any moment.
    fn end_if(&self, may_end: impl FnOnce(&Stage) -> bool) -> bool {
        let port = self.clients.port();
        let (stage, timer) = {
            let mut progress = self.progress();
            if !may_end(&progress.stage) {
                return false;
            }
            let stage = mem::replace(&mut progress.stage, Stage::Over);
            (stage, progress.timer.take())
        };
        let timer = timer.map(|timer| port.cancel_timer_quietly(timer));
        let was_over = matches!(stage, Stage::Over);
        if let Stage::Connecting(mut attempts) = stage {
            for operation in attempts.take_under_way() {
                let _ = port.cancel(operation);
            }
        }
        self.clients.dials().remove(self.id);
        // It held a key, which may be the last that holds this.
        drop(timer);
        !was_over
    }
}

impl<M: Send + 'static> Dialled<M> {
    /// Has a worker come at `at`.
    fn set_timer(&self, progress: &mut Progress, at: Instant) -> io::Result<()> {
        let port = self.0.clients.port();
        if let Some(timer) = progress.timer.take() {
            // One that is due already comes for nothing.
            let _ = port.cancel_timer_quietly(timer);
        }
        progress.timer = Some(port.timer_at(at, Arc::new(Who::Dial(self.clone())))?);
        Ok(())
    }

    /// Begins an attempt.
    fn begin(&self, progress: &mut Progress) -> io::Result<()> {
        let dial = &self.0.dial;
        progress.attempt = progress.attempt.wrapping_add(1);
        self.0.clients.metrics().count(Counted::Attempt);
        let deadline = wharf::raw::deadline_after(dial.timeout);
        let (look_up, found) = match &dial.target {
            Target::Addresses(addresses) => (None, Some(Ok(addresses.clone()))),
            Target::Name(name, port) => {
                let (dialled, attempt) = (self.clone(), progress.attempt);
                let then = move |found| dialled.found(attempt, found);
                match dial.names.look_up(name, *port, dial.timeout, then) {
                    Ok(look_up) => (Some(look_up), None),
                    Err(error) => (None, Some(Err(error))),
                }
            }
            target => {
                let text = format!("{target} can't be dialled");
                let error = io::Error::new(io::ErrorKind::Unsupported, text);
                (None, Some(Err(error)))
            }
        };
        let is_found = found.is_some();
        progress.stage = Stage::LookingUp {
            deadline,
            _look_up: look_up,
            found,
        };
        match is_found {
            true => self.set_timer(progress, Instant::now()),
            false => Ok(()),
        }
    }

    /// A look-up has ended. Called by a thread of its own.
    fn found(&self, attempt: u32, addresses: io::Result<Vec<SocketAddr>>) {
        let mut progress = self.0.progress();
        if progress.attempt != attempt {
            return;
        }
        if let Stage::LookingUp { found, .. } = &mut progress.stage {
            *found = Some(addresses);
            let set = self.set_timer(&mut progress, Instant::now());
            drop(progress);
            if set.is_err() {
                self.is_lost();
            }
        }
    }

    /// No worker is to be had for it: the port is closed.
    fn is_lost(&self) {
        if self.0.end() {
            let error = io::Error::from(io::ErrorKind::NotConnected);
            self.0.tell_over(None, Some(&error));
        }
    }

    /// Does what is due. Returns why the attempt has failed, if it has.
    fn step(&self, progress: &mut Progress, now: Instant) -> io::Result<Option<io::Error>> {
        if let Stage::LookingUp {
            deadline, found, ..
        } = &mut progress.stage
        {
            let deadline = *deadline;
            match found.take() {
                None => return Ok(None),
                Some(Err(error)) => return Ok(Some(error)),
                Some(Ok(addresses)) => {
                    let left = deadline.saturating_duration_since(now);
                    let target = &self.0.dial.target;
                    let attempts = Attempts::new(target, addresses, left, now);
                    progress.stage = Stage::Connecting(attempts);
                }
            }
        }
        match &mut progress.stage {
            Stage::Connecting(_) => self.connect(progress, now),
            Stage::Pausing(until) if now >= *until => {
                self.begin(progress)?;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn connect(&self, progress: &mut Progress, now: Instant) -> io::Result<Option<io::Error>> {
        let attempt = progress.attempt;
        let Stage::Connecting(attempts) = &mut progress.stage else {
            return Ok(None);
        };
        let port = self.0.clients.port();
        let given_up = attempts.step(now, |number, address| {
            let key = DialledKey {
                dialled: self.clone(),
                attempt,
                number,
                client: OnceLock::new(),
            };
            port.connect(address, Arc::new(Who::Dialled(Box::new(key))))
        });
        for operation in given_up {
            let _ = port.cancel(operation);
        }
        if !attempts.is_over() {
            if let Some(next) = attempts.next_step() {
                self.set_timer(progress, next)?;
            }
            return Ok(None);
        }
        match mem::replace(&mut progress.stage, Stage::Failed) {
            Stage::Connecting(attempts) => Ok(Some(attempts.into_error().into())),
            _ => Ok(None),
        }
    }

    /// An attempt has failed, or a client has gone and is to be connected again. Returns after how long the next attempt is to be made;
    /// none: there is no other, and this is over.
    fn fail(&self, progress: &mut Progress) -> Option<Duration> {
        progress.stage = Stage::Failed;
        let dial = &self.0.dial;
        let is_last = dial.attempts.is_some_and(|max| progress.failures >= max);
        (!is_last && !progress.is_stopped).then(|| dial.pause(progress.failures))
    }

    /// The next attempt is made after so long, if this was not stopped meanwhile.
    fn pause(&self, pause: Duration) {
        let mut progress = self.0.progress();
        if !matches!(progress.stage, Stage::Failed) {
            return;
        }
        let until = wharf::raw::deadline_after(pause);
        progress.stage = Stage::Pausing(until);
        let set = self.set_timer(&mut progress, until);
        drop(progress);
        if set.is_err() {
            self.is_lost();
        }
    }
}

impl<M: Send + 'static> ServerState<M> {
    /// A timer of a dial is due.
    pub(crate) fn dial_due(&self, dialled: &Dialled<M>) {
        let mut progress = dialled.0.progress();
        match dialled.step(&mut progress, Instant::now()) {
            Ok(None) => {}
            Ok(Some(error)) => self.attempt_has_failed(dialled, progress, &error),
            Err(_) => {
                drop(progress);
                dialled.is_lost();
            }
        }
    }

    fn attempt_has_failed(
        &self,
        dialled: &Dialled<M>,
        mut progress: MutexGuard<'_, Progress>,
        error: &io::Error,
    ) {
        self.count(Counted::AttemptFailed);
        progress.failures = progress.failures.saturating_add(1);
        let (pause, failures) = (dialled.fail(&mut progress), progress.failures);
        drop(progress);
        self.dial_has_failed(dialled, error, failures, pause);
    }

    fn dial_has_failed(
        &self,
        dialled: &Dialled<M>,
        error: &io::Error,
        failures: u32,
        again_after: Option<Duration>,
    ) {
        if again_after.is_none() && !dialled.0.end() {
            // It was stopped meanwhile.
            return;
        }
        log(|| {
            tracing::debug!(%error, failures, ?again_after, "an attempt to connect has failed");
        });
        let failed = DialFailed {
            dialled,
            failures,
            error,
            again_after,
        };
        self.contain("`dial_failed`", || {
            self.handler.dial_failed(&self.clients, &failed);
        });
        match again_after {
            Some(pause) => dialled.pause(pause),
            None => dialled.0.tell_over(None, Some(error)),
        }
    }

    /// A connect has completed.
    pub(crate) fn dial_answered(&self, socket: Socket<Key<M>>, result: io::Result<usize>) {
        let Who::Dialled(key) = &**socket.key() else {
            unreachable!("nothing else is connected");
        };
        let dialled = key.dialled().clone();
        let client = result.and_then(|_| self.dialled_client(key, &socket));
        let mut progress = dialled.0.progress();
        let is_stale = progress.attempt != key.attempt;
        let Stage::Connecting(attempts) = &mut progress.stage else {
            return;
        };
        if is_stale {
            return;
        }
        let state = match client {
            Ok(state) => state,
            Err(error) => {
                attempts.failed(key.number, error);
                drop(progress);
                self.dial_due(&dialled);
                return;
            }
        };
        if !attempts.under_way().any(|(number, _)| number == key.number) {
            // It was given up in this very moment.
            return;
        }
        let others = attempts.take_under_way();
        let timer = progress.timer.take();
        progress.stage = Stage::Connected(state.id(), Instant::now());
        // The key is this attempt's own.
        let _ = key.client.set(state);
        let client = Client(socket);
        self.clients.insert(client.clone());
        drop(progress);
        for operation in others {
            let _ = self.port.cancel(operation);
        }
        if let Some(timer) = timer {
            let _ = self.port.cancel_timer_quietly(timer);
        }
        self.count(Counted::Dialled);
        client.state().make_span(None, Some(&dialled.target()));
        self.watch_new(&client);
        self.begin(&client);
    }

    /// Makes a connected socket ready to be a client.
    fn dialled_client(&self, key: &DialledKey<M>, socket: &Socket<Key<M>>) -> io::Result<State<M>> {
        let peer = socket.peer_addr()?;
        if socket.local_addr()? == peer {
            // Where nobody listens at a port of this machine that the system may give out itself.
            let text = "it was connected to itself: nobody listens there";
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, text));
        }
        // As those that are accepted.
        socket.set_nodelay(true)?;
        socket.with_descriptor(|socket| SockRef::from(&socket).set_keepalive(true))?;
        let share = self.buffers.share(self.buffers_per_client);
        let slot = self.contained("`codec`", || self.handler.slot());
        let slot = slot.ok_or_else(|| io::Error::other("its handler has no codec for it"))?;
        let clients = key.dialled.0.clients.clone();
        let session = self.dialled_session(&key.dialled.0.dial, peer)?;
        let beginning = Beginning {
            id: self.clients.next_id(),
            peer: peer.into(),
            prelude: session.is_some().then(Prelude::handshake),
            session,
        };
        Ok(State::new(beginning, clients, share, slot))
    }

    /// The TLS session with one that is dialled, if there is to be one.
    #[cfg(feature = "tls")]
    fn dialled_session(
        &self,
        dial: &Dial,
        address: SocketAddr,
    ) -> io::Result<Option<Box<Session>>> {
        let Some(tls) = &dial.tls else {
            return Ok(None);
        };
        let name = match &dial.target {
            Target::Name(name, _) => Some(name.as_ref()),
            _ => None,
        };
        let handshake = self.clients.all_handshakes().begin_own();
        let pools = self.clients.session_pools();
        let session = tls.session(name, Some(address.ip()), pools, handshake)?;
        Ok(Some(Box::new(session)))
    }

    #[cfg(not(feature = "tls"))]
    fn dialled_session(&self, _: &Dial, _: SocketAddr) -> io::Result<Option<Box<Session>>> {
        Ok(None)
    }

    /// The handler was told of a client: so is the owner of its dial.
    pub(crate) fn dialled_client_is_there(&self, client: &Client<M>) {
        if let Some(owner) = client.dialled().and_then(|it| it.0.owner.as_ref()) {
            owner.connected(client);
        }
    }

    /// A client goes, before the handler is told: that may dial anew, and have the place of this one.
    pub(crate) fn dialled_client_goes(&self, client: &Client<M>) {
        let Some(dialled) = client.dialled() else {
            return;
        };
        let progress = dialled.0.progress();
        // An attempt that has failed has its place until it was the last.
        let keeps = is_failed_attempt(client, &progress)
            || self.is_connected_again(client, &dialled.0, &progress);
        drop(progress);
        if !keeps {
            self.clients.dials().remove(dialled.id());
        }
    }

    /// Whether another connection is to take the place of this client's. Once it is not, it never is.
    fn is_connected_again(
        &self,
        client: &Client<M>,
        dialling: &Dialling<M>,
        progress: &Progress,
    ) -> bool {
        let may_be = dialling.dial.reconnects && !progress.is_stopped;
        may_be && !is_ended_by_program(client) && !self.is_stopping()
    }

    /// A client has gone, after all that the handler is told of it.
    pub(crate) fn dialled_client_is_gone(&self, client: &Client<M>) {
        let Some(dialled) = client.dialled() else {
            return;
        };
        let dial = &dialled.0.dial;
        let mut progress = dialled.0.progress();
        let Stage::Connected(_, since) = progress.stage else {
            return;
        };
        if is_failed_attempt(client, &progress) {
            let (kind, why) = match client.ended() {
                Some(Ended::NotBegun(why)) => (io::ErrorKind::InvalidData, why.clone()),
                Some(Ended::Failed(error)) => (error.kind(), error.to_string()),
                ended => (io::ErrorKind::Other, format!("{ended:?}")),
            };
            let text = format!("can't connect to {}: {why}", dial.target);
            self.attempt_has_failed(dialled, progress, &io::Error::new(kind, text));
            return;
        }
        if !self.is_connected_again(client, &dialled.0, &progress) {
            drop(progress);
            // It has this client, so nobody else ends it.
            if dialled.0.end_if(|_| true) {
                dialled.0.tell_over(Some(client.id()), None);
            }
            return;
        }
        match since.elapsed() >= dial.backoff_max {
            true => progress.failures = 0,
            false => progress.failures = progress.failures.saturating_add(1),
        }
        let (pause, failures) = (dialled.fail(&mut progress), progress.failures);
        drop(progress);
        if let Some(pause) = pause {
            self.count(Counted::Reconnect);
            dialled.pause(pause);
            return;
        }
        let text = format!(
            "can't stay connected to {}: no connection of the last {failures} has lasted for {:?}",
            dial.target, dial.backoff_max
        );
        self.dial_has_failed(dialled, &io::Error::other(text), failures, None);
    }
}

/// The connection of an attempt was there, and the handler was not told of it: its handshake did not come to its end.
fn is_failed_attempt<M>(client: &Client<M>, progress: &Progress) -> bool {
    client.state().is_in_prelude() && !progress.is_stopped && !is_ended_by_program(client)
}

fn is_ended_by_program<M>(client: &Client<M>) -> bool {
    let ended = matches!(
        client.ended(),
        Some(Ended::ByServer | Ended::Aborted | Ended::Cut)
    );
    ended || client.is_closed_by_program()
}
