//! Random sequences on the real kernel, on every driver, against a model: streams, posts and timers that are started,
//! cancelled, closed and waited for by one thread or several, with peers that write, read, end and reset meanwhile.
//!
//! - [`moves`]: what may happen.
//! - [`rig`]: the port, the peers and the threads that it happens to.
//! - [`acts`]: how a thread does something to the port, and what it notes of the answer.
//! - [`ledger`]: the model. Each operation that was started is in it, and what may become of it; each completion is held
//!   against it.
//!
//! A sequence that fails is made shorter until no shorter one fails. What is left is printed, with the seed that all the
//! sequences of the run came from; `PROPTEST_RNG_SEED` replays it. Threads and the kernel keep their own time, so that a
//! replay may pass: then run it again, or on a machine that is busy. No failing sequences are kept in the tree.
//!
//! A run takes about ten seconds for both drivers. `PROPTEST_CASES=10000` makes it a longer one.

#![cfg(unix)]

#[macro_use]
#[path = "../conformance/harness.rs"]
#[allow(dead_code, unused_macros, reason = "the chapters use all of it")]
mod harness;
mod acts;
mod ledger;
mod moves;
mod rig;

use std::{
    hash::{BuildHasher, RandomState},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed, TestError, TestRunner},
};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use harness::{Driver, GUARD, unavailable};
use moves::{Model, Move};
use rig::Rig;

/// How many sequences there are for each driver, and how long they are.
const SEQUENCES: u32 = 500;
const LENGTH: std::ops::Range<usize> = 8..60;

/// How long a sequence may take: longer than each of its guards.
const SEQUENCE_MAX: Duration = GUARD.saturating_mul(3);

#[test]
fn sequences_on_the_readiness_driver_agree_with_the_model() {
    agree_with_the_model(Driver::Readiness);
}

#[test]
fn sequences_on_the_uring_driver_agree_with_the_model() {
    agree_with_the_model(Driver::Uring);
}

fn agree_with_the_model(driver: Driver) {
    if let Some(reason) = unavailable(driver) {
        eprintln!("NOT JUDGED: {reason}");
        return;
    }
    let (config, seed) = config();
    let replay = format!(
        "to replay: PROPTEST_RNG_SEED={seed} PROPTEST_CASES={} cargo test -p wharf-port --test sequences {driver:?}",
        config.cases
    );
    let (begins, begun) = mpsc::channel();
    let sequences = thread::spawn(move || run(driver, config, begins));
    let mut last = String::new();
    loop {
        match begun.recv_timeout(SEQUENCE_MAX) {
            Ok(sequence) => last = sequence,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                panic!("a sequence hangs, {driver:?}: {last}\n{replay}")
            }
        }
    }
    if let Err(failure) = sequences.join().expect("failures are caught") {
        panic!("{driver:?}: {failure}\n{replay}");
    }
}

/// As many sequences as are asked for, from a seed that is known.
fn config() -> (Config, u64) {
    let mut config = Config {
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = SEQUENCES;
    }
    let seed = match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(()),
    };
    config.rng_seed = RngSeed::Fixed(seed);
    (config, seed)
}

fn run(driver: Driver, config: Config, begins: Sender<String>) -> Result<(), String> {
    let sequences = Model::sequential_strategy(LENGTH)
        .prop_map(move |(model, moves, seen)| (model.on(driver), moves, seen));
    let outcome = TestRunner::new(config.clone()).run(&sequences, |(model, moves, seen)| {
        let _ = begins.send(told(&model, &moves));
        Rig::test_sequential(config.clone(), model, moves, seen);
        Ok(())
    });
    outcome.map_err(|error| match error {
        TestError::Abort(reason) => format!("no sequence is found: {reason}"),
        TestError::Fail(reason, (model, moves, _)) => format!("{reason}\n{}", told(&model, &moves)),
    })
}

/// A sequence, for a person who has to understand it.
fn told(model: &Model, moves: &[Move]) -> String {
    let moves = moves.iter().map(|one| format!("\n  {one:?}"));
    format!("{model:?}{}", moves.collect::<String>())
}
