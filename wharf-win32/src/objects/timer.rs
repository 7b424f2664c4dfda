//! Waitable timers: events that are set when their time has come, by one thread for all of them.

use std::{
    collections::BTreeMap,
    ffi::c_void,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Waitable, What, event::list};
use crate::{
    TRUE, error,
    handle::{self, Object},
    last_error,
    threads::{self, Call, Thread},
    time::FileTime,
};

/// A timer.
#[derive(Debug)]
struct Timer {
    number: u64,
    event: Arc<Waitable>,
}

/// What is to happen when a time has come.
#[derive(Debug)]
struct Due {
    timer: Weak<Timer>,
    /// How long after that it is due again; zero if it is not.
    period: Duration,
    /// The thread that runs a function then, in an alertable wait: the function, and its argument.
    call: Option<(Arc<Thread>, Routine, usize)>,
}

type Routine = extern "C-unwind" fn(usize, usize, usize);

#[derive(Debug)]
struct Clockwork {
    /// By the time, and the number of the timer.
    due: BTreeMap<(Instant, u64), Due>,
    /// There is a thread that waits for the first of them.
    is_wound_up: bool,
}

static CLOCKWORK: Mutex<Clockwork> = Mutex::new(Clockwork {
    due: BTreeMap::new(),
    is_wound_up: false,
});
/// The first of them is another.
static CHANGED: Condvar = Condvar::new();

fn clockwork() -> MutexGuard<'static, Clockwork> {
    CLOCKWORK.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Object for Timer {
    fn waitable(self: Arc<Self>) -> Option<Arc<Waitable>> {
        Some(self.event.clone())
    }

    fn closed(&self) {
        clockwork().stop(self.number);
    }
}

impl Clockwork {
    fn stop(&mut self, number: u64) {
        self.due.retain(|(_, other), _| *other != number);
    }

    /// Sets those whose time has come. Returns when the next is due.
    fn ring(&mut self, now: Instant) -> Option<Instant> {
        loop {
            let first = self.due.first_entry()?;
            let (at, number) = *first.key();
            if at > now {
                return Some(at);
            }
            let due = first.remove();
            let Some(timer) = due.timer.upgrade() else {
                continue;
            };
            timer.event.change(|what| put(what, true));
            if let Some((thread, function, argument)) = &due.call {
                let [low, high] = FileTime::now().parts();
                let arguments = [*argument, low as usize, high as usize];
                thread.queue(Call {
                    function: *function,
                    arguments,
                });
            }
            if due.period > Duration::ZERO {
                // A thread that came late does not make up for what was missed.
                let next = if at + due.period > now { at } else { now } + due.period;
                self.due.insert((next, number), due);
            }
        }
    }

    /// Starts the thread, if there is none. False if the system refuses it.
    fn wind_up(&mut self) -> bool {
        if !self.is_wound_up {
            let thread = thread::Builder::new().name("wharf-w32-timer".into());
            self.is_wound_up = thread.spawn(run).is_ok();
        }
        self.is_wound_up
    }
}

/// What the timers' thread does, as long as the process lives.
fn run() {
    let mut clockwork = clockwork();
    loop {
        let now = Instant::now();
        clockwork = match clockwork.ring(now) {
            None => CHANGED
                .wait(clockwork)
                .unwrap_or_else(PoisonError::into_inner),
            Some(at) => {
                let waited = CHANGED.wait_timeout(clockwork, at.saturating_duration_since(now));
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}

fn put(what: &mut What, to: bool) {
    if let What::Event { set, .. } = what {
        *set = to;
    }
}

/// How long it is until a time as Windows has them: in steps of 100 ns, negative from now on, else since 1601.
fn time_until(due: i64) -> Duration {
    let steps = if due < 0 {
        due.unsigned_abs()
    } else {
        due.unsigned_abs().saturating_sub(FileTime::now().0)
    };
    Duration::from_nanos(steps.saturating_mul(100))
}

/// Makes a timer that is not set. Names are not shared: each call makes a timer of its own.
#[unsafe(no_mangle)]
pub extern "C" fn CreateWaitableTimerA(
    _security: *const c_void,
    manual_reset: i32,
    _name: *const c_void,
) -> usize {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    list(Arc::new(Timer {
        number: NUMBERS.fetch_add(1, Ordering::Relaxed),
        event: Waitable::new(What::Event {
            manual: manual_reset != 0,
            set: false,
        }),
    }))
}

/// The same as [`CreateWaitableTimerA`].
#[unsafe(no_mangle)]
pub extern "C" fn CreateWaitableTimerW(
    security: *const c_void,
    manual_reset: i32,
    name: *const c_void,
) -> usize {
    CreateWaitableTimerA(security, manual_reset, name)
}

/// Makes a timer from flags: 1 is a manual reset.
#[unsafe(no_mangle)]
pub extern "C" fn CreateWaitableTimerExA(
    security: *const c_void,
    name: *const c_void,
    flags: u32,
    _access: u32,
) -> usize {
    CreateWaitableTimerA(security, (flags & 1) as i32, name)
}

/// The same as [`CreateWaitableTimerExA`].
#[unsafe(no_mangle)]
pub extern "C" fn CreateWaitableTimerExW(
    security: *const c_void,
    name: *const c_void,
    flags: u32,
    access: u32,
) -> usize {
    CreateWaitableTimerExA(security, name, flags, access)
}

/// Winds a timer up, in the place of what it was set to: it is signalled at `due` (steps of 100 ns; from now on if negative, else
/// since 1601), and then every `period_ms` milliseconds, if that is not 0. With a routine, the calling thread runs it in its
/// alertable waits. A change of the system's clock does not move a time that was set.
///
/// # Safety
/// `due` is NULL, or can be read. The routine may be called with this argument in this thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn SetWaitableTimer(
    timer: usize,
    due: *const i64,
    period_ms: i32,
    routine: Option<Routine>,
    argument: usize,
    _resume: i32,
) -> i32 {
    let Some(timer) = handle::get::<Timer>(timer) else {
        return last_error::fail(error::INVALID_HANDLE);
    };
    let Ok(period_ms) = u64::try_from(period_ms) else {
        return last_error::fail(error::INVALID_PARAMETER);
    };
    if due.is_null() {
        return last_error::fail(error::INVALID_PARAMETER);
    }
    // SAFETY: of the caller, who may have it in two halves.
    let time = time_until(unsafe { due.read_unaligned() });
    let call = routine.map(|routine| (threads::current(), routine, argument));
    let mut clockwork = clockwork();
    if !clockwork.wind_up() {
        return last_error::fail(error::NOT_ENOUGH_MEMORY);
    }
    clockwork.stop(timer.number);
    timer.event.change(|what| put(what, false));
    // What is due after the end of the clock is never due.
    if let Some(at) = Instant::now().checked_add(time) {
        let due = Due {
            timer: Arc::downgrade(&timer),
            period: Duration::from_millis(period_ms),
            call,
        };
        clockwork.due.insert((at, timer.number), due);
    }
    drop(clockwork);
    CHANGED.notify_one();
    TRUE
}

/// Stops a timer. One that is signalled stays so.
#[unsafe(no_mangle)]
pub extern "C" fn CancelWaitableTimer(timer: usize) -> i32 {
    let Some(timer) = handle::get::<Timer>(timer) else {
        return last_error::fail(error::INVALID_HANDLE);
    };
    clockwork().stop(timer.number);
    TRUE
}
