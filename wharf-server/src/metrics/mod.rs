//! What a server counts and measures for a program's metrics: by the facade crate `metrics`, where the feature of that name is on and
//! the program asks for it. The [manual](crate::manual::metrics) lists them.
//!
//! What happens seldom, or to a whole turn of a client, is told at once. What the server knows all the time, such as the bytes of each
//! client, is published a few times a second, so that it costs an echo nothing. All handles are made when the server
//! starts: to tell something takes no memory.

#[cfg(not(feature = "metrics"))]
mod absent;
#[cfg(feature = "metrics")]
mod handles;
#[cfg(feature = "metrics")]
mod publishing;
#[cfg(feature = "metrics")]
mod table;

#[cfg(not(feature = "metrics"))]
pub(crate) use absent::{Metrics, Publisher};
#[cfg(feature = "metrics")]
pub(crate) use handles::Metrics;
#[cfg(feature = "metrics")]
pub(crate) use publishing::Publisher;

use crate::Ended;

/// Something that has happened, to be counted.
#[cfg_attr(
    not(feature = "metrics"),
    expect(dead_code, reason = "nothing is counted")
)]
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counted<'a> {
    /// A client was accepted, or dialled.
    Accepted,
    Dialled,
    /// A connection was closed before its conversation began.
    Refused(Refusal),
    /// Accepting pauses.
    Paused(Shortage),
    /// A client has gone.
    Ended(&'a Ended),
    /// So many frames were handed to a handler.
    Frames(u64),
    /// An attempt to connect was begun, or has failed.
    Attempt,
    AttemptFailed,
    /// A client that was dialled has ended, and is to be connected again.
    Reconnect,
    /// A dial was refused, since there are as many as may be.
    DialRefused,
}

/// Why a connection was closed before its conversation began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its address has as many clients as it may.
    Address,
    /// Its PROXY header was wrong, did not come in time, or may not come from there.
    ProxyHeader,
    /// Its TLS handshake failed or did not come in time; or it was not begun, since too many are under way.
    #[cfg_attr(
        not(feature = "tls"),
        allow(dead_code, reason = "there are no handshakes")
    )]
    Tls,
    /// The server could not make a client of it.
    Unserved,
}

/// Why accepting pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// There are as many clients as may be.
    Clients,
    /// The system has no descriptor or memory for another.
    System,
}
