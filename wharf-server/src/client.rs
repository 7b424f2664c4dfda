//! A connected client, as its handler and other threads see it.

use std::{
    io,
    net::{SocketAddr, SocketAddrV4, SocketAddrV6},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use wharf::{Buffer, BufferPool, Payload, Refused, Socket, Traffic};

use crate::{
    Clients,
    outbox::{Next, Outbox},
    reading::Reading,
};

/// A client of a [`Server`](crate::Server). Clones are the same client; one that is kept after the client is gone does
/// no harm.
#[derive(Debug, Clone)]
pub struct Client(pub(crate) Socket<Key>);

/// Whose completion it is: a pointer, so that an idle client's socket is as small as it can be.
pub(crate) type Key = Arc<Who>;

#[derive(Debug)]
pub(crate) enum Who {
    Listener,
    Client(State),
    /// A timer: try to accept again.
    AcceptAgain,
    /// A timer: look at the clients for those that do nothing.
    Round,
    /// A timer: look at this client, which lingers, for the so-manieth time.
    Linger(u64, u32),
}

/// One of a client's operations, as it completed.
pub(crate) enum Event {
    Receive(Buffer),
    Send(Payload),
    Shutdown,
}

/// What is known of a client, kept as the key of its socket.
#[derive(Debug)]
pub(crate) struct State {
    id: u64,
    peer: Peer,
    since: Instant,
    clients: Clients,
    /// No more is to be received: what is in flight finishes, then the client ends.
    closing: AtomicBool,
    /// The peer has ended its side.
    pub(crate) peer_ended: AtomicBool,
    /// Likewise, and more may be sent to it.
    pub(crate) half_closed: AtomicBool,
    /// Our side has ended; what still arrives is thrown away.
    pub(crate) lingering: AtomicBool,
    /// Bytes that were thrown away.
    pub(crate) discarded: AtomicU64,
    /// Its handler is being called, or waits to be called again.
    pub(crate) handling: AtomicBool,
    /// Its handler is to be called again before more is received.
    pub(crate) again: AtomicBool,
    /// For those who look after idle clients: what had been moved at the last look, and in which round that had changed.
    pub(crate) moved: AtomicU64,
    pub(crate) moved_round: AtomicU32,
    /// Likewise, of what it took while something waited to be sent to it.
    pub(crate) taken: AtomicU64,
    pub(crate) taken_round: AtomicU32,
    /// Its share of the receive buffers.
    pub(crate) buffers: BufferPool,
    outbox: Outbox,
    pub(crate) reading: Reading,
    gone: OnceLock<Box<Gone>>,
}

/// An address that is small where most are.
#[derive(Debug)]
enum Peer {
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Peer::V4(address),
            SocketAddr::V6(address) => Peer::V6(Box::new(address)),
        }
    }
}

/// What is left of a client that is gone.
#[derive(Debug)]
struct Gone {
    ended: Ended,
    traffic: Traffic,
}

/// Why a client is gone.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ended {
    /// It closed its side in order, and got everything that was sent before.
    ByPeer,
    /// The server closed it in order: [`Client::close`], or [`Server::stop`](crate::Server::stop).
    ByServer,
    /// The connection failed.
    Failed(io::Error),
    /// It neither sent nor took a byte for the idle time-out.
    Idle,
    /// Bytes waited to be sent to it, and it took none of them for the stall time-out.
    Stalled,
    /// Its handler panicked; the message of the panic.
    Panicked(String),
    /// [`Client::abort`] was called.
    Aborted,
    /// It had not finished at the deadline of an orderly stop, or the server was dropped.
    Cut,
}

impl State {
    pub(crate) fn new(
        id: u64,
        peer: SocketAddr,
        clients: Clients,
        buffers: BufferPool,
        round: u32,
    ) -> Self {
        State {
            id,
            peer: Peer::from(peer),
            since: Instant::now(),
            clients,
            closing: AtomicBool::new(false),
            peer_ended: AtomicBool::new(false),
            half_closed: AtomicBool::new(false),
            lingering: AtomicBool::new(false),
            discarded: AtomicU64::new(0),
            handling: AtomicBool::new(false),
            again: AtomicBool::new(false),
            moved: AtomicU64::new(0),
            moved_round: AtomicU32::new(round),
            taken: AtomicU64::new(0),
            taken_round: AtomicU32::new(round),
            buffers,
            outbox: Outbox::default(),
            reading: Reading::default(),
            gone: OnceLock::new(),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

impl Client {
    pub(crate) fn state(&self) -> &State {
        match &**self.0.key() {
            Who::Client(state) => state,
            who => unreachable!("a client's socket has the key {who:?}"),
        }
    }

    /// Its number, never used again by the same server.
    pub fn id(&self) -> u64 {
        self.state().id
    }

    pub(crate) fn id_ref(&self) -> &u64 {
        &self.state().id
    }

    /// The address that it connected from.
    pub fn peer(&self) -> SocketAddr {
        match &self.state().peer {
            Peer::V4(peer) => SocketAddr::V4(*peer),
            Peer::V6(peer) => SocketAddr::V6(**peer),
        }
    }

    /// When it was accepted.
    pub fn since(&self) -> Instant {
        self.state().since
    }

    /// Bytes received from it and sent to it. What arrives after our side has ended is not counted, since no handler
    /// sees it; nor is what a transfer moved in the very moment in which the client was [aborted](Self::abort).
    pub fn traffic(&self) -> Traffic {
        match self.0.traffic() {
            Some(mut traffic) => {
                let discarded = self.state().discarded.load(Ordering::Relaxed);
                traffic.received_bytes = traffic.received_bytes.saturating_sub(discarded);
                traffic
            }
            None => self
                .state()
                .gone
                .get()
                .map(|gone| gone.traffic)
                .unwrap_or_default(),
        }
    }

    /// Bytes that wait to be sent to it.
    pub fn unsent(&self) -> usize {
        self.0.unsent() + self.state().outbox.bytes()
    }

    /// All clients of the same server.
    pub fn clients(&self) -> &Clients {
        &self.state().clients
    }

    /// Sends to it, from any thread: whole, and after whatever was sent before. Success says that it is on its way.
    ///
    /// Where the client takes it more slowly than it comes, payloads gather: small ones, and those in receive buffers, are
    /// copied one behind the other, so that each costs its bytes and no more.
    ///
    /// # Errors
    /// Nothing was sent, and the payload comes back: too much waits to be sent already
    /// ([`WouldBlock`](io::ErrorKind::WouldBlock)), since the client does not read; or it is gone, or closing.
    pub fn send(&self, payload: impl Into<Payload>) -> Result<(), Refused<Payload>> {
        let payload = payload.into();
        if payload.is_empty() {
            return Ok(());
        }
        if self.state().outbox.is_behind() {
            return self.send_later(payload);
        }
        match self.0.send_if_idle(payload) {
            Err(refused) if refused.error.kind() == io::ErrorKind::WouldBlock => {
                self.send_later(refused.given)
            }
            Err(refused) => Err(refused),
            Ok(_) => {
                // While its handler is at work, whoever calls that looks afterwards.
                let is_handled = self.state().handling.load(Ordering::Relaxed);
                if !is_handled && self.0.unsent() > 0 {
                    self.clients().watch_patience();
                }
                Ok(())
            }
        }
    }

    /// Sends what can't go at once, since something is on its way already.
    #[cold]
    fn send_later(&self, payload: Payload) -> Result<(), Refused<Payload>> {
        let clients = self.clients();
        if self
            .state()
            .outbox
            .push(&self.0, payload, clients.sending())?
        {
            clients.watch_patience();
        }
        Ok(())
    }

    /// An operation of its outbox has ended: sends what waits, and says what follows once nothing does.
    pub(crate) fn send_next(&self) -> io::Result<Next> {
        self.state().outbox.advance(&self.0)
    }

    /// Nothing can be sent to it any more: says what was to follow.
    pub(crate) fn drop_unsent(&self) -> Next {
        self.state().outbox.fail()
    }

    /// Leaves its turn with what waits to be sent, if that is more than so many bytes.
    pub(crate) fn pauses_above(&self, bytes: usize) -> bool {
        let outbox = &self.state().outbox;
        outbox.is_behind() && outbox.pause(&self.0, bytes)
    }

    /// Takes no more sends. Leaves its turn with what waits to be sent, if anything does.
    pub(crate) fn ends_behind_unsent(&self) -> bool {
        self.state().outbox.end()
    }

    /// Has the handler called again for this client ([`Handler::resumed`](crate::Handler::resumed)), once the call that asks
    /// for it has returned: before more is received, but behind whatever waits for a worker then. So a handler gives way
    /// whose client has brought it much to do.
    ///
    /// It is not called if the client has ended meanwhile, or is [closed](Self::close), as each is by an orderly stop; and
    /// not before the client has taken most of what was sent to it. While it waits for the call, it does not count as idle.
    /// From outside of this client's handler, the call comes after its next; or by itself, if none is to come since reading
    /// is [paused](Self::pause_reading) or the [peer has ended](Self::peer_has_ended).
    pub fn call_again(&self) {
        self.state().again.store(true, Ordering::Relaxed);
        self.unpark();
    }

    /// Stops reading from the client until reading is [resumed](Self::resume_reading), from any thread; does nothing where it
    /// is paused already. What the client sends meanwhile stays with the system, which then holds back the peer: TCP's
    /// backpressure, in place of memory here. Sends to the client go on.
    ///
    /// Paused by a call of this client's own handler, [`received`](crate::Handler::received) is not called after that call
    /// until reading is resumed. Paused from elsewhere, a call that is under way finishes, and one more may come, of
    /// `received` or of [`peer_ended`](crate::Handler::peer_ended), with what arrived before that or about then.
    ///
    /// While reading is paused, the end of the peer's side is not noticed, nor is a lost connection, unless a send fails.
    /// The client waits for the server then, so it does not count as idle
    /// ([`Settings::idle_timeout`](crate::Settings::idle_timeout)); the time-out for a client that takes nothing
    /// ([`Settings::stall_timeout`](crate::Settings::stall_timeout)) goes on. It ends in every other way as a client does that
    /// is read from: [`close`](Self::close), [`abort`](Self::abort), [`Server::stop`](crate::Server::stop).
    ///
    /// ```
    /// use std::{io::{Read, Write}, net::TcpStream};
    /// use wharf_server::{Client, Server, Settings};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut settings = Settings::default();
    /// settings.listen = "127.0.0.1:0".parse()?;
    /// let server = Server::start(&settings, |client: &Client, bytes: wharf::Buffer| {
    ///     // Nothing more, until somebody has dealt with this.
    ///     client.pause_reading();
    ///     let client = client.clone();
    ///     std::thread::spawn(move || {
    ///         let _ = client.send(bytes);
    ///         client.resume_reading();
    ///     });
    /// })?;
    /// let mut peer = TcpStream::connect(server.local_addr())?;
    /// for _ in 0..2 {
    ///     peer.write_all(b"ahoy")?;
    ///     peer.read_exact(&mut [0; 4])?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn pause_reading(&self) {
        if !self.state().reading.set_paused(true) {
            // A receive that is under way completes with what it has, or as cancelled, and then there is none. One that is
            // started in this very moment is cancelled by the worker that starts it.
            self.0.cancel_receives();
        }
    }

    /// Reads from the client again, after [`pause_reading`](Self::pause_reading), from any thread; does nothing where
    /// reading is not paused. Every byte that came meanwhile is received, in order.
    pub fn resume_reading(&self) {
        let state = self.state();
        if state.reading.set_paused(false) {
            if !self.is_half_closed() {
                // It may move bytes from now on: no look at idle clients need have seen the pause.
                let round = self.clients().patience().round();
                state.moved_round.store(round, Ordering::Relaxed);
            }
            self.unpark();
        }
    }

    /// Whether nothing is to be received from it.
    pub(crate) fn receives_nothing(&self) -> bool {
        self.state().reading.is_paused() || self.is_half_closed()
    }

    /// Whether its peer has ended its side, and more may be sent to it.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.state().half_closed.load(Ordering::SeqCst)
    }

    /// Whether it could send more, but the server has paused reading.
    pub(crate) fn is_held_back(&self) -> bool {
        self.state().reading.is_paused() && !self.is_half_closed() && !self.is_closing()
    }

    /// Whether its turn belongs where it is [parked](crate::reading): nothing is to be received, nor anything else to be done.
    pub(crate) fn is_to_be_parked(&self) -> bool {
        let is_called = self.state().again.load(Ordering::Relaxed);
        self.receives_nothing() && !is_called && !self.is_closing() && self.ended().is_none()
    }

    /// Has its turn taken up again, if it is parked. What this is for was noted before.
    pub(crate) fn unpark(&self) {
        if let Some(operation) = self.state().reading.take_parked() {
            // If the port has closed meanwhile, the operation has completed already.
            let _ = self.clients().port().cancel(operation);
        }
    }

    /// Ends the client in order: nothing more is received, what was sent still arrives, and the end after it. What its
    /// handler has [put off](Self::call_again) is not done.
    pub fn close(&self) {
        self.state().closing.store(true, Ordering::SeqCst);
        // If a receive is under way, or the turn is parked, a completion takes the next step; else a handler or a send that
        // drains is under way, and the step is taken then.
        self.0.cancel_receives();
        self.unpark();
    }

    /// Ends the client at once, with a reset: what it has not received yet is lost, and it is told so.
    pub fn abort(&self) {
        self.end(Ended::Aborted);
    }

    /// Whether the peer has ended its sending side in order, and all its bytes were received. Then the client goes too, unless
    /// the handler [keeps sending](crate::AfterEnd::KeepSending).
    pub fn peer_has_ended(&self) -> bool {
        self.state().peer_ended.load(Ordering::SeqCst)
    }

    /// Why it is gone, once it is.
    pub fn ended(&self) -> Option<&Ended> {
        self.state().gone.get().map(|gone| &gone.ended)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.state().closing.load(Ordering::SeqCst)
    }

    /// Ends the client, for a reason; the first reason counts. Says whether this was it.
    ///
    /// Whoever has the client's turn sees to the rest: closing the socket completes the operation that has it, and a
    /// turn that is parked is taken up.
    pub(crate) fn end(&self, ended: Ended) -> bool {
        // Read before the socket is closed, and kept for those who ask later.
        let traffic = self.traffic();
        // Whoever does not get everything must not take what it got for the whole.
        let reset = matches!(ended, Ended::Aborted) || self.unsent() > 0;
        let gone = Box::new(Gone { ended, traffic });
        let first = self.state().gone.set(gone).is_ok();
        if first && reset {
            self.0.reset();
        } else {
            self.0.close();
        }
        self.unpark();
        first
    }

    /// Ends a client whose peer has ended its side, if nothing is on its way to it any more. Says whether it did.
    pub(crate) fn end_if_sent(&self) -> bool {
        let close = || self.0.close_if_sent();
        let Some(traffic) = self.state().outbox.if_empty(close) else {
            return false;
        };
        let gone = Box::new(Gone {
            ended: Ended::ByPeer,
            traffic,
        });
        // Somebody else may have ended it in this very moment.
        let _ = self.state().gone.set(gone);
        true
    }

    /// How long it has been connected.
    pub fn age(&self) -> Duration {
        self.state().since.elapsed()
    }
}

impl PartialEq for Client {
    /// Whether they are the same client.
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Client {}
