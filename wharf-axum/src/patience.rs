//! The time-outs of the question whether a client of HTTP/2 is there. hyper asks it by a ping, and takes the time; but the ping is behind
//! what was written before it, which a client may take slowly. While it does, it is there.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt;
use wharf_async::time::{self, Sleep};

use crate::answer::Doing;

/// The system's timer has no longer tick. What is worked out from a coarse time may be as much too early.
const TICK: Duration = Duration::from_millis(10);

/// What a client has taken of all that was written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Taken {
    arrived: u64,
    is_behind: bool,
    allowed: u64,
}

impl Taken {
    /// So many bytes have arrived, and that is not all, or is; and so often it has allowed more.
    pub(crate) fn new(arrived: u64, is_behind: bool, allowed: u64) -> Taken {
        Taken {
            arrived,
            is_behind,
            allowed,
        }
    }

    /// Whether it goes on to take, since then. Where it is behind with nothing, it could have answered.
    fn goes_on_since(self, before: Taken) -> bool {
        self.allowed > before.allowed || self.is_behind && self.arrived > before.arrived
    }
}

/// hyper's timer, of one connection of HTTP/2, which has no other time-outs.
#[derive(Debug, Clone)]
pub(crate) struct Timer {
    pub(crate) doing: Arc<Doing>,
    /// How much more a client has that goes on to take.
    pub(crate) more: Duration,
}

/// A time that is not over while the client goes on to take.
#[derive(Debug)]
struct Patience {
    sleep: Sleep,
    timer: Timer,
    /// The time would be over. What the client had taken when it began.
    before: Option<Taken>,
}

impl Patience {
    fn begin(&mut self, deadline: Instant) {
        self.sleep.reset(deadline + TICK);
        self.before = None;
        self.timer.doing.ask_what_is_taken();
    }
}

impl Future for Patience {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(Pin::new(&mut self.sleep).poll(context));
            let taken = self.timer.doing.taken();
            let Some(before) = self.before.take() else {
                // It is looked at behind this, in the same poll of the connection.
                self.before = Some(taken);
                self.timer.doing.ask_what_is_taken();
                context.waker().wake_by_ref();
                return Poll::Pending;
            };
            // What waits to be written has a time-out of its own.
            if self.timer.doing.writes_nothing() && !taken.goes_on_since(before) {
                return Poll::Ready(());
            }
            let deadline = time::now() + self.timer.more;
            self.begin(deadline);
        }
    }
}

impl rt::Sleep for Patience {}

impl rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(time::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        let mut patience = Patience {
            sleep: time::sleep_until(deadline),
            timer: self.clone(),
            before: None,
        };
        patience.begin(deadline);
        Box::pin(patience)
    }

    /// hyper asks several times for each request.
    fn now(&self) -> Instant {
        time::coarse_now()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Patience>() {
            Some(patience) => patience.get_mut().begin(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}
