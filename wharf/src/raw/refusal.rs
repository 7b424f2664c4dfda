//! Errors of the port's own: what it refuses, and what was cancelled.

use std::io;

use super::Kind;
use crate::driver::codes;

/// The error of whatever is started on a closed port or handle.
pub(crate) fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotConnected,
        "the handle or its port is closed; nothing can be started on it",
    )
}

/// The error of whatever is started where no more operations may be under way.
pub(super) fn too_many(max: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::QuotaExceeded,
        format!(
            "{max} operations are under way, the most this port takes; wait for some, or raise operations_max"
        ),
    )
}

/// The error of an attempt on what is no connected stream.
pub(super) fn takes_no_attempts(kind: Kind) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "a handle of kind {kind:?} takes no attempts; start an operation, or use a connected stream"
        ),
    )
}

/// Whether a wait for so many packets can end.
pub(super) fn check_max(max: usize) -> io::Result<()> {
    match max {
        0 => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a wait for 0 packets would wait for ever; ask for at least 1",
        )),
        _ => Ok(()),
    }
}

/// Whether this is the error of an operation that was cancelled: `ECANCELED`, on Windows `ERROR_OPERATION_ABORTED`.
pub fn is_cancelled(error: &io::Error) -> bool {
    error.raw_os_error() == Some(codes::CANCELLED)
}
