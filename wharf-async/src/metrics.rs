//! What a runtime tells the program's recorder, by the facade crate `metrics`. The [manual](crate::manual::metrics) lists it.
//!
//! A thread of its own tells it, so that it is seen also while all workers are blocked; and a task costs nothing for it.

use std::{
    io,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use metrics::{Counter, Gauge, Label, Unit};
use wharf::user_code;

use crate::shared::Shared;

/// From one time to the next.
const PERIOD: Duration = Duration::from_millis(250);

const TASKS: &str = "wharf_async_tasks";
const SPAWNED: &str = "wharf_async_spawned_tasks_total";
const PANICKED: &str = "wharf_async_panicked_tasks_total";
const LONG_POLLS: &str = "wharf_async_long_polls_total";
const LONGEST_POLL: &str = "wharf_async_longest_poll_seconds";
const WORKERS: &str = "wharf_async_workers";
const RELEASES: &str = "wharf_async_worker_releases_total";
const QUEUE: &str = "wharf_async_queue_length";
const OLDEST: &str = "wharf_async_queue_oldest_seconds";

#[rustfmt::skip] // A line a metric.
const COUNTERS: [(&str, Unit, &str); 4] = [
    (SPAWNED, Unit::Count, "Tasks that were begun"),
    (PANICKED, Unit::Count, "Tasks that have panicked"),
    (LONG_POLLS, Unit::Count, "Polls that have taken 10 ms or more"),
    (RELEASES, Unit::Count, "How often a worker was found blocked in a task, and its place was given away"),
];

#[rustfmt::skip] // A line a metric.
const GAUGES: [(&str, Unit, &str); 5] = [
    (TASKS, Unit::Count, "Tasks that have not ended"),
    (LONGEST_POLL, Unit::Seconds, "The longest poll that there was"),
    (WORKERS, Unit::Count, "Workers, by state"),
    (QUEUE, Unit::Count, "Tasks and operations that wait for a worker"),
    (OLDEST, Unit::Seconds, "How long the oldest of them has waited; 0 if none waits"),
];

const STATES: [&str; 3] = ["running", "parked", "blocked"];

/// The handles of a runtime's metrics, in the recorder that there is when it starts.
struct Handles {
    counters: [Counter; COUNTERS.len()],
    /// What the counters were told.
    published: [u64; COUNTERS.len()],
    tasks: Gauge,
    longest_poll: Gauge,
    workers: [Gauge; STATES.len()],
    queue: Gauge,
    oldest: Gauge,
}

impl Handles {
    fn new(runtime: &str) -> Handles {
        for (name, unit, text) in COUNTERS {
            metrics::describe_counter!(name, unit, text);
        }
        for (name, unit, text) in GAUGES {
            metrics::describe_gauge!(name, unit, text);
        }
        let labels = match runtime.is_empty() {
            true => Vec::new(),
            false => vec![Label::new("runtime", runtime.to_owned())],
        };
        let gauge = |name: &'static str| metrics::gauge!(name, labels.clone());
        Handles {
            counters: COUNTERS.map(|(name, ..)| metrics::counter!(name, labels.clone())),
            published: Default::default(),
            tasks: gauge(TASKS),
            longest_poll: gauge(LONGEST_POLL),
            workers: STATES.map(|state| {
                let state = Label::from_static_parts("state", state);
                metrics::gauge!(WORKERS, [labels.as_slice(), &[state]].concat())
            }),
            queue: gauge(QUEUE),
            oldest: gauge(OLDEST),
        }
    }

    fn publish(&mut self, shared: &Shared) {
        let counts = shared.port.counts();
        let (spawned, panicked) = shared.registry.totals();
        let totals = [spawned, panicked, shared.polls.long(), counts.releases];
        for ((counter, published), total) in
            self.counters.iter().zip(&mut self.published).zip(totals)
        {
            counter.increment(total.saturating_sub(*published));
            *published = total.max(*published);
        }
        self.tasks.set(shared.registry.count() as f64);
        let longest = shared.polls.longest().map(|(took, _)| took);
        self.longest_poll
            .set(longest.unwrap_or_default().as_secs_f64());
        let states = [counts.running, counts.parked, counts.blocked];
        for (gauge, count) in self.workers.iter().zip(states) {
            gauge.set(count as f64);
        }
        self.queue.set(counts.queued as f64);
        let oldest = shared.port.oldest().unwrap_or_default();
        self.oldest.set(oldest.as_secs_f64());
    }
}

/// The thread that tells, until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// Dropped, it ends the thread.
    goes_on: Sender<()>,
    /// The thread has the other end until it ends. In a lock, since what has this is shared.
    has_ended: Mutex<Receiver<()>>,
}

impl Publisher {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn start(shared: Arc<Shared>, runtime: &str) -> io::Result<Publisher> {
        // On this thread, which may have a recorder of its own.
        let handles = user_code::contain("the recorder of the metrics", || Handles::new(runtime));
        let (goes_on, end) = mpsc::channel();
        let (lives, has_ended) = mpsc::channel::<()>();
        let publish = move || {
            let _lives = lives;
            // Let go of before it is told that the thread has ended.
            let shared = shared;
            let Some(mut handles) = handles else { return };
            let mut tell = || {
                user_code::contain("the recorder of the metrics", || handles.publish(&shared));
            };
            tell();
            while end.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                tell();
            }
            // The last figures.
            tell();
        };
        let thread = thread::Builder::new().name("wharf-metrics".into());
        thread.spawn(publish)?;
        Ok(Publisher {
            goes_on,
            has_ended: Mutex::new(has_ended),
        })
    }

    /// Has the thread tell the last figures and end, and waits for that; not longer than this, since the recorder is the program's and
    /// may block.
    pub(crate) fn stop(self, timeout: Duration) {
        drop(self.goes_on);
        // What panics in it is contained.
        let has_ended = self.has_ended.into_inner();
        let _ = has_ended.map(|it| it.recv_timeout(timeout));
    }
}
