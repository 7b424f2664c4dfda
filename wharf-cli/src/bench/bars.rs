//! The drawn histogram: its rows, and how long their bars are.

use hdrhistogram::Histogram;

/// More rows than this are drawn with fewer, wider steps.
const BARS_MAX: usize = 16;

/// How long the bar of a row is.
pub(super) fn bar_length(count: u64, tallest: u64, columns: usize) -> usize {
    let length = u128::from(count) * columns as u128;
    length.div_ceil(u128::from(tallest)) as usize
}

/// The rows of the drawn histogram: from, to, and how many. Steps of 1, 2 and 5, or of 10 where those are too many.
pub(super) fn bars(histogram: &Histogram<u64>) -> Vec<(u64, u64, u64)> {
    let fine = steps(&[1, 2, 5], histogram);
    if fine.len() <= BARS_MAX {
        fine
    } else {
        steps(&[1], histogram)
    }
}

fn steps(mantissas: &[u64], histogram: &Histogram<u64>) -> Vec<(u64, u64, u64)> {
    let powers = (0..=18).map(|exponent| 10_u64.pow(exponent));
    let edges: Vec<u64> = powers
        .flat_map(|power| mantissas.iter().map(move |mantissa| mantissa * power))
        .collect();
    edges
        .windows(2)
        .map(|edge| (edge[0], edge[1], count_between(histogram, edge[0], edge[1])))
        .skip_while(|(.., count)| *count == 0)
        .take_while(|(low, ..)| *low <= histogram.max())
        .collect()
}

fn count_between(histogram: &Histogram<u64>, low: u64, high: u64) -> u64 {
    histogram
        .iter_recorded()
        .map(|recorded| {
            (
                recorded.value_iterated_to(),
                recorded.count_since_last_iteration(),
            )
        })
        .filter(|(value, _)| (low..high).contains(value))
        .map(|(_, count)| count)
        .sum()
}

/// The count of the longest row; at least 1.
pub(super) fn tallest(histogram: &Histogram<u64>) -> u64 {
    bars(histogram)
        .into_iter()
        .map(|(.., count)| count)
        .max()
        .unwrap_or(0)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_histogram_has_fewer_and_wider_rows() {
        let mut histogram = Histogram::new_with_bounds(1, 1_000_000_000, 3).expect("bounds");
        for value in [1, 2, 4, 5, 30] {
            histogram.saturating_record(value);
        }
        let rows = [(1, 2, 1), (2, 5, 2), (5, 10, 1), (10, 20, 0), (20, 50, 1)];
        assert_eq!(bars(&histogram), rows);
        assert_eq!(tallest(&histogram), 2);
        histogram.saturating_record(100_000_000);
        let wide = bars(&histogram);
        assert_eq!(wide[..2], [(1, 10, 4), (10, 100, 1)]);
        assert_eq!(wide.len(), 9);
    }

    #[test]
    fn what_there_is_has_a_bar_and_the_tallest_the_longest() {
        let lengths = [0, 1, 500, 1_000].map(|count| bar_length(count, 1_000, 40));
        assert_eq!(lengths, [0, 1, 20, 40]);
    }
}
