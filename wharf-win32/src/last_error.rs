//! The last error of each thread: what `GetLastError` and `WSAGetLastError` return, which are one.

use std::cell::Cell;

thread_local! {
    static LAST_ERROR: Cell<u32> = const { Cell::new(0) };
}

/// Sets the calling thread's last error.
pub(crate) fn set(code: u32) {
    LAST_ERROR.set(code);
}

/// Sets the calling thread's last error, for a function that returns FALSE.
pub(crate) fn fail(code: u32) -> i32 {
    set(code);
    crate::FALSE
}

/// The calling thread's last error.
#[unsafe(no_mangle)]
pub extern "C" fn GetLastError() -> u32 {
    LAST_ERROR.get()
}

/// Sets the calling thread's last error.
#[unsafe(no_mangle)]
pub extern "C" fn SetLastError(code: u32) {
    set(code);
}

/// The same as [`GetLastError`].
#[unsafe(no_mangle)]
pub extern "C" fn WSAGetLastError() -> i32 {
    LAST_ERROR.get() as i32
}

/// The same as [`SetLastError`].
#[unsafe(no_mangle)]
pub extern "C" fn WSASetLastError(code: i32) {
    set(code as u32);
}
