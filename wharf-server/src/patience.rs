//! Clients that do nothing, and clients that take nothing: found by looking at all of them now and then, so that a busy
//! client pays nothing for it.
//!
//! A round is a quarter of the shorter time-out. A client that moved no byte for as many rounds as its time-out has, and
//! one more, is cut: after the time-out at the earliest, and one and a half of it at the latest. There are rounds while
//! a client may be idle for too long, or while something waits to be sent to one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use wharf::user_code::log;

use crate::{Client, Ended, Settings, client::Who, shared::Shared};

const ROUNDS_PER_TIMEOUT: u32 = 4;

/// No more than so many rounds a second, however short the time-out.
const ROUND_MIN: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct Patience {
    round: Duration,
    /// For how many rounds a client may be idle, or take nothing.
    idle_rounds: Option<u32>,
    stall_rounds: Option<u32>,
    number: AtomicU32,
    /// A timer for the next round is set.
    is_watching: AtomicBool,
}

impl Patience {
    pub(crate) fn new(settings: &Settings) -> Self {
        let (idle, stall) = (settings.idle_timeout, settings.stall_timeout);
        let shortest = idle.into_iter().chain(stall).min().unwrap_or(Duration::MAX);
        let round = (shortest / ROUNDS_PER_TIMEOUT).max(ROUND_MIN);
        let rounds = |timeout: Duration| {
            let rounds = timeout.as_nanos().div_ceil(round.as_nanos());
            // One more, since the first may be cut short by the client's own beginning.
            u32::try_from(rounds).unwrap_or(u32::MAX).saturating_add(1)
        };
        Patience {
            round,
            idle_rounds: idle.map(rounds),
            stall_rounds: stall.map(rounds),
            number: AtomicU32::new(0),
            is_watching: AtomicBool::new(false),
        }
    }

    pub(crate) fn round(&self) -> u32 {
        self.number.load(Ordering::Relaxed)
    }

    pub(crate) fn minds_idleness(&self) -> bool {
        self.idle_rounds.is_some()
    }
}

impl Shared {
    /// Sees to it that there are rounds, now that there is a client to look after.
    pub(crate) fn watch_patience(&self) {
        let patience = &self.patience;
        let minds = patience.idle_rounds.or(patience.stall_rounds).is_some();
        let is_watching = || patience.is_watching.load(Ordering::SeqCst);
        if minds && !is_watching() && !patience.is_watching.swap(true, Ordering::SeqCst) {
            let timer = self.port.timer(patience.round, Arc::new(Who::Round));
            if let Err(error) = timer {
                // The next client that comes, or falls behind, has it tried again.
                patience.is_watching.store(false, Ordering::SeqCst);
                if !self.port.is_closed() {
                    log(|| tracing::warn!(%error, "clients that do nothing can't be looked after"));
                }
            }
        }
    }

    /// Looks at all clients once.
    pub(crate) fn look_at_patience(&self) {
        let patience = &self.patience;
        let round = patience.number.fetch_add(1, Ordering::Relaxed) + 1;
        let mut any_waits = false;
        // Before the look: whoever falls behind meanwhile may not be seen by it, and sets the next timer.
        patience.is_watching.store(false, Ordering::SeqCst);
        for client in self.clients.snapshot() {
            let waits = client.unsent() > 0;
            any_waits |= waits;
            let is_over = |rounds: u32, max: Option<u32>| max.is_some_and(|max| rounds >= max);
            if is_over(stalled_rounds(&client, waits, round), patience.stall_rounds) {
                client.end(Ended::Stalled);
            } else if is_over(idle_rounds(&client, round), patience.idle_rounds) {
                client.end(Ended::Idle);
            }
        }
        if any_waits || (patience.minds_idleness() && !self.clients.is_empty()) {
            self.watch_patience();
        }
    }
}

/// For how many rounds the client has moved nothing, though it could have.
fn idle_rounds(client: &Client, round: u32) -> u32 {
    let state = client.state();
    let (received, sent) = client.traffic();
    let moved = received.wrapping_add(sent);
    let has_moved = state.moved.swap(moved, Ordering::Relaxed) != moved;
    let rounds = round.wrapping_sub(state.moved_round.load(Ordering::Relaxed));
    // A client whose handler is at work waits for us. So does one whose bytes nobody reads, for want of memory, or since it
    // does not take its answers, for which there is another time-out; but to ask costs a call, so it is asked of those only that moved nothing for a round.
    let is_unread = || client.0.unread().is_ok_and(|unread| unread > 0);
    let waits_for_us =
        state.handling.load(Ordering::Relaxed) || (!has_moved && rounds > 1 && is_unread());
    if has_moved || waits_for_us {
        state.moved_round.store(round, Ordering::Relaxed);
        return 0;
    }
    rounds
}

/// For how many rounds the client has taken nothing, though something waits to be sent to it.
fn stalled_rounds(client: &Client, waits: bool, round: u32) -> u32 {
    let state = client.state();
    let (_, sent) = client.traffic();
    if state.taken.swap(sent, Ordering::Relaxed) != sent || !waits {
        state.taken_round.store(round, Ordering::Relaxed);
    }
    round.wrapping_sub(state.taken_round.load(Ordering::Relaxed))
}
