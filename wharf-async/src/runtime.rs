//! The runtime: a completion port, its workers, and the tasks that they poll.

use std::{
    fmt, future::Future, io, ops::RangeInclusive, panic::Location, sync::Arc, task::Waker,
    time::Duration,
};

use wharf::{
    BufferPool, Completion, CompletionPort, DriverChoice, Workers,
    raw::deadline_after,
    user_code::{contain, log},
};

use crate::{
    block_on,
    context::{self, Current},
    net::{Listed, ListenerState, Slot, StreamState, Unsent},
    polls::{PollSnapshot, Polls},
    registry::Registry,
    task::{self, JoinHandle},
    time::Timer,
};

/// The most workers, unless a program says otherwise: as many as tokio has threads for blocking.
const THREADS_MAX: usize = 512;

/// Bytes of a buffer of the pool: what one receive brings at most, unless it is straight into the caller's memory.
pub(crate) const BUFFER_BYTES: usize = 16 << 10;

/// As long as clients have for the head of a request, as a rule.
const UNSENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Workers that are idle end within this time, or the machine is very busy.
const IDLE_GRACE: Duration = Duration::from_millis(200);

/// Whose completion it is. None of them owns a future, so that none is dropped within a wait.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    Timer(Arc<Timer>),
    Stream(Arc<StreamState>),
    Listener(Arc<ListenerState>),
}

/// What tasks, streams and timers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) port: CompletionPort<Key>,
    pub(crate) registry: Registry,
    pub(crate) polls: Polls,
    pub(crate) buffers: BufferPool,
    pub(crate) threads_max: usize,
    pub(crate) unsent: Arc<Unsent>,
}

impl Shared {
    /// Whether all workers that there may be have work, and more work waits.
    pub(crate) fn is_at_its_limit(&self) -> bool {
        let counts = self.port.counts();
        counts.queued > 0
            && counts.parked == 0
            && counts.running + counts.blocked >= self.threads_max
    }
}

/// What a worker does with a completion: it wakes the task that waits for it, and polls that.
fn handle(shared: &Shared, completion: Completion<Key>) {
    if let Some(waker) = complete(completion) {
        context::wake_and_run(shared, waker);
    }
}

/// Gives a completion to what waits for it. Returns what to wake.
fn complete(mut completion: Completion<Key>) -> Option<Waker> {
    let is_cancelled = completion.is_cancelled();
    let (slot, listed): (Option<Slot>, Option<Listed>) = match completion.context {
        None => (None, None),
        Some(_) => (completion.take_context(), completion.take_context()),
    };
    let Completion {
        key, result, what, ..
    } = completion;
    if let Some(slot) = slot {
        return slot.complete(result, what);
    }
    if let Some(listed) = listed {
        listed.end(&result);
        return None;
    }
    match key {
        // A timer is cancelled without a completion; it has this one only when the port is closed.
        Key::Timer(timer) => timer.fire(!is_cancelled),
        Key::Stream(stream) => stream.complete(result, what),
        Key::Listener(listener) => listener.complete(result, what),
    }
}

/// A runtime for `async` on an I/O completion port: any worker polls any task that is ready. A task that blocks holds its thread;
/// the port notices, and another worker goes on in its place. Nothing has to be marked.
///
/// Dropped, it stops as [`stop`](Self::stop) does with no time at all: what is not at the end of a poll by then is left
/// alone.
///
/// ```
/// use std::time::Duration;
/// use wharf_async::Runtime;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::builder().concurrency(1).threads(1..=8).build()?;
/// let (sender, receiver) = std::sync::mpsc::channel();
/// // It blocks the only thread that may run ...
/// let blocks = runtime.spawn(async move { receiver.recv() });
/// // ... and another takes its place.
/// let answer = runtime.block_on(async move {
///     wharf_async::time::sleep(Duration::from_millis(1)).await;
///     let sends = wharf_async::spawn(async move { sender.send("ahoy") });
///     sends.await.expect("it does not panic").expect("the receiver is there");
///     blocks.await.expect("it does not panic")
/// });
/// assert_eq!(answer, Ok("ahoy"));
/// let report = runtime.stop(Duration::from_secs(5));
/// assert!(report.tasks_left.is_empty() && report.workers_left.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Runtime {
    handle: Handle,
    /// None: it has stopped.
    workers: Option<Workers>,
}

impl Runtime {
    /// A runtime with the default settings; see [`Builder`].
    ///
    /// # Errors
    /// As for [`Builder::build`].
    pub fn new() -> io::Result<Runtime> {
        Runtime::builder().build()
    }

    /// Starts to make a runtime with other than the default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A handle, by which other threads begin tasks.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// As [`Handle::spawn`].
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// As [`Handle::block_on`].
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    /// The state of the tasks and the workers at this moment.
    pub fn snapshot(&self) -> Snapshot {
        self.handle.snapshot()
    }

    /// Stops in order, within `timeout`. From now on no task begins; each task that there is ends at its next turn, which it gets
    /// now: its future is dropped, by a worker. When the last has ended, and what was written to their streams is out, or when the
    /// time is over, the port is closed and the workers end. A program that wants its tasks to come to their own ends waits for them before.
    ///
    /// What is left is named: tasks that are still in a poll, and the workers that make it. They are left alone; such a task ends
    /// with its poll, and its worker after it. A worker that is idle gets 200 ms to end, even where no time is left.
    ///
    /// A [`block_on`](Self::block_on) of another thread goes on: its operations fail as cancelled, and a sleep in it panics.
    ///
    /// Called in a task of this runtime, it waits for that task as well, in vain, for all of the time.
    pub fn stop(mut self, timeout: Duration) -> StopReport {
        self.stop_within(timeout)
    }

    fn stop_within(&mut self, timeout: Duration) -> StopReport {
        let Some(workers) = self.workers.take() else {
            return StopReport::default();
        };
        let shared = &self.handle.0;
        let deadline = deadline_after(timeout);
        shared.registry.close();
        let tasks_left = wharf::blocking(|| shared.registry.wait_for_the_last(deadline));
        let streams_left = wharf::blocking(|| shared.unsent.wait_for_the_last(deadline));
        // A `block_on` of another thread waits no longer for what is cancelled now.
        for completion in shared.port.close() {
            contain("a waker", || complete(completion).map(Waker::wake));
        }
        let rest = deadline.saturating_duration_since(crate::sync::now());
        let rest = rest.max(IDLE_GRACE);
        let workers_left = wharf::blocking(|| workers.join_timeout(rest));
        StopReport {
            tasks_left,
            workers_left,
            streams_left,
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.stop_within(Duration::ZERO);
    }
}

/// What a runtime left when it [stopped](Runtime::stop).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StopReport {
    /// Where the tasks were spawned that had not ended when the time was over.
    pub tasks_left: Vec<&'static Location<'static>>,
    /// The names of the workers that had not ended.
    pub workers_left: Vec<String>,
    /// How many streams had bytes that were written and unsent. They were reset: their peers see a failure, and not an early end.
    pub streams_left: usize,
}

/// A handle to a runtime. It does not keep the runtime from stopping.
#[derive(Debug, Clone)]
pub struct Handle(pub(crate) Current);

impl Handle {
    /// The runtime that the calling thread works for: in a task, or within [`block_on`](Self::block_on). None elsewhere.
    pub fn current() -> Option<Handle> {
        context::current().map(Handle)
    }

    /// Begins a task, as if by a call from there.
    #[cfg(feature = "hyper")]
    pub(crate) fn spawn_at<F>(
        &self,
        location: &'static Location<'static>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        task::spawn(&self.0, location, future)
    }

    /// Begins a task, which any worker of the runtime polls. It is never refused; memory may run out. On a runtime that has
    /// stopped the task does not begin: its future is dropped, and the handle says that it was
    /// [cancelled](crate::JoinError::is_cancelled).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        task::spawn(&self.0, Location::caller(), future)
    }

    /// Polls a future on the calling thread until it is ready. Its thread works for the runtime meanwhile: it may spawn, sleep and
    /// connect, but polls no other tasks than [local](crate::spawn_local) ones.
    ///
    /// It may be called anywhere, also in a task, of this runtime or of another: a worker that waits here gives its place to
    /// another one.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on::block_on(&self.0, future)
    }

    /// As [`Runtime::snapshot`].
    pub fn snapshot(&self) -> Snapshot {
        let shared = &self.0;
        Snapshot {
            tasks: shared.registry.count(),
            polls: shared.polls.under_way(shared),
            longest_poll: shared.polls.longest(),
            port: shared.port.snapshot(),
        }
    }
}

/// Begins a task on the runtime that this thread works for; see [`Handle::spawn`].
///
/// # Panics
/// The thread works for no runtime: it is in no task, and not within [`Runtime::block_on`].
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let location = Location::caller();
    context::with_current(|runtime| task::spawn(runtime, location, future))
}

/// Begins a task that calls a function which blocks. The name is tokio's; here every task may block, and this one only says it
/// beforehand ([`wharf::blocking`]), so that its worker's place is given away at once. There is no pool of its own, and no limit
/// but the runtime's [threads](Builder::threads).
///
/// # Panics
/// As [`spawn`].
#[track_caller]
pub fn spawn_blocking<F, T>(function: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let location = Location::caller();
    let future = async move { wharf::blocking(function) };
    context::with_current(|runtime| task::spawn(runtime, location, future))
}

/// The state of a runtime at one moment. Shown ([`Display`](fmt::Display)), it is a table of the workers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Snapshot {
    /// Tasks that have not ended.
    pub tasks: usize,
    /// The polls that are under way.
    pub polls: Vec<PollSnapshot>,
    /// The longest poll that has ended, and where its task was spawned; as coarse as the system's timer tick.
    pub longest_poll: Option<(Duration, &'static Location<'static>)>,
    /// The state of the port and of its threads.
    pub port: wharf::Snapshot,
}

impl fmt::Display for Snapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = self.port.workers.iter();
        let width = workers.map(|it| it.name.len()).max().unwrap_or(0).max(6);
        writeln!(
            formatter,
            "{:width$}  {:8}  {:>9}  {:>10}  task",
            "worker", "state", "for", "packets"
        )?;
        for worker in &self.port.workers {
            let since = format!("{:.0?}", worker.since);
            write!(
                formatter,
                "{:width$}  {:8}  {since:>9}  {:>10}  ",
                worker.name, worker.state, worker.packets
            )?;
            match self.polls.iter().find(|poll| poll.worker == worker.name) {
                Some(poll) => writeln!(formatter, "{}", poll.spawned_at)?,
                None => writeln!(formatter, "-")?,
            }
        }
        let waiting = self.port.counts.queued;
        write!(
            formatter,
            "{} tasks, {waiting} packets waiting for a worker",
            self.tasks
        )?;
        if let Some((took, location)) = self.longest_poll {
            write!(
                formatter,
                "; the longest poll took {took:.0?}, of a task spawned at {location}"
            )?;
        }
        Ok(())
    }
}

/// What each worker runs within.
type Around = dyn Fn(Box<dyn FnOnce() + '_>) + Send + Sync;

/// Makes a [`Runtime`] with other than the default settings.
#[must_use = "nothing is made before `build`"]
pub struct Builder {
    concurrency: usize,
    threads: Option<RangeInclusive<usize>>,
    driver: DriverChoice,
    name_prefix: String,
    unsent_timeout: Duration,
    around: Option<Box<Around>>,
    #[cfg(all(unix, feature = "simulated"))]
    kernel: Option<wharf::simulated::Kernel>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Builder");
        debug.field("concurrency", &self.concurrency);
        debug.field("threads", &self.threads);
        debug.field("driver", &self.driver);
        debug.field("name_prefix", &self.name_prefix);
        debug.finish_non_exhaustive()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            concurrency: 0,
            threads: None,
            driver: DriverChoice::default(),
            name_prefix: "wharf-".into(),
            unsent_timeout: UNSENT_TIMEOUT,
            around: None,
            #[cfg(all(unix, feature = "simulated"))]
            kernel: None,
        }
    }
}

impl Builder {
    /// The most workers that run at once. Those that block do not count. 0, the default, is as many as the processors that this
    /// process may use.
    pub fn concurrency(mut self, workers: usize) -> Self {
        self.concurrency = workers;
        self
    }

    /// How many workers there are, and up to how many while tasks block. A worker that is not needed ends after 5 seconds. The
    /// default is the concurrency, up to 512. If both are the same, tasks that block halt the others as on any other
    /// runtime, and the log says so.
    pub fn threads(mut self, threads: RangeInclusive<usize>) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Which driver the port uses; the default is the best that the kernel allows.
    pub fn driver(mut self, driver: DriverChoice) -> Self {
        self.driver = driver;
        self
    }

    /// What the names of the workers begin with; a number follows. The default is `wharf-`. Linux shows 15 bytes.
    pub fn name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.name_prefix = prefix.into();
        self
    }

    /// How long a stream that was dropped may still send what was written to it. A peer that has not taken it by then loses it:
    /// else a peer that never reads would keep a descriptor for ever. The default is 30 seconds.
    pub fn unsent_timeout(mut self, timeout: Duration) -> Self {
        self.unsent_timeout = timeout;
        self
    }

    /// A function that each worker runs within, from its start to its end: its argument is the rest of the worker's life, and it has to
    /// call it. For guards that a thread needs, such as another runtime's; and for what is to happen at a thread's start or
    /// end. [`WorkersBuilder::around`](wharf::WorkersBuilder::around) tells what becomes of a panic there.
    pub fn around<A>(mut self, around: A) -> Self
    where
        A: Fn(Box<dyn FnOnce() + '_>) + Send + Sync + 'static,
    {
        self.around = Some(Box::new(around));
        self
    }

    /// Puts the runtime on a simulated kernel, for tests.
    #[cfg(all(unix, feature = "simulated"))]
    pub fn simulated(mut self, kernel: &wharf::simulated::Kernel) -> Self {
        self.kernel = Some(kernel.clone());
        self
    }

    /// Makes the runtime, and starts its workers.
    ///
    /// # Errors
    /// The system's, if it has no descriptors, memory or threads to give.
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if there are to be no threads, or the most is less than the least, or the
    /// prefix of their names has a zero byte.
    pub fn build(self) -> io::Result<Runtime> {
        // A task must never be refused: its place on the port is one of these.
        let port = CompletionPort::builder().operations_max(usize::MAX / 2);
        let port = port.concurrency(self.concurrency).driver(self.driver);
        #[cfg(all(unix, feature = "simulated"))]
        let port = match &self.kernel {
            Some(kernel) => port.simulated(kernel),
            None => port,
        };
        let port = port.build()?;
        let threads = self.threads.unwrap_or_else(|| {
            let least = port.concurrency();
            least..=THREADS_MAX.max(least)
        });
        if threads.start() == threads.end() {
            log(|| {
                let threads = threads.end();
                tracing::warn!(
                    "a runtime with exactly {threads} threads: tasks that block halt the others; Builder::threads takes a range"
                );
            });
        }
        let shared = Arc::new(Shared {
            unsent: Arc::new(Unsent::new(self.unsent_timeout)),
            port,
            registry: Registry::default(),
            polls: Polls::default(),
            buffers: BufferPool::new(BUFFER_BYTES),
            threads_max: *threads.end(),
        });
        let workers = Workers::builder(&shared.port)
            .threads(threads)
            .name_prefix(self.name_prefix);
        let (lives, around) = (shared.clone(), self.around);
        let workers = workers.around(move |life| live(&lives, around.as_deref(), life));
        let handles = shared.clone();
        let workers = workers.start(move |_, completion| handle(&handles, completion))?;
        Ok(Runtime {
            handle: Handle(Arc::new(shared)),
            workers: Some(workers),
        })
    }
}

/// A worker's life, within what the program gave and what the runtime needs.
fn live(shared: &Arc<Shared>, around: Option<&Around>, life: Box<dyn FnOnce() + '_>) {
    let _entered = context::Entered::new(shared);
    let _registered = Polls::enter(shared);
    match around {
        Some(around) => around(life),
        None => life(),
    }
}
