//! Code of the user's that runs inside of ours, where it may not unwind.
//!
//! The `Drop` of a key, of the owner of a payload or of a handler, and the subscriber that takes the log, are called by threads
//! that also serve other connections. Such a thread first finishes its work for the others; then it calls the user's code, and
//! a panic of that code ends here.
//!
//! What can't be caught: where the program is built to abort on a panic (`panic = "abort"`), and where a `Drop` panics while
//! another panic unwinds through it, Rust ends the process.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Calls code of the user's. A panic of it ends here and is logged; `what` names the code.
pub fn contain<T>(what: &str, code: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(value) => Some(value),
        Err(panic) => {
            tell(what, panic);
            None
        }
    }
}

/// Logs the message of a panic.
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

/// The payload of a panic is a value of the user's too, and may panic when it is dropped. The payload of that second panic is
/// leaked: to drop it might panic again, without end.
pub fn discard(panic: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(another);
    }
}

/// The message of a panic, if it has one.
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
