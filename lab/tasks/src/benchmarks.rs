//! The benchmarks, after those of the same names in tokio's `benches/rt_multi_threaded.rs` (at `ea91b33`), but
//! `mpsc_ping_pong`, which is the lab's own.
//!
//! As there, what a benchmark runs on is made before the clock starts, once for all runs of a turn. tokio's have four
//! workers; here both sides have two.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, SyncSender},
    },
    time::Instant,
};

use tokio::sync::{mpsc as async_mpsc, oneshot};

use crate::executors::Executor;

/// In the order of [`on`].
pub const NAMES: [&str; 6] = [
    "spawn_many_local",
    "spawn_many_remote_idle",
    "yield_many",
    "ping_pong",
    "chained_spawn",
    "mpsc_ping_pong",
];

/// All of them on one executor: each gives the nanoseconds that a run takes.
pub const fn on<E: Executor>() -> [fn() -> f64; NAMES.len()] {
    [
        spawn_many_local::<E>,
        spawn_many_remote_idle::<E>,
        yield_many::<E>,
        ping_pong::<E>,
        chained_spawn::<E>,
        mpsc_ping_pong::<E>,
    ]
}

/// Nanoseconds a run, of so many, after one that warms up.
fn timed(runs: u32, mut run: impl FnMut()) -> f64 {
    run();
    let began = Instant::now();
    for _ in 0..runs {
        run();
    }
    began.elapsed().as_nanos() as f64 / f64::from(runs)
}

/// What the last of so many tasks says.
#[derive(Clone)]
struct Countdown {
    left: Arc<AtomicUsize>,
    done: SyncSender<()>,
}

impl Countdown {
    fn one_less(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            say(&self.done);
        }
    }
}

fn say(done: &SyncSender<()>) {
    done.send(()).expect("it is waited for");
}

/// 10,000 tasks that do nothing, spawned within `block_on`, until the last has run.
fn spawn_many_local<E: Executor>() -> f64 {
    const TASKS: usize = 10_000;

    let executor = E::open();
    let (done, is_done) = mpsc::sync_channel(1);
    timed(5, || {
        let left = Arc::new(AtomicUsize::new(TASKS));
        let countdown = Countdown {
            left,
            done: done.clone(),
        };
        executor.block_on(async {
            for _ in 0..TASKS {
                let countdown = countdown.clone();
                E::spawn_here(async move { countdown.one_less() });
            }
            is_done.recv().expect("the last task says so");
        });
    })
}

/// 10,000 tasks that do nothing, spawned from outside; each is waited for.
fn spawn_many_remote_idle<E: Executor>() -> f64 {
    const TASKS: usize = 10_000;

    let executor = E::open();
    let mut handles = Vec::with_capacity(TASKS);
    timed(5, || {
        for _ in 0..TASKS {
            handles.push(executor.spawn(async {}));
        }
        executor.block_on(async {
            for handle in handles.drain(..) {
                handle.await.expect("it does not panic");
            }
        });
    })
}

/// 200 tasks, each of which lets the others go first 1,000 times.
fn yield_many<E: Executor>() -> f64 {
    const TASKS: usize = 200;
    const YIELDS: usize = 1_000;

    let executor = E::open();
    let (done, is_done) = mpsc::sync_channel(TASKS);
    timed(3, || {
        for _ in 0..TASKS {
            let done = done.clone();
            // Nobody waits for the handle: each task says that it is done.
            drop(executor.spawn(async move {
                for _ in 0..YIELDS {
                    E::yield_now().await;
                }
                say(&done);
            }));
        }
        for _ in 0..TASKS {
            is_done.recv().expect("each task says so");
        }
    })
}

/// 1,000 pairs of tasks, spawned by one more; each pair talks once there and once back, through oneshot channels.
fn ping_pong<E: Executor>() -> f64 {
    const PAIRS: usize = 1_000;

    let executor = E::open();
    let (done, is_done) = mpsc::sync_channel(1);
    timed(20, || {
        let left = Arc::new(AtomicUsize::new(PAIRS));
        let countdown = Countdown {
            left,
            done: done.clone(),
        };
        executor.block_on(async {
            E::spawn_here(async move {
                for _ in 0..PAIRS {
                    E::spawn_here(ping::<E>(countdown.clone()));
                }
            });
            is_done.recv().expect("the last pair says so");
        });
    })
}

async fn ping<E: Executor>(countdown: Countdown) {
    let (ping, pinged) = oneshot::channel();
    let (pong, ponged) = oneshot::channel();
    E::spawn_here(async move {
        pinged.await.expect("a ping comes");
        pong.send(()).expect("it is waited for");
    });
    ping.send(()).expect("it is waited for");
    ponged.await.expect("a pong comes");
    countdown.one_less();
}

/// A task that spawns the next one, 1,000 times.
fn chained_spawn<E: Executor>() -> f64 {
    const LINKS: usize = 1_000;

    fn link<E: Executor>(left: usize, done: SyncSender<()>) {
        match left {
            0 => say(&done),
            _ => E::spawn_here(async move { link::<E>(left - 1, done) }),
        }
    }

    let executor = E::open();
    let (done, is_done) = mpsc::sync_channel(1);
    timed(50, || {
        let done = done.clone();
        executor.block_on(async {
            E::spawn_here(async move { link::<E>(LINKS, done) });
            is_done.recv().expect("the last link says so");
        });
    })
}

/// Two tasks with a channel each way that holds one message: 10,000 there, each of which comes back.
fn mpsc_ping_pong<E: Executor>() -> f64 {
    const ROUND_TRIPS: usize = 10_000;

    let executor = E::open();
    let (done, is_done) = mpsc::sync_channel(1);
    timed(5, || {
        let done = done.clone();
        executor.block_on(async {
            let (there, mut at_there) = async_mpsc::channel(1);
            let (back, mut at_back) = async_mpsc::channel(1);
            E::spawn_here(async move {
                while let Some(number) = at_there.recv().await {
                    back.send(number).await.expect("it is waited for");
                }
            });
            E::spawn_here(async move {
                for number in 0..ROUND_TRIPS {
                    there.send(number).await.expect("it is waited for");
                    assert_eq!(at_back.recv().await, Some(number));
                }
                say(&done);
            });
            is_done.recv().expect("the second task says so");
        });
    })
}

#[cfg(test)]
mod tests {
    use crate::contestants::CONTESTANTS;

    #[test]
    fn every_benchmark_ends_on_every_executor() {
        for contestant in CONTESTANTS {
            for benchmark in contestant.benchmarks {
                assert!(benchmark() > 0.0);
            }
        }
    }
}
