//! The scheduler as a state machine: what each visit answers, and whom it releases. No threads take part: a test
//! plays all of them, and the kernel.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use Woken::{Nobody, Parked, Polling};

use super::{
    Claimed, Counts, Duty, MonitorState, Parker, Place, Promises, Release, Scheduler, Step,
    Suspect, Unposted, Visit, Worker,
};
use crate::{driver::Probe, sync::Arc};

/// A [`Release`] that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    Nobody,
    Polling,
    /// The thread with this number.
    Parked(usize),
}

#[derive(Debug)]
struct Thread {
    seat: Option<usize>,
    worker: Arc<Worker>,
    visit: Visit<u32, u32>,
}

/// A scheduler, the threads that visit it, and its monitor.
struct Pool {
    scheduler: Scheduler<u32, u32>,
    threads: Vec<Thread>,
    monitor: MonitorState<u32>,
    /// How often the monitor was called.
    calls: Cell<usize>,
}

thread_local! {
    /// What the clock says.
    static NOW_NS: Cell<u64> = const { Cell::new(0) };
}

fn scheduler(concurrency: usize) -> Scheduler<u32, u32> {
    scheduler_of(Promises::ALL, concurrency)
}

fn scheduler_of(promises: Promises, concurrency: usize) -> Scheduler<u32, u32> {
    const BATCH_MAX: usize = 16;
    Scheduler::new(concurrency, BATCH_MAX, promises, || NOW_NS.get())
}

impl Pool {
    /// More than any test uses.
    const CREDIT: usize = 1_000_000;

    fn new(concurrency: usize, threads: usize) -> Pool {
        Pool::of(Promises::ALL, concurrency, threads)
    }

    fn of(promises: Promises, concurrency: usize, threads: usize) -> Pool {
        let scheduler = scheduler_of(promises, concurrency);
        assert!(matches!(scheduler.begin_polling(), Release::Nobody));
        assert_eq!(scheduler.grant(Self::CREDIT), Some(Self::CREDIT));
        Pool {
            scheduler,
            threads: (0..threads).map(|_| Thread::new()).collect(),
            monitor: MonitorState::default(),
            calls: Cell::new(0),
        }
    }

    /// A pool all of whose threads wait, the first of them first.
    fn waiting(concurrency: usize, threads: usize) -> Pool {
        let mut pool = Pool::new(concurrency, threads);
        for thread in 0..threads {
            let step = if thread < concurrency {
                Step::Poll
            } else {
                Step::Park
            };
            assert_eq!(pool.wait(thread), (step, Nobody));
        }
        pool
    }

    fn woken(&self, release: Release) -> Woken {
        match release {
            Release::Nobody => Nobody,
            Release::CallMonitor => {
                self.calls.set(self.calls.get() + 1);
                Nobody
            }
            Release::Polling => Polling,
            Release::Parked(worker) => {
                let same = |thread: &Thread| Arc::ptr_eq(&thread.worker, &worker);
                Parked(
                    self.threads
                        .iter()
                        .position(same)
                        .expect("it is of this pool"),
                )
            }
        }
    }

    fn post(&self, packet: u32) -> Woken {
        let release = self.scheduler.post(packet);
        self.woken(release.unwrap_or_else(|_| panic!("it has credit")))
    }

    /// By this thread, in its handler if it runs.
    fn post_quietly(&self, thread: usize, packet: u32) -> Woken {
        let worker = &self.threads[thread].worker;
        let release = (self.scheduler).post_quietly(packet, || worker.leaves_a_packet());
        self.woken(release.unwrap_or_else(|_| panic!("it has credit")))
    }

    /// On a reserved place.
    fn post_reserved(&self, packet: u32) -> Woken {
        let release = self.scheduler.post_reserved(packet);
        self.woken(release.expect("the port is open"))
    }

    /// A packet that is not posted, but comes of an operation.
    fn complete(&self, packet: u32) -> Woken {
        self.woken(self.scheduler.complete(packet))
    }

    fn ready(&self, work: u32) -> Woken {
        self.woken(self.scheduler.ready(work))
    }

    fn stage(&self, work: u32) -> Woken {
        self.woken(self.scheduler.stage(work))
    }

    fn close(&self) -> (bool, Woken) {
        let (first, release) = self.scheduler.close();
        (first, self.woken(release))
    }

    fn seat(&mut self, thread: usize) -> usize {
        let thread = &mut self.threads[thread];
        let join = || self.scheduler.join(&thread.worker);
        *thread.seat.get_or_insert_with(join)
    }

    fn wait(&mut self, thread: usize) -> (Step, Woken) {
        self.wait_many(thread, 1)
    }

    /// A posted packet, that the thread claims.
    fn take_posted(&mut self, thread: usize) -> Option<u32> {
        match self.scheduler.claim(&self.threads[thread].worker)? {
            Claimed::Posted(packet) => Some(packet),
            Claimed::Worked(packet) => panic!("{packet} came of work"),
        }
    }

    /// The monitor looks.
    fn look(&mut self) -> (Duty, Woken) {
        let (duty, release) = self.scheduler.look(&mut self.monitor);
        (duty, self.woken(release))
    }

    /// The threads that the monitor is to ask after.
    fn suspects(&self) -> Vec<usize> {
        self.numbers_of(&self.monitor.suspects)
    }

    fn numbers_of(&self, suspects: &[Suspect]) -> Vec<usize> {
        let number = |suspect: &Suspect| {
            let same = |thread: &Thread| Arc::ptr_eq(&thread.worker, &suspect.worker);
            let number = self.threads.iter().position(same);
            number.expect("it is of this pool")
        };
        suspects.iter().map(number).collect()
    }

    /// All of the suspects sleep. How many lost their places, and who is released for the first of those.
    fn block(&mut self) -> (usize, Woken) {
        let (mut count, mut first) = (0, Nobody);
        for suspect in &self.monitor.suspects {
            let (blocks, _, release) = self.scheduler.block(suspect);
            let woken = self.woken(release);
            if first == Nobody {
                first = woken;
            }
            count += usize::from(blocks);
        }
        (count, first)
    }

    fn place(&mut self, thread: usize) -> Place {
        let seat = self.seat(thread);
        let seats = self.scheduler.seats();
        let found = seats.iter().find(|(suspect, _)| suspect.seat == seat);
        found.expect("it has a seat").1
    }

    fn wait_many(&mut self, thread: usize, packets_max: usize) -> (Step, Woken) {
        let seat = self.seat(thread);
        let visit = &mut self.threads[thread].visit;
        visit.delivered.clear();
        visit.batch.clear();
        let (step, release) = self.scheduler.visit(seat, visit, packets_max);
        (step, self.woken(release))
    }

    /// The thread comes from the kernel, where it took a wake.
    fn wait_woken(&mut self, thread: usize) -> (Step, Woken) {
        self.threads[thread].visit.woken = true;
        self.wait(thread)
    }

    /// The thread comes from the kernel, where it found `ready`.
    fn wait_with(&mut self, thread: usize, ready: &[u32]) -> (Step, Woken) {
        self.threads[thread].visit.ready.extend(ready);
        self.wait(thread)
    }

    fn wait_expired(&mut self, thread: usize) -> (Step, Woken) {
        self.threads[thread].visit.expired = true;
        let answer = self.wait(thread);
        self.threads[thread].visit.expired = false;
        answer
    }

    /// The thread did the work of its batch, each of which became a packet.
    fn wait_worked(&mut self, thread: usize) -> (Step, Woken) {
        let visit = &mut self.threads[thread].visit;
        visit.completed.append(&mut visit.batch);
        self.wait(thread)
    }

    fn leave(&mut self, thread: usize) -> Woken {
        match self.threads[thread].seat.take() {
            None => Nobody,
            Some(seat) => self.woken(self.scheduler.leave(seat)),
        }
    }

    fn delivered(&self, thread: usize) -> &[u32] {
        &self.threads[thread].visit.delivered
    }

    fn batch(&self, thread: usize) -> &[u32] {
        &self.threads[thread].visit.batch
    }

    /// Running, parked (in either place), queued.
    fn counts(&self) -> (usize, usize, usize) {
        let Counts {
            running,
            parked,
            queued,
            ..
        } = self.scheduler.counts();
        (running, parked, queued)
    }

    fn polling(&self) -> usize {
        let seats = self.scheduler.seats();
        let polls = |(_, place): &&(Suspect, Place)| *place == Place::Polling;
        seats.iter().filter(polls).count()
    }
}

impl Thread {
    fn new() -> Thread {
        Thread {
            seat: None,
            worker: Arc::new(Worker::new(Probe::of_nobody(), "")),
            visit: Visit::default(),
        }
    }
}

mod posted {
    use super::*;

    #[test]
    fn what_is_posted_stands_between_what_came_before_and_after() {
        let mut pool = Pool::new(1, 1);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.complete(2), Nobody);
        assert_eq!(pool.complete(3), Nobody);
        assert_eq!(pool.post(4), Nobody);
        assert_eq!(pool.wait_many(0, 9), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [1, 2, 3, 4]);
    }

    #[test]
    fn posts_come_before_work_that_is_behind_them_and_after_work_that_is_not() {
        let mut pool = Pool::new(1, 1);
        assert_eq!(pool.ready(1), Nobody);
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(pool.ready(3), Nobody);
        assert_eq!(pool.wait(0), (Step::Work, Nobody));
        assert_eq!(pool.batch(0), [1], "not the work behind the post");
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [2]);
        assert_eq!(pool.wait(0), (Step::Work, Nobody));
        assert_eq!(pool.batch(0), [3]);
    }

    #[test]
    fn a_running_thread_takes_posts_the_short_way_and_only_posts() {
        let mut pool = Pool::new(1, 1);
        (1..=3).for_each(|packet| assert_eq!(pool.post(packet), Nobody));
        assert_eq!(pool.complete(4), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        let taken = std::iter::from_fn(|| pool.take_posted(0));
        assert_eq!(taken.collect::<Vec<_>>(), [2, 3]);
        assert_eq!(pool.counts(), (1, 0, 1));
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [4]);
    }

    #[test]
    fn the_short_way_is_closed_with_the_port() {
        let mut pool = Pool::new(1, 1);
        (1..=3).for_each(|packet| assert_eq!(pool.post(packet), Nobody));
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.close(), (true, Nobody));
        assert_eq!(pool.take_posted(0), None);
    }

    #[test]
    fn no_more_is_posted_than_there_is_credit_for() {
        let scheduler = scheduler(1);
        assert_eq!(scheduler.grant(1), Some(1));
        assert!(matches!(scheduler.post(1), Ok(Release::Nobody)));
        assert!(matches!(scheduler.post(2), Err(Unposted::NoCredit(2))));
        // What is delivered gives its credit back.
        let seat = scheduler.join(&Arc::new(Worker::new(Probe::of_nobody(), "")));
        let mut visit = Visit::default();
        let _ = scheduler.visit(seat, &mut visit, 1);
        assert_eq!(visit.delivered, [1]);
        assert_eq!(scheduler.grant(0), Some(1));
        assert!(matches!(scheduler.post(2), Ok(Release::Nobody)));
        // What is taken back is not there any more.
        assert_eq!(scheduler.grant(3), Some(3));
        assert_eq!(scheduler.take_credit(), 3);
        assert!(matches!(scheduler.post(3), Err(Unposted::NoCredit(3))));
        let _ = scheduler.close();
        assert_eq!(scheduler.grant(1), None);
        assert!(matches!(scheduler.post(3), Err(Unposted::Closed(3))));
    }
}

/// Posts of those who have a place for one packet each, and need no credit.
mod reserved {
    use super::*;

    fn pool(threads: usize) -> Pool {
        let pool = Pool::new(1, threads);
        assert_eq!(pool.scheduler.take_credit(), Pool::CREDIT);
        pool.scheduler.reserve_posts(2);
        pool
    }

    #[test]
    fn a_packet_is_posted_again_and_again_without_credit() {
        let mut pool = pool(1);
        for _ in 0..1_000 {
            assert_eq!(pool.post_reserved(1), Nobody);
            assert_eq!(pool.post_reserved(2), Nobody);
            assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
            assert_eq!(pool.threads[0].visit.posted, 1);
            assert_eq!(pool.delivered(0), [1]);
            assert_eq!(pool.take_posted(0), Some(2), "the short way");
        }
        assert_eq!(pool.scheduler.grant(0), Some(0), "no credit came of it");
        assert!(matches!(pool.scheduler.post(2), Err(Unposted::NoCredit(2))));
    }

    #[test]
    fn packets_leave_in_the_order_posted_however_they_were() {
        let mut pool = pool(1);
        assert_eq!(pool.scheduler.grant(2), Some(2));
        assert_eq!(pool.post_reserved(1), Nobody);
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(pool.complete(3), Nobody);
        assert_eq!(pool.post(4), Nobody);
        assert_eq!(pool.post_reserved(5), Nobody);
        assert_eq!(pool.wait_many(0, 9), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [1, 2, 3, 4, 5]);
        assert_eq!(pool.threads[0].visit.posted, 4);
        assert_eq!(pool.scheduler.credit(), 2);
    }

    #[test]
    fn a_thread_that_waits_is_released_for_it() {
        let mut pool = pool(2);
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        assert_eq!(pool.post_reserved(1), Parked(1));
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
    }

    #[test]
    fn a_closed_port_gives_the_packet_back_and_says_what_was_reserved() {
        let pool = pool(1);
        assert_eq!(pool.scheduler.grant(2), Some(2));
        for packet in [1, 2] {
            assert_eq!(pool.post_reserved(packet), Nobody);
            assert_eq!(pool.post(packet), Nobody);
            // Has what was posted taken in.
            assert_eq!(pool.complete(3), Nobody);
        }
        assert_eq!(pool.close(), (true, Nobody));
        assert!(matches!(pool.scheduler.post_reserved(4), Err(4)));
        let mut drained = Vec::new();
        assert_eq!(pool.scheduler.drain(&mut drained), 2);
        assert_eq!(drained.len(), 6);
    }
}

/// A port with nothing to poll the kernel for.
mod unpolled {
    use super::*;

    fn pool(concurrency: usize, threads: usize) -> Pool {
        let mut pool = Pool::new(concurrency, threads);
        pool.scheduler = scheduler(concurrency);
        assert_eq!(pool.scheduler.grant(100), Some(100));
        (0..threads).for_each(|thread| assert_eq!(pool.wait(thread), (Step::Park, Nobody)));
        pool
    }

    #[test]
    fn all_who_wait_are_parked_and_released_last_in_first_out() {
        let pool = pool(2, 3);
        assert_eq!(pool.polling(), 0);
        assert_eq!(pool.post(1), Parked(2));
        assert_eq!(pool.post(2), Parked(1));
        assert_eq!(pool.post(3), Nobody);
        assert_eq!(pool.counts(), (2, 1, 3));
    }

    #[test]
    fn the_places_to_poll_are_filled_once_there_is_something_to_poll() {
        let mut pool = pool(2, 3);
        assert_eq!(pool.woken(pool.scheduler.begin_polling()), Parked(2));
        assert_eq!(pool.wait(2), (Step::Poll, Parked(1)));
        assert_eq!(pool.wait(1), (Step::Poll, Nobody));
        assert_eq!(pool.woken(pool.scheduler.begin_polling()), Nobody);
        assert_eq!((pool.polling(), pool.counts()), (2, (0, 3, 0)));
    }
}

/// A driver that promises less than Linux's.
mod promises {
    use super::*;

    /// One thread polls, the others are parked.
    fn any_order(concurrency: usize, threads: usize) -> Pool {
        let promises = Promises {
            wakes_last_first: false,
            ..Promises::ALL
        };
        let mut pool = Pool::of(promises, concurrency, threads);
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
        (1..threads).for_each(|thread| assert_eq!(pool.wait(thread), (Step::Park, Nobody)));
        pool
    }

    /// One thread runs, another is parked, and the gate lets one run.
    fn untold() -> Pool {
        let promises = Promises {
            tells_blocked: false,
            ..Promises::ALL
        };
        let mut pool = Pool::of(promises, 1, 2);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        pool
    }

    #[test]
    fn no_more_poll_than_the_kernel_takes() {
        let promises = Promises {
            waiters_max: 2,
            ..Promises::ALL
        };
        let mut pool = Pool::of(promises, 3, 4);
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
        assert_eq!(pool.wait(1), (Step::Poll, Nobody));
        assert_eq!(pool.wait(2), (Step::Park, Nobody));
        assert_eq!(pool.wait(3), (Step::Park, Nobody));
        // All three that may run are released all the same, and the place that is free is filled.
        assert_eq!(pool.wait_with(1, &[1, 2, 3]), (Step::Work, Parked(3)));
        assert_eq!(pool.wait(3), (Step::Work, Parked(2)));
        assert_eq!(pool.wait(2), (Step::Work, Nobody));
        assert_eq!((pool.polling(), pool.counts()), (1, (3, 1, 0)));
        assert_eq!(pool.wait(2), (Step::Park, Nobody), "two run, one polls");
        assert_eq!(pool.wait(3), (Step::Poll, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody), "two poll");
    }

    #[test]
    fn more_than_the_concurrency_never_poll() {
        let promises = Promises {
            waiters_max: 2,
            ..Promises::ALL
        };
        let mut pool = Pool::of(promises, 1, 2);
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
    }

    #[test]
    fn where_the_kernel_has_another_order_those_who_wait_are_released_last_in_first_out() {
        let mut pool = any_order(3, 3);
        assert_eq!(pool.post(1), Parked(2));
        assert_eq!(pool.post(2), Parked(1));
        assert_eq!(pool.post(3), Polling);
        assert_eq!(pool.wait_woken(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(2), (Step::Deliver, Nobody));
    }

    #[test]
    fn where_the_kernel_has_another_order_the_one_that_polls_is_first_if_it_came_last() {
        let mut pool = any_order(2, 2);
        assert_eq!(pool.wait(0), (Step::Poll, Nobody), "for no reason");
        assert_eq!(pool.post(1), Polling);
        assert_eq!(pool.wait_woken(0), (Step::Deliver, Parked(1)));
        assert_eq!(pool.wait(1), (Step::Poll, Nobody), "in its place");
        assert_eq!(pool.wait(0), (Step::Park, Nobody));
        assert_eq!(pool.post(2), Parked(0), "which came last again");
    }

    #[test]
    fn the_one_that_polls_has_a_successor_as_soon_as_it_runs() {
        let mut pool = any_order(2, 3);
        assert_eq!(pool.wait_with(0, &[1]), (Step::Work, Parked(2)));
        assert_eq!(pool.wait(2), (Step::Poll, Nobody));
        assert_eq!(pool.wait_expired(2), (Step::TimedOut, Parked(1)));
        assert_eq!(pool.wait(1), (Step::Poll, Nobody));
        assert_eq!(pool.leave(1), Nobody, "nobody is left to succeed it");
        assert_eq!(pool.wait_worked(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
    }

    #[test]
    fn close_reaches_the_one_that_polls_and_all_that_are_parked() {
        let mut pool = any_order(2, 3);
        assert_eq!(pool.close(), (true, Parked(2)));
        assert_eq!(pool.wait(2), (Step::Closed, Parked(1)));
        assert_eq!(pool.wait(1), (Step::Closed, Polling));
        assert_eq!(pool.wait_woken(0), (Step::Closed, Nobody));
    }

    #[test]
    fn the_monitor_is_not_called_to_ask_a_system_that_can_not_tell() {
        let mut pool = untold();
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        assert_eq!(pool.calls.get(), 0);
        assert_eq!(pool.stage(3), Nobody);
        assert_eq!(pool.calls.get(), 1, "it can carry that out");
    }

    #[test]
    fn the_monitor_is_called_where_threads_can_be_had_and_asks_after_nobody() {
        let mut pool = untold();
        assert_eq!(pool.woken(pool.scheduler.set_can_grow(true)), Nobody);
        assert_eq!(pool.calls.get(), 1);
        assert_eq!(pool.post(2), Nobody);
        pool.monitor.eager = true;
        let _ = (pool.look(), pool.look());
        assert_eq!((pool.suspects(), pool.monitor.work_waits), (vec![], true));
        assert!(pool.monitor.newcomers.is_empty());
    }

    #[test]
    fn a_thread_that_says_that_it_blocks_is_replaced_where_the_system_can_not_tell() {
        let mut pool = untold();
        assert_eq!(pool.woken(pool.scheduler.set_can_grow(true)), Nobody);
        assert_eq!(pool.post(2), Nobody);
        let seat = pool.seat(0);
        let (turn, release) = pool.scheduler.begin_blocking(seat).expect("it runs");
        assert_eq!(pool.woken(release), Parked(1));
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.post(3), Nobody);
        let seat = pool.seat(1);
        let said = pool.scheduler.begin_blocking(seat);
        assert_eq!(pool.woken(said.expect("it runs").1), Nobody);
        assert_eq!(pool.look().0, Duty::Spawn, "nobody waits");
        let seat = pool.seat(0);
        pool.scheduler.end_blocking(seat, turn);
        assert_eq!(pool.place(0), Place::Running);
    }
}

mod queue {
    use super::*;

    #[test]
    fn packets_leave_in_the_order_posted() {
        let mut pool = Pool::new(1, 1);
        for packet in 1..=3 {
            assert_eq!(pool.post(packet), Nobody);
        }
        for packet in 1..=3 {
            assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
            assert_eq!(pool.delivered(0), [packet]);
        }
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
    }

    #[test]
    fn a_wait_for_many_takes_what_is_there_in_order() {
        let mut pool = Pool::new(1, 1);
        for packet in 1..=5 {
            assert_eq!(pool.post(packet), Nobody);
        }
        assert_eq!(pool.wait_many(0, 3), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [1, 2, 3]);
        assert_eq!(pool.wait_many(0, 3), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [4, 5]);
    }

    #[test]
    fn packets_made_of_work_go_before_other_work() {
        let mut pool = Pool::new(1, 1);
        assert_eq!(pool.ready(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Work, Nobody));
        assert_eq!(pool.ready(2), Nobody);
        assert_eq!(pool.wait_worked(0), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [1]);
        assert_eq!(pool.wait(0), (Step::Work, Nobody));
        assert_eq!(pool.batch(0), [2]);
    }

    #[test]
    fn what_is_staged_goes_ahead_of_the_line_and_shares_the_batch_with_it() {
        let mut pool = Pool::new(1, 1);
        for work in 0..20 {
            assert_eq!(pool.ready(work), Nobody);
        }
        for work in 100..120 {
            assert_eq!(pool.stage(work), Nobody);
        }
        assert_eq!(pool.wait(0), (Step::Work, Nobody));
        let expected: Vec<u32> = (100..108).chain(0..8).collect();
        assert_eq!(pool.batch(0), expected);
    }

    #[test]
    fn what_is_staged_fills_a_batch_for_which_the_line_has_too_little() {
        let mut pool = Pool::new(1, 1);
        assert_eq!(pool.ready(1), Nobody);
        for work in 100..120 {
            assert_eq!(pool.stage(work), Nobody);
        }
        assert_eq!(pool.wait(0), (Step::Work, Nobody));
        let expected: Vec<u32> = (100..108).chain([1]).chain(108..115).collect();
        assert_eq!(pool.batch(0), expected);
    }

    #[test]
    fn packets_that_are_posted_for_ever_do_not_hold_what_is_staged_back() {
        const PATIENCE: usize = 1_000;
        let mut pool = Pool::new(1, 1);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.stage(2), Nobody);
        let works = (0..PATIENCE).any(|_| {
            let (step, _) = pool.wait(0);
            assert_eq!(pool.post(1), Nobody);
            step == Step::Work
        });
        assert!(works, "staged work was passed over {PATIENCE} times");
        assert_eq!(pool.batch(0), [2]);
    }

    #[test]
    fn packets_that_are_posted_for_ever_do_not_hold_ready_work_back() {
        const PATIENCE: usize = 1_000;
        let mut pool = Pool::new(1, 1);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.ready(2), Nobody);
        let works = (0..PATIENCE).any(|_| {
            let (step, _) = pool.wait(0);
            // As a handler that gives itself the next thing to do.
            assert_eq!(pool.post(1), Nobody);
            step == Step::Work
        });
        assert!(works, "ready work was passed over {PATIENCE} times");
    }

    #[test]
    fn work_becomes_packets_in_its_order() {
        let mut pool = Pool::new(1, 1);
        assert_eq!(pool.wait_with(0, &[1, 2, 3]), (Step::Work, Nobody));
        assert_eq!(pool.batch(0), [1, 2, 3]);
        // It became ready after what is being worked on, so it comes after.
        assert_eq!(pool.ready(4), Nobody);
        for packet in 1..=3 {
            assert_eq!(pool.wait_worked(0), (Step::Deliver, Nobody));
            assert_eq!(pool.delivered(0), [packet]);
        }
        assert_eq!(pool.wait(0), (Step::Work, Nobody));
        assert_eq!(pool.batch(0), [4]);
    }

    #[test]
    fn a_thread_takes_no_more_than_its_share_of_the_work() {
        let mut pool = Pool::new(2, 3);
        assert_eq!(pool.wait_with(0, &[1, 2, 3, 4, 5]), (Step::Work, Nobody));
        assert_eq!(pool.batch(0), [1, 2, 3]);
        assert_eq!(pool.wait(1), (Step::Work, Nobody));
        assert_eq!(pool.batch(1), [4]);
        assert_eq!(pool.counts(), (2, 0, 1));
    }

    #[test]
    fn a_thread_takes_no_more_work_than_a_batch() {
        let mut pool = Pool::new(1, 1);
        let ready: Vec<u32> = (0..20).collect();
        assert_eq!(pool.wait_with(0, &ready), (Step::Work, Nobody));
        assert_eq!(pool.batch(0), &ready[..16]);
    }

    #[test]
    fn what_a_thread_made_and_has_not_begun_another_can_take() {
        let mut pool = Pool::new(2, 2);
        for work in 1..=4 {
            assert_eq!(pool.ready(work), Nobody);
        }
        assert_eq!(pool.wait(0), (Step::Work, Nobody));
        assert_eq!(pool.batch(0), [1, 2]);
        assert_eq!(pool.wait_worked(0), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [1]);
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(1), [2]);
    }

    #[test]
    fn room_can_be_made_and_changes_nothing() {
        let mut pool = Pool::new(1, 1);
        assert_eq!(pool.post(1), Nobody);
        pool.scheduler.reserve(100, 100);
        pool.scheduler.reserve(0, 0);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [1]);
    }

    #[test]
    fn the_hint_follows_the_queue() {
        let mut pool = Pool::new(1, 1);
        assert!(!pool.scheduler.seems_busy());
        assert_eq!(pool.post(1), Nobody);
        assert!(pool.scheduler.seems_busy());
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert!(!pool.scheduler.seems_busy());
    }
}

mod gate {
    use super::*;

    #[test]
    fn no_more_threads_run_than_the_concurrency() {
        let mut pool = Pool::new(2, 4);
        for packet in 1..=4 {
            assert_eq!(pool.post(packet), Nobody);
        }
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(2), (Step::Park, Nobody));
        assert_eq!(pool.wait(3), (Step::Park, Nobody));
        assert_eq!(pool.counts(), (2, 2, 2));
        assert_eq!(pool.scheduler.counts().running_max, 2);
    }

    #[test]
    fn a_packet_stays_queued_while_the_gate_is_full() {
        let mut pool = Pool::new(1, 2);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(pool.ready(3), Nobody);
        assert_eq!(pool.counts(), (1, 1, 2));
    }

    #[test]
    fn a_running_thread_takes_the_head_without_parking() {
        let mut pool = Pool::new(1, 2);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        assert_eq!(pool.post(2), Nobody);
        // The late one takes it; the parked one is not woken for it.
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [2]);
    }

    #[test]
    fn a_late_thread_may_come_before_the_poller_that_was_woken() {
        let mut pool = Pool::new(1, 2);
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
        assert_eq!(pool.post(1), Polling);
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.wait_woken(0), (Step::Park, Nobody));
        assert_eq!(pool.counts(), (1, 1, 0));
    }

    #[test]
    fn a_released_thread_holds_its_place() {
        let mut pool = Pool::waiting(1, 2);
        assert_eq!(pool.post(1), Parked(1));
        assert_eq!(pool.counts(), (1, 1, 1));
        assert_eq!(pool.wait(0), (Step::Park, Nobody));
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.counts(), (1, 1, 0));
    }

    #[test]
    fn an_event_at_a_full_gate_waits_on_the_queue() {
        let mut pool = Pool::waiting(1, 2);
        assert_eq!(pool.post(1), Parked(1));
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        // It polled before the other ran; it can't run now, and there is no place to poll from.
        assert_eq!(pool.wait_with(0, &[2]), (Step::Park, Nobody));
        assert_eq!(pool.counts(), (1, 1, 1));
        assert_eq!(pool.wait(1), (Step::Work, Nobody));
        assert_eq!(pool.batch(1), [2]);
    }
}

mod waiters {
    use super::*;

    #[test]
    fn parked_threads_are_released_last_in_first_out() {
        let mut pool = Pool::waiting(4, 4);
        // Four of them run, then four others park, and the four leave.
        for packet in 0..4 {
            pool.post(packet);
            assert_eq!(pool.wait_woken(packet as usize).0, Step::Deliver);
        }
        pool.threads.extend((0..4).map(|_| Thread::new()));
        for thread in 4..8 {
            assert_eq!(pool.wait(thread), (Step::Park, Nobody));
        }
        for packet in 0..4 {
            assert_eq!(pool.post(packet), Nobody);
        }
        for (leaving, released) in [(0, 7), (1, 6), (2, 5), (3, 4)] {
            assert_eq!(pool.leave(leaving), Parked(released));
        }
    }

    #[test]
    fn a_thread_that_waits_again_is_the_last_again() {
        let mut pool = Pool::waiting(1, 3);
        assert_eq!(pool.post(1), Parked(2));
        assert_eq!(pool.wait(2), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(2), (Step::Park, Nobody));
        assert_eq!(pool.post(2), Parked(2));
    }

    #[test]
    fn a_poller_that_waited_last_is_released_first() {
        let mut pool = Pool::new(1, 2);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
        assert_eq!(pool.post(2), Polling);
    }

    #[test]
    fn as_many_poll_as_could_run() {
        let mut pool = Pool::new(3, 5);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Poll, Nobody));
        assert_eq!(pool.wait(2), (Step::Poll, Nobody));
        assert_eq!(pool.wait(3), (Step::Park, Nobody));
        assert_eq!(pool.wait(4), (Step::Park, Nobody));
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
        assert_eq!(pool.polling(), 3);
    }

    #[test]
    fn one_wake_is_on_its_way_at_a_time_and_each_taker_sends_the_next() {
        let mut pool = Pool::waiting(3, 3);
        assert_eq!(pool.post(1), Polling);
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(pool.post(3), Nobody);
        assert_eq!(pool.wait_woken(0), (Step::Deliver, Polling));
        assert_eq!(pool.wait_woken(1), (Step::Deliver, Polling));
        assert_eq!(pool.wait_woken(2), (Step::Deliver, Nobody));
        assert_eq!(pool.counts(), (3, 0, 0));
    }

    #[test]
    fn whoever_finds_more_than_it_takes_releases_the_next() {
        let mut pool = Pool::waiting(2, 3);
        assert_eq!(pool.wait_with(0, &[1, 2, 3, 4]), (Step::Work, Parked(2)));
        assert_eq!(pool.batch(0), [1, 2]);
        assert_eq!(pool.wait(2), (Step::Work, Nobody));
        assert_eq!(pool.batch(2), [3]);
        assert_eq!(pool.counts(), (2, 1, 1));
    }

    #[test]
    fn a_poller_with_an_event_leaves_the_wake_to_another() {
        let mut pool = Pool::waiting(2, 2);
        assert_eq!(pool.post(1), Polling);
        // It comes for another reason; the wake is still on its way.
        assert_eq!(pool.wait_with(0, &[2]), (Step::Deliver, Nobody));
        assert_eq!(pool.wait_woken(1), (Step::Work, Nobody));
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
        assert_eq!(pool.post(3), Polling);
    }

    #[test]
    fn a_busy_thread_that_took_the_wake_passes_it_on() {
        let mut pool = Pool::new(2, 2);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Poll, Nobody));
        assert_eq!(pool.post(2), Polling);
        assert_eq!(pool.post(3), Nobody);
        assert_eq!(pool.wait_woken(0), (Step::Deliver, Polling));
    }

    #[test]
    fn a_thread_that_comes_for_no_reason_waits_on() {
        let mut pool = Pool::waiting(1, 2);
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        assert_eq!(pool.counts(), (0, 2, 0));
    }
}

mod leaving {
    use super::*;

    #[test]
    fn a_thread_that_leaves_gives_its_place_back() {
        let mut pool = Pool::new(1, 2);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(pool.leave(0), Parked(1));
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.counts(), (1, 0, 0));
    }

    #[test]
    fn the_last_to_leave_leaves_nothing() {
        let mut pool = Pool::new(1, 1);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.leave(0), Nobody);
        assert_eq!(pool.leave(0), Nobody);
        assert_eq!(pool.counts(), (0, 0, 0));
    }

    #[test]
    fn a_free_place_to_poll_from_is_filled() {
        let mut pool = Pool::waiting(2, 4);
        assert_eq!(pool.leave(0), Parked(3));
        assert_eq!(pool.wait(3), (Step::Poll, Nobody));
        assert_eq!(pool.wait_expired(1), (Step::TimedOut, Parked(2)));
        assert_eq!(pool.wait(2), (Step::Poll, Nobody));
        assert_eq!(pool.polling(), 2);
    }

    #[test]
    fn a_wait_that_timed_out_leaves_nothing_behind() {
        let mut pool = Pool::waiting(1, 2);
        assert_eq!(pool.wait_expired(1), (Step::TimedOut, Nobody));
        assert_eq!(pool.counts(), (0, 1, 0));
        assert_eq!(pool.wait_expired(0), (Step::TimedOut, Nobody));
        assert_eq!(pool.counts(), (0, 0, 0));
        assert_eq!(pool.post(1), Nobody);
    }

    #[test]
    fn a_time_out_at_a_full_gate_is_a_time_out() {
        let mut pool = Pool::new(1, 2);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(pool.wait_expired(1), (Step::TimedOut, Nobody));
        assert_eq!(pool.counts(), (1, 0, 1));
    }

    #[test]
    fn a_thread_released_as_its_time_ran_out_takes_the_packet() {
        let mut pool = Pool::waiting(1, 2);
        assert_eq!(pool.post(1), Parked(1));
        assert_eq!(pool.wait_expired(1), (Step::Deliver, Nobody));
        assert_eq!(pool.counts(), (1, 1, 0));
    }

    #[test]
    fn a_thread_released_as_its_time_ran_out_gives_its_grant_back() {
        let mut pool = Pool::waiting(2, 3);
        assert_eq!(pool.post(1), Parked(2));
        // One that polls comes for no reason, and is quicker.
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.counts(), (2, 1, 0));
        assert_eq!(pool.wait_expired(2), (Step::TimedOut, Nobody));
        assert_eq!(pool.counts(), (1, 1, 0));
    }

    #[test]
    fn a_grant_that_is_given_back_goes_to_the_next() {
        let mut pool = Pool::waiting(1, 3);
        assert_eq!(pool.leave(0), Parked(2));
        assert_eq!(pool.wait_expired(2), (Step::TimedOut, Parked(1)));
        assert_eq!(pool.wait(1), (Step::Poll, Nobody));
    }

    #[test]
    fn a_poller_may_leave_before_its_wake_and_the_next_one_gets_it() {
        let mut pool = Pool::waiting(1, 1);
        assert_eq!(pool.post(1), Polling);
        assert_eq!(pool.wait_expired(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
        // The kernel still holds the wake for it, so none is sent.
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(pool.wait_woken(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
        assert_eq!(pool.post(3), Polling);
    }
}

mod closing {
    use super::*;

    #[test]
    fn close_releases_every_waiter_one_after_another() {
        let mut pool = Pool::waiting(2, 4);
        assert_eq!(pool.close(), (true, Parked(3)));
        assert_eq!(pool.wait(3), (Step::Closed, Parked(2)));
        assert_eq!(pool.wait(2), (Step::Closed, Polling));
        assert_eq!(pool.wait_woken(1), (Step::Closed, Polling));
        assert_eq!(pool.wait_woken(0), (Step::Closed, Nobody));
        assert_eq!(pool.counts(), (0, 0, 0));
        assert!(pool.scheduler.is_closed());
    }

    #[test]
    fn a_wake_that_was_on_its_way_starts_the_chain() {
        let mut pool = Pool::waiting(2, 2);
        assert_eq!(pool.post(1), Polling);
        assert_eq!(pool.close(), (true, Nobody));
        assert_eq!(pool.wait_woken(0), (Step::Closed, Polling));
        assert_eq!(pool.wait_woken(1), (Step::Closed, Nobody));
        assert_eq!(pool.counts(), (0, 0, 1));
    }

    #[test]
    fn a_waiter_whose_time_ran_out_passes_the_close_on() {
        let mut pool = Pool::waiting(1, 3);
        assert_eq!(pool.close(), (true, Parked(2)));
        assert_eq!(pool.wait_expired(2), (Step::Closed, Parked(1)));
        assert_eq!(pool.wait_expired(1), (Step::Closed, Polling));
    }

    #[test]
    fn whoever_comes_later_is_told_too() {
        let mut pool = Pool::new(1, 2);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.close(), (true, Nobody));
        assert_eq!(pool.close(), (false, Nobody));
        assert_eq!(pool.wait(0), (Step::Closed, Nobody));
        assert_eq!(pool.wait(1), (Step::Closed, Nobody));
        assert_eq!(pool.wait_expired(1), (Step::Closed, Nobody));
        assert_eq!(pool.counts(), (0, 0, 0));
    }

    #[test]
    fn a_full_gate_does_not_hold_a_close_back() {
        let mut pool = Pool::new(1, 3);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        assert_eq!(pool.wait(2), (Step::Park, Nobody));
        assert_eq!(pool.close(), (true, Parked(2)));
        assert_eq!(pool.wait(2), (Step::Closed, Parked(1)));
        assert_eq!(pool.wait(1), (Step::Closed, Nobody));
        assert_eq!(pool.counts(), (1, 0, 0));
    }

    #[test]
    fn waiters_that_close_released_never_ran() {
        let mut pool = Pool::new(1, 3);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        assert_eq!(pool.close(), (true, Parked(1)));
        assert_eq!(pool.scheduler.counts().running_max, 1);
    }

    #[test]
    fn what_is_left_is_drained() {
        let mut pool = Pool::new(1, 1);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.ready(9), Nobody);
        assert_eq!(pool.close(), (true, Nobody));
        // A thread that was at work brings what it made.
        pool.threads[0].visit.completed.push(2);
        assert_eq!(pool.wait_with(0, &[8]), (Step::Closed, Nobody));
        assert_eq!(pool.complete(3), Nobody);
        let mut drained = Vec::new();
        pool.scheduler.drain(&mut drained);
        drained.sort_unstable();
        assert_eq!(drained, [1, 2, 3]);
        assert_eq!(pool.counts(), (0, 0, 0));
        assert!(!pool.scheduler.seems_busy());
    }
}

/// Packets that are left to the threads that posted them.
mod quiet_posts {
    use super::*;

    /// Thread 1 runs, and thread 0 polls and could be released.
    fn running() -> Pool {
        let mut pool = Pool::waiting(2, 2);
        assert_eq!(pool.post(1), Polling);
        assert_eq!(pool.wait_woken(1), (Step::Deliver, Nobody));
        pool
    }

    #[test]
    fn a_thread_comes_back_for_what_it_posted_and_no_other_is_released() {
        let mut pool = running();
        for packet in 2..10 {
            assert_eq!(pool.post_quietly(1, packet), Nobody);
            assert!(!pool.scheduler.seems_busy(), "it is left to thread 1");
            assert_eq!(pool.counts(), (1, 1, 1));
            assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
            assert_eq!(pool.delivered(1), [packet]);
        }
        assert_eq!(pool.calls.get(), 1, "the monitor watches");
        assert_eq!(pool.wait(1), (Step::Poll, Nobody));
    }

    #[test]
    fn the_second_post_of_a_turn_releases_a_thread_whichever_kind_it_is() {
        for quietly in [true, false] {
            let mut pool = running();
            assert_eq!(pool.post_quietly(1, 2), Nobody);
            let second = match quietly {
                true => pool.post_quietly(1, 3),
                false => pool.post(3),
            };
            assert_eq!(second, Polling);
            assert_eq!(pool.post_quietly(1, 4), Nobody, "one is on its way");
            assert_eq!(pool.wait_woken(0), (Step::Deliver, Nobody));
            assert_eq!(pool.delivered(0), [2]);
            assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
            assert_eq!(pool.delivered(1), [3]);
        }
    }

    #[test]
    fn a_post_of_another_thread_releases_one() {
        let mut pool = running();
        assert_eq!(pool.post_quietly(1, 2), Nobody);
        assert_eq!(pool.post(3), Polling);
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(1), [2]);
        assert_eq!(pool.wait_woken(0), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [3]);
    }

    #[test]
    fn a_thread_that_takes_something_else_releases_one_for_it() {
        let mut pool = running();
        assert_eq!(pool.post_quietly(1, 2), Nobody);
        assert_eq!(pool.wait_with(1, &[9]), (Step::Work, Polling));
        assert_eq!(pool.wait_woken(0), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [2]);
    }

    #[test]
    fn a_thread_that_left_a_packet_visits_though_one_is_open_to_claims() {
        let mut pool = running();
        assert_eq!(pool.post_quietly(1, 2), Nobody);
        assert_eq!(pool.complete(3), Polling);
        assert_eq!(pool.take_posted(1), None);
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(1), [2]);
        assert_eq!(pool.post(4), Nobody, "a wake is on its way");
        assert_eq!(pool.wait_woken(0), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [3]);
        assert_eq!(pool.take_posted(1), Some(4));
    }

    #[test]
    fn any_other_that_comes_takes_it() {
        let mut pool = running();
        assert_eq!(pool.post_quietly(1, 2), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [2]);
        assert_eq!(pool.wait(1), (Step::Poll, Nobody));
    }

    #[test]
    fn a_thread_that_leaves_or_gives_up_or_blocks_releases_one() {
        let mut pool = running();
        assert_eq!(pool.post_quietly(1, 2), Nobody);
        assert_eq!(pool.leave(1), Polling);
        let mut pool = running();
        assert_eq!(pool.post_quietly(1, 2), Nobody);
        let seat = pool.seat(1);
        assert_eq!(pool.woken(pool.scheduler.give_up(seat)), Polling);
        let mut pool = running();
        assert_eq!(pool.post_quietly(1, 2), Nobody);
        let seat = pool.seat(1);
        let (turn, release) = pool.scheduler.begin_blocking(seat).expect("it runs");
        assert_eq!(pool.woken(release), Polling);
        assert_eq!(pool.wait_woken(0), (Step::Deliver, Nobody));
        // What it posts while it says that it blocks is not left to it.
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
        assert_eq!(pool.post_quietly(1, 3), Polling);
        pool.scheduler.end_blocking(seat, turn);
    }

    #[test]
    fn a_thread_that_does_not_run_posts_as_any() {
        let pool = Pool::waiting(2, 2);
        assert_eq!(pool.post_quietly(0, 1), Polling);
        assert_eq!(pool.calls.get(), 0);
    }

    #[test]
    fn the_monitor_releases_one_at_the_second_look() {
        let mut pool = running();
        assert_eq!(pool.post_quietly(1, 2), Nobody);
        assert_eq!(pool.look(), (Duty::Rest, Nobody));
        assert!(pool.monitor.watches && !pool.monitor.work_waits);
        assert_eq!(pool.look(), (Duty::Rest, Polling));
        assert!(pool.monitor.work_waits);
        assert_eq!(pool.wait_woken(0), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [2]);
        // Thread 0 does not come back either.
        assert_eq!(pool.wait(1), (Step::Poll, Nobody));
        assert_eq!(pool.post_quietly(0, 3), Nobody);
        assert_eq!(pool.look(), (Duty::Rest, Nobody));
        assert_eq!(pool.look(), (Duty::Rest, Polling));
    }

    #[test]
    fn the_monitor_leaves_what_came_since_its_last_look() {
        let mut pool = running();
        for packet in 2..100 {
            assert_eq!(pool.post_quietly(1, packet), Nobody);
            assert_eq!(pool.look(), (Duty::Rest, Nobody));
            assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
            assert_eq!(pool.delivered(1), [packet]);
        }
        assert_eq!(pool.calls.get(), 1);
    }

    #[test]
    fn the_monitor_watches_until_none_was_posted_for_some_looks() {
        let mut pool = running();
        for calls in 1..4 {
            assert_eq!(pool.post_quietly(1, 2), Nobody);
            assert_eq!(pool.calls.get(), calls);
            assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
            assert_eq!(pool.look(), (Duty::Rest, Nobody));
            for look in 1..8 {
                assert_eq!(pool.monitor.watches, look <= 4);
                let duty = if look < 7 {
                    Duty::Rest
                } else {
                    Duty::Dismissed
                };
                assert_eq!(pool.look(), (duty, Nobody));
            }
        }
    }

    #[test]
    fn one_that_comes_alone_releases_a_thread_and_does_not_call_the_monitor() {
        let mut pool = running();
        for now_ms in [100, 200, 207, 208] {
            NOW_NS.set(now_ms * 1_000_000);
            let is_alone = now_ms % 100 == 0;
            let woken = pool.post_quietly(1, 2);
            assert_eq!(woken, if is_alone { Polling } else { Nobody });
            assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
            if is_alone {
                assert_eq!(pool.wait_woken(0), (Step::Poll, Nobody), "in vain");
            }
        }
        assert_eq!(pool.calls.get(), 1);
    }

    #[test]
    fn a_monitor_that_could_not_come_is_called_again() {
        let mut pool = running();
        for calls in 1..4 {
            assert_eq!(pool.post_quietly(1, 2), Nobody);
            assert_eq!(pool.calls.get(), calls);
            pool.scheduler.monitor_is_missing();
            assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        }
    }

    #[test]
    fn nothing_is_left_where_no_thread_would_be_released() {
        // Thread 0 was to be released when it waited; now it runs, and is the only one.
        let mut pool = Pool::waiting(1, 1);
        assert_eq!(pool.wait_with(0, &[1]), (Step::Work, Nobody));
        assert_eq!(pool.wait_worked(0), (Step::Deliver, Nobody));
        for packet in 2..4 {
            assert_eq!(pool.post_quietly(0, packet), Nobody);
            assert!(pool.scheduler.seems_busy());
            assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        }
        assert_eq!(pool.calls.get(), 0);
    }

    #[test]
    fn the_monitor_has_nothing_left_where_no_thread_would_be_released_any_more() {
        let mut pool = running();
        assert_eq!(pool.post_quietly(1, 2), Nobody);
        assert_eq!(pool.wait_expired(0), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(0), [2]);
        assert_eq!(pool.wait_with(1, &[9]), (Step::Work, Nobody));
        assert_eq!(pool.wait_worked(1), (Step::Deliver, Nobody));
        assert_eq!(pool.post_quietly(1, 3), Nobody, "all run");
        assert!(!pool.scheduler.seems_busy(), "which it does not know");
        let _ = pool.look();
        assert!(pool.scheduler.seems_busy());
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(1), [3]);
    }

    #[test]
    fn a_closed_port_refuses_it() {
        let mut pool = running();
        assert_eq!(pool.post_quietly(1, 2), Nobody);
        assert_eq!(pool.close(), (true, Polling));
        let refused = pool.scheduler.post_quietly(3, || true);
        assert!(matches!(refused, Err(Unposted::Closed(3))));
        let refused = pool.scheduler.post_reserved_quietly(3, || true);
        assert!(matches!(refused, Err(3)));
        assert_eq!(pool.wait(1), (Step::Closed, Nobody));
        let mut drained = Vec::new();
        assert_eq!(pool.scheduler.drain(&mut drained), 0);
        assert_eq!(drained, [2]);
    }
}

/// Who is held up, who is blocked, and whose place is given away.
mod monitor {
    use super::*;

    const QUIETLY: Duty = Duty::Look {
        nobody_is_left: false,
        still: true,
    };

    /// One thread runs, another is parked, and the gate lets one run.
    fn held() -> Pool {
        let mut pool = Pool::new(1, 2);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        pool
    }

    fn off_duty(pool: &mut Pool) {
        for _ in 0..100 {
            if pool.look().0 == Duty::Dismissed {
                return;
            }
        }
        panic!("it stays on duty");
    }

    #[test]
    fn it_is_called_once_when_the_gate_is_full_and_somebody_waits() {
        let mut pool = Pool::new(1, 2);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.calls.get(), 0, "nobody could be released");
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        assert_eq!(pool.calls.get(), 1);
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.calls.get(), 1);
        // As long as the gate is full it stays.
        (0..100).for_each(|_| assert!(matches!(pool.look().0, Duty::Look { .. })));
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
        assert_eq!(pool.look(), (Duty::Rest, Nobody));
        off_duty(&mut pool);
        assert_eq!(pool.wait_with(0, &[3]), (Step::Work, Nobody));
        assert_eq!(pool.calls.get(), 2);
    }

    #[test]
    fn one_that_could_not_come_is_called_again_by_whoever_comes_by() {
        let mut pool = held();
        assert_eq!(pool.calls.get(), 1);
        for calls in 2..5 {
            assert_eq!(pool.post(calls), Nobody);
            assert_eq!(pool.wait(1), (Step::Park, Nobody));
            assert_eq!(pool.calls.get(), calls as usize - 1, "called already");
            pool.scheduler.monitor_is_missing();
            // The one that is parked, for one.
            assert_eq!(pool.wait(1), (Step::Park, Nobody));
            assert_eq!(pool.calls.get(), calls as usize);
        }
        let _ = (pool.look(), pool.look());
        assert_eq!(pool.block(), (1, Parked(1)));
    }

    #[test]
    fn what_it_brings_is_work_that_waits() {
        let mut pool = held();
        let _ = (pool.look(), pool.look());
        assert_eq!(pool.suspects(), [0]);
        assert!(!pool.monitor.work_waits);
        let mut found = Visit::default();
        found.ready.push(2);
        assert_eq!(pool.woken(pool.scheduler.submit(&mut found)), Nobody);
        assert_eq!(pool.block(), (1, Parked(1)));
        assert_eq!(pool.wait(1), (Step::Work, Nobody));
        assert_eq!(pool.batch(1), [2]);
    }

    #[test]
    fn a_wake_that_it_takes_is_sent_again() {
        let mut pool = Pool::waiting(2, 2);
        assert_eq!(pool.post(1), Polling);
        let mut found = Visit {
            woken: true,
            ..Visit::default()
        };
        assert_eq!(pool.woken(pool.scheduler.submit(&mut found)), Polling);
        assert_eq!(pool.wait_woken(1), (Step::Deliver, Nobody));
    }

    #[test]
    fn it_is_not_called_where_it_could_do_nothing() {
        let mut pool = Pool::new(1, 1);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(pool.calls.get(), 0, "nobody could be released");
        assert_eq!(pool.stage(3), Nobody);
        assert_eq!(pool.calls.get(), 1, "it can carry that out");
    }

    #[test]
    fn a_thread_that_sleeps_at_one_turn_loses_its_place_to_one_that_waits() {
        let mut pool = held();
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(
            pool.look(),
            (
                Duty::Look {
                    nobody_is_left: false,
                    still: false
                },
                Nobody
            )
        );
        assert_eq!(pool.suspects(), [], "it may have just begun");
        assert_eq!(pool.look(), (QUIETLY, Nobody));
        assert_eq!(pool.suspects(), [0]);
        assert_eq!(pool.block(), (1, Parked(1)));
        assert_eq!(pool.place(0), Place::Blocked);
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(1), [2]);
        let counts = pool.scheduler.counts();
        assert_eq!((counts.running, counts.blocked, counts.releases), (1, 1, 1));
    }

    #[test]
    fn where_one_was_blocked_the_next_is_a_suspect_at_once() {
        let mut pool = held();
        let _ = pool.look();
        assert_eq!(pool.wait(0), (Step::Poll, Nobody));
        assert_eq!(pool.wait_with(0, &[2]), (Step::Work, Nobody));
        pool.monitor.eager = true;
        let _ = pool.look();
        assert_eq!(pool.suspects(), [0]);
    }

    #[test]
    fn it_asks_about_no_thread_where_none_could_have_its_place_and_is_called_when_one_comes() {
        let mut pool = held();
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(pool.leave(1), Nobody, "no other thread waits");
        pool.monitor.eager = true;
        let (calls, _) = (pool.calls.get(), pool.look());
        assert!(pool.monitor.helpless);
        assert_eq!(pool.suspects(), []);
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        assert_eq!(pool.calls.get(), calls + 1);
        let _ = pool.look();
        assert!(!pool.monitor.helpless);
        assert_eq!(pool.suspects(), [0]);
    }

    #[test]
    fn a_thread_that_is_busy_is_no_newcomer() {
        let mut pool = held();
        let taken = |pool: &Pool, packets| pool.threads[0].worker.took(packets, 0);
        for (packets, newcomers) in [(1, vec![0]), (1_000, vec![]), (1, vec![0])] {
            assert_eq!(pool.post(2), Nobody);
            assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
            taken(&pool, packets);
            let _ = pool.look();
            assert_eq!(pool.numbers_of(&pool.monitor.newcomers), newcomers);
        }
        let _ = pool.look();
        assert_eq!(pool.suspects(), [0], "busy or not, it has stayed");
    }

    #[test]
    fn a_thread_that_goes_on_meanwhile_keeps_its_place() {
        let mut pool = held();
        (2..=4).for_each(|packet| assert_eq!(pool.post(packet), Nobody));
        let _ = (pool.look(), pool.look());
        assert_eq!(pool.suspects(), [0]);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.block(), (0, Nobody), "another turn");
        let _ = pool.look();
        assert_eq!(pool.suspects(), []);
        let _ = pool.look();
        assert_eq!(pool.take_posted(0), Some(3));
        assert_eq!(pool.block(), (0, Nobody), "the short way is a turn too");
        assert_eq!(pool.counts(), (1, 1, 1));
    }

    #[test]
    fn a_thread_that_left_meanwhile_is_not_mistaken_for_who_has_its_seat() {
        let mut pool = Pool::new(1, 3);
        assert_eq!(pool.post(1), Nobody);
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        assert_eq!(pool.post(2), Nobody);
        let _ = (pool.look(), pool.look());
        assert_eq!(pool.suspects(), [0]);
        assert_eq!(pool.leave(0), Parked(1));
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.leave(1), Nobody);
        assert_eq!(pool.post(3), Nobody);
        assert_eq!(pool.wait(2), (Step::Deliver, Nobody));
        assert_eq!(pool.block(), (0, Nobody));
    }

    #[test]
    fn a_blocked_thread_that_comes_back_waits_for_its_turn() {
        let mut pool = held();
        (2..=3).for_each(|packet| assert_eq!(pool.post(packet), Nobody));
        let _ = (pool.look(), pool.look());
        assert_eq!(pool.block(), (1, Parked(1)));
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        // Not the short way: that is for those who run.
        assert_eq!(pool.take_posted(0), None);
        assert_eq!(pool.wait(0), (Step::Park, Nobody));
        assert_eq!(pool.counts(), (1, 1, 1));
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(1), (Step::Poll, Nobody));
        assert_eq!(pool.counts(), (0, 2, 0));
    }

    #[test]
    fn a_blocked_thread_that_runs_again_counts_until_somebody_waits() {
        let mut pool = held();
        (2..=4).for_each(|packet| assert_eq!(pool.post(packet), Nobody));
        let _ = (pool.look(), pool.look());
        assert_eq!(pool.block(), (1, Parked(1)));
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        let _ = pool.look();
        let blocked = pool.monitor.blocked.clone();
        assert_eq!(pool.numbers_of(&blocked), [0]);
        pool.scheduler.resume(&blocked);
        pool.scheduler.resume(&blocked);
        let counts = pool.scheduler.counts();
        assert_eq!(
            (counts.running, counts.blocked, counts.running_max),
            (2, 0, 2)
        );
        // One too many: the first that waits stays, and there is no short way round that.
        assert_eq!(pool.take_posted(1), None);
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
        assert_eq!(pool.counts(), (1, 1, 1));
    }

    #[test]
    fn a_blocked_thread_may_leave() {
        let mut pool = held();
        assert_eq!(pool.post(2), Nobody);
        let _ = (pool.look(), pool.look());
        assert_eq!(pool.block(), (1, Parked(1)));
        assert_eq!(pool.leave(0), Nobody);
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.leave(1), Nobody);
        assert_eq!(pool.counts(), (0, 0, 0));
        assert_eq!(pool.scheduler.counts().blocked, 0);
    }

    #[test]
    fn many_blocked_threads_are_looked_after_in_turn() {
        let mut pool = Pool::new(20, 21);
        for thread in 0..20 {
            assert_eq!(pool.post(1), Nobody);
            assert_eq!(pool.wait(thread), (Step::Deliver, Nobody));
        }
        assert_eq!(pool.wait(20), (Step::Park, Nobody));
        assert_eq!(pool.post(1), Nobody);
        let _ = (pool.look(), pool.look());
        assert_eq!(pool.block(), (20, Parked(20)));
        let mut seen: Vec<usize> = (0..3)
            .flat_map(|_| {
                let _ = pool.look();
                pool.numbers_of(&pool.monitor.blocked)
            })
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_thread_that_says_that_it_blocks_is_replaced_at_once_and_not_looked_after() {
        let mut pool = held();
        assert_eq!(pool.post(2), Nobody);
        let seat = pool.seat(0);
        let (turn, release) = pool.scheduler.begin_blocking(seat).expect("it runs");
        assert_eq!(pool.woken(release), Parked(1));
        assert!(
            pool.scheduler.begin_blocking(seat).is_none(),
            "said already"
        );
        let _ = pool.look();
        assert_eq!(pool.numbers_of(&pool.monitor.blocked), []);
        pool.scheduler.end_blocking(seat, turn);
        let counts = pool.scheduler.counts();
        assert_eq!((counts.running, counts.blocked, counts.releases), (2, 0, 0));
    }

    #[test]
    fn a_thread_that_waits_while_it_says_that_it_blocks_counts_once() {
        let mut pool = held();
        let seat = pool.seat(0);
        let (turn, release) = pool.scheduler.begin_blocking(seat).expect("it runs");
        assert_eq!(pool.woken(release), Parked(1), "to poll");
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_eq!(pool.wait(0), (Step::Park, Nobody));
        pool.scheduler.end_blocking(seat, turn);
        assert_eq!(pool.counts(), (1, 1, 0));
    }

    #[test]
    fn a_thread_is_started_when_all_are_blocked_and_more_can_be_had() {
        let mut pool = held();
        assert_eq!(pool.woken(pool.scheduler.set_can_grow(true)), Nobody);
        assert_eq!(pool.wait(1), (Step::Park, Nobody));
        (2..=3).for_each(|packet| assert_eq!(pool.post(packet), Nobody));
        let _ = (pool.look(), pool.look());
        assert_eq!(pool.block(), (1, Parked(1)));
        assert_eq!(pool.wait(1), (Step::Deliver, Nobody));
        assert_ne!(pool.look().0, Duty::Spawn, "the gate is full");
        let _ = pool.look();
        assert_eq!(pool.suspects(), [1]);
        let (blocks, wants_thread, _) = pool.scheduler.block(&pool.monitor.suspects[0]);
        assert!(blocks && wants_thread);
        assert_eq!(pool.look().0, Duty::Spawn);
        assert_eq!(pool.woken(pool.scheduler.set_can_grow(false)), Nobody);
        let nobody = Duty::Look {
            nobody_is_left: true,
            still: true,
        };
        assert_eq!(pool.look().0, nobody);
        // A new thread comes nevertheless.
        pool.threads.push(Thread::new());
        assert_eq!(pool.wait(2), (Step::Deliver, Nobody));
        assert_eq!(pool.delivered(2), [3]);
    }

    #[test]
    fn what_is_staged_is_carried_out_when_nobody_visits_for_a_look() {
        let mut pool = held();
        assert_eq!(pool.stage(2), Nobody);
        assert_eq!(pool.calls.get(), 1);
        let _ = pool.look();
        assert_eq!(pool.stage(3), Nobody);
        let _ = pool.look();
        assert_eq!(pool.monitor.batch, [2], "the other was put off since");
        pool.monitor.batch.clear();
        let _ = pool.look();
        assert_eq!(pool.monitor.batch, [3]);
    }

    #[test]
    fn what_is_staged_is_left_to_those_who_visit() {
        let mut pool = held();
        assert_eq!(pool.stage(2), Nobody);
        let _ = pool.look();
        assert_eq!(pool.wait(0), (Step::Work, Nobody));
        assert_eq!(pool.batch(0), [2]);
        let _ = pool.look();
        assert_eq!(pool.monitor.batch, []);
    }

    #[test]
    fn it_ends_with_the_port() {
        let mut pool = held();
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(pool.close(), (true, Parked(1)));
        assert_eq!(pool.look(), (Duty::Closed, Nobody));
    }
}

/// How long the oldest entry has waited.
mod age {
    use super::*;

    fn at(now_ns: u64) {
        NOW_NS.set(now_ns);
    }

    #[test]
    fn the_oldest_is_the_one_at_the_head() {
        let mut pool = Pool::new(1, 1);
        assert_eq!(pool.scheduler.oldest_since_ns(), None);
        for now_ns in [10, 10, 20, 30] {
            at(now_ns);
            assert_eq!(pool.complete(1), Nobody);
        }
        for expected in [Some(10), Some(20), Some(30), None] {
            assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
            assert_eq!(pool.scheduler.oldest_since_ns(), expected);
        }
    }

    #[test]
    fn a_posted_packet_is_as_old_as_its_post() {
        let mut pool = Pool::new(1, 1);
        at(10);
        assert_eq!(pool.post(1), Nobody);
        at(20);
        assert_eq!(pool.post(2), Nobody);
        assert_eq!(pool.scheduler.oldest_since_ns(), Some(10));
        assert_eq!(pool.wait_many(0, 9), (Step::Deliver, Nobody));
        assert_eq!(pool.scheduler.oldest_since_ns(), None);
    }

    #[test]
    fn what_was_made_of_work_is_as_old_as_the_work() {
        let mut pool = Pool::new(1, 2);
        at(10);
        assert_eq!(pool.ready(1), Nobody);
        assert_eq!(pool.ready(2), Nobody);
        at(20);
        assert_eq!(pool.wait(0), (Step::Work, Nobody));
        assert_eq!(pool.wait_worked(0), (Step::Deliver, Nobody));
        assert_eq!(pool.scheduler.oldest_since_ns(), Some(10));
    }

    #[test]
    fn a_long_line_keeps_its_oldest_and_bounded_marks() {
        let mut pool = Pool::new(1, 1);
        for now_ns in 1..=1_000 {
            at(now_ns);
            assert_eq!(pool.complete(1), Nobody);
        }
        assert_eq!(pool.scheduler.oldest_since_ns(), Some(1));
        let mut last = 1;
        for left in (0..1_000_u64).rev() {
            assert_eq!(pool.wait(0), (Step::Deliver, Nobody));
            let oldest = pool.scheduler.oldest_since_ns();
            assert_eq!(oldest.is_none(), left == 0);
            let oldest = oldest.unwrap_or(last);
            assert!(
                (last..=1_001 - left).contains(&oldest),
                "{oldest} with {left} left"
            );
            last = oldest;
        }
    }
}

/// Long lives, made of steps chosen at random: what the other tests say one by one, all at once.
mod lives {
    use super::*;

    /// Steele, Lea and Flood's SplitMix64: enough of a die, and the same one every time.
    struct Die(u64);

    impl Die {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut bits = self.0;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((bits ^ (bits >> 31)) % sides as u64) as usize
        }
    }

    struct Life {
        pool: Pool,
        polling_max: usize,
        /// Where each thread is.
        steps: Vec<Step>,
        /// The parkers that were released and not slept on since.
        tokens: Vec<bool>,
        /// Releases that are chosen and not carried out.
        releases: Vec<Woken>,
        wakes: usize,
        events: Vec<u32>,
        sent: u32,
        taken: Vec<u32>,
    }

    impl Life {
        fn new(pool: Pool, polling_max: usize) -> Life {
            let threads = pool.threads.len();
            Life {
                pool,
                polling_max,
                steps: vec![Step::TimedOut; threads],
                tokens: vec![false; threads],
                releases: Vec::new(),
                wakes: 0,
                events: Vec::new(),
                sent: 0,
                taken: Vec::new(),
            }
        }

        fn step(&mut self, die: &mut Die) {
            match die.roll(9) {
                8 => {
                    let thread = die.roll(self.steps.len());
                    self.sent += 1;
                    let woken = self.pool.post_quietly(thread, self.sent);
                    self.releases.push(woken);
                }
                0 => {
                    self.sent += 1;
                    let woken = self.pool.post(self.sent);
                    self.releases.push(woken);
                }
                1 => {
                    self.sent += 1;
                    self.events.push(self.sent);
                }
                2 => {
                    let thread = die.roll(self.steps.len());
                    self.give_up(thread);
                }
                3 | 4 => self.carry_out(),
                _ => {
                    let thread = die.roll(self.steps.len());
                    self.go_on(thread);
                }
            }
        }

        fn carry_out(&mut self) {
            match self.releases.pop() {
                None | Some(Nobody) => {}
                Some(Polling) => self.wakes = 1,
                Some(Parked(thread)) => self.tokens[thread] = true,
            }
        }

        /// The thread comes back if it can; says whether it did.
        fn go_on(&mut self, thread: usize) -> bool {
            match self.steps[thread] {
                Step::Poll if self.wakes == 0 && self.events.is_empty() => return false,
                Step::Poll => {
                    let visit = &mut self.pool.threads[thread].visit;
                    visit.woken = std::mem::take(&mut self.wakes) > 0;
                    visit.ready.append(&mut self.events);
                }
                Step::Park if !std::mem::take(&mut self.tokens[thread]) => return false,
                Step::Work => {
                    let visit = &mut self.pool.threads[thread].visit;
                    visit.completed.append(&mut visit.batch);
                }
                Step::Park | Step::Deliver | Step::TimedOut | Step::Closed => {}
            }
            let answer = self.pool.wait(thread);
            self.note(thread, answer);
            true
        }

        /// A waiter's time is over, or a running thread exits.
        fn give_up(&mut self, thread: usize) {
            match self.steps[thread] {
                Step::Poll | Step::Park => {
                    let answer = self.pool.wait_expired(thread);
                    self.note(thread, answer);
                }
                Step::Deliver => {
                    let woken = self.pool.leave(thread);
                    self.releases.push(woken);
                    self.steps[thread] = Step::TimedOut;
                }
                Step::Work | Step::TimedOut | Step::Closed => {}
            }
        }

        fn note(&mut self, thread: usize, (step, woken): (Step, Woken)) {
            self.steps[thread] = step;
            self.releases.push(woken);
            if step == Step::Deliver {
                self.taken.extend(self.pool.delivered(thread));
            }
            let at_work = |step: &&Step| matches!(step, Step::Deliver | Step::Work);
            let concurrency = self.pool.scheduler.concurrency();
            assert!(self.steps.iter().filter(at_work).count() <= concurrency);
            let counts = self.pool.scheduler.counts();
            assert!(self.pool.scheduler.is_closed() || counts.running <= concurrency);
            assert!(self.pool.polling() <= self.polling_max);
        }

        /// Lets everybody go on until nobody can.
        fn rest(&mut self) {
            loop {
                while !self.releases.is_empty() {
                    self.carry_out();
                }
                let threads = 0..self.steps.len();
                let went = threads
                    .filter(|&thread| self.steps[thread] != Step::Closed && self.go_on(thread));
                if went.count() == 0 && self.releases.is_empty() {
                    return;
                }
            }
        }
    }

    /// `polling_max`: so many of the threads are to poll in the end.
    fn live(seed: u64, pool: Pool, polling_max: usize) {
        let mut die = Die(seed);
        let threads = pool.threads.len();
        let mut life = Life::new(pool, polling_max);
        for _ in 0..400 {
            life.step(&mut die);
        }
        life.rest();
        assert_eq!(life.pool.counts(), (0, threads, 0));
        assert_eq!(
            life.pool.polling(),
            polling_max.min(threads),
            "who is to see the next event"
        );
        life.taken.sort_unstable();
        assert_eq!(life.taken, (1..=life.sent).collect::<Vec<_>>());

        let (_, woken) = life.pool.close();
        life.releases.push(woken);
        life.rest();
        assert_eq!(life.steps, vec![Step::Closed; threads]);
        assert_eq!(life.pool.counts(), (0, 0, 0));
    }

    #[test]
    fn no_life_loses_a_packet_or_a_thread() {
        live_all(Promises::ALL, usize::MAX);
    }

    #[test]
    fn no_life_loses_anything_where_the_kernel_takes_fewer() {
        let promises = Promises {
            waiters_max: 2,
            ..Promises::ALL
        };
        live_all(promises, 2);
    }

    #[test]
    fn no_life_loses_anything_where_the_kernel_has_another_order() {
        let promises = Promises {
            wakes_last_first: false,
            ..Promises::ALL
        };
        live_all(promises, 1);
    }

    #[test]
    fn no_life_loses_anything_where_the_system_can_not_tell_who_is_blocked() {
        let promises = Promises {
            tells_blocked: false,
            ..Promises::ALL
        };
        live_all(promises, usize::MAX);
    }

    fn live_all(promises: Promises, polling_max: usize) {
        for seed in 0..500 {
            for (concurrency, threads) in [(1, 1), (1, 2), (1, 4), (2, 2), (2, 5), (3, 4)] {
                let pool = Pool::of(promises, concurrency, threads);
                live(seed, pool, polling_max.min(concurrency));
            }
        }
    }
}

mod parker {
    use super::*;

    #[test]
    fn a_release_that_comes_first_is_not_lost() {
        let parker = Parker::default();
        parker.release();
        parker.park(None);
    }

    #[test]
    fn a_release_ends_one_sleep() {
        let nap = Duration::from_millis(5);
        let parker = Parker::default();
        parker.release();
        parker.release();
        parker.park(None);
        let sleeps = |_| {
            let start = Instant::now();
            parker.park(Some(nap));
            start.elapsed() >= nap
        };
        // A sleep may end early for no reason; one that has been released always does.
        assert!((0..3).any(sleeps));
    }
}
