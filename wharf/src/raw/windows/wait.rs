//! Waiting for packets: what the kernel hands out, in its order.

use std::{io, ptr::NonNull, sync::atomic::Ordering, time::Duration};

use super::{
    entry::FollowUps,
    key::{self, Key},
    member::Member,
    native::{address_of, operation_at},
    port::Port,
};
use crate::{
    driver::windows::{Taken, blocking_call_result},
    raw::{Completed, End, Overlapped, Queued, deadline_after, line::Line, shape::Packets},
    sync::now,
};

impl Port {
    pub(super) fn run(
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
                self.counts_running();
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
            Key::Task => {
                // SAFETY: such a packet carries a task, and is taken once.
                packets.push(Queued::Task(unsafe {
                    key::task_of(taken.key, taken.address)
                }));
            }
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
                let follow_ups = self.completed(operation(), taken.outcome);
                self.receive_ended(follow_ups, packets, quiet);
            }
            Key::BlockingCall => {
                // SAFETY: the blocking call is over, and was told of by this packet only.
                let outcome = unsafe { blocking_call_result(taken.address) };
                self.receive_ended(self.completed(operation(), outcome), packets, quiet);
            }
        }
    }

    /// The first that has ended is for the thread that took the packet; what else has is for others.
    fn receive_ended(&self, follow_ups: FollowUps, packets: &mut Vec<Queued>, quiet: &mut Line) {
        let mut is_first = true;
        self.follow_with(follow_ups, &mut |port, ended| {
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

    /// Has an operation that has ended handed out by a thread that waits.
    pub(super) fn hand_over(&self, operation: NonNull<Overlapped>) {
        self.queue
            .post_surely(Key::Ended as usize, address_of(operation));
    }

    /// Counts an operation whose end is told to a function as handed out, and puts it behind the others that are about to be.
    /// Returns whether its end is told so.
    pub(super) fn ends_quietly(&self, operation: NonNull<Overlapped>, quiet: &mut Line) -> bool {
        // SAFETY: it has ended and is not handed out: it is ours.
        let is_quiet = unsafe { operation.as_ref() }.handed_to().is_some();
        if is_quiet {
            self.dismiss(1);
            // SAFETY: it is valid, and in no line.
            unsafe { quiet.push(operation) };
        }
        is_quiet
    }
}

/// Hands operations that have ended to their functions. Code of the user's may run then, which may close the port: so
/// this thread must hold no other operation, for which the close would wait.
pub(super) fn hand_out(quiet: &mut Line) {
    while let Some(operation) = quiet.pop() {
        // SAFETY: it has ended and is not handed out: it is ours.
        let function = unsafe { operation.as_ref() }.handed_to();
        if let Some(function) = function {
            // SAFETY: it is handed out here, as a packet would be.
            unsafe { function(operation) };
        }
    }
}
