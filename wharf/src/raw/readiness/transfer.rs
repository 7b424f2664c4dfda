//! From a ready side to a completed operation: one attempt, its outcome, and what follows.
//!
//! An attempt has three acts. [`Handles::begin`] takes the head of the line, under the handle's lock, and marks the
//! side as busy; the driver makes the call, under no lock; [`Handles::finish`] judges the [outcome](super::outcome), under the
//! lock again. While a side is busy its descriptor stays open, and the memory of its head is the transferring thread's alone.
//! The operation itself is looked at under the lock only: other threads may mark it as cancelled, or put one behind it.

use std::{io, ptr::NonNull};

use super::{
    handles::Handles,
    results::{Ended, FollowUp, Results},
    side::Ready,
};
use crate::{
    driver::{Call, Outcome, Transfer, codes, number_of},
    raw::{Buffers, LockedEntry, Overlapped, Provider, RawBuffer, Request, Status},
};

/// What is called with an operation that has to wait: see [`Overlapped::waits`].
type Waits = unsafe fn(NonNull<Overlapped>) -> Option<RawBuffer>;

/// An attempt between [`Handles::begin`] and [`Handles::finish`].
#[derive(Debug)]
pub(in crate::raw) struct Pending {
    pub(super) ready: Ready,
    pub(super) operation: NonNull<Overlapped>,
    /// The edges seen when it began.
    pub(super) tick: u32,
    /// There was memory to receive into, if it receives.
    pub(super) had_memory: bool,
    /// The call that moves all that the operation is for, if it is one of the two that an echo makes: a receive into one buffer,
    /// or the rest of a send from one.
    plain: Plain,
    provider: Option<&'static Provider>,
    waits: Option<Waits>,
}

/// Whether an attempt is of one of the kinds that most are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plain {
    Receive,
    Send,
    No,
}

/// The attempts of one batch. Reused, so that a batch allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    pending: Vec<Pending>,
    transfers: Vec<Transfer>,
}

impl Handles {
    /// Makes one attempt for each side of the batch, which is empty afterwards.
    pub(super) fn work(
        &self,
        batch: &mut Vec<Ready>,
        attempts: &mut Attempts,
        results: &mut impl Results,
    ) {
        if batch.len() == 1 || !self.gains_by_batches() {
            // What is made one by one needs no list.
            for ready in batch.drain(..) {
                if let Some((pending, mut transfer)) = self.begin(ready, results) {
                    self.transfer_one(&mut transfer);
                    self.finish(pending, transfer, results);
                }
            }
            return;
        }
        for ready in batch.drain(..) {
            if let Some((pending, transfer)) = self.begin(ready, results) {
                if matches!(transfer.outcome, Outcome::Untried) {
                    attempts.pending.push(pending);
                    attempts.transfers.push(transfer);
                } else {
                    self.finish(pending, transfer, results);
                }
            }
        }
        // SAFETY: the sides are busy, so their descriptors stay open, and the memory is that of operations, which
        // their starters left to us.
        unsafe { self.driver.transfer(&mut attempts.transfers) };
        for (pending, transfer) in attempts.pending.drain(..).zip(attempts.transfers.drain(..)) {
            self.finish(pending, transfer, results);
        }
    }

    /// Takes a ready side off the queue, and returns the transfer to make, if there still is one.
    fn begin(&self, ready: Ready, results: &mut impl Results) -> Option<(Pending, Transfer)> {
        let mut entry = self.table.lock(ready.handle)?;
        let side = entry.side(ready.direction);
        side.queued = false;
        if side.busy {
            return None;
        }
        #[cfg(feature = "safe")]
        if side.is_idle {
            self.make_idle(&mut entry, ready.handle);
        }
        let side = entry.side(ready.direction);
        if side.paused {
            if side.ask() {
                self.pass_on(entry, ready, results);
            }
            return None;
        }
        Self::begin_locked(entry, ready)
    }

    /// A receive that is paused was told that there is memory: it takes the memory, and gives it back for others.
    fn pass_on(&self, mut entry: LockedEntry<'_>, ready: Ready, results: &mut impl Results) {
        let side = entry.side(ready.direction);
        let Some(operation) = side.head() else {
            return;
        };
        // SAFETY: the operation is valid by the promise of `Port::start`, and we have the handle's lock.
        let Some(provider) = unsafe { operation.as_ref() }.provider() else {
            return;
        };
        side.busy = true;
        drop(entry);
        // SAFETY: the side is busy, so the operation is this thread's.
        unsafe {
            if (provider.provide)(operation).is_some() {
                (provider.withdraw)(operation);
            }
        }
        let entry = self.table.lock(ready.handle).expect("a busy handle stays");
        self.give_back(entry, ready, FollowUp::default(), results);
    }

    /// Begins with the head of a side that is not busy.
    pub(super) fn begin_locked(
        mut entry: LockedEntry<'_>,
        ready: Ready,
    ) -> Option<(Pending, Transfer)> {
        let descriptor = entry.descriptor.as_ref()?.number();
        let side = entry.side(ready.direction);
        let operation = side.head()?;
        side.busy = true;
        side.ask();
        let tick = side.tick;
        // SAFETY: the operation is valid by the promise of `Port::start`, and we have the handle's lock.
        let overlapped = unsafe { operation.as_ref() };
        let transfer = |call, outcome| Transfer {
            descriptor,
            slot: ready.handle.slot(),
            call,
            outcome,
        };
        // The two that an echo makes take no way through all the others.
        let call = match &overlapped.request {
            Request::ReceiveProvided(_) => None,
            Request::Send(Buffers::One(buffer)) => {
                Some(Call::Send(buffer.from(overlapped.transferred)))
            }
            _ => overlapped.call(),
        };
        let Some(call) = call else {
            let provider = overlapped
                .provider()
                .expect("what has no call has a provider");
            let is_datagram = matches!(overlapped.request, Request::ReceiveFrom(_));
            drop(entry);
            // SAFETY: the operation is in transfer, by this thread.
            let memory = unsafe { (provider.provide)(operation) };
            let pending = Pending {
                ready,
                operation,
                tick,
                had_memory: memory.is_some(),
                plain: Plain::Receive,
                provider: Some(provider),
                waits: None,
            };
            let (call, outcome) = match (memory, is_datagram) {
                (Some(memory), false) => (Call::Receive(memory), Outcome::Untried),
                (Some(memory), true) => (Call::ReceiveFrom(memory), Outcome::Untried),
                // Without memory, the end of a stream and its failure are still to be seen.
                (None, false) => (Call::Peek, Outcome::Untried),
                (None, true) => (Call::Peek, Outcome::NotReady),
            };
            return Some((pending, transfer(call, outcome)));
        };
        let (plain, waits, outcome) = plan(overlapped);
        let pending = Pending {
            ready,
            operation,
            tick,
            had_memory: true,
            plain,
            provider: None,
            waits,
        };
        Some((pending, transfer(call, outcome)))
    }

    /// Judges an attempt: completes the operation, or leaves it at the head of its line. The results go to
    /// `results`, under no lock.
    pub(super) fn finish(&self, pending: Pending, transfer: Transfer, results: &mut impl Results) {
        let Transfer { call, outcome, .. } = transfer;
        let is_finished = match (pending.plain, call, &outcome) {
            (Plain::Receive, Call::Receive(buffer), Outcome::Moved(count @ 1..)) => {
                self.finish_received(&pending, *count, buffer.len, results);
                true
            }
            (Plain::Send, Call::Send(rest), Outcome::Moved(count)) if *count == rest.len => {
                self.finish_sent(&pending, *count, results)
            }
            _ => false,
        };
        if is_finished {
            return;
        }
        pending.give_back(&outcome);
        let moved_to = pending.tell_it_waits(call, &outcome);
        let Pending {
            ready, operation, ..
        } = pending;
        let mut entry = self.table.lock(ready.handle).expect("a busy handle stays");
        // SAFETY: valid; the side is busy, so the operation is ours, and we have the handle's lock.
        let receives_first = unsafe { operation.as_ref() }.receives_first();
        let outcome = match outcome {
            Outcome::Accepted(socket, peer) if receives_first => {
                return self.arrive(entry, ready, operation, (socket, peer), results);
            }
            outcome => outcome,
        };
        let is_short = pending.is_short(call, &outcome);
        let ended = entry.apply(&pending, call, outcome, moved_to);
        let mut follow_up = FollowUp::default();
        let is_done = ended && entry.end(ready, operation, &mut follow_up);
        entry.go_on(ready, ended, &mut follow_up);
        if is_done && entry.listener().is_some() {
            self.depart(entry, ready.handle, operation);
        } else {
            entry.closing |= ended && entry.listener().is_some();
            self.let_go(entry, ready.handle);
        }
        if is_short && !ended {
            self.timekeeper.try_again(&*self.driver, ready.handle);
        }
        follow_up.tell(results);
    }

    /// The most frequent end: a receive has got bytes.
    #[inline]
    fn finish_received(
        &self,
        pending: &Pending,
        count: usize,
        offered: usize,
        results: &mut impl Results,
    ) {
        let (ready, mut operation) = (pending.ready, pending.operation);
        let mut entry = self.table.lock(ready.handle).expect("a busy handle stays");
        entry.count_received(count, offered, pending.tick);
        // SAFETY: valid; it is at the head of a busy side, so it is ours.
        unsafe { operation.as_mut() }.transferred = count;
        self.end_plain(entry, pending, results);
    }

    /// The other most frequent end: the system has taken all that was left of a send. Returns whether that was all there is to do.
    #[inline]
    fn finish_sent(&self, pending: &Pending, count: usize, results: &mut impl Results) -> bool {
        let (ready, mut operation) = (pending.ready, pending.operation);
        let mut entry = self.table.lock(ready.handle).expect("a busy handle stays");
        if entry.end_in_doubt {
            return false;
        }
        entry.count_sent(count, count, pending.tick);
        entry.unsent.end_send(count);
        // SAFETY: as in `finish_received`.
        unsafe { operation.as_mut() }.transferred += count;
        self.end_plain(entry, pending, results);
        true
    }

    /// Ends the operation at the head of a line, with success. Nothing is left to be counted for it.
    #[inline(always)]
    fn end_plain(&self, mut entry: LockedEntry<'_>, pending: &Pending, results: &mut impl Results) {
        let (ready, mut operation) = (pending.ready, pending.operation);
        let side = entry.side(ready.direction);
        side.busy = false;
        side.pop();
        let is_next = side.enqueue();
        // SAFETY: valid; it was at the head of a busy side, so it is ours.
        unsafe { operation.as_mut() }.status = Status::Done;
        // SAFETY: it has ended, and is in no line.
        let ended = unsafe { Ended::of(operation) };
        self.let_go(entry, ready.handle);
        ended.tell_alone(is_next.then_some(ready), results);
    }

    /// Makes one attempt on the calling thread, outside of any wait.
    pub(super) fn transfer_here(
        &self,
        pending: Pending,
        mut transfer: Transfer,
        results: &mut impl Results,
    ) {
        self.transfer_one(&mut transfer);
        if matches!(
            (transfer.call, &transfer.outcome),
            (
                Call::Connect(_) | Call::ConnectLocal(_),
                Outcome::NotReady | Outcome::Moved(_)
            )
        ) {
            self.register_connecting(&pending, &mut transfer);
        }
        self.finish(pending, transfer, results);
    }

    #[inline]
    fn transfer_one(&self, transfer: &mut Transfer) {
        if matches!(transfer.outcome, Outcome::Untried) {
            // SAFETY: the side is busy, so the descriptor stays open; the memory is the operation's, which its
            // starter left to us.
            unsafe { self.driver.transfer(std::slice::from_mut(transfer)) };
        }
    }

    /// A socket is registered once its connection is under way: registered earlier, epoll would report it as hung up.
    fn register_connecting(&self, pending: &Pending, transfer: &mut Transfer) {
        let token = pending.ready.handle.to_bits();
        // SAFETY: the side is busy, so the descriptor stays open.
        match unsafe { self.driver.register(transfer.descriptor, token) } {
            Ok(()) => self.note_registered(pending.ready.handle),
            // It is registered already where an earlier attempt on the same socket failed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let number = number_of(&error).unwrap_or(codes::UNKNOWN);
                transfer.outcome = Outcome::Failed(number);
            }
        }
    }
}

/// How an operation is attempted whose memory is known, if it has any.
#[inline]
fn plan(operation: &Overlapped) -> (Plain, Option<Waits>, Outcome) {
    match operation.request {
        Request::Send(Buffers::One(_)) => (Plain::Send, operation.waits, Outcome::Untried),
        Request::Accept(_) | Request::AcceptReceive(_) => {
            (Plain::No, operation.waits, Outcome::Untried)
        }
        // The operation waits only for the side to be ready.
        Request::ReceiveReadiness => (Plain::No, None, Outcome::Moved(0)),
        _ => (Plain::No, None, Outcome::Untried),
    }
}

impl Pending {
    /// Of a send that was tried before there was an operation.
    #[cfg(feature = "safe")]
    pub(super) fn of_send(
        ready: Ready,
        operation: NonNull<Overlapped>,
        tick: u32,
        waits: Option<Waits>,
    ) -> Self {
        Pending {
            ready,
            operation,
            tick,
            had_memory: true,
            plain: Plain::Send,
            provider: None,
            waits,
        }
    }

    /// Gives memory that was found back if there was nothing to receive into it.
    fn give_back(&self, outcome: &Outcome) {
        let is_unused = matches!(
            outcome,
            Outcome::NotReady | Outcome::Failed(_) | Outcome::Moved(0)
        );
        if let (true, true, Some(provider)) = (is_unused, self.had_memory, self.provider) {
            // SAFETY: the operation is in transfer, by this thread.
            unsafe { (provider.withdraw)(self.operation) };
        }
    }

    /// Whether the system had no descriptor for an accept that waits for one.
    pub(super) fn is_short(&self, call: Call, outcome: &Outcome) -> bool {
        let is_refused = matches!(outcome, Outcome::Failed(number) if codes::is_shortage(*number));
        is_refused && self.waits.is_some() && matches!(call, Call::Accept)
    }

    /// Tells a send or an accept that it has to wait, if it has to. Returns the new address of its bytes, if they were moved.
    fn tell_it_waits(&self, call: Call, outcome: &Outcome) -> Option<RawBuffer> {
        match (self.waits, call) {
            (Some(waits), Call::Send(rest)) if outcome.leaves_some(rest.len) => {
                // SAFETY: the operation is in transfer, by this thread.
                unsafe { waits(self.operation) }
            }
            (Some(waits), Call::Accept) if self.is_short(call, outcome) => {
                // SAFETY: likewise.
                unsafe { waits(self.operation) };
                None
            }
            _ => None,
        }
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

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
        ptr::NonNull,
    };

    use super::{super::results::Handover, *};
    use crate::{
        driver::{DriverChoice, Events, open},
        raw::{Completed, Handle, Kind, Queued, Status},
    };

    /// All results, in order.
    #[derive(Default)]
    struct Collected {
        packets: Vec<NonNull<Overlapped>>,
        ready: Vec<Ready>,
    }

    impl Results for Collected {
        fn packet(&mut self, packet: Queued) {
            let Queued::Operation(Completed(operation)) = packet else {
                panic!("nothing is posted here")
            };
            self.packets.push(operation);
        }

        fn ready(&mut self, ready: Ready) {
            self.ready.push(ready);
        }

        fn count_out(&mut self, _handover: &Handover) {}

        fn hand_over(&mut self, handover: Handover) {
            handover.hand_over();
        }

        fn make_room(&mut self, _sides: usize) {}
    }

    impl Collected {
        fn outcomes(&self) -> Vec<(u64, usize, Status)> {
            let outcome = |operation: &NonNull<Overlapped>| {
                // SAFETY: the tests keep the operations.
                let operation = unsafe { operation.as_ref() };
                (operation.token, operation.transferred, operation.status)
            };
            self.packets.iter().map(outcome).collect()
        }
    }

    /// A handle that is registered, and its peer.
    fn pair() -> (Handles, Handle, UnixStream) {
        let (driver, _) = open(DriverChoice::Readiness, 1).expect("a driver");
        let handles = Handles::new(driver);
        let (ours, peer) = UnixStream::pair().expect("a pair");
        let handle = handles.table.insert(ours.into(), 7, Kind::Stream);
        let handle = handle.expect("a place");
        handles.register(handle).expect("it can be registered");
        (handles, handle, peer)
    }

    fn receive(memory: &mut [u8], token: u64) -> Overlapped {
        let buffer = RawBuffer {
            start: memory.as_mut_ptr(),
            len: memory.len(),
        };
        Overlapped::new(token, Request::Receive(Buffers::One(buffer)))
    }

    fn enqueue(handles: &Handles, handle: Handle, operation: &mut Overlapped) {
        operation.handle = handle;
        let mut entry = handles.table.lock(handle).expect("it is open");
        let direction = operation.direction();
        // SAFETY: the tests leave it alone until it is completed.
        unsafe { entry.side(direction).push(NonNull::from(operation)) };
    }

    /// Waits for events, and works on what is ready then.
    fn work(handles: &Handles, results: &mut Collected) {
        let (mut events, mut ready) = (Events::default(), Vec::new());
        handles.driver.wait(&mut events, None).expect("a wait");
        for event in &events.list {
            handles.note(event, &mut ready);
        }
        handles.work(&mut ready, &mut Attempts::default(), results);
    }

    #[test]
    fn what_comes_of_transfers_goes_to_the_results_and_nowhere_else() {
        let (handles, handle, mut peer) = pair();
        let mut memory = [[0; 4]; 2];
        let [first, second] = &mut memory;
        let (mut first, mut second) = (receive(first, 1), receive(second, 2));
        enqueue(&handles, handle, &mut first);
        enqueue(&handles, handle, &mut second);
        peer.write_all(b"ahoysail").expect("a write");
        let mut results = Collected::default();
        work(&handles, &mut results);
        assert_eq!(results.outcomes(), [(1, 4, Status::Done)]);
        // The next is worth an attempt.
        let mut ready = std::mem::take(&mut results.ready);
        assert_eq!(ready.len(), 1);
        handles.work(&mut ready, &mut Attempts::default(), &mut results);
        assert_eq!(results.outcomes()[1], (2, 4, Status::Done));
        assert_eq!(memory, [*b"ahoy", *b"sail"]);
    }

    #[test]
    fn a_close_ends_what_is_in_line_and_lets_the_descriptor_go() {
        let (handles, handle, mut peer) = pair();
        let mut memory = [0; 4];
        let mut operation = receive(&mut memory, 1);
        enqueue(&handles, handle, &mut operation);
        let mut results = Collected::default();
        let cancelled = Status::Failed(codes::CANCELLED);
        handles
            .with_descriptor(handle, |_| {
                assert!(handles.close(handle, &mut results));
                assert_eq!(results.outcomes(), [(1, 0, cancelled)]);
                peer.set_nonblocking(true)?;
                let open = peer.read(&mut [0; 1]).expect_err("it is in use still");
                assert_eq!(open.kind(), io::ErrorKind::WouldBlock);
                Ok(())
            })
            .expect("it was open");
        assert_eq!(peer.read(&mut [0; 1]).expect("the end"), 0);
        assert!(!handles.close(handle, &mut results));
        assert_eq!(results.outcomes().len(), 1);
    }
}
