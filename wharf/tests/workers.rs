//! The threads of a pool: their names, and the function that each of them runs within, from its first wait to its last.

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, unused_macros, reason = "the chapters use all of it")]
mod harness;

use std::{
    cell::Cell,
    io::ErrorKind,
    panic::resume_unwind,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, ThreadId},
};

use crate as workers;
use harness::*;
use wharf::{Completion, CompletionPort, Workers};

macro_rules! suite {
    ($driver:expr) => {
        tests! {
            $driver;
            workers {
                each_thread_runs_within_what_is_given_once_and_handlers_run_in_there
                a_thread_that_the_pool_grows_by_runs_within_it_and_leaves_when_it_ends
                a_thread_whose_life_is_not_called_serves_all_the_same
                what_panics_around_a_thread_costs_none
                threads_are_named_by_prefix_and_number
                what_makes_no_pool_is_refused
            }
        }
    };
}

on_every_driver!(suite);

thread_local! {
    static IS_WITHIN: Cell<bool> = const { Cell::new(false) };
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Entered(ThreadId),
    Left(ThreadId),
}

/// What a thread holds from its start to its end. Where it is dropped must be where it was made.
struct Guard {
    tell: Sender<Step>,
}

impl Guard {
    fn enter(tell: &Sender<Step>) -> Guard {
        assert!(!IS_WITHIN.replace(true), "once on each thread");
        let _ = tell.send(Step::Entered(thread::current().id()));
        Guard { tell: tell.clone() }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let is_here = IS_WITHIN.replace(false);
        if is_here {
            let _ = self.tell.send(Step::Left(thread::current().id()));
        }
    }
}

fn panics() -> ! {
    // Not by `panic!`: what is meant to panic prints nothing.
    resume_unwind(Box::new("a test"))
}

#[track_caller]
fn entered(steps: &Receiver<Step>) -> ThreadId {
    match told(steps) {
        Step::Entered(thread) => thread,
        step => panic!("a thread is to enter, not {step:?}"),
    }
}

#[track_caller]
fn left(steps: &Receiver<Step>) -> ThreadId {
    match told(steps) {
        Step::Left(thread) => thread,
        step => panic!("a thread is to leave, not {step:?}"),
    }
}

/// The threads of a list, so that two can be compared.
fn sorted(threads: impl IntoIterator<Item = ThreadId>) -> Vec<String> {
    let mut names: Vec<_> = threads.into_iter().map(|it| format!("{it:?}")).collect();
    names.sort_unstable();
    names
}

/// Serves so many packets, and returns whether the handler of each ran within.
fn serve(port: &CompletionPort<usize>, handled: &Receiver<bool>, packets: usize) -> Vec<bool> {
    (0..packets).for_each(|key| port.post(key, 0).expect("a post"));
    (0..packets).map(|_| told(handled)).collect()
}

fn each_thread_runs_within_what_is_given_once_and_handlers_run_in_there(driver: Driver) {
    let port = port(driver, 3);
    let (tell, steps) = mpsc::channel();
    let (handle, handled) = mpsc::channel();
    let workers = Workers::builder(&port)
        .threads(3)
        .around(move |life| {
            let _guard = Guard::enter(&tell);
            life();
        })
        .start(move |_, _| {
            let _ = handle.send(IS_WITHIN.get());
        })
        .expect("workers");
    let all = sorted((0..3).map(|_| entered(&steps)));
    assert_eq!(serve(&port, &handled, 50), [true; 50]);
    assert!(steps.try_recv().is_err(), "none has left yet, nor come");
    port.close();
    workers.join();
    // No waiting: all have left before the join returns.
    let gone = steps.try_iter().map(|step| match step {
        Step::Left(thread) => thread,
        step => panic!("a thread is to leave, not {step:?}"),
    });
    assert_eq!(sorted(gone), all);
}

fn a_thread_that_the_pool_grows_by_runs_within_it_and_leaves_when_it_ends(driver: Driver) {
    let port = port(driver, 1);
    let (tell, steps) = mpsc::channel();
    let (handle, handled) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let workers = Workers::builder(&port)
        .threads(1..=2)
        .around(move |life| {
            let _guard = Guard::enter(&tell);
            life();
        })
        .start(move |_, _: Completion<usize>| {
            let _ = handle.send(IS_WITHIN.get());
            let _ = may_go.lock().expect("no panic").recv();
        })
        .expect("workers");
    let first = entered(&steps);
    assert_eq!(serve(&port, &handled, 2), [true; 2]);
    let second = entered(&steps);
    assert_ne!(second, first);
    (0..2).for_each(|_| go.send(()).expect("they sleep"));
    assert_eq!(left(&steps), second, "it has been idle");
    drop(go);
    port.close();
    workers.join();
    assert_eq!(steps.try_recv(), Ok(Step::Left(first)));
}

fn a_thread_whose_life_is_not_called_serves_all_the_same(driver: Driver) {
    let port = port(driver, 2);
    let (tell, steps) = mpsc::channel();
    let (handle, handled) = mpsc::channel();
    let workers = Workers::builder(&port)
        .threads(2)
        .around(move |life| {
            let _guard = Guard::enter(&tell);
            drop(life);
        })
        .start(move |_, _| {
            let _ = handle.send(IS_WITHIN.get());
        })
        .expect("workers");
    assert_eq!(serve(&port, &handled, 20), [false; 20]);
    eventually("both wait", || port.snapshot().workers.len() == 2);
    port.close();
    assert!(workers.join_timeout(GUARD).is_empty());
    assert_eq!(steps.try_iter().count(), 4, "each entered, and left");
}

fn what_panics_around_a_thread_costs_none(driver: Driver) {
    let port = port(driver, 2);
    let calls = AtomicUsize::new(0);
    let (tell, ends) = mpsc::channel();
    let (handle, handled) = mpsc::channel();
    let workers = Workers::builder(&port)
        .threads(2)
        .around(move |life| {
            if calls.fetch_add(1, Ordering::SeqCst) == 0 {
                panics();
            }
            life();
            let _ = tell.send(());
            panics();
        })
        .start(move |_, completion| {
            let _ = handle.send(completion.key);
        })
        .expect("workers");
    eventually("both wait", || port.snapshot().workers.len() == 2);
    let mut served: Vec<_> = {
        (0..20).for_each(|key| port.post(key, 0).expect("a post"));
        (0..20).map(|_| told(&handled)).collect()
    };
    served.sort_unstable();
    assert!(served.into_iter().eq(0..20));
    port.close();
    assert!(workers.join_timeout(GUARD).is_empty());
    assert_eq!(ends.try_iter().count(), 1, "of the one that was called");
}

fn threads_are_named_by_prefix_and_number(driver: Driver) {
    let port = port::<usize>(driver, 2);
    let (tell, names) = mpsc::channel();
    let workers = Workers::builder(&port)
        .threads(2)
        .name_prefix("dock-")
        .around(move |life| {
            let _ = tell.send(thread::current().name().map(str::to_owned));
            life();
        })
        .start(|_, _| {})
        .expect("workers");
    let mut names = [told(&names), told(&names)].map(|name| name.expect("a name"));
    names.sort_unstable();
    assert_eq!(names, ["dock-0", "dock-1"]);
    port.close();
    workers.join();
}

fn what_makes_no_pool_is_refused(driver: Driver) {
    let port = port::<usize>(driver, 1);
    let refused = |builder: wharf::WorkersBuilder<'_, usize>, remedy: &str| {
        let error = builder.start(|_, _| {}).expect_err("it makes no pool");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(remedy), "{error}");
    };
    let builder = || Workers::builder(&port);
    refused(builder().threads(0), "at least 1");
    let (most, least) = (2, 3);
    refused(builder().threads(least..=most), "no fewer");
    refused(builder().name_prefix("a\0b"), "leave it out");
}
