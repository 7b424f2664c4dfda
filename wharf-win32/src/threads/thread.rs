//! A thread as an object.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicI32, AtomicU32, Ordering},
    },
};

use crate::{
    futex,
    handle::Object,
    objects::{End, Patience, Waitable, Waiter, What},
    sync::Mutex,
};

/// The exit code of what still runs.
pub(crate) const STILL_ACTIVE: u32 = 259;

/// An asynchronous procedure call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) function: extern "C-unwind" fn(usize, usize, usize),
    pub(crate) arguments: [usize; 3],
}

impl Call {
    /// Runs it, on the thread that it was queued for.
    pub(crate) fn run(self) {
        let [first, second, third] = self.arguments;
        (self.function)(first, second, third);
    }
}

/// A thread.
#[derive(Debug)]
pub(crate) struct Thread {
    /// Set when it has ended.
    ended: Arc<Waitable>,
    number: AtomicU32,
    code: AtomicU32,
    /// So often it was suspended before it began. It begins at 0.
    suspended: AtomicU32,
    priority: AtomicI32,
    rest: Mutex<Rest>,
}

/// What ends a wait of a thread from outside.
#[derive(Debug, Default)]
struct Rest {
    /// The wait that it is in.
    waiter: Option<Arc<Waiter>>,
    alertable: bool,
    calls: VecDeque<Call>,
    terminated: bool,
}

impl Rest {
    fn called(&self, alertable: bool) -> Option<End> {
        match self {
            Rest {
                terminated: true, ..
            } => Some(End::Terminated),
            Rest { calls, .. } if alertable && !calls.is_empty() => Some(End::Alerted),
            _ => None,
        }
    }
}

impl Object for Thread {
    fn waitable(self: Arc<Self>) -> Option<Arc<Waitable>> {
        Some(self.ended.clone())
    }
}

impl Thread {
    pub(crate) fn new() -> Self {
        Thread {
            ended: Waitable::new(What::Event {
                manual: true,
                set: false,
            }),
            number: AtomicU32::new(0),
            code: AtomicU32::new(0),
            suspended: AtomicU32::new(0),
            priority: AtomicI32::new(0),
            rest: Mutex::default(),
        }
    }

    pub(crate) fn waitable(&self) -> &Arc<Waitable> {
        &self.ended
    }

    pub(super) fn set_number(&self, number: u32) {
        // Whoever reads 0 sleeps until it is here.
        self.number.store(number, Ordering::Release);
        futex::wake(&self.number, u32::MAX);
    }

    /// Its number. Waits until it has one, which is when it first runs.
    pub(super) fn number(&self) -> u32 {
        loop {
            let number = self.number.load(Ordering::Acquire);
            if number != 0 {
                return number;
            }
            futex::wait(&self.number, 0, None);
        }
    }

    /// The exit code that it has or will have.
    pub(super) fn code(&self) -> u32 {
        self.code.load(Ordering::Acquire)
    }

    pub(super) fn set_code(&self, code: u32) {
        // The code that another thread has told it to end with stays.
        if !self.rest.lock().terminated {
            self.code.store(code, Ordering::Release);
        }
    }

    pub(super) fn priority(&self) -> &AtomicI32 {
        &self.priority
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
            .look(|what| matches!(what, What::Event { set: true, .. }))
    }

    /// What `GetExitCodeThread` tells.
    pub(super) fn state_or_code(&self) -> u32 {
        if self.has_ended() {
            self.code()
        } else {
            STILL_ACTIVE
        }
    }

    /// It has ended: those who wait for it are released.
    pub(super) fn end(&self) {
        self.ended.change(|what| {
            if let What::Event { set, .. } = what {
                *set = true;
            }
        });
        self.rest.lock().calls.clear();
    }

    /// To be called before it begins.
    pub(super) fn suspend(&self) {
        self.suspended.store(1, Ordering::Relaxed);
    }

    /// Takes one suspension back. Returns how many there were.
    pub(super) fn resume(&self) -> u32 {
        let before = (self.suspended)
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |times| {
                times.checked_sub(1)
            })
            .unwrap_or(0);
        if before == 1 {
            futex::wake(&self.suspended, 1);
        }
        before
    }

    /// Sleeps as long as it is suspended.
    pub(super) fn wait_for_resume(&self) {
        loop {
            let times = self.suspended.load(Ordering::Acquire);
            if times == 0 {
                return;
            }
            futex::wait(&self.suspended, times, None);
        }
    }

    /// Whether it was told to end, or in an alertable wait to run calls.
    pub(crate) fn called(&self, alertable: bool) -> Option<End> {
        self.rest.lock().called(alertable)
    }

    /// Sleeps in a wait, which may be in lines already. It must be the calling thread.
    pub(crate) fn sleep(&self, waiter: &Arc<Waiter>, patience: Patience, alertable: bool) -> End {
        {
            let mut rest = self.rest.lock();
            match rest.called(alertable) {
                // If an object was faster, that counts.
                Some(end) => drop(waiter.tell(end)),
                None => rest.waiter = Some(waiter.clone()),
            }
            rest.alertable = alertable;
        }
        let end = waiter.sleep(patience.deadline());
        self.rest.lock().waiter = None;
        end
    }

    /// Queues a call for the thread, which runs it in an alertable wait. False if it has ended.
    pub(crate) fn queue(&self, call: Call) -> bool {
        let waiter = {
            let mut rest = self.rest.lock();
            if self.has_ended() {
                return false;
            }
            rest.calls.push_back(call);
            if !rest.alertable {
                return true;
            }
            rest.waiter.take()
        };
        if let Some(waiter) = waiter {
            if waiter.tell(End::Alerted) {
                waiter.wake();
            }
        }
        true
    }

    /// The next call to run.
    pub(super) fn next_call(&self) -> Option<Call> {
        self.rest.lock().calls.pop_front()
    }

    /// Tells it to end, with that code, in its next wait or the one that it is in. Those who wait for its end are released at once.
    pub(super) fn terminate(&self, code: u32) {
        let waiter = {
            let mut rest = self.rest.lock();
            if rest.terminated || self.has_ended() {
                return;
            }
            rest.terminated = true;
            self.code.store(code, Ordering::Release);
            rest.waiter.take()
        };
        if let Some(waiter) = waiter {
            if waiter.tell(End::Terminated) {
                waiter.wake();
            }
        }
        self.end();
    }
}
