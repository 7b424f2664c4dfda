//! The metrics by their names, as they are described to the program's recorder.

use metrics::Unit;

pub(super) const CLIENTS: &str = "wharf_clients";
pub(super) const ACCEPTED: &str = "wharf_accepted_clients_total";
pub(super) const DIALLED: &str = "wharf_dialled_clients_total";
pub(super) const REFUSED: &str = "wharf_refused_clients_total";
pub(super) const PAUSES: &str = "wharf_accept_pauses_total";
pub(super) const ENDED: &str = "wharf_ended_clients_total";
pub(super) const RECEIVED: &str = "wharf_received_bytes_total";
pub(super) const SENT: &str = "wharf_sent_bytes_total";
pub(super) const UNSENT: &str = "wharf_unsent_bytes";
pub(super) const DROPPED: &str = "wharf_dropped_sends_total";
pub(super) const FRAMES: &str = "wharf_frames_total";
pub(super) const HANDLER: &str = "wharf_handler_seconds";
pub(super) const WORKERS: &str = "wharf_workers";
pub(super) const RELEASES: &str = "wharf_worker_releases_total";
pub(super) const QUEUE: &str = "wharf_queue_length";
pub(super) const OLDEST: &str = "wharf_queue_oldest_seconds";
pub(super) const ATTEMPTS: &str = "wharf_dial_attempts_total";
pub(super) const FAILURES: &str = "wharf_dial_failures_total";
pub(super) const RECONNECTS: &str = "wharf_dial_reconnects_total";
pub(super) const DIALS_REFUSED: &str = "wharf_refused_dials_total";
pub(super) const POOL_CLIENTS: &str = "wharf_pool_clients";
pub(super) const POOL_WAITING: &str = "wharf_pool_waiting";

pub(super) const HANDSHAKES: &str = "wharf_tls_handshakes_total";
pub(super) const HANDSHAKING: &str = "wharf_tls_handshakes_under_way";

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

use Kind::{Counter, Gauge, Histogram};

/// Each metric: its name, its kind, its unit, and what it tells. The table of the manual has the same.
#[rustfmt::skip] // A line a metric.
pub(super) const ALL: &[(&str, Kind, Unit, &str)] = &[
    (CLIENTS, Gauge, Unit::Count, "Clients that are there, accepted and dialled"),
    (ACCEPTED, Counter, Unit::Count, "Clients that were accepted"),
    (DIALLED, Counter, Unit::Count, "Clients that were dialled"),
    (REFUSED, Counter, Unit::Count, "Connections that were closed before their conversation began, by reason"),
    (PAUSES, Counter, Unit::Count, "How often accepting has paused, by reason; meanwhile connections wait in the backlog"),
    (ENDED, Counter, Unit::Count, "Clients that are gone, by reason"),
    (RECEIVED, Counter, Unit::Bytes, "Bytes received from clients"),
    (SENT, Counter, Unit::Bytes, "Bytes sent to clients: taken by the system"),
    (UNSENT, Gauge, Unit::Bytes, "Bytes that wait to be sent to clients"),
    (DROPPED, Counter, Unit::Count, "Sends that were dropped since their clients read too slowly"),
    (FRAMES, Counter, Unit::Count, "Frames that were handed to the handler; without a codec, what each receive brought"),
    (HANDLER, Histogram, Unit::Seconds, "How long the handler was at work for a client at a time: a call, or the calls for all frames of a turn"),
    (WORKERS, Gauge, Unit::Count, "Worker threads, by state"),
    (RELEASES, Counter, Unit::Count, "How often a worker was found blocked in its handler, and its place was given away"),
    (QUEUE, Gauge, Unit::Count, "Packets and operations that wait for a worker"),
    (OLDEST, Gauge, Unit::Seconds, "How long the oldest of them has waited; 0 if none waits"),
    (ATTEMPTS, Counter, Unit::Count, "Attempts to connect"),
    (FAILURES, Counter, Unit::Count, "Attempts to connect that have failed"),
    (RECONNECTS, Counter, Unit::Count, "Clients that have ended and are to be connected again"),
    (DIALS_REFUSED, Counter, Unit::Count, "Dials that were refused, since there were as many as may be"),
    (POOL_CLIENTS, Gauge, Unit::Count, "Clients of all pools, by state"),
    (POOL_WAITING, Gauge, Unit::Count, "How many wait for a client of a pool"),
    (HANDSHAKES, Counter, Unit::Count, "TLS handshakes of accepted and dialled clients, by result"),
    (HANDSHAKING, Gauge, Unit::Count, "TLS handshakes that are under way"),
];

pub(super) const REFUSALS: [&str; 4] = ["address", "proxy_header", "tls", "unserved"];
pub(super) const RESULTS: [&str; 3] = ["done", "failed", "refused"];
pub(super) const SHORTAGES: [&str; 2] = ["clients_max", "system"];
pub(super) const WORKER_STATES: [&str; 3] = ["running", "parked", "blocked"];
pub(super) const POOL_STATES: [&str; 3] = ["idle", "taken", "dialling"];
/// Of [`Ended`](crate::Ended).
pub(super) const ENDS: [&str; 15] = [
    "by_peer",
    "by_server",
    "failed",
    "idle",
    "stalled",
    "silent",
    "slow_frame",
    "too_slow",
    "bad_frame",
    "not_begun",
    "by_handler",
    "panicked",
    "aborted",
    "cut",
    "truncated",
];
