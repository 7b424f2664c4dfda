//! The line of the files' operations, and the threads that carry them out.
//!
//! Operations on files wait in one line for the whole port, and are begun in the order in which they were started; several
//! are carried out at once, also on the same file. The threads are started when there is work for them, and end when there
//! has been none for a while. They are no workers: they run no handlers, and do not count against the concurrency. The port
//! passes in what is done with an operation.

use std::{collections::VecDeque, io, ptr::NonNull, sync::Arc, time::Duration};

use crate::{
    driver::block_file_size_signal,
    raw::{Handle, Overlapped, closed, deadline_after},
    sync::{
        Condvar, Mutex, now,
        thread::{self, JoinHandle},
    },
};

/// The most operations that are carried out at once: enough to keep a disk busy, few enough to be no burden.
const THREADS_MAX: usize = 8;

/// A thread that had nothing to do for so long ends.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// An operation on its way to a file.
#[derive(Debug)]
pub(super) struct Job {
    pub operation: NonNull<Overlapped>,
    pub handle: Handle,
    pub descriptor: i32,
}

// SAFETY: the caller gave the operation to the port, for use on any thread, until its packet is handed out.
unsafe impl Send for Job {}

/// The files' operations of a port, and the threads that carry them out.
#[derive(Debug, Default)]
pub(super) struct Files(Arc<SharedFiles>);

#[derive(Debug, Default)]
struct SharedFiles {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    line: VecDeque<Job>,
    /// Threads that wait for work.
    idle: usize,
    threads: Vec<JoinHandle<()>>,
    running: usize,
    closed: bool,
}

/// The function that a thread calls with each job. Returns whether the thread is to go on.
pub(super) type CarryOut = Box<dyn FnMut(Job) -> bool + Send>;

impl Files {
    /// Puts an operation at the end of the line. If a further thread is started for it, `worker` makes the function that the
    /// thread calls with each job; the thread ends when that function says so. If no further thread could be started, returns
    /// the error: the threads that are there will carry the operation out.
    ///
    /// # Errors
    /// The port is closed; or there is no thread at all, with the system's error.
    pub(super) fn push(
        &self,
        job: Job,
        worker: impl FnOnce() -> CarryOut,
    ) -> io::Result<Option<io::Error>> {
        let mut refused = None;
        let mut state = self.0.state.lock();
        if state.closed {
            return Err(closed());
        }
        let is_crowded = state.line.len() >= state.idle;
        if is_crowded && state.running < THREADS_MAX {
            match start_thread(&self.0, worker()) {
                Ok(thread) => {
                    state.threads.retain(|thread| !thread.is_finished());
                    state.threads.push(thread);
                    state.running += 1;
                }
                Err(error) if state.running > 0 => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        state.line.push_back(job);
        drop(state);
        self.0.changed.notify_one();
        Ok(refused)
    }

    /// Takes the operations of a file that `which` accepts, and that no thread has begun, out of the line.
    pub(super) fn cancel(
        &self,
        handle: Handle,
        which: impl Fn(&Overlapped) -> bool,
    ) -> Vec<NonNull<Overlapped>> {
        let mut state = self.0.state.lock();
        // SAFETY: the operations in the line are valid, and not used by other code.
        let is_meant =
            |job: &mut Job| job.handle == handle && which(unsafe { job.operation.as_ref() });
        if !state.line.iter_mut().any(is_meant) {
            return Vec::new();
        }
        let (out, line): (VecDeque<Job>, _) = std::mem::take(&mut state.line)
            .into_iter()
            .partition(|job| {
                // SAFETY: as above.
                job.handle == handle && which(unsafe { job.operation.as_ref() })
            });
        state.line = line;
        out.into_iter().map(|job| job.operation).collect()
    }

    /// Ends the threads: the port is closed, and nothing is in the line or in work, or it is gone.
    pub(super) fn end(&self) {
        let threads = {
            let mut state = self.0.state.lock();
            state.closed = true;
            std::mem::take(&mut state.threads)
        };
        self.0.changed.notify_all();
        // The thread that holds a port last drops it; that may be one of these threads.
        let own = thread::current().id();
        let others = threads.into_iter().filter(|it| it.thread().id() != own);
        // These threads run no code that panics.
        others.for_each(|thread| drop(thread.join()));
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.end();
    }
}

fn start_thread(shared: &Arc<SharedFiles>, mut carry_out: CarryOut) -> io::Result<JoinHandle<()>> {
    let shared = shared.clone();
    let work = move || {
        block_file_size_signal();
        while let Some(job) = shared.next() {
            if !carry_out(job) {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("wharf-files".into())
        .spawn(work)
}

impl SharedFiles {
    /// Waits for the next operation; none if none comes for long, or the port is closed.
    fn next(&self) -> Option<Job> {
        let deadline = deadline_after(IDLE_MAX);
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.line.pop_front() {
                return Some(job);
            }
            let remaining = deadline.saturating_duration_since(now());
            if state.closed || remaining.is_zero() {
                state.running -= 1;
                return None;
            }
            state.idle += 1;
            state = self.changed.wait(state, Some(remaining));
            state.idle -= 1;
        }
    }
}
