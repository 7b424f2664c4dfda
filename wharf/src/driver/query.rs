//! What can be asked of a descriptor, and the answers.

use std::{io, net::SocketAddr};

/// What can be asked of a descriptor, or set.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Query {
    LocalAddress,
    PeerAddress,
    /// The bytes that can be received.
    Unread,
    /// Whether all that was sent is acknowledged, on a side that is shut down.
    IsDelivered,
    /// The bytes that were sent and the peer's system has not acknowledged.
    Unacknowledged,
    /// To send small segments at once.
    Nodelay(bool),
    /// To reset the connection when it is closed.
    ResetOnClose,
    /// How long a file is.
    Length,
    /// Whether it is TCP: there, a short receive has found all that there is.
    #[cfg(unix)]
    IsTcp,
}

/// The answer to a [`Query`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reply {
    /// None: it has none, or one of another family.
    Address(Option<SocketAddr>),
    Count(u64),
    Whether(bool),
    Set,
}

impl Reply {
    pub(crate) fn address(self) -> io::Result<SocketAddr> {
        match self {
            Reply::Address(Some(address)) => Ok(address),
            _ => Err(io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                "there is no Internet address at this end",
            )),
        }
    }

    pub(crate) fn is_so(self) -> bool {
        matches!(self, Reply::Whether(true))
    }

    pub(crate) fn count(self) -> u64 {
        match self {
            Reply::Count(count) => count,
            _ => 0,
        }
    }
}
