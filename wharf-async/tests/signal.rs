//! What the runtime promises of signals, on every driver of the system. Each test has a signal of its own: they are the process's.

#![cfg(unix)]

#[macro_use]
mod harness;

use std::{io, sync::Mutex, time::Duration};

use futures_util::FutureExt;
use harness::{PATIENCE, one_at_once, run, sleep_until};
use signal_hook::{consts, low_level::raise};
use wharf::DriverChoice;
use wharf_async::{
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
    time::{sleep, timeout},
};

macro_rules! suite {
    ($driver:expr) => {
        tests! { $driver,
            a_signal_is_told_also_if_it_comes_before_anyone_asks
            all_that_listen_are_told
            a_recv_that_is_dropped_loses_no_signal
            many_signals_are_told_and_none_is_for_ever
            ctrl_c_and_terminate_are_waited_for_at_once
            what_must_not_be_caught_is_refused
            a_signal_that_outlives_its_runtime_says_so
            a_signal_that_is_dropped_leaves_no_descriptor
        }
    };
}

on_every_driver!(suite);

/// One test at a time.
static ONE: Mutex<()> = Mutex::new(());

/// Runs a future on a runtime to its end, with no other test beside it.
fn run_alone<F>(driver: DriverChoice, future: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let _alone = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runtime = one_at_once(driver);
    run(&runtime, future);
}

fn a_signal_is_told_also_if_it_comes_before_anyone_asks(driver: DriverChoice) {
    run_alone(driver, async {
        let mut hangup = signal(SignalKind::hangup()).expect("a handler");
        for _ in 0..3 {
            raise(consts::SIGHUP).expect("it comes");
            assert_eq!(hangup.recv().await, Some(()));
            let early = timeout(Duration::from_millis(1), hangup.recv()).await;
            assert!(early.is_err(), "it is told once");
        }
    });
}

fn all_that_listen_are_told(driver: DriverChoice) {
    run_alone(driver, async {
        let mut one = signal(SignalKind::user_defined1()).expect("a handler");
        let mut other = signal(SignalKind::from_raw(consts::SIGUSR1)).expect("a handler");
        let mut another = signal(SignalKind::user_defined2()).expect("a handler");
        raise(consts::SIGUSR1).expect("it comes");
        assert_eq!((one.recv().await, other.recv().await), (Some(()), Some(())));
        let early = timeout(Duration::from_millis(1), another.recv()).await;
        assert!(early.is_err(), "it is another signal's");
        // It does not end the process, though nobody listens.
        drop((one, other));
        raise(consts::SIGUSR1).expect("it comes");
    });
}

fn a_recv_that_is_dropped_loses_no_signal(driver: DriverChoice) {
    run_alone(driver, async {
        let mut child = signal(SignalKind::child()).expect("a handler");
        for _ in 0..20 {
            let early = timeout(Duration::ZERO, child.recv()).await;
            assert!(early.is_err(), "no child has ended");
            raise(consts::SIGCHLD).expect("it comes");
            // The receive that is under way completes, with nobody to wait for it.
            sleep(Duration::from_millis(1)).await;
            assert_eq!(child.recv().await, Some(()));
        }
    });
}

fn many_signals_are_told_and_none_is_for_ever(driver: DriverChoice) {
    run_alone(driver, async {
        let mut changes = signal(SignalKind::window_change()).expect("a handler");
        // More than the sockets between have room for.
        for _ in 0..10_000 {
            raise(consts::SIGWINCH).expect("it comes");
        }
        let mut told = 0;
        while let Ok(Some(())) = timeout(Duration::from_millis(20), changes.recv()).await {
            told += 1;
        }
        assert!((1..=10_000).contains(&told), "{told}");
        raise(consts::SIGWINCH).expect("it comes");
        assert_eq!(changes.recv().await, Some(()));
    });
}

fn ctrl_c_and_terminate_are_waited_for_at_once(driver: DriverChoice) {
    run_alone(driver, async {
        for number in [consts::SIGINT, consts::SIGTERM] {
            let mut terminate = signal(SignalKind::terminate()).expect("a handler");
            let mut interrupt = Box::pin(ctrl_c());
            // It listens from its first poll on.
            let early = timeout(Duration::ZERO, interrupt.as_mut()).await;
            assert!(early.is_err(), "nothing has come");
            raise(number).expect("it comes");
            let came = tokio::select! {
                told = interrupt => told.map(|()| consts::SIGINT).expect("no failure"),
                Some(()) = terminate.recv() => consts::SIGTERM,
            };
            assert_eq!(came, number);
        }
    });
}

fn what_must_not_be_caught_is_refused(driver: DriverChoice) {
    run_alone(driver, async {
        for number in [consts::SIGKILL, consts::SIGSEGV] {
            let error = signal(SignalKind::from_raw(number)).expect_err("it is refused");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains("SIG"), "{error}");
        }
        let error = signal(SignalKind::from_raw(1_000)).expect_err("no such");
        assert!(error.to_string().contains("1000"), "{error}");
        // Nothing is left behind.
        let mut hangup = signal(SignalKind::hangup()).expect("a handler");
        raise(consts::SIGHUP).expect("it comes");
        assert_eq!(hangup.recv().await, Some(()));
    });
}

fn a_signal_that_outlives_its_runtime_says_so(driver: DriverChoice) {
    let _alone = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runtime = one_at_once(driver);
    let (hangup, waits) = runtime.block_on(async {
        let mut waits = signal(SignalKind::hangup()).expect("a handler");
        let early = timeout(Duration::from_millis(1), waits.recv()).await;
        assert!(early.is_err(), "nothing has come");
        (signal(SignalKind::hangup()).expect("a handler"), waits)
    });
    runtime.stop(PATIENCE);
    raise(consts::SIGHUP).expect("it comes");
    for mut signal in [hangup, waits] {
        assert_eq!(signal.recv().now_or_never(), Some(None));
    }
}

/// Its handler has one to write to: with it the handler is gone.
fn a_signal_that_is_dropped_leaves_no_descriptor(driver: DriverChoice) {
    const COUNT: usize = 200;
    fn open() -> usize {
        let own = std::fs::read_dir("/proc/self/fd");
        own.expect("the system lists them").count()
    }
    let _alone = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runtime = one_at_once(driver);
    let before = open();
    run(&runtime, async {
        for _ in 0..COUNT {
            let mut alarm = signal(SignalKind::alarm()).expect("a handler");
            raise(consts::SIGALRM).expect("it comes");
            assert_eq!(alarm.recv().await, Some(()));
        }
    });
    // The runtime's own threads and the harness open some meanwhile.
    sleep_until(&runtime, |_| open() < before + COUNT / 2);
}
