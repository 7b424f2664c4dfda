//! Whether a thread of this process sleeps, as the kernel knows it, and the time.
//!
//! A thread's state is in `/proc/self/task/<tid>/stat` (proc_pid_stat(5)), read here through a descriptor that the thread
//! opens when it first waits on a port and that is kept open until it ends, so that it can be read when no descriptors are
//! left; whether it has run since the last look shows more cheaply in its processor clock (pthread_getcpuclockid(3)).
//! Neither needs a privilege.

use std::{
    io,
    mem::{self, MaybeUninit},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering},
    },
};

use rustix::{
    event::{EventfdFlags, eventfd},
    fd::OwnedFd,
    fs::{Mode, OFlags, open},
    io::{Errno, fcntl_dupfd_cloexec, pread},
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

use crate::{driver::Advised, user_code::log};

/// The system's number of the calling thread.
fn current_thread() -> u32 {
    rustix::thread::gettid().as_raw_pid().unsigned_abs()
}

/// The time since some moment, in nanoseconds, as coarse as the system's timer tick, which makes it cheap to ask for.
#[inline]
pub(crate) fn coarse_now_ns() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Whether the states of this process's threads can be read here, which is how a port finds out that a worker is blocked
/// in its handler. Where they can't be, only [`blocking`](crate::blocking) tells it.
///
/// # Errors
/// The system's own error inside, with the remedy as its text: `/proc` is not mounted or not to be read, or there is no
/// descriptor left to read it by.
pub fn thread_states_available() -> io::Result<()> {
    let opened = open_state(current_thread());
    opened.map(drop).map_err(|error| unreadable(error).into())
}

fn open_state(thread: u32) -> Result<OwnedFd, Errno> {
    let path = format!("/proc/self/task/{thread}/stat");
    open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// Why the state of a thread can't be read, with the remedy.
fn unreadable(error: Errno) -> Advised {
    let remedy = match error {
        Errno::NOENT => "mount /proc",
        Errno::ACCESS | Errno::PERM => "let this process read /proc/self/task",
        Errno::MFILE => "raise the limit of open files (ulimit -n)",
        Errno::NFILE => "raise the system's limit of open files (sysctl fs.file-max)",
        Errno::NOMEM => "give it more memory",
        _ => "say in handlers where they block (wharf::blocking)",
    };
    Advised {
        what: "the states of threads can't be read",
        error: error.into(),
        remedy,
    }
}

/// The error that [`tell`] logged last, until a state could be opened.
static TOLD: AtomicI32 = AtomicI32::new(0);

/// Logs once why a state can't be read.
fn tell(error: Errno) {
    let number = error.raw_os_error();
    if TOLD.swap(number, Ordering::Relaxed) != number {
        log(|| {
            tracing::warn!(
                "{}; until then a worker that blocks may be noticed only where it says so (wharf::blocking)",
                unreadable(error)
            );
        });
    }
}

/// Reads the state of one thread of this process.
#[derive(Debug)]
pub(crate) struct Probe {
    thread: u32,
    state: Mutex<State>,
    /// Its processor time when it was last read.
    ran_ns: AtomicU64,
}

#[derive(Debug)]
enum State {
    /// It could not be opened yet. The next read tries again.
    Unopened,
    Open(OwnedFd),
    /// The thread is about to end.
    Ended,
}

impl Probe {
    /// A probe of the calling thread.
    pub(crate) fn of_this_thread() -> Probe {
        let thread = current_thread();
        Probe::new(thread, open_state(thread))
    }

    /// As [`of_this_thread`](Self::of_this_thread), with a descriptor of `reserve`'s if none is left. `replaces`: the
    /// reserve was made for this thread.
    pub(crate) fn of_this_worker(reserve: &Reserve, replaces: bool) -> Probe {
        /// Another thread may at once take a descriptor that is given up here, for an accept, say. It will not be so often.
        const TRIES: usize = 4;
        let thread = current_thread();
        let mut opened = open_state(thread);
        if opened.is_ok() && replaces {
            reserve.give_one_up();
        }
        for _ in 0..TRIES {
            if !matches!(opened, Err(Errno::MFILE)) || !reserve.give_one_up() {
                break;
            }
            opened = open_state(thread);
        }
        // Other threads may have taken some of the descriptors that were given up; the rest is kept again.
        reserve.refill(|kept| kept.lent += usize::from(replaces));
        Probe::new(thread, opened)
    }

    /// A probe that is never read.
    #[cfg(test)]
    pub(crate) fn of_nobody() -> Probe {
        Probe {
            thread: 0,
            state: Mutex::new(State::Ended),
            ran_ns: AtomicU64::new(0),
        }
    }

    fn new(thread: u32, opened: Result<OwnedFd, Errno>) -> Probe {
        // If it can't be opened, that is logged at the first read: until then it is not needed.
        Probe {
            thread,
            state: Mutex::new(opened.map_or(State::Unopened, State::opened)),
            ran_ns: AtomicU64::new(0),
        }
    }

    /// Whether it is the calling thread's: not where that is a copy of it, in a process that was forked.
    pub(crate) fn is_of_this_thread(&self) -> bool {
        self.thread == current_thread()
    }

    /// The thread is about to end: its state is not to be read any more. Returns the descriptor.
    pub(crate) fn end(&self) -> Option<OwnedFd> {
        match mem::replace(&mut *lock(&self.state), State::Ended) {
            State::Open(descriptor) => Some(descriptor),
            State::Unopened | State::Ended => None,
        }
    }

    /// Whether it has run since the last time that this was asked.
    pub(crate) fn has_run(&self) -> bool {
        let ran_ns = self.processor_time_ns();
        self.ran_ns.swap(ran_ns, Ordering::Relaxed) != ran_ns
    }

    /// Whether it sleeps, or waits for the disk. Not for a processor: then it would run if it could. Nor if it is gone. None
    /// if its state can't be read; why, is logged.
    pub(crate) fn is_asleep(&self) -> Option<bool> {
        match self.state() {
            Ok(state) => Some(matches!(state, b'S' | b'D')),
            Err(Errno::SRCH) => Some(false),
            Err(error) => {
                tell(error);
                None
            }
        }
    }

    fn state(&self) -> Result<u8, Errno> {
        // The name of a thread has at most 15 bytes, its number at most 10.
        let mut text = [0; 64];
        let len = {
            let mut state = lock(&self.state);
            if let State::Unopened = *state {
                *state = State::opened(open_state(self.thread)?);
            }
            match &*state {
                State::Open(descriptor) => pread(descriptor, &mut text, 0)?,
                State::Unopened | State::Ended => return Err(Errno::SRCH),
            }
        };
        state_of(&text[..len]).ok_or(Errno::INVAL)
    }

    fn processor_time_ns(&self) -> u64 {
        // The C library computes a thread's clock like this (clock_gettime(2), "CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED").
        const THREAD_PROCESSOR_TIME: i32 = 0b110;
        let clock = (!self.thread as i32) << 3 | THREAD_PROCESSOR_TIME;
        let mut time = MaybeUninit::<libc::timespec>::zeroed();
        // SAFETY: the call writes a `timespec` at that address, or nothing; zero is a valid one.
        let time = unsafe {
            libc::clock_gettime(clock, time.as_mut_ptr());
            time.assume_init()
        };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

impl State {
    fn opened(descriptor: OwnedFd) -> State {
        // If it fails again, that is news.
        TOLD.store(0, Ordering::Relaxed);
        State::Open(descriptor)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Descriptors that are kept open for threads that are yet to be started: for each such thread one is closed when it opens its
/// state. So the port can tell that these threads are blocked even when the process has no descriptors left.
#[derive(Debug, Default)]
pub(crate) struct Reserve(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    descriptors: Vec<OwnedFd>,
    /// The most that there may be.
    max: usize,
    /// Running threads for which the reserve was made: each has a descriptor of its own.
    lent: usize,
}

/// All reserves together keep at most so large a part of the files that this process may open: the rest is for the program's
/// own work.
const KEPT_PART: usize = 4;

/// How many descriptors were granted to all reserves together.
static GRANTED: AtomicUsize = AtomicUsize::new(0);

impl Reserve {
    /// Keeps as many aside: fewer, if that would be too large a [part](KEPT_PART), or there are fewer.
    pub(crate) fn of(threads: usize) -> Reserve {
        let open_max = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let kept_max = usize::try_from(open_max).unwrap_or(usize::MAX) / KEPT_PART;
        let grant = |granted: usize| threads.min(kept_max.saturating_sub(granted));
        let granted = GRANTED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |granted| {
            Some(granted + grant(granted))
        });
        let mut kept = Kept {
            descriptors: Vec::new(),
            max: grant(granted.unwrap_or_else(|granted| granted)),
            lent: 0,
        };
        kept.refill();
        Reserve(Mutex::new(kept))
    }

    /// Keeps as many as are due after this change, if there are as many to be had.
    fn refill(&self, change: impl FnOnce(&mut Kept)) {
        let mut kept = lock(&self.0);
        change(&mut kept);
        kept.refill();
    }

    /// How many it keeps, without those that were given up for running threads.
    pub(crate) fn max(&self) -> usize {
        lock(&self.0).max
    }

    /// Closes one. Returns whether there was any.
    fn give_one_up(&self) -> bool {
        let descriptor = lock(&self.0).descriptors.pop();
        descriptor.is_some()
    }

    /// A thread for which it was made is about to end: keeps the thread's descriptor, if it has one, for the next.
    pub(crate) fn take_back(&self, descriptor: Option<OwnedFd>) {
        self.refill(|kept| {
            kept.lent = kept.lent.saturating_sub(1);
            if kept.descriptors.len() < kept.due() {
                kept.descriptors.extend(descriptor);
            }
        });
    }

    /// Closes all, for good.
    pub(crate) fn clear(&self) {
        let kept = mem::take(&mut *lock(&self.0));
        GRANTED.fetch_sub(kept.max, Ordering::Relaxed);
    }
}

impl Kept {
    fn due(&self) -> usize {
        self.max.saturating_sub(self.lent)
    }

    fn refill(&mut self) {
        while self.descriptors.len() < self.due() {
            // One file for all; which, does not matter.
            let another = match self.descriptors.first() {
                Some(first) => fcntl_dupfd_cloexec(first, 0),
                None => eventfd(0, EventfdFlags::CLOEXEC),
            };
            let Ok(another) = another else { return };
            self.descriptors.push(another);
        }
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The state in a line such as `71 (a name) S 1 ...`. A name may hold anything, brackets too, and ends with the last.
fn state_of(line: &[u8]) -> Option<u8> {
    let end = line.iter().rposition(|byte| *byte == b')')?;
    line.get(end + 2).copied()
}

#[cfg(test)]
mod tests {
    use super::state_of;

    #[test]
    fn a_name_with_brackets_hides_no_state() {
        assert_eq!(state_of(b"71 (a) R (b) S 1 2"), Some(b'S'));
        assert_eq!(state_of(b"71 (wharf-0) D 1 2"), Some(b'D'));
        assert_eq!(state_of(b"71 (cut"), None);
    }
}
