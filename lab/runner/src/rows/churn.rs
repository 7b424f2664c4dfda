//! Row 2: connections that come for one echo.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LOAD, SERVER, cost_table::cost, from_value, to_value};
use crate::{
    Lab,
    contestants::FLOOR,
    figures::{
        PAIRS, Runs, digits, failures, highest_first, named, pairs, range_text, ratio_text, table,
        time,
    },
    load::Run,
    server::Server,
};

const WORDS: &str = "-c 64 --size 64 --per-connection 1 --threads 1";
const WARMUP_MS: u32 = 100;

/// What older results were measured with, which have it not in them.
fn older_warmup_ms() -> u32 {
    200
}

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    #[serde(default = "older_warmup_ms")]
    warmup_ms: u32,
    pub runs: Vec<Runs>,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let turn_ms = lab.turn_ms(500);
    let words = words(turn_ms, WARMUP_MS);
    let contestants = lab.servers_and_again();
    let runs = pairs(&contestants, lab.rounds(PAIRS), cost, |contestant| {
        let server = Server::start(SERVER, &contestant.command("echo", 1))?;
        lab.bench.load(LOAD, &server, &words)
    });
    to_value(Figures {
        turn_ms,
        warmup_ms: WARMUP_MS,
        runs,
    })
}

fn words(turn_ms: u32, warmup_ms: u32) -> String {
    format!("{WORDS} --warmup {warmup_ms}ms -d {turn_ms}ms")
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
                range_text(ratio),
                runs.runs.len().to_string(),
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
        "range",
        "rounds",
        "connections a second of its processor",
        "connections a second",
        "p99 of connect and echo",
        "load's processor",
    ];
    Ok(format!(
        "As row 1; 64 connections at a time, each for one echo of 64 bytes, then closed by the client and replaced: \
         `wharf bench ADDRESS {} --server-pid PID`. Peers that Wharf was ahead of in each of the first nine rounds have no \
         more.\n\n{}\n{}",
        words(figures.turn_ms, figures.warmup_ms),
        table(&heads, &rows),
        failures(&figures.runs)
    ))
}
