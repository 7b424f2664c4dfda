//! What is to be done once, by whichever thread comes first.

use std::{
    ffi::c_void,
    mem, ptr,
    sync::atomic::{
        AtomicU32, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use crate::{FALSE, TRUE, error, futex, last_error};

const CHECK_ONLY: u32 = 1;
const ASYNC: u32 = 2;
const INIT_FAILED: u32 = 4;

/// The two lowest bits of an [`InitOnce`].
const STATE: usize = 3;
const UNDONE: usize = 0;
/// One thread does it, and others wait for that.
const UNDER_WAY: usize = 1;
/// What is in the other bits is the result.
const DONE: usize = 2;
/// Several threads do it, and the first to be ready wins.
const COMPETED_FOR: usize = 3;
/// With [`UNDER_WAY`]: somebody sleeps.
const WAITED_FOR: usize = 4;

/// `INIT_ONCE`, of 8 bytes: zeros are a fresh one.
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct InitOnce(AtomicUsize);

const _: () = assert!(size_of::<InitOnce>() == 8);

/// What a thread that comes finds.
enum Found {
    Done(usize),
    /// It is the caller's to do.
    Mine,
    /// It was begun in the other manner.
    Mixed,
}

impl InitOnce {
    /// Where threads sleep: the half that has the state.
    fn futex(&self) -> &AtomicU32 {
        let half = (&raw const self.0).cast::<AtomicU32>();
        // SAFETY: it is the first half of what `self` refers to; an atomic may be looked at in parts, as the kernel does with it.
        unsafe { &*half.add(usize::from(cfg!(target_endian = "big"))) }
    }

    /// Begins, or waits for the thread that has begun.
    fn begin(&self) -> Found {
        loop {
            let now = self.0.load(Acquire);
            match now & STATE {
                DONE => return Found::Done(now & !STATE),
                COMPETED_FOR => return Found::Mixed,
                UNDONE => {
                    if self
                        .0
                        .compare_exchange(now, UNDER_WAY, Acquire, Relaxed)
                        .is_ok()
                    {
                        return Found::Mine;
                    }
                }
                _ => {
                    let waited = UNDER_WAY | WAITED_FOR;
                    let said = now == waited
                        || self
                            .0
                            .compare_exchange(now, waited, Relaxed, Relaxed)
                            .is_ok();
                    if said {
                        wharf::blocking(|| futex::wait(self.futex(), waited as u32, None));
                    }
                }
            }
        }
    }

    /// Begins beside others.
    fn compete(&self) -> Found {
        match self
            .0
            .compare_exchange(UNDONE, COMPETED_FOR, Acquire, Acquire)
        {
            Ok(_) | Err(COMPETED_FOR) => Found::Mine,
            Err(now) if now & STATE == DONE => Found::Done(now & !STATE),
            Err(_) => Found::Mixed,
        }
    }

    /// Ends what [`begin`](Self::begin) gave to the caller.
    fn end(&self, now: usize) {
        if self.0.swap(now, Release) & WAITED_FOR != 0 {
            futex::wake(self.futex(), u32::MAX);
        }
    }
}

/// What a thread has begun, until it is ended. An exception out of the program's function, or the thread's end in it, leaves it
/// undone: the next that comes does it.
struct Begun<'a>(&'a InitOnce);

impl Begun<'_> {
    fn end(self, result: usize) {
        self.0.end(result);
        mem::forget(self);
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.end(UNDONE);
    }
}

/// # Safety
/// `context` is NULL, or can be written.
unsafe fn tell(context: *mut usize, value: usize) {
    if !context.is_null() {
        // SAFETY: of the caller.
        unsafe { context.write(value) };
    }
}

/// Makes one in memory of the caller's. Zeros are one as well.
///
/// # Safety
/// It can be written there, and nobody uses it meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn InitOnceInitialize(once: *mut InitOnce) {
    // SAFETY: passed on to the caller.
    unsafe { once.write(InitOnce::default()) };
}

/// Calls the function, unless an earlier call has succeeded. Other threads wait meanwhile. FALSE if it fails; the next caller then
/// tries it again, as after an exception, which goes on to the caller.
///
/// # Safety
/// `once` is initialised; the function may be called with it, the argument, and an address to write a pointer to, of which the two
/// lowest bits must be 0. `context` is NULL, or that pointer can be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn InitOnceExecuteOnce(
    once: *mut InitOnce,
    function: extern "C-unwind" fn(*mut InitOnce, *mut c_void, *mut usize) -> i32,
    argument: *mut c_void,
    context: *mut usize,
) -> i32 {
    // SAFETY: of the caller.
    let this = unsafe { &*once };
    let value = match this.begin() {
        Found::Mixed => return last_error::fail(error::INVALID_PARAMETER),
        Found::Done(value) => value,
        Found::Mine => {
            let (mut value, begun) = (0, Begun(this));
            if function(once, argument, &raw mut value) == FALSE {
                return FALSE;
            }
            begun.end(value & !STATE | DONE);
            value
        }
    };
    // SAFETY: of the caller.
    unsafe { tell(context, value) };
    TRUE
}

/// Begins, and says in `pending` whether it is the caller's to do. With the flag 1 it only looks: FALSE if it is not done. With the
/// flag 2, several threads may do it at once.
///
/// # Safety
/// `once` is initialised. `pending` can be written; `context` is NULL, or can be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn InitOnceBeginInitialize(
    once: *const InitOnce,
    flags: u32,
    pending: *mut i32,
    context: *mut usize,
) -> i32 {
    // SAFETY: of the caller.
    let once = unsafe { &*once };
    let found = match flags {
        0 => once.begin(),
        ASYNC => once.compete(),
        CHECK_ONLY => match once.0.load(Acquire) {
            now if now & STATE == DONE => Found::Done(now & !STATE),
            _ => return last_error::fail(error::GEN_FAILURE),
        },
        _ => return last_error::fail(error::INVALID_PARAMETER),
    };
    let (mine, value) = match found {
        Found::Mixed => return last_error::fail(error::INVALID_PARAMETER),
        Found::Mine => (TRUE, None),
        Found::Done(value) => (FALSE, Some(value)),
    };
    // SAFETY: of the caller.
    unsafe {
        pending.write(mine);
        tell(
            value.map_or(ptr::null_mut(), |_| context),
            value.unwrap_or(0),
        );
    }
    TRUE
}

/// Ends what [`InitOnceBeginInitialize`] began: with a result, of which the two lowest bits must be 0; or, with the flag 4, as a
/// failure. With the flag 2, FALSE if another thread was faster.
///
/// # Safety
/// `once` is initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn InitOnceComplete(
    once: *const InitOnce,
    flags: u32,
    context: usize,
) -> i32 {
    // SAFETY: of the caller.
    let once = unsafe { &*once };
    let result = match flags & INIT_FAILED {
        0 if context & STATE == 0 => context | DONE,
        INIT_FAILED if context == 0 && flags & ASYNC == 0 => UNDONE,
        _ => return last_error::fail(error::INVALID_PARAMETER),
    };
    let done = if flags & ASYNC != 0 {
        once.0
            .compare_exchange(COMPETED_FOR, result, Release, Relaxed)
            .is_ok()
    } else {
        let under_way = once.0.load(Relaxed) & STATE == UNDER_WAY;
        if under_way {
            once.end(result);
        }
        under_way
    };
    if done {
        TRUE
    } else {
        last_error::fail(error::GEN_FAILURE)
    }
}
