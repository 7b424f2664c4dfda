//! Text for people, broken between words, at the width of their terminal.

use std::io::{self, IsTerminal};

use crate::system;

/// What is not written to a terminal is as wide as one was for decades: the same for everybody who compares it.
const COLUMNS: usize = 80;

/// Lines that are longer are hard to read, and in narrower ones there is no room for words.
const COLUMNS_SENSIBLE: std::ops::RangeInclusive<usize> = 20..=100;

/// How many columns what is printed on standard output may have. A terminal's own count, or `COLUMNS` where somebody has set
/// that; 80 elsewhere.
pub fn columns() -> usize {
    if !io::stdout().is_terminal() {
        return COLUMNS;
    }
    let set = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let columns = set.or_else(system::terminal_columns).unwrap_or(COLUMNS);
    columns.clamp(*COLUMNS_SENSIBLE.start(), *COLUMNS_SENSIBLE.end())
}

/// Breaks each line that is longer than `columns`, between words. What goes on in the next line stands below the first word,
/// or `hang` columns further in. Shorter lines stay as they are, so that a table stays one.
pub fn wrap(text: &str, columns: usize, hang: usize) -> String {
    let mut wrapped = String::new();
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            wrapped.push('\n');
        }
        wrap_line(&mut wrapped, line, columns, hang);
    }
    wrapped
}

fn wrap_line(wrapped: &mut String, line: &str, columns: usize, hang: usize) {
    let width = |text: &str| text.chars().count();
    if width(line) <= columns {
        wrapped.push_str(line);
        return;
    }
    let words = line.trim_start_matches(' ');
    let margin = width(line) - width(words);
    let next_margin = " ".repeat((margin + hang).min(columns / 2));
    wrapped.push_str(&line[..line.len() - words.len()]);
    let mut used = margin;
    // Gaps of several columns are kept where no break comes.
    let mut gap = "";
    let mut rest = words;
    while !rest.is_empty() {
        let end = rest.find(' ').unwrap_or(rest.len());
        let word = &rest[..end];
        if !gap.is_empty() && used + gap.len() + width(word) > columns {
            wrapped.push('\n');
            wrapped.push_str(&next_margin);
            used = next_margin.len();
        } else {
            wrapped.push_str(gap);
            used += gap.len();
        }
        wrapped.push_str(word);
        used += width(word);
        let behind = rest[end..].trim_start_matches(' ');
        gap = &rest[end..rest.len() - behind.len()];
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_lose_none() {
        let text =
            "A completion port lets any free worker serve any client.\n\nWhat if none is free?";
        for columns in 20..100 {
            let wrapped = wrap(text, columns, 0);
            assert!(
                wrapped.lines().all(|line| line.len() <= columns),
                "{wrapped}"
            );
            let words = |text: &str| {
                text.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            assert_eq!(words(&wrapped), words(text));
        }
        assert_eq!(wrap("one two three", 7, 0), "one two\nthree");
        assert_eq!(wrap("one two three", 8, 0), "one two\nthree");
    }

    #[test]
    fn what_is_indented_stays_so_and_what_hangs_hangs() {
        assert_eq!(wrap("  one two three", 10, 0), "  one two\n  three");
        assert_eq!(wrap("name  one two", 10, 6), "name  one\n     two");
        assert_eq!(wrap("name  one two", 12, 6), "name  one\n      two");
    }

    #[test]
    fn what_fits_and_what_can_not_be_broken_stays() {
        let table = "worker   state\nwharf-0  blocked";
        assert_eq!(wrap(table, 20, 0), table);
        assert_eq!(
            wrap("averyveryverylongword", 10, 0),
            "averyveryverylongword"
        );
        assert_eq!(wrap("", 10, 0), "");
    }
}
