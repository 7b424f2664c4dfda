//! `--fail-if 'p99>2ms'`: what a run must keep to.

use std::str::FromStr;

use super::outcome::Outcome;
use crate::quantity::{parse_count, parse_duration, parse_rate, show_count, show_many, show_ns};

/// A figure of the run and the limit that it must not be on the other side of.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    text: String,
    metric: Metric,
    above: bool,
    limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Metric {
    Quantile(f64),
    Mean,
    Max,
    Rate,
    Errors,
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = text
            .find(['<', '>'])
            .ok_or_else(|| format!("`{text}` compares nothing; use p99>2ms or rate<50k"))?;
        let (name, limit) = (text[..at].trim(), &text[at + 1..]);
        let metric = match name {
            "p50" => Metric::Quantile(0.5),
            "p90" => Metric::Quantile(0.9),
            "p99" => Metric::Quantile(0.99),
            "p99.9" => Metric::Quantile(0.999),
            "mean" => Metric::Mean,
            "max" => Metric::Max,
            "rate" => Metric::Rate,
            "errors" => Metric::Errors,
            _ => {
                return Err(format!(
                    "`{name}` is no figure of a run; use p50, p90, p99, p99.9, mean, max, rate or errors"
                ));
            }
        };
        let limit = match metric {
            Metric::Rate => parse_rate(limit)?,
            Metric::Errors => parse_count(limit)? as f64,
            _ => parse_duration(limit)?.as_nanos() as f64,
        };
        Ok(Threshold {
            text: text.to_owned(),
            metric,
            above: &text[at..=at] == ">",
            limit,
        })
    }
}

impl Threshold {
    /// What to say if the run has failed it.
    pub(super) fn failure(&self, outcome: &Outcome) -> Option<String> {
        let value = match self.metric {
            Metric::Quantile(quantile) => outcome.latency.value_at_quantile(quantile) as f64,
            Metric::Mean => outcome.latency.mean(),
            Metric::Max => outcome.latency.max() as f64,
            Metric::Rate => outcome.rate_hz(),
            Metric::Errors => outcome.errors.total() as f64,
        };
        // With no answer at all, no latency is within any limit.
        let nothing =
            outcome.latency.is_empty() && !matches!(self.metric, Metric::Rate | Metric::Errors);
        let failed = if self.above {
            value > self.limit
        } else {
            value < self.limit
        };
        let value = match self.metric {
            _ if nothing => "nothing was answered".into(),
            Metric::Rate => show_many(value, "requests/s"),
            Metric::Errors => show_count(value as u64),
            _ => show_ns(value),
        };
        (failed || nothing).then(|| format!("{}: it is {value}", self.text))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_threshold_fails_on_its_own_side_only() {
        let mut outcome = Outcome::new();
        outcome.measured = Duration::from_secs(1);
        for millis in 1..=100 {
            outcome
                .latency
                .record(millis * 1_000_000)
                .expect("in range");
            outcome.requests += 1;
        }
        for (text, fails) in [
            ("p50>40ms", true),
            ("p50>60ms", false),
            ("p99 < 1s", true),
            ("max>0.2s", false),
            ("rate<101", true),
            ("rate<50/s", false),
            ("errors>0", false),
        ] {
            let threshold: Threshold = text.parse().expect("a threshold");
            assert_eq!(threshold.failure(&outcome).is_some(), fails, "{text}");
        }
    }

    #[test]
    fn nothing_answered_is_within_no_limit() {
        let threshold: Threshold = "p99>2ms".parse().expect("a threshold");
        assert!(threshold.failure(&Outcome::new()).is_some());
    }

    #[test]
    fn what_is_no_threshold_is_refused() {
        for text in ["p99", "p98>1ms", "p99>1", "rate>1ms", ">1ms", "errors<0.5"] {
            assert!(text.parse::<Threshold>().is_err(), "{text}");
        }
    }
}
