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
    memory: Told,
    /// The line has one receive, which is no operation yet: see [`idle`](super::idle).
    #[cfg(feature = "safe")]
    pub is_idle: bool,
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

/// What the head of a line knows of memory to receive into, or of a descriptor to accept with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Told {
    #[default]
    Nothing,
    /// It found none, and waits to be told that there is some.
    Starved,
    /// It was told that there is some, and has not asked for it since.
    Fed,
}

impl Side {
    /// Whether nothing stands in the line.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        #[cfg(feature = "safe")]
        if self.is_idle {
            return false;
        }
        self.line.is_empty()
    }

    /// Whether a receive that is started now can wait as no operation: nothing goes before it, and there is nothing to try.
    #[cfg(feature = "safe")]
    #[inline]
    pub(super) fn can_idle(&self) -> bool {
        !self.ready && !self.busy && self.is_empty()
    }

    /// Whether the side should be put on the port's queue. Marks it as queued if so.
    pub(super) fn enqueue(&mut self) -> bool {
        // A paused side that was told of memory is to pass it on.
        let may_begin = !self.paused || self.memory == Told::Fed;
        let is_starved = self.memory == Told::Starved;
        let possible = self.ready && !is_starved && may_begin && !self.is_empty();
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
        self.memory = match self.is_empty() {
            true => Told::Nothing,
            false => Told::Fed,
        };
    }

    fn ask_again(&mut self) {
        self.tick = self.tick.wrapping_add(1);
        self.forget(Told::Starved);
    }

    /// The head is about to ask for memory. Returns whether it was told that there is some.
    pub(super) fn ask(&mut self) -> bool {
        let was_fed = self.memory == Told::Fed;
        self.forget(Told::Fed);
        was_fed
    }

    /// If this was the last that it was told, it is not any more.
    fn forget(&mut self, told: Told) {
        if self.memory == told {
            self.memory = Told::Nothing;
        }
    }

    /// Notes that a transfer, begun at `tick`, found no memory, or an accept no descriptor.
    pub(super) fn starve(&mut self, tick: u32) {
        // Else it was told meanwhile.
        if self.tick == tick {
            self.memory = Told::Starved;
        }
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
        #[cfg(feature = "safe")]
        debug_assert!(!self.is_idle, "it is made an operation first");
        self.line.head()
    }

    /// Puts an operation at the end of the line.
    ///
    /// # Safety
    /// The operation is valid, in no line, and stays valid until it is taken out.
    pub(super) unsafe fn push(&mut self, operation: NonNull<Overlapped>) {
        #[cfg(feature = "safe")]
        debug_assert!(!self.is_idle, "it is made an operation first");
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
        self.memory = Told::Nothing;
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
        if was_head {
            self.memory = Told::Nothing;
        }
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
