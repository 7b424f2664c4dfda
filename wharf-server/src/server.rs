//! The server: starting it, and stopping it in order.

use std::{
    io,
    net::SocketAddr,
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant},
};

use wharf::{Completion, CompletionPort, DriverInfo, Finished, Workers, user_code::log};

use crate::{
    Client, Clients, Ended, Handler, Listen, ListenAddress, ServerBuilder, Settings, StartError,
    Stopper,
    accepting::{Acceptor, Listening},
    admission::Arrival,
    calls::Typed,
    client::{EndsSending, Event, Key, TAKES_TURN_BACK, Who},
    health::Health,
    mailbox::DueTimer,
    metrics::Publisher,
    shared::ServerState,
};

/// After the deadline of a stop, workers have so long to end before they are left in their handlers; and the thread that publishes, before
/// it is left in the recorder.
const WORKERS_GRACE: Duration = Duration::from_millis(500);

/// A running server. [Stop](Self::stop) it in order; if it is dropped, it cuts its clients and ends at once.
#[must_use = "a server that is dropped ends: keep it (`let server = ...`), and end it by `stop` or `wait_for_signal`"]
pub struct Server<M: Send + 'static = ()> {
    shared: Arc<ServerState<M>>,
    workers: Option<Workers>,
    threads: RangeInclusive<usize>,
    health: Option<Health>,
    publisher: Option<Publisher>,
    drain_delay: Duration,
}

impl<M: Send + 'static> std::fmt::Debug for Server<M> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Server")
            .field("local_addrs", &self.local_addrs())
            .field("port", &self.shared.port)
            .finish_non_exhaustive()
    }
}

/// The figures of a server that was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Clients that were accepted, or dialled.
    pub clients: u64,
    /// Bytes received from them.
    pub received_bytes: u64,
    /// Bytes sent to them.
    pub sent_bytes: u64,
    /// Clients that had not finished at the deadline.
    pub cut: usize,
    /// Workers that were still in their handlers, by name. They were left there.
    pub workers_left: Vec<String>,
}

impl Server {
    /// Starts to set up a server, from the default [`Settings`].
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }
}

impl<M: Send + 'static> Server<M> {
    /// Starts a server. When this returns, clients can connect.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing is left behind.
    pub fn start(
        settings: &Settings,
        handler: impl Handler<Message = M>,
    ) -> Result<Self, StartError> {
        settings.check()?;
        let port = CompletionPort::builder()
            .concurrency(settings.concurrency)
            .driver(settings.driver)
            .operations_max(settings.operations_max())
            .build()
            .map_err(StartError::Port)?;
        let acceptor = listen(settings, &port)?;
        let threads = settings.threads(port.concurrency());
        warn_of_small_shares(settings);
        let shared = Arc::new(ServerState::new(
            settings,
            port,
            acceptor,
            Box::new(Typed(handler)),
        ));
        for listening in shared.acceptor.listeners() {
            listening.accept().map_err(StartError::Accept)?;
        }
        let serving = shared.clone();
        let workers = Workers::start(&shared.port, threads.clone(), move |_, completion| {
            serving.serve(completion);
        });
        let mut server = Server {
            shared,
            workers: None,
            threads,
            health: None,
            publisher: None,
            drain_delay: settings.drain_delay,
        };
        // Where it fails, dropping the server ends the workers that were started.
        server.workers = Some(workers.map_err(StartError::Workers)?);
        server.shared.set_ticker();
        server.publisher = Publisher::start(&server.shared)?;
        // Last: it is ready now.
        if let Some(listen) = &settings.health {
            server.health = Some(Health::start(listen.clone(), server.stopper())?);
        }
        Ok(server)
    }

    /// Where it listens, with the real port: the first TCP address.
    ///
    /// # Panics
    /// It listens on local sockets only, or on nothing; [`local_addrs`](Self::local_addrs) has those.
    pub fn local_addr(&self) -> SocketAddr {
        let address = self.shared.acceptor.local_addr();
        address.expect("a server that is asked for its address listens on TCP")
    }

    /// Everything that it listens on, in the order of the [settings](Settings::listen).
    pub fn local_addrs(&self) -> Vec<ListenAddress> {
        self.shared.acceptor.addresses().cloned().collect()
    }

    /// Where it tells its [health](Settings::health); empty if nowhere.
    pub fn health_addrs(&self) -> Vec<ListenAddress> {
        let health = self.health.as_ref();
        health.map_or(Vec::new(), Health::addresses)
    }

    /// The driver that was chosen, and why.
    pub fn driver(&self) -> &DriverInfo {
        self.shared.port.driver()
    }

    /// How many threads serve at least.
    pub fn workers(&self) -> usize {
        *self.threads.start()
    }

    /// How many threads may serve when others are blocked.
    pub fn workers_max(&self) -> usize {
        *self.threads.end()
    }

    /// How many threads run at once (the port's concurrency).
    pub fn concurrency(&self) -> usize {
        self.shared.port.concurrency()
    }

    /// How many of its threads and packets are in which state.
    pub fn counts(&self) -> wharf::Counts {
        self.shared.port.counts()
    }

    /// The state of the port and of each worker; to be called only now and then, since it asks the system about each worker
    /// that is in a handler.
    pub fn snapshot(&self) -> wharf::Snapshot {
        self.shared.port.snapshot()
    }

    /// Its clients.
    pub fn clients(&self) -> &Clients<M> {
        &self.shared.clients
    }

    /// Asks the server to [stop](Self::wait) or to [drain](Stopper::drain), from any thread. A handler has it from its client:
    /// [`Clients::stopper`].
    pub fn stopper(&self) -> Stopper {
        self.shared.clients.stopper().clone()
    }

    /// Waits until a [`Stopper`] asks the server to stop, and stops it [in order](Self::stop).
    pub fn wait(self, timeout: Duration) -> Report {
        self.stopper().wait();
        self.stop(timeout)
    }

    /// Waits until the process gets a signal to end (SIGINT or SIGTERM; Ctrl-C or Ctrl-Break on Windows), or a [`Stopper`] asks
    /// the server to stop, and stops it [in order](Self::stop). While it stops, a second signal ends the process at once; the same
    /// one within 200 ms counts as the first. Where no server waits like this, the signals do what they do by default. If its console is
    /// closed, Windows ends the process at once.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use wharf_server::Server;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::builder().serve(|client, bytes| client.send(bytes))?;
    /// let report = server.wait_for_signal(Duration::from_secs(10))?;
    /// println!("{} clients were served", report.clients);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Signals can't be watched; the server has stopped at once.
    #[cfg(feature = "signals")]
    pub fn wait_for_signal(self, timeout: Duration) -> io::Result<Report> {
        let _waits = crate::signals::Waits::new(self.stopper())?;
        Ok(self.wait(timeout))
    }

    /// Stops the server in order, and returns its figures.
    ///
    /// 0. It is not [ready](Settings::health) any more, and goes on for the [`drain_delay`](Settings::drain_delay).
    /// 1. It stops listening; connections that were not accepted are reset. Nothing is [dialled](Clients::dial) any more.
    /// 2. Each client is closed: a handler that is at work finishes, all bytes that were sent arrive, the end follows.
    /// 3. Clients that have not finished after `timeout`, which counts from the first step on, are cut.
    /// 4. The port is closed, and the workers end. A worker whose handler does not return is left behind, and its name
    ///    returned.
    /// 5. The last figures are published. A recorder that blocks is left behind with the thread that publishes.
    ///
    /// A `timeout` that is too long for the clock waits for all of them.
    ///
    /// A client that connects meanwhile is closed like the others. A handler may still send while it finishes.
    pub fn stop(mut self, timeout: Duration) -> Report {
        self.stopper().stop();
        std::thread::sleep(self.drain_delay);
        let deadline = wharf::raw::deadline_after(timeout);
        let shared = &self.shared;
        shared.set_stopping();
        shared.acceptor.end();
        shared.clients.end_dials();
        shared.contain("`stopping`", || shared.handler.stopping(&shared.clients));
        for client in shared.clients.all() {
            client.close();
        }
        shared.await_end_of_clients(deadline);

        let cut = shared.cut_and_close();
        let rest = || {
            let rest = deadline.saturating_duration_since(Instant::now());
            rest.max(WORKERS_GRACE)
        };
        let workers = self.workers.take();
        let workers_left = workers.map_or(Vec::new(), |workers| workers.join_timeout(rest()));

        // Also of clients whose handlers have not returned: they are still there.
        let moved = shared.moved();
        let report = Report {
            clients: shared.clients.seen(),
            received_bytes: moved.received,
            sent_bytes: moved.sent,
            cut,
            workers_left,
        };
        if let Some(publisher) = self.publisher.take() {
            publisher.stop(rest());
        }
        shared.contain("`stopped`", || shared.handler.stopped(&report));
        report
    }
}

impl<M: Send + 'static> Drop for Server<M> {
    fn drop(&mut self) {
        self.stopper().stop();
        self.shared.set_stopping();
        // Before the port is closed: as long as a local socket is open, no other file can have the number of its own.
        self.shared.acceptor.end();
        self.shared.clients.end_dials();
        self.shared.cut_and_close();
        if let Some(publisher) = self.publisher.take() {
            publisher.stop(WORKERS_GRACE);
        }
    }
}

impl<M: Send + 'static> ServerState<M> {
    /// Called by any worker, for any completion.
    fn serve(&self, mut completion: Completion<Key<M>>) {
        if let Finished::Timer = completion.what {
            match completion.take_context() {
                Some(timer) => self.timer_of_client(&completion.key, timer),
                None => self.timer(&completion.key),
            }
            return;
        }
        let result = completion.result;
        match completion.what {
            Finished::Received { socket, buffer } => {
                self.step(&Client(socket), Event::Receive(buffer), result);
            }
            Finished::Sent { socket, payload } => {
                self.step(&Client(socket), Event::Send(payload), result);
            }
            Finished::Shutdown { socket } => {
                let client = Client(socket);
                let context = completion.context;
                if context.is_none_or(|context| context.into::<EndsSending>().is_err()) {
                    self.step(&client, Event::Shutdown, result);
                } else if let Err(error) = result {
                    // It has no turn.
                    client.end(Ended::Failed(error));
                }
            }
            Finished::Accepted { connection, .. } => {
                let arrival = connection.map(Arrival::Tcp);
                self.accept_has_completed(&completion.key, result, arrival);
            }
            #[cfg(unix)]
            Finished::AcceptedLocal { connection, .. } => {
                let arrival = connection.map(Arrival::Local);
                self.accept_has_completed(&completion.key, result, arrival);
            }
            Finished::Connected { socket } => self.dial_answered(socket, result),
            Finished::Posted => self.posted(&completion.key, completion.transferred),
            done => unreachable!("a server starts no such operation: {done:?}"),
        }
    }

    fn accept_has_completed(
        &self,
        who: &Who<M>,
        result: io::Result<usize>,
        arrival: Option<Arrival>,
    ) {
        let Who::Listener(number) = who else {
            unreachable!("nothing is accepted by a {who:?}");
        };
        if let Some(client) = self.accepted(*number, result, arrival) {
            self.begin(&client);
        }
    }

    /// A timer that a client has set is due: only such a timer has a context.
    fn timer_of_client(&self, who: &Who<M>, timer: DueTimer) {
        if let Some(client) = who.client().and_then(|state| self.clients.find(state.id())) {
            client.fire(timer);
        }
    }

    fn posted(&self, who: &Who<M>, number: usize) {
        let state = match who {
            Who::Listener(number) => return self.resume_held(*number),
            who => who.client(),
        };
        let Some(state) = state else {
            unreachable!("nothing is posted for a {who:?}");
        };
        let Some(client) = self.clients.find(state.id()) else {
            return;
        };
        // It is there: the packet has its turn, or is to take it.
        if number != TAKES_TURN_BACK {
            self.resume(&client);
        } else if client.takes_turn_back() {
            self.go_on(&client);
        }
    }

    fn timer(&self, who: &Who<M>) {
        match who {
            Who::AcceptAgain => self.resume_accepting(),
            Who::Round => self.look_at_patience(),
            Who::Linger(id, looks) => {
                self.look_at_lingering(*id, *looks);
                // It was one of the port's operations, and an accept may have been refused because there was none left.
                self.resume_accepting();
            }
            Who::Client(_) | Who::Dialled(_) => {
                // It is there: the timer has its turn.
                if let Some(client) = who.client().and_then(|state| self.clients.find(state.id())) {
                    self.unparked(&client);
                }
            }
            Who::Dial(dialled) => self.dial_due(dialled),
            Who::Pool(pool) => pool.is_due(),
            Who::Tick => self.tick(),
            Who::Listener(_) => unreachable!("no timer is a {who:?}'s"),
        }
    }

    /// Cuts the clients that are left, and closes the port; returns how many there were. Afterwards only clients whose handlers
    /// have not returned are left.
    fn cut_and_close(&self) -> usize {
        let left = self.clients.all();
        let cut = left.iter().filter(|client| client.end(Ended::Cut)).count();
        for completion in self.port.close() {
            // Those that wait for a pool are told.
            let is_of_pool = matches!(*completion.key, Who::Pool(_));
            if is_of_pool || completion.key.client().is_some() {
                self.serve(completion);
            }
        }
        cut
    }
}

/// Logs a warning if there is not enough memory for each client's share of the receive buffers.
fn warn_of_small_shares(settings: &Settings) {
    let (buffers_max, buffers_per_client) = settings.buffers();
    if buffers_per_client < settings.buffers_per_client {
        log(|| {
            tracing::warn!(
                "{buffers_max} receive buffers for {} clients: each may have {buffers_per_client} at a time, not {}; raise \
                 buffers_bytes_max, or lower clients_max",
                settings.clients_max,
                settings.buffers_per_client
            );
        });
    }
}

/// Makes the listening sockets, and what accepts on them.
fn listen<M: Send + 'static>(
    settings: &Settings,
    port: &CompletionPort<Key<M>>,
) -> Result<Acceptor<M>, StartError> {
    // `check` has made sure that it fits.
    let backlog = i32::try_from(settings.backlog).unwrap_or(i32::MAX);
    let default = [Listen::default()];
    let all = match settings.listen.is_empty() {
        true => &default[..],
        false => &settings.listen[..],
    };
    let mut bound = Vec::new();
    for listen in all {
        let of_this = listen.bind(all, backlog)?;
        bound.extend(of_this.into_iter().map(|bound| (listen, bound)));
    }
    let mut listeners = Vec::new();
    for (number, (listen, bound)) in bound.into_iter().enumerate() {
        let listening = Listening::new(port, number, bound)?;
        #[cfg(feature = "tls")]
        let listening = listening.with_tls(listen.own_tls().or(settings.tls.as_ref()));
        #[cfg(not(feature = "tls"))]
        let _ = listen;
        listeners.push(listening);
    }
    Ok(Acceptor::new(listeners, settings.clients_max))
}
