//! The kernel's futex: sleep while a word has a value, until it is told otherwise.

use std::{
    num::NonZeroU32,
    sync::atomic::AtomicU32,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    thread::futex::{self, Flags, Timespec},
};

/// Sleeps as long as the word has that value, until it is [woken](wake) or the time has come. May return for no reason.
/// False if the time has come.
///
/// It does not give the thread's place in a completion port away: callers do.
pub(crate) fn wait(word: &AtomicU32, value: u32, deadline: Option<Instant>) -> bool {
    const ANY: NonZeroU32 = NonZeroU32::MAX;
    let result = match deadline.map(|deadline| deadline.checked_duration_since(Instant::now())) {
        None => futex::wait_bitset(word, Flags::PRIVATE, value, None, ANY),
        Some(None | Some(Duration::ZERO)) => return false,
        Some(Some(left)) => {
            let left = Timespec::try_from(left).unwrap_or(Timespec {
                tv_sec: i64::MAX,
                tv_nsec: 0,
            });
            futex::wait(word, Flags::PRIVATE, value, Some(&left))
        }
    };
    result != Err(Errno::TIMEDOUT)
}

/// Wakes up to so many threads that sleep on the word. Says whether there was one.
pub(crate) fn wake(word: &AtomicU32, most: u32) -> bool {
    // The kernel reads a signed number. It fails only for an address that it can't read, and then nobody sleeps there.
    let woken = futex::wake(word, Flags::PRIVATE, most.min(i32::MAX as u32));
    woken.is_ok_and(|woken| woken > 0)
}

/// When so many milliseconds have passed. None for `INFINITE`.
pub(crate) fn deadline(milliseconds: u32) -> Option<Instant> {
    // 49 days fit into what the clock can count.
    (milliseconds != crate::INFINITE)
        .then(|| Instant::now() + Duration::from_millis(milliseconds.into()))
}
