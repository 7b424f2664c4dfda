//! One thread of the load: waits at a completion port of its own for what its connections bring and what is due, until all
//! is over.

use std::{
    io,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use wharf::{Completion, CompletionPort, Wait};

use super::{
    connection::Key,
    deadline::after,
    event::Event,
    open_loop::OpenLoop,
    outcome::Outcome,
    pace::Pace,
    shared::{LoadState, Times},
    traffic::Traffic,
};
use crate::system::wait_exactly;

/// One thread of the load.
#[derive(Debug)]
pub(super) struct Loader<'a> {
    shared: &'a LoadState<'a>,
    port: CompletionPort<Key>,
    traffic: Traffic<'a>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(shared: &'a LoadState<'a>, thread: usize) -> Self {
        Loader {
            shared,
            port: shared.threads[thread].port.clone(),
            traffic: Traffic::new(shared, thread),
        }
    }

    /// Connects, says that it has, is told when to start, and loads until the end.
    pub(super) fn run(
        mut self,
        events: &mpsc::Sender<Event>,
        times: &mpsc::Receiver<Times>,
    ) -> io::Result<Outcome> {
        self.connect_all()?;
        // The receiver is gone only if the run has ended.
        let _ = events.send(Event::Connected);
        if let Ok(times) = times.recv()
            && !self.shared.is_stopped()
        {
            self.load(times)?;
        }
        Ok(self.traffic.connections.measurement.outcome)
    }

    fn connect_all(&mut self) -> io::Result<()> {
        let mut next = 0;
        loop {
            let connections = &mut self.traffic.connections;
            next = connections.begin_from(next);
            if connections.dialer.under_way() == 0 || self.shared.is_stopped() {
                break;
            }
            let now = Instant::now();
            let end = connections.dialer.next_end(&connections.places);
            let wait = end.map(|at| at.saturating_duration_since(now));
            match self.port.wait(wait)? {
                Wait::Completed(completion) => self.complete(completion, Instant::now()),
                Wait::Task(task) => task.run(),
                Wait::TimedOut => {}
                Wait::Closed => break,
            }
            self.traffic.connections.give_up_attempts(Instant::now());
        }
        self.traffic.connections.note_untried(next);
        Ok(())
    }

    fn load(&mut self, times: Times) -> io::Result<()> {
        if let Pace::Open { .. } = self.shared.plan.pace {
            wait_exactly()?;
        }
        self.traffic.connections.measurement.begin(times);
        // What left earlier would not count, and each request of a run does.
        thread::sleep(times.start.saturating_duration_since(Instant::now()));
        self.traffic.begin(times.start);
        let mut now = Instant::now();
        self.traffic.patience.answered(now);
        loop {
            self.traffic.depart_due(now, times);
            self.traffic.meet_deadlines(now);
            if self.has_ended(now, times) {
                break;
            }
            let wait = self.next_look(now, times);
            match self.port.wait(wait)? {
                Wait::Completed(completion) => {
                    now = Instant::now();
                    self.complete(completion, now);
                }
                Wait::Task(task) => task.run(),
                Wait::TimedOut => now = Instant::now(),
                Wait::Closed => break,
            }
        }
        self.conclude(now);
        Ok(())
    }

    /// Takes in what completed.
    fn complete(&mut self, completion: Completion<Key>, now: Instant) {
        match completion.key {
            Key::Connection(place, generation) => {
                let (done, result) = (completion.what, completion.result);
                self.traffic
                    .complete((place, generation), done, result, now);
            }
            Key::Shared => self.traffic.connections.share.hear(now),
            // Whether it was told is looked at after each completion.
            Key::Stop => {}
        }
    }

    /// Whether there is nothing left to do.
    fn has_ended(&mut self, now: Instant, times: Times) -> bool {
        let Traffic {
            connections,
            sender,
            patience,
            ..
        } = &mut self.traffic;
        connections.measurement.read_processor(now);
        let is_over = connections.measurement.is_over(now);
        let over = match &connections.share.open_loop {
            Some(open_loop) if is_over => open_loop.has_ended(),
            // What is due and can't leave counts to the end.
            Some(_) => times.end.is_none() && connections.is_deserted(),
            None => is_over || connections.is_deserted(),
        };
        let done = (over || self.shared.is_used_up()) && sender.under_way() == 0;
        let overdue = patience.is_overdue() || self.overdue_at(times).is_some_and(|at| now >= at);
        self.shared.is_stopped() || overdue || done
    }

    /// When it ends whatever has not come: some time after the end; or, in a run that only its requests end, when no
    /// connection has come back for as long as an attempt and the patience for an answer take.
    fn overdue_at(&self, times: Times) -> Option<Instant> {
        let plan = self.shared.plan;
        match times.end {
            Some(end) => Some(after(end, plan.drain_timeout)),
            None => {
                let patience = plan.drain_timeout.saturating_add(plan.connect_timeout);
                let down_since = self.traffic.connections.share.living.down_since();
                down_since.map(|since| after(since, patience))
            }
        }
    }

    /// How long to wait at most.
    fn next_look(&mut self, now: Instant, times: Times) -> Option<Duration> {
        let overdue_at = self.overdue_at(times);
        let connections = &mut self.traffic.connections;
        let open_loop = connections.share.open_loop.as_ref();
        if open_loop.is_some_and(OpenLoop::is_behind) {
            return Some(Duration::ZERO);
        }
        let [given_up, again] = connections.dialer.next_looks(&connections.places);
        let looks = [
            open_loop.and_then(OpenLoop::next_turn),
            given_up,
            again,
            self.traffic.patience.next_look(),
            Some(times.measure),
            times.end,
            overdue_at,
        ];
        looks
            .into_iter()
            .flatten()
            .filter(|at| *at > now)
            .min()
            .map(|at| at - now)
    }

    fn conclude(&mut self, now: Instant) {
        let connections = &mut self.traffic.connections;
        let down = connections.down();
        let measurement = &mut connections.measurement;
        let end = measurement.conclude(now);
        measurement.outcome.down = down as u64;
        // An interrupted run leaves answers behind that nobody has refused.
        if !self.shared.is_stopped() {
            measurement.outcome.missing += self.traffic.sender.under_way() as u64;
        }
        let Some(open_loop) = &mut connections.share.open_loop else {
            return;
        };
        open_loop.take_all(end, |due, count| {
            // Where the requests are used up, none of these was to be made.
            if let Some(count) = self.shared.claim(count) {
                measurement.record_unsent(due, count, end);
            }
        });
    }
}
