//! The operations, one file for each kind: how it is started, and what its completion brings.
//!
//! An operation is started on a [`Socket`](crate::Socket), a [`Listener`](crate::Listener) or the port. What it needs it owns until it
//! completes; its [`Completion`] gives everything back, whether it succeeded or failed. How an operation lives in
//! between is told in [`raw::Overlapped`](crate::raw::Overlapped).

mod accept;
mod completion;
mod connect;
mod context;
mod datagram;
#[cfg(windows)]
mod disconnect;
mod file;
mod post;
mod receive;
mod send;
mod shutdown;
mod skip_port;
mod timer;
mod transmit;

use std::{error::Error, fmt, io};

pub use crate::record::Context;
pub use accept::Connection;
pub use completion::{Completion, Finished, Wait};
pub use context::With;
pub use skip_port::{SkipPort, Started};
pub use timer::CancelledTimer;

pub use crate::raw::OperationId;
use crate::{
    handle::Origin,
    record::{Memory, Owned},
};

/// An operation that was refused when it was started: the error, and everything that was given to the operation.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refused<T> {
    /// Why it was refused.
    pub error: io::Error,
    /// What was given to the operation.
    pub given: T,
    /// The context that was to go with it, if one was given.
    pub context: Option<Context>,
}

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl<T: fmt::Debug> Error for Refused<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

impl<T> From<Refused<T>> for io::Error {
    fn from(refused: Refused<T>) -> Self {
        refused.error
    }
}

impl<T> Refused<T> {
    /// A refusal of a layer above the port's.
    pub fn new(error: impl Into<io::Error>, given: T) -> Self {
        Refused::of(error.into(), given, None)
    }

    fn of(error: io::Error, given: T, context: Option<Context>) -> Self {
        Refused {
            error,
            given,
            context,
        }
    }

    fn of_owned<K>(
        error: io::Error,
        owned: Owned<Origin<K>>,
        given: fn(Memory) -> Option<T>,
    ) -> Self {
        let given = given(owned.memory).expect("it comes back as it was given");
        Refused::of(error, given, owned.context)
    }
}
