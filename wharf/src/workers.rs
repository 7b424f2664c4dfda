//! A pool of threads that wait on a port and call a handler.

use std::{
    cell::Cell,
    fmt, io, mem,
    ops::RangeInclusive,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    CompletionPort,
    handle::Key,
    operation::{Completion, Wait},
    raw::{DescriptorReserve, LentDescriptor, PortError, Spawned, ThreadPool, deadline_after},
    sync::{
        Condvar, Mutex, now,
        thread::{self, JoinHandle, ThreadId},
    },
    user_code::{contain, log, tell},
};

/// A thread that was started because others were blocked ends after it has waited for so long without getting work.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// When the system refused a thread, the pool asks for it again after so long.
const RETRY: Duration = Duration::from_millis(20);

/// How many threads a pool has: a number, or from how many up to how many.
///
/// The first number of threads is there from the start to the end. More threads are started one by one, when work waits, the
/// port's concurrency would let it be done, and every thread is blocked in its handler; each of these ends when it had nothing
/// to do for five seconds. Windows does not tell a program that all threads are blocked: there one more is started whenever all
/// are in their handlers, and the kernel releases it once one of them blocks.
///
/// Where the system has no room for a thread, the pool asks again every 20 milliseconds, for as long as the thread is needed.
/// On Linux each thread takes a descriptor, by which the system tells whether the thread sleeps. For the threads that may be
/// started later, as many descriptors are kept open from the start, so that blocked threads are found and replaced even when
/// the process has no descriptor left. All pools of a process together keep at most a quarter of its limit of open files; a
/// thread beyond that opens its descriptor when it starts, if it can.
///
/// ```
/// use wharf::Threads;
/// let fixed = Threads::from(3);
/// let elastic = Threads::from(3..=64);
/// assert_ne!(fixed, elastic);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    min: usize,
    max: usize,
}

impl From<usize> for Threads {
    fn from(threads: usize) -> Self {
        Threads {
            min: threads,
            max: threads,
        }
    }
}

impl From<RangeInclusive<usize>> for Threads {
    fn from(threads: RangeInclusive<usize>) -> Self {
        Threads {
            min: *threads.start(),
            max: *threads.end(),
        }
    }
}

/// The thread pool of a port: *workers* that wait on it, and call a handler with each completion, until the port is closed.
///
/// A handler that panics loses its completion, and with it the socket, unless another part of the program holds that; the panic
/// is logged, and the worker goes on. The same happens where the `Clone` of a key panics, or a subscriber of the log: a pool
/// loses no thread to a panic. Two kinds of panic can't be caught, and end the process: a second one while the first unwinds,
/// and any in a program that is built with `panic = "abort"`.
///
/// ```
/// use std::sync::mpsc;
/// use wharf::{CompletionPort, Workers};
///
/// # fn main() -> std::io::Result<()> {
/// let port = CompletionPort::<u32>::new(0)?;
/// let (sender, receiver) = mpsc::channel();
/// let workers = Workers::start(&port, 3..=64, move |_port, completion| {
///     let _ = sender.send(completion.key);
/// })?;
/// port.post(7, 0).map_err(std::io::Error::from)?;
/// assert_eq!(receiver.recv(), Ok(7));
/// port.close();
/// workers.join();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Workers(Arc<Pool>);

type Start = dyn Fn(usize, bool) -> io::Result<JoinHandle<()>> + Send + Sync;

/// What the threads of a pool share.
struct Pool {
    min: usize,
    max: usize,
    reserve: DescriptorReserve,
    threads: Mutex<ThreadList>,
    /// Notified when a thread has begun, or ended.
    changed: Condvar,
    /// Starts the thread with this number; true: one that ends when it is idle. None once the port is closed.
    start: Mutex<Option<Box<Start>>>,
    /// Threads that were started, and whose first wait has not returned yet: while there are any, no more are started.
    arriving: AtomicUsize,
}

#[derive(Debug, Default)]
struct ThreadList {
    threads: Vec<JoinHandle<()>>,
    /// The ids of the threads in the list that are about to end: they run no code of the pool's any more.
    ended: Vec<ThreadId>,
    started: usize,
    /// How many threads have ever begun: each has its descriptor, if there was one.
    begun: usize,
    /// When the system last refused a thread, if it has given none since.
    refused: Option<Instant>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("max", &self.max)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl Workers {
    /// Starts a pool of `threads`, named `wharf-0` and so on: `3`, or `3..=64` for one that [may grow](Threads). They end
    /// when the port is closed. On Linux a port's first pool also starts the thread that finds out which workers are blocked
    /// (`wharf-monitor`), and each pool keeps [descriptors](Self::descriptors) open; when this returns, all of them are.
    /// [`builder`](Self::builder) has more to set.
    ///
    /// # Errors
    /// The system's, if it can't start a thread; the threads that were started end when the port is closed.
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `threads` is 0, or ends below its beginning.
    pub fn start<K, F>(
        port: &CompletionPort<K>,
        threads: impl Into<Threads>,
        handler: F,
    ) -> io::Result<Workers>
    where
        K: Key,
        F: Fn(&CompletionPort<K>, Completion<K>) + Send + Sync + 'static,
    {
        Workers::builder(port).threads(threads).start(handler)
    }

    /// Starts to make a pool with other than the default settings.
    pub fn builder<K>(port: &CompletionPort<K>) -> WorkersBuilder<'_, K> {
        WorkersBuilder {
            port,
            threads: Threads::from(port.concurrency()),
            name_prefix: "wharf-".to_owned(),
            around: None,
        }
    }

    /// How many descriptors the pool has open on Linux: one for each thread, and one for each that [may be started](Threads)
    /// later. Always the same while the port is open. On Windows 0.
    ///
    /// A program that divides its limit of open files among its parts has to count these, and
    /// [those of the port](CompletionPort::descriptors).
    ///
    /// ```
    /// # let port = wharf::CompletionPort::<u32>::new(2)?;
    /// let workers = wharf::Workers::start(&port, 3..=20, |_, _| {})?;
    /// # #[cfg(unix)]
    /// assert_eq!(workers.descriptors(), 20);
    /// # port.close();
    /// # workers.join();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn descriptors(&self) -> usize {
        match cfg!(unix) {
            true => self.0.min + self.0.reserve.descriptors(),
            false => 0,
        }
    }

    /// Waits until all of the threads have ended, which they do once the port is closed and their handlers have
    /// returned. Called from one of them, it does not wait for that one.
    pub fn join(self) {
        self.join_until(None);
    }

    /// As [`join`](Self::join), for `timeout` at most. Returns the names of the threads that are still in their
    /// handlers; they are left alone, and end when their handlers return.
    pub fn join_timeout(self, timeout: Duration) -> Vec<String> {
        self.join_until(Some(deadline_after(timeout)))
    }

    fn join_until(self, deadline: Option<Instant>) -> Vec<String> {
        let own = thread::current().id();
        let mut list = self.0.threads.lock();
        loop {
            // These threads only have to end. They are joined without the lock, which they may need for that.
            let ended = list.remove(|thread| thread.thread().id() != own);
            if !ended.is_empty() {
                drop(list);
                // Their handlers' panics were caught.
                ended.into_iter().for_each(|thread| drop(thread.join()));
                list = self.0.threads.lock();
                continue;
            }
            let remaining = deadline.map(|deadline| deadline.saturating_duration_since(now()));
            let threads = list.threads.iter().map(JoinHandle::thread);
            let left: Vec<_> = threads.filter(|thread| thread.id() != own).collect();
            if left.is_empty() || remaining.is_some_and(|time| time.is_zero()) {
                let name = |thread: &thread::Thread| thread.name().unwrap_or_default().to_owned();
                return left.into_iter().map(name).collect();
            }
            list = self.0.changed.wait(list, remaining);
        }
    }
}

/// The function that each thread of a pool runs within: its argument is the rest of the thread's life, which it calls.
type Around = dyn Fn(Box<dyn FnOnce() + '_>) + Send + Sync;

/// Makes [`Workers`] with other than the default settings.
///
/// ```
/// use std::{cell::Cell, sync::mpsc};
/// use wharf::{CompletionPort, Workers};
///
/// thread_local! {
///     static GREETING: Cell<&'static str> = const { Cell::new("") };
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let port = CompletionPort::<u32>::new(2)?;
/// let (sender, receiver) = mpsc::channel();
/// let workers = Workers::builder(&port)
///     .threads(2..=8)
///     .name_prefix("greeter-")
///     .around(|life| {
///         GREETING.set("ahoy");
///         life();
///         GREETING.set("");
///     })
///     .start(move |_port, _completion| {
///         let name = std::thread::current().name().map(str::to_owned);
///         let _ = sender.send((name, GREETING.get()));
///     })?;
/// port.post(7, 0).map_err(std::io::Error::from)?;
/// let (name, greeting) = receiver.recv().expect("a worker's handler sends it");
/// assert!(name.is_some_and(|name| name.starts_with("greeter-")));
/// assert_eq!(greeting, "ahoy");
/// port.close();
/// workers.join();
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is started before `start`"]
pub struct WorkersBuilder<'a, K> {
    port: &'a CompletionPort<K>,
    threads: Threads,
    name_prefix: String,
    around: Option<Box<Around>>,
}

impl<K> fmt::Debug for WorkersBuilder<'_, K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WorkersBuilder")
            .field("threads", &self.threads)
            .field("name_prefix", &self.name_prefix)
            .finish_non_exhaustive()
    }
}

impl<K> WorkersBuilder<'_, K> {
    /// How many threads: `3`, or `3..=64` for a pool that [may grow](Threads). The default is the port's
    /// [concurrency](CompletionPort::concurrency): enough where handlers do not block.
    pub fn threads(mut self, threads: impl Into<Threads>) -> Self {
        self.threads = threads.into();
        self
    }

    /// What the names of the threads begin with; a number follows, from 0 on. The default is `wharf-`. Linux shows 15 bytes of a
    /// thread's name.
    pub fn name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.name_prefix = prefix.into();
        self
    }

    /// A function that each thread of the pool runs within, also those that are started later: for what a thread needs
    /// from its start to its end, such as a guard that enters a runtime or a span of the log.
    ///
    /// It is called once on each thread. Its argument is the rest of the thread's life, and it has to call it: all waits of the
    /// thread and all its handlers are in there, from the first to the last. The values on its stack live as long, and
    /// are dropped on that thread, before [`join`](Workers::join) returns. If a second function is given, it replaces the
    /// first.
    ///
    /// A fault in it loses no worker. If it returns or panics without having called the thread's life, the log says so, and the
    /// thread serves all the same, outside of it: a pool without threads would serve no client, and a pool that started others
    /// in their place would do so for ever. So a handler has to check by itself whether what it relies on is there. If the
    /// function panics after that (a guard panics when it is dropped, say), the log says so too, and the thread ends as it
    /// would have.
    ///
    /// It must not block for long: before it calls the thread's life, the pool does not grow further, and until it
    /// returns, the thread counts as one of the most that the pool may have.
    pub fn around<A>(mut self, around: A) -> Self
    where
        A: Fn(Box<dyn FnOnce() + '_>) + Send + Sync + 'static,
    {
        self.around = Some(Box::new(around));
        self
    }
}

impl<K: Key> WorkersBuilder<'_, K> {
    /// Starts the threads, with what is called with each completion; see [`Workers::start`].
    ///
    /// # Errors
    /// The system's, if it can't start a thread; the threads that were started end when the port is closed.
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if there are to be no threads, or the most is less than the least, or the
    /// prefix of their names has a zero byte.
    pub fn start<F>(self, handler: F) -> io::Result<Workers>
    where
        F: Fn(&CompletionPort<K>, Completion<K>) + Send + Sync + 'static,
    {
        self.check()?;
        let (port, Threads { min, max }) = (self.port, self.threads);
        let pool = Arc::new_cyclic(|pool| Pool {
            min,
            max,
            reserve: DescriptorReserve::new(max - min),
            threads: Mutex::default(),
            changed: Condvar::new(),
            start: Mutex::new(Some(self.into_start(pool.clone(), handler))),
            arriving: AtomicUsize::new(0),
        });
        port.prepare()?;
        for _ in 0..min {
            pool.start_one(&mut pool.threads.lock(), false)?;
        }
        pool.await_begun();
        if max > min {
            port.add_pool(Arc::<Pool>::downgrade(&pool));
        }
        Ok(Workers(pool))
    }

    fn check(&self) -> io::Result<()> {
        let Threads { min, max } = self.threads;
        if min == 0 || max < min {
            return Err(PortError::Threads { min, max }.into());
        }
        if self.name_prefix.contains('\0') {
            return Err(PortError::ThreadName(self.name_prefix.clone()).into());
        }
        Ok(())
    }

    /// What starts each thread of the pool.
    fn into_start<F>(self, pool: Weak<Pool>, handler: F) -> Box<Start>
    where
        F: Fn(&CompletionPort<K>, Completion<K>) + Send + Sync + 'static,
    {
        let (port, prefix, around) = (self.port.clone(), self.name_prefix, self.around);
        let service = Arc::new(Service { handler, around });
        Box::new(move |number, helps| {
            let (port, service) = (port.clone(), service.clone());
            let pool = pool.upgrade().expect("who starts a thread has the pool");
            let work = move || serve(port, pool, service, helps);
            thread::Builder::new()
                .name(format!("{prefix}{number}"))
                .spawn(work)
        })
    }
}

/// The user's part of what a thread does.
struct Service<F> {
    handler: F,
    around: Option<Box<Around>>,
}

impl<F> Service<F> {
    /// Runs `life` within what it is to run within; outside of it, where that does not call it.
    fn run(&self, life: impl Fn() -> bool) -> bool {
        let ended = Cell::new(None);
        if let Some(around) = &self.around {
            contain("what a worker runs within", || {
                around(Box::new(|| ended.set(Some(life()))));
            });
            if ended.get().is_none() {
                log(|| {
                    tracing::error!(
                        "what a worker was to run within did not call the life of the thread: it serves outside of it"
                    );
                });
            }
        }
        ended.get().unwrap_or_else(life)
    }
}

impl Pool {
    /// Starts a thread, if there may be one more; false: there may not.
    fn start_one(&self, list: &mut ThreadList, helps: bool) -> io::Result<bool> {
        drop(list.remove(JoinHandle::is_finished));
        if list.threads.len() - list.ended.len() >= self.max {
            return Ok(false);
        }
        let start = self.start.lock();
        let Some(start) = &*start else {
            return Ok(false);
        };
        self.arriving.fetch_add(1, Ordering::SeqCst);
        let thread = start(list.started, helps).inspect_err(|_| self.arrived())?;
        list.started += 1;
        list.refused = None;
        list.threads.push(thread);
        Ok(true)
    }

    /// Waits until all started threads have begun, so that each has its descriptor before the caller can open any more.
    fn await_begun(&self) {
        let mut list = self.threads.lock();
        while list.begun < list.started {
            list = self.changed.wait(list, None);
        }
    }

    /// The calling thread has begun, and takes its descriptor. `helps`: it takes one that is kept for threads started later.
    fn begin(&self, helps: bool) -> Option<LentDescriptor<'_>> {
        let lent = match helps {
            true => Some(self.reserve.lend()),
            false => {
                self.reserve.enter();
                None
            }
        };
        self.threads.lock().begun += 1;
        self.changed.notify_all();
        lent
    }

    fn arrived(&self) {
        self.arriving.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ThreadPool for Pool {
    fn spawn(&self) -> Spawned {
        // All of it under one lock: on Windows several threads may ask at once.
        let mut list = self.threads.lock();
        if self.arriving.load(Ordering::SeqCst) > 0 {
            return Spawned::OnTheWay;
        }
        let refused = list.refused;
        if refused.is_some_and(|at| now().duration_since(at) < RETRY) {
            return Spawned::Refused(None);
        }
        match self.start_one(&mut list, true) {
            Ok(true) => Spawned::Started,
            Ok(false) => Spawned::Full,
            Err(error) => {
                list.refused = Some(now());
                // Logged once, until the system gives a thread again.
                Spawned::Refused(refused.is_none().then_some(error))
            }
        }
    }
}

impl ThreadList {
    /// Takes the threads off the list that have ended, and that `which` accepts.
    fn remove(&mut self, which: impl Fn(&JoinHandle<()>) -> bool) -> Vec<JoinHandle<()>> {
        let ThreadList { threads, ended, .. } = self;
        let has_ended = |thread: &JoinHandle<()>| {
            let place = ended.iter().position(|id| *id == thread.thread().id());
            let strikes = place.filter(|_| which(thread));
            strikes.map(|place| ended.swap_remove(place)).is_some()
        };
        let (removed, kept) = mem::take(threads).into_iter().partition(has_ended);
        *threads = kept;
        removed
    }
}

/// What a thread of the pool does, from its start to its end. `helps`: it ends when it is idle.
fn serve<K, F>(port: CompletionPort<K>, pool: Arc<Pool>, service: Arc<Service<F>>, helps: bool)
where
    K: Key,
    F: Fn(&CompletionPort<K>, Completion<K>),
{
    let ending = Ending(pool);
    let lent = ending.0.begin(helps);
    let idle_max = helps.then_some(IDLE_MAX);
    let closed = service.run(|| work(&port, &ending.0, &service.handler, idle_max));
    if closed {
        // With the last worker goes the handler; it has ended when that is gone too.
        let start = ending.0.start.lock().take();
        contain("the drop of a handler", || drop(start));
        ending.0.reserve.close();
    }
    drop(lent);
    contain("the drop of a handler", || drop(service));
    if closed {
        drop(port);
        drop(ending);
    } else {
        // The pool may have another thread, from when this one has ended.
        drop(ending);
        port.can_spawn();
    }
}

/// Notes when it is dropped that the thread ends: after a return as after a panic.
struct Ending(Arc<Pool>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.threads.lock().ended.push(thread::current().id());
        self.0.changed.notify_all();
    }
}

/// Serves until the port is closed, or until the thread has been idle for so long; says whether the port is closed.
fn work<K, F>(
    port: &CompletionPort<K>,
    pool: &Pool,
    handler: &F,
    idle_max: Option<Duration>,
) -> bool
where
    K: Key,
    F: Fn(&CompletionPort<K>, Completion<K>),
{
    let mut arrives = true;
    loop {
        // The wait may panic too: it clones the key.
        let mut what = "what a worker waited with (the `Clone` of a key)";
        let turn = catch_unwind(AssertUnwindSafe(|| {
            let answer = port.wait(idle_max);
            if mem::take(&mut arrives) {
                pool.arrived();
                port.worker_started();
            }
            match answer {
                Ok(Wait::Completed(completion)) => {
                    what = "a handler";
                    handler(port, completion);
                    None
                }
                Ok(Wait::Task(task)) => {
                    what = "a task";
                    task.run();
                    None
                }
                Ok(Wait::TimedOut) => Some(false),
                Ok(Wait::Closed) => Some(true),
                Err(error) => {
                    log(|| tracing::error!(%error, "a worker can't wait and ends"));
                    Some(false)
                }
            }
        }));
        match turn {
            Ok(None) => {}
            Ok(Some(is_closed)) => return is_closed,
            Err(panic) => {
                if mem::take(&mut arrives) {
                    pool.arrived();
                    port.worker_started();
                }
                tell(what, panic);
            }
        }
    }
}
