//! Timers: a thread that posts them when they are due, since the kernel's port knows none.

use std::{io, ptr::NonNull, sync::Arc, time::Instant};

use super::{key::Key, native::address_of};
use crate::{
    driver::windows::{Queue, codes},
    raw::{Completed, OperationId, Overlapped, Status, timers::Timers},
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

    /// Sets a timer, and returns its name. The thread is woken only if this timer is the next to be due.
    ///
    /// # Safety
    /// The operation is valid, and not used by other code until its packet is handed out.
    pub(super) unsafe fn set(
        &self,
        deadline: Instant,
        key: usize,
        operation: NonNull<Overlapped>,
    ) -> io::Result<OperationId> {
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
        let (id, hurries) = unsafe { state.timers.set_operation(deadline, key, operation) };
        drop(state);
        if hurries {
            self.shared.changed.notify_one();
        }
        Ok(id)
    }

    /// Cancels a timer. Says whether it had not come yet.
    pub(super) fn cancel(&self, id: OperationId) -> bool {
        let cancelled = self.take(id);
        cancelled
            .map(|timer| self.shared.complete(Completed(timer)))
            .is_some()
    }

    /// Takes a timer back, as cancelled. None if its time has come.
    pub(super) fn take(&self, id: OperationId) -> Option<NonNull<Overlapped>> {
        let Completed(timer) = self.shared.state.lock().timers.cancel_operation(id)?;
        Some(timer)
    }

    pub(super) fn cancel_all(&self) {
        loop {
            let Some(timer) = self.shared.state.lock().timers.take_any() else {
                return;
            };
            let cancelled = timer.with(Status::Failed(codes::CANCELLED));
            self.shared.complete(cancelled);
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
            // Under the lock, so that they are queued in the order of their deadlines.
            state
                .timers
                .take_due(now(), |timer| self.complete(timer.with(Status::Done)));
            let deadline = state.timers.next_alarm();
            let remaining = deadline.map(|deadline| deadline.saturating_duration_since(now()));
            state = self.changed.wait(state, remaining);
        }
    }

    fn complete(&self, timer: Completed) {
        let Completed(operation) = timer;
        self.queue
            .post_surely(Key::Ended as usize, address_of(operation));
    }
}
