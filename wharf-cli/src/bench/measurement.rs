//! What one thread measures: which requests count, how long they took, and what the thread used meanwhile.

use std::{
    mem,
    time::{Duration, Instant},
};

use super::{content::Departure, outcome::Outcome, pace::Pace, plan::Plan, shared::Times};
use crate::system::processor_time;

/// The measurement of one thread.
#[derive(Debug)]
pub(super) struct Measurement {
    /// None until the load begins.
    times: Option<Times>,
    pace: Pace,
    /// How long a request may be under way.
    timeout: Option<Duration>,
    /// The processor time of this thread when the measuring began.
    processor_at_measure: Option<Duration>,
    /// What was used from then on has been noted.
    is_processor_noted: bool,
    pub(super) outcome: Outcome,
}

impl Measurement {
    pub(super) fn new(plan: &Plan) -> Self {
        Measurement {
            times: None,
            pace: plan.pace,
            timeout: plan.timeout,
            processor_at_measure: None,
            is_processor_noted: false,
            outcome: Outcome::new(),
        }
    }

    /// The load begins.
    pub(super) fn begin(&mut self, times: Times) {
        self.times = Some(times);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.times.is_some()
    }

    /// Whether the measured time is over; never in a run that only its requests end.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.times
            .and_then(|times| times.end)
            .is_some_and(|end| now >= end)
    }

    /// Whether a request has been under way for longer than an answer may take.
    pub(super) fn is_timed_out(&self, departure: &Departure, now: Instant) -> bool {
        self.timeout
            .is_some_and(|timeout| now.saturating_duration_since(departure.left) >= timeout)
    }

    /// Takes in what came of a request: it was answered, or given up. Says whether it had timed out.
    pub(super) fn record(&mut self, departure: &Departure, now: Instant) -> bool {
        let Some(times) = self.times else {
            return false;
        };
        // An open loop counts what was due in time though it came late: to leave it out would be to leave out the slowest.
        let in_time = match self.pace {
            Pace::Closed => now,
            Pace::Open { .. } => departure.due,
        };
        let is_late = times.end.is_some_and(|end| in_time >= end);
        let is_timed_out = self.is_timed_out(departure, now);
        self.outcome.timed_out += u64::from(is_timed_out);
        self.outcome.late += u64::from(is_late && !is_timed_out);
        if now >= times.measure && !is_late {
            let outcome = &mut self.outcome;
            outcome.requests += u64::from(!is_timed_out);
            outcome.also_requests += u64::from(!is_timed_out && departure.is_also);
            let latency = now.saturating_duration_since(departure.due);
            let latencies = match departure.is_also {
                true => &mut outcome.also_latency,
                false => &mut outcome.latency,
            };
            latencies.saturating_record(nanoseconds(latency));
        }
        is_timed_out
    }

    /// A request leaves that was due then, and could have left then.
    pub(super) fn record_lag(&mut self, due: Instant, now: Instant) {
        if self.times.is_some_and(|times| due >= times.measure) {
            let lag = now.saturating_duration_since(due);
            self.outcome.lag.saturating_record(nanoseconds(lag));
        }
    }

    /// A connection was lost, and so many requests on it.
    pub(super) fn record_loss(&mut self, why: Option<String>, requests: usize) {
        if let Some(why) = why {
            self.outcome.errors.add(why);
        }
        self.outcome.lost += 1;
        self.outcome.missing += requests as u64;
    }

    /// Requests that were due then have never left, and have waited until `end`. Which path they would have asked for was never
    /// drawn; they count among those that most ask for.
    pub(super) fn record_unsent(&mut self, due: Instant, count: u64, end: Instant) {
        let waited = nanoseconds(end.saturating_duration_since(due));
        self.outcome.unsent += count;
        self.outcome.latency.saturating_record_n(waited, count);
    }

    /// Reads the processor time of this thread where the measured part begins and where it ends.
    pub(super) fn read_processor(&mut self, now: Instant) {
        let Some(times) = self.times else { return };
        if self.processor_at_measure.is_none() && now >= times.measure {
            self.processor_at_measure = processor_time();
        }
        if self.is_over(now) {
            self.note_processor();
        }
    }

    /// The load has ended, the measured part with it. Says when that part ended.
    pub(super) fn conclude(&mut self, now: Instant) -> Instant {
        self.note_processor();
        let Some(times) = self.times else { return now };
        let end = times.end.map_or(now, |end| end.min(now));
        self.outcome.measured = end.saturating_duration_since(times.measure);
        end
    }

    /// Notes, once, what processor time the measured part took.
    fn note_processor(&mut self) {
        if mem::replace(&mut self.is_processor_noted, true) {
            return;
        }
        let before = self.processor_at_measure.unwrap_or_default();
        let used = processor_time().map(|time| time.saturating_sub(before));
        self.outcome.load.extend(used);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Pace = Pace::Open {
        rate_hz: 1.0,
        skew: None,
    };

    /// Measures from second 1 to second 2, with a timeout of 5 seconds.
    fn measurement(start: Instant, pace: Pace) -> Measurement {
        let second = Duration::from_secs(1);
        Measurement {
            times: Some(Times {
                start,
                measure: start + second,
                end: Some(start + 2 * second),
            }),
            pace,
            timeout: Some(5 * second),
            processor_at_measure: None,
            is_processor_noted: false,
            outcome: Outcome::new(),
        }
    }

    #[test]
    fn a_request_counts_by_when_it_was_answered_or_in_an_open_loop_was_due() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        for (pace, due, answered, requests, late, timed_out) in [
            // Answered while it warmed up, while it measured, and later.
            (Pace::Closed, 100, 900, 0, 0, 0),
            (Pace::Closed, 900, 1_100, 1, 0, 0),
            (Pace::Closed, 1_900, 2_000, 0, 1, 0),
            // Due before the end, however late the answer is; due at the end.
            (OPEN, 1_900, 4_000, 1, 0, 0),
            (OPEN, 2_000, 2_100, 0, 1, 0),
            (OPEN, 1_900, 6_900, 0, 0, 1),
        ] {
            let mut measurement = measurement(start, pace);
            let departure = Departure {
                due: at(due),
                left: at(due),
                service: Duration::ZERO,
                id: 0,
                is_also: false,
            };
            let is_timed_out = measurement.record(&departure, at(answered));
            let outcome = measurement.outcome;
            let counts = (outcome.requests, outcome.late, outcome.timed_out);
            assert_eq!(
                counts,
                (requests, late, timed_out),
                "{pace:?} {due} {answered}"
            );
            assert_eq!(is_timed_out, timed_out > 0);
            // How long it waited counts also where nothing came.
            assert_eq!(outcome.latency.len(), requests + timed_out);
        }
    }

    #[test]
    fn what_was_measured_ends_with_the_run_or_before_it() {
        let start = Instant::now();
        for (now, measured) in [(500, 0), (1_700, 700), (9_000, 1_000)] {
            let mut measurement = measurement(start, Pace::Closed);
            measurement.conclude(start + Duration::from_millis(now));
            assert_eq!(measurement.outcome.measured.as_millis(), measured);
        }
    }
}
