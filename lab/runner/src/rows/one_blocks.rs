//! Row 14: one in a hundred handlers blocks its thread for 10 ms, and tells nobody.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BOTH, from_value, http, to_value};
use crate::{
    Lab,
    contestants::{Role, http::TOKIO},
    figures::{
        PAIRS, Runs, digits, failures, highest_first, named, ratio_text, rounds, table, time,
    },
};

const WORDS: &str =
    "-c 64 --http /hello --answer hello --also 1:/sleep/10 --threads 1 --warmup 200ms";

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    /// The rate is of all requests, the latency of those that do not block.
    pub runs: Vec<Runs>,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let contestants = lab.http(&[Role::Floor, Role::Wharf, Role::Again, Role::Remedy])?;
    let turn_ms = lab.turn_ms(600);
    let words = format!("{WORDS} -d {turn_ms}ms");
    let runs = rounds(&contestants, lab.rounds(PAIRS), |contestant| {
        let server = http::start_beside_load(contestant)?;
        lab.bench.load(BOTH, &server, &words)
    });
    to_value(Figures { turn_ms, runs })
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let tokio = named(&figures.runs, TOKIO);
    let mut rows: Vec<(f64, Vec<String>)> = Vec::new();
    for runs in &figures.runs {
        let (Some(rate_hz), Some(p99)) = (
            runs.median(|run| run.rate_hz),
            runs.spread(|run| run.p99_ns),
        ) else {
            continue;
        };
        let ratio = tokio.and_then(|tokio| runs.ratio(tokio, |run| run.rate_hz));
        let cells = vec![
            runs.name.clone(),
            digits(rate_hz),
            ratio_text(ratio),
            time(p99.median),
            format!("{} to {}", time(p99.least), time(p99.most)),
        ];
        rows.push((rate_hz, cells));
    }
    let heads = [
        "server",
        "requests a second",
        "ratio to tokio as it is written",
        "p99 of the others",
        "range of the rounds' p99",
    ];
    Ok(format!(
        "64 connections in a closed loop; one in a hundred requests, at random, is `GET /sleep/10`, whose handler blocks its \
         thread for 10 ms, the others are `GET /hello`: `wharf bench ADDRESS {WORDS} -d {}ms`. Two threads, of Wharf up to {} \
         of which two run at once; server and load share two processors. `spawn-blocking` and `block-in-place` are the \
         remedies that tokio's documentation gives to handlers that are known to block.\n\n{}\n{}{}",
        figures.turn_ms,
        http::THREADS_MAX,
        table(&heads, &highest_first(rows)),
        http::tell_unbuilt(figures.runs.iter().map(|runs| &runs.name)),
        failures(&figures.runs)
    ))
}
