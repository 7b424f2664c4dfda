//! The monitor's part: which threads are blocked while work waits.
//!
//! The monitor is a thread that is no worker. It is called when new work has to wait until some thread comes back:
//! the gate is full, or no thread is left that waits. While that lasts it looks again and again. A thread that is at the same
//! turn in two looks has been in one handler for all the time between them, and is a *suspect*. If work waits, the
//! monitor asks the system, under no lock, whether the suspect sleeps, and if so gives its place away. A thread that
//! computes keeps its place. Where the system can't tell, no thread is a suspect, and only threads that say so count as
//! blocked; the monitor is called for its other tasks.
//!
//! Where no thread waits, and none can be started, to give a place away would be of no use: then no thread is a suspect, and the
//! monitor goes off duty but for a look now and then, by which it can say in the log that all threads are held.
//!
//! Work may also wait in the kernel: while all threads that may run do, none polls. So if no thread has polled between two
//! looks, the monitor polls too.
//!
//! A packet that was posted quietly [stands in the inbox](super::inbox), left to the thread that posted it. While there are such
//! posts, the monitor *watches*: it looks often, and a packet that stood at the last look already is queued as any other, and a
//! thread is released for it.

use super::{
    Release, Scheduler, State, Worker,
    gate::{Place, Seat, Turn},
};
use crate::sync::Arc;

/// At each look, the system is asked about so many blocked threads, in turn: a thread that runs again counts as running again.
const BLOCKED_PER_LOOK: usize = 8;

/// After so many looks in a row that found a thread which could run, the monitor goes off duty.
const IDLE_LOOKS: u32 = 8;

/// After so many looks in a row since which no release was withheld, it watches no longer.
const WATCH_LOOKS: u32 = if cfg!(loom) { 1 } else { 4 };

/// A thread that took so many packets since the last look goes from one to the next; it is not asked about until it stays at
/// one. Handlers that block at once are seldom as fast; one that took as many packets with one wait, and blocks in the first, is
/// found a look later.
const BUSY: u64 = 16;

/// A thread about which the system is to be asked, and the turn at which it was seen.
#[derive(Debug, Clone)]
pub(crate) struct Suspect {
    pub seat: usize,
    pub turn: Turn,
    pub worker: Arc<Worker>,
}

impl Suspect {
    pub(super) fn new(index: usize, seat: &Seat) -> Suspect {
        Suspect {
            seat: index,
            turn: seat.turn(),
            worker: seat.worker.clone(),
        }
    }
}

/// The state that the monitor keeps between two looks, and the results of a look.
#[derive(Debug)]
pub(crate) struct MonitorState<R> {
    /// Out: threads that have been in one handler since the last look.
    pub suspects: Vec<Suspect>,
    /// Out: threads that run and have visited since the last look, but for those that are busy.
    pub newcomers: Vec<Suspect>,
    /// Out: some of the blocked threads.
    pub blocked: Vec<Suspect>,
    /// Out: work that was staged for the next batch, and that no thread takes.
    pub batch: Vec<R>,
    /// In: places were given away just now. Then more handlers are likely to block: every running thread is a suspect at once.
    pub eager: bool,
    /// Out: something is queued.
    pub work_waits: bool,
    /// Out: nothing can be done until a thread comes back. The monitor is called if that changes.
    pub helpless: bool,
    /// Out: it watches. The next look must be soon.
    pub watches: bool,
    /// So many looks in a row found that no release was withheld.
    unasked_looks: u32,
    idle_looks: u32,
    /// Out: no thread has polled the kernel since the last look, so that new events stay there.
    pub unpolled: bool,
    /// As they were at the last look.
    admissions: u64,
    looks: Option<u64>,
    staged_ever: u64,
    next_blocked: usize,
}

impl<R> Default for MonitorState<R> {
    fn default() -> Self {
        MonitorState {
            suspects: Vec::new(),
            newcomers: Vec::new(),
            blocked: Vec::new(),
            batch: Vec::new(),
            eager: false,
            work_waits: false,
            helpless: false,
            watches: false,
            unasked_looks: 0,
            idle_looks: 0,
            unpolled: false,
            admissions: 0,
            looks: None,
            staged_ever: 0,
            next_blocked: 0,
        }
    }
}

/// What the monitor is to do after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// New work would find a thread that may run: look again, later each time.
    Rest,
    /// Ask the system about the suspects and the blocked threads, do the batch, and look again in a while.
    Look {
        /// Work waits, no thread waits that could take it, and none can be started.
        nobody_is_left: bool,
        /// No thread was let run since the last look.
        still: bool,
    },
    /// Have a thread started too: work waits, the gate has room, and no thread waits.
    Spawn,
    /// No work has been held up for a while. The monitor stops, until it is called again.
    Dismissed,
    Closed,
}

impl<P, R> Scheduler<P, R> {
    /// The monitor's visit.
    pub(crate) fn look(&self, monitor: &mut MonitorState<R>) -> (Duty, Release) {
        let mut state = self.state.lock();
        if state.closed {
            return (Duty::Closed, Release::Nobody);
        }
        let leaves = self.look_at_inbox(&mut state, monitor);
        let holds_up = state.would_hold_up();
        if holds_up {
            monitor.idle_looks = 0;
        } else {
            monitor.idle_looks = monitor.idle_looks.saturating_add(1);
            if monitor.idle_looks >= IDLE_LOOKS && !monitor.watches {
                *monitor = MonitorState::default();
                state.on_duty = false;
                return (Duty::Dismissed, self.finish_visit(&mut state));
            }
        }
        let admissions = state.gate.admissions() + self.worked.claimed() + self.inbox.claimed();
        let still = monitor.admissions == admissions;
        monitor.admissions = admissions;
        let looks = state.gate.looks();
        monitor.unpolled = looks.is_some() && looks == monitor.looks;
        monitor.looks = looks;
        monitor.work_waits = !state.queue.is_empty();
        // Where work is staged now and then, there soon is some again: to be called each time would cost more than to look.
        let nothing_is_staged = state.queue.staged_ever() == monitor.staged_ever;
        monitor.helpless = holds_up && nothing_is_staged && !state.can_help();
        // Called again when there is something to be done.
        state.on_duty = !monitor.helpless;
        if state.tells_blocked {
            state.suspect(monitor);
            state.look_after_blocked(monitor);
        }
        if still {
            state
                .queue
                .take_staged_of(monitor.staged_ever, &mut monitor.batch, self.batch_max());
        }
        monitor.staged_ever = state.queue.staged_ever();
        let duty = if !holds_up {
            Duty::Rest
        } else if state.wants_thread() {
            Duty::Spawn
        } else {
            Duty::Look {
                nobody_is_left: !state.queue.is_empty() && state.gate.waiting() == 0,
                still,
            }
        };
        let release = match leaves {
            true => self.finish_without_inbox(&mut state),
            false => self.finish_visit(&mut state),
        };
        (duty, release)
    }

    /// Takes in what is posted, but what is left to its poster. Returns whether anything is.
    fn look_at_inbox(&self, state: &mut State<P, R>, monitor: &mut MonitorState<R>) -> bool {
        if !state.gate.would_release() && state.queue.posted.is_wanted() {
            // As long as it is, packets would be left to their posters for no reason.
            self.inbox.unwant(&mut state.queue.posted);
        }
        let looked = self.inbox.look();
        if looked.withheld {
            (monitor.watches, monitor.unasked_looks) = (true, 0);
        } else if monitor.watches {
            monitor.unasked_looks += 1;
            monitor.watches = monitor.unasked_looks < WATCH_LOOKS || !self.inbox.end_watch();
        }
        if !looked.leaves {
            state.queue.take_in(&self.inbox);
        }
        looked.leaves
    }

    /// The monitor was called and the system has no thread for it: the next visit is to call it again.
    pub(crate) fn monitor_is_missing(&self) {
        let mut state = self.state.lock();
        state.on_duty = false;
        self.inbox.break_watch();
    }

    /// The system says that a suspect sleeps: its place is given away. Returns whether the suspect was still at its turn, and
    /// whether a thread is to be started.
    pub(crate) fn block(&self, suspect: &Suspect) -> (bool, bool, Release) {
        let mut state = self.state.lock();
        let blocks = state.gate.block(suspect.seat, suspect.turn);
        state.releases += u64::from(blocks);
        let release = self.finish_visit(&mut state);
        (blocks, state.wants_thread(), release)
    }

    /// The system says that these threads run again: they count as running, even if the gate is full.
    pub(crate) fn resume(&self, suspects: &[Suspect]) {
        let mut state = self.state.lock();
        for suspect in suspects {
            state.gate.resume(suspect.seat, suspect.turn);
        }
        self.open(&mut state);
    }
}

impl<P, R> State<P, R> {
    fn suspect(&mut self, monitor: &mut MonitorState<R>) {
        monitor.suspects.clear();
        monitor.newcomers.clear();
        // A place that is given away is for a thread that waits, or for one that is started.
        let useful = self.gate.waiting() > 0 || self.can_grow;
        for (index, seat) in self.gate.seats_mut() {
            let (turn, packets) = (Some(seat.turn()), seat.worker.packets());
            let stays = seat.seen == turn;
            let busy = packets.wrapping_sub(seat.seen_packets) >= BUSY;
            (seat.seen, seat.seen_packets) = (turn, packets);
            if !useful || seat.place != Place::Running {
                continue;
            }
            if monitor.eager || stays {
                monitor.suspects.push(Suspect::new(index, seat));
            } else if !busy {
                monitor.newcomers.push(Suspect::new(index, seat));
            }
        }
    }

    fn look_after_blocked(&self, monitor: &mut MonitorState<R>) {
        monitor.blocked.clear();
        if self.gate.blocked() == 0 {
            return;
        }
        let is_blocked = |(_, seat): &(usize, &Seat)| seat.place == Place::Blocked && !seat.said_so;
        let all = self.gate.seats().iter().filter(is_blocked);
        let some = all
            .skip_while(|(index, _)| *index < monitor.next_blocked)
            .take(BLOCKED_PER_LOOK);
        let suspects = some.map(|(index, seat)| Suspect::new(index, seat));
        monitor.blocked.extend(suspects);
        // After the last, the first follows again.
        let last = monitor.blocked.last();
        monitor.next_blocked = match monitor.blocked.len() {
            BLOCKED_PER_LOOK => last.map_or(0, |suspect| suspect.seat + 1),
            _ => 0,
        };
    }

    /// Whether one more thread would have something to do.
    fn wants_thread(&mut self) -> bool {
        let idle = self.gate.waiting() == 0 && self.gate.has_room();
        self.can_grow && !self.queue.is_empty() && idle
    }
}
