//! Row 7: packets that a program posts itself, against the channels it would use instead. Measured by `posted`.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::from_value;
use crate::{
    Lab,
    figures::{digits, highest_first, lowest_first, ratio_text, spread, table},
};

/// What others are measured against.
const PORT: &str = "wharf wait";

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
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let rounds = lab.rounds(9).to_string();
    let output = Command::new(lab.folder.join("target/release/posted"))
        .args(["--json", "--rounds", &rounds])
        .output()
        .map_err(|error| format!("can't start posted: {error}; run lab/build"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| format!("posted: {error}"))
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let measures: Vec<Measure> = from_value(figures)?;
    let mut text = String::from(
        "One thread posts, one or two consume; the queue is bounded to 1,024 packets or not bounded at all. A wake is the \
         time from a post until a consumer that was asleep has the packet. `lab/target/release/posted`\n\n",
    );
    for measure in &measures {
        let own = measure.contestants.get(PORT);
        let mut rows: Vec<(f64, Vec<String>)> = Vec::new();
        for (name, figures) in &measure.contestants {
            let Some(all) = spread(figures.clone()) else {
                continue;
            };
            let ratios = own.map(|own| {
                own.iter()
                    .zip(figures)
                    .map(|(own, other)| own / other)
                    .collect()
            });
            rows.push((
                all.median,
                vec![
                    name.clone(),
                    digits(all.median),
                    format!("{} to {}", digits(all.least), digits(all.most)),
                    ratio_text(ratios.and_then(spread)),
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
