//! The monitor: the thread of a port that finds out which workers are blocked.
//!
//! The [scheduler](crate::scheduler) calls it when all threads that may run do, and says about which threads to ask; here is
//! the thread that asks the system, the pause between two looks, and what else is done for work that waits: events that are
//! ready in the kernel are brought in, more threads are started if there is a pool that may grow, sends that were staged
//! for a batch are carried out, and threads are released for quiet posts whose posters do not come back.
//!
//! It is started with the first [pool](crate::Workers), so that it is there when the system has no threads left. If the waiting
//! threads belong to no pool, it starts when it is first called; a port that never needs it has none. If the system
//! has no thread for it then, it is *missing*: the next thread that visits tries again, and parked threads wake up for that.

use std::{
    io,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    port::Port,
    results::{Handover, Results},
    side::Ready,
    transfer::Attempts,
};
use crate::{
    driver::{Events, pause_exactly},
    raw::Queued,
    scheduler::{Duty, MonitorState, Suspect, Visit},
    sync::{
        Mutex, Parker, now,
        thread::{self, JoinHandle},
    },
    user_code::log,
};

/// The shortest pause between two looks. If a handler sleeps for less, its place is not given away: that would take as long as
/// the sleep.
const GRACE: Duration = Duration::from_micros(100);

/// When a look has helped, more handlers are likely to block, and for so many looks the shortest pause is kept.
const IN_VAIN_MAX: u32 = 16;

/// The longest pause: while threads come back, or only compute, the looks become fewer. A look costs some twenty microseconds,
/// most of them the kernel's, for a timer.
const PAUSE_MAX: Duration = Duration::from_millis(4);

/// The longest pause for a while after a place was given away: the next may be soon.
const ALERT_PAUSE_MAX: Duration = Duration::from_micros(400);
const ALERT_MAX: Duration = Duration::from_millis(100);

/// The longest pause while packets are posted quietly. Such a packet is left to its poster for two looks at most, and a look may be
/// some tenths of a millisecond late: 2.5 ms in all.
const WATCH_PAUSE_MAX: Duration = Duration::from_millis(1);

/// The longest pause while some thread may run, or nothing can be done until a thread comes back.
const REST_MAX: Duration = Duration::from_millis(16);

/// The pause while nothing can be done. The monitor is called when that changes; it looks only to find out for how long work has
/// waited.
const HELPLESS_PAUSE: Duration = Duration::from_millis(500);

/// Work that waits for so long while no thread comes back is worth a line in the log.
const HELD_MAX: Duration = Duration::from_secs(2);

/// After so long the system is asked again for a thread that it refused: often enough for work that waits, too seldom to be
/// a burden.
pub(super) const RETRY: Duration = Duration::from_millis(20);

/// A port's handle to its monitor.
#[derive(Debug, Default)]
pub(super) struct Monitor {
    bell: Arc<Parker>,
    post: Mutex<Post>,
    /// The monitor was called, and the system had no thread for it.
    missing: AtomicBool,
}

#[derive(Debug, Default)]
struct Post {
    thread: Option<JoinHandle<()>>,
    /// When the system refused it the last time, if it was not given since.
    refused: Option<Instant>,
    ended: bool,
}

/// The result of [`Monitor::call`].
pub(super) enum Called {
    Comes,
    /// There is no thread for it. `first`: this is the first refusal since there was a thread, or since the start.
    Missing {
        first: bool,
    },
}

impl Monitor {
    /// Starts it, unless it is there. It looks when it is called.
    pub(super) fn start(&self, port: &Weak<Port>) -> io::Result<()> {
        self.start_at(&mut self.post.lock(), port)
    }

    fn start_at(&self, post: &mut Post, port: &Weak<Port>) -> io::Result<()> {
        if post.thread.is_some() || post.ended {
            return Ok(());
        }
        let (port, bell) = (port.clone(), self.bell.clone());
        let started = thread::Builder::new()
            .name("wharf-monitor".into())
            .spawn(move || Round::new().run(&port, &bell));
        post.thread = Some(started?);
        post.refused = None;
        self.missing.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Has it look, starting it if need be, and not too soon after that was refused.
    pub(super) fn call(&self, port: &Weak<Port>) -> Called {
        let (first, error) = {
            let mut post = self.post.lock();
            let is_early = |at: Instant| now().duration_since(at) < RETRY;
            if post.refused.is_some_and(is_early) {
                return Called::Missing { first: false };
            }
            let Err(error) = self.start_at(&mut post, port) else {
                self.bell.release();
                return Called::Comes;
            };
            self.missing.store(true, Ordering::Relaxed);
            (post.refused.replace(now()).is_none(), error)
        };
        if first {
            log(|| {
                tracing::error!(
                    %error,
                    "no thread for the monitor: workers that block keep their places until there is one, which is tried \
                     again and again; raise the limit of threads (ulimit -u, pids.max)"
                );
            });
        }
        Called::Missing { first }
    }

    /// Whether it was called, and the system has had no thread for it since.
    pub(super) fn is_missing(&self) -> bool {
        self.missing.load(Ordering::Relaxed)
    }

    /// Ends it: the port is closed, or gone.
    pub(super) fn end(&self) {
        let thread = {
            let mut post = self.post.lock();
            post.ended = true;
            self.missing.store(false, Ordering::Relaxed);
            post.thread.take()
        };
        self.bell.release();
        // The thread that holds a port last drops it; that may be the monitor.
        if let Some(thread) = thread.filter(|it| it.thread().id() != thread::current().id()) {
            // The monitor runs no code that panics.
            let _ = thread.join();
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.end();
    }
}

/// Results of the transfers of a thread that waits for no packets: the monitor, or one that [attends](Port::attend) to the port.
pub(super) struct Helping<'a> {
    pub(super) port: &'a Port,
    pub(super) handovers: &'a mut Vec<Handover>,
}

impl Results for Helping<'_> {
    fn packet(&mut self, packet: Queued) {
        self.port.outside().packet(packet);
    }

    fn ready(&mut self, ready: Ready) {
        self.port.outside().ready(ready);
    }

    fn count_out(&mut self, _handover: &Handover) {
        // With all others that this thread has made, before the first of them is handed over.
    }

    fn hand_over(&mut self, handover: Handover) {
        self.handovers.push(handover);
    }

    fn make_room(&mut self, sides: usize) {
        self.port.outside().make_room(sides);
    }
}

/// The state of the monitor's thread.
struct Round {
    state: MonitorState<Ready>,
    events: Events,
    visit: Visit<Queued, Ready>,
    attempts: Attempts,
    handovers: Vec<Handover>,
    pause: Duration,
    looked_at: Option<Instant>,
    helped_at: Option<Instant>,
    /// How many looks in a row helped no work that waits.
    in_vain: u32,
    /// Since when work has waited and no thread has come back, and whether that was logged.
    held_since: Option<Instant>,
    said: bool,
}

impl Round {
    fn new() -> Round {
        Round {
            state: MonitorState::default(),
            events: Events::default(),
            visit: Visit::default(),
            attempts: Attempts::default(),
            handovers: Vec::new(),
            pause: GRACE,
            looked_at: None,
            helped_at: None,
            in_vain: IN_VAIN_MAX,
            held_since: None,
            said: false,
        }
    }

    fn run(mut self, port: &Weak<Port>, bell: &Parker) {
        pause_exactly();
        let mut pause = None;
        loop {
            bell.park(pause);
            let Some(port) = port.upgrade() else { return };
            pause = match self.look(&port) {
                Duty::Closed => return,
                Duty::Dismissed => {
                    self = Round::new();
                    None
                }
                Duty::Rest | Duty::Look { .. } | Duty::Spawn => Some(self.pause),
            };
        }
    }

    fn look(&mut self, port: &Port) -> Duty {
        let (duty, release) = port.scheduler.look(&mut self.state);
        port.release(release);
        // It may have been called while it was on duty. A thread that was seen a moment ago has not been long in its handler.
        let now = now();
        let before = self.looked_at.replace(now);
        if before.is_some_and(|before| now.duration_since(before) < GRACE) {
            self.state.suspects.clear();
        }
        let mut helped = self.carry_out_staged(port);
        if self.state.unpolled {
            self.state.work_waits |= port.bring_in(&mut self.events, &mut self.visit);
        }
        let (blocks, wants_thread) = self.block_those_that_sleep(port);
        helped |= blocks;
        let doubts = !helped && self.state.work_waits && self.a_newcomer_sleeps();
        self.resume_those_that_run(port);
        if wants_thread || duty == Duty::Spawn {
            helped |= port.spawn();
        }
        self.say_if_held_up(port, duty);
        self.set_pace(duty, helped, doubts);
        duty
    }

    /// How soon to look again. `doubts`: a thread sleeps that had only just come to its handler.
    fn set_pace(&mut self, duty: Duty, helped: bool, doubts: bool) {
        if helped {
            self.helped_at = Some(now());
        }
        let is_alert = self
            .helped_at
            .is_some_and(|at| now().duration_since(at) < ALERT_MAX);
        let longest = match duty {
            _ if is_alert => ALERT_PAUSE_MAX,
            Duty::Rest => REST_MAX,
            _ if self.said => REST_MAX,
            _ => PAUSE_MAX,
        };
        self.in_vain = match helped {
            true => 0,
            false => self.in_vain.saturating_add(1),
        };
        self.pause = match self.in_vain {
            _ if self.state.helpless => HELPLESS_PAUSE,
            _ if self.pause == HELPLESS_PAUSE => GRACE,
            ..IN_VAIN_MAX => GRACE,
            _ if doubts => GRACE,
            _ => (2 * self.pause).min(longest),
        };
        if self.state.watches {
            self.pause = self.pause.min(WATCH_PAUSE_MAX);
        }
        self.state.eager = self.in_vain < IN_VAIN_MAX;
    }

    /// Gives away the places of suspects that sleep, if work waits. Returns whether there were any, and whether a
    /// thread is to be started.
    fn block_those_that_sleep(&mut self, port: &Port) -> (bool, bool) {
        if !self.state.work_waits {
            return (false, false);
        }
        let mut suspects = std::mem::take(&mut self.state.suspects);
        suspects.retain(is_asleep);
        let (mut any, mut wants_thread) = (false, false);
        for suspect in &suspects {
            // One by one, so that each place is taken at once.
            let (blocks, wants, release) = port.scheduler.block(suspect);
            port.release(release);
            any |= blocks;
            wants_thread = wants;
        }
        self.state.suspects = suspects;
        (any, wants_thread)
    }

    /// Makes the transfers that were staged for the next batch, if no thread takes them.
    fn carry_out_staged(&mut self, port: &Port) -> bool {
        if self.state.batch.is_empty() {
            return false;
        }
        let handovers = &mut self.handovers;
        let mut results = Helping { port, handovers };
        port.handles
            .work(&mut self.state.batch, &mut self.attempts, &mut results);
        // An operation that is handed out may be the last to hold the port: then this thread closes it. It would wait for
        // itself if an operation were in transfer here, or counted. Another thread that closes the port waits for this thread's
        // end.
        port.hand_over(&mut self.handovers);
        true
    }

    /// Whether a thread that has just come to its handler sleeps: then the next look must not be late.
    fn a_newcomer_sleeps(&mut self) -> bool {
        let newcomers = std::mem::take(&mut self.state.newcomers);
        let any = newcomers.iter().any(is_asleep);
        self.state.newcomers = newcomers;
        any
    }

    fn resume_those_that_run(&mut self, port: &Port) {
        let mut blocked = std::mem::take(&mut self.state.blocked);
        blocked.retain(|suspect| {
            let probe = &suspect.worker.probe;
            probe.has_run() && probe.is_asleep() == Some(false)
        });
        if !blocked.is_empty() {
            port.scheduler.resume(&blocked);
        }
        self.state.blocked = blocked;
    }

    /// Logs once when work waits for long and only the return of a handler could help.
    fn say_if_held_up(&mut self, port: &Port, duty: Duty) {
        let held = matches!(
            duty,
            Duty::Look {
                nobody_is_left: true,
                still: true
            }
        );
        if !held {
            self.held_since = None;
            self.said = false;
            return;
        }
        let since = *self.held_since.get_or_insert_with(now);
        if !self.said && now().duration_since(since) >= HELD_MAX {
            self.said = true;
            // As the system says: where nothing could be done about them, nobody has asked it whether they are blocked.
            let counts = port.snapshot().counts;
            log(|| {
                tracing::warn!(
                    "all workers are held: {} blocked and {} running in their handlers, none waits, and what waits for \
                     one ({}) waits until a handler returns; let the pool grow further, or see what they wait for",
                    counts.blocked,
                    counts.running,
                    counts.queued
                );
            });
        }
    }
}

/// Whether it is known to sleep.
fn is_asleep(suspect: &Suspect) -> bool {
    suspect.worker.probe.is_asleep() == Some(true)
}
