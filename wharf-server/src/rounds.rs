//! The rounds of [patience](crate::patience): all clients are looked at, and clients that did nothing, or took nothing, for
//! too long are cut.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::{
    Client, Ended, marks::Mark, patience::Patience, prelude::Prelude, shared::ServerState,
};

/// A number of bytes at the last look, and the round in which that number had changed. Of the number, the lower half is kept: a
/// client is cut only after several rounds, and would have to move a multiple of 4 GiB, to the byte, in each.
#[derive(Debug)]
pub(crate) struct Look {
    bytes: AtomicU32,
    changed: Noted,
}

impl Look {
    pub(crate) fn new(round: u32) -> Self {
        Look {
            bytes: AtomicU32::new(0),
            changed: Noted::new(round),
        }
    }

    /// Returns whether the number is another than at the last look.
    fn has_changed(&self, bytes: u64) -> bool {
        let bytes = bytes as u32;
        self.bytes.swap(bytes, Ordering::Relaxed) != bytes
    }

    /// As if the number had changed in this round.
    pub(crate) fn note(&self, round: u32) {
        self.changed.note(round);
    }

    /// How many rounds ago it changed.
    fn rounds_since(&self, round: u32) -> u32 {
        self.changed.rounds_since(round)
    }
}

/// The round in which something was noted.
#[derive(Debug)]
pub(crate) struct Noted(AtomicU32);

impl Noted {
    pub(crate) fn new(round: u32) -> Self {
        Noted(AtomicU32::new(round))
    }

    pub(crate) fn note(&self, round: u32) {
        self.0.store(round, Ordering::Relaxed);
    }

    /// How many rounds ago that was. None if a later round noted it, which another worker has begun meanwhile.
    fn rounds_since(&self, round: u32) -> u32 {
        let rounds = round.wrapping_sub(self.0.load(Ordering::Relaxed));
        if rounds > u32::MAX / 2 { 0 } else { rounds }
    }
}

impl<M: Send + 'static> ServerState<M> {
    /// Looks at all clients once.
    pub(crate) fn look_at_patience(&self) {
        let patience = self.clients.patience();
        let round = patience.begin_round();
        let mut any_waits = false;
        for client in self.clients.all() {
            let waits = client.unsent() > 0;
            any_waits |= waits || client.state().is_in_prelude();
            if patience.is_over_for_stalled(stalled_rounds(&client, waits, round)) {
                client.end(Ended::Stalled);
            } else if let Some(ended) = owes(&client, patience, round) {
                let is_refused = matches!(ended, Ended::NotBegun(_));
                if client.end(ended) && is_refused {
                    self.count_not_begun(&client);
                }
            } else if patience.is_over_for_idle(idle_rounds(&client, round)) {
                client.end(Ended::Idle);
            }
        }
        if any_waits || (patience.minds_all() && !self.clients.is_empty()) {
            self.clients.watch_patience();
        }
    }
}

/// For how many rounds the client has moved nothing, though it could have.
fn idle_rounds<M>(client: &Client<M>, round: u32) -> u32 {
    let state = client.state();
    let traffic = client.traffic();
    let moved = traffic.received_bytes.wrapping_add(traffic.sent_bytes);
    let has_moved = state.moved.has_changed(moved);
    let rounds = state.moved.rounds_since(round);
    // A client whose handler is at work waits for the server, and so does one whose reading the server has paused. So does one
    // whose bytes are not read because there is no buffer, or because it does not take its answers (for which there is another
    // time-out); but that costs a system call, so it is checked only for clients that moved nothing for a round.
    if has_moved || is_kept_waiting(client) || (rounds > 1 && is_unread(client)) {
        state.moved.note(round);
        return 0;
    }
    rounds
}

/// Whether the client has owed its first bytes, or the rest of a frame, for too long.
fn owes<M>(client: &Client<M>, patience: &Patience, round: u32) -> Option<Ended> {
    let state = client.state();
    let is_in_prelude = state.is_in_prelude();
    let prelude = state.prelude().filter(|_| is_in_prelude);
    if !is_in_prelude && !patience.minds_debts() {
        return None;
    }
    let owing = client.state().owing();
    if waits_for_server(client) {
        owing.note(round);
        return None;
    }
    let rounds = owing.rounds_since(round);
    let is_within = client.state().marks.has(Mark::IsWithinFrame);
    let of_prelude = prelude.map(|prelude| prelude_owes(prelude, patience, rounds));
    let ended = match is_within {
        _ if of_prelude.is_some() => of_prelude.flatten()?,
        true if patience.is_over_for_frame(rounds) => Ended::SlowFrame,
        false if patience.is_over_for_first(rounds) && client.traffic().received_bytes == 0 => {
            Ended::Silent
        }
        _ => return None,
    };
    // A call to the system, so it is asked last: its bytes may be there, and no buffer for them.
    if is_unread(client) {
        owing.note(round);
        return None;
    }
    Some(ended)
}

/// Whether what comes before a client's own bytes has not come for too long.
fn prelude_owes(prelude: &Prelude, patience: &Patience, rounds: u32) -> Option<Ended> {
    let (is_over, what) = match prelude.awaits_handshake() {
        true => (patience.is_over_for_handshake(rounds), "TLS handshake"),
        false => (patience.is_over_for_header(rounds), "PROXY header"),
    };
    is_over.then(|| Ended::NotBegun(format!("its {what} did not come in time")))
}

/// Whether its handler is at work, or the server has paused its reading.
fn is_kept_waiting<M>(client: &Client<M>) -> bool {
    client.state().handling.load(Ordering::Relaxed) || client.is_held_back()
}

/// Whether bytes of its have arrived and are not read. Costs a system call.
fn is_unread<M>(client: &Client<M>) -> bool {
    client.0.unread().is_ok_and(|unread| unread > 0)
}

/// Whether the client has sent what it could, as far as the server has let it.
fn waits_for_server<M>(client: &Client<M>) -> bool {
    let state = client.state();
    let is_paced = || {
        state
            .pace()
            .and_then(|pace| pace.delay(client.since()))
            .is_some()
    };
    is_kept_waiting(client)
        || client.is_closing()
        || client.peer_has_ended()
        || client.unsent() > client.clients().unsent_pause_bytes()
        || is_paced()
}

/// For how many rounds the client has taken nothing, though something waits to be sent to it.
fn stalled_rounds<M>(client: &Client<M>, waits: bool, round: u32) -> u32 {
    let state = client.state();
    let Some(taken) = state.taken(waits) else {
        return 0;
    };
    // What a handler sends may wait for the end of its call.
    let is_handled = state.handling.load(Ordering::Relaxed);
    // The system has much memory for what is sent, and takes no more before a large part of it is read: what counts is what the peer's
    // system has. That is a call to the system, for clients that something waits for.
    let unacknowledged = match waits {
        true => client.0.unacknowledged().unwrap_or(0),
        false => 0,
    };
    let sent = client.traffic().sent_bytes.wrapping_sub(unacknowledged);
    if taken.has_changed(sent) || !waits || is_handled {
        taken.note(round);
    }
    taken.rounds_since(round)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_round_has_noted_is_not_long_ago() {
        assert_eq!(Noted::new(3).rounds_since(5), 2);
        assert_eq!(Noted::new(6).rounds_since(5), 0);
        assert_eq!(Noted::new(u32::MAX).rounds_since(1), 2);
    }
}
