//! Code of the user's that runs inside of ours, where it may not unwind.
//!
//! A key's `Drop`, that of the owner of a payload, that of a handler, and the subscriber that takes the log are called by
//! threads that have more to do than to serve whom that code belongs to. What they owe to others is done before; then the code
//! is called, and a panic of it ends here.
//!
//! What can't be caught: where the program is built to abort on a panic (`panic = "abort"`), and where a `Drop` panics while
//! another panic unwinds through it, Rust ends the process.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Calls code of the user's. A panic of it is told in the log, `what` being what panicked, and ends here.
pub(crate) fn contain<T>(what: &str, code: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(value) => Some(value),
        Err(panic) => {
            tell(what, panic);
            None
        }
    }
}

/// Tells in the log what a panic said.
pub(crate) fn tell(what: &str, panic: Box<dyn Any + Send>) {
    log(|| tracing::error!("{what} panicked: {}", panic_message(&*panic)));
    discard(panic);
}

/// Writes a line to the log. Called with no lock held, since a subscriber may use the port; if it panics, the line is lost and
/// nothing else.
pub fn log(line: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(line)) {
        discard(panic);
    }
}

/// What a panic carries is the user's too, and may panic when it is dropped. What that one carries is kept for ever: there
/// has to be an end.
pub fn discard(panic: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(another);
    }
}

/// What a panic said, if it said anything.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it left no message")
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// Panics when it is dropped, and that panic carries another.
    struct Nested(u32);

    impl Drop for Nested {
        fn drop(&mut self) {
            if self.0 > 0 {
                std::panic::panic_any(Nested(self.0 - 1));
            }
        }
    }

    #[test]
    fn what_a_panic_carries_may_panic_too() {
        assert_eq!(contain("a test", || 7), Some(7));
        let panics = || -> u32 { std::panic::panic_any(Nested(3)) };
        assert_eq!(contain("a test", panics), None);
    }
}
