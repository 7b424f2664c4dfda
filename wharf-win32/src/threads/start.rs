//! The functions that start threads, and those that end the calling one.

use std::{ffi::c_void, mem::MaybeUninit, ptr, sync::Arc};

use super::{CURRENT, Current, FRAME, Thread, current, frame, local};
use crate::{error, handle, last_error};

const CREATE_SUSPENDED: u32 = 4;
const STACK_SIZE_PARAM_IS_A_RESERVATION: u32 = 0x10000;

/// What a thread's stack has at least: that of Windows, whose stacks may be smaller only on request.
const STACK_BYTES: usize = 1 << 20;
/// And on request: what functions of glibc may need.
const STACK_BYTES_MIN: usize = 256 << 10;

unsafe extern "C-unwind" {
    fn pthread_exit(value: *mut c_void) -> !;
}

/// What a new thread is to do.
struct Start {
    thread: Arc<Thread>,
    function: frame::Function,
    argument: *mut (),
    /// Its function returns nothing, so its exit code is 0.
    returns_nothing: bool,
    /// The handle that is closed when the function returns: `_beginthread`'s.
    own_handle: usize,
}

extern "C" fn run(start: *mut c_void) -> *mut c_void {
    // SAFETY: `spawn` has leaked it for this thread.
    let start = unsafe { Box::from_raw(start.cast::<Start>()) };
    let Start {
        thread,
        function,
        argument,
        returns_nothing,
        own_handle,
    } = *start;
    // First of all, so that they end last.
    local::begin_of_thread();
    CURRENT.with(|place| drop(place.set(Current::new(thread.clone()))));
    thread.wait_for_resume();
    OWN_HANDLE.set(own_handle);
    if thread.called(false).is_none() {
        drop(thread);
        let stack = FRAME.with(std::cell::Cell::as_ptr);
        // SAFETY: the program says that the function takes this argument. This frame holds nothing that must be dropped.
        let result = unsafe { frame::enter(function, argument, stack) };
        FRAME.set(0);
        let code = if returns_nothing && !LEFT.get() {
            0
        } else {
            result as u32
        };
        current().set_code(code);
    }
    close_own_handle();
    ptr::null_mut()
}

thread_local! {
    static OWN_HANDLE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    /// The thread was ended by a call, with a code.
    static LEFT: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Closes the handle of a thread that `_beginthread` started.
fn close_own_handle() {
    let own = OWN_HANDLE.replace(0);
    if own != 0 {
        handle::close(own);
    }
}

/// Ends the calling thread. In one that this library has not started, objects on its stack are destroyed.
pub(super) fn leave(code: u32) -> ! {
    LEFT.set(true);
    let stack = FRAME.replace(0);
    if stack != 0 {
        // SAFETY: `run` is still in `enter`: it has not set it to 0.
        unsafe { frame::leave(stack, code as usize) }
    }
    current().set_code(code);
    // SAFETY: nothing in this frame, nor in those of the functions that call it, has to be dropped.
    unsafe { pthread_exit(ptr::null_mut()) }
}

/// Starts a thread of this library's own that runs code of the program's. False if the system refuses it.
pub(crate) fn start_detached(function: frame::SafeFunction, argument: *mut ()) -> bool {
    let start = Start {
        thread: Arc::new(Thread::new()),
        function,
        argument,
        returns_nothing: false,
        own_handle: 0,
    };
    spawn(start, default_stack_bytes())
}

/// Starts a thread that nobody joins. False if the system refuses it.
fn spawn(start: Start, stack_bytes: usize) -> bool {
    let start = Box::into_raw(Box::new(start));
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut id = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: the attributes are initialised first and destroyed last; `run` gets what it asks for.
    let result = unsafe {
        let attributes = attributes.as_mut_ptr();
        libc::pthread_attr_init(attributes);
        libc::pthread_attr_setdetachstate(attributes, libc::PTHREAD_CREATE_DETACHED);
        libc::pthread_attr_setstacksize(attributes, stack_bytes);
        let result = libc::pthread_create(id.as_mut_ptr(), attributes, run, start.cast());
        libc::pthread_attr_destroy(attributes);
        result
    };
    if result != 0 {
        // SAFETY: no thread has it.
        drop(unsafe { Box::from_raw(start) });
    }
    result == 0
}

/// The stack of a new thread. The system's default where the program asks for none.
fn stack_bytes(asked: usize, flags: u32) -> usize {
    const PAGE: usize = 64 << 10;
    let least = match (asked, flags & STACK_SIZE_PARAM_IS_A_RESERVATION) {
        (0, _) => return default_stack_bytes(),
        (_, 0) => STACK_BYTES,
        _ => STACK_BYTES_MIN,
    };
    asked
        .max(least)
        .checked_next_multiple_of(PAGE)
        .unwrap_or(asked)
}

/// What `ulimit -s` says, as for any thread of this process.
fn default_stack_bytes() -> usize {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut bytes = 0;
    // SAFETY: as in `spawn`.
    unsafe {
        libc::pthread_attr_init(attributes.as_mut_ptr());
        libc::pthread_attr_getstacksize(attributes.as_ptr(), &raw mut bytes);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
    }
    bytes.max(STACK_BYTES)
}

/// Starts a thread, and returns its handle; 0 if that can't be, with the last error.
fn start(mut start: Start, stack: usize, flags: u32, number: *mut u32, own: bool) -> usize {
    if flags & CREATE_SUSPENDED != 0 {
        start.thread.suspend();
    }
    let thread = start.thread.clone();
    let Some(handle) = handle::insert(thread.clone()) else {
        last_error::set(error::NOT_ENOUGH_MEMORY);
        return 0;
    };
    start.own_handle = if own { handle } else { 0 };
    if !spawn(start, stack_bytes(stack, flags)) {
        handle::close(handle);
        last_error::set(error::NOT_ENOUGH_MEMORY);
        return 0;
    }
    if !number.is_null() {
        // SAFETY: the caller says that it can be written.
        unsafe { number.write(thread.number()) };
    }
    handle
}

/// Starts a thread: its function gets the argument, and what it returns is the exit code. Returns its handle, NULL (with the last
/// error) if that can't be. `stack`: bytes; 0 is the default of the system. With the flag 4, it waits for `ResumeThread`.
///
/// # Safety
/// The function may be called with this argument in another thread. `number` is NULL, or the thread's number can be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CreateThread(
    _security: *const c_void,
    stack: usize,
    function: Option<frame::Function>,
    argument: *mut c_void,
    flags: u32,
    number: *mut u32,
) -> usize {
    let Some(function) = function else {
        last_error::set(error::INVALID_PARAMETER);
        return 0;
    };
    let what = Start {
        thread: Arc::new(Thread::new()),
        function,
        argument: argument.cast(),
        returns_nothing: false,
        own_handle: 0,
    };
    start(what, stack, flags, number, false)
}

/// [`CreateThread`], for functions of the C library. 0 if it can't be started.
///
/// # Safety
/// As for [`CreateThread`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _beginthreadex(
    security: *const c_void,
    stack: u32,
    function: Option<frame::Function>,
    argument: *mut c_void,
    flags: u32,
    number: *mut u32,
) -> usize {
    // SAFETY: passed on to the caller.
    unsafe { CreateThread(security, stack as usize, function, argument, flags, number) }
}

/// Starts a thread whose handle closes itself when it ends. `usize::MAX` if it can't be started.
///
/// # Safety
/// The function may be called with this argument in another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _beginthread(
    function: Option<frame::Function>,
    stack: u32,
    argument: *mut c_void,
) -> usize {
    let Some(function) = function else {
        last_error::set(error::INVALID_PARAMETER);
        return usize::MAX;
    };
    let what = Start {
        thread: Arc::new(Thread::new()),
        function,
        argument: argument.cast(),
        returns_nothing: true,
        own_handle: 0,
    };
    match start(what, stack as usize, 0, ptr::null_mut(), true) {
        0 => usize::MAX,
        handle => handle,
    }
}

/// Ends the calling thread with an exit code. Objects on its stack are not destroyed; in a thread that this library has not
/// started, they are. In the first thread of the process, the others run on.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn ExitThread(code: u32) -> ! {
    leave(code)
}

/// The same as [`ExitThread`].
#[unsafe(no_mangle)]
pub extern "C-unwind" fn _endthreadex(code: u32) -> ! {
    leave(code)
}

/// Ends a thread that `_beginthread` has started.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn _endthread() -> ! {
    leave(0)
}
