//! `wharf bench`: a load generator for servers that send back what they receive.
//!
//! A [`Plan`] says what to do; [`load`] runs it, with a [`loader`] for each thread, itself on a completion port; the
//! [`Outcome`] is what came of it, and [`report`] tells it.

mod arrivals;
mod connection;
mod content;
mod deadline;
mod dialer;
mod event;
mod load;
mod loader;
mod open_loop;
mod outcome;
mod own_server;
mod plan;
mod point;
mod process;
mod report;
mod service;
mod shared;
mod source;
mod sweep;
mod sweep_plot;
mod threshold;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;

use self::{
    load::{Ended, Load},
    outcome::Outcome,
    own_server::OwnServer,
    plan::{Pace, Plan, Skew, resolve},
    report::{Report, check_output, print},
    service::Service,
    sweep::WorkersRange,
    threshold::Threshold,
};
use crate::{
    exit,
    quantity::{parse_count, parse_duration, parse_rate, show_count, show_duration},
    serve::Driver,
    work::Kind,
};

/// How long a run measures unless it is told.
const DURATION: Duration = Duration::from_secs(5);
/// How long it warms up before.
const WARMUP: Duration = Duration::from_millis(500);

/// No more requests than one in a nanosecond: their times are told no finer.
const RATE_MAX_HZ: f64 = 1e9;

// What `bench` takes. Of a comment for rustdoc, clap would make a text of its own.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Counts, sizes and rates take k, M, G, Ki, Mi and Gi, as in 50k or 16KiB. Times take ns, us, ms, s, m, h and d, and \
                  sums of them, as in 1.5s or 1m30s.\n\n\
                  Exit codes:\n  \
                  0  done: something was answered, and nothing of what follows was so\n  \
                  1  could not run, or not as it was asked to: no answer in the measured time, connections\n     \
                  that could not be made or were lost (with --reconnect: could not be made again), or\n     \
                  figures that could not be printed\n  \
                  2  wrong usage, or a file to draw into that can't be written\n  \
                  3  a --fail-if was met\n  \
                  4  wrong bytes, or requests without an answer, or without one within --timeout\n\n\
                  The first SIGINT or SIGTERM (on Windows, Ctrl-C or Ctrl-Break) ends the run with the report of what was measured \
                  so far, and code 0 if all is well with that; the second ends it at once."
)]
pub struct Arguments {
    /// The server: ADDRESS:PORT, where the address is a number or a name. The addresses of a name are tried in turn, until
    /// connections can be made. Without it, a server of our own is started on a free port of this machine
    address: Option<String>,

    /// Connections
    #[arg(short, long, value_name = "N", default_value = "64", value_parser = within(1, 1 << 20))]
    connections: u64,

    /// How long to measure [default: 5s, or as long as -n takes]
    #[arg(short, long, value_name = "TIME", value_parser = some_time)]
    duration: Option<Duration>,

    /// How many requests to make in all; with -d, whichever ends first
    #[arg(short = 'n', long, value_name = "N", value_parser = within(1, u64::MAX))]
    requests: Option<u64>,

    /// Bytes in a request
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = within(1, 64 << 20))]
    size: u64,

    /// Requests under way on a connection at once
    #[arg(long, value_name = "N", default_value = "1", value_parser = within(1, 65_536))]
    pipeline: u64,

    /// How long to load before measuring [default: 500ms, or nothing with -n]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    warmup: Option<Duration>,

    /// Threads that make the load [default: as many as processors]
    #[arg(long, value_name = "N", value_parser = within(1, 1_024))]
    threads: Option<u64>,

    /// Open loop: so many requests a second in all, at random times (Poisson), each measured from when it should have
    /// left. A request takes a connection that has room for it at random; if none has, it waits. Without a rate each
    /// answer sends the next request, and a server that stalls stalls the load, too
    #[arg(long, value_name = "RATE", value_parser = some_rate)]
    rate: Option<f64>,

    /// So many connections make so much of the load, as in 8:90 for 8 of them and 90%
    #[arg(long, value_name = "N:PERCENT", requires = "rate")]
    skew: Option<Skew>,

    /// Close each connection after so many requests, and make another. The time to connect counts
    #[arg(long, value_name = "N", conflicts_with = "rate", value_parser = within(1, u64::MAX))]
    per_connection: Option<u64>,

    /// Speak the work protocol (`serve --app work`): each request asks for a service time, which is exp:MEAN,
    /// fixed:TIME or bimodal:MEAN (90% at half of it, 10% at 5.5 times)
    #[arg(long, value_name = "DISTRIBUTION", conflicts_with = "size")]
    work: Option<Service>,

    /// How the server is to spend it
    #[arg(long, value_enum, default_value = "spin", requires = "work")]
    kind: Kind,

    /// Fail if a figure is out of bounds, as in 'p99>2ms'. Figures are p50, p90, p99, p99.9, mean, max, rate and
    /// errors; may be given several times
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<Threshold>,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,

    /// No progress, and no report: only errors, the exit code, and what --json prints
    #[arg(short, long)]
    quiet: bool,

    /// How long to wait for the last answers after -d; in a run that -n ends, how long a request may be under way while nothing
    /// else is answered
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    drain_timeout: Duration,

    /// How long an attempt to connect may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = some_time)]
    connect_timeout: Duration,

    /// How long a request may be under way [default: as long as the run]. An answer that comes later counts as timed out, and
    /// its connection is given up
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    timeout: Option<Duration>,

    /// Make connections again that are lost: at once, then ever less often, down to once a second. Without it, an open loop
    /// leaves its load to those that live
    #[arg(long)]
    reconnect: bool,

    /// Draw the same arrivals and service times as another run with this number
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Also say what this process uses: the server, if it runs on this machine
    #[arg(long, value_name = "PID", requires = "address")]
    server_pid: Option<u32>,

    /// Workers of our own server [default: as `serve`]
    #[arg(long, value_name = "N", conflicts_with = "address", value_parser = within(1, 4_096))]
    workers: Option<u64>,

    /// Workers that our own server may grow to while handlers are blocked [default: as `serve`]
    #[arg(long, value_name = "N", conflicts_with = "address", value_parser = within(1, 4_096))]
    max_workers: Option<u64>,

    /// Concurrency of our own server [default: as `serve`]
    #[arg(long, value_name = "N", conflicts_with = "address", value_parser = within(1, 1_024))]
    concurrency: Option<u64>,

    /// Driver of our own server [default: as `serve`]
    #[arg(long, value_enum, conflicts_with = "address")]
    driver: Option<Driver>,

    /// Measure servers of our own with so many workers, as in 1..64: the powers of 2 and both ends, each under much load
    /// (-c connections) and under little (200 requests a second), five times for -d [default: 1s]
    #[arg(
        long,
        value_name = "FROM..TO",
        conflicts_with_all = ["address", "workers", "max_workers", "requests", "rate", "work", "per_connection", "fail_if"]
    )]
    sweep_workers: Option<WorkersRange>,

    /// Draw the sweep into this file
    #[arg(long, value_name = "FILE", requires = "sweep_workers")]
    svg: Option<PathBuf>,
}

/// A count that is neither below nor above what makes sense.
fn within(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync {
    move |text| match parse_count(text)? {
        count if count < least => Err(format!("{count} is below the least, {least}")),
        count if count > most => Err(format!("{count} is above the most, {most}")),
        count => Ok(count),
    }
}

fn some_time(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("nothing comes to anything in no time; use 1s or more".into()),
        duration => Ok(duration),
    }
}

fn some_rate(text: &str) -> Result<f64, String> {
    let rate_hz = parse_rate(text)?;
    if rate_hz > RATE_MAX_HZ {
        return Err(format!(
            "{rate_hz} requests a second are more than one in a nanosecond; use 1G or less"
        ));
    }
    Ok(rate_hz)
}

/// Runs it; the exit codes are those of the help text.
pub fn run(arguments: &Arguments) -> ExitCode {
    if let Err(error) = check_output() {
        return exit::fail(exit::USAGE, &error);
    }
    let load = match Load::prepare() {
        Ok(load) => load,
        Err(error) => return exit::fail(exit::COULD_NOT_RUN, &format!("can't begin: {error}")),
    };
    if let Some(range) = &arguments.sweep_workers {
        return sweep::run(arguments, range, &load);
    }
    let plan = match Plan::new(arguments) {
        Ok(plan) => plan,
        Err(error) => return exit::fail(exit::USAGE, &error),
    };
    match run_once(arguments, &plan, &load) {
        Ok((address, outcome)) => conclude(arguments, &plan, address, &outcome),
        Err(error) => exit::fail(exit::COULD_NOT_RUN, &error),
    }
}

/// One run, against the server that was named or one of our own.
fn run_once(
    arguments: &Arguments,
    plan: &Plan,
    load: &Load,
) -> Result<(SocketAddr, Outcome), String> {
    let own = match &arguments.address {
        Some(_) => None,
        None => Some(OwnServer::start(arguments)?),
    };
    let (addresses, pid) = match (&arguments.address, &own) {
        (_, Some(own)) => (vec![own.address()], own.pid()),
        (Some(address), None) => {
            let address = address.clone();
            let found = load.attend(move || resolve(&address));
            let found = found.map_err(|ended| ended.to_string())?;
            (found?, arguments.server_pid)
        }
        (None, None) => unreachable!("there is an address or a server of our own"),
    };
    let content = Plan::content(arguments);
    let mut unreachable = Vec::new();
    for address in addresses {
        match load.run(plan, &content, address, pid, arguments.quiet) {
            Ok(outcome) => {
                if let Some(own) = own {
                    own.stop()?;
                }
                return Ok((address, outcome));
            }
            // A name may have an address that is not the server's.
            Err(Ended::Unreachable(why)) => unreachable.push(format!("{address}: {why}")),
            Err(ended) => return Err(format!("{address}: {ended}")),
        }
    }
    Err(unreachable.join("; "))
}

fn conclude(
    arguments: &Arguments,
    plan: &Plan,
    address: SocketAddr,
    outcome: &Outcome,
) -> ExitCode {
    let report = Report {
        arguments,
        plan,
        address,
        outcome,
    };
    let printed = match (arguments.json, arguments.quiet) {
        (true, _) => print(&report.json()),
        (false, false) => print(&report.for_people()),
        (false, true) => Ok(()),
    };
    if let Err(error) = printed {
        return exit::fail(exit::COULD_NOT_RUN, &error);
    }
    if let Some(message) = unanswered(plan, outcome) {
        return exit::fail(exit::WRONG_BYTES, &message);
    }
    let failures: Vec<String> = arguments
        .fail_if
        .iter()
        .filter_map(|threshold| threshold.failure(outcome))
        .collect();
    if !failures.is_empty() {
        return exit::fail(exit::THRESHOLD, &format!("failed: {}", failures.join("; ")));
    }
    match not_as_asked(plan, outcome) {
        None => ExitCode::SUCCESS,
        Some(why) => exit::fail(
            exit::COULD_NOT_RUN,
            &format!("not as it was asked to: {why}"),
        ),
    }
}

/// What is wrong with the answers.
fn unanswered(plan: &Plan, outcome: &Outcome) -> Option<String> {
    if outcome.wrong + outcome.missing + outcome.timed_out == 0 {
        return None;
    }
    let mut message = format!(
        "{} connections brought wrong bytes, {} requests were not answered",
        outcome.wrong, outcome.missing
    );
    if outcome.timed_out > 0 {
        let timeout = show_duration(plan.timeout.unwrap_or_default());
        message += &format!(", {} not within {timeout}", outcome.timed_out);
    }
    Some(message)
}

/// Why a run is no success of which all answers are right.
fn not_as_asked(plan: &Plan, outcome: &Outcome) -> Option<String> {
    if outcome.requests == 0 {
        let measured = show_duration(outcome.measured);
        let why = match plan.pace {
            _ if outcome.late > 0 => format!(
                "{} answers came later; measure longer with -d",
                show_count(outcome.late)
            ),
            Pace::Open { .. } if outcome.unsent == 0 => {
                "no request was due; use a higher --rate, or measure longer with -d".into()
            }
            _ => "measure longer with -d".into(),
        };
        return Some(format!(
            "nothing was answered in the {measured} that were measured: {why}"
        ));
    }
    if outcome.unmade > 0 {
        let unmade = show_count(outcome.unmade);
        return Some(format!(
            "{unmade} requests were not made, since no connection was left"
        ));
    }
    // Connections that were made again are what was asked for.
    if plan.reconnect && outcome.down == 0 {
        return None;
    }
    let groups = outcome.errors.groups();
    let (what, count) = groups.first()?;
    Some(format!("{what} ({count} times)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_written_is_read_or_refused() {
        const PIECES: [&str; 30] = [
            "",
            "0",
            "1",
            "9",
            "50",
            "00000",
            "18446744073709551615",
            ".",
            "_",
            "-",
            "+",
            ":",
            "::",
            "://",
            "/",
            "[",
            "]",
            "%",
            ">",
            "<",
            " ",
            "s",
            "ms",
            "m",
            "d",
            "k",
            "Gi",
            "p99",
            "µs",
            "\u{1F600}",
        ];
        let mut random = fastrand::Rng::with_seed(13);
        for _ in 0..200_000 {
            let text: String = (0..random.usize(..8))
                .map(|_| PIECES[random.usize(..PIECES.len())])
                .collect();
            if let Ok(count) = parse_count(&text) {
                assert!(count <= 1 << 53, "{text}");
            }
            if let Ok(rate_hz) = some_rate(&text) {
                assert!(rate_hz > 0.0 && rate_hz <= RATE_MAX_HZ, "{text}");
            }
            if let Ok(time) = some_time(&text) {
                assert!(!time.is_zero(), "{text}");
                // However long it is, it can be shown.
                let _ = show_duration(time);
            }
            let _ = plan::check_address(&text);
            let _ = text.parse::<Skew>();
            let _ = text.parse::<Threshold>();
            let _ = text.parse::<WorkersRange>();
            for name in ["exp", "fixed", "bimodal"] {
                if let Ok(service) = format!("{name}:{text}").parse::<Service>() {
                    assert!(service.longest() <= crate::work::SERVICE_MAX, "{text}");
                }
            }
        }
    }
}
