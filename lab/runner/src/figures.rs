//! Rounds and what is made of them: every contestant has its turn in every round, so that what else the machine does
//! meets all of them alike; a figure is the median of the rounds, a ratio the median of the rounds' ratios.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{contestants::Contestant, load::Run};

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
}

/// Gives every contestant its turn, round after round.
pub fn rounds(
    contestants: &[&Contestant],
    rounds: u32,
    mut turn: impl FnMut(&Contestant) -> Result<Run, String>,
) -> Vec<Runs> {
    let mut all: Vec<Runs> = contestants
        .iter()
        .map(|contestant| Runs::new(contestant.name))
        .collect();
    for _ in 0..rounds {
        for (contestant, runs) in contestants.iter().zip(&mut all) {
            runs.add(turn(contestant));
        }
    }
    all
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
    })
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

/// `1.02 (0.95 to 1.10)`
pub fn ratio_text(spread: Option<Spread>) -> String {
    spread.map_or(
        "-".into(),
        |Spread {
             median,
             least,
             most,
         }| { format!("{median:.2} ({least:.2} to {most:.2})") },
    )
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

    #[test]
    fn a_spread_is_the_median_and_the_range() {
        let even = spread(vec![4.0, 1.0, 2.0, 3.0]).expect("figures");
        assert_eq!((even.median, even.least, even.most), (2.5, 1.0, 4.0));
        assert_eq!(spread(vec![5.0]).expect("a figure").median, 5.0);
        assert!(spread(Vec::new()).is_none());
    }

    #[test]
    fn a_ratio_is_taken_round_by_round_where_both_have_figures() {
        let run = |rate_hz| {
            Some(Run {
                rate_hz,
                p50_ns: 0.0,
                p99_ns: 0.0,
                requests_per_cpu_s: 0.0,
                switches_per_request: 0.0,
                busiest: 0.0,
            })
        };
        let runs = |runs| Runs {
            runs,
            ..Runs::new("any")
        };
        let own = runs(vec![run(2.0), run(30.0), None, run(8.0)]);
        let other = runs(vec![run(1.0), run(10.0), run(1.0), run(2.0)]);
        let ratio = own.ratio(&other, |run| run.rate_hz).expect("pairs");
        assert_eq!((ratio.median, ratio.least, ratio.most), (3.0, 2.0, 4.0));
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
