//! The unsent bytes of a handle: how many there are, and how many there may be (backpressure).
//!
//! Bytes and sends both have a limit, since a peer that does not read can occupy both: memory, and operations of the
//! port, which all handles share.

use std::io;

use super::{Overlapped, PortError, Request};

/// Packed: each handle has one, and would have four bytes of padding more.
#[derive(Debug, Default)]
#[repr(C, packed(4))]
pub(super) struct Unsent {
    /// Bytes of started sends that the kernel has not taken yet, as far as is known.
    pub bytes: usize,
    /// Sends that were started and have not ended.
    sends: u32,
}

/// How many there may be. Most handles have no limit, so it stands elsewhere.
#[derive(Debug)]
pub(super) struct Limits {
    pub bytes_max: usize,
    pub sends_max: u32,
}

impl Limits {
    pub(super) const NONE: Limits = Limits {
        bytes_max: usize::MAX,
        sends_max: u32::MAX,
    };
}

impl Unsent {
    /// Whether an operation that sends `bytes` may be started, if it sends any.
    pub(super) fn check(
        &self,
        operation: &Overlapped,
        bytes: usize,
        limits: &Limits,
    ) -> io::Result<()> {
        match operation.sends() {
            true => self.check_send(bytes, limits),
            false => Ok(()),
        }
    }

    /// Whether a send of `bytes` may be started.
    pub(super) fn check_send(&self, bytes: usize, limits: &Limits) -> io::Result<()> {
        let (unsent_bytes, max_bytes) = (self.bytes, limits.bytes_max);
        if unsent_bytes > 0 && bytes > max_bytes.saturating_sub(unsent_bytes) {
            let refusal = PortError::TooManyUnsent {
                unsent_bytes,
                max_bytes,
            };
            return Err(refusal.into());
        }
        if self.sends >= limits.sends_max {
            let (sends, max) = (self.sends, limits.sends_max);
            return Err(PortError::TooManySends { sends, max }.into());
        }
        Ok(())
    }

    /// Whether an operation may be started that is to be the only one that sends.
    pub(super) fn check_alone(&self) -> io::Result<()> {
        match self.sends {
            0 => Ok(()),
            // Returned often, to callers that expect it: so it allocates nothing.
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Whether there is no send, and one may be started.
    #[cfg(all(unix, feature = "safe"))]
    pub(super) fn takes_the_first(&self, limits: &Limits) -> bool {
        self.sends == 0 && limits.sends_max > 0
    }

    /// Counts a send that is begun without an operation, which it may become later.
    #[cfg(all(unix, feature = "safe"))]
    pub(super) fn begin_send(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.sends += 1;
    }

    /// Counts it as ended.
    #[cfg(unix)]
    pub(super) fn end_send(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.sends -= 1;
    }

    /// Counts an operation that is started.
    pub(super) fn begin(&mut self, operation: &Overlapped, bytes: usize) {
        self.bytes += bytes;
        self.sends += u32::from(operation.sends());
    }

    /// Counts an operation as ended, with so many bytes that were not sent.
    pub(super) fn end(&mut self, operation: &Overlapped, bytes: usize) {
        self.bytes -= bytes;
        self.sends -= u32::from(operation.sends());
    }
}

impl Overlapped {
    /// Whether it sends bytes of the caller's.
    fn sends(&self) -> bool {
        matches!(
            self.request,
            Request::Send(_) | Request::SendTo(..) | Request::ConnectSend(_) | Request::Transmit(_)
        )
    }
}
