//! What a run came to, for people.

use std::net::SocketAddr;

use hdrhistogram::Histogram;

use super::{
    arguments::Arguments,
    bars::{bar_length, bars, tallest},
    content::Content,
    http::{Http, Target},
    outcome::{BUSY_MAX, Outcome, per},
    pace::Pace,
    plan::Plan,
};
use crate::{
    framing::Framing,
    output,
    quantity::{show_bytes, show_count, show_duration, show_many, show_ns},
    wrap::{Entries, Stream, fit},
};

/// The quantiles that are told, by name.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// The width of the longest bar.
const BAR_COLUMNS: usize = 40;
/// The longest bar of a histogram is at least as long, or bars stand below what they are of.
const BAR_COLUMNS_MIN: usize = 4;
/// What stands beside a bar, and beside one that stands below.
const BESIDE_BAR_COLUMNS: usize = 33;
const BESIDE_LOW_BAR_COLUMNS: usize = 13;

/// Stands for a space while lines are broken.
const NO_BREAK: &str = "\u{a0}";

/// Where what is said begins, behind its name.
const NAME_COLUMNS: usize = 12;

/// Prints to standard output. A reader that has gone has read what it wanted.
///
/// # Errors
/// It can't be written for any other reason.
pub(super) fn print(text: &str) -> Result<(), String> {
    match output::print(text) {
        Err(error) if !output::reader_has_gone(&error) => {
            Err(format!("can't print the figures: {error}"))
        }
        _ => Ok(()),
    }
}

/// Looks whether there is an output that can be written to, before there is anything to print.
///
/// # Errors
/// There is none.
pub(super) fn check_output() -> Result<(), String> {
    #[cfg(unix)]
    {
        use std::{
            fs::File,
            io::{self, Write as _},
            os::fd::AsFd,
        };
        // The standard library takes a closed output for one that nobody reads.
        let output = io::stdout().as_fd().try_clone_to_owned().map(File::from);
        output
            .and_then(|mut output| output.write(&[]))
            .map_err(|error| format!("standard output can't be written: {error}"))?;
    }
    Ok(())
}

/// A run and what it came to.
pub(super) struct Report<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) plan: &'a Plan,
    pub(super) content: &'a Content,
    pub(super) address: SocketAddr,
    pub(super) outcome: &'a Outcome,
}

impl Report<'_> {
    /// For people, and as wide as their terminal; as it comes for what is none.
    pub(super) fn for_people(&self) -> String {
        self.text(Stream::Output.columns())
    }

    fn text(&self, columns: Option<usize>) -> String {
        let mut lines = Entries::new(NAME_COLUMNS, columns);
        self.add_requests(&mut lines);
        self.add_latency(&mut lines, columns);
        self.add_also(&mut lines);
        self.add_cost(&mut lines);
        let headline = fit(&self.headline(), columns, 0);
        format!("{headline}\n\n{}", lines.text()).replace(NO_BREAK, " ")
    }

    fn add_requests(&self, lines: &mut Entries) {
        let outcome = self.outcome;
        let cut = if outcome.interrupted {
            ", ended by a signal"
        } else {
            ""
        };
        let checked = match self.content.http() {
            Some(_) => "every body",
            None => "every byte",
        };
        let requests = format!(
            "{} answered in {}{cut}, {checked} checked",
            show_count(outcome.requests),
            show_duration(outcome.measured)
        );
        lines.add("requests", &requests);
        for (name, count, what) in self.failures() {
            if count > 0 {
                lines.add(name, &format!("{} {what}", show_count(count)));
            }
        }
        for (what, count) in outcome.errors.groups() {
            lines.add("error", &format!("{} x {what}", show_count(count)));
        }
        let requests = show_many(outcome.rate_hz(), "requests/s");
        let bytes = match self.content.http() {
            None => {
                let bytes_hz = outcome.rate_hz() * self.content.size() as f64;
                format!("{} each way", show_bytes(bytes_hz, "B/s"))
            }
            Some(http) => {
                let [sent_hz, received_hz] = http
                    .bytes(outcome)
                    .map(|bytes| per(bytes, outcome.measured));
                let received = show_bytes(received_hz, "B/s");
                let sent = show_bytes(sent_hz, "B/s");
                match sent_hz > 0.0 {
                    true => format!("bodies of {sent} sent and {received} received"),
                    false => format!("bodies of {received} received"),
                }
            }
        };
        lines.add("throughput", &format!("{requests}, {bytes}"));
    }

    fn headline(&self) -> String {
        let plan = self.plan;
        let what = match (self.content.http(), self.arguments.work) {
            (Some(http), _) => paths(http),
            (None, None) => {
                let size = show_bytes(self.content.size() as f64, "B");
                match self.arguments.frames {
                    Framing::None => format!("echo of {size}"),
                    framing => format!("echo of frames ({}) of {size}", framing.name()),
                }
            }
            (None, Some(service)) => format!(
                "work of {} on average ({})",
                show_duration(service.mean()),
                service.name()
            ),
        };
        let pace = match plan.pace {
            Pace::Closed => "closed loop".to_owned(),
            Pace::Open { rate_hz, skew } => {
                let skew = skew.map_or(String::new(), |skew| {
                    format!(", {:.0}% of it on {}", skew.share * 100.0, skew.connections)
                });
                format!("open loop at {}{skew}", show_many(rate_hz, "requests/s"))
            }
        };
        format!(
            "{what}, {} connections to {}, {} under way on each, {pace}, {} threads",
            show_count(outcome_connected(self.outcome)),
            self.address,
            plan.pipeline,
            plan.threads
        )
    }

    /// What may have gone wrong: its name, how often it has, and what it was.
    fn failures(&self) -> [(&'static str, u64, String); 9] {
        let outcome = self.outcome;
        let timeout = show_duration(self.plan.timeout.unwrap_or_default());
        let again = match self.plan.reconnect {
            true => format!(
                "connections; {} were made again",
                show_count(outcome.reconnected)
            ),
            false => "connections, which --reconnect would make again".into(),
        };
        [
            (
                "wrong",
                outcome.wrong,
                match self.content.http() {
                    Some(_) => "connections on which an answer was wrong".into(),
                    None => "connections on which other bytes came back".into(),
                },
            ),
            (
                "missing",
                outcome.missing,
                "requests without an answer".into(),
            ),
            (
                "timed out",
                outcome.timed_out,
                format!(
                    "requests without an answer within {timeout}; how long they were under way counts below"
                ),
            ),
            (
                "late",
                self.late(),
                "answers after the measured time, which do not count".into(),
            ),
            (
                "unsent",
                outcome.unsent,
                "requests that were due and could not leave; their waiting counts below".into(),
            ),
            (
                "not made",
                outcome.unmade,
                "requests, since no connection was left".into(),
            ),
            ("lost", outcome.lost, again),
            (
                "replaced",
                outcome.replaced,
                "connections that an answer ended, so that others were made".into(),
            ),
            (
                "down",
                outcome.down,
                "connections that could not be made again".into(),
            ),
        ]
    }

    /// Late answers, if they are worth a line. A closed loop always ends with a few answers under way; a hundredth of all may
    /// hide something.
    fn late(&self) -> u64 {
        let (late, requests) = (self.outcome.late, self.outcome.requests);
        match late.saturating_mul(100) > requests {
            true => late,
            false => 0,
        }
    }

    fn add_latency(&self, lines: &mut Entries, columns: Option<usize>) {
        let latency = &self.outcome.latency;
        if latency.is_empty() {
            return lines.add("latency", "nothing was answered in the measured time");
        }
        let note = match self.plan.pace {
            Pace::Closed => "a closed loop: a server that stalls also stops the load",
            Pace::Open { .. } => "from when a request should have left",
        };
        let note = match self.http_also() {
            Some(_) => format!("{note}; without --also"),
            None => note.to_owned(),
        };
        lines.add("latency", &format!("{}  ({note})", quantiles(latency)));
        for (low, high, count) in bars(latency) {
            let share = 100.0 * count as f64 / latency.len() as f64;
            let bar = |columns| "#".repeat(bar_length(count, tallest(latency), columns));
            lines.add_line(&bar_line([low, high], share, bar, columns));
        }
    }

    /// What came of the requests of `--also`.
    fn add_also(&self, lines: &mut Entries) {
        let Some((_, target)) = self.http_also() else {
            return;
        };
        let (path, outcome) = (&target.path, self.outcome);
        let latency = &outcome.also_latency;
        if latency.is_empty() {
            let nothing = format!("nothing was answered for {path} in the measured time");
            return lines.add("also", &nothing);
        }
        let answered = show_count(outcome.also_requests);
        let quantiles = quantiles(latency);
        lines.add(
            "also",
            &format!("{quantiles}  ({answered} answered for {path})"),
        );
    }

    fn http_also(&self) -> Option<&(f64, Target)> {
        self.content.http()?.also.as_ref()
    }

    fn add_cost(&self, lines: &mut Entries) {
        let outcome = self.outcome;
        let mut load = match outcome.load.is_empty() {
            true => "its processor time can't be told on this system: see to it that a processor is free"
                .to_owned(),
            false => format!(
                "{} of processor time; the busiest thread {:.0}% of a processor",
                show_duration(outcome.load_total()),
                outcome.busiest() * 100.0
            ),
        };
        if !outcome.lag.is_empty() {
            let lag = show_ns(outcome.lag.value_at_quantile(0.99) as f64);
            load += &format!("; requests left late by {lag} (p99)");
        }
        lines.add("load", &load);
        if outcome.is_bottleneck() {
            let bottleneck = format!(
                "THE LOAD GENERATOR IS THE BOTTLENECK: above {:.0}% its latencies are its own. Use more --threads, a lower \
                 --rate, or another machine",
                BUSY_MAX * 100.0
            );
            lines.add("", &bottleneck);
        }
        if let Some(server) = &outcome.server {
            let used = format!(
                "{} of processor time, {} for each second of it, {:.3} context switches a request",
                show_duration(server.processor),
                show_many(per(outcome.requests as f64, server.processor), "requests"),
                self.switches_per_request().unwrap_or_default()
            );
            lines.add("server", &used);
        }
    }

    /// Context switches of the server's, if it was watched.
    pub(super) fn switches_per_request(&self) -> Option<f64> {
        let server = self.outcome.server?;
        let requests = self.outcome.requests;
        (requests > 0).then(|| server.switches as f64 / requests as f64)
    }
}

/// What is asked for over HTTP.
fn paths(http: &Http) -> String {
    let main = format!("{} {}", http.main.method, http.main.path);
    let body = match http.main.body_bytes() {
        0 => String::new(),
        bytes => format!(" with {}", show_bytes(bytes as f64, "B")),
    };
    let also = match &http.also {
        Some((percent, also)) => format!(", {percent}% {} {}", also.method, also.path),
        None => String::new(),
    };
    format!("{main}{body}{also}")
}

/// The quantiles of latencies, and the longest.
fn quantiles(latency: &Histogram<u64>) -> String {
    let quantiles = QUANTILES.map(|(name, quantile)| {
        let value = latency.value_at_quantile(quantile) as f64;
        tied(&format!("{name} {}", show_ns(value)))
    });
    let max = tied(&format!("max {}", show_ns(latency.max() as f64)));
    format!("{}  {max}", quantiles.join("  "))
}

/// Words between which no line breaks.
fn tied(words: &str) -> String {
    words.replace(' ', NO_BREAK)
}

/// A line of the histogram: between which times, a bar, and which share. Where there is no room beside the times, the bar
/// stands below.
fn bar_line(
    times_ns: [u64; 2],
    share: f64,
    bar: impl Fn(usize) -> String,
    columns: Option<usize>,
) -> String {
    let [low, high] = times_ns.map(|time| show_ns(time as f64));
    let room =
        |beside: usize| columns.map_or(BAR_COLUMNS, |columns| columns.saturating_sub(beside));
    let beside = room(BESIDE_BAR_COLUMNS).min(BAR_COLUMNS);
    if beside >= BAR_COLUMNS_MIN {
        let bar = bar(beside);
        return format!("  {low:>8} to {high:>8}  {bar:<beside$} {share:.3}%");
    }
    let below = room(BESIDE_LOW_BAR_COLUMNS).clamp(1, BAR_COLUMNS);
    let bar = bar(below);
    let times = fit(&format!("  {low} to {high}"), columns, 2);
    format!(
        "{times}\n{}",
        fit(&format!("    {bar:<below$} {share:.3}%"), columns, 0)
    )
}

fn outcome_connected(outcome: &Outcome) -> u64 {
    outcome.connected as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    /// A run in which all has gone wrong that can be told of.
    fn text(columns: Option<usize>) -> String {
        let words = "bench 127.0.0.1:1 --rate 50k --skew 8:90 --timeout 1s --reconnect --threads 2";
        let line = Line::parse_from(words.split(' '));
        let plan = Plan::new(&line.arguments).expect("a plan");
        let mut outcome = Outcome::new();
        outcome.connected = 64;
        outcome.measured = Duration::from_secs(5);
        outcome.requests = 100;
        for count in [
            &mut outcome.wrong,
            &mut outcome.missing,
            &mut outcome.timed_out,
            &mut outcome.late,
            &mut outcome.unsent,
            &mut outcome.unmade,
            &mut outcome.lost,
            &mut outcome.reconnected,
            &mut outcome.replaced,
            &mut outcome.down,
        ] {
            *count = 1_234_567;
        }
        for millis in 1..1_000 {
            outcome.latency.saturating_record(millis * 1_000_000);
            outcome.lag.saturating_record(millis * 1_000_000);
        }
        outcome.load = vec![Duration::from_millis(4_900); 2];
        outcome
            .errors
            .add("receive: the server has closed the connection".into());
        outcome.interrupted = true;
        let report = Report {
            arguments: &line.arguments,
            plan: &plan,
            content: &Plan::content(&line.arguments),
            address: "127.0.0.1:1".parse().expect("an address"),
            outcome: &outcome,
        };
        report.text(columns)
    }

    #[test]
    fn on_a_terminal_no_line_is_wider_than_it_and_no_word_is_cut() {
        let plain = text(None);
        let words = |text: &str| -> Vec<String> {
            let words = text.split_whitespace();
            words
                .filter(|word| !word.starts_with('#'))
                .map(str::to_owned)
                .collect()
        };
        for name in [
            "wrong",
            "timed out",
            "late",
            "unsent",
            "not made",
            "lost",
            "replaced",
            "down",
        ] {
            let line = format!("\n{name:<11} 1,234,567 ");
            assert!(plain.contains(&line), "no {name} in {plain}");
        }
        assert!(plain.lines().any(|line| line.len() > 112), "{plain}");
        for columns in [10, 20, 32, 36, 37, 40, 60, 80, 100, 113] {
            let fitted = text(Some(columns));
            let widest = fitted.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(columns), "{columns}: {fitted}");
            // Some words are longer than ten columns.
            if columns >= 20 {
                assert_eq!(words(&fitted), words(&plain));
            }
        }
        assert_eq!(text(Some(500)), plain);
    }
}
