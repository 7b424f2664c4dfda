//! Calls that raise a signal in the thread that makes them, and know no flag against it.
//!
//! A send has `MSG_NOSIGNAL`; sendfile(2) has nothing of the kind, nor has a write that meets the limit of file sizes
//! (setrlimit(2), `RLIMIT_FSIZE`). By default either signal ends the process.

use std::{mem::MaybeUninit, ptr};

/// Makes a call that may raise SIGPIPE, and takes the signal back. `may_raise`: whether it may have, by its result.
///
/// The thread blocks the signal meanwhile. What was pending before stays so, and so does the thread's mask.
pub(super) fn without_sigpipe<T>(
    call: impl FnOnce() -> T,
    may_raise: impl FnOnce(&T) -> bool,
) -> T {
    let only_pipe = set_of(libc::SIGPIPE);
    let before = block(&only_pipe);
    let was_blocked = contains(&before, libc::SIGPIPE);
    // Where it is not blocked, none waits: it would have been delivered.
    let was_pending = was_blocked && contains(&pending(), libc::SIGPIPE);
    let result = call();
    if may_raise(&result) && !was_pending {
        take_back(&only_pipe);
    }
    if !was_blocked {
        // SAFETY: the set is initialised; the old one is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut()) };
    }
    result
}

/// Has writes of this thread that meet the limit of file sizes fail (`EFBIG`) and do nothing else. For a thread of the port's
/// own.
pub(crate) fn block_file_size_signal() {
    block(&set_of(libc::SIGXFSZ));
}

fn set_of(signal: libc::c_int) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the first call initialises the set, the second is given a signal that there is. Neither can fail then.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        set.assume_init()
    }
}

fn contains(set: &libc::sigset_t, signal: libc::c_int) -> bool {
    // SAFETY: the set is initialised.
    unsafe { libc::sigismember(set, signal) == 1 }
}

/// Has this thread block some signals, too. Returns what it blocked before.
fn block(signals: &libc::sigset_t) -> libc::sigset_t {
    let mut before = set_of(libc::SIGPIPE);
    // SAFETY: both sets are initialised. It fails only for an action that there is not (pthread_sigmask(3)).
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, signals, &mut before) };
    before
}

/// The signals that wait for this thread, or for the process.
fn pending() -> libc::sigset_t {
    let mut set = set_of(libc::SIGPIPE);
    // SAFETY: the set is there to be written. It fails for a bad address only (sigpending(2)).
    unsafe { libc::sigpending(&mut set) };
    set
}

/// Takes a signal that waits, if one does. The thread's own come first.
fn take_back(signals: &libc::sigset_t) {
    let at_once = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the set and the time are initialised, and what signal it was is not asked. With no time it does not wait, so
    // nothing interrupts it (sigtimedwait(2)).
    unsafe { libc::sigtimedwait(signals, ptr::null_mut(), &at_once) };
}
