//! The port: its parts, and how it carries out releases.

use std::{
    io,
    net::SocketAddr,
    os::fd::BorrowedFd,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

#[cfg(shuttle)]
use crate::planted;

use super::{
    handles::Handles,
    monitor::{Called, Monitor},
    side::Ready,
};
use crate::{
    driver::{self, Driver, DriverInfo, Events, Probe, Query, Reply, coarse_now_ns},
    raw::{
        Descriptor, Handle, Kind, LockedEntry, Options, Queued, RawDescriptor, ThreadPool,
        outstanding::Outstanding,
        pools::{Pools, SpawnOutcome},
        shape::{Associations, Parts},
        table::Table,
        task::Places,
    },
    scheduler::{Place, Release, Scheduler, Suspect, Visit},
    snapshot::{Counts, Snapshot, Traffic, WorkerSnapshot, WorkerState},
    user_code::log,
};

/// A thread takes so many ready sides at a time, also where the driver gains nothing by transfers that are made at once: one visit
/// to the scheduler then serves all of them. The packets that come of them are open to all threads, and the transfers do not wait, so
/// nothing is hidden for long. But one that sends a file may wait for the disk: where there are such, a thread takes no more at a
/// time than the driver gains by. More would only keep more buffers busy.
const WORK_MAX: usize = 8;

impl Options {
    fn open_driver(&self, concurrency: usize) -> io::Result<(Box<dyn Driver>, DriverInfo)> {
        #[cfg(feature = "simulated")]
        if let Some(kernel) = &self.kernel {
            let driver = kernel.open_driver();
            let info = DriverInfo {
                name: driver.name(),
                fallback: None,
            };
            return Ok((driver, info));
        }
        driver::open(self.driver, concurrency)
    }
}

/// A completion port. See the [layer](crate::raw).
pub struct Port {
    info: DriverInfo,
    pub(super) handles: Handles,
    pub(super) scheduler: Scheduler<Queued, Ready>,
    pub(super) outstanding: Outstanding,
    pub(super) places: Places,
    /// For so many of them the queue has memory.
    queue_room: AtomicUsize,
    pools: Pools,
    pub(super) monitor: Monitor,
    /// A thread may linger for posted packets: there is another processor for the threads that post them.
    pub(super) lingers: bool,
    /// For the threads of its own.
    pub(super) weak: Weak<Port>,
}

impl Parts for Port {
    fn make(options: &Options) -> io::Result<Arc<Self>> {
        let processors = std::thread::available_parallelism()?.get();
        let concurrency = match options.concurrency {
            0 => processors,
            concurrency => concurrency,
        };
        let (driver, info) = options.open_driver(concurrency)?;
        if let Some(reason) = &info.fallback {
            // No `Once`: a subscriber may make a port.
            static SAID: AtomicBool = AtomicBool::new(false);
            if !SAID.swap(true, Ordering::Relaxed) {
                log(|| tracing::warn!("{reason}; falling back to the readiness driver"));
            }
        }
        let batch_max = driver.batch_max().max(WORK_MAX);
        let scheduler = Scheduler::new(concurrency, batch_max, driver.promises(), coarse_now_ns);
        Ok(Arc::new_cyclic(|weak| Port {
            info,
            handles: Handles::new(driver),
            scheduler,
            outstanding: Outstanding::new(options.operations_max),
            places: Places::new(),
            queue_room: AtomicUsize::new(0),
            pools: Pools::default(),
            monitor: Monitor::default(),
            lingers: processors > 1,
            weak: weak.clone(),
        }))
    }

    fn info(&self) -> &DriverInfo {
        &self.info
    }

    fn table(&self) -> &Table {
        &self.handles.table
    }

    fn concurrency(&self) -> usize {
        self.scheduler.concurrency()
    }

    fn descriptors(&self) -> usize {
        self.handles.driver.descriptors()
    }

    fn counts(&self) -> Counts {
        self.scheduler.counts()
    }

    fn snapshot(&self) -> Snapshot {
        let oldest = Parts::oldest(self);
        let seats = self.scheduler.seats();
        let mut counts = self.scheduler.counts();
        let now_ns = coarse_now_ns();
        let since = |since_ns: u64| Duration::from_nanos(now_ns.saturating_sub(since_ns));
        let mut workers = Vec::with_capacity(seats.len());
        for (suspect, place) in seats {
            let state = state(&suspect, place);
            if place == Place::Running && state == WorkerState::Blocked {
                // The monitor has not noticed it yet, since no thread had to wait for its place.
                counts.running = counts.running.saturating_sub(1);
                counts.blocked += 1;
            }
            let worker = &suspect.worker;
            workers.push(WorkerSnapshot {
                name: worker.name.to_string(),
                state,
                since: since(worker.since_ns()),
                packets: worker.packets(),
            });
        }
        Snapshot {
            counts,
            oldest,
            operations: self.under_way(),
            workers,
        }
    }

    fn oldest(&self) -> Option<Duration> {
        if self.scheduler.would_hold_up() {
            // Events that no thread polls for wait too.
            self.bring_in(&mut Events::default(), &mut Visit::default());
        }
        let since_ns = self.scheduler.oldest_since_ns()?;
        Some(Duration::from_nanos(
            coarse_now_ns().saturating_sub(since_ns),
        ))
    }

    fn is_closed(&self) -> bool {
        self.scheduler.is_closed()
    }

    fn prepare(&self) -> io::Result<()> {
        self.monitor.start(&self.weak)?;
        // If no thread's state can be read here, that is logged now, and not only when one is needed.
        let _ = Probe::of_this_thread().is_asleep();
        Ok(())
    }

    fn add_pool(&self, pool: Weak<dyn ThreadPool>) {
        let release = self.pools.add(pool, || self.scheduler.set_can_grow(true));
        self.release(release);
    }

    fn can_spawn(&self) {
        let release = (self.pools).has_room(|| self.scheduler.set_can_grow(true));
        self.release(release);
    }

    fn worker_started(&self) {
        // If that is not enough, the monitor finds it out.
    }
}

/// The state of a thread that the scheduler has at this place.
fn state(suspect: &Suspect, place: Place) -> WorkerState {
    match place {
        Place::Away => WorkerState::Away,
        Place::Running => match suspect.worker.probe.is_asleep() {
            Some(true) => WorkerState::Blocked,
            Some(false) => WorkerState::Running,
            None => WorkerState::Unknown,
        },
        Place::Released => WorkerState::Running,
        Place::Blocked => WorkerState::Blocked,
        Place::Polling => WorkerState::Polling,
        Place::Parked => WorkerState::Parked,
    }
}

impl Associations for Port {
    fn associate_as(
        &self,
        descriptor: Descriptor,
        key: usize,
        kind: Kind,
        is_tcp: Option<bool>,
    ) -> io::Result<Handle> {
        let handles = &self.handles;
        handles.driver.knows(&descriptor)?;
        let is_tcp = is_tcp.unwrap_or_else(|| handles.is_tcp(&descriptor, kind));
        let handle = self.insert(descriptor, key, kind)?;
        if let Some(mut entry) = handles.table.lock(handle) {
            entry.is_tcp = is_tcp;
        }
        self.release(self.scheduler.begin_polling());
        // Each side of a handle is on the queue once at most.
        self.scheduler.reserve(0, 2 * handles.table.places_used());
        // Files have no readiness, and a socket is registered once its connection is under way.
        let registered = match kind {
            Kind::Unconnected | Kind::File => Ok(()),
            _ => handles.register(handle),
        };
        if let Err(error) = registered {
            self.close_handle(handle);
            return Err(error);
        }
        Ok(handle)
    }

    fn stream_for(&self, peer: SocketAddr, local: Option<SocketAddr>) -> io::Result<Descriptor> {
        self.handles.driver.stream_for(peer, local)
    }

    fn knows(&self, descriptor: &Descriptor) -> io::Result<()> {
        self.handles.driver.knows(descriptor)
    }

    fn is_tcp(&self, handle: Handle) -> Option<bool> {
        Some(self.handles.table.lock(handle)?.is_tcp)
    }

    fn ask(&self, handle: Handle, query: Query) -> io::Result<Reply> {
        self.handles.ask(handle, query)
    }

    #[cfg(feature = "safe")]
    fn ask_new(&self, descriptor: &Descriptor, query: Query) -> io::Result<Reply> {
        self.handles.ask_new(descriptor, query)
    }

    fn with_descriptor<T>(
        &self,
        handle: Handle,
        with: impl FnOnce(RawDescriptor) -> io::Result<T>,
    ) -> io::Result<T> {
        self.handles.with_descriptor(handle, with)
    }

    fn with_borrowed<T>(
        &self,
        handle: Handle,
        with: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.handles.with_borrowed(handle, with)
    }

    fn feed(&self, handle: Handle) -> bool {
        let (useful, ready) = self.handles.feed(handle);
        if let Some(ready) = ready {
            self.release(self.scheduler.ready(ready));
        }
        useful
    }

    fn set_paused(&self, handle: Handle, paused: bool) -> io::Result<()> {
        if let Some(ready) = self.handles.set_paused(handle, paused)? {
            self.release(self.scheduler.ready(ready));
        }
        Ok(())
    }

    fn close_entry(&self, handle: Handle, entry: LockedEntry<'_>) {
        self.handles.close_entry(handle, entry, &mut self.outside());
    }

    fn close_if_sent(&self, handle: Handle) -> Option<Traffic> {
        self.handles.close_if_sent(handle, &mut self.outside())
    }
}

impl Port {
    /// Makes room on the queue for the packets of so many operations, so that completing them can't fail.
    pub(super) fn make_room_for(&self, operations: usize) {
        if operations > self.queue_room.load(Ordering::Relaxed) {
            let room = operations.next_power_of_two().max(64);
            self.scheduler.reserve(room, 0);
            self.queue_room.fetch_max(room, Ordering::Relaxed);
        }
    }

    /// Associates a new stream socket that can be connected to a local one.
    pub(in crate::raw) fn local_stream(&self) -> io::Result<Descriptor> {
        self.handles.driver.local_stream()
    }

    pub(in crate::raw) fn wait_until_free(&self, handle: Handle) {
        self.handles.wait_until_free(handle);
    }

    pub(in crate::raw) fn is_held(&self, handle: Handle) -> bool {
        self.handles.is_held(handle)
    }

    /// Has a pool start a thread. Returns whether one did.
    pub(super) fn spawn(&self) -> bool {
        let mut release = Release::Nobody;
        let outcome = (self.pools).spawn(|| release = self.scheduler.set_can_grow(false));
        self.release(release);
        outcome == SpawnOutcome::Started
    }

    /// Carries out a release, under no lock.
    pub(super) fn release(&self, release: Release) {
        #[cfg(shuttle)]
        if !matches!(release, Release::Nobody) && planted::strikes(planted::Bug::LostWakeUp) {
            return;
        }
        match release {
            Release::Nobody => {}
            Release::Polling => self.handles.driver.wake(),
            Release::Parked(worker) => worker.parker.release(),
            Release::CallMonitor => self.call_monitor(),
        }
    }

    /// Calls the monitor. If the system has no thread for it, it is called again: by the next thread that visits, and by parked
    /// threads, which wake up again and again until it is there.
    pub(super) fn call_monitor(&self) {
        let Called::Missing { first } = self.monitor.call(&self.weak) else {
            return;
        };
        self.scheduler.monitor_is_missing();
        if !first {
            return;
        }
        // Threads that parked before it was missing do not know that they are to look again.
        for (suspect, place) in self.scheduler.seats() {
            if place == Place::Parked {
                suspect.worker.parker.release();
            }
        }
        // If the gate is full, a thread that comes from the kernel parks.
        self.handles.driver.wake();
    }
}
