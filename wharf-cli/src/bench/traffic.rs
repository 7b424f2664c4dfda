//! What goes to and fro on the connections of one thread: requests that leave, and answers.
//!
//! A connection that has room for a request is *free*. In a closed loop each answer frees a place and the next request
//! takes it at once; in an [open loop](super::open_loop) those that are due take free connections at random.

use std::{io, sync::atomic::Ordering, time::Instant};

use wharf::{Buffer, Finished, Socket};

use super::{
    connection::Key,
    connections::Connections,
    content::{End, Taken},
    open_loop::{Leaving, OpenLoop},
    pace::Pace,
    patience::Patience,
    sender::Sender,
    shared::{LoadState, Times},
};
use crate::quantity::show_duration;

/// So many requests of an open loop leave before the next look at what has completed, however many are due.
const DEPARTURES_PER_TURN: usize = 256;

/// The requests and answers of one thread.
#[derive(Debug)]
pub(super) struct Traffic<'a> {
    shared: &'a LoadState<'a>,
    thread: usize,
    pub(super) connections: Connections<'a>,
    pub(super) sender: Sender<'a>,
    pub(super) patience: Patience,
}

impl<'a> Traffic<'a> {
    pub(super) fn new(shared: &'a LoadState<'a>, thread: usize) -> Self {
        Traffic {
            shared,
            thread,
            connections: Connections::new(shared, thread),
            sender: Sender::new(shared, thread),
            patience: Patience::new(shared.plan, shared.content.longest(), Instant::now()),
        }
    }

    /// The first requests.
    pub(super) fn begin(&mut self, start: Instant) {
        let (plan, random) = (self.shared.plan, &mut self.sender.random);
        let open_loop = match plan.pace {
            Pace::Closed => None,
            Pace::Open { rate_hz, .. } => {
                Some(OpenLoop::new(plan, rate_hz, self.thread, start, random))
            }
        };
        self.connections.share.begin(open_loop, start);
        for place in 0..self.connections.places.len() {
            if self.shared.is_stopped() {
                break;
            }
            let connection = &mut self.connections.places[place];
            // The time that it took to connect them all counts as no request's latency.
            connection.begun = None;
            if connection.socket.is_none() {
                self.connections.make_again(place, start);
            } else if self.connections.share.open_loop.is_some() {
                self.connections.make_free(place);
            } else {
                self.depart(place, plan.pipeline, Instant::now());
            }
        }
    }

    /// A connection has room for so many more requests.
    fn fill(&mut self, place: usize, room: usize, now: Instant) {
        if self.connections.share.open_loop.is_some() {
            self.connections.make_free(place);
        } else if !self.connections.measurement.is_over(now) {
            self.depart(place, room, now);
        }
    }

    /// Sends the next requests of a closed loop, as many as there may be.
    fn depart(&mut self, place: usize, count: usize, now: Instant) {
        let connection = &mut self.connections.places[place];
        if connection.socket.is_none() || self.shared.is_stopped() {
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

    /// Sends what is due in an open loop, and of much a part.
    pub(super) fn depart_due(&mut self, now: Instant, times: Times) {
        let open_loop = self.connections.share.open_loop.as_mut();
        let Some(by) = open_loop.and_then(|open_loop| open_loop.begin_turn(now, times.end)) else {
            return;
        };
        for _ in 0..DEPARTURES_PER_TURN {
            let Some(leaving) = self.take_due(by) else {
                break;
            };
            if !leaving.waited {
                self.connections.measurement.record_lag(leaving.due, now);
            }
            self.send(leaving.place, 1, leaving.due, now);
            let connection = &self.connections.places[leaving.place];
            if connection.departures.len() >= self.shared.plan.pipeline {
                self.connections.share.make_unfree(leaving.place);
            }
        }
        if let Some(open_loop) = &mut self.connections.share.open_loop
            && !self.shared.is_used_up()
        {
            open_loop.end_turn(now, times.end);
        }
    }

    /// Takes a request of an open loop that is due by then, if one can leave and may still be made.
    fn take_due(&mut self, by: Instant) -> Option<Leaving> {
        let open_loop = self.connections.share.open_loop.as_mut()?;
        let stream = open_loop.ready(by)?;
        self.shared.claim(1)?;
        Some(open_loop.take(stream))
    }

    fn send(&mut self, place: usize, count: usize, due: Instant, now: Instant) {
        let connection = &mut self.connections.places[place];
        match self.sender.send(connection, count, due, now) {
            Ok(()) => self.patience.watch(place, connection, now),
            Err(error) => self.lose(place, Some(format!("send: {error}")), now),
        }
    }

    /// Takes in what completed on a connection.
    pub(super) fn complete(
        &mut self,
        (place, generation): (usize, u64),
        done: Finished<Key>,
        result: io::Result<usize>,
        now: Instant,
    ) {
        if let Finished::Connected { .. } = done {
            self.connections.dialer.completed();
        }
        if self.connections.places[place].generation != generation {
            // What is left of an earlier connection in the same place.
            return;
        }
        match (done, result) {
            (Finished::Connected { socket }, Ok(_)) => self.connected(place, socket, now),
            (Finished::Connected { .. }, Err(error)) => self.connections.failed(place, &error, now),
            (Finished::Received { .. }, Ok(0)) => {
                let connection = &mut self.connections.places[place];
                let taken = self.shared.content.take_close(connection);
                self.take(place, taken, now);
            }
            (Finished::Received { socket, buffer }, Ok(_)) => {
                self.received(place, &socket, &buffer, now);
            }
            (Finished::Received { .. }, Err(error)) => {
                self.lose(place, Some(format!("receive: {error}")), now);
            }
            // A send that succeeds is quiet.
            (Finished::Sent { .. }, Err(error)) => {
                self.lose(place, Some(format!("send: {error}")), now);
            }
            _ => {}
        }
    }

    fn connected(&mut self, place: usize, socket: Socket<Key>, now: Instant) {
        if let Err(error) = self.connections.connected(place, socket, now) {
            self.lose(place, Some(format!("receive: {error}")), now);
        } else if self.connections.measurement.has_begun() {
            self.fill(place, self.shared.plan.pipeline, now);
        }
    }

    fn received(&mut self, place: usize, socket: &Socket<Key>, bytes: &Buffer, now: Instant) {
        let connection = &mut self.connections.places[place];
        let taken = self.shared.content.take_in(connection, bytes);
        self.take(place, taken, now);
        // It may have been lost or replaced meanwhile.
        if self.connections.places[place].socket.as_ref() == Some(socket)
            && let Err(error) = socket.receive_from(&self.connections.buffers)
        {
            self.lose(place, Some(format!("receive: {error}")), now);
        }
    }

    /// Notes what has come on a connection, and goes on with what follows from it.
    fn take(&mut self, place: usize, taken: Taken, now: Instant) {
        let Connections {
            places,
            measurement,
            ..
        } = &mut self.connections;
        let mut is_late = false;
        for departure in places[place].departures.drain(..taken.answered) {
            is_late |= measurement.record(&departure, now);
        }
        if let Some(End::Wrong(_)) = taken.end {
            measurement.outcome.wrong += 1;
        }
        if taken.answered > 0 {
            self.note_answers(taken.answered, now);
        }
        match taken.end {
            Some(End::Wrong(why)) => self.lose(place, why, now),
            _ if is_late => self.give_up(place, now),
            Some(End::Lost(why)) => self.lose(place, Some(why), now),
            Some(End::Closed) => self.replace_closed(place, now),
            None if taken.answered > 0 => self.answered(place, taken.answered, now),
            None => {}
        }
    }

    /// Makes a connection anew that the server has ended with an answer. Requests behind that one are lost.
    fn replace_closed(&mut self, place: usize, now: Instant) {
        let behind = self.connections.places[place].departures.len();
        let outcome = &mut self.connections.measurement.outcome;
        outcome.replaced += 1;
        if behind > 0 {
            outcome.missing += behind as u64;
            let why = "answer: it ends its connection, with other requests under way; use --pipeline 1, or in a closed \
                       loop --per-connection";
            outcome.errors.add(why.into());
            self.sender.completed(behind);
        }
        self.connections.replace(place, now);
    }

    fn note_answers(&mut self, count: usize, now: Instant) {
        self.sender.completed(count);
        self.patience.answered(now);
        let answered = &self.shared.answered;
        answered.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// What follows from answers on a connection.
    fn answered(&mut self, place: usize, answered: usize, now: Instant) {
        let connection = &self.connections.places[place];
        let is_used_up = Some(connection.made) == self.shared.plan.per_connection;
        if is_used_up && connection.departures.is_empty() {
            self.connections.replace(place, now);
        } else {
            self.fill(place, answered, now);
        }
    }

    /// Gives up what has been under way for too long: attempts to connect, and requests with their connections.
    pub(super) fn meet_deadlines(&mut self, now: Instant) {
        self.connections.give_up_attempts(now);
        let answers = self.shared.answered.load(Ordering::Relaxed);
        self.patience.have_answered(answers, now);
        while let Some(place) = self.patience.take_due(&mut self.connections.places, now) {
            self.give_up_requests(place, now);
        }
        self.connections.begin_again(now);
    }

    /// Gives up the requests of a connection that have been under way for too long, and the connection with them.
    fn give_up_requests(&mut self, place: usize, now: Instant) {
        let Connections {
            places,
            measurement,
            ..
        } = &mut self.connections;
        let departures = &mut places[place].departures;
        while let Some(oldest) = departures.front().copied() {
            if !measurement.is_timed_out(&oldest, now) {
                break;
            }
            departures.pop_front();
            self.sender.completed(1);
            measurement.record(&oldest, now);
        }
        self.give_up(place, now);
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
        let lost = self.connections.places[place].departures.len();
        self.connections.measurement.record_loss(why, lost);
        self.sender.completed(lost);
        self.connections.vacate(place, now);
        self.connections.make_again(place, now);
    }
}
