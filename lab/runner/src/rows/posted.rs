//! Row 7: packets that a program posts itself, against the channels it would use instead. Measured by `posted`.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{from_value, to_value};
use crate::{
    Lab,
    figures::{
        PAIRS, Spread, digits, highest_first, lowest_first, ratio_text, ratios, spread, table,
    },
};

/// What others are measured against, and the same once more.
pub const PORT: &str = "wharf wait";
pub const AGAIN: &str = "wharf wait again";
/// The port by Windows' names, of row 20.
pub const WIN32: &str = "wharf-win32";

/// One question, with the figures of each contestant, one a round.
#[derive(Serialize, Deserialize)]
pub struct Measure {
    pub measure: String,
    pub contestants: BTreeMap<String, Vec<f64>>,
}

impl Measure {
    /// Times, of which less is better; all else is a rate.
    pub fn is_time(&self) -> bool {
        self.measure.starts_with("wake")
    }

    /// How far the port is ahead of others: of its own ways, the best against each of theirs.
    pub fn ahead_of(&self, which: impl Fn(&str) -> bool) -> Vec<(&str, Spread)> {
        let (own, others): (Vec<_>, Vec<_>) = self
            .contestants
            .iter()
            .partition(|(name, _)| name.starts_with("wharf"));
        let advantage = |own: &[f64], other: &[f64]| match self.is_time() {
            true => ratios(other, own),
            false => ratios(own, other),
        };
        let median = |figures: &[f64]| spread(figures.to_vec()).map_or(0.0, |spread| spread.median);
        let best = own
            .into_iter()
            .filter(|(name, _)| *name != AGAIN)
            .max_by(|left, right| {
                let (left, right) = (median(left.1), median(right.1));
                match self.is_time() {
                    true => right.total_cmp(&left),
                    false => left.total_cmp(&right),
                }
            });
        let Some((_, best)) = best else {
            return Vec::new();
        };
        let others = others.into_iter().filter(|(name, _)| which(name));
        others
            .filter_map(|(name, other)| Some((name.as_str(), advantage(best, other)?)))
            .collect()
    }

    /// Adds the figures of other rounds.
    pub fn add(&mut self, other: Measure) {
        for (name, figures) in other.contestants {
            self.contestants.entry(name).or_default().extend(figures);
        }
    }

    /// The port against itself.
    pub fn noise(&self) -> Option<Spread> {
        ratios(self.contestants.get(AGAIN)?, self.contestants.get(PORT)?)
    }
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let rounds = lab.rounds(PAIRS).to_string();
    let program = lab.folder.join("target/release/posted");
    to_value(run(&program, &["--json", "--rounds", &rounds])?)
}

/// Runs a program that prints its figures as `posted --json` does.
pub fn run(program: &Path, words: &[&str]) -> Result<Vec<Measure>, String> {
    let name = program.display();
    let output = Command::new(program)
        .args(words)
        .output()
        .map_err(|error| format!("can't start {name}: {error}; run lab/build"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{name}: {error}"))
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let measures: Vec<Measure> = from_value(figures)?;
    let mut text = String::from(
        "One thread posts, one or two consume; the queue is bounded to 1,024 packets or not bounded at all. A wake is the \
         time from a post until a consumer that was asleep has the packet. A ratio is the median of the rounds', with its 95% \
         interval. `lab/target/release/posted`\n\n",
    );
    for measure in &measures {
        let own = measure.contestants.get(PORT);
        let mut rows: Vec<(f64, Vec<String>)> = Vec::new();
        for (name, figures) in &measure.contestants {
            let Some(all) = spread(figures.clone()) else {
                continue;
            };
            rows.push((
                all.median,
                vec![
                    name.clone(),
                    digits(all.median),
                    format!("{} to {}", digits(all.least), digits(all.most)),
                    ratio_text(own.and_then(|own| ratios(own, figures))),
                ],
            ));
        }
        let rows = match measure.is_time() {
            true => lowest_first(rows),
            false => highest_first(rows),
        };
        let head = format!(
            "the port over it{}",
            if measure.is_time() {
                " (less is better)"
            } else {
                ""
            }
        );
        text += &format!(
            "**{}**\n\n{}\n",
            measure.measure,
            table(&["through", "median", "range", &head], &rows)
        );
    }
    Ok(text)
}
