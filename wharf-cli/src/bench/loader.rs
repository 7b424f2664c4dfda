//! One thread of the load: its connections, on a completion port of its own.
//!
//! A connection that has room for a request is *free*. In a closed loop each answer frees a place and the next request
//! takes it at once; in an [open loop](super::open_loop) those that are due take free connections at random.

use std::{
    io,
    sync::{atomic::Ordering, mpsc},
    thread,
    time::{Duration, Instant},
};

use wharf::{Buffer, Completion, CompletionPort, Done, Pool, Socket, Wait};

use super::{
    connection::{Connection, Key},
    deadline::after,
    dialer::{CONNECTING_MAX, Dialer, is_to_itself},
    event::Event,
    living::Living,
    measurement::Measurement,
    open_loop::{Leaving, OpenLoop},
    outcome::Outcome,
    pace::Pace,
    patience::Patience,
    sender::Sender,
    shared::{Shared, Times},
    source,
};
use crate::{quantity::show_duration, system::wait_exactly};

/// So many requests of an open loop leave before the next look at what has completed, however many are due.
const DEPARTURES_PER_TURN: usize = 256;

/// The receive buffers: one large answer, or many small ones.
const RECEIVE_BYTES: std::ops::RangeInclusive<usize> = 4 << 10..=64 << 10;

pub(super) struct Loader<'a> {
    shared: &'a Shared<'a>,
    port: CompletionPort<Key>,
    buffers: Pool,
    connections: Vec<Connection>,
    dialer: Dialer,
    living: Living<'a>,
    thread: usize,
    open_loop: Option<OpenLoop>,
    sender: Sender<'a>,
    measurement: Measurement,
    patience: Patience,
    stopped: bool,
}

impl<'a> Loader<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, thread: usize) -> Self {
        let (plan, size) = (shared.plan, shared.content.size());
        let buffer_bytes = size
            .saturating_mul(plan.pipeline)
            .clamp(*RECEIVE_BYTES.start(), *RECEIVE_BYTES.end());
        let connections = plan
            .share(thread)
            .map(|number| Connection::new(number, size))
            .collect();
        let port = shared.threads[thread].port.clone();
        Loader {
            shared,
            port: port.clone(),
            buffers: Pool::new(buffer_bytes),
            connections,
            dialer: Dialer::new(port, shared.address, plan, thread),
            living: Living::new(shared, thread),
            thread,
            open_loop: None,
            sender: Sender::new(shared, thread),
            measurement: Measurement::new(plan),
            patience: Patience::new(plan, shared.content.longest(), Instant::now()),
            stopped: false,
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
            && !self.is_stopped()
        {
            self.load(times)?;
        }
        Ok(self.measurement.outcome)
    }

    fn connect_all(&mut self) -> io::Result<()> {
        let mut next = 0;
        loop {
            while next < self.connections.len()
                && self.dialer.has_room()
                && !self.dialer.is_vain()
                && !self.is_stopped()
            {
                self.begin(next);
                next += 1;
            }
            if self.dialer.under_way() == 0 || self.is_stopped() {
                break;
            }
            let now = Instant::now();
            let wait = self
                .dialer
                .next_end(&self.connections)
                .map(|at| at.saturating_duration_since(now));
            match self.port.wait(wait)? {
                Wait::Completed(completion) => self.complete(completion, Instant::now()),
                Wait::TimedOut => {}
                Wait::Closed => break,
            }
            self.give_up_attempts(Instant::now());
        }
        let untried = self.connections.len() - next;
        if untried > 0 && !self.is_stopped() {
            let what = format!("connect: not tried, since {CONNECTING_MAX} in a row took too long");
            self.measurement
                .outcome
                .errors
                .add_many(what, untried as u64);
        }
        Ok(())
    }

    fn begin(&mut self, place: usize) {
        let now = Instant::now();
        let begun = self.dialer.begin(place, &mut self.connections[place], now);
        if let Err(error) = begun {
            self.refused(place, &error, now);
        }
    }

    /// An attempt to connect came to nothing.
    fn refused(&mut self, place: usize, error: &io::Error, now: Instant) {
        self.measurement.outcome.errors.add(match error.kind() {
            io::ErrorKind::AddrNotAvailable => source::all_taken(error),
            _ => format!("connect: {error}"),
        });
        self.vacate(place, now);
        self.connections[place].is_refused = true;
        self.make_again(place, now);
    }

    /// Connections that were lost, or could not be made, are made again if that is wanted.
    fn make_again(&mut self, place: usize, now: Instant) {
        let connection = &mut self.connections[place];
        connection.failures = connection.failures.saturating_add(1);
        if !self.shared.plan.reconnect || !self.measurement.has_begun() || self.ends_already(now) {
            return;
        }
        self.dialer
            .make_again(place, &mut self.connections[place], now);
    }

    /// Whether no more connections are to be made.
    fn ends_already(&self, now: Instant) -> bool {
        self.measurement.is_over(now) || self.shared.is_used_up() || self.is_stopped()
    }

    /// Whether it was told to end.
    fn is_stopped(&self) -> bool {
        self.stopped || self.shared.stop.load(Ordering::Relaxed)
    }

    fn load(&mut self, times: Times) -> io::Result<()> {
        if let Pace::Open { .. } = self.shared.plan.pace {
            wait_exactly()?;
        }
        self.measurement.begin(times);
        // What left earlier would not count, and each request of a run does.
        thread::sleep(times.start.saturating_duration_since(Instant::now()));
        self.start(times.start);
        let mut now = Instant::now();
        self.patience.answered(now);
        loop {
            self.depart_due(now, times);
            self.meet_deadlines(now);
            if self.has_ended(now, times) {
                break;
            }
            let wait = self.next_look(now, times);
            match self.port.wait(wait)? {
                Wait::Completed(completion) => {
                    now = Instant::now();
                    self.complete(completion, now);
                }
                Wait::TimedOut => now = Instant::now(),
                Wait::Closed => break,
            }
        }
        self.conclude(now);
        Ok(())
    }

    /// The first requests.
    fn start(&mut self, start: Instant) {
        self.living.begin(start);
        if let Pace::Open { rate_hz, .. } = self.shared.plan.pace {
            let (plan, thread) = (self.shared.plan, self.thread);
            let open_loop = OpenLoop::new(plan, rate_hz, thread, start, &mut self.sender.random);
            self.open_loop = Some(open_loop);
            self.share_load(start);
        }
        for place in 0..self.connections.len() {
            if self.is_stopped() {
                return;
            }
            let connection = &mut self.connections[place];
            // How long it took to connect them all is nobody's latency.
            connection.begun = None;
            if connection.socket.is_none() {
                self.make_again(place, start);
            } else if self.open_loop.is_some() {
                self.make_free(place);
            } else {
                self.depart(place, self.shared.plan.pipeline, Instant::now());
            }
        }
    }

    /// Takes this thread's share of an open loop.
    fn share_load(&mut self, now: Instant) {
        if let Some(open_loop) = &mut self.open_loop {
            let [own, all] = self.living.counts();
            open_loop.share(now, own, all);
        }
    }

    /// Another number of connections live, of this thread and so of all.
    fn share_load_anew(&mut self, now: Instant) {
        if self.open_loop.is_some() {
            self.share_load(now);
            self.living.tell_others();
        }
    }

    /// Puts a connection among the free ones of an open loop, if it has room.
    fn make_free(&mut self, place: usize) {
        let connection = &self.connections[place];
        let has_room = connection.departures.len() < self.shared.plan.pipeline;
        if let Some(open_loop) = &mut self.open_loop
            && connection.socket.is_some()
            && has_room
        {
            open_loop.make_free(place);
        }
    }

    fn make_unfree(&mut self, place: usize) {
        if let Some(open_loop) = &mut self.open_loop {
            open_loop.make_unfree(place);
        }
    }

    /// Sends what is due in an open loop, and of much a part.
    fn depart_due(&mut self, now: Instant, times: Times) {
        let open_loop = self.open_loop.as_mut();
        let Some(by) = open_loop.and_then(|open_loop| open_loop.begin_turn(now, times.end)) else {
            return;
        };
        for _ in 0..DEPARTURES_PER_TURN {
            let Some(leaving) = self.take_due(by) else {
                break;
            };
            if !leaving.waited {
                self.measurement.record_lag(leaving.due, now);
            }
            self.send(leaving.place, 1, leaving.due, now);
            if self.connections[leaving.place].departures.len() >= self.shared.plan.pipeline {
                self.make_unfree(leaving.place);
            }
        }
        if let Some(open_loop) = &mut self.open_loop
            && !self.shared.is_used_up()
        {
            open_loop.end_turn(now, times.end);
        }
    }

    /// Takes a request of an open loop that is due by then, if one can leave and may still be made.
    fn take_due(&mut self, by: Instant) -> Option<Leaving> {
        let open_loop = self.open_loop.as_mut()?;
        let stream = open_loop.ready(by)?;
        self.shared.claim(1)?;
        Some(open_loop.take(stream))
    }

    /// Sends the next requests of a closed loop, as many as there may be.
    fn depart(&mut self, place: usize, count: usize, now: Instant) {
        let connection = &mut self.connections[place];
        if connection.socket.is_none() || self.stopped {
            return;
        }
        let mut count = count as u64;
        if let Some(per_connection) = self.shared.plan.per_connection {
            count = count.min(per_connection - connection.made);
        }
        let due = connection.begun.take().unwrap_or(now);
        if count > 0
            && let Some(granted) = self.shared.claim(count)
        {
            self.send(place, granted as usize, due, now);
        }
    }

    fn send(&mut self, place: usize, count: usize, due: Instant, now: Instant) {
        let connection = &mut self.connections[place];
        match self.sender.send(connection, count, due, now) {
            Ok(()) => self.patience.watch(place, connection, now),
            Err(error) => self.lose(place, Some(format!("send: {error}")), now),
        }
    }

    /// Takes in what completed.
    fn complete(&mut self, completion: Completion<Key>, now: Instant) {
        let (place, generation) = match completion.key {
            Key::Connection(place, generation) => (place, generation),
            Key::Shared => {
                self.living.hear();
                return self.share_load(now);
            }
            Key::Stop => {
                self.stopped = true;
                return;
            }
        };
        if let Done::Connected { .. } = completion.done {
            self.dialer.completed();
        }
        if self.connections[place].generation != generation {
            // What is left of an earlier connection in the same place.
            return;
        }
        match (completion.done, completion.result) {
            (Done::Connected { socket }, Ok(_)) => self.connected(place, socket, now),
            (Done::Connected { .. }, Err(error)) => {
                let connection = &mut self.connections[place];
                connection.attempt = None;
                self.dialer.is_reached();
                if self.dialer.has_other_source(connection, &error) {
                    self.begin(place);
                } else {
                    self.refused(place, &error, now);
                }
            }
            (Done::Received { .. }, Ok(0)) => {
                let why = "receive: the server has closed the connection";
                self.lose(place, Some(why.into()), now);
            }
            (Done::Received { socket, buffer }, Ok(_)) => {
                self.received(place, &socket, &buffer, now);
            }
            (Done::Received { .. }, Err(error)) => {
                self.lose(place, Some(format!("receive: {error}")), now);
            }
            // A send that succeeds is quiet.
            (Done::Sent { .. }, Err(error)) => {
                self.lose(place, Some(format!("send: {error}")), now);
            }
            _ => {}
        }
    }

    fn connected(&mut self, place: usize, socket: Socket<Key>, now: Instant) {
        self.connections[place].attempt = None;
        self.dialer.is_reached();
        if is_to_itself(&socket, self.shared.address) {
            socket.reset();
            let error = io::Error::new(
                io::ErrorKind::ConnectionRefused,
                "refused: nobody listens there, and the connection was made to itself",
            );
            return self.refused(place, &error, now);
        }
        let receiving = socket
            .set_nodelay(true)
            .and_then(|()| socket.receive_from(&self.buffers));
        let connection = &mut self.connections[place];
        connection.socket = Some(socket);
        connection.is_refused = false;
        let is_again = std::mem::take(&mut connection.again);
        if is_again && self.shared.plan.per_connection.is_none() {
            // How long it took to make it again is no request's latency.
            connection.begun = None;
        }
        self.living.add(self.connections[place].number);
        self.share_load_anew(now);
        if let Err(error) = receiving {
            self.lose(place, Some(format!("receive: {error}")), now);
            return;
        }
        if !self.measurement.has_begun() {
            self.measurement.outcome.connected += 1;
            self.shared.connected.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.measurement.outcome.reconnected += u64::from(is_again);
        if self.open_loop.is_some() {
            self.make_free(place);
        } else if !self.measurement.is_over(now) {
            self.depart(place, self.shared.plan.pipeline, now);
        }
    }

    fn received(&mut self, place: usize, socket: &Socket<Key>, bytes: &Buffer, now: Instant) {
        let content = self.shared.content;
        let connection = &mut self.connections[place];
        if !content.is_expected(connection.received, bytes, connection.departures.iter()) {
            self.measurement.outcome.wrong += 1;
            self.lose(place, None, now);
            return;
        }
        let size = content.size() as u64;
        let answered_before = connection.received / size;
        connection.received += bytes.len() as u64;
        connection.failures = 0;
        let answered = (connection.received / size - answered_before) as usize;
        let mut is_late = false;
        for _ in 0..answered {
            let departure = self.connections[place].departures.pop_front();
            let departure = departure.expect("it was expected");
            is_late |= self.measurement.record(&departure, now);
        }
        self.sender.completed(answered);
        if answered > 0 {
            self.patience.answered(now);
            self.shared
                .answered
                .fetch_add(answered as u64, Ordering::Relaxed);
            if is_late {
                return self.give_up(place, now);
            }
            self.answered(place, answered, now);
        }
        // It may have been lost or replaced meanwhile.
        if self.connections[place].socket.as_ref() == Some(socket)
            && let Err(error) = socket.receive_from(&self.buffers)
        {
            self.lose(place, Some(format!("receive: {error}")), now);
        }
    }

    /// What follows from answers on a connection.
    fn answered(&mut self, place: usize, answered: usize, now: Instant) {
        let connection = &self.connections[place];
        let is_used_up = Some(connection.made) == self.shared.plan.per_connection;
        if is_used_up && connection.departures.is_empty() {
            self.replace(place, now);
        } else if self.open_loop.is_some() {
            self.make_free(place);
        } else if !self.measurement.is_over(now) {
            self.depart(place, answered, now);
        }
    }

    /// Closes a connection in order, and begins another in its place.
    fn replace(&mut self, place: usize, now: Instant) {
        self.vacate(place, now);
        if !self.ends_already(now) {
            self.begin(place);
        }
    }

    /// Gives a connection up of which a request was not answered in time.
    fn give_up(&mut self, place: usize, now: Instant) {
        let timeout = self.shared.plan.timeout.unwrap_or_default();
        let why = format!(
            "request: no answer within {}, so that its connection was given up",
            show_duration(timeout)
        );
        self.lose(place, Some(why), now);
    }

    /// A connection is gone, and with it what was under way on it.
    fn lose(&mut self, place: usize, why: Option<String>, now: Instant) {
        let lost = self.connections[place].departures.len();
        self.measurement.record_loss(why, lost);
        self.sender.completed(lost);
        self.vacate(place, now);
        self.make_again(place, now);
    }

    fn vacate(&mut self, place: usize, now: Instant) {
        self.make_unfree(place);
        let connection = &mut self.connections[place];
        let vacated = connection.vacated(self.shared.content.size());
        let old = std::mem::replace(connection, vacated);
        if let Some(socket) = old.socket {
            socket.close();
            self.living.remove(self.connections[place].number, now);
            self.share_load_anew(now);
        }
    }

    /// Gives attempts to connect up that have taken too long.
    fn give_up_attempts(&mut self, now: Instant) {
        while let Some(place) = self.dialer.give_up(&mut self.connections, now) {
            let timeout = show_duration(self.shared.plan.connect_timeout);
            let error = format!("no connection within {timeout}");
            let error = io::Error::new(io::ErrorKind::TimedOut, error);
            self.refused(place, &error, now);
        }
    }

    /// Does what is to be done at some time, and has come.
    fn meet_deadlines(&mut self, now: Instant) {
        self.give_up_attempts(now);
        while let Some(place) = self.patience.take_due(&mut self.connections, now) {
            self.give_up_requests(place, now);
        }
        while let Some(place) = self.dialer.take_again(&self.connections, now) {
            if !self.ends_already(now) {
                self.begin(place);
            }
        }
    }

    /// Gives up the requests of a connection that have been under way for too long, and the connection with them.
    fn give_up_requests(&mut self, place: usize, now: Instant) {
        while let Some(departure) = self.connections[place].departures.front().copied()
            && self.measurement.is_timed_out(&departure, now)
        {
            self.connections[place].departures.pop_front();
            self.sender.completed(1);
            self.measurement.record(&departure, now);
        }
        self.give_up(place, now);
    }

    /// Whether there is nothing left to do.
    fn has_ended(&mut self, now: Instant, times: Times) -> bool {
        self.measurement.read_processor(now);
        let overdue =
            self.patience.is_overdue() || self.overdue_at(times).is_some_and(|at| now >= at);
        let over = match &self.open_loop {
            Some(open_loop) if self.measurement.is_over(now) => open_loop.has_ended(),
            // What is due and can't leave counts to the end.
            Some(_) => times.end.is_none() && self.is_deserted(),
            None => self.measurement.is_over(now) || self.is_deserted(),
        };
        let over = over || self.shared.is_used_up();
        self.is_stopped() || overdue || (over && self.sender.under_way() == 0)
    }

    /// Whether no connection lives, and none is to be made.
    fn is_deserted(&self) -> bool {
        self.living.is_none() && !self.dialer.is_any_to_be_made()
    }

    /// When it ends whatever has not come: some time after the end; or, in a run that only its requests end, when no
    /// connection has come back for as long as an attempt and the patience for an answer take.
    fn overdue_at(&self, times: Times) -> Option<Instant> {
        let plan = self.shared.plan;
        match times.end {
            Some(end) => Some(after(end, plan.drain_timeout)),
            None => {
                let patience = plan.drain_timeout.saturating_add(plan.connect_timeout);
                let down_since = self.living.down_since();
                down_since.map(|since| after(since, patience))
            }
        }
    }

    /// How long to wait at most.
    fn next_look(&mut self, now: Instant, times: Times) -> Option<Duration> {
        let open_loop = self.open_loop.as_ref();
        if open_loop.is_some_and(OpenLoop::is_behind) {
            return Some(Duration::ZERO);
        }
        let [given_up, again] = self.dialer.next_looks(&self.connections);
        let looks = [
            open_loop.and_then(OpenLoop::next_turn),
            given_up,
            again,
            self.patience.next_look(),
            Some(times.measure),
            times.end,
            self.overdue_at(times),
        ];
        looks
            .into_iter()
            .flatten()
            .filter(|at| *at > now)
            .min()
            .map(|at| at - now)
    }

    fn conclude(&mut self, now: Instant) {
        let end = self.measurement.conclude(now);
        // An interrupted run leaves answers behind that nobody has refused.
        if !self.is_stopped() {
            self.measurement.outcome.missing += self.sender.under_way() as u64;
        }
        let down = self.connections.iter().filter(|connection| {
            self.shared.plan.reconnect && connection.socket.is_none() && connection.is_refused
        });
        self.measurement.outcome.down = down.count() as u64;
        let Some(mut open_loop) = self.open_loop.take() else {
            return;
        };
        let (shared, measurement) = (self.shared, &mut self.measurement);
        open_loop.take_all(end, |due, count| {
            // Where the requests are used up, none of these was to be made.
            if let Some(count) = shared.claim(count) {
                measurement.record_unsent(due, count, end);
            }
        });
    }
}
