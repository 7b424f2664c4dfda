//! Runs a plan: starts the threads, tells them when, watches the server's process, and gathers what came of it.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use indicatif::ProgressBar;
use wharf::CompletionPort;

use super::{
    connection::Key,
    content::Content,
    deadline::after,
    event::{Done, Event},
    loader::Loader,
    outcome::{Outcome, per},
    plan::Plan,
    process::Usage,
    shared::{LoadState, Times, Told},
};
use crate::{
    output::flush_at_once,
    quantity::{show_count, show_many},
    system::{Signal, watch_signals},
    wrap::{Stream, display_width},
};

/// How often the progress line is drawn.
const TICK: Duration = Duration::from_millis(100);

/// What stands before the progress, and a column that stays free behind it.
const SPINNER_COLUMNS: usize = 3;

/// Why there is no outcome.
#[derive(Debug)]
pub(super) enum Ended {
    /// A signal came before anything was measured.
    Early,
    /// No connection could be made.
    Unreachable(String),
    /// It could not be run.
    Failed(String),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Ended::Failed(error.to_string())
    }
}

/// What runs have in common: a signal ends the one that is under way.
#[derive(Debug)]
pub(super) struct Load {
    sender: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
}

impl Load {
    pub(super) fn prepare() -> io::Result<Load> {
        let (sender, events) = mpsc::channel();
        let told = sender.clone();
        let tell = move |signal: Signal| {
            if signal.stops() {
                let _ = told.send(Event::Signal);
            }
        };
        watch_signals(tell, flush_at_once, false)?;
        Ok(Load { sender, events })
    }

    /// Does something that takes a while and can't be ended, until it is done or a signal comes.
    pub(super) fn attend<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (sender, result) = mpsc::channel();
        let done = Done(self.sender.clone());
        thread::Builder::new().spawn(move || {
            // After a signal it is not waited for any more.
            let _ = sender.send(work());
            drop(done);
        })?;
        loop {
            match self.events.recv() {
                Ok(Event::Done) => {
                    let failed = |_| Ended::Failed("a thread has panicked".into());
                    return result.recv().map_err(failed);
                }
                Ok(Event::Signal) => return Err(Ended::Early),
                Ok(Event::Connected) | Err(_) => {}
            }
        }
    }

    /// Runs a plan to its end, or to a signal.
    pub(super) fn run(
        &self,
        plan: &Plan,
        content: &Content,
        address: SocketAddr,
        server_pid: Option<u32>,
        quiet: bool,
    ) -> Result<Outcome, Ended> {
        if let Some(pid) = server_pid {
            // At the start and not half-way.
            Usage::of(pid).map_err(|error| Ended::Failed(format!("process {pid}: {error}")))?;
        }
        let told = || {
            let port = CompletionPort::builder().concurrency(1).build()?;
            let shared = AtomicBool::new(false);
            Ok(Told { port, shared })
        };
        let shared = LoadState {
            plan,
            content,
            address,
            threads: (0..plan.threads)
                .map(|_| told())
                .collect::<io::Result<_>>()?,
            stop: AtomicBool::new(false),
            budget: plan.requests.map(AtomicU64::new),
            living: [AtomicUsize::new(0), AtomicUsize::new(0)],
            connected: AtomicU64::new(0),
            answered: AtomicU64::new(0),
        };
        let progress = if quiet {
            ProgressBar::hidden()
        } else {
            // It hides itself where standard error is no terminal.
            ProgressBar::new_spinner()
        };
        let run = Run {
            load: self,
            shared: &shared,
            progress: &progress,
            done: 0,
            interrupted: false,
        };
        let outcome = run.conduct(server_pid);
        progress.finish_and_clear();
        outcome
    }
}

/// A run that is under way.
struct Run<'a> {
    load: &'a Load,
    shared: &'a LoadState<'a>,
    progress: &'a ProgressBar,
    /// Threads that have ended.
    done: usize,
    interrupted: bool,
}

impl Run<'_> {
    fn conduct(mut self, server_pid: Option<u32>) -> Result<Outcome, Ended> {
        thread::scope(|scope| {
            let (mut starts, mut threads) = (Vec::new(), Vec::new());
            for thread in 0..self.shared.plan.threads {
                let (start, started) = mpsc::channel();
                let loader = Loader::new(self.shared, thread);
                let events = self.load.sender.clone();
                let builder = thread::Builder::new().name(format!("load-{thread}"));
                threads.push(builder.spawn_scoped(scope, move || {
                    let done = Done(events.clone());
                    let outcome = loader.run(&events, &started);
                    drop(done);
                    outcome
                })?);
                starts.push(start);
            }
            let connecting = self.await_connections();
            let times = self.times();
            if !self.interrupted && connecting > 0 {
                for start in &starts {
                    // A thread that has ended needs no start.
                    let _ = start.send(times);
                }
            }
            // Those that still wait for their start end now.
            drop(starts);
            let usage = self.measure(times, server_pid);
            let mut outcome = gather(threads)?;
            outcome.server = usage;
            outcome.interrupted = self.interrupted;
            self.judge(outcome)
        })
    }

    fn times(&self) -> Times {
        // All threads see the start before it comes.
        let start = Instant::now() + Duration::from_millis(1);
        let plan = self.shared.plan;
        let measure = after(start, plan.warmup);
        let end = plan.duration.map(|duration| after(measure, duration));
        Times {
            start,
            measure,
            end,
        }
    }

    /// Waits until every thread has its connections, and says how many there are.
    fn await_connections(&mut self) -> u64 {
        let mut connected = 0;
        while connected < self.shared.plan.threads && !self.interrupted && self.done == 0 {
            if let Some(Event::Connected) = self.next_event(None) {
                connected += 1;
            }
        }
        self.shared.connected.load(Ordering::Relaxed)
    }

    /// Sees the run through, and says what the server used while it was measured.
    fn measure(&mut self, times: Times, server_pid: Option<u32>) -> Option<Usage> {
        let usage = || server_pid.and_then(|pid| Usage::of(pid).ok());
        self.await_end(Some(times.measure));
        let before = usage();
        self.await_end(times.end);
        let after = usage();
        self.await_end(None);
        Some(after?.since(&before?))
    }

    /// Waits until then, or until all threads have ended.
    fn await_end(&mut self, until: Option<Instant>) {
        while self.done < self.shared.plan.threads
            && until.is_none_or(|until| Instant::now() < until)
        {
            self.next_event(until);
        }
    }

    /// Waits for an event, for a tick at most, and draws the progress.
    fn next_event(&mut self, until: Option<Instant>) -> Option<Event> {
        let left = until.map_or(TICK, |until| {
            until.saturating_duration_since(Instant::now())
        });
        let event = self.load.events.recv_timeout(left.min(TICK)).ok();
        match event {
            Some(Event::Done) => self.done += 1,
            Some(Event::Signal) => {
                self.interrupted = true;
                // At once for a thread that is busy, and for one that waits.
                self.shared.stop.store(true, Ordering::Relaxed);
                for told in &self.shared.threads {
                    // A port that is closed has nobody to tell.
                    let _ = told.port.post(Key::Stop, 0);
                }
            }
            Some(Event::Connected) | None => {}
        }
        self.draw();
        event
    }

    fn draw(&self) {
        let answered = self.shared.answered.load(Ordering::Relaxed);
        let elapsed = self.progress.elapsed();
        let lines = if answered == 0 {
            let connected = show_count(self.shared.connected.load(Ordering::Relaxed));
            let all = show_count(self.shared.plan.connections as u64);
            [
                format!("{connected} of {all} connected"),
                format!("{connected} of {all}"),
            ]
        } else {
            let rate = show_many(per(answered as f64, elapsed), "requests/s");
            let (seconds, answered) = (elapsed.as_secs_f64(), show_count(answered));
            [
                format!("{seconds:.1} s: {answered} answered, {rate} on average"),
                rate,
            ]
        };
        // The line is drawn again and again where it is, so it has to be one.
        let columns = Stream::Errors.columns().unwrap_or(usize::MAX);
        let fits = |line: &String| SPINNER_COLUMNS + display_width(line) <= columns;
        self.progress
            .set_message(lines.into_iter().find(fits).unwrap_or_default());
        self.progress.tick();
    }

    fn judge(&self, mut outcome: Outcome) -> Result<Outcome, Ended> {
        if self.interrupted && outcome.measured.is_zero() {
            return Err(Ended::Early);
        }
        if outcome.connected == 0 {
            let groups = outcome.errors.groups();
            let (what, _) = groups.first().unwrap_or(&("no connection was made", 0));
            return Err(Ended::Unreachable((*what).to_owned()));
        }
        if self.shared.plan.duration.is_none() && !self.interrupted {
            outcome.unmade = self.shared.left().unwrap_or(0);
        }
        Ok(outcome)
    }
}

fn gather(threads: Vec<ScopedJoinHandle<'_, io::Result<Outcome>>>) -> Result<Outcome, Ended> {
    let mut gathered = Outcome::new();
    for thread in threads {
        let outcome = thread.join().map_err(|panic| {
            Ended::Failed(format!(
                "a thread panicked: {}",
                wharf::user_code::panic_message(&*panic)
            ))
        })??;
        gathered.merge(outcome);
    }
    Ok(gathered)
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Early => formatter.write_str("ended by a signal before anything was measured"),
            Ended::Unreachable(why) | Ended::Failed(why) => formatter.write_str(why),
        }
    }
}
