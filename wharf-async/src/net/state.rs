//! What a stream's completions bring, until the stream's futures take it.

use std::{io, mem, task::Waker};

use wharf::{Buffer, Finished};

use super::{read::ReadSide, write::WriteSide};
use crate::{
    shared::Key,
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
            Finished::Sent { socket, .. } => {
                let lost = result.as_ref().err().filter(|it| is_shortage(it));
                let lost = lost.and_then(io::Error::raw_os_error);
                let waker = lock(&self.write).sent(result);
                if let Some(number) = lost {
                    // Else a reader here would wait for an answer to what was never sent, and the peer for the rest of it.
                    lock(&self.read).fail(io::Error::from_raw_os_error(number));
                    socket.reset();
                }
                waker
            }
            Finished::Shutdown { socket } => {
                let mut side = lock(&self.write);
                let cut = side.take_cut();
                let has_failed = result.is_err();
                let waker = side.shut_down(result);
                drop(side);
                if let Some(cut) = cut {
                    cut.end(has_failed);
                }
                drop(socket);
                waker
            }
            // It was dropped during its shutdown, and the time for that is over.
            Finished::Timer => {
                let cut = lock(&self.write).take_cut();
                if let Some(cut) = cut {
                    cut.end(true);
                }
                None
            }
            _ => None,
        }
    }
}

/// Whether a send has failed for want of memory: its bytes are lost, and all others that were to come behind them; but the system takes the
/// connection for whole, and tells it to nobody who receives.
fn is_shortage(error: &io::Error) -> bool {
    #[cfg(unix)]
    const NO_BUFFERS: i32 = rustix::io::Errno::NOBUFS.raw_os_error();
    // WSAENOBUFS
    #[cfg(windows)]
    const NO_BUFFERS: i32 = 10055;
    error.kind() == io::ErrorKind::OutOfMemory || error.raw_os_error() == Some(NO_BUFFERS)
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
