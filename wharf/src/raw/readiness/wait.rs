//! Waiting for packets: what a thread does between one packet and the next.
//!
//! A thread asks the scheduler for its next step, takes it, and comes back with what came of it. Watching the
//! kernel brings ready sides; working on them brings packets; packets end the wait. One visit to the scheduler
//! carries the results of the last step and fetches the next.

use std::{
    hint, io, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    member::{DELIVERIES_PER_LOOK, Member},
    port::Port,
    side::Ready,
    transfer::Waiting,
    watcher::RETRY,
};
use crate::{
    driver::{Event, Events, coarse_now_ns},
    raw::{Direction, End, Handle, Many, Queued, check_max, deadline_after},
    scheduler::{Step, Visit},
    sync::now,
};

/// So often a thread that runs out of posted packets looks for the next before it waits, each time after twice the pause
/// of the time before. It comes to some microseconds, which is what it costs to be woken.
const LOOKS: u32 = 8;

impl Port {
    /// As [`wait`](Self::wait).
    pub(crate) fn wait_one(
        self: &Arc<Self>,
        timeout: Option<Duration>,
    ) -> io::Result<Result<Queued, End>> {
        let (mut member, seat) = Member::enter(self);
        if let Some(packet) = self.run_on(&mut member, seat) {
            member.keep();
            return Ok(Ok(packet));
        }
        let end = self.run(&mut member, seat, timeout, 1);
        let packet = member.visit.delivered.pop();
        member.keep();
        Ok(end?.map(|()| packet.expect("a packet was delivered")))
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
        let (mut member, seat) = Member::enter(self);
        let end = self.run(&mut member, seat, timeout, max);
        let mut keeping = member.keeping();
        let delivered = &mut keeping.member().visit.delivered;
        let count = delivered.len();
        each(delivered.drain(..));
        drop(keeping);
        Ok(match end? {
            Ok(()) => Many::Packets(count),
            Err(End::TimedOut) => Many::TimedOut,
            Err(End::Closed) => Many::Closed,
        })
    }

    /// The short way from one posted packet to the next.
    #[inline(always)]
    fn run_on(&self, member: &mut Member, seat: usize) -> Option<Queued> {
        if !member.took_posted || self.must_look(member) {
            return None;
        }
        let packet = self.scheduler.take_posted(seat)?;
        member.takes(1);
        Some(packet)
    }

    /// Whether the kernel is to be looked at even though work may be queued.
    fn must_look(&self, member: &Member) -> bool {
        member.delivered >= DELIVERIES_PER_LOOK && self.scheduler.watches()
    }

    fn run(
        &self,
        member: &mut Member,
        seat: usize,
        timeout: Option<Duration>,
        max: usize,
    ) -> io::Result<Result<(), End>> {
        let deadline = timeout.map(deadline_after);
        member.visit.expired = false;
        if self.must_look(member) {
            self.look(member, Some(Duration::ZERO))?;
        }
        if mem::take(&mut member.took_posted) && self.lingers && timeout != Some(Duration::ZERO) {
            self.linger();
        }
        loop {
            let (step, release) = self.scheduler.visit(seat, &mut member.visit, max);
            self.release(release);
            if step == Step::Deliver {
                let packets = member.visit.delivered.len();
                member.takes(packets);
                member.took_posted = member.visit.posted > 0;
                self.dismiss(packets - member.visit.posted);
            }
            if !member.quiet.is_empty() {
                self.hand_out(&mut member.quiet);
            }
            match step {
                Step::Deliver => return Ok(Ok(())),
                Step::Work => {
                    let Member {
                        visit,
                        attempts,
                        quiet,
                        ..
                    } = &mut *member;
                    let mut batch = mem::take(&mut visit.batch);
                    let mut results = Waiting { visit, quiet };
                    self.work(&mut batch, attempts, &mut results);
                    member.visit.batch = batch;
                }
                Step::Watch => {
                    member.worker.stands_since(coarse_now_ns());
                    let result = self.look(member, remaining(deadline));
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
                    self.settle();
                    return Ok(Err(End::Closed));
                }
            }
        }
    }

    /// How long to park: until the deadline, or until the watcher is to be called again.
    fn patience(&self, deadline: Option<Instant>) -> Option<Duration> {
        let remaining = remaining(deadline);
        if !self.watcher.is_missing() {
            return remaining;
        }
        self.call_watcher();
        Some(remaining.map_or(RETRY, |remaining| remaining.min(RETRY)))
    }

    /// Looks out for the next packet for a moment. Where one was posted, another may be about to be: to fall asleep now
    /// and be woken would cost both threads more than the moment.
    fn linger(&self) {
        for look in 0..LOOKS {
            if self.scheduler.seems_busy() {
                return;
            }
            // Longer each time: what is looked at is what the poster writes, and it is to have time for several.
            for _ in 0..1 << look {
                hint::spin_loop();
            }
        }
    }

    fn look(&self, member: &mut Member, timeout: Option<Duration>) -> io::Result<()> {
        member.delivered = 0;
        member.visit.looked = true;
        self.harvest(&mut member.events, &mut member.visit, timeout)?;
        Ok(())
    }

    /// Looks at the kernel, for `timeout` at most, and notes what became ready. Says whether timers were due, which are on the
    /// queue then: a visit has to follow.
    fn harvest(
        &self,
        events: &mut Events,
        visit: &mut Visit<Queued, Ready>,
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        self.driver.wait(events, timeout)?;
        visit.woken |= events.woken;
        let fired = events.timer && self.fire_timers();
        for event in &events.list {
            self.note(event, &mut visit.ready);
        }
        Ok(fired)
    }

    /// Brings what stands ready in the kernel to the queue, while all who could come for it are in their handlers. Says
    /// whether there was anything.
    pub(super) fn bring_in(&self, events: &mut Events, visit: &mut Visit<Queued, Ready>) -> bool {
        if !self.scheduler.watches() {
            return false;
        }
        // None is known to fail. Whoever waits next would see it too.
        let fired = self.harvest(events, visit, Some(Duration::ZERO));
        let any = fired.unwrap_or(false) || visit.woken || !visit.ready.is_empty();
        if any {
            let release = self.scheduler.bring(visit);
            self.release(release);
        }
        any
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

fn remaining(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(now()))
}

fn is_over(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| now() >= deadline)
}
