//! Ports that are gone on with though no thread waits for their packets.
//!
//! Otherwise an operation is begun, and ends, by a thread that waits. A layer that promises more (on Windows transfers go on
//! whoever waits) has a thread that watches, and makes transfers here while no other thread comes. The packets stay on the queue, in
//! their order, for those who do.

use std::{io, os::fd::BorrowedFd, time::Duration};

use super::{monitor::Helping, port::Port, side::Ready, transfer::Attempts};
use crate::{driver::Events, raw::Queued, scheduler::Visit};

/// So often it looks for more to do, at most: where work comes as fast as it is done, the thread has other ports to look after.
const ROUNDS_MAX: usize = 16;

impl Port {
    /// Makes the transfers that can be made now, and takes no packet: for a thread that watches while no other waits. A thread that
    /// waits all the same is released for what this brings. Returns whether it stopped although there may be more to do, which
    /// it does after some rounds: then call it again soon.
    ///
    /// # Errors
    /// The system can't tell what is ready. None is known to happen.
    pub fn attend(&self) -> io::Result<bool> {
        let (mut events, mut visit) = (Events::default(), Visit::<Queued, Ready>::default());
        let (mut attempts, mut handovers) = (Attempts::default(), Vec::new());
        for _ in 0..ROUNDS_MAX {
            let harvested = match self.scheduler.polls() {
                true => self.harvest(&mut events, &mut visit, Some(Duration::ZERO)),
                false => Ok(false),
            };
            let release = self.scheduler.submit_and_take(&mut visit);
            self.release(release);
            harvested?;
            if visit.batch.is_empty() {
                return Ok(false);
            }
            let mut results = Helping {
                port: self,
                handovers: &mut handovers,
            };
            self.handles
                .work(&mut visit.batch, &mut attempts, &mut results);
            self.hand_over(&mut handovers);
        }
        Ok(true)
    }

    /// A descriptor that poll(2) reports as readable while the system has events for [`attend`](Self::attend). Work that other
    /// threads leave when they start or cancel something is not reported: whoever does so tells the thread that watches. None on a
    /// simulated kernel.
    pub fn pollable(&self) -> Option<BorrowedFd<'_>> {
        self.handles.driver.pollable()
    }

    /// Ends the waits for packets, now and from now on: each answers [`Closed`](crate::raw::Answer::Closed), and no packet is
    /// posted any more. Handles and operations stay as they are, and [`attend`](Self::attend) goes on with them, until the port is
    /// [closed](Self::close), which returns the packets that nobody took.
    pub fn end_waits(&self) {
        let release = self.scheduler.end_waits();
        self.release(release);
    }
}
