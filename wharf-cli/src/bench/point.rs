//! What a sweep measures at one place: with so many workers, under so much load.

use serde::Serialize;

/// A point of the sweep.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Point {
    pub(super) workers: u64,
    pub(super) load: Amount,
    pub(super) rate_hz: f64,
    pub(super) requests_per_cpu_s: f64,
    pub(super) p99_ns: f64,
    pub(super) switches_per_request: f64,
}

/// How much load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Amount {
    Little,
    Much,
}
