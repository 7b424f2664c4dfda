//! The requests of an open loop: which connection the next one leaves on, and how threads share them.
//!
//! There are two streams, of the cold connections and of the hot ones. Each thread makes the share of a stream that its
//! living connections are of all that live, so that what a lost connection would have carried moves to the others.

use std::time::{Duration, Instant};

use super::{arrivals::Arrivals, deadline::after, pace::Skew, plan::Plan};

/// What was due before the end of an open loop may leave for so long after it. What then has not is more than we can send.
const CATCHING_UP: Duration = Duration::from_millis(100);

/// How many connections there are of each stream: cold ones, hot ones.
pub(super) type Counts = [usize; 2];

/// The requests that go to a group of connections.
#[derive(Debug)]
struct Stream {
    arrivals: Arrivals,
    /// Connections with room for a request.
    free: Vec<usize>,
    /// A request was due and no connection was free; until what is due has left, it is not us who are late.
    blocked: bool,
}

/// A request that leaves.
#[derive(Debug, PartialEq)]
pub(super) struct Leaving {
    /// The place of the connection that it takes.
    pub(super) place: usize,
    pub(super) due: Instant,
    /// It had to wait for a connection.
    pub(super) waited: bool,
}

/// The open loop of one thread.
#[derive(Debug)]
pub(super) struct OpenLoop {
    rate_hz: f64,
    skew: Option<Skew>,
    /// The connections as they were planned, of this thread and in all.
    planned: [Counts; 2],
    streams: [Stream; 2],
    /// Of each connection, by its place: the stream that it is of, and where it is among the free ones.
    places: Vec<(usize, Option<usize>)>,
    random: fastrand::Rng,
    /// For how long after the end what was due before it may leave.
    catching_up: Duration,
    /// More was due than could leave in one turn.
    is_behind: bool,
    /// What was due before the end has been sent, as far as there was room.
    has_ended: bool,
}

impl OpenLoop {
    /// For the connections of a thread. What it has to make is set by the first [`share`](Self::share).
    pub(super) fn new(
        plan: &Plan,
        rate_hz: f64,
        thread: usize,
        start: Instant,
        random: &mut fastrand::Rng,
    ) -> Self {
        let mut stream = || Stream {
            arrivals: Arrivals::new(start, 0.0, random.fork()),
            free: Vec::new(),
            blocked: false,
        };
        OpenLoop {
            rate_hz,
            skew: plan.skew(),
            streams: [stream(), stream()],
            planned: [
                count(plan, plan.share(thread)),
                count(plan, 0..plan.connections),
            ],
            places: plan
                .share(thread)
                .map(|number| (plan.stream_of(number), None))
                .collect(),
            random: random.fork(),
            catching_up: CATCHING_UP.min(plan.drain_timeout),
            is_behind: false,
            has_ended: false,
        }
    }

    /// From now on this thread makes its share of the requests: it has so many connections that live, and there are so many in
    /// all. If none lives, all is due as it was planned, though it can't leave.
    pub(super) fn share(&mut self, now: Instant, own: Counts, all: Counts) {
        let [own, all] = match all {
            [0, 0] => self.planned,
            _ => [own, all],
        };
        let rates_hz = rates_hz(self.rate_hz, self.skew, own, all);
        for (stream, rate_hz) in self.streams.iter_mut().zip(rates_hz) {
            stream.arrivals.set_rate(now, rate_hz);
        }
    }

    /// Puts a connection among the free ones.
    pub(super) fn make_free(&mut self, place: usize) {
        let (stream, free_at) = &mut self.places[place];
        if free_at.is_none() {
            let free = &mut self.streams[*stream].free;
            *free_at = Some(free.len());
            free.push(place);
        }
    }

    pub(super) fn make_unfree(&mut self, place: usize) {
        let (stream, free_at) = &mut self.places[place];
        if let Some(index) = free_at.take() {
            let free = &mut self.streams[*stream].free;
            free.swap_remove(index);
            if let Some(moved) = free.get(index) {
                self.places[*moved].1 = Some(index);
            }
        }
    }

    /// Begins a turn, in which some of what is due leaves, in a run that measures until `end`. Says by when what may leave is
    /// due; none if nothing may leave any more.
    pub(super) fn begin_turn(&mut self, now: Instant, end: Option<Instant>) -> Option<Instant> {
        self.is_behind = false;
        (!self.has_ended).then(|| by(now, end))
    }

    /// Ends a turn, and notes whether there is to be another at once, or none at all.
    pub(super) fn end_turn(&mut self, now: Instant, end: Option<Instant>) {
        let is_left = self.next().is_some_and(|next| next <= by(now, end));
        self.has_ended =
            end.is_some_and(|end| now >= end && (!is_left || now >= after(end, self.catching_up)));
        self.is_behind = is_left && !self.has_ended;
    }

    /// Whether more is due than could leave in the last turn.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Whether what was due before the end has left, as far as it can.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// When the next turn is due, if there is one.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        match self.has_ended {
            true => None,
            false => self.next(),
        }
    }

    /// A stream of which a request is due by then, and can leave.
    pub(super) fn ready(&mut self, until: Instant) -> Option<usize> {
        for (index, stream) in self.streams.iter_mut().enumerate() {
            let is_due = stream.arrivals.next() <= until;
            if is_due && !stream.free.is_empty() {
                return Some(index);
            }
            stream.blocked = is_due;
        }
        None
    }

    /// Takes the next request of a stream that is [ready](Self::ready), and a free connection for it, at random.
    pub(super) fn take(&mut self, stream: usize) -> Leaving {
        let stream = &mut self.streams[stream];
        Leaving {
            due: stream.arrivals.take(),
            place: stream.free[self.random.usize(..stream.free.len())],
            waited: stream.blocked,
        }
    }

    /// When the next request is due that can leave.
    fn next(&self) -> Option<Instant> {
        let streams = self.streams.iter().filter(|stream| !stream.free.is_empty());
        streams.map(|stream| stream.arrivals.next()).min()
    }

    /// Takes all that are due before `end` and have not left: when, and how many.
    pub(super) fn take_all(&mut self, end: Instant, mut each: impl FnMut(Instant, u64)) {
        for stream in &mut self.streams {
            stream.arrivals.take_all(end, &mut each);
        }
    }
}

/// By when requests are due that may leave now.
fn by(now: Instant, end: Option<Instant>) -> Instant {
    end.map_or(now, |end| end.min(now))
}

/// How many of these connections are of each stream.
fn count(plan: &Plan, numbers: impl Iterator<Item = usize>) -> Counts {
    let mut counts = [0, 0];
    for number in numbers {
        counts[plan.stream_of(number)] += 1;
    }
    counts
}

/// The rates of the cold and of the hot stream for a thread with so many of all connections. A stream without any connection
/// goes to the other.
fn rates_hz(rate_hz: f64, skew: Option<Skew>, own: Counts, all: Counts) -> [f64; 2] {
    let hot = skew.map_or(0.0, |skew| skew.share);
    let hot = match all {
        [_, 0] => 0.0,
        [0, _] => 1.0,
        _ => hot,
    };
    let share = |index: usize| own[index] as f64 / all[index].max(1) as f64;
    [rate_hz * (1.0 - hot) * share(0), rate_hz * hot * share(1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEW: Option<Skew> = Some(Skew {
        connections: 2,
        share: 0.75,
    });

    #[test]
    fn the_load_moves_to_connections_that_live() {
        for (skew, own, all, expected) in [
            (None, [2, 0], [4, 0], [500.0, 0.0]),
            // Others have lost theirs, or this thread has.
            (None, [2, 0], [2, 0], [1_000.0, 0.0]),
            (None, [0, 0], [2, 0], [0.0, 0.0]),
            (SKEW, [4, 1], [8, 2], [125.0, 375.0]),
            (SKEW, [4, 0], [8, 1], [125.0, 0.0]),
            // No hot one is left, or no cold one.
            (SKEW, [4, 0], [8, 0], [500.0, 0.0]),
            (SKEW, [0, 1], [0, 2], [0.0, 500.0]),
        ] {
            let rates = rates_hz(1_000.0, skew, own, all);
            assert_eq!(rates, expected, "{skew:?} {own:?} {all:?}");
        }
    }

    fn open_loop(start: Instant, connections: usize) -> OpenLoop {
        let stream = |seed| Stream {
            arrivals: Arrivals::new(start, 0.0, fastrand::Rng::with_seed(seed)),
            free: Vec::new(),
            blocked: false,
        };
        OpenLoop {
            rate_hz: 1_000.0,
            skew: None,
            planned: [[connections, 0], [2 * connections, 0]],
            streams: [stream(1), stream(2)],
            places: vec![(0, None); connections],
            random: fastrand::Rng::with_seed(3),
            catching_up: CATCHING_UP,
            is_behind: false,
            has_ended: false,
        }
    }

    #[test]
    fn a_request_takes_a_free_connection_or_waits_for_one() {
        let start = Instant::now();
        let end = start + Duration::from_secs(1);
        let mut open_loop = open_loop(start, 3);
        open_loop.share(start, [3, 0], [3, 0]);
        for place in 0..3 {
            open_loop.make_free(place);
        }
        open_loop.make_unfree(0);
        assert!(open_loop.next().is_some());
        for waited in [false, true] {
            let mut taken = Vec::new();
            while let Some(stream) = open_loop.ready(end) {
                let leaving = open_loop.take(stream);
                assert_eq!(leaving.waited, waited);
                open_loop.make_unfree(leaving.place);
                taken.push(leaving.place);
            }
            taken.sort_unstable();
            assert_eq!(taken, [1, 2]);
            assert_eq!(open_loop.next(), None);
            open_loop.make_free(1);
            open_loop.make_free(2);
        }
        let mut left = 0;
        open_loop.take_all(end, |_, count| left += count);
        // Five standard deviations, without the four that have left.
        assert!((840..1_160).contains(&(left + 4)), "{left}");
    }

    #[test]
    fn what_is_due_leaves_before_the_end_or_shortly_after_it() {
        let start = Instant::now();
        let end = start + Duration::from_secs(1);
        let mut open_loop = open_loop(start, 1);
        open_loop.share(start, [1, 0], [1, 0]);
        open_loop.make_free(0);
        // A turn that leaves much behind is followed by another at once, also at the end.
        for now in [end - CATCHING_UP, end, end + CATCHING_UP / 2] {
            assert_eq!(open_loop.begin_turn(now, Some(end)), Some(now.min(end)));
            open_loop.end_turn(now, Some(end));
            assert!(open_loop.is_behind() && !open_loop.has_ended());
        }
        open_loop.end_turn(end + CATCHING_UP, Some(end));
        assert!(open_loop.has_ended() && !open_loop.is_behind());
        assert_eq!(open_loop.begin_turn(end, Some(end)), None);
        assert_eq!(open_loop.next_turn(), None);
        // With nothing left, or no room for it, the end is the end.
        open_loop.make_unfree(0);
        open_loop.end_turn(end, Some(end));
        assert!(open_loop.has_ended());
        // Without an end there is always another turn.
        open_loop.make_free(0);
        open_loop.end_turn(end + CATCHING_UP, None);
        assert!(!open_loop.has_ended() && open_loop.next_turn().is_some());
    }

    #[test]
    fn where_none_lives_all_stays_due() {
        let start = Instant::now();
        let mut open_loop = open_loop(start, 2);
        open_loop.share(start, [2, 0], [4, 0]);
        let second = start + Duration::from_secs(1);
        open_loop.share(second, [0, 0], [0, 0]);
        let mut due = 0;
        open_loop.take_all(start + Duration::from_secs(2), |_, count| due += count);
        assert!((840..1_160).contains(&due), "{due}");
    }
}
