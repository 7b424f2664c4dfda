//! The figures of all rounds, as a table of medians or as JSON.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::{contestants::STANDARD, interval};

/// What was measured, in the order in which it was first added.
#[derive(Debug, Default)]
pub struct Report(Vec<Measure>);

/// One question, with the figures of each contestant, one a round.
#[derive(Debug)]
struct Measure {
    title: String,
    rows: Vec<(&'static str, Vec<f64>)>,
}

impl Report {
    pub fn add(&mut self, title: &str, contestant: &'static str, figure: f64) {
        let measure = find_or_push(
            &mut self.0,
            |measure| measure.title == title,
            || Measure {
                title: title.to_owned(),
                rows: Vec::new(),
            },
        );
        let row = find_or_push(
            &mut measure.rows,
            |(name, _)| *name == contestant,
            || (contestant, Vec::new()),
        );
        row.1.push(figure);
    }

    /// Each measure with the list of each contestant's figures, one a round.
    pub fn to_json(&self) -> Value {
        let rows = |measure: &Measure| -> Map<String, Value> {
            let row = |(name, figures): &(&str, Vec<f64>)| (name.to_string(), json!(figures));
            measure.rows.iter().map(row).collect()
        };
        let measures: Vec<Value> = self
            .0
            .iter()
            .map(|measure| json!({ "measure": measure.title, "contestants": rows(measure) }))
            .collect();
        json!(measures)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|measure| writeln!(formatter, "{measure}"))
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standard = self.rows.iter().find(|(name, _)| *name == STANDARD);
        writeln!(
            formatter,
            "{}\n{:<26}{:>14}{:>14}{:>14}{:>10}  95%",
            self.title, "", "median", "least", "most", "ratio"
        )?;
        for (name, figures) in &self.rows {
            let figures_sorted = sorted(figures);
            write!(
                formatter,
                "{name:<26}{:>14.3}{:>14.3}{:>14.3}",
                median(&figures_sorted),
                figures_sorted[0],
                figures_sorted[figures_sorted.len() - 1],
            )?;
            match standard {
                Some((_, standard)) => writeln!(formatter, "{}", ratio(figures, standard))?,
                None => writeln!(formatter)?,
            }
        }
        Ok(())
    }
}

/// The median of the rounds' ratios, and its interval: what slows one round down slows both contestants.
fn ratio(figures: &[f64], standard: &[f64]) -> String {
    let ratios: Vec<f64> = figures
        .iter()
        .zip(standard)
        .map(|(figure, standard)| figure / standard)
        .collect();
    let ratios = sorted(&ratios);
    let interval = interval::of_median(&ratios).map_or("too few rounds".into(), |(low, high)| {
        format!("{low:.2} to {high:.2}")
    });
    format!("{:>10.2}  {interval}", median(&ratios))
}

fn sorted(figures: &[f64]) -> Vec<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

fn find_or_push<T>(
    list: &mut Vec<T>,
    which: impl Fn(&T) -> bool,
    new: impl FnOnce() -> T,
) -> &mut T {
    let index = list.iter().position(which).unwrap_or_else(|| {
        list.push(new());
        list.len() - 1
    });
    &mut list[index]
}
