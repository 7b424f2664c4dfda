//! Lines that are longer than a terminal is wide: they go on below, between two words.

/// Nothing is made to fit into less than this.
const COLUMNS_MIN: usize = 40;

/// Breaks the lines of a text that are longer than `columns`, between words; what follows begins below column `indent`,
/// and no line is broken before that. A word that is longer stays whole.
pub(super) fn wrap(text: &str, columns: usize, indent: usize) -> String {
    let columns = columns.max(COLUMNS_MIN);
    let mut wrapped = String::new();
    for line in text.lines() {
        let mut rest = line.to_owned();
        while let Some(at) = break_at(&rest, columns, indent) {
            wrapped.push_str(rest[..at].trim_end());
            wrapped.push('\n');
            rest = format!("{:indent$}{}", "", rest[at..].trim_start());
        }
        wrapped.push_str(&rest);
        wrapped.push('\n');
    }
    wrapped
}

/// Where a line is to be broken that is too long: at its last space that fits, else at its first.
fn break_at(line: &str, columns: usize, indent: usize) -> Option<usize> {
    let mut last = None;
    for (column, (at, char)) in line.char_indices().enumerate() {
        if column >= columns && last.is_some() {
            return last;
        }
        let begins_a_gap = char == ' ' && !line[..at].ends_with(' ');
        if begins_a_gap && column > indent {
            last = Some(at);
        }
    }
    last.filter(|_| line.chars().count() > columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_goes_on_below_between_two_words() {
        let line = "latency     p50 41.2 us  p90 60.0 us  p99 1.00 ms  max 2 ms  (a closed loop: it stalls)\n";
        assert_eq!(wrap(line, 120, 12), line);
        assert_eq!(wrap(line, 88, 12), line);
        assert_eq!(
            wrap(line, 60, 12),
            "latency     p50 41.2 us  p90 60.0 us  p99 1.00 ms  max 2 ms\n            (a closed loop: it stalls)\n"
        );
        assert_eq!(
            wrap(line, 40, 12),
            "latency     p50 41.2 us  p90 60.0 us\n            p99 1.00 ms  max 2 ms  (a\n            closed loop: it stalls)\n"
        );
        let words: String = line.split_whitespace().collect();
        for columns in 0..130 {
            let wrapped = wrap(line, columns, 12);
            assert!(
                wrapped
                    .lines()
                    .all(|line| line.chars().count() <= columns.max(40))
            );
            assert_eq!(wrapped.split_whitespace().collect::<String>(), words);
        }
    }

    #[test]
    fn what_has_no_space_stays_whole() {
        let word = "x".repeat(90);
        let line = format!("requests    {word} answered\n");
        assert_eq!(
            wrap(&line, 80, 12),
            format!("requests    {word}\n            answered\n")
        );
        assert_eq!(wrap(&format!("{word}\n\n"), 80, 0), format!("{word}\n\n"));
    }
}
