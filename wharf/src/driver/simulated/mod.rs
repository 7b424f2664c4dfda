//! A kernel in memory, with sockets, files and faults of its own.
//!
//! It does everything that the manual pages allow, and not only what a real kernel does on most days: [`Faults`] and a seed
//! decide which of the rare things happen. If the seed also decides the order in which threads run (`ci/simulate.sh`), and time
//! is simulated, a run can be repeated exactly.
//!
//! - `network`: the open sockets and files, and the bytes that are on their way.
//! - `attempt`: the outcome of each call, and `memory`: the bytes that the call names.
//! - `events`: which waiting thread gets which event.
//! - `faults`: the things that go wrong.
//! - `peers`: the other ends of connections, for tests to hold.

mod attempt;
mod events;
mod faults;
mod memory;
mod network;
mod peers;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rustix::io::Errno;

use attempt::Attempt;
use events::Queue;
pub use faults::Faults;
use memory::Memory;
use network::State;
pub use peers::{Datagrams, File, Listener, Opened, Stream};

use super::{
    Call, Descriptor, Driver, Events, Outcome, Promises, Query, Reply, Transfer,
    unix::{calls, descriptor},
    unregistered,
};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, Parker, now};

/// The most transfers at once, if the faults are set so that there are several.
const BATCH_MAX: usize = 8;

/// A kernel in memory. Clones are the same kernel. `PortBuilder::simulated` makes a port on it.
///
/// ```
/// use std::io::Write;
/// use wharf::{Buffer, CompletionPort, Finished, Wait, simulated::Kernel};
///
/// # fn main() -> std::io::Result<()> {
/// let kernel = Kernel::new();
/// let port: CompletionPort<()> = CompletionPort::builder().simulated(&kernel).build()?;
/// let (ours, mut peer) = kernel.streams();
/// let socket = port.associate(ours, ())?;
/// socket.receive(Buffer::with_capacity(64))?;
/// peer.write_all(b"ahoy")?;
/// let Wait::Completed(completion) = port.wait(None)? else { panic!("neither closed nor timed out") };
/// assert_eq!(completion.result?, 4);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Kernel(Arc<SharedKernel>);

#[derive(Default)]
struct SharedKernel {
    state: Mutex<State>,
    changed: Condvar,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Kernel").finish_non_exhaustive()
    }
}

impl Kernel {
    /// A kernel on which nothing goes wrong and nothing takes time.
    pub fn new() -> Self {
        Self::default()
    }

    /// A kernel with faults, drawn from `seed`. Delayed bytes and events move only while a thread is in [`run`](Self::run).
    pub fn with_faults(seed: u64, faults: Faults) -> Self {
        let state = Mutex::new(State::new(seed, faults));
        let changed = Condvar::new();
        Kernel(Arc::new(SharedKernel { state, changed }))
    }

    /// Ends all faults; bytes that are on their way still arrive.
    pub fn heal(&self) {
        self.with(|state| state.faults = Faults::default());
    }

    /// Moves delayed bytes and events, until [`end`](Self::end). For a thread of its own.
    pub fn run(&self) {
        let mut state = self.lock();
        while !state.ended {
            if state.is_anything_in_flight() {
                state.land();
                drop(state);
                self.0.changed.notify_all();
                state = self.lock();
            } else {
                state = self.0.changed.wait(state, None);
            }
        }
    }

    /// Moves one delayed thing, for a caller that decides itself when that happens, in the place of a thread in
    /// [`run`](Self::run). False: nothing is on its way.
    pub fn land_one(&self) -> bool {
        self.with(|state| {
            let is_any = state.is_anything_in_flight();
            state.land();
            is_any
        })
    }

    /// Whether there is an event that no port has taken: after a wait without a packet there may be, since what the wait has tried may have
    /// brought it.
    pub fn has_events(&self) -> bool {
        self.lock().queues.values().any(Queue::has_events)
    }

    /// Ends [`run`](Self::run).
    pub fn end(&self) {
        self.with(|state| state.ended = true);
    }

    /// How many sockets and files are open.
    pub fn open_count(&self) -> usize {
        self.lock().open_count()
    }

    /// Whether a call that is under way reads or writes any of these bytes.
    pub fn uses(&self, bytes: &[u8]) -> bool {
        let range = bytes.as_ptr_range();
        let (start, end) = (range.start as usize, range.end as usize);
        let state = self.lock();
        let mut in_use = state.in_use.iter();
        in_use.any(|&(from, to)| from < end && start < to)
    }

    /// Tells it from all others there are.
    fn address(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    fn with<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        let result = with(&mut self.lock());
        self.0.changed.notify_all();
        result
    }

    pub(crate) fn open_driver(&self) -> Box<dyn Driver> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let queue = LAST.fetch_add(1, Ordering::Relaxed);
        let Faults {
            batches,
            promises_least,
            ..
        } = self.with(|state| {
            state.queues.entry(queue).or_default().wakes_first_first = state.faults.promises_least;
            state.faults
        });
        Box::new(Simulated {
            kernel: self.clone(),
            queue,
            batch_max: if batches { BATCH_MAX } else { 1 },
            promises_least,
        })
    }
}

/// The driver of a port on a simulated kernel.
#[derive(Debug)]
struct Simulated {
    kernel: Kernel,
    queue: u64,
    batch_max: usize,
    promises_least: bool,
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.kernel.with(|state| state.queues.remove(&self.queue));
    }
}

impl Driver for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn promises(&self) -> Promises {
        match self.promises_least {
            true => Promises::LEAST,
            false => Promises::ALL,
        }
    }

    fn late_max(&self, _timeout: Duration) -> Duration {
        Duration::ZERO
    }

    fn descriptors(&self) -> usize {
        0
    }

    fn batch_max(&self) -> usize {
        self.batch_max
    }

    fn knows(&self, descriptor: &Descriptor) -> io::Result<()> {
        let whose = match descriptor {
            Descriptor::Simulated(opened) if opened.kernel() == self.kernel.address() => {
                return Ok(());
            }
            Descriptor::Simulated(_) => "another simulated kernel's",
            Descriptor::System(_) | Descriptor::Borrowed(_) => "the system's",
        };
        Err(descriptor::of_another_kernel(whose, "a simulated kernel"))
    }

    fn stream_for(&self, _peer: SocketAddr, local: Option<SocketAddr>) -> io::Result<Descriptor> {
        let number = self.kernel.with(|state| state.unconnected_from(local))?;
        Ok(self.kernel.opened(number).into())
    }

    fn local_stream(&self) -> io::Result<Descriptor> {
        Err(descriptor::not_simulated("local sockets"))
    }

    unsafe fn ask(&self, descriptor: i32, query: Query) -> io::Result<Reply> {
        Ok(self.kernel.with(|state| state.ask(descriptor, query))?)
    }

    unsafe fn register(&self, descriptor: i32, token: u64) -> io::Result<()> {
        let by = Some((self.queue, token));
        let registered = self.kernel.with(|state| state.register(descriptor, by));
        registered.map_err(|error| unregistered(error.raw_os_error()))
    }

    unsafe fn deregister(&self, descriptor: i32) {
        let _ = self.kernel.with(|state| state.register(descriptor, None));
    }

    fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let deadline = timeout.and_then(|timeout| now().checked_add(timeout));
        let parker = Arc::new(Parker::default());
        loop {
            let timer = {
                let mut state = self.kernel.lock();
                // As after a signal: nothing is ready, and the caller looks at its clock.
                let interrupts = state.faults.interrupts;
                let is_interrupted = state.strikes(interrupts);
                let queue = state.queues.entry(self.queue).or_default();
                queue.leave(&parker);
                if queue.harvest(events) || is_interrupted {
                    return Ok(());
                }
                let is_over = deadline.is_some_and(|deadline| now() >= deadline);
                if timeout == Some(Duration::ZERO) || is_over {
                    return Ok(());
                }
                queue.enter(&parker);
                queue.timer()
            };
            let until = deadline.into_iter().chain(timer).min();
            parker.park(until.map(|until| until.saturating_duration_since(now())));
        }
    }

    fn wake(&self) {
        let mut state = self.kernel.lock();
        state.queues.entry(self.queue).or_default().wake();
    }

    fn arm(&self, delay: Option<Duration>) {
        let deadline = delay.and_then(|delay| now().checked_add(delay));
        let mut state = self.kernel.lock();
        state.queues.entry(self.queue).or_default().arm(deadline);
    }

    unsafe fn transfer(&self, transfers: &mut [Transfer]) {
        for transfer in transfers {
            // SAFETY: passed on to the caller.
            unsafe { self.perform(transfer) };
        }
    }

    unsafe fn transfer_file(&self, transfer: &mut Transfer) {
        // SAFETY: passed on to the caller.
        unsafe { self.perform(transfer) };
    }

    fn forget(&self, _slot: u32) {}
}

impl Simulated {
    /// # Safety
    /// The memory that the call names is valid and not used by other code until this returns.
    unsafe fn perform(&self, transfer: &mut Transfer) {
        let (number, call) = (transfer.descriptor, transfer.call);
        // SAFETY: passed on to the caller.
        let memory = unsafe { Memory::of(call) };
        let ranges = memory.ranges();
        self.kernel.lock().in_use.extend(&ranges);
        // Other threads may run in between, as they may on other processors.
        transfer.outcome = calls::until_it_ends(call, || {
            self.kernel
                .with(|state| self.attempt(state, number, call, &memory))
        });
        self.kernel.with(|state| {
            for range in ranges {
                let place = state.in_use.iter().position(|other| *other == range);
                place.map(|place| state.in_use.swap_remove(place));
            }
        });
    }

    fn attempt(
        &self,
        state: &mut State,
        number: i32,
        call: Call,
        memory: &Memory,
    ) -> Result<Outcome, Errno> {
        if state.strikes(state.faults.interrupts) {
            return Err(Errno::INTR);
        }
        let mut attempt = Attempt {
            kernel: &self.kernel,
            state,
            number,
            room: memory.len(),
            given: memory.read(),
            taken: Vec::new(),
        };
        let outcome = attempt.make(call)?;
        memory.write(&attempt.taken);
        Ok(outcome)
    }
}
