//! Rounds and what is made of them: every contestant has its turn in every round, so that what else the machine does
//! meets all of them alike; a figure is the median of the rounds, a ratio the median of the rounds' ratios, with its 95%
//! interval.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    contestants::{Contestant, Role},
    interval,
    load::Run,
};

/// How many rounds an aim is judged by.
pub const PAIRS: u32 = 61;

/// How many rounds all the rest has: the fewest of which a median has a 95% interval.
pub const FEW: u32 = 6;

/// After so many rounds of pairs it is clear who is far behind.
const FIRST: u32 = 9;

/// The runs of one contestant, one a round; none where a run failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Runs {
    pub name: String,
    pub runs: Vec<Option<Run>>,
    /// Why runs failed, the first reason.
    pub failure: Option<String>,
}

/// What one contestant's runs come to.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
    /// The 95% interval of the median; none of few rounds.
    pub interval: Option<(f64, f64)>,
}

/// Gives every contestant its turn, round after round.
pub fn rounds(
    contestants: &[&Contestant],
    rounds: u32,
    turn: impl FnMut(&Contestant) -> Result<Run, String>,
) -> Vec<Runs> {
    turns(contestants, rounds, turn, |_, _| false)
}

/// As [`rounds`], for aims. A peer that all of Wharf was ahead of in each of the first nine rounds has no more turns: the
/// interval is above 1 then, and it is the others that time is needed for.
pub fn pairs(
    contestants: &[&Contestant],
    rounds: u32,
    figure: fn(&Run) -> f64,
    turn: impl FnMut(&Contestant) -> Result<Run, String>,
) -> Vec<Runs> {
    turns(contestants, rounds, turn, |number, all| {
        let own = contestants.iter().zip(all);
        let mut own = own
            .filter(|(contestant, _)| contestant.role == Role::Wharf)
            .peekable();
        let is_behind = |(_, own): (_, &Runs)| {
            let ratio = own.ratio(&all[number], figure);
            let is_whole = own
                .runs
                .iter()
                .chain(&all[number].runs)
                .all(Option::is_some);
            is_whole && ratio.is_some_and(|ratio| ratio.least > 1.0)
        };
        contestants[number].role == Role::Peer && own.peek().is_some() && own.all(is_behind)
    })
}

/// `is_done` says after the first rounds whether a contestant has no more turns, by its number and all runs.
fn turns(
    contestants: &[&Contestant],
    rounds: u32,
    mut turn: impl FnMut(&Contestant) -> Result<Run, String>,
    is_done: impl Fn(usize, &[Runs]) -> bool,
) -> Vec<Runs> {
    let mut all: Vec<Runs> = contestants
        .iter()
        .map(|contestant| Runs::new(contestant.name))
        .collect();
    let mut done = vec![false; contestants.len()];
    for round in 0..rounds {
        if round == FIRST {
            done = (0..all.len()).map(|number| is_done(number, &all)).collect();
        }
        for number in order(round, contestants.len()) {
            if !done[number] {
                all[number].add(turn(contestants[number]));
            }
        }
    }
    all
}

/// There and back: if the machine gets slower and slower, that meets all alike.
pub fn order(round: u32, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |place| match round % 2 {
        0 => place,
        _ => count - 1 - place,
    })
}

impl Runs {
    pub fn new(name: &str) -> Self {
        Runs {
            name: name.to_owned(),
            runs: Vec::new(),
            failure: None,
        }
    }

    pub fn add(&mut self, run: Result<Run, String>) {
        match run {
            Ok(run) => self.runs.push(Some(run)),
            Err(error) => {
                eprintln!("  {}: {error}", self.name);
                self.runs.push(None);
                self.failure.get_or_insert(error);
            }
        }
    }

    /// The spread of a figure, if any run succeeded.
    pub fn spread(&self, figure: impl Fn(&Run) -> f64) -> Option<Spread> {
        spread(self.runs.iter().flatten().map(figure).collect())
    }

    /// The median of a figure, if any run succeeded.
    pub fn median(&self, figure: impl Fn(&Run) -> f64) -> Option<f64> {
        self.spread(figure).map(|spread| spread.median)
    }

    /// The spread of the rounds' ratios to another's.
    pub fn ratio(&self, other: &Runs, figure: impl Fn(&Run) -> f64) -> Option<Spread> {
        let pairs = self.runs.iter().zip(&other.runs);
        let ratios =
            pairs.filter_map(|(own, other)| Some(figure(own.as_ref()?) / figure(other.as_ref()?)));
        spread(ratios.filter(|ratio| ratio.is_finite()).collect())
    }
}

/// The one with this name.
pub fn named<'a>(all: &'a [Runs], name: &str) -> Option<&'a Runs> {
    all.iter().find(|runs| runs.name == name)
}

pub fn spread(mut figures: Vec<f64>) -> Option<Spread> {
    figures.sort_by(f64::total_cmp);
    let (least, most) = (*figures.first()?, *figures.last()?);
    let (low, high) = (figures[(figures.len() - 1) / 2], figures[figures.len() / 2]);
    Some(Spread {
        median: f64::midpoint(low, high),
        least,
        most,
        interval: interval::of_median(&figures),
    })
}

/// The spread of the ratios of figures of the same rounds.
pub fn ratios(own: &[f64], other: &[f64]) -> Option<Spread> {
    let ratios = own.iter().zip(other).map(|(own, other)| own / other);
    spread(ratios.filter(|ratio| ratio.is_finite()).collect())
}

/// A number with three digits that count.
pub fn digits(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude == 0.0 || magnitude >= 99.95 {
        format!("{number:.0}")
    } else if magnitude >= 9.995 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    }
}

/// A time in nanoseconds, in the unit that suits it.
pub fn time(nanoseconds: f64) -> String {
    let (number, unit) = match nanoseconds {
        short if short < 1e3 => (short, "ns"),
        short if short < 1e6 => (short / 1e3, "us"),
        long if long < 1e9 => (long / 1e6, "ms"),
        long => (long / 1e9, "s"),
    };
    format!("{} {unit}", digits(number))
}

/// `1.02 (0.95 to 1.10)`: the median with its 95% interval.
pub fn ratio_text(spread: Option<Spread>) -> String {
    let Some(Spread {
        median, interval, ..
    }) = spread
    else {
        return "-".into();
    };
    interval.map_or_else(
        || format!("{median:.2} (too few rounds)"),
        |(low, high)| format!("{median:.2} ({low:.2} to {high:.2})"),
    )
}

/// `0.87 to 1.21`: the least and the most of the rounds.
pub fn range_text(spread: Option<Spread>) -> String {
    spread.map_or("-".into(), |Spread { least, most, .. }| {
        format!("{least:.2} to {most:.2}")
    })
}

/// Rows of a table by the figure that stands before each, the highest first.
pub fn highest_first(mut rows: Vec<(f64, Vec<String>)>) -> Vec<Vec<String>> {
    rows.sort_by(|left, right| right.0.total_cmp(&left.0));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// Rows of a table by the figure that stands before each, the lowest first.
pub fn lowest_first(mut rows: Vec<(f64, Vec<String>)>) -> Vec<Vec<String>> {
    rows.sort_by(|left, right| left.0.total_cmp(&right.0));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// A table in Markdown.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let mut text = line(&heads);
    text.push_str(&"|---".repeat(heads.len()));
    text.push_str("|\n");
    text.extend(rows.iter().map(|row| line(row)));
    text
}

/// What failed, by contestant.
pub fn failures<'a>(all: impl IntoIterator<Item = &'a Runs>) -> String {
    let mut failures = BTreeMap::new();
    for runs in all {
        let failed = runs.runs.iter().filter(|run| run.is_none()).count();
        if let Some(failure) = &runs.failure {
            let entry = failures
                .entry(runs.name.clone())
                .or_insert((0, failure.clone()));
            entry.0 += failed;
        }
    }
    let lines = failures
        .iter()
        .map(|(name, (count, why))| format!("- {name}: {count} runs void: {why}\n"));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestants;

    #[test]
    fn a_spread_is_the_median_and_the_range() {
        let even = spread(vec![4.0, 1.0, 2.0, 3.0]).expect("figures");
        assert_eq!((even.median, even.least, even.most), (2.5, 1.0, 4.0));
        assert_eq!(spread(vec![5.0]).expect("a figure").median, 5.0);
        assert!(spread(Vec::new()).is_none());
    }

    fn run(rate_hz: f64) -> Run {
        Run {
            rate_hz,
            p50_ns: 0.0,
            p99_ns: 0.0,
            requests_per_cpu_s: 0.0,
            switches_per_request: 0.0,
            busiest: 0.0,
        }
    }

    #[test]
    fn a_ratio_is_taken_round_by_round_where_both_have_figures() {
        let runs = |rates: [f64; 4]| Runs {
            runs: rates
                .map(|rate_hz| (rate_hz > 0.0).then(|| run(rate_hz)))
                .into(),
            ..Runs::new("any")
        };
        let own = runs([2.0, 30.0, 0.0, 8.0]);
        let other = runs([1.0, 10.0, 1.0, 2.0]);
        let ratio = own.ratio(&other, |run| run.rate_hz).expect("pairs");
        assert_eq!((ratio.median, ratio.least, ratio.most), (3.0, 2.0, 4.0));
        assert_eq!(ratio_text(Some(ratio)), "3.00 (too few rounds)");
        let nine = spread((1..=9).map(f64::from).collect());
        assert_eq!(ratio_text(nine), "5.00 (2.00 to 8.00)");
        assert_eq!(range_text(nine), "1.00 to 9.00");
    }

    #[test]
    fn only_peers_that_all_of_wharf_is_ahead_of_have_no_more_turns() {
        let names = [
            ("floor-epoll", 1.0),
            ("wharf-readiness", 4.0),
            ("wharf-uring", 3.0),
            ("asio", 2.0),
            ("libuv", 3.5),
            ("go", 2.0),
        ];
        let contestant = |(name, _): &(&str, f64)| {
            let mut all = contestants::all().iter();
            all.find(|contestant| contestant.name == *name)
                .expect("a contestant")
        };
        let chosen: Vec<_> = names.iter().map(contestant).collect();
        let mut turns = 0;
        let all = pairs(
            &chosen,
            12,
            |run| run.rate_hz,
            |contestant| {
                turns += 1;
                let (_, rate_hz) = names
                    .iter()
                    .find(|(name, _)| *name == contestant.name)
                    .expect("one");
                match (contestant.name, turns) {
                    // One of its first turns is void.
                    ("go", 1..12) => Err("void".into()),
                    _ => Ok(run(*rate_hz)),
                }
            },
        );
        let counts: Vec<usize> = all.iter().map(|runs| runs.runs.len()).collect();
        assert_eq!(counts, [12, 12, 12, 9, 12, 12]);
    }

    #[test]
    fn every_other_round_goes_back() {
        assert_eq!(order(0, 3).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(order(1, 3).collect::<Vec<_>>(), [2, 1, 0]);
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(
            (digits(1234.4), digits(12.34), digits(1.0)),
            ("1234".into(), "12.3".into(), "1.00".into())
        );
        assert_eq!(
            (time(41_230.0), time(5e9)),
            ("41.2 us".into(), "5.00 s".into())
        );
    }
}
