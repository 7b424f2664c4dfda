//! From a ready side to a completed operation: one attempt, its outcome, and what follows.
//!
//! An attempt has three acts. [`Port::begin`] takes the head of the line, under the handle's lock, and marks the
//! side as busy; the driver makes the call, under no lock; [`Port::finish`] judges the outcome, under the lock
//! again. While a side is busy its descriptor stays open, and the memory of its head is the transferring thread's alone.
//! The operation itself is looked at under the lock only: others may mark it as cancelled, or line up behind it.

use std::{io, ptr::NonNull};

#[cfg(shuttle)]
use crate::planted;

use super::{entry::Entry, port::Port, side::Ready};
use crate::{
    driver::{Call, Outcome, Transfer, codes, number_of},
    raw::{
        Accepted, Buffers, Completed, Direction, Handle, Kind, Overlapped, Provider, Queued,
        RawBuffer, Request, Status,
    },
    scheduler::Visit,
    sync::MutexGuard,
};

/// An attempt between [`Port::begin`] and [`Port::finish`].
#[derive(Debug)]
pub(in crate::raw) struct Pending {
    ready: Ready,
    operation: NonNull<Overlapped>,
    /// The edges seen when it began.
    tick: u32,
    /// None if there was no memory to receive into.
    call: Option<Call>,
    provider: Option<&'static Provider>,
    waits: Option<unsafe fn(NonNull<Overlapped>) -> Option<RawBuffer>>,
}

/// The attempts of one batch. Reused, so that a batch allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    pending: Vec<Pending>,
    transfers: Vec<Transfer>,
}

/// Where the results of attempts go: into the visit of a waiting thread, or straight to the scheduler.
pub(super) trait Results {
    /// An operation ended and is to be reported.
    fn packet(&mut self, packet: Queued);
    /// A side is worth another attempt.
    fn ready(&mut self, ready: Ready);
    /// An operation succeeded, and is to be handed out to its [function](Overlapped::quiet): code of the user's may run then,
    /// which may close the port. So it is, once this thread has nothing in its hands that whoever closes the port waits for.
    fn quiet(&mut self, quiet: Quiet);
}

/// An operation that succeeded, out of its line, and the function that it is handed out to.
#[derive(Debug)]
pub(super) struct Quiet {
    operation: NonNull<Overlapped>,
    function: unsafe fn(NonNull<Overlapped>),
}

// SAFETY: as for `Completed`.
unsafe impl Send for Quiet {}

impl Quiet {
    pub(super) fn hand_out(self) {
        // SAFETY: the operation is out of its line and has ended; this is what it agreed to.
        unsafe { (self.function)(self.operation) };
    }
}

/// Results of a waiting thread's transfers: they go with its next visit, and what is quiet is handed out after that.
pub(super) struct Waiting<'a> {
    pub visit: &'a mut Visit<Queued, Ready>,
    pub quiet: &'a mut Vec<Quiet>,
}

impl Results for Waiting<'_> {
    fn packet(&mut self, packet: Queued) {
        self.visit.completed.push(packet);
    }

    fn ready(&mut self, ready: Ready) {
        self.visit.ready.push(ready);
    }

    fn quiet(&mut self, quiet: Quiet) {
        self.quiet.push(quiet);
    }
}

impl Results for &Port {
    fn packet(&mut self, packet: Queued) {
        self.complete(packet);
    }

    fn ready(&mut self, ready: Ready) {
        let release = match ready.direction {
            Direction::Read => self.scheduler.ready(ready),
            // A send that was started meanwhile, by another thread in its handler: the watcher sees to it if nobody else
            // comes by.
            Direction::Write => self.scheduler.stage(ready),
        };
        self.release(release);
    }

    fn quiet(&mut self, quiet: Quiet) {
        self.dismiss(1);
        quiet.hand_out();
    }
}

/// An operation that is out of its line, on its way to the queue.
enum End {
    Report(NonNull<Overlapped>),
    /// It succeeded and was asked to be quiet about it.
    Quietly(Quiet),
}

impl Port {
    /// Hands out what succeeded quietly. This thread has nothing else in its hands.
    pub(super) fn hand_out(&self, quiet: &mut Vec<Quiet>) {
        self.dismiss(quiet.len());
        quiet.drain(..).for_each(Quiet::hand_out);
    }

    /// Makes one attempt for each side of the batch, which is empty afterwards.
    pub(super) fn work(
        &self,
        batch: &mut Vec<Ready>,
        attempts: &mut Attempts,
        results: &mut impl Results,
    ) {
        for ready in batch.drain(..) {
            if let Some((pending, transfer)) = self.begin(ready) {
                if matches!(transfer.outcome, Outcome::Untried) {
                    attempts.pending.push(pending);
                    attempts.transfers.push(transfer);
                } else {
                    self.finish(pending, transfer.outcome, results);
                }
            }
        }
        // SAFETY: the sides are busy, so their descriptors stay open, and the memory is that of operations, which
        // their starters left to us.
        unsafe { self.driver.transfer(&mut attempts.transfers) };
        for (pending, transfer) in attempts.pending.drain(..).zip(attempts.transfers.drain(..)) {
            self.finish(pending, transfer.outcome, results);
        }
    }

    /// Takes a ready side off the queue: what is to be transferred, if anything still is.
    pub(super) fn begin(&self, ready: Ready) -> Option<(Pending, Transfer)> {
        let mut entry = self.table.lock(ready.handle)?;
        let side = &mut entry.sides[ready.direction as usize];
        side.queued = false;
        if side.busy {
            return None;
        }
        Self::begin_locked(entry, ready)
    }

    /// Begins with the head of a side that is not busy.
    pub(super) fn begin_locked(
        mut entry: MutexGuard<'_, Entry>,
        ready: Ready,
    ) -> Option<(Pending, Transfer)> {
        let descriptor = entry.descriptor.as_ref()?.number();
        let side = &mut entry.sides[ready.direction as usize];
        let operation = side.head()?;
        side.busy = true;
        let tick = side.tick;
        // SAFETY: the operation is valid by the promise of `Port::start`, and we have the handle's lock.
        let overlapped = unsafe { operation.as_ref() };
        let mut call = overlapped.call();
        let provider = overlapped.provider();
        let call_into = overlapped.call_into();
        let waits = match overlapped.request {
            Request::Send(Buffers::One(_)) => overlapped.waits,
            _ => None,
        };
        // Without memory, the end and a failure are still to be seen.
        let without_memory = match overlapped.receives_bytes() {
            true => Outcome::Untried,
            false => Outcome::NotReady,
        };
        drop(entry);
        if let Some(provider) = provider {
            // SAFETY: the operation is in transfer, by this thread.
            call = unsafe { (provider.provide)(operation) }.map(call_into);
        }
        let transfer = Transfer {
            descriptor,
            slot: ready.handle.slot(),
            call: call.unwrap_or(Call::Peek),
            outcome: call.map_or(without_memory, |_| Outcome::Untried),
        };
        let pending = Pending {
            ready,
            operation,
            tick,
            call,
            provider,
            waits,
        };
        Some((pending, transfer))
    }

    /// Judges an attempt: completes the operation, or leaves it at the head of its line. What comes of it goes to
    /// `results`, under no lock.
    pub(super) fn finish(&self, pending: Pending, outcome: Outcome, results: &mut impl Results) {
        let Pending {
            ready,
            mut operation,
            tick,
            call,
            provider,
            waits,
        } = pending;
        if matches!(
            outcome,
            Outcome::NotReady | Outcome::Failed(_) | Outcome::Moved(0)
        ) && call.is_some()
            && let Some(provider) = provider
        {
            // SAFETY: the operation is in transfer, by this thread.
            unsafe { (provider.withdraw)(operation) };
        }

        let moved_to = match (waits, call) {
            (Some(waits), Some(Call::Send(rest))) if outcome.leaves_some(rest.len) => {
                // SAFETY: the operation is in transfer, by this thread.
                unsafe { waits(operation) }
            }
            _ => None,
        };

        let mut entry = self.table.lock(ready.handle).expect("a busy handle stays");
        // SAFETY: valid; the side is busy, so the operation is ours, and we have the handle's lock.
        let receives_first = unsafe { operation.as_ref() }.receives_first();
        let outcome = match outcome {
            Outcome::Accepted(socket, peer) if receives_first => {
                return self.arrive(entry, ready, operation, (socket, peer), results);
            }
            outcome => outcome,
        };
        let ended = {
            // SAFETY: as above; the line, which holds the same address, is left alone meanwhile.
            let overlapped = unsafe { operation.as_mut() };
            if let (Some(bytes), Request::Send(buffers)) = (moved_to, &mut overlapped.request) {
                *buffers = Buffers::One(bytes);
            }
            let ended = entry.judge(overlapped, outcome, call, tick);
            let is_cancelled = !ended && overlapped.status == Status::Cancelling;
            if is_cancelled {
                overlapped.status = Status::Failed(codes::CANCELLED);
            }
            ended || is_cancelled
        };
        entry.sides[ready.direction as usize].busy = false;
        let end = ended.then(|| {
            entry.sides[ready.direction as usize].pop();
            entry.account(operation)
        });
        // SAFETY: valid, and ours or in the line, under the handle's lock.
        let overlapped = unsafe { operation.as_ref() };
        let is_done = overlapped.status == Status::Done;
        let failed = if ended && entry.fails_with(overlapped) {
            entry.fail_line(ready.direction)
        } else {
            Vec::new()
        };
        let in_doubt = ready.direction == Direction::Read && !ended && entry.end_in_doubt;
        let again = !in_doubt && entry.sides[ready.direction as usize].enqueue();
        let ends_doubt = ready.direction == Direction::Write
            && std::mem::take(&mut entry.end_in_doubt)
            && entry.sides[Direction::Read as usize].enqueue();
        if ended && entry.listener().is_some() {
            if is_done {
                self.depart(entry, ready.handle, operation);
            } else {
                entry.closing = true;
                self.let_go(entry, ready.handle);
            }
        } else {
            self.let_go(entry, ready.handle);
        }
        let mut quietly = None;
        match end {
            None => {}
            Some(End::Report(operation)) => {
                results.packet(Queued::Operation(Completed(operation)));
                #[cfg(shuttle)]
                if planted::strikes(planted::Bug::DoubleCompletion) {
                    results.packet(Queued::Operation(Completed(operation)));
                }
            }
            Some(End::Quietly(quiet)) => quietly = Some(quiet),
        }
        failed.into_iter().for_each(|packet| results.packet(packet));
        if again {
            results.ready(ready);
        }
        if ends_doubt {
            results.ready(Ready {
                handle: ready.handle,
                direction: Direction::Read,
            });
        }
        // Last: code of the user's runs.
        if let Some(quiet) = quietly {
            results.quiet(quiet);
        }
    }

    /// Makes one attempt on the calling thread, outside of any wait.
    pub(super) fn transfer_here(
        &self,
        pending: Pending,
        mut transfer: Transfer,
        results: &mut impl Results,
    ) {
        if matches!(transfer.outcome, Outcome::Untried) {
            // SAFETY: the side is busy, so the descriptor stays open; the memory is the operation's, which its
            // starter left to us.
            unsafe { self.driver.transfer(std::slice::from_mut(&mut transfer)) };
        }
        if matches!(
            (transfer.call, &transfer.outcome),
            (
                Call::Connect(_) | Call::ConnectLocal(_),
                Outcome::NotReady | Outcome::Moved(_)
            )
        ) {
            self.watch_connecting(&pending, &mut transfer);
        }
        self.finish(pending, transfer.outcome, results);
    }

    /// A socket is watched once its connection is under way: watched earlier, epoll would report it as hung up.
    fn watch_connecting(&self, pending: &Pending, transfer: &mut Transfer) {
        let token = pending.ready.handle.to_bits();
        // SAFETY: the side is busy, so the descriptor stays open.
        if let Err(error) = unsafe { self.driver.watch(transfer.descriptor, token) } {
            // It is watched already where an earlier attempt on the same socket failed.
            if error.kind() != io::ErrorKind::AlreadyExists {
                let number = number_of(&error).unwrap_or(codes::WRITE_FAULT);
                transfer.outcome = Outcome::Failed(number);
            }
        }
    }

    /// Lets go of a handle that was used; frees its place if it is closing and nobody else uses it.
    pub(super) fn let_go(&self, entry: MutexGuard<'_, Entry>, handle: Handle) {
        if !entry.closing || entry.is_busy() {
            return;
        }
        let listener = entry.listener();
        let descriptor = self.table.remove(entry);
        self.driver.forget(handle.slot());
        drop(descriptor);
        self.table.release(handle);
        self.strike_off(listener, handle);
    }
}

impl Outcome {
    /// Whether a call that offered so many bytes leaves some to be sent later.
    fn leaves_some(&self, offered: usize) -> bool {
        match self {
            Outcome::NotReady => true,
            Outcome::Moved(moved) => *moved < offered,
            _ => false,
        }
    }
}

impl Entry {
    /// Whether the operation's failure is the failure of its whole direction.
    fn fails_with(&self, operation: &Overlapped) -> bool {
        let Status::Failed(number) = operation.status else {
            return false;
        };
        let moves_stream = match operation.request {
            Request::Send(_)
            | Request::ConnectSend(_)
            | Request::Transmit(_)
            | Request::Receive(_)
            | Request::ReceiveProvided(_)
            | Request::ReceiveNothing => self.kind == Kind::Stream,
            _ => false,
        };
        moves_stream && codes::breaks_a_stream(number)
    }

    /// Applies an outcome to the operation and to what is known of the handle. Says whether the operation ended.
    fn judge(
        &mut self,
        operation: &mut Overlapped,
        outcome: Outcome,
        call: Option<Call>,
        tick: u32,
    ) -> bool {
        let side = &mut self.sides[operation.direction() as usize];
        match outcome {
            Outcome::Untried => unreachable!("a driver tries every transfer"),
            Outcome::NotReady => {
                match call {
                    Some(_) => side.exhausted(tick),
                    // There was no memory to try with.
                    None => side.starve(tick),
                }
                false
            }
            Outcome::Failed(number) => {
                self.fail(operation, number);
                true
            }
            Outcome::Accepted(socket, peer) => {
                operation.put_accepted(Accepted { socket, peer });
                operation.status = Status::Done;
                true
            }
            Outcome::Datagram { len, peer, is_cut } => {
                if let Request::ReceiveFrom(datagram) = &mut operation.request {
                    datagram.peer = peer;
                }
                self.received += len as u64;
                operation.transferred = len;
                operation.status = match is_cut {
                    true => Status::Failed(codes::CUT),
                    false => Status::Done,
                };
                true
            }
            Outcome::Moved(_) if operation.connects() => {
                self.kind = Kind::Stream;
                operation.connected();
                // SAFETY: the list of buffers is in place, by the promise of `Port::start`.
                let sends = unsafe { operation.unsent() } > 0;
                if !sends {
                    operation.status = Status::Done;
                }
                !sends
            }
            Outcome::Moved(count) => {
                // SAFETY: as above.
                let offered = call.map_or(0, |call| unsafe { call.offered() });
                if operation.direction() == Direction::Write {
                    return self.sent(operation, count, offered, call, tick);
                }
                if operation.receives_bytes() {
                    if count == 0 && self.broken != 0 {
                        // The error itself was reported to a sender; this is no orderly end.
                        self.fail(operation, self.broken);
                        return true;
                    }
                    if count == 0 && self.sides[Direction::Write as usize].busy {
                        // It may be about to be: whoever sends has not come back from the system.
                        self.end_in_doubt = true;
                        return false;
                    }
                    // A short read of TCP means that nothing is left, unless the end or urgent data stands behind it.
                    if 0 < count && count < offered && self.is_tcp && !self.read_on {
                        self.sides[Direction::Read as usize].exhausted(tick);
                    }
                    self.received += count as u64;
                    operation.transferred = count;
                }
                operation.status = Status::Done;
                true
            }
        }
    }

    /// Applies what was sent. Says whether the operation ended.
    fn sent(
        &mut self,
        operation: &mut Overlapped,
        count: usize,
        offered: usize,
        call: Option<Call>,
        tick: u32,
    ) -> bool {
        if count < offered && self.is_tcp {
            self.sides[Direction::Write as usize].exhausted(tick);
        }
        self.unsent.bytes -= count;
        self.sent += count as u64;
        operation.transferred += count;
        if count == 0 && matches!(call, Some(Call::SendFile { .. })) {
            // The file has ended before the operation, which says how much there is to come.
            self.fail(operation, codes::FILE_ENDED);
            return true;
        }
        // SAFETY: the list of buffers is in place, by the promise of `Port::start`.
        if unsafe { operation.unsent() } > 0 {
            return false;
        }
        operation.status = Status::Done;
        true
    }

    fn fail(&mut self, operation: &mut Overlapped, number: i32) {
        operation.status = Status::Failed(number);
        if !self.fails_with(operation) {
            return;
        }
        self.broken = number;
        let direction = operation.direction();
        self.sides[direction as usize].failure = number;
        if direction == Direction::Read {
            // What was reset can't be written to either. The other way about there may still be data to read.
            self.sides[Direction::Write as usize].failure = number;
        }
    }

    /// Completes, with the failure of their direction, all operations that stand in its line.
    fn fail_line(&mut self, direction: Direction) -> Vec<Queued> {
        let number = self.sides[direction as usize].failure;
        let mut completed = Vec::new();
        while let Some(mut operation) = self.sides[direction as usize].pop() {
            // SAFETY: it was in the line, so it is valid; out of it, it is ours.
            unsafe { operation.as_mut() }.status = Status::Failed(number);
            self.account(operation);
            completed.push(Queued::Operation(Completed(operation)));
        }
        completed
    }

    /// Settles what an ended operation leaves behind, and says how its end is to be told.
    fn account(&mut self, operation: NonNull<Overlapped>) -> End {
        // SAFETY: the operation is valid, and out of its line: ours.
        let overlapped = unsafe { operation.as_ref() };
        // SAFETY: the list of buffers is in place, by the promise of `Port::start`.
        let unsent = unsafe { overlapped.unsent() };
        self.unsent.end(overlapped, unsent);
        match overlapped.quiet {
            Some(function) if overlapped.status == Status::Done => End::Quietly(Quiet {
                operation,
                function,
            }),
            _ => End::Report(operation),
        }
    }

    /// Completes an operation that was taken out of its line, as cancelled.
    pub(super) fn cancelled(&mut self, mut operation: NonNull<Overlapped>) -> Queued {
        // SAFETY: it was in the line, so it is valid; out of it, it is ours.
        let overlapped = unsafe { operation.as_mut() };
        overlapped.status = Status::Failed(codes::CANCELLED);
        if matches!(overlapped.request, Request::Shutdown) && self.broken == 0 {
            // It was refused to sends from when it was started.
            self.sides[Direction::Write as usize].failure = 0;
        }
        self.account(operation);
        Queued::Operation(Completed(operation))
    }
}
