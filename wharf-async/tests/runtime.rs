//! What the runtime promises of tasks, on every driver of the system.

#[macro_use]
mod harness;

use std::{
    cell::Cell,
    future::{Future, pending, poll_fn},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use harness::{PATIENCE, Turns, builder, one_at_once, run, soon};
use wharf::DriverChoice;
use wharf_async::{
    JoinSet, Runtime, spawn, spawn_blocking, spawn_local,
    time::{self, MissedTicks, interval, sleep, timeout},
    yield_now,
};

macro_rules! suite {
    ($driver:expr) => {
        tests! { $driver,
            a_task_gives_its_result_and_a_panic_comes_back
            a_handle_that_is_dropped_detaches_its_task
            an_aborted_task_is_dropped_by_a_worker_and_is_cancelled
            a_task_that_was_aborted_in_its_poll_ends_after_it
            a_panic_in_the_drop_of_a_future_harms_nobody
            an_output_that_nobody_takes_may_panic_when_it_is_dropped
            a_task_wakes_another_and_then_blocks_and_the_other_runs_at_once
            tasks_that_block_do_not_halt_the_others
            a_task_that_yields_lets_those_go_first_that_are_ready
            a_task_that_is_always_ready_lets_others_go_first
            block_on_works_within_every_worker_at_once
            block_on_works_as_a_thread_ends
            a_runtime_works_within_a_task_of_another
            a_future_that_is_woken_by_a_foreign_thread_goes_on
            local_tasks_run_on_the_thread_of_block_on_and_end_with_it
            a_set_gives_results_in_the_order_in_which_tasks_end
            a_set_that_is_dropped_aborts_its_tasks
            a_set_whose_tasks_have_ended_lets_others_go_first
            a_set_lets_its_tasks_go_on_without_it
            a_stop_drops_what_waits_and_names_what_blocks_or_computes
            a_stop_within_its_time_leaves_nothing
            a_runtime_that_is_dropped_drops_all_futures
            a_task_on_a_runtime_that_has_stopped_is_cancelled
            a_pool_at_its_limit_goes_on_when_a_task_returns
            a_snapshot_tells_of_tasks_and_of_the_poll_that_lasts
            timers_end_in_time_and_can_be_reset
            a_sleep_that_is_put_off_goes_from_one_runtime_to_another
            a_time_out_ends_a_wait_and_gives_what_was_in_time
            an_interval_ticks_and_deals_with_ticks_that_were_missed
            what_a_worker_runs_within_is_there_in_every_poll
        }
    };
}

on_every_driver!(suite);

fn a_task_gives_its_result_and_a_panic_comes_back(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        assert_eq!(spawn(async { 7 }).await.expect("it ends"), 7);
        let panics = spawn(async { panic!("on purpose") });
        let error = panics.await.expect_err("it panics");
        assert!(error.is_panic() && !error.is_cancelled());
        assert_eq!(error.to_string(), "the task panicked: on purpose");
        let panic = error.try_into_panic().expect("it panicked");
        assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
        // The worker is there still.
        assert_eq!(spawn(async { 8 }).await.expect("it ends"), 8);
    });
}

fn a_handle_that_is_dropped_detaches_its_task(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let (sender, receiver) = mpsc::channel();
    drop(runtime.spawn(async move {
        yield_now().await;
        sender.send(()).expect("the test waits");
    }));
    soon(&receiver);
}

/// Says when and where it is dropped.
struct Tells(mpsc::Sender<thread::ThreadId>);

impl Drop for Tells {
    fn drop(&mut self) {
        let _ = self.0.send(thread::current().id());
    }
}

fn an_aborted_task_is_dropped_by_a_worker_and_is_cancelled(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let (sender, receiver) = mpsc::channel();
    let tells = Tells(sender);
    let waits = runtime.spawn(async move {
        let _tells = tells;
        pending::<()>().await;
    });
    waits.abort();
    assert_ne!(soon(&receiver), thread::current().id());
    let error = run(&runtime, waits).expect_err("it was aborted");
    assert!(error.is_cancelled());
    // It has ended, so nothing changes.
    let ended = runtime.spawn(async { 7 });
    let abort = ended.abort_handle();
    assert_eq!(run(&runtime, ended).expect("it ends"), 7);
    abort.abort();
    assert_eq!(runtime.snapshot().tasks, 0);
}

fn a_task_that_was_aborted_in_its_poll_ends_after_it(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let (begun, has_begun) = mpsc::channel();
    let (goes_on, go_on) = mpsc::channel::<()>();
    let reached = Arc::new(AtomicBool::new(false));
    let notes = reached.clone();
    let task = runtime.spawn(async move {
        begun.send(()).expect("the test waits");
        soon(&go_on);
        yield_now().await;
        notes.store(true, Ordering::SeqCst);
    });
    soon(&has_begun);
    task.abort();
    goes_on.send(()).expect("the task waits");
    assert!(run(&runtime, task).expect_err("aborted").is_cancelled());
    assert!(!reached.load(Ordering::SeqCst), "its await was its end");
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in a drop, on purpose");
    }
}

fn a_panic_in_the_drop_of_a_future_harms_nobody(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let aborted = runtime.spawn(async {
        let _bomb = Bomb;
        pending::<()>().await;
    });
    // It has begun: its future has the bomb.
    run(&runtime, yield_now());
    aborted.abort();
    assert!(run(&runtime, aborted).expect_err("aborted").is_cancelled());
    // A future whose drop panics after its result was there.
    struct Ready(#[allow(dead_code, reason = "it is dropped")] Bomb);
    impl Future for Ready {
        type Output = u8;
        fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<u8> {
            Poll::Ready(7)
        }
    }
    let ready = runtime.spawn(Ready(Bomb));
    assert_eq!(run(&runtime, ready).expect("it has a result"), 7);
    assert_eq!(runtime.snapshot().tasks, 0);
}

/// Of a task that was detached before its end, of one whose handle is dropped after it, and what a panic carries; for local tasks as well.
fn an_output_that_nobody_takes_may_panic_when_it_is_dropped(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    runtime.spawn(async { Bomb }).detach();
    runtime
        .spawn(async { std::panic::panic_any(Bomb) })
        .detach();
    let ended = runtime.spawn(async { Bomb });
    harness::sleep_until(&runtime, |it| it.tasks == 0);
    while !ended.is_finished() {
        thread::yield_now();
    }
    drop(ended);
    runtime.block_on(async {
        spawn_local(async { Bomb }).detach();
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(run(&runtime, async { 7 }), 7);
    let report = runtime.stop(PATIENCE);
    assert!(report.workers_left.is_empty());
}

fn a_task_wakes_another_and_then_blocks_and_the_other_runs_at_once(driver: DriverChoice) {
    // Best of some: the machine may be busy, but a task that is stranded is late each time.
    const TRIES: usize = 100;
    let late = (0..TRIES).map(|_| {
        let runtime = builder(driver).concurrency(1).threads(2..=8);
        let runtime = runtime.build().expect("a runtime");
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let woken = Arc::new(AtomicBool::new(false));
        let (ran, has_run) = mpsc::channel();
        let (waits, is_woken) = (waker.clone(), woken.clone());
        let _other = runtime.spawn(async move {
            poll_fn(|context| {
                if is_woken.load(Ordering::SeqCst) {
                    return Poll::Ready(());
                }
                *waits.lock().expect("no panic") = Some(context.waker().clone());
                Poll::Pending
            })
            .await;
            ran.send(Instant::now()).expect("the test waits");
        });
        let (blocks, blocked) = mpsc::channel();
        let _blocks = runtime.spawn(async move {
            let waker = loop {
                let waker = waker.lock().expect("no panic").take();
                match waker {
                    Some(waker) => break waker,
                    None => yield_now().await,
                }
            };
            woken.store(true, Ordering::SeqCst);
            let at = Instant::now();
            waker.wake();
            blocks.send(at).expect("the test waits");
            thread::sleep(Duration::from_secs(1));
        });
        let (woken_at, ran_at) = (soon(&blocked), soon(&has_run));
        ran_at.duration_since(woken_at)
    });
    let best = late.take_while(|late| *late > Duration::from_millis(5));
    assert!(best.count() < TRIES, "it never ran within 5 ms");
}

fn tasks_that_block_do_not_halt_the_others(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let (sender, receiver) = mpsc::channel::<()>();
    let receiver = Arc::new(Mutex::new(receiver));
    let blocked: Vec<_> = (0..7)
        .map(|_| {
            let receiver = receiver.clone();
            runtime.spawn(async move { receiver.lock().map(|receiver| receiver.recv()).is_ok() })
        })
        .collect();
    // The eighth goes on.
    run(&runtime, async { sleep(Duration::from_millis(1)).await });
    drop(sender);
    for task in blocked {
        assert!(run(&runtime, task).expect("it ends"));
    }
    let value = runtime.spawn(async { spawn_blocking(|| 7).await.expect("it ends") });
    assert_eq!(run(&runtime, value).expect("it ends"), 7);
}

fn a_task_that_yields_lets_those_go_first_that_are_ready(driver: DriverChoice) {
    let runtime = builder(driver).concurrency(1).threads(1..=2);
    let runtime = runtime.build().expect("a runtime");
    let order = Arc::new(Mutex::new(Vec::new()));
    let notes = order.clone();
    run(&runtime, async move {
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                let notes = notes.clone();
                spawn(async move {
                    for turn in 0..3 {
                        notes.lock().expect("no panic").push((turn, number));
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("it ends");
        }
    });
    let order = order.lock().expect("no panic");
    assert!(order.is_sorted_by_key(|(turn, _)| *turn), "{order:?}");
}

fn a_task_that_is_always_ready_lets_others_go_first(driver: DriverChoice) {
    let runtime = builder(driver).concurrency(1).threads(1..=2);
    let runtime = runtime.build().expect("a runtime");
    let ended = Arc::new(AtomicBool::new(false));
    let ends = ended.clone();
    run(&runtime, async move {
        let ready = Arc::new(AtomicUsize::new(0));
        let (counts, is_over) = (ready.clone(), ended.clone());
        let greedy = spawn(async move {
            // A sleep that is over is a future of the runtime's that is always ready.
            while !is_over.load(Ordering::SeqCst) {
                sleep(Duration::ZERO).await;
                counts.fetch_add(1, Ordering::SeqCst);
            }
        });
        while ready.load(Ordering::SeqCst) < 1_000 {
            yield_now().await;
        }
        ends.store(true, Ordering::SeqCst);
        greedy.await.expect("it ends");
    });
}

fn block_on_works_within_every_worker_at_once(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let handle = runtime.handle().clone();
    let barrier = Arc::new(std::sync::Barrier::new(6));
    let tasks: Vec<_> = (0..6)
        .map(|number| {
            let (handle, barrier) = (handle.clone(), barrier.clone());
            runtime.spawn(async move {
                // All six are in a poll at once.
                barrier.wait();
                handle.block_on(async move {
                    sleep(Duration::from_millis(1)).await;
                    let inner = spawn(async move { wharf_async::Handle::current() });
                    let handle = inner.await.expect("it ends").expect("a runtime");
                    handle.block_on(async move { number })
                })
            })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        assert_eq!(run(&runtime, task).expect("it ends"), number);
    }
}

/// In the destructor of a thread-local that is older than the runtime's, which are gone by then; and of one that is older than some of
/// them. A panic there ends the process.
fn block_on_works_as_a_thread_ends(driver: DriverChoice) {
    struct Flushes(wharf_async::Handle, mpsc::Sender<u32>);
    impl Drop for Flushes {
        fn drop(&mut self) {
            assert!(wharf_async::Handle::current().is_none());
            let task = self.0.spawn(async { 40 });
            let sum = self.0.block_on(async {
                yield_now().await;
                task.await.expect("it does not panic") + 2
            });
            let _ = self.1.send(sum);
        }
    }
    thread_local! {
        static FLUSHES: Cell<Option<Flushes>> = const { Cell::new(None) };
    }
    let runtime = one_at_once(driver);
    let (sender, receiver) = mpsc::channel();
    let flushes = Flushes(runtime.handle().clone(), sender);
    let ends = thread::spawn(move || {
        let handle = flushes.0.clone();
        FLUSHES.set(Some(flushes));
        handle.block_on(async { spawn_local(yield_now()).await.expect("no panic") });
    });
    ends.join().expect("no panic");
    assert_eq!(soon(&receiver), 42);

    // What local tasks are listed in is older than it, and what their polls are noted in is not.
    struct RunsLocal(wharf_async::Handle, mpsc::Sender<u32>);
    impl Drop for RunsLocal {
        fn drop(&mut self) {
            let local = async { spawn_local(async { 42 }).await.expect("no panic") };
            let _ = self.1.send(self.0.block_on(local));
        }
    }
    thread_local! {
        static RUNS_LOCAL: Cell<Option<RunsLocal>> = const { Cell::new(None) };
    }
    let (sender, receiver) = mpsc::channel();
    let runs = RunsLocal(runtime.handle().clone(), sender);
    let ends = thread::spawn(move || {
        let handle = runs.0.clone();
        handle.block_on(async {
            RUNS_LOCAL.set(Some(runs));
            spawn_local(yield_now()).await.expect("no panic");
        });
    });
    ends.join().expect("no panic");
    assert_eq!(soon(&receiver), 42);
}

fn a_runtime_works_within_a_task_of_another(driver: DriverChoice) {
    let outer = one_at_once(driver);
    let sum = outer.spawn(async move {
        let inner = one_at_once(driver);
        let sum = inner.block_on(async {
            let three = spawn(async {
                sleep(Duration::from_millis(1)).await;
                3
            });
            three.await.expect("it ends") + 4
        });
        assert!(inner.stop(PATIENCE).tasks_left.is_empty());
        // The outer one is this thread's again.
        spawn(async move { sum }).await.expect("it ends")
    });
    assert_eq!(run(&outer, sum).expect("it ends"), 7);
}

fn a_future_that_is_woken_by_a_foreign_thread_goes_on(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let mut is_woken = None;
    let woken = poll_fn(move |context| match &is_woken {
        None => {
            let flag = Arc::new(AtomicBool::new(false));
            is_woken = Some(flag.clone());
            let waker = context.waker().clone();
            thread::spawn(move || {
                flag.store(true, Ordering::SeqCst);
                waker.wake();
            });
            Poll::Pending
        }
        Some(flag) if flag.load(Ordering::SeqCst) => Poll::Ready(7),
        Some(_) => Poll::Pending,
    });
    assert_eq!(run(&runtime, woken), 7);
}

fn local_tasks_run_on_the_thread_of_block_on_and_end_with_it(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let here = thread::current().id();
    let (sender, receiver) = mpsc::channel();
    let sum = runtime.block_on(async {
        let shared = Rc::new(Cell::new(0));
        let adds: Vec<_> = (1..=3)
            .map(|number| {
                let shared = shared.clone();
                spawn_local(async move {
                    sleep(Duration::from_millis(1)).await;
                    assert_eq!(thread::current().id(), here);
                    shared.set(shared.get() + number);
                })
            })
            .collect();
        for add in adds {
            add.await.expect("it ends");
        }
        let tells = Tells(sender);
        spawn_local(async move {
            let _tells = tells;
            // It holds a waker of a task on another thread, which comes too late.
            sleep(Duration::from_secs(600)).await;
        })
        .detach();
        yield_now().await;
        shared.get()
    });
    assert_eq!(sum, 6);
    assert_eq!(receiver.try_recv().expect("it ended with it"), here);
}

fn a_set_gives_results_in_the_order_in_which_tasks_end(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let mut set = JoinSet::new();
        let (sender, receiver) = mpsc::channel();
        set.spawn(async move { receiver.recv().map_or(0, |()| 1) });
        set.spawn(async { 2 });
        assert_eq!(set.join_next().await.expect("two").expect("it ends"), 2);
        // Too early: nothing is lost.
        let early = timeout(Duration::from_millis(1), set.join_next()).await;
        assert!(early.is_err());
        sender.send(()).expect("the task waits");
        assert_eq!(set.join_next().await.expect("one").expect("it ends"), 1);
        assert!(set.join_next().await.is_none());
        for _ in 0..1_000 {
            set.spawn(async { 1 });
        }
        let mut sum = 0;
        while let Some(one) = set.join_next().await {
            sum += one.expect("it ends");
        }
        assert_eq!(sum, 1_000);
        set.spawn(pending());
        assert!(set.try_join_next().is_none(), "it waits");
        set.shutdown().await;
        assert!(set.is_empty() && set.try_join_next().is_none());
        // More than a poll's budget.
        for _ in 0..1_000 {
            set.spawn(async { 1 });
        }
        while !set.is_empty() {
            match set.try_join_next() {
                Some(one) => sum += one.expect("it ends"),
                None => yield_now().await,
            }
        }
        assert_eq!(sum, 2_000);
        for number in 0..3 {
            set.spawn(async move { number });
        }
        let mut all = set.join_all().await;
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
        let panics = spawn(async {
            let mut set = JoinSet::new();
            set.spawn(pending::<()>());
            set.spawn(async { panic!("on purpose") });
            set.join_all().await
        });
        assert!(panics.await.expect_err("one panics").is_panic());
    });
}

fn a_set_that_is_dropped_aborts_its_tasks(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let (sender, receiver) = mpsc::channel();
    run(&runtime, async move {
        let mut set = JoinSet::new();
        let tells = Tells(sender);
        set.spawn(async move {
            let _tells = tells;
            pending::<()>().await;
        });
    });
    soon(&receiver);
}

/// A poll takes so many results, and no more.
fn a_set_whose_tasks_have_ended_lets_others_go_first(driver: DriverChoice) {
    const TASKS: usize = 1_000;
    let runtime = builder(driver).concurrency(1).threads(1..=1);
    let runtime = runtime.build().expect("a runtime");
    let turns = run(&runtime, async {
        let ended = Arc::new(AtomicUsize::new(0));
        let mut set = JoinSet::new();
        for _ in 0..TASKS {
            let ended = ended.clone();
            set.spawn(async move { ended.fetch_add(1, Ordering::Relaxed) });
        }
        while ended.load(Ordering::Relaxed) < TASKS {
            yield_now().await;
        }
        yield_now().await;
        let turns = Turns::begin();
        while set.join_next().await.is_some() {}
        turns.until_now()
    });
    assert!(turns > 1, "the other had {turns} turns");
}

/// And is empty, and has no result of theirs.
fn a_set_lets_its_tasks_go_on_without_it(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let (sender, receiver) = mpsc::channel();
    let go = Arc::new(AtomicBool::new(false));
    let goes = go.clone();
    run(&runtime, async move {
        let mut set = JoinSet::new();
        set.spawn(async move {
            while !goes.load(Ordering::SeqCst) {
                yield_now().await;
            }
            sender.send(()).expect("the test waits");
        });
        set.detach_all();
        assert!(set.is_empty() && set.join_next().await.is_none());
    });
    go.store(true, Ordering::SeqCst);
    soon(&receiver);
}

fn a_stop_drops_what_waits_and_names_what_blocks_or_computes(driver: DriverChoice) {
    let runtime = builder(driver).concurrency(2).threads(2..=8);
    let runtime = runtime.build().expect("a runtime");
    let (dropped, is_dropped) = mpsc::channel();
    let (begun, has_begun) = mpsc::channel();
    let (goes_on, go_on) = mpsc::channel::<()>();
    let over = Arc::new(AtomicBool::new(false));
    for _ in 0..10 {
        let tells = Tells(dropped.clone());
        drop(runtime.spawn(async move {
            let _tells = tells;
            sleep(Duration::from_secs(600)).await;
        }));
    }
    let (begins, tells) = (begun.clone(), Tells(dropped.clone()));
    let blocks_line = line!() + 1;
    drop(runtime.spawn(async move {
        let _tells = tells;
        begins.send(()).expect("the test waits");
        let _ = go_on.recv();
    }));
    let (is_over, tells) = (over.clone(), Tells(dropped.clone()));
    let computes_line = line!() + 1;
    drop(runtime.spawn(async move {
        let _tells = tells;
        begun.send(()).expect("the test waits");
        while !is_over.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
    }));
    soon(&has_begun);
    soon(&has_begun);
    let report = runtime.stop(Duration::from_millis(300));
    (0..10).for_each(|_| _ = soon(&is_dropped));
    let mut lines: Vec<_> = report.tasks_left.iter().map(|left| left.line()).collect();
    lines.sort_unstable();
    assert_eq!(lines, [blocks_line, computes_line]);
    assert_eq!(report.workers_left.len(), 2, "{:?}", report.workers_left);
    // They are left alone, and end with their polls.
    drop(goes_on);
    over.store(true, Ordering::SeqCst);
    (0..2).for_each(|_| _ = soon(&is_dropped));
}

fn a_stop_within_its_time_leaves_nothing(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let value = Arc::new(());
    for _ in 0..100 {
        let value = value.clone();
        drop(runtime.spawn(async move {
            let _value = value;
            // One that is ready again and again, and one that waits.
            yield_now().await;
            pending::<()>().await;
        }));
    }
    let blocks = runtime.spawn(async { thread::sleep(Duration::from_millis(20)) });
    let report = runtime.stop(PATIENCE);
    assert!(report.tasks_left.is_empty(), "{:?}", report.tasks_left);
    assert!(report.workers_left.is_empty(), "{:?}", report.workers_left);
    assert_eq!(Arc::strong_count(&value), 1);
    assert!(blocks.is_finished());
}

fn a_runtime_that_is_dropped_drops_all_futures(driver: DriverChoice) {
    let (sender, receiver) = mpsc::channel();
    let runtime = one_at_once(driver);
    for _ in 0..10 {
        let tells = Tells(sender.clone());
        drop(runtime.spawn(async move {
            let _tells = tells;
            pending::<()>().await;
        }));
    }
    drop(runtime);
    (0..10).for_each(|_| _ = soon(&receiver));
}

fn a_task_on_a_runtime_that_has_stopped_is_cancelled(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let handle = runtime.handle().clone();
    runtime.stop(PATIENCE);
    let task = handle.spawn(async { 7 });
    assert!(task.is_finished());
    let error = handle.block_on(task).expect_err("it never began");
    assert!(error.is_cancelled());
}

fn a_pool_at_its_limit_goes_on_when_a_task_returns(driver: DriverChoice) {
    let runtime = builder(driver).concurrency(1).threads(1..=2);
    let runtime = runtime.build().expect("a runtime");
    let (goes_on, go_on) = mpsc::channel();
    let (begun, has_begun) = mpsc::channel();
    let go_on = Arc::new(Mutex::new(go_on));
    let blocked: Vec<_> = (0..2)
        .map(|_| {
            let (go_on, begun) = (go_on.clone(), begun.clone());
            runtime.spawn(async move {
                begun.send(()).expect("the test waits");
                let go_on = go_on.lock().expect("no panic");
                go_on.recv_timeout(PATIENCE).expect("the test sends");
            })
        })
        .collect();
    soon(&has_begun);
    soon(&has_begun);
    // All workers that there may be are blocked, and this waits.
    let waits = runtime.spawn(async { 7 });
    thread::sleep(Duration::from_millis(20));
    assert!(!waits.is_finished());
    goes_on.send(()).expect("a task waits");
    assert_eq!(run(&runtime, waits).expect("it ends"), 7);
    goes_on.send(()).expect("a task waits");
    for task in blocked {
        run(&runtime, task).expect("it ends");
    }
}

fn a_snapshot_tells_of_tasks_and_of_the_poll_that_lasts(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let (begun, has_begun) = mpsc::channel();
    let (goes_on, go_on) = mpsc::channel::<()>();
    let line = line!() + 1;
    let blocks = runtime.spawn(async move {
        begun.send(()).expect("the test waits");
        soon(&go_on);
    });
    soon(&has_begun);
    let waits = runtime.spawn(pending::<()>());
    thread::sleep(Duration::from_millis(20));
    let snapshot = runtime.snapshot();
    assert_eq!(snapshot.tasks, 2);
    let [poll] = &snapshot.polls[..] else {
        panic!("{:?}", snapshot.polls);
    };
    assert_eq!(poll.spawned_at.line(), line);
    // Less a tick of the coarse clock.
    assert!(poll.since >= Duration::from_millis(8), "{:?}", poll.since);
    let table = snapshot.to_string();
    assert!(table.contains(&format!("runtime.rs:{line}:")), "{table}");
    assert!(table.contains("2 tasks"), "{table}");
    goes_on.send(()).expect("the task waits");
    run(&runtime, blocks).expect("it ends");
    waits.abort();
    assert!(run(&runtime, waits).is_err());
    // A poll is noted a moment after its task has ended.
    harness::sleep_until(&runtime, |snapshot| {
        snapshot.longest_poll.is_some_and(|(longest, spawned_at)| {
            longest >= Duration::from_millis(8) && spawned_at.line() == line
        })
    });
}

fn timers_end_in_time_and_can_be_reset(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let start = Instant::now();
        sleep(Duration::from_millis(20)).await;
        assert!(start.elapsed() >= Duration::from_millis(20));
        let mut long = sleep(Duration::from_secs(600));
        assert!(timeout(Duration::from_millis(1), &mut long).await.is_err());
        assert!(!long.is_elapsed());
        long.reset(Instant::now() + Duration::from_millis(1));
        (&mut long).await;
        // Again, after it has ended.
        long.reset(Instant::now() + Duration::from_millis(1));
        long.await;
        // Put off while its timer runs, which fires first.
        let mut put_off = sleep(Duration::from_millis(5));
        assert!(
            timeout(Duration::from_millis(1), &mut put_off)
                .await
                .is_err()
        );
        let then = Instant::now() + Duration::from_millis(20);
        put_off.reset(then);
        put_off.await;
        assert!(Instant::now() >= then);
        let for_ever = timeout(Duration::MAX, async { 7 });
        assert_eq!(for_ever.await, Ok(7));
        let mut sleeps: Vec<_> = (0..1_000)
            .map(|_| Box::pin(sleep(Duration::from_millis(5))))
            .collect();
        for sleep in &mut sleeps {
            sleep.await;
        }
    });
    // Those that were dropped leave nothing.
    run(&runtime, async {
        let early = timeout(Duration::from_millis(1), sleep(Duration::from_secs(600)));
        assert!(early.await.is_err());
    });
    let operations = runtime.snapshot().port.operations;
    assert!(operations <= 2, "{operations} are under way");
}

fn a_sleep_that_is_put_off_goes_from_one_runtime_to_another(driver: DriverChoice) {
    let first = one_at_once(driver);
    let [mut sleeps] = run(&first, async {
        let mut sleeps = [sleep(Duration::from_secs(600))];
        let early = timeout(Duration::from_millis(1), &mut sleeps[0]);
        assert!(early.await.is_err());
        sleeps
    });
    drop(first);
    run(&one_at_once(driver), async move {
        sleeps.reset(Instant::now() + Duration::from_secs(700));
        let early = timeout(Duration::from_millis(1), &mut sleeps);
        assert!(early.await.is_err());
    });
}

fn a_time_out_ends_a_wait_and_gives_what_was_in_time(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let waits = timeout(Duration::from_millis(1), pending::<()>());
        let error = std::io::Error::from(waits.await.expect_err("it is over"));
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(timeout(PATIENCE, async { 7 }).await, Ok(7));
        // A future that uses up the budget has its time-out all the same.
        let greedy = async {
            loop {
                sleep(Duration::ZERO).await;
            }
        };
        assert!(timeout(Duration::from_millis(5), greedy).await.is_err());
    });
}

fn an_interval_ticks_and_deals_with_ticks_that_were_missed(driver: DriverChoice) {
    let period = Duration::from_millis(10);
    let runtime = one_at_once(driver);
    run(&runtime, async move {
        let mut ticks = interval(period);
        let first = ticks.tick().await;
        assert_eq!(ticks.tick().await, first + period);
        thread::sleep(3 * period);
        let late = ticks.tick().await;
        assert_eq!(late, first + 2 * period, "each comes, one after the other");
        assert_eq!(ticks.tick().await, first + 3 * period);
        ticks.set_missed_ticks(MissedTicks::Skip);
        thread::sleep(5 * period);
        let due = ticks.tick().await;
        let next = ticks.tick().await;
        let periods = next.duration_since(due).as_nanos() / period.as_nanos();
        assert!(periods >= 2, "some were left out");
        assert_eq!(next.duration_since(due), period * periods as u32);
        ticks.set_missed_ticks(MissedTicks::Delay);
        thread::sleep(3 * period);
        ticks.tick().await;
        let now = Instant::now();
        assert!(
            ticks.tick().await >= now + period / 2,
            "a period after the late one"
        );
    });
}

fn what_a_worker_runs_within_is_there_in_every_poll(driver: DriverChoice) {
    thread_local! {
        static GREETING: Cell<&'static str> = const { Cell::new("") };
    }
    let runtime = builder(driver)
        .threads(2..=4)
        .name_prefix("greeter-")
        .around(|life| {
            GREETING.set("ahoy");
            life();
        })
        .build()
        .expect("a runtime");
    run(&runtime, async {
        assert_eq!(GREETING.get(), "ahoy");
        let name = thread::current().name().map(str::to_owned);
        assert!(name.is_some_and(|name| name.starts_with("greeter-")));
    });
}

#[test]
fn what_is_wrong_is_refused_at_the_start() {
    for threads in [0..=4, 0..=0] {
        let error = Runtime::builder().threads(threads).build();
        let error = error.expect_err("no threads");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
    let error = Runtime::builder().name_prefix("a\0b").build();
    assert!(error.is_err());
}

#[test]
fn the_coarse_time_goes_on_and_is_never_ahead_also_between_threads() {
    let later = |before: Instant| {
        let coarse = time::coarse_now();
        assert!(before <= coarse && coarse <= time::now());
        coarse
    };
    let (there, comes) = mpsc::channel();
    let (back, returns) = mpsc::channel();
    let other = thread::spawn(move || comes.iter().try_for_each(|it| back.send(later(it))));
    let begun = time::coarse_now();
    let mut last = begun;
    while last < begun + Duration::from_millis(50) {
        there.send(later(last)).expect("it is there");
        last = returns.recv_timeout(PATIENCE).expect("it is later there");
    }
    drop(there);
    let ended = other.join().expect("it was never earlier");
    ended.expect("this thread took all of them");
}

#[test]
#[should_panic(expected = "no runtime")]
fn a_spawn_outside_of_a_runtime_says_what_is_wrong() {
    drop(spawn(async {}));
}
