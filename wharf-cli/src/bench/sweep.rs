//! `--sweep-workers`: the old advice on how many threads a pool should have, put to the test.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use super::{
    arguments::Arguments,
    load::{Ended, Load},
    outcome::{Outcome, per},
    own_server::OwnServer,
    pace::Pace,
    plan::Plan,
    point::{Amount, Figures, Point},
    report::print,
    sweep_plot,
    workers_range::WorkersRange,
};
use crate::{
    exit,
    quantity::{show_many, show_ns},
    table::{Side, Table},
    wrap::{Stream, prose},
};

/// What is little: so many requests a second, on a few connections.
const LITTLE_HZ: f64 = 200.0;
const LITTLE_CONNECTIONS: usize = 8;

/// Each point is measured so often, in turn with all the others; the medians are told.
const ROUNDS: usize = 5;
/// How long each measurement takes unless it is told.
const DURATION: Duration = Duration::from_secs(1);

/// What a sweep came to.
struct Sweep {
    points: Vec<Point>,
    /// Of how many measurements each point is the median, at least and at most.
    rounds: (usize, usize),
    /// Why it ended before its time.
    cut: Option<Ended>,
}

/// Runs the sweep, tells it, and draws it.
pub(super) fn run(arguments: &Arguments, range: &WorkersRange, load: &Load) -> ExitCode {
    // Before the sweep, which takes a while.
    let drawing = arguments.svg.as_deref().map(Drawing::open).transpose();
    let drawing = match drawing {
        Ok(drawing) => drawing,
        Err(error) => return exit::fail(exit::USAGE, &error),
    };
    if let Err(error) = Plan::new(arguments) {
        return exit::fail(exit::USAGE, &error);
    }
    let sweep = measure(arguments, range, load);
    if let (true, Some(cut)) = (sweep.points.is_empty(), &sweep.cut) {
        return exit::fail(exit::COULD_NOT_RUN, &cut.to_string());
    }
    let printed = match (arguments.json, arguments.quiet) {
        (true, _) => print(&sweep.json()),
        (false, false) => print(&sweep.for_people()),
        (false, true) => Ok(()),
    };
    let drawn = drawing.map_or(Ok(()), |drawing| drawing.draw(&sweep.points));
    match (printed.and(drawn), sweep.cut) {
        (Err(error), _) | (Ok(()), Some(Ended::Failed(error) | Ended::Unreachable(error))) => {
            exit::fail(exit::COULD_NOT_RUN, &error)
        }
        (Ok(()), Some(Ended::Early) | None) => ExitCode::SUCCESS,
    }
}

/// A file to draw into.
struct Drawing<'a> {
    path: &'a Path,
    file: File,
    /// There was none before, so that there is none if nothing is drawn.
    is_new: bool,
}

impl<'a> Drawing<'a> {
    fn open(path: &'a Path) -> Result<Self, String> {
        let is_new = !path.exists();
        // What is there stays until there is something in its place.
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| cant_draw(path, &error.to_string()))?;
        Ok(Drawing { path, file, is_new })
    }

    fn draw(mut self, points: &[Point]) -> Result<(), String> {
        let measured: Vec<_> = points.iter().map(Point::measured).collect();
        let drawn = self.write(&sweep_plot::draw(&measured));
        self.is_new &= drawn.is_err();
        drawn.map_err(|error| cant_draw(self.path, &error.to_string()))
    }

    fn write(&mut self, svg: &str) -> io::Result<()> {
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.file.write_all(svg.as_bytes())
    }
}

impl Drop for Drawing<'_> {
    fn drop(&mut self) {
        if self.is_new {
            // An empty file would be all that is left.
            let _ = fs::remove_file(self.path);
        }
    }
}

fn cant_draw(path: &Path, error: &str) -> String {
    format!("can't draw {}: {error}", path.display())
}

fn measure(arguments: &Arguments, range: &WorkersRange, load: &Load) -> Sweep {
    let mut measured: Vec<(u64, Amount, Vec<Figures>)> = Vec::new();
    for amount in [Amount::Little, Amount::Much] {
        measured.extend(
            range
                .counts()
                .into_iter()
                .map(|workers| (workers, amount, Vec::new())),
        );
    }
    let mut cut = None;
    'rounds: for _ in 0..ROUNDS {
        for (workers, amount, figures) in &mut measured {
            match measure_once(arguments, *workers, *amount, load) {
                Ok(measured) => figures.push(measured),
                Err(ended) => {
                    cut = Some(ended);
                    break 'rounds;
                }
            }
        }
    }
    let rounds = measured.iter().map(|(.., figures)| figures.len());
    let rounds = rounds.filter(|rounds| *rounds > 0);
    let rounds = (rounds.clone().min().unwrap_or(0), rounds.max().unwrap_or(0));
    let points = measured
        .iter()
        .filter_map(|(workers, amount, figures)| Point::of(*workers, *amount, figures));
    Sweep {
        points: points.collect(),
        rounds,
        cut,
    }
}

fn measure_once(
    arguments: &Arguments,
    workers: u64,
    amount: Amount,
    load: &Load,
) -> Result<Figures, Ended> {
    let mut arguments = arguments.clone();
    arguments.workers = Some(workers);
    arguments.max_workers = Some(workers);
    arguments.duration = arguments.duration.or(Some(DURATION));
    let mut plan = Plan::new(&arguments).map_err(Ended::Failed)?;
    if amount == Amount::Little {
        plan.connections = LITTLE_CONNECTIONS;
        plan.threads = 1;
        plan.pace = Pace::Open {
            rate_hz: LITTLE_HZ,
            skew: None,
        };
    }
    let server = OwnServer::start(&arguments).map_err(Ended::Failed)?;
    let content = Plan::content(&arguments);
    let outcome = load.run(
        &plan,
        &content,
        server.address(),
        server.pid(),
        arguments.quiet,
    )?;
    server.stop().map_err(Ended::Failed)?;
    check(&outcome)?;
    let used = outcome.server.unwrap_or_default();
    Ok(Figures {
        rate_hz: outcome.rate_hz(),
        requests_per_cpu_s: per(outcome.requests as f64, used.processor),
        p99_ns: outcome.latency.value_at_quantile(0.99) as f64,
        switches_per_request: used.switches as f64 / outcome.requests.max(1) as f64,
    })
}

/// A point that is not what it should be is no point.
fn check(outcome: &Outcome) -> Result<(), Ended> {
    if outcome.interrupted {
        return Err(Ended::Early);
    }
    let unanswered = outcome.missing + outcome.timed_out;
    if outcome.wrong + unanswered + outcome.errors.total() > 0 {
        let groups = outcome.errors.groups();
        let what = groups.first().map_or("", |(what, _)| what);
        return Err(Ended::Failed(format!(
            "a point failed: {} answered, {unanswered} missing, {} wrong; {what}",
            outcome.requests, outcome.wrong
        )));
    }
    if outcome.requests == 0 {
        return Err(Ended::Failed(
            "a point failed: no request was answered within --duration; use a longer one".into(),
        ));
    }
    Ok(())
}

impl Sweep {
    /// For programs: one object.
    fn json(&self) -> String {
        let object = serde_json::json!({
            "rounds": self.rounds.0,
            "interrupted": self.cut.is_some(),
            "points": self.points,
        });
        format!("{object:#}\n")
    }

    /// For people, and as wide as their terminal.
    fn for_people(&self) -> String {
        self.table(Stream::Output.columns())
    }

    fn table(&self, columns: Option<usize>) -> String {
        let rounds = match (self.rounds, &self.cut) {
            ((_, most), None) => format!("{most}"),
            ((least, most), Some(_)) => {
                format!("{least} to {most} of {ROUNDS}, since it ended early")
            }
        };
        let loads = format!(
            "echo; little is {} open loop on {LITTLE_CONNECTIONS} connections, much is closed loop; medians of {rounds}",
            show_many(LITTLE_HZ, "requests/s")
        );
        let mut table = Table::new([
            ("workers", Side::Right),
            ("load", Side::Left),
            ("throughput", Side::Left),
            ("per processor second", Side::Left),
            ("p99", Side::Left),
            ("context switches a request", Side::Left),
        ]);
        for point in &self.points {
            let amount = match point.load {
                Amount::Little => "little",
                Amount::Much => "much",
            };
            table.row([
                point.workers.to_string(),
                amount.into(),
                show_many(point.median.rate_hz, "requests/s"),
                processor_rate(&point.median),
                show_ns(point.median.p99_ns),
                format!("{:.3}", point.median.switches_per_request),
            ]);
        }
        format!("{}\n\n{}\n", prose(&loads, columns), table.text(columns))
    }
}

fn processor_rate(figures: &Figures) -> String {
    if figures.requests_per_cpu_s == 0.0 {
        // It used less than the system counts in.
        return "-".into();
    }
    show_many(figures.requests_per_cpu_s, "requests")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(rates_hz: &[f64]) -> Point {
        let figures = |rate_hz: &f64| Figures {
            rate_hz: *rate_hz,
            requests_per_cpu_s: 0.0,
            p99_ns: 1e6,
            switches_per_request: 0.5,
        };
        let measured: Vec<Figures> = rates_hz.iter().map(figures).collect();
        Point::of(4, Amount::Much, &measured).expect("it was measured")
    }

    #[test]
    fn what_was_measured_of_a_sweep_that_was_cut_is_told_with_how_often() {
        assert!(Point::of(4, Amount::Much, &[]).is_none());
        let sweep = Sweep {
            points: vec![point(&[3e3, 1e3, 2e3])],
            rounds: (2, 3),
            cut: Some(Ended::Early),
        };
        let table = sweep.table(None);
        assert!(
            table.contains("medians of 2 to 3 of 5, since it ended early"),
            "{table}"
        );
        assert!(table.contains("      4  much  2k requests/s"), "{table}");
        let json: serde_json::Value = serde_json::from_str(&sweep.json()).expect("JSON");
        assert_eq!(json["interrupted"], true);
        let point = &json["points"][0];
        let rates = [&point["least"], point, &point["most"]].map(|figures| &figures["rate_hz"]);
        assert_eq!(rates, [1e3, 2e3, 3e3]);
    }

    #[test]
    fn a_drawing_that_comes_to_nothing_leaves_nothing() {
        let path = std::env::temp_dir().join(format!("drawing-{}.svg", std::process::id()));
        drop(Drawing::open(&path).expect("it can be written"));
        assert!(!path.exists());
        fs::write(&path, "x".repeat(1 << 20)).expect("it can be written");
        drop(Drawing::open(&path).expect("it can be written"));
        assert_eq!(fs::metadata(&path).expect("it is there").len(), 1 << 20);
        let drawing = Drawing::open(&path).expect("it can be written");
        drawing.draw(&[point(&[1e3, 2e3])]).expect("a picture");
        let svg = fs::read_to_string(&path).expect("it is there");
        fs::remove_file(&path).expect("it is there");
        assert!(svg.trim_end().ends_with("</svg>"));
        assert!(Drawing::open(Path::new("/no/such/place.svg")).is_err());
    }
}
