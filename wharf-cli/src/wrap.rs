//! Text at the width of the terminal that shows it: lines break between words.
//!
//! All text of the command goes through here. What is written to a file or a pipe is not changed: each line is one record, so
//! that a script can read it.

use std::{
    env,
    io::{self, IsTerminal},
};

use terminal_size::{Width, terminal_size, terminal_size_of};
/// How many columns of a terminal a text takes: two for a wide sign, none for an escape sequence.
pub use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// Sentences in longer lines are hard to read.
const PROSE_COLUMNS_MAX: usize = 100;

/// The width of a terminal that does not tell its own, such as a serial line.
const UNKNOWN_COLUMNS: usize = 80;

/// Text beside a name needs as many columns; where there are fewer, it stands below the name.
const BESIDE_COLUMNS_MIN: usize = 24;

/// Standard output, or standard error.
#[derive(Debug, Clone, Copy)]
pub enum Stream {
    Output,
    Errors,
}

impl Stream {
    /// How many columns a line may have: `COLUMNS` if it is set, else the width of the terminal. None if the stream is no
    /// terminal.
    pub fn columns(self) -> Option<usize> {
        let (is_terminal, size) = match self {
            Stream::Output => (io::stdout().is_terminal(), terminal_size_of(io::stdout())),
            Stream::Errors => (io::stderr().is_terminal(), terminal_size_of(io::stderr())),
        };
        let own = || size.map(|(Width(columns), _)| usize::from(columns));
        is_terminal.then(|| columns_set().or_else(own).unwrap_or(UNKNOWN_COLUMNS))
    }
}

/// How many columns the user asks for (POSIX: "the user's preferred width").
fn columns_set() -> Option<usize> {
    let columns = env::var("COLUMNS").ok()?.parse().ok()?;
    (columns > 0).then_some(columns)
}

/// How wide the help is: as wide as the terminal, also where a pager stands between.
pub fn help_columns() -> usize {
    let of_any = || terminal_size().map(|(Width(columns), _)| usize::from(columns));
    let columns = columns_set().or_else(of_any);
    columns.map_or(PROSE_COLUMNS_MAX, |columns| columns.min(PROSE_COLUMNS_MAX))
}

/// Sentences, at the width of a stream.
pub fn prose(text: &str, columns: Option<usize>) -> String {
    fit(
        text,
        columns.map(|columns| columns.min(PROSE_COLUMNS_MAX)),
        0,
    )
}

/// Breaks each line that is longer than `columns` between words. What goes on in the next line is indented as the first is,
/// and `hang` columns more. Other lines stay as they are. A word that is longer than a line is broken too.
pub fn fit(text: &str, columns: Option<usize>, hang: usize) -> String {
    let Some(columns) = columns else {
        return text.to_owned();
    };
    let lines = text.split('\n').map(|line| fit_line(line, columns, hang));
    lines.collect::<Vec<_>>().join("\n")
}

fn fit_line(line: &str, columns: usize, hang: usize) -> String {
    if display_width(line) <= columns {
        return line.to_owned();
    }
    let words = line.trim_start_matches(' ');
    let margin = line.len() - words.len();
    fill(words, columns, margin, margin + hang)
}

/// A name, and beside it what is said of it: from column `name_columns` on, in all of its lines. Where there is no room
/// beside the name, below it. The name may be indented.
pub fn entry(name: &str, text: &str, name_columns: usize, columns: Option<usize>) -> String {
    let gap = name_columns.saturating_sub(display_width(name));
    let line = format!("{name}{}{text}", " ".repeat(gap));
    let Some(columns) = columns.filter(|columns| display_width(&line) > *columns) else {
        return line;
    };
    let words = name.trim_start_matches(' ');
    let margin = name.len() - words.len();
    if columns >= name_columns + BESIDE_COLUMNS_MIN {
        return fill(line.trim_start_matches(' '), columns, margin, name_columns);
    }
    let text = fill(text, columns, margin + 2, margin + 2);
    match words.is_empty() {
        true => text,
        false => format!("{}\n{text}", fit_line(name, columns, 2)),
    }
}

/// Names, and what is said of each: line by line.
#[derive(Debug)]
pub struct Entries {
    name_columns: usize,
    columns: Option<usize>,
    text: String,
}

impl Entries {
    pub fn new(name_columns: usize, columns: Option<usize>) -> Self {
        let text = String::new();
        Entries {
            name_columns,
            columns,
            text,
        }
    }

    /// Adds an [`entry()`].
    pub fn add(&mut self, name: &str, text: &str) {
        let entry = entry(name, text, self.name_columns, self.columns);
        self.add_line(&entry);
    }

    /// Adds what is as wide as it may be.
    pub fn add_line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    pub fn text(self) -> String {
        self.text
    }
}

/// Breaks one line, and indents what comes of it: the first line, and the others. Gaps of several columns are kept where no
/// break comes.
fn fill(line: &str, columns: usize, first: usize, others: usize) -> String {
    // A word that fits a line is not broken to keep the indent, and words get half of a line where there is hardly room.
    let widths = line.split(' ').map(display_width);
    let longest = widths.filter(|width| *width <= columns).max();
    let most = (columns - longest.unwrap_or(0)).min(columns / 2);
    let (first, others) = (" ".repeat(first.min(most)), " ".repeat(others.min(most)));
    let options = Options::new(columns)
        .initial_indent(&first)
        .subsequent_indent(&others)
        .word_separator(WordSeparator::AsciiSpace)
        // A word with a hyphen, such as an option's name, is one word.
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::fill(line, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }

    #[track_caller]
    fn expect_fit(text: &str, fitted: &str, columns: usize) {
        for line in fitted.lines() {
            assert!(display_width(line) <= columns, "{columns}: {fitted}");
        }
        let longest = words(text).into_iter().map(display_width).max();
        if longest <= Some(columns) {
            assert_eq!(words(fitted), words(text), "{columns}: {fitted}");
        } else {
            let joined = |text: &str| words(text).concat();
            assert_eq!(joined(fitted), joined(text), "{columns}: {fitted}");
        }
    }

    #[test]
    fn at_any_width_no_line_is_longer_and_no_word_that_fits_is_broken() {
        let text = "  A port serves any client with any free worker: see --max-workers and /proc/self/task.\n\n\
                    can't draw \u{56fe}\u{8868}/\u{65e5}\u{672c}\u{8a9e}.svg: e\u{301}tat inconnu";
        for columns in 4..120 {
            for hang in [0, 4, 40] {
                expect_fit(text, &fit(text, Some(columns), hang), columns);
                for name in ["", "name", "  --a-long-name", "two words"] {
                    let line = text.replace('\n', " ");
                    let fitted = entry(name, &line, hang, Some(columns));
                    let gap = " ".repeat(hang.saturating_sub(name.len()));
                    expect_fit(&format!("{name}{gap}{line}"), &fitted, columns);
                }
            }
        }
    }

    #[test]
    fn lines_that_fit_stay_and_so_do_those_for_a_script() {
        let table = "worker   state\nwharf-0  blocked\n";
        assert_eq!(fit(table, Some(20), 4), table);
        let long = "word ".repeat(100);
        assert_eq!(fit(&long, None, 4), long);
        assert_eq!(prose(&long, None), long);
        assert_eq!(entry("name", &long, 8, None), format!("name    {long}"));
        assert_eq!(fit("", Some(10), 0), "");
    }

    #[test]
    fn what_goes_on_is_indented_as_it_began() {
        let fitted = |text, columns, hang| fit(text, Some(columns), hang);
        assert_eq!(fitted("one two three", 8, 0), "one two\nthree");
        assert_eq!(fitted("  one two three", 10, 0), "  one two\n  three");
        assert_eq!(
            fitted("one two  three four", 14, 3),
            "one two  three\n   four"
        );
        // Half of a line is for words, if they fit there, and a word that fits a line is not broken to keep an indent.
        assert_eq!(fitted("name  one two", 10, 6), "name  one\n     two");
        assert_eq!(
            fitted("name  one threefour", 10, 6),
            "name  one\n threefour"
        );
    }

    #[test]
    fn a_text_stands_beside_its_name_or_below() {
        let text = "one two three four five six";
        let beside = "name    one two three four five\n        six";
        assert_eq!(entry("name", text, 8, Some(32)), beside);
        let below = "name\n  one two three four five six";
        assert_eq!(entry("name", text, 8, Some(31)), below);
        assert_eq!(
            entry("", text, 8, Some(31)),
            "  one two three four five six"
        );
        assert_eq!(entry("  1", "one", 8, Some(8)), "  1\n    one");
    }

    #[test]
    fn a_sign_of_two_columns_counts_as_two_and_an_escape_as_none() {
        let wide = "\u{65e5}\u{672c} \u{8a9e}";
        assert_eq!(fit(wide, Some(7), 0), wide);
        assert_eq!(fit(wide, Some(6), 0), wide.replace(' ', "\n"));
        let bold = "\x1b[1mone two\x1b[0m";
        assert_eq!(fit(bold, Some(7), 0), bold);
        assert_eq!(fit("e\u{301}te\u{301}", Some(3), 0), "e\u{301}te\u{301}");
    }

    #[test]
    fn a_word_that_is_longer_than_a_line_is_broken_at_its_end() {
        assert_eq!(fit("an abcdefghij", Some(4), 0), "an\nabcd\nefgh\nij");
    }
}
