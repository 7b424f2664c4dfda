//! Row 4: a few connections carry most of the load, and designs that pin connections to threads put some of them
//! together.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BOTH, from_value, to_value};
use crate::{
    Lab,
    figures::{FEW, Runs, failures, lowest_first, range_text, ratio_text, rounds, table, time},
    server::Server,
};

/// Each request computes for 50 us: at this rate two processors are busy by 60% with it, and the rest is the kernel's and
/// the load's.
const WORDS: &str =
    "-c 512 --pipeline 64 --threads 1 --work fixed:50us --kind spin --rate 12k --warmup 300ms";
const SKEW: &str = "--skew 8:90";

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    pub even: Vec<Runs>,
    pub skewed: Vec<Runs>,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let (turns, turn_ms) = (lab.rounds(FEW), lab.turn_ms(1_000));
    let contestants: Vec<_> = lab
        .servers()
        .into_iter()
        .filter(|contestant| contestant.serves_on(2))
        .collect();
    let mut even: Vec<Runs> = contestants
        .iter()
        .map(|contestant| Runs::new(contestant.name))
        .collect();
    let skewed = rounds(&contestants, turns, |contestant| {
        // The two of a pair follow each other.
        let turn = |skew: &str| {
            let server = Server::start(BOTH, &contestant.command("work", 2))?;
            lab.bench
                .load(BOTH, &server, &format!("{WORDS} -d {turn_ms}ms {skew}"))
        };
        if let Some(runs) = even.iter_mut().find(|runs| runs.name == contestant.name) {
            runs.add(turn(""));
        }
        turn(SKEW)
    });
    to_value(Figures {
        turn_ms,
        even,
        skewed,
    })
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let mut rows: Vec<(f64, Vec<String>)> = Vec::new();
    for (even, skewed) in figures.even.iter().zip(&figures.skewed) {
        let (Some(even_p99), Some(skewed_p99)) = (
            even.spread(|run| run.p99_ns),
            skewed.spread(|run| run.p99_ns),
        ) else {
            continue;
        };
        let ratio = skewed.ratio(even, |run| run.p99_ns);
        rows.push((
            skewed_p99.median,
            vec![
                even.name.clone(),
                time(even_p99.median),
                time(skewed_p99.median),
                ratio_text(ratio),
                range_text(ratio),
            ],
        ));
    }
    let rows = lowest_first(rows);
    Ok(format!(
        "512 connections, two threads (workers) that share both processors with the load; every request computes for 50 us; \
         open loop at 12,000 a second: `wharf bench ADDRESS {WORDS} -d {}ms`, evenly, and with `{SKEW}`.\n\n{}\n{}",
        figures.turn_ms,
        table(
            &[
                "server",
                "p99, even",
                "p99, 8 of 512 carry 90%",
                "skewed over even",
                "range"
            ],
            &rows
        ),
        failures(figures.even.iter().chain(&figures.skewed))
    ))
}
