//! Buffers of one size that are used again, and given out only when there is data for them.

use std::{
    collections::VecDeque,
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
const FREE_MAX: usize = 1024;

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
    /// Receives that found no buffer, first come first served. A handle is listed once for each try.
    waiting: VecDeque<(Weak<Port>, Handle)>,
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
        self.take(|_| {})
    }

    /// Takes a buffer; or has [`Port::resume`] called for the handle once there is one.
    pub(crate) fn get_or_wait(&self, port: &Arc<Port>, handle: Handle) -> Option<Buffer> {
        self.take(|state| state.waiting.push_back((Arc::downgrade(port), handle)))
    }

    fn take(&self, otherwise: impl FnOnce(&mut State)) -> Option<Buffer> {
        let used = {
            let mut state = self.0.state.lock();
            if state.given == self.0.buffers_max {
                otherwise(&mut state);
                return None;
            }
            state.given += 1;
            state.free.pop()
        };
        let memory = used.unwrap_or_else(|| vec![0; self.0.capacity].into_boxed_slice());
        Some(Buffer::from_pool(memory, Lease(self.0.clone())))
    }
}

impl Lease {
    pub(super) fn give_back(self, memory: Box<[u8]>) {
        let (surplus, mut waiting) = {
            let mut state = self.0.state.lock();
            state.given -= 1;
            let surplus = if state.free.len() < FREE_MAX {
                state.free.push(memory);
                None
            } else {
                Some(memory)
            };
            (surplus, state.waiting.pop_front())
        };
        drop(surplus);
        // One of those that wait goes on; whoever no longer waits passes it on.
        while let Some((port, handle)) = waiting {
            if port.upgrade().is_some_and(|port| port.resume(handle)) {
                return;
            }
            waiting = self.0.state.lock().waiting.pop_front();
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
