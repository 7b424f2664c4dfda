//! `--sweep-workers`: the old advice on how many threads a pool should have, put to the test.

use std::{fmt::Write as _, fs, io::Write as _, process::ExitCode, str::FromStr, time::Duration};

use serde::Serialize;

use super::{
    Arguments, Load, Outcome,
    own_server::OwnServer,
    plan::{Pace, Plan},
    sweep_plot,
};
use crate::{
    exit,
    quantity::{show_many, show_ns},
};

/// What is little: so many requests a second, on a few connections.
const LITTLE_HZ: f64 = 200.0;
const LITTLE_CONNECTIONS: usize = 8;

/// Each point is measured so often, in turn with all the others; the medians are told.
const ROUNDS: usize = 5;
/// How long each measurement takes unless it is told.
const DURATION: Duration = Duration::from_secs(1);

/// From how many workers to how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkersRange {
    from: u64,
    to: u64,
}

impl FromStr for WorkersRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = text.split_once("..").and_then(|(from, to)| {
            Some(WorkersRange {
                from: from.parse().ok()?,
                to: to.parse().ok()?,
            })
        });
        match range {
            Some(range) if (1..=range.to).contains(&range.from) && range.to <= 4_096 => Ok(range),
            _ => Err(format!(
                "`{text}` is no range of workers; use one within 1..4096, as in 1..64"
            )),
        }
    }
}

impl WorkersRange {
    /// The powers of 2 in the range, and its ends.
    fn counts(&self) -> Vec<u64> {
        let powers = (0..=12).map(|exponent| 1 << exponent);
        let inner = powers.filter(|count| (self.from + 1..self.to).contains(count));
        let mut counts = vec![self.from];
        counts.extend(inner);
        counts.push(self.to);
        counts.dedup();
        counts
    }
}

/// A point of the sweep.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Point {
    pub(super) workers: u64,
    pub(super) load: Amount,
    pub(super) rate_hz: f64,
    pub(super) requests_per_cpu_s: f64,
    pub(super) p99_ns: f64,
    pub(super) switches_per_request: f64,
}

/// How much load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Amount {
    Little,
    Much,
}

/// Runs the sweep, tells it, and draws it.
pub(super) fn run(arguments: &Arguments, range: &WorkersRange, load: &Load) -> ExitCode {
    let points = match measure(arguments, range, load) {
        Ok(points) => points,
        Err(error) => return exit::fail(exit::COULD_NOT_RUN, &error),
    };
    let text = if arguments.json {
        let object = serde_json::json!({ "rounds": ROUNDS, "points": points });
        format!("{object:#}\n")
    } else {
        table(&points)
    };
    // Whoever asked may not read on.
    let _ = std::io::stdout().write_all(text.as_bytes());
    let Some(file) = &arguments.svg else {
        return ExitCode::SUCCESS;
    };
    let drawn = sweep_plot::draw(&points)
        .and_then(|svg| fs::write(file, svg).map_err(|error| error.to_string()));
    match drawn {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::fail(
            exit::COULD_NOT_RUN,
            &format!("can't draw {}: {error}", file.display()),
        ),
    }
}

fn measure(arguments: &Arguments, range: &WorkersRange, load: &Load) -> Result<Vec<Point>, String> {
    let mut rounds: Vec<(u64, Amount, Vec<Point>)> = Vec::new();
    for amount in [Amount::Little, Amount::Much] {
        rounds.extend(
            range
                .counts()
                .into_iter()
                .map(|workers| (workers, amount, Vec::new())),
        );
    }
    for _ in 0..ROUNDS {
        for (workers, amount, points) in &mut rounds {
            points.push(measure_once(arguments, *workers, *amount, load)?);
        }
    }
    Ok(rounds.iter().map(|(.., points)| median(points)).collect())
}

fn measure_once(
    arguments: &Arguments,
    workers: u64,
    amount: Amount,
    load: &Load,
) -> Result<Point, String> {
    let mut arguments = arguments.clone();
    arguments.workers = Some(workers);
    arguments.max_workers = Some(workers);
    arguments.duration = arguments.duration.or(Some(DURATION));
    let mut plan = Plan::new(&arguments)?;
    if amount == Amount::Little {
        plan.connections = LITTLE_CONNECTIONS;
        plan.threads = 1;
        plan.pace = Pace::Open {
            rate_hz: LITTLE_HZ,
            skew: None,
        };
    }
    let server = OwnServer::start(&arguments)?;
    let content = Plan::content(&arguments);
    let outcome = load
        .run(
            &plan,
            &content,
            server.address(),
            server.pid(),
            arguments.quiet,
        )
        .map_err(|ended| ended.to_string())?;
    server.stop()?;
    check(&outcome)?;
    let used = outcome.server.unwrap_or_default();
    Ok(Point {
        workers,
        load: amount,
        rate_hz: outcome.rate_hz(),
        requests_per_cpu_s: super::outcome::per(outcome.requests as f64, used.processor),
        p99_ns: outcome.latency.value_at_quantile(0.99) as f64,
        switches_per_request: used.switches as f64 / outcome.requests.max(1) as f64,
    })
}

/// A point that is not what it should be is no point.
fn check(outcome: &Outcome) -> Result<(), String> {
    if outcome.interrupted {
        return Err("ended by a signal".into());
    }
    if outcome.wrong + outcome.missing + outcome.errors.total() > 0 || outcome.requests == 0 {
        let groups = outcome.errors.groups();
        let what = groups.first().map_or("", |(what, _)| what);
        return Err(format!(
            "a point failed: {} answered, {} missing, {} wrong; {what}",
            outcome.requests, outcome.missing, outcome.wrong
        ));
    }
    Ok(())
}

fn median(points: &[Point]) -> Point {
    let middle = |figure: fn(&Point) -> f64| {
        let mut figures: Vec<f64> = points.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    Point {
        rate_hz: middle(|point| point.rate_hz),
        requests_per_cpu_s: middle(|point| point.requests_per_cpu_s),
        p99_ns: middle(|point| point.p99_ns),
        switches_per_request: middle(|point| point.switches_per_request),
        ..points[0].clone()
    }
}

fn table(points: &[Point]) -> String {
    let mut text = format!(
        "echo; little is {} open loop on {LITTLE_CONNECTIONS} connections, much is closed loop; medians of {ROUNDS}\n\n\
         workers  load    throughput         per processor second  p99       context switches a request\n",
        show_many(LITTLE_HZ, "requests/s")
    );
    for point in points {
        let amount = match point.load {
            Amount::Little => "little",
            Amount::Much => "much",
        };
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{:>7}  {amount:<6}  {:<17}  {:<20}  {:<8}  {:.3}",
            point.workers,
            show_many(point.rate_hz, "requests/s"),
            processor_rate(point),
            show_ns(point.p99_ns),
            point.switches_per_request
        );
    }
    text
}

fn processor_rate(point: &Point) -> String {
    if point.requests_per_cpu_s == 0.0 {
        // It used less than the system counts in.
        return "-".into();
    }
    show_many(point.requests_per_cpu_s, "requests")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_swept_in_powers_of_two_and_to_its_ends() {
        let counts = |text: &str| text.parse::<WorkersRange>().map(|range| range.counts());
        assert_eq!(counts("1..64"), Ok(vec![1, 2, 4, 8, 16, 32, 64]));
        assert_eq!(counts("3..9"), Ok(vec![3, 4, 8, 9]));
        assert_eq!(counts("5..5"), Ok(vec![5]));
        for text in ["", "1", "0..4", "4..1", "1..5000", "a..b"] {
            assert!(counts(text).is_err(), "{text}");
        }
    }
}
