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
mod seeds;
mod shares;
mod tasks;
mod timers;
mod world;

use std::{env, process::Command, sync::atomic::Ordering, time::Instant};

use wharf::planted::{Bug, plant};

use seeds::{SEEDS, first_failure, run_in, seeds};

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

#[test]
fn every_seed_keeps_the_promises() {
    let (seeds, start) = (seeds(SEEDS), Instant::now());
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
