//! Threads and time of a simulation: the threads are `shuttle`'s, run in the order that a seed decides, and the time is what
//! [`run_time`] says it is.
//!
//! Time does not move while any thread can run, or hardly: a thread of its own moves it on, to the next moment that a thread
//! waits for, and the simulation's scheduler lets that thread run last. When no thread waits for any moment it sleeps as well,
//! so that a wake-up that was lost is a deadlock, and is noticed as one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex as Plain, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use super::MutexGuard;

/// One who would wait so long waits for ever: else time would move on by that much while others can run. And a wake-up that was
/// lost is a deadlock.
const ENDLESS: Duration = Duration::from_secs(3_600);

/// What a simulation has one of. No thread is put off while it has this lock: so it may be a plain one.
#[derive(Default)]
struct Clock {
    elapsed: Duration,
    alarms: BTreeMap<(Duration, u64), Arc<shuttle::sync::Condvar>>,
    alarms_set: u64,
    /// The thread that moves time on sleeps, until there is an alarm.
    sleeper: Option<shuttle::thread::Thread>,
    ended: bool,
    /// Threads that sleep in [`sleep`].
    asleep: BTreeSet<usize>,
}

shuttle::lazy_static! {
    static ref CLOCK: Plain<Clock> = Plain::new(Clock::default());
}

fn with_clock<T>(with: impl FnOnce(&mut Clock) -> T) -> T {
    with(&mut CLOCK.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The time.
pub fn now() -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(Instant::now) + with_clock(|clock| clock.elapsed)
}

/// The time since the simulation began, in nanoseconds.
pub fn coarse_now_ns() -> u64 {
    with_clock(|clock| clock.elapsed.as_nanos() as u64)
}

/// Moves time on, until [`end_of_time`]. For a thread of its own.
pub fn run_time() {
    loop {
        let next = with_clock(|clock| {
            let next = clock.alarms.first_key_value();
            let next = next.map(|((deadline, _), waiter)| (*deadline, waiter.clone()));
            match &next {
                // It stays until its waiter takes it back: a waiter that was on its way to sleep is called again.
                Some((deadline, _)) => clock.elapsed = clock.elapsed.max(*deadline),
                None => clock.sleeper = Some(shuttle::thread::current()),
            }
            next
        });
        match next {
            Some((_, waiter)) => waiter.notify_all(),
            None if with_clock(|clock| clock.ended) => return,
            None => shuttle::thread::park(),
        }
        shuttle::thread::yield_now();
        if with_clock(|clock| clock.ended) {
            return;
        }
    }
}

/// Ends [`run_time`].
pub fn end_of_time() {
    with_clock(|clock| clock.ended = true);
    call_time();
}

fn call_time() {
    if let Some(sleeper) = with_clock(|clock| clock.sleeper.take()) {
        sleeper.unpark();
    }
}

/// Sleeps, as a thread does that blocks in its handler.
pub fn sleep(duration: Duration) {
    let (number, deadline) = (thread_number(), crate::raw::deadline_after(duration));
    with_clock(|clock| clock.asleep.insert(number));
    let (lock, waking) = (shuttle::sync::Mutex::new(()), Condvar::new());
    while now() < deadline {
        let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        drop(waking.wait(guard, Some(deadline.saturating_duration_since(now()))));
    }
    with_clock(|clock| clock.asleep.remove(&number));
}

/// Whether a thread is in [`sleep`].
pub fn asleep(thread: usize) -> bool {
    with_clock(|clock| clock.asleep.contains(&thread))
}

/// The number of the calling thread.
pub fn thread_number() -> usize {
    usize::from(shuttle::thread::current().id())
}

/// As the other [`Condvar`](super::Condvar), by the simulation's clock.
#[derive(Debug, Default)]
pub struct Condvar(Arc<shuttle::sync::Condvar>);

impl Condvar {
    pub fn new() -> Self {
        Condvar::default()
    }

    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }

    pub fn wait<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, T> {
        let timeout = timeout.filter(|timeout| *timeout < ENDLESS);
        let alarm = timeout.map(|timeout| Alarm::set(timeout, &self.0));
        let guard = self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
        drop(alarm);
        guard
    }
}

/// A moment that a thread waits for.
struct Alarm((Duration, u64));

impl Alarm {
    fn set(timeout: Duration, waiter: &Arc<shuttle::sync::Condvar>) -> Alarm {
        let key = with_clock(|clock| {
            clock.alarms_set += 1;
            // One that waits for a moment lets others run meanwhile.
            let deadline = clock.elapsed.saturating_add(timeout);
            let key = (deadline, clock.alarms_set);
            clock.alarms.insert(key, waiter.clone());
            key
        });
        call_time();
        Alarm(key)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        with_clock(|clock| clock.alarms.remove(&self.0));
    }
}

/// `std::thread_local`, for values that are made in a constant, with the functions that both kinds have.
macro_rules! thread_local_of_simulation {
    ($($(#[$about:meta])* static $name:ident: $type:ty = const { $value:expr };)*) => {
        shuttle::thread_local! { $($(#[$about])* static $name: $type = $value;)* }
    };
}
pub(crate) use thread_local_of_simulation as thread_local;

/// What is used of `std::thread`.
pub(crate) mod thread {
    use std::{any::Any, io};

    pub(crate) use shuttle::thread::{Thread, ThreadId, current};

    #[derive(Debug)]
    pub(crate) struct Builder(shuttle::thread::Builder);

    impl Builder {
        pub(crate) fn new() -> Self {
            Builder(shuttle::thread::Builder::new())
        }

        pub(crate) fn name(self, name: String) -> Self {
            Builder(self.0.name(name))
        }

        pub(crate) fn spawn<T: Send + 'static>(
            self,
            work: impl FnOnce() -> T + Send + 'static,
        ) -> io::Result<JoinHandle<T>> {
            self.0.spawn(work).map(JoinHandle)
        }
    }

    #[derive(Debug)]
    pub(crate) struct JoinHandle<T>(shuttle::thread::JoinHandle<T>);

    impl<T> JoinHandle<T> {
        pub(crate) fn join(self) -> Result<T, Box<dyn Any + Send>> {
            self.0.join()
        }

        pub(crate) fn thread(&self) -> &Thread {
            self.0.thread()
        }

        /// Not known here; a thread that has ended costs nothing until it is joined.
        pub(crate) fn is_finished(&self) -> bool {
            false
        }
    }
}
