//! Tests in which the network, the clock and the order of tasks are simulated. With the feature `simulated`, on Unix.
//!
//! One thread polls all tasks, in an order that a seed decides; sockets are those of a kernel in memory; and time is a number, which
//! goes on to the next timer when nothing else is left to do. So an hour of time-outs is over in a moment, and the same seed does
//! the same again.
//!
//! ```
//! use std::time::Duration;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use wharf_async::{
//!     net::{TcpListener, TcpStream},
//!     simulation::{Faults, Simulation},
//!     time::{self, timeout},
//! };
//!
//! /// An echo, as a program has it: nothing in it knows of a simulation.
//! async fn serve(listener: TcpListener) -> std::io::Result<()> {
//!     loop {
//!         let (mut stream, _) = listener.accept().await?;
//!         wharf_async::spawn(async move {
//!             let (mut reads, mut writes) = stream.split();
//!             tokio::io::copy(&mut reads, &mut writes).await
//!         })
//!         .detach();
//!     }
//! }
//!
//! Simulation::with_seeds(0..20, |simulation| {
//!     let mut faults = Faults::default();
//!     (faults.delays, faults.cuts) = (200, 100); // thousandths
//!     simulation.faults(faults).run(async {
//!         let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
//!         wharf_async::spawn(serve(listener)).detach();
//!         let mut stream = TcpStream::connect("127.0.0.1:7").await.unwrap();
//!         stream.write_all(b"ahoy").await.unwrap();
//!         let mut bytes = [0; 4];
//!         stream.read_exact(&mut bytes).await.unwrap();
//!         // It says nothing more for an hour, which takes no time.
//!         let began = time::now();
//!         let read = timeout(Duration::from_secs(3600), stream.read(&mut bytes));
//!         assert!(read.await.is_err());
//!         assert_eq!(time::now() - began, Duration::from_secs(3600));
//!     });
//! });
//! ```
//!
//! # What is not simulated
//!
//! - Code that asks for the time by `Instant::now()`: use [`time::now`](crate::time::now()), which elsewhere is the same.
//! - Code that chooses by a random number of its own: `tokio::select!` without `biased`, and the order of a `HashMap`.
//! - Files, processes, signals, local sockets, and other threads. Nothing waits for them: a task that is to be woken by a thread waits in vain.
//! - A task that blocks: there is one thread, and it waits. (A [`block_on`](crate::Handle::block_on) in a task works.)
//! - Look-ups of names: [`Simulation::host`] says which names there are, beside `localhost`.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

pub use wharf::simulated::Faults;
use wharf::{Wait, simulated::Kernel, user_code};

use crate::{
    block_on, context,
    shared::{self, Shared},
    sync::{Mutex, lock},
    task::{self, Runnable},
    time::Timer,
};

/// How much time may pass, unless a test says otherwise.
const TIME_MAX: Duration = Duration::from_secs(60 * 60);

/// The only seed that [`Simulation::with_seeds`] runs, if it is set.
const SEED: &str = "WHARF_SEED";

/// The worlds that there are: while there is none, nobody has to look whether the thread is in one.
static WORLDS: AtomicUsize = AtomicUsize::new(0);

/// A test that is simulated; see the [module](self).
#[derive(Debug, Clone)]
#[must_use = "a simulation begins with `run`"]
pub struct Simulation {
    seed: u64,
    faults: Faults,
    time_max: Duration,
    hosts: BTreeMap<String, IpAddr>,
}

impl Simulation {
    /// A simulation whose order of tasks and faults this seed decides. There are no faults, unless they are set.
    pub fn new(seed: u64) -> Simulation {
        Simulation {
            seed,
            faults: Faults::default(),
            time_max: TIME_MAX,
            hosts: BTreeMap::from([("localhost".to_owned(), Ipv4Addr::LOCALHOST.into())]),
        }
    }

    /// Runs a test with each of these seeds. If the environment has `WHARF_SEED`, with that one alone.
    ///
    /// # Panics
    /// The test has panicked: the message begins with the seed. `WHARF_SEED` is no number.
    pub fn with_seeds(seeds: impl IntoIterator<Item = u64>, test: impl Fn(Simulation)) {
        let only = std::env::var(SEED).ok().map(|seed| match seed.parse() {
            Ok(seed) => seed,
            Err(_) => panic!("{SEED} is {seed:?}, and not a number below 2^64"),
        });
        let run = |seed: u64| {
            let result = catch_unwind(AssertUnwindSafe(|| test(Simulation::new(seed))));
            if let Err(panic) = result {
                let message = user_code::panic_message(&*panic);
                panic!("with the seed {seed}: {message} ({SEED}={seed} runs it alone)");
            }
        };
        match only {
            Some(seed) => run(seed),
            None => seeds.into_iter().for_each(run),
        }
    }

    /// What goes wrong on the network, and how often; [`Faults::from_seed`] draws that, too.
    pub fn faults(mut self, faults: Faults) -> Simulation {
        self.faults = faults;
        self
    }

    /// How much simulated time may pass before the test is taken to hang. The default is an hour.
    pub fn time_max(mut self, time: Duration) -> Simulation {
        self.time_max = time;
        self
    }

    /// A name that is found, and its address. Any address can be listened on, and be connected to.
    pub fn host(mut self, name: impl Into<String>, address: IpAddr) -> Simulation {
        self.hosts.insert(name.into(), address);
        self
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Polls a future until it is ready, and with it the tasks that it spawns. Those that are left end with it.
    ///
    /// # Panics
    /// The future does. Nothing can happen any more, and the future waits: the message says where the tasks that
    /// wait, too, were spawned. More time has passed than [may](Self::time_max).
    pub fn run<F: Future>(self, future: F) -> F::Output {
        let world = World::new(self);
        let shared =
            shared::simulated(world).expect("a port in memory needs nothing of the system's");
        let shared = Ended(Arc::new(shared));
        block_on::block_on(&shared.0, future)
    }
}

/// A runtime that ends with its test, also if that panics: its tasks are dropped on this thread.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _entered = context::Entered::new(&self.0);
        self.0.registry.close();
        if let Some(world) = &self.0.world {
            while world.run_one() {}
        }
        for completion in self.0.port.close() {
            user_code::contain("a waker", || shared::complete(completion).map(Waker::wake));
        }
    }
}

/// What a simulated runtime has in the place of workers and a clock.
pub(crate) struct World {
    pub(crate) kernel: Kernel,
    seed: u64,
    hosts: BTreeMap<String, IpAddr>,
    began: Instant,
    time_max: Duration,
    state: Mutex<State>,
}

struct State {
    random: fastrand::Rng,
    /// Tasks that were woken.
    ready: Vec<Runnable>,
    now: Instant,
    timers: BTreeMap<(Instant, u64), Arc<Timer>>,
    last_timer: u64,
}

impl fmt::Debug for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("World");
        debug.field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        WORLDS.fetch_sub(1, Ordering::Relaxed);
    }
}

impl World {
    fn new(simulation: Simulation) -> World {
        WORLDS.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        World {
            kernel: Kernel::with_faults(simulation.seed, simulation.faults),
            seed: simulation.seed,
            hosts: simulation.hosts,
            began,
            time_max: simulation.time_max,
            state: Mutex::new(State {
                random: fastrand::Rng::with_seed(simulation.seed),
                ready: Vec::new(),
                now: began,
                timers: BTreeMap::new(),
                last_timer: 0,
            }),
        }
    }

    /// The simulated time.
    pub(crate) fn now(&self) -> Instant {
        lock(&self.state).now
    }

    /// A task was woken.
    pub(crate) fn push(&self, task: Runnable) {
        lock(&self.state).ready.push(task);
    }

    /// Sets a timer, which has this number.
    pub(crate) fn set_timer(&self, deadline: Instant, timer: Arc<Timer>) -> u64 {
        let mut state = lock(&self.state);
        state.last_timer += 1;
        let number = state.last_timer;
        state.timers.insert((deadline, number), timer);
        number
    }

    pub(crate) fn cancel_timer(&self, deadline: Instant, number: u64) {
        let timer = lock(&self.state).timers.remove(&(deadline, number));
        // Under no lock: it has a waker.
        drop(timer);
    }

    /// The addresses of a name.
    pub(crate) fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self.hosts.get(name) {
            Some(ip) => Ok(vec![(*ip, port).into()]),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{name} is no host of this simulation: Simulation::host names them"),
            )),
        }
    }

    /// Whether the future that the thread blocks on may be polled now: where tasks are ready as well, they may go first.
    pub(crate) fn is_its_turn(&self) -> bool {
        let mut state = lock(&self.state);
        state.ready.is_empty() || state.random.bool()
    }

    /// Something happens: a task is polled; or, if nothing can be (`is_idle`: nor can what the caller polls), something arrives, or time goes on.
    pub(crate) fn turn(&self, shared: &Shared, is_idle: impl Fn() -> bool) {
        self.take_completions(shared);
        if self.run_one() || !is_idle() {
            return;
        }
        // The port has more to do, if nothing for the program yet.
        if self.kernel.has_events() || self.kernel.land_one() || self.advance() {
            return;
        }
        panic!(
            "nothing can happen any more in this simulation (seed {}), and its future is not ready.{}",
            self.seed,
            tasks_left(shared)
        );
    }

    /// Gives what the kernel has completed to what waits for it.
    fn take_completions(&self, shared: &Shared) {
        while let Ok(Wait::Completed(completion)) = shared.port.wait(Duration::ZERO) {
            if let Some(waker) = shared::complete(completion) {
                waker.wake();
            }
        }
    }

    /// Polls any of the tasks that are ready. False: none is.
    fn run_one(&self) -> bool {
        let mut state = lock(&self.state);
        if state.ready.is_empty() {
            return false;
        }
        let len = state.ready.len();
        let any = state.random.usize(..len);
        let task = state.ready.remove(any);
        drop(state);
        task::run(task);
        true
    }

    /// Goes on to the next timer. False: there is none.
    fn advance(&self) -> bool {
        let mut state = lock(&self.state);
        let Some(&(deadline, _)) = state.timers.keys().next() else {
            return false;
        };
        state.now = state.now.max(deadline);
        let later = state.timers.split_off(&(deadline, u64::MAX));
        let due = std::mem::replace(&mut state.timers, later);
        let passed = state.now - self.began;
        drop(state);
        assert!(
            passed <= self.time_max,
            "{passed:?} have passed in this simulation (seed {}), and its future is not ready: Simulation::time_max",
            self.seed
        );
        for waker in due.into_values().filter_map(|timer| timer.fire(true)) {
            waker.wake();
        }
        true
    }
}

/// Where the tasks were spawned that have not ended, for a message.
fn tasks_left(shared: &Shared) -> String {
    let locations = shared.registry.locations();
    let lines = locations.iter().map(|location| format!("\n  {location}"));
    match locations.is_empty() {
        true => String::new(),
        false => format!(
            " Tasks that wait, by where they were spawned:{}",
            lines.collect::<String>()
        ),
    }
}

/// The simulated time, if this thread is in a simulation.
pub(crate) fn now() -> Option<Instant> {
    if WORLDS.load(Ordering::Relaxed) == 0 {
        return None;
    }
    let runtime = context::current()?;
    runtime.world.as_ref().map(World::now)
}
