//! The state of a thread between two waits: the port it last waited on, for snapshots of the port.

use std::{
    cell::RefCell,
    ptr,
    sync::{Arc, Weak, atomic::Ordering},
};

use super::{port::Port, seat::Seat};
use crate::{
    raw::{Queued, membership::Membership},
    snapshot::WorkerState,
    sync::thread_local,
};

/// One thread's membership of a port.
#[derive(Debug)]
pub(in crate::raw) struct Member {
    port: Weak<Port>,
    pub(super) seat: Arc<Seat>,
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
        if member.seat.stands(WorkerState::Parked) == WorkerState::Running {
            port.running.fetch_sub(1, Ordering::Relaxed);
        }
        member
    }
}

impl Membership for Member {
    /// In a thread that ends, and has nothing left to keep it in, it is given back.
    fn keep(self) {
        let _ = MEMBER.try_with(|member| member.replace(Some(self)));
    }

    fn delivered(&mut self) -> &mut Vec<Queued> {
        &mut self.packets
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(port) = self.port.upgrade() {
            if self.seat.state().0 == WorkerState::Running {
                port.running.fetch_sub(1, Ordering::Relaxed);
            }
            port.seats
                .lock()
                .retain(|seat| !Arc::ptr_eq(seat, &self.seat));
        }
    }
}

/// No descriptors are kept here: on Windows the system is not asked about threads.
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

/// Runs code that may block.
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
