//! The rounds of [patience](crate::patience): all clients are looked at, and clients that did nothing, or took nothing, for
//! too long are cut.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Client, Ended, shared::ServerState};

impl ServerState {
    /// Looks at all clients once.
    pub(crate) fn look_at_patience(&self) {
        let patience = self.clients.patience();
        let round = patience.begin_round();
        let mut any_waits = false;
        for client in self.clients.snapshot() {
            let waits = client.unsent() > 0;
            any_waits |= waits;
            if patience.is_over_for_stalled(stalled_rounds(&client, waits, round)) {
                client.end(Ended::Stalled);
            } else if patience.is_over_for_idle(idle_rounds(&client, round)) {
                client.end(Ended::Idle);
            }
        }
        if any_waits || (patience.minds_idleness() && !self.clients.is_empty()) {
            self.clients.watch_patience();
        }
    }
}

/// For how many rounds the client has moved nothing, though it could have.
fn idle_rounds(client: &Client, round: u32) -> u32 {
    let state = client.state();
    let traffic = client.traffic();
    let moved = traffic.received_bytes.wrapping_add(traffic.sent_bytes);
    let has_moved = state.moved.swap(moved, Ordering::Relaxed) != moved;
    let rounds = rounds_since(&state.moved_round, round);
    // A client whose handler is at work waits for the server, and so does one whose reading the server has paused. So does one
    // whose bytes are not read because there is no buffer, or because it does not take its answers (for which there is another
    // time-out); but that costs a system call, so it is checked only for clients that moved nothing for a round.
    let is_unread = || client.0.unread().is_ok_and(|unread| unread > 0);
    let waits_for_us = state.handling.load(Ordering::Relaxed)
        || client.is_held_back()
        || (!has_moved && rounds > 1 && is_unread());
    if has_moved || waits_for_us {
        state.moved_round.store(round, Ordering::Relaxed);
        return 0;
    }
    rounds
}

/// For how many rounds the client has taken nothing, though something waits to be sent to it.
fn stalled_rounds(client: &Client, waits: bool, round: u32) -> u32 {
    let state = client.state();
    let sent = client.traffic().sent_bytes;
    if state.taken.swap(sent, Ordering::Relaxed) != sent || !waits {
        state.taken_round.store(round, Ordering::Relaxed);
    }
    rounds_since(&state.taken_round, round)
}

/// How many rounds ago that was noted. None if a later round noted it, which another worker has begun meanwhile.
fn rounds_since(noted: &AtomicU32, round: u32) -> u32 {
    let rounds = round.wrapping_sub(noted.load(Ordering::Relaxed));
    if rounds > u32::MAX / 2 { 0 } else { rounds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_round_has_noted_is_not_long_ago() {
        assert_eq!(rounds_since(&AtomicU32::new(3), 5), 2);
        assert_eq!(rounds_since(&AtomicU32::new(6), 5), 0);
        assert_eq!(rounds_since(&AtomicU32::new(u32::MAX), 1), 2);
    }
}
