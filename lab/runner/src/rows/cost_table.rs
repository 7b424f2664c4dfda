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
    /// The one with the highest ratio first. Some loads tell no percentiles: there is no column for them then.
    pub fn tell(&self, all: &[Runs]) -> String {
        let standard = named(all, self.standard);
        let has_percentiles = all.iter().any(|runs| runs.median(p99) > Some(0.0));
        let rows = all
            .iter()
            .filter_map(|runs| row(runs, standard, has_percentiles))
            .collect::<Vec<_>>();
        let ratio = format!("ratio to {}", self.standard_is);
        let cost = format!("{} a second of its processor", self.answers);
        let rate = format!("{} a second", self.answers);
        let mut heads = vec!["server", &ratio, "range", "rounds", &cost, &rate];
        if has_percentiles {
            heads.extend(["p50", "p99"]);
        }
        heads.push("load's processor");
        table(&heads, &highest_first(rows))
    }
}

fn p99(run: &Run) -> f64 {
    run.p99_ns
}

/// With its ratio before it; none if no run succeeded.
fn row(runs: &Runs, standard: Option<&Runs>, has_percentiles: bool) -> Option<(f64, Vec<String>)> {
    let median = runs.median(cost)?;
    let ratio = standard.and_then(|standard| runs.ratio(standard, cost));
    let middle = |figure: fn(&Run) -> f64| runs.median(figure).unwrap_or(0.0);
    let busiest = middle(|run| run.busiest);
    let bound = if busiest > BUSY_MAX { " (bound)" } else { "" };
    let mut cells = vec![
        runs.name.clone(),
        ratio_text(ratio),
        range_text(ratio),
        runs.runs.len().to_string(),
        format!("{}k", digits(median / 1e3)),
        format!("{}k", digits(middle(|run| run.rate_hz) / 1e3)),
    ];
    if has_percentiles {
        cells.extend([time(middle(|run| run.p50_ns)), time(middle(p99))]);
    }
    cells.push(format!("{:.0}%{bound}", busiest * 100.0));
    Some((ratio.map_or(0.0, |ratio| ratio.median), cells))
}
