//! The port: what it consists of, its handles, and whom it releases.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

#[cfg(shuttle)]
use crate::planted;

use super::{
    file::Files,
    side::Ready,
    watcher::{Called, Watcher},
};
use crate::{
    driver::{self, Driver, DriverInfo, Events, Probe, Query, Reply, coarse_now_ns},
    raw::{
        Completed, Descriptor, Direction, Handle, Kind, Options, Queued, ThreadPool, closed,
        pools::{Outcome, Pools},
        table::Table,
        timers::Timers,
    },
    scheduler::{Place, Release, Scheduler, Visit},
    snapshot::{Counts, Snapshot, Standing, WorkerSnapshot},
    sync::{Condvar, Mutex},
    user_code::log,
};

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
    pub(super) driver: Box<dyn Driver>,
    pub(in crate::raw) info: DriverInfo,
    pub(super) scheduler: Scheduler<Queued, Ready>,
    pub(in crate::raw) table: Table,
    pub(super) timers: Mutex<Timers<Completed>>,
    pub(super) operations_max: usize,
    /// Operations that are started and not handed out, and what is granted to posts.
    pub(super) outstanding: AtomicUsize,
    /// For how many of them the queue has room.
    pub(super) reserved: AtomicUsize,
    /// Where the thread that closes the port waits for the last transfers.
    pub(super) settling: (Mutex<()>, Condvar),
    /// A thread may linger for posted packets: there is another processor for who posts them.
    pub(super) lingers: bool,
    pub(super) watcher: Watcher,
    pub(super) files: Files,
    pools: Pools,
    /// For the threads of its own.
    pub(super) weak: Weak<Port>,
}

impl Port {
    /// Makes a port.
    ///
    /// # Errors
    /// The system's, if it gives no descriptors or no memory; with [`DriverChoice::Uring`](crate::DriverChoice::Uring), also
    /// its refusal of io_uring, with the remedy.
    pub fn new(options: &Options) -> io::Result<Arc<Self>> {
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
        let scheduler = Scheduler::new(concurrency, driver.batch_max(), coarse_now_ns);
        Ok(Arc::new_cyclic(|weak| Port {
            driver,
            info,
            scheduler,
            table: Table::new(),
            timers: Mutex::new(Timers::new()),
            operations_max: options.operations_max,
            outstanding: AtomicUsize::new(0),
            reserved: AtomicUsize::new(0),
            settling: (Mutex::new(()), Condvar::new()),
            lingers: processors > 1,
            watcher: Watcher::default(),
            files: Files::default(),
            pools: Pools::default(),
            weak: weak.clone(),
        }))
    }

    /// The most threads that run at once.
    pub fn concurrency(&self) -> usize {
        self.scheduler.concurrency()
    }

    /// How many descriptors the port has open for itself, beside those that are associated: 3, and one more for each thread
    /// that may run at once where io_uring is used.
    pub fn descriptors(&self) -> usize {
        self.driver.descriptors()
    }

    /// How threads and packets stand.
    pub fn counts(&self) -> Counts {
        self.scheduler.counts()
    }

    /// How the port and its threads stand. It asks the system after each thread that is in a handler, so it is for
    /// those who look now and then.
    pub fn snapshot(&self) -> Snapshot {
        if self.scheduler.would_hold_up() {
            // What nobody watches for waits too.
            self.bring_in(&mut Events::default(), &mut Visit::default());
        }
        let seats = self.scheduler.seats();
        let mut counts = self.counts();
        let now_ns = coarse_now_ns();
        let since = |since_ns: u64| Duration::from_nanos(now_ns.saturating_sub(since_ns));
        let oldest = self.scheduler.oldest_since_ns().map(since);
        let mut workers = Vec::with_capacity(seats.len());
        for (suspect, place) in seats {
            let worker = &suspect.worker;
            let standing = match place {
                Place::Away => Standing::Away,
                Place::Running => match worker.probe.is_asleep() {
                    Some(true) => {
                        // Not noticed yet, since nobody had to wait for its place.
                        counts.running = counts.running.saturating_sub(1);
                        counts.blocked += 1;
                        Standing::Blocked
                    }
                    Some(false) => Standing::Running,
                    None => Standing::Unknown,
                },
                Place::Released => Standing::Running,
                Place::Blocked => Standing::Blocked,
                Place::Watching => Standing::Watching,
                Place::Parked => Standing::Parked,
            };
            workers.push(WorkerSnapshot {
                name: worker.name.to_string(),
                standing,
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

    /// From now on this pool is asked for a thread when all are blocked; see [`ThreadPool`]. The port does not keep it.
    pub fn add_pool(&self, pool: Weak<dyn ThreadPool>) {
        let release = self.pools.add(pool, || self.scheduler.set_can_grow(true));
        self.release(release);
    }

    /// To be called when a pool of threads that was [full](crate::raw::Spawned::Full) is not any more: a thread of it has ended,
    /// or it may have more. Its pools are asked again.
    pub fn can_spawn(&self) {
        let release = (self.pools).has_room(|| self.scheduler.set_can_grow(true));
        self.release(release);
    }

    /// To be called by a thread that a pool started when it was [asked](ThreadPool::spawn), once its first wait has returned,
    /// whatever with. On Windows another may be asked for then.
    pub fn worker_started(&self) {
        // If that is not enough, the watcher finds it out.
    }

    /// Has a pool start a thread. Says whether one did.
    pub(super) fn spawn(&self) -> bool {
        let mut release = Release::Nobody;
        let outcome = (self.pools).spawn(|| release = self.scheduler.set_can_grow(false));
        self.release(release);
        outcome == Outcome::Started
    }

    /// Whether the port is closed.
    pub fn is_closed(&self) -> bool {
        self.scheduler.is_closed()
    }

    /// Associates a descriptor with the port, under a key that comes back with each of its packets. The port owns the
    /// descriptor from now on, and makes it non-blocking where a call goes by that mode.
    ///
    /// # Errors
    /// The port is closed, has as many handles as it takes, the system can't watch the descriptor, or it is of another kernel
    /// than the port's ([`InvalidInput`](io::ErrorKind::InvalidInput)). The descriptor is closed.
    pub fn associate(
        &self,
        descriptor: impl Into<Descriptor>,
        key: usize,
        kind: Kind,
    ) -> io::Result<Handle> {
        self.associate_as(descriptor, key, kind, None)
    }

    /// As [`associate`](Self::associate). `is_tcp`: whether a stream, or what a listener accepts, is; if it is not known, the
    /// system is asked.
    pub(crate) fn associate_as(
        &self,
        descriptor: impl Into<Descriptor>,
        key: usize,
        kind: Kind,
        is_tcp: Option<bool>,
    ) -> io::Result<Handle> {
        let descriptor = descriptor.into();
        self.driver.knows(&descriptor)?;
        let is_tcp = match kind {
            // Where it can't be told, nothing is taken for granted.
            Kind::Stream | Kind::Unconnected | Kind::Listener => is_tcp.unwrap_or_else(|| {
                let told = self.ask_new(&descriptor, Query::IsTcp);
                told.is_ok_and(Reply::is_so)
            }),
            Kind::Datagram | Kind::File => false,
        };
        let handle = self.insert(descriptor, key, kind)?;
        if is_tcp && let Some(mut entry) = self.table.lock(handle) {
            entry.is_tcp = true;
        }
        self.release(self.scheduler.watch());
        // Each side of a handle stands on the queue once at most.
        self.scheduler.reserve(0, 2 * self.table.places_used());
        // Files have no readiness, and a socket is watched once its connection is under way.
        if !matches!(kind, Kind::Unconnected | Kind::File)
            && let Err(error) = self.watch_handle(handle)
        {
            self.close_handle(handle);
            return Err(error);
        }
        Ok(handle)
    }

    /// Has the driver watch a handle.
    pub(super) fn watch_handle(&self, handle: Handle) -> io::Result<()> {
        self.with_descriptor(handle, |descriptor| {
            // SAFETY: the descriptor stays open meanwhile.
            unsafe { self.driver.watch(descriptor, handle.to_bits()) }
        })
    }

    /// Associates a new stream socket that can be connected to `peer`, from `local` if that is given.
    pub(crate) fn associate_unconnected(
        &self,
        peer: SocketAddr,
        local: Option<SocketAddr>,
    ) -> io::Result<Handle> {
        let socket = self.driver.stream_for(peer, local)?;
        self.associate_as(socket, 0, Kind::Unconnected, Some(true))
    }

    /// Associates a new stream socket that can be connected to a local one.
    pub(crate) fn associate_unconnected_local(&self) -> io::Result<Handle> {
        let socket = self.driver.local_stream()?;
        self.associate_as(socket, 0, Kind::Unconnected, Some(false))
    }

    /// Whether a stream, or what a listener accepts, is TCP; none if that is not known.
    pub(crate) fn is_tcp(&self, handle: Handle) -> Option<bool> {
        Some(self.table.lock(handle)?.is_tcp)
    }

    /// Checks that a descriptor is of the port's kernel; see [`Driver::knows`].
    pub(crate) fn knows(&self, descriptor: &Descriptor) -> io::Result<()> {
        self.driver.knows(descriptor)
    }

    /// Asks the system something about a handle, or sets it.
    ///
    /// # Errors
    /// The handle is closed; or the system's.
    pub(crate) fn ask(&self, handle: Handle, query: Query) -> io::Result<Reply> {
        self.with_descriptor(handle, |descriptor| {
            // SAFETY: the descriptor stays open meanwhile.
            unsafe { self.driver.ask(descriptor, query) }
        })
    }

    /// Asks the system something about a descriptor that is not associated.
    pub(crate) fn ask_new(&self, descriptor: &Descriptor, query: Query) -> io::Result<Reply> {
        self.driver.knows(descriptor)?;
        // SAFETY: it is open as long as it is borrowed.
        unsafe { self.driver.ask(descriptor.number(), query) }
    }

    /// Calls `with` with the handle's descriptor, which stays open meanwhile, under no lock.
    ///
    /// # Errors
    /// The handle is closed; or what `with` returns.
    fn with_descriptor<T>(
        &self,
        handle: Handle,
        with: impl FnOnce(i32) -> io::Result<T>,
    ) -> io::Result<T> {
        let descriptor = {
            let mut entry = self.open_entry(handle)?;
            entry.holds += 1;
            entry.descriptor.as_ref().ok_or_else(closed)?.number()
        };
        let result = with(descriptor);
        if let Some(mut entry) = self.table.lock(handle) {
            entry.holds -= 1;
            self.let_go(entry, handle);
        }
        result
    }

    /// Tries again to find memory for what is received on a handle: a [`Provider`](crate::raw::Provider) that had none
    /// has some now.
    /// Says whether anything on the handle can make use of it.
    pub fn resume(&self, handle: Handle) -> bool {
        let Some(mut entry) = self.table.lock(handle) else {
            return false;
        };
        let side = &mut entry.sides[Direction::Read as usize];
        side.feed();
        let useful = side.head().is_some();
        let enqueued = side.enqueue();
        drop(entry);
        if enqueued {
            let direction = Direction::Read;
            self.release(self.scheduler.ready(Ready { handle, direction }));
        }
        useful
    }

    /// Carries out a release, under no lock.
    pub(super) fn release(&self, release: Release) {
        #[cfg(shuttle)]
        if !matches!(release, Release::Nobody) && planted::strikes(planted::Bug::LostWakeUp) {
            return;
        }
        match release {
            Release::Nobody => {}
            Release::Watching => self.driver.wake(),
            Release::Parked(worker) => worker.parker.release(),
            Release::CallWatcher => self.call_watcher(),
        }
    }

    /// Starts beforehand what is needed when threads block, so that it is there when the system has nothing left to give: on Linux
    /// the thread that finds out which others are blocked. To be called before a pool's threads are started; without this, it
    /// starts when it is first needed, if it can be had then.
    ///
    /// # Errors
    /// The system's: it has no thread for it.
    pub fn prepare(&self) -> io::Result<()> {
        self.watcher.start(&self.weak)?;
        // If no thread's state can be read here, that is said now, and not only when one is needed.
        let _ = Probe::of_this_thread().is_asleep();
        Ok(())
    }

    /// Has the watcher come. If it can't, it is called again: by whoever comes by, and by those who are parked, who look again
    /// and again until it is there.
    pub(super) fn call_watcher(&self) {
        let Called::Missing { first } = self.watcher.call(&self.weak) else {
            return;
        };
        self.scheduler.watcher_is_missing();
        if !first {
            return;
        }
        // Those who parked before it was missing do not know that they are to look again.
        for (suspect, place) in self.scheduler.seats() {
            if place == Place::Parked {
                suspect.worker.parker.release();
            }
        }
        // If the gate is full, whoever comes from the kernel parks.
        self.driver.wake();
    }
}
