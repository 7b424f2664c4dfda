//! Sleeping, time-outs and intervals, each on a timer of the port.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;
use wharf::{OperationId, raw::deadline_after};

#[cfg(all(unix, feature = "simulated"))]
use crate::simulation;

use crate::{
    budget,
    context::{self, Current},
    shared::Key,
    sync::{Mutex, lock},
};

/// The time, by the clock of the runtime that this thread works for: that of a simulation (the feature `simulated`), or else the
/// system's, as [`Instant::now`].
pub fn now() -> Instant {
    #[cfg(all(unix, feature = "simulated"))]
    if let Some(now) = simulation::now() {
        return now;
    }
    crate::sync::now()
}

/// The time by the same clock, as of the last tick of the system's timer: some milliseconds ago at most, unless the machine itself stood still.
/// It never goes back, also from one thread to another. It costs less to ask for, except on Windows, where it is [`now`]. For what is
/// noted often, and compared with seconds.
pub fn coarse_now() -> Instant {
    #[cfg(all(unix, feature = "simulated"))]
    if let Some(now) = simulation::now() {
        return now;
    }
    crate::sync::coarse_now()
}

/// The moment that comes after this time, by the same clock. A time that is too long for the clock is a very long one.
pub(crate) fn after(duration: Duration) -> Instant {
    #[cfg(all(unix, feature = "simulated"))]
    if let Some(now) = simulation::now() {
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        return now.checked_add(duration).unwrap_or_else(|| now + CENTURY);
    }
    deadline_after(duration)
}

/// A timer that is under way, or has fired.
#[derive(Debug)]
pub(crate) struct Timer(Mutex<State>);

#[derive(Debug)]
enum State {
    Waits(Waker),
    Fired,
    /// The runtime has stopped before.
    Stopped,
}

impl Timer {
    /// Its time has come, or it never will. Returns what to wake.
    pub(crate) fn fire(&self, has_come: bool) -> Option<Waker> {
        let state = match has_come {
            true => State::Fired,
            false => State::Stopped,
        };
        match std::mem::replace(&mut *lock(&self.0), state) {
            State::Waits(waker) => Some(waker),
            State::Fired | State::Stopped => None,
        }
    }
}

/// A timer of a port's, until this is dropped: it is cancelled then, without a packet.
#[derive(Debug)]
struct Armed {
    runtime: Current,
    deadline: Instant,
    timer: Arc<Timer>,
    place: Place,
}

impl Armed {
    fn new(deadline: Instant, waker: &Waker) -> Armed {
        context::with_current(|runtime| {
            let timer = Arc::new(Timer(Mutex::new(State::Waits(waker.clone()))));
            match Place::of(runtime, deadline, &timer) {
                Ok(place) => Armed {
                    runtime: runtime.clone(),
                    deadline,
                    timer,
                    place,
                },
                Err(error) => panic!("no timer: the runtime has stopped ({error})"),
            }
        })
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        match self.place {
            // It may have fired, and its packet be on the way.
            Place::Port(operation) => {
                let _ = self.runtime.port.cancel_timer_quietly(operation);
            }
            #[cfg(all(unix, feature = "simulated"))]
            Place::World(number) => {
                let world = self.runtime.world.as_ref();
                world.inspect(|world| world.cancel_timer(self.deadline, number));
            }
        }
    }
}

/// Whose timer it is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Port(OperationId),
    #[cfg(all(unix, feature = "simulated"))]
    World(u64),
}

impl Place {
    fn of(runtime: &Current, deadline: Instant, timer: &Arc<Timer>) -> io::Result<Place> {
        #[cfg(all(unix, feature = "simulated"))]
        if let Some(world) = &runtime.world {
            return Ok(Place::World(world.set_timer(deadline, timer.clone())));
        }
        let operation = runtime.port.timer_at(deadline, Key::Timer(timer.clone()))?;
        Ok(Place::Port(operation))
    }
}

/// Waits until a moment has come. Made by [`sleep`] and [`sleep_until`].
///
/// # Panics
/// Its first poll, on a thread that works for no runtime; any poll, once the runtime has stopped.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Sleep {
    deadline: Instant,
    armed: Option<Armed>,
}

/// Waits for this time, never less. A time that is too long for the clock counts as a very long one.
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(after(duration))
}

/// Waits until this moment, never less. On Linux it ends a fraction of a millisecond late, on Windows up to 16 ms.
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        deadline,
        armed: None,
    }
}

impl Sleep {
    /// When it ends.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether its time has come.
    pub fn is_elapsed(&self) -> bool {
        now() >= self.deadline
    }

    /// Makes it end at this moment, even if it had ended before. To put it off costs next to nothing, however often: its timer
    /// stays as it is, wakes the task once when it would have ended, and is set anew by the poll after that.
    pub fn reset(&mut self, deadline: Instant) {
        if self
            .armed
            .as_ref()
            .is_some_and(|armed| armed.deadline > deadline)
        {
            self.armed = None;
        }
        self.deadline = deadline;
    }

    /// Whether the runtime that this thread works for is another one than that of its timer.
    #[cfg(feature = "hyper")]
    pub(crate) fn is_of_another_runtime(&self) -> bool {
        let current = context::current();
        let of_this_thread = |armed: &Armed| {
            let runtime = current.as_ref();
            runtime.is_some_and(|runtime| Arc::ptr_eq(runtime.as_ref(), armed.runtime.as_ref()))
        };
        self.armed
            .as_ref()
            .is_some_and(|armed| !of_this_thread(armed))
    }

    /// Sets a timer, unless the time has come.
    fn arm(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.is_elapsed() {
            return Poll::Ready(());
        }
        self.armed = Some(Armed::new(self.deadline, context.waker()));
        Poll::Pending
    }

    fn poll_fired(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(armed) = &self.armed else {
            return self.arm(context);
        };
        let mut state = lock(&armed.timer.0);
        match &mut *state {
            // It was put off. That runtime may have stopped since; this may be another one.
            State::Fired | State::Stopped if armed.deadline < self.deadline => {
                drop(state);
                self.arm(context)
            }
            State::Fired => Poll::Ready(()),
            State::Stopped => {
                drop(state);
                panic!("a sleep has no end: the runtime has stopped");
            }
            State::Waits(held) if held.will_wake(context.waker()) => Poll::Pending,
            State::Waits(held) => {
                let before = std::mem::replace(held, context.waker().clone());
                drop(state);
                drop(before);
                Poll::Pending
            }
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        ready!(budget::poll_left(context));
        ready!(self.poll_fired(context));
        budget::spend();
        Poll::Ready(())
    }
}

/// The time was over before the future was ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the time is over")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}

pin_project! {
    /// A future with a time-out. Made by [`timeout`].
    #[derive(Debug)]
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

/// Waits for a future, for this time at most. If the time is over, the future is not dropped before the time-out is: its owner may keep
/// it, by giving a reference.
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    timeout_at(after(duration), future)
}

/// As [`timeout`], until this moment.
pub fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    Timeout {
        future,
        sleep: sleep_until(deadline),
    }
}

impl<F> Timeout<F> {
    /// The future, without the time-out.
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(context) {
            return Poll::Ready(Ok(output));
        }
        // Without asking the budget: a future that has used all of it must not be without its time-out.
        ready!(this.sleep.poll_fired(context));
        Poll::Ready(Err(Elapsed))
    }
}

/// What an [`Interval`] does when ticks were missed because the task was busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MissedTicks {
    /// The missed ticks come at once, one after the other, until it is in time again.
    #[default]
    Burst,
    /// The next tick comes a period after the late one.
    Delay,
    /// The missed ticks are left out, and the next one comes when it is due.
    Skip,
}

/// Ticks, again and again. Made by [`interval`].
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTicks,
}

/// Ticks every `period`; the first tick comes at once.
///
/// # Panics
/// The period is zero.
pub fn interval(period: Duration) -> Interval {
    interval_at(now(), period)
}

/// As [`interval`], with the first tick at `start`.
///
/// # Panics
/// The period is zero.
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an interval is zero");
    Interval {
        sleep: sleep_until(start),
        period,
        missed: MissedTicks::default(),
    }
}

impl Interval {
    /// What it does with ticks that were missed. The default is [`MissedTicks::Burst`].
    pub fn set_missed_ticks(&mut self, missed: MissedTicks) {
        self.missed = missed;
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// The next tick comes a period from now.
    pub fn reset(&mut self) {
        self.sleep.reset(after(self.period));
    }

    /// Waits for the next tick. Returns when it was due. If the future is dropped, the tick is not lost.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|context| self.poll_tick(context)).await
    }

    /// As [`tick`](Self::tick), for a future of the caller's own.
    pub fn poll_tick(&mut self, context: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(context));
        let due = self.sleep.deadline();
        self.sleep.reset(self.after(due, now()));
        Poll::Ready(due)
    }

    /// When the tick comes that follows the one that was due then.
    fn after(&self, due: Instant, now: Instant) -> Instant {
        let late = now.saturating_duration_since(due);
        let wait = match self.missed {
            MissedTicks::Burst => self.period,
            MissedTicks::Delay => late.saturating_add(self.period),
            MissedTicks::Skip => {
                let passed = late.as_nanos() / self.period.as_nanos();
                let passed = u32::try_from(passed).unwrap_or(u32::MAX - 1);
                self.period.saturating_mul(passed + 1)
            }
        };
        due.checked_add(wait).unwrap_or_else(|| after(wait))
    }
}
