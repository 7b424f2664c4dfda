//! Errors of the port's own: refusals and cancellations.

use std::{error::Error, fmt, io};

use super::{HANDLES_MAX, Kind};
use crate::driver::codes;

/// Why the port itself refused something, in place of the system.
///
/// It is inside the [`io::Error`] that a call returns, whose [kind](Self::kind) is less exact; [`of`](Self::of) finds it
/// there. An error of the system's is never one of these. Two kinds of refusals are not here either: what can't be associated at
/// all (a handle of another kind or another kernel) is told by kind and text, and an attempt or a `send_if_idle` that would have to
/// wait by the bare kind [`WouldBlock`](io::ErrorKind::WouldBlock), since it is expected often, and then nothing is allocated.
///
/// ```
/// use wharf::{CompletionPort, PortError};
///
/// # fn main() -> std::io::Result<()> {
/// let port = CompletionPort::<u32>::builder().operations_max(1).build()?;
/// port.post(7, 0)?;
/// let refused = port.post(8, 0).unwrap_err();
/// assert_eq!(PortError::of(&refused.error), Some(&PortError::TooManyOperations { max: 1 }));
/// assert_eq!(refused.given, 8, "what was given comes back");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PortError {
    /// The handle, or its port, is closed.
    Closed,
    /// As many operations are under way as the port takes (`operations_max`).
    TooManyOperations {
        /// The most.
        max: usize,
    },
    /// The port has as many handles as a port takes ([`HANDLES_MAX`]).
    TooManyHandles,
    /// Backpressure: as many bytes wait to be sent on the socket as `set_unsent_max` allows.
    TooManyUnsent {
        /// Bytes that wait.
        unsent_bytes: usize,
        /// The most.
        max_bytes: usize,
    },
    /// Backpressure: as many sends are under way on the socket as `set_sends_max` allows.
    TooManySends {
        /// Sends that are under way.
        sends: u32,
        /// The most.
        max: u32,
    },
    /// A handle of this kind does not take the operation.
    WrongKind(Kind),
    /// A handle of this kind takes no attempts, such as `try_receive`.
    NoAttempts(Kind),
    /// A wait for at most 0 packets would never end.
    WaitForNone,
    /// There is no such operation under way, to be cancelled: it has finished.
    NotUnderWay,
    /// A buffer to receive into has no capacity.
    NoRoom,
    /// A pool can't have these numbers of threads.
    Threads {
        /// The number of threads to start with.
        min: usize,
        /// The most.
        max: usize,
    },
    /// The name of a thread has a zero byte in it, which the system does not take.
    ThreadName(String),
}

impl PortError {
    /// The port's own error inside of `error`, if it is one.
    pub fn of(error: &io::Error) -> Option<&PortError> {
        error.get_ref()?.downcast_ref()
    }

    /// The kind of the [`io::Error`] that it is inside of.
    pub fn kind(&self) -> io::ErrorKind {
        use io::ErrorKind;
        match self {
            PortError::Closed => ErrorKind::NotConnected,
            PortError::TooManyOperations { .. } | PortError::TooManyHandles => {
                ErrorKind::QuotaExceeded
            }
            PortError::TooManyUnsent { .. } | PortError::TooManySends { .. } => {
                ErrorKind::WouldBlock
            }
            PortError::NotUnderWay => ErrorKind::NotFound,
            PortError::WrongKind(_)
            | PortError::NoAttempts(_)
            | PortError::WaitForNone
            | PortError::NoRoom
            | PortError::Threads { .. }
            | PortError::ThreadName(_) => ErrorKind::InvalidInput,
        }
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TOO_SLOW: &str = "the peer reads too slowly: wait until it has taken some";
        match self {
            PortError::Closed => {
                formatter.write_str("the handle or its port is closed; nothing can be started on it")
            }
            PortError::TooManyOperations { max } => write!(
                formatter,
                "{max} operations are under way, the most this port takes; wait for some, or raise operations_max"
            ),
            PortError::TooManyHandles => write!(
                formatter,
                "a port takes {HANDLES_MAX} handles at most; close some, or use a second port"
            ),
            PortError::TooManyUnsent {
                unsent_bytes,
                max_bytes,
            } => write!(
                formatter,
                "{unsent_bytes} bytes wait to be sent and the limit is {max_bytes}; {TOO_SLOW}"
            ),
            PortError::TooManySends { sends, max } => write!(
                formatter,
                "{sends} sends are under way and the limit is {max}; {TOO_SLOW}"
            ),
            PortError::WrongKind(kind) => write!(
                formatter,
                "a handle of kind {kind:?} does not take this operation"
            ),
            PortError::NoAttempts(kind) => write!(
                formatter,
                "a handle of kind {kind:?} takes no attempts; start an operation, or use a connected stream"
            ),
            PortError::WaitForNone => formatter
                .write_str("a wait for 0 packets would wait for ever; ask for at least 1"),
            PortError::NotUnderWay => formatter.write_str("the operation has finished"),
            PortError::NoRoom => formatter.write_str(
                "the buffer for the first bytes has a capacity of 0; give it room for 1 at least, or use `accept`",
            ),
            PortError::Threads { min, max } => write!(
                formatter,
                "a pool of {min} to {max} workers would serve nobody; start at least 1, and let the most be no fewer"
            ),
            PortError::ThreadName(name) => write!(
                formatter,
                "the system takes no zero byte in the name of a thread; leave it out of {name:?}"
            ),
        }
    }
}

impl Error for PortError {}

impl From<PortError> for io::Error {
    fn from(error: PortError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}

/// The error of an operation that is started on a closed port or handle.
pub(crate) fn closed() -> io::Error {
    PortError::Closed.into()
}

/// Whether a wait for so many packets can end.
pub(super) fn check_max(max: usize) -> io::Result<()> {
    match max {
        0 => Err(PortError::WaitForNone.into()),
        _ => Ok(()),
    }
}

/// Whether this is the error of an operation that was cancelled: `ECANCELED`, on Windows `ERROR_OPERATION_ABORTED`.
pub fn is_cancelled(error: &io::Error) -> bool {
    error.raw_os_error() == Some(codes::CANCELLED)
}
