//! One direction of a handle: the line of operations that wait for it, and what is known of its readiness.
//!
//! Operations leave in the order in which they came, one transfer at a time: that is stream order, from any number
//! of threads. Readiness is edge-triggered, so it is remembered here, and forgotten only when a transfer found the
//! descriptor exhausted *and* no new edge came while that transfer ran: the tick tells.

use std::ptr::NonNull;

#[cfg(shuttle)]
use crate::planted;

use crate::raw::{Direction, Handle, Overlapped, Status};

/// A side of a handle that is worth a transfer.
#[derive(Debug, Clone, Copy)]
pub(in crate::raw) struct Ready {
    pub handle: Handle,
    pub direction: Direction,
}

#[derive(Debug, Default)]
pub(super) struct Side {
    /// The last of the line, whose next is the first: an empty side costs one pointer.
    tail: Option<NonNull<Overlapped>>,
    /// Counts the edges.
    pub tick: u32,
    /// A transfer is worth trying.
    pub ready: bool,
    /// The head of the line found no memory, and waits to be told that there is some.
    starved: bool,
    /// A thread is transferring for the head of the line, which it has to itself.
    pub busy: bool,
    /// The side stands on the port's queue.
    pub queued: bool,
    /// Starting an operation fails with this error number, if it isn't 0.
    pub failure: i32,
}

// SAFETY: the operations in the line were given to the port until their packets are handed out, on whatever thread
// that is; the side is behind its handle's lock.
unsafe impl Send for Side {}

impl Side {
    /// Whether the side should be put on the port's queue. Marks it as queued if so.
    pub(super) fn enqueue(&mut self) -> bool {
        let possible = self.ready && !self.starved && self.tail.is_some();
        let wanted = possible && !self.busy && !self.queued;
        self.queued |= wanted;
        wanted
    }

    /// Notes an edge: something changed to ready.
    pub(super) fn edge(&mut self) {
        self.ready = true;
        self.feed();
    }

    /// Notes that there may be memory now for an operation that found none. Nothing is known of the descriptor.
    pub(super) fn feed(&mut self) {
        self.tick = self.tick.wrapping_add(1);
        self.starved = false;
    }

    /// Notes that a transfer, begun at `tick`, found no memory.
    pub(super) fn starve(&mut self, tick: u32) {
        self.starved = self.tick == tick;
    }

    /// Notes that a transfer, begun at `tick`, found the descriptor exhausted.
    pub(super) fn exhausted(&mut self, tick: u32) {
        if self.tick == tick {
            self.ready = false;
        }
    }

    pub(super) fn head(&self) -> Option<NonNull<Overlapped>> {
        // SAFETY: what stands in the line is valid, and is touched under the handle's lock only.
        unsafe { self.tail?.as_ref() }.next
    }

    /// Puts an operation at the end of the line.
    ///
    /// # Safety
    /// The operation is valid, in no line, and stays valid until it is taken out.
    pub(super) unsafe fn push(&mut self, mut operation: NonNull<Overlapped>) {
        let next = match self.tail {
            None => operation,
            Some(mut tail) => {
                // SAFETY: what stands in the line is valid, and is touched under the handle's lock only.
                let last = unsafe { tail.as_mut() };
                last.next
                    .replace(operation)
                    .expect("in a line, each has a next")
            }
        };
        // SAFETY: valid by the caller's promise; in no line, so nobody else looks at it.
        unsafe { operation.as_mut() }.next = Some(next);
        self.tail = Some(operation);
    }

    /// Takes the head out of the line.
    pub(super) fn pop(&mut self) -> Option<NonNull<Overlapped>> {
        let tail = self.tail?;
        Some(self.take_behind(tail))
    }

    /// Takes out what stands behind `previous`, which is in the line; behind the last stands the first.
    fn take_behind(&mut self, mut previous: NonNull<Overlapped>) -> NonNull<Overlapped> {
        // SAFETY: what stands in the line is valid, and is touched under the handle's lock only.
        let taken = unsafe { previous.as_ref() }
            .next
            .expect("in a line, each has a next");
        if self.tail == Some(previous) {
            // The head goes, and what it waited for with it.
            self.starved = false;
        }
        if taken == previous {
            self.tail = None;
            return taken;
        }
        // SAFETY: as above; it is another than `previous`.
        let next = unsafe { taken.as_ref() }.next;
        // SAFETY: as above.
        unsafe { previous.as_mut() }.next = next;
        if self.tail == Some(taken) {
            self.tail = Some(previous);
        }
        taken
    }

    /// Takes the first operation that `which` accepts out of the line, unless it is in transfer: then it is marked
    /// as cancelled and stays. The two cases are [`Found`].
    pub(super) fn cancel(&mut self, which: impl Fn(&Overlapped) -> bool) -> Option<Found> {
        let tail = self.tail?;
        let mut previous = tail;
        loop {
            // SAFETY: what stands in the line is valid, and is touched under the handle's lock only.
            let mut current = unsafe { previous.as_ref() }.next?;
            let in_transfer = self.busy && previous == tail;
            #[cfg(shuttle)]
            let in_transfer = in_transfer && !planted::strikes(planted::Bug::EarlyFree);
            {
                // SAFETY: as above; the thread that transfers for the head reads its buffers and writes none of the
                // fields used here.
                let operation = unsafe { current.as_mut() };
                if which(operation) && operation.status != Status::Cancelling {
                    if !in_transfer {
                        return Some(Found::Out(self.take_behind(previous)));
                    }
                    operation.status = Status::Cancelling;
                    return Some(Found::Marked);
                }
            }
            if current == tail {
                return None;
            }
            previous = current;
        }
    }
}

/// What [`Side::cancel`] found.
pub(super) enum Found {
    /// The operation is in transfer; whoever transfers will complete it.
    Marked,
    /// The operation is out of the line, to be completed by the caller.
    Out(NonNull<Overlapped>),
}
