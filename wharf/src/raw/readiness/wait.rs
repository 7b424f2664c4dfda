//! Waiting for packets: what a thread does between one packet and the next.
//!
//! A thread asks the scheduler for its next step, takes it, and comes back with the results. Polling the
//! kernel brings ready sides; working on them brings packets; packets end the wait. One visit to the scheduler
//! carries the results of the last step and fetches the next.

use std::{
    hint, io, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    member::{DELIVERIES_PER_LOOK, Member},
    monitor::RETRY,
    port::Port,
    results::{Handover, Waiting},
    side::Ready,
};
use crate::{
    driver::{Events, coarse_now_ns},
    raw::{End, Queued, deadline_after, membership::Membership},
    scheduler::{Claimed, Step, Visit},
    sync::now,
};

/// A thread that runs out of posted packets looks so often for the next before it waits, each time after twice the pause
/// of the time before. All pauses together take some microseconds, about as long as a wake does.
const LOOKS: u32 = 8;

impl Port {
    #[inline(never)]
    pub(super) fn run_for_one(
        self: &Arc<Self>,
        timeout: Option<Duration>,
    ) -> io::Result<Result<Queued, End>> {
        let mut member = Member::enter(self);
        let end = self.run(&mut member, timeout, 1);
        let packet = member.visit.delivered.pop();
        member.keep();
        Ok(end?.map(|()| packet.expect("a packet was delivered")))
    }

    /// The short way from one packet to the next.
    #[inline(always)]
    pub(super) fn claim_for(&self, member: &mut Member) -> Option<Queued> {
        if self.must_look(member) {
            return None;
        }
        Some(match self.scheduler.claim(&member.worker)? {
            Claimed::Posted(packet) => {
                member.took_posted = true;
                packet
            }
            Claimed::Worked(packet) => {
                member.took_posted = false;
                self.outstanding.dismiss(1);
                packet
            }
        })
    }

    /// Whether the kernel is to be looked at even though work may be queued.
    fn must_look(&self, member: &Member) -> bool {
        member.delivered >= DELIVERIES_PER_LOOK && self.scheduler.polls()
    }

    pub(super) fn run(
        &self,
        member: &mut Member,
        timeout: Option<Duration>,
        max: usize,
    ) -> io::Result<Result<(), End>> {
        let seat = member.seat();
        let deadline = timeout.map(deadline_after);
        member.visit.expired = false;
        if self.must_look(member) {
            self.poll(member, Some(Duration::ZERO))?;
        }
        let lingers = mem::take(&mut member.took_posted) && !member.worker.left_a_packet();
        if lingers && self.lingers && timeout != Some(Duration::ZERO) {
            self.linger();
        }
        loop {
            let (step, release) = self.scheduler.visit(seat, &mut member.visit, max);
            self.release(release);
            if step == Step::Deliver {
                self.deliver(member);
            }
            if !member.handovers.is_empty() {
                self.hand_over(&mut member.handovers);
            }
            match step {
                Step::Deliver => return Ok(Ok(())),
                Step::Work => {
                    self.work(member);
                    if max == 1 && self.keep_packet(member) {
                        return Ok(Ok(()));
                    }
                }
                Step::Poll => {
                    member.worker.stands_since(coarse_now_ns());
                    let result = self.poll(member, remaining(deadline));
                    if result.is_err() {
                        let release = self.scheduler.give_up(seat);
                        self.release(release);
                    }
                    result?;
                    member.visit.expired = is_over(deadline);
                }
                Step::Park => {
                    member.worker.stands_since(coarse_now_ns());
                    member.worker.parker.park(self.patience(deadline));
                    member.visit.expired = is_over(deadline);
                }
                Step::TimedOut => {
                    member.worker.stands_since(coarse_now_ns());
                    return Ok(Err(End::TimedOut));
                }
                Step::Closed => {
                    self.outstanding.settle();
                    return Ok(Err(End::Closed));
                }
            }
        }
    }

    /// The packets of a visit are handed out.
    fn deliver(&self, member: &mut Member) {
        let packets = member.visit.delivered.len();
        member.takes(packets);
        member.took_posted = member.visit.posted > 0;
        self.outstanding.dismiss(packets - member.visit.posted);
    }

    /// Begins with the packet that this thread has made, without a visit, if that is all that it brings.
    fn keep_packet(&self, member: &mut Member) -> bool {
        let visit = &mut member.visit;
        let is_all = visit.completed.len() == 1 && visit.ready.is_empty();
        if !is_all || !self.scheduler.keeps(&member.worker) {
            return false;
        }
        visit.delivered.append(&mut visit.completed);
        visit.posted = 0;
        self.deliver(member);
        if !member.handovers.is_empty() {
            self.hand_over(&mut member.handovers);
        }
        true
    }

    /// Makes the transfers of a batch.
    fn work(&self, member: &mut Member) {
        let Member {
            visit,
            attempts,
            handovers,
            ..
        } = member;
        let mut batch = mem::take(&mut visit.batch);
        let scheduler = &self.scheduler;
        let mut results = Waiting {
            visit,
            handovers,
            scheduler,
        };
        self.handles.work(&mut batch, attempts, &mut results);
        member.visit.batch = batch;
    }

    /// Hands operations that have ended to their functions. This thread holds no other operation.
    pub(super) fn hand_over(&self, handovers: &mut Vec<Handover>) {
        self.outstanding.dismiss(handovers.len());
        handovers.drain(..).for_each(Handover::hand_over);
    }

    /// How long to park: until the deadline, or until the monitor is to be called again.
    fn patience(&self, deadline: Option<Instant>) -> Option<Duration> {
        let remaining = remaining(deadline);
        if !self.monitor.is_missing() {
            return remaining;
        }
        self.call_monitor();
        Some(remaining.map_or(RETRY, |remaining| remaining.min(RETRY)))
    }

    /// Spins for a moment until there is a packet. Where one was posted, another may follow at once: to fall asleep now
    /// and be woken would cost both threads more than the moment.
    fn linger(&self) {
        for look in 0..LOOKS {
            if self.scheduler.seems_busy() {
                return;
            }
            // Longer each time: the look takes the cache line that the posting thread writes, which needs time for several
            // posts.
            for _ in 0..1 << look {
                hint::spin_loop();
            }
        }
    }

    fn poll(&self, member: &mut Member, timeout: Option<Duration>) -> io::Result<()> {
        member.delivered = 0;
        member.visit.looked = true;
        // A long wait is made in steps: the thread comes back for the next, unless it got something to do.
        let late_max = |timeout| self.handles.driver.late_max(timeout);
        let step = timeout.map(|timeout| timeout.saturating_sub(late_max(timeout)));
        self.harvest(&mut member.events, &mut member.visit, step)?;
        Ok(())
    }

    /// Polls the kernel, for `timeout` at most, and notes the handles that became ready. Returns whether timers were due, which
    /// are on the queue then: a visit has to follow.
    pub(super) fn harvest(
        &self,
        events: &mut Events,
        visit: &mut Visit<Queued, Ready>,
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        self.handles.driver.wait(events, timeout)?;
        visit.woken |= events.woken;
        let fired = events.timer && self.fire_timers(visit);
        for event in &events.list {
            self.handles.note(event, &mut visit.ready);
        }
        Ok(fired)
    }

    /// Brings the events that are ready in the kernel to the queue, while all threads that could poll are in their handlers.
    /// Returns whether there were any.
    pub(super) fn bring_in(&self, events: &mut Events, visit: &mut Visit<Queued, Ready>) -> bool {
        if !self.scheduler.polls() {
            return false;
        }
        // It is not known to fail. The next thread that waits would see the error too.
        let fired = self.harvest(events, visit, Some(Duration::ZERO));
        let any = fired.unwrap_or(false) || visit.woken || !visit.ready.is_empty();
        if any {
            let release = self.scheduler.submit(visit);
            self.release(release);
        }
        any
    }

    /// Queues the timers that are due, and notes what is to be tried again; returns whether there were any timers.
    fn fire_timers(&self, visit: &mut Visit<Queued, Ready>) -> bool {
        let enqueue = |timer| self.scheduler.enqueue(Queued::Operation(timer));
        let handles = &self.handles;
        let fired = handles.timekeeper.fire(&*handles.driver, enqueue);
        let ready = fired
            .short
            .iter()
            .filter_map(|short| handles.feed(*short).1);
        visit.ready.extend(ready);
        fired.timers
    }
}

fn remaining(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(now()))
}

fn is_over(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| now() >= deadline)
}
