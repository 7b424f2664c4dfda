//! Model checks of the scheduler: a few threads, in every order in which they can run up to a bound on the number
//! of pre-emptions. `ci/model.sh` runs them.
//!
//! A [`Worker`] does what `Port::run` in `raw/readiness/wait.rs` does; the kernel is the model [`Kernel`], which keeps the
//! promises of a driver and no more. Every check looks for the same four things:
//!
//! - A wake that is lost leaves a thread asleep for ever. The checker reports the deadlock.
//! - A packet that is lost, or handed out twice, shows in [`Port::taken`].
//! - More threads at work than the gate allows show in [`Port::begin`] as soon as they are.
//! - A count that is not given back, or credit for posts that is not, shows in [`settle`] at the end.
//!
//! Where packets have to be handled *at the same time*, their handlers [meet](Port::meet): neither returns before
//! both have begun. A thread that was not released beside work is a deadlock then.

use std::sync::atomic::AtomicUsize as Tally;

use loom::thread;

use super::{
    Claimed, Duty, MonitorState, Parker, Place, Promises, Release, Scheduler, Step, Unposted, Visit,
};
use crate::{
    driver::Probe,
    raw::ring::{self, Filler, Ring},
    sync::{Arc, AtomicUsize, Condvar, Mutex, Ordering},
};

/// What is posted, raised and delivered: an index of [`Port::taken`].
type Packet = usize;

/// What the threads that poll see: an eventfd and some sockets in an edge-triggered epoll set.
#[derive(Default)]
struct Kernel {
    pending: Mutex<Pending>,
    changed: Condvar,
    /// So many threads may wait at once.
    waiters_max: usize,
}

#[derive(Default)]
struct Pending {
    waiters: usize,
    woken: bool,
    events: Vec<Packet>,
}

impl Kernel {
    /// Ends one wait, or the next one. Two wakes may end the same wait.
    fn wake(&self) {
        self.pending.lock().woken = true;
        // Not one of them, although the kernel wakes one: nothing may depend on which of them it is, nor on
        // another's not coming first.
        self.changed.notify_all();
    }

    /// Work becomes ready. One poller learns of it, once.
    fn raise(&self, packet: Packet) {
        self.pending.lock().events.push(packet);
        self.changed.notify_all();
    }

    fn wait(&self, visit: &mut Visit<Packet, Packet>) {
        let mut pending = self.pending.lock();
        pending.waiters += 1;
        assert!(pending.waiters <= self.waiters_max, "too many wait");
        while !pending.woken && pending.events.is_empty() {
            pending = self.changed.wait(pending, None);
        }
        pending.waiters -= 1;
        pending.harvest(visit);
    }

    /// A wait with the time-out 0.
    fn poll_now(&self, visit: &mut Visit<Packet, Packet>) {
        self.pending.lock().harvest(visit);
    }
}

impl Pending {
    fn harvest(&mut self, visit: &mut Visit<Packet, Packet>) {
        visit.woken |= std::mem::take(&mut self.woken);
        visit.ready.append(&mut self.events);
    }
}

struct Port {
    scheduler: Scheduler<Packet, Packet>,
    kernel: Kernel,
    /// Threads in handlers, or at work that the scheduler gave them.
    active: AtomicUsize,
    met: (Mutex<usize>, Condvar),
    /// How often each packet was handed out. Not the checker's atomics: this is the test's own book-keeping, and
    /// every access of theirs multiplies the orders to try.
    taken: Vec<Tally>,
    left: Tally,
    /// Which packets were posted on credit.
    on_credit: Vec<Tally>,
    /// Where the monitor of threads sleeps, in the models that have one.
    bell: Parker,
    /// So many times the monitor can't come.
    absences: Tally,
    /// More threads than the concurrency may be at work: some that were blocked, and are back.
    may_exceed: bool,
}

impl Port {
    fn new(variant: Variant, concurrency: usize, packets: usize) -> Arc<Port> {
        const BATCH_MAX: usize = 16;
        let promises = Promises {
            wakes_last_first: variant != Variant::AnyOrder,
            ..Promises::ALL
        };
        let scheduler = Scheduler::new(concurrency, BATCH_MAX, promises, || 0);
        assert_eq!(scheduler.grant(packets), Some(packets));
        scheduler.reserve_posts(packets);
        Arc::new(Port {
            scheduler,
            kernel: Kernel {
                waiters_max: match variant {
                    Variant::AnyOrder => 1,
                    _ => concurrency,
                },
                ..Kernel::default()
            },
            active: AtomicUsize::new(0),
            met: (Mutex::new(0), Condvar::new()),
            taken: (0..packets).map(|_| Tally::new(0)).collect(),
            left: Tally::new(packets),
            on_credit: (0..packets).map(|_| Tally::new(0)).collect(),
            bell: Parker::default(),
            absences: Tally::new(0),
            may_exceed: variant == Variant::Blocking,
        })
    }

    fn begin_polling(&self) {
        self.carry_out(self.scheduler.begin_polling());
    }

    fn post(&self, packet: Packet) {
        // Refused once it is closed, as `raw::Port` does.
        match self.scheduler.post(packet) {
            Ok(release) => {
                self.on_credit[packet].store(1, Ordering::Relaxed);
                self.carry_out(release);
            }
            Err(Unposted::Closed(packet)) => drop(self.note(packet)),
            Err(Unposted::NoCredit(_)) => unreachable!("there is credit for all"),
        }
    }

    fn post_reserved(&self, packet: Packet) {
        match self.scheduler.post_reserved(packet) {
            Ok(release) => self.carry_out(release),
            Err(packet) => drop(self.note(packet)),
        }
    }

    fn post_quietly(&self, packet: Packet, worker: &super::Worker) {
        match (self.scheduler).post_reserved_quietly(packet, || worker.leaves_a_packet()) {
            Ok(release) => self.carry_out(release),
            Err(packet) => drop(self.note(packet)),
        }
    }

    /// A packet that is not posted, but comes of an operation.
    fn complete(&self, packet: Packet) {
        self.carry_out(self.scheduler.complete(packet));
    }

    fn close(&self) {
        let (_, release) = self.scheduler.close();
        self.carry_out(release);
        self.bell.release();
    }

    fn carry_out(&self, release: Release) {
        match release {
            Release::Nobody => {}
            Release::Polling => self.kernel.wake(),
            Release::Parked(worker) => worker.parker.release(),
            Release::CallMonitor => self.call_monitor(),
        }
    }

    /// As `raw::Port` does. There, threads that find that it is missing look again after a while; here they need not, since it
    /// comes the second time.
    fn call_monitor(&self) {
        let absences = self.absences.load(Ordering::Relaxed);
        if absences == 0 {
            self.bell.release();
            return;
        }
        self.absences.store(absences - 1, Ordering::Relaxed);
        self.scheduler.monitor_is_missing();
        for (suspect, place) in self.scheduler.seats() {
            if place == Place::Parked {
                suspect.worker.parker.release();
            }
        }
        self.kernel.wake();
    }

    fn begin(&self) {
        let active = self.active.fetch_add(1, Ordering::Relaxed);
        assert!(
            self.may_exceed || active < self.scheduler.concurrency(),
            "the gate is exceeded"
        );
    }

    fn end(&self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes that a packet was handed out; says whether it was the last.
    fn note(&self, packet: Packet) -> bool {
        let before = self.taken[packet].fetch_add(1, Ordering::Relaxed);
        assert_eq!(before, 0, "packet {packet} was handed out twice");
        self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// As the monitor does where no thread polls.
    fn take_to_the_queue(&self) {
        let mut visit = Visit::default();
        self.kernel.poll_now(&mut visit);
        self.carry_out(self.scheduler.submit(&mut visit));
    }

    /// Returns once a handler waits for another.
    fn await_meeting(&self) {
        let mut met = self.met.0.lock();
        while *met == 0 {
            met = self.met.1.wait(met, None);
        }
    }

    /// Returns once two handlers have called it.
    fn meet(&self) {
        let mut met = self.met.0.lock();
        *met += 1;
        self.met.1.notify_all();
        while *met < 2 {
            met = self.met.1.wait(met, None);
        }
    }
}

/// How long a wait lasts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    Endless,
    /// Over as soon as there would be something to wait for: any release comes too late to end it, which is the
    /// race to look at. A parked thread so leaves its parker released.
    None,
}

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Delivered(Packet),
    TimedOut,
    Closed,
}

/// A thread of the pool, and what it keeps between two waits.
struct Worker {
    port: Arc<Port>,
    worker: Arc<super::Worker>,
    seat: usize,
    away: bool,
    visit: Visit<Packet, Packet>,
}

impl Worker {
    fn new(port: &Arc<Port>) -> Worker {
        let worker = Arc::new(super::Worker::new(Probe::of_nobody(), ""));
        Worker {
            port: port.clone(),
            seat: port.scheduler.join(&worker),
            worker,
            away: true,
            visit: Visit::default(),
        }
    }

    fn wait(&mut self, patience: Patience) -> End {
        self.visit.expired = false;
        if let Some(claimed) = self.port.scheduler.claim(&self.worker) {
            let (Claimed::Posted(packet) | Claimed::Worked(packet)) = claimed;
            return End::Delivered(packet);
        }
        loop {
            let (step, release) = self.port.scheduler.visit(self.seat, &mut self.visit, 1);
            self.away = matches!(step, Step::TimedOut | Step::Closed);
            self.port.carry_out(release);
            match step {
                Step::Deliver => {
                    let packet = self.visit.delivered.pop().expect("a packet was delivered");
                    assert_eq!(self.visit.delivered, []);
                    return End::Delivered(packet);
                }
                Step::Work => {
                    self.work();
                    if let Some(packet) = self.keep_packet() {
                        return End::Delivered(packet);
                    }
                }
                Step::Poll if patience == Patience::Endless => {
                    self.port.kernel.wait(&mut self.visit);
                }
                Step::Poll => {
                    self.port.kernel.poll_now(&mut self.visit);
                    self.visit.expired = true;
                }
                Step::Park if patience == Patience::Endless => self.worker.parker.park(None),
                Step::Park => self.visit.expired = true,
                Step::TimedOut => return End::TimedOut,
                Step::Closed => return End::Closed,
            }
        }
    }

    fn work(&mut self) {
        self.port.begin();
        assert_ne!(self.visit.batch, []);
        self.visit.completed.append(&mut self.visit.batch);
        self.port.end();
    }

    /// Begins with the only packet that it has made.
    fn keep_packet(&mut self) -> Option<Packet> {
        let is_all = self.visit.completed.len() == 1 && self.visit.ready.is_empty();
        let keeps = is_all && self.port.scheduler.keeps(&self.worker);
        keeps.then(|| self.visit.completed.pop().expect("there is one"))
    }

    /// Handles the packet of a wait, if it brought one; says whether it did.
    fn handle(&mut self, end: End, handler: impl Fn(&Port, Packet)) -> bool {
        let End::Delivered(packet) = end else {
            return false;
        };
        self.port.begin();
        let last = self.port.note(packet);
        handler(&self.port, packet);
        if last {
            self.port.close();
        }
        self.port.end();
        true
    }

    /// Waits and handles until the port is closed; the thread that takes the last packet closes it.
    fn serve(mut self, handler: impl Fn(&Port, Packet)) {
        loop {
            let end = self.wait(Patience::Endless);
            if !self.handle(end, &handler) {
                return;
            }
        }
    }

    fn wait_and_handle(&mut self, patience: Patience) -> bool {
        let end = self.wait(patience);
        self.handle(end, |_, _| {})
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Were one that is away to leave, its visit would make up for a release that was not passed on.
        if self.away {
            return;
        }
        let release = self.port.scheduler.leave(self.seat);
        self.port.carry_out(release);
    }
}

/// Tries every order of threads of the pool, and what the caller's thread does meanwhile.
fn check(
    concurrency: usize,
    packets: usize,
    workers: &[fn(Worker)],
    meanwhile: impl Fn(&Arc<Port>) + Send + Sync + 'static,
) {
    check_with(Variant::Usual, concurrency, packets, workers, meanwhile);
}

/// As [`check`], on a port that has nothing to poll the kernel for.
fn check_unpolled(
    concurrency: usize,
    packets: usize,
    workers: &[fn(Worker)],
    meanwhile: impl Fn(&Arc<Port>) + Send + Sync + 'static,
) {
    check_with(Variant::Unpolled, concurrency, packets, workers, meanwhile);
}

/// As [`check`], where some block in their handlers, and others have their places meanwhile.
fn check_blocking(
    concurrency: usize,
    packets: usize,
    workers: &[fn(Worker)],
    meanwhile: impl Fn(&Arc<Port>) + Send + Sync + 'static,
) {
    check_with(Variant::Blocking, concurrency, packets, workers, meanwhile);
}

/// As [`check`], with a kernel that wakes its waiting threads in an order of its own.
fn check_any_order(
    concurrency: usize,
    packets: usize,
    workers: &[fn(Worker)],
    meanwhile: impl Fn(&Arc<Port>) + Send + Sync + 'static,
) {
    check_with(Variant::AnyOrder, concurrency, packets, workers, meanwhile);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Usual,
    Unpolled,
    Blocking,
    /// The driver does not promise to wake the last that came first.
    AnyOrder,
}

fn check_with(
    variant: Variant,
    concurrency: usize,
    packets: usize,
    workers: &[fn(Worker)],
    meanwhile: impl Fn(&Arc<Port>) + Send + Sync + 'static,
) {
    let workers = workers.to_vec();
    let mut model = loom::model::Builder::new();
    if workers.len() > 2 && (concurrency > 1 || variant == Variant::Blocking) {
        // Where four threads run at once, each pre-emption is a hundred times as many orders.
        model.preemption_bound = model.preemption_bound.map(|bound| bound.min(2));
    }
    model.check(move || {
        let port = Port::new(variant, concurrency, packets);
        if variant != Variant::Unpolled {
            port.begin_polling();
        }
        let start = |work: &fn(Worker)| {
            let (work, worker) = (*work, Worker::new(&port));
            thread::spawn(move || work(worker))
        };
        let threads: Vec<_> = workers.iter().map(start).collect();
        meanwhile(&port);
        for thread in threads {
            thread.join().expect("a worker panicked");
        }
        settle(&port);
    });
}

/// All workers are gone: every packet was handed out once, or dropped since the port was closed before.
fn settle(port: &Port) {
    let queued = port.scheduler.counts().queued;
    let mut drained = Vec::new();
    if port.scheduler.is_closed() {
        port.scheduler.drain(&mut drained);
    }
    // What was taken gave its credit back, and nothing else did.
    let used = |packet: &&Packet| port.on_credit[**packet].load(Ordering::Relaxed) == 1;
    let used = drained.iter().filter(used).count();
    assert_eq!(port.scheduler.credit(), port.taken.len() - used);
    // The operations of work that is dropped, here or in the kernel, are cancelled elsewhere.
    let dropped = queued - drained.len() + port.kernel.pending.lock().events.len();
    for packet in drained {
        port.note(packet);
    }
    assert_eq!(
        port.left.load(Ordering::Relaxed),
        dropped,
        "packets were lost"
    );
    let counts = port.scheduler.counts();
    assert_eq!((counts.running, counts.parked, counts.queued), (0, 0, 0));
    assert_eq!(counts.blocked, 0);
}

fn serve(worker: Worker) {
    worker.serve(|_, _| {});
}

fn serve_and_meet(worker: Worker) {
    worker.serve(|port, _| port.meet());
}

/// Takes one packet, then exits, as a running thread that gives its place back.
fn take_one(mut worker: Worker) {
    assert!(worker.wait_and_handle(Patience::Endless));
}

/// Gives up at once; exits, whether or not it got a packet.
fn try_once(mut worker: Worker) {
    worker.wait_and_handle(Patience::None);
}

fn try_once_and_meet(mut worker: Worker) {
    let end = worker.wait(Patience::None);
    worker.handle(end, |port, _| port.meet());
}

/// Gives up, then comes back to stay.
fn try_then_serve(mut worker: Worker) {
    worker.wait_and_handle(Patience::None);
    serve(worker);
}

/// Closes the port in its handler, or is told that it is closed; waits for the other to be as far.
fn close_and_meet(mut worker: Worker) {
    let end = worker.wait(Patience::Endless);
    let handled = worker.handle(end, |port, _| {
        port.close();
        port.meet();
    });
    if !handled {
        worker.port.meet();
    }
}

/// Takes a look at the kernel before each wait, as a thread does that has been busy for long: it may take the
/// wake that was meant for a poller.
fn look_and_serve(mut worker: Worker) {
    loop {
        worker.port.kernel.poll_now(&mut worker.visit);
        let end = worker.wait(Patience::Endless);
        if !worker.handle(end, |port, _| port.meet()) {
            return;
        }
    }
}

/// Says that it will block, and waits for the other handler.
fn serve_and_say_so(worker: Worker) {
    let seat = worker.seat;
    worker.serve(move |port, _| {
        let said = port.scheduler.begin_blocking(seat);
        let (turn, release) = said.expect("it runs");
        port.carry_out(release);
        port.meet();
        port.scheduler.end_blocking(seat, turn);
    });
}

/// The handler of packet 0 posts packet 1 quietly.
fn serve_and_post_quietly(worker: Worker) {
    serve_with_quiet_post(worker, |_| {});
}

/// Likewise, and each handler then waits for the other.
fn serve_and_meet_after_a_quiet_post(worker: Worker) {
    serve_with_quiet_post(worker, Port::meet);
}

fn serve_with_quiet_post(worker: Worker, then: fn(&Port)) {
    let poster = worker.worker.clone();
    worker.serve(move |port, packet| {
        if packet == 0 {
            port.post_quietly(1, &poster);
        }
        then(port);
    });
}

/// The monitor: comes when it is called, and looks again as long as it watches.
fn watch(worker: Worker) {
    let port = &worker.port;
    let mut monitor = MonitorState::default();
    loop {
        port.bell.park(None);
        loop {
            let (duty, release) = port.scheduler.look(&mut monitor);
            port.carry_out(release);
            if duty == Duty::Closed {
                return;
            }
            if !monitor.watches {
                break;
            }
        }
    }
}

/// The monitor: is called, finds the handler that waits for another, and gives its place away. Says whether more
/// threads are wanted.
fn monitor_the_meeting(port: &Port) -> bool {
    port.bell.park(None);
    port.await_meeting();
    let mut monitor = MonitorState::default();
    for _ in 0..2 {
        let (_, release) = port.scheduler.look(&mut monitor);
        port.carry_out(release);
    }
    let [suspect] = &monitor.suspects[..] else {
        panic!("one is blocked, and nobody else has begun");
    };
    let (blocks, wants_thread, release) = port.scheduler.block(suspect);
    port.carry_out(release);
    assert!(blocks, "it can't go on");
    wants_thread
}

/// The monitor comes when it is called, and takes a thread that is at the same turn in two looks to be asleep.
fn monitor_once(worker: Worker) {
    let port = &worker.port;
    port.bell.park(None);
    let mut monitor = MonitorState::default();
    for _ in 0..2 {
        let (duty, release) = port.scheduler.look(&mut monitor);
        port.carry_out(release);
        if duty == Duty::Closed {
            return;
        }
    }
    for suspect in &monitor.suspects {
        let (_, _, release) = port.scheduler.block(suspect);
        port.carry_out(release);
    }
    // And finds out that it was wrong.
    port.scheduler.resume(&monitor.suspects);
}

#[test]
fn a_place_that_is_given_away_is_taken() {
    let monitor: fn(Worker) = |worker| {
        monitor_the_meeting(&worker.port);
    };
    check_blocking(1, 2, &[serve_and_meet, serve_and_meet, monitor], |port| {
        port.complete(0);
        port.complete(1);
    });
}

#[test]
fn a_place_is_given_away_by_a_monitor_that_could_not_come_at_first() {
    let monitor: fn(Worker) = |worker| {
        monitor_the_meeting(&worker.port);
    };
    check_blocking(1, 2, &[serve_and_meet, serve_and_meet, monitor], |port| {
        port.absences.store(1, Ordering::Relaxed);
        port.complete(0);
        port.complete(1);
    });
}

#[test]
fn a_place_that_is_given_away_is_taken_for_a_post() {
    let monitor: fn(Worker) = |worker| {
        monitor_the_meeting(&worker.port);
    };
    check_blocking(1, 2, &[serve_and_meet, serve_and_meet, monitor], |port| {
        port.post(0);
        port.post(1);
    });
}

#[test]
fn a_place_that_is_given_away_is_taken_for_an_event() {
    let monitor: fn(Worker) = |worker| {
        worker.port.await_meeting();
        // No thread polls the kernel, so it has to be brought some other way.
        worker.port.complete(1);
        monitor_the_meeting(&worker.port);
    };
    check_blocking(1, 2, &[serve_and_meet, serve_and_meet, monitor], |port| {
        port.kernel.raise(0);
    });
}

#[test]
fn a_thread_that_is_hired_takes_what_waits() {
    let monitor: fn(Worker) = |worker| {
        // The thread that is started.
        if monitor_the_meeting(&worker.port) {
            serve_and_meet(worker);
        }
    };
    let serve: fn(Worker) = |worker| {
        worker.serve(|port, packet| {
            if packet == 0 {
                port.complete(1);
            }
            port.meet();
        });
    };
    check_blocking(1, 2, &[serve, monitor], |port| {
        port.carry_out(port.scheduler.set_can_grow(true));
        port.post(0);
    });
}

#[test]
fn what_a_thread_has_made_before_it_blocks_is_taken() {
    let monitor: fn(Worker) = |worker| {
        monitor_the_meeting(&worker.port);
    };
    check_blocking(1, 2, &[serve_and_meet, serve_and_meet, monitor], |port| {
        // One thread makes both packets, if it finds both events.
        port.kernel.raise(0);
        port.kernel.raise(1);
        // If it found one, no thread polls for the other.
        port.await_meeting();
        port.take_to_the_queue();
    });
}

#[test]
fn a_thread_that_says_that_it_blocks_is_replaced() {
    check_blocking(1, 2, &[serve_and_say_so, serve_and_say_so], |port| {
        port.post(0);
        port.complete(1);
    });
}

#[test]
fn a_thread_that_is_thought_to_sleep_may_come_back_meanwhile() {
    check_blocking(1, 3, &[serve, serve, monitor_once], |port| {
        port.post(0);
        port.complete(1);
        port.post(2);
    });
}

#[test]
fn a_thread_that_is_thought_to_sleep_may_leave_meanwhile() {
    check_blocking(1, 2, &[take_one, take_one, monitor_once], |port| {
        port.complete(0);
        port.complete(1);
        port.bell.release();
    });
}

#[test]
fn close_may_race_with_the_monitor() {
    check_blocking(1, 2, &[serve, serve, monitor_once], |port| {
        port.post(0);
        port.post(1);
        port.close();
    });
}

#[test]
fn posts_are_taken_through_a_narrow_gate() {
    check(1, 2, &[serve, serve], |port| {
        port.post(0);
        port.post(1);
    });
}

#[test]
fn posts_of_two_threads_are_taken() {
    check(
        1,
        2,
        &[serve, |worker| worker.port.clone().post(0)],
        |port| port.post(1),
    );
}

#[test]
fn two_posts_release_two_threads() {
    check(2, 2, &[serve_and_meet, serve_and_meet], |port| {
        port.post(0);
        port.post(1);
    });
}

#[test]
fn two_packets_release_two_of_three_threads() {
    check(
        2,
        2,
        &[serve_and_meet, serve_and_meet, serve_and_meet],
        |port| {
            port.complete(0);
            port.complete(1);
        },
    );
}

#[test]
fn two_packets_release_two_threads() {
    check(2, 2, &[serve_and_meet, serve_and_meet], |port| {
        port.complete(0);
        port.complete(1);
    });
}

#[test]
fn a_post_and_a_packet_release_two_threads() {
    check(2, 2, &[serve_and_meet, serve_and_meet], |port| {
        port.post(0);
        port.complete(1);
    });
}

#[test]
fn two_events_release_two_threads() {
    check(2, 2, &[serve_and_meet, serve_and_meet], |port| {
        port.kernel.raise(0);
        port.kernel.raise(1);
    });
}

#[test]
fn an_event_and_a_post_release_two_threads() {
    check(2, 2, &[serve_and_meet, serve_and_meet], |port| {
        port.post(0);
        port.kernel.raise(1);
    });
}

#[test]
fn events_are_taken_through_a_narrow_gate() {
    check(1, 3, &[serve, serve], |port| {
        port.kernel.raise(0);
        port.post(1);
        port.kernel.raise(2);
    });
}

#[test]
fn a_handler_may_wait_for_what_it_posted() {
    let serve: fn(Worker) = |worker| {
        worker.serve(|port, packet| {
            if packet == 0 {
                port.post(1);
            }
            port.meet();
        });
    };
    check(2, 2, &[serve, serve], |port| port.post(0));
}

#[test]
fn a_look_may_take_the_wake_of_a_poller() {
    check(2, 2, &[serve_and_meet, look_and_serve], |port| {
        port.post(0);
        port.post(1);
    });
}

#[test]
fn a_thread_that_leaves_hands_over() {
    check(1, 2, &[take_one, take_one], |port| {
        port.post(0);
        port.post(1);
    });
}

#[test]
fn a_thread_that_leaves_hands_over_the_poll() {
    check(1, 2, &[take_one, take_one], |port| {
        port.post(0);
        port.kernel.raise(1);
    });
}

#[test]
fn a_time_out_may_race_with_a_release() {
    check(1, 2, &[serve, try_once], |port| {
        port.post(0);
        port.post(1);
    });
}

#[test]
fn a_time_out_hands_over_the_poll() {
    check(1, 1, &[serve, try_once], |port| port.kernel.raise(0));
}

#[test]
fn a_release_that_came_too_late_ends_no_later_wait() {
    check(1, 2, &[serve, try_then_serve], |port| {
        port.post(0);
        port.post(1);
    });
}

#[test]
fn a_parked_thread_that_gives_up_leaves_the_gate_to_others() {
    check(
        2,
        2,
        &[serve_and_meet, serve_and_meet, try_once_and_meet],
        |port| {
            port.complete(0);
            port.complete(1);
        },
    );
}

#[test]
fn two_threads_claim_what_is_filled_again_meanwhile() {
    // There are packets for the ring from the beginning, and one more than it holds.
    check_unpolled(2, ring::LEN + 1, &[serve], |port| {
        (0..=ring::LEN).for_each(|packet| port.post(packet));
        serve(Worker::new(port));
    });
}

#[test]
fn each_value_of_a_ring_is_claimed_once_and_in_order() {
    const VALUES: usize = ring::LEN + 1;
    let mut model = loom::model::Builder::new();
    // Three threads that do nothing else but take from one word: more orders than of any other model.
    model.preemption_bound = model.preemption_bound.map(|bound| bound.min(2));
    model.check(|| {
        let mut filler = Filler::new();
        let threads = [2, 1].map(|claims| {
            let ring: Arc<Ring<usize>> = filler.ring().clone();
            thread::spawn(move || {
                let claimed: Vec<usize> = (0..claims).filter_map(|_| ring.claim()).collect();
                assert!(claimed.is_sorted());
                claimed
            })
        });
        let mut values = (0..VALUES).collect();
        filler.fill(&mut values);
        filler.fill(&mut values);
        filler.set_shut(true);
        let claimed = filler.ring().claimed();
        let mut taken = Vec::new();
        filler.take(VALUES, |value| taken.push(value));
        assert!(taken.is_sorted());
        assert_eq!(claimed as usize + taken.len() + values.len(), VALUES);
        for thread in threads {
            taken.extend(thread.join().expect("it ends"));
        }
        taken.extend(values);
        taken.sort_unstable();
        assert!(taken.into_iter().eq(0..VALUES));
    });
}

#[test]
fn close_may_race_with_claims() {
    check_unpolled(1, ring::LEN + 1, &[serve], |port| {
        (0..=ring::LEN).for_each(|packet| port.post(packet));
        port.close();
    });
}

#[test]
fn close_releases_everybody() {
    check(1, 0, &[serve, serve, serve], |port| port.close());
}

#[test]
fn close_releases_all_who_poll() {
    check(2, 0, &[serve, serve], |port| port.close());
}

#[test]
fn close_does_not_wait_for_room_in_the_gate() {
    check(1, 1, &[close_and_meet, close_and_meet], |port| port.post(0));
}

#[test]
fn close_may_race_with_a_post() {
    check(
        1,
        1,
        &[serve, serve, |worker| worker.port.clone().post(0)],
        |port| port.close(),
    );
}

#[test]
fn close_may_race_with_both_kinds_of_posts() {
    check(
        1,
        2,
        &[serve, |worker| worker.port.clone().post_reserved(0)],
        |port| {
            port.post(1);
            port.close();
        },
    );
}

#[test]
fn both_kinds_of_posts_race_with_each_other_and_are_taken() {
    check(
        1,
        3,
        &[serve, |worker| worker.port.clone().post_reserved(0)],
        |port| {
            port.post(1);
            port.post_reserved(2);
        },
    );
}

#[test]
fn a_reserved_post_and_a_post_release_two_threads() {
    check(2, 2, &[serve_and_meet, serve_and_meet], |port| {
        port.post_reserved(0);
        port.post(1);
    });
}

#[test]
fn a_packet_may_be_posted_again_on_its_place_by_its_handler() {
    let serve: fn(Worker) = |worker| {
        worker.serve(|port, packet| {
            if packet == 0 {
                port.post_reserved(1);
            }
            port.meet();
        });
    };
    check_unpolled(2, 2, &[serve, serve], |port| port.post_reserved(0));
}

#[test]
fn a_quiet_post_is_taken_when_its_poster_comes_back() {
    // By itself: there is no monitor.
    check(
        2,
        2,
        &[serve_and_post_quietly, serve_and_post_quietly],
        |port| {
            port.post_reserved(0);
        },
    );
}

#[test]
fn a_quiet_post_is_taken_where_nothing_is_polled() {
    check_unpolled(
        2,
        2,
        &[serve_and_post_quietly, serve_and_post_quietly],
        |port| {
            port.post_reserved(0);
        },
    );
}

#[test]
fn a_quiet_post_is_taken_through_a_narrow_gate() {
    check(
        1,
        2,
        &[serve_and_post_quietly, serve_and_post_quietly],
        |port| {
            port.post_reserved(0);
        },
    );
}

#[test]
fn a_quiet_post_is_taken_where_one_may_poll() {
    check_any_order(
        2,
        2,
        &[serve_and_post_quietly, serve_and_post_quietly],
        |port| {
            port.post_reserved(0);
        },
    );
}

#[test]
fn a_quiet_post_whose_poster_stays_away_is_taken_by_another() {
    let serve = serve_and_meet_after_a_quiet_post;
    check(2, 2, &[serve, serve, watch], |port| port.post_reserved(0));
}

#[test]
fn a_quiet_post_whose_poster_stays_away_is_taken_where_nothing_is_polled() {
    let serve = serve_and_meet_after_a_quiet_post;
    check_unpolled(2, 2, &[serve, serve, watch], |port| port.post_reserved(0));
}

#[test]
fn a_second_quiet_post_releases_a_thread_though_the_poster_stays_away() {
    let serve: fn(Worker) = |worker| {
        let poster = worker.worker.clone();
        worker.serve(move |port, packet| {
            if packet == 0 {
                port.post_quietly(1, &poster);
                port.post_quietly(2, &poster);
            }
            if packet < 2 {
                port.meet();
            }
        });
    };
    check_unpolled(2, 3, &[serve, serve], |port| port.post_reserved(0));
}

#[test]
fn a_quiet_post_releases_a_thread_when_its_poster_says_that_it_blocks() {
    let serve: fn(Worker) = |worker| {
        let (poster, seat) = (worker.worker.clone(), worker.seat);
        worker.serve(move |port, packet| {
            if packet == 0 {
                port.post_quietly(1, &poster);
            }
            let said = port.scheduler.begin_blocking(seat);
            let (turn, release) = said.expect("it runs");
            port.carry_out(release);
            port.meet();
            port.scheduler.end_blocking(seat, turn);
        });
    };
    check_blocking(2, 2, &[serve, serve], |port| port.post_reserved(0));
}

#[test]
fn a_quiet_post_releases_a_thread_when_its_poster_leaves() {
    let take_one: fn(Worker) = |mut worker| {
        let poster = worker.worker.clone();
        let end = worker.wait(Patience::Endless);
        let handled = worker.handle(end, |port, packet| {
            if packet == 0 {
                port.post_quietly(1, &poster);
            }
        });
        assert!(handled);
    };
    check(2, 2, &[take_one, take_one], |port| port.post_reserved(0));
}

#[test]
fn a_quiet_post_may_race_with_another_post() {
    let serve = serve_and_post_quietly;
    let post: fn(Worker) = |worker| worker.port.clone().post(2);
    check(2, 3, &[serve, serve, post], |port| port.post_reserved(0));
}

#[test]
fn a_quiet_post_may_race_with_a_thread_that_gives_up() {
    let try_once: fn(Worker) = |mut worker| {
        let poster = worker.worker.clone();
        let end = worker.wait(Patience::None);
        worker.handle(end, |port, packet| {
            if packet == 0 {
                port.post_quietly(1, &poster);
            }
        });
    };
    check(2, 2, &[serve_and_post_quietly, try_once], |port| {
        port.post_reserved(0);
    });
}

#[test]
fn a_quiet_post_may_race_with_a_close() {
    let close: fn(Worker) = |worker| worker.port.clone().close();
    check(2, 2, &[serve, close], |port| {
        port.post_reserved(0);
        let mut worker = Worker::new(port);
        let poster = worker.worker.clone();
        let end = worker.wait(Patience::Endless);
        if !worker.handle(end, |port, _| port.post_quietly(1, &poster)) {
            // It is closed, and the other thread may have packet 0. Packet 1 is not to come.
            port.note(1);
            return;
        }
        serve(worker);
    });
}

#[test]
fn close_may_race_with_an_event() {
    check(1, 1, &[serve, serve], |port| {
        port.kernel.raise(0);
        port.close();
    });
}

#[test]
fn close_may_race_with_close() {
    check(
        1,
        0,
        &[serve, serve, |worker| worker.port.clone().close()],
        |port| port.close(),
    );
}

#[test]
fn close_may_race_with_a_time_out() {
    check(1, 0, &[serve, serve, try_once], |port| port.close());
}

#[test]
fn posts_are_taken_where_nothing_is_polled() {
    check_unpolled(1, 2, &[serve, serve], |port| {
        port.post(0);
        port.post(1);
    });
}

#[test]
fn two_posts_release_two_threads_where_nothing_is_polled() {
    check_unpolled(2, 2, &[serve_and_meet, serve_and_meet], |port| {
        port.post(0);
        port.post(1);
    });
}

#[test]
fn close_releases_all_where_nothing_is_polled() {
    check_unpolled(1, 0, &[serve, serve], |port| port.close());
}

#[test]
fn an_event_is_seen_once_there_is_something_to_poll() {
    check_unpolled(1, 1, &[serve, serve], |port| {
        port.begin_polling();
        port.kernel.raise(0);
    });
}

#[test]
fn two_events_release_two_threads_once_there_is_something_to_poll() {
    check_unpolled(2, 2, &[serve_and_meet, serve_and_meet], |port| {
        port.begin_polling();
        port.kernel.raise(0);
        port.kernel.raise(1);
    });
}

#[test]
fn a_post_may_race_with_the_first_poll() {
    check_unpolled(
        1,
        2,
        &[serve, |worker| worker.port.clone().post(0)],
        |port| {
            port.begin_polling();
            port.kernel.raise(1);
        },
    );
}

#[test]
fn two_posts_release_two_threads_of_which_one_may_poll() {
    check_any_order(2, 2, &[serve_and_meet, serve_and_meet], |port| {
        port.post(0);
        port.post(1);
    });
}

#[test]
fn two_events_release_two_threads_of_which_one_may_poll() {
    check_any_order(2, 2, &[serve_and_meet, serve_and_meet], |port| {
        port.kernel.raise(0);
        port.kernel.raise(1);
    });
}

#[test]
fn an_event_and_a_post_release_two_threads_of_which_one_may_poll() {
    check_any_order(2, 2, &[serve_and_meet, serve_and_meet], |port| {
        port.kernel.raise(0);
        port.post(1);
    });
}

#[test]
fn the_only_one_that_may_poll_hands_over_when_its_time_is_over() {
    check_any_order(2, 2, &[serve, try_once], |port| {
        port.kernel.raise(0);
        port.post(1);
    });
}

#[test]
fn the_only_one_that_may_poll_hands_over_when_it_leaves() {
    check_any_order(2, 2, &[take_one, take_one], |port| {
        port.post(0);
        port.kernel.raise(1);
    });
}

#[test]
fn close_releases_the_only_one_that_polls_and_the_parked() {
    check_any_order(2, 0, &[serve, serve], |port| port.close());
}
