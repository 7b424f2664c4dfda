//! Waiting for packets: what a thread does between one packet and the next.
//!
//! A thread asks the scheduler for its next step, takes it, and comes back with what came of it. Watching the
//! kernel brings ready sides; working on them brings packets; packets end the wait. One visit to the scheduler
//! carries the results of the last step and fetches the next.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Answer, Direction, Handle, Packet, Port, Ready, member::Member, port::deadline_after};
use crate::{
    driver::{Event, Outcome},
    scheduler::Step,
};

/// After so many packets in a row the kernel is looked at even though work is queued, so that timers and new
/// readiness are not put off for as long as the queue is never empty.
const DELIVERIES_PER_LOOK: u32 = 61;

/// How a wait ended, short of its packets.
enum End {
    Delivered,
    TimedOut,
    Closed,
}

impl Port {
    /// Waits for one packet, for `timeout` at most; `None` is for ever, zero only looks. Never shorter than asked.
    ///
    /// The calling thread counts as running from the packet on until it next waits, on this port or on another, or
    /// ends.
    ///
    /// # Errors
    /// The system can't wait. None is known to happen.
    pub fn wait(self: &Arc<Self>, timeout: Option<Duration>) -> io::Result<Answer> {
        let mut member = Member::enter(self);
        let end = self.run(&mut member, timeout, 1);
        let packet = member.visit.delivered.pop();
        member.keep();
        Ok(match end? {
            End::TimedOut => Answer::TimedOut,
            End::Closed => Answer::Closed,
            End::Delivered => {
                let packet = packet.expect("a packet was delivered");
                self.dismiss(1);
                Answer::Packet(packet.into_packet())
            }
        })
    }

    /// Waits for up to `max` packets, and appends those that are there, at least one, to `into`, in queue order.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `max` is 0.
    pub fn wait_many(
        self: &Arc<Self>,
        into: &mut Vec<Packet>,
        max: usize,
        timeout: Option<Duration>,
    ) -> io::Result<Many> {
        self.wait_each(max, timeout, |packet| into.push(packet))
    }

    /// As [`wait_many`](Self::wait_many), with a function for each packet.
    pub(crate) fn wait_each(
        self: &Arc<Self>,
        max: usize,
        timeout: Option<Duration>,
        mut each: impl FnMut(Packet),
    ) -> io::Result<Many> {
        if max == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a wait for 0 packets would wait for ever; ask for at least 1",
            ));
        }
        let mut member = Member::enter(self);
        let end = self.run(&mut member, timeout, max);
        let mut delivered = std::mem::take(&mut member.visit.delivered);
        let count = delivered.len();
        for queued in delivered.drain(..) {
            each(queued.into_packet());
        }
        member.visit.delivered = delivered;
        member.keep();
        self.dismiss(count);
        Ok(match end? {
            End::Delivered => Many::Packets(count),
            End::TimedOut => Many::TimedOut,
            End::Closed => Many::Closed,
        })
    }

    fn run(&self, member: &mut Member, timeout: Option<Duration>, max: usize) -> io::Result<End> {
        let deadline = timeout.map(deadline_after);
        member.visit.expired = false;
        if member.delivered >= DELIVERIES_PER_LOOK {
            self.look(member, Some(Duration::ZERO))?;
        }
        loop {
            let (step, release) =
                self.scheduler
                    .visit(&mut member.standing, &member.parker, &mut member.visit, max);
            self.release(release);
            match step {
                Step::Deliver => {
                    member.delivered += member.visit.delivered.len() as u32;
                    return Ok(End::Delivered);
                }
                Step::Work => self.work(member),
                Step::Watch => {
                    let result = self.look(member, remaining(deadline));
                    if result.is_err() {
                        let release = self.scheduler.leave(&mut member.standing, &member.parker);
                        self.release(release);
                    }
                    result?;
                    member.visit.expired = is_over(deadline);
                }
                Step::Park => {
                    member.parker.park(remaining(deadline));
                    member.visit.expired = is_over(deadline);
                }
                Step::TimedOut => return Ok(End::TimedOut),
                Step::Closed => {
                    self.settle();
                    return Ok(End::Closed);
                }
            }
        }
    }

    /// Makes one attempt for each side of the batch.
    fn work(&self, member: &mut Member) {
        let mut batch = std::mem::take(&mut member.visit.batch);
        for ready in batch.drain(..) {
            if let Some((pending, transfer)) = self.begin(ready) {
                if matches!(transfer.outcome, Outcome::Untried) {
                    member.pending.push(pending);
                    member.transfers.push(transfer);
                } else {
                    self.finish(pending, transfer.outcome, &mut member.visit);
                }
            }
        }
        member.visit.batch = batch;
        // SAFETY: the sides are busy, so their descriptors stay open, and the memory is that of operations, which
        // their starters left to us.
        unsafe { self.driver.transfer(&mut member.transfers) };
        for (pending, transfer) in member.pending.drain(..).zip(member.transfers.drain(..)) {
            self.finish(pending, transfer.outcome, &mut member.visit);
        }
    }

    /// Looks at the kernel, for `timeout` at most, and notes what became ready.
    fn look(&self, member: &mut Member, timeout: Option<Duration>) -> io::Result<()> {
        member.delivered = 0;
        self.driver.wait(&mut member.events, timeout)?;
        member.visit.woken |= member.events.woken;
        if member.events.timer {
            self.fire_timers(&mut member.visit.due);
        }
        for event in &member.events.list {
            self.note(event, &mut member.visit.ready);
        }
        Ok(())
    }

    fn note(&self, event: &Event, ready: &mut Vec<Ready>) {
        let handle = Handle::from_bits(event.token);
        // A stale handle: it was closed while the event was on its way.
        let Some(mut entry) = self.table.lock(handle) else {
            return;
        };
        entry.read_on |= event.hangup || event.urgent;
        for (direction, changed) in [
            (Direction::Read, event.readable),
            (Direction::Write, event.writable),
        ] {
            let side = &mut entry.sides[direction as usize];
            if changed {
                side.edge();
                if side.enqueue() {
                    ready.push(Ready { handle, direction });
                }
            }
        }
    }
}

/// What a wait for many packets came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Many {
    /// So many packets were appended.
    Packets(usize),
    /// The time is over.
    TimedOut,
    /// The port is closed.
    Closed,
}

fn remaining(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

fn is_over(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}
