//! With the feature `tokio`: a runtime of tokio's beside ours, whose context each worker is in, for crates that ask for it.
//!
//! Who keeps whom: a [`Runtime`](crate::Runtime) has the side runtime, and stops it after its workers. The tasks' side has a handle of
//! it in [`Shared`], which keeps no thread of it alive. The functions that tokio's threads call have a weak reference to `Shared`;
//! its threads have a strong one, as ours have, until they end.

use std::{
    cell::RefCell,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};
use wharf::user_code::panic_message;

use crate::{budget, context, shared::Shared};

/// The side runtime. Dropped, it ends without being waited for.
pub(crate) struct Side {
    /// None: it ends.
    runtime: Option<Runtime>,
    /// Its threads that live.
    threads: Arc<AtomicUsize>,
}

impl fmt::Debug for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Side").finish_non_exhaustive()
    }
}

/// Enters the context of the side runtime, if there is one. Nothing is entered as the thread ends, when tokio's thread-local is gone.
pub(crate) fn enter(shared: &Shared) -> Option<tokio::runtime::EnterGuard<'_>> {
    let side = shared.tokio.get()?;
    let current = tokio::runtime::Handle::try_current();
    let is_gone = current.is_err_and(|error| error.is_thread_local_destroyed());
    (!is_gone).then(|| side.enter())
}

impl Side {
    /// Starts it. It has one thread, for its tasks and its reactor, and more for `tokio::task::spawn_blocking`, as ever.
    pub(crate) fn start(shared: &Arc<Shared>, name_prefix: &str) -> io::Result<Side> {
        let threads = Arc::new(AtomicUsize::new(0));
        let (begun, ended) = (threads.clone(), threads.clone());
        let ours = Arc::downgrade(shared);
        let is_told = Arc::new(AtomicBool::new(false));
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(1).enable_all();
        // A zero byte, at which this would panic, is refused with the workers' names.
        let name = format!("{}tokio", name_prefix.replace('\0', ""));
        let builder = builder.thread_name(name);
        let builder = builder.on_thread_start(move || {
            begun.fetch_add(1, Ordering::Relaxed);
            begin_life(&ours);
        });
        let builder = builder.on_thread_stop(move || {
            LIFE.with(|life| drop(life.take()));
            ended.fetch_sub(1, Ordering::Relaxed);
        });
        let builder = builder.on_thread_unpark(|| with_life(Life::goes_on));
        let builder = builder.on_thread_park(move || with_life(|life| life.pauses(&is_told)));
        Ok(Side {
            runtime: Some(build(builder)?),
            threads,
        })
    }

    pub(crate) fn handle(&self) -> tokio::runtime::Handle {
        let runtime = self.runtime.as_ref();
        runtime.expect("it has not stopped").handle().clone()
    }

    /// Stops it, within `timeout`. Returns how many of its threads have not ended: code of the program's blocks or computes there.
    pub(crate) fn stop(mut self, timeout: Duration) -> usize {
        let threads = self.threads.clone();
        // tokio adds it to the time that it is then, which must not overflow.
        let timeout = timeout.min(Duration::from_secs(365 * 24 * 60 * 60));
        // tokio panics where a thread that it drives waits for its end, such as that of a `#[tokio::main]`.
        let stops = thread::Builder::new().spawn(move || {
            if let Some(runtime) = self.runtime.take() {
                runtime.shutdown_timeout(timeout);
            }
        });
        // If there is no thread to be had, it ends without being waited for.
        if let Ok(stops) = stops {
            let _ = stops.join();
        }
        threads.load(Ordering::Relaxed)
    }
}

/// It panics where there is no thread to be had.
fn build(builder: &mut Builder) -> io::Result<Runtime> {
    let built = catch_unwind(AssertUnwindSafe(|| builder.build()));
    built.unwrap_or_else(|panic| {
        let why = panic_message(&*panic);
        let error = format!("tokio's side runtime can't be started: {why}");
        Err(io::Error::other(error))
    })
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

thread_local! {
    static LIFE: RefCell<Option<Life>> = const { RefCell::new(None) };
}

/// What a thread of tokio's has until its end.
struct Life {
    /// What is spawned there may use this crate.
    _entered: context::Entered,
    asleep: Asleep,
}

fn begin_life(ours: &Weak<Shared>) {
    let Some(shared) = ours.upgrade() else { return };
    budget::belongs_to_another_executor();
    let life = Life {
        _entered: context::Entered::new(&shared),
        asleep: Asleep::default(),
    };
    LIFE.with(|it| drop(it.replace(Some(life))));
}

/// Nothing is done where the life is in use: a subscriber of the program's may come back here.
fn with_life(with: impl FnOnce(&mut Life)) {
    LIFE.with(|life| {
        if let Ok(Some(life)) = life.try_borrow_mut().as_deref_mut() {
            with(life);
        }
    });
}

impl Life {
    /// It has waited for something to do, and has it.
    fn goes_on(&mut self) {
        self.asleep.begin();
    }

    /// It has nothing to do. It is told once whether a task has blocked since it had.
    fn pauses(&mut self, is_told: &AtomicBool) {
        let Some(blocked) = self.asleep.end().filter(|it| *it >= BLOCKED_MIN) else {
            return;
        };
        if is_told.swap(true, Ordering::Relaxed) {
            return;
        }
        let blocked_ms = blocked.as_millis();
        wharf::user_code::log(|| {
            tracing::warn!(
                blocked_ms,
                "what was spawned by `tokio::spawn` has blocked the thread of tokio's side runtime, and all that runs or waits there; \
                 spawn it by `wharf_async::spawn`, or call what blocks in `wharf_async::spawn_blocking`"
            );
        });
    }
}

/// A task that sleeps for so long blocks; what is shorter may be a lock, or a page that is read.
const BLOCKED_MIN: Duration = Duration::from_millis(100);

#[cfg(not(target_os = "linux"))]
use elsewhere::Asleep;
#[cfg(target_os = "linux")]
use linux::Asleep;

/// How long a thread of Linux has slept: the time that has passed, without that in which it has run or has waited for a processor.
#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs::File,
        os::unix::fs::FileExt,
        time::{Duration, Instant},
    };

    use super::BLOCKED_MIN;

    #[derive(Debug, Default)]
    pub(super) struct Asleep {
        /// The kernel's account of the calling thread. Opened once: later there may be no descriptor. Err: it has none.
        account: Option<Result<File, ()>>,
        since: Option<(Instant, Duration)>,
    }

    impl Asleep {
        pub(super) fn begin(&mut self) {
            let awake = self.awake();
            self.since = awake.map(|awake| (Instant::now(), awake));
        }

        /// How long it was since the beginning, if that is known.
        pub(super) fn end(&mut self) -> Option<Duration> {
            let (start, before) = self.since.take()?;
            let passed = start.elapsed();
            if passed < BLOCKED_MIN {
                return None;
            }
            let awake = self.awake()?.saturating_sub(before);
            Some(passed.saturating_sub(awake))
        }

        /// How long it has run, or has waited for a processor, since it began.
        fn awake(&mut self) -> Option<Duration> {
            let open = || File::open("/proc/thread-self/schedstat").map_err(drop);
            let account = self.account.get_or_insert_with(open).as_ref().ok()?;
            let mut text = [0; 64];
            let len = account.read_at(&mut text, 0).ok()?;
            let text = std::str::from_utf8(&text[..len]).ok()?;
            let mut numbers = text
                .split_ascii_whitespace()
                .map_while(|it| it.parse().ok());
            let (ran, waited): (u64, u64) = (numbers.next()?, numbers.next()?);
            // A kernel that does not count has zeros there.
            (ran > 0).then(|| Duration::from_nanos(ran.saturating_add(waited)))
        }
    }
}

/// Elsewhere it is not known how long a thread has slept.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::time::Duration;

    #[derive(Debug, Default)]
    pub(super) struct Asleep {}

    impl Asleep {
        pub(super) fn begin(&mut self) {}

        pub(super) fn end(&mut self) -> Option<Duration> {
            None
        }
    }
}
