//! Buffers of one size that are used again, and given out only when there is data for them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Weak},
};

use super::Buffer;
use crate::{
    raw::{Handle, Port},
    sync::Mutex,
};

/// As many free buffers are kept for the next receive; more are given back to the allocator, so that a burst does
/// not hold its memory for ever.
const FREE_MAX: usize = 256;

/// Buffers of one size, used again.
///
/// A receive [from the pool](crate::Socket::receive_from) takes its buffer when data is there, not when it is
/// started, so that ten thousand idle connections own none. Where the pool has a limit and it is reached, such
/// receives wait for a buffer to come back; none fails for it. Clones share the same pool.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    capacity: usize,
    buffers_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    free: Vec<Box<[u8]>>,
    given: usize,
    /// Receives that found no buffer, by the number of their place: first come, first served.
    waiting: BTreeMap<u64, (Weak<Port>, Handle)>,
    last_place: u64,
}

/// A receive's place in the line for a buffer.
///
/// It is taken off the line to be told that there is a buffer, and put back, in its old place, if somebody else was
/// faster. It goes with the buffer that it gets; if it goes without one, the next in line is told instead.
#[derive(Debug)]
pub(crate) struct Place {
    pool: Pool,
    number: u64,
    /// A buffer was taken.
    served: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        let told = self
            .pool
            .0
            .state
            .lock()
            .waiting
            .remove(&self.number)
            .is_none();
        if told && !self.served {
            self.pool.0.tell_next();
        }
    }
}

/// The obligation to give a buffer's memory back.
pub(super) struct Lease(Arc<Shared>);

impl Pool {
    /// A pool of buffers of `capacity` bytes, as many as are asked for. Memory is taken when it is first needed.
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
        Pool(Arc::new(Shared {
            capacity,
            buffers_max,
            state: Mutex::new(State::default()),
        }))
    }

    /// The size of its buffers, in bytes.
    pub fn capacity(&self) -> usize {
        self.0.capacity
    }

    /// How many buffers are given out.
    pub fn given(&self) -> usize {
        self.0.state.lock().given
    }

    /// Takes a buffer, if the limit allows one more.
    pub fn get(&self) -> Option<Buffer> {
        self.clone().lend().ok()
    }

    /// Takes a buffer, and gives this handle on the pool with it; gives it back if there is none.
    fn lend(self) -> Result<Buffer, Self> {
        let used = {
            let mut state = self.0.state.lock();
            if state.given == self.0.buffers_max {
                drop(state);
                return Err(self);
            }
            state.given += 1;
            state.free.pop()
        };
        let memory = used.unwrap_or_else(|| vec![0; self.0.capacity].into_boxed_slice());
        Ok(Buffer::from_pool(memory, Lease(self.0)))
    }

    /// Takes a buffer; or a place in line, to have [`Port::resume`] called for the handle once there is one.
    pub(crate) fn lend_or_wait(
        self,
        place: Option<Box<Place>>,
        port: &Arc<Port>,
        handle: Handle,
    ) -> Result<Buffer, (Self, Box<Place>)> {
        let pool = match self.lend() {
            Ok(buffer) => {
                if let Some(mut place) = place {
                    place.served = true;
                }
                return Ok(buffer);
            }
            Err(pool) => pool,
        };
        let mut state = pool.0.state.lock();
        let mut place = place.unwrap_or_else(|| {
            state.last_place += 1;
            Box::new(Place {
                pool: pool.clone(),
                number: state.last_place,
                served: false,
            })
        });
        place.served = false;
        let waiter = (Arc::downgrade(port), handle);
        state.waiting.insert(place.number, waiter);
        let came_back = state.given < pool.0.buffers_max;
        drop(state);
        // A buffer may have come back before we were in line, and have found nobody to be told.
        if came_back {
            pool.0.tell_next();
        }
        Err((pool, place))
    }
}

impl Lease {
    pub(super) fn pool(&self) -> Pool {
        Pool(self.0.clone())
    }

    pub(super) fn give_back(self, memory: Box<[u8]>) {
        let mut state = self.0.state.lock();
        state.given -= 1;
        let somebody_waits = !state.waiting.is_empty();
        if state.free.len() < FREE_MAX {
            state.free.push(memory);
            drop(state);
        } else {
            drop(state);
            drop(memory);
        }
        if somebody_waits {
            self.0.tell_next();
        }
    }
}

impl Shared {
    /// Tells the first in line that there is a buffer; whoever can make no use of it is passed over.
    fn tell_next(&self) {
        loop {
            let first = {
                let mut state = self.state.lock();
                if state.given == self.buffers_max {
                    return;
                }
                state.waiting.pop_first()
            };
            match first {
                None => return,
                Some((_, (port, handle))) => {
                    if port.upgrade().is_some_and(|port| port.resume(handle)) {
                        return;
                    }
                }
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("capacity", &self.0.capacity)
            .field("buffers_max", &self.0.buffers_max)
            .field("given", &self.given())
            .finish()
    }
}
