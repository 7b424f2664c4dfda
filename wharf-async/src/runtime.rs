//! The runtime: a completion port, its workers, and the tasks that they poll.

use std::{fmt, future::Future, io, panic::Location, task::Waker, time::Duration};

use wharf::{Workers, raw::deadline_after, user_code::contain};

#[cfg(feature = "metrics")]
use crate::metrics::Publisher;
use crate::{
    Builder, block_on,
    context::{self, Current},
    polls::PollSnapshot,
    shared::complete,
    task::{self, JoinHandle},
};

/// Workers that are idle end within this time, or the machine is very busy.
const IDLE_GRACE: Duration = Duration::from_millis(200);

/// A runtime for `async` on an I/O completion port: any worker polls any task that is ready. A task that blocks holds its thread;
/// the port notices, and another worker goes on in its place. Nothing has to be marked.
///
/// A runtime that is dropped stops as [`stop`](Self::stop) does with no time at all: tasks that are still in a poll then are left
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
    pub(crate) handle: Handle,
    /// None: it has stopped.
    pub(crate) workers: Option<Workers>,
    #[cfg(feature = "metrics")]
    pub(crate) publisher: Option<Publisher>,
    #[cfg(feature = "tokio")]
    pub(crate) side: Option<crate::tokio_context::Side>,
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
    /// time is over, the port is closed and the workers end. A program that wants its tasks to finish by themselves waits for them before.
    ///
    /// The report names what is left: tasks that are still in a poll, and the workers that poll them. They are left alone; such a task ends
    /// with its poll, and its worker after it. A worker that is idle gets 200 ms to end, even where no time is left. With the
    /// feature `tokio`, the side runtime ends after the workers, with the same bounds; with `metrics`, the last figures are reported then. A
    /// recorder that blocks is left behind with the thread that reports to it.
    ///
    /// A [`block_on`](Self::block_on) of another thread goes on: its operations fail as cancelled, and a sleep in it panics.
    ///
    /// If it is called in a task of this runtime, it waits for that task as well, in vain, until the time is over.
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
        let rest = || {
            let rest = deadline.saturating_duration_since(crate::sync::now());
            rest.max(IDLE_GRACE)
        };
        let workers_left = wharf::blocking(|| workers.join_timeout(rest()));
        // Until then tasks could wait for what was spawned there.
        #[cfg(feature = "tokio")]
        let side_threads_left = match self.side.take() {
            Some(side) => wharf::blocking(|| side.stop(rest())),
            None => 0,
        };
        // After the last of them, so that its figures are the last.
        #[cfg(feature = "metrics")]
        if let Some(publisher) = self.publisher.take() {
            wharf::blocking(|| publisher.stop(rest()));
        }
        StopReport {
            tasks_left,
            workers_left,
            streams_left,
            #[cfg(feature = "tokio")]
            side_threads_left,
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
    /// For each task that had not ended when the time was over: where it was spawned.
    pub tasks_left: Vec<&'static Location<'static>>,
    /// The names of the workers that had not ended.
    pub workers_left: Vec<String>,
    /// How many streams had bytes that were written and unsent. They were reset: their peers see a failure, and not an early end.
    pub streams_left: usize,
    /// How many threads of [tokio's side runtime](Builder::tokio_context) had not ended: a task that was spawned there blocks or computes.
    #[cfg(feature = "tokio")]
    pub side_threads_left: usize,
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

/// The state of a runtime at one moment. Printed ([`Display`](fmt::Display)), it is a table of the workers.
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
