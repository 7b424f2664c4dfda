//! A connected client, as its handler and other threads see it.

use std::{
    any::Any,
    fmt,
    hash::{Hash, Hasher},
    io,
    net::{SocketAddr, SocketAddrV4, SocketAddrV6},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tracing::Span;
use wharf::{Buffer, BufferPool, Payload, Refused, Socket, Traffic};

use crate::{
    ClientTimer, Clients, Dialled, Outgoing, Peer, SlowReader,
    calls::Slot,
    codec::FrameError,
    dialling::DialledKey,
    mailbox::{Cancelled, DueTimer, Mailbox},
    marks::{Mark, Marks},
    metrics::Counted,
    outbox::{Flags, Next, Outbox, Unsent, Waiting},
    pace::Pace,
    pool::Pooled,
    prelude::Prelude,
    reading::{Parked, Reading},
    rounds::{Look, Noted},
    tls::Session,
};

/// A client of a [`Server`](crate::Server), which can be [told](Self::tell) an `M`. Clones are the same client; a clone that is
/// kept after the client is gone does no harm.
pub struct Client<M = ()>(pub(crate) Socket<Key<M>>);

/// The key of a completion: a pointer, so that an idle client's socket is as small as it can be.
pub(crate) type Key<M> = Arc<Who<M>>;

pub(crate) enum Who<M> {
    /// A listener, by its number.
    Listener(usize),
    Client(State<M>),
    /// A connect, and the client that comes of it.
    Dialled(Box<DialledKey<M>>),
    /// A timer: a dial has something to do.
    Dial(Dialled<M>),
    /// A timer: a pool has something to do.
    Pool(Arc<dyn Pooled<M>>),
    /// A timer: try to accept again.
    AcceptAgain,
    /// A timer: look for clients that do nothing.
    Round,
    /// A timer: look at this client, which lingers; the number counts the looks.
    Linger(u64, u32),
    /// A timer: the server's tick.
    Tick,
}

impl<M> fmt::Debug for Who<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl<M> Who<M> {
    /// In a word.
    fn name(&self) -> &'static str {
        match self {
            Who::Listener(_) => "listener",
            Who::Client(_) => "client",
            Who::Dialled(_) => "dialled client",
            Who::Dial(_) => "dial",
            Who::Pool(_) => "pool",
            Who::AcceptAgain => "accept again",
            Who::Round => "round",
            Who::Linger(..) => "linger",
            Who::Tick => "tick",
        }
    }

    /// The state of a client, if it is one's.
    pub(crate) fn client(&self) -> Option<&State<M>> {
        match self {
            Who::Client(state) => Some(state),
            Who::Dialled(key) => key.client.get(),
            _ => None,
        }
    }

    /// The state of a client that was not accepted.
    #[cold]
    fn state_of_other(&self) -> &State<M> {
        let state = self.client();
        state.unwrap_or_else(|| unreachable!("a client's socket has the key of a {self:?}"))
    }

    pub(crate) fn dialled(&self) -> Option<&Dialled<M>> {
        match self {
            Who::Dialled(key) => Some(key.dialled()),
            _ => None,
        }
    }
}

/// The number of a posted packet that has no turn, but is to take it from what waits to be sent.
pub(crate) const TAKES_TURN_BACK: usize = 1;

/// Goes with a shutdown after which the client stays.
pub(crate) struct EndsSending;

/// One of a client's operations, as it completed.
pub(crate) enum Event {
    Receive(Buffer),
    Send(Payload),
    Shutdown,
}

/// The state of a client, which is the key of its socket. There are as many as clients, most of which are idle: what few of them
/// need is in [`Rest`].
pub(crate) struct State<M> {
    id: u64,
    /// Its address, if that is of the most frequent kind.
    peer_v4: Option<SocketAddrV4>,
    /// In nanoseconds after the server's start.
    since_ns: u64,
    clients: Clients<M>,
    /// No more is to be received: operations that are under way finish, then the client ends.
    closing: AtomicBool,
    pub(crate) peer_side: PeerSide,
    /// Its handler is being called, or waits to be called again.
    pub(crate) handling: AtomicBool,
    /// What is to be done before more is received.
    pub(crate) marks: Marks,
    /// For the search for idle clients: the bytes that it moved.
    pub(crate) moved: Look,
    /// Its share of the receive buffers.
    pub(crate) buffers: BufferPool,
    outbox: Flags,
    pub(crate) reading: Reading,
    rest: OnceLock<Box<Rest<M>>>,
}

/// What few clients need: it is made when it is first needed.
struct Rest<M> {
    peer_v6: Option<SocketAddrV6>,
    /// What comes before its own bytes, where something does.
    prelude: Option<Box<Prelude>>,
    /// Its session and its frames, where its handler has such.
    slot: Slot,
    turns: OnceLock<Box<Turns<M>>>,
}

/// What no idle client needs, unless its turn is parked: likewise.
struct Turns<M> {
    /// Bytes that were thrown away, or are none of its own.
    discarded: AtomicU64,
    waiting: Waiting,
    /// Since when it has owed the rest of a frame, or its first bytes.
    owing: Noted,
    more: OnceLock<Box<More<M>>>,
    /// For the search for clients that take nothing: the bytes that it took while some waited to be sent to it.
    taken: Look,
    parked: Parked,
    gone: OnceLock<Box<Gone>>,
}

/// What only clients need whose handlers ask for it: likewise.
struct More<M> {
    mailbox: Mailbox<M>,
    /// Where the program's subscriber wants it.
    span: OnceLock<Span>,
    pace: Pace,
    /// Why it is to end, if that is decided before it is gone.
    ending: Mutex<Option<Box<Ended>>>,
    /// There was such a reason.
    had_reason: AtomicBool,
}

/// Whether a peer has ended its side.
#[derive(Debug, Default)]
pub(crate) struct PeerSide(AtomicU8);

impl PeerSide {
    const ENDED: u8 = 1;
    const HALF_CLOSED: u8 = 2;

    pub(crate) fn end(&self) {
        self.0.store(Self::ENDED, Ordering::SeqCst);
    }

    /// It has ended, and more may be sent to the peer.
    pub(crate) fn half_close(&self) {
        self.0.store(Self::HALF_CLOSED, Ordering::SeqCst);
    }

    fn has_ended(&self) -> bool {
        self.0.load(Ordering::SeqCst) != 0
    }

    fn is_half_closed(&self) -> bool {
        self.0.load(Ordering::SeqCst) == Self::HALF_CLOSED
    }
}

/// The data that is kept of a client that is gone.
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
    /// It sent nothing for the time-out of the [first bytes](crate::Settings::first_bytes_timeout).
    Silent,
    /// The rest of a frame did not come for the [frame time-out](crate::Settings::frame_timeout).
    SlowFrame,
    /// Too much waited to be sent to it, and it was to be [cut](SlowReader::Cut) for that.
    TooSlow,
    /// Its connection ended, and its TLS did not: bytes of its may be missing, and somebody else may have cut them off.
    Truncated,
    /// Its bytes were no frame.
    BadFrame(FrameError),
    /// Its conversation could not begin: what has to come before its bytes did not come in time, or was wrong, or its address has as
    /// many clients as it may. The text says which.
    NotBegun(String),
    /// Its handler returned an error; the text of it.
    ByHandler(String),
    /// Its handler panicked; the message of the panic.
    Panicked(String),
    /// [`Client::abort`] was called.
    Aborted,
    /// It had not finished at the deadline of an orderly stop, or the server was dropped.
    Cut,
}

/// How a client begins.
pub(crate) struct Beginning {
    pub(crate) id: u64,
    pub(crate) peer: Peer,
    /// What comes before its own bytes.
    pub(crate) prelude: Option<Box<Prelude>>,
    /// What opens and seals its bytes.
    pub(crate) session: Option<Box<Session>>,
}

impl<M> Rest<M> {
    fn new(peer_v6: Option<SocketAddrV6>, prelude: Option<Box<Prelude>>, slot: Slot) -> Box<Self> {
        Box::new(Rest {
            peer_v6,
            prelude,
            slot,
            turns: OnceLock::new(),
        })
    }
}

impl<M> State<M> {
    pub(crate) fn new(
        beginning: Beginning,
        clients: Clients<M>,
        buffers: BufferPool,
        slot: Slot,
    ) -> Self {
        let Beginning {
            id,
            peer,
            prelude,
            session,
        } = beginning;
        let round = clients.patience().round();
        let (peer_v4, peer_v6) = match peer.address() {
            Some(SocketAddr::V4(address)) => (Some(address), None),
            Some(SocketAddr::V6(address)) => (None, Some(address)),
            None => (None, None),
        };
        let (has_prelude, is_sealed) = (prelude.is_some(), session.is_some());
        let rest = match peer_v6.is_some() || has_prelude || slot.is_some() {
            true => OnceLock::from(Rest::new(peer_v6, prelude, slot)),
            false => OnceLock::new(),
        };
        let state = State {
            id,
            peer_v4,
            since_ns: clients.age_ns(),
            closing: AtomicBool::new(false),
            peer_side: PeerSide::default(),
            handling: AtomicBool::new(false),
            marks: Marks::default(),
            moved: Look::new(round),
            buffers,
            outbox: Flags::default(),
            reading: Reading::default(),
            rest,
            clients,
        };
        if state.clients.receive_rate() > 0 {
            state.marks.set(Mark::IsPaced, true);
        }
        state
            .marks
            .set(Mark::IsWatched, state.clients.metrics().are_on());
        state.marks.set(Mark::Prelude, has_prelude);
        if is_sealed {
            state.marks.set(Mark::IsSealed, true);
            state.outbox.set_behind(true);
            state.turns_with(session);
        } else if has_prelude || state.clients.patience().minds_debts() {
            // It counts from now on.
            state.turns();
        }
        state
    }

    pub(crate) fn peer(&self) -> Peer {
        let prelude = self.prelude().and_then(Prelude::peer);
        prelude.unwrap_or_else(|| self.socket_peer())
    }

    /// The peer of its socket, which may be a proxy.
    fn socket_peer(&self) -> Peer {
        let peer_v6 = || self.rest.get().and_then(|rest| rest.peer_v6);
        let peer = self.peer_v4.map(SocketAddr::V4);
        let peer = peer.or_else(|| peer_v6().map(SocketAddr::V6));
        peer.map_or(Peer::Local, Peer::Address)
    }

    /// The peer that it is counted by among the clients of one address; none if it is not.
    pub(crate) fn counted_peer(&self) -> Option<Peer> {
        match self.prelude() {
            Some(prelude) if prelude.is_proxied() => prelude.peer(),
            _ => Some(self.socket_peer()),
        }
    }

    /// What comes before its own bytes, or came, where something does.
    pub(crate) fn prelude(&self) -> Option<&Prelude> {
        self.rest.get()?.prelude.as_deref()
    }

    /// Whether its handler has not been told of it, since something is awaited before.
    pub(crate) fn is_in_prelude(&self) -> bool {
        self.marks.has(Mark::Prelude) && self.prelude().is_some_and(Prelude::comes_first)
    }

    /// What most clients need at their end only; it is made if it is not there.
    fn turns(&self) -> &Turns<M> {
        self.turns_with(None)
    }

    fn turns_with(&self, session: Option<Box<Session>>) -> &Turns<M> {
        let rest = self.rest.get_or_init(|| Rest::new(None, None, None));
        rest.turns.get_or_init(|| {
            let round = self.clients.patience().round();
            Box::new(Turns {
                discarded: AtomicU64::new(0),
                waiting: Waiting::new(session),
                owing: Noted::new(round),
                more: OnceLock::new(),
                taken: Look::new(round),
                parked: Parked::default(),
                gone: OnceLock::new(),
            })
        })
    }

    fn more(&self) -> &More<M> {
        self.turns().more.get_or_init(|| {
            Box::new(More {
                mailbox: Mailbox::default(),
                span: OnceLock::new(),
                pace: Pace::new(self.clients.receive_rate()),
                ending: Mutex::new(None),
                had_reason: AtomicBool::new(false),
            })
        })
    }

    fn more_if_any(&self) -> Option<&More<M>> {
        let more = self.turns_if_any()?.more.get()?;
        Some(more)
    }

    /// Its [span](crate::span), if it has one.
    pub(crate) fn span(&self) -> Option<&Span> {
        self.more_if_any()?.span.get()
    }

    /// Before its first call.
    pub(crate) fn set_span(&self, span: Span) {
        let _ = self.more().span.set(span);
        self.marks.set(Mark::IsWatched, true);
    }

    /// Whether its calls are measured, or made in its span: most servers have neither.
    #[inline(always)]
    pub(crate) fn is_watched(&self) -> bool {
        self.marks.has(Mark::IsWatched)
    }

    /// So many frames are handed out.
    #[inline]
    pub(crate) fn count_frames(&self, frames: u64) {
        if self.is_watched() {
            self.clients.metrics().count(Counted::Frames(frames));
        }
    }

    fn turns_if_any(&self) -> Option<&Turns<M>> {
        let turns = self.rest.get()?.turns.get()?;
        Some(turns)
    }

    pub(crate) fn outbox(&self) -> Outbox<'_> {
        Outbox {
            flags: &self.outbox,
            waiting: &self.turns().waiting,
        }
    }

    /// The place of the operation that has the turn while it is parked.
    pub(crate) fn parked(&self) -> &Parked {
        &self.turns().parked
    }

    /// The bytes that it took while some waited to be sent to it; none if it never fell behind, as far as a look has seen.
    pub(crate) fn taken(&self, falls_behind: bool) -> Option<&Look> {
        let turns = match falls_behind {
            true => Some(self.turns()),
            false => self.turns_if_any(),
        };
        turns.map(|turns| &turns.taken)
    }

    /// Since when it has owed the rest of a frame, or its first bytes.
    pub(crate) fn owing(&self) -> &Noted {
        &self.turns().owing
    }

    /// So many bytes that it sent were thrown away, or are none of its own.
    pub(crate) fn discard(&self, bytes: usize) {
        let discarded = &self.turns().discarded;
        discarded.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn discarded(&self) -> u64 {
        let turns = self.turns_if_any();
        turns.map_or(0, |turns| turns.discarded.load(Ordering::Relaxed))
    }

    fn gone(&self) -> Option<&Gone> {
        self.turns_if_any()?.gone.get().map(|gone| &**gone)
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Its session and its frames, where its handler has such.
    pub(crate) fn slot(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.rest.get()?.slot.as_deref()
    }

    /// How fast it is to be read from, if there is a limit.
    #[inline]
    pub(crate) fn pace(&self) -> Option<&Pace> {
        let is_paced = self.marks.has(Mark::IsPaced);
        is_paced.then(|| &self.more().pace)
    }
}

/// The same error, to be told a second time: the system's is whole, of another there is the text.
pub(crate) fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl<M> Client<M> {
    #[inline(always)]
    pub(crate) fn state(&self) -> &State<M> {
        match &**self.0.key() {
            Who::Client(state) => state,
            who => who.state_of_other(),
        }
    }

    /// Its number, never used again by the same server.
    pub fn id(&self) -> u64 {
        self.state().id
    }

    /// Where it has connected from: its own address, also where a proxy
    /// [tells](crate::Settings::proxy_protocol_from) it.
    pub fn peer(&self) -> Peer {
        self.state().peer()
    }

    /// What was agreed on in its TLS handshake; none for a client without TLS.
    #[cfg(feature = "tls")]
    pub fn tls(&self) -> Option<crate::tls::Agreed> {
        if !self.state().marks.has(Mark::IsSealed) {
            return None;
        }
        let agreed = self.state().outbox().with_session(|it| it.agreed());
        agreed.flatten()
    }

    /// When it was accepted.
    pub fn since(&self) -> Instant {
        let state = self.state();
        state.clients.began() + Duration::from_nanos(state.since_ns)
    }

    /// Bytes received from it and sent to it; with TLS as they are on their way, and those of the client's handshake are not
    /// counted. Bytes that arrive after the server has ended its side are not counted, since no
    /// handler sees them; nor are bytes of a transfer at the very moment when the client was [aborted](Self::abort).
    pub fn traffic(&self) -> Traffic {
        match self.0.traffic() {
            Some(traffic) => self.own(traffic),
            None => {
                let gone = self.state().gone();
                gone.map(|gone| gone.traffic).unwrap_or_default()
            }
        }
    }

    /// Without the bytes that were thrown away, or are none of its own.
    fn own(&self, mut traffic: Traffic) -> Traffic {
        let discarded = self.state().discarded();
        traffic.received_bytes = traffic.received_bytes.saturating_sub(discarded);
        traffic
    }

    /// Bytes that wait to be sent to it.
    pub fn unsent(&self) -> usize {
        self.0.unsent() + self.unsent_behind()
    }

    /// Bytes that wait in its outbox.
    fn unsent_behind(&self) -> usize {
        match self.state().outbox.is_behind() {
            true => self.state().outbox().bytes(),
            false => 0,
        }
    }

    /// All clients of the same server.
    pub fn clients(&self) -> &Clients<M> {
        &self.state().clients
    }

    /// Sends to it, from any thread: all of it, behind everything that was sent before. [`Outgoing`] lists what can be sent.
    /// Success means that it is on its way.
    ///
    /// What a handler sends to its own client while more frames of the client have arrived leaves in one piece with what it
    /// sends for those, so that the answers to several requests are one packet; [`flush`](Self::flush) sends it at once.
    ///
    /// If the client reads more slowly than the server sends, what is sent waits in a queue: small sends, and those in receive
    /// buffers, are copied one behind the other, so that each takes no more memory than its bytes. What happens when too much
    /// waits ([`unsent_bytes_max`](crate::Settings::unsent_bytes_max), [`unsent_max`](crate::Settings::unsent_max)) is a
    /// [setting](SlowReader).
    ///
    /// # Errors
    /// Nothing was sent: too much waits to be sent already ([`WouldBlock`](io::ErrorKind::WouldBlock)), because the client does
    /// not read (backpressure); or it is gone, or our side of the stream has [ended](Self::close).
    #[inline]
    pub fn send<'a>(&self, outgoing: impl Into<Outgoing<'a>>) -> io::Result<()>
    where
        M: Send + 'static,
    {
        let outgoing = outgoing.into();
        if outgoing.len() == 0 {
            return Ok(());
        }
        if self.state().outbox.is_behind() {
            return self.send_later(outgoing);
        }
        let payload = outgoing.into_payload(&self.clients().sending().chunks);
        self.send_payload(payload)
    }

    fn send_payload(&self, payload: Payload) -> io::Result<()>
    where
        M: Send + 'static,
    {
        match self.0.send_if_idle(payload) {
            Err(refused) if refused.error.kind() == io::ErrorKind::WouldBlock => {
                self.send_later(refused.given.into())
            }
            Err(refused) => Err(refused.error),
            Ok(_) => {
                // While its handler is at work, the worker that called the handler looks afterwards.
                let is_handled = self.state().handling.load(Ordering::Relaxed);
                if !is_handled && self.0.unsent() > 0 {
                    self.clients().watch_patience();
                }
                Ok(())
            }
        }
    }

    /// Sends what has to wait behind something that is on its way already.
    #[cold]
    fn send_later(&self, outgoing: Outgoing<'_>) -> io::Result<()>
    where
        M: Send + 'static,
    {
        let clients = self.clients();
        match self
            .state()
            .outbox()
            .push(&self.0, &outgoing, clients.sending())
        {
            Ok(pushed) => {
                if pushed.has_fallen_behind {
                    clients.watch_patience();
                }
                clients.count_dropped(pushed.dropped);
                Ok(())
            }
            Err(Unsent::Failed(error)) => Err(error),
            Err(Unsent::TooSlow(error)) => {
                self.end(Ended::TooSlow);
                Err(error)
            }
        }
    }

    /// Sends at once what a handler has sent to its own client and what [waits](Self::send) for the client's other frames.
    ///
    /// # Errors
    /// The client is gone, or our side of the stream has [ended](Self::close).
    #[inline]
    pub fn flush(&self) -> io::Result<()>
    where
        M: Send + 'static,
    {
        match self.state().outbox.is_behind() {
            true => self.uncork(),
            false => Ok(()),
        }
    }

    #[cold]
    fn uncork(&self) -> io::Result<()>
    where
        M: Send + 'static,
    {
        match self.state().outbox().uncork(&self.0) {
            Ok(is_behind) => {
                if is_behind {
                    self.clients().watch_patience();
                }
                self.shut_down_if_all_is_out();
            }
            Err(error) => {
                // A part of what was sent is lost: the peer must not take what follows for it.
                let copy = copy_of(&error);
                self.end(Ended::Failed(error));
                return Err(copy);
            }
        }
        Ok(())
    }

    /// Ends our side of the stream behind all that was sent, from any thread: the peer sees the end, and may go on sending. Nothing
    /// more can be sent to the client; it is gone when the peer ends its side too, or by [`close`](Self::close).
    ///
    /// # Errors
    /// The client is gone, or closing.
    pub fn end_sending(&self) -> io::Result<()>
    where
        M: Send + 'static,
    {
        if self.ended().is_some() || self.is_closing() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let was_ending = self.state().marks.set(Mark::EndsSending, true);
        if was_ending || self.state().outbox().end_sending(&self.0) {
            return Ok(());
        }
        self.shut_down()
    }

    /// Ends our side if it is to end by itself, now that nothing waits any more.
    pub(crate) fn shut_down_if_all_is_out(&self)
    where
        M: Send + 'static,
    {
        let ends = self.state().marks.has(Mark::EndsSending) && !self.is_closing();
        if ends && !self.state().outbox().waits() {
            // Where it fails, the connection has.
            let _ = self.shut_down();
        }
    }

    fn shut_down(&self) -> io::Result<()>
    where
        M: Send + 'static,
    {
        // The context tells it from the shutdown that has the client's turn.
        let started = self.0.with(EndsSending).shutdown();
        started.map(drop).map_err(|refused| refused.error)
    }

    /// From now on what is sent waits, until it is [flushed](Self::flush).
    pub(crate) fn cork(&self) {
        self.state().outbox().cork();
    }

    /// What happens when too much waits to be sent to this client, in place of the server's
    /// [setting](crate::Settings::slow_reader).
    pub fn set_slow_reader(&self, slow_reader: SlowReader) {
        self.state().outbox().set_slow_reader(slow_reader);
    }

    /// How many bytes a second are read from this client, in place of the server's
    /// [setting](crate::Settings::receive_rate); 0 is no limit.
    pub fn set_receive_rate(&self, bytes_per_second: u32) {
        let state = self.state();
        state.more().pace.set(bytes_per_second);
        state.marks.set(Mark::IsPaced, bytes_per_second > 0);
        // It may be waiting by the old one.
        self.unpark();
    }

    /// Tells the client something, from any thread: its handler is called in the client's turn
    /// ([`Handler::told`](crate::Handler::told)), after what it does now, with its session; also if the client does not
    /// read. Messages come in the order in which they are told.
    ///
    /// # Errors
    /// The message comes back: as many wait as [may](crate::Settings::messages_max)
    /// ([`WouldBlock`](io::ErrorKind::WouldBlock)); or the client is gone, or [closing](Self::close). A client that ends before
    /// its turn is not told.
    pub fn tell(&self, message: M) -> Result<(), Refused<M>>
    where
        M: Send + 'static,
    {
        if self.ended().is_some() || self.is_closing() {
            return Err(Refused::new(io::ErrorKind::NotConnected, message));
        }
        let most = self.clients().messages_max();
        self.mailbox().push(message, most)?;
        self.note_mail();
        self.close_mailbox_if_ended();
        Ok(())
    }

    /// Sets a timer: [`Handler::timer`](crate::Handler::timer) is called with `token` after `delay`, in the client's turn; also if
    /// the client does not read. It ends with the client.
    ///
    /// # Errors
    /// The client has as many timers as it [may](crate::Settings::timers_per_client)
    /// ([`QuotaExceeded`](io::ErrorKind::QuotaExceeded)), or is gone.
    pub fn set_timer(&self, delay: Duration, token: u64) -> io::Result<ClientTimer>
    where
        M: Send + 'static,
    {
        let clients = self.clients();
        // Its key is the client's, as for the timer that has a parked turn; the number tells them apart.
        let start = |number| {
            let port = clients.port().with(DueTimer(number));
            Ok(port.timer(delay, self.0.key().clone())?)
        };
        if self.ended().is_some() || self.is_closing() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let most = clients.timers_per_client();
        let number = self.mailbox().set_timer(token, most, start)?;
        self.close_mailbox_if_ended();
        Ok(ClientTimer {
            client: self.id(),
            number,
        })
    }

    /// Cancels a timer; returns whether that was in time: its handler is not called for it then.
    pub fn cancel_timer(&self, timer: ClientTimer) -> bool
    where
        M: Send + 'static,
    {
        if timer.client != self.id() {
            return false;
        }
        match self.mailbox().cancel_timer(timer.number) {
            Cancelled::Set(operation) => {
                // It may be due in this moment; its completion finds it gone.
                let _ = self.clients().port().cancel_timer_quietly(operation);
                true
            }
            Cancelled::Due => true,
            Cancelled::NotSet => false,
        }
    }

    /// A timer of this client is due.
    pub(crate) fn fire(&self, timer: DueTimer)
    where
        M: Send + 'static,
    {
        if self.mailbox().fire(timer.0) {
            self.note_mail();
        }
    }

    /// Takes its turn from what waits to be sent, if it was left there.
    pub(crate) fn takes_turn_back(&self) -> bool {
        self.state().outbox().take_turn()
    }

    /// There is something to be told: the holder of the turn is to see it.
    fn note_mail(&self)
    where
        M: Send + 'static,
    {
        let is_noted = self.state().marks.set(Mark::Mail, true);
        // If a receive is under way, or the turn is parked, a completion takes the next step; else the holder looks before it
        // passes the turn on.
        self.0.cancel_receives();
        self.unpark();
        if !is_noted && self.state().outbox.is_behind() {
            // The turn may be with what waits to be sent: the worker that takes this packet takes it from there. If there is no packet
            // to be had, it is told when that is out.
            let key = self.0.key().clone();
            let _ = self.clients().port().post(key, TAKES_TURN_BACK);
        }
    }

    /// The client is gone: it is told nothing more, and its timers end.
    pub(crate) fn close_mailbox(&self)
    where
        M: Send + 'static,
    {
        let Some(more) = self.state().more_if_any() else {
            return;
        };
        let (mail, timers) = more.mailbox.close();
        for timer in timers {
            let _ = self.clients().port().cancel_timer_quietly(timer);
        }
        drop(mail);
    }

    /// It may have gone since that was asked, before there was a mailbox to be closed.
    fn close_mailbox_if_ended(&self)
    where
        M: Send + 'static,
    {
        if self.ended().is_some() {
            self.close_mailbox();
        }
    }

    pub(crate) fn mailbox(&self) -> &Mailbox<M> {
        &self.state().more().mailbox
    }

    pub(crate) fn has_mail(&self) -> bool {
        self.state().marks.has(Mark::Mail)
    }

    /// Whether its handler is to be called again before more is received from it.
    pub(crate) fn is_called_again(&self) -> bool {
        let state = self.state();
        let has_frames = || state.marks.has(Mark::Frames) && !state.reading.is_paused();
        state.marks.has(Mark::Again) || has_frames()
    }

    /// Whether its frames are to be handed out.
    pub(crate) fn takes_frames(&self) -> bool {
        let state = self.state();
        !self.is_closing()
            && self.ended().is_none()
            && !state.reading.is_paused()
            && !state.marks.has(Mark::Again)
            && self.unsent() <= self.clients().unsent_pause_bytes()
    }

    /// Notes how the client stands after frames were handed out: whether any were, whether there may be more, and whether a part
    /// of one has come.
    pub(crate) fn note_frames(&self, any: bool, has_more: bool, is_within: bool) {
        let state = self.state();
        state.marks.set(Mark::Frames, has_more);
        let is_owing = is_within && !has_more;
        let was_owing = state.marks.set(Mark::IsWithinFrame, is_owing);
        let patience = self.clients().patience();
        if is_owing && (any || !was_owing) && patience.minds_debts() {
            state.owing().note(patience.round());
        }
    }

    /// An operation of its outbox has ended: sends the next of what waits. If nothing waits, returns the next step.
    pub(crate) fn send_next(&self) -> io::Result<Next>
    where
        M: Send + 'static,
    {
        self.state().outbox().advance(&self.0)
    }

    /// Nothing can be sent to it any more: returns the step that was to follow.
    pub(crate) fn drop_unsent(&self) -> Next {
        self.state().outbox().fail()
    }

    /// Leaves its turn with the unsent bytes, if there are more than so many.
    pub(crate) fn pauses_above(&self, bytes: usize) -> bool {
        let state = self.state();
        state.outbox.is_behind() && state.outbox().pause(&self.0, bytes)
    }

    /// Takes no more sends. Leaves its turn with the unsent bytes, if there are any.
    pub(crate) fn ends_behind_unsent(&self) -> bool
    where
        M: Send + 'static,
    {
        self.state().outbox().end(&self.0)
    }

    /// Has the handler called again for this client ([`Handler::resumed`](crate::Handler::resumed)), once the call that asks
    /// for it has returned: before more is received, but behind everything that waits for a worker then. So a handler that has
    /// much to do for one client lets the others go first.
    ///
    /// It is not called if the client has ended meanwhile, or is [closed](Self::close), as every client is by an orderly stop;
    /// and not before the client has taken most of the bytes that were sent to it. While the client waits for the call, it does
    /// not count as idle. If this is called from outside of the client's handler, the new call comes after the handler's next
    /// call; or by itself, if no next call is to come because reading is [paused](Self::pause_reading) or the [peer has
    /// ended](Self::peer_has_ended).
    pub fn call_again(&self) {
        self.state().marks.set(Mark::Again, true);
        self.unpark();
    }

    /// Stops reading from the client until reading is [resumed](Self::resume_reading), from any thread; does nothing if it
    /// is paused already. Bytes that the client sends meanwhile stay with the system, whose flow control then stops the peer:
    /// this is TCP's backpressure, instead of memory in the server. Sends to the client go on.
    ///
    /// If this client's own handler calls it, [`received`](crate::Handler::received) is not called after that call
    /// until reading is resumed. If it is called from elsewhere, a call that is under way finishes, and one more may come, of
    /// `received` or of [`peer_ended`](crate::Handler::peer_ended), with bytes that arrived before the pause or about then.
    ///
    /// While reading is paused, the end of the peer's side is not noticed, nor is a lost connection, unless a send fails.
    /// Then the client waits for the server, so it does not count as idle
    /// ([`Settings::idle_timeout`](crate::Settings::idle_timeout)); the time-out for a client that takes nothing
    /// ([`Settings::stall_timeout`](crate::Settings::stall_timeout)) goes on. It ends in every other way like a client without
    /// a pause: [`close`](Self::close), [`abort`](Self::abort), [`Server::stop`](crate::Server::stop).
    ///
    /// ```
    /// use std::{io::{Read, Write}, net::TcpStream};
    /// use wharf_server::Server;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::builder().listen("127.0.0.1:0".parse()?).serve(|client, bytes| {
    ///     // Nothing more, until the other thread has dealt with this.
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

    /// Reads from the client again, after [`pause_reading`](Self::pause_reading), from any thread; does nothing if
    /// reading is not paused. Every byte that came meanwhile is received, in order.
    pub fn resume_reading(&self) {
        let state = self.state();
        if state.reading.set_paused(false) {
            if !self.is_half_closed() {
                // It may move bytes from now on: no look at idle clients need have seen the pause.
                let round = self.clients().patience().round();
                state.moved.note(round);
            }
            self.unpark();
        }
    }

    /// Whether nothing is to be received from it.
    #[inline(always)]
    pub(crate) fn receives_nothing(&self) -> bool {
        let state = self.state();
        state.reading.is_paused() || state.peer_side.is_half_closed()
    }

    /// Whether its peer has ended its side, and more may be sent to it.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.state().peer_side.is_half_closed()
    }

    /// Whether it could send more, but the server has paused reading.
    pub(crate) fn is_held_back(&self) -> bool {
        self.state().reading.is_paused() && !self.is_half_closed() && !self.is_closing()
    }

    /// Whether its turn is to be [parked](crate::reading): nothing is to be received, and nothing else is to be done.
    pub(crate) fn is_to_be_parked(&self, is_paced: bool) -> bool {
        let marks = &self.state().marks;
        let has_to_do = marks.has(Mark::Again) || marks.has(Mark::Mail) || self.is_closing();
        (is_paced || self.receives_nothing()) && !has_to_do && self.ended().is_none()
    }

    /// Has its turn taken up again, if it is parked. The reason was noted before.
    pub(crate) fn unpark(&self) {
        if let Some(operation) = self.state().parked().take() {
            // If the port has closed meanwhile, the operation has completed already.
            let _ = self.clients().port().cancel(operation);
        }
    }

    /// Ends the client in order: nothing more is received, everything that was sent still arrives, and the end after it. So does
    /// what its handler sends before it returns, if it is at work. A call that its handler has [put off](Self::call_again) is not
    /// made.
    pub fn close(&self) {
        self.state().closing.store(true, Ordering::SeqCst);
        // If a receive is under way, or the turn is parked, a completion takes the next step; else a handler or a send that
        // drains is under way, and the step is taken then.
        self.0.cancel_receives();
        self.unpark();
    }

    /// Ends the client at once, with a reset: bytes that it has not received yet are lost, and it sees an error.
    pub fn abort(&self) {
        self.end(Ended::Aborted);
    }

    /// Whether the peer has ended its sending side in order, and all its bytes were received. Then the client goes too, unless
    /// the handler [keeps sending](crate::AfterEnd::KeepSending).
    pub fn peer_has_ended(&self) -> bool {
        self.state().peer_side.has_ended()
    }

    /// Why it is gone, once it is.
    pub fn ended(&self) -> Option<&Ended> {
        self.state().gone().map(|gone| &gone.ended)
    }

    /// Ends the client in order, for a reason that is known now: what was sent to it still arrives.
    pub(crate) fn close_for(&self, ended: Ended) {
        // One that the program has closed is not connected again, whatever comes after.
        if !self.is_closing() {
            self.state().more().had_reason.store(true, Ordering::SeqCst);
        }
        // The first reason counts.
        self.ending().get_or_insert(Box::new(ended));
        self.close();
    }

    fn ending(&self) -> MutexGuard<'_, Option<Box<Ended>>> {
        // Nothing under the lock can panic.
        let ending = self.state().more().ending.lock();
        ending.unwrap_or_else(PoisonError::into_inner)
    }

    /// Why it ends in order: the reason that was known before, or this one.
    fn reason(&self, otherwise: Ended) -> Ended {
        match self.state().more_if_any() {
            Some(_) => self.ending().take().map_or(otherwise, |ended| *ended),
            None => otherwise,
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.state().closing.load(Ordering::SeqCst)
    }

    /// Whether the program has asked for its [end](Self::close), whatever came of that. The server ends clients in order for
    /// reasons of its own.
    pub(crate) fn is_closed_by_program(&self) -> bool {
        let more = self.state().more_if_any();
        let is_for_reason = more.is_some_and(|more| more.had_reason.load(Ordering::SeqCst));
        self.is_closing() && !is_for_reason
    }

    /// Ends the client, for a reason; the first reason counts. Returns whether this was the first.
    ///
    /// The holder of the client's turn does the rest: closing the socket completes the operation that has the turn, and a
    /// turn that is parked is taken up.
    pub(crate) fn end(&self, ended: Ended) -> bool {
        // Read before the socket is closed, and kept for later calls.
        let traffic = self.traffic();
        // A peer that does not get all bytes must not take the ones it got for the whole.
        let reset = matches!(ended, Ended::Aborted) || self.unsent() > 0;
        let ended = match ended {
            // In order, for a reason that was known before.
            Ended::ByServer | Ended::ByPeer => self.reason(ended),
            ended => ended,
        };
        let gone = &self.state().turns().gone;
        let first = gone.set(Box::new(Gone { ended, traffic })).is_ok();
        if first && reset {
            self.0.reset();
        } else {
            self.0.close();
        }
        self.unpark();
        first
    }

    /// Ends a client whose peer has ended its side, if nothing is on its way to it any more. Returns whether it did.
    pub(crate) fn end_if_sent(&self) -> bool {
        let close = || self.0.close_if_sent();
        let Some(traffic) = self.state().outbox().if_empty(close) else {
            return false;
        };
        let ended = self.reason(Ended::ByPeer);
        // Another thread may have ended it in this very moment.
        let traffic = self.own(traffic);
        let gone = Box::new(Gone { ended, traffic });
        let _ = self.state().turns().gone.set(gone);
        true
    }

    /// Calls `with` with the system's own socket, borrowed for the call, and returns what `with` returns: to read or set an option, with
    /// the crate `socket2`, say; or to ask the system which process is at the other end of a [local](Peer::Local) one. What may be
    /// done with it is written in `wharf::Socket::with_descriptor`.
    ///
    /// # Errors
    /// The client is gone; or what `with` returns.
    pub fn with_descriptor<T>(
        &self,
        #[cfg(unix)] with: impl FnOnce(std::os::fd::BorrowedFd<'_>) -> io::Result<T>,
        #[cfg(windows)] with: impl FnOnce(std::os::windows::io::BorrowedSocket<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.0.with_descriptor(with)
    }

    /// How long it has been connected.
    pub fn age(&self) -> Duration {
        self.since().elapsed()
    }
}

impl<M> Clone for Client<M> {
    fn clone(&self) -> Self {
        Client(self.0.clone())
    }
}

impl<M> fmt::Debug for Client<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("id", &self.id())
            .field("peer", &self.peer())
            .field("ended", &self.ended())
            .finish_non_exhaustive()
    }
}

impl<M> PartialEq for Client<M> {
    /// Whether they are the same client.
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<M> Eq for Client<M> {}

impl<M> Hash for Client<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}
