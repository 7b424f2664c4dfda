//! Row 18: tokio's own micro-benchmarks of its runtime, on tokio and on Wharf. Measured by `tasks`.

use std::{path::Path, process::Command};

use serde_json::Value;

use super::{from_value, posted::Measure};
use crate::{
    Lab,
    figures::{PAIRS, Spread, ratio_text, ratios, spread, table, time},
};

const TOKIO: &str = "tokio";
const AGAIN: &str = "tokio again";
const WHARF: &str = "wharf";

/// Wharf's time over tokio's, if both were measured.
pub fn ratio(measure: &Measure) -> Option<Spread> {
    between(measure, WHARF)
}

/// tokio's over its own.
pub fn noise(measure: &Measure) -> Option<Spread> {
    between(measure, AGAIN)
}

fn between(measure: &Measure, name: &str) -> Option<Spread> {
    ratios(
        measure.contestants.get(name)?,
        measure.contestants.get(TOKIO)?,
    )
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let rounds = lab.rounds(PAIRS).to_string();
    let output = Command::new(lab.folder.join("target/release/tasks"))
        .args(["--json", "--rounds", &rounds])
        .output()
        .map_err(|error| format!("can't start tasks: {error}; run lab/build"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| format!("tasks: {error}"))
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let measures: Vec<Measure> = from_value(figures)?;
    let rows: Vec<Vec<String>> = measures
        .iter()
        .map(|measure| {
            let median = |name: &str| {
                let median = measure.contestants.get(name).cloned().and_then(spread);
                median.map_or("not built".into(), |spread| time(spread.median))
            };
            vec![
                measure.measure.clone(),
                median(TOKIO),
                median(WHARF),
                ratio_text(ratio(measure)),
                ratio_text(noise(measure)),
            ]
        })
        .collect();
    let heads = [
        "benchmark",
        "tokio",
        "Wharf",
        "Wharf over tokio",
        "tokio over itself",
    ];
    Ok(format!(
        "The benchmarks by these names in tokio's `benches/rt_multi_threaded.rs`, written again for both; `mpsc_ping_pong` is the \
         lab's own. Two workers on tokio, of Wharf up to 64 of which two run at once. The time of a run; less is better. \
         `lab/target/release/tasks`\n\n{}",
        table(&heads, &rows)
    ))
}
