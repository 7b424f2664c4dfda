//! Timers: the driver has an alarm, and the thread that it reports the alarm to completes all due timers.
//!
//! The alarm costs a system call. So it is set when a timer is the first to be due, and after each report; it is left alone when
//! a timer is cancelled, or a later one is set. An alarm that comes for a timer that is gone does no harm: the thread finds
//! nothing due, and sets it to the earliest deadline that is left. It comes also for the listeners whose accepts the system had no
//! descriptor for, and which wait for a while.

use std::{
    mem,
    ptr::NonNull,
    time::{Duration, Instant},
};

#[cfg(shuttle)]
use crate::planted;
use crate::{
    driver::{Driver, codes},
    raw::{Completed, Handle, OperationId, Overlapped, Status, timers::Timers},
    sync::{Mutex, now},
};

/// How long an accept waits that the system had no descriptor for, before it is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// The timers of a port, and the handles that are to be tried again.
#[derive(Debug)]
pub(super) struct Timekeeper(Mutex<State>);

#[derive(Debug)]
struct State {
    timers: Timers<Completed>,
    /// When these handles are to be tried again, if there are any.
    retry_at: Option<Instant>,
    short: Vec<Handle>,
}

/// What has come with an alarm.
#[derive(Debug, Default)]
pub(super) struct Fired {
    /// There were timers.
    pub timers: bool,
    /// To be tried again.
    pub short: Vec<Handle>,
}

impl Timekeeper {
    pub(super) fn new() -> Self {
        Timekeeper(Mutex::new(State {
            timers: Timers::new(),
            retry_at: None,
            short: Vec::new(),
        }))
    }

    /// Has a handle tried again after a while, with the others that are to be.
    #[cold]
    pub(super) fn try_again(&self, driver: &dyn Driver, handle: Handle) {
        let mut state = self.0.lock();
        if !state.short.contains(&handle) {
            state.short.push(handle);
        }
        let at = *state.retry_at.get_or_insert_with(|| now() + RETRY);
        let hurries = state.timers.hurry(at);
        drop(state);
        if hurries {
            self.arm(driver, Some(at));
        }
    }

    /// Sets a timer, and returns its name.
    ///
    /// # Safety
    /// The operation is valid, and not used by other code until it is completed here.
    pub(super) unsafe fn set(
        &self,
        driver: &dyn Driver,
        deadline: Instant,
        key: usize,
        operation: NonNull<Overlapped>,
    ) -> OperationId {
        let mut state = self.0.lock();
        // SAFETY: passed on to the caller.
        let (id, hurries) = unsafe { state.timers.set_operation(deadline, key, operation) };
        drop(state);
        if hurries {
            self.arm(driver, Some(deadline));
        }
        id
    }

    /// Sets the driver's alarm as it was noted among the timers. The call is made without the lock, so it is made again if the
    /// note changed meanwhile: the thread that calls last also looks last.
    fn arm(&self, driver: &dyn Driver, mut alarm: Option<Instant>) {
        #[cfg(shuttle)]
        if planted::strikes(planted::Bug::LostAlarm) {
            return;
        }
        loop {
            driver.arm(alarm.map(|deadline| deadline.saturating_duration_since(now())));
            let latest = self.0.lock().timers.alarm();
            if latest == alarm {
                return;
            }
            alarm = latest;
        }
    }

    /// Completes the timers that are due, and gives them to `complete`, under the lock: so they come in the order of their
    /// deadlines, whichever threads get the reports.
    pub(super) fn fire(&self, driver: &dyn Driver, mut complete: impl FnMut(Completed)) -> Fired {
        let now = now();
        let mut state = self.0.lock();
        let timers = (state.timers).take_due(now, |timer| complete(timer.with(Status::Done)));
        state.timers.next_alarm();
        let mut short = Vec::new();
        match state.retry_at {
            Some(at) if at <= now => {
                state.retry_at = None;
                short = mem::take(&mut state.short);
            }
            Some(at) => {
                state.timers.hurry(at);
            }
            None => {}
        }
        let alarm = state.timers.alarm();
        drop(state);
        if alarm.is_some() {
            self.arm(driver, alarm);
        }
        Fired { timers, short }
    }

    /// Takes a timer back, as cancelled. None if its time has come.
    pub(super) fn cancel(&self, id: OperationId) -> Option<Completed> {
        self.0.lock().timers.cancel_operation(id)
    }

    /// Takes any timer back, as cancelled.
    pub(super) fn cancel_any(&self) -> Option<Completed> {
        let timer = self.0.lock().timers.take_any()?;
        Some(timer.with(Status::Failed(codes::CANCELLED)))
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        driver::{DriverChoice, Events, open},
        raw::Request,
    };

    fn driver() -> Box<dyn Driver> {
        let (driver, _) = open(DriverChoice::Readiness, 1).expect("a driver");
        driver
    }

    fn operations<const N: usize>() -> [Overlapped; N] {
        std::array::from_fn(|token| Overlapped::new(token as u64, Request::Timer))
    }

    fn set(
        timekeeper: &Timekeeper,
        driver: &dyn Driver,
        deadline: Instant,
        operation: &mut Overlapped,
    ) -> OperationId {
        // SAFETY: the tests leave it alone until it is completed.
        unsafe { timekeeper.set(driver, deadline, 7, NonNull::from(operation)) }
    }

    fn token(completed: &Completed) -> (u64, Status) {
        // SAFETY: the tests keep the operations.
        let operation = unsafe { completed.0.as_ref() };
        (operation.token, operation.status)
    }

    #[test]
    fn the_driver_tells_of_the_earliest_and_what_is_due_comes_in_order() {
        let (driver, timekeeper) = (driver(), Timekeeper::new());
        let [mut late, mut soon, mut never] = operations();
        let start = now();
        let millis = |millis| start + Duration::from_millis(millis);
        set(&timekeeper, &*driver, millis(3_600_000), &mut never);
        set(&timekeeper, &*driver, millis(10), &mut late);
        set(&timekeeper, &*driver, millis(5), &mut soon);
        let mut fired = Vec::new();
        while fired.len() < 2 {
            let mut events = Events::default();
            driver.wait(&mut events, None).expect("a wait");
            assert!(events.timer, "nothing else is there to end it");
            timekeeper.fire(&*driver, |timer| fired.push((token(&timer), now())));
        }
        assert_eq!(fired[0].0, (1, Status::Done));
        assert_eq!(fired[1].0, (0, Status::Done));
        assert!(fired[0].1 >= millis(5) && fired[1].1 >= millis(10));
        let left = timekeeper.cancel_any().expect("one is left");
        assert_eq!(token(&left), (2, Status::Failed(codes::CANCELLED)));
        assert!(timekeeper.cancel_any().is_none());
    }

    #[test]
    fn a_timer_is_cancelled_or_comes_and_never_both() {
        let (driver, timekeeper) = (driver(), Timekeeper::new());
        let [mut first, mut second] = operations();
        let first = set(&timekeeper, &*driver, now(), &mut first);
        let second = set(&timekeeper, &*driver, now(), &mut second);
        let cancelled = timekeeper.cancel(first).expect("it has not come");
        assert_eq!(token(&cancelled), (0, Status::Failed(codes::CANCELLED)));
        assert!(timekeeper.cancel(first).is_none());
        let mut fired = Vec::new();
        let came = timekeeper.fire(&*driver, |timer| fired.push(token(&timer).0));
        assert!(came.timers);
        assert_eq!(fired, [1]);
        assert!(timekeeper.cancel(second).is_none());
        let came = timekeeper.fire(&*driver, |_| panic!("nothing is due"));
        assert!(!came.timers && came.short.is_empty());
    }

    #[test]
    fn what_is_to_be_tried_again_comes_once_and_leaves_the_timers_as_they_are() {
        let (driver, timekeeper) = (driver(), Timekeeper::new());
        let [mut first, mut last] = operations();
        let start = now();
        set(&timekeeper, &*driver, start + RETRY / 2, &mut first);
        set(&timekeeper, &*driver, start + 2 * RETRY, &mut last);
        let handles = [1, 2].map(Handle::from_bits);
        for handle in [handles[0], handles[1], handles[0]] {
            timekeeper.try_again(&*driver, handle);
        }
        let (mut fired, mut short) = (Vec::new(), Vec::new());
        while fired.len() < 2 {
            let mut events = Events::default();
            driver.wait(&mut events, None).expect("a wait");
            let came = timekeeper.fire(&*driver, |timer| fired.push(token(&timer).0));
            assert!(came.short.is_empty() || now() >= start + RETRY);
            short.extend(came.short);
        }
        assert_eq!((fired, &short[..]), (vec![0, 1], &handles[..]));
    }
}
