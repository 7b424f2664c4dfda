//! What the tests share: a runtime on each driver of the system, and guards that fail a test where a broken runtime would hang it.

#![allow(dead_code, reason = "each test target uses some of it")]

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use wharf::DriverChoice;
use wharf_async::{Builder, JoinHandle, Runtime, Snapshot, spawn, yield_now};

/// Long enough for the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Makes a module of tests for each of the system's drivers, from a macro that makes them for one.
macro_rules! on_every_driver {
    ($suite:ident) => {
        #[cfg(unix)]
        mod readiness {
            $suite!(wharf::DriverChoice::Readiness);
        }
        #[cfg(unix)]
        mod uring {
            $suite!(wharf::DriverChoice::Uring);
        }
        #[cfg(windows)]
        mod windows {
            $suite!(wharf::DriverChoice::Windows);
        }
    };
}

/// Makes a test of each function: `name` calls the function of that name with a driver.
macro_rules! tests {
    ($driver:expr, $($(#[$attribute:meta])* $name:ident)*) => {
        $(
            $(#[$attribute])*
            #[test]
            fn $name() {
                if crate::harness::is_here($driver) {
                    crate::$name($driver);
                }
            }
        )*
    };
}

/// Whether the system has the driver. With `WHARF_REQUIRE_URING` set, io_uring must be there.
pub fn is_here(driver: DriverChoice) -> bool {
    #[cfg(unix)]
    if matches!(driver, DriverChoice::Uring) {
        if let Err(error) = wharf::uring_available() {
            assert!(std::env::var_os("WHARF_REQUIRE_URING").is_none(), "{error}");
            println!("not judged: {error}");
            return false;
        }
    }
    let _ = driver;
    true
}

/// Bytes of which each is told from its neighbours.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

pub fn builder(driver: DriverChoice) -> Builder {
    Runtime::builder().driver(driver)
}

/// A runtime on which one worker runs at once, and up to eight while tasks block.
pub fn one_at_once(driver: DriverChoice) -> Runtime {
    let builder = builder(driver).concurrency(1).threads(1..=8);
    builder.build().expect("a runtime")
}

/// A task that does nothing but have its turns, and counts them: so much of the time that others leave is used.
pub struct Turns {
    count: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Turns {
    /// To be called in a task.
    pub fn begin() -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let task = spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        });
        Turns { count, task }
    }

    pub fn until_now(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs a future on a runtime to its end, which must come soon.
pub fn run<F>(runtime: &Runtime, future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (sender, receiver) = std::sync::mpsc::channel();
    let task = runtime.spawn(future);
    let waits = runtime.handle().clone();
    thread::spawn(move || drop(sender.send(waits.block_on(task))));
    soon(&receiver).expect("the task neither panics nor is cancelled")
}

/// What another thread sends, which must come soon.
pub fn soon<T>(receiver: &Receiver<T>) -> T {
    match receiver.recv_timeout(PATIENCE) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("nothing came in {PATIENCE:?}"),
        Err(RecvTimeoutError::Disconnected) => panic!("the sender is gone"),
    }
}

/// Waits until nothing is under way on a runtime, and no task is left.
pub fn sleep_until_idle(runtime: &Runtime) {
    sleep_until(runtime, |snapshot| {
        snapshot.port.operations == 0 && snapshot.tasks == 0
    });
}

/// Waits until a runtime stands as it should.
pub fn sleep_until(runtime: &Runtime, stands: impl Fn(&Snapshot) -> bool) {
    for _ in 0..5_000 {
        if stands(&runtime.snapshot()) {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("it stands otherwise: {:?}", runtime.snapshot());
}
