//! Whether an aim is met: by the 95% interval of a median, not by the median.

use crate::figures::Spread;

/// The later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Met,
    /// The aim is within the interval, or there were too few rounds for one: more rounds would tell.
    Open,
    Missed,
}

impl Verdict {
    pub fn of(met: bool) -> Self {
        if met { Verdict::Met } else { Verdict::Missed }
    }

    pub fn text(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Open => "open",
            Verdict::Missed => "**missed**",
        }
    }
}

/// What an aim asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    pub fn judge(self, spread: Spread) -> Verdict {
        let Some((low, high)) = spread.interval else {
            return Verdict::Open;
        };
        let (met, missed) = match self {
            Bound::AtLeast(aim) => (low >= aim, high < aim),
            Bound::AtMost(aim) => (high <= aim, low > aim),
        };
        match (met, missed) {
            (true, _) => Verdict::Met,
            (_, true) => Verdict::Missed,
            _ => Verdict::Open,
        }
    }

    /// Of several of which each has to meet the aim, the one that is furthest from it.
    pub fn furthest<N>(
        self,
        all: impl IntoIterator<Item = (N, Spread)>,
    ) -> Option<(N, Spread, Verdict)> {
        let shortfall = |spread: &Spread| match self {
            Bound::AtLeast(_) => -spread.median,
            Bound::AtMost(_) => spread.median,
        };
        all.into_iter()
            .map(|(name, spread)| (name, spread, self.judge(spread)))
            .max_by(|left, right| {
                let further = shortfall(&left.1).total_cmp(&shortfall(&right.1));
                left.2.cmp(&right.2).then(further)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::spread;

    fn from_to(low: f64, high: f64) -> Spread {
        spread(vec![low, low, low, high, high, high]).expect("figures")
    }

    #[test]
    fn what_the_interval_has_within_it_is_open() {
        let verdicts = |low, high| {
            [Bound::AtLeast(1.0), Bound::AtMost(1.0)].map(|bound| bound.judge(from_to(low, high)))
        };
        assert_eq!(verdicts(1.01, 1.02), [Verdict::Met, Verdict::Missed]);
        assert_eq!(verdicts(0.97, 0.99), [Verdict::Missed, Verdict::Met]);
        assert_eq!(verdicts(0.99, 1.01), [Verdict::Open, Verdict::Open]);
        let few = spread(vec![2.0; 5]).expect("figures");
        assert_eq!(Bound::AtLeast(1.0).judge(few), Verdict::Open);
    }

    #[test]
    fn one_that_misses_is_told_before_one_that_is_open_and_one_that_misses_by_less() {
        let all = [
            ("ahead", from_to(1.1, 1.2)),
            ("open", from_to(0.5, 1.1)),
            ("behind", from_to(0.9, 0.95)),
            ("far behind", from_to(0.8, 0.85)),
        ];
        let told = |bound: Bound, count| {
            let told = bound.furthest(all.into_iter().take(count));
            told.map(|(name, _, verdict)| (name, verdict))
        };
        let least = Bound::AtLeast(1.0);
        assert_eq!(told(least, 0), None);
        assert_eq!(told(least, 2), Some(("open", Verdict::Open)));
        assert_eq!(told(least, 4), Some(("far behind", Verdict::Missed)));
        assert_eq!(
            told(Bound::AtMost(1.0), 4),
            Some(("ahead", Verdict::Missed))
        );
        assert_eq!(told(Bound::AtMost(2.0), 4), Some(("ahead", Verdict::Met)));
    }
}
