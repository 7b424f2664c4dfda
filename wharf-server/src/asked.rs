//! What is to be known of a client before more is received from it: what is asked of its handler, and how the client stands.

use std::sync::atomic::{AtomicU8, Ordering};

/// The things that may be asked, or known.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Ask {
    /// To be called again.
    Again = 1,
    /// To take the frames that have arrived.
    Frames = 2,
    /// To be told what is in the mailbox.
    Mail = 4,
    /// Nothing: the beginning of a frame has arrived, and the rest has not.
    IsWithinFrame = 8,
    /// Nothing: it is read from at a rate.
    IsPaced = 16,
    /// Nothing: its handler has made its session, and no call has panicked since.
    HasSession = 32,
    /// Nothing: our side of the stream ends behind what was sent, or has ended, and the client stays.
    EndsSending = 64,
}

/// Those that are to be answered.
const ANSWERED: u8 = Ask::Again as u8 | Ask::Frames as u8 | Ask::Mail as u8;

/// One client's. Read for each receive, and seldom written.
#[derive(Debug, Default)]
pub(crate) struct Asked(AtomicU8);

impl Asked {
    /// Asks for it, or does not ask for it any more. Returns whether it was asked for before.
    pub(crate) fn set(&self, ask: Ask, asked: bool) -> bool {
        if self.has(ask) == asked {
            return asked;
        }
        let bit = ask as u8;
        let before = match asked {
            true => self.0.fetch_or(bit, Ordering::SeqCst),
            false => self.0.fetch_and(!bit, Ordering::SeqCst),
        };
        before & bit != 0
    }

    #[inline]
    pub(crate) fn has(&self, ask: Ask) -> bool {
        self.0.load(Ordering::SeqCst) & ask as u8 != 0
    }

    #[inline]
    pub(crate) fn has_any(&self) -> bool {
        self.0.load(Ordering::SeqCst) & ANSWERED != 0
    }
}
