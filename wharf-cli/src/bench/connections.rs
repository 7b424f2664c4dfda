//! The connections of one thread: made, lost, made again and replaced.
//!
//! Each has a place. What was in a place before is told from what is there now by its generation.

use std::{io, mem, ops::RangeInclusive, sync::atomic::Ordering, time::Instant};

use wharf::{BufferPool, Socket};

use super::{
    connection::{Connection, Key},
    dialer::{CONNECTING_MAX, Dialer, is_to_itself},
    load_share::LoadShare,
    measurement::Measurement,
    shared::LoadState,
    source,
};
use crate::quantity::show_duration;

/// The receive buffers: one large answer, or many small ones. Of answers over HTTP nobody knows how large they are.
const RECEIVE_BYTES: RangeInclusive<usize> = 4 << 10..=64 << 10;

/// The connections of one thread.
#[derive(Debug)]
pub(super) struct Connections<'a> {
    shared: &'a LoadState<'a>,
    pub(super) places: Vec<Connection>,
    pub(super) dialer: Dialer,
    pub(super) share: LoadShare<'a>,
    pub(super) buffers: BufferPool,
    pub(super) measurement: Measurement,
}

impl<'a> Connections<'a> {
    pub(super) fn new(shared: &'a LoadState<'a>, thread: usize) -> Self {
        let (plan, size) = (shared.plan, shared.content.size());
        let answer_bytes = shared.content.answer_bytes();
        let buffer_bytes =
            answer_bytes.map_or(usize::MAX, |bytes| bytes.saturating_mul(plan.pipeline));
        let buffer_bytes = buffer_bytes.clamp(*RECEIVE_BYTES.start(), *RECEIVE_BYTES.end());
        let places = plan
            .share(thread)
            .map(|number| Connection::new(number, size))
            .collect();
        let port = shared.threads[thread].port.clone();
        Connections {
            shared,
            places,
            dialer: Dialer::new(port, shared.address, plan, thread),
            share: LoadShare::new(shared, thread),
            buffers: BufferPool::new(buffer_bytes),
            measurement: Measurement::new(plan),
        }
    }

    /// Begins to make connections from this place on, as many as may be on their way. Says which place is next.
    pub(super) fn begin_from(&mut self, mut next: usize) -> usize {
        while next < self.places.len()
            && self.dialer.has_room()
            && !self.dialer.is_vain()
            && !self.shared.is_stopped()
        {
            self.begin(next);
            next += 1;
        }
        next
    }

    /// No connection was tried from this place on.
    pub(super) fn note_untried(&mut self, next: usize) {
        let untried = self.places.len() - next;
        if untried > 0 && !self.shared.is_stopped() {
            let what = format!("connect: not tried, since {CONNECTING_MAX} in a row took too long");
            let errors = &mut self.measurement.outcome.errors;
            errors.add_many(what, untried as u64);
        }
    }

    fn begin(&mut self, place: usize) {
        let now = Instant::now();
        let begun = self.dialer.begin(place, &mut self.places[place], now);
        if let Err(error) = begun {
            self.refused(place, &error, now);
        }
    }

    /// An attempt to connect has completed with a connection.
    ///
    /// # Errors
    /// Nothing can be received on it, so that it is to be lost. If it is not what it should be, that counts as a refusal,
    /// and its place is vacant.
    pub(super) fn connected(
        &mut self,
        place: usize,
        socket: Socket<Key>,
        now: Instant,
    ) -> io::Result<()> {
        self.places[place].attempt = None;
        self.dialer.is_reached();
        if is_to_itself(&socket, self.shared.address) {
            socket.reset();
            let error = io::Error::new(
                io::ErrorKind::ConnectionRefused,
                "refused: nobody listens there, and the connection was made to itself",
            );
            self.refused(place, &error, now);
            return Ok(());
        }
        let receiving = socket
            .set_nodelay(true)
            .and_then(|()| socket.receive_from(&self.buffers));
        let connection = &mut self.places[place];
        connection.socket = Some(socket);
        connection.is_refused = false;
        let is_again = mem::take(&mut connection.again);
        if is_again && self.shared.plan.per_connection.is_none() {
            // How long it took to make it again is no request's latency.
            connection.begun = None;
        }
        self.share.add(connection.number, now);
        receiving?;
        if self.measurement.has_begun() {
            self.measurement.outcome.reconnected += u64::from(is_again);
        } else {
            self.measurement.outcome.connected += 1;
            self.shared.connected.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// An attempt to connect has completed with an error.
    pub(super) fn failed(&mut self, place: usize, error: &io::Error, now: Instant) {
        let connection = &mut self.places[place];
        connection.attempt = None;
        self.dialer.is_reached();
        if self.dialer.has_other_source(connection, error) {
            self.begin(place);
        } else {
            self.refused(place, error, now);
        }
    }

    /// An attempt to connect came to nothing.
    fn refused(&mut self, place: usize, error: &io::Error, now: Instant) {
        self.measurement.outcome.errors.add(match error.kind() {
            io::ErrorKind::AddrNotAvailable => source::all_taken(error),
            _ => format!("connect: {error}"),
        });
        self.vacate(place, now);
        self.places[place].is_refused = true;
        self.make_again(place, now);
    }

    /// A connection that was lost, or could not be made, is to be made again if that is wanted.
    pub(super) fn make_again(&mut self, place: usize, now: Instant) {
        let connection = &mut self.places[place];
        connection.failures = connection.failures.saturating_add(1);
        if self.shared.plan.reconnect && self.measurement.has_begun() && !self.ends_already(now) {
            self.dialer.make_again(place, &mut self.places[place], now);
        }
    }

    /// Closes a connection in order, and begins another in its place.
    pub(super) fn replace(&mut self, place: usize, now: Instant) {
        self.vacate(place, now);
        if !self.ends_already(now) {
            self.begin(place);
        }
    }

    /// Closes what is in a place.
    pub(super) fn vacate(&mut self, place: usize, now: Instant) {
        self.share.make_unfree(place);
        let connection = &mut self.places[place];
        let vacated = connection.vacated(self.shared.content.size());
        let old = mem::replace(connection, vacated);
        if let Some(socket) = old.socket {
            socket.close();
            self.share.remove(old.number, now);
        }
    }

    /// Puts a connection among the free ones of an open loop, if it has room.
    pub(super) fn make_free(&mut self, place: usize) {
        let connection = &self.places[place];
        if connection.socket.is_some() && connection.departures.len() < self.shared.plan.pipeline {
            self.share.make_free(place);
        }
    }

    /// Gives attempts to connect up that have taken too long.
    pub(super) fn give_up_attempts(&mut self, now: Instant) {
        while let Some(place) = self.dialer.give_up(&mut self.places, now) {
            let timeout = show_duration(self.shared.plan.connect_timeout);
            let error = format!("no connection within {timeout}");
            let error = io::Error::new(io::ErrorKind::TimedOut, error);
            self.refused(place, &error, now);
        }
    }

    /// Begins to make connections again of which the time has come.
    pub(super) fn begin_again(&mut self, now: Instant) {
        while let Some(place) = self.dialer.take_again(&self.places, now) {
            if !self.ends_already(now) {
                self.begin(place);
            }
        }
    }

    /// Whether no more connections are to be made.
    fn ends_already(&self, now: Instant) -> bool {
        self.measurement.is_over(now) || self.shared.is_used_up() || self.shared.is_stopped()
    }

    /// Whether no connection lives, and none is to be made.
    pub(super) fn is_deserted(&self) -> bool {
        self.share.living.is_none() && !self.dialer.is_any_to_be_made()
    }

    /// How many could not be made again.
    pub(super) fn down(&self) -> usize {
        let down = self.places.iter().filter(|connection| {
            self.shared.plan.reconnect && connection.socket.is_none() && connection.is_refused
        });
        down.count()
    }
}
