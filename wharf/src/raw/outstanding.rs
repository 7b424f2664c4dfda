//! The operations that are under way on a port: counted when they start and when they are handed out, limited in number, and
//! awaited when the port closes.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::PortError;
use crate::sync::{Condvar, Mutex};

/// Operations, timers and posted packets that were started and are not handed out, credit that is granted to posts,
/// and places that are reserved for posts.
#[derive(Debug)]
pub(super) struct Outstanding {
    count: AtomicUsize,
    max: usize,
    /// A thread closes the port, and waits for the last of them.
    settling: AtomicBool,
    settled: (Mutex<()>, Condvar),
}

impl Outstanding {
    pub(super) fn new(max: usize) -> Self {
        Outstanding {
            count: AtomicUsize::new(0),
            max,
            settling: AtomicBool::new(false),
            settled: (Mutex::new(()), Condvar::new()),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Counts one more, and returns how many there are then. If that is too many, `reclaim` gives back the credit that was
    /// granted and is not used.
    pub(super) fn admit(&self, reclaim: impl FnOnce() -> usize) -> io::Result<usize> {
        let mut count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        if count > self.max {
            let unused = reclaim();
            count = self.count.fetch_sub(unused, Ordering::SeqCst) - unused;
        }
        if count > self.max {
            self.dismiss(1);
            return Err(PortError::TooManyOperations { max: self.max }.into());
        }
        Ok(count)
    }

    /// Whether there are as many as there may be, as far as is known.
    #[cfg(all(unix, feature = "safe"))]
    pub(super) fn is_full(&self) -> bool {
        self.count.load(Ordering::Relaxed) >= self.max
    }

    /// Counts one more, even above the limit. Returns how many there are then.
    #[cfg(any(windows, feature = "safe"))]
    pub(super) fn exceed(&self) -> usize {
        self.count.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Counts up to so many more at once, for a caller that does its own counting. Returns how many.
    #[cfg(unix)]
    pub(super) fn grant(&self, most: usize) -> usize {
        let granted = |count: usize| self.max.saturating_sub(count).min(most);
        let (success, failure) = (Ordering::SeqCst, Ordering::SeqCst);
        let more = |count| Some(count + granted(count));
        let (Ok(before) | Err(before)) = self.count.fetch_update(success, failure, more);
        granted(before)
    }

    /// Why no more can be started.
    #[cfg(unix)]
    pub(super) fn refusal(&self) -> io::Error {
        PortError::TooManyOperations { max: self.max }.into()
    }

    /// Counts so many as handed out, or as never started.
    pub(super) fn dismiss(&self, count: usize) {
        if count == 0 {
            return;
        }
        self.count.fetch_sub(count, Ordering::SeqCst);
        self.settle();
    }

    /// Tells the thread that closes the port that something has ended.
    pub(super) fn settle(&self) {
        // Read after the count was changed, or the ended operation was queued; the thread that closes sets it before it looks
        // at either.
        if self.settling.load(Ordering::SeqCst) {
            drop(self.settled.0.lock());
            self.settled.1.notify_one();
        }
    }

    /// Waits until there are none. `drain` takes the operations that have ended, and returns how many it took.
    #[cfg(unix)]
    pub(super) fn wait_for_the_last(&self, mut drain: impl FnMut() -> usize) {
        self.settling.store(true, Ordering::SeqCst);
        let mut settled = self.settled.0.lock();
        loop {
            let drained = drain();
            if self.count.fetch_sub(drained, Ordering::SeqCst) == drained {
                return;
            }
            settled = self.settled.1.wait(settled, None);
        }
    }
}

#[cfg(all(test, unix, not(any(loom, shuttle))))]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn one_more_than_the_most_is_refused_and_does_not_count() {
        let outstanding = Outstanding::new(2);
        assert_eq!(outstanding.admit(|| 0).expect("the first"), 1);
        assert_eq!(outstanding.admit(|| 0).expect("the second"), 2);
        let refused = outstanding.admit(|| 0).expect_err("the third");
        assert_eq!(refused.kind(), io::ErrorKind::QuotaExceeded);
        outstanding.dismiss(1);
        assert_eq!(outstanding.admit(|| 0).expect("in its place"), 2);
    }

    #[test]
    fn what_is_granted_and_not_used_makes_room() {
        let outstanding = Outstanding::new(8);
        assert_eq!(outstanding.grant(6), 6);
        assert_eq!(outstanding.grant(6), 2, "the rest");
        assert_eq!(outstanding.grant(6), 0);
        assert_eq!(outstanding.admit(|| 5).expect("five come back"), 4);
    }

    #[test]
    fn the_thread_that_closes_waits_for_the_last() {
        let outstanding = Arc::new(Outstanding::new(8));
        outstanding.grant(3);
        let ends = outstanding.clone();
        let thread = thread::spawn(move || (0..2).for_each(|_| ends.dismiss(1)));
        let mut to_drain = 1;
        outstanding.wait_for_the_last(|| std::mem::take(&mut to_drain));
        assert_eq!(outstanding.count(), 0);
        thread.join().expect("it ends");
    }
}
