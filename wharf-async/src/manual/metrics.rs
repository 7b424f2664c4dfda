//! Metrics, and tokio-console: what a runtime reports while it runs.
//!
//! # Metrics
//!
//! With the feature `metrics`, a runtime that is asked to (`Builder::metrics`) reports its metrics to the facade crate
//! [`metrics`](https://docs.rs/metrics): the program chooses the recorder (Prometheus, StatsD, ...), and installs it before. The name that
//! `Builder::metrics` is given is the label `runtime` of each metric; with an empty name there is no label.
//!
#![cfg_attr(feature = "metrics", doc = "```no_run")]
#![cfg_attr(not(feature = "metrics"), doc = "```ignore")]
//! # fn main() -> std::io::Result<()> {
//! // The program's recorder: `PrometheusBuilder::new().install()?`, say.
//! let runtime = wharf_async::Runtime::builder().metrics("shop").build()?;
//! # drop(runtime);
//! # Ok(())
//! # }
//! ```
//!
//! | metric | kind | unit | labels | what it tells |
//! |---|---|---|---|---|
//! | `wharf_async_tasks` | gauge | count | | tasks that have not ended |
//! | `wharf_async_spawned_tasks_total` | counter | count | | tasks that were begun |
//! | `wharf_async_panicked_tasks_total` | counter | count | | tasks that have panicked |
//! | `wharf_async_long_polls_total` | counter | count | | polls that have taken 10 ms or more |
//! | `wharf_async_longest_poll_seconds` | gauge | seconds | | the longest poll that there was |
//! | `wharf_async_workers` | gauge | count | `state`: `running`, `parked`, `blocked` | workers |
//! | `wharf_async_worker_releases_total` | counter | count | | how often a worker was found blocked in a task, and its place was given away |
//! | `wharf_async_queue_length` | gauge | count | | tasks and operations that wait for a worker |
//! | `wharf_async_queue_oldest_seconds` | gauge | seconds | | how long the oldest of them has waited; 0 if none waits |
//!
//! A thread of the runtime's (`wharf-metrics`) reports them four times a second, also while all workers are blocked, and once more when the
//! runtime has stopped. They add no cost to a task.
//!
//! **Is it overloaded?** If `wharf_async_queue_oldest_seconds` grows while as many workers are `blocked` as there
//! [may be](crate::Builder::threads), tasks wait for something else: allow more. If it grows and none is blocked, the processors are busy:
//! [`Runtime::snapshot`](crate::Runtime::snapshot) shows the tasks that keep them.
//!
//! # tokio-console
//!
//! Each task has the span that [tokio-console](https://docs.rs/console-subscriber) looks for (`runtime.spawn`, with the target
//! `tokio::task` and the level `TRACE`), with the place of its spawn; it is entered for each poll, and each wake is an event. So the console lists
//! the tasks, how long their polls take and how long they wait for a worker. It does not list what they wait for: timers, sockets and locks have
//! no spans.
//!
//! The program adds `console-subscriber` as it would with tokio. That crate asks for tokio's unstable spans, which are not used here: build it with
//! `RUSTFLAGS="--cfg console_without_tokio_unstable"`, or with `--cfg tokio_unstable`. Its server has a thread of its own, with a runtime of tokio's.
//! Where no subscriber wants the spans, a task has none, and costs no more than before.
