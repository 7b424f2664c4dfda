//! One thread's share of the load: its living connections, and what they make of an open loop.

use std::time::Instant;

use super::{living::Living, open_loop::OpenLoop, shared::LoadState};

/// The share of one thread.
#[derive(Debug)]
pub(super) struct LoadShare<'a> {
    pub(super) living: Living<'a>,
    /// None in a closed loop, and until the load begins.
    pub(super) open_loop: Option<OpenLoop>,
}

impl<'a> LoadShare<'a> {
    pub(super) fn new(shared: &'a LoadState<'a>, thread: usize) -> Self {
        LoadShare {
            living: Living::new(shared, thread),
            open_loop: None,
        }
    }

    /// The load begins, with requests of an open loop if it is one.
    pub(super) fn begin(&mut self, open_loop: Option<OpenLoop>, start: Instant) {
        self.living.begin(start);
        self.open_loop = open_loop;
        self.share(start);
    }

    /// A connection lives from now on, by its number in the run.
    pub(super) fn add(&mut self, number: usize, now: Instant) {
        self.living.add(number);
        self.share_anew(now);
    }

    /// A connection lives no longer.
    pub(super) fn remove(&mut self, number: usize, now: Instant) {
        self.living.remove(number, now);
        self.share_anew(now);
    }

    /// Another thread has told this one that its connections were lost or made.
    pub(super) fn hear(&mut self, now: Instant) {
        self.living.hear();
        self.share(now);
    }

    /// Puts a connection among the free ones of an open loop, by its place.
    pub(super) fn make_free(&mut self, place: usize) {
        if let Some(open_loop) = &mut self.open_loop {
            open_loop.make_free(place);
        }
    }

    pub(super) fn make_unfree(&mut self, place: usize) {
        if let Some(open_loop) = &mut self.open_loop {
            open_loop.make_unfree(place);
        }
    }

    /// Takes what an open loop leaves to this thread, by the connections that live.
    fn share(&mut self, now: Instant) {
        if let Some(open_loop) = &mut self.open_loop {
            let [own, all] = self.living.counts();
            open_loop.share(now, own, all);
        }
    }

    /// Another number of connections live, of this thread and so of all.
    fn share_anew(&mut self, now: Instant) {
        if self.open_loop.is_some() {
            self.share(now);
            self.living.tell_others();
        }
    }
}
