//! What is noted of a client between its calls, one bit each: what is to be done before more is received from it, and how it
//! stands.

use std::sync::atomic::{AtomicU16, Ordering};

/// What may be noted.
#[derive(Debug, Clone, Copy)]
#[repr(u16)]
pub(crate) enum Mark {
    /// To do: its handler has asked to be called again.
    Again = 1,
    /// To do: frames have arrived that its handler has not taken.
    Frames = 2,
    /// To do: there is something in its mailbox.
    Mail = 4,
    /// The beginning of a frame has arrived, and the rest has not.
    IsWithinFrame = 8,
    /// It is read from at a rate.
    IsPaced = 16,
    /// Its handler has made its session, and no call has panicked since.
    HasSession = 32,
    /// Our side of the stream ends behind what was sent, or has ended, and the client stays.
    EndsSending = 64,
    /// What it sends is no frame yet: see [`Prelude`](crate::prelude::Prelude).
    Prelude = 128,
    /// What it sends is [TLS](crate::tls), and is opened before it is handed out.
    IsSealed = 256,
    /// To do: its peer has said that all of its bytes have come.
    PeerSaidEnd = 512,
    /// Our side has ended; what still arrives is thrown away.
    Lingers = 1024,
    /// Its calls are measured, or made in its span.
    IsWatched = 2048,
}

/// The marks of what is to be done.
const TO_DO: u16 =
    Mark::Again as u16 | Mark::Frames as u16 | Mark::Mail as u16 | Mark::PeerSaidEnd as u16;

/// The marks of what is to be looked at before a client's bytes are handed out.
const LOOKED_AT: u16 = Mark::IsPaced as u16 | Mark::Prelude as u16 | Mark::IsSealed as u16;

/// The marks of one client: read for each receive, and seldom written.
#[derive(Debug, Default)]
pub(crate) struct Marks(AtomicU16);

impl Marks {
    /// Sets the mark, or takes it away. Returns whether it was set before.
    pub(crate) fn set(&self, mark: Mark, is_set: bool) -> bool {
        if self.has(mark) == is_set {
            return is_set;
        }
        let bit = mark as u16;
        let before = match is_set {
            true => self.0.fetch_or(bit, Ordering::SeqCst),
            false => self.0.fetch_and(!bit, Ordering::SeqCst),
        };
        before & bit != 0
    }

    #[inline]
    pub(crate) fn has(&self, mark: Mark) -> bool {
        self.0.load(Ordering::SeqCst) & mark as u16 != 0
    }

    /// Whether anything is to be done.
    #[inline]
    pub(crate) fn has_to_do(&self) -> bool {
        self.0.load(Ordering::SeqCst) & TO_DO != 0
    }

    /// Whether anything is to be looked at before the client's bytes are handed out.
    #[inline]
    pub(crate) fn has_to_be_looked_at(&self) -> bool {
        self.0.load(Ordering::SeqCst) & LOOKED_AT != 0
    }
}
