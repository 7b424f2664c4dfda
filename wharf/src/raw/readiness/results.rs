//! The results of transfers and of cancelling, and where they go.
//!
//! Handles know nothing of the queue and of the threads that wait: their results go to [`Results`], which each caller
//! implements for itself.

use std::ptr::NonNull;

#[cfg(shuttle)]
use crate::planted;

use super::side::Ready;
use crate::{
    raw::{Completed, Overlapped, Queued},
    scheduler::{Scheduler, Visit},
};

/// Where results go: into the visit of a waiting thread, or straight to the scheduler. Called under no lock.
pub(super) trait Results {
    /// An operation has ended, and a packet is to report it.
    fn packet(&mut self, packet: Queued);
    /// A side is worth another attempt.
    fn ready(&mut self, ready: Ready);
    /// An operation is about to be [handed over](Self::hand_over): it counts as handed out from now on. This is called for all
    /// operations of a turn before the first function is called: a function that closes the port waits for all that are
    /// counted.
    fn count_out(&mut self, handover: &Handover);
    /// An operation has ended, and is to be handed to its [function](crate::raw::OnEnd): code of the user's may run then, which
    /// may close the port. So it is handed over once this thread holds nothing that a closing thread waits for.
    fn hand_over(&mut self, handover: Handover);
    /// A handle was added: so many sides may be ready at once.
    fn make_room(&mut self, sides: usize);
    /// Whether the caller tells of the end of this operation by itself, so that nobody is asked about its packet.
    fn tells_of(&self, _operation: NonNull<Overlapped>) -> bool {
        false
    }
}

/// An operation that has ended, out of its line, and the function that it is to be handed to.
#[derive(Debug)]
pub(super) struct Handover {
    operation: NonNull<Overlapped>,
    function: unsafe fn(NonNull<Overlapped>),
}

// SAFETY: as for `Completed`.
unsafe impl Send for Handover {}

impl Handover {
    /// Of an operation that is the caller's already: all that is left is to count it out.
    fn of_none() -> Handover {
        unsafe fn nothing(_: NonNull<Overlapped>) {}
        Handover {
            operation: NonNull::dangling(),
            function: nothing,
        }
    }

    pub(super) fn is_of(&self, operation: NonNull<Overlapped>) -> bool {
        self.operation == operation
    }

    pub(super) fn hand_over(self) {
        // SAFETY: the operation is out of its line and has ended, as the function was promised.
        unsafe { (self.function)(self.operation) };
    }
}

/// An operation that has ended, out of its line, and how that is told.
#[derive(Debug)]
pub(super) enum Ended {
    Packet(Completed),
    Function(Handover),
}

impl Ended {
    /// # Safety
    /// The operation is valid, has ended, and is in no line: ours.
    pub(super) unsafe fn of(operation: NonNull<Overlapped>) -> Ended {
        // SAFETY: passed on to the caller.
        match unsafe { operation.as_ref() }.handed_to() {
            Some(function) => Ended::Function(Handover {
                operation,
                function,
            }),
            None => Ended::Packet(Completed(operation)),
        }
    }
}

/// The results of a turn under a handle's lock, to be passed on under none.
#[derive(Debug, Default)]
pub(super) struct FollowUp {
    ended: Option<Ended>,
    /// Others that ended with it.
    others: Vec<Ended>,
    ready: [Option<Ready>; 2],
}

impl FollowUp {
    #[inline]
    pub(super) fn end(&mut self, ended: Ended) {
        match self.ended {
            None => self.ended = Some(ended),
            Some(_) => self.others.push(ended),
        }
    }

    pub(super) fn ready(&mut self, ready: Ready) {
        self.ready[ready.direction as usize] = Some(ready);
    }

    /// How many have ended.
    pub(super) fn ended(&self) -> usize {
        usize::from(self.ended.is_some()) + self.others.len()
    }

    /// Passes all of them on: packets first, and last the functions that run code of the user's.
    #[inline(always)] // It is large, and would be copied.
    pub(super) fn tell(self, results: &mut impl Results) {
        let FollowUp {
            ended,
            others,
            ready: [read, write],
        } = self;
        let handover = ended.and_then(|ended| ended.tell(results));
        // There is seldom more than one.
        let handovers = match others.is_empty() {
            true => Vec::new(),
            false => tell_all(others, results),
        };
        if let Some(ready) = read {
            results.ready(ready);
        }
        if let Some(ready) = write {
            results.ready(ready);
        }
        for handover in handover.iter().chain(&handovers) {
            results.count_out(handover);
        }
        for handover in handover.into_iter().chain(handovers) {
            results.hand_over(handover);
        }
    }
}

impl Ended {
    /// Passes on that this has ended, and nothing else; `ready`: the side is worth another attempt.
    #[inline]
    pub(super) fn tell_alone(self, ready: Option<Ready>, results: &mut impl Results) {
        let handover = self.tell(results);
        if let Some(ready) = ready {
            results.ready(ready);
        }
        if let Some(handover) = handover {
            results.count_out(&handover);
            results.hand_over(handover);
        }
    }

    /// Passes it on if its end is told by a packet; else returns it, to be handed over later.
    #[inline]
    fn tell(self, results: &mut impl Results) -> Option<Handover> {
        match self {
            Ended::Packet(completed) => tell_packet(completed, results),
            Ended::Function(handover) => Some(handover),
        }
    }
}

#[cold]
fn tell_all(ended: Vec<Ended>, results: &mut impl Results) -> Vec<Handover> {
    let each = ended.into_iter().filter_map(|ended| ended.tell(results));
    each.collect()
}

/// Passes on a packet, unless the operation's function says that there is none: then what is left to count is returned.
#[inline]
fn tell_packet(completed: Completed, results: &mut impl Results) -> Option<Handover> {
    // SAFETY: it has ended and is in no line: ours, and valid.
    let asks = unsafe { completed.0.as_ref() }.asks();
    if let Some(function) = asks.filter(|_| !results.tells_of(completed.0)) {
        // SAFETY: it has ended, as the function was promised.
        if !unsafe { function(completed.0) } {
            return Some(Handover::of_none());
        }
    }
    #[cfg(shuttle)]
    if planted::strikes(planted::Bug::DoubleCompletion) {
        results.packet(Queued::Operation(Completed(completed.0)));
    }
    results.packet(Queued::Operation(completed));
    None
}

/// Results of a waiting thread's transfers: they go with its next visit, and functions are called after that.
pub(super) struct Waiting<'a> {
    pub visit: &'a mut Visit<Queued, Ready>,
    pub handovers: &'a mut Vec<Handover>,
    pub scheduler: &'a Scheduler<Queued, Ready>,
}

impl Results for Waiting<'_> {
    fn packet(&mut self, packet: Queued) {
        self.visit.completed.push(packet);
    }

    fn ready(&mut self, ready: Ready) {
        self.visit.ready.push(ready);
    }

    fn count_out(&mut self, _handover: &Handover) {
        // With all others of this wait, before the first of them is handed over.
    }

    fn hand_over(&mut self, handover: Handover) {
        self.handovers.push(handover);
    }

    fn make_room(&mut self, sides: usize) {
        self.scheduler.reserve(0, sides);
    }
}
