//! What all functions of Winsock do around their work: the last error is set, and `errno` is left as it was.

use crate::{codes, last_error};

/// What a function of Winsock comes to: its value, or the code of its error.
pub(crate) type Outcome<T> = Result<T, u32>;

/// What those functions return that failed and do not return a socket.
const SOCKET_ERROR: i32 = -1;

/// Keeps the thread's `errno`, which no function of Windows changes.
pub(crate) struct KeptErrno(i32);

impl KeptErrno {
    pub(crate) fn new() -> KeptErrno {
        KeptErrno(errno())
    }
}

impl Drop for KeptErrno {
    fn drop(&mut self) {
        // SAFETY: the thread's own, which is there as long as the thread.
        unsafe { *libc::__errno_location() = self.0 };
    }
}

pub(crate) fn errno() -> i32 {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() }
}

/// The result of a call of Linux that returns a negative number on failure: that number, or `errno`.
pub(crate) fn checked(result: libc::c_int) -> Result<libc::c_int, i32> {
    match result {
        ..0 => Err(errno()),
        _ => Ok(result),
    }
}

/// As [`checked`], with the code of Winsock.
pub(crate) fn winsock_of(result: libc::c_int) -> Outcome<libc::c_int> {
    checked(result).map_err(|errno| codes::of_call(errno, false))
}

/// A function of Winsock. Success sets the last error to 0, as Windows does from version 7 on.
pub(crate) fn winsock<T>(failed: T, work: impl FnOnce() -> Outcome<T>) -> T {
    let _errno = KeptErrno::new();
    match work() {
        Ok(value) => {
            last_error::set(0);
            value
        }
        Err(code) => {
            last_error::set(code);
            failed
        }
    }
}

/// As [`winsock`], of a function that returns 0 or `SOCKET_ERROR`.
pub(crate) fn status(work: impl FnOnce() -> Outcome<()>) -> i32 {
    winsock(SOCKET_ERROR, || work().map(|()| 0))
}

/// As [`winsock`], of a function that returns a number or `SOCKET_ERROR`.
pub(crate) fn number(work: impl FnOnce() -> Outcome<i32>) -> i32 {
    winsock(SOCKET_ERROR, work)
}

/// As [`winsock`], of a function that returns a BOOL.
pub(crate) fn whether(work: impl FnOnce() -> Outcome<()>) -> i32 {
    winsock(0, || work().map(|()| 1))
}
