//! Packets from outside of a wait: what is posted, and what is taken from a port that closes.

use std::{
    io,
    ptr::{self, NonNull},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    key::{self, Key},
    member::Member,
    native::address_of,
    port::Port,
    wait::hand_out,
};
use crate::raw::{
    End, Overlapped, Queued, Task, closed, line::Line, membership::Membership, shape::Packets,
    task::Places,
};

impl Packets for Port {
    type Member = Member;

    fn admit(&self) -> io::Result<()> {
        let admitted = self.outstanding.admit(|| 0);
        if self.is_closed() {
            if admitted.is_ok() {
                self.dismiss(1);
            }
            return Err(closed());
        }
        admitted.map(drop)
    }

    fn dismiss(&self, count: usize) {
        self.outstanding.dismiss(count);
        if self.is_closed() {
            self.wake_another();
        }
    }

    fn post_packet(&self, packet: Queued) -> Result<(), (io::Error, Queued)> {
        if let Err(error) = self.admit() {
            return Err((error, packet));
        }
        let packet = match packet {
            Queued::Task(task) => {
                let (key, address) = key::of_task(task);
                return self.queue.post(key, address).map_err(|error| {
                    self.dismiss(1);
                    // SAFETY: it was not queued, so it is still ours.
                    (error, Queued::Task(unsafe { key::task_of(key, address) }))
                });
            }
            packet => packet,
        };
        let posted = Box::into_raw(Box::new(packet));
        self.queue
            .post(Key::Posted as usize, posted.cast())
            .map_err(|error| {
                self.dismiss(1);
                // SAFETY: it was not queued, so it is still ours.
                (error, *unsafe { Box::from_raw(posted) })
            })
    }

    fn queue_overlapped(&self, operation: NonNull<Overlapped>) -> io::Result<()> {
        self.admit()?;
        let posted = self.queue.post(Key::Ended as usize, address_of(operation));
        posted.inspect_err(|_| self.dismiss(1))
    }

    fn places(&self) -> &Places {
        &self.places
    }

    fn reserve_posts(&self, _: usize) {
        // The kernel's queue takes no such wish.
    }

    fn post_on_place(&self, task: Task) -> Result<(), Task> {
        // A packet that is taken is counted as handed out, so this one counts beside its place.
        self.outstanding.exceed();
        if self.is_closed() {
            self.dismiss(1);
            return Err(task);
        }
        let (key, address) = key::of_task(task);
        self.queue.post_surely(key, address);
        Ok(())
    }

    fn enter(self: &Arc<Self>) -> Member {
        Member::enter(self)
    }

    fn wait(
        &self,
        member: &mut Member,
        timeout: Option<Duration>,
        max: usize,
    ) -> io::Result<Result<(), End>> {
        self.run(member, timeout, max)
    }

    type Claim = ();

    fn claim(&self) -> Option<(Queued, ())> {
        None
    }

    fn wait_one(self: &Arc<Self>, timeout: Option<Duration>) -> io::Result<Result<Queued, End>> {
        let mut member = Member::enter(self);
        let end = self.run(&mut member, timeout, 1)?;
        let packet = member.packets.pop();
        member.keep();
        Ok(end.map(|()| packet.expect("a packet was taken")))
    }

    fn close_queue(&self) -> Vec<Queued> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Vec::new();
        }
        self.timekeeper.cancel_all();
        for handle in self.table.close() {
            self.close_handle(handle);
        }
        // Their owners keep the places, which count no more.
        self.outstanding.dismiss(self.places.close());
        let (mut queued, mut quiet) = (Vec::new(), Line::default());
        self.waiting.fetch_add(1, Ordering::SeqCst);
        loop {
            queued.append(&mut self.leftovers.lock());
            if self.outstanding.count() <= queued.len() {
                break;
            }
            // None is known to fail; what can't be taken can't be waited for.
            let taken = self.queue.take(usize::MAX, None, |taken| {
                self.receive(taken, &mut queued, &mut quiet);
            });
            if taken.is_err() {
                break;
            }
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        self.outstanding.dismiss(queued.len());
        self.timekeeper.end();
        self.wake_another();
        hand_out(&mut quiet);
        queued
    }
}

impl Port {
    /// A thread that finds the port closed leaves what it took to the one that closes it.
    pub(super) fn leave_to_closer(&self, packets: &mut Vec<Queued>) {
        if !packets.is_empty() {
            self.leftovers.lock().append(packets);
        }
        self.wake_another();
    }

    /// Each that wakes up to find the port closed wakes the next.
    fn wake_another(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.queue.post_surely(Key::Wake as usize, ptr::null_mut());
        }
    }
}
