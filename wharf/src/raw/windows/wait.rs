//! Waiting for packets: what the kernel hands out, in its order.

use std::{
    io,
    ptr::NonNull,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::{
    entry::Line,
    member::Member,
    native::{address_of, operation_at},
    port::{Key, Port},
    start::Aftermath,
};
use crate::{
    driver::windows::{Taken, errand_result},
    raw::{Completed, End, Many, Overlapped, Queued, Request, Status, check_max, deadline_after},
    sync::now,
};

impl Port {
    /// As [`wait`](Self::wait).
    pub(crate) fn wait_one(
        self: &Arc<Self>,
        timeout: Option<Duration>,
    ) -> io::Result<Result<Queued, End>> {
        let mut member = Member::enter(self);
        let end = self.run(&mut member, timeout, 1)?;
        let packet = member.packets.pop();
        member.keep();
        Ok(end.map(|()| packet.expect("a packet was taken")))
    }

    /// As [`wait_many`](Self::wait_many), with a function for the packets, which may panic: they are handed out already, and the
    /// thread is a member as before.
    pub(crate) fn wait_each(
        self: &Arc<Self>,
        max: usize,
        timeout: Option<Duration>,
        each: impl FnOnce(std::vec::Drain<'_, Queued>),
    ) -> io::Result<Many> {
        check_max(max)?;
        let mut member = Member::enter(self);
        let end = self.run(&mut member, timeout, max)?;
        let mut keeping = member.keeping();
        let packets = &mut keeping.member().packets;
        let count = packets.len();
        each(packets.drain(..));
        drop(keeping);
        Ok(match end {
            Ok(()) => Many::Packets(count),
            Err(End::TimedOut) => Many::TimedOut,
            Err(End::Closed) => Many::Closed,
        })
    }

    fn run(
        &self,
        member: &mut Member,
        timeout: Option<Duration>,
        max: usize,
    ) -> io::Result<Result<(), End>> {
        let deadline = timeout.map(deadline_after);
        let packets = &mut member.packets;
        let mut quiet = Line::default();
        loop {
            let timeout = deadline.map(|deadline| deadline.saturating_duration_since(now()));
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let taken = match self.is_closed() {
                true => Ok(0),
                false => self.queue.take(max, timeout, |taken| {
                    self.receive(taken, packets, &mut quiet)
                }),
            };
            let waiting = self.waiting.fetch_sub(1, Ordering::SeqCst) - 1;
            if self.is_closed() {
                self.leave_to_closer(packets);
                hand_out(&mut quiet);
                return Ok(Err(End::Closed));
            }
            taken?;
            if !packets.is_empty() {
                self.dismiss(packets.len());
                self.counts_running(packets.len());
                member.seat.took(packets.len());
                if waiting == 0 {
                    self.spawn();
                }
                hand_out(&mut quiet);
                return Ok(Ok(()));
            }
            hand_out(&mut quiet);
            if deadline.is_some_and(|deadline| now() >= deadline) {
                member.seat.goes_away();
                return Ok(Err(End::TimedOut));
            }
        }
    }

    /// What one packet of the kernel's comes to: a packet of ours, or none, or several. What ends quietly joins `quiet`, to be
    /// [handed out](hand_out) once this thread has nothing else in its hands.
    pub(super) fn receive(&self, taken: Taken, packets: &mut Vec<Queued>, quiet: &mut Line) {
        let operation = || operation_at(taken.address).expect("it was given as an address");
        match Key::of(taken.key) {
            Key::Wake => {}
            Key::Posted => {
                let posted = taken.address.cast::<Queued>();
                // SAFETY: a packet with this key carries a box of it, and is taken once.
                packets.push(*unsafe { Box::from_raw(posted) });
            }
            Key::Ended => {
                if !self.ends_quietly(operation(), quiet) {
                    packets.push(Queued::Operation(Completed(operation())));
                }
            }
            Key::Provide => self.receive_ended(self.provide(operation()), packets, quiet),
            Key::Operation => {
                let aftermath = self.completed(operation(), taken.outcome);
                self.receive_ended(aftermath, packets, quiet);
            }
            Key::Errand => {
                // SAFETY: the errand is over, and was told of by this packet only.
                let outcome = unsafe { errand_result(taken.address) };
                self.receive_ended(self.completed(operation(), outcome), packets, quiet);
            }
        }
    }

    /// The first that has ended is for who is here; what else has is for others.
    fn receive_ended(&self, aftermath: Aftermath, packets: &mut Vec<Queued>, quiet: &mut Line) {
        let mut is_first = true;
        self.follow_with(aftermath, &mut |port, ended| {
            if port.ends_quietly(ended, quiet) {
                return;
            }
            match std::mem::take(&mut is_first) {
                true => packets.push(Queued::Operation(Completed(ended))),
                false => port
                    .queue
                    .post_surely(Key::Ended as usize, address_of(ended)),
            }
        });
    }

    /// Has an operation that has ended handed out by whoever waits.
    pub(super) fn hand_over(&self, operation: NonNull<Overlapped>) {
        self.queue
            .post_surely(Key::Ended as usize, address_of(operation));
    }

    /// Counts a quiet operation that succeeded as handed out, and puts it behind those that are about to be. Says whether it
    /// was one.
    pub(super) fn ends_quietly(&self, operation: NonNull<Overlapped>, quiet: &mut Line) -> bool {
        // SAFETY: it has ended and is not handed out: it is ours.
        let overlapped = unsafe { operation.as_ref() };
        let is_told = matches!(overlapped.request, Request::Timer | Request::Posted);
        let is_quiet = overlapped.quiet.is_some() && overlapped.status == Status::Done && !is_told;
        if is_quiet {
            self.dismiss(1);
            // SAFETY: it is valid, and in no line.
            unsafe { quiet.push(operation) };
        }
        is_quiet
    }
}

/// Hands quiet operations that succeeded to their functions. Code of the user's may run then, which may close the port: so
/// this thread has nothing else in its hands that whoever closes the port would wait for.
pub(super) fn hand_out(quiet: &mut Line) {
    while let Some(operation) = quiet.pop() {
        // SAFETY: it has ended and is not handed out: it is ours.
        let function = unsafe { operation.as_ref() }.quiet;
        if let Some(function) = function {
            // SAFETY: it is handed out here, as a packet would be.
            unsafe { function(operation) };
        }
    }
}

/// The time by which a thread is back, for those who wait for it.
pub(super) fn since(then: Instant) -> Duration {
    now().saturating_duration_since(then)
}
