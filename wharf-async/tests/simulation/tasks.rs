//! Tasks that spawn, wake, abort and join each other, sleep and time out at random, while the runtime stops at a random moment: every
//! future is dropped once, every handle has a result, and nothing hangs.

use std::{
    future::{Future, poll_fn},
    panic::resume_unwind,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use fastrand::Rng;
use shuttle::{sync::Mutex, thread};
use wharf::simulated::Kernel;
use wharf_async::{
    AbortHandle, Handle, JoinError, JoinHandle, JoinSet, Runtime, spawn,
    time::{sleep, timeout},
    yield_now,
};

/// The result of a task that came to its end.
const RESULT: u32 = 7;

/// More tasks do not begin.
const TASKS_MAX: usize = 30;

const GATES: usize = 3;

type Boxed = Pin<Box<dyn Future<Output = u32> + Send>>;

/// What all tasks of a run know.
struct World {
    end: End,
    gates: [Gate; GATES],
    handles: Mutex<Vec<JoinHandle<u32>>>,
    aborts: Mutex<Vec<AbortHandle>>,
    /// Futures that were made, and dropped.
    made: AtomicUsize,
    dropped: AtomicUsize,
}

/// Tasks wait here until others let them go on.
#[derive(Default)]
pub struct Gate(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    opened: u64,
    stays_open: bool,
    wakers: Vec<Waker>,
}

impl Gate {
    /// Lets those go on that wait now; `stays`: and all that come.
    pub fn open(&self, stays: bool) {
        let wakers = {
            let mut inner = self.0.lock().expect("no panic");
            inner.opened += 1;
            inner.stays_open |= stays;
            std::mem::take(&mut inner.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub async fn wait(&self) {
        let before = self.0.lock().expect("no panic").opened;
        poll_fn(|context| {
            let mut inner = self.0.lock().expect("no panic");
            if inner.stays_open || inner.opened > before {
                return Poll::Ready(());
            }
            inner.wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Is in a future, and counts its drop.
struct Lives {
    world: Arc<World>,
    is_dropped: bool,
}

impl Lives {
    fn new(world: &Arc<World>) -> Lives {
        world.made.fetch_add(1, Ordering::SeqCst);
        let world = world.clone();
        Lives {
            world,
            is_dropped: false,
        }
    }
}

impl Drop for Lives {
    fn drop(&mut self) {
        assert!(!std::mem::replace(&mut self.is_dropped, true));
        self.world.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// The future of a task: it does this and that, and ends or panics.
fn life(world: &Arc<World>, mut random: Rng) -> Boxed {
    let (world, lives) = (world.clone(), Lives::new(world));
    Box::pin(async move {
        let _lives = lives;
        for _ in 0..random.usize(..8) {
            step(&world, &mut random).await;
        }
        if random.u8(..8) == 0 {
            // Without a message on the screen.
            resume_unwind(Box::new("on purpose"));
        }
        RESULT
    })
}

fn soon(random: &mut Rng) -> Duration {
    Duration::from_micros(random.u64(..60))
}

async fn step(world: &Arc<World>, random: &mut Rng) {
    let gate = &world.gates[random.usize(..GATES)];
    match random.u8(..9) {
        0 => yield_now().await,
        1 => sleep(soon(random)).await,
        2 => drop(timeout(soon(random), gate.wait()).await),
        3 => gate.wait().await,
        4 => gate.open(false),
        5 => begin(world, random, spawn),
        6 => abort_any(world, random),
        7 => join_some(world, random).await,
        _ => join_any(world, random).await,
    }
}

/// Begins a task, and lists it.
fn begin(world: &Arc<World>, random: &mut Rng, spawn: impl FnOnce(Boxed) -> JoinHandle<u32>) {
    if world.made.load(Ordering::SeqCst) >= TASKS_MAX {
        return;
    }
    let task = spawn(life(world, random.fork()));
    let abort = task.abort_handle();
    world.aborts.lock().expect("no panic").push(abort);
    match random.u8(..8) {
        0 => task.detach(),
        _ => world.handles.lock().expect("no panic").push(task),
    }
}

fn abort_any(world: &World, random: &mut Rng) {
    let abort = {
        let aborts = world.aborts.lock().expect("no panic");
        random.choice(aborts.iter()).cloned()
    };
    if let Some(abort) = abort {
        abort.abort();
    }
}

/// A set of tasks, that is left in any state.
async fn join_some(world: &Arc<World>, random: &mut Rng) {
    let mut set = JoinSet::new();
    for _ in 0..random.usize(..4) {
        if world.made.load(Ordering::SeqCst) < TASKS_MAX {
            set.spawn(life(world, random.fork()));
        }
    }
    let some = random.usize(..=set.len());
    for _ in 0..some {
        let result = set.join_next().await.expect("as many as there are");
        check(world, result);
    }
    match random.u8(..4) {
        0 => set.shutdown().await,
        1 => set.detach_all(),
        2 => drop(timeout(soon(random), set.join_next()).await),
        _ => {}
    }
}

/// Waits a while for any task, which may be one that waits for this one.
async fn join_any(world: &World, random: &mut Rng) {
    let task = {
        let mut handles = world.handles.lock().expect("no panic");
        match handles.len() {
            0 => return,
            count => handles.swap_remove(random.usize(..count)),
        }
    };
    // It is put back also if this is aborted.
    let mut task = PutBack(world, Some(task));
    let handle = task.1.as_mut().expect("it is there");
    if let Ok(result) = timeout(soon(random), handle).await {
        check(world, result);
        task.1 = None;
    }
}

struct PutBack<'a>(&'a World, Option<JoinHandle<u32>>);

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        if let Some(task) = self.1.take() {
            self.0.handles.lock().expect("no panic").push(task);
        }
    }
}

fn check(world: &World, result: Result<u32, JoinError>) {
    match result {
        Ok(number) => assert_eq!(number, RESULT),
        Err(error) if error.is_cancelled() => {}
        Err(error) => {
            let panic = error.try_into_panic().expect("cancelled or a panic");
            // A task that a drop of the runtime leaves in its poll can't set a timer any more.
            let is_late = world.end == End::Dropped && panic.is::<String>();
            assert!(is_late || panic.downcast_ref() == Some(&"on purpose"));
        }
    }
}

/// How a run ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// All tasks come to their ends, and then it stops.
    Patient,
    /// It stops, and the tasks have all the time to come to the ends of their polls.
    Stopped,
    /// The runtime is dropped.
    Dropped,
}

pub fn live(kernel: &Kernel, random: &mut Rng) {
    let runtime = crate::runtime(kernel, random, 2);
    let handle = runtime.handle().clone();
    let end = [End::Patient, End::Stopped, End::Dropped][random.usize(..3)];
    let world = Arc::new(World {
        end,
        gates: Default::default(),
        handles: Mutex::default(),
        aborts: Mutex::default(),
        made: AtomicUsize::new(0),
        dropped: AtomicUsize::new(0),
    });
    let stopper = {
        let (world, moment) = (world.clone(), random.u32(..500));
        thread::spawn(move || stop_at(runtime, &world, moment))
    };
    for _ in 0..random.usize(1..5) {
        begin(&world, random, |future| handle.spawn(future));
        thread::yield_now();
    }
    stopper.join().expect("no panic");
    join_all(&world, &handle);
    // One that nobody waits for may be in its last poll, if the runtime was dropped.
    while world.dropped.load(Ordering::SeqCst) < world.made.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    join_all(&world, &handle);
    let made = world.made.load(Ordering::SeqCst);
    assert_eq!(world.dropped.load(Ordering::SeqCst), made);
    if end != End::Dropped {
        drop(world);
        assert_eq!(handle.snapshot().port.operations, 0);
    }
}

fn stop_at(runtime: Runtime, world: &World, moment: u32) {
    (0..moment).for_each(|_| thread::yield_now());
    match world.end {
        End::Patient => {
            world.gates.iter().for_each(|gate| gate.open(true));
            join_all(world, runtime.handle());
            crate::stop(runtime);
        }
        End::Stopped => crate::stop(runtime),
        End::Dropped => drop(runtime),
    }
}

/// Waits for all tasks that are listed.
fn join_all(world: &World, handle: &Handle) {
    loop {
        let task = world.handles.lock().expect("no panic").pop();
        let Some(task) = task else { return };
        check(world, handle.block_on(task));
    }
}
