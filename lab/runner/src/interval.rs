//! How far to trust a median: its 95% interval. `posted` has it too.

/// More than this part is outside at neither end.
const TAIL: f64 = 0.025;

/// The 95% interval of the median of what these figures, in ascending order, are drawn from. None if there are fewer than six.
///
/// Each figure is below that median or above it with the same chance, whatever else the figures are like. So how many
/// are below it has a binomial distribution, and the interval is from one of the figures to another: for nine from the second to the
/// eighth, for 61 from the 23rd to the 39th.
pub fn of_median(sorted: &[f64]) -> Option<(f64, f64)> {
    let count = sorted.len();
    // The chance that exactly `outside` figures are below the median, and that no more are.
    let mut exactly = 0.5_f64.powi(i32::try_from(count).ok()?);
    let mut at_most = exactly;
    let mut outside = 0;
    while at_most <= TAIL {
        exactly *= (count - outside) as f64 / (outside + 1) as f64;
        at_most += exactly;
        outside += 1;
    }
    let first = outside.checked_sub(1)?;
    Some((sorted[first], sorted[count - 1 - first]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_tables() {
        let of = |count: u32| {
            let ranks: Vec<f64> = (1..=count).map(f64::from).collect();
            of_median(&ranks)
        };
        assert_eq!((of(0), of(1), of(5)), (None, None, None));
        assert_eq!((of(6), of(8)), (Some((1.0, 6.0)), Some((1.0, 8.0))));
        assert_eq!((of(9), of(15)), (Some((2.0, 8.0)), Some((4.0, 12.0))));
        assert_eq!((of(61), of(100)), (Some((23.0, 39.0)), Some((40.0, 61.0))));
        assert!(of(1_000).is_some());
    }
}
