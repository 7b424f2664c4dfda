//! Makes connections: some at once, each from an address of ours that has a port left, and each in its time.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use wharf::{CompletionPort, Socket};

use super::{
    connection::{Connection, Key},
    deadline::{Deadlines, after},
    plan::Plan,
    source::Sources,
};

/// So many connections are on their way at once: fewer than any backlog.
pub(super) const CONNECTING_MAX: usize = 100;

/// The attempts to connect of one thread.
#[derive(Debug)]
pub(super) struct Dialer {
    port: CompletionPort<Key>,
    server: SocketAddr,
    sources: Sources,
    /// How long an attempt may take.
    timeout: Duration,
    /// The thread, and how many there are.
    thread: usize,
    threads: usize,
    /// Attempts so far, and how many of them are under way.
    begun: usize,
    under_way: usize,
    /// Attempts in a row that took too long.
    unreached: usize,
    /// By when attempts have to come to something.
    deadlines: Deadlines,
    /// Connections to make again, by when to try.
    again: Deadlines,
}

impl Dialer {
    pub(super) fn new(
        port: CompletionPort<Key>,
        server: SocketAddr,
        plan: &Plan,
        thread: usize,
    ) -> Self {
        Dialer {
            port,
            server,
            sources: Sources::new(server, plan.per_connection.is_some()),
            timeout: plan.connect_timeout,
            thread,
            threads: plan.threads,
            begun: 0,
            under_way: 0,
            unreached: 0,
            deadlines: Deadlines::default(),
            again: Deadlines::default(),
        }
    }

    /// Begins to connect.
    ///
    /// # Errors
    /// It can't be begun.
    pub(super) fn begin(
        &mut self,
        place: usize,
        connection: &mut Connection,
        now: Instant,
    ) -> io::Result<()> {
        connection.begun = connection.begun.or(Some(now));
        loop {
            let key = Key::Connection(place, connection.generation);
            let nth = self.begun * self.threads + self.thread;
            let (local, full) = self.sources.next(connection.number, nth);
            connection.full_sources = full;
            self.begun += 1;
            let begun = match local {
                None => self.port.connect(self.server, key),
                Some(local) => self.port.connect_from(local, self.server, key),
            };
            match begun {
                Ok(attempt) => {
                    connection.attempt = Some(attempt);
                    self.under_way += 1;
                    let whose = (place, connection.generation);
                    self.deadlines.add(after(now, self.timeout), whose);
                    return Ok(());
                }
                Err(error) if self.has_other_source(connection, &error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a connection could not be made since all ports are taken, and there is another address to make it from.
    pub(super) fn has_other_source(&mut self, connection: &Connection, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::AddrNotAvailable
            && self.sources.is_full(connection.full_sources)
    }

    /// An attempt has completed, also one that was given up.
    pub(super) fn completed(&mut self) {
        self.under_way -= 1;
    }

    /// The server, or its system, has answered an attempt.
    pub(super) fn is_reached(&mut self) {
        self.unreached = 0;
    }

    /// How many attempts are under way.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Whether another attempt may be begun now.
    pub(super) fn has_room(&self) -> bool {
        self.under_way < CONNECTING_MAX
    }

    /// Whether so many attempts in a row took too long that others would, too.
    pub(super) fn is_vain(&self) -> bool {
        self.unreached >= CONNECTING_MAX
    }

    /// A connection that was lost, or could not be made, is to be made again after a while.
    pub(super) fn make_again(&mut self, place: usize, connection: &mut Connection, now: Instant) {
        connection.again = true;
        let at = after(now, connection.again_after());
        self.again.add(at, (place, connection.generation));
    }

    /// Takes a connection that is to be made again now, if there is room for another attempt.
    pub(super) fn take_again(&mut self, connections: &[Connection], now: Instant) -> Option<usize> {
        while self.has_room() {
            let (place, generation) = self.again.take_due(now)?;
            if connections[place].generation == generation {
                return Some(place);
            }
        }
        None
    }

    /// Whether a connection is on its way, or to be made again.
    pub(super) fn is_any_to_be_made(&self) -> bool {
        self.under_way > 0 || self.again.first().is_some()
    }

    /// When there is something to give up, and something to begin.
    pub(super) fn next_looks(&mut self, connections: &[Connection]) -> [Option<Instant>; 2] {
        let again = match self.has_room() {
            true => self.again.first().map(|(at, _)| at),
            false => None,
        };
        [self.next_end(connections), again]
    }

    /// When the first attempt will have taken too long.
    pub(super) fn next_end(&mut self, connections: &[Connection]) -> Option<Instant> {
        loop {
            let (at, (place, generation)) = self.deadlines.first()?;
            let connection = &connections[place];
            if connection.generation == generation && connection.attempt.is_some() {
                return Some(at);
            }
            self.deadlines.skip();
        }
    }

    /// Gives an attempt up that has taken too long, if there is one: its place.
    pub(super) fn give_up(
        &mut self,
        connections: &mut [Connection],
        now: Instant,
    ) -> Option<usize> {
        self.next_end(connections).filter(|at| *at <= now)?;
        let (place, _) = self.deadlines.take_due(now)?;
        self.unreached += 1;
        if let Some(attempt) = connections[place].attempt.take() {
            // If it has completed just now, its completion is not needed any more.
            let _ = self.port.cancel(attempt);
        }
        Some(place)
    }
}

/// Whether it was connected to itself: where nobody listens, the system may choose the very port for a connection that it is
/// to be made to, and TCP takes two ends that call each other at once for a connection.
pub(super) fn is_to_itself(socket: &Socket<Key>, address: SocketAddr) -> bool {
    let Ok(local) = socket.local_addr() else {
        return false;
    };
    local.port() == address.port() && socket.peer_addr().is_ok_and(|peer| peer == local)
}
