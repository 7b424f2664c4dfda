//! The aims: what the project set out to reach, and how far it has come.

use serde::Deserialize;

use crate::{
    contestants::{self, FLOOR, Role},
    figures::{Runs, ratio_text, spread, table, time},
    results::Results,
    rows::{churn, dispersion, echo, idle, posted, skew, sleepers, spinner, sweep},
};

/// An aim, what it came to, and whether it was met.
struct Aim {
    what: String,
    figure: String,
    met: Option<bool>,
}

/// All of them, in a table.
pub fn tell(results: &Results) -> String {
    let mut aims = Vec::new();
    aims.extend(echo_aims(results));
    aims.extend(churn_aim(results));
    aims.extend(idle_aim(results));
    aims.extend(skew_aims(results));
    aims.extend(sleepers_aims(results));
    aims.extend(dispersion_aims(results));
    aims.extend(posted_aims(results));
    aims.extend(sweep_aims(results));
    aims.extend(spinner_aims(results));
    let rows: Vec<Vec<String>> = aims
        .into_iter()
        .map(|aim| {
            let met = match aim.met {
                None => "not measured",
                Some(true) => "met",
                Some(false) => "**missed**",
            };
            vec![aim.what, aim.figure, met.to_owned()]
        })
        .collect();
    format!(
        "## The aims\n\nFor the better of Wharf's drivers; ratios are of echoes (or connections) for each second of the \
         server's processor time.\n\n{}",
        table(&["aim", "figure", ""], &rows)
    )
}

fn figures<T: for<'a> Deserialize<'a>>(results: &Results, row: u8) -> Option<T> {
    T::deserialize(results.of(row)?.figures).ok()
}

/// Wharf's better driver at a point.
fn best_wharf(all: &[Runs]) -> Option<&Runs> {
    let cost = |runs: &&Runs| runs.median(echo::cost).unwrap_or(0.0);
    let wharf = all.iter().filter(|runs| runs.name.starts_with("wharf"));
    wharf.max_by(|left, right| cost(left).total_cmp(&cost(right)))
}

/// The peer that comes nearest to `own`, and how far `own` is ahead of it.
fn nearest<'a>(
    own: &Runs,
    all: &'a [Runs],
    which: impl Fn(&Runs) -> bool,
) -> Option<(&'a str, f64, String)> {
    all.iter()
        .filter(|runs| which(runs))
        .filter_map(|runs| {
            let ratio = own.ratio(runs, echo::cost)?;
            Some((runs.name.as_str(), ratio.median, ratio_text(Some(ratio))))
        })
        .min_by(|left, right| left.1.total_cmp(&right.1))
}

fn is_peer(runs: &Runs) -> bool {
    contestants::all()
        .iter()
        .any(|contestant| contestant.name == runs.name && contestant.role == Role::Peer)
}

fn is_floor(runs: &Runs) -> bool {
    contestants::all()
        .iter()
        .any(|contestant| contestant.name == runs.name && contestant.role == Role::Floor)
}

/// To as many digits as are told: else what reads 1.00 could miss an aim of 1.00.
fn as_told(ratio: f64) -> f64 {
    (100.0 * ratio).round() / 100.0
}

fn ahead(what: String, least: f64, nearest: Option<(&str, f64, String)>) -> Aim {
    match nearest {
        None => Aim {
            what,
            figure: "-".into(),
            met: None,
        },
        Some((name, ratio, text)) => Aim {
            what,
            figure: format!("{text} of {name}"),
            met: Some(as_told(ratio) >= least),
        },
    }
}

fn echo_aims(results: &Results) -> Vec<Aim> {
    let points = figures::<echo::Figures>(results, 1).map_or(Vec::new(), |figures| figures.points);
    let mut aims = Vec::new();
    for connections in [64, 512] {
        let point = points
            .iter()
            .find(|point| (point.connections, point.bytes, point.pipeline) == (connections, 64, 1));
        let all = point.map_or(&[][..], |point| &point.runs);
        let own = best_wharf(all);
        let against = |which: &dyn Fn(&Runs) -> bool| own.and_then(|own| nearest(own, all, which));
        let title = |aim: &str| format!("row 1, {connections} connections: {aim}");
        aims.push(ahead(
            title("at least 1.00 of the plainest epoll server"),
            1.0,
            against(&|runs| runs.name == FLOOR),
        ));
        aims.push(ahead(
            title("at least 1.10 of tokio's best"),
            1.1,
            against(&|runs| matches!(runs.name.as_str(), "tokio-one" | "tokio-pool")),
        ));
        aims.push(ahead(title("ahead of every peer"), 1.0, against(&is_peer)));
        aims.push(ahead(
            title("at least 0.95 of the better floor"),
            0.95,
            against(&is_floor),
        ));
    }
    aims
}

fn churn_aim(results: &Results) -> Option<Aim> {
    let runs = figures::<churn::Figures>(results, 2).map_or(Vec::new(), |figures| figures.runs);
    let own = best_wharf(&runs);
    let nearest = own.and_then(|own| nearest(own, &runs, is_peer));
    Some(ahead("row 2: ahead of every peer".into(), 1.0, nearest))
}

fn idle_aim(results: &Results) -> Option<Aim> {
    let what = "row 3: at most 512 user-space bytes a connection".to_owned();
    let Some(figures) = figures::<idle::Figures>(results, 3) else {
        return Some(Aim {
            what,
            figure: "-".into(),
            met: None,
        });
    };
    let wharf = figures
        .servers
        .iter()
        .filter(|idle| idle.name.starts_with("wharf"));
    let bytes: Vec<(f64, &str)> = wharf
        .map(|idle| (idle.user_bytes(figures.many), idle.name.as_str()))
        .collect();
    let (most, name) = bytes
        .into_iter()
        .max_by(|left, right| left.0.total_cmp(&right.0))?;
    Some(Aim {
        what,
        figure: format!("{most:.0} bytes at most ({name})"),
        met: Some(most <= 512.0),
    })
}

fn posted_aims(results: &Results) -> Vec<Aim> {
    let measures = figures::<Vec<posted::Measure>>(results, 7).unwrap_or_default();
    let aim = |measure: &posted::Measure| {
        let own: Vec<(&String, &Vec<f64>)> = measure
            .contestants
            .iter()
            .filter(|(name, _)| name.starts_with("wharf"))
            .collect();
        let middle =
            |figures: &Vec<f64>| spread(figures.clone()).map_or(0.0, |spread| spread.median);
        // Of the ways to take packets from the port, the better one.
        let better = |left: &f64, right: &f64| {
            if measure.is_time() {
                right.total_cmp(left)
            } else {
                left.total_cmp(right)
            }
        };
        let (_, own) = own
            .into_iter()
            .max_by(|left, right| better(&middle(left.1), &middle(right.1)))?;
        let others = measure
            .contestants
            .iter()
            .filter(|(name, _)| !name.starts_with("wharf"));
        let ratios = others.filter_map(|(name, other)| {
            let pairs = own.iter().zip(other);
            let ratios = pairs.map(|(own, other)| {
                if measure.is_time() {
                    other / own
                } else {
                    own / other
                }
            });
            let ratio = spread(ratios.collect())?;
            Some((name.as_str(), ratio.median, ratio_text(Some(ratio))))
        });
        let nearest = ratios.min_by(|left, right| left.1.total_cmp(&right.1));
        let advantage = if measure.is_time() {
            " (their time over ours)"
        } else {
            ""
        };
        Some(ahead(
            format!(
                "row 7, {}: ahead of every channel{advantage}",
                measure.measure
            ),
            1.0,
            nearest,
        ))
    };
    measures.iter().filter_map(aim).collect()
}

/// Those of Wharf's two drivers that were measured.
fn of_wharf(all: &[Runs]) -> impl Iterator<Item = &Runs> {
    all.iter().filter(|runs| runs.name.starts_with("wharf"))
}

fn skew_aims(results: &Results) -> Vec<Aim> {
    let Some(figures) = figures::<skew::Figures>(results, 4) else {
        return Vec::new();
    };
    let aim = |skewed: &Runs| {
        let even = figures.even.iter().find(|even| even.name == skewed.name)?;
        let ratio = skewed.ratio(even, |run| run.p99_ns)?;
        Some(Aim {
            what: format!("row 4, {}: p99 skewed at most 1.3 of p99 even", skewed.name),
            met: Some(ratio.median <= 1.3),
            figure: ratio_text(Some(ratio)),
        })
    };
    of_wharf(&figures.skewed).filter_map(aim).collect()
}

fn sleepers_aims(results: &Results) -> Vec<Aim> {
    let runs = figures::<sleepers::Figures>(results, 5).map_or(Vec::new(), |figures| figures.runs);
    let growing = of_wharf(&runs).filter(|runs| runs.name.contains("up to"));
    let aim = |runs: &Runs| {
        let share = runs.spread(|run| run.rate_hz)?.median / sleepers::IDEAL_HZ;
        Some(Aim {
            what: format!("row 5, {}: at least 0.90 of the ideal", runs.name),
            figure: format!("{share:.2}"),
            met: Some(share >= 0.9),
        })
    };
    growing.filter_map(aim).collect()
}

fn dispersion_aims(results: &Results) -> Vec<Aim> {
    let Some(figures) = figures::<dispersion::Figures>(results, 6) else {
        return Vec::new();
    };
    let wharf = figures.curves.iter().filter(|curve| {
        curve.name.starts_with("wharf") && curve.service == dispersion::EXPONENTIAL
    });
    wharf
        .map(|curve| {
            let load = curve.load_at_tail();
            Aim {
                what: format!(
                    "row 6, {}: at least 70% load at p99 = 10 times the mean",
                    curve.name
                ),
                figure: load.map_or("-".into(), |load| format!("{:.0}%", 100.0 * load)),
                met: load.map(|load| load >= 0.7),
            }
        })
        .collect()
}

fn sweep_aims(results: &Results) -> Vec<Aim> {
    let Some(figures) = figures::<sweep::Figures>(results, 8) else {
        return Vec::new();
    };
    let from_four = |load: &'static str| {
        let points = figures.points.iter();
        points.filter(move |point| point.load == load && point.workers >= 4)
    };
    let rates: Vec<f64> = figures
        .points
        .iter()
        .filter(|point| point.load == "much")
        .map(|point| point.rate_hz)
        .collect();
    let best = rates.iter().copied().fold(0.0, f64::max);
    let least = from_four("much")
        .map(|point| point.rate_hz)
        .fold(f64::MAX, f64::min);
    let switches = |workers: u32| {
        let point = from_four("little").find(|point| point.workers == workers)?;
        Some(point.switches_per_request)
    };
    let mut aims = vec![Aim {
        what: "row 8, much I/O: each count from 4 to 64 at least 0.95 of the best throughput"
            .into(),
        figure: format!("{:.2} at least", least / best),
        met: Some(least >= 0.95 * best),
    }];
    if let (Some(four), Some(many)) = (switches(4), switches(64)) {
        aims.push(Aim {
            what: "row 8, little I/O: 64 workers make no more context switches a request than 4"
                .into(),
            figure: format!("{many:.2} and {four:.2}"),
            // To the precision at which they are told.
            met: Some(many <= four + 0.05),
        });
    }
    aims
}

fn spinner_aims(results: &Results) -> Vec<Aim> {
    let runs = figures::<spinner::Figures>(results, 9).map_or(Vec::new(), |figures| figures.runs);
    let aim = |runs: &Runs| {
        let p99 = runs.spread(|run| run.p99_ns)?.median;
        Some(Aim {
            what: format!(
                "row 9, {}: p99 under 2 ms beside a worker that computes",
                runs.name
            ),
            figure: time(p99),
            met: Some(p99 < 2e6),
        })
    };
    of_wharf(&runs).filter_map(aim).collect()
}
