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

    /// Since when the head of the line has waited.
    pub(super) fn oldest_since_ns(&self) -> Option<u64> {
        self.marks.front().map(|mark| mark.since_ns)
    }
}
