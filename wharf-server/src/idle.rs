//! Clients that do nothing: found by looking at all of them now and then, so that a busy client pays nothing for it.
//!
//! A round is a quarter of the time-out. A client that moved no byte for five rounds is cut: after the time-out at the
//! earliest, and one and a half of it at the latest. With no clients there are no rounds.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::{Client, Ended, client::Who, server::Shared};

const ROUNDS_PER_TIMEOUT: u32 = 4;
/// One more, since the first may be cut short by the client's own beginning.
const IDLE_ROUNDS: u32 = ROUNDS_PER_TIMEOUT + 1;

/// No more than so many rounds a second, however short the time-out.
const ROUND_MIN: Duration = Duration::from_millis(1);

impl Shared {
    pub(crate) fn idle_round(&self) -> u32 {
        self.idle_round.load(Ordering::Relaxed)
    }

    /// Sees to it that there are rounds, now that there is a client.
    pub(crate) fn watch_idleness(&self) {
        if let Some(timeout) = self.idle_timeout
            && !self.idle_watch.swap(true, Ordering::SeqCst)
        {
            let round = (timeout / ROUNDS_PER_TIMEOUT).max(ROUND_MIN);
            if let Err(error) = self.port.timer(round, Arc::new(Who::IdleRound)) {
                self.idle_watch.store(false, Ordering::SeqCst);
                tracing::warn!(%error, "idle clients can't be watched");
            }
        }
    }

    /// Looks at all clients once.
    pub(crate) fn look_for_idle(&self) {
        let round = self.idle_round.fetch_add(1, Ordering::Relaxed) + 1;
        for client in self.clients.snapshot() {
            if idle_rounds(&client, round) >= IDLE_ROUNDS {
                client.end(Ended::Idle);
            }
        }
        self.idle_watch.store(false, Ordering::SeqCst);
        if !self.clients.is_empty() {
            self.watch_idleness();
        }
    }
}

/// For how many rounds the client has moved nothing.
fn idle_rounds(client: &Client, round: u32) -> u32 {
    let state = client.state();
    let (received, sent) = client.traffic();
    let moved = received.wrapping_add(sent);
    // A client whose handler is at work waits for us.
    if state.moved.swap(moved, Ordering::Relaxed) != moved || state.handling.load(Ordering::Relaxed)
    {
        state.moved_round.store(round, Ordering::Relaxed);
    }
    round.wrapping_sub(state.moved_round.load(Ordering::Relaxed))
}
