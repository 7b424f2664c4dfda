//! Tables, for people: in columns where those fit, else row by row.

use std::fmt::Write;

use crate::wrap::{display_width, entry, fit};

/// Between two columns.
const GAP: &str = "  ";

/// On which side of a column its texts are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Side {
    Left,
    Right,
}

/// Rows of the same columns.
#[derive(Debug)]
pub struct Table<const N: usize> {
    heads: [(&'static str, Side); N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub fn new(heads: [(&'static str, Side); N]) -> Self {
        let rows = Vec::new();
        Table { heads, rows }
    }

    pub fn row(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    /// The table, without a last line break. In so many columns of a terminal, the words of a head may stand below each
    /// other; if that is still too wide, each row is a list of names and values. A script gets one line a row.
    pub fn text(&self, columns: Option<usize>) -> String {
        let columns_max = columns.unwrap_or(usize::MAX);
        let whole = self.heads.map(|(head, _)| vec![head]);
        let in_words = self.heads.map(|(head, _)| head.split(' ').collect());
        [whole, in_words]
            .iter()
            .find_map(|heads| self.in_columns(heads, columns_max))
            .unwrap_or_else(|| self.in_lists(columns))
    }

    /// None if it is too wide.
    fn in_columns(&self, heads: &[Vec<&str>; N], columns_max: usize) -> Option<String> {
        let widest = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].as_str());
            let all = heads[column].iter().copied().chain(cells);
            all.map(display_width).max().unwrap_or(0)
        };
        let widths: [usize; N] = std::array::from_fn(widest);
        if widths.iter().sum::<usize>() + GAP.len() * (N - 1) > columns_max {
            return None;
        }
        let height = heads.iter().map(Vec::len).max().unwrap_or(0);
        let mut lines = Vec::new();
        for at in 0..height {
            // The last words of all heads are in one line.
            lines.push(self.line(&widths, |column| {
                let above = height - heads[column].len();
                at.checked_sub(above).map_or("", |word| heads[column][word])
            }));
        }
        let rows = self.rows.iter();
        lines.extend(rows.map(|row| self.line(&widths, |column| row[column].as_str())));
        Some(lines.join("\n"))
    }

    fn line<'a>(&self, widths: &[usize; N], cell: impl Fn(usize) -> &'a str) -> String {
        let mut line = String::new();
        for (column, width) in widths.iter().enumerate() {
            let gap = if column == 0 { "" } else { GAP };
            let cell = cell(column);
            let space = " ".repeat(width.saturating_sub(display_width(cell)));
            // Writing to a string can't fail.
            let _ = match self.heads[column].1 {
                Side::Left => write!(line, "{gap}{cell}{space}"),
                Side::Right => write!(line, "{gap}{space}{cell}"),
            };
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// The first column is the name of a row.
    fn in_lists(&self, columns: Option<usize>) -> String {
        let names = self.heads[1..].iter().map(|(head, _)| display_width(head));
        let name_columns = GAP.len() + names.max().unwrap_or(0) + GAP.len();
        let list = |row: &[String; N]| {
            let mut lines = vec![fit(&format!("{} {}", self.heads[0].0, row[0]), columns, 2)];
            for ((head, _), cell) in self.heads.iter().zip(row).skip(1) {
                lines.push(entry(&format!("{GAP}{head}"), cell, name_columns, columns));
            }
            lines.join("\n")
        };
        self.rows.iter().map(list).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<3> {
        let mut table = Table::new([
            ("worker", Side::Left),
            ("for how long", Side::Right),
            ("state", Side::Left),
        ]);
        table.row(["wharf-0".into(), "1ms".into(), "blocked".into()]);
        table.row(["wharf-1".into(), "12.5s".into(), "running".into()]);
        table
    }

    #[test]
    fn a_row_is_a_line_where_it_fits_and_for_a_script() {
        let text = "worker   for how long  state\n\
                    wharf-0           1ms  blocked\n\
                    wharf-1         12.5s  running";
        assert_eq!(table().text(None), text);
        assert_eq!(table().text(Some(30)), text);
    }

    #[test]
    fn heads_break_before_rows_do() {
        let text = "           for\n\
                    \u{20}          how\n\
                    worker    long  state\n\
                    wharf-0    1ms  blocked\n\
                    wharf-1  12.5s  running";
        assert_eq!(table().text(Some(29)), text);
        assert_eq!(table().text(Some(23)), text);
    }

    #[test]
    fn a_row_that_is_too_wide_is_a_list() {
        let text = "worker wharf-0\n\
                    \u{20} for how long  1ms\n\
                    \u{20} state\n\
                    \u{20}   blocked\n\
                    worker wharf-1\n\
                    \u{20} for how long  12.5s\n\
                    \u{20} state\n\
                    \u{20}   running";
        assert_eq!(table().text(Some(22)), text);
    }

    #[test]
    fn at_any_width_no_line_is_wider_and_every_cell_is_there() {
        for columns in 7..60 {
            let text = table().text(Some(columns));
            for line in text.lines() {
                assert!(display_width(line) <= columns, "{columns}: {text}");
            }
            for cell in ["wharf-0", "1ms", "blocked", "wharf-1", "12.5s", "running"] {
                assert!(text.contains(cell), "{columns}: {text}");
            }
        }
    }
}
