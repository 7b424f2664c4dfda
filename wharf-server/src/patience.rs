//! How long clients may do nothing, or take nothing: counted in rounds, so that a busy client pays nothing for it.
//!
//! A round is a quarter of the shorter time-out. A client that moved no byte for as many rounds as its time-out has, and
//! one more, is cut: after the time-out at the earliest, and one and a half of it at the latest. There are rounds while
//! a client may be idle for too long, or while something waits to be sent to one.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use wharf::{CompletionPort, Key, user_code::log};

use crate::{Settings, proxy::Proxies};

const ROUNDS_PER_TIMEOUT: u32 = 4;

/// No more than so many rounds a second, however short the time-out.
const ROUND_MIN: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct Patience {
    round: Duration,
    /// For how many rounds a client may be idle, or take nothing.
    idle_rounds: Option<u32>,
    stall_rounds: Option<u32>,
    /// For how many rounds it may owe its first bytes, or the rest of a frame.
    first_rounds: Option<u32>,
    frame_rounds: Option<u32>,
    /// Likewise the header of the PROXY protocol.
    header_rounds: Option<u32>,
    /// Likewise the handshake of TLS.
    handshake_rounds: Option<u32>,
    number: AtomicU32,
    /// A timer for the next round is set.
    is_watching: AtomicBool,
}

impl Patience {
    pub(crate) fn new(settings: &Settings) -> Self {
        let (idle, stall) = (settings.idle_timeout, settings.stall_timeout);
        let (first, frame) = (settings.first_bytes_timeout, settings.frame_timeout);
        let has_proxies = !Proxies::new(settings).are_none();
        let header = has_proxies.then_some(settings.proxy_header_timeout);
        let handshake = settings.handshake_timeout();
        let timeouts = [idle, stall, first, frame, header, handshake];
        let timeouts = timeouts.into_iter().flatten();
        let shortest = timeouts.min().unwrap_or(Duration::MAX);
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
            first_rounds: first.map(rounds),
            frame_rounds: frame.map(rounds),
            header_rounds: header.map(rounds),
            handshake_rounds: handshake.map(rounds),
            number: AtomicU32::new(0),
            is_watching: AtomicBool::new(false),
        }
    }

    pub(crate) fn round(&self) -> u32 {
        self.number.load(Ordering::Relaxed)
    }

    /// Whether all clients are to be looked after, and not only those to which something waits to be sent.
    pub(crate) fn minds_all(&self) -> bool {
        self.idle_rounds.is_some() || self.minds_debts()
    }

    /// Whether a client may owe its first bytes, or the rest of a frame, for so long and no longer.
    pub(crate) fn minds_debts(&self) -> bool {
        self.first_rounds.or(self.frame_rounds).is_some()
    }

    /// Sees to it that there are rounds, now that there is a client to look after. A round begins with a timer that has this
    /// key.
    #[inline]
    pub(crate) fn watch<K>(&self, port: &CompletionPort<K>, key: impl FnOnce() -> K)
    where
        K: Key,
    {
        // As a rule there are, and this is asked for every send that has to wait.
        if !self.is_watching.load(Ordering::SeqCst) {
            self.begin_to_watch(port, key);
        }
    }

    #[cold]
    fn begin_to_watch<K>(&self, port: &CompletionPort<K>, key: impl FnOnce() -> K)
    where
        K: Key,
    {
        let others = self.header_rounds.or(self.handshake_rounds);
        let minds = self.minds_all() || self.stall_rounds.or(others).is_some();
        if !minds || self.is_watching.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Err(error) = port.timer(self.round, key()) {
            // The next client that comes, or falls behind, has it tried again.
            self.is_watching.store(false, Ordering::SeqCst);
            if !port.is_closed() {
                log(|| tracing::warn!(%error, "clients that do nothing can't be looked after"));
            }
        }
    }

    /// Begins a round; returns its number. A client that falls behind from now on may not be seen in it, and sets the next
    /// timer.
    pub(crate) fn begin_round(&self) -> u32 {
        let round = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        self.is_watching.store(false, Ordering::SeqCst);
        round
    }

    /// Whether a client may not be idle for so many rounds.
    pub(crate) fn is_over_for_idle(&self, rounds: u32) -> bool {
        self.idle_rounds.is_some_and(|max| rounds >= max)
    }

    /// Whether a client may not take nothing for so many rounds.
    pub(crate) fn is_over_for_stalled(&self, rounds: u32) -> bool {
        self.stall_rounds.is_some_and(|max| rounds >= max)
    }

    /// Whether a client may not owe its first bytes for so many rounds.
    pub(crate) fn is_over_for_first(&self, rounds: u32) -> bool {
        self.first_rounds.is_some_and(|max| rounds >= max)
    }

    /// Whether a client may not owe its PROXY header for so many rounds.
    pub(crate) fn is_over_for_header(&self, rounds: u32) -> bool {
        self.header_rounds.is_some_and(|max| rounds >= max)
    }

    /// Whether a client may not owe the rest of its handshake for so many rounds.
    pub(crate) fn is_over_for_handshake(&self, rounds: u32) -> bool {
        self.handshake_rounds.is_some_and(|max| rounds >= max)
    }

    /// Whether a client may not owe the rest of a frame for so many rounds.
    pub(crate) fn is_over_for_frame(&self, rounds: u32) -> bool {
        self.frame_rounds.is_some_and(|max| rounds >= max)
    }
}
