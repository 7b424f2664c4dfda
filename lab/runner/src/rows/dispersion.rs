//! Row 6: the tail against the load where service times differ, in the shape of ZygOS (SOSP 2017), figure 3.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BOTH, from_value, to_value};
use crate::{
    Lab,
    chart::{Ink, Mark, Series},
    figures::{digits, spread, table},
    plot,
    queueing::{Queues, Service, load_at, p99},
    server::Server,
};

/// Two workers, 1 ms a request.
const CAPACITY_HZ: f64 = 2_000.0;
const MEAN_NS: f64 = 1e6;

/// Who is measured: one queue, and queues a thread.
const NAMES: [&str; 5] = [
    "wharf-uring",
    "wharf-readiness",
    "tokio-pool",
    "asio",
    "floor-epoll",
];

/// The tail that the load is told for.
const TAIL: f64 = 10.0;

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    pub curves: Vec<Curve>,
    failures: Vec<String>,
}

/// The 99th percentile over the mean, against the load.
#[derive(Serialize, Deserialize)]
pub struct Curve {
    pub service: String,
    pub name: String,
    points: Vec<(f64, f64)>,
    /// The least and the most of the seeds, a pair a point; none of theory, and of what was measured before they were kept.
    #[serde(default)]
    ranges: Vec<(f64, f64)>,
}

impl Curve {
    /// The load at which the tail is ten times the mean.
    pub fn load_at_tail(&self) -> Option<f64> {
        load_at(TAIL, &self.points)
    }

    /// The same for the seeds with the longest tails, and for those with the shortest, if they were kept. As far as it was
    /// measured: 0 if the tail was longer at all loads, 1 if it was shorter.
    pub fn range_at_tail(&self) -> Option<(f64, f64)> {
        if self.ranges.is_empty() {
            return None;
        }
        let at = |of: fn(&(f64, f64)) -> f64| {
            let loads = self.points.iter().map(|point| point.0);
            let points: Vec<(f64, f64)> = loads.zip(self.ranges.iter().map(of)).collect();
            let is_short = points.last().is_some_and(|(_, tail)| *tail < TAIL);
            load_at(TAIL, &points).unwrap_or(f64::from(is_short))
        };
        Some((at(|range| range.1), at(|range| range.0)))
    }
}

pub const EXPONENTIAL: &str = "exponential";

const SERVICES: [(&str, &str, Service); 2] = [
    (EXPONENTIAL, "exp:1ms", Service::Exponential),
    ("bimodal", "bimodal:1ms", Service::Bimodal),
];

/// At more load a turn is too short for a queue to come to its length.
fn loads() -> impl Iterator<Item = f64> {
    [2, 4, 6, 7, 8]
        .map(|tenth| f64::from(tenth) / 10.0)
        .into_iter()
}

/// Arrivals and services are those of a seed; the tail of one seed can be twice that of another, so a point is the median
/// of several, the same for all.
const SEEDS: u32 = 3;

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let turn_ms = lab.turn_ms(2_500);
    let mut figures = Figures {
        turn_ms,
        curves: Vec::new(),
        failures: Vec::new(),
    };
    for (service, work, _) in SERVICES {
        let contestants = lab
            .contestants
            .iter()
            .filter(|contestant| NAMES.contains(&contestant.name));
        for contestant in contestants {
            eprintln!("  {service}, {}", contestant.name);
            let (mut points, mut ranges) = (Vec::new(), Vec::new());
            for load in loads() {
                let mut tails = Vec::new();
                for seed in 1..=SEEDS {
                    let words = format!("{} --seed {seed}", words(work, load, turn_ms));
                    let run = Server::start(BOTH, &contestant.command("work", 2))
                        .and_then(|server| lab.bench.load(BOTH, &server, &words));
                    match run {
                        Ok(run) => tails.push(run.p99_ns / MEAN_NS),
                        Err(error) => figures
                            .failures
                            .push(format!("{}, {service}, {load}: {error}", contestant.name)),
                    }
                }
                if let Some(tail) = spread(tails) {
                    points.push((load, tail.median));
                    ranges.push((tail.least, tail.most));
                }
            }
            figures.curves.push(Curve {
                service: service.to_owned(),
                name: contestant.name.to_owned(),
                points,
                ranges,
            });
        }
    }
    to_value(figures)
}

fn words(work: &str, load: f64, turn_ms: u32) -> String {
    let rate_hz = load * CAPACITY_HZ;
    format!(
        "-c 128 --threads 1 --work {work} --kind sleep --rate {rate_hz} -d {turn_ms}ms --warmup 300ms"
    )
}

pub fn tell(figures: &Value, plots: &Path) -> Result<String, String> {
    let mut figures: Figures = from_value(figures)?;
    let mut text = format!(
        "Two workers, service of 1 ms on average, 128 connections, open loop; the 99th percentile of the latency over the \
         mean service, against the load. Service is slept, not computed, so that two workers have two servers' worth also \
         with the load on the same two processors; what it takes to wake from a sleep (some tens of microseconds) is in the \
         figures. Each point is the median of {SEEDS} seeds, with a bar from the least to the most where they were kept: `wharf bench ADDRESS {} --seed N`. The theory is simulated; for exponential service it agrees with \
         the formulas.\n\n",
        words("exp:1ms", 0.5, figures.turn_ms)
    );
    for (name, _, service) in SERVICES {
        for (theory, queues) in [
            ("theory: one queue for both", Queues::One),
            ("theory: a queue each", Queues::Two),
        ] {
            figures.curves.push(Curve {
                service: name.to_owned(),
                name: theory.to_owned(),
                points: loads()
                    .map(|load| (load, p99(queues, service, load)))
                    .collect(),
                ranges: Vec::new(),
            });
        }
        let curves: Vec<&Curve> = figures
            .curves
            .iter()
            .filter(|curve| curve.service == name)
            .collect();
        text += &format!("**{name} service**\n\n{}\n", tell_service(&curves));
        let file = format!("row-6-{name}.svg");
        let svg = plot::lines(
            &format!("99th percentile over the mean service time, {name} service, two workers"),
            "load",
            2.0 * TAIL,
            &series(&curves),
        );
        plot::save(&plots.join(&file), &svg)?;
        text += &format!("![{name} service](plots/{file})\n\n");
    }
    text.extend(
        figures
            .failures
            .iter()
            .map(|failure| format!("- {failure}\n")),
    );
    Ok(text)
}

/// For the plot: Wharf has its own colour, each of the others another, and what theory says none.
fn series(curves: &[&Curve]) -> Vec<Series> {
    let (mut peers, mut theories) = (0, 0);
    let mut all = Vec::new();
    for curve in curves {
        let ink = match curve.name.as_str() {
            "wharf-uring" => Ink::Wharf,
            "wharf-readiness" => Ink::WharfToo,
            theory if theory.starts_with("theory") => {
                theories += 1;
                Ink::Theory(theories - 1)
            }
            _ => {
                peers += 1;
                Ink::Peer(peers - 1)
            }
        };
        let points = curve.points.iter().enumerate();
        let marks = points.map(|(number, (load, tail))| Mark {
            x: *load,
            y: *tail,
            range: curve.ranges.get(number).copied(),
        });
        all.push(Series {
            name: curve.name.clone(),
            ink,
            marks: marks.collect(),
        });
    }
    all
}

fn tell_service(curves: &[&Curve]) -> String {
    let rows: Vec<Vec<String>> = curves
        .iter()
        .map(|curve| {
            let at = |load: f64| {
                let point = curve.points.iter().find(|point| point.0 == load);
                point.map_or("-".into(), |point| digits(point.1))
            };
            let mut row = vec![curve.name.clone()];
            row.extend(loads().map(at));
            row.push(
                curve
                    .load_at_tail()
                    .map_or("-".into(), |load| format!("{:.0}%", load * 100.0)),
            );
            row
        })
        .collect();
    let mut heads = vec!["p99 over mean, at load".to_owned()];
    heads.extend(loads().map(|load| format!("{load:.1}")));
    heads.push(format!("load at {TAIL} times"));
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    table(&heads, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_has_a_range_where_the_seeds_have() {
        let curve = |ranges: &[(f64, f64)]| Curve {
            service: EXPONENTIAL.to_owned(),
            name: "any".to_owned(),
            points: vec![(0.4, 5.0), (0.6, 7.0), (0.8, 15.0)],
            ranges: ranges.to_vec(),
        };
        assert_eq!(curve(&[]).range_at_tail(), None);
        let crossed = curve(&[(4.0, 6.0), (6.0, 10.0), (9.0, 20.0)]);
        assert_eq!(crossed.range_at_tail(), Some((0.6, 1.0)));
        let longer = curve(&[(11.0, 12.0), (11.0, 12.0), (12.0, 20.0)]);
        assert_eq!(longer.range_at_tail(), Some((0.0, 0.0)));
    }
}
