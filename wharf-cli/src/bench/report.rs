//! What a run came to, for people.

use std::{fmt::Write, net::SocketAddr};

use super::{
    arguments::Arguments,
    bars::{bar_length, bars, tallest},
    outcome::{BUSY_MAX, Outcome, per},
    pace::Pace,
    plan::Plan,
};
use crate::{
    output,
    quantity::{show_bytes, show_count, show_duration, show_many, show_ns},
    system::terminal_columns,
    wrap::wrap,
};

/// The quantiles that are told, by name.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// The width of the longest bar, of the shortest that is the longest, and of what stands beside it.
const BAR_COLUMNS: usize = 40;
const BAR_COLUMNS_MIN: usize = 8;
const BESIDE_BAR_COLUMNS: usize = 33;

/// Where what is said begins, behind its name.
const INDENT: usize = 12;

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
    pub(super) address: SocketAddr,
    pub(super) outcome: &'a Outcome,
}

impl Report<'_> {
    /// For people, and as wide as their terminal; as it comes for what is none.
    pub(super) fn for_people(&self) -> String {
        self.text(terminal_columns())
    }

    fn text(&self, columns: Option<usize>) -> String {
        let mut text = String::new();
        let bar_columns = columns.map_or(BAR_COLUMNS, |columns| {
            let left = columns.saturating_sub(BESIDE_BAR_COLUMNS);
            left.clamp(BAR_COLUMNS_MIN, BAR_COLUMNS)
        });
        // Writing to a string can't fail.
        let _ = self.write_text(&mut text, bar_columns);
        let headline = self.headline();
        match columns {
            None => format!("{headline}\n\n{text}"),
            Some(columns) => format!(
                "{}\n\n{}",
                wrap(&headline, columns, 0),
                wrap(&text, columns, INDENT)
            ),
        }
    }

    fn write_text(&self, text: &mut String, bar_columns: usize) -> std::fmt::Result {
        let outcome = self.outcome;
        let cut = if outcome.interrupted {
            ", ended by a signal"
        } else {
            ""
        };
        writeln!(
            text,
            "requests    {} answered in {}{cut}, every byte checked",
            show_count(outcome.requests),
            show_duration(outcome.measured)
        )?;
        self.write_failures(text)?;
        let bytes_hz = outcome.rate_hz() * self.size() as f64;
        writeln!(
            text,
            "throughput  {}, {} each way",
            show_many(outcome.rate_hz(), "requests/s"),
            show_bytes(bytes_hz, "B/s")
        )?;
        self.write_latency(text, bar_columns)?;
        self.write_cost(text)
    }

    fn headline(&self) -> String {
        let plan = self.plan;
        let what = match self.arguments.work {
            None => format!("echo of {}", show_bytes(self.size() as f64, "B")),
            Some(service) => format!(
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

    fn write_failures(&self, text: &mut String) -> std::fmt::Result {
        for (name, count, what) in self.failures() {
            if count > 0 {
                writeln!(text, "{name:<11} {} {what}", show_count(count))?;
            }
        }
        for (what, count) in self.outcome.errors.groups() {
            writeln!(text, "{:<11} {} x {what}", "error", show_count(count))?;
        }
        Ok(())
    }

    /// What may have gone wrong: its name, how often it has, and what it was.
    fn failures(&self) -> [(&'static str, u64, String); 8] {
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
                "connections on which other bytes came back".into(),
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

    fn write_latency(&self, text: &mut String, bar_columns: usize) -> std::fmt::Result {
        let latency = &self.outcome.latency;
        if latency.is_empty() {
            return writeln!(
                text,
                "latency     nothing was answered in the measured time"
            );
        }
        let note = match self.plan.pace {
            Pace::Closed => "a closed loop: a server that stalls also stops the load",
            Pace::Open { .. } => "from when a request should have left",
        };
        write!(text, "latency    ")?;
        for (name, quantile) in QUANTILES {
            write!(
                text,
                " {name} {} ",
                show_ns(latency.value_at_quantile(quantile) as f64)
            )?;
        }
        writeln!(text, " max {}  ({note})", show_ns(latency.max() as f64))?;
        for (low, high, count) in bars(latency) {
            let columns = bar_length(count, tallest(latency), bar_columns);
            let share = 100.0 * count as f64 / latency.len() as f64;
            writeln!(
                text,
                "  {:>8} to {:>8}  {:<bar_columns$} {share:.3}%",
                show_ns(low as f64),
                show_ns(high as f64),
                "#".repeat(columns)
            )?;
        }
        Ok(())
    }

    fn write_cost(&self, text: &mut String) -> std::fmt::Result {
        let outcome = self.outcome;
        match outcome.load.is_empty() {
            true => write!(
                text,
                "load        its processor time can't be told on this system: see to it that a processor is free"
            )?,
            false => write!(
                text,
                "load        {} of processor time; the busiest thread {:.0}% of a processor",
                show_duration(outcome.load_total()),
                outcome.busiest() * 100.0
            )?,
        }
        if !outcome.lag.is_empty() {
            let lag = show_ns(outcome.lag.value_at_quantile(0.99) as f64);
            write!(text, "; requests left late by {lag} (p99)")?;
        }
        writeln!(text)?;
        if outcome.is_bottleneck() {
            writeln!(
                text,
                "            THE LOAD GENERATOR IS THE BOTTLENECK: above {:.0}% its latencies are its own. Use more \
                 --threads, a lower --rate, or another machine",
                BUSY_MAX * 100.0
            )?;
        }
        if let Some(server) = &outcome.server {
            writeln!(
                text,
                "server      {} of processor time, {} for each second of it, {:.3} context switches a request",
                show_duration(server.processor),
                show_many(per(outcome.requests as f64, server.processor), "requests"),
                self.switches_per_request().unwrap_or_default()
            )?;
        }
        Ok(())
    }

    /// The bytes of a request.
    pub(super) fn size(&self) -> usize {
        Plan::content(self.arguments).size()
    }

    /// Context switches of the server's, if it was watched.
    pub(super) fn switches_per_request(&self) -> Option<f64> {
        let server = self.outcome.server?;
        let requests = self.outcome.requests;
        (requests > 0).then(|| server.switches as f64 / requests as f64)
    }
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
            "down",
        ] {
            let line = format!("\n{name:<11} 1,234,567 ");
            assert!(plain.contains(&line), "no {name} in {plain}");
        }
        assert!(plain.lines().any(|line| line.len() > 112), "{plain}");
        for columns in [45, 80, 100, 112] {
            let fitted = text(Some(columns));
            let widest = fitted.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(columns), "{columns}: {fitted}");
            assert_eq!(words(&fitted), words(&plain));
        }
        assert_eq!(text(Some(500)), plain);
    }
}
