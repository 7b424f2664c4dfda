//! One direction of a handle: the line of operations that wait for it, and what is known of its readiness.
//!
//! Operations leave in the order in which they came, one transfer at a time: that is stream order, from any number
//! of threads. Readiness is edge-triggered, so it is remembered here, and forgotten only when a transfer found the
//! descriptor exhausted *and* no new edge came while that transfer ran: the tick tells.

use std::ptr::NonNull;

use super::overlapped::Overlapped;

#[derive(Debug, Default)]
pub(super) struct Side {
    head: Option<NonNull<Overlapped>>,
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
        let possible = self.ready && !self.starved && self.head.is_some();
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
        self.head
    }

    /// Puts an operation at the end of the line.
    ///
    /// # Safety
    /// The operation is valid, in no line, and stays valid until it is taken out.
    pub(super) unsafe fn push(&mut self, mut operation: NonNull<Overlapped>) {
        // SAFETY: valid by the caller's promise; in no line, so nobody else looks at it.
        unsafe { operation.as_mut() }.next = None;
        match self.tail {
            None => self.head = Some(operation),
            // SAFETY: what stands in the line is valid, and is touched under the handle's lock only.
            Some(mut tail) => unsafe { tail.as_mut() }.next = Some(operation),
        }
        self.tail = Some(operation);
    }

    /// Takes the head out of the line.
    pub(super) fn pop(&mut self) -> Option<NonNull<Overlapped>> {
        let head = self.head?;
        // SAFETY: what stands in the line is valid, and is touched under the handle's lock only.
        self.head = unsafe { head.as_ref() }.next;
        if self.head.is_none() {
            self.tail = None;
        }
        self.starved = false;
        Some(head)
    }

    /// Takes the first operation that `which` accepts out of the line, unless it is in transfer: then it is marked
    /// as cancelled and stays. The two cases are [`Found`].
    pub(super) fn cancel(&mut self, which: impl Fn(&Overlapped) -> bool) -> Option<Found> {
        let mut previous: Option<NonNull<Overlapped>> = None;
        let mut current = self.head?;
        loop {
            // SAFETY: what stands in the line is valid, and is touched under the handle's lock only; the thread
            // that transfers for the head reads its buffers and writes none of the fields used here.
            let operation = unsafe { current.as_mut() };
            let in_transfer = self.busy && previous.is_none();
            if which(operation) && !(in_transfer && operation.cancelled) {
                if in_transfer {
                    operation.cancelled = true;
                    return Some(Found::Marked);
                }
                match previous {
                    None => {
                        self.head = operation.next;
                        self.starved = false;
                    }
                    // SAFETY: as above.
                    Some(mut previous) => unsafe { previous.as_mut() }.next = operation.next,
                }
                if operation.next.is_none() {
                    self.tail = previous;
                }
                return Some(Found::Out(current));
            }
            previous = Some(current);
            current = operation.next?;
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
