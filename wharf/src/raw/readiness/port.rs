//! The port: handles, operations, posted packets, timers, and the end of it all.

use std::{
    io,
    net::SocketAddr,
    ptr::NonNull,
    sync::{
        Arc, Once, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::io::Errno;

#[cfg(shuttle)]
use crate::planted;

use super::{
    entry::Entry,
    file::Files,
    member,
    side::{Found, Ready},
    transfer::{Pending, Results},
    watcher::Watcher,
};
use crate::{
    driver::{self, Driver, DriverInfo, Events, Probe, Query, Reply, Transfer, coarse_now_ns},
    raw::{
        Completed, Crew, Descriptor, Direction, Handle, Hired, Kind, OperationId, Options,
        Overlapped, Packet, Queued, Request, Started, Status, check_unsent, closed, table::Table,
        timers::Timers, too_many,
    },
    scheduler::{Place, Refused, Release, Scheduler, Visit},
    snapshot::{Counts, Snapshot, Standing, WorkerSnapshot},
    sync::{Condvar, Mutex, MutexGuard, now},
};

/// So much of the port's operations is granted to posts at once: they need not count one by one.
const POSTS_PER_GRANT: usize = 1024;

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
    timers: Mutex<Timers<Completed>>,
    operations_max: usize,
    /// Operations that are started and not handed out, and what is granted to posts.
    outstanding: AtomicUsize,
    /// For how many of them the queue has room.
    reserved: AtomicUsize,
    /// Where the thread that closes the port waits for the last transfers.
    settling: (Mutex<()>, Condvar),
    /// A thread may linger for posted packets: there is another processor for who posts them.
    pub(super) lingers: bool,
    watcher: Watcher,
    pub(super) files: Files,
    /// Pools that may grow.
    crews: Mutex<Vec<Weak<dyn Crew>>>,
    /// For the threads of its own.
    pub(super) weak: Weak<Port>,
}

/// Where the results of a transfer go that may end the operation within the call that starts it.
struct Direct<'a> {
    port: &'a Port,
    operation: NonNull<Overlapped>,
    is_done: bool,
}

impl Results for Direct<'_> {
    fn packet(&mut self, packet: Queued) {
        match packet {
            Queued::Operation(Completed(operation)) if operation == self.operation => {
                self.is_done = true;
            }
            other => self.port.complete(other),
        }
    }

    fn ready(&mut self, ready: Ready) {
        self.port.release(self.port.scheduler.ready(ready));
    }
}

/// What follows from lining up an operation.
enum Next {
    Nothing,
    Queue(Ready),
    Stage(Ready),
    Transfer(Pending, Transfer),
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
            static SAID: Once = Once::new();
            SAID.call_once(|| tracing::warn!("{reason}; falling back to the readiness driver"));
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
            crews: Mutex::new(Vec::new()),
            weak: weak.clone(),
        }))
    }

    /// The most threads that run at once.
    pub fn concurrency(&self) -> usize {
        self.scheduler.concurrency()
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
                // Not noticed yet, since nobody had to wait for its place.
                Place::Running if Probe::of(worker.thread).is_asleep().unwrap_or(false) => {
                    counts.running = counts.running.saturating_sub(1);
                    counts.blocked += 1;
                    Standing::Blocked
                }
                Place::Running | Place::Released => Standing::Running,
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
            workers,
        }
    }

    /// From now on this crew may be asked for more threads.
    pub(crate) fn add_crew(&self, crew: Weak<dyn Crew>) {
        self.crews.lock().push(crew);
        self.can_hire();
    }

    /// A crew that was full is not any more.
    pub(crate) fn can_hire(&self) {
        // Under the lock of `hire`, so that its finding that all are full is not older.
        let release = {
            let _crews = self.crews.lock();
            self.scheduler.set_can_grow(true)
        };
        self.release(release);
    }

    /// A thread that was started has come. If that is not enough, the watcher finds it out.
    pub(crate) fn hands_arrived(&self) {}

    /// Has a thread started, by any crew that may. Says whether one was.
    pub(super) fn hire(&self) -> bool {
        let mut crews = self.crews.lock();
        crews.retain(|crew| crew.strong_count() > 0);
        let mut full = true;
        for crew in crews.iter().filter_map(Weak::upgrade) {
            match crew.hire() {
                Hired::One => return true,
                Hired::OnTheWay => full = false,
                Hired::Full => {}
            }
        }
        let release = match full {
            true => self.scheduler.set_can_grow(false),
            false => Release::Nobody,
        };
        drop(crews);
        self.release(release);
        false
    }

    /// Whether the port is closed.
    pub fn is_closed(&self) -> bool {
        self.scheduler.is_closed()
    }

    /// Associates a descriptor, which must be non-blocking, with the port, under a key that comes back with each
    /// of its packets. The port owns the descriptor from now on.
    ///
    /// # Errors
    /// The port is closed, has as many handles as it takes, or the system can't watch the descriptor. The
    /// descriptor is closed.
    pub fn associate(
        &self,
        descriptor: impl Into<Descriptor>,
        key: usize,
        kind: Kind,
    ) -> io::Result<Handle> {
        let handle = self.table.insert(descriptor.into(), key, kind)?;
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
            let watched = unsafe { self.driver.watch(descriptor, handle.to_bits()) };
            watched.map_err(driver::unwatched)
        })
    }

    /// Associates a new stream socket that can be connected to `peer`, from `local` if that is given.
    pub(crate) fn associate_unconnected(
        &self,
        peer: SocketAddr,
        local: Option<SocketAddr>,
    ) -> io::Result<Handle> {
        let socket = self.driver.stream_for(peer, local)?;
        self.associate(socket, 0, Kind::Unconnected)
    }

    /// Associates a new stream socket that can be connected to a local one.
    pub(crate) fn associate_unconnected_local(&self) -> io::Result<Handle> {
        self.associate(self.driver.local_stream()?, 0, Kind::Unconnected)
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

    /// Starts an operation on a handle. One packet follows, whenever it is done, with the result; unless it is
    /// [quiet](Overlapped::quiet).
    ///
    /// # Errors
    /// Nothing was started and no packet follows: the port or handle is closed, the direction has failed or is
    /// shut down, the handle is not of the kind that the operation needs, too much waits to be sent
    /// ([`WouldBlock`](io::ErrorKind::WouldBlock)), too many operations are under way
    /// ([`QuotaExceeded`](io::ErrorKind::QuotaExceeded)), or the request is not possible
    /// ([`InvalidInput`](io::ErrorKind::InvalidInput)).
    ///
    /// # Safety
    /// If this succeeds, until the packet is handed out by a wait, by [`close`](Self::close) or to `quiet`, on
    /// whatever thread that is: the operation, its buffers and their list stay valid and in place; the operation
    /// and the memory that is received into are neither read nor written; and the memory that is sent from is not
    /// written. `operation` is not started already.
    pub unsafe fn start(
        &self,
        handle: Handle,
        operation: NonNull<Overlapped>,
    ) -> io::Result<OperationId> {
        // SAFETY: passed on to the caller.
        let (id, next) = unsafe { self.line_up(handle, operation, false) }?;
        self.follow(next);
        Ok(id)
    }

    /// Starts an operation, and gives it back at once if it ended within the call, well or not: then no packet follows, and
    /// it is not [quiet](Overlapped::quiet) either. What Windows has as a mode of the handle
    /// (`FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`) is chosen for each operation here.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    pub unsafe fn start_direct(
        &self,
        handle: Handle,
        operation: NonNull<Overlapped>,
    ) -> io::Result<Started> {
        // SAFETY: passed on to the caller.
        let (id, next) = unsafe { self.line_up(handle, operation, true) }?;
        let Next::Transfer(pending, transfer) = next else {
            self.follow(next);
            return Ok(Started::Pending(id));
        };
        let mut results = Direct {
            port: self,
            operation,
            is_done: false,
        };
        self.transfer_here(pending, transfer, &mut results);
        if !results.is_done {
            return Ok(Started::Pending(id));
        }
        self.dismiss(1);
        // SAFETY: it has ended, and no packet tells of it: it is handed out here.
        Ok(Started::Done(unsafe { Packet::of(operation) }))
    }

    fn follow(&self, next: Next) {
        match next {
            Next::Nothing => {}
            Next::Queue(ready) => self.release(self.scheduler.ready(ready)),
            Next::Stage(ready) => self.release(self.scheduler.stage(ready)),
            Next::Transfer(pending, transfer) => {
                self.transfer_here(pending, transfer, &mut &*self);
            }
        }
    }

    /// Puts an operation into the line that it belongs to. `here`: a transfer is to be made by this thread if it can be.
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    unsafe fn line_up(
        &self,
        handle: Handle,
        operation: NonNull<Overlapped>,
        here: bool,
    ) -> io::Result<(OperationId, Next)> {
        self.admit()?;
        // SAFETY: passed on to the caller.
        let lined_up = unsafe { self.line_up_admitted(handle, operation, here) };
        if lined_up.is_err() {
            self.dismiss(1);
        }
        lined_up
    }

    /// # Safety
    /// As for [`start`](Self::start).
    unsafe fn line_up_admitted(
        &self,
        handle: Handle,
        mut pointer: NonNull<Overlapped>,
        here: bool,
    ) -> io::Result<(OperationId, Next)> {
        let mut entry = self.open_entry(handle)?;
        // SAFETY: the caller leaves the operation to us from now on.
        let operation = unsafe { pointer.as_mut() };
        // SAFETY: the caller promises that the list of buffers is in place.
        let unsent = unsafe { operation.check(&entry) }?;
        entry.sequence += 1;
        entry.unsent += unsent;
        operation.handle = handle;
        operation.key = entry.key;
        operation.sequence = entry.sequence;
        let id = OperationId {
            handle,
            sequence: entry.sequence,
        };
        if entry.kind == Kind::File {
            self.line_up_on_file(&mut entry, handle, pointer)?;
            return Ok((id, Next::Nothing));
        }
        let direction = operation.direction();
        let side = &mut entry.sides[direction as usize];
        if matches!(operation.request, Request::Shutdown) {
            side.failure = Errno::PIPE.raw_os_error();
        }
        // SAFETY: the caller promises that it is valid and in no line.
        unsafe { side.push(pointer) };
        let ready = Ready { handle, direction };
        if !side.enqueue() {
            return Ok((id, Next::Nothing));
        }
        let connects = operation.connects();
        let next = if direction == Direction::Read && !here {
            Next::Queue(ready)
        } else if !connects && !here && self.batches_for_this_thread() {
            Next::Stage(ready)
        } else {
            side.queued = false;
            let begun = Self::begin_locked(entry, ready);
            begun.map_or(Next::Nothing, |(pending, transfer)| {
                Next::Transfer(pending, transfer)
            })
        };
        Ok((id, next))
    }

    /// Whether a transfer should be left for the next batch rather than be made at once: if this thread is in a
    /// handler, more work waits for it, and the driver gains from batches. It then stands on the shared queue,
    /// where any thread can take it.
    fn batches_for_this_thread(&self) -> bool {
        self.driver.batch_max() > 1 && self.scheduler.seems_busy() && member::runs_on(self)
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

    /// Cancels one operation. Its packet follows, as for any other: with the error
    /// [`ECANCELED`](crate::is_cancelled), or with its result if that came first.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound): it has finished already. Nothing changes.
    pub fn cancel(&self, id: OperationId) -> io::Result<()> {
        let not_found = || io::Error::new(io::ErrorKind::NotFound, "the operation has finished");
        if id.handle == Handle::NONE {
            let Completed(operation) = self
                .timers
                .lock()
                .cancel(id.sequence)
                .ok_or_else(not_found)?;
            self.complete_timer(operation, Status::Failed(Errno::CANCELED.raw_os_error()));
            return Ok(());
        }
        let entry = self.table.lock(id.handle).ok_or_else(not_found)?;
        let arrival = entry.arrivals.find(id.sequence);
        let cancelled = self.cancel_where(id.handle, entry, |operation| {
            operation.sequence == id.sequence
        });
        let is_found = cancelled > 0 || arrival.is_some_and(|arrival| self.close_handle(arrival));
        is_found.then_some(()).ok_or_else(not_found)
    }

    /// Cancels all operations of a handle; says how many there were.
    pub fn cancel_all(&self, handle: Handle) -> usize {
        match self.table.lock(handle) {
            None => 0,
            Some(entry) => {
                let arrivals = entry.arrivals.handles();
                self.cancel_where(handle, entry, |_| true) + self.close_arrivals(arrivals)
            }
        }
    }

    /// Cancels the accepts that wait for the first bytes of these connections; says how many there were.
    fn close_arrivals(&self, arrivals: Vec<Handle>) -> usize {
        let closed = arrivals
            .into_iter()
            .filter(|arrival| self.close_handle(*arrival));
        closed.count()
    }

    /// Cancels the receives, accepts and waits for data of a handle; says how many there were.
    pub fn cancel_receives(&self, handle: Handle) -> usize {
        match self.table.lock(handle) {
            None => 0,
            Some(entry) => {
                let arrivals = entry.arrivals.handles();
                let cancelled = self.cancel_where(handle, entry, |operation| {
                    operation.direction() == Direction::Read
                });
                cancelled + self.close_arrivals(arrivals)
            }
        }
    }

    fn cancel_where(
        &self,
        handle: Handle,
        mut entry: MutexGuard<'_, Entry>,
        which: impl Fn(&Overlapped) -> bool,
    ) -> usize {
        let (mut packets, mut ready) = (Vec::new(), Vec::new());
        let mut marked = 0;
        if entry.kind == Kind::File {
            packets = self.cancel_on_file(&mut entry, handle, &which);
        }
        for direction in [Direction::Read, Direction::Write] {
            while let Some(found) = entry.sides[direction as usize].cancel(&which) {
                match found {
                    Found::Marked => marked += 1,
                    Found::Out(operation) => packets.push(entry.cancelled(operation)),
                }
            }
            // What stood behind an operation that waited for memory need not wait for it.
            if entry.sides[direction as usize].enqueue() {
                ready.push(Ready { handle, direction });
            }
        }
        drop(entry);
        let count = packets.len() + marked;
        for packet in packets {
            self.complete(packet);
        }
        for ready in ready {
            self.release(self.scheduler.ready(ready));
        }
        count
    }

    /// Closes a handle as [`close_handle`](Self::close_handle) does, unless a send or a shutdown is under way, or a thread is
    /// receiving just now, in one step: what is started meanwhile is under way before, or refused. Returns the bytes received
    /// and sent in all; none if it is not closed by this.
    pub fn close_handle_if_sent(&self, handle: Handle) -> Option<(u64, u64)> {
        let entry = self.open_entry(handle).ok()?;
        let [read, write] = &entry.sides;
        if write.head().is_some() || read.busy {
            return None;
        }
        let traffic = (entry.received, entry.sent);
        self.close_entry(handle, entry);
        Some(traffic)
    }

    pub(in crate::raw) fn close_entry(&self, handle: Handle, mut entry: MutexGuard<'_, Entry>) {
        entry.closing = true;
        let arrivals = entry.arrivals.handles();
        self.cancel_where(handle, entry, |_| true);
        self.close_arrivals(arrivals);
        if let Some(entry) = self.table.lock(handle) {
            self.let_go(entry, handle);
        }
    }

    /// Queues a packet from outside; gives it back if it is refused.
    pub(in crate::raw) fn post_packet(
        &self,
        mut packet: Queued,
    ) -> Result<(), (io::Error, Queued)> {
        loop {
            packet = match self.scheduler.post(packet) {
                Ok(release) => {
                    self.release(release);
                    return Ok(());
                }
                Err(Refused::Closed(packet)) => return Err((closed(), packet)),
                Err(Refused::NoRoom(packet)) => packet,
            };
            if let Err(error) = self.make_room() {
                return Err((error, packet));
            }
        }
    }

    /// Queues an operation of the kind [`Request::Posted`] as a packet of its own, with the number `transferred`.
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
        // SAFETY: the caller leaves the operation to us from now on.
        let overlapped = unsafe { operation.as_mut() };
        overlapped.status = Status::Done;
        overlapped.transferred = transferred;
        let packet = Queued::Operation(Completed(operation));
        self.post_packet(packet).map_err(|(error, _)| error)
    }

    /// Starts a timer: an operation of the kind [`Request::Timer`] that completes at `deadline`, never earlier.
    ///
    /// # Errors
    /// As for [`post`](Self::post).
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    pub unsafe fn start_timer(
        &self,
        deadline: Instant,
        key: usize,
        mut operation: NonNull<Overlapped>,
    ) -> io::Result<OperationId> {
        self.admit()?;
        self.release(self.scheduler.watch());
        let sequence = {
            let mut timers = self.timers.lock();
            // SAFETY: the caller leaves the operation to us from now on.
            let overlapped = unsafe { operation.as_mut() };
            overlapped.key = key;
            overlapped.sequence = timers.next_number();
            timers.set(deadline, Completed(operation))
        };
        self.arm();
        if self.is_closed() {
            self.cancel_timers();
        }
        Ok(OperationId {
            handle: Handle::NONE,
            sequence,
        })
    }

    /// Has the driver report the earliest deadline. The call is made without the lock, so it is made again if the
    /// earliest changed meanwhile: whoever calls last looks last.
    fn arm(&self) {
        let mut armed = self.timers.lock().earliest();
        loop {
            let delay = armed.map(|deadline| deadline.saturating_duration_since(now()));
            self.driver.arm(delay);
            let earliest = self.timers.lock().earliest();
            if earliest == armed {
                return;
            }
            armed = earliest;
        }
    }

    /// Completes the timers that are due, and queues their packets; says whether there were any.
    pub(super) fn fire_timers(&self) -> bool {
        let mut any = false;
        {
            let mut timers = self.timers.lock();
            while let Some(Completed(mut operation)) = timers.take_due(now()) {
                // SAFETY: it was among the timers, so it is valid; out of them, it is ours.
                unsafe { operation.as_mut() }.status = Status::Done;
                // Under the timers' lock: so they stand in the order of their deadlines, whoever else fires some.
                let packet = Queued::Operation(Completed(operation));
                self.scheduler.line_up(packet);
                any = true;
            }
        }
        self.arm();
        any
    }

    fn complete_timer(&self, mut operation: NonNull<Overlapped>, status: Status) {
        // SAFETY: it was among the timers, so it is valid; out of them, it is ours.
        unsafe { operation.as_mut() }.status = status;
        self.complete(Queued::Operation(Completed(operation)));
    }

    fn cancel_timers(&self) {
        loop {
            let Some(Completed(operation)) = self.timers.lock().take_any() else {
                return;
            };
            self.complete_timer(operation, Status::Failed(Errno::CANCELED.raw_os_error()));
        }
    }

    /// As [`close`](Self::close).
    pub(crate) fn close_queue(&self) -> Vec<Queued> {
        let (first, release) = self.scheduler.close();
        self.release(release);
        if !first {
            return Vec::new();
        }
        self.cancel_timers();
        for handle in self.table.close() {
            self.close_handle(handle);
        }
        // What nothing was posted for. No more is granted.
        let room = self.scheduler.take_room();
        self.outstanding.fetch_sub(room, Ordering::SeqCst);
        let mut queued = Vec::new();
        let mut settling = self.settling.0.lock();
        loop {
            let before = queued.len();
            self.scheduler.drain(&mut queued);
            let drained = queued.len() - before;
            if self.outstanding.fetch_sub(drained, Ordering::SeqCst) == drained {
                break;
            }
            settling = self.settling.1.wait(settling, None);
        }
        drop(settling);
        self.watcher.end();
        self.files.end();
        queued
    }

    /// Counts an operation as started, and makes room for its packet.
    fn admit(&self) -> io::Result<()> {
        let mut outstanding = self.outstanding.fetch_add(1, Ordering::SeqCst) + 1;
        if outstanding > self.operations_max {
            let room = self.scheduler.take_room();
            outstanding = self.outstanding.fetch_sub(room, Ordering::SeqCst) - room;
        }
        let refused = if self.is_closed() {
            closed()
        } else if outstanding > self.operations_max {
            too_many(self.operations_max)
        } else {
            if outstanding > self.reserved.load(Ordering::Relaxed) {
                let room = outstanding.next_power_of_two().max(64);
                self.scheduler.reserve(room, 0);
                self.reserved.fetch_max(room, Ordering::Relaxed);
            }
            return Ok(());
        };
        self.dismiss(1);
        Err(refused)
    }

    /// Makes room for posts, out of the port's operations.
    fn make_room(&self) -> io::Result<()> {
        let granted = |outstanding: usize| {
            let left = self.operations_max.saturating_sub(outstanding);
            left.min(POSTS_PER_GRANT)
        };
        let before = self
            .outstanding
            .update(Ordering::SeqCst, Ordering::SeqCst, |outstanding| {
                outstanding + granted(outstanding)
            });
        match self.scheduler.grant(granted(before)) {
            Some(0) => Err(too_many(self.operations_max)),
            Some(_) => Ok(()),
            None => {
                self.dismiss(granted(before));
                Err(closed())
            }
        }
    }

    /// Counts operations as handed out, or as never started.
    pub(super) fn dismiss(&self, count: usize) {
        if count == 0 {
            return;
        }
        self.outstanding.fetch_sub(count, Ordering::SeqCst);
        self.settle();
    }

    /// Queues a packet that was completed outside of a wait.
    pub(super) fn complete(&self, packet: Queued) {
        self.release(self.scheduler.complete(packet));
        self.settle();
    }

    /// Tells the thread that closes the port that something ended.
    pub(super) fn settle(&self) {
        if self.is_closed() {
            drop(self.settling.0.lock());
            self.settling.1.notify_one();
        }
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
            Release::CallWatcher => self.watcher.call(&self.weak),
        }
    }
}

impl Overlapped {
    /// Whether it can be started on a handle in this state. Returns the bytes that it adds to what waits to be
    /// sent.
    ///
    /// # Safety
    /// The list of buffers is in place.
    unsafe fn check(&mut self, entry: &Entry) -> io::Result<usize> {
        self.check_kind(entry.kind)?;
        if self.connects() && entry.sides[Direction::Write as usize].head().is_some() {
            return Err(Errno::ALREADY.into());
        }
        let failure = entry.sides[self.direction() as usize].failure;
        if failure != 0 {
            return Err(io::Error::from_raw_os_error(failure));
        }
        self.transferred = 0;
        self.status = Status::Pending;
        if let Request::Receive(buffers) = self.request {
            // SAFETY: passed on to the caller.
            if unsafe { buffers.len(driver::BUFFERS_PER_CALL_MAX) } == 0 {
                // Into 0 bytes is a question of its own; received as data, it would read as the end.
                self.request = Request::ReceiveNothing;
            }
        }
        // SAFETY: passed on to the caller.
        let unsent = unsafe { self.unsent() };
        check_unsent(unsent, entry.unsent, entry.unsent_max)?;
        Ok(unsent)
    }
}
