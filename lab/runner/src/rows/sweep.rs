//! Row 8: the old advice on how many threads a pool should have. As `wharf bench --sweep-workers`, in the lab's turns.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BOTH, from_value, to_value};
use crate::{
    Lab,
    contestants::{Contestant, Role},
    figures::{FEW, PAIRS, Runs, Spread, digits, failures, order, ratio_text, table, time},
    load::Run,
    plot,
    server::Server,
    sweep_plot,
};

const MUCH: &str = "-c 64 --warmup 100ms";
const LITTLE: &str = "-c 8 --threads 1 --rate 200 --warmup 100ms -d 1s";

const COUNTS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
/// This count is measured once more under much load: it differs from itself by what the machine does.
const AGAIN: u32 = 4;
/// So many run at once, whatever their count.
const CONCURRENCY: u32 = 2;

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    sweeps: Vec<Sweep>,
}

/// All counts on one driver.
#[derive(Serialize, Deserialize)]
pub struct Sweep {
    pub server: String,
    much: Vec<Point>,
    little: Vec<Point>,
    again: Runs,
}

#[derive(Serialize, Deserialize)]
struct Point {
    workers: u32,
    runs: Runs,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let turn_ms = lab.turn_ms(300);
    let wharf = lab.contestants.iter();
    let wharf = wharf.filter(|contestant| contestant.role == Role::Wharf);
    let sweeps = wharf
        .map(|contestant| {
            eprintln!("  {}", contestant.name);
            let words = format!("{MUCH} -d {turn_ms}ms");
            let counts: Vec<u32> = COUNTS.into_iter().chain([AGAIN]).collect();
            let mut much = points(lab, contestant, &counts, &words, lab.rounds(PAIRS));
            let again = much.pop().ok_or("there are no counts")?;
            Ok(Sweep {
                server: contestant.name.to_owned(),
                much,
                little: points(lab, contestant, &COUNTS, LITTLE, lab.rounds(FEW)),
                again: again.runs,
            })
        })
        .collect::<Result<_, String>>()?;
    to_value(Figures { turn_ms, sweeps })
}

fn points(
    lab: &Lab,
    contestant: &Contestant,
    counts: &[u32],
    words: &str,
    rounds: u32,
) -> Vec<Point> {
    let point = |workers: &u32| Point {
        workers: *workers,
        runs: Runs::new(&format!("{}, {workers} workers", contestant.name)),
    };
    let mut points: Vec<Point> = counts.iter().map(point).collect();
    for round in 0..rounds {
        for number in order(round, counts.len()) {
            let workers = counts[number];
            let command = contestant.command_with_workers("echo", workers, workers, CONCURRENCY);
            let run = Server::start(BOTH, &command)
                .and_then(|server| lab.bench.load(BOTH, &server, words));
            points[number].runs.add(run);
        }
    }
    points
}

impl Figures {
    pub fn sweeps(&self) -> &[Sweep] {
        &self.sweeps
    }
}

impl Sweep {
    /// Of each count under much load, its throughput over that of the count with the highest.
    pub fn throughputs(&self) -> Vec<(u32, Spread)> {
        self.over(|run| run.rate_hz, f64::max)
    }

    /// Of each count under much load, its 99th percentile over that of the count with the lowest.
    pub fn tails(&self) -> Vec<(u32, Spread)> {
        self.over(|run| run.p99_ns, f64::min)
    }

    /// The ratios of the figures to those of the count with the best median.
    fn over(&self, figure: fn(&Run) -> f64, better: fn(f64, f64) -> f64) -> Vec<(u32, Spread)> {
        let median = |point: &Point| point.runs.median(figure);
        let Some(best) = self.much.iter().filter_map(median).reduce(better) else {
            return Vec::new();
        };
        let best = self.much.iter().find(|point| median(point) == Some(best));
        let ratio = |point: &Point| Some((point.workers, point.runs.ratio(&best?.runs, figure)?));
        self.much.iter().filter_map(ratio).collect()
    }

    /// How many context switches of a request many workers make, over those of few.
    pub fn switches(&self, many: u32, few: u32) -> Option<Spread> {
        let of = |workers| self.little.iter().find(|point| point.workers == workers);
        of(many)?
            .runs
            .ratio(&of(few)?.runs, |run| run.switches_per_request)
    }

    /// One count over itself: throughput, and the 99th percentile.
    pub fn noise(&self) -> Option<(Spread, Spread)> {
        let once = self.much.iter().find(|point| point.workers == AGAIN)?;
        let ratio = |figure: fn(&Run) -> f64| self.again.ratio(&once.runs, figure);
        Some((ratio(|run| run.rate_hz)?, ratio(|run| run.p99_ns)?))
    }

    fn tell(&self) -> String {
        let of = |ratios: &[(u32, Spread)], workers| {
            let ratio = ratios.iter().find(|(count, _)| *count == workers);
            ratio_text(ratio.map(|(_, ratio)| *ratio))
        };
        let (throughputs, tails) = (self.throughputs(), self.tails());
        let row = |load: &str, point: &Point, ratios: [String; 2]| {
            let middle = |figure: fn(&Run) -> f64| point.runs.median(figure).unwrap_or(0.0);
            let [throughput, tail] = ratios;
            vec![
                point.workers.to_string(),
                load.to_owned(),
                digits(middle(|run| run.rate_hz)),
                throughput,
                time(middle(|run| run.p99_ns)),
                tail,
                format!("{:.3}", middle(|run| run.switches_per_request)),
            ]
        };
        let little = self.little.iter();
        let little = little.map(|point| row("little", point, ["".into(), "".into()]));
        let much = self.much.iter().map(|point| {
            let ratios = [of(&throughputs, point.workers), of(&tails, point.workers)];
            row("much", point, ratios)
        });
        let rows: Vec<Vec<String>> = little.chain(much).collect();
        let noise = self.noise();
        format!(
            "**{}**; {AGAIN} workers against themselves: throughput {}, p99 {}\n\n{}\n",
            self.server,
            ratio_text(noise.map(|noise| noise.0)),
            ratio_text(noise.map(|noise| noise.1)),
            table(
                &[
                    "workers",
                    "load",
                    "requests a second",
                    "over the most",
                    "p99",
                    "over the least",
                    "context switches a request",
                ],
                &rows
            )
        )
    }

    fn draw(&self) -> String {
        let little = self.little.iter().map(|point| (false, point));
        let much = self.much.iter().map(|point| (true, point));
        let measured = little.chain(much).filter_map(|(is_much, point)| {
            let spread = |figure: fn(&Run) -> f64| point.runs.spread(figure);
            let (rate, tail) = (spread(|run| run.rate_hz)?, spread(|run| run.p99_ns)?);
            let switches = spread(|run| run.switches_per_request)?;
            let figures = |of: fn(Spread) -> f64| sweep_plot::Figures {
                rate_hz: of(rate),
                p99_ns: of(tail),
                switches_per_request: of(switches),
            };
            Some(sweep_plot::Measured {
                workers: point.workers.into(),
                is_much,
                median: figures(|spread| spread.median),
                range: Some((
                    figures(|spread| spread.least),
                    figures(|spread| spread.most),
                )),
            })
        });
        sweep_plot::draw(&measured.collect::<Vec<_>>())
    }
}

pub fn tell(figures: &Value, plots: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let mut text = format!(
        "Wharf with so many workers, of which {CONCURRENCY} run at once, and the load on the same two processors. Much is \
         `wharf bench ADDRESS {MUCH} -d {}ms`, a closed loop; little is `wharf bench ADDRESS {LITTLE}`, an open loop. A \
         ratio is that of a count to the one with the most throughput, or with the least p99, with its 95% interval; in the \
         picture a bar is from the least to the most of the rounds.\n\n",
        figures.turn_ms
    );
    for sweep in &figures.sweeps {
        let file = match sweep.server.as_str() {
            "wharf-uring" => "row-8.svg",
            _ => "row-8-readiness.svg",
        };
        plot::save(&plots.join(file), &sweep.draw())?;
        let all = sweep.much.iter().chain(&sweep.little);
        text += &format!(
            "{}\n![Throughput, tail and context switches against the number of workers, {}](plots/{file})\n\n{}",
            sweep.tell(),
            sweep.server,
            failures(all.map(|point| &point.runs).chain([&sweep.again]))
        );
    }
    Ok(text)
}
