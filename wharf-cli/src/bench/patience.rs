//! How long answers are waited for: with `--timeout`, on each connection; in a run that only its requests end, as long as
//! anything is answered.

use std::{
    mem,
    time::{Duration, Instant},
};

use super::{
    connection::Connection,
    deadline::{Deadlines, after},
    plan::Plan,
};

/// The connections of one thread that have requests under way, by when the oldest has to be answered.
#[derive(Debug)]
pub(super) struct Patience {
    /// How long a request may be under way; none if only the end of the run limits it.
    longest: Option<Duration>,
    /// A connection that has kept a request for too long is given up. Without it, the run ends.
    gives_up: bool,
    answers: Deadlines,
    /// When something was last answered, as far as this thread knows, or the load began.
    last_answer: Instant,
    /// How much all threads had had answered when this one last asked.
    answers_seen: u64,
    /// The run has waited in vain.
    is_overdue: bool,
}

impl Patience {
    /// For requests of which the longest takes `service`.
    pub(super) fn new(plan: &Plan, service: Duration, now: Instant) -> Self {
        let longest = match plan.duration {
            // The oldest request, and in a run that its requests end, what such a request may take.
            None => Some(plan.drain_timeout.saturating_add(service)),
            Some(_) => None,
        };
        Patience {
            longest: plan.timeout.or(longest),
            gives_up: plan.timeout.is_some(),
            answers: Deadlines::default(),
            last_answer: now,
            answers_seen: 0,
            is_overdue: false,
        }
    }

    /// So much was answered in all, by whichever threads.
    pub(super) fn have_answered(&mut self, answers: u64, now: Instant) {
        if answers != self.answers_seen {
            self.answers_seen = answers;
            self.last_answer = now;
        }
    }

    /// Something was answered, or the load begins.
    pub(super) fn answered(&mut self, now: Instant) {
        self.last_answer = now;
    }

    /// Requests have left on a connection.
    pub(super) fn watch(&mut self, place: usize, connection: &mut Connection, now: Instant) {
        if let Some(longest) = self.longest
            && !mem::replace(&mut connection.is_watched, true)
        {
            let whose = (place, connection.generation);
            self.answers.add(after(now, longest), whose);
        }
    }

    /// Finds a connection that is to be given up, since its oldest request has been under way for too long.
    pub(super) fn take_due(
        &mut self,
        connections: &mut [Connection],
        now: Instant,
    ) -> Option<usize> {
        loop {
            let (place, generation) = self.answers.take_due(now)?;
            let connection = &mut connections[place];
            if connection.generation == generation && self.is_due(place, connection, now) {
                return Some(place);
            }
        }
    }

    /// Whether a connection is to be given up. If not, it is looked at again when its oldest request will be due.
    fn is_due(&mut self, place: usize, connection: &mut Connection, now: Instant) -> bool {
        connection.is_watched = false;
        let (Some(oldest), Some(longest)) = (connection.departures.front(), self.longest) else {
            return false;
        };
        let since = match self.gives_up {
            true => oldest.left,
            // A server that answers others is at work, and the run goes on.
            false => oldest.left.max(self.last_answer),
        };
        let deadline = after(since, longest);
        if deadline > now {
            connection.is_watched = true;
            self.answers.add(deadline, (place, connection.generation));
            return false;
        }
        self.is_overdue |= !self.gives_up;
        self.gives_up
    }

    /// When a connection is next to be looked at.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.answers.first().map(|(at, _)| at)
    }

    /// Whether a run that only its requests end has waited in vain.
    pub(super) fn is_overdue(&self) -> bool {
        self.is_overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::content::Departure;

    const SECOND: Duration = Duration::from_secs(1);

    fn patience(start: Instant, gives_up: bool) -> Patience {
        Patience {
            longest: Some(SECOND),
            gives_up,
            answers: Deadlines::default(),
            last_answer: start,
            answers_seen: 0,
            is_overdue: false,
        }
    }

    /// A connection on which a request left then.
    fn connection(left: Instant) -> Connection {
        let mut connection = Connection::new(0, 64);
        connection.departures.push_back(Departure {
            due: left,
            left,
            service: Duration::ZERO,
            id: 0,
            is_also: false,
        });
        connection
    }

    #[test]
    fn a_connection_is_given_up_when_its_oldest_request_is_too_old() {
        let start = Instant::now();
        let mut patience = patience(start, true);
        let mut connections = [connection(start), connection(start)];
        for (place, connection) in connections.iter_mut().enumerate() {
            patience.watch(place, connection, start);
        }
        // The first connection's oldest request is now a younger one, and answers of others are no excuse.
        let later = start + SECOND / 2;
        connections[0].departures[0].left = later;
        patience.answered(later);
        assert_eq!(patience.take_due(&mut connections, later), None);
        assert_eq!(patience.next_look(), Some(start + SECOND));
        assert_eq!(patience.take_due(&mut connections, start + SECOND), Some(1));
        assert_eq!(patience.take_due(&mut connections, start + SECOND), None);
        assert_eq!(patience.next_look(), Some(later + SECOND));
        // The connection that had the place before is gone.
        connections[0] = connections[0].vacated(64);
        assert_eq!(patience.take_due(&mut connections, later + SECOND), None);
        assert!(!patience.is_overdue());
    }

    #[test]
    fn a_run_that_its_requests_end_waits_as_long_as_anything_is_answered() {
        let start = Instant::now();
        let mut patience = patience(start, false);
        let mut connections = [connection(start)];
        patience.watch(0, &mut connections[0], start);
        let later = start + SECOND / 2;
        patience.answered(later);
        assert_eq!(patience.take_due(&mut connections, start + SECOND), None);
        assert!(!patience.is_overdue());
        assert_eq!(patience.take_due(&mut connections, later + SECOND), None);
        assert!(patience.is_overdue());
    }

    #[test]
    fn answers_that_other_threads_have_had_count() {
        let start = Instant::now();
        let mut patience = patience(start, false);
        let mut connections = [connection(start)];
        patience.watch(0, &mut connections[0], start);
        let due = start + SECOND;
        patience.have_answered(1, due);
        assert_eq!(patience.take_due(&mut connections, due), None);
        assert!(!patience.is_overdue());
        patience.have_answered(1, due + SECOND);
        assert_eq!(patience.take_due(&mut connections, due + SECOND), None);
        assert!(patience.is_overdue());
    }

    #[test]
    fn a_connection_without_requests_is_not_looked_at() {
        let start = Instant::now();
        let mut patience = patience(start, true);
        let mut connections = [connection(start)];
        patience.watch(0, &mut connections[0], start);
        connections[0].departures.clear();
        assert_eq!(patience.take_due(&mut connections, start + SECOND), None);
        assert!(!connections[0].is_watched);
        assert_eq!(patience.next_look(), None);
    }
}
