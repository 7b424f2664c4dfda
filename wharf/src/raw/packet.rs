//! The answers of a wait: packets, or why there are none.

use std::{io, ptr::NonNull};

#[cfg(feature = "safe")]
use super::ErasedKey;
use super::{OperationId, Overlapped, Task};

/// One completed operation, one posted packet, or one task.
#[derive(Debug)]
pub struct Packet {
    /// The key of the handle, or the one that was posted.
    pub key: usize,
    /// The bytes that were moved, also by an operation that failed; or the number that was posted.
    pub transferred: usize,
    /// The token of the operation, or the one that was posted.
    pub token: u64,
    /// Why the operation failed, if it did: the system's own error.
    pub error: Option<io::Error>,
    /// The operation, which is the caller's again; none for a posted packet.
    pub operation: Option<NonNull<Overlapped>>,
    /// The task, for the caller of the wait to [run](Task::run), if it is one: then key, number and token are 0.
    pub task: Option<Task>,
}

impl Packet {
    /// # Safety
    /// The operation is valid, has ended, and is handed out with this.
    pub(super) unsafe fn of(operation: NonNull<Overlapped>) -> Packet {
        // SAFETY: passed on to the caller.
        let overlapped = unsafe { operation.as_ref() };
        Packet {
            key: overlapped.key,
            transferred: overlapped.transferred,
            token: overlapped.token,
            error: overlapped.error(),
            operation: Some(operation),
            task: None,
        }
    }
}

/// The answer of a wait for one packet.
#[derive(Debug)]
pub enum Answer {
    /// A packet.
    Packet(Packet),
    /// The time is over.
    TimedOut,
    /// The port is closed.
    Closed,
}

/// The answer of [`Port::start_skip_port`](super::Port::start_skip_port).
#[derive(Debug)]
#[must_use = "what is done is handed out here, and nowhere else"]
pub enum Started {
    /// Its packet follows.
    Pending(OperationId),
    /// It ended within the call.
    Completed(Packet),
}

/// The answer of a wait for many packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitMany {
    /// So many packets were appended.
    Packets(usize),
    /// The time is over.
    TimedOut,
    /// The port is closed.
    Closed,
}

/// Why a wait ended without a packet.
pub(crate) enum End {
    TimedOut,
    Closed,
}

/// A packet on the port's queue.
#[derive(Debug)]
pub(crate) enum Queued {
    /// An operation that completed.
    Operation(Completed),
    /// A packet that was posted on a raw port.
    Posted {
        key: usize,
        transferred: usize,
        token: u64,
    },
    /// A task: two words.
    Task(Task),
    #[cfg(feature = "safe")]
    /// A packet that was posted through the safe API: the key is of its own type.
    Carried { key: ErasedKey, transferred: usize },
}

/// A completed operation, which no code touches until its packet is handed out.
#[derive(Debug)]
pub(crate) struct Completed(pub(crate) NonNull<Overlapped>);

// SAFETY: the caller of `Port::start` gives the operation up until its packet is handed out, on whatever thread; it
// is told so there. Until then only the port holds the address, in one place at a time.
unsafe impl Send for Completed {}

impl Queued {
    pub(super) fn into_packet(self) -> Packet {
        match self {
            Queued::Posted {
                key,
                transferred,
                token,
            } => Packet {
                key,
                transferred,
                token,
                error: None,
                operation: None,
                task: None,
            },
            Queued::Task(task) => Packet {
                key: 0,
                transferred: 0,
                token: 0,
                error: None,
                operation: None,
                task: Some(task),
            },
            #[cfg(feature = "safe")]
            Queued::Carried { .. } => unreachable!("it is not posted on a port without records"),
            // SAFETY: a queued operation is valid, and untouched by other code until its packet is handed out: now.
            Queued::Operation(Completed(operation)) => unsafe { Packet::of(operation) },
        }
    }
}
