//! Waits: for one object, for any or all of several, or for none (which is a sleep).

use std::{sync::Arc, time::Instant};

use super::{
    waitable::{AllOf, Waitable, take_any_or_line_up, try_take_any},
    waiter::{End, Waiter},
};
use crate::threads;

/// The most objects of one wait: what Windows allows.
pub(crate) const OBJECTS_MAX: usize = 64;

/// What a wait is for.
pub(crate) enum For<'a> {
    /// Nothing: it ends when its time has come.
    Nothing,
    One(&'a Waitable),
    /// The first of them that is free.
    Any(&'a [Arc<Waitable>]),
    /// All of them, at once.
    All(&'a AllOf),
}

impl For<'_> {
    fn try_take(&self, thread: u32) -> Option<End> {
        match self {
            For::Nothing => None,
            For::One(object) => object.try_take(thread),
            For::Any(objects) => try_take_any(objects, thread),
            For::All(objects) => objects.try_take(thread),
        }
    }

    pub(super) fn take_or_line_up(&self, waiter: &Arc<Waiter>) -> Option<End> {
        match self {
            For::Nothing => None,
            For::One(object) => object.take_or_line_up(waiter),
            For::Any(objects) => take_any_or_line_up(objects, waiter),
            For::All(objects) => objects.take_or_line_up(waiter),
        }
    }

    pub(super) fn leave(&self, waiter: &Arc<Waiter>) {
        match self {
            For::Nothing => {}
            For::One(object) => object.leave(waiter),
            For::Any(objects) => objects.iter().for_each(|object| object.leave(waiter)),
            For::All(objects) => objects.leave(waiter),
        }
    }
}

/// How long a wait may take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// A look, and no wait.
    None,
    Until(Instant),
    Forever,
}

impl Patience {
    /// That of a time-out in milliseconds.
    pub(crate) fn of(milliseconds: u32) -> Patience {
        match crate::futex::deadline(milliseconds) {
            _ if milliseconds == 0 => Patience::None,
            None => Patience::Forever,
            Some(deadline) => Patience::Until(deadline),
        }
    }

    pub(crate) fn deadline(self) -> Option<Instant> {
        match self {
            Patience::Until(deadline) => Some(deadline),
            Patience::None | Patience::Forever => None,
        }
    }
}

/// Waits in the calling thread. An `alertable` wait ends for an asynchronous procedure call as well, which the caller then runs.
/// What is free already wins over such a call, and over the time.
pub(crate) fn wait(on: &For, patience: Patience, alertable: bool) -> End {
    let number = threads::number();
    if let Some(end) = on.try_take(number) {
        return end;
    }
    let thread = threads::current();
    if let Patience::None = patience {
        return thread.called(alertable).unwrap_or(End::TimedOut);
    }
    let waiter = Arc::new(Waiter::new(number));
    if let Some(end) = on.take_or_line_up(&waiter) {
        return end;
    }
    let end = thread.sleep(&waiter, patience, alertable);
    // Whoever finds it in a line until then passes over it.
    on.leave(&waiter);
    end
}
