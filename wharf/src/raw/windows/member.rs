//! What a thread keeps between two waits: which port it was last seen on, for who looks at the port.
//!
//! The kernel counts running threads itself; what is kept here decides nothing.

use std::{
    cell::RefCell,
    ptr,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::port::Port;
use crate::{
    raw::Queued,
    snapshot::Standing,
    sync::{Mutex, now, thread, thread_local},
};

/// A thread, as its port sees it.
#[derive(Debug)]
pub(super) struct Seat {
    pub name: Box<str>,
    pub packets: AtomicU64,
    state: Mutex<(Standing, Instant)>,
}

impl Seat {
    fn new() -> Seat {
        Seat {
            name: thread::current().name().unwrap_or_default().into(),
            packets: AtomicU64::new(0),
            state: Mutex::new((Standing::Away, now())),
        }
    }

    /// What it does, and since when.
    pub(super) fn state(&self) -> (Standing, Instant) {
        *self.state.lock()
    }

    fn stands(&self, standing: Standing) -> Standing {
        let mut state = self.state.lock();
        std::mem::replace(&mut *state, (standing, now())).0
    }

    pub(super) fn took(&self, packets: usize) {
        self.packets.fetch_add(packets as u64, Ordering::Relaxed);
        self.stands(Standing::Running);
    }

    pub(super) fn goes_away(&self) {
        self.stands(Standing::Away);
    }
}

/// One thread's membership of a port.
#[derive(Debug)]
pub(super) struct Member {
    port: Weak<Port>,
    pub seat: Arc<Seat>,
    /// Scratch memory for what a wait brings.
    pub packets: Vec<Queued>,
}

thread_local! {
    static MEMBER: RefCell<Option<Member>> = const { RefCell::new(None) };
}

impl Member {
    /// This thread's membership of `port`; it leaves any other port.
    pub(super) fn enter(port: &Arc<Port>) -> Member {
        // A thread whose own is gone already, since it ends, is a member for one wait.
        let kept = MEMBER.try_with(|member| member.borrow_mut().take());
        let kept = kept.ok().flatten();
        let member = kept.filter(|member| ptr::eq(member.port.as_ptr(), Arc::as_ptr(port)));
        let member = member.unwrap_or_else(|| {
            let seat = Arc::new(Seat::new());
            port.seats.lock().push(seat.clone());
            Member {
                port: Arc::downgrade(port),
                seat,
                packets: Vec::new(),
            }
        });
        if member.seat.stands(Standing::Parked) == Standing::Running {
            port.running.fetch_sub(1, Ordering::Relaxed);
        }
        member
    }

    /// Keeps the membership until the next wait. In a thread that ends, and has nothing left to keep it in, it is given back.
    pub(super) fn keep(self) {
        let _ = MEMBER.try_with(|member| member.replace(Some(self)));
    }

    /// Keeps the membership when this goes, also where code of the user's panics meanwhile.
    pub(super) fn keeping(self) -> Keeping {
        Keeping(Some(self))
    }
}

/// A membership that is kept when this goes.
pub(super) struct Keeping(Option<Member>);

impl Keeping {
    pub(super) fn member(&mut self) -> &mut Member {
        self.0.as_mut().expect("it goes with this")
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        if let Some(member) = self.0.take() {
            member.keep();
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(port) = self.port.upgrade() {
            if self.seat.state().0 == Standing::Running {
                port.running.fetch_sub(1, Ordering::Relaxed);
            }
            port.seats
                .lock()
                .retain(|seat| !Arc::ptr_eq(seat, &self.seat));
        }
    }
}

/// What need not be kept aside here: nobody asks the system after threads.
#[derive(Debug)]
pub(crate) struct Reserve;

impl Reserve {
    pub(crate) fn of(_threads: usize) -> Reserve {
        Reserve
    }

    pub(crate) fn max(&self) -> usize {
        0
    }

    pub(crate) fn clear(&self) {}
}

pub(crate) fn enlist(_reserve: &Reserve, _replaces: bool) {}

pub(crate) fn discharge(_reserve: &Reserve) {}

/// Does what may block.
///
/// On Windows the kernel sees that a thread of a port blocks, and lets another run in its place, so this only does the work;
/// elsewhere it says so beforehand. Panics pass through.
///
/// ```
/// # let (sender, receiver) = std::sync::mpsc::channel();
/// # sender.send(7).unwrap();
/// // In a handler:
/// let answer = wharf::blocking(|| receiver.recv());
/// # assert_eq!(answer, Ok(7));
/// ```
pub fn blocking<T>(work: impl FnOnce() -> T) -> T {
    work()
}
