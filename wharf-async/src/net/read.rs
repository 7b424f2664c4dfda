//! Reading: small reads come through a buffer of a pool, which an idle stream has none of; while a peer sends much, bytes go straight
//! into the memory of the reader.

use std::{
    future::poll_fn,
    io, mem,
    task::{Context, Poll, Waker, ready},
};

use wharf::Buffer;

use super::{state::Held, stream::Inner};
use crate::{
    budget,
    sync::{MutexGuard, lock, register},
};

/// The receiving side of a stream.
#[derive(Debug, Default)]
pub(super) struct ReadSide {
    held: Option<Held>,
    is_receiving: bool,
    /// The last receive had no room for more, so there may be.
    may_have_more: bool,
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
                self.held = Some(Held::new(buffer));
                return self.waker.take();
            }
            Err(error) => self.end = End::Failed(error),
        }
        self.returned = (buffer.capacity() > 0).then_some(buffer);
        self.waker.take()
    }

    /// The end of the stream, if it was found: a failure is told once.
    fn take_end(&mut self) -> Option<io::Result<usize>> {
        match mem::replace(&mut self.end, End::Ended) {
            End::NotYet => {
                self.end = End::NotYet;
                None
            }
            End::Failed(error) => Some(Err(error)),
            End::Ended => Some(Ok(0)),
        }
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
    fn take_held(&mut self, memory: &mut impl Room) -> Option<usize> {
        let mut held = self.held.take()?;
        let bytes = held.bytes();
        let len = bytes.len().min(memory.room());
        memory.put(&bytes[..len]);
        held.take(len);
        if !held.bytes().is_empty() {
            self.held = Some(held);
        }
        Some(len)
    }
}

/// Memory of a reader's.
pub(crate) trait Room {
    /// How many bytes it has room for.
    fn room(&self) -> usize;

    /// Appends bytes that there is room for.
    fn put(&mut self, bytes: &[u8]);
}

/// Memory of a reader's that the system may write to.
pub(crate) trait Straight: Room {
    /// Appends what `read` writes into the memory that it is given, which is as large as the room at most.
    fn read_with(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>)
    -> io::Result<usize>;
}

impl Room for tokio::io::ReadBuf<'_> {
    fn room(&self) -> usize {
        self.remaining()
    }

    fn put(&mut self, bytes: &[u8]) {
        self.put_slice(bytes);
    }
}

impl Straight for tokio::io::ReadBuf<'_> {
    fn read_with(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let len = read(self.initialize_unfilled())?;
        self.advance(len);
        Ok(len)
    }
}

impl Inner {
    /// Receives some bytes, at least one unless there is no room; none at the end of the stream.
    pub(crate) fn poll_read(
        &self,
        context: &Context<'_>,
        memory: &mut impl Straight,
    ) -> Poll<io::Result<usize>> {
        ready!(budget::poll_left(context));
        if memory.room() == 0 {
            return Poll::Ready(Ok(0));
        }
        let mut side = lock(&self.state.read);
        let held = side.take_held(memory).map(Ok);
        let read = held
            .or_else(|| side.take_end())
            .or_else(|| self.read_straight(&mut side, memory));
        match read {
            Some(read) => {
                budget::spend_for(&read);
                Poll::Ready(read)
            }
            None => self.wait_for_more(side, context).map(Err),
        }
    }

    /// As [`poll_read`](Self::poll_read), and leaves the bytes where they are. No more than one receive has brought.
    pub(crate) fn poll_peek(
        &self,
        context: &Context<'_>,
        memory: &mut [u8],
    ) -> Poll<io::Result<usize>> {
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
            None => self.wait_for_more(side, context).map(Err),
        }
    }

    /// What the system has now, if it is likely to have any.
    fn read_straight(
        &self,
        side: &mut ReadSide,
        memory: &mut impl Straight,
    ) -> Option<io::Result<usize>> {
        if !side.may_have_more || side.is_receiving {
            return None;
        }
        let mut room = 0;
        let read = memory.read_with(|memory| {
            room = memory.len();
            self.socket.try_receive_into(memory)
        });
        side.may_have_more = read.as_ref().is_ok_and(|len| *len == room);
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Ok(len @ 1..) => Some(Ok(len)),
            end => {
                side.end = End::Ended;
                Some(end)
            }
        }
    }

    /// Has a receive under way, which wakes the future. Ready if it can't be started.
    fn wait_for_more(
        &self,
        mut side: MutexGuard<'_, ReadSide>,
        context: &Context<'_>,
    ) -> Poll<io::Error> {
        if !side.is_receiving {
            if let Err(error) = self.socket.receive_from(&self.buffers) {
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
                let mut buffer = Filling::new(buffer.unwrap_or_default());
                let len = side.take_held(&mut buffer).unwrap_or_default();
                Some((Ok(len), buffer.0))
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
        self.wait_for_more(side, context)
            .map(|error| (Err(error), own.take().unwrap_or_default()))
    }
}

/// A buffer that bytes are appended to.
struct Filling(Buffer);

impl Filling {
    fn new(mut buffer: Buffer) -> Filling {
        buffer.set_len(0);
        Filling(buffer)
    }
}

impl Room for Filling {
    fn room(&self) -> usize {
        self.0.capacity() - self.0.len()
    }

    fn put(&mut self, bytes: &[u8]) {
        let start = self.0.len();
        self.0.memory_mut()[start..start + bytes.len()].copy_from_slice(bytes);
        self.0.set_len(start + bytes.len());
    }
}
