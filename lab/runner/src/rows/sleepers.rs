//! Row 5: handlers that sleep without telling anybody.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BOTH, from_value, to_value};
use crate::{
    Lab,
    contestants::Role,
    figures::{FEW, Runs, digits, failures, highest_first, order, table, time},
    server::Server,
};

const WORDS: &str = "-c 64 --threads 1 --work fixed:10ms --kind sleep --warmup 300ms";

/// 64 clients, each served in 10 ms.
pub const IDEAL_HZ: f64 = 6_400.0;

/// So many workers there may be, where two run at once.
pub const WORKERS_MAX: u32 = 128;

/// These are measured with as many threads too, which is the oldest remedy: in their pools any thread serves any connection.
const SHARED_POOLS: [&str; 2] = ["tokio-pool", "asio"];

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    pub runs: Vec<Runs>,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let (turns, turn_ms) = (lab.rounds(FEW), lab.turn_ms(1_000));
    let words = format!("{WORDS} -d {turn_ms}ms");
    let mut servers = Vec::new();
    for contestant in lab
        .contestants
        .iter()
        .filter(|contestant| contestant.role != Role::Again && contestant.serves_on(2))
    {
        servers.push((contestant.name.to_owned(), contestant.command("work", 2)));
        if contestant.role == Role::Wharf {
            let name = format!("{}, up to {WORKERS_MAX} workers", contestant.name);
            let command = contestant.command_with_workers("work", 2, WORKERS_MAX, 2);
            servers.push((name, command));
        }
        if SHARED_POOLS.contains(&contestant.name) {
            let name = format!("{}, {WORKERS_MAX} threads", contestant.name);
            servers.push((name, contestant.command("work", WORKERS_MAX)));
        }
    }
    let runs = measure_all(lab, &servers, turns, &words);
    to_value(Figures { turn_ms, runs })
}

/// Gives each of these servers, by name and command, its turn.
pub fn measure_all(
    lab: &Lab,
    servers: &[(String, Vec<String>)],
    turns: u32,
    words: &str,
) -> Vec<Runs> {
    let mut runs: Vec<Runs> = servers.iter().map(|(name, _)| Runs::new(name)).collect();
    for round in 0..turns {
        for number in order(round, servers.len()) {
            let run = Server::start(BOTH, &servers[number].1)
                .and_then(|server| lab.bench.load(BOTH, &server, words));
            runs[number].add(run);
        }
    }
    runs
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    Ok(format!(
        "64 clients in a closed loop, each request sleeps for 10 ms in its handler; two threads unless said, \
         and of Wharf's never more than two run at once: \
         `wharf bench ADDRESS {WORDS} -d {}ms`. The ideal is {IDEAL_HZ} a second. Go's `time.Sleep` blocks no thread, and \
         `spawn_blocking` and `block_in_place` are the remedies that tokio's documentation gives.\n\n{}",
        figures.turn_ms,
        tell_runs(&figures.runs)
    ))
}

/// How near each came to the ideal, the nearest first, and what failed.
pub fn tell_runs(all: &[Runs]) -> String {
    let mut rows: Vec<(f64, Vec<String>)> = Vec::new();
    for runs in all {
        let (Some(rate_hz), Some(p99)) = (
            runs.spread(|run| run.rate_hz),
            runs.spread(|run| run.p99_ns),
        ) else {
            continue;
        };
        rows.push((
            rate_hz.median,
            vec![
                runs.name.clone(),
                digits(rate_hz.median),
                format!("{:.0}%", 100.0 * rate_hz.median / IDEAL_HZ),
                time(p99.median),
            ],
        ));
    }
    let rows = highest_first(rows);
    let heads = ["server", "requests a second", "of the ideal", "p99"];
    format!("{}\n{}", table(&heads, &rows), failures(all))
}
