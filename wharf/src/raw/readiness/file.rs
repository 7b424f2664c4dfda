//! Files: they have no readiness, so their operations are carried out by threads that may wait for the disk.
//!
//! Operations on files stand in one line for the whole port, and are begun in the order in which they were started; several
//! are carried out at once, also on the same file. The threads are started when there is work for them, and end when there
//! has been none for a while. They are no workers: they deliver nothing, and count against no concurrency.

use std::{
    collections::VecDeque,
    io,
    ptr::NonNull,
    sync::{Arc, Weak},
    time::Duration,
};

use super::{
    entry::Entry,
    port::Port,
    results::{Ended, FollowUp},
};
use crate::{
    driver::{Call, Outcome, Transfer, block_file_size_signal, codes},
    raw::{Handle, Overlapped, Request, Status, closed, deadline_after},
    sync::{
        Condvar, Mutex, now,
        thread::{self, JoinHandle},
    },
};

/// As many operations are carried out at once: enough to keep a disk busy, few enough to be no burden.
const THREADS_MAX: usize = 8;

/// A thread ends that had nothing to do for so long.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// An operation on its way to a file.
#[derive(Debug)]
struct Job {
    operation: NonNull<Overlapped>,
    handle: Handle,
    descriptor: i32,
}

// SAFETY: the starter left the operation to the port, on whatever thread, until its packet is handed out.
unsafe impl Send for Job {}

/// The files' operations of a port, and the threads that carry them out.
#[derive(Debug, Default)]
pub(super) struct Files(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
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

impl Port {
    /// Lines up an operation on a file, whose entry is locked. Its descriptor stays open until it is carried out. Gives back
    /// why there is no further thread for it, for the log, once nothing is locked: those that are there will come to it.
    pub(super) fn line_up_on_file(
        &self,
        entry: &mut Entry,
        handle: Handle,
        operation: NonNull<Overlapped>,
    ) -> io::Result<Option<io::Error>> {
        let descriptor = entry.descriptor.as_ref().ok_or_else(closed)?.number();
        let job = Job {
            operation,
            handle,
            descriptor,
        };
        let refused = self.handles.files.push(job, &self.weak)?;
        entry.holds += 1;
        Ok(refused)
    }

    /// Carries out one operation.
    fn work_on_file(&self, job: Job) {
        let Job {
            mut operation,
            handle,
            descriptor,
        } = job;
        // SAFETY: the operation is valid by the promise of `Port::start`; out of the line, it is ours.
        let overlapped = unsafe { operation.as_mut() };
        loop {
            let call = overlapped.call().expect("files have no provider");
            let mut transfer = Transfer {
                descriptor,
                slot: handle.slot(),
                call,
                outcome: Outcome::Untried,
            };
            // SAFETY: a handle that is held keeps its descriptor open; the memory is the operation's.
            unsafe { self.handles.driver.transfer_file(&mut transfer) };
            if overlapped.judge_on_file(transfer.outcome) {
                break;
            }
        }
        if let Some(mut entry) = self.handles.table.lock(handle) {
            let moved = overlapped.transferred as u64;
            match overlapped.request {
                Request::WriteAt(_) => entry.sent += moved,
                _ => entry.received += moved,
            }
            entry.holds -= 1;
            self.handles.let_go(entry, handle);
        }
        // SAFETY: it has ended, and is in no line.
        let ended = unsafe { Ended::of(operation) };
        let mut follow_up = FollowUp::default();
        follow_up.end(ended);
        follow_up.tell(&mut self.outside());
    }
}

impl Overlapped {
    /// Applies an outcome. Says whether the operation ended.
    fn judge_on_file(&mut self, outcome: Outcome) -> bool {
        self.status = match outcome {
            Outcome::Moved(moved) => {
                self.transferred += moved;
                let ends = match self.call() {
                    Some(Call::ReadAt(rest, _)) => moved == 0 || rest.len == 0,
                    Some(Call::WriteAt(rest, _)) => rest.len == 0,
                    _ => true,
                };
                if !ends && moved == 0 {
                    // A write that takes nothing and gives no reason would go on for ever.
                    Status::Failed(codes::WRITE_FAULT)
                } else if ends {
                    Status::Done
                } else {
                    return false;
                }
            }
            Outcome::Failed(number) => Status::Failed(number),
            _ => Status::Failed(codes::WOULD_BLOCK),
        };
        true
    }
}

impl Files {
    fn push(&self, job: Job, port: &Weak<Port>) -> io::Result<Option<io::Error>> {
        let mut refused = None;
        let mut state = self.0.state.lock();
        if state.closed {
            return Err(closed());
        }
        let is_crowded = state.line.len() >= state.idle;
        if is_crowded && state.running < THREADS_MAX {
            match start_thread(&self.0, port) {
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
        // SAFETY: what stands in the line is valid, and nobody else's.
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
        // Whoever lets go of a port last drops it; that may be one of them.
        let own = thread::current().id();
        let others = threads.into_iter().filter(|it| it.thread().id() != own);
        // They were in no code that panics.
        others.for_each(|thread| drop(thread.join()));
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.end();
    }
}

fn start_thread(shared: &Arc<Shared>, port: &Weak<Port>) -> io::Result<JoinHandle<()>> {
    let (shared, port) = (shared.clone(), port.clone());
    let work = move || {
        block_file_size_signal();
        while let Some(job) = shared.next() {
            // Gone, it has nobody whom the result could be told.
            let Some(port) = port.upgrade() else { return };
            port.work_on_file(job);
        }
    };
    thread::Builder::new()
        .name("wharf-files".into())
        .spawn(work)
}

impl Shared {
    /// Waits for the next operation; none if there is none for long, or no more.
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
