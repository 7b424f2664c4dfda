//! What comes from outside, one after the other: connections and datagrams. One operation is under way while somebody waits for what
//! has not come yet; what it brings belongs to the socket, until a future takes it.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io, mem,
    task::{Context, Poll, Waker, ready},
};

use wharf::{Finished, Started, user_code::contain};

use crate::{
    budget,
    shared::Key,
    sync::{Mutex, MutexGuard, lock},
};

/// So many wakers of callers' own futures are kept, those that polled last: who has given up is not known of them, and until something
/// arrives they would pile up.
const OWN_MAX: usize = 64;

/// Something that an operation brings.
pub(crate) trait Arrival: Sized {
    /// What an operation has brought; none if it is not one of these.
    fn of(result: io::Result<usize>, what: Finished<Key>) -> Option<io::Result<Self>>;
}

/// What has arrived, and who waits for it. The key of a socket.
#[derive(Debug)]
pub(crate) struct Arrivals<T>(Mutex<Waiting<T>>);

#[derive(Debug)]
struct Waiting<T> {
    is_under_way: bool,
    arrived: Option<io::Result<T>>,
    /// Of each future that waits: which of them takes it is not known before. Those of [`Arrivals::next`] have a number each, by
    /// which they leave when they are dropped; those of a caller's own share 0.
    wakers: BTreeMap<u64, Vec<Waker>>,
    last_number: u64,
}

impl<T> Default for Arrivals<T> {
    fn default() -> Self {
        Arrivals(Mutex::new(Waiting {
            is_under_way: false,
            arrived: None,
            wakers: BTreeMap::new(),
            last_number: 0,
        }))
    }
}

impl<T: Arrival> Arrivals<T> {
    /// The operation has completed. Returns what to wake.
    pub(crate) fn complete(&self, result: io::Result<usize>, what: Finished<Key>) -> Option<Waker> {
        let arrived = T::of(result, what)?;
        let mut waiting = lock(&self.0);
        waiting.is_under_way = false;
        waiting.arrived = Some(arrived);
        let wakers = mem::take(&mut waiting.wakers);
        drop(waiting);
        let mut wakers = wakers.into_values().flatten();
        let first = wakers.next();
        // A waker of the program's may panic; the others are woken all the same.
        for waker in wakers {
            contain("a waker", || waker.wake());
        }
        first
    }
}

impl<T: Arrival> Arrivals<T> {
    /// What arrives next, as `take` has it: it may leave it to the next. `start` starts the operation.
    pub(super) async fn next<R>(
        &self,
        start: impl Fn() -> io::Result<Started<Key>>,
        mut take: impl FnMut(&mut Option<io::Result<T>>) -> Option<R>,
    ) -> io::Result<R> {
        let waits = Waits {
            arrivals: self,
            number: self.next_number(),
        };
        poll_fn(|context| self.poll_as(waits.number, context, &start, &mut take)).await
    }

    /// As [`next`](Self::next), for a future of the caller's own.
    pub(super) fn poll_next<R>(
        &self,
        context: &Context<'_>,
        start: impl Fn() -> io::Result<Started<Key>>,
        mut take: impl FnMut(&mut Option<io::Result<T>>) -> Option<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_as(0, context, &start, &mut take)
    }

    fn poll_as<R>(
        &self,
        number: u64,
        context: &Context<'_>,
        start: &impl Fn() -> io::Result<Started<Key>>,
        take: &mut impl FnMut(&mut Option<io::Result<T>>) -> Option<R>,
    ) -> Poll<io::Result<R>> {
        ready!(budget::poll_left(context));
        let mut waiting = lock(&self.0);
        if waiting.arrived.is_none() && !waiting.is_under_way {
            match start()? {
                // It was there. Through the port it would wait for its turn behind all that is ready, and so would each of its followers.
                Started::Completed(done) => waiting.arrived = T::of(done.result, done.what),
                Started::Pending(_) => waiting.is_under_way = true,
            }
        }
        if let Some(taken) = take(&mut waiting.arrived) {
            drop(waiting);
            budget::spend();
            return Poll::Ready(Ok(taken));
        }
        register(waiting, number, context.waker());
        Poll::Pending
    }

    fn next_number(&self) -> u64 {
        let mut waiting = lock(&self.0);
        waiting.last_number += 1;
        waiting.last_number
    }
}

fn register<T>(mut waiting: MutexGuard<'_, Waiting<T>>, number: u64, waker: &Waker) {
    let held = waiting.wakers.entry(number).or_default();
    if let Some(at) = held.iter().position(|held| held.will_wake(waker)) {
        held[at..].rotate_left(1);
        return;
    }
    // A future that is polled in another task now wants no wake of the one before.
    let before = match number {
        0 if held.len() < OWN_MAX => None,
        0 => Some(held.remove(0)),
        _ => held.pop(),
    };
    held.push(waker.clone());
    drop(waiting);
    drop(before);
}

/// A future that waits, or has waited: dropped, it leaves no waker behind.
struct Waits<'a, T> {
    arrivals: &'a Arrivals<T>,
    number: u64,
}

impl<T> Drop for Waits<'_, T> {
    fn drop(&mut self) {
        let left = lock(&self.arrivals.0).wakers.remove(&self.number);
        drop(left);
    }
}
