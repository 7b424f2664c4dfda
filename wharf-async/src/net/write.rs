//! Writing: straight from the writer's memory, if the system takes the bytes at once. While the port has more to do, and gains from
//! batches (io_uring), small writes are copied and sent without a report; so is what the system does not take at once. What failed is told by the next write, flush or shutdown.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    task::{Context, Poll, Waker, ready},
};

use wharf::{Finished, Payload};

use super::{Slot, stream::Inner, unsent::Cut};
use crate::{
    budget,
    shared::BUFFER_BYTES,
    sync::{MutexGuard, lock, register},
};

/// While so many bytes wait to be sent, a writer waits as well.
const UNSENT_MAX: usize = 64 << 10;

/// While so many copies may wait to be sent, a writer waits as well: each is an operation, however few bytes it has. No poll makes
/// more ([`budget`]), so that none waits that the system could have kept up with.
const COPIES_MAX: u32 = 128;

/// Pieces that are no more bytes than these together are copied into one: for the system that is less work than a list.
const GATHERED_MAX: usize = 1 << 10;

/// The sending side of a stream.
#[derive(Debug, Default)]
pub(super) struct WriteSide {
    /// An empty send is under way, which ends when the bytes before it are out.
    is_draining: bool,
    /// So many copies were made since nothing was unsent.
    copies: u32,
    failure: Option<io::Error>,
    shutdown: Shutdown,
    waker: Option<Waker>,
    /// The stream was dropped during its shutdown.
    cut: Option<Box<Cut>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Shutdown {
    #[default]
    NotBegun,
    UnderWay,
    Ended,
}

impl WriteSide {
    /// A send has completed: an empty one, or one that failed. Returns what to wake.
    pub(super) fn sent(&mut self, result: io::Result<usize>) -> Option<Waker> {
        self.is_draining = false;
        self.copies = 0;
        self.fail(result);
        self.waker.take()
    }

    /// The stream was dropped during its shutdown, and that has ended or its time is over. To be ended under no lock.
    pub(super) fn take_cut(&mut self) -> Option<Box<Cut>> {
        self.cut.take()
    }

    pub(super) fn shut_down(&mut self, result: io::Result<usize>) -> Option<Waker> {
        self.shutdown = Shutdown::Ended;
        self.fail(result);
        self.waker.take()
    }

    /// The first failure is the one that is told.
    fn fail(&mut self, result: io::Result<usize>) {
        if let Err(error) = result {
            self.failure.get_or_insert(error);
        }
    }

    fn check(&mut self) -> io::Result<()> {
        match self.failure.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// Something to write: one piece or several.
pub(crate) trait Pieces {
    fn len(&self) -> usize;

    /// The first bytes, at most so many as `into` has.
    fn copy_into(&self, into: &mut [u8]);

    fn try_send(&self, stream: &Inner) -> io::Result<usize>;
}

impl Pieces for &[u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn copy_into(&self, into: &mut [u8]) {
        into.copy_from_slice(&self[..into.len()]);
    }

    fn try_send(&self, stream: &Inner) -> io::Result<usize> {
        stream.socket.try_send(self)
    }
}

impl Pieces for &[IoSlice<'_>] {
    fn len(&self) -> usize {
        self.iter().map(|piece| piece.len()).sum()
    }

    fn copy_into(&self, mut into: &mut [u8]) {
        for piece in *self {
            let len = piece.len().min(into.len());
            let (head, rest) = into.split_at_mut(len);
            head.copy_from_slice(&piece[..len]);
            into = rest;
        }
    }

    fn try_send(&self, stream: &Inner) -> io::Result<usize> {
        let len = self.len();
        if len <= GATHERED_MAX {
            let mut gathered = [0; GATHERED_MAX];
            self.copy_into(&mut gathered[..len]);
            return stream.socket.try_send(&gathered[..len]);
        }
        stream.socket.try_send_vectored(self)
    }
}

impl Inner {
    /// Writes some of the bytes, at least one unless there are none.
    pub(crate) fn poll_write(
        &self,
        context: &Context<'_>,
        pieces: impl Pieces,
    ) -> Poll<io::Result<usize>> {
        ready!(budget::poll_left(context));
        let mut side = lock(&self.state.write);
        side.check()?;
        let len = pieces.len();
        if len == 0 {
            return Poll::Ready(Ok(0));
        }
        if side.shutdown != Shutdown::NotBegun {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if side.is_draining {
            return wait(side, context);
        }
        if len > BUFFER_BYTES || !self.socket.batches_sends() {
            match pieces.try_send(self) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => {
                    budget::spend_for(&sent);
                    return Poll::Ready(sent);
                }
            }
        }
        let unsent = self.socket.unsent();
        if unsent == 0 {
            side.copies = 0;
        }
        let is_full = unsent >= UNSENT_MAX || side.copies >= COPIES_MAX;
        if is_full || (unsent == 0 && len > BUFFER_BYTES) {
            return self.drain(side, context);
        }
        side.copies += 1;
        let written = self.send_copy(&pieces, len.min(BUFFER_BYTES));
        budget::spend_for(&written);
        Poll::Ready(written)
    }

    /// Has the first `len` bytes sent, out of memory of ours.
    fn send_copy(&self, pieces: &impl Pieces, len: usize) -> io::Result<usize> {
        let payload = match self.buffers.get() {
            Some(mut buffer) => {
                pieces.copy_into(&mut buffer.memory_mut()[..len]);
                buffer.set_len(len);
                Payload::from(buffer)
            }
            None => {
                let mut bytes = vec![0; len];
                pieces.copy_into(&mut bytes);
                Payload::from(bytes)
            }
        };
        match self.socket.send_quietly(payload) {
            Ok(_) => Ok(len),
            Err(refused) => Err(refused.error),
        }
    }

    /// Waits until all bytes before are out, and the system may take more.
    fn drain<T>(
        &self,
        mut side: MutexGuard<'_, WriteSide>,
        context: &Context<'_>,
    ) -> Poll<io::Result<T>> {
        if let Err(refused) = self.socket.send(Payload::from(&b""[..])) {
            return Poll::Ready(Err(refused.error));
        }
        side.is_draining = true;
        wait(side, context)
    }

    /// Tells what failed. Bytes that were written are on their way: nothing has to be waited for.
    pub(crate) fn poll_flush(&self) -> Poll<io::Result<()>> {
        Poll::Ready(lock(&self.state.write).check())
    }

    /// Ends the stream behind all that was written, and waits until it is out.
    pub(crate) fn poll_shutdown(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        let mut side = lock(&self.state.write);
        if side.shutdown == Shutdown::NotBegun {
            side.check()?;
            self.socket.shutdown()?;
            side.shutdown = Shutdown::UnderWay;
        }
        match side.shutdown {
            Shutdown::Ended => Poll::Ready(side.check()),
            _ => wait(side, context),
        }
    }

    /// Ends the stream behind all that was written, if that was not done; for a writer that goes.
    pub(crate) fn begin_shutdown(&self) {
        let mut side = lock(&self.state.write);
        if side.shutdown == Shutdown::NotBegun && self.socket.shutdown().is_ok() {
            side.shutdown = Shutdown::UnderWay;
        }
    }

    /// The stream is dropped with unsent bytes: it stays open until they are out, for so long at most.
    pub(super) fn linger(&self) {
        let mut side = lock(&self.state.write);
        if side.shutdown == Shutdown::UnderWay {
            // Behind a shutdown no send is taken.
            let cut = Cut::after(&self.unsent, &self.socket, &self.state);
            side.cut = cut.ok().map(Box::new);
            return;
        }
        drop(side);
        // Behind all that is unsent. If it is refused, so is what is before it.
        let end = self.socket.with(self.unsent.list(&self.socket));
        let end = end.with_timeout(self.unsent.timeout);
        let _ = end.send(Payload::from(&b""[..]));
    }

    /// Sends a payload whole; see [`TcpStream::send`](super::TcpStream::send).
    pub(crate) async fn send(&self, payload: Payload) -> (io::Result<usize>, Payload) {
        let slot = Slot::default();
        if let Err(refused) = self.socket.with(slot.clone()).send(payload) {
            return (Err(refused.error), refused.given);
        }
        match poll_fn(|context| slot.poll(context)).await {
            (result, Finished::Sent { payload, .. }) => (result, payload),
            (result, _) => (result, Payload::from(&b""[..])),
        }
    }
}

/// Has the future woken by what completes next.
fn wait<T>(side: MutexGuard<'_, WriteSide>, context: &Context<'_>) -> Poll<io::Result<T>> {
    register(side, |side| &mut side.waker, context.waker());
    Poll::Pending
}
