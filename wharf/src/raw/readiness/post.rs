//! Packets from outside of a wait: posting, and the packets of a port that closes.

use std::{io, ptr::NonNull, sync::Arc, time::Duration};

use super::{
    member::{self, Claim, Member},
    port::Port,
    results::{Handover, Results},
    side::Ready,
};
#[cfg(shuttle)]
use crate::planted;
use crate::{
    raw::{
        Completed, Direction, End, Overlapped, Queued, Task, closed, shape::Packets, task::Places,
    },
    scheduler::{Release, Unposted, Visit},
};

/// So many of the port's operations are granted to posts at once as credit: posts need not be counted one by one.
const POSTS_PER_GRANT: usize = 1024;

impl Packets for Port {
    type Member = Box<Member>;

    fn admit(&self) -> io::Result<()> {
        let admitted = self.outstanding.admit(|| self.scheduler.take_credit());
        if self.is_closed() {
            if admitted.is_ok() {
                self.outstanding.dismiss(1);
            }
            return Err(closed());
        }
        self.make_room_for(admitted?);
        Ok(())
    }

    fn dismiss(&self, count: usize) {
        self.outstanding.dismiss(count);
    }

    fn post_packet(&self, packet: Queued) -> Result<(), (io::Error, Queued)> {
        let release = self.post_on_credit(packet, |packet| self.scheduler.post(packet))?;
        self.release(release);
        Ok(())
    }

    fn post_packet_quietly(&self, packet: Queued) -> Result<(), (io::Error, Queued)> {
        let release = self.post_on_credit(packet, |packet| {
            (self.scheduler).post_quietly(packet, || self.leaves_a_packet())
        })?;
        self.release_quietly(release);
        Ok(())
    }

    fn queue_overlapped(&self, operation: NonNull<Overlapped>) -> io::Result<()> {
        let packet = Queued::Operation(Completed(operation));
        Packets::post_packet(self, packet).map_err(|(error, _)| error)
    }

    fn places(&self) -> &Places {
        &self.places
    }

    fn reserve_posts(&self, places: usize) {
        self.scheduler.reserve_posts(places);
    }

    fn post_on_place(&self, task: Task) -> Result<(), Task> {
        let posted = self.scheduler.post_reserved(Queued::Task(task));
        self.release(posted.map_err(task_again)?);
        Ok(())
    }

    fn post_on_place_quietly(&self, task: Task) -> Result<(), Task> {
        let packet = Queued::Task(task);
        let posted = (self.scheduler).post_reserved_quietly(packet, || self.leaves_a_packet());
        self.release_quietly(posted.map_err(task_again)?);
        Ok(())
    }

    fn enter(self: &Arc<Self>) -> Box<Member> {
        Member::enter(self)
    }

    fn wait(
        &self,
        member: &mut Box<Member>,
        timeout: Option<Duration>,
        max: usize,
    ) -> io::Result<Result<(), End>> {
        self.run(member, timeout, max)
    }

    type Claim = Claim;

    #[inline(always)]
    fn claim(&self) -> Option<(Queued, Claim)> {
        member::run_on(self)
    }

    fn wait_one(self: &Arc<Self>, timeout: Option<Duration>) -> io::Result<Result<Queued, End>> {
        self.run_for_one(timeout)
    }

    fn close_queue(&self) -> Vec<Queued> {
        let (first, release) = self.scheduler.close();
        self.release(release);
        if !first {
            return Vec::new();
        }
        self.cancel_timers();
        for handle in self.handles.table.close() {
            #[cfg(feature = "safe")]
            self.count_begun_send(handle);
            self.handles.close(handle, &mut self.outside());
        }
        // Credit that no post has used. No more is granted.
        self.outstanding.dismiss(self.scheduler.take_credit());
        // Their owners keep the places, which do not count any more.
        self.outstanding.dismiss(self.places.close());
        let mut queued = Vec::new();
        self.outstanding.wait_for_the_last(|| {
            let before = queued.len();
            let reserved = self.scheduler.drain(&mut queued);
            queued.len() - before - reserved
        });
        self.monitor.end();
        self.handles.files.end();
        queued
    }
}

/// The task that was given.
fn task_again(refused: Queued) -> Task {
    match refused {
        Queued::Task(task) => task,
        _ => unreachable!("it comes back as it was given"),
    }
}

impl Port {
    #[inline]
    fn post_on_credit(
        &self,
        mut packet: Queued,
        mut post: impl FnMut(Queued) -> Result<Release, Unposted<Queued>>,
    ) -> Result<Release, (io::Error, Queued)> {
        loop {
            packet = match post(packet) {
                Ok(release) => return Ok(release),
                Err(Unposted::Closed(packet)) => return Err((closed(), packet)),
                Err(Unposted::NoCredit(packet)) => packet,
            };
            if let Err(error) = self.grant_credit() {
                return Err((error, packet));
            }
        }
    }

    /// Whether a packet that this thread posts quietly is left to it: it is in a handler of this port, and the monitor could look
    /// for the packet.
    fn leaves_a_packet(&self) -> bool {
        !self.monitor.is_missing() && member::leaves_a_packet(self)
    }

    /// Carries out the release of a quiet post.
    fn release_quietly(&self, release: Release) {
        let calls = matches!(release, Release::CallMonitor);
        #[cfg(shuttle)]
        if calls && planted::strikes(planted::Bug::LeftForEver) {
            return;
        }
        self.release(release);
        if calls && self.monitor.is_missing() {
            // The monitor can't look for what was left to this thread, so a thread is released for it now.
            self.release(self.scheduler.submit(&mut Visit::default()));
        }
    }

    /// Gives posts more credit, out of the port's operations.
    fn grant_credit(&self) -> io::Result<()> {
        let granted = self.outstanding.grant(POSTS_PER_GRANT);
        match self.scheduler.grant(granted) {
            Some(0) => Err(self.outstanding.refusal()),
            Some(_) => Ok(()),
            None => {
                self.outstanding.dismiss(granted);
                Err(closed())
            }
        }
    }

    /// How many operations are under way. Credit that is granted and not used does not count.
    pub(super) fn under_way(&self) -> usize {
        let count = self.outstanding.count();
        count.saturating_sub(self.scheduler.credit())
    }

    /// Where results go that come outside of a wait.
    pub(super) fn outside(&self) -> Outside<'_> {
        Outside(self)
    }
}

/// Results straight to the scheduler.
pub(super) struct Outside<'a>(&'a Port);

impl Results for Outside<'_> {
    fn packet(&mut self, packet: Queued) {
        self.0.release(self.0.scheduler.complete(packet));
        self.0.outstanding.settle();
    }

    fn ready(&mut self, ready: Ready) {
        let release = match ready.direction {
            Direction::Read => self.0.scheduler.ready(ready),
            // A send that was started meanwhile, by another thread in its handler: the monitor carries it out if no other
            // thread does.
            Direction::Write => self.0.scheduler.stage(ready),
        };
        self.0.release(release);
    }

    fn count_out(&mut self, _handover: &Handover) {
        self.0.outstanding.dismiss(1);
    }

    fn hand_over(&mut self, handover: Handover) {
        handover.hand_over();
    }

    fn make_room(&mut self, sides: usize) {
        self.0.scheduler.reserve(0, sides);
    }
}
