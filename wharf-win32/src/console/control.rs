//! Handlers for Ctrl-C and its like: what signals are here.
//!
//! | signal | event |
//! |---|---|
//! | SIGINT | 0, Ctrl-C |
//! | SIGQUIT | 1, Ctrl-Break |
//! | SIGTERM, SIGHUP | 2, the console closes |
//!
//! The signals are caught from the first call of `SetConsoleCtrlHandler` on. The signal's handler only counts, and wakes a thread;
//! that starts a thread for each event, which calls the program's handlers, the last that was added first, until one says that it
//! has handled it. If none does, the process ends by the signal, as it would have without handlers, and so it does after the event
//! 2 in any case: when the handlers are done, or after 5 seconds.

use std::{
    ffi::c_int,
    mem, ptr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use super::keys::restore_terminal;
use crate::{FALSE, TRUE, error, futex, last_error, process, threads};

type Handler = extern "C-unwind" fn(u32) -> i32;

const CTRL_C: u32 = 0;
const CTRL_BREAK: u32 = 1;
const CTRL_CLOSE: u32 = 2;

const SIGNALS: [(c_int, u32); 4] = [
    (libc::SIGINT, CTRL_C),
    (libc::SIGQUIT, CTRL_BREAK),
    (libc::SIGTERM, CTRL_CLOSE),
    (libc::SIGHUP, CTRL_CLOSE),
];

/// How long handlers may take when the console closes.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// What the process ends with, if a signal does not end it: the lower part of Windows' 0xc000013a.
const EXIT_CODE: c_int = 0x3a;

#[derive(Debug)]
struct Handlers {
    /// The last is called first.
    added: Vec<Handler>,
    ignores_ctrl_c: bool,
    /// The signals are caught.
    listens: bool,
}

static HANDLERS: Mutex<Handlers> = Mutex::new(Handlers {
    added: Vec::new(),
    ignores_ctrl_c: false,
    listens: false,
});

/// How often each of [`SIGNALS`] has come and was not looked at.
static CAME: [AtomicU32; SIGNALS.len()] = [const { AtomicU32::new(0) }; SIGNALS.len()];
/// How often any has come. The thread sleeps on it.
static ALL: AtomicU32 = AtomicU32::new(0);

fn handlers() -> MutexGuard<'static, Handlers> {
    HANDLERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The signal's handler: makes no call but that of the futex, and touches no lock.
extern "C" fn note(signal: c_int) {
    if let Some(at) = SIGNALS.iter().position(|(number, _)| *number == signal) {
        CAME[at].fetch_add(1, Ordering::Relaxed);
        ALL.fetch_add(1, Ordering::Release);
        futex::wake(&ALL, 1);
    }
}

impl Handlers {
    /// Catches the signals, once. False if the system refuses the thread for it.
    fn listen(&mut self) -> bool {
        if self.listens {
            return true;
        }
        let thread = thread::Builder::new().name("wharf-w32-console".into());
        if thread.spawn(watch).is_err() {
            return false;
        }
        self.listens = true;
        for (signal, _) in SIGNALS {
            // A program that was started by nohup is to live on.
            if signal != libc::SIGHUP || !is_ignored(signal) {
                set_action(signal, note as extern "C" fn(c_int) as libc::sighandler_t);
            }
        }
        true
    }
}

fn is_ignored(signal: c_int) -> bool {
    // SAFETY: an action of zeros is one; what there is is written into it.
    unsafe {
        let mut now: libc::sigaction = mem::zeroed();
        libc::sigaction(signal, ptr::null(), &raw mut now) == 0 && now.sa_sigaction == libc::SIG_IGN
    }
}

fn set_action(signal: c_int, action: libc::sighandler_t) {
    // SAFETY: an action of zeros is one, with an empty mask; `note` does nothing that a signal's handler must not do.
    unsafe {
        let mut new: libc::sigaction = mem::zeroed();
        new.sa_sigaction = action;
        // Calls that wait go on.
        new.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal, &raw const new, ptr::null_mut());
    }
}

/// What the thread does that waits for signals, as long as the process lives.
fn watch() {
    loop {
        let seen = ALL.load(Ordering::Acquire);
        for (number, came) in (0..).zip(&CAME) {
            for _ in 0..came.swap(0, Ordering::Relaxed) {
                handle(number);
            }
        }
        futex::wait(&ALL, seen, None);
    }
}

/// One of [`SIGNALS`] has come.
fn handle(number: usize) {
    let (signal, event) = SIGNALS[number];
    {
        let handlers = handlers();
        if event == CTRL_C && handlers.ignores_ctrl_c {
            return;
        }
        if handlers.added.is_empty() {
            drop(handlers);
            end(signal);
        }
    }
    if event == CTRL_CLOSE {
        let deadline = thread::Builder::new().spawn(move || {
            thread::sleep(CLOSE_MAX);
            end(signal);
        });
        // Without it, the handlers just have more time.
        drop(deadline);
    }
    // Of its own, so that a handler that waits does not keep the next event from the others.
    if !threads::start_detached(call_handlers, ptr::without_provenance_mut(number)) {
        call_handlers(ptr::without_provenance_mut(number));
    }
}

extern "C-unwind" fn call_handlers(number: *mut ()) -> usize {
    let (signal, event) = SIGNALS[number.addr()];
    // Not under the lock: a handler may add and remove some.
    let mut left = handlers().added.len();
    let mut is_handled = false;
    while left > 0 && !is_handled {
        left -= 1;
        let Some(handler) = handlers().added.get(left).copied() else {
            continue;
        };
        is_handled = handler(event) != FALSE;
    }
    if !is_handled || event == CTRL_CLOSE {
        end(signal);
    }
    0
}

/// Ends the process by the signal.
fn end(signal: c_int) -> ! {
    process::flush_files();
    restore_terminal();
    set_action(signal, libc::SIG_DFL);
    // SAFETY: the set is initialised; the signals are those of the calling thread.
    unsafe {
        let mut only: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut only);
        libc::sigaddset(&raw mut only, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const only, ptr::null_mut());
        libc::raise(signal);
        libc::_exit(EXIT_CODE)
    }
}

/// Adds a handler for Ctrl-C and its like, or removes one (FALSE, with error 87, if it is not there). NULL and TRUE: the process
/// ignores Ctrl-C; NULL and FALSE: it does no more.
#[unsafe(no_mangle)]
pub extern "C" fn SetConsoleCtrlHandler(handler: Option<Handler>, add: i32) -> i32 {
    let mut handlers = handlers();
    let add = add != FALSE;
    match handler {
        Some(handler) if !add => {
            let at = handlers
                .added
                .iter()
                .rposition(|other| ptr::fn_addr_eq(*other, handler));
            let Some(at) = at else {
                return last_error::fail(error::INVALID_PARAMETER);
            };
            handlers.added.remove(at);
        }
        _ if !handlers.listen() => return last_error::fail(error::NOT_ENOUGH_MEMORY),
        Some(handler) => handlers.added.push(handler),
        None => handlers.ignores_ctrl_c = add,
    }
    TRUE
}

/// Sends Ctrl-C (0) or Ctrl-Break (1) to the process itself: the group is 0, or its own number. To others, none is sent: those that
/// share a terminal are not those that share a console.
#[unsafe(no_mangle)]
pub extern "C" fn GenerateConsoleCtrlEvent(event: u32, group: u32) -> i32 {
    let signal = match event {
        CTRL_C => libc::SIGINT,
        CTRL_BREAK => libc::SIGQUIT,
        _ => return last_error::fail(error::INVALID_PARAMETER),
    };
    if group != 0 && group != std::process::id() {
        return last_error::fail(error::INVALID_PARAMETER);
    }
    // SAFETY: the process itself gets one of the signals above.
    unsafe { libc::kill(libc::getpid(), signal) };
    TRUE
}
