//! Row 15: every handler blocks its thread for 10 ms, as row 5 has it with the lab's own protocol.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    from_value, http,
    sleepers::{IDEAL_HZ, WORKERS_MAX, measure_all, tell_runs},
    to_value,
};
use crate::{
    Lab,
    contestants::{Role, http::TOKIO},
    figures::{PAIRS, Runs},
};

const WORDS: &str = "-c 64 --http /sleep/10 --threads 1 --warmup 200ms";

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    pub runs: Vec<Runs>,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let turn_ms = lab.turn_ms(500);
    let mut servers = Vec::new();
    for contestant in lab.http(&[Role::Floor, Role::Wharf, Role::Remedy])? {
        let command = contestant.http_command(2, WORKERS_MAX);
        servers.push((contestant.name.to_owned(), command));
        // The oldest remedy.
        if contestant.name == TOKIO {
            let name = format!("{TOKIO}, {WORKERS_MAX} threads");
            servers.push((name, contestant.http_command(WORKERS_MAX, WORKERS_MAX)));
        }
    }
    let words = format!("{WORDS} -d {turn_ms}ms");
    let runs = measure_all(lab, &servers, lab.rounds(PAIRS), &words);
    to_value(Figures { turn_ms, runs })
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    Ok(format!(
        "64 clients in a closed loop, each asks for `GET /sleep/10`, whose handler blocks its thread for 10 ms; two threads \
         unless said, of Wharf up to {WORKERS_MAX} of which two run at once: `wharf bench ADDRESS {WORDS} -d {}ms`. The ideal \
         is {IDEAL_HZ} a second.\n\n{}{}",
        figures.turn_ms,
        tell_runs(&figures.runs),
        http::tell_unbuilt(figures.runs.iter().map(|runs| &runs.name))
    ))
}
