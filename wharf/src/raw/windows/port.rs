//! The port: what it consists of, and its handles.

use std::{
    io,
    net::SocketAddr,
    ptr::NonNull,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    entry::FollowUps,
    key::Key,
    native::{Step, address_of},
    seat::{Seat, since},
    timekeeper::Timekeeper,
};
use crate::{
    driver::{
        DriverChoice, DriverInfo, Query, Reply,
        windows::{self, Descriptor, Queue, codes},
    },
    raw::{
        Direction, Handle, Kind, LockedEntry, Options, Overlapped, Queued, RawDescriptor,
        ThreadPool, closed,
        outstanding::Outstanding,
        pools::Pools,
        shape::{Associations, Packets, Parts},
        table::Table,
        task::Places,
    },
    snapshot::{Counts, Snapshot, Traffic, WorkerSnapshot},
    sync::Mutex,
};

/// A completion port. See the [layer](crate::raw).
pub struct Port {
    pub(super) queue: Arc<Queue>,
    info: DriverInfo,
    concurrency: usize,
    pub(super) table: Table,
    pub(super) timekeeper: Timekeeper,
    pub(super) outstanding: Outstanding,
    pub(super) places: Places,
    pub(super) closed: AtomicBool,
    /// Threads that wait, or are about to.
    pub(super) waiting: AtomicUsize,
    /// What threads had taken when the port was closed.
    pub(super) leftovers: Mutex<Vec<Queued>>,
    pub(super) seats: Mutex<Vec<Arc<Seat>>>,
    /// Threads that have taken a packet and not come back.
    pub(super) running: AtomicUsize,
    running_max: AtomicUsize,
    pools: Pools,
    can_grow: AtomicBool,
}

impl Parts for Port {
    fn make(options: &Options) -> io::Result<Arc<Self>> {
        if !matches!(options.driver, DriverChoice::Auto | DriverChoice::Windows) {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the drivers uring and readiness are not for Windows, whose kernel has a completion port; use auto or \
                 windows",
            ));
        }
        let concurrency = match options.concurrency {
            0 => std::thread::available_parallelism()?.get(),
            concurrency => concurrency,
        };
        let queue = Arc::new(Queue::new(concurrency)?);
        Ok(Arc::new(Port {
            info: DriverInfo {
                name: "windows",
                fallback: None,
            },
            concurrency,
            table: Table::new(),
            timekeeper: Timekeeper::new(queue.clone()),
            queue,
            outstanding: Outstanding::new(options.operations_max),
            places: Places::new(),
            closed: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            leftovers: Mutex::new(Vec::new()),
            seats: Mutex::new(Vec::new()),
            running: AtomicUsize::new(0),
            running_max: AtomicUsize::new(0),
            pools: Pools::default(),
            can_grow: AtomicBool::new(false),
        }))
    }

    fn info(&self) -> &DriverInfo {
        &self.info
    }

    fn table(&self) -> &Table {
        &self.table
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn descriptors(&self) -> usize {
        0
    }

    fn counts(&self) -> Counts {
        Counts {
            running: self.running.load(Ordering::Relaxed),
            parked: self.waiting.load(Ordering::Relaxed),
            running_max: self.running_max.load(Ordering::Relaxed),
            ..Counts::default()
        }
    }

    fn snapshot(&self) -> Snapshot {
        let seats = self.seats.lock();
        let workers = seats.iter().map(|seat| {
            let (state, then) = seat.state();
            WorkerSnapshot {
                name: seat.name.to_string(),
                state,
                since: since(then),
                packets: seat.packets.load(Ordering::Relaxed),
            }
        });
        Snapshot {
            counts: Parts::counts(self),
            oldest: None,
            operations: self.outstanding.count(),
            workers: workers.collect(),
        }
    }

    fn oldest(&self) -> Option<Duration> {
        None
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// The kernel sees to that.
    fn prepare(&self) -> io::Result<()> {
        Ok(())
    }

    fn add_pool(&self, pool: Weak<dyn ThreadPool>) {
        self.pools
            .add(pool, || self.can_grow.store(true, Ordering::SeqCst));
    }

    fn can_spawn(&self) {
        self.pools
            .has_room(|| self.can_grow.store(true, Ordering::SeqCst));
        // If none waits, it may be that all are blocked, and that none of them would ask.
        Parts::worker_started(self);
    }

    fn worker_started(&self) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            self.spawn();
        }
    }
}

impl Associations for Port {
    /// The kernel knows whether it is TCP.
    fn associate_as(
        &self,
        descriptor: Descriptor,
        key: usize,
        kind: Kind,
        _is_tcp: Option<bool>,
    ) -> io::Result<Handle> {
        let descriptor = descriptor.prepared();
        if kind == Kind::Datagram {
            // SAFETY: it is open: we have it.
            unsafe { windows::to_datagrams(descriptor.number()) }?;
        }
        let mut skips = true;
        if !descriptor.waits() {
            let (key, wanted) = (Key::Operation as usize, kind != Kind::Datagram);
            skips = self.queue.associate(&descriptor, key, wanted)?;
        }
        let handle = self.insert(descriptor, key, kind)?;
        if let Some(mut entry) = self.table.lock(handle) {
            entry.queues_all = !skips;
        }
        Ok(handle)
    }

    fn stream_for(&self, peer: SocketAddr, local: Option<SocketAddr>) -> io::Result<Descriptor> {
        windows::stream_for(peer, local)
    }

    /// There is but one kernel.
    fn knows(&self, _descriptor: &Descriptor) -> io::Result<()> {
        Ok(())
    }

    /// It makes no difference here.
    fn is_tcp(&self, _handle: Handle) -> Option<bool> {
        None
    }

    fn ask(&self, handle: Handle, query: Query) -> io::Result<Reply> {
        let entry = self.table.open(handle)?;
        let descriptor = entry.descriptor.as_ref().ok_or_else(closed)?;
        // SAFETY: it is open as long as it is borrowed.
        unsafe { windows::ask(descriptor.number(), query) }
    }

    #[cfg(feature = "safe")]
    fn ask_new(&self, descriptor: &Descriptor, query: Query) -> io::Result<Reply> {
        // SAFETY: it is open as long as it is borrowed.
        unsafe { windows::ask(descriptor.number(), query) }
    }

    /// The handle's lock is held meanwhile: the kernel closes a socket at once, even if threads use it.
    fn with_descriptor<T>(
        &self,
        handle: Handle,
        with: impl FnOnce(RawDescriptor) -> io::Result<T>,
    ) -> io::Result<T> {
        let entry = self.table.open(handle)?;
        with(entry.descriptor.as_ref().ok_or_else(closed)?.number())
    }

    fn with_borrowed<T>(
        &self,
        handle: Handle,
        with: impl FnOnce(&Descriptor) -> io::Result<T>,
    ) -> io::Result<T> {
        let entry = self.table.open(handle)?;
        with(entry.descriptor.as_ref().ok_or_else(closed)?)
    }

    fn feed(&self, handle: Handle) -> bool {
        let Ok(mut entry) = self.table.open(handle) else {
            return false;
        };
        if let Some(mut operation) = entry.starved.take() {
            // SAFETY: it is under way and no call of it is, so it is ours.
            unsafe { operation.as_mut() }.native.step = Step::Finding;
            entry.fed = false;
            drop(entry);
            self.queue
                .post_surely(Key::Provide as usize, address_of(operation));
            return true;
        }
        // SAFETY: what is under way is valid.
        let is_finding =
            |operation: &NonNull<Overlapped>| unsafe { operation.as_ref() }.native.step == Step::Finding;
        entry.fed = entry.under_way.iter().any(is_finding);
        entry.fed
    }

    fn set_paused(&self, handle: Handle, paused: bool) -> io::Result<()> {
        let mut entry = self.table.open(handle)?;
        entry.paused = paused;
        let mut follow_ups = FollowUps::default();
        self.go_on(entry, handle, &mut follow_ups);
        self.follow_up(follow_ups);
        Ok(())
    }

    fn close_entry(&self, handle: Handle, mut entry: LockedEntry<'_>) {
        entry.closing = true;
        let mut follow_ups = FollowUps::default();
        self.cancel_lines(&mut entry, &|_| true, &mut follow_ups);
        if let Some(operation) = entry.starved.take() {
            self.end_failed(&mut entry, operation, codes::CANCELLED, &mut follow_ups);
        }
        let descriptor = entry.descriptor.take();
        if let Some(descriptor) = &descriptor {
            // SAFETY: it is open: we have it.
            unsafe { windows::cancel_all(descriptor.number()) };
        }
        self.go_on(entry, handle, &mut follow_ups);
        drop(descriptor);
        self.follow_up(follow_ups);
    }

    fn close_if_sent(&self, handle: Handle) -> Option<Traffic> {
        let mut entry = self.table.open(handle).ok()?;
        let write = &entry.sides[Direction::Write as usize];
        let is_sending = write.under_way > 0 || !write.line.is_empty();
        let ended = |operation: &NonNull<Overlapped>| {
            // SAFETY: what is under way is valid.
            let native = unsafe { &operation.as_ref().native };
            // SAFETY: likewise; the kernel sets it when the call has ended.
            native.step == Step::Finding || unsafe { windows::has_ended(native.address()) }
        };
        if is_sending || entry.under_way.iter().any(ended) {
            return None;
        }
        let traffic = entry.traffic;
        entry.is_told = true;
        self.close_entry(handle, entry);
        Some(traffic)
    }
}

impl Port {
    /// Counts a thread that has taken packets.
    pub(super) fn counts_running(&self) {
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.running_max.fetch_max(running, Ordering::Relaxed);
    }

    /// Has a pool start a thread. The kernel does not tell that all threads are blocked, so one more is to wait for as long as
    /// there may be more: it is released when one of the others blocks.
    pub(super) fn spawn(&self) {
        if self.can_grow.load(Ordering::SeqCst) && !self.is_closed() {
            // One that is refused is asked for again by the next that takes a packet and leaves none that waits.
            (self.pools).spawn(|| self.can_grow.store(false, Ordering::SeqCst));
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        Packets::close_queue(self);
        self.timekeeper.end();
    }
}
