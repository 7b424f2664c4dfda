//! The operations, one file a kind: how each is started, and what its completion brings.
//!
//! An operation is started on a [`Socket`], a [`Listener`](crate::Listener) or the port. What it needs it owns until it
//! completes; its [`Completion`] gives everything back, whether it succeeded or failed. How an operation lives in
//! between is told in [`raw::Overlapped`](crate::raw::Overlapped).

mod accept;
mod completion;
mod connect;
mod datagram;
mod direct;
#[cfg(windows)]
mod disconnect;
mod file;
mod post;
mod receive;
mod send;
mod shutdown;
mod timer;
mod transmit;

use std::{error::Error, fmt, io};

pub use accept::Connection;
pub use completion::{Completion, Done, Wait};
pub use direct::{Direct, Started};

pub use crate::raw::OperationId;
use crate::{
    handle::{Association, Origin, Socket},
    raw::Request,
    record::{Cargo, Manner, Memory, Records},
};

/// An operation that was refused when it was started: why, and what it was to own.
#[derive(Debug)]
pub struct Refused<T> {
    /// Why.
    pub error: io::Error,
    /// What was given to the operation.
    pub given: T,
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

impl<K: Clone + Send + Sync + 'static> Association<K> {
    /// Starts an operation; `given` finds what comes back if it is refused.
    fn start<T>(
        &self,
        cargo: Cargo<Origin<K>>,
        request: Request,
        manner: Manner,
        given: fn(Memory) -> Option<T>,
    ) -> Result<OperationId, Refused<T>> {
        let started = self.records.start(self.handle, cargo, request, manner);
        started.map_err(|(error, cargo)| Refused::new(error, cargo, given))
    }

    /// Starts an operation that moves none of the caller's memory.
    fn start_request(&self, source: Origin<K>, request: Request) -> io::Result<OperationId> {
        let memory = Memory::None;
        let manner = Manner::Reported;
        Ok(self.start(Cargo { source, memory }, request, manner, |_| Some(()))?)
    }
}

impl<T> Refused<T> {
    fn new<K>(error: io::Error, cargo: Cargo<Origin<K>>, given: fn(Memory) -> Option<T>) -> Self {
        Refused {
            error,
            given: given(cargo.memory).expect("it comes back as it was given"),
        }
    }
}

impl<K: Clone + Send + Sync + 'static> Socket<K> {
    /// Starts an operation that moves memory; `given` finds in it what comes back if it is refused.
    fn start<T>(
        &self,
        mut memory: Memory,
        manner: Manner,
        given: fn(Memory) -> Option<T>,
    ) -> Result<OperationId, Refused<T>> {
        let request = Records::<Origin<K>>::request_for(&mut memory);
        self.association()
            .start(self.cargo(memory), request, manner, given)
    }

    /// Starts an operation that moves none.
    fn start_request(&self, request: Request) -> io::Result<OperationId> {
        let source = Origin::Socket(self.clone());
        self.association().start_request(source, request)
    }

    fn cargo(&self, memory: Memory) -> Cargo<Origin<K>> {
        Cargo {
            source: Origin::Socket(self.clone()),
            memory,
        }
    }
}
