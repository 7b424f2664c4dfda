//! `block_on` in tasks, and in what they wait for; with local tasks that workers wake, of which some are left at the end.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use wharf::{simulated::Kernel, sync::thread_number};
use wharf_async::{Handle, spawn, spawn_local, time::sleep, yield_now};

use crate::tasks::Gate;

/// So deep a `block_on` is within others.
const DEPTH: usize = 2;

/// So many tasks block at once, at the outermost.
const TASKS_MAX: usize = 3;

/// Is in a future that one thread alone polls and drops.
struct OfOneThread {
    thread: usize,
    lives: Arc<AtomicUsize>,
}

impl OfOneThread {
    fn new(lives: &Arc<AtomicUsize>) -> OfOneThread {
        lives.fetch_add(1, Ordering::SeqCst);
        OfOneThread {
            thread: thread_number(),
            lives: lives.clone(),
        }
    }

    fn check(&self) {
        assert_eq!(self.thread, thread_number(), "another thread has it");
    }
}

impl Drop for OfOneThread {
    fn drop(&mut self) {
        self.check();
        self.lives.fetch_sub(1, Ordering::SeqCst);
    }
}

pub fn live(kernel: &Kernel, random: &mut Rng) {
    // Each task that blocks holds a thread, and needs one more for what it waits for.
    let runtime = crate::runtime(kernel, random, TASKS_MAX * (DEPTH + 1));
    let lives = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..random.usize(1..=TASKS_MAX))
        .map(|_| {
            let (mut random, lives) = (random.fork(), lives.clone());
            runtime.spawn(async move { block(DEPTH, &mut random, &lives) })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    assert_eq!(lives.load(Ordering::SeqCst), 0, "a local task is left");
    let handle = runtime.handle().clone();
    crate::stop(runtime);
    assert_eq!(handle.snapshot().port.operations, 0);
}

/// Blocks the task that calls it on local tasks, which another task of the runtime wakes.
fn block(depth: usize, random: &mut Rng, lives: &Arc<AtomicUsize>) {
    let handle = Handle::current().expect("it is called in a task");
    handle.block_on(async {
        let gate = Arc::new(Gate::default());
        let (count, woken) = (random.usize(..4), Rc::new(Cell::new(0)));
        let locals: Vec<_> = (0..count)
            .map(|_| spawn_local(local(gate.clone(), woken.clone(), OfOneThread::new(lives))))
            .collect();
        let wakes = spawn(wake(depth, gate.clone(), random.fork(), lives.clone()));
        if random.bool() {
            yield_now().await;
        }
        let joined = random.usize(..=count);
        for local in locals.into_iter().take(joined) {
            local.await.expect("no panic");
        }
        assert!(woken.get() >= joined, "each that was joined has ended");
        wakes.await.expect("no panic");
        // One is never woken, and ends with this.
        let never = Arc::new(Gate::default());
        drop(spawn_local(local(never, woken, OfOneThread::new(lives))));
    });
}

async fn local(gate: Arc<Gate>, woken: Rc<Cell<usize>>, one: OfOneThread) {
    gate.wait().await;
    one.check();
    woken.set(woken.get() + 1);
}

/// A task that blocks as well, and then lets others go on.
async fn wake(depth: usize, gate: Arc<Gate>, mut random: Rng, lives: Arc<AtomicUsize>) {
    match random.u8(..3) {
        0 => yield_now().await,
        1 => sleep(Duration::from_micros(random.u64(..50))).await,
        _ => {}
    }
    if depth > 0 {
        block(depth - 1, &mut random, &lives);
    }
    gate.open(true);
}
