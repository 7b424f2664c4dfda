//! What tokio-console looks for: a span for each task, which is entered for each poll, and an event for each wake. Their names are a
//! convention that any runtime may follow (`console-subscriber`, `ConsoleLayer`); where no subscriber wants them they are not made.

use std::{mem, panic::Location};

use tracing::{
    Span,
    span::{Entered, Id},
};
use wharf::user_code;

/// The span of a task.
pub(crate) fn span(kind: &'static str, number: u64, location: &'static Location<'static>) -> Span {
    let made = user_code::contain("a subscriber of tracing's", || {
        let span = tracing::trace_span!(
            target: "tokio::task",
            parent: None,
            "runtime.spawn",
            kind,
            task.id = number,
            loc.file = location.file(),
            loc.line = location.line(),
            loc.col = location.column(),
        );
        // The console takes a task without a waker for one that is never woken again.
        if let Some(id) = span.id() {
            tracing::trace!(target: "tokio::task::waker", op = "waker.clone", task.id = id.into_u64());
        }
        span
    });
    made.unwrap_or_else(Span::none)
}

/// A task was woken, and is to be polled.
pub(crate) fn woken(span: Option<&Id>) {
    if let Some(id) = span {
        user_code::log(|| {
            tracing::trace!(target: "tokio::task::waker", op = "waker.wake_by_ref", task.id = id.into_u64());
        });
    }
}

/// A task is polled, until what is returned is dropped. A subscriber that panics is not the task's fault.
pub(crate) fn enter(span: &Span) -> InPoll<'_> {
    if span.is_disabled() {
        return InPoll(None);
    }
    InPoll(user_code::contain("a subscriber of tracing's", || {
        span.enter()
    }))
}

/// A poll, within the span of its task.
pub(crate) struct InPoll<'a>(Option<Entered<'a>>);

impl Drop for InPoll<'_> {
    fn drop(&mut self) {
        if let Some(entered) = self.0.take() {
            user_code::contain("a subscriber of tracing's", || drop(entered));
        }
    }
}

/// A task has ended.
pub(crate) fn end(span: &mut Span) {
    if !span.is_disabled() {
        user_code::contain("a subscriber of tracing's", || {
            drop(mem::replace(span, Span::none()));
        });
    }
}
