//! How long the oldest entry of a line has waited.
//!
//! A time beside each entry would make all of them larger. Instead, entries that come at the same tick of a coarse clock share
//! a mark. When entries wait for so long that there are too many marks, every second mark is dropped: its entries count as if
//! they had come a little earlier.

use std::collections::VecDeque;

const MARKS_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Ages {
    marks: VecDeque<Mark>,
    entered: u64,
    left: u64,
}

/// The entries from this one up to the next mark came at this time.
#[derive(Debug, Clone, Copy)]
struct Mark {
    first: u64,
    since_ns: u64,
}

impl Ages {
    pub(super) fn new() -> Self {
        Ages {
            // Allocated now, so that queueing allocates nothing.
            marks: VecDeque::with_capacity(MARKS_MAX),
            ..Ages::default()
        }
    }

    /// An entry comes to the end of the line.
    #[inline]
    pub(super) fn enter(&mut self, now_ns: u64) {
        if self.marks.back().is_none_or(|last| last.since_ns < now_ns) {
            if self.marks.len() == MARKS_MAX {
                self.thin_out();
            }
            self.marks.push_back(Mark {
                first: self.entered,
                since_ns: now_ns,
            });
        }
        self.entered += 1;
    }

    #[cold]
    fn thin_out(&mut self) {
        let mut keep = false;
        self.marks.retain(|_| {
            keep = !keep;
            keep
        });
    }

    /// The head of the line is taken.
    #[inline]
    pub(super) fn leave(&mut self) {
        self.left += 1;
        if self.left == self.entered {
            self.marks.clear();
        } else if self
            .marks
            .get(1)
            .is_some_and(|next| next.first <= self.left)
        {
            self.marks.pop_front();
        }
    }

    /// An entry is taken from within the line, behind so many others. Those behind it move up.
    pub(super) fn leave_at(&mut self, position: usize) {
        let number = self.left + position as u64;
        self.entered -= 1;
        for mark in self.marks.iter_mut().rev() {
            if mark.first <= number {
                break;
            }
            mark.first -= 1;
        }
        // A mark is empty if the next begins where it does, or the line ends there. At most one is so now.
        let ends = self.marks.iter().skip(1).map(|next| next.first);
        let ends = ends.chain([self.entered]);
        let empty = self
            .marks
            .iter()
            .zip(ends)
            .position(|(mark, end)| mark.first.max(self.left) == end);
        if let Some(empty) = empty {
            self.marks.remove(empty);
        }
    }

    /// How many entries have ever come, less those that were taken from within the line.
    pub(super) fn entered(&self) -> u64 {
        self.entered
    }

    /// How many entries of the line stand before the one that was to come when so many had [entered](Self::entered).
    pub(super) fn count_up_to(&self, entered: u64) -> usize {
        entered.saturating_sub(self.left) as usize
    }

    /// Since when the head of the line has waited.
    pub(super) fn oldest_since_ns(&self) -> Option<u64> {
        self.marks.front().map(|mark| mark.since_ns)
    }
}
