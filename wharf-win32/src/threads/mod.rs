//! Threads: what is known of each, whoever made it.
//!
//! | file | what it has |
//! |---|---|
//! | `mod.rs` | the calling thread, its end |
//! | `thread.rs` | a thread as an object: its sleep, the calls that are queued for it, its end |
//! | `start.rs` | the functions that start threads and end them |
//! | `frame.rs` | the frame that a thread's function runs in, and can leave from anywhere |
//! | `calls.rs` | the other functions for threads and the process |
//! | `local.rs` | the values that belong to a thread (`Tls*`, `Fls*`) |
//!
//! A thread that was made elsewhere (`pthread_create`, `std::thread`) gets its object when it first needs one. The end of any
//! thread is seen in the destructor of its [`CURRENT`]. That runs after those of thread-locals that the program used later, so
//! after all of them in threads that this library started: it is used there first.

mod calls;
mod frame;
mod local;
mod start;
mod thread;

use std::{
    cell::{Cell, OnceCell, RefCell},
    sync::Arc,
};

use crate::objects::{self, Waitable};
pub(crate) use start::start_detached;
pub(crate) use thread::{Call, STILL_ACTIVE, Thread};

/// The calling thread.
struct Current {
    thread: Arc<Thread>,
    /// The mutexes that it owns.
    owned: RefCell<Vec<Arc<Waitable>>>,
}

thread_local! {
    static CURRENT: OnceCell<Current> = const { OnceCell::new() };
    static NUMBER: Cell<u32> = const { Cell::new(0) };
    /// Where [`frame::leave`] goes: 0 if this library did not start the thread.
    static FRAME: Cell<usize> = const { Cell::new(0) };
}

impl Current {
    fn new(thread: Arc<Thread>) -> Self {
        thread.set_number(number());
        Current {
            thread,
            owned: RefCell::default(),
        }
    }
}

impl Drop for Current {
    /// The thread ends.
    fn drop(&mut self) {
        local::end_of_thread();
        for mutex in self.owned.take() {
            objects::abandon(&mutex, number());
        }
        self.thread.end();
    }
}

/// The calling thread's number: that of the system, so it is what debuggers and `/proc` show.
pub(crate) fn number() -> u32 {
    let number = NUMBER.get();
    if number != 0 {
        return number;
    }
    let number = rustix::thread::gettid().as_raw_nonzero().get() as u32;
    NUMBER.set(number);
    number
}

/// The calling thread. One that is being torn down, and has no object any more, is given another for the moment.
pub(crate) fn current() -> Arc<Thread> {
    let known = CURRENT.try_with(|current| {
        let current = current.get_or_init(|| Current::new(Arc::new(Thread::new())));
        current.thread.clone()
    });
    known.unwrap_or_else(|_| {
        let thread = Thread::new();
        thread.set_number(number());
        Arc::new(thread)
    })
}

/// The calling thread owns a mutex now.
pub(crate) fn own(mutex: Arc<Waitable>) {
    let _ = CURRENT.try_with(|current| {
        let current = current.get_or_init(|| Current::new(Arc::new(Thread::new())));
        current.owned.borrow_mut().push(mutex);
    });
}

/// The calling thread owns it no more.
pub(crate) fn disown(mutex: &Arc<Waitable>) {
    let _ = CURRENT.try_with(|current| {
        if let Some(current) = current.get() {
            (current.owned.borrow_mut()).retain(|owned| !Arc::ptr_eq(owned, mutex));
        }
    });
}

/// Runs the calls that are queued for the calling thread, also those that come meanwhile.
pub(crate) fn run_calls() {
    let thread = current();
    while let Some(call) = thread.next_call() {
        call.run();
    }
}

/// Ends the calling thread, which was told to end.
pub(crate) fn leave_terminated() -> ! {
    let code = current().code();
    start::leave(code)
}
