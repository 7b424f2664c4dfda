//! Row 9: one of two workers computes without end, ten milliseconds at a time, and echoes come beside it.

use std::{path::Path, thread};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BOTH, from_value, to_value};
use crate::{
    Lab,
    figures::{FEW, Runs, digits, failures, lowest_first, rounds, table, time},
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
        // Longer than the echoes, from before them until after.
        let words = format!("{SPINNER} -d {}ms", turn_ms + 800);
        thread::scope(|scope| {
            let spinner = scope.spawn(|| lab.bench.load(BOTH, &server, &words));
            let echoes = lab
                .bench
                .load(BOTH, &server, &format!("{ECHOES} -d {turn_ms}ms"));
            let spun = spinner.join().map_err(|_| "the spinner panicked")?;
            spun.and(echoes)
        })
    });
    to_value(Figures { turn_ms, runs })
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let mut rows: Vec<(f64, Vec<String>)> = Vec::new();
    for runs in &figures.runs {
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
    Ok(format!(
        "Two threads (workers); one connection has a request in a handler at all times that computes for 10 ms: \
         `wharf bench ADDRESS {SPINNER}`. Beside it 1,000 requests a second on 32 connections, open loop: \
         `wharf bench ADDRESS {ECHOES} -d {}ms`. Server and loads share two processors. Where connections are pinned to \
         threads, half of them wait for the one that computes.\n\n{}\n{}",
        figures.turn_ms,
        table(
            &[
                "server",
                "p50",
                "p99",
                "range of the rounds' p99",
                "echoes a second"
            ],
            &rows
        ),
        failures(&figures.runs)
    ))
}
