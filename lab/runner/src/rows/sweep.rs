//! Row 8: the old advice on how many threads a pool should have. Measured by `wharf bench --sweep-workers`.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{BOTH, from_value};
use crate::{
    Lab,
    figures::{digits, table, time},
    plot, sweep_plot,
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
    /// What was measured before the command told them has none.
    least: Option<Ends>,
    most: Option<Ends>,
}

/// The least or the most of the rounds.
#[derive(Deserialize)]
struct Ends {
    rate_hz: f64,
    p99_ns: f64,
    switches_per_request: f64,
}

impl Ends {
    fn drawn(&self) -> sweep_plot::Figures {
        sweep_plot::Figures {
            rate_hz: self.rate_hz,
            p99_ns: self.p99_ns,
            switches_per_request: self.switches_per_request,
        }
    }
}

impl Point {
    fn measured(&self) -> sweep_plot::Measured {
        let ends = self.least.as_ref().zip(self.most.as_ref());
        sweep_plot::Measured {
            workers: self.workers.into(),
            is_much: self.load == "much",
            median: sweep_plot::Figures {
                rate_hz: self.rate_hz,
                p99_ns: self.p99_ns,
                switches_per_request: self.switches_per_request,
            },
            range: ends.map(|(least, most)| (least.drawn(), most.drawn())),
        }
    }
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let turn = format!("{}ms", lab.turn_ms(1_000));
    let arguments = ["--sweep-workers", "1..64", "-d", &turn, "--json", "--quiet"];
    lab.bench.json(BOTH, &arguments)
}

pub fn tell(figures: &Value, plots: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let measured: Vec<_> = figures.points.iter().map(Point::measured).collect();
    plot::save(&plots.join("row-8.svg"), &sweep_plot::draw(&measured))?;
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
         loop, little is 200 requests a second in an open loop; medians of {} rounds, in the picture with a bar from the least to the most where they \
         were kept.\n\n{}\n\
         ![Throughput, tail and context switches against the number of workers](plots/row-8.svg)\n",
        figures.rounds,
        table(&heads, &rows)
    ))
}
