//! Buffers of one size that are used again, and given out only when there is data for them.
//!
//! A receive that finds no buffer has a *place*: in the line of the pool, if the pool has no buffer left, or among the receives
//! that its share holds back, if the share is used up. A buffer that comes back is promised to the first receive in line,
//! and no other can take it. So each receive gets its turn (FIFO), even if others ask again and again.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

#[cfg(shuttle)]
use crate::planted;

use super::{Buffer, aside::Aside};
use crate::{
    raw::{Counted, Handle, Port, Space},
    sync::Mutex,
};

/// As many free buffers are kept for the next receive; more are given back to the allocator, so that a burst does
/// not hold its memory for ever.
const FREE_MAX: usize = 256;

/// Buffers of one size, used again.
///
/// A receive [from the pool](crate::Socket::receive_from) takes its buffer when data is there, not when it is
/// started, so that ten thousand idle connections own none. Where the pool has a limit and it is reached, such
/// receives wait for a buffer to come back, first in, first out; none fails because of it. Meanwhile nothing is read from their
/// sockets, which is backpressure for the peers. A receive that waits still
/// completes when the peer ends or resets the connection. Clones are the same pool. A buffer that is promised to the first
/// receive in line is kept until that receive takes it: if two ports share a pool, threads have to wait on both.
///
/// Where peers that must not disturb each other use one pool, each should have a [share](Self::share) of it: else one peer that
/// keeps buffers busy can take them all.
#[derive(Clone)]
pub struct BufferPool(Counted<Share>);

/// What a handle of the pool may take of it.
pub(crate) struct Share {
    shared: Arc<SharedPool>,
    buffers_max: u32,
    /// Buffers that were taken through it and are not back. Changed under the pool's lock.
    in_use: AtomicU32,
}

struct SharedPool {
    capacity: usize,
    buffers_max: usize,
    state: Mutex<State>,
    aside: Aside,
}

#[derive(Default)]
struct State {
    free: Vec<Space>,
    in_use: usize,
    /// Buffers that are promised to receives which were told, and which have not taken them yet.
    promised: usize,
    /// Receives that found no buffer in the pool, by the number of their place: first in, first out.
    waiting: BTreeMap<u64, Waiter>,
    /// Receives whose share is used up, by the address of the share and the number of their place.
    held_back: BTreeMap<(usize, u64), Waiter>,
    last_place: u64,
}

/// The handle to tell.
type Waiter = (Weak<Port>, Handle);

/// A receive's place in line for a buffer.
///
/// It is taken off the line when a buffer is promised to it, and dropped when the receive takes the buffer. If it is dropped
/// without a buffer, the promise passes to the next in line.
#[derive(Debug)]
pub(crate) struct QueuePlace {
    pool: BufferPool,
    number: u64,
    /// A buffer was taken, and the promise with it.
    served: bool,
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        if self.served {
            return;
        }
        let (pool, share) = (self.pool.shared(), &self.pool.0);
        let next = {
            let mut state = pool.state.lock();
            let was_held_back = state.held_back.remove(&(self.pool.id(), self.number));
            if was_held_back.is_some() {
                return;
            }
            if state.waiting.remove(&self.number).is_none() {
                state.promised -= 1;
            }
            // The share does not hold it back (any more): so another receive of the share gets in line in its place.
            if share.in_use.load(Ordering::Relaxed) < share.buffers_max {
                state.let_in(self.pool.id());
            }
            state.promise(pool.buffers_max)
        };
        tell(next);
    }
}

/// The obligation to give a buffer's memory back.
pub(super) enum Lease {
    /// It counts against its pool and share.
    Counted(BufferPool),
    /// It was [set aside](Buffer::set_aside), and counts against nothing.
    Aside(BufferPool),
}

impl BufferPool {
    /// A pool of buffers of `capacity` bytes, as many as are asked for. Memory is taken when it is first
    /// needed, and touched when data comes.
    ///
    /// # Panics
    /// If `capacity` is 0.
    pub fn new(capacity: usize) -> Self {
        Self::with_limit(capacity, usize::MAX)
    }

    /// A pool of `buffers_max` buffers of `capacity` bytes at most.
    ///
    /// # Panics
    /// If either is 0.
    pub fn with_limit(capacity: usize, buffers_max: usize) -> Self {
        assert!(capacity > 0, "a pool's buffers hold at least 1 byte");
        assert!(buffers_max > 0, "a pool has at least 1 buffer");
        let shared = Arc::new(SharedPool {
            capacity,
            buffers_max,
            state: Mutex::new(State::default()),
            aside: Aside::new(capacity),
        });
        BufferPool::share_of(shared, u32::MAX)
    }

    fn share_of(shared: Arc<SharedPool>, buffers_max: u32) -> Self {
        BufferPool(Counted::new(Share {
            shared,
            buffers_max,
            in_use: AtomicU32::new(0),
        }))
    }

    /// A share of this pool: the same buffers, of which at most `buffers_max` are in use through the share and its
    /// clones at any moment, however little is in each. A receive from a share that is used up waits until one of the
    /// share's own buffers comes back, and delays no receive of another share.
    ///
    /// A share for each connection limits how many buffers its peer can occupy. Buffers that a handler keeps count too: a
    /// handler that keeps more of them than the share has waits for itself, so copy bytes that are to be kept. A share of a
    /// share is a share of the same pool, with a limit of its own. It takes 32 bytes.
    ///
    /// ```
    /// let pool = wharf::BufferPool::with_limit(15_000, 1_000);
    /// let share = pool.share(2);
    /// let (first, second) = (share.get(), share.get());
    /// assert!(first.is_some() && second.is_some());
    /// assert!(share.get().is_none(), "the share is used up");
    /// assert!(pool.get().is_some(), "the pool is not");
    /// ```
    ///
    /// # Panics
    /// If `buffers_max` is 0.
    pub fn share(&self, buffers_max: usize) -> BufferPool {
        assert!(buffers_max > 0, "a share has at least 1 buffer");
        let buffers_max = u32::try_from(buffers_max).unwrap_or(u32::MAX);
        BufferPool::share_of(self.0.shared.clone(), buffers_max)
    }

    /// What its clones share.
    #[cfg(unix)]
    pub(crate) fn into_share(self) -> Counted<Share> {
        self.0
    }

    #[cfg(unix)]
    pub(crate) fn from_share(share: Counted<Share>) -> Self {
        BufferPool(share)
    }

    fn shared(&self) -> &SharedPool {
        &self.0.shared
    }

    /// Tells the shares of a pool apart, for as long as they live.
    fn id(&self) -> usize {
        self.0.address()
    }

    /// The size of its buffers, in bytes.
    pub fn capacity(&self) -> usize {
        self.shared().capacity
    }

    /// How many buffers are in use, of the whole pool.
    pub fn in_use(&self) -> usize {
        self.shared().state.lock().in_use
    }

    /// Whether its share is used up. Asked under the pool's lock.
    fn is_used_up(&self) -> bool {
        let in_use = self.0.in_use.load(Ordering::Relaxed);
        #[cfg(shuttle)]
        if planted::strikes(planted::Bug::ShareNotKept) {
            return false;
        }
        in_use >= self.0.buffers_max
    }

    /// Takes a buffer, if the limits allow one more and no receive waits for it.
    pub fn get(&self) -> Option<Buffer> {
        let memory = {
            let mut state = self.shared().state.lock();
            if self.is_used_up() || !state.has_one_for_all(self.shared().buffers_max) {
                return None;
            }
            self.take(&mut state)
        };
        Some(self.clone().lend(memory))
    }

    /// Counts a buffer as in use. Its memory, if there is some to be used again.
    fn take(&self, state: &mut State) -> Option<Space> {
        state.in_use += 1;
        // Under the lock, so it need not be one step.
        let in_use = self.0.in_use.load(Ordering::Relaxed) + 1;
        self.0.in_use.store(in_use, Ordering::Relaxed);
        state.free.pop()
    }

    fn lend(self, memory: Option<Space>) -> Buffer {
        let memory = memory.unwrap_or_else(|| Space::with_capacity(self.capacity()));
        Buffer::leased(memory, Lease::Counted(self))
    }

    /// A buffer with a copy of these bytes, as small as they are, that counts against nothing: the caller bounds it.
    pub(super) fn copy_aside(&self, bytes: &[u8]) -> Buffer {
        let memory = self.shared().aside.take(bytes.len());
        let mut copy = Buffer::leased(memory, Lease::Aside(self.clone()));
        copy.copy_from(bytes);
        copy
    }

    /// Takes a buffer; or a place in line, to have [`Port::resume`] called for the handle once it is its turn.
    pub(crate) fn lend_or_wait(
        self,
        place: Option<Box<QueuePlace>>,
        port: &Arc<Port>,
        handle: Handle,
    ) -> Result<Buffer, (Self, Box<QueuePlace>)> {
        let mut state = self.shared().state.lock();
        let number = place.as_ref().map(|place| place.number);
        if number.is_some_and(|number| state.stands(self.id(), number)) {
            // The handle was told of something else, and it is not its turn yet.
            drop(state);
            return Err((self, place.expect("it has a number")));
        }
        // A receive that had a place and is not in line was told: a buffer is promised to it.
        let is_promised = place.is_some();
        state.promised -= usize::from(is_promised);
        let is_used_up = self.is_used_up();
        if !is_used_up && (is_promised || state.has_one_for_all(self.shared().buffers_max)) {
            let memory = self.take(&mut state);
            drop(state);
            if let Some(mut place) = place {
                place.served = true;
            }
            return Ok(self.lend(memory));
        }
        let number = number.unwrap_or_else(|| state.next_number());
        let waiter = (Arc::downgrade(port), handle);
        let next = if is_used_up {
            state.held_back.insert((self.id(), number), waiter);
            state.promise(self.shared().buffers_max)
        } else {
            state.waiting.insert(number, waiter);
            None
        };
        drop(state);
        tell(next);
        let pool = self.clone();
        let place = place.unwrap_or_else(|| {
            Box::new(QueuePlace {
                pool,
                number,
                served: false,
            })
        });
        Err((self, place))
    }
}

impl State {
    fn next_number(&mut self) -> u64 {
        self.last_place += 1;
        self.last_place
    }

    /// Whether there is a buffer that no receive waits for.
    fn has_one_for_all(&self, buffers_max: usize) -> bool {
        self.waiting.is_empty() && self.in_use + self.promised < buffers_max
    }

    /// Whether this place is in line, or held back.
    fn stands(&self, share: usize, number: u64) -> bool {
        self.waiting.contains_key(&number) || self.held_back.contains_key(&(share, number))
    }

    /// A buffer of this share has come back: the first receive that the share holds back gets in line.
    fn let_in(&mut self, share: usize) {
        if self.held_back.is_empty() {
            return;
        }
        let mut own = self.held_back.range((share, 0)..=(share, u64::MAX));
        let Some((&place, _)) = own.next() else {
            return;
        };
        if let Some(waiter) = self.held_back.remove(&place) {
            self.waiting.insert(place.1, waiter);
        }
    }

    /// Promises a buffer to the first receive in line, if there is one for it; returns the handle to tell.
    fn promise(&mut self, buffers_max: usize) -> Option<Waiter> {
        if self.in_use + self.promised >= buffers_max {
            return None;
        }
        let (_, first) = self.waiting.pop_first()?;
        self.promised += 1;
        Some(first)
    }
}

/// Tells a receive that a buffer is promised to it. If it has ended meanwhile, its [`QueuePlace`] passes the promise on.
fn tell(next: Option<Waiter>) {
    if let Some((port, handle)) = next {
        if let Some(port) = port.upgrade() {
            port.resume(handle);
        }
    }
}

impl Lease {
    /// The pool that the buffer counts against.
    pub(super) fn counted(&self) -> Option<&BufferPool> {
        match self {
            Lease::Counted(pool) => Some(pool),
            Lease::Aside(_) => None,
        }
    }

    pub(super) fn give_back(self, memory: Space) {
        let pool = match self {
            Lease::Counted(pool) => pool,
            Lease::Aside(pool) => return pool.shared().aside.give_back(memory),
        };
        let mut state = pool.shared().state.lock();
        state.in_use -= 1;
        let in_use = pool.0.in_use.load(Ordering::Relaxed) - 1;
        pool.0.in_use.store(in_use, Ordering::Relaxed);
        state.let_in(pool.id());
        let next = state.promise(pool.shared().buffers_max);
        let surplus = if state.free.len() < FREE_MAX {
            state.free.push(memory);
            None
        } else {
            Some(memory)
        };
        drop(state);
        drop(surplus);
        tell(next);
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BufferPool")
            .field("capacity", &self.capacity())
            .field("buffers_max", &self.shared().buffers_max)
            .field("in_use", &self.in_use())
            .finish_non_exhaustive()
    }
}
