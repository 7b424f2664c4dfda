//! `--sweep-workers 1..64`: with how many workers to measure.

use std::str::FromStr;

/// From how many workers to how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkersRange {
    from: u64,
    to: u64,
}

impl FromStr for WorkersRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = text.split_once("..").and_then(|(from, to)| {
            Some(WorkersRange {
                from: from.parse().ok()?,
                to: to.parse().ok()?,
            })
        });
        match range {
            Some(range) if (1..=range.to).contains(&range.from) && range.to <= 4_096 => Ok(range),
            _ => Err(format!(
                "`{text}` is no range of workers; use one within 1..4096, as in 1..64"
            )),
        }
    }
}

impl WorkersRange {
    /// The powers of 2 in the range, and its ends.
    pub(super) fn counts(&self) -> Vec<u64> {
        let powers = (0..=12).map(|exponent| 1 << exponent);
        let inner = powers.filter(|count| (self.from + 1..self.to).contains(count));
        let mut counts = vec![self.from];
        counts.extend(inner);
        counts.push(self.to);
        counts.dedup();
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_swept_in_powers_of_two_and_to_its_ends() {
        let counts = |text: &str| text.parse::<WorkersRange>().map(|range| range.counts());
        assert_eq!(counts("1..64"), Ok(vec![1, 2, 4, 8, 16, 32, 64]));
        assert_eq!(counts("3..9"), Ok(vec![3, 4, 8, 9]));
        assert_eq!(counts("5..5"), Ok(vec![5]));
        for text in ["", "1", "0..4", "4..1", "1..5000", "a..b"] {
            assert!(counts(text).is_err(), "{text}");
        }
    }
}
