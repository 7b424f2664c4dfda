//! The port on a kernel that misbehaves on purpose, with threads that run in any order: both as a seed says.
//!
//! A run is the same whenever its seed is. Each begins operations of every kind from several threads, on streams, listeners,
//! datagram sockets and files, cancels, closes and posts, while the kernel delays, cuts short, refuses, interrupts and resets;
//! the [`ledger`] sees to it that every operation ends once, that every byte is in its place and that all memory comes back.
//! Then the faults stop, and everything must drain. A wake-up that was lost leaves no thread that could run, which is found at
//! once.
//!
//! `ci/simulate.sh` runs this; it is empty in any other build. A failure prints the command that repeats it.
#![cfg(shuttle)]

mod closing;
mod ledger;
mod quiet_posts;
mod schedule;
mod shares;
mod tasks;
mod timers;
mod world;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use fastrand::Rng;
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use wharf::{
    planted::{Bug, plant},
    simulated::{Faults, Kernel},
    sync,
};

/// How many seeds are run, unless `WHARF_SEEDS` says otherwise.
const SEEDS: u64 = 10_000;

/// A run that takes more steps has threads that run for ever. The longest of 100,000 took a tenth of it.
const STEPS_MAX: usize = 2_000_000;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{name}={text} is no number"),
    }
}

/// Which seeds: from the first up to the last, without it.
fn seeds() -> std::ops::Range<u64> {
    match number("WHARF_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("WHARF_FIRST_SEED").unwrap_or(0);
            first..first + number("WHARF_SEEDS").unwrap_or(SEEDS)
        }
    }
}

/// Runs one seed in the world of all operations. Panics if it breaks a promise.
fn run(seed: u64, bug: Option<Bug>) {
    plant(bug);
    run_in(seed, schedule::TIME_SELDOM, world::live);
    plant(None);
}

/// Runs one seed in the world of those who share a pool.
fn run_shares(seed: u64, bug: Option<Bug>) {
    plant(bug);
    run_in(seed, schedule::TIME_SELDOM, shares::live);
    plant(None);
}

/// Runs one seed: threads and faults are as it says. `time`: how seldom time moves on though threads can run.
fn run_in(seed: u64, time: u32, live: fn(&Kernel, &mut Rng)) {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    let schedule = schedule::Seeded::new(seed, time);
    Runner::new(schedule, config).run(move || on_kernel(seed, live));
}

/// Lives on a kernel whose faults are as the seed says, while the kernel and time move on in threads of their own.
fn on_kernel(seed: u64, live: fn(&Kernel, &mut Rng)) {
    // The schedule knows it by being the first.
    let time = shuttle::thread::spawn(sync::run_time);
    let kernel = Kernel::with_faults(seed, Faults::from_seed(seed));
    let moving = {
        let kernel = kernel.clone();
        shuttle::thread::spawn(move || kernel.run())
    };
    live(&kernel, &mut Rng::with_seed(!seed));
    assert_eq!(kernel.open_count(), 0, "sockets or files stay behind");
    kernel.end();
    moving.join().expect("no panic");
    sync::end_of_time();
    time.join().expect("no panic");
}

/// Runs these seeds, on both processors; says which failed first, if any did.
fn first_failure(seeds: std::ops::Range<u64>, run: impl Fn(u64) + Sync) -> Option<u64> {
    let (next, failed) = (AtomicU64::new(seeds.start), AtomicU64::new(u64::MAX));
    let threads = thread::available_parallelism().map_or(1, |count| count.get());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while failed.load(Ordering::SeqCst) == u64::MAX {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    if catch_unwind(AssertUnwindSafe(|| run(seed))).is_err() {
                        failed.fetch_min(seed, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    Some(failed.into_inner()).filter(|seed| *seed != u64::MAX)
}

#[test]
fn every_seed_keeps_the_promises() {
    let (seeds, start) = (seeds(), Instant::now());
    if let Some(seed) = first_failure(seeds.clone(), |seed| run(seed, None)) {
        panic!("seed {seed} breaks a promise; to see it again: ci/simulate.sh --seed {seed}");
    }
    println!(
        "seeds {} to {} keep the promises ({:.0?})",
        seeds.start,
        seeds.end - 1,
        start.elapsed()
    );
}

#[test]
fn timers_come_in_the_order_of_their_deadlines_whoever_fires_them() {
    let failed = first_failure(0..SEEDS, |seed| {
        run_in(seed, schedule::TIME_OFTEN, timers::live)
    });
    assert_eq!(failed, None, "the seed that fails");
}

/// Runs one seed in the world of timers that are cancelled quietly.
fn run_timers(seed: u64, bug: Option<Bug>) {
    plant(bug);
    run_in(seed, schedule::TIME_OFTEN, timers::are_cancelled_quietly);
    plant(None);
}

#[test]
fn each_timer_fires_once_or_is_cancelled_quietly() {
    let failed = first_failure(0..SEEDS, |seed| run_timers(seed, None));
    assert_eq!(failed, None, "the seed that fails");
}

/// Runs one seed in the world of packets that are posted quietly.
fn run_quiet_posts(seed: u64, bug: Option<Bug>) {
    plant(bug);
    run_in(
        seed,
        schedule::TIME_OFTEN,
        quiet_posts::are_taken_whatever_their_posters_do,
    );
    plant(None);
}

#[test]
fn each_packet_that_is_posted_quietly_is_taken_once() {
    let failed = first_failure(0..SEEDS, |seed| run_quiet_posts(seed, None));
    assert_eq!(failed, None, "the seed that fails");
}

#[test]
fn closing_ends_while_the_monitor_transfers() {
    let failed = first_failure(0..SEEDS, |seed| {
        run_in(
            seed,
            schedule::TIME_OFTEN,
            closing::while_the_monitor_transfers,
        )
    });
    assert_eq!(failed, None, "the seed that fails");
}

#[test]
fn closing_closes_a_socket_that_is_associated_meanwhile() {
    let failed = first_failure(0..SEEDS, |seed| {
        run_in(
            seed,
            schedule::TIME_SELDOM,
            closing::while_a_socket_is_associated,
        )
    });
    assert_eq!(failed, None, "the seed that fails");
}

#[test]
fn closing_loses_no_send_that_is_tried_meanwhile() {
    let failed = first_failure(0..SEEDS, |seed| {
        run_in(seed, schedule::TIME_SELDOM, closing::while_a_send_is_tried)
    });
    assert_eq!(failed, None, "the seed that fails");
}

#[test]
fn closing_ends_on_the_monitor() {
    let failed = first_failure(0..SEEDS, |seed| {
        run_in(seed, schedule::TIME_OFTEN, closing::by_the_monitor)
    });
    assert_eq!(failed, None, "the seed that fails");
}

#[test]
fn closing_gives_each_task_one_end_whoever_posts_and_runs_meanwhile() {
    let failed = first_failure(0..SEEDS, |seed| {
        run_in(
            seed,
            schedule::TIME_SELDOM,
            tasks::are_posted_until_it_closes,
        )
    });
    assert_eq!(failed, None, "the seed that fails");
}

#[test]
fn no_client_holds_more_than_its_share_and_a_polite_one_is_served_soon() {
    let failed = first_failure(0..SEEDS, |seed| run_shares(seed, None));
    assert_eq!(failed, None, "the seed that fails");
    println!(
        "the polite one waited for {} steps at most",
        shares::WORST.load(Ordering::SeqCst)
    );
}

#[test]
fn a_run_is_the_same_whenever_its_seed_is() {
    let trace = |seed| {
        run(seed, None);
        world::last_trace()
    };
    for seed in 0..20 {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
}

/// In the process that looks for a planted bug: which.
const PLANTED: &str = "WHARF_PLANTED";

/// Looks for a planted bug, in a process of its own: it may take that with it.
fn is_found(bug: Bug) {
    let name = format!("{bug:?}");
    let output = Command::new(env::current_exe().expect("this program"))
        .args([
            "planted_bug_in_this_process",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(PLANTED, &name)
        .output()
        .expect("this program");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("looking for"), "it did not begin:\n{said}");
    assert!(
        !said.contains("no seed shows it"),
        "none of {SEEDS} seeds finds {name}"
    );
    assert!(!output.status.success(), "it is found");
    let found = said
        .lines()
        .find(|line| line.starts_with("found with seed"));
    println!("{name}: {}", found.unwrap_or("found: it ended the process"));
}

#[test]
#[ignore = "it is the other tests' child"]
fn planted_bug_in_this_process() {
    let Ok(name) = env::var(PLANTED) else { return };
    let bugs = [
        Bug::LostWakeUp,
        Bug::DoubleCompletion,
        Bug::EarlyFree,
        Bug::ShareNotKept,
        Bug::LostAlarm,
        Bug::LeftForEver,
    ];
    let bug = bugs.into_iter().find(|bug| format!("{bug:?}") == name);
    let bug = bug.expect("one of them");
    println!("looking for {bug:?}");
    let run = match bug {
        Bug::ShareNotKept => run_shares,
        Bug::LostAlarm => run_timers,
        Bug::LeftForEver => run_quiet_posts,
        _ => run,
    };
    match first_failure(0..SEEDS, |seed| run(seed, Some(bug))) {
        Some(seed) => panic!("\nfound with seed {seed}"),
        None => println!("no seed shows it"),
    }
}

#[test]
fn a_lost_wake_up_is_found() {
    is_found(Bug::LostWakeUp);
}

#[test]
fn a_double_completion_is_found() {
    is_found(Bug::DoubleCompletion);
}

#[test]
fn memory_that_is_freed_too_early_is_found() {
    is_found(Bug::EarlyFree);
}

#[test]
fn a_share_that_is_not_kept_is_found() {
    is_found(Bug::ShareNotKept);
}

#[test]
fn an_alarm_that_is_not_set_is_found() {
    is_found(Bug::LostAlarm);
}

#[test]
fn a_packet_that_is_left_for_ever_is_found() {
    is_found(Bug::LeftForEver);
}
