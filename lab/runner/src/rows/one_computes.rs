//! Row 16: one handler computes without end, half a second at a time, and other requests come beside it; as row 9 has it
//! with the lab's own protocol.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    from_value, http,
    spinner::{beside, tell_runs},
    to_value,
};
use crate::{
    Lab,
    contestants::Role,
    figures::{PAIRS, Runs, rounds},
};

/// Always one request in a handler, that computes.
const SPINNER: &str = "-c 1 --http /spin/500 --threads 1 --warmup 0s";
/// What comes beside it.
const OTHERS: &str = "-c 32 --http /hello --answer hello --threads 1 --rate 1k --warmup 200ms";

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    pub runs: Vec<Runs>,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let contestants = lab.http(&[Role::Floor, Role::Wharf, Role::Remedy])?;
    let turn_ms = lab.turn_ms(800);
    let runs = rounds(&contestants, lab.rounds(PAIRS), |contestant| {
        let server = http::start_beside_load(contestant)?;
        beside(lab, &server, OTHERS, SPINNER, turn_ms)
    });
    to_value(Figures { turn_ms, runs })
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    Ok(format!(
        "Two threads, of Wharf up to {} of which two run at once; one connection has a request in a handler at all times that \
         computes for half a second: `wharf bench ADDRESS {SPINNER}`. Beside it 1,000 requests a second on 32 connections, open \
         loop: `wharf bench ADDRESS {OTHERS} -d {}ms`. Server and loads share two processors.\n\n{}{}",
        http::THREADS_MAX,
        figures.turn_ms,
        tell_runs(&figures.runs, "requests a second"),
        http::tell_unbuilt(figures.runs.iter().map(|runs| &runs.name))
    ))
}
