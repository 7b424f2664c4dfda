//! How many connections live, of one thread and in all: by that an open loop is shared out.

use std::{sync::atomic::Ordering, time::Instant};

use super::{connection::Key, open_loop::Counts, shared::LoadState};

/// The living connections of one thread, beside those of all.
#[derive(Debug)]
pub(super) struct Living<'a> {
    shared: &'a LoadState<'a>,
    thread: usize,
    own: Counts,
    /// Since when none of this thread's lives.
    down_since: Option<Instant>,
}

impl<'a> Living<'a> {
    pub(super) fn new(shared: &'a LoadState<'a>, thread: usize) -> Self {
        Living {
            shared,
            thread,
            own: [0, 0],
            down_since: None,
        }
    }

    /// The load begins.
    pub(super) fn begin(&mut self, start: Instant) {
        self.down_since = self.is_none().then_some(start);
    }

    /// A connection of this thread, by its number in the run, lives from now on.
    pub(super) fn add(&mut self, number: usize) {
        let stream = self.shared.plan.stream_of(number);
        self.own[stream] += 1;
        self.shared.living[stream].fetch_add(1, Ordering::SeqCst);
        self.down_since = None;
    }

    /// A connection of this thread lives no longer.
    pub(super) fn remove(&mut self, number: usize, now: Instant) {
        let stream = self.shared.plan.stream_of(number);
        self.own[stream] -= 1;
        self.shared.living[stream].fetch_sub(1, Ordering::SeqCst);
        self.down_since = self.is_none().then_some(now);
    }

    /// How many live of each stream: of this thread, and of all.
    pub(super) fn counts(&self) -> [Counts; 2] {
        let living = &self.shared.living;
        let all = [0, 1].map(|stream: usize| living[stream].load(Ordering::SeqCst));
        [self.own, all]
    }

    pub(super) fn is_none(&self) -> bool {
        self.own == [0, 0]
    }

    /// Since when none of this thread's lives.
    pub(super) fn down_since(&self) -> Option<Instant> {
        self.down_since
    }

    /// Tells the other threads to share out the load anew, if they have not been told already.
    pub(super) fn tell_others(&self) {
        for (thread, told) in self.shared.threads.iter().enumerate() {
            if thread != self.thread && !told.shared.swap(true, Ordering::SeqCst) {
                // A thread that has ended has no share.
                let _ = told.port.post(Key::Shared, 0);
            }
        }
    }

    /// This thread has been told, and may be told again.
    pub(super) fn hear(&self) {
        self.shared.threads[self.thread]
            .shared
            .store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, AtomicU64, AtomicUsize},
        time::Duration,
    };

    use clap::Parser;
    use wharf::{CompletionPort, Wait};

    use super::*;
    use crate::bench::{arguments::Arguments, plan::Plan, shared::Told};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    /// Has the threads of a run with two hot connections of four.
    fn with_shared(test: impl FnOnce(&LoadState)) {
        let line = Line::parse_from("bench -c 4 --threads 2 --rate 1k --skew 2:50".split(' '));
        let plan = Plan::new(&line.arguments).expect("a plan");
        let told = || Told {
            port: CompletionPort::new(1).expect("a port"),
            shared: AtomicBool::new(false),
        };
        test(&LoadState {
            plan: &plan,
            content: &Plan::content(&line.arguments),
            address: "127.0.0.1:1".parse().expect("an address"),
            threads: vec![told(), told()],
            stop: AtomicBool::new(false),
            budget: None,
            living: [AtomicUsize::new(0), AtomicUsize::new(0)],
            connected: AtomicU64::new(0),
            answered: AtomicU64::new(0),
        });
    }

    #[test]
    fn a_thread_is_down_since_its_last_connection_was_lost() {
        with_shared(|shared| {
            let start = Instant::now();
            let at = |seconds| start + Duration::from_secs(seconds);
            let (mut one, mut other) = (Living::new(shared, 0), Living::new(shared, 1));
            one.begin(start);
            assert_eq!(one.down_since(), Some(start));
            one.add(0);
            one.add(2);
            other.add(1);
            assert_eq!(one.counts(), [[1, 1], [1, 2]]);
            one.remove(2, at(1));
            assert_eq!(one.down_since(), None);
            one.remove(0, at(2));
            assert_eq!(one.down_since(), Some(at(2)));
            assert_eq!(other.counts(), [[0, 1], [0, 1]]);
        });
    }

    #[test]
    fn the_others_are_told_once_until_they_have_heard_it() {
        with_shared(|shared| {
            let (one, other) = (Living::new(shared, 0), Living::new(shared, 1));
            let told = |thread: usize| {
                let wait = shared.threads[thread].port.wait(Some(Duration::ZERO));
                matches!(wait.expect("it can wait"), Wait::Completed(_))
            };
            one.tell_others();
            one.tell_others();
            assert!(told(1) && !told(1) && !told(0));
            other.hear();
            one.tell_others();
            assert!(told(1));
        });
    }
}
