//! The lab: measures the same server on Wharf, on other runtimes and on bare system calls, and writes what came of it.
//!
//! Each row of the report is a file in [`rows`]. A row's figures are kept in `results/`, with the machine and the
//! commands, and the report is made of those files; so one row can be measured again without the others.

mod aims;
#[path = "../../../wharf-cli/src/chart.rs"]
mod chart;
mod contention;
mod contestants;
mod figures;
mod h2load;
mod interval;
mod judge;
mod load;
mod machine;
mod plot;
mod processor_time;
mod queueing;
mod report;
mod results;
mod rows;
mod server;
// The report's picture of a sweep is the command's own.
#[path = "../../../wharf-cli/src/bench/sweep_plot.rs"]
mod sweep_plot;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

use contestants::{Contestant, Role};
use load::Bench;
use results::Results;

/// Measures Wharf and its peers.
#[derive(Debug, Parser)]
#[command(name = "lab")]
struct Arguments {
    /// Measure only this row, 1 to 24; may be given several times
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=24))]
    row: Vec<u8>,

    /// Of row 1, measure only this point: connections, bytes, and requests under way, as in 64x64x1; may be given several
    /// times. The others stay as they were measured
    #[arg(long, value_name = "POINT", value_parser = rows::echo::parse_point)]
    point: Vec<(u32, u32, u32)>,

    /// How often every contestant has its turn [default: what suits the row]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: Option<u32>,

    /// How long each turn measures, in milliseconds [default: what suits the row]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=600_000))]
    turn_ms: Option<u32>,

    /// Only contestants with this in their name, and the floors; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,

    /// Row 1 at 64 and 512 connections against the plainest server and tokio, as a table here; the report stays
    #[arg(long)]
    quick: bool,

    /// See that every contestant that was built starts and answers, every byte and every kind of work
    #[arg(long)]
    check: bool,

    /// Measure nothing: make the report, and its pictures, of what was measured before
    #[arg(long)]
    report_only: bool,

    /// The folder of the lab
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    lab: PathBuf,
}

/// What the rows measure with.
struct Lab {
    bench: Bench,
    contestants: Vec<Contestant>,
    /// Those of HTTP.
    http: Vec<Contestant>,
    /// Those of Windows' names, and what they are measured against.
    win32: Vec<Contestant>,
    /// Those of TLS.
    tls: Vec<Contestant>,
    /// Those of HTTP/2, HTTPS and WebSockets.
    web: Vec<Contestant>,
    results: Results,
    /// Of row 1; all if there are none.
    points: Vec<(u32, u32, u32)>,
    rounds: Option<u32>,
    turn_ms: Option<u32>,
    folder: PathBuf,
}

impl Lab {
    fn rounds(&self, suited: u32) -> u32 {
        self.rounds.unwrap_or(suited)
    }

    /// The servers of every row of bytes but that of the sleepers, for which remedies are.
    fn servers(&self) -> Vec<&Contestant> {
        let all = self.contestants.iter();
        all.filter(|contestant| !matches!(contestant.role, Role::Remedy | Role::Again))
            .collect()
    }

    /// As [`servers`](Self::servers), and one of them against itself.
    fn servers_and_again(&self) -> Vec<&Contestant> {
        let all = self.contestants.iter();
        all.filter(|contestant| contestant.role != Role::Remedy)
            .collect()
    }

    /// The servers of HTTP that play one of these parts.
    fn http(&self, roles: &[Role]) -> Result<Vec<&Contestant>, String> {
        let all = self.http.iter();
        let servers: Vec<&Contestant> = all
            .filter(|contestant| roles.contains(&contestant.role))
            .collect();
        match servers.is_empty() {
            true => Err("no server of HTTP is there; run lab/build".into()),
            false => Ok(servers),
        }
    }

    fn turn_ms(&self, suited: u32) -> u32 {
        self.turn_ms.unwrap_or(suited)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let results = Results::in_folder(&arguments.lab);
    if arguments.report_only {
        return report::write(&arguments.lab, &results);
    }
    machine::raise_open_files();
    let chosen = |all| contestants::chosen(all, &arguments.lab, &arguments.only);
    let lab = Lab {
        bench: Bench::new(&arguments.lab)?,
        contestants: chosen(contestants::all()),
        http: chosen(contestants::http::all()),
        win32: chosen(contestants::win32::all()),
        tls: chosen(contestants::tls::all()),
        web: chosen(contestants::web::all()),
        results,
        points: arguments.point.clone(),
        rounds: arguments.rounds,
        turn_ms: arguments.turn_ms,
        folder: arguments.lab.clone(),
    };
    if arguments.check {
        return rows::check::run(&lab);
    }
    if arguments.quick {
        return rows::echo::quick(&lab);
    }
    let mut failed = Vec::new();
    for row in rows::ROWS {
        let all = arguments.row.is_empty() && arguments.point.is_empty();
        let wanted =
            arguments.row.contains(&row.number) || (row.number == 1 && !arguments.point.is_empty());
        if all || wanted {
            eprintln!("row {}: {}", row.number, row.title);
            match (row.measure)(&lab) {
                Ok(figures) => lab.results.keep(row.number, figures)?,
                // What the other rows measure is worth having.
                Err(error) => failed.push(format!("row {}: {error}", row.number)),
            }
        }
    }
    report::write(&arguments.lab, &lab.results)?;
    match failed.is_empty() {
        true => Ok(()),
        false => Err(failed.join("\n")),
    }
}
