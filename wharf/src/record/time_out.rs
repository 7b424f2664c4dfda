//! A time-out for one operation: a timer that the port keeps, which cancels the operation and gives no completion of its own.
//!
//! The timer is a record like that of any timer, marked by its token. The thread that takes its packet cancels the operation, and
//! waits on. The operation's completion takes the timer back, in most cases before it is due.

use std::{io, sync::Arc, time::Duration};

use super::{Context, Owned, Records, Source};
use crate::{
    raw::{OperationId, Port, deadline_after},
    sync::Mutex,
};

/// The operation that a time-out is for, and what has become of the time-out.
#[derive(Debug, Default)]
pub(crate) struct TimeOut(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// None until the operation has started.
    operation: Option<OperationId>,
    is_over: bool,
}

impl TimeOut {
    /// The time is over: the operation is cancelled, if it is still under way.
    pub(crate) fn strike(&self, raw: &Arc<Port>) {
        let operation = {
            let mut state = self.0.lock();
            state.is_over = true;
            state.operation
        };
        if let Some(operation) = operation {
            // It may have ended in this moment.
            let _ = raw.cancel(operation);
        }
    }

    /// The operation has started.
    fn begin(&self, operation: OperationId, raw: &Arc<Port>) {
        let is_over = {
            let mut state = self.0.lock();
            state.operation = Some(operation);
            state.is_over
        };
        if is_over {
            let _ = raw.cancel(operation);
        }
    }

    fn is_over(&self) -> bool {
        self.0.lock().is_over
    }
}

/// What goes with an operation that has a time-out, in the place of its context.
struct Timed {
    timer: OperationId,
    time_out: Arc<TimeOut>,
    context: Option<Context>,
}

/// A time-out that was set for an operation which is about to start.
pub(crate) struct Set(Arc<TimeOut>);

impl<S: Source> Records<S> {
    /// Sets a time-out. Returns it with what goes with the operation.
    pub(crate) fn set_time_out(
        &self,
        timeout: Duration,
        context: Option<Context>,
    ) -> Result<(Set, Context), (io::Error, Option<Context>)> {
        let time_out = Arc::new(TimeOut::default());
        let owned = Owned::without_memory(S::of_time_out(time_out.clone()), None);
        match self.start_time_out(deadline_after(timeout), owned) {
            Ok(timer) => {
                let timed = Timed {
                    timer,
                    time_out: time_out.clone(),
                    context,
                };
                Ok((Set(time_out), Context::new(timed)))
            }
            Err((error, _)) => Err((error, context)),
        }
    }

    /// The operation that a time-out was set for has started.
    pub(crate) fn begin_time_out(&self, set: Set, operation: OperationId) {
        set.0.begin(operation, self.raw());
    }

    /// An operation has ended, or was refused: its time-out is taken back, if it had one, and its own context is put in place again.
    /// Returns whether the time was over.
    #[cold]
    pub(crate) fn end_time_out(&self, context: &mut Option<Context>) -> bool {
        let Some(timed) = Context::take_from::<Timed>(context) else {
            return false;
        };
        *context = timed.context;
        // If it is due already, the thread that takes its packet finds nothing to cancel.
        let _ = self.cancel_timer_quietly(timed.timer);
        timed.time_out.is_over()
    }
}
