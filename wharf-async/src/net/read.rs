//! Reading: small reads come through a buffer of a pool, which an idle stream has none of; while a peer sends much, the stream waits
//! for bytes without a buffer, and they go straight into the memory of the reader.

use std::{
    future::poll_fn,
    io, mem,
    task::{Context, Poll, Waker, ready},
};

use tokio::io::ReadBuf;
use wharf::Buffer;

use super::{state::Held, stream::Inner};
use crate::{
    budget,
    shared::BUFFER_BYTES,
    sync::{MutexGuard, lock, register},
};

/// A reader with less room than this gets bytes that were received before: a call for each would cost more than the copy.
const STRAIGHT_MIN: usize = 4 << 10;

/// The receiving side of a stream.
#[derive(Debug, Default)]
pub(super) struct ReadSide {
    held: Option<Held>,
    is_receiving: bool,
    /// The last receive had no room for more, or none was made though there was something: so there may be more.
    may_have_more: bool,
    /// The peer sends much: what came last would have filled a buffer of the pool.
    is_bulk: bool,
    end: End,
    /// The caller's own buffer, come back from a receive that brought nothing.
    returned: Option<Buffer>,
    waker: Option<Waker>,
}

/// How a stream ends.
#[derive(Debug, Default)]
enum End {
    #[default]
    NotYet,
    Failed(io::Error),
    Ended,
}

impl ReadSide {
    /// A receive has completed. Returns what to wake.
    pub(super) fn received(&mut self, result: io::Result<usize>, buffer: Buffer) -> Option<Waker> {
        self.is_receiving = false;
        match result {
            Ok(0) => self.end = End::Ended,
            Ok(len) => {
                self.may_have_more = len == buffer.capacity();
                self.is_bulk = len >= BUFFER_BYTES;
                self.held = Some(Held::new(buffer));
                return self.waker.take();
            }
            Err(error) => self.fail(error),
        }
        self.returned = (buffer.capacity() > 0).then_some(buffer);
        self.waker.take()
    }

    /// There is something to receive. Returns what to wake.
    pub(super) fn has_more(&mut self, result: io::Result<usize>) -> Option<Waker> {
        self.is_receiving = false;
        self.may_have_more = result.is_ok();
        if let Err(error) = result {
            self.fail(error);
        }
        self.waker.take()
    }

    /// The first failure is the one that is told, behind what was received.
    pub(super) fn fail(&mut self, error: io::Error) {
        if matches!(self.end, End::NotYet) {
            self.end = End::Failed(error);
        }
    }

    /// The end of the stream, if it was found: a failure is told once.
    fn take_end(&mut self) -> Option<io::Result<usize>> {
        if matches!(self.end, End::NotYet) {
            return None;
        }
        Some(match mem::replace(&mut self.end, End::Ended) {
            End::Failed(error) => Err(error),
            End::NotYet | End::Ended => Ok(0),
        })
    }

    /// As [`take_end`](Self::take_end), and leaves a failure to be told to the next read.
    fn look_at_end(&self) -> Option<io::Result<usize>> {
        match &self.end {
            End::NotYet => None,
            End::Failed(error) => Some(Err(match error.raw_os_error() {
                Some(number) => io::Error::from_raw_os_error(number),
                None => error.kind().into(),
            })),
            End::Ended => Some(Ok(0)),
        }
    }

    /// What was received before, as much of it as there is room for.
    fn take_held(&mut self, room: usize, put: impl FnOnce(&[u8])) -> Option<usize> {
        let mut held = self.held.take()?;
        let bytes = held.bytes();
        let len = bytes.len().min(room);
        put(&bytes[..len]);
        held.take(len);
        if !held.bytes().is_empty() {
            self.held = Some(held);
        }
        Some(len)
    }
}

impl Inner {
    /// Receives some bytes, at least one unless there is no room; none at the end of the stream.
    pub(crate) fn poll_read(
        &self,
        context: &Context<'_>,
        memory: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        ready!(budget::poll_left(context));
        if memory.remaining() == 0 {
            return Poll::Ready(Ok(0));
        }
        let mut side = lock(&self.state.read);
        let held = side.take_held(memory.remaining(), |bytes| memory.put_slice(bytes));
        let read = match held {
            // A reader with much room is likely to have need of it.
            Some(len) => Some(Ok(len + self.read_more(&mut side, memory, len))),
            None => side
                .take_end()
                .or_else(|| self.read_straight(&mut side, memory, 0)),
        };
        match read {
            Some(read) => {
                budget::spend_for(&read);
                Poll::Ready(read)
            }
            None => {
                let waits_only = side.is_bulk && memory.remaining() >= STRAIGHT_MIN;
                self.wait_for_more(side, context, waits_only).map(Err)
            }
        }
    }

    /// What the system has now, behind bytes that were received before. A failure, or the end, is left to the next read.
    fn read_more(&self, side: &mut ReadSide, memory: &mut ReadBuf<'_>, before: usize) -> usize {
        if side.held.is_some() {
            return 0;
        }
        match self.read_straight(side, memory, before) {
            None => 0,
            Some(Ok(len)) => len,
            Some(Err(error)) => {
                side.end = End::Failed(error);
                0
            }
        }
    }

    pub(super) async fn peek(&self, memory: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| self.poll_peek(context, memory)).await
    }

    /// As [`poll_read`](Self::poll_read), and leaves the bytes where they are. No more than one receive has brought.
    fn poll_peek(&self, context: &Context<'_>, memory: &mut [u8]) -> Poll<io::Result<usize>> {
        ready!(budget::poll_left(context));
        let side = lock(&self.state.read);
        let held = side.held.as_ref().map(|held| {
            let len = held.bytes().len().min(memory.len());
            memory[..len].copy_from_slice(&held.bytes()[..len]);
            Ok(len)
        });
        match held.or_else(|| side.look_at_end()) {
            Some(peeked) => {
                budget::spend();
                Poll::Ready(peeked)
            }
            None => self.wait_for_more(side, context, false).map(Err),
        }
    }

    /// What the system has now, if it is likely to have any, and there is room for much. It is one with the bytes that were received just
    /// before it: a message that is a little longer than a buffer is much too.
    fn read_straight(
        &self,
        side: &mut ReadSide,
        memory: &mut ReadBuf<'_>,
        before: usize,
    ) -> Option<io::Result<usize>> {
        let room = memory.remaining();
        if !side.may_have_more || side.is_receiving || room < STRAIGHT_MIN {
            return None;
        }
        let read = self.socket.try_receive_into(memory);
        side.may_have_more = read.as_ref().is_ok_and(|len| *len == room);
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Ok(len @ 1..) => {
                side.is_bulk = before + len >= BUFFER_BYTES || (side.is_bulk && len == room);
                Some(Ok(len))
            }
            end => {
                side.end = End::Ended;
                Some(end)
            }
        }
    }

    /// Has a receive under way, or a wait for one if it `waits_only`; it wakes the future. Ready if it can't be started.
    fn wait_for_more(
        &self,
        mut side: MutexGuard<'_, ReadSide>,
        context: &Context<'_>,
        waits_only: bool,
    ) -> Poll<io::Error> {
        if !side.is_receiving {
            let started = match waits_only {
                true => self.socket.ready_to_receive(),
                false => self.socket.receive_from(&self.buffers),
            };
            if let Err(error) = started {
                return Poll::Ready(error);
            }
            side.is_receiving = true;
        }
        register(side, |side| &mut side.waker, context.waker());
        Poll::Pending
    }

    /// Receives into memory that the operation owns; see [`TcpStream::receive`](super::TcpStream::receive).
    pub(crate) async fn receive(&self, buffer: Buffer) -> (io::Result<usize>, Buffer) {
        let mut own = Some(buffer);
        poll_fn(|context| self.poll_receive(context, &mut own)).await
    }

    /// `own`: the caller's buffer, unless it is with the operation or was received into.
    fn poll_receive(
        &self,
        context: &Context<'_>,
        own: &mut Option<Buffer>,
    ) -> Poll<(io::Result<usize>, Buffer)> {
        ready!(budget::poll_left(context));
        // The system would receive nothing into it, and that is what the end of a stream looks like.
        if let Some(empty) = own.take_if(|own| own.capacity() == 0) {
            return Poll::Ready((Ok(0), empty));
        }
        let mut side = lock(&self.state.read);
        let taken = match (side.held.take(), own.take()) {
            // As it was received.
            (Some(held), None) if held.is_whole() => {
                let buffer = held.into_buffer();
                Some((Ok(buffer.len()), buffer))
            }
            (Some(held), buffer) => {
                side.held = Some(held);
                let mut buffer = buffer.unwrap_or_default();
                let held = side.take_held(buffer.capacity(), |bytes| {
                    buffer.memory_mut()[..bytes.len()].copy_from_slice(bytes);
                    buffer.set_len(bytes.len());
                });
                Some((Ok(held.unwrap_or_default()), buffer))
            }
            (None, buffer) => {
                *own = buffer;
                None
            }
        };
        let taken = taken.or_else(|| {
            let end = side.take_end()?;
            let returned = side.returned.take();
            Some((end, own.take().or(returned).unwrap_or_default()))
        });
        if let Some(taken) = taken {
            budget::spend_for(&taken.0);
            return Poll::Ready(taken);
        }
        if !side.is_receiving {
            if let Some(buffer) = own.take() {
                if let Err(refused) = self.socket.receive(buffer) {
                    return Poll::Ready((Err(refused.error), refused.given));
                }
                side.is_receiving = true;
            }
        }
        self.wait_for_more(side, context, false)
            .map(|error| (Err(error), own.take().unwrap_or_default()))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{
        Runtime,
        net::{TcpListener, TcpStream},
        yield_now,
    };

    /// Whether a peer that has sent messages of this length is one that sends much.
    fn sends_much(message_len: usize) -> bool {
        let runtime = Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("it listens");
            let peer = TcpStream::connect(listener.local_addr()).await;
            let mut peer = peer.expect("connected");
            let (mut near, _) = listener.accept().await.expect("accepted");
            let (message, mut memory) = (vec![7; message_len], vec![0; 2 * message_len]);
            for _ in 0..2 {
                peer.write_all(&message).await.expect("sent");
                // Then all of it is here.
                while peer.unacknowledged().expect("Linux tells it") > 0 {
                    yield_now().await;
                }
                let read = near.read(&mut memory).await.expect("received");
                assert_eq!(read, message_len);
            }
            lock(&near.inner.state.read).is_bulk
        })
    }

    #[test]
    fn a_message_that_a_buffer_does_not_hold_is_much() {
        assert!(!sends_much(BUFFER_BYTES - 1));
        assert!(sends_much(BUFFER_BYTES + 1));
        assert!(sends_much(3 * BUFFER_BYTES));
    }
}
