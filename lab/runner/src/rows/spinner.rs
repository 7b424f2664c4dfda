//! Row 9: one of two workers computes without end, ten milliseconds at a time, and echoes come beside it.

use std::{path::Path, thread};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BOTH, from_value, to_value};
use crate::{
    Lab,
    figures::{FEW, Runs, digits, failures, lowest_first, rounds, table, time},
    load::Run,
    server::Server,
};

/// Always one request in a handler, that computes.
const SPINNER: &str = "-c 1 --threads 1 --work fixed:10ms --kind spin --warmup 0s";
/// What comes beside it: requests that take a microsecond.
const ECHOES: &str = "-c 32 --threads 1 --work fixed:1us --rate 1k --warmup 300ms";

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    pub runs: Vec<Runs>,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let (turns, turn_ms) = (lab.rounds(FEW), lab.turn_ms(1_200));
    let contestants: Vec<_> = lab
        .servers()
        .into_iter()
        .filter(|contestant| contestant.serves_on(2))
        .collect();
    let runs = rounds(&contestants, turns, |contestant| {
        let server = Server::start(BOTH, &contestant.command("work", 2))?;
        beside(lab, &server, ECHOES, SPINNER, turn_ms)
    });
    to_value(Figures { turn_ms, runs })
}

/// Loads the server with `words` for a turn, beside the load of `spinner`; what `words` came to.
pub fn beside(
    lab: &Lab,
    server: &Server,
    words: &str,
    spinner: &str,
    turn_ms: u32,
) -> Result<Run, String> {
    let words = format!("{words} -d {turn_ms}ms");
    // From before the others until after.
    let spinner = format!("{spinner} -d {}ms", turn_ms + 800);
    thread::scope(|scope| {
        let spinner = scope.spawn(|| lab.bench.load(BOTH, server, &spinner));
        let run = lab.bench.load(BOTH, server, &words);
        let spun = spinner.join().map_err(|_| "the spinner panicked")?;
        spun.and(run)
    })
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    Ok(format!(
        "Two threads (workers); one connection has a request in a handler at all times that computes for 10 ms: \
         `wharf bench ADDRESS {SPINNER}`. Beside it 1,000 requests a second on 32 connections, open loop: \
         `wharf bench ADDRESS {ECHOES} -d {}ms`. Server and loads share two processors. Where connections are pinned to \
         threads, half of them wait for the one that computes.\n\n{}",
        figures.turn_ms,
        tell_runs(&figures.runs, "echoes a second")
    ))
}

/// The tail beside the one that computes, the shortest first, and what failed.
pub fn tell_runs(all: &[Runs], rate: &str) -> String {
    let mut rows: Vec<(f64, Vec<String>)> = Vec::new();
    for runs in all {
        let (Some(p50), Some(p99), Some(rate_hz)) = (
            runs.spread(|run| run.p50_ns),
            runs.spread(|run| run.p99_ns),
            runs.spread(|run| run.rate_hz),
        ) else {
            continue;
        };
        rows.push((
            p99.median,
            vec![
                runs.name.clone(),
                time(p50.median),
                time(p99.median),
                format!("{} to {}", time(p99.least), time(p99.most)),
                digits(rate_hz.median),
            ],
        ));
    }
    let rows = lowest_first(rows);
    let heads = ["server", "p50", "p99", "range of the rounds' p99", rate];
    format!("{}\n{}", table(&heads, &rows), failures(all))
}
