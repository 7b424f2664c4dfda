//! Row 8: the old advice on how many threads a pool should have. Measured by `wharf bench --sweep-workers`.

use std::{fs, path::Path};

use serde::Deserialize;
use serde_json::Value;

use super::{BOTH, from_value};
use crate::{
    Lab,
    figures::{digits, table, time},
};

#[derive(Deserialize)]
pub struct Figures {
    rounds: u32,
    pub points: Vec<Point>,
}

#[derive(Deserialize)]
pub struct Point {
    pub workers: u32,
    pub load: String,
    pub rate_hz: f64,
    p99_ns: f64,
    pub switches_per_request: f64,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let turn = format!("{}ms", lab.turn_ms(1_000));
    let plots = lab.folder.join("plots");
    fs::create_dir_all(&plots).map_err(|error| format!("{}: {error}", plots.display()))?;
    let svg = plots.join("row-8.svg").display().to_string();
    let arguments = [
        "--sweep-workers",
        "1..64",
        "-d",
        &turn,
        "--json",
        "--quiet",
        "--svg",
        &svg,
    ];
    lab.bench.json(BOTH, &arguments)
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let rows: Vec<Vec<String>> = figures
        .points
        .iter()
        .map(|point| {
            vec![
                point.workers.to_string(),
                point.load.clone(),
                digits(point.rate_hz),
                time(point.p99_ns),
                format!("{:.3}", point.switches_per_request),
            ]
        })
        .collect();
    let heads = [
        "workers",
        "load",
        "requests a second",
        "p99",
        "context switches a request",
    ];
    Ok(format!(
        "`wharf bench --sweep-workers 1..64`: its own server, two processors for both; much is 64 connections in a closed \
         loop, little is 200 requests a second in an open loop; medians of {} rounds.\n\n{}\n\
         ![Throughput, tail and context switches against the number of workers](plots/row-8.svg)\n",
        figures.rounds,
        table(&heads, &rows)
    ))
}
