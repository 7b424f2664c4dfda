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
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
    time::Duration,
};

use io_uring::{IoUring, opcode, squeue, types};
use rustix::{
    io::Errno,
    process::{Resource, getrlimit},
};

use super::{
    Advised, Call, Driver, Events, Outcome, RawBuffer, Transfer, calls, readiness::Readiness,
};

/// The most transfers in one call. Beyond some dozens nothing more is gained, and the last waits for the first.
const BATCH_MAX: usize = 32;

/// Fewer than this and plain calls are cheaper than a trip through the ring.
const BATCH_MIN: usize = 2;

/// How many batched transfers a descriptor goes through on a ring before it is registered there.
const REGISTER_AFTER: u8 = 16;

/// In [`Ring::slots`]: the descriptor is registered.
const REGISTERED: u8 = u8::MAX;

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

/// One ring, empty between two batches.
struct Ring {
    io: IoUring,
    /// A thread has the queues to itself. Not a lock: nobody waits for it.
    taken: AtomicBool,
    /// The ring failed in a way that may have left entries in its queue. It is never entered again.
    broken: AtomicBool,
    /// For each slot, the batched transfers so far, up to [`REGISTER_AFTER`], or [`REGISTERED`]. Written by the
    /// thread that transfers for the slot, or that closes it: never both at once.
    slots: Box<[AtomicU8]>,
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
            slots: (0..registered_max).map(|_| AtomicU8::new(0)).collect(),
        })
    }

    /// Takes the queues, if nobody has them.
    fn take(&self) -> bool {
        !self.broken.load(Ordering::Relaxed)
            && !self.taken.load(Ordering::Relaxed)
            && !self.taken.swap(true, Ordering::Acquire)
    }

    fn give_back(&self) {
        self.taken.store(false, Ordering::Release);
    }

    /// Tries those of `transfers` that the ring can do; leaves the others untried.
    ///
    /// # Safety
    /// The calling thread has taken the ring. The descriptors are open, and the memory that the calls name is
    /// valid and nobody else's until this returns.
    unsafe fn transfer(&self, transfers: &mut [Transfer]) {
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
            // Whatever is submitted can't wait, so this doesn't either.
            let result = self.io.submit_and_wait(submitted - finished);
            // SAFETY: the queue is this thread's.
            for completion in unsafe { self.io.completion_shared() } {
                finished += 1;
                let transfer = &mut transfers[completion.user_data() as usize];
                transfer.outcome = match usize::try_from(completion.result()) {
                    Ok(moved) => Outcome::Moved(moved),
                    Err(_) => calls::failure(
                        transfer.call,
                        Errno::from_raw_os_error(-completion.result()),
                    ),
                };
            }
            if let Err(error) = result
                && !passes(&error)
            {
                // What has no completion was not begun, and never will be on this ring.
                tracing::error!(%error, "an io_uring failed; its transfers go on as plain calls");
                self.broken.store(true, Ordering::Relaxed);
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
        match state.load(Ordering::Relaxed) {
            REGISTERED => return Some(types::Fixed(transfer.slot)),
            REGISTER_AFTER => {}
            count => {
                state.store(count + 1, Ordering::Relaxed);
                return None;
            }
        }
        let files = [transfer.descriptor];
        let updated = self
            .io
            .submitter()
            .register_files_update(transfer.slot, &files);
        if updated.is_ok_and(|count| count == 1) {
            state.store(REGISTERED, Ordering::Relaxed);
            return Some(types::Fixed(transfer.slot));
        }
        // Refused, it counts afresh: unregistered works as well.
        state.store(0, Ordering::Relaxed);
        None
    }

    fn forget(&self, slot: u32) {
        if let Some(state) = self.slots.get(slot as usize)
            && state.swap(0, Ordering::Relaxed) == REGISTERED
        {
            // Else the ring would hold the socket open. Fails only for a slot out of range.
            let _ = self.io.submitter().register_files_update(slot, &[-1]);
        }
    }
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
}

impl Uring {
    pub(super) fn new(readiness: Readiness, rings: Rings) -> Self {
        Uring { readiness, rings }
    }
}

impl Driver for Uring {
    fn name(&self) -> &'static str {
        "uring"
    }

    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    unsafe fn watch(&self, descriptor: i32, token: u64) -> Result<(), Errno> {
        // SAFETY: passed on to the caller.
        unsafe { self.readiness.watch(descriptor, token) }
    }

    fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
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
            // More threads than rings may come by for a moment; those that find none free do without.
            if let Some(ring) = self.rings.0.iter().find(|ring| ring.take()) {
                // SAFETY: the ring was taken just now; the rest is passed on to the caller.
                unsafe { ring.transfer(transfers) };
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

    unsafe fn unwatch(&self, descriptor: i32) {
        // SAFETY: passed on to the caller.
        unsafe { self.readiness.unwatch(descriptor) }
    }

    fn forget(&self, slot: u32) {
        for ring in &self.rings.0 {
            ring.forget(slot);
        }
    }
}
