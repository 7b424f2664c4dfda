//! Running seeds: which ones, each on a kernel of its own, on all processors. wharf-async's simulation has this file, too.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use fastrand::Rng;
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use wharf::{
    simulated::{Faults, Kernel},
    sync,
};

use crate::schedule::Seeded;

/// How many seeds are run, unless `WHARF_SEEDS` says otherwise.
pub const SEEDS: u64 = 10_000;

/// A run that takes more steps has threads that run for ever. The longest of 100,000 took a tenth of it.
const STEPS_MAX: usize = 2_000_000;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{name}={text} is no number"),
    }
}

/// Which seeds: from the first up to the last, without it. So many, unless `WHARF_SEEDS` says otherwise.
pub fn seeds(count: u64) -> std::ops::Range<u64> {
    match number("WHARF_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("WHARF_FIRST_SEED").unwrap_or(0);
            first..first + number("WHARF_SEEDS").unwrap_or(count)
        }
    }
}

/// Runs one seed: threads and faults are as it says. `time`: how seldom time moves on though threads can run.
pub fn run_in(seed: u64, time: u32, live: impl Fn(&Kernel, &mut Rng) + Send + Sync + 'static) {
    run_with(seed, time, Faults::from_seed(seed), live);
}

/// As [`run_in`], with other faults.
pub fn run_with(
    seed: u64,
    time: u32,
    faults: Faults,
    live: impl Fn(&Kernel, &mut Rng) + Send + Sync + 'static,
) {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    let schedule = Seeded::new(seed, time);
    Runner::new(schedule, config).run(move || on_kernel(seed, faults, &live));
}

/// Lives on a kernel with these faults, while the kernel and time move on in threads of their own.
fn on_kernel(seed: u64, faults: Faults, live: &impl Fn(&Kernel, &mut Rng)) {
    // The schedule knows it by being the first.
    let time = shuttle::thread::spawn(sync::run_time);
    let kernel = Kernel::with_faults(seed, faults);
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
pub fn first_failure(seeds: std::ops::Range<u64>, run: impl Fn(u64) + Sync) -> Option<u64> {
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
