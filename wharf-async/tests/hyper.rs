//! What hyper is given: its timer.

#[macro_use]
mod harness;

use std::{
    future::poll_fn,
    pin::Pin,
    task::Poll,
    time::{Duration, Instant},
};

use harness::{one_at_once, run};
use hyper::rt::{Sleep, Timer as _};
use wharf::DriverChoice;
use wharf_async::{Handle, hyper::Timer};

macro_rules! suite {
    ($driver:expr) => {
        tests! { $driver,
            a_timer_of_hypers_keeps_one_sleep_for_the_next
            a_timer_of_hypers_ends_when_it_was_set_to
            a_timer_of_hypers_goes_from_one_runtime_to_another
        }
    };
}

on_every_driver!(suite);

const LONG: Duration = Duration::from_secs(600);

/// Polls a sleep once, so that it has a timer.
async fn begin(sleep: &mut Pin<Box<dyn Sleep>>) {
    poll_fn(|context| {
        assert!(sleep.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
}

fn operations() -> usize {
    let runtime = Handle::current().expect("a task of a runtime");
    runtime.snapshot().port.operations
}

fn a_timer_of_hypers_keeps_one_sleep_for_the_next(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let before = operations();
        let timer = Timer::new();
        for _ in 0..3 {
            let mut sleep = timer.sleep(LONG);
            begin(&mut sleep).await;
            assert_eq!(operations(), before + 1);
            drop(sleep);
            assert_eq!(operations(), before + 1, "it is kept for the next");
        }
        let mut two = [timer.sleep(LONG), timer.sleep(LONG)];
        for sleep in &mut two {
            begin(sleep).await;
        }
        assert_eq!(operations(), before + 2);
        drop(two);
        assert_eq!(operations(), before + 1, "one is kept");
        drop(timer);
        assert_eq!(operations(), before);
    });
}

fn a_timer_of_hypers_ends_when_it_was_set_to(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let timer = Timer::new();
        let moments = [
            LONG,
            Duration::from_millis(20),
            Duration::from_millis(30),
            LONG,
        ];
        for moment in moments {
            let until = Instant::now() + moment;
            let mut sleep = timer.sleep_until(until);
            begin(&mut sleep).await;
            if moment < LONG {
                sleep.await;
                assert!(Instant::now() >= until);
            }
        }
        let mut sleep = timer.sleep(LONG);
        begin(&mut sleep).await;
        let until = Instant::now() + Duration::from_millis(20);
        timer.reset(&mut sleep, until);
        sleep.await;
        assert!(Instant::now() >= until);
    });
}

fn a_timer_of_hypers_goes_from_one_runtime_to_another(driver: DriverChoice) {
    let timer = Timer::new();
    for _ in 0..2 {
        // The sleep that is kept is of a runtime that has stopped.
        let runtime = one_at_once(driver);
        let timer = timer.clone();
        run(&runtime, async move {
            let mut sleep = timer.sleep(LONG);
            begin(&mut sleep).await;
            drop(sleep);
            timer.sleep(Duration::from_millis(1)).await;
        });
    }
}
