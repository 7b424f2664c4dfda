//! What a run came to: counts, latencies, errors, and what it cost.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use super::process::Usage;

/// The longest latency that is told apart, in nanoseconds: 10 minutes.
const LATENCY_NS_MAX: u64 = 600_000_000_000;

/// A thread that is busier than this has no time to spare: what it measures is itself.
pub const BUSY_MAX: f64 = 0.8;

/// A histogram of times in nanoseconds, with three digits that count.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("the bounds are in order")
}

/// Errors, grouped by what they say.
#[derive(Debug, Default)]
pub struct Errors(BTreeMap<String, u64>);

impl Errors {
    /// At most so many groups; what would be another is counted as such.
    const GROUPS_MAX: usize = 50;

    pub(super) fn add(&mut self, what: String) {
        self.add_many(what, 1);
    }

    pub(super) fn add_many(&mut self, what: String, count: u64) {
        let known = self.0.contains_key(&what) || self.0.len() < Self::GROUPS_MAX;
        let what = if known { what } else { "others".into() };
        *self.0.entry(what).or_default() += count;
    }

    pub(super) fn merge(&mut self, other: Errors) {
        for (what, count) in other.0 {
            self.add_many(what, count);
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The most frequent first.
    pub(super) fn groups(&self) -> Vec<(&str, u64)> {
        let groups = self.0.iter().map(|(what, count)| (what.as_str(), *count));
        let mut groups: Vec<_> = groups.collect();
        groups.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        groups
    }
}

/// What a run, or one of its threads, came to.
#[derive(Debug)]
pub struct Outcome {
    /// Connections that were made at the start.
    pub connected: usize,
    /// How long was measured.
    pub measured: Duration,
    /// Requests that count: answered in full, and in the measured time.
    pub requests: u64,
    /// Connections that were lost, and those that were made again after they were lost, or could not be made.
    pub lost: u64,
    pub reconnected: u64,
    /// Connections that an answer ended, as it said, so that others were made in their places.
    pub replaced: u64,
    /// Connections that were not there at the end, since they could not be made again.
    pub down: u64,
    /// Requests that were due before the end and never left, since no connection was free or there.
    pub unsent: u64,
    /// Requests that a run was to make in all and has not, since no connection was left.
    pub unmade: u64,
    /// Answers that came after the measured part of a closed loop, and do not count.
    pub late: u64,
    /// Requests that were not answered within the time for it.
    pub timed_out: u64,
    /// Requests that were sent and not answered in full.
    pub missing: u64,
    /// Connections on which something else came back than was sent.
    pub wrong: u64,
    /// Of those that count; of those that are [unsent](Self::unsent) or [timed out](Self::timed_out), how long they waited.
    pub latency: Histogram<u64>,
    /// Of the requests that count, those for the path of `--also`. Their latencies are not among the others.
    pub also_requests: u64,
    pub also_latency: Histogram<u64>,
    /// By how much requests left too late that could have left.
    pub lag: Histogram<u64>,
    pub errors: Errors,
    /// Processor time of our own threads while they measured, one by one; none where it can't be told.
    pub load: Vec<Duration>,
    /// What the server used meanwhile, if it could be watched.
    pub server: Option<Usage>,
    /// It was ended before its time.
    pub interrupted: bool,
}

impl Outcome {
    pub(super) fn new() -> Self {
        Outcome {
            connected: 0,
            measured: Duration::ZERO,
            requests: 0,
            lost: 0,
            reconnected: 0,
            replaced: 0,
            down: 0,
            unsent: 0,
            unmade: 0,
            late: 0,
            timed_out: 0,
            missing: 0,
            wrong: 0,
            latency: histogram(),
            also_requests: 0,
            also_latency: histogram(),
            lag: histogram(),
            errors: Errors::default(),
            load: Vec::new(),
            server: None,
            interrupted: false,
        }
    }

    /// Takes in what a thread came to.
    pub(super) fn merge(&mut self, other: Outcome) {
        self.connected += other.connected;
        self.measured = self.measured.max(other.measured);
        self.requests += other.requests;
        self.lost += other.lost;
        self.reconnected += other.reconnected;
        self.replaced += other.replaced;
        self.down += other.down;
        self.unsent += other.unsent;
        self.unmade += other.unmade;
        self.late += other.late;
        self.timed_out += other.timed_out;
        self.missing += other.missing;
        self.wrong += other.wrong;
        self.latency += other.latency;
        self.also_requests += other.also_requests;
        self.also_latency += other.also_latency;
        self.lag += other.lag;
        self.errors.merge(other.errors);
        self.load.extend(other.load);
    }

    /// Answers a second.
    pub fn rate_hz(&self) -> f64 {
        per(self.requests as f64, self.measured)
    }

    /// The processor time of our own threads.
    pub fn load_total(&self) -> Duration {
        self.load.iter().sum()
    }

    /// How much of a processor our busiest thread used, from 0 to 1.
    pub fn busiest(&self) -> f64 {
        let busiest = self.load.iter().max().copied().unwrap_or_default();
        per(busiest.as_secs_f64(), self.measured)
    }

    /// Whether it measured itself rather than the server.
    pub fn is_bottleneck(&self) -> bool {
        self.busiest() > BUSY_MAX
    }
}

/// So much in that time, a second; 0 if there was no time.
pub(super) fn per(amount: f64, time: Duration) -> f64 {
    if time.is_zero() {
        0.0
    } else {
        amount / time.as_secs_f64()
    }
}
