//! Tasks, which run on the thread that takes them out of the port, and places that are reserved for their posts.

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, unused_macros, reason = "the chapters use all of it")]
mod harness;

use std::{
    io::ErrorKind,
    ptr::NonNull,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use crate as tasks;
use harness::*;
use wharf::{
    Wait, Workers,
    raw::{Answer, Port, PostPlace, Task, TaskFunctions, WaitMany},
};

macro_rules! suite {
    ($driver:expr) => {
        tests! {
            $driver;
            tasks {
                a_task_runs_once_in_order_with_other_posts
                a_task_that_is_not_run_is_discarded
                a_task_is_refused_where_too_much_is_under_way_and_comes_back
                a_task_comes_out_of_a_wait_for_many_in_its_turn
                a_place_takes_posts_where_nothing_else_is_taken
                a_task_that_posts_another_quietly_is_followed_by_it
                a_place_is_an_operation_until_it_is_dropped
                a_place_on_a_closed_port_gives_the_task_back_and_counts_nothing
                a_close_waits_for_no_place_and_hands_back_what_is_posted_on_one
                a_port_that_goes_discards_its_tasks_and_their_places
                whatever_a_close_meets_each_task_runs_or_is_discarded_once
                workers_run_tasks_and_outlive_their_panics
                a_wait_of_the_safe_port_brings_a_task_and_one_for_many_runs_it
                a_close_of_the_safe_port_discards_tasks
            }
        }
    };
}

on_every_driver!(suite);

/// What became of tasks.
#[derive(Debug, Default)]
struct Fate {
    runs: AtomicUsize,
    discards: AtomicUsize,
}

impl Fate {
    fn so_far(&self) -> (usize, usize) {
        let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        (count(&self.runs), count(&self.discards))
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// What a task stands for.
struct Work {
    fate: Arc<Fate>,
    job: Job,
}

static FUNCTIONS: TaskFunctions = TaskFunctions { run, discard };

/// # Safety
/// The pointer is that of a leaked box of [`Work`], and nobody else's.
unsafe fn run(pointer: NonNull<()>) {
    // SAFETY: passed on to the caller.
    let work = unsafe { Box::from_raw(pointer.cast::<Work>().as_ptr()) };
    work.fate.runs.fetch_add(1, Ordering::SeqCst);
    (work.job)();
}

/// # Safety
/// As for [`run`].
unsafe fn discard(pointer: NonNull<()>) {
    // SAFETY: passed on to the caller.
    let work = unsafe { Box::from_raw(pointer.cast::<Work>().as_ptr()) };
    work.fate.discards.fetch_add(1, Ordering::SeqCst);
}

fn task_of(fate: &Arc<Fate>, job: impl FnOnce() + Send + 'static) -> Task {
    let work = Box::new(Work {
        fate: fate.clone(),
        job: Box::new(job),
    });
    // SAFETY: either function may have the box, on any thread: what is in it is `Send`.
    unsafe { Task::new(&FUNCTIONS, NonNull::from(Box::leak(work)).cast()) }
}

fn task(fate: &Arc<Fate>) -> Task {
    task_of(fate, || {})
}

fn raw_port(driver: Driver, operations_max: usize) -> Arc<Port> {
    let mut options = driver.options();
    options.concurrency = 2;
    options.operations_max = operations_max;
    Port::new(&options).expect("the driver is available here")
}

fn post(port: &Port, task: Task) {
    port.post_task(task).expect("a post");
}

/// The next packet, which is due: its task is run. Says whether it had one.
#[track_caller]
fn run_next(port: &Arc<Port>) -> bool {
    match port.wait(Some(GUARD)).expect("a wait") {
        Answer::Packet(packet) => packet.task.map(Task::run).is_some(),
        other => panic!("a packet is due, the answer is {other:?}"),
    }
}

fn operations(port: &Port) -> usize {
    port.snapshot().operations
}

fn a_task_runs_once_in_order_with_other_posts(driver: Driver) {
    let (port, fate) = (raw_port(driver, 64), Arc::default());
    let place = port.reserve_post().expect("a place");
    port.post(1, 0, 0).expect("a post");
    post(&port, task(&fate));
    port.post(2, 0, 0).expect("a post");
    place.post(task(&fate)).expect("it is open");
    port.post(3, 0, 0).expect("a post");
    let order: Vec<_> = (0..5).map(|_| run_next(&port)).collect();
    assert_eq!(order, [false, true, false, true, false]);
    assert_eq!(fate.so_far(), (2, 0));
    drop(place);
    assert_eq!(operations(&port), 0);
}

fn a_task_that_is_not_run_is_discarded(driver: Driver) {
    let (port, fate) = (raw_port(driver, 64), Arc::default());
    post(&port, task(&fate));
    drop(port.wait(Some(GUARD)).expect("a wait"));
    assert_eq!(fate.so_far(), (0, 1));
}

fn a_task_is_refused_where_too_much_is_under_way_and_comes_back(driver: Driver) {
    let (port, fate) = (raw_port(driver, 1), Arc::default());
    post(&port, task(&fate));
    let (error, given) = port.post_task(task(&fate)).expect_err("one too many");
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    given.run();
    assert!(run_next(&port));
    assert_eq!(fate.so_far(), (2, 0));
}

fn a_task_comes_out_of_a_wait_for_many_in_its_turn(driver: Driver) {
    let (port, fate) = (raw_port(driver, 64), Arc::default());
    for key in 1..=3 {
        port.post(key, 0, 0).expect("a post");
        post(&port, task(&fate));
    }
    let mut packets = Vec::new();
    while packets.len() < 6 {
        let many = port.wait_many(&mut packets, 6, Some(GUARD));
        assert!(matches!(many, Ok(WaitMany::Packets(_))), "{many:?}");
    }
    let order = packets
        .into_iter()
        .map(|packet| (packet.key, packet.task.map(Task::run).is_some()));
    let expected = [(1, false), (0, true), (2, false), (0, true)];
    assert_eq!(order.take(4).collect::<Vec<_>>(), expected);
    assert_eq!(fate.so_far(), (2, 1), "the last was dropped");
}

fn a_place_takes_posts_where_nothing_else_is_taken(driver: Driver) {
    let (port, fate) = (raw_port(driver, 3), Arc::default());
    let places: Vec<_> = (0..2)
        .map(|_| port.reserve_post().expect("a place"))
        .collect();
    port.post(1, 0, 0).expect("the third");
    let refused = port.reserve_post().expect_err("one too many");
    assert_eq!(refused.kind(), ErrorKind::QuotaExceeded);
    for round in 0..100 {
        assert!(port.post(2, 0, 0).is_err(), "round {round}");
        for place in &places {
            place.post(task(&fate)).expect("it is open");
        }
        if round == 0 {
            assert!(!run_next(&port), "the post was before");
            // On Windows a task on a place counts until it is taken, beside the place.
            let are_taken = cfg!(windows) && run_next(&port) && run_next(&port);
            port.post(1, 0, 0).expect("in its place");
            assert!(are_taken || run_next(&port) && run_next(&port));
            continue;
        }
        assert!(!run_next(&port), "the post of the round before");
        assert!(run_next(&port) && run_next(&port));
        port.post(1, 0, 0).expect("there is room for one");
    }
    assert_eq!(fate.so_far(), (200, 0));
}

/// A ball that a task posts quietly on the other's place, and so on.
fn throw(fate: &Arc<Fate>, places: Arc<[PostPlace; 2]>, left: usize, done: mpsc::Sender<()>) {
    let (next, next_places) = (fate.clone(), places.clone());
    let task = task_of(fate, move || match left {
        0 => done.send(()).expect("it is awaited"),
        _ => throw(&next, next_places, left - 1, done),
    });
    places[left % 2].post_quietly(task).expect("it is open");
}

fn a_task_that_posts_another_quietly_is_followed_by_it(driver: Driver) {
    let (port, fate) = (port::<u32>(driver, 2), Arc::default());
    let place = || port.reserve_post().expect("a place");
    let places = Arc::new([place(), place()]);
    let workers = Workers::start(&port, 2, |_, _| {}).expect("a start");
    let (done, is_done) = mpsc::channel();
    // The first is posted from outside of a handler.
    throw(&fate, places.clone(), 1_000, done);
    assert_eq!(is_done.recv_timeout(GUARD), Ok(()));
    drop(port.close());
    drop(workers);
    assert_eq!(fate.so_far(), (1_001, 0));
    places[0]
        .post_quietly(task(&fate))
        .expect_err("it is closed")
        .run();
    assert_eq!(fate.so_far(), (1_002, 0));
}

fn a_place_is_an_operation_until_it_is_dropped(driver: Driver) {
    let (port, fate) = (raw_port(driver, 2), Arc::default());
    let (first, second) = (port.reserve_post(), port.reserve_post());
    assert_eq!(operations(&port), 2);
    let first = first.expect("a place");
    for _ in 0..10 {
        first.post(task(&fate)).expect("it is open");
        assert!(run_next(&port));
        assert_eq!(operations(&port), 2);
    }
    drop(second);
    assert_eq!(operations(&port), 1);
    drop(first);
    assert_eq!(operations(&port), 0);
    for _ in 0..2 {
        port.post(1, 0, 0).expect("there is room again");
    }
}

fn a_place_on_a_closed_port_gives_the_task_back_and_counts_nothing(driver: Driver) {
    let (port, fate) = (raw_port(driver, 64), Arc::default());
    let place = port.reserve_post().expect("a place");
    assert!(port.close().is_empty());
    place.post(task(&fate)).expect_err("it is closed").run();
    assert_eq!(fate.so_far(), (1, 0));
    let refused = port.reserve_post().expect_err("it is closed");
    assert_eq!(refused.kind(), ErrorKind::NotConnected);
    drop(place);
    assert_eq!(operations(&port), 0);
}

fn a_close_waits_for_no_place_and_hands_back_what_is_posted_on_one(driver: Driver) {
    let (port, fate) = (raw_port(driver, 64), Arc::default());
    let places: Vec<_> = (0..3)
        .map(|_| port.reserve_post().expect("a place"))
        .collect();
    let given = task(&fate);
    let pointer = given.pointer();
    places[1].post(given).expect("it is open");
    post(&port, task(&fate));
    let packets = port.close();
    assert_eq!(packets.len(), 2);
    let first = packets[0].task.as_ref().expect("a task");
    assert_eq!(first.pointer(), pointer);
    assert_eq!((operations(&port), fate.so_far()), (0, (0, 0)));
    drop((packets, places));
    assert_eq!((operations(&port), fate.so_far()), (0, (0, 2)));
}

fn a_port_that_goes_discards_its_tasks_and_their_places(driver: Driver) {
    let (port, fate) = (raw_port(driver, 64), Arc::default());
    let place = Arc::new(port.reserve_post().expect("a place"));
    let kept = place.clone();
    let queued = task_of(&fate, move || drop(kept));
    place.post(queued).expect("it is open");
    drop(port);
    assert_eq!(fate.so_far(), (0, 1));
    assert_eq!(Arc::strong_count(&place), 1);
    place.post(task(&fate)).expect_err("it is gone").run();
}

/// Posts on a place again and again, until the port is closed. The next post waits for the run of the one before. Says how
/// many tasks there were.
fn hammer(place: &PostPlace, port: &Port, fate: &Arc<Fate>) -> usize {
    let mut made = 0;
    loop {
        let (sender, receiver) = mpsc::channel();
        let reserved = task_of(fate, move || sender.send(()).expect("it is awaited"));
        made += 2;
        let posted = place.post(reserved).is_ok();
        let plain = port.post_task(task(fate)).is_ok();
        // Discarded, it sends nothing and its sender goes.
        if !posted || receiver.recv().is_err() || !plain {
            return made;
        }
    }
}

fn whatever_a_close_meets_each_task_runs_or_is_discarded_once(driver: Driver) {
    for round in 0..40 {
        let (port, fate) = (raw_port(driver, 1 << 20), Arc::<Fate>::default());
        let begin = Arc::new(Barrier::new(3));
        let posters: Vec<_> = (0..2)
            .map(|_| {
                let (port, fate, begin) = (port.clone(), fate.clone(), begin.clone());
                thread::spawn(move || {
                    let place = port.reserve_post().expect("a place");
                    begin.wait();
                    hammer(&place, &port, &fate)
                })
            })
            .collect();
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let port = port.clone();
                thread::spawn(move || {
                    while let Answer::Packet(packet) = port.wait(None).expect("a wait") {
                        packet.task.expect("nothing else is posted").run();
                    }
                })
            })
            .collect();
        begin.wait();
        while fate.so_far().0 < round * 20 {
            thread::yield_now();
        }
        drop(port.close());
        workers
            .into_iter()
            .for_each(|worker| worker.join().expect("it ends"));
        let made: usize = posters
            .into_iter()
            .map(|poster| poster.join().expect("it ends"))
            .sum();
        let (runs, discards) = fate.so_far();
        assert_eq!(runs + discards, made, "round {round}");
        assert_eq!((operations(&port), Arc::strong_count(&fate)), (0, 1));
    }
}

fn workers_run_tasks_and_outlive_their_panics(driver: Driver) {
    let (port, fate) = (port::<u32>(driver, 1), Arc::default());
    let (sender, receiver) = mpsc::channel();
    let handled = sender.clone();
    let workers = Workers::start(&port, 1, move |_, completion| {
        handled.send(completion.key).expect("it is awaited");
    });
    let workers = workers.expect("a start");
    let panics = task_of(&fate, || panic!("a task that is told to"));
    port.post_task(panics).expect("a post");
    let tells = task_of(&fate, move || sender.send(1).expect("it is awaited"));
    port.post_task(tells).expect("a post");
    port.post(2, 0).expect("a post");
    assert_eq!(receiver.recv_timeout(GUARD), Ok(1));
    assert_eq!(receiver.recv_timeout(GUARD), Ok(2));
    drop(port.close());
    drop(workers);
    assert_eq!(fate.so_far(), (2, 0));
}

fn a_wait_of_the_safe_port_brings_a_task_and_one_for_many_runs_it(driver: Driver) {
    let (port, fate) = (port::<u32>(driver, 1), Arc::default());
    let place = port.reserve_post().expect("a place");
    place.post(task(&fate)).expect("it is open");
    let Ok(Wait::Task(one)) = port.wait(GUARD) else {
        panic!("a task is due");
    };
    assert_eq!(fate.so_far(), (0, 0), "it is the caller's to run");
    one.run();
    port.post_task(task(&fate)).expect("a post");
    port.post(7, 0).expect("a post");
    let (mut into, mut count) = (Vec::new(), 0);
    while count < 2 {
        match port.wait_many(&mut into, 8, GUARD) {
            Ok(WaitMany::Packets(some)) => count += some,
            other => panic!("packets are due: {other:?}"),
        }
    }
    assert_eq!((into.len(), into[0].key), (1, 7));
    assert_eq!(fate.so_far(), (2, 0));
}

fn a_close_of_the_safe_port_discards_tasks(driver: Driver) {
    let (port, fate) = (port::<u32>(driver, 1), Arc::default());
    let place = port.reserve_post().expect("a place");
    place.post(task(&fate)).expect("it is open");
    port.post_task(task(&fate)).expect("a post");
    port.post(7, 0).expect("a post");
    assert_eq!(port.close().len(), 1);
    assert_eq!(fate.so_far(), (0, 2));
    let refused = port.post_task(task(&fate)).expect_err("it is closed");
    refused.given.run();
    assert_eq!(fate.so_far(), (1, 2));
}
