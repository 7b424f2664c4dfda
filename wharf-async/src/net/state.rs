//! What a stream's completions bring, until the stream's futures take it.

use std::{io, mem, task::Waker};

use wharf::{Buffer, Finished};

use super::{read::ReadSide, write::WriteSide};
use crate::{
    runtime::Key,
    sync::{Mutex, lock},
};

/// The key of a stream's socket. It does not own the socket.
#[derive(Debug, Default)]
pub(crate) struct StreamState {
    pub(super) read: Mutex<ReadSide>,
    pub(super) write: Mutex<WriteSide>,
}

impl StreamState {
    /// An operation of the stream has completed. Returns what to wake.
    pub(crate) fn complete(&self, result: io::Result<usize>, what: Finished<Key>) -> Option<Waker> {
        match what {
            Finished::Received { socket, buffer } => {
                let waker = lock(&self.read).received(result, buffer);
                // It may close with this, so not under the lock.
                drop(socket);
                waker
            }
            Finished::Readable { socket } => {
                let waker = lock(&self.read).has_more(result);
                drop(socket);
                waker
            }
            Finished::Sent { .. } => lock(&self.write).sent(result),
            Finished::Shutdown { .. } => lock(&self.write).shut_down(result),
            _ => None,
        }
    }
}

/// Bytes that were received and that no future has taken.
#[derive(Debug)]
pub(super) struct Held {
    buffer: Buffer,
    /// So many of its bytes were taken.
    taken: usize,
}

impl Held {
    pub(super) fn new(buffer: Buffer) -> Held {
        Held { buffer, taken: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    /// Whether nothing was taken yet.
    pub(super) fn is_whole(&self) -> bool {
        self.taken == 0
    }

    pub(super) fn take(&mut self, len: usize) {
        self.taken += len;
    }

    pub(super) fn into_buffer(mut self) -> Buffer {
        mem::take(&mut self.buffer)
    }
}
