//! Which thread does what, and when: the queue, the gate and the waiting threads of one port.
//!
//! No kernel I/O happens in here and no clock is read: a thread asks for its next [`Step`], does it, and comes
//! back. It brings back results (packets it completed, work it found ready) and asks for the next step in one visit, under
//! one lock; so a whole echo takes a handful of visits. `README.md` beside this file explains the ideas, names the states of
//! a thread and says why nothing is lost.
//!
//! The scheduler is generic: `P` is a completed packet, to be handed to a worker; `R` is ready work, which
//! becomes packets once a thread has done it. It orders both and looks into neither.

mod age;
mod gate;
mod inbox;
#[cfg(all(test, loom))]
mod model;
mod monitor;
mod queue;
#[cfg(all(test, not(loom)))]
mod tests;
mod worker;

pub(crate) use crate::sync::Parker;
pub(crate) use gate::Place;
pub(crate) use gate::Turn;
use gate::{Chosen, Gate};
pub(crate) use inbox::Unposted;
use inbox::{Inbox, Told};
pub(crate) use monitor::{Duty, MonitorState, Suspect};
use queue::Queue;
pub(crate) use worker::Worker;

use std::mem;

use crate::{
    driver::Promises,
    raw::ring::Ring,
    snapshot::Counts,
    sync::{Arc, AtomicBool, AtomicUsize, Mutex, Ordering},
};

/// Quiet posts that come as close to each other are worth the monitor's looks. Two ticks of a coarse clock, as a rule.
const BURST_NS: u64 = 8_000_000;

/// What a thread is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Hand over the packets in [`Visit::delivered`].
    Deliver,
    /// Do the work in [`Visit::batch`], then come back with its packets.
    Work,
    /// Wait in the kernel, then come back with what is ready.
    Poll,
    /// Sleep on the parker, then come back.
    Park,
    /// The time of this wait is over.
    TimedOut,
    /// The port is closed.
    Closed,
}

/// A packet that a running thread claimed without a visit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claimed<P> {
    /// One that was posted.
    Posted(P),
    /// One that came of work.
    Worked(P),
}

/// The thread to wake after a visit. A wake is a system call, so the caller makes it, outside the lock.
#[derive(Debug)]
#[must_use = "a release that is not carried out leaves a worker asleep beside work"]
pub(crate) enum Release {
    Nobody,
    /// One of the threads that poll the kernel.
    Polling,
    /// This parked thread; it is counted as running already.
    Parked(Arc<Worker>),
    /// No worker, but the monitor: all threads that may run are running, and may be blocked.
    CallMonitor,
}

/// The things that a thread brings to the scheduler and takes away from it. Reused, so that visits allocate nothing.
#[derive(Debug)]
pub(crate) struct Visit<P, R> {
    /// In: packets that came of the work that this thread was given.
    pub completed: Vec<P>,
    /// In: work that this thread found ready.
    pub ready: Vec<R>,
    /// In: this thread has just polled the kernel.
    pub looked: bool,
    /// In: the kernel's wake was consumed by this thread.
    pub woken: bool,
    /// In: the time of this wait is over.
    pub expired: bool,
    /// Out, with [`Step::Deliver`].
    pub delivered: Vec<P>,
    /// Out: how many of those were posted, in either way.
    pub posted: usize,
    /// Out, with [`Step::Work`].
    pub batch: Vec<R>,
}

impl<P, R> Default for Visit<P, R> {
    fn default() -> Self {
        Visit {
            completed: Vec::new(),
            ready: Vec::new(),
            looked: false,
            woken: false,
            expired: false,
            delivered: Vec::new(),
            posted: 0,
            batch: Vec::new(),
        }
    }
}

#[derive(Debug)]
struct State<P, R> {
    queue: Queue<P, R>,
    gate: Gate,
    /// The monitor was called, and has not gone off duty since.
    on_duty: bool,
    /// More threads can be had.
    can_grow: bool,
    /// The system can tell that a thread is blocked.
    tells_blocked: bool,
    releases: u64,
    /// When a packet last stood in the inbox for which the monitor did not watch.
    stood_ns: u64,
    /// No thread waits any more: the port is closed, or only its waits have ended.
    closed: bool,
}

/// The scheduler of one port.
#[derive(Debug)]
pub(crate) struct Scheduler<P, R> {
    state: Mutex<State<P, R>>,
    inbox: Inbox<P>,
    /// Where running threads claim the packets that came of work.
    worked: Arc<Ring<P>>,
    /// Copies of parts of the state, to be read without the lock as a hint: how much is queued that can't be claimed, ...
    queued: AtomicUsize,
    /// ... whether a running thread may begin with the packet that it has just made, ...
    runs_on: AtomicBool,
    /// ... and the others.
    closed: AtomicBool,
    polls: AtomicBool,
    concurrency: usize,
    batch_max: AtomicUsize,
    /// The time in nanoseconds, of a clock that may be coarse. It says how old packets are, and whether quiet posts come often.
    clock: fn() -> u64,
}

impl<P, R> Scheduler<P, R> {
    /// `concurrency`: the most threads that may run at once. `batch_max`: the most ready work that a thread may
    /// take at a time. Both at least 1. `promises`: the driver's. `clock`: the time in nanoseconds.
    pub(crate) fn new(
        concurrency: usize,
        batch_max: usize,
        promises: Promises,
        clock: fn() -> u64,
    ) -> Self {
        debug_assert!(concurrency > 0 && batch_max > 0 && promises.waiters_max > 0);
        let (inbox, posted) = Inbox::new();
        let queue = Queue::new(posted);
        Scheduler {
            worked: queue.worked_ring().clone(),
            state: Mutex::new(State {
                queue,
                gate: Gate::new(concurrency, polling_max(promises, concurrency)),
                on_duty: false,
                can_grow: false,
                tells_blocked: promises.tells_blocked,
                releases: 0,
                stood_ns: 0,
                closed: false,
            }),
            inbox,
            queued: AtomicUsize::new(0),
            runs_on: AtomicBool::new(true),
            closed: AtomicBool::new(false),
            polls: AtomicBool::new(false),
            concurrency,
            batch_max: AtomicUsize::new(batch_max),
            clock,
        }
    }

    /// Gives a thread a seat, which names it in its visits. It stays the thread's until it [leaves](Self::leave).
    pub(crate) fn join(&self, worker: &Arc<Worker>) -> usize {
        self.state.lock().gate.join(worker.clone())
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// The most ready work that a thread takes at a time.
    pub(super) fn batch_max(&self) -> usize {
        self.batch_max.load(Ordering::Relaxed)
    }

    /// From now on a thread takes no more ready work than this at a time.
    pub(crate) fn limit_batches(&self, most: usize) {
        if self.batch_max() > most {
            self.batch_max.store(most, Ordering::Relaxed);
        }
    }

    /// Whether the port is closed. Once true, true for ever.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether there is anything to poll the kernel for. Once true, true for ever.
    pub(crate) fn polls(&self) -> bool {
        self.polls.load(Ordering::Acquire)
    }

    /// From now on there is something to poll the kernel for. Until then all waiting threads are parked, since a parked thread
    /// is woken fastest.
    pub(crate) fn begin_polling(&self) -> Release {
        if self.polls() {
            return Release::Nobody;
        }
        let mut state = self.state.lock();
        state.gate.begin_polling();
        self.polls.store(true, Ordering::Release);
        self.finish_visit(&mut state)
    }

    /// Whether anything was queued a moment ago, but for packets that are left to the threads that posted them: a hint, read
    /// without the lock.
    pub(crate) fn seems_busy(&self) -> bool {
        self.queued.load(Ordering::Relaxed) > 0
            || self.worked.seems_filled()
            || self.inbox.seems_filled()
    }

    /// Makes room for `packets` and `ready` entries at once, so that queueing them can't fail later.
    pub(crate) fn reserve(&self, packets: usize, ready: usize) {
        self.state.lock().queue.reserve(packets, ready);
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut state = self.state.lock();
        Counts {
            running: state.gate.running(),
            parked: state.gate.waiting(),
            blocked: state.gate.blocked(),
            queued: state.queue.len() + self.inbox.len(),
            running_max: state.gate.running_max(),
            releases: state.releases,
        }
    }

    /// Since when the oldest queued entry has waited, by the clock.
    pub(crate) fn oldest_since_ns(&self) -> Option<u64> {
        let queued = self.state.lock().queue.oldest_since_ns();
        let posted = self.inbox.oldest_since_ns();
        queued.into_iter().chain(posted).min()
    }

    /// All threads that have a seat, with their places and turns.
    pub(crate) fn seats(&self) -> Vec<(Suspect, Place)> {
        let state = self.state.lock();
        let seats = state.gate.seats().iter();
        seats
            .map(|(index, seat)| (Suspect::new(index, seat), seat.place))
            .collect()
    }

    /// From now on more threads can be started, or none.
    pub(crate) fn set_can_grow(&self, can_grow: bool) -> Release {
        let mut state = self.state.lock();
        state.can_grow = can_grow;
        self.finish_visit(&mut state)
    }

    /// A running thread that brings nothing goes on to the next packet without a visit, if one is open to claims. It changes
    /// nothing but the queue, so no thread is released or told to wait.
    #[inline(always)]
    pub(crate) fn claim(&self, worker: &Worker) -> Option<Claimed<P>> {
        // With a packet that it left to itself, it has to visit: the visit releases another thread if that packet is not the next.
        if !worker.runs() || worker.left_a_packet() {
            return None;
        }
        let claimed = match self.worked.claim() {
            Some(packet) => Claimed::Worked(packet),
            None => Claimed::Posted(self.inbox.claim()?),
        };
        worker.note_claim();
        Some(claimed)
    }

    /// Whether a running thread that has just made one packet of its work, and brings nothing else, goes on to that packet
    /// without a visit.
    #[inline]
    pub(crate) fn keeps(&self, worker: &Worker) -> bool {
        let keeps =
            worker.runs() && self.runs_on.load(Ordering::Relaxed) && !self.worked.seems_filled();
        if keeps {
            worker.note_claim();
        }
        keeps
    }

    /// A waiting thread's visit: takes in what `visit` brings, and says what the thread does next.
    ///
    /// A running thread stops counting first, then takes the head of the queue if the gate lets it; so a thread
    /// that keeps finding work never parks. `packets_max` bounds what is delivered at once.
    pub(crate) fn visit(
        &self,
        seat: usize,
        visit: &mut Visit<P, R>,
        packets_max: usize,
    ) -> (Step, Release) {
        let mut state = self.state.lock();
        let state = &mut *state;
        state.gate.withdraw(seat, visit.woken);
        visit.woken = false;
        if std::mem::take(&mut visit.looked) {
            state.gate.note_look();
        }
        let may_run = !state.closed && state.gate.has_room();
        let at_once = if may_run { packets_max } else { 0 };
        (state.queue).push_worked(&mut visit.completed, &mut visit.delivered, at_once);
        self.push_found(state, &mut visit.ready);
        let taken = match may_run {
            true => state.take_work(&self.inbox, visit, packets_max, self.batch_max()),
            false => None,
        };
        let step = if state.closed {
            Step::Closed
        } else if let Some(step) = taken {
            state.gate.admit(seat);
            step
        } else if visit.expired {
            Step::TimedOut
        } else {
            state.gate.wait(seat)
        };
        state.gate.tell(seat);
        let release = self.finish_visit(state);
        (step, release)
    }

    /// The visit of a thread that polled the kernel and is no waiter: it brings what it found, and takes nothing.
    pub(crate) fn submit(&self, visit: &mut Visit<P, R>) -> Release {
        let mut state = self.state.lock();
        self.take_in_found(&mut state, visit);
        self.finish_visit(&mut state)
    }

    /// As [`submit`](Self::submit), by a thread that makes transfers though it is no waiter, since there is none: it takes all
    /// ready work, also what stands behind packets, and no packets. Into `visit.batch`.
    pub(crate) fn submit_and_take(&self, visit: &mut Visit<P, R>) -> Release
    where
        R: Copy,
    {
        let mut state = self.state.lock();
        self.take_in_found(&mut state, visit);
        state.queue.take_all_ready(&mut visit.batch);
        self.finish_visit(&mut state)
    }

    /// What a thread that is no waiter has found.
    fn take_in_found(&self, state: &mut State<P, R>, visit: &mut Visit<P, R>) {
        if std::mem::take(&mut visit.woken) {
            state.gate.note_wake();
        }
        self.push_found(state, &mut visit.ready);
    }

    #[inline]
    fn push_found(&self, state: &mut State<P, R>, ready: &mut Vec<R>) {
        if ready.is_empty() {
            return;
        }
        let now_ns = (self.clock)();
        ready
            .drain(..)
            .for_each(|work| state.queue.push_ready(work, now_ns));
    }

    /// Queues a packet that this thread found complete when it looked at the kernel. No thread is released for it: this thread
    /// [visits](Self::visit) or [submits](Self::submit) next, and that chooses a release.
    pub(crate) fn enqueue(&self, packet: P) {
        let now_ns = (self.clock)();
        self.state.lock().queue.push_packet(packet, now_ns);
    }

    /// Whether new work has to wait until some thread comes back, so that polling the kernel would be of no use.
    pub(crate) fn would_hold_up(&self) -> bool {
        self.state.lock().would_hold_up()
    }

    /// Posts a packet. Any number of threads may post, and seldom compete for a lock with threads that visit. A post needs
    /// [credit](Self::grant).
    pub(crate) fn post(&self, packet: P) -> Result<Release, Unposted<P>> {
        let told = self.inbox.post(packet, || false, self.clock)?;
        Ok(self.posted(told))
    }

    /// Posts a packet on a [reserved place](Self::reserve_posts), which has one packet at a time. Its place in the order of
    /// posts is that of any other; but it needs no credit and no memory.
    ///
    /// # Errors
    /// The port is closed; the packet comes back.
    pub(crate) fn post_reserved(&self, packet: P) -> Result<Release, P> {
        let told = self.inbox.post_reserved(packet, || false, self.clock)?;
        Ok(self.posted(told))
    }

    /// Posts a packet as [`post`](Self::post) does; but where a thread would be released for it, `leaves` is asked whether the packet
    /// is left to the calling thread instead: [`Worker::leaves_a_packet`].
    pub(crate) fn post_quietly(
        &self,
        packet: P,
        leaves: impl FnOnce() -> bool,
    ) -> Result<Release, Unposted<P>> {
        let told = self.inbox.post(packet, leaves, self.clock)?;
        Ok(self.posted(told))
    }

    /// As [`post_quietly`](Self::post_quietly), on a [reserved place](Self::post_reserved).
    ///
    /// # Errors
    /// As there.
    pub(crate) fn post_reserved_quietly(
        &self,
        packet: P,
        leaves: impl FnOnce() -> bool,
    ) -> Result<Release, P> {
        let told = self.inbox.post_reserved(packet, leaves, self.clock)?;
        Ok(self.posted(told))
    }

    /// A packet was posted: if it was wanted, the thread that posted it chooses a release.
    #[inline]
    fn posted(&self, told: Told) -> Release {
        match told {
            Told::Nothing | Told::Withheld { watched: true } => Release::Nobody,
            Told::Withheld { watched: false } => self.watch(),
            Told::Wanted => {
                let mut state = self.state.lock();
                state.queue.posted.wanted_came();
                self.finish_visit(&mut state)
            }
        }
    }

    /// A packet stands in the inbox, and the monitor does not watch for such: it is called. But if there was no such packet for a
    /// while, its looks would cost more than to release a thread, as for an ordinary post. The same if no thread would be released:
    /// then no post need be wanted any more.
    #[cold]
    fn watch(&self) -> Release {
        let now_ns = (self.clock)();
        let mut state = self.state.lock();
        let before_ns = mem::replace(&mut state.stood_ns, now_ns);
        let is_alone = now_ns.saturating_sub(before_ns) > BURST_NS;
        if state.closed || is_alone || !state.gate.would_release() {
            self.inbox.unwant(&mut state.queue.posted);
            return self.finish_visit(&mut state);
        }
        if !self.inbox.begin_watch() {
            return Release::Nobody;
        }
        state.on_duty = true;
        Release::CallMonitor
    }

    /// Reserves memory for so many packets at once that are posted on reserved places. The owner of a place counts it among the
    /// port's operations. The number never becomes less.
    pub(crate) fn reserve_posts(&self, places: usize) {
        let mut state = self.state.lock();
        self.inbox.reserve(&mut state.queue.posted, places);
    }

    /// Gives credit for so many more posts; returns how many may be made now. None: the port is closed and needs no credit.
    pub(crate) fn grant(&self, credit: usize) -> Option<usize> {
        self.inbox.grant(credit)
    }

    /// The credit that can be used.
    pub(crate) fn credit(&self) -> usize {
        self.inbox.credit()
    }

    /// Takes back the credit that no packet uses.
    pub(crate) fn take_credit(&self) -> usize {
        self.inbox.take_credit()
    }

    /// Queues a completed packet from outside a wait.
    pub(crate) fn complete(&self, packet: P) -> Release {
        self.queue_with(|queue| queue.push_packet(packet, (self.clock)()))
    }

    /// Queues ready work from outside a wait.
    pub(crate) fn ready(&self, work: R) -> Release {
        self.queue_with(|queue| queue.push_ready(work, (self.clock)()))
    }

    /// Queues ready work from outside a wait, for the next batch.
    pub(crate) fn stage(&self, work: R) -> Release {
        self.queue_with(|queue| queue.push_staged(work))
    }

    /// A thread gives its seat back: it exits, or waits elsewhere.
    pub(crate) fn leave(&self, seat: usize) -> Release {
        let mut state = self.state.lock();
        state.gate.leave(seat);
        self.finish_visit(&mut state)
    }

    /// A thread can't wait any more, but keeps its seat.
    pub(crate) fn give_up(&self, seat: usize) -> Release {
        let mut state = self.state.lock();
        state.gate.withdraw(seat, false);
        state.gate.tell(seat);
        self.finish_visit(&mut state)
    }

    /// A running thread says that it is about to block: another thread gets its place until it is [back](Self::end_blocking).
    /// Returns the turn that it then has to give. None if it does not count as running.
    pub(crate) fn begin_blocking(&self, seat: usize) -> Option<(Turn, Release)> {
        let mut state = self.state.lock();
        let turn = state.gate.seats()[seat].turn();
        if !state.gate.block(seat, turn) {
            return None;
        }
        state.gate.seats_mut()[seat].said_so = true;
        Some((turn, self.finish_visit(&mut state)))
    }

    /// A thread that said that it would block runs again, even if the gate is full; unless it has visited meanwhile.
    pub(crate) fn end_blocking(&self, seat: usize, turn: Turn) {
        let mut state = self.state.lock();
        state.gate.resume(seat, turn);
        self.open(&mut state);
    }

    /// Closes the port: every waiter is released with [`Step::Closed`]. Says whether it was open.
    pub(crate) fn close(&self) -> (bool, Release) {
        let mut state = self.state.lock();
        let first = !self.is_closed();
        self.closed.store(true, Ordering::Release);
        (first, self.end_waits_of(&mut state))
    }

    /// Ends the waits alone: every waiter is released with [`Step::Closed`], and nothing is posted any more. What is not closed goes
    /// on, and threads that wait elsewhere carry it out ([`submit_and_take`](Self::submit_and_take)).
    pub(crate) fn end_waits(&self) -> Release {
        self.end_waits_of(&mut self.state.lock())
    }

    fn end_waits_of(&self, state: &mut State<P, R>) -> Release {
        state.closed = true;
        self.inbox.close();
        self.finish_visit(state)
    }

    /// Takes out every completed packet of a closed port, and drops the ready work, whose operations have been
    /// cancelled. Returns how many of the packets were posted on reserved places, which still belong to their owners.
    pub(crate) fn drain(&self, into: &mut Vec<P>) -> usize {
        let mut state = self.state.lock();
        debug_assert!(state.closed);
        let before = state.queue.drain(&self.inbox, into);
        state.queue.take_in(&self.inbox);
        let reserved = before + state.queue.drain(&self.inbox, into);
        self.queued.store(0, Ordering::Relaxed);
        reserved
    }

    fn queue_with(&self, push: impl FnOnce(&mut Queue<P, R>)) -> Release {
        let mut state = self.state.lock();
        // Packets that were posted before go before.
        state.queue.take_in(&self.inbox);
        push(&mut state.queue);
        self.finish_visit(&mut state)
    }

    /// The end of a visit: chooses a thread to release, and whether the next post is to choose one.
    #[inline(always)]
    fn finish_visit(&self, state: &mut State<P, R>) -> Release {
        state.queue.take_in(&self.inbox);
        self.finish_without_inbox(state)
    }

    /// As [`finish_visit`](Self::finish_visit), but what is in the inbox is left there.
    #[inline(always)]
    fn finish_without_inbox(&self, state: &mut State<P, R>) -> Release {
        self.open(state);
        let mut release = state.release_next();
        if !state.queue.posted.is_wanted() && state.gate.would_release() {
            release = self.want(state, release);
        }
        let queued = state.queue.len_of_unclaimed();
        self.queued.store(queued, Ordering::Relaxed);
        release
    }

    /// Lets running threads go on without a visit, or none of them: the end of all that changes who runs.
    #[inline]
    fn open(&self, state: &mut State<P, R>) {
        let runs_on = !state.closed && state.gate.lets_run_on();
        if state.queue.open(runs_on) {
            self.runs_on.store(runs_on, Ordering::Relaxed);
        }
    }

    /// Notes that the next post is to choose a release. A packet that came just before was not wanted yet: unless a thread is
    /// released anyway, one is released for that packet.
    #[cold]
    fn want(&self, state: &mut State<P, R>, release: Release) -> Release {
        if self.inbox.want(&mut state.queue.posted) && matches!(release, Release::Nobody) {
            state.queue.take_in(&self.inbox);
            return state.release_next();
        }
        release
    }
}

impl<P, R> State<P, R> {
    /// Takes something to do from the queue, if there is anything. Other threads claim packets meanwhile, so only what was taken
    /// is sure.
    fn take_work(
        &mut self,
        inbox: &Inbox<P>,
        visit: &mut Visit<P, R>,
        packets_max: usize,
        batch_max: usize,
    ) -> Option<Step> {
        let delivered = &mut visit.delivered;
        let posted_before = self.queue.posted.handed_out();
        while delivered.len() < packets_max {
            self.queue.take_packets(delivered, packets_max, batch_max);
            if delivered.len() == packets_max || !self.queue.take_in(inbox) {
                break;
            }
        }
        visit.posted = self.queue.posted.handed_out().wrapping_sub(posted_before);
        if visit.posted > 0 {
            inbox.show_taken(&self.queue.posted);
        }
        if !visit.delivered.is_empty() {
            return Some(Step::Deliver);
        }
        // A fair share: the other threads can't begin what this one takes.
        self.queue
            .take_ready(&mut visit.batch, self.gate.concurrency(), batch_max);
        (!visit.batch.is_empty()).then_some(Step::Work)
    }

    #[inline]
    fn release_next(&mut self) -> Release {
        let work = !self.queue.is_empty();
        match self.gate.release(work, self.closed) {
            Some(Chosen::Polling) => Release::Polling,
            Some(Chosen::Parked(worker)) => Release::Parked(worker),
            None if self.calls_monitor() => {
                self.on_duty = true;
                Release::CallMonitor
            }
            None => Release::Nobody,
        }
    }

    /// Whether the monitor is to be called.
    #[inline]
    fn calls_monitor(&self) -> bool {
        !self.on_duty && !self.closed && self.would_hold_up() && self.can_help()
    }

    /// Whether new work has to wait until some thread comes back. There may already be some in the kernel, since no thread
    /// polls.
    #[inline]
    fn would_hold_up(&self) -> bool {
        !self.gate.has_room() || self.gate.waiting() == 0
    }

    /// Whether the monitor could do anything about it: give a place away, have a thread started, or carry out staged work.
    fn can_help(&self) -> bool {
        let gives_places = self.tells_blocked && self.gate.waiting() > 0;
        gives_places || self.can_grow || self.queue.has_staged()
    }
}

/// The most threads that poll the kernel at once.
fn polling_max(promises: Promises, concurrency: usize) -> usize {
    if promises.wakes_last_first {
        promises.waiters_max.min(concurrency)
    } else {
        // With one polling thread, a wake goes to the thread that is meant.
        1
    }
}
