//! The handler of the console: it runs on a thread of the system's, and wakes all that wait.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io, mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

struct Signals {
    is_watching: bool,
    count: u64,
    last_number: u64,
    /// Of the futures that wait, by their numbers.
    wakers: BTreeMap<u64, Waker>,
}

static SIGNALS: Mutex<Signals> = Mutex::new(Signals {
    is_watching: false,
    count: 0,
    last_number: 0,
    wakers: BTreeMap::new(),
});

/// A future that waits: dropped, it leaves no waker behind.
struct Waits(u64);

impl Drop for Waits {
    fn drop(&mut self) {
        let left = signals().wakers.remove(&self.0);
        drop(left);
    }
}

pub(super) async fn wait() -> io::Result<()> {
    let (before, waits) = {
        let mut signals = signals();
        if !signals.is_watching {
            ctrlc::set_handler(signalled).map_err(io::Error::other)?;
            signals.is_watching = true;
        }
        signals.last_number += 1;
        (signals.count, Waits(signals.last_number))
    };
    poll_fn(|context| {
        let mut signals = signals();
        if signals.count > before {
            return Poll::Ready(());
        }
        let held = signals.wakers.insert(waits.0, context.waker().clone());
        drop(signals);
        // Not under the lock: it may be the last that holds its task.
        drop(held);
        Poll::Pending
    })
    .await;
    Ok(())
}

fn signalled() {
    let wakers = {
        let mut signals = signals();
        signals.count += 1;
        mem::take(&mut signals.wakers)
    };
    wakers.into_values().for_each(Waker::wake);
}

fn signals() -> MutexGuard<'static, Signals> {
    SIGNALS.lock().unwrap_or_else(PoisonError::into_inner)
}
