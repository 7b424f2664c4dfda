//! The gate and the waiters: how many threads run, which of the others is released next, and which are blocked.
//!
//! At most `concurrency` threads run. The others wait, and are released last in, first out (LIFO): the processor's caches still
//! have the data of the thread that waited last. A waiter waits in one of two places: as many as could run at once poll the
//! kernel, where each new event releases one of them without a detour; the rest sleep on their parkers. Linux wakes the threads
//! in `epoll_wait` last in, first out as well (`ep_poll` adds an exclusive waiter at the head of its list), so the order holds
//! in both places. If a driver does not promise that, one thread polls; and if it takes fewer threads than could run, only so
//! many poll.
//!
//! Each thread that has visited has a [`Seat`]. The place of a thread is written there and nowhere else, always under
//! the scheduler's lock: by the thread itself when it visits, and by another thread that releases it or finds it blocked.

use slab::Slab;

use super::{Step, Worker};
use crate::sync::Arc;

/// The state of a thread, as the port counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not counted anywhere: it is not waiting and holds nothing.
    Away,
    /// Counted as running: in a handler, or doing work that the scheduler gave it.
    Running,
    /// It ran, and is blocked in its handler: counted as blocked until it comes back, or is seen to run again.
    Blocked,
    /// Waiting in the kernel, where new readiness is seen first.
    Polling,
    /// Waiting on its parker.
    Parked,
    /// Counted as running: it was parked, is released, and has not visited yet.
    Released,
}

/// What a thread does between two visits or claims. Never the same twice at one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The number of its last visit, among all visits to this port.
    visit: u64,
    /// How many packets it had claimed.
    claims: usize,
}

/// The entry of one thread at the port.
#[derive(Debug)]
pub(super) struct Seat {
    pub worker: Arc<Worker>,
    pub place: Place,
    /// The number of its last visit, among all visits to this port: as long as this is the same, the thread has not visited.
    visit: u64,
    /// Its turn when the monitor last looked.
    pub seen: Option<Turn>,
    /// How many packets it had taken when the monitor last looked.
    pub seen_packets: u64,
    /// What its worker was told last.
    runs: bool,
    /// It said itself that it would block, and says when it is back.
    pub said_so: bool,
}

impl Seat {
    /// As long as this is the same, the thread has neither visited nor claimed a packet.
    pub(super) fn turn(&self) -> Turn {
        Turn {
            visit: self.visit,
            claims: self.worker.claims(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Gate {
    concurrency: usize,
    running: usize,
    running_max: usize,
    blocked: usize,
    seats: Slab<Seat>,
    /// The seats of the waiting threads, oldest first; released from the end.
    waiters: Vec<usize>,
    polling: usize,
    /// The most waiters that may poll: no more than the concurrency.
    polling_max: usize,
    /// There is something to poll the kernel for.
    pollable: bool,
    /// A wake is on its way to the polling threads, and none of them has reported it yet.
    wake_pending: bool,
    visits: u64,
    /// How often a thread was let run, and how often one had polled the kernel, ever.
    admissions: u64,
    looks: u64,
}

/// The waiter that [`Gate::release`] chose.
pub(super) enum Chosen {
    /// One of the polling threads: the kernel chooses which.
    Polling,
    Parked(Arc<Worker>),
}

impl Gate {
    pub(super) fn new(concurrency: usize, polling_max: usize) -> Self {
        Gate {
            concurrency,
            running: 0,
            running_max: 0,
            blocked: 0,
            seats: Slab::new(),
            waiters: Vec::new(),
            polling: 0,
            polling_max,
            pollable: false,
            wake_pending: false,
            visits: 0,
            admissions: 0,
            looks: 0,
        }
    }

    pub(super) fn concurrency(&self) -> usize {
        self.concurrency
    }

    pub(super) fn running(&self) -> usize {
        self.running
    }

    pub(super) fn running_max(&self) -> usize {
        self.running_max
    }

    pub(super) fn blocked(&self) -> usize {
        self.blocked
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// How often a thread was let run.
    pub(super) fn admissions(&self) -> u64 {
        self.admissions
    }

    /// How often a thread has polled the kernel; none if one polls now.
    pub(super) fn looks(&self) -> Option<u64> {
        (self.polling == 0).then_some(self.looks)
    }

    /// A thread has polled the kernel.
    #[inline]
    pub(super) fn note_look(&mut self) {
        self.looks += 1;
    }

    pub(super) fn seats(&self) -> &Slab<Seat> {
        &self.seats
    }

    pub(super) fn seats_mut(&mut self) -> &mut Slab<Seat> {
        &mut self.seats
    }

    /// Gives a thread a seat.
    pub(super) fn join(&mut self, worker: Arc<Worker>) -> usize {
        self.seats.insert(Seat {
            worker,
            place: Place::Away,
            visit: self.visits,
            seen: None,
            seen_packets: 0,
            runs: false,
            said_so: false,
        })
    }

    /// Takes a seat back; the thread counts for nothing any more.
    pub(super) fn leave(&mut self, seat: usize) {
        self.withdraw(seat, false);
        self.tell(seat);
        self.seats.remove(seat);
    }

    /// Takes back what a thread counted for, since it visits. `woken`: it consumed the wake of the polling threads.
    pub(super) fn withdraw(&mut self, seat: usize, woken: bool) {
        if woken {
            self.note_wake();
        }
        match self.seats[seat].place {
            Place::Away => {}
            Place::Running | Place::Released => self.running -= 1,
            Place::Blocked => self.blocked -= 1,
            Place::Polling => {
                self.unlist(seat);
                self.polling -= 1;
            }
            Place::Parked => self.unlist(seat),
        }
        let seat_of = &mut self.seats[seat];
        seat_of.worker.comes_back();
        seat_of.place = Place::Away;
        seat_of.said_so = false;
        self.visits += 1;
        seat_of.visit = self.visits;
    }

    /// Tells a thread whether it may claim packets, if that has changed: the end of a change of its place.
    #[inline]
    pub(super) fn tell(&mut self, seat: usize) {
        let seat = &mut self.seats[seat];
        let runs = seat.place == Place::Running;
        if seat.runs != runs {
            seat.runs = runs;
            seat.worker.set_runs(runs);
        }
    }

    /// The wake of the polling threads was taken.
    pub(super) fn note_wake(&mut self) {
        self.wake_pending = false;
    }

    fn unlist(&mut self, seat: usize) {
        let index = self.waiters.iter().rposition(|waiter| *waiter == seat);
        self.waiters.remove(index.expect("a waiter is listed"));
    }

    /// Whether running threads may take one packet after the other without a visit: not while more run than should.
    #[inline]
    pub(super) fn lets_run_on(&self) -> bool {
        self.running <= self.concurrency
    }

    /// Lets the calling thread run: there is room.
    pub(super) fn admit(&mut self, seat: usize) {
        debug_assert!(self.has_room());
        self.seats[seat].place = Place::Running;
        self.admissions += 1;
        self.count_running();
    }

    fn count_running(&mut self) {
        self.running += 1;
        self.running_max = self.running_max.max(self.running);
    }

    pub(super) fn has_room(&self) -> bool {
        self.running < self.concurrency
    }

    fn has_place_to_poll(&self) -> bool {
        self.pollable
            && self.polling < self.polling_max
            && self.running + self.polling < self.concurrency
    }

    /// From now on there is something to poll the kernel for.
    pub(super) fn begin_polling(&mut self) {
        self.pollable = true;
    }

    /// Lists the calling thread as a waiter, and says where it is to wait.
    pub(super) fn wait(&mut self, seat: usize) -> Step {
        self.waiters.push(seat);
        if self.has_place_to_poll() {
            self.polling += 1;
            self.seats[seat].place = Place::Polling;
            Step::Poll
        } else {
            self.seats[seat].place = Place::Parked;
            Step::Park
        }
    }

    /// A running thread that has not visited since `turn` is blocked, and gives up its place. Returns whether it was running at
    /// that turn.
    pub(super) fn block(&mut self, seat: usize, turn: Turn) -> bool {
        let holds = self.is_at(seat, turn, Place::Running);
        if holds {
            self.seats[seat].place = Place::Blocked;
            self.running -= 1;
            self.blocked += 1;
            self.tell(seat);
        }
        holds
    }

    /// A blocked thread that has not visited since `turn` runs again, and counts as running, even if the gate is full.
    pub(super) fn resume(&mut self, seat: usize, turn: Turn) {
        if self.is_at(seat, turn, Place::Blocked) {
            self.seats[seat].place = Place::Running;
            self.seats[seat].said_so = false;
            self.blocked -= 1;
            self.count_running();
            self.tell(seat);
        }
    }

    /// Turns are never used twice, so a seat that another thread has by now is not mistaken for that of the first.
    fn is_at(&self, seat: usize, turn: Turn, place: Place) -> bool {
        let seat = self.seats.get(seat);
        seat.is_some_and(|seat| seat.turn() == turn && seat.place == place)
    }

    /// Chooses the waiter to release, if one should be: for work that waits, for a free place to poll from, or because the port
    /// closed.
    #[inline]
    pub(super) fn release(&mut self, work: bool, closed: bool) -> Option<Chosen> {
        if closed {
            return self.release_last();
        }
        if !self.has_room() {
            return None;
        }
        if work {
            return self.release_last();
        }
        if self.has_place_to_poll() {
            let is_parked = |waiter: &usize| self.seats[*waiter].place == Place::Parked;
            let index = self.waiters.iter().rposition(is_parked)?;
            return Some(self.release_parked(index));
        }
        None
    }

    /// Whether a thread would be released, were there work.
    pub(super) fn would_release(&self) -> bool {
        self.has_room()
            && match self.last_place() {
                None => false,
                Some(Place::Polling) => !self.wake_pending,
                Some(_) => true,
            }
    }

    fn last_place(&self) -> Option<Place> {
        self.waiters.last().map(|seat| self.seats[*seat].place)
    }

    fn release_last(&mut self) -> Option<Chosen> {
        match self.last_place()? {
            Place::Polling if self.wake_pending => None,
            // It stays listed until it reports: an event may wake another thread than the one that is meant.
            Place::Polling => {
                self.wake_pending = true;
                Some(Chosen::Polling)
            }
            _ => Some(self.release_parked(self.waiters.len() - 1)),
        }
    }

    /// The released thread holds its place in the gate from now on, before it visits.
    fn release_parked(&mut self, index: usize) -> Chosen {
        let seat = self.waiters.remove(index);
        self.running += 1;
        self.seats[seat].place = Place::Released;
        Chosen::Parked(self.seats[seat].worker.clone())
    }
}
