//! The runtime on a kernel that misbehaves on purpose, with threads that run in any order: both as a seed says. A run is the same
//! whenever its seed is.
//!
//! - `conversation`: streams whose futures are dropped at every await, and no byte and no connection is lost.
//! - `tasks`: tasks that spawn, wake, abort and join each other, while the runtime stops at any moment.
//! - `nested`: `block_on` in tasks, with local tasks that are woken by workers.
//!
//! A wake-up that was lost leaves no thread that could run, which is found at once. `ci/simulate.sh` runs this; it is empty in
//! any other build. A failure prints the command that repeats it.
#![cfg(shuttle)]

mod conversation;
mod few_polls;
mod nested;
#[path = "../../../wharf/tests/simulation/schedule.rs"]
mod schedule;
#[path = "../../../wharf/tests/simulation/seeds.rs"]
mod seeds;
mod tasks;

use std::time::{Duration, Instant};

use fastrand::Rng;
use wharf::simulated::{Faults, Kernel};
use wharf_async::{Builder, Runtime};

use seeds::SEEDS;

/// For a simulation that is for ever: what does not end is a deadlock.
const ENDLESS: Duration = Duration::from_secs(24 * 3_600);

/// Runs a world with so many seeds.
fn every_seed(name: &str, count: u64, run: impl Fn(u64) + Sync) {
    let (seeds, start) = (seeds::seeds(count), Instant::now());
    if let Some(seed) = seeds::first_failure(seeds.clone(), run) {
        panic!("{name}: seed {seed} fails; to see it again: ci/simulate.sh --seed {seed}");
    }
    let took = start.elapsed();
    println!(
        "{name}: seeds {} to {} ({took:.0?})",
        seeds.start,
        seeds.end - 1
    );
}

/// A runtime on the kernel, with a few workers. `more`: so many come for those that block.
fn runtime(kernel: &Kernel, random: &mut Rng, more: usize) -> Runtime {
    let least = random.usize(1..=3);
    let builder = Builder::default().simulated(kernel);
    let builder = builder.concurrency(least).threads(least..=least + more);
    // Time moves on while peers are slow: what was written to a stream that is dropped must not be cut for that.
    let builder = builder.unsent_timeout(ENDLESS);
    builder.build().expect("a runtime")
}

/// Stops a runtime, of which nothing may be left.
fn stop(runtime: Runtime) {
    let handle = runtime.handle().clone();
    let report = runtime.stop(ENDLESS);
    assert!(report.tasks_left.is_empty(), "{report:?}");
    assert!(report.workers_left.is_empty(), "{report:?}");
    assert_eq!(handle.snapshot().tasks, 0);
}

#[test]
fn every_seed_loses_nothing_if_futures_are_dropped() {
    every_seed("dropped futures", SEEDS, |seed| {
        let mut faults = Faults::from_seed(seed);
        // In every other run no connection may fail, so that every byte must arrive.
        if seed % 2 == 0 {
            (faults.resets, faults.shortages, faults.failed_accepts) = (0, 0, 0);
        }
        let may_fail = faults.resets + faults.shortages + faults.failed_accepts > 0;
        seeds::run_with(
            seed,
            schedule::TIME_SELDOM,
            faults,
            move |kernel, random| {
                conversation::live(kernel, random, may_fail);
            },
        );
    });
}

#[test]
fn every_seed_ends_all_tasks_whenever_it_stops() {
    every_seed("tasks", SEEDS, |seed| {
        seeds::run_in(seed, schedule::TIME_OFTEN, tasks::live);
    });
}

// A run has many threads, and takes five times as long as the others.
#[test]
fn every_seed_blocks_on_futures_in_tasks() {
    every_seed("nested", SEEDS / 5, |seed| {
        seeds::run_in(seed, schedule::TIME_OFTEN, nested::live);
    });
}
