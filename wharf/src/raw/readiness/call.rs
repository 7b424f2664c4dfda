//! The transfers that an operation asks of a driver, one after the other.

use std::ptr::NonNull;

use crate::{
    driver::{BUFFERS_PER_CALL_MAX, Call},
    raw::{Buffers, Destination, Overlapped, Request, Transmit, overlapped::Part},
};

impl Overlapped {
    /// Whether it is an accept that receives, too.
    pub(super) fn receives_first(&self) -> bool {
        matches!(self.request, Request::AcceptReceive(_))
    }

    /// Whether it receives bytes of a stream.
    pub(super) fn receives_bytes(&self) -> bool {
        matches!(
            self.request,
            Request::Receive(_)
                | Request::ReceiveAll(_)
                | Request::ReceiveProvided(_)
                | Request::AcceptReceive(_)
        )
    }

    /// The next transfer for this operation. None for a receive that asks its [`Provider`](crate::raw::Provider).
    pub(super) fn call(&self) -> Option<Call> {
        let moved = self.transferred;
        Some(match &self.request {
            Request::Receive(Buffers::One(buffer)) => Call::Receive(*buffer),
            Request::ReceiveAll(Buffers::One(buffer)) => Call::Receive(buffer.from(moved)),
            &(Request::Receive(Buffers::Many { first, count })
            | Request::ReceiveAll(Buffers::Many { first, count })) => Call::Scatter {
                first,
                count,
                skip: moved,
            },
            Request::ReceiveNothing => Call::Probe,
            // Never made: the operation waits only for the side to be ready.
            Request::ReceiveReadiness => Call::Probe,
            Request::Send(Buffers::One(buffer)) => Call::Send(buffer.from(moved)),
            &Request::Send(Buffers::Many { first, count }) => Call::Gather {
                first,
                count,
                skip: moved,
            },
            Request::Shutdown => Call::Shutdown,
            Request::Accept(_) => Call::Accept,
            Request::Connect(address) => Call::Connect(**address),
            Request::ConnectLocal(address) => Call::ConnectLocal(NonNull::from(&**address)),
            Request::ConnectSend(connect) if connect.is_connected => {
                Call::Send(connect.buffer.from(moved))
            }
            Request::ConnectSend(connect) => Call::Connect(connect.address),
            Request::AcceptReceive(arrival) if arrival.arrived.is_some() => {
                Call::Receive(arrival.buffer)
            }
            Request::AcceptReceive(_) => Call::Accept,
            Request::ReceiveFrom(datagram) => match datagram.destination {
                Destination::Buffer(buffer) => Call::ReceiveFrom(buffer),
                Destination::Provided(_) => return None,
            },
            Request::SendTo(buffer, to) => Call::SendTo(*buffer, **to),
            Request::Transmit(transmit) => transmit.call(moved),
            Request::ReadAt(span) => {
                Call::ReadAt(span.buffer.from(moved), span.offset + moved as u64)
            }
            Request::WriteAt(span) => {
                Call::WriteAt(span.buffer.from(moved), span.offset + moved as u64)
            }
            Request::Flush => Call::Flush,
            Request::ReceiveProvided(_) | Request::Timer | Request::Posted => return None,
        })
    }
}

impl Transmit {
    fn call(&self, moved: usize) -> Call {
        match self.part(moved) {
            Part::Memory(buffer) => Call::Send(buffer),
            Part::File { offset, len } => Call::SendFile {
                file: self.file,
                offset,
                len,
            },
        }
    }
}

impl Call {
    /// How many bytes the call offers to move, where that tells whether the descriptor is exhausted.
    ///
    /// # Safety
    /// A list of several buffers is in place.
    pub(super) unsafe fn offered(&self) -> usize {
        match *self {
            Call::Receive(buffer) | Call::Send(buffer) => buffer.len,
            Call::Scatter { first, count, skip } | Call::Gather { first, count, skip } => {
                // SAFETY: passed on to the caller. The buffers that are wholly skipped free places for others, so
                // this may be less than what the call takes, never more.
                let window = unsafe { Buffers::Many { first, count }.len(BUFFERS_PER_CALL_MAX) };
                window.saturating_sub(skip)
            }
            // A short transfer says nothing here: a file may end, a datagram is whole.
            _ => 0,
        }
    }
}
