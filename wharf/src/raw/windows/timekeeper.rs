//! Timers: a thread that posts them when they are due, since the kernel's port knows none.

use std::{io, ptr::NonNull, sync::Arc, time::Instant};

use super::{key::Key, native::address_of};
use crate::{
    driver::windows::{Queue, codes},
    raw::{Completed, Overlapped, Status, timers::Timers},
    sync::{
        Condvar, Mutex, now,
        thread::{self, JoinHandle},
    },
};

/// The timers of a port. The thread is started with the first of them.
#[derive(Debug)]
pub(super) struct Timekeeper {
    shared: Arc<SharedTimers>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct SharedTimers {
    queue: Arc<Queue>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    timers: Timers<Completed>,
    ended: bool,
}

impl Timekeeper {
    pub(super) fn new(queue: Arc<Queue>) -> Timekeeper {
        let state = State {
            timers: Timers::new(),
            ended: false,
        };
        Timekeeper {
            shared: Arc::new(SharedTimers {
                queue,
                state: Mutex::new(state),
                changed: Condvar::new(),
            }),
            thread: Mutex::new(None),
        }
    }

    /// Sets a timer, and returns its number.
    ///
    /// # Safety
    /// The operation is valid, and not used by other code until its packet is handed out.
    pub(super) unsafe fn set(
        &self,
        deadline: Instant,
        key: usize,
        operation: NonNull<Overlapped>,
    ) -> io::Result<u64> {
        {
            let mut thread = self.thread.lock();
            if thread.is_none() {
                let shared = self.shared.clone();
                let name = "wharf-timers".to_owned();
                let started = thread::Builder::new().name(name);
                *thread = Some(started.spawn(move || shared.run())?);
            }
        }
        let mut state = self.shared.state.lock();
        // SAFETY: passed on to the caller.
        let number = unsafe { state.timers.set_operation(deadline, key, operation) };
        let is_next = state.timers.earliest() == Some(deadline);
        drop(state);
        if is_next {
            self.shared.changed.notify_one();
        }
        Ok(number)
    }

    /// Cancels a timer. Says whether it had not come yet.
    pub(super) fn cancel(&self, number: u64) -> bool {
        let cancelled = self.shared.state.lock().timers.cancel(number);
        cancelled
            .map(|timer| self.shared.cancelled(timer))
            .is_some()
    }

    pub(super) fn cancel_all(&self) {
        loop {
            let Some(timer) = self.shared.state.lock().timers.take_any() else {
                return;
            };
            self.shared.cancelled(timer);
        }
    }

    /// Ends the thread.
    pub(super) fn end(&self) {
        self.shared.state.lock().ended = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // It has nothing to panic over.
            let _ = thread.join();
        }
    }
}

impl SharedTimers {
    fn run(&self) {
        let mut state = self.state.lock();
        while !state.ended {
            if let Some(timer) = state.timers.take_due(now()) {
                // Under the lock, so that they are queued in the order of their deadlines.
                self.complete(timer, Status::Done);
                continue;
            }
            let deadline = state.timers.earliest();
            let remaining = deadline.map(|deadline| deadline.saturating_duration_since(now()));
            state = self.changed.wait(state, remaining);
        }
    }

    fn cancelled(&self, timer: Completed) {
        self.complete(timer, Status::Failed(codes::CANCELLED));
    }

    fn complete(&self, timer: Completed, status: Status) {
        let Completed(operation) = timer.with(status);
        self.queue
            .post_surely(Key::Ended as usize, address_of(operation));
    }
}
