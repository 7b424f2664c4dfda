//! What the kernel knows of the threads of this process: whether one sleeps, and the time.
//!
//! A thread's state is in `/proc/self/task/<tid>/stat` (proc_pid_stat(5)), read here through a descriptor that is kept
//! open; whether it has run since the last look shows more cheaply in its processor clock (pthread_getcpuclockid(3)).
//! Neither needs a privilege.

use std::{io, mem::MaybeUninit};

use rustix::{
    fd::OwnedFd,
    fs::{Mode, OFlags, open},
    io::{Errno, pread},
    time::{ClockId, clock_gettime},
};

/// How the system names the calling thread.
pub(crate) fn current_thread() -> u32 {
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
/// The system's: `/proc` is not mounted, or not to be read.
pub fn thread_states_available() -> io::Result<()> {
    Probe::of(current_thread()).open().map(drop)
}

/// Asks after one thread of this process.
#[derive(Debug)]
pub(crate) struct Probe {
    thread: u32,
    stat: Option<OwnedFd>,
    /// Its processor time when it was last asked after.
    ran_ns: u64,
}

impl Probe {
    pub(crate) fn of(thread: u32) -> Probe {
        Probe {
            thread,
            stat: None,
            ran_ns: 0,
        }
    }

    /// Whether it has run since the last time that this was asked.
    pub(crate) fn has_run(&mut self) -> bool {
        let ran_ns = self.processor_time_ns();
        std::mem::replace(&mut self.ran_ns, ran_ns) != ran_ns
    }

    /// Whether it sleeps, or waits for the disk. Not for a processor: then it would run if it could.
    ///
    /// # Errors
    /// The thread is gone, or its state can't be read.
    pub(crate) fn is_asleep(&mut self) -> io::Result<bool> {
        if self.stat.is_none() {
            self.stat = Some(self.open()?);
        }
        let stat = self.stat.as_ref().ok_or(Errno::BADF)?;
        // The name of a thread has at most 15 bytes, its number at most 10.
        let mut text = [0; 64];
        let len = pread(stat, &mut text, 0)?;
        let state = state_of(&text[..len]).ok_or(Errno::INVAL)?;
        Ok(matches!(state, b'S' | b'D'))
    }

    fn open(&self) -> io::Result<OwnedFd> {
        let path = format!("/proc/self/task/{}/stat", self.thread);
        Ok(open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    }

    fn processor_time_ns(&self) -> u64 {
        // As the C library makes it of a thread (clock_gettime(2), "CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED").
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
