//! The theory beside row 10: what the cache lines that all threads write cost on more processors than this machine has.
//!
//! Each processor makes one echo after the other: some time for itself, and a visit to each shared line in turn. A line serves one
//! visit at a time, first come, first served. So it is a closed queueing network; it is simulated, with a seed.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::queueing::Random;

/// The processor time of an echo, as row 1 has it at 64 connections, without the visits.
pub const ECHO_NS: f64 = 7_000.0;

/// How long a line is held that another processor has written: until it has come, and what is done with it. Assumed, since it takes
/// such a machine to measure it: within a socket it is about half, between two it is more.
pub const TRANSFER_NS: f64 = 100.0;

/// What is done under the scheduler's lock, once for a batch.
pub const VISIT_NS: f64 = 300.0;

/// Packets of a batch.
pub const BATCH: usize = 8;

/// The shared lines, and how an echo uses them.
const LINES: [Line; 4] = [
    Line {
        name: "the ring's head",
        visits: 1,
        every: 1,
        held_ns: TRANSFER_NS,
    },
    Line {
        name: "the count of operations",
        visits: 2,
        every: 1,
        held_ns: TRANSFER_NS,
    },
    Line {
        name: "the buffer pool's lock",
        visits: 2,
        every: 1,
        held_ns: TRANSFER_NS,
    },
    Line {
        name: "the scheduler's lock",
        visits: 1,
        every: BATCH,
        held_ns: TRANSFER_NS + VISIT_NS,
    },
];

struct Line {
    name: &'static str,
    /// Visits of an echo that has some.
    visits: usize,
    /// Every so many-th echo has some.
    every: usize,
    held_ns: f64,
}

/// What comes of it.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// Echoes a second of all processors.
    pub rate_hz: f64,
    /// Of what as many processors would make that share nothing but pay for the visits.
    pub of_ideal: f64,
    /// The line that is in use for the largest part of the time, and how large that is.
    pub busiest: (&'static str, f64),
}

const ECHOES: usize = 40_000;

/// Simulates so many processors.
pub fn share(processors: usize) -> Share {
    let mut random = Random::new();
    let mut free_at = [0.0_f64; LINES.len()];
    let mut used = [0.0_f64; LINES.len()];
    let mut echoes = vec![0_usize; processors];
    // When each processor takes its next step, in picoseconds, and which step that is.
    let steps = steps();
    let mut next: BinaryHeap<Reverse<(u64, usize, usize)>> = (0..processors)
        .map(|processor| Reverse(((random.unit() * ECHO_NS * 1e3) as u64, processor, 0)))
        .collect();
    let mut done = 0;
    let mut now = 0.0;
    while done < ECHOES
        && let Some(Reverse((time, processor, step))) = next.pop()
    {
        now = time as f64 / 1e3;
        let after = match steps.get(step) {
            // The echo is done; the next begins with the processor's own time, from half of it to one and a half.
            None => {
                done += 1;
                echoes[processor] += 1;
                now + ECHO_NS * (0.5 + random.unit())
            }
            Some(&line) if echoes[processor].is_multiple_of(LINES[line].every) => {
                let begin = free_at[line].max(now);
                free_at[line] = begin + LINES[line].held_ns;
                used[line] += LINES[line].held_ns;
                free_at[line]
            }
            Some(_) => now,
        };
        let step = if step == steps.len() { 0 } else { step + 1 };
        next.push(Reverse(((after * 1e3) as u64, processor, step)));
    }
    let rate_hz = ECHOES as f64 / now * 1e9;
    let visits: f64 = LINES
        .iter()
        .map(|line| line.visits as f64 * line.held_ns / line.every as f64)
        .sum();
    let busiest = (0..LINES.len())
        .max_by(|left, right| used[*left].total_cmp(&used[*right]))
        .map(|line| (LINES[line].name, (used[line] / now).min(1.0)));
    Share {
        rate_hz,
        of_ideal: rate_hz / (processors as f64 * 1e9 / (ECHO_NS + visits)),
        busiest: busiest.unwrap_or_default(),
    }
}

/// The lines that an echo visits, in order.
fn steps() -> Vec<usize> {
    let visits = |(number, line): (usize, &Line)| std::iter::repeat_n(number, line.visits);
    LINES.iter().enumerate().flat_map(visits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_processor_waits_for_nobody() {
        let one = share(1);
        assert!((one.of_ideal - 1.0).abs() < 0.02, "{one:?}");
    }

    #[test]
    fn no_line_serves_more_than_it_can() {
        let many = share(256);
        let (_, busy) = many.busiest;
        assert!(busy > 0.99, "{many:?}");
        // Two visits of an echo to the busiest.
        let most = 1e9 / (2.0 * TRANSFER_NS);
        assert!(
            many.rate_hz <= most * 1.01 && many.rate_hz > most * 0.97,
            "{many:?}"
        );
    }
}
