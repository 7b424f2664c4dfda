//! What the tasks, streams and timers of a runtime share, and who gets a completion.

use std::{sync::Arc, task::Waker, time::Duration};

use wharf::{BufferPool, Completion, CompletionPort, Connection};

#[cfg(all(unix, feature = "simulated"))]
use wharf::simulated::Kernel;

#[cfg(all(unix, feature = "simulated"))]
use crate::simulation::World;
use crate::{
    net::{Arrivals, Datagram, Listed, Slot, StreamState, Unsent},
    polls::Polls,
    registry::Registry,
    time::Timer,
};

/// Bytes of a buffer of the pool: what one receive brings at most, unless it is straight into the caller's memory.
pub(crate) const BUFFER_BYTES: usize = 16 << 10;

/// No datagram of UDP has more bytes.
const DATAGRAM_BYTES: usize = 64 << 10;

/// As long as clients have for the head of a request, as a rule.
pub(crate) const UNSENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Whose completion it is. None of them owns a future, so that none is dropped within a wait.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    Timer(Arc<Timer>),
    Stream(Arc<StreamState>),
    Listener(Arc<Arrivals<Box<Connection>>>),
    #[cfg(unix)]
    LocalListener(Arc<Arrivals<wharf::LocalConnection>>),
    Datagrams(Arc<Arrivals<Datagram>>),
    /// Nobody's: each operation has a slot.
    Slot,
}

/// What tasks, streams and timers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) port: CompletionPort<Key>,
    pub(crate) registry: Registry,
    pub(crate) polls: Polls,
    pub(crate) buffers: BufferPool,
    pub(crate) datagrams: BufferPool,
    pub(crate) threads_max: usize,
    pub(crate) unsent: Arc<Unsent>,
    /// In the place of workers and a clock.
    #[cfg(all(unix, feature = "simulated"))]
    pub(crate) world: Option<World>,
    /// The side runtime, whose context our threads enter. Empty: there is none.
    #[cfg(feature = "tokio")]
    pub(crate) tokio: std::sync::OnceLock<tokio::runtime::Handle>,
}

/// What a [simulation](crate::simulation) runs on.
#[cfg(all(unix, feature = "simulated"))]
pub(crate) fn simulated(world: World) -> std::io::Result<Shared> {
    let port = CompletionPort::builder().operations_max(usize::MAX / 2);
    let port = port.concurrency(1).simulated(&world.kernel).build()?;
    let mut shared = Shared::new(port, 1, UNSENT_TIMEOUT);
    shared.world = Some(world);
    Ok(shared)
}

impl Shared {
    pub(crate) fn new(
        port: CompletionPort<Key>,
        threads_max: usize,
        unsent_timeout: Duration,
    ) -> Shared {
        Shared {
            unsent: Arc::new(Unsent::new(port.clone(), unsent_timeout)),
            port,
            registry: Registry::default(),
            polls: Polls::default(),
            buffers: BufferPool::new(BUFFER_BYTES),
            datagrams: BufferPool::new(DATAGRAM_BYTES),
            threads_max,
            #[cfg(all(unix, feature = "simulated"))]
            world: None,
            #[cfg(feature = "tokio")]
            tokio: std::sync::OnceLock::new(),
        }
    }

    /// The kernel of a simulation, whose addresses its sockets have.
    #[cfg(all(unix, feature = "simulated"))]
    pub(crate) fn kernel(&self) -> Option<Kernel> {
        self.world.as_ref().map(|world| world.kernel.clone())
    }

    /// Whether all workers that there may be have work, and more work waits.
    pub(crate) fn is_at_its_limit(&self) -> bool {
        let counts = self.port.counts();
        counts.queued > 0
            && counts.parked == 0
            && counts.running + counts.blocked >= self.threads_max
    }
}

/// Gives a completion to what waits for it. Returns what to wake.
pub(crate) fn complete(mut completion: Completion<Key>) -> Option<Waker> {
    let is_cancelled = completion.is_cancelled();
    let (slot, listed): (Option<Slot>, Option<Listed>) = match completion.context {
        None => (None, None),
        Some(_) => (completion.take_context(), completion.take_context()),
    };
    let Completion {
        key, result, what, ..
    } = completion;
    if let Some(slot) = slot {
        return slot.complete(result, what);
    }
    if let Some(listed) = listed {
        listed.end(result.is_err());
        return None;
    }
    match key {
        // A timer is cancelled without a completion; it has this one only when the port is closed.
        Key::Timer(timer) => timer.fire(!is_cancelled),
        Key::Stream(stream) => stream.complete(result, what),
        Key::Listener(listener) => listener.complete(result, what),
        #[cfg(unix)]
        Key::LocalListener(listener) => listener.complete(result, what),
        Key::Datagrams(datagrams) => datagrams.complete(result, what),
        Key::Slot => None,
    }
}
