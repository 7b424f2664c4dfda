//! One thread of the load: its connections, on a completion port of its own.
//!
//! A connection that has room for a request is *free*. In a closed loop each answer frees a place and the next request
//! takes it at once; in an open loop those that are due take free connections at random.

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use wharf::{Buffer, Completion, CompletionPort, Done, Pool, Socket, Wait};

use super::{
    arrivals::Arrivals,
    content::{Content, Departure},
    load::Event,
    outcome::Outcome,
    plan::{Pace, Plan},
};
use crate::system::{processor_time, wait_exactly};

/// So many connections are on their way at once: fewer than any backlog.
const CONNECTING_MAX: usize = 100;

/// So many connections are made from one address of ours before the next is used. An address has some 28,000 ports
/// for a server.
const CONNECTIONS_PER_ADDRESS: usize = 20_000;

/// Connections that come and go leave their ports taken for a while; they are spread over so many addresses.
const PASSING_ADDRESSES: usize = 64;

/// The receive buffers: one large answer, or many small ones.
const RECEIVE_BYTES: std::ops::RangeInclusive<usize> = 4 << 10..=64 << 10;

/// Whose completion it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key {
    /// A connection: its place, and how many had the place before it.
    Connection(usize, u64),
    /// Told to end.
    Stop,
}

/// What the threads share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) plan: &'a Plan,
    pub(super) content: &'a Content,
    pub(super) address: SocketAddr,
    /// Requests that may still be made, where there is a limit.
    pub(super) budget: Option<AtomicU64>,
    /// Connections that are made, and answers: for the progress line.
    pub(super) connected: AtomicU64,
    pub(super) answered: AtomicU64,
}

/// When to do what; the same for all threads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) start: Instant,
    pub(super) measure: Instant,
    /// None if the requests say when it ends.
    pub(super) end: Option<Instant>,
}

#[derive(Debug)]
struct Connection {
    socket: Option<Socket<Key>>,
    generation: u64,
    /// Its number in the run; the first ones are hot.
    number: usize,
    /// What is under way, oldest first.
    departures: VecDeque<Departure>,
    /// Bytes sent and received, as places in the stream.
    sent: u64,
    received: u64,
    /// Requests it has made.
    made: u64,
    /// When it was begun, if it has not made a request since.
    begun: Option<Instant>,
    /// Its place among the free ones of its stream.
    free: Option<usize>,
}

/// The requests of an open loop that go to a group of connections.
#[derive(Debug)]
struct Stream {
    arrivals: Arrivals,
    /// Connections with room for a request.
    free: Vec<usize>,
    /// A request was due and no connection was free; until the next look it is not us who are late.
    blocked: bool,
}

pub(super) struct Loader<'a> {
    shared: &'a Shared<'a>,
    port: CompletionPort<Key>,
    buffers: Pool,
    connections: Vec<Connection>,
    /// Connections that this thread has begun, and how many of them are on their way or made now.
    begun: usize,
    connecting: usize,
    open: usize,
    thread: usize,
    streams: Vec<Stream>,
    under_way: usize,
    next_id: u64,
    random: fastrand::Rng,
    times: Option<Times>,
    /// What was due before the end has been sent, as far as there was room.
    departed_last: bool,
    /// The processor time of this thread when the measuring began.
    processor_at_measure: Option<Duration>,
    /// What was used from then on has been noted.
    is_processor_noted: bool,
    /// When something was last answered, or the load began.
    last_answer: Instant,
    stopped: bool,
    outcome: Outcome,
}

impl<'a> Loader<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, port: CompletionPort<Key>, thread: usize) -> Self {
        let (plan, size) = (shared.plan, shared.content.size());
        let buffer_bytes =
            (size * plan.pipeline).clamp(*RECEIVE_BYTES.start(), *RECEIVE_BYTES.end());
        let connections = plan
            .share(thread)
            .map(|number| Connection::new(number, size))
            .collect();
        Loader {
            shared,
            port,
            buffers: Pool::new(buffer_bytes),
            connections,
            begun: 0,
            connecting: 0,
            open: 0,
            thread,
            streams: Vec::new(),
            under_way: 0,
            next_id: (thread as u64) << 48,
            random: fastrand::Rng::with_seed(plan.seed.wrapping_add(thread as u64)),
            times: None,
            departed_last: false,
            processor_at_measure: None,
            is_processor_noted: false,
            last_answer: Instant::now(),
            stopped: false,
            outcome: Outcome::new(),
        }
    }

    /// Connects, says that it has, is told when to start, and loads until the end.
    pub(super) fn run(
        mut self,
        events: &mpsc::Sender<Event>,
        times: &mpsc::Receiver<Times>,
    ) -> io::Result<Outcome> {
        self.connect_all()?;
        // Nobody listens only if the run has ended.
        let _ = events.send(Event::Connected);
        if let Ok(times) = times.recv()
            && !self.stopped
        {
            self.load(times)?;
        }
        Ok(self.outcome)
    }

    fn connect_all(&mut self) -> io::Result<()> {
        let mut next = 0;
        loop {
            while self.connecting < CONNECTING_MAX && next < self.connections.len() {
                self.begin(next);
                next += 1;
            }
            if self.connecting == 0 || self.stopped {
                return Ok(());
            }
            if let Wait::Completed(completion) = self.port.wait(None)? {
                self.complete(completion, Instant::now());
            }
        }
    }

    fn begin(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        connection.begun = Some(Instant::now());
        let key = Key::Connection(place, connection.generation);
        let number = connection.number;
        let address = self.shared.address;
        let begun = match self.local_address(number) {
            None => self.port.connect(address, key),
            Some(local) => self.port.connect_from(local, address, key),
        };
        self.begun += 1;
        match begun {
            Ok(_) => self.connecting += 1,
            Err(error) => self.outcome.errors.add(format!("connect: {error}")),
        }
    }

    /// From which address of ours to connect, where it matters.
    fn local_address(&self, number: usize) -> Option<SocketAddr> {
        let SocketAddr::V4(server) = self.shared.address else {
            return None;
        };
        let host = match self.shared.plan.per_connection {
            Some(_) => {
                1 + (self.begun * self.shared.plan.threads + self.thread) % PASSING_ADDRESSES
            }
            None => number / CONNECTIONS_PER_ADDRESS,
        };
        // Every address of 127.0.0.0/8 is ours, and no other network is like that.
        (server.ip().is_loopback() && host > 0).then(|| {
            let [_, _, high, low] = (host as u32 + 1).to_be_bytes();
            SocketAddr::from((Ipv4Addr::new(127, 0, high, low), 0))
        })
    }

    fn load(&mut self, times: Times) -> io::Result<()> {
        if let Pace::Open { .. } = self.shared.plan.pace {
            wait_exactly()?;
        }
        self.times = Some(times);
        // What left earlier would not count, and each request of a run does.
        thread::sleep(times.start.saturating_duration_since(Instant::now()));
        self.start(times.start);
        let mut now = Instant::now();
        self.last_answer = now;
        loop {
            self.depart_due(now, times);
            if self.has_ended(now, times) {
                break;
            }
            match self.port.wait(self.next_look(now, times))? {
                Wait::Completed(completion) => {
                    now = Instant::now();
                    self.complete(completion, now);
                }
                Wait::TimedOut => now = Instant::now(),
                Wait::Closed => break,
            }
        }
        self.conclude(now, times);
        Ok(())
    }

    /// The first requests.
    fn start(&mut self, start: Instant) {
        match self.shared.plan.pace {
            Pace::Closed => {
                for place in 0..self.connections.len() {
                    // How long it took to connect them all is nobody's latency.
                    self.connections[place].begun = None;
                    self.depart(place, self.shared.plan.pipeline, Instant::now());
                }
            }
            Pace::Open { .. } => {
                self.streams = self.open_streams(start);
                for place in 0..self.connections.len() {
                    self.make_free(place);
                }
            }
        }
    }

    /// The streams of requests, each with this thread's share of its rate.
    fn open_streams(&mut self, start: Instant) -> Vec<Stream> {
        let plan = self.shared.plan;
        let Pace::Open { rate_hz, skew } = plan.pace else {
            return Vec::new();
        };
        let hot = skew.map_or(0, |skew| skew.connections);
        let hot_rate_hz = skew.map_or(0.0, |skew| skew.share * rate_hz);
        let own_hot = self
            .connections
            .iter()
            .filter(|connection| connection.number < hot);
        let own_hot = own_hot.count();
        let share = |own: usize, all: usize, rate_hz: f64| rate_hz * own as f64 / all.max(1) as f64;
        let rates_hz = [
            share(
                self.connections.len() - own_hot,
                plan.connections - hot,
                rate_hz - hot_rate_hz,
            ),
            share(own_hot, hot, hot_rate_hz),
        ];
        rates_hz
            .iter()
            .map(|rate_hz| Stream {
                // A rate of 0 has no request in any time.
                arrivals: Arrivals::new(start, rate_hz.max(f64::MIN_POSITIVE), self.random.fork()),
                free: Vec::new(),
                blocked: false,
            })
            .collect()
    }

    fn stream_of(&self, place: usize) -> usize {
        match self.shared.plan.pace {
            Pace::Open {
                skew: Some(skew), ..
            } => usize::from(self.connections[place].number < skew.connections),
            _ => 0,
        }
    }

    /// Puts a connection among the free ones, if it has room.
    fn make_free(&mut self, place: usize) {
        let stream = self.stream_of(place);
        let connection = &mut self.connections[place];
        let has_room = connection.departures.len() < self.shared.plan.pipeline;
        if connection.socket.is_some() && has_room && connection.free.is_none() {
            connection.free = Some(self.streams[stream].free.len());
            self.streams[stream].free.push(place);
        }
    }

    fn make_unfree(&mut self, place: usize) {
        let stream = self.stream_of(place);
        if let Some(index) = self.connections[place].free.take() {
            let free = &mut self.streams[stream].free;
            free.swap_remove(index);
            if let Some(moved) = free.get(index) {
                self.connections[*moved].free = Some(index);
            }
        }
    }

    /// Sends what is due in an open loop.
    fn depart_due(&mut self, now: Instant, times: Times) {
        if self.departed_last {
            return;
        }
        self.departed_last = self.is_over(now);
        let until = times.end.map_or(now, |end| end.min(now));
        for index in 0..self.streams.len() {
            while self.streams[index].arrivals.next() <= until && !self.stopped {
                let stream = &mut self.streams[index];
                if stream.free.is_empty() {
                    stream.blocked = true;
                    break;
                }
                if self.claim(1).is_none() {
                    return;
                }
                let stream = &mut self.streams[index];
                let due = stream.arrivals.take();
                let place = stream.free[self.random.usize(..stream.free.len())];
                if !stream.blocked && due >= times.measure {
                    let lag = now.saturating_duration_since(due);
                    self.outcome.lag.saturating_record(nanoseconds(lag));
                }
                self.send(place, 1, due);
                if self.connections[place].departures.len() >= self.shared.plan.pipeline {
                    self.make_unfree(place);
                }
            }
            let stream = &mut self.streams[index];
            if stream.arrivals.next() > now {
                stream.blocked = false;
            }
        }
    }

    /// Takes from the requests that may be made in all: as many as asked, or what is left. None if nothing is.
    fn claim(&self, count: u64) -> Option<u64> {
        let Some(budget) = &self.shared.budget else {
            return Some(count);
        };
        let take = |left: u64| (left > 0).then(|| left.saturating_sub(count));
        let left = budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .ok()?;
        Some(left.min(count))
    }

    /// Sends the next requests of a closed loop, as many as there may be.
    fn depart(&mut self, place: usize, count: usize, due: Instant) {
        let connection = &mut self.connections[place];
        if connection.socket.is_none() || self.stopped {
            return;
        }
        let mut count = count as u64;
        if let Some(per_connection) = self.shared.plan.per_connection {
            count = count.min(per_connection - connection.made);
        }
        let due = connection.begun.take().unwrap_or(due);
        if count > 0
            && let Some(granted) = self.claim(count)
        {
            self.send(place, granted as usize, due);
        }
    }

    fn send(&mut self, place: usize, count: usize, due: Instant) {
        let connection = &mut self.connections[place];
        let Some(socket) = &connection.socket else {
            return;
        };
        let content = self.shared.content;
        let mut failure = None;
        let mut left = count;
        while left > 0 && failure.is_none() {
            let at_once = left.min(content.requests_per_send());
            left -= at_once;
            let first = connection.departures.len();
            for _ in 0..at_once {
                self.next_id += 1;
                let departure = content.request(self.next_id, due, &mut self.random);
                connection.departures.push_back(departure);
            }
            let requests = connection.departures.range(first..);
            let payload = content.payload(connection.sent, requests);
            connection.sent += payload.len() as u64;
            failure = socket.send_quietly(payload).err();
        }
        connection.made += count as u64;
        self.under_way += count - left;
        if let Some(refused) = failure {
            self.lose(place, Some(format!("send: {}", refused.error)));
        }
    }

    /// Takes in what completed.
    fn complete(&mut self, completion: Completion<Key>, now: Instant) {
        let Key::Connection(place, generation) = completion.key else {
            self.stopped = true;
            return;
        };
        if let Done::Connected { .. } = completion.done {
            self.connecting -= 1;
        }
        if self.connections[place].generation != generation {
            // What is left of an earlier connection in the same place.
            return;
        }
        match (completion.done, completion.result) {
            (Done::Connected { socket }, Ok(_)) => self.connected(place, socket, now),
            (Done::Connected { .. }, Err(error)) => {
                self.outcome.errors.add(format!("connect: {error}"));
            }
            (Done::Received { .. }, Ok(0)) => {
                self.lose(
                    place,
                    Some("receive: the server has closed the connection".into()),
                );
            }
            (Done::Received { socket, buffer }, Ok(_)) => {
                self.received(place, &socket, &buffer, now);
            }
            (Done::Received { .. }, Err(error)) => {
                self.lose(place, Some(format!("receive: {error}")));
            }
            // A send that succeeds is quiet.
            (Done::Sent { .. }, Err(error)) => self.lose(place, Some(format!("send: {error}"))),
            _ => {}
        }
    }

    fn connected(&mut self, place: usize, socket: Socket<Key>, now: Instant) {
        let receiving = socket
            .set_nodelay(true)
            .and_then(|()| socket.receive_from(&self.buffers));
        self.connections[place].socket = Some(socket);
        self.open += 1;
        if let Err(error) = receiving {
            self.lose(place, Some(format!("receive: {error}")));
            return;
        }
        if self.times.is_none() {
            self.outcome.connected += 1;
            self.shared.connected.fetch_add(1, Ordering::Relaxed);
        } else if !self.is_over(now) {
            self.depart(place, self.shared.plan.pipeline, now);
        }
    }

    fn received(&mut self, place: usize, socket: &Socket<Key>, bytes: &Buffer, now: Instant) {
        let content = self.shared.content;
        let connection = &mut self.connections[place];
        if !content.is_expected(connection.received, bytes, connection.departures.iter()) {
            self.outcome.wrong += 1;
            self.lose(place, None);
            return;
        }
        let size = content.size() as u64;
        let answered_before = connection.received / size;
        connection.received += bytes.len() as u64;
        let answered = (connection.received / size - answered_before) as usize;
        for _ in 0..answered {
            let departure = self.connections[place].departures.pop_front();
            self.record(departure.expect("it was expected"), now);
        }
        self.under_way -= answered;
        if answered > 0 {
            self.last_answer = now;
            self.shared
                .answered
                .fetch_add(answered as u64, Ordering::Relaxed);
            self.answered(place, answered, now);
        }
        // It may have been lost or replaced meanwhile.
        if self.connections[place].socket.as_ref() == Some(socket)
            && let Err(error) = socket.receive_from(&self.buffers)
        {
            self.lose(place, Some(format!("receive: {error}")));
        }
    }

    /// What follows from answers on a connection.
    fn answered(&mut self, place: usize, answered: usize, now: Instant) {
        let connection = &self.connections[place];
        let is_used_up = Some(connection.made) == self.shared.plan.per_connection;
        if is_used_up && connection.departures.is_empty() {
            self.replace(place, now);
        } else if matches!(self.shared.plan.pace, Pace::Open { .. }) {
            self.make_free(place);
        } else if !self.is_over(now) {
            self.depart(place, answered, now);
        }
    }

    fn record(&mut self, departure: Departure, now: Instant) {
        let Some(times) = self.times else { return };
        // An open loop counts what was due in time though it came late: to leave it out would be to leave out the slowest.
        let in_time = match self.shared.plan.pace {
            Pace::Closed => now,
            Pace::Open { .. } => departure.due,
        };
        if now >= times.measure && times.end.is_none_or(|end| in_time < end) {
            self.outcome.requests += 1;
            let latency = now.saturating_duration_since(departure.due);
            self.outcome.latency.saturating_record(nanoseconds(latency));
        }
    }

    /// Closes a connection in order, and begins another in its place.
    fn replace(&mut self, place: usize, now: Instant) {
        self.vacate(place);
        if !self.is_over(now) && !self.is_used_up() && !self.stopped {
            self.begin(place);
        }
    }

    /// A connection is gone, and with it what was under way on it.
    fn lose(&mut self, place: usize, why: Option<String>) {
        let lost = self.connections[place].departures.len();
        if let Some(why) = why {
            self.outcome.errors.add(why);
        }
        self.outcome.missing += lost as u64;
        self.under_way -= lost;
        self.vacate(place);
    }

    fn vacate(&mut self, place: usize) {
        if !self.streams.is_empty() {
            self.make_unfree(place);
        }
        let connection = &mut self.connections[place];
        let vacant = Connection::new(connection.number, self.shared.content.size());
        let generation = connection.generation + 1;
        let old = std::mem::replace(
            connection,
            Connection {
                generation,
                ..vacant
            },
        );
        if let Some(socket) = old.socket {
            self.open -= 1;
            socket.close();
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.times
            .and_then(|times| times.end)
            .is_some_and(|end| now >= end)
    }

    /// Whether there is nothing left to do.
    fn has_ended(&mut self, now: Instant, times: Times) -> bool {
        if self.processor_at_measure.is_none() && now >= times.measure {
            self.processor_at_measure = processor_time();
        }
        if self.is_over(now) {
            self.note_processor();
        }
        let over = self.is_over(now) || self.is_used_up() || self.open + self.connecting == 0;
        let overdue = self.overdue_at(times).is_some_and(|overdue| now >= overdue);
        self.stopped || overdue || (over && self.under_way == 0)
    }

    /// Whether all requests that were to be made are made.
    fn is_used_up(&self) -> bool {
        let budget = self.shared.budget.as_ref();
        budget.is_some_and(|budget| budget.load(Ordering::Relaxed) == 0)
    }

    /// When what is not answered never will be: some time after the end, or, in a run that only the answers end, after the
    /// last of them.
    fn overdue_at(&self, times: Times) -> Option<Instant> {
        let patience = self.shared.plan.drain_timeout;
        match times.end {
            Some(end) => Some(end + patience),
            None if self.under_way == 0 => None,
            None => Some(self.last_answer + patience + self.shared.content.longest()),
        }
    }

    /// How long to wait at most.
    fn next_look(&self, now: Instant, times: Times) -> Option<Duration> {
        let due = self
            .streams
            .iter()
            .filter(|stream| !stream.free.is_empty() && !self.departed_last)
            .map(|stream| stream.arrivals.next());
        let phases = [Some(times.measure), times.end, self.overdue_at(times)];
        due.chain(phases.into_iter().flatten())
            .filter(|at| *at > now)
            .min()
            .map(|at| at - now)
    }

    /// Notes, once, what processor time the measured part took.
    fn note_processor(&mut self) {
        if std::mem::replace(&mut self.is_processor_noted, true) {
            return;
        }
        let before = self.processor_at_measure.unwrap_or_default();
        let used = processor_time().map(|time| time.saturating_sub(before));
        self.outcome.load.extend(used);
    }

    fn conclude(&mut self, now: Instant, times: Times) {
        self.note_processor();
        let end = times.end.map_or(now, |end| end.min(now));
        self.outcome.measured = end.saturating_duration_since(times.measure);
        // An interrupted run leaves answers behind that nobody has refused.
        if !self.stopped {
            self.outcome.missing += self.under_way as u64;
        }
        // Where none was blocked, the requests were used up.
        for stream in self.streams.iter_mut().filter(|stream| stream.blocked) {
            while stream.arrivals.next() < end {
                let waited = end.saturating_duration_since(stream.arrivals.take());
                self.outcome.unsent += 1;
                self.outcome.latency.saturating_record(nanoseconds(waited));
            }
        }
    }
}

impl Connection {
    fn new(number: usize, size: usize) -> Self {
        // Each in another place of the stream, so that an answer to another connection's request is a wrong one.
        let position = (number * 61 * size) as u64;
        Connection {
            socket: None,
            generation: 0,
            number,
            departures: VecDeque::new(),
            sent: position,
            received: position,
            made: 0,
            begun: None,
            free: None,
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
