//! The state of a thread between two waits: which port it counts against, and its scratch memory.
//!
//! A thread counts against the port that it last waited on. When it waits on another, or ends, it gives its place
//! back there, and a waiter of that port is released in its stead.

use std::{
    cell::Cell,
    mem::ManuallyDrop,
    ptr::{self, NonNull},
    sync::{Arc, Weak},
};

use super::{port::Port, results::Handover, side::Ready, transfer::Attempts};
pub(crate) use crate::driver::Reserve;
use crate::{
    driver::{Events, Probe, coarse_now_ns},
    raw::{Queued, membership::Membership},
    scheduler::{Turn, Visit, Worker},
    sync::{self, thread, thread_local},
};

/// After so many packets in a row the kernel is looked at even though work is queued, so that timers and new
/// readiness are not put off for as long as the queue is never empty.
pub(super) const DELIVERIES_PER_LOOK: u32 = 61;

/// And after so long, if handlers are slow: else new events would wait for 61 of them. With the clock's coarse ticks it is some
/// milliseconds, so the look costs almost nothing.
const LOOK_AFTER_NS: u64 = 1_000_000;

/// One thread's membership of a port. Boxed, so that taking it costs a pointer.
#[derive(Debug)]
pub(in crate::raw) struct Member {
    port: Weak<Port>,
    /// Its place there; none before the first wait.
    seat: Option<usize>,
    pub worker: sync::Arc<Worker>,
    pub visit: Visit<Queued, Ready>,
    pub events: Events,
    pub(super) attempts: Attempts,
    /// Operations that have ended in this wait and are to be handed to their functions.
    pub(super) handovers: Vec<Handover>,
    /// It took packets, and has not come back for the next.
    pub runs: bool,
    /// It runs, and the last packet that it took was a posted one.
    pub took_posted: bool,
    /// Packets delivered since the kernel was last looked at, and when the first of them was.
    pub delivered: u32,
    delivered_since_ns: u64,
}

thread_local! {
    static MEMBER: Cell<Option<Kept>> = const { Cell::new(None) };
    /// The port that this thread runs on, between a packet and the next wait.
    static RUNNING_ON: Cell<Running> = const { Cell::new(Running::NOWHERE) };
}

/// A membership between two waits. A pointer, since [`Running`] has it too.
struct Kept(NonNull<Member>);

impl Kept {
    fn new(member: Box<Member>) -> Kept {
        Kept(NonNull::from(Box::leak(member)))
    }

    fn into_box(self) -> Box<Member> {
        let kept = ManuallyDrop::new(self);
        // SAFETY: it came from a box, and this is its owner.
        unsafe { Box::from_raw(kept.0.as_ptr()) }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// The port that a thread runs on, and its membership, which is in [`MEMBER`].
#[derive(Clone, Copy)]
struct Running {
    port: *const Port,
    member: *mut Member,
}

impl Running {
    const NOWHERE: Running = Running {
        port: ptr::null(),
        member: ptr::null_mut(),
    };

    /// Where this thread runs. One that is being torn down runs on nothing.
    #[inline(always)]
    fn of_this_thread() -> Running {
        RUNNING_ON.try_with(Cell::get).unwrap_or(Running::NOWHERE)
    }

    fn set(self) {
        // It has no destructor, so it is always there.
        let _ = RUNNING_ON.try_with(|running| running.set(self));
    }
}

impl Member {
    fn new(probe: Probe) -> Member {
        Member {
            port: Weak::new(),
            seat: None,
            worker: worker_of_this_thread(probe),
            visit: Visit::default(),
            events: Events::default(),
            attempts: Attempts::default(),
            handovers: Vec::new(),
            runs: false,
            took_posted: false,
            delivered: 0,
            delivered_since_ns: 0,
        }
    }

    /// This thread's membership of `port`; it leaves any other port.
    pub(super) fn enter(port: &Arc<Port>) -> Box<Member> {
        Running::NOWHERE.set();
        // A thread whose own is gone already, since it ends, is a member for one wait.
        let kept = MEMBER.try_with(Cell::take).ok().flatten();
        let mut member = match kept {
            Some(kept) => kept.into_box(),
            None => Box::new(Member::new(Probe::of_this_thread())),
        };
        member.runs = false;
        if !ptr::eq(member.port.as_ptr(), Arc::as_ptr(port)) {
            member.leave();
            if !member.worker.probe.is_of_this_thread() {
                // The process was forked: what is open tells of a thread of the parent's.
                member.worker = worker_of_this_thread(Probe::of_this_thread());
            }
            member.port = Arc::downgrade(port);
        }
        member
            .seat
            .get_or_insert_with(|| port.scheduler.join(&member.worker));
        member
    }

    /// Its seat on the port that it entered.
    #[inline]
    pub(super) fn seat(&self) -> usize {
        self.seat.expect("it has entered")
    }

    /// It takes so many packets to its handler.
    #[inline]
    pub(super) fn takes(&mut self, packets: usize) {
        self.runs = true;
        let now_ns = coarse_now_ns();
        if self.delivered == 0 {
            self.delivered_since_ns = now_ns;
        }
        self.delivered = self.delivered.saturating_add(packets as u32);
        if now_ns.saturating_sub(self.delivered_since_ns) >= LOOK_AFTER_NS {
            self.delivered = self.delivered.max(DELIVERIES_PER_LOOK);
        }
        self.worker.took(packets, now_ns);
    }

    fn leave(&mut self) {
        self.took_posted = false;
        let Some(seat) = self.seat.take() else {
            return;
        };
        if let Some(port) = self.port.upgrade() {
            let release = port.scheduler.leave(seat);
            port.release(release);
        }
    }
}

impl Membership for Box<Member> {
    /// In a thread that ends, and has nothing left to keep it in, it is given back.
    fn keep(self) {
        let (runs, port) = (self.runs, self.port.as_ptr());
        let kept = Kept::new(self);
        let member = kept.0.as_ptr();
        let before = MEMBER.try_with(|place| place.replace(Some(kept)));
        if before.is_ok() && runs {
            Running { port, member }.set();
        }
        // Last, since it leaves its port, and code of the user's may run then.
        drop(before);
    }

    fn delivered(&mut self) -> &mut Vec<Queued> {
        &mut self.visit.delivered
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if ptr::eq(Running::of_this_thread().member, self) {
            Running::NOWHERE.set();
        }
        self.leave();
        // Another holder of the worker does not keep its descriptor open.
        drop(self.worker.probe.end());
    }
}

fn worker_of_this_thread(probe: Probe) -> sync::Arc<Worker> {
    let thread = thread::current();
    sync::Arc::new(Worker::new(probe, thread.name().unwrap_or_default()))
}

/// This thread is about to wait on a port, for a pool that keeps descriptors aside. `replaces`: it is one that they were kept
/// for.
pub(crate) fn enlist(reserve: &Reserve, replaces: bool) {
    let member = Member::new(Probe::of_this_worker(reserve, replaces));
    // In a thread that is being torn down, and has nothing to keep it in, it is given back.
    let kept = Kept::new(Box::new(member));
    let _ = MEMBER.try_with(|place| place.set(Some(kept)));
}

/// This thread is about to end, and leaves its descriptor to the next that its pool starts.
pub(crate) fn discharge(reserve: &Reserve) {
    Running::NOWHERE.set();
    let member = MEMBER.try_with(Cell::take).ok().flatten();
    reserve.take_back(member.and_then(|member| {
        let mut member = member.into_box();
        member.leave();
        member.worker.probe.end()
    }));
}

/// Whether this thread is in a handler: it took a packet of `port` and has not come back for the next.
pub(super) fn runs_on(port: &Port) -> bool {
    ptr::eq(Running::of_this_thread().port, port)
}

/// What is left to be done for a thread that claimed a packet: done when this is dropped.
///
/// A completion is large, and its reader moves it right after the wait. The processor can't read so much in one piece while it is
/// still being written in small ones, and would wait. So it is written first, and this is done meanwhile.
pub(in crate::raw) struct Claim(*mut Member);

impl Drop for Claim {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: as in `run_on`. It is dropped before code of the user's runs, and before the thread waits.
        unsafe { &mut *self.0 }.takes(1);
    }
}

/// This thread goes on to another packet of the port that it runs on, if it can claim one.
#[inline(always)]
pub(super) fn run_on(port: &Port) -> Option<(Queued, Claim)> {
    let Running { port: on, member } = Running::of_this_thread();
    if !ptr::eq(on, port) {
        return None;
    }
    // SAFETY: it is kept as long as it is named there. All other references to it end before code of the user's runs, and this one
    // is the only one here.
    let packet = port.claim_for(unsafe { &mut *member })?;
    Some((packet, Claim(member)))
}

/// Whether a packet that this thread posts on the port now is left to it: it is in a handler of the port, and was left no other.
pub(super) fn leaves_a_packet(port: &Port) -> bool {
    let Running { port: on, member } = Running::of_this_thread();
    // SAFETY: as in `run_on`.
    ptr::eq(on, port) && unsafe { &*member }.worker.leaves_a_packet()
}

/// Runs code that may block, and gives this thread's place to another meanwhile.
///
/// A port finds out by itself that a thread of its pool is blocked in its handler, but that takes some hundred
/// microseconds, needs `/proc`, and comes only after others have waited. Said beforehand, it costs two short locks: a
/// thread that waits for its port is released at once if there is work for it, or another is started where the
/// [pool](crate::Workers) may grow. When `work` is done the thread counts as running again, so that for a moment more
/// may run than the port's concurrency: until one of them next waits.
///
/// In a thread that is in no handler, this just does the work. Panics pass through.
///
/// ```
/// # let (sender, receiver) = std::sync::mpsc::channel();
/// # sender.send(7).unwrap();
/// // In a handler:
/// let answer = wharf::blocking(|| receiver.recv());
/// # assert_eq!(answer, Ok(7));
/// ```
pub fn blocking<T>(work: impl FnOnce() -> T) -> T {
    let _place = BlockingGuard::of_this_thread();
    work()
}

/// This thread's place, while another may have it.
struct BlockingGuard {
    port: Arc<Port>,
    seat: usize,
    turn: Turn,
}

impl BlockingGuard {
    fn of_this_thread() -> Option<BlockingGuard> {
        // SAFETY: as in `run_on`.
        let member = unsafe { Running::of_this_thread().member.as_ref()? };
        let (port, seat) = (member.port.upgrade()?, member.seat?);
        let (turn, release) = port.scheduler.begin_blocking(seat)?;
        port.release(release);
        Some(BlockingGuard { port, seat, turn })
    }
}

impl Drop for BlockingGuard {
    fn drop(&mut self) {
        self.port.scheduler.end_blocking(self.seat, self.turn);
    }
}
