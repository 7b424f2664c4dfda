//! Polling one future on the calling thread, which may be a worker: its place among those that run is given away meanwhile.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use crate::{
    budget, context, local,
    shared::Shared,
    sync::{AtomicBool, Ordering, Thread, thread},
};

/// Wakes a thread that is parked.
struct Unpark {
    thread: Thread,
    /// Woken, and not polled since.
    is_woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::SeqCst) {
            self.thread.unpark();
        }
    }
}

/// Polls a future until it is ready, with `shared` as the runtime of this thread.
pub(crate) fn block_on<F: Future>(shared: &Arc<Shared>, future: F) -> F::Output {
    let _entered = context::Entered::new(shared);
    #[cfg(feature = "tokio")]
    let _context = crate::tokio_context::enter(shared);
    context::give_up_next();
    let unpark = Arc::new(Unpark {
        thread: thread::current(),
        is_woken: AtomicBool::new(true),
    });
    let waker = Waker::from(unpark.clone());
    let mut context = Context::from_waker(&waker);
    // Its tasks end before the future does, as variables do: in the reverse order.
    let mut future = pin!(future);
    let local = local::Entered::new();
    loop {
        if is_its_turn(shared) && unpark.is_woken.swap(false, Ordering::SeqCst) {
            budget::refill();
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
        }
        let is_idle = || !unpark.is_woken.load(Ordering::SeqCst) && !local.is_ready();
        let has_run = local.run();
        #[cfg(all(unix, feature = "simulated"))]
        if let Some(world) = &shared.world {
            world.turn(shared, is_idle);
            continue;
        }
        if !has_run && is_idle() {
            // A worker gives its place away before it sleeps, and takes it back when there is something to do: a sleep may end
            // for no reason.
            wharf::blocking(|| {
                while is_idle() {
                    thread::park();
                }
            });
        }
    }
}

/// Whether the future may be polled now: in a simulation tasks may go first.
fn is_its_turn(shared: &Shared) -> bool {
    #[cfg(all(unix, feature = "simulated"))]
    if let Some(world) = &shared.world {
        return world.is_its_turn();
    }
    let _ = shared;
    true
}
