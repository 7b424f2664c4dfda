//! Files: they have no readiness, so their operations are carried out by [threads](super::files) that may wait for the disk.

use std::{io, ptr::NonNull};

use super::{
    entry::Entry,
    files::Job,
    port::Port,
    results::{Ended, FollowUp},
};
use crate::{
    driver::{Call, Outcome, Transfer, codes},
    raw::{Handle, Overlapped, Request, Status, closed},
};

impl Port {
    /// Puts an operation on a file into the line; the file's entry is locked. Its descriptor stays open until the operation is
    /// carried out. If no further thread could be started, returns the error, to be logged under no lock: the threads that are
    /// there will carry the operation out.
    pub(super) fn enqueue_on_file(
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
        let refused = self.handles.files.push(job, || {
            let port = self.weak.clone();
            // The port is gone, and no thread waits for the result.
            let carry_out = move |job| port.upgrade().map(|port| port.work_on_file(job)).is_some();
            Box::new(carry_out)
        })?;
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
                Request::WriteAt(_) => entry.traffic.sent_bytes += moved,
                _ => entry.traffic.received_bytes += moved,
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
    /// Applies an outcome. Returns whether the operation ended.
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
