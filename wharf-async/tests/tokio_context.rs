//! What is promised of a runtime with tokio's context: what asks for tokio's runtime works in our tasks, what is spawned there may
//! use ours, and nothing of it is left after a stop.

#![allow(missing_docs)]

#[macro_use]
#[allow(unused_macros, reason = "these promises have no driver in them")]
mod harness;

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wharf_async::{Handle, Runtime, time};

use harness::{PATIENCE, run, soon};

const MS: Duration = Duration::from_millis(1);

/// One worker runs at once, and more while tasks block.
fn runtime(prefix: &str) -> Runtime {
    let builder = Runtime::builder().concurrency(1).threads(1..=8);
    builder.name_prefix(prefix).build().expect("a runtime")
}

fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

#[test]
fn timers_tasks_and_sockets_of_tokios_work_in_a_task() {
    let runtime = runtime("works-");
    run(&runtime, async {
        tokio::time::sleep(MS).await;
        let in_time = tokio::time::timeout(PATIENCE, async { 5 }).await;
        assert_eq!(in_time, Ok(5));
        assert_ne!(thread_name(), "works-tokio", "it goes on on a worker");
        let spawned = tokio::spawn(async { thread_name() }).await;
        assert_eq!(spawned.expect("no panic"), "works-tokio");
        let called = tokio::task::spawn_blocking(|| 6).await;
        assert_eq!(called.expect("no panic"), 6);

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("an address");
        let address = listener.local_addr().expect("an address");
        let (near, far) = tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        let (mut near, mut far) = (near.expect("connected"), far.expect("accepted").0);
        // As a library's connection is: a task of tokio's, asked over a channel.
        let echoes = tokio::spawn(async move {
            let (mut read, mut write) = far.split();
            tokio::io::copy(&mut read, &mut write).await
        });
        near.write_all(b"ahoy").await.expect("it is there");
        let mut bytes = [0; 4];
        near.read_exact(&mut bytes).await.expect("it is there");
        assert_eq!(&bytes, b"ahoy");
        drop(near);
        assert_eq!(echoes.await.expect("no panic").expect("no failure"), 4);
    });
}

#[test]
fn what_waits_for_tokio_goes_on_while_a_task_blocks() {
    let runtime = runtime("beside-");
    let (release, released) = mpsc::channel();
    let blocks = runtime.spawn(async move { soon(&released) });
    run(&runtime, async {
        tokio::time::sleep(MS).await;
        tokio::spawn(async {}).await.expect("no panic");
    });
    assert!(!blocks.is_finished());
    release.send(7).expect("it waits");
    assert_eq!(run(&runtime, blocks).expect("no panic"), 7);
}

#[test]
fn the_thread_of_block_on_is_in_tokios_context() {
    let runtime = runtime("block-on-");
    runtime.block_on(async {
        tokio::time::sleep(MS).await;
        let spawned = tokio::spawn(async { thread_name() }).await;
        assert_eq!(spawned.expect("no panic"), "block-on-tokio");
    });
    let context = tokio::runtime::Handle::try_current();
    context.expect_err("it is left");
}

/// The innermost counts: a task that is spawned by tokio within `block_on` is the side runtime's.
#[test]
fn it_works_within_a_runtime_of_the_programs_own() {
    let tokio = tokio::runtime::Builder::new_current_thread().build();
    tokio.expect("a runtime of tokio's").block_on(async {
        let runtime = runtime("inner-");
        runtime.block_on(async {
            let spawned = tokio::spawn(async { thread_name() }).await;
            assert_eq!(spawned.expect("no panic"), "inner-tokio");
        });
        // A time that no clock reaches is a long one.
        assert_eq!(runtime.stop(Duration::MAX).side_threads_left, 0);
        drop(tokio::spawn(async {}));
    });
}

#[test]
fn what_is_spawned_by_tokio_may_spawn_and_sleep_here() {
    let runtime = runtime("ours-");
    run(&runtime, async {
        let spawned = tokio::spawn(async {
            time::sleep(MS).await;
            // More than one poll may have.
            for _ in 0..1_000 {
                time::sleep(Duration::ZERO).await;
            }
            wharf_async::spawn(async { thread_name() }).await
        });
        let name = spawned.await.expect("no panic").expect("no panic");
        assert!(name.starts_with("ours-") && name != "ours-tokio", "{name}");
        let called = tokio::task::spawn_blocking(|| {
            let handle = Handle::current().expect("it is there, too");
            handle.block_on(wharf_async::spawn(async { 8 }))
        });
        assert_eq!(called.await.expect("no panic").expect("no panic"), 8);
    });
}

#[test]
fn without_the_context_all_is_as_it_was() {
    let builder = Runtime::builder().threads(1..=4).tokio_context(false);
    let runtime = builder.build().expect("a runtime");
    let sleeps = runtime.spawn(async { tokio::time::sleep(MS).await });
    let panics = runtime.block_on(sleeps).expect_err("there is none");
    assert!(panics.is_panic());
}

/// How many threads there are whose names begin so.
#[cfg(target_os = "linux")]
fn threads_named(prefix: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc");
    let names = tasks.filter_map(|task| {
        let name = task.expect("/proc").path().join("comm");
        // It may have ended since.
        std::fs::read_to_string(name).ok()
    });
    names.filter(|name| name.starts_with(prefix)).count()
}

#[cfg(target_os = "linux")]
#[test]
fn after_a_stop_nothing_is_left() {
    let runtime = runtime("left-");
    let task = runtime.spawn(async {
        // For ever, on either side.
        tokio::spawn(tokio::time::sleep(Duration::MAX));
        tokio::spawn(time::sleep(Duration::MAX));
        tokio::task::spawn_blocking(|| ()).await.expect("no panic");
    });
    runtime.block_on(task).expect("no panic");
    assert!(threads_named("left-") >= 2);
    let handle = runtime.handle().clone();
    let report = runtime.stop(PATIENCE);
    assert_eq!(report.side_threads_left, 0, "{report:?}");
    assert_eq!(threads_named("left-"), 0);
    drop(handle);
}

/// No clock reaches the time that it may take.
#[test]
fn a_stop_that_may_take_for_ever_waits_for_what_blocks_there_and_ends() {
    let runtime = runtime("for-ever-");
    let (release, released) = mpsc::channel();
    let (begin, begun) = mpsc::channel();
    let task = runtime.spawn(async move {
        tokio::spawn(std::future::pending::<()>());
        drop(tokio::task::spawn_blocking(move || {
            begin.send(()).expect("a receiver");
            soon::<()>(&released);
        }));
    });
    run(&runtime, task).expect("no panic");
    soon(&begun);
    let (sender, stopped) = mpsc::channel();
    thread::spawn(move || sender.send(runtime.stop(Duration::MAX)));
    let early = stopped.recv_timeout(Duration::from_millis(100));
    assert!(early.is_err(), "it does not wait: {early:?}");
    release.send(()).expect("it waits");
    let report = soon(&stopped);
    assert_eq!(report.tasks_left.len() + report.workers_left.len(), 0);
    assert_eq!(report.side_threads_left, 0, "{report:?}");
}

/// Its task is the last that keeps a stream of ours: the runtime is gone when the stream is.
#[test]
fn a_stop_ends_what_was_spawned_there_after_the_workers() {
    struct Tells(mpsc::Sender<bool>);
    impl Drop for Tells {
        fn drop(&mut self) {
            let is_ours = Handle::current().is_some();
            self.0.send(is_ours).expect("a receiver");
        }
    }
    let runtime = runtime("after-");
    let (sender, dropped) = mpsc::channel();
    let tells = Tells(sender);
    let (begin, begun) = mpsc::channel();
    let task = runtime.spawn(async move {
        let waits = tokio::spawn(async move {
            let _tells = tells;
            begin.send(()).expect("a receiver");
            std::future::pending::<()>().await;
        });
        waits.await
    });
    soon(&begun);
    let report = runtime.stop(PATIENCE);
    assert_eq!((report.tasks_left.len(), report.side_threads_left), (0, 0));
    assert!(soon(&dropped), "in our context, too");
    drop(task);
}

#[test]
fn a_stop_counts_the_threads_that_block_there() {
    let runtime = runtime("held-");
    let (release, released) = mpsc::channel();
    let (begin, begun) = mpsc::channel();
    let task = runtime.spawn(async move {
        tokio::spawn(async move {
            begin.send(()).expect("a receiver");
            soon::<()>(&released);
        });
    });
    runtime.block_on(task).expect("no panic");
    soon(&begun);
    let stops = Instant::now();
    let report = runtime.stop(MS);
    assert!(stops.elapsed() < PATIENCE, "it does not wait for it");
    assert_eq!(report.side_threads_left, 1, "{report:?}");
    release.send(()).expect("it waits");
}

/// A stop that the side runtime's own task asks for waits for itself, in vain, and does not panic.
#[test]
fn a_task_of_tokios_may_drop_the_runtime() {
    let dropped = runtime("dropped-");
    let (sender, receiver) = mpsc::channel();
    let handle = dropped.handle().clone();
    let task = handle.spawn(async move {
        tokio::spawn(async move {
            drop(dropped);
            sender.send(()).expect("a receiver");
        });
    });
    drop(task);
    soon(&receiver);
}

/// Only Linux says how long a thread has slept.
#[cfg(target_os = "linux")]
mod told {
    use std::{
        fmt,
        sync::{Condvar, Mutex, Once, PoisonError},
    };

    use tracing::{
        Event, Metadata, Subscriber,
        field::{Field, Visit},
        span,
    };

    use super::*;

    #[test]
    fn what_blocks_there_is_told_once() {
        Warnings::begin();
        let runtime = runtime("told-");
        run(&runtime, async {
            for _ in 0..2 {
                let blocks = tokio::spawn(async { thread::sleep(Duration::from_millis(120)) });
                blocks.await.expect("no panic");
            }
        });
        let warnings = Warnings::of("told-tokio", 1);
        assert!(warnings[0].contains("wharf_async::spawn"), "{warnings:?}");
        // What ends the thread is behind a second warning, if there was one.
        runtime.stop(PATIENCE);
        assert_eq!(Warnings::of("told-tokio", 1).len(), 1);
    }

    #[test]
    fn what_computes_or_waits_there_is_not_told() {
        Warnings::begin();
        let runtime = runtime("quiet-");
        run(&runtime, async {
            let computes = tokio::spawn(async {
                let start = Instant::now();
                while start.elapsed() < Duration::from_millis(120) {}
            });
            computes.await.expect("no panic");
            let waits = tokio::spawn(tokio::time::sleep(Duration::from_millis(120)));
            waits.await.expect("no panic");
        });
        runtime.stop(PATIENCE);
        assert_eq!(Warnings::of("quiet-tokio", 0), [""; 0]);
    }

    /// What was warned of, and on which thread.
    struct Warnings;

    static WARNINGS: (Mutex<Vec<(String, String)>>, Condvar) =
        (Mutex::new(Vec::new()), Condvar::new());

    impl Warnings {
        fn begin() {
            static SET: Once = Once::new();
            SET.call_once(|| tracing::subscriber::set_global_default(Warnings).expect("the first"));
        }

        /// Those of a thread; so many at least, which must come soon.
        fn of(thread: &str, at_least: usize) -> Vec<String> {
            let (warnings, came) = &WARNINGS;
            let of = |all: &Vec<(String, String)>| -> Vec<String> {
                let of_it = all.iter().filter(|(of, _)| of == thread);
                of_it.map(|(_, warning)| warning.clone()).collect()
            };
            let guard = warnings.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = came.wait_timeout_while(guard, PATIENCE, |all| of(all).len() < at_least);
            let found = of(&waited.expect("no panic").0);
            assert!(found.len() >= at_least, "{found:?}");
            found
        }
    }

    impl Subscriber for Warnings {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() == tracing::Level::WARN
                && metadata.target().starts_with("wharf_async")
        }

        fn event(&self, event: &Event<'_>) {
            struct Text(String);
            impl Visit for Text {
                fn record_debug(&mut self, _field: &Field, value: &dyn fmt::Debug) {
                    self.0 += &format!("{value:?} ");
                }
            }
            let mut text = Text(String::new());
            event.record(&mut text);
            let (warnings, came) = &WARNINGS;
            let mut all = warnings.lock().unwrap_or_else(PoisonError::into_inner);
            all.push((thread_name(), text.0));
            came.notify_all();
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }
}
