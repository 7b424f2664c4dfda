//! Who takes turns.

use crate::{benchmarks, executors};

/// An executor's benchmarks, in the order of their names.
pub struct Contestant {
    pub name: &'static str,
    pub benchmarks: [fn() -> f64; benchmarks::NAMES.len()],
}

/// The contestant that the others are compared with.
pub const STANDARD: &str = "tokio";

/// In the order in which they take their turns.
pub const CONTESTANTS: &[Contestant] = &[
    Contestant {
        name: STANDARD,
        benchmarks: benchmarks::on::<executors::tokio::Tokio>(),
    },
    Contestant {
        name: "wharf",
        benchmarks: benchmarks::on::<executors::wharf::Wharf>(),
    },
    // How far it is from itself is what else the machine does.
    Contestant {
        name: "tokio again",
        benchmarks: benchmarks::on::<executors::tokio::Tokio>(),
    },
];
