//! The table of rows that measure cost: what a server gets done for each second of its processor's time, beside another.

use crate::{
    figures::{Runs, digits, highest_first, named, range_text, ratio_text, table, time},
    load::Run,
};

/// Above this, the load has no time to spare.
const BUSY_MAX: f64 = 0.8;

/// What is compared.
pub struct CostTable {
    /// The server that the others' ratios are to.
    pub standard: &'static str,
    /// What it is.
    pub standard_is: &'static str,
    /// What a server does, such as echoes.
    pub answers: &'static str,
}

pub fn cost(run: &Run) -> f64 {
    run.requests_per_cpu_s
}

impl CostTable {
    /// The one with the highest ratio first.
    pub fn tell(&self, all: &[Runs]) -> String {
        let standard = named(all, self.standard);
        let rows = all
            .iter()
            .filter_map(|runs| row(runs, standard))
            .collect::<Vec<_>>();
        let heads = [
            "server",
            &format!("ratio to {}", self.standard_is),
            "range",
            "rounds",
            &format!("{} a second of its processor", self.answers),
            &format!("{} a second", self.answers),
            "p50",
            "p99",
            "load's processor",
        ];
        table(&heads, &highest_first(rows))
    }
}

/// With its ratio before it; none if no run succeeded.
fn row(runs: &Runs, standard: Option<&Runs>) -> Option<(f64, Vec<String>)> {
    let median = runs.median(cost)?;
    let ratio = standard.and_then(|standard| runs.ratio(standard, cost));
    let middle = |figure: fn(&Run) -> f64| runs.median(figure).unwrap_or(0.0);
    let busiest = middle(|run| run.busiest);
    let bound = if busiest > BUSY_MAX { " (bound)" } else { "" };
    let cells = vec![
        runs.name.clone(),
        ratio_text(ratio),
        range_text(ratio),
        runs.runs.len().to_string(),
        format!("{}k", digits(median / 1e3)),
        format!("{}k", digits(middle(|run| run.rate_hz) / 1e3)),
        time(middle(|run| run.p50_ns)),
        time(middle(|run| run.p99_ns)),
        format!("{:.0}%{bound}", busiest * 100.0),
    ];
    Some((ratio.map_or(0.0, |ratio| ratio.median), cells))
}
