//! What posting packets through a port costs, against the channels that a program would use instead.
//!
//! Two questions. *Throughput*: how many packets a second one thread hands to one consumer, and to two. *Wakes*: how
//! long it takes from the post until a consumer that was asleep has the packet. The contestants take turns, round
//! after round, so that what else the machine does meets all of them alike; the medians of the rounds' ratios are compared, each
//! with its 95% interval.

mod contestants;
// How far to trust a median is the same for all of the lab.
#[path = "../../runner/src/interval.rs"]
mod interval;
mod queue;
mod report;
mod throughput;
mod wakes;

use std::process::ExitCode;

use clap::Parser;

use contestants::{CONTESTANTS, Contestant};
use report::Report;

/// The most packets that stand in a queue at once, where its length is bounded.
const BACKLOG_MAX: usize = 1024;

/// Posted packets through the port, against crossbeam-channel, flume, tokio and async-channel.
#[derive(Debug, Parser)]
#[command(name = "posted", version)]
struct Arguments {
    /// How often every contestant has its turn
    #[arg(long, default_value_t = 9)]
    rounds: usize,

    /// Packets in each run of the throughput; 0 leaves it out
    #[arg(long, default_value_t = 300_000)]
    packets: usize,

    /// Wakes in each run of the wakes; 0 leaves them out
    #[arg(long, default_value_t = 1_000)]
    wakes: usize,

    /// Only contestants with one of these in their name, and the port
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,

    /// Prints every round's figures as JSON in place of the table
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut chosen: Vec<&Contestant> = CONTESTANTS
        .iter()
        .filter(|contestant| is_chosen(contestant.name, &arguments.only))
        .collect();
    let mut report = Report::default();
    for _ in 0..arguments.rounds {
        for contestant in &chosen {
            measure(contestant, &arguments, &mut report);
        }
        // There and back: if the machine gets slower and slower, that meets all alike.
        chosen.reverse();
    }
    if arguments.json {
        println!("{:#}", report.to_json());
    } else {
        print!("{report}");
    }
    ExitCode::SUCCESS
}

fn is_chosen(name: &str, only: &[String]) -> bool {
    only.is_empty() || name == contestants::STANDARD || only.iter().any(|part| name.contains(part))
}

fn measure(contestant: &Contestant, arguments: &Arguments, report: &mut Report) {
    for consumers in 1..=contestant.consumers_max {
        for (bound, backlog_max) in [("bounded", Some(BACKLOG_MAX)), ("unbounded", None)] {
            if arguments.packets > 0 {
                let rate = (contestant.throughput)(arguments.packets, consumers, backlog_max);
                let plural = if consumers == 1 { "" } else { "s" };
                let title = format!("{bound}, {consumers} consumer{plural}, million packets/s");
                report.add(&title, contestant.name, rate / 1e6);
            }
        }
    }
    if arguments.wakes > 0 {
        let latency = (contestant.wakes)(arguments.wakes);
        report.add("wake, p50, µs", contestant.name, latency.p50);
        report.add("wake, p99, µs", contestant.name, latency.p99);
    }
}
