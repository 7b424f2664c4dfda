//! The rows of the report: each measures, keeps its figures as JSON, and tells them as Markdown.

pub mod all_block;
pub mod bodies;
pub mod check;
pub mod churn;
pub mod cost_table;
pub mod counts;
pub mod dispersion;
pub mod echo;
pub mod frames;
pub mod hello;
pub mod http;
pub mod idle;
pub mod keep_alive;
pub mod one_blocks;
pub mod one_computes;
pub mod other_loads;
pub mod posted;
pub mod redis;
pub mod skew;
pub mod sleepers;
pub mod spinner;
pub mod sweep;
pub mod tasks;
pub mod tls;
pub mod web;
pub mod web_check;
pub mod win32;

use std::path::Path;

use serde_json::Value;

use crate::Lab;

/// One row.
pub struct Row {
    pub number: u8,
    pub title: &'static str,
    pub measure: fn(&Lab) -> Result<Value, String>,
    /// The text, and where plots go.
    pub tell: fn(&Value, &Path) -> Result<String, String>,
}

pub const ROWS: [Row; 24] = [
    Row {
        number: 1,
        title: "What an echo costs",
        measure: echo::measure,
        tell: echo::tell,
    },
    Row {
        number: 2,
        title: "Connect, one echo, close",
        measure: churn::measure,
        tell: churn::tell,
    },
    Row {
        number: 3,
        title: "Idle connections",
        measure: idle::measure,
        tell: idle::tell,
    },
    Row {
        number: 4,
        title: "Few connections carry most of the load",
        measure: skew::measure,
        tell: skew::tell,
    },
    Row {
        number: 5,
        title: "Handlers that sleep",
        measure: sleepers::measure,
        tell: sleepers::tell,
    },
    Row {
        number: 6,
        title: "Service times that differ",
        measure: dispersion::measure,
        tell: dispersion::tell,
    },
    Row {
        number: 7,
        title: "Posted packets",
        measure: posted::measure,
        tell: posted::tell,
    },
    Row {
        number: 8,
        title: "How many workers",
        measure: sweep::measure,
        tell: sweep::tell,
    },
    Row {
        number: 9,
        title: "Echoes beside a handler that computes",
        measure: spinner::measure,
        tell: spinner::tell,
    },
    Row {
        number: 10,
        title: "Instructions of an echo",
        measure: counts::measure,
        tell: counts::tell,
    },
    Row {
        number: 11,
        title: "What a frame costs",
        measure: frames::measure,
        tell: frames::tell,
    },
    Row {
        number: 12,
        title: "The Redis protocol",
        measure: redis::measure,
        tell: redis::tell,
    },
    Row {
        number: 13,
        title: "Hello over HTTP",
        measure: hello::measure,
        tell: hello::tell,
    },
    Row {
        number: 14,
        title: "One in a hundred handlers blocks",
        measure: one_blocks::measure,
        tell: one_blocks::tell,
    },
    Row {
        number: 15,
        title: "All handlers block",
        measure: all_block::measure,
        tell: all_block::tell,
    },
    Row {
        number: 16,
        title: "One handler computes without end",
        measure: one_computes::measure,
        tell: one_computes::tell,
    },
    Row {
        number: 17,
        title: "Bodies over HTTP",
        measure: bodies::measure,
        tell: bodies::tell,
    },
    Row {
        number: 18,
        title: "tokio's micro-benchmarks",
        measure: tasks::measure,
        tell: tasks::tell,
    },
    Row {
        number: 19,
        title: "Idle keep-alive connections",
        measure: keep_alive::measure,
        tell: keep_alive::tell,
    },
    Row {
        number: 20,
        title: "Windows' names",
        measure: win32::measure,
        tell: win32::tell,
    },
    Row {
        number: 21,
        title: "An echo over TLS",
        measure: tls::measure,
        tell: tls::tell,
    },
    Row {
        number: 22,
        title: "HTTP/2",
        measure: web::measure_http2,
        tell: web::tell_http2,
    },
    Row {
        number: 23,
        title: "HTTPS",
        measure: web::measure_https,
        tell: web::tell_https,
    },
    Row {
        number: 24,
        title: "A message of a WebSocket",
        measure: web::measure_web_sockets,
        tell: web::tell_web_sockets,
    },
];

/// The server's processor where it has one, and the load's.
pub const SERVER: &str = "0";
pub const LOAD: &str = "1";
/// Where the server has two threads, both share both processors with the load.
pub const BOTH: &str = "0,1";

fn to_value(figures: impl serde::Serialize) -> Result<Value, String> {
    serde_json::to_value(figures).map_err(|error| error.to_string())
}

fn from_value<T: for<'a> serde::Deserialize<'a>>(figures: &Value) -> Result<T, String> {
    T::deserialize(figures).map_err(|error| format!("the results are of another version: {error}"))
}
