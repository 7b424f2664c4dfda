//! The readiness driver with its transfers batched: many ready receives and sends in one `io_uring_enter`.
//!
//! Only transfers that are believed ready are submitted, and always so that they can't wait (`MSG_DONTWAIT`): each
//! finishes inside the call that submits it, in the submitter's own context. Nothing is ever armed, so no
//! completion depends on a thread that is busy, blocked or gone, and after the call the ring is empty again.
//!
//! There is a ring for each thread that may transfer at once; a thread takes whichever is free. A descriptor that
//! has been through a ring often enough is registered with it, which spares the kernel taking and dropping a
//! reference each time; a connection that lives for one echo never pays for the registration.

use std::{
    fmt, io,
    net::SocketAddr,
    process,
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
    time::Duration,
};

use io_uring::{IoUring, opcode, squeue, types};
use rustix::{
    io::Errno,
    process::{Resource, getrlimit},
};

use super::{calls, epoll::Readiness};
use crate::{
    driver::{
        Advised, Call, Descriptor, Driver, Events, Outcome, Promises, Query, RawBuffer, Reply,
        Transfer,
    },
    sync::Mutex,
    user_code::log,
};

/// The most transfers in one call. Beyond some dozens nothing more is gained, and the last waits for the first.
const BATCH_MAX: usize = 32;

/// Fewer than this and plain calls are cheaper than a trip through the ring.
const BATCH_MIN: usize = 2;

/// How many batched transfers a descriptor goes through on a ring before it is registered there.
const REGISTER_AFTER: u8 = 16;

/// In [`Ring::slots`]: the descriptor is registered.
const REGISTERED: u8 = u8::MAX;

/// The descriptor of a closed handle is still registered, since the kernel had no memory to remove it: the ring holds the
/// socket open, and its peer sees no end. The removal is tried again, and the next handle in the slot replaces the descriptor.
const STALE: u8 = u8::MAX - 1;

/// A thread is changing the registration.
const CHANGING: u8 = u8::MAX - 2;

/// A change that the kernel refuses for the moment is tried so often.
const UPDATES_MAX: usize = 3;

/// Registered descriptors a ring: as many slots, 8 bytes of kernel memory each. Handles beyond it go unregistered.
const REGISTERED_MAX: u32 = 16 * 1024;

/// Why io_uring can't be used, with the remedy.
fn refused(error: io::Error) -> Advised {
    let remedy = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::PERM) => {
            "set sysctl kernel.io_uring_disabled=0, or allow io_uring_setup in the container's seccomp profile"
        }
        Some(Errno::NOSYS) => {
            "the kernel was built without it, or the container's seccomp profile hides it; Linux 5.19 or later has it"
        }
        Some(Errno::ACCESS) => "a security module forbids it; allow io_uring in its policy",
        Some(Errno::NOMEM) => "raise the limit of locked memory (ulimit -l)",
        Some(Errno::MFILE | Errno::NFILE) => "raise the limit of open files (ulimit -n)",
        Some(Errno::INVAL) => "the kernel is older than Linux 5.19",
        _ => "use the readiness driver",
    };
    Advised {
        what: "io_uring is refused",
        error,
        remedy,
    }
}

/// The rings of a port.
#[derive(Debug)]
pub(super) struct Rings(Box<[Ring]>);

impl Rings {
    /// One ring for each of the `concurrency` threads that may transfer at once.
    pub(super) fn new(concurrency: usize) -> Result<Self, Advised> {
        let rings: io::Result<_> = (0..concurrency).map(|_| Ring::new()).collect();
        rings.map(Rings).map_err(refused)
    }
}

/// A ring of some port holds a socket that the kernel did not remove, and that was not logged yet. It is logged once in a
/// process.
static HOLDS_ON: AtomicBool = AtomicBool::new(false);

/// One ring, empty between two batches.
struct Ring {
    io: IoUring,
    /// A thread has the queues to itself. Not a lock: no thread waits for it.
    taken: AtomicBool,
    /// The ring failed in a way that may have left entries in its queue. It is never entered again.
    broken: AtomicBool,
    /// The failure, until it is logged.
    failure: Mutex<Option<io::Error>>,
    /// Why a closed socket could not be removed, until that is logged.
    held_on: Mutex<Option<io::Error>>,
    /// For each slot, the batched transfers so far, up to [`REGISTER_AFTER`], or [`REGISTERED`]. Written by the
    /// thread that transfers for the slot, or that closes it: never both at once. Only a slot that is [`STALE`] may be
    /// changed by any thread that makes it [`CHANGING`].
    slots: Box<[AtomicU8]>,
    /// There may be slots that are [`STALE`].
    any_stale: AtomicBool,
    /// The process that made it. A child that was forked has the same ring, in which it is to change nothing.
    owner: u32,
}

impl fmt::Debug for Ring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Ring")
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

impl Ring {
    fn new() -> io::Result<Self> {
        let mut io = IoUring::builder()
            .setup_coop_taskrun()
            .build(BATCH_MAX as u32)?;
        // A seccomp profile may let a ring be made and not be entered: find out now.
        // SAFETY: a no-op names no memory.
        unsafe { io.submission().push(&opcode::Nop::new().build()) }
            .map_err(|_| io::Error::from(Errno::NOSPC))?;
        while io.completion().next().is_none() {
            match io.submit_and_wait(1) {
                Err(error) if !passes(&error) => return Err(error),
                _ => {}
            }
        }
        // The kernel registers no more files than the process may open.
        let open_max = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let registered_max =
            u32::try_from(open_max).map_or(REGISTERED_MAX, |max| max.min(REGISTERED_MAX));
        io.submitter().register_files_sparse(registered_max)?;
        Ok(Ring {
            io,
            taken: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            failure: Mutex::default(),
            held_on: Mutex::default(),
            slots: (0..registered_max).map(|_| AtomicU8::new(0)).collect(),
            any_stale: AtomicBool::new(false),
            owner: process::id(),
        })
    }

    /// Takes the queues, if no thread has them.
    fn take(&self) -> bool {
        !self.broken.load(Ordering::Relaxed)
            && !self.taken.load(Ordering::Relaxed)
            && !self.taken.swap(true, Ordering::Acquire)
    }

    fn give_back(&self) {
        self.taken.store(false, Ordering::Release);
    }

    /// Tries the transfers that the ring can do; leaves the others untried.
    ///
    /// # Safety
    /// The calling thread has taken the ring. The descriptors are open, and the memory that the calls name is
    /// valid and not used by other code until this returns.
    unsafe fn transfer(&self, transfers: &mut [Transfer]) {
        self.take_back_what_is_stale();
        let mut submitted = 0;
        for (index, transfer) in transfers.iter_mut().enumerate().take(BATCH_MAX) {
            let Some(entry) = self.entry(transfer) else {
                continue;
            };
            // SAFETY: the queue is this thread's; the memory outlives the call, by the caller's promise.
            if unsafe {
                self.io
                    .submission_shared()
                    .push(&entry.user_data(index as u64))
            }
            .is_err()
            {
                break;
            }
            submitted += 1;
        }
        let mut finished = 0;
        while finished < submitted {
            // No submitted transfer can wait, so this call doesn't either.
            let result = self.io.submit_and_wait(submitted - finished);
            // SAFETY: the queue is this thread's.
            for completion in unsafe { self.io.completion_shared() } {
                finished += 1;
                let transfer = &mut transfers[completion.user_data() as usize];
                transfer.outcome = match usize::try_from(completion.result()) {
                    Ok(moved) => Outcome::Moved(moved),
                    Err(_) => match Errno::from_raw_os_error(-completion.result()) {
                        error if is_the_rings(error) => {
                            self.distrust(transfer.slot, error);
                            Outcome::Untried
                        }
                        error => calls::failure(transfer.call, error),
                    },
                };
            }
            if let Some(error) = result.err().filter(|error| !passes(error)) {
                // A transfer without a completion was not begun, and never will be on this ring.
                self.broken.store(true, Ordering::Relaxed);
                *self.failure.lock() = Some(error);
                return;
            }
        }
    }

    /// The queue entry for a transfer, or none if plain calls are to do it.
    fn entry(&self, transfer: &Transfer) -> Option<squeue::Entry> {
        let descriptor = types::Fd(transfer.descriptor);
        let (receive, send) = (calls::RECEIVE.bits() as i32, calls::SEND.bits() as i32);
        match transfer.call {
            Call::Receive(RawBuffer { start, len }) => {
                let entry = match self.register(transfer) {
                    Some(registered) => opcode::Recv::new(registered, start, length(len)),
                    None => opcode::Recv::new(descriptor, start, length(len)),
                };
                Some(entry.flags(receive).build())
            }
            Call::Send(RawBuffer { start, len }) => {
                let entry = match self.register(transfer) {
                    Some(registered) => opcode::Send::new(registered, start, length(len)),
                    None => opcode::Send::new(descriptor, start, length(len)),
                };
                Some(entry.flags(send).build())
            }
            _ => None,
        }
    }

    /// Counts a transfer for its slot, and registers the descriptor once it has earned it.
    fn register(&self, transfer: &Transfer) -> Option<types::Fixed> {
        let state = self.slots.get(transfer.slot as usize)?;
        let was = match state.load(Ordering::Relaxed) {
            REGISTERED => return Some(types::Fixed(transfer.slot)),
            CHANGING => return None,
            was @ (REGISTER_AFTER | STALE) => was,
            count => {
                state.store(count + 1, Ordering::Relaxed);
                return None;
            }
        };
        let (order, failed) = (Ordering::Acquire, Ordering::Relaxed);
        state.compare_exchange(was, CHANGING, order, failed).ok()?;
        if self.update(transfer.slot, transfer.descriptor).is_ok() {
            state.store(REGISTERED, Ordering::Release);
            return Some(types::Fixed(transfer.slot));
        }
        // If it is refused, the count begins again: unregistered works as well.
        if was == STALE {
            self.leave_stale(state);
        } else {
            state.store(0, Ordering::Release);
        }
        None
    }

    /// Replaces the registered descriptor of a slot; -1 is none.
    fn update(&self, slot: u32, descriptor: i32) -> io::Result<()> {
        let mut tries = 1;
        loop {
            let updated = self
                .io
                .submitter()
                .register_files_update(slot, &[descriptor]);
            match updated {
                Ok(_) => return Ok(()),
                Err(error) if tries < UPDATES_MAX && may_pass(&error) => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes a descriptor that is to be closed: else the ring would hold the socket open.
    fn forget(&self, slot: u32) {
        let Some(state) = self.slots.get(slot as usize) else {
            return;
        };
        match state.load(Ordering::Relaxed) {
            REGISTERED => {}
            // It was another handle's, and was removed.
            STALE | CHANGING => return,
            _ => return state.store(0, Ordering::Relaxed),
        }
        // A child that closes its copy of a socket leaves the parent's alone.
        if process::id() == self.owner {
            state.store(CHANGING, Ordering::Relaxed);
            self.take_back(slot, state);
            self.take_back_what_is_stale();
        }
    }

    /// Empties a slot that this thread is changing. Returns whether it could.
    fn take_back(&self, slot: u32, state: &AtomicU8) -> bool {
        let Err(error) = self.update(slot, -1) else {
            state.store(0, Ordering::Release);
            return true;
        };
        self.leave_stale(state);
        // Logged by the next thread that waits: this thread may hold a lock.
        static NOTED: AtomicBool = AtomicBool::new(false);
        if !NOTED.swap(true, Ordering::Relaxed) {
            *self.held_on.lock() = Some(error);
            HOLDS_ON.store(true, Ordering::Release);
        }
        false
    }

    fn leave_stale(&self, state: &AtomicU8) {
        state.store(STALE, Ordering::Release);
        self.any_stale.store(true, Ordering::Release);
    }

    /// Tries again to remove descriptors that could not be removed, until the first that still can't.
    fn take_back_what_is_stale(&self) {
        if !self.any_stale.load(Ordering::Relaxed) || !self.any_stale.swap(false, Ordering::Acquire)
        {
            return;
        }
        let (order, failed) = (Ordering::Acquire, Ordering::Relaxed);
        for (slot, state) in self.slots.iter().enumerate() {
            let is_ours = state
                .compare_exchange(STALE, CHANGING, order, failed)
                .is_ok();
            if is_ours && !self.take_back(slot as u32, state) {
                return;
            }
        }
    }

    /// The transfer of a slot failed in the ring. The registration may be the reason; it is not used again before it is made
    /// anew.
    fn distrust(&self, slot: u32, error: Errno) {
        if error != Errno::BADF {
            return;
        }
        if let Some(state) = self.slots.get(slot as usize) {
            let (from, to) = (REGISTERED, 0);
            let _ = state.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// Whether an error is the ring's own and says nothing of the socket, of which nothing was taken: a signal came, there was no
/// memory for the request, or the slot is empty. A plain call then gives the outcome. An error that a call takes from
/// the socket, such as a reset, is reported only once and is none of these.
fn is_the_rings(error: Errno) -> bool {
    matches!(
        error,
        Errno::INTR | Errno::CANCELED | Errno::NOMEM | Errno::BADF
    )
}

/// Whether to ask the kernel once more to change the registration.
fn may_pass(error: &io::Error) -> bool {
    passes(error) || Errno::from_io_error(error) == Some(Errno::NOMEM)
}

/// Whether to enter the ring again: a signal came, or the kernel had no memory, or too much to do, for a moment.
fn passes(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::INTR | Errno::AGAIN | Errno::BUSY))
}

/// A length as the ring takes it; what is beyond it goes with the next transfer.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes)
        .unwrap_or(u32::MAX)
        .min(i32::MAX as u32)
}

/// [`Readiness`], with rings for its transfers.
#[derive(Debug)]
pub(super) struct Uring {
    readiness: Readiness,
    rings: Rings,
    /// A ring has failed, and that was not logged yet.
    has_failed: AtomicBool,
}

impl Uring {
    pub(super) fn new(readiness: Readiness, rings: Rings) -> Self {
        Uring {
            readiness,
            rings,
            has_failed: AtomicBool::new(false),
        }
    }

    /// Logs which rings have failed. Not at the moment of the failure: the thread is making transfers then, and a
    /// subscriber may use the port.
    #[cold]
    fn say_what_failed(&self) {
        self.has_failed.store(false, Ordering::Relaxed);
        for ring in &self.rings.0 {
            let held_on = ring.held_on.lock().take();
            if let Some(error) = held_on {
                HOLDS_ON.store(false, Ordering::Relaxed);
                log(|| {
                    tracing::warn!(
                        %error,
                        "an io_uring holds on to a socket that was closed, whose peer is told later; it is tried again"
                    );
                });
            }
            let failure = ring.failure.lock().take();
            if let Some(error) = failure {
                log(|| {
                    tracing::error!(%error, "an io_uring failed; its transfers go on as plain calls");
                });
            }
        }
    }
}

impl Driver for Uring {
    fn name(&self) -> &'static str {
        "uring"
    }

    fn promises(&self) -> Promises {
        self.readiness.promises()
    }

    fn late_max(&self, timeout: Duration) -> Duration {
        self.readiness.late_max(timeout)
    }

    fn descriptors(&self) -> usize {
        self.readiness.descriptors() + self.rings.0.len()
    }

    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    fn knows(&self, descriptor: &Descriptor) -> io::Result<()> {
        self.readiness.knows(descriptor)
    }

    fn stream_for(&self, peer: SocketAddr, local: Option<SocketAddr>) -> io::Result<Descriptor> {
        self.readiness.stream_for(peer, local)
    }

    fn local_stream(&self) -> io::Result<Descriptor> {
        self.readiness.local_stream()
    }

    unsafe fn ask(&self, descriptor: i32, query: Query) -> io::Result<Reply> {
        // SAFETY: passed on to the caller.
        unsafe { self.readiness.ask(descriptor, query) }
    }

    unsafe fn register(&self, descriptor: i32, token: u64) -> io::Result<()> {
        // SAFETY: passed on to the caller.
        unsafe { self.readiness.register(descriptor, token) }
    }

    fn pollable(&self) -> Option<rustix::fd::BorrowedFd<'_>> {
        self.readiness.pollable()
    }

    fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        if self.has_failed.load(Ordering::Relaxed) {
            self.say_what_failed();
        }
        self.readiness.wait(events, timeout)
    }

    fn wake(&self) {
        self.readiness.wake();
    }

    fn arm(&self, delay: Option<Duration>) {
        self.readiness.arm(delay);
    }

    unsafe fn transfer(&self, transfers: &mut [Transfer]) {
        if transfers.len() >= BATCH_MIN {
            // For a moment there may be more threads than rings; a thread that finds none free makes plain calls.
            if let Some(ring) = self.rings.0.iter().find(|ring| ring.take()) {
                // SAFETY: the ring was taken just now; the rest is passed on to the caller.
                unsafe { ring.transfer(transfers) };
                if ring.broken.load(Ordering::Relaxed) {
                    self.has_failed.store(true, Ordering::Release);
                }
                ring.give_back();
            }
        }
        for transfer in transfers {
            if matches!(transfer.outcome, Outcome::Untried) {
                // SAFETY: passed on to the caller.
                unsafe { calls::perform(transfer) };
            }
        }
    }

    unsafe fn transfer_file(&self, transfer: &mut Transfer) {
        // SAFETY: passed on to the caller.
        unsafe { self.readiness.transfer_file(transfer) }
    }

    unsafe fn deregister(&self, descriptor: i32) {
        // SAFETY: passed on to the caller.
        unsafe { self.readiness.deregister(descriptor) }
    }

    fn forget(&self, slot: u32) {
        for ring in &self.rings.0 {
            ring.forget(slot);
        }
        if HOLDS_ON.load(Ordering::Acquire) {
            self.has_failed.store(true, Ordering::Release);
        }
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use std::{
        io::{Read, Write},
        os::{fd::AsRawFd, unix::net::UnixStream},
    };

    use super::*;

    /// A ring, if there can be one here.
    fn ring() -> Option<Ring> {
        Ring::new()
            .inspect_err(|error| eprintln!("NOT JUDGED: {error}"))
            .ok()
    }

    fn state(ring: &Ring, slot: u32) -> u8 {
        ring.slots[slot as usize].load(Ordering::Relaxed)
    }

    fn receive(socket: &UnixStream, slot: u32, memory: &mut [u8]) -> Transfer {
        Transfer {
            descriptor: socket.as_raw_fd(),
            slot,
            call: Call::Receive(RawBuffer {
                start: memory.as_mut_ptr(),
                len: memory.len(),
            }),
            outcome: Outcome::Untried,
        }
    }

    /// A socket that is registered in a slot, and its peer.
    fn registered(ring: &Ring, slot: u32) -> (UnixStream, UnixStream) {
        let (ours, peer) = UnixStream::pair().expect("a pair");
        let transfer = receive(&ours, slot, &mut []);
        for _ in 0..=REGISTER_AFTER {
            ring.register(&transfer);
        }
        assert_eq!(state(ring, slot), REGISTERED);
        (ours, peer)
    }

    #[test]
    fn what_could_not_be_taken_back_is_tried_again() {
        let Some(ring) = ring() else { return };
        let pairs = [3, 5].map(|slot| registered(&ring, slot));
        let submitter = ring.io.submitter();
        // Without a table, every change is refused; what is in it goes.
        submitter.unregister_files().expect("a table");
        ring.forget(3);
        ring.forget(5);
        assert_eq!((state(&ring, 3), state(&ring, 5)), (STALE, STALE));
        assert!(ring.any_stale.load(Ordering::Relaxed));
        // The next handle of the slot is not registered yet.
        let transfer = receive(&pairs[0].0, 3, &mut []);
        assert!(ring.register(&transfer).is_none());
        assert_eq!(state(&ring, 3), STALE);

        let count = ring.slots.len() as u32;
        submitter.register_files_sparse(count).expect("a table");
        // It replaces the old registration.
        assert!(ring.register(&transfer).is_some());
        assert_eq!(state(&ring, 3), REGISTERED);
        ring.take_back_what_is_stale();
        assert_eq!((state(&ring, 3), state(&ring, 5)), (REGISTERED, 0));
        assert!(!ring.any_stale.load(Ordering::Relaxed));
    }

    #[test]
    fn a_socket_that_is_taken_back_is_gone_for_its_peer() {
        let Some(ring) = ring() else { return };
        let (ours, mut peer) = registered(&ring, 0);
        ring.forget(0);
        drop(ours);
        assert_eq!(peer.read(&mut [0; 1]).expect("an end"), 0);
    }

    #[test]
    fn another_process_takes_nothing_back() {
        let Some(mut ring) = ring() else { return };
        let (_ours, _peer) = registered(&ring, 0);
        ring.owner += 1;
        ring.forget(0);
        assert_eq!(state(&ring, 0), REGISTERED);
    }

    #[test]
    fn what_fails_in_the_ring_alone_goes_as_a_plain_call() {
        let Some(ring) = ring() else { return };
        let readiness = Readiness::new().expect("a driver");
        // As if another thread had emptied them.
        for slot in &ring.slots[..2] {
            slot.store(REGISTERED, Ordering::Relaxed);
        }
        let driver = Uring::new(readiness, Rings(Box::new([ring])));
        let pairs = [(); 2].map(|()| UnixStream::pair().expect("a pair"));
        let mut memory = [[0; 8]; 2];
        let mut transfers = Vec::new();
        for (slot, ((ours, peer), memory)) in pairs.iter().zip(&mut memory).enumerate() {
            let mut peer: &UnixStream = peer;
            peer.write_all(b"ahoy").expect("a write");
            transfers.push(receive(ours, slot as u32, memory));
        }
        // SAFETY: the sockets are open, and the memory is not used by other code.
        unsafe { driver.transfer(&mut transfers) };
        for (slot, transfer) in transfers.iter().enumerate() {
            assert!(
                matches!(transfer.outcome, Outcome::Moved(4)),
                "{transfer:?}"
            );
            assert_eq!(state(&driver.rings.0[0], slot as u32), 0);
        }
        assert_eq!(memory.map(|bytes| bytes[..4].to_vec()), [b"ahoy"; 2]);
    }
}
