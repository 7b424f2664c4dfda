//! Row 2: connections that come for one echo.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LOAD, SERVER, echo::cost, from_value, to_value};
use crate::{
    Lab,
    contestants::FLOOR,
    figures::{Runs, digits, failures, highest_first, named, ratio_text, rounds, table, time},
    load::Run,
    server::Server,
};

const WORDS: &str = "-c 64 --size 64 --per-connection 1 --threads 1 --warmup 200ms";

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    pub runs: Vec<Runs>,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let turn_ms = lab.turn_ms(1_000);
    let words = format!("{WORDS} -d {turn_ms}ms");
    let contestants = lab.without_remedies();
    let runs = rounds(&contestants, lab.rounds(9), |contestant| {
        let server = Server::start(SERVER, &contestant.command("echo", 1))?;
        lab.bench.load(LOAD, &server, &words)
    });
    to_value(Figures { turn_ms, runs })
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let floor = named(&figures.runs, FLOOR);
    let mut rows: Vec<(f64, Vec<String>)> = Vec::new();
    for runs in &figures.runs {
        let Some(spread) = runs.spread(cost) else {
            continue;
        };
        let ratio = floor.and_then(|floor| runs.ratio(floor, cost));
        let middle = |figure: fn(&Run) -> f64| runs.median(figure).unwrap_or(0.0);
        rows.push((
            ratio.map_or(0.0, |ratio| ratio.median),
            vec![
                runs.name.clone(),
                ratio_text(ratio),
                format!("{}k", digits(spread.median / 1e3)),
                format!("{}k", digits(middle(|run| run.rate_hz) / 1e3)),
                time(middle(|run| run.p99_ns)),
                format!("{:.0}%", middle(|run| run.busiest) * 100.0),
            ],
        ));
    }
    let rows = highest_first(rows);
    let heads = [
        "server",
        "ratio to the plainest epoll server",
        "connections a second of its processor",
        "connections a second",
        "p99 of connect and echo",
        "load's processor",
    ];
    Ok(format!(
        "As row 1; 64 connections at a time, each for one echo of 64 bytes, then closed by the client and replaced: \
         `wharf bench ADDRESS {WORDS} -d {}ms --server-pid PID`\n\n{}\n{}",
        figures.turn_ms,
        table(&heads, &rows),
        failures(&figures.runs)
    ))
}
