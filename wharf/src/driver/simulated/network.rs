//! The state of a simulated kernel: open objects, bytes on their way, and which queue gets which event.
//!
//! Streams behave as TCP's do on Linux where the port can tell: an error is reported once and the end is read after it, closing
//! with data unread resets, a peer that is gone answers a send with a reset.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use rustix::io::Errno;

use super::{events::Queue, faults::Faults};
use crate::driver::{Event, Query, Reply};

/// So many unread bytes fit between the ends of a stream, unless it was made narrower.
pub(super) const ROOM: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct State {
    pub random: fastrand::Rng,
    pub faults: Faults,
    objects: BTreeMap<i32, Object>,
    last_number: i32,
    last_port: u16,
    listeners: BTreeMap<SocketAddr, i32>,
    datagrams: BTreeMap<SocketAddr, i32>,
    pub queues: BTreeMap<u64, Queue>,
    in_flight: Vec<Flight>,
    /// Memory that calls which are under way read or write: from where to where.
    pub in_use: Vec<(usize, usize)>,
    pub ended: bool,
}

/// An open socket or file.
#[derive(Debug)]
struct Object {
    kind: Kind,
    local: SocketAddr,
    /// The port that it is registered with, and the token.
    registered: Option<(u64, u64)>,
}

#[derive(Debug)]
enum Kind {
    Stream(Stream),
    Listener {
        /// The backlog: the near ends of connections that were not accepted yet.
        backlog: VecDeque<i32>,
    },
    Datagrams {
        inbox: VecDeque<(SocketAddr, Vec<u8>)>,
    },
    File(Vec<u8>),
}

/// One end of a stream.
#[derive(Debug, Default)]
struct Stream {
    /// The other end; none while it is unconnected. It may be closed.
    other: Option<i32>,
    peer: Option<SocketAddr>,
    inbox: VecDeque<u8>,
    /// Bytes that are on their way to the inbox.
    coming: usize,
    /// How much the inbox takes.
    room: usize,
    /// The other end found no room, and gets an event when there is room.
    wanted: bool,
    /// The other end's end has arrived.
    ended: bool,
    /// Its own end is sent.
    shut: bool,
    /// The connection is gone; reported by the first call that asks.
    error: Option<Errno>,
    broken: bool,
    connecting: bool,
    resets_on_close: bool,
}

/// Something on its way to an object.
#[derive(Debug)]
struct Flight {
    to: i32,
    what: Arrival,
}

#[derive(Debug)]
enum Arrival {
    Bytes(Vec<u8>),
    End,
    Broken(Errno),
    Room,
    Connected,
    Datagram(SocketAddr, Vec<u8>),
    /// What was there before shows once more.
    Again,
}

/// What has an address of its own, where others can reach it.
#[derive(Debug, Clone, Copy)]
enum Bound {
    Listener,
    Datagrams,
}

type Result<T> = std::result::Result<T, Errno>;

impl State {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        State {
            random: fastrand::Rng::with_seed(seed),
            faults,
            ..State::default()
        }
    }

    /// Draws whether a fault happens that happens in so many thousandths of the cases.
    pub(super) fn strikes(&mut self, thousandths: u16) -> bool {
        thousandths > 0 && self.random.u16(..1000) < thousandths
    }

    fn open(&mut self, kind: Kind, local: SocketAddr) -> i32 {
        self.last_number += 1;
        let object = Object {
            kind,
            local,
            registered: None,
        };
        self.objects.insert(self.last_number, object);
        self.last_number
    }

    /// How many objects are open.
    pub(super) fn open_count(&self) -> usize {
        self.objects.len()
    }

    /// An address where nobody listens, unless somebody does at all 65,535 of them.
    fn fresh_address(&mut self) -> SocketAddr {
        for _ in 0..u16::MAX {
            self.last_port = self.last_port.checked_add(1).unwrap_or(1);
            let port = self.last_port;
            let mut bound = self.listeners.keys().chain(self.datagrams.keys());
            if bound.all(|address| address.port() != port) {
                break;
            }
        }
        (Ipv4Addr::LOCALHOST, self.last_port).into()
    }

    /// The address that a socket gets which asks for this one, where others of its kind have theirs.
    fn address_for(&mut self, asked: SocketAddr, kind: Bound) -> Result<SocketAddr> {
        if asked.port() == 0 {
            return Ok((asked.ip(), self.fresh_address().port()).into());
        }
        let taken = match kind {
            Bound::Listener => &self.listeners,
            Bound::Datagrams => &self.datagrams,
        };
        let is_every = |ip: IpAddr| ip.is_unspecified();
        let mut same_port = taken.keys().filter(|it| it.port() == asked.port());
        let meets =
            |it: &SocketAddr| it.ip() == asked.ip() || is_every(it.ip()) || is_every(asked.ip());
        match same_port.any(meets) {
            true => Err(Errno::ADDRINUSE),
            false => Ok(asked),
        }
    }

    fn stream(&mut self, number: i32) -> Result<&mut Stream> {
        match self.objects.get_mut(&number).map(|object| &mut object.kind) {
            Some(Kind::Stream(stream)) => Ok(stream),
            Some(_) => Err(Errno::NOTSOCK),
            None => Err(Errno::BADF),
        }
    }

    /// Two ends of a new stream.
    pub(super) fn pair(&mut self) -> (i32, i32) {
        let (here, there) = (self.fresh_address(), self.fresh_address());
        let near = self.unconnected(here);
        let far = self.unconnected(there);
        self.join(near, far);
        (near, far)
    }

    pub(super) fn unconnected(&mut self, local: SocketAddr) -> i32 {
        let stream = Stream {
            room: ROOM,
            ..Stream::default()
        };
        self.open(Kind::Stream(stream), local)
    }

    /// An unconnected stream from this address, or any.
    pub(super) fn unconnected_from(&mut self, local: Option<SocketAddr>) -> Result<i32> {
        let fresh = self.fresh_address();
        let local = match local {
            Some(local) if !local.ip().is_loopback() => return Err(Errno::ADDRNOTAVAIL),
            Some(local) if local.port() > 0 => local,
            Some(local) => SocketAddr::new(local.ip(), fresh.port()),
            None => fresh,
        };
        Ok(self.unconnected(local))
    }

    fn join(&mut self, near: i32, far: i32) {
        for (one, other) in [(near, far), (far, near)] {
            let peer = self.objects[&other].local;
            if let Ok(stream) = self.stream(one) {
                stream.other = Some(other);
                stream.peer = Some(peer);
            }
        }
    }

    pub(super) fn listen(&mut self, asked: SocketAddr) -> Result<i32> {
        let address = self.address_for(asked, Bound::Listener)?;
        let backlog = VecDeque::new();
        let number = self.open(Kind::Listener { backlog }, address);
        self.listeners.insert(address, number);
        Ok(number)
    }

    pub(super) fn bind_datagrams(&mut self, asked: SocketAddr) -> Result<i32> {
        let address = self.address_for(asked, Bound::Datagrams)?;
        let inbox = VecDeque::new();
        let number = self.open(Kind::Datagrams { inbox }, address);
        self.datagrams.insert(address, number);
        Ok(number)
    }

    pub(super) fn file(&mut self, content: Vec<u8>) -> i32 {
        let address = (Ipv4Addr::UNSPECIFIED, 0).into();
        self.open(Kind::File(content), address)
    }

    /// Makes the ends of a stream take little.
    pub(super) fn narrow(&mut self, number: i32, room: usize) {
        if let Ok(stream) = self.stream(number) {
            stream.room = room;
        }
    }

    /// Connects an unconnected stream; a second call returns the result.
    pub(super) fn connect(&mut self, number: i32, to: SocketAddr) -> Result<()> {
        let stream = self.stream(number)?;
        if let Some(error) = stream.error.take() {
            return Err(error);
        }
        if stream.connecting {
            return Err(Errno::ALREADY);
        }
        if stream.other.is_some() {
            return Err(Errno::ISCONN);
        }
        let listener = match at(&self.listeners, to) {
            Some(listener) => listener,
            None if to.ip().is_loopback() => return Err(Errno::CONNREFUSED),
            None => return Err(Errno::NETUNREACH),
        };
        let near = self.unconnected(to);
        self.join(near, number);
        if let Some(Kind::Listener { backlog }) =
            self.objects.get_mut(&listener).map(|it| &mut it.kind)
        {
            backlog.push_back(near);
        }
        self.show(listener);
        if self.strikes(self.faults.delays) {
            self.stream(number)?.connecting = true;
            self.in_flight.push(Flight {
                to: number,
                what: Arrival::Connected,
            });
            return Err(Errno::INPROGRESS);
        }
        Ok(())
    }

    pub(super) fn accept(&mut self, listener: i32) -> Result<(i32, SocketAddr)> {
        let fails = self.strikes(self.faults.failed_accepts);
        let aborts = self.random.bool();
        let Some(Object {
            kind: Kind::Listener { backlog },
            ..
        }) = self.objects.get_mut(&listener)
        else {
            return Err(Errno::INVAL);
        };
        let near = *backlog.front().ok_or(Errno::AGAIN)?;
        if fails && !aborts {
            return Err(Errno::MFILE);
        }
        backlog.pop_front();
        if fails {
            self.close(near);
            return Err(Errno::CONNABORTED);
        }
        let peer = self.stream(near)?.peer.ok_or(Errno::NOTCONN)?;
        Ok((near, peer))
    }

    /// Up to `max` bytes; none at the end. `peek`: they stay.
    pub(super) fn receive(&mut self, number: i32, max: usize, peek: bool) -> Result<Vec<u8>> {
        let stream = self.stream(number)?;
        if stream.other.is_none() || stream.connecting {
            return Err(Errno::NOTCONN);
        }
        if let Some(error) = stream.error.take() {
            return Err(error);
        }
        if stream.inbox.is_empty() {
            return match stream.ended || stream.broken {
                true => Ok(Vec::new()),
                false => Err(Errno::AGAIN),
            };
        }
        let count = stream.inbox.len().min(max);
        let bytes = first_of(&stream.inbox, count);
        if peek {
            return Ok(bytes);
        }
        stream.inbox.drain(..count);
        let is_wanted = std::mem::take(&mut stream.wanted);
        if let Some(other) = stream.other.filter(|_| is_wanted) {
            self.send_to(other, Arrival::Room);
        }
        Ok(bytes)
    }

    /// Takes as many of the bytes as there is room for.
    pub(super) fn send(&mut self, number: i32, bytes: &[u8]) -> Result<usize> {
        let stream = self.stream(number)?;
        let other = match stream.other {
            Some(other) if !stream.connecting => other,
            _ => return Err(Errno::NOTCONN),
        };
        if let Some(error) = stream.error.take() {
            return Err(error);
        }
        if stream.shut || stream.broken {
            return Err(Errno::PIPE);
        }
        let Ok(far) = self.stream(other) else {
            // The other end is closed: a send is answered by a reset.
            let ended = self.stream(number)?.ended;
            let error = if ended { Errno::PIPE } else { Errno::CONNRESET };
            self.send_to(number, Arrival::Broken(error));
            return Ok(bytes.len());
        };
        let room = far.room.saturating_sub(far.inbox.len() + far.coming);
        let count = room.min(bytes.len());
        if count < bytes.len() {
            far.wanted = true;
        }
        if count == 0 && !bytes.is_empty() {
            return Err(Errno::AGAIN);
        }
        if count > 0 {
            far.coming += count;
            self.send_to(other, Arrival::Bytes(bytes[..count].to_vec()));
        }
        Ok(count)
    }

    pub(super) fn shutdown(&mut self, number: i32) -> Result<()> {
        let stream = self.stream(number)?;
        let other = stream.other.ok_or(Errno::NOTCONN)?;
        if stream.broken {
            return Err(Errno::NOTCONN);
        }
        if !std::mem::replace(&mut stream.shut, true) {
            self.send_to(other, Arrival::End);
        }
        Ok(())
    }

    /// Resets a connection, for both ends.
    pub(super) fn break_stream(&mut self, number: i32) {
        let Ok(stream) = self.stream(number) else {
            return;
        };
        let other = stream.other;
        for end in [Some(number), other].into_iter().flatten() {
            self.send_to(end, Arrival::Broken(Errno::CONNRESET));
        }
    }

    pub(super) fn receive_datagram(
        &mut self,
        number: i32,
        peek: bool,
    ) -> Result<(SocketAddr, Vec<u8>)> {
        match self.objects.get_mut(&number).map(|object| &mut object.kind) {
            Some(Kind::Datagrams { inbox }) if peek => inbox.front().cloned().ok_or(Errno::AGAIN),
            Some(Kind::Datagrams { inbox }) => inbox.pop_front().ok_or(Errno::AGAIN),
            _ => Err(Errno::BADF),
        }
    }

    pub(super) fn send_datagram(
        &mut self,
        number: i32,
        bytes: &[u8],
        to: SocketAddr,
    ) -> Result<()> {
        const DATAGRAM_MAX: usize = 65_507;
        if bytes.len() > DATAGRAM_MAX {
            return Err(Errno::MSGSIZE);
        }
        let receiver = at(&self.datagrams, to);
        if receiver.is_none() && !to.ip().is_loopback() {
            return Err(Errno::NETUNREACH);
        }
        let mut from = self.objects.get(&number).ok_or(Errno::BADF)?.local;
        if from.ip().is_unspecified() {
            from.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let lost = self.strikes(self.faults.losses);
        match receiver {
            Some(to) if !lost => self.send_to(to, Arrival::Datagram(from, bytes.to_vec())),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn content(&mut self, number: i32) -> Result<&mut Vec<u8>> {
        match self.objects.get_mut(&number).map(|object| &mut object.kind) {
            Some(Kind::File(content)) => Ok(content),
            Some(_) => Err(Errno::SPIPE),
            None => Err(Errno::BADF),
        }
    }

    pub(super) fn ask(&mut self, number: i32, query: Query) -> Result<Reply> {
        if let Query::Length = query {
            return Ok(Reply::Count(self.content(number)?.len() as u64));
        }
        if let Query::IsTcp = query {
            return Ok(Reply::Whether(true));
        }
        if let Query::LocalAddress = query {
            let object = self.objects.get(&number).ok_or(Errno::BADF)?;
            return Ok(Reply::Address(Some(object.local)));
        }
        let stream = self.stream(number)?;
        Ok(match query {
            Query::PeerAddress if stream.broken => return Err(Errno::NOTCONN),
            Query::PeerAddress => Reply::Address(Some(stream.peer.ok_or(Errno::NOTCONN)?)),
            Query::Unread => Reply::Count(stream.inbox.len() as u64),
            Query::ResetOnClose => {
                stream.resets_on_close = true;
                Reply::Set
            }
            Query::IsDelivered => {
                let other = stream.other.ok_or(Errno::NOTCONN)?;
                Reply::Whether(self.stream(other).map_or(true, |far| far.coming == 0))
            }
            Query::Unacknowledged => {
                let other = stream.other.ok_or(Errno::NOTCONN)?;
                Reply::Count(self.stream(other).map_or(0, |far| far.coming as u64))
            }
            Query::Nodelay(_) | Query::LocalAddress | Query::Length | Query::IsTcp => Reply::Set,
        })
    }

    pub(super) fn close(&mut self, number: i32) {
        let Some(object) = self.objects.remove(&number) else {
            return;
        };
        match object.kind {
            Kind::Listener { backlog } => {
                self.listeners.remove(&object.local);
                backlog.into_iter().for_each(|near| {
                    self.break_stream(near);
                    self.close(near);
                });
            }
            Kind::Datagrams { .. } => {
                self.datagrams.remove(&object.local);
            }
            Kind::Stream(stream) => {
                let Some(other) = stream.other.filter(|_| !stream.broken) else {
                    return;
                };
                if stream.resets_on_close || !stream.inbox.is_empty() {
                    self.send_to(other, Arrival::Broken(Errno::CONNRESET));
                } else if !stream.shut {
                    self.send_to(other, Arrival::End);
                }
            }
            Kind::File(_) => {}
        }
    }

    /// Sends something to an object; it arrives at once if nothing delays it.
    fn send_to(&mut self, to: i32, what: Arrival) {
        let flight = Flight { to, what };
        let has_to_wait = self.in_flight.iter().any(|earlier| earlier.to == to);
        if has_to_wait || self.strikes(self.faults.delays) {
            self.in_flight.push(flight);
        } else {
            self.arrive(flight);
        }
    }

    /// Has something show again that was there before, by and by; or once it is there again.
    pub(super) fn show_again(&mut self, number: i32) {
        let other = self.stream(number).ok().and_then(|stream| stream.other);
        if let Some(far) = other.and_then(|other| self.stream(other).ok()) {
            far.wanted = true;
        }
        self.send_to(number, Arrival::Again);
    }

    pub(super) fn is_anything_in_flight(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Brings something in that is on its way: what is sent to one end keeps its order.
    pub(super) fn land(&mut self) {
        if self.in_flight.is_empty() {
            return;
        }
        let any = self.random.usize(..self.in_flight.len());
        let to = self.in_flight[any].to;
        let first = self.in_flight.iter().position(|flight| flight.to == to);
        let flight = self.in_flight.remove(first.unwrap_or(any));
        self.arrive(flight);
    }

    fn arrive(&mut self, Flight { to, what }: Flight) {
        if let Some(Kind::Datagrams { inbox }) = self.objects.get_mut(&to).map(|it| &mut it.kind) {
            if let Arrival::Datagram(from, bytes) = what {
                inbox.push_back((from, bytes));
            }
            return self.show(to);
        }
        let Ok(stream) = self.stream(to) else {
            return self.show(to);
        };
        match what {
            Arrival::Bytes(bytes) => {
                stream.coming -= bytes.len();
                if !stream.broken {
                    stream.inbox.extend(bytes);
                }
            }
            Arrival::End => stream.ended = true,
            Arrival::Broken(_) if stream.broken => return,
            Arrival::Broken(error) => {
                stream.broken = true;
                stream.connecting = false;
                stream.error = Some(error);
                stream.inbox.clear();
            }
            Arrival::Connected => stream.connecting = false,
            Arrival::Room | Arrival::Again | Arrival::Datagram(..) => {}
        }
        self.show(to);
    }

    /// Watches an object for a port, which is told at once of what is there already.
    pub(super) fn register(&mut self, number: i32, by: Option<(u64, u64)>) -> Result<()> {
        self.objects.get_mut(&number).ok_or(Errno::BADF)?.registered = by;
        self.show(number);
        Ok(())
    }

    /// Tells the queue at which an object is registered what the object is ready for.
    fn show(&mut self, number: i32) {
        let Some(object) = self.objects.get(&number) else {
            return;
        };
        let Some((queue, token)) = object.registered else {
            return;
        };
        let event = object.event(token, |other| {
            self.objects.get(&other).map(|object| &object.kind)
        });
        if event.readable || event.writable {
            let queue = self.queues.get_mut(&queue);
            queue.into_iter().for_each(|queue| queue.push(event));
        }
    }
}

impl Object {
    fn event<'a>(&self, token: u64, kind_of: impl Fn(i32) -> Option<&'a Kind>) -> Event {
        let mut event = Event {
            token,
            readable: false,
            writable: false,
            ended: false,
            hangup: false,
            urgent: false,
        };
        match &self.kind {
            Kind::Stream(stream) => {
                let far = stream.other.and_then(kind_of);
                let is_full = matches!(far, Some(Kind::Stream(far)) if far.inbox.len() + far.coming >= far.room);
                event.ended = stream.ended && !stream.broken;
                event.hangup = stream.broken;
                event.readable = event.ended || event.hangup || !stream.inbox.is_empty();
                event.writable = stream.broken || (!stream.connecting && !is_full);
            }
            Kind::Listener { backlog } => event.readable = !backlog.is_empty(),
            Kind::Datagrams { inbox } => {
                event.readable = !inbox.is_empty();
                event.writable = true;
            }
            Kind::File(_) => {}
        }
        event
    }
}

/// What is bound at this address, or at its port on every address.
fn at(bound: &BTreeMap<SocketAddr, i32>, to: SocketAddr) -> Option<i32> {
    let every = bound.iter().find(|(address, _)| {
        address.port() == to.port() && address.ip().is_unspecified() && to.ip().is_loopback()
    });
    let number = bound.get(&to).or(every.map(|(_, number)| number));
    number.copied()
}

/// The first `count` bytes, of which there are as many. Not one by one: at a sanitizer's pace that takes seconds for a MiB.
fn first_of(bytes: &VecDeque<u8>, count: usize) -> Vec<u8> {
    let (front, back) = bytes.as_slices();
    let of_front = count.min(front.len());
    [&front[..of_front], &back[..count - of_front]].concat()
}
