//! The port: handles, posted packets, timers, and the end of it all.

use std::{
    io,
    net::SocketAddr,
    ptr::{self, NonNull},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use super::{
    entry::{Entry, Line},
    member::Seat,
    native::Step,
    native::address_of,
    start::Aftermath,
    timekeeper::Timekeeper,
    wait::{hand_out, since},
};
use crate::{
    driver::{
        DriverChoice, DriverInfo, Query, Reply,
        windows::{self, Descriptor, Queue, codes},
    },
    raw::{
        Direction, Handle, Kind, OperationId, Options, Overlapped, Queued, Request, Status,
        ThreadPool, closed, pools::Pools, table::Table, too_many,
    },
    snapshot::{Counts, Snapshot, WorkerSnapshot},
    sync::{Mutex, MutexGuard},
};

/// What a packet of the kernel's queue is: all but the first are our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Key {
    /// A call has ended.
    Operation,
    /// An operation has, and is to be handed out.
    Ended,
    /// A box of what was posted.
    Posted,
    /// Memory is to be found for an operation.
    Provide,
    /// A call that waited has ended.
    Errand,
    /// Nothing: whoever takes it is to look again.
    Wake,
}

impl Key {
    pub(super) fn of(number: usize) -> Key {
        [
            Key::Operation,
            Key::Ended,
            Key::Posted,
            Key::Provide,
            Key::Errand,
        ]
        .into_iter()
        .find(|key| *key as usize == number)
        .unwrap_or(Key::Wake)
    }
}

/// A completion port. See the [layer](crate::raw).
pub struct Port {
    pub(super) queue: Arc<Queue>,
    pub(in crate::raw) info: DriverInfo,
    concurrency: usize,
    pub(in crate::raw) table: Table,
    timekeeper: Timekeeper,
    operations_max: usize,
    /// Operations and posted packets that are started and not handed out.
    outstanding: AtomicUsize,
    closed: AtomicBool,
    /// Threads that wait, or are about to.
    pub(super) waiting: AtomicUsize,
    /// What threads had taken when the port was closed.
    leftovers: Mutex<Vec<Queued>>,
    pub(super) seats: Mutex<Vec<Arc<Seat>>>,
    /// Threads that have taken a packet and not come back.
    pub(super) running: AtomicUsize,
    running_max: AtomicUsize,
    pools: Pools,
    can_grow: AtomicBool,
}

impl Port {
    /// Makes a port.
    ///
    /// # Errors
    /// The system's, if it has no memory. [`Unsupported`](io::ErrorKind::Unsupported): a driver other than Windows' own was
    /// asked for.
    pub fn new(options: &Options) -> io::Result<Arc<Self>> {
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
            operations_max: options.operations_max,
            outstanding: AtomicUsize::new(0),
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

    /// The most threads that run at once.
    pub fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// How many descriptors the port has open for itself: none that count against a limit.
    pub fn descriptors(&self) -> usize {
        0
    }

    /// How threads and packets stand, as far as the kernel tells.
    pub fn counts(&self) -> Counts {
        Counts {
            running: self.running.load(Ordering::Relaxed),
            parked: self.waiting.load(Ordering::Relaxed),
            running_max: self.running_max.load(Ordering::Relaxed),
            ..Counts::default()
        }
    }

    /// How the port and its threads stand.
    pub fn snapshot(&self) -> Snapshot {
        let seats = self.seats.lock();
        let workers = seats.iter().map(|seat| {
            let (standing, then) = seat.state();
            WorkerSnapshot {
                name: seat.name.to_string(),
                standing,
                since: since(then),
                packets: seat.packets.load(Ordering::Relaxed),
            }
        });
        Snapshot {
            counts: self.counts(),
            oldest: None,
            operations: self.outstanding.load(Ordering::SeqCst),
            workers: workers.collect(),
        }
    }

    pub(super) fn counts_running(&self, _packets: usize) {
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.running_max.fetch_max(running, Ordering::Relaxed);
    }

    /// Starts beforehand what is needed when threads block: nothing, the kernel sees to that.
    ///
    /// # Errors
    /// None.
    pub fn prepare(&self) -> io::Result<()> {
        Ok(())
    }

    /// From now on this pool is asked for a thread when all are blocked; see [`ThreadPool`]. The port does not keep it.
    pub fn add_pool(&self, pool: Weak<dyn ThreadPool>) {
        self.pools
            .add(pool, || self.can_grow.store(true, Ordering::SeqCst));
    }

    /// To be called when a pool of threads that was [full](crate::raw::Spawned::Full) is not any more: a thread of it has ended,
    /// or it may have more. Its pools are asked again, at once if no thread waits.
    pub fn can_spawn(&self) {
        self.pools
            .has_room(|| self.can_grow.store(true, Ordering::SeqCst));
        // If none waits, it may be that all are blocked, and that none of them would ask.
        self.worker_started();
    }

    /// To be called by a thread that a pool started when it was [asked](ThreadPool::spawn), once its first wait has returned,
    /// whatever with. If it has taken a packet and no thread waits, another is asked for.
    pub fn worker_started(&self) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            self.spawn();
        }
    }

    /// Has a pool start a thread. The kernel tells nobody that all threads are blocked, so one more is to wait for as long as
    /// there may be more: it is released when one of the others blocks.
    pub(super) fn spawn(&self) {
        if self.can_grow.load(Ordering::SeqCst) && !self.is_closed() {
            // One that is refused is asked for again by the next that takes a packet and leaves none that waits.
            (self.pools).spawn(|| self.can_grow.store(false, Ordering::SeqCst));
        }
    }

    /// Whether the port is closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Associates a descriptor with the port, under a key that comes back with each of its packets. The port owns the
    /// descriptor from now on.
    ///
    /// # Errors
    /// The port is closed, has as many handles as it takes, or the system can't associate the descriptor, as when it is of
    /// another port already. The descriptor is closed.
    pub fn associate(
        &self,
        descriptor: impl Into<Descriptor>,
        key: usize,
        kind: Kind,
    ) -> io::Result<Handle> {
        let descriptor = descriptor.into().prepared();
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
        if !skips && let Some(mut entry) = self.table.lock(handle) {
            entry.queues_all = true;
        }
        Ok(handle)
    }

    /// As [`associate`](Self::associate): the kernel knows what the socket is.
    pub(crate) fn associate_as(
        &self,
        descriptor: impl Into<Descriptor>,
        key: usize,
        kind: Kind,
        _is_tcp: Option<bool>,
    ) -> io::Result<Handle> {
        self.associate(descriptor, key, kind)
    }

    /// Whether a stream, or what a listener accepts, is TCP: not known, since it makes no difference here.
    pub(crate) fn is_tcp(&self, _handle: Handle) -> Option<bool> {
        None
    }

    /// Checks that a descriptor is of the port's kernel. There is but one.
    pub(crate) fn knows(&self, _descriptor: &Descriptor) -> io::Result<()> {
        Ok(())
    }

    /// Associates a new stream socket that can be connected to `peer`, from `local` if that is given.
    pub(crate) fn associate_unconnected(
        &self,
        peer: SocketAddr,
        local: Option<SocketAddr>,
    ) -> io::Result<Handle> {
        self.associate(windows::stream_for(peer, local)?, 0, Kind::Unconnected)
    }

    /// Asks the system something about a handle, or sets it.
    ///
    /// # Errors
    /// The handle is closed; or the system's.
    pub(crate) fn ask(&self, handle: Handle, query: Query) -> io::Result<Reply> {
        let entry = self.open_entry(handle)?;
        let descriptor = entry.descriptor.as_ref().ok_or_else(closed)?;
        self.ask_new(descriptor, query)
    }

    /// Asks the system something about a descriptor that is not associated.
    pub(crate) fn ask_new(&self, descriptor: &Descriptor, query: Query) -> io::Result<Reply> {
        // SAFETY: it is open as long as it is borrowed.
        unsafe { windows::ask(descriptor.number(), query) }
    }

    /// Tries again to find memory for what is received on a handle: a [`Provider`](crate::raw::Provider) that had none
    /// has some now.
    /// Says whether anything on the handle can make use of it.
    pub fn resume(&self, handle: Handle) -> bool {
        let Ok(mut entry) = self.open_entry(handle) else {
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

    /// Cancels one operation. Says whether it was found.
    pub(in crate::raw) fn cancel_one(&self, id: OperationId) -> bool {
        match id.handle == Handle::NONE {
            true => self.timekeeper.cancel(id.sequence),
            false => {
                let is_it = |operation: &Overlapped| operation.sequence == id.sequence;
                self.cancel_those(id.handle, is_it) > 0
            }
        }
    }

    /// Cancels the operations of a handle that `which` accepts; says how many there were.
    pub(in crate::raw) fn cancel_those(
        &self,
        handle: Handle,
        which: impl Fn(&Overlapped) -> bool,
    ) -> usize {
        let Some(mut entry) = self.table.lock(handle) else {
            return 0;
        };
        let mut aftermath = Aftermath::default();
        let count = self.cancel_chosen(&mut entry, which, &mut aftermath);
        self.go_on(entry, handle, &mut aftermath);
        self.follow(aftermath);
        count
    }

    pub(super) fn cancel_chosen(
        &self,
        entry: &mut Entry,
        which: impl Fn(&Overlapped) -> bool,
        aftermath: &mut Aftermath,
    ) -> usize {
        let mut count = self.cancel_lines(entry, &which, aftermath);
        for operation in entry.under_way.clone() {
            // SAFETY: what is under way is valid.
            if which(unsafe { operation.as_ref() }) {
                count += usize::from(self.cancel_under_way(entry, operation, aftermath));
            }
        }
        count
    }

    /// Cancels what has not begun.
    fn cancel_lines(
        &self,
        entry: &mut Entry,
        which: &impl Fn(&Overlapped) -> bool,
        aftermath: &mut Aftermath,
    ) -> usize {
        let mut count = 0;
        for direction in [Direction::Read, Direction::Write] {
            let mut out = entry.side(direction).line.take_out(which);
            while let Some(mut operation) = out.pop() {
                // SAFETY: it was in the line, so it is valid; out of it, it is ours.
                let overlapped = unsafe { operation.as_mut() };
                if matches!(overlapped.request, Request::Shutdown) {
                    // The side stays open.
                    entry.side(direction).failure = entry.broken;
                }
                overlapped.close_with(entry, Status::Failed(codes::CANCELLED));
                // SAFETY: it is valid, and in no line.
                unsafe { aftermath.ended.push(operation) };
                count += 1;
            }
        }
        count
    }

    /// Cancels what the kernel has, or a thread that finds memory for it. Says whether it was found in time.
    fn cancel_under_way(
        &self,
        entry: &mut Entry,
        mut operation: NonNull<Overlapped>,
        aftermath: &mut Aftermath,
    ) -> bool {
        // SAFETY: what is under way is valid; the kernel writes only what it was given.
        let overlapped = unsafe { operation.as_mut() };
        if overlapped.native.step == Step::Starved {
            entry.starved = None;
            self.end_failed(entry, operation, codes::CANCELLED, aftermath);
            return true;
        }
        let found = overlapped.native.step != Step::Finding
            && entry.descriptor.as_ref().is_some_and(|descriptor| {
                // SAFETY: it is open: we have it.
                unsafe { windows::cancel(descriptor.number(), overlapped.native.address()) }
            });
        // Where more calls would have followed, none does.
        let goes_on = overlapped.status == Status::Pending
            && (overlapped.stands_alone() || entry.kind == Kind::File);
        if !found && goes_on {
            overlapped.status = Status::Cancelling;
        }
        found || goes_on
    }

    /// Closes a handle as [`close_handle`](Self::close_handle) does, unless a send or a shutdown is under way, or a receive has
    /// ended and was not handed out, in one step. Returns the bytes received and sent in all; none if it is not closed by
    /// this.
    pub fn close_handle_if_sent(&self, handle: Handle) -> Option<(u64, u64)> {
        let mut entry = self.open_entry(handle).ok()?;
        let write = &entry.sides[Direction::Write as usize];
        let is_sending = write.under_way > 0 || write.line.head().is_some();
        let ended = |operation: &NonNull<Overlapped>| {
            // SAFETY: what is under way is valid.
            let native = unsafe { &operation.as_ref().native };
            // SAFETY: likewise; the kernel sets it when the call has ended.
            native.step == Step::Finding || unsafe { windows::has_ended(native.address()) }
        };
        if is_sending || entry.under_way.iter().any(ended) {
            return None;
        }
        let traffic = (entry.received, entry.sent);
        entry.is_told = true;
        self.close_entry(handle, entry);
        Some(traffic)
    }

    pub(in crate::raw) fn close_entry(&self, handle: Handle, mut entry: MutexGuard<'_, Entry>) {
        entry.closing = true;
        let mut aftermath = Aftermath::default();
        self.cancel_lines(&mut entry, &|_| true, &mut aftermath);
        if let Some(operation) = entry.starved.take() {
            self.end_failed(&mut entry, operation, codes::CANCELLED, &mut aftermath);
        }
        let descriptor = entry.descriptor.take();
        if let Some(descriptor) = &descriptor {
            // SAFETY: it is open: we have it.
            unsafe { windows::cancel_all(descriptor.number()) };
        }
        self.go_on(entry, handle, &mut aftermath);
        drop(descriptor);
        self.follow(aftermath);
    }

    /// Queues a packet from outside; gives it back if it is refused.
    pub(crate) fn post_packet(&self, packet: Queued) -> Result<(), (io::Error, Queued)> {
        if let Err(error) = self.admit() {
            return Err((error, packet));
        }
        let posted = Box::into_raw(Box::new(packet));
        self.queue
            .post(Key::Posted as usize, posted.cast())
            .map_err(|error| {
                self.dismiss(1);
                // SAFETY: it was not queued, so it is still ours.
                (error, *unsafe { Box::from_raw(posted) })
            })
    }

    /// Queues an operation of the kind [`Request::Posted`] as a packet of its own, with the
    /// number `transferred`.
    ///
    /// # Errors
    /// As for [`post`](Self::post).
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    pub unsafe fn post_overlapped(
        &self,
        mut operation: NonNull<Overlapped>,
        transferred: usize,
    ) -> io::Result<()> {
        self.admit()?;
        // SAFETY: the caller leaves the operation to us from now on.
        let overlapped = unsafe { operation.as_mut() };
        overlapped.status = Status::Done;
        overlapped.transferred = transferred;
        let posted = self.queue.post(Key::Ended as usize, address_of(operation));
        posted.inspect_err(|_| self.dismiss(1))
    }

    /// Starts a timer: an operation of the kind [`Request::Timer`] that completes at `deadline`,
    /// never earlier; later by as much as a tick of the system's clock, some 16 milliseconds.
    ///
    /// # Errors
    /// As for [`post`](Self::post); or the system has no thread for the first of them.
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    pub unsafe fn start_timer(
        &self,
        deadline: Instant,
        key: usize,
        operation: NonNull<Overlapped>,
    ) -> io::Result<OperationId> {
        self.admit()?;
        let set = self.timekeeper.set(deadline, key, operation);
        let sequence = set.inspect_err(|_| self.dismiss(1))?;
        if self.is_closed() {
            self.timekeeper.cancel_all();
        }
        Ok(OperationId {
            handle: Handle::NONE,
            sequence,
        })
    }

    /// As [`close`](Self::close).
    pub(crate) fn close_queue(&self) -> Vec<Queued> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Vec::new();
        }
        self.timekeeper.cancel_all();
        for handle in self.table.close() {
            self.close_handle(handle);
        }
        let (mut queued, mut quiet) = (Vec::new(), Line::default());
        self.waiting.fetch_add(1, Ordering::SeqCst);
        loop {
            queued.append(&mut self.leftovers.lock());
            if self.outstanding.load(Ordering::SeqCst) <= queued.len() {
                break;
            }
            // None is known to fail; what can't be taken can't be waited for.
            let taken = self.queue.take(usize::MAX, None, |taken| {
                self.receive(taken, &mut queued, &mut quiet);
            });
            if taken.is_err() {
                break;
            }
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        self.outstanding.fetch_sub(queued.len(), Ordering::SeqCst);
        self.timekeeper.end();
        self.wake_another();
        hand_out(&mut quiet);
        queued
    }

    /// A thread that finds the port closed leaves what it took to the one that closes it.
    pub(super) fn leave_to_closer(&self, packets: &mut Vec<Queued>) {
        if !packets.is_empty() {
            self.leftovers.lock().append(packets);
        }
        self.wake_another();
    }

    /// Each that wakes up to find the port closed wakes the next.
    fn wake_another(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.queue.post_surely(Key::Wake as usize, ptr::null_mut());
        }
    }

    /// Counts an operation as started.
    pub(in crate::raw) fn admit(&self) -> io::Result<()> {
        let outstanding = self.outstanding.fetch_add(1, Ordering::SeqCst) + 1;
        let refused = if self.is_closed() {
            closed()
        } else if outstanding > self.operations_max {
            too_many(self.operations_max)
        } else {
            return Ok(());
        };
        self.dismiss(1);
        Err(refused)
    }

    /// Counts operations as handed out, or as never started.
    pub(in crate::raw) fn dismiss(&self, count: usize) {
        self.outstanding.fetch_sub(count, Ordering::SeqCst);
        if self.is_closed() {
            self.wake_another();
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.close_queue();
        self.timekeeper.end();
    }
}
