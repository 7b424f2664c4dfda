//! Waiting for packets: what the kernel hands out, in its order.

use std::{
    io,
    ptr::NonNull,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::{
    member::Member,
    native::{address_of, operation_at},
    port::{Key, Port},
    start::Aftermath,
};
use crate::{
    driver::windows::{Taken, errand_result},
    raw::{Completed, End, Many, Overlapped, Queued, Status, deadline_after, shared::check_max},
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

    /// As [`wait_many`](Self::wait_many), with a function for each packet.
    pub(crate) fn wait_each(
        self: &Arc<Self>,
        max: usize,
        timeout: Option<Duration>,
        each: impl FnOnce(std::vec::Drain<'_, Queued>),
    ) -> io::Result<Many> {
        check_max(max)?;
        let mut member = Member::enter(self);
        let end = self.run(&mut member, timeout, max)?;
        let mut packets = std::mem::take(&mut member.packets);
        let count = packets.len();
        each(packets.drain(..));
        member.packets = packets;
        member.keep();
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
        loop {
            let timeout = deadline.map(|deadline| deadline.saturating_duration_since(now()));
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let taken = match self.is_closed() {
                true => Ok(0),
                false => self
                    .queue
                    .take(max, timeout, |taken| self.receive(taken, packets)),
            };
            let waiting = self.waiting.fetch_sub(1, Ordering::SeqCst) - 1;
            if self.is_closed() {
                self.leave_to_closer(packets);
                return Ok(Err(End::Closed));
            }
            taken?;
            if !packets.is_empty() {
                self.dismiss(packets.len());
                self.counts_running(packets.len());
                member.seat.took(packets.len());
                if waiting == 0 {
                    self.hire();
                }
                return Ok(Ok(()));
            }
            if deadline.is_some_and(|deadline| now() >= deadline) {
                member.seat.goes_away();
                return Ok(Err(End::TimedOut));
            }
        }
    }

    /// What one packet of the kernel's comes to: a packet of ours, or none, or several.
    pub(super) fn receive(&self, taken: Taken, packets: &mut Vec<Queued>) {
        let operation = || operation_at(taken.address).expect("it was given as an address");
        match Key::of(taken.key) {
            Key::Wake => {}
            Key::Posted => {
                let posted = taken.address.cast::<Queued>();
                // SAFETY: a packet with this key carries a box of it, and is taken once.
                packets.push(*unsafe { Box::from_raw(posted) });
            }
            Key::Ended => packets.push(Queued::Operation(Completed(operation()))),
            Key::Provide => self.receive_ended(self.provide(operation()), packets),
            Key::Operation => {
                self.receive_ended(self.completed(operation(), taken.outcome), packets);
            }
            Key::Errand => {
                // SAFETY: the errand is over, and was told of by this packet only.
                let outcome = unsafe { errand_result(taken.address) };
                self.receive_ended(self.completed(operation(), outcome), packets);
            }
        }
    }

    /// The first that has ended is for who is here; what else has is for others.
    fn receive_ended(&self, aftermath: Aftermath, packets: &mut Vec<Queued>) {
        let mut is_first = true;
        self.follow_with(aftermath, &mut |port, ended| {
            if port.finish_quietly(ended) {
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
        if !self.finish_quietly(operation) {
            self.queue
                .post_surely(Key::Ended as usize, address_of(operation));
        }
    }

    /// Hands a quiet operation that succeeded to its function. Says whether it was one.
    fn finish_quietly(&self, operation: NonNull<Overlapped>) -> bool {
        // SAFETY: it has ended and is not handed out: it is ours.
        let overlapped = unsafe { operation.as_ref() };
        match (overlapped.quiet, overlapped.status) {
            (Some(quiet), Status::Done) => {
                self.dismiss(1);
                // SAFETY: it is handed out here, as a packet would be.
                unsafe { quiet(operation) };
                true
            }
            _ => false,
        }
    }
}

/// The time by which a thread is back, for those who wait for it.
pub(super) fn since(then: Instant) -> Duration {
    now().saturating_duration_since(then)
}
