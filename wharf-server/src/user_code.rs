//! Code of the user's in the midst of ours: the subscriber that takes the log, and what a handler's panic carries.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Writes a line to the log. A subscriber that panics loses the line, and nobody else anything: the step that is being
/// taken is finished.
pub(crate) fn log(line: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(line)) {
        discard(panic);
    }
}

/// Drops what a panic carries, which may panic in turn. What that one carries is kept for ever: there has to be an end.
pub(crate) fn discard(panic: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(another);
    }
}
