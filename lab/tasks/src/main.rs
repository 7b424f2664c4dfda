//! tokio's own micro-benchmarks of its multi-thread runtime, by name, on tokio and on Wharf.
//!
//! The contestants take turns at each benchmark, round after round, so that what else the machine does meets all of them
//! alike; the medians of the rounds' ratios are compared, each with its 95% interval.

mod benchmarks;
mod contestants;
mod executors;
// How far to trust a median, and how figures are told, is the same for all of the lab.
#[path = "../../runner/src/interval.rs"]
mod interval;
#[path = "../../posted/src/report.rs"]
mod report;

use std::process::ExitCode;

use clap::Parser;

use contestants::{CONTESTANTS, Contestant};
use report::Report;

/// tokio's micro-benchmarks of its runtime, in nanoseconds a run.
#[derive(Debug, Parser)]
#[command(name = "tasks", version)]
struct Arguments {
    /// How often every contestant has its turn
    #[arg(long, default_value_t = 9)]
    rounds: usize,

    /// Only benchmarks with one of these in their name
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,

    /// Prints every round's figures as JSON in place of the table
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut contestants: Vec<&Contestant> = CONTESTANTS.iter().collect();
    let mut report = Report::default();
    for _ in 0..arguments.rounds {
        measure(&contestants, &arguments.only, &mut report);
        // There and back: if the machine gets slower and slower, that meets all alike.
        contestants.reverse();
    }
    if arguments.json {
        println!("{:#}", report.to_json());
    } else {
        println!("nanoseconds a run\n");
        print!("{report}");
    }
    ExitCode::SUCCESS
}

/// One round. The turns of a pair follow each other.
fn measure(contestants: &[&Contestant], only: &[String], report: &mut Report) {
    for (number, name) in benchmarks::NAMES.iter().enumerate() {
        if only.is_empty() || only.iter().any(|part| name.contains(part.as_str())) {
            for contestant in contestants {
                let figure = contestant.benchmarks[number]();
                report.add(name, contestant.name, figure);
            }
        }
    }
}
