//! The things that a port waits for on a simulated kernel: events, wakes and its timer. Any number of threads may wait; the
//! last to come is woken first, unless the faults are set otherwise.

use std::time::Instant;

use crate::{
    driver::{EVENTS_MAX, Event, Events},
    sync::{Arc, Parker, now},
};

#[derive(Debug, Default)]
pub(super) struct Queue {
    events: Vec<Event>,
    woken: bool,
    timer: Option<Instant>,
    /// Threads that wait; the last came last.
    waiters: Vec<Arc<Parker>>,
    /// The first to come is woken first.
    pub wakes_first_first: bool,
}

impl Queue {
    /// Adds an event to those that no thread has taken yet, and wakes a waiter.
    pub(super) fn push(&mut self, event: Event) {
        match self.events.iter_mut().find(|it| it.token == event.token) {
            Some(earlier) => {
                earlier.readable |= event.readable;
                earlier.writable |= event.writable;
                earlier.ended |= event.ended;
                earlier.hangup |= event.hangup;
                earlier.urgent |= event.urgent;
            }
            None => self.events.push(event),
        }
        self.call();
    }

    pub(super) fn wake(&mut self) {
        self.woken = true;
        self.call();
    }

    /// Sets the timer. All waiting threads compute anew how long to wait.
    pub(super) fn arm(&mut self, deadline: Option<Instant>) {
        self.timer = deadline;
        self.waiters.iter().for_each(|waiter| waiter.release());
    }

    pub(super) fn timer(&self) -> Option<Instant> {
        self.timer
    }

    fn call(&mut self) {
        let waiter = match self.wakes_first_first && !self.waiters.is_empty() {
            true => Some(self.waiters.remove(0)),
            false => self.waiters.pop(),
        };
        if let Some(waiter) = waiter {
            waiter.release();
        }
    }

    /// Takes all events, wakes and timers that are there. Returns whether there were any.
    pub(super) fn harvest(&mut self, into: &mut Events) -> bool {
        into.list.clear();
        let count = self.events.len().min(EVENTS_MAX);
        into.list.extend(self.events.drain(..count));
        into.woken = std::mem::take(&mut self.woken);
        into.timer = self.timer.take_if(|deadline| *deadline <= now()).is_some();
        if !self.events.is_empty() {
            self.call();
        }
        into.woken || into.timer || !into.list.is_empty()
    }

    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(super) fn enter(&mut self, waiter: &Arc<Parker>) {
        self.waiters.push(waiter.clone());
    }

    pub(super) fn leave(&mut self, waiter: &Arc<Parker>) {
        self.waiters.retain(|other| !Arc::ptr_eq(other, waiter));
    }
}
