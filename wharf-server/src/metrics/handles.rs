//! The handles of a server's metrics, and how they are told what happens.

use std::{fmt, sync::Arc, time::Instant};

use metrics::{Counter, Gauge, Histogram, Label};
use wharf::user_code::contain;

use super::{
    Counted, Refusal, Shortage,
    table::{self, Kind},
};
use crate::{Ended, Settings};

/// A server's metrics, if it has any. Clones are the same.
#[derive(Clone)]
pub(crate) struct Metrics(Option<Arc<Handles>>);

/// All are made when the server starts.
pub(super) struct Handles {
    accepted: Counter,
    dialled: Counter,
    /// By [`Refusal`].
    refused: [Counter; 4],
    /// By [`Shortage`].
    pauses: [Counter; 2],
    /// By [`Ended`].
    ended: [Counter; 15],
    frames: Counter,
    handler: Histogram,
    attempts: Counter,
    failures: Counter,
    reconnects: Counter,
    dials_refused: Counter,
    pub(super) clients: Gauge,
    pub(super) received: Counter,
    pub(super) sent: Counter,
    pub(super) unsent: Gauge,
    pub(super) dropped: Counter,
    /// Running, parked and blocked ones.
    pub(super) workers: [Gauge; 3],
    pub(super) releases: Counter,
    pub(super) queue: Gauge,
    pub(super) oldest: Gauge,
    /// Those that are idle, taken, and dialled.
    pub(super) pool_clients: [Gauge; 3],
    pub(super) pool_waiting: Gauge,
    /// Those that are done, failed and refused.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "they stay 0"))]
    pub(super) handshakes: [Counter; 3],
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "it stays 0"))]
    pub(super) handshaking: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Metrics")
            .field(&self.are_on())
            .finish()
    }
}

impl Metrics {
    /// Makes the handles, in the recorder that the calling thread has now.
    pub(crate) fn new(settings: &Settings) -> Self {
        Metrics(settings.metrics.as_deref().map(|server| {
            describe();
            Arc::new(Handles::new(server))
        }))
    }

    #[inline(always)]
    pub(crate) fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// Counts something.
    #[inline]
    pub(crate) fn count(&self, what: Counted<'_>) {
        if let Some(handles) = &self.0 {
            handles.count(what);
        }
    }

    /// Makes a call of the handler's, and tells how long it took.
    pub(crate) fn time<T>(&self, call: impl FnOnce() -> T) -> T {
        let Some(handles) = &self.0 else {
            return call();
        };
        let begun = Instant::now();
        let returned = call();
        let took = begun.elapsed();
        tell(|| handles.handler.record(took));
        returned
    }

    pub(super) fn handles(&self) -> Option<&Handles> {
        self.0.as_deref()
    }
}

/// Tells the recorder something: it is code of the program's.
pub(super) fn tell(what: impl FnOnce()) {
    contain("the recorder of the metrics", what);
}

fn describe() {
    for (name, kind, unit, text) in table::ALL {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *unit, *text),
            Kind::Gauge => metrics::describe_gauge!(*name, *unit, *text),
            Kind::Histogram => metrics::describe_histogram!(*name, *unit, *text),
        }
    }
}

/// Makes handles that have a server's label, if it has a name.
struct Maker<'a>(&'a str);

impl Maker<'_> {
    fn labels(&self, label: Option<(&'static str, &'static str)>) -> Vec<Label> {
        let mut labels = Vec::new();
        if !self.0.is_empty() {
            labels.push(Label::new("server", self.0.to_owned()));
        }
        labels.extend(label.map(|(name, value)| Label::from_static_parts(name, value)));
        labels
    }

    fn counter(&self, name: &'static str) -> Counter {
        metrics::counter!(name, self.labels(None))
    }

    fn gauge(&self, name: &'static str) -> Gauge {
        metrics::gauge!(name, self.labels(None))
    }

    fn counters<const N: usize>(
        &self,
        name: &'static str,
        label: &'static str,
        values: [&'static str; N],
    ) -> [Counter; N] {
        values.map(|value| metrics::counter!(name, self.labels(Some((label, value)))))
    }

    fn gauges<const N: usize>(
        &self,
        name: &'static str,
        label: &'static str,
        values: [&'static str; N],
    ) -> [Gauge; N] {
        values.map(|value| metrics::gauge!(name, self.labels(Some((label, value)))))
    }
}

impl Handles {
    fn new(server: &str) -> Self {
        let make = Maker(server);
        Handles {
            accepted: make.counter(table::ACCEPTED),
            dialled: make.counter(table::DIALLED),
            refused: make.counters(table::REFUSED, "reason", table::REFUSALS),
            pauses: make.counters(table::PAUSES, "reason", table::SHORTAGES),
            ended: make.counters(table::ENDED, "reason", table::ENDS),
            frames: make.counter(table::FRAMES),
            handler: metrics::histogram!(table::HANDLER, make.labels(None)),
            attempts: make.counter(table::ATTEMPTS),
            failures: make.counter(table::FAILURES),
            reconnects: make.counter(table::RECONNECTS),
            dials_refused: make.counter(table::DIALS_REFUSED),
            clients: make.gauge(table::CLIENTS),
            received: make.counter(table::RECEIVED),
            sent: make.counter(table::SENT),
            unsent: make.gauge(table::UNSENT),
            dropped: make.counter(table::DROPPED),
            workers: make.gauges(table::WORKERS, "state", table::WORKER_STATES),
            releases: make.counter(table::RELEASES),
            queue: make.gauge(table::QUEUE),
            oldest: make.gauge(table::OLDEST),
            pool_clients: make.gauges(table::POOL_CLIENTS, "state", table::POOL_STATES),
            pool_waiting: make.gauge(table::POOL_WAITING),
            handshakes: make.counters(table::HANDSHAKES, "result", table::RESULTS),
            handshaking: make.gauge(table::HANDSHAKING),
        }
    }

    fn count(&self, what: Counted<'_>) {
        let (counter, by) = match what {
            Counted::Accepted => (&self.accepted, 1),
            Counted::Dialled => (&self.dialled, 1),
            Counted::Refused(Refusal::Address) => (&self.refused[0], 1),
            Counted::Refused(Refusal::ProxyHeader) => (&self.refused[1], 1),
            Counted::Refused(Refusal::Tls) => (&self.refused[2], 1),
            Counted::Refused(Refusal::Unserved) => (&self.refused[3], 1),
            Counted::Paused(Shortage::Clients) => (&self.pauses[0], 1),
            Counted::Paused(Shortage::System) => (&self.pauses[1], 1),
            Counted::Ended(ended) => (&self.ended[place(ended)], 1),
            Counted::Frames(frames) => (&self.frames, frames),
            Counted::Attempt => (&self.attempts, 1),
            Counted::AttemptFailed => (&self.failures, 1),
            Counted::Reconnect => (&self.reconnects, 1),
            Counted::DialRefused => (&self.dials_refused, 1),
        };
        tell(|| counter.increment(by));
    }
}

/// The place of a reason in [`ENDS`](table::ENDS).
fn place(ended: &Ended) -> usize {
    match ended {
        Ended::ByPeer => 0,
        Ended::ByServer => 1,
        Ended::Failed(_) => 2,
        Ended::Idle => 3,
        Ended::Stalled => 4,
        Ended::Silent => 5,
        Ended::SlowFrame => 6,
        Ended::TooSlow => 7,
        Ended::BadFrame(_) => 8,
        Ended::NotBegun(_) => 9,
        Ended::ByHandler(_) => 10,
        Ended::Panicked(_) => 11,
        Ended::Aborted => 12,
        Ended::Cut => 13,
        Ended::Truncated => 14,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_name() {
        let ended = [
            (Ended::ByPeer, "by_peer"),
            (Ended::Idle, "idle"),
            (Ended::TooSlow, "too_slow"),
            (Ended::NotBegun(String::new()), "not_begun"),
            (Ended::Panicked(String::new()), "panicked"),
            (Ended::Cut, "cut"),
        ];
        for (ended, name) in ended {
            assert_eq!(table::ENDS[place(&ended)], name);
        }
    }
}
