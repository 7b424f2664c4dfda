//! The aims: what the project set out to reach, and how far it has come.

mod http;
mod tls;
mod web;
mod win32;

use serde::Deserialize;

use crate::{
    contestants::{self, AGAIN, FLOOR, Role},
    figures::{Runs, Spread, named, spread, table, time},
    judge::{Bound, Verdict},
    results::Results,
    rows::{
        churn, cost_table::cost, counts, dispersion, echo, idle, posted, redis, skew, sleepers,
        spinner, sweep,
    },
};

/// An aim, what it came to, and whether it was met.
struct Aim {
    what: String,
    figure: String,
    /// What a server came to against itself, in the same rounds.
    noise: String,
    verdict: Option<Verdict>,
}

/// All of them, in a table.
pub fn tell(results: &Results) -> String {
    let mut aims = Vec::new();
    aims.extend(echo_aims(results));
    aims.extend(churn_aims(results));
    aims.extend(idle_aim(results));
    aims.extend(skew_aims(results));
    aims.extend(sleepers_aims(results));
    aims.extend(dispersion_aims(results));
    aims.extend(posted_aims(results));
    aims.extend(sweep_aims(results));
    aims.extend(spinner_aims(results));
    aims.extend(counts_aims(results));
    aims.extend(redis_aims(results));
    aims.extend(http::aims(results));
    aims.extend(win32::aims(results));
    aims.extend(tls::aims(results));
    aims.extend(web::aims(results));
    let rows: Vec<Vec<String>> = aims
        .into_iter()
        .map(|aim| {
            let verdict = aim.verdict.map_or("not measured", Verdict::text);
            vec![aim.what, aim.figure, aim.noise, verdict.to_owned()]
        })
        .collect();
    format!(
        "## The aims\n\nA figure is a median, with its 95% interval. An aim is met if the interval lies above it (below, for \
         what may be at most so much), missed if it lies on the other side, and else open: also if there were too few rounds for an \
         interval. Where an aim compares with several, the worst ratio is told, with its name. The third column is one server against itself in the same rounds, which is noise. Ratios of rows 1, 2, 13, 17 and 20 to 24 \
         are of echoes (or connections, or requests) for each second of the server's processor time. Bytes and instructions are counted, \
         and have no rounds.\n\n{}",
        table(&["aim", "figure", "against itself", ""], &rows)
    )
}

fn figures<T: for<'a> Deserialize<'a>>(results: &Results, row: u8) -> Option<T> {
    T::deserialize(results.of(row)?.figures).ok()
}

impl Aim {
    fn new(what: String, figure: String, verdict: Verdict) -> Self {
        Aim {
            what,
            figure,
            noise: String::new(),
            verdict: Some(verdict),
        }
    }

    /// Of a time, which may be at most so many nanoseconds.
    fn of_time(what: String, most_ns: f64, spread: Option<Spread>) -> Self {
        let text = |spread: Spread| {
            let interval = spread
                .interval
                .map_or("too few rounds".into(), |(low, high)| {
                    format!("{} to {}", time(low), time(high))
                });
            format!("{} ({interval})", time(spread.median))
        };
        Aim {
            what,
            figure: spread.map_or("-".into(), text),
            noise: String::new(),
            verdict: spread.map(|spread| Bound::AtMost(most_ns).judge(spread)),
        }
    }

    /// Of all these, each of which has to be within the bound.
    fn of_all<N: AsRef<str>>(
        what: String,
        bound: Bound,
        all: impl IntoIterator<Item = (N, Spread)>,
        noise: Option<Spread>,
    ) -> Self {
        let told = bound.furthest(all);
        Aim {
            what,
            figure: told.as_ref().map_or("-".into(), |(name, spread, _)| {
                let name = name.as_ref();
                let of = if name.is_empty() { "" } else { ": " };
                format!("{name}{of}{}", precisely(*spread))
            }),
            noise: noise.map_or_else(String::new, precisely),
            verdict: told.map(|(.., verdict)| verdict),
        }
    }
}

/// With a digit more than the rows have, so that seldom what is open or missed reads as the aim itself.
fn precisely(spread: Spread) -> String {
    let interval = spread
        .interval
        .map_or("too few rounds".into(), |(low, high)| {
            format!("{low:.3} to {high:.3}")
        });
    format!("{:.3} ({interval})", spread.median)
}

/// Wharf's better driver at a point.
fn best_wharf(all: &[Runs]) -> Option<&Runs> {
    let median = |runs: &&Runs| runs.median(cost).unwrap_or(0.0);
    of_wharf(all).max_by(|left, right| median(left).total_cmp(&median(right)))
}

/// Those of Wharf's two drivers that were measured.
fn of_wharf(all: &[Runs]) -> impl Iterator<Item = &Runs> {
    all.iter().filter(|runs| runs.name.starts_with("wharf"))
}

fn is(runs: &Runs, role: Role) -> bool {
    let mut all = contestants::all().iter();
    all.any(|contestant| contestant.name == runs.name && contestant.role == role)
}

/// The ratios of a server's cost to those of others.
fn ratios<'a>(
    own: Option<&Runs>,
    all: &'a [Runs],
    which: impl Fn(&Runs) -> bool,
) -> Vec<(&'a str, Spread)> {
    let others = all.iter().filter(|runs| which(runs));
    let ratio = |runs: &'a Runs| Some((runs.name.as_str(), own?.ratio(runs, cost)?));
    others.filter_map(ratio).collect()
}

/// The plainest server against itself.
fn noise(all: &[Runs]) -> Option<Spread> {
    named(all, AGAIN)?.ratio(named(all, FLOOR)?, cost)
}

/// The aims of each driver at 64 and at 512 connections: so much of the plainest server.
const OF_THE_FLOOR: [(u32, &str, f64); 4] = [
    (64, "wharf-readiness", 0.97),
    (64, "wharf-uring", 1.08),
    (512, "wharf-readiness", 0.97),
    (512, "wharf-uring", 1.15),
];

fn echo_aims(results: &Results) -> Vec<Aim> {
    let points = figures::<echo::Figures>(results, 1).map_or(Vec::new(), |figures| figures.points);
    let mut aims = Vec::new();
    for connections in [64, 512] {
        let point = points.iter().find(|point| point.is((connections, 64, 1)));
        let all = point.map_or(&[][..], |point| &point.runs);
        let mut aim = |what: String, least: f64, ratios: Vec<(&str, Spread)>| {
            let what = format!("row 1, {connections} connections, {what}");
            let bound = Bound::AtLeast(least);
            aims.push(Aim::of_all(what, bound, ratios, noise(all)));
        };
        for (_, driver, least) in OF_THE_FLOOR.iter().filter(|aim| aim.0 == connections) {
            let own = named(all, driver);
            let floor = ratios(own, all, |runs| runs.name == FLOOR);
            let what = format!("{driver}: at least {least:.2} of the plainest epoll server");
            aim(what, *least, floor);
            let peers = ratios(own, all, |runs| is(runs, Role::Peer));
            aim(format!("{driver}: ahead of every peer"), 1.0, peers);
        }
        let best = best_wharf(all);
        let tokio = ratios(best, all, |runs| {
            matches!(runs.name.as_str(), "tokio-one" | "tokio-pool")
        });
        let what = "the better driver: at least 1.10 of tokio's best";
        aim(what.into(), 1.1, tokio);
        let floors = ratios(best, all, |runs| is(runs, Role::Floor));
        let what = "the better driver: at least 0.95 of the better floor";
        aim(what.into(), 0.95, floors);
    }
    aims
}

fn churn_aims(results: &Results) -> Vec<Aim> {
    let runs = figures::<churn::Figures>(results, 2).map_or(Vec::new(), |figures| figures.runs);
    let aim = |driver: &str| {
        let peers = ratios(named(&runs, driver), &runs, |runs| is(runs, Role::Peer));
        let what = format!("row 2, {driver}: ahead of every peer");
        Aim::of_all(what, Bound::AtLeast(1.0), peers, noise(&runs))
    };
    ["wharf-readiness", "wharf-uring"].map(aim).into()
}

fn idle_aim(results: &Results) -> Option<Aim> {
    let figures = figures::<idle::Figures>(results, 3)?;
    let servers = figures.servers.iter();
    let (most, name) = servers
        .filter(|idle| idle.name.starts_with("wharf"))
        .map(|idle| (idle.user_bytes(figures.many), idle.name.as_str()))
        .max_by(|left, right| left.0.total_cmp(&right.0))?;
    Some(Aim::new(
        "row 3: at most 256 user-space bytes a connection".to_owned(),
        format!("{most:.0} bytes at most ({name})"),
        Verdict::of(most <= 256.0),
    ))
}

fn posted_aims(results: &Results) -> Vec<Aim> {
    let measures = figures::<Vec<posted::Measure>>(results, 7).unwrap_or_default();
    let mut aims = Vec::new();
    for measure in &measures {
        let mut aim = |which: &dyn Fn(&str) -> bool, whom: &str| {
            let times = if measure.is_time() {
                " (their time over ours)"
            } else {
                ""
            };
            aims.push(Aim::of_all(
                format!("row 7, {}: ahead of {whom}{times}", measure.measure),
                Bound::AtLeast(1.0),
                measure.ahead_of(which),
                measure.noise(),
            ));
        };
        match measure.is_time() {
            true => aim(&|name| name.starts_with("tokio"), "tokio's wakes"),
            false => aim(&|name| name == "crossbeam", "crossbeam-channel"),
        }
        aim(&|_| true, "all others");
    }
    aims
}

fn skew_aims(results: &Results) -> Vec<Aim> {
    let Some(figures) = figures::<skew::Figures>(results, 4) else {
        return Vec::new();
    };
    let aim = |skewed: &Runs| {
        let even = named(&figures.even, &skewed.name)?;
        let ratio = skewed.ratio(even, |run| run.p99_ns)?;
        let what = format!("row 4, {}: p99 skewed at most 1.3 of p99 even", skewed.name);
        Some(Aim::of_all(what, Bound::AtMost(1.3), [("", ratio)], None))
    };
    of_wharf(&figures.skewed).filter_map(aim).collect()
}

fn sleepers_aims(results: &Results) -> Vec<Aim> {
    let runs = figures::<sleepers::Figures>(results, 5).map_or(Vec::new(), |figures| figures.runs);
    let growing = of_wharf(&runs).filter(|runs| runs.name.contains("up to"));
    let aim = |runs: &Runs| {
        let share = runs.spread(|run| run.rate_hz / sleepers::IDEAL_HZ)?;
        let what = format!("row 5, {}: at least 0.90 of the ideal", runs.name);
        Some(Aim::of_all(what, Bound::AtLeast(0.9), [("", share)], None))
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
            let range = curve.range_at_tail();
            let middle = curve
                .load_at_tail()
                .map_or("-".into(), |load| format!("{load:.2}"));
            let verdict = match range {
                Some((low, _)) if low >= 0.7 => Verdict::Met,
                Some((_, high)) if high < 0.7 => Verdict::Missed,
                _ => Verdict::Open,
            };
            let range = range.map_or("no range".into(), |(low, high)| {
                format!("{low:.2} to {high:.2}, of the seeds")
            });
            Aim::new(
                format!(
                    "row 6, {}: a load of at least 0.70 at p99 = 10 times the mean",
                    curve.name
                ),
                format!("{middle} ({range})"),
                verdict,
            )
        })
        .collect()
}

fn sweep_aims(results: &Results) -> Vec<Aim> {
    let Some(figures) = figures::<sweep::Figures>(results, 8) else {
        return Vec::new();
    };
    let mut aims = Vec::new();
    for sweep in figures.sweeps() {
        let noise = sweep.noise();
        let mut aim = |what: &str, bound, ratios: Vec<(u32, Spread)>, noise| {
            let from_four = ratios.into_iter().filter(|(workers, _)| *workers >= 4);
            let named = from_four.map(|(workers, ratio)| (format!("{workers} workers"), ratio));
            let what = format!("row 8, {}: {what}", sweep.server);
            aims.push(Aim::of_all(what, bound, named, noise));
        };
        aim(
            "each count from 4 to 64 at least 0.95 of the best throughput",
            Bound::AtLeast(0.95),
            sweep.throughputs(),
            noise.map(|noise| noise.0),
        );
        aim(
            "each count from 4 to 64 at most 1.2 of the best p99",
            Bound::AtMost(1.2),
            sweep.tails(),
            noise.map(|noise| noise.1),
        );
        aim(
            "under little load 64 workers make at most 1.05 of the context switches of 4",
            Bound::AtMost(1.05),
            sweep
                .switches(64, 4)
                .map(|ratio| (64, ratio))
                .into_iter()
                .collect(),
            None,
        );
    }
    aims
}

fn spinner_aims(results: &Results) -> Vec<Aim> {
    let runs = figures::<spinner::Figures>(results, 9).map_or(Vec::new(), |figures| figures.runs);
    let aim = |runs: &Runs| {
        let p99 = runs.spread(|run| run.p99_ns)?;
        let what = format!(
            "row 9, {}: p99 at most 2 ms beside a worker that computes",
            runs.name
        );
        Some(Aim::of_time(what, 2e6, Some(p99)))
    };
    of_wharf(&runs).filter_map(aim).collect()
}

/// With one worker; and with more, how much more it may be.
const INSTRUCTIONS_MAX: f64 = 1_500.0;
const LOCKED_MAX: f64 = 12.0;
const MORE_WORKERS_MAX: f64 = 1.05;

fn counts_aims(results: &Results) -> Vec<Aim> {
    let counts = figures::<Vec<counts::Count>>(results, 10).unwrap_or_default();
    let mut aims = Vec::new();
    for one in counts.iter().filter(|count| count.workers == 1) {
        aims.push(Aim::new(
            format!(
                "row 10, {}: at most {INSTRUCTIONS_MAX} instructions and {LOCKED_MAX} locked ones an echo",
                one.driver
            ),
            format!("{:.0} and {:.1}", one.instructions, one.locked),
            Verdict::of(one.instructions <= INSTRUCTIONS_MAX && one.locked <= LOCKED_MAX),
        ));
        let more = counts.iter();
        let more = more.filter(|count| count.driver == one.driver && count.workers > 1);
        let ratios = |of: fn(&counts::Count) -> f64| {
            spread(more.clone().map(|count| of(count) / of(one)).collect())
        };
        let (Some(instructions), Some(locked)) = (
            ratios(|count| count.instructions),
            ratios(|count| count.locked),
        ) else {
            continue;
        };
        let (most, most_locked) = (instructions.most, locked.most);
        aims.push(Aim::new(
            format!(
                "row 10, {}: with 2, 4 and 8 workers at most {MORE_WORKERS_MAX:.2} of both",
                one.driver
            ),
            format!("{most:.3} and {most_locked:.3} at most"),
            Verdict::of(most.max(most_locked) <= MORE_WORKERS_MAX),
        ));
    }
    aims
}

fn redis_aims(results: &Results) -> Vec<Aim> {
    let loads = figures::<Vec<redis::Load>>(results, 12).unwrap_or_default();
    let aim = |load: &redis::Load| {
        let what = format!("row 12, {}: at least 0.9 of redis-server", load.name());
        let ratio = load.ratio().map(|ratio| ("", ratio));
        Aim::of_all(what, Bound::AtLeast(0.9), ratio, None)
    };
    loads.iter().map(aim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aims_that_were_not_measured_are_told_as_such() {
        let results = Results::in_folder(std::path::Path::new("/no/such/folder"));
        let text = tell(&results);
        assert!(
            text.contains(
                "wharf-uring: at least 1.15 of the plainest epoll server | - |  | not measured |"
            ),
            "{text}"
        );
    }

    #[test]
    fn what_is_furthest_from_the_bound_is_told_with_its_interval() {
        let figures = |figure: f64| spread(vec![figure; 9]).expect("figures");
        let all = [("asio", figures(1.02)), ("libuv", figures(0.98))];
        let noise = Some(figures(1.0));
        let aim = Aim::of_all("ahead".into(), Bound::AtLeast(1.0), all, noise);
        assert_eq!(aim.figure, "libuv: 0.980 (0.980 to 0.980)");
        assert_eq!(aim.noise, "1.000 (1.000 to 1.000)");
        assert_eq!(aim.verdict, Some(Verdict::Missed));
    }
}
