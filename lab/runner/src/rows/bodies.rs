//! Row 17: the cost of bodies that are larger than a packet, out of the server and into it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{from_value, hello::COSTS, http, to_value};
use crate::{
    Lab,
    contestants::Role,
    figures::{PAIRS, Runs, failures, rounds},
};

/// What is measured, and the load's words for it.
const LOADS: [(&str, &str); 4] = [
    ("64 KiB out", "--http /bytes/65536"),
    ("1 MiB out", "--http /bytes/1048576"),
    (
        "64 KiB in",
        "--http /count --post --size 65536 --answer 65536",
    ),
    (
        "1 MiB in",
        "--http /count --post --size 1048576 --answer 1048576",
    ),
];

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    pub loads: Vec<Load>,
}

#[derive(Serialize, Deserialize)]
pub struct Load {
    pub name: String,
    pub runs: Vec<Runs>,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let contestants = lab.http(&[Role::Floor, Role::Wharf, Role::Again])?;
    let turn_ms = lab.turn_ms(500);
    let measure_load = |(name, load): (&str, &str)| {
        eprintln!("  {name}");
        let words = words(load, turn_ms);
        let runs = rounds(&contestants, lab.rounds(PAIRS), |contestant| {
            http::cost_turn(lab, contestant, &words)
        });
        Load {
            name: name.to_owned(),
            runs,
        }
    };
    to_value(Figures {
        turn_ms,
        loads: LOADS.map(measure_load).into(),
    })
}

fn words(load: &str, turn_ms: u32) -> String {
    format!("-c 16 {load} --threads 1 --warmup 100ms -d {turn_ms}ms")
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let mut text = String::from(
        "As row 13, on 16 connections: a body out of the server, made for each request, and one into it, which it takes \
         whole and answers with its length.\n\n",
    );
    for (load, (_, its_words)) in figures.loads.iter().zip(LOADS) {
        text += &format!(
            "**{}** (`wharf bench ADDRESS {} --server-pid PID`)\n\n{}\n",
            load.name,
            words(its_words, figures.turn_ms),
            COSTS.tell(&load.runs)
        );
    }
    let all = || figures.loads.iter().flat_map(|load| &load.runs);
    text += &http::tell_unbuilt(all().map(|runs| &runs.name));
    text += &failures(all());
    Ok(text)
}
