//! One direction of a handle: the line of operations that wait for it (FIFO), and what is known of its readiness.
//!
//! Operations leave in the order in which they came, one transfer at a time: that is stream order, from any number
//! of threads. Readiness is edge-triggered, so it is remembered here, and forgotten only when a transfer found the
//! descriptor exhausted *and* no new edge came while that transfer ran: the tick tells.

use std::ptr::NonNull;

#[cfg(shuttle)]
use crate::planted;

use crate::raw::{
    Direction, Handle, Overlapped, Status,
    line::{self, Line},
};

/// A side of a handle that is worth a transfer.
#[derive(Debug, Clone, Copy)]
pub(in crate::raw) struct Ready {
    pub handle: Handle,
    pub direction: Direction,
}

#[derive(Debug, Default)]
pub(super) struct Side {
    line: Line,
    /// Counts the edges.
    pub tick: u32,
    /// A transfer is worth trying.
    pub ready: bool,
    /// The head of the line found no memory, and waits to be told that there is some.
    starved: bool,
    /// The head was told that there is memory, and has not asked for the memory since.
    fed: bool,
    /// No transfer is to begin.
    pub paused: bool,
    /// A thread is transferring for the head of the line, which it has to itself.
    pub busy: bool,
    /// That thread has begun a send for which there is no operation (yet).
    #[cfg(feature = "safe")]
    pub begun: bool,
    /// And that send is counted, since the port closes: the thread that closes it waits for its end.
    #[cfg(feature = "safe")]
    pub begun_is_counted: bool,
    /// The side is on the port's queue.
    pub queued: bool,
    /// Starting an operation fails with this error number, if it isn't 0.
    pub failure: i32,
}

impl Side {
    /// Whether the side should be put on the port's queue. Marks it as queued if so.
    pub(super) fn enqueue(&mut self) -> bool {
        // A paused side that was told of memory is to pass it on.
        let may_begin = !self.paused || self.fed;
        let possible = self.ready && !self.starved && may_begin && !self.line.is_empty();
        let wanted = possible && !self.busy && !self.queued;
        self.queued |= wanted;
        wanted
    }

    /// Notes an edge: something changed to ready.
    pub(super) fn edge(&mut self) {
        self.ready = true;
        self.ask_again();
    }

    /// Notes that there may be memory now for an operation that found none. Nothing is known of the descriptor.
    pub(super) fn feed(&mut self) {
        self.ask_again();
        self.fed = !self.line.is_empty();
    }

    fn ask_again(&mut self) {
        self.tick = self.tick.wrapping_add(1);
        self.starved = false;
    }

    /// The head is about to ask for memory. Returns whether it was told that there is some.
    pub(super) fn ask(&mut self) -> bool {
        std::mem::take(&mut self.fed)
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

    /// A send without an operation has ended, or becomes one. Returns whether it is counted.
    #[cfg(feature = "safe")]
    pub(super) fn end_begun(&mut self) -> bool {
        self.begun = false;
        std::mem::take(&mut self.begun_is_counted)
    }

    pub(super) fn head(&self) -> Option<NonNull<Overlapped>> {
        self.line.head()
    }

    /// Puts an operation at the end of the line.
    ///
    /// # Safety
    /// The operation is valid, in no line, and stays valid until it is taken out.
    pub(super) unsafe fn push(&mut self, operation: NonNull<Overlapped>) {
        // SAFETY: passed on to the caller.
        unsafe { self.line.push(operation) }
    }

    /// Puts an operation at the front of the line.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    #[cfg(feature = "safe")]
    pub(super) unsafe fn push_front(&mut self, operation: NonNull<Overlapped>) {
        // SAFETY: passed on to the caller.
        unsafe { self.line.push_front(operation) }
    }

    /// Takes the head out of the line, and clears the state of waiting for memory.
    pub(super) fn pop(&mut self) -> Option<NonNull<Overlapped>> {
        self.starved = false;
        self.fed = false;
        self.line.pop()
    }

    /// Takes the first operation that `which` accepts out of the line, unless it is in transfer: then it is marked
    /// as cancelled and stays. The two cases are [`Found`].
    pub(super) fn cancel(&mut self, which: impl Fn(&Overlapped) -> bool) -> Option<Found> {
        let busy = self.busy;
        #[cfg(shuttle)]
        let busy = busy && !planted::strikes(planted::Bug::EarlyFree);
        let (mut was_head, mut marked) = (false, false);
        let out = self.line.search(|operation, is_head| {
            if !which(operation) || operation.status == Status::Cancelling {
                return line::Found::No;
            }
            if busy && is_head {
                operation.status = Status::Cancelling;
                marked = true;
                return line::Found::Stop;
            }
            was_head = is_head;
            line::Found::TakeOut
        });
        self.starved &= !was_head;
        self.fed &= !was_head;
        match out {
            Some(operation) => Some(Found::Out(operation)),
            None => marked.then_some(Found::Marked),
        }
    }
}

/// The two results of [`Side::cancel`].
pub(super) enum Found {
    /// The operation is in transfer; the thread that transfers will complete it.
    Marked,
    /// The operation is out of the line, to be completed by the caller.
    Out(NonNull<Overlapped>),
}
