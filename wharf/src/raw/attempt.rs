//! Attempts on memory that the caller lends for a call: done at once, or not at all.
//!
//! An attempt is no operation: it waits in no line and has no packet. It is for callers that have memory only during a call.
//! Two operations tell such a caller when to try again: [`Request::ReceiveReadiness`](super::Request::ReceiveReadiness), and an
//! empty send, which ends when all bytes before it are out.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
};

#[cfg(feature = "safe")]
use bytes::BufMut;

use super::{
    Handle, Port, RawBuffer,
    shape::{Attempt, Attempts},
};

/// The most buffers of one attempt, listed on the stack.
const ATTEMPT_BUFFERS_MAX: usize = 64;

impl Port {
    /// Receives the bytes that a stream is known to have, if there are any; never waits. The port learns of new bytes while a
    /// thread waits on it, or polls. Returns how many bytes of `memory`, from its front, were written: 0 is the end of the
    /// stream, or `memory` is empty.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): no bytes are known to be there, or a receive is under way, which comes first.
    /// As for [`start`](Self::start) otherwise, or the system's.
    pub fn try_receive(&self, handle: Handle, memory: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        if memory.is_empty() {
            return Ok(0);
        }
        let buffer = RawBuffer {
            start: memory.as_mut_ptr().cast(),
            len: memory.len(),
        };
        // SAFETY: the memory is lent for this call.
        unsafe { self.attempt(handle, Attempt::Receive(buffer)) }
    }

    /// As [`try_receive`](Self::try_receive), into the free space of a buffer (of its next piece), and counts what came as filled.
    ///
    /// # Errors
    /// As for [`try_receive`](Self::try_receive).
    #[cfg(feature = "safe")]
    pub fn try_receive_into(&self, handle: Handle, into: &mut impl BufMut) -> io::Result<usize> {
        let memory = into.chunk_mut();
        let buffer = RawBuffer {
            start: memory.as_mut_ptr(),
            len: memory.len(),
        };
        if buffer.len == 0 {
            return Ok(0);
        }
        // SAFETY: the memory is lent for this call.
        let received = unsafe { self.attempt(handle, Attempt::Receive(buffer)) }?;
        // SAFETY: so many bytes were written to it, from its front.
        unsafe { into.advance_mut(received) };
        Ok(received)
    }

    /// Sends as many of `bytes` as the system takes now; never waits. Returns how many it took. They do not count as
    /// [unsent](Self::unsent).
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): it takes none now, or a send is under way, which has to go before these
    /// bytes. As for [`start`](Self::start) otherwise, or the system's.
    pub fn try_send(&self, handle: Handle, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        // SAFETY: the bytes are lent for this call, which only reads them.
        unsafe { self.attempt(handle, Attempt::Send(RawBuffer::of(bytes))) }
    }

    /// Whether a send that this thread starts now is made together with others, in one call: more work is queued, and the driver
    /// gains from batches. A hint, for a choice between [`try_send`](Self::try_send) and an operation.
    #[cfg(feature = "safe")]
    pub fn batches_sends(&self) -> bool {
        super::shape::Sends::batches_sends(self)
    }

    /// As [`try_send`](Self::try_send), of several pieces, one after the other; of the first 64 at most.
    ///
    /// # Errors
    /// As for [`try_send`](Self::try_send).
    pub fn try_send_vectored(&self, handle: Handle, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut list = [const { MaybeUninit::uninit() }; ATTEMPT_BUFFERS_MAX];
        let mut count = 0;
        let pieces = pieces.iter().filter(|piece| !piece.is_empty());
        for (buffer, piece) in list.iter_mut().zip(pieces) {
            buffer.write(RawBuffer::of(piece));
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        // So many of them are written.
        let first = list.as_ptr().cast::<RawBuffer>();
        // SAFETY: the bytes and the list are lent for this call, which only reads them.
        unsafe { self.attempt(handle, Attempt::SendVectored { first, count }) }
    }
}

impl RawBuffer {
    /// These bytes, to be read.
    fn of(bytes: &[u8]) -> RawBuffer {
        RawBuffer {
            start: bytes.as_ptr().cast_mut(),
            len: bytes.len(),
        }
    }
}
