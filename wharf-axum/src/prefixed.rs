//! A stream of which the first bytes were read already, to find out which HTTP it speaks.

use std::{
    io::{self, IoSlice},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::{
    answer::{Doing, Stage},
    frames::Streams,
    leaving::Leaving,
    listener::Stream,
    patience::Taken,
    room::Place,
    stall::Stall,
};

/// What a client says first that speaks HTTP/2 without having asked (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream, behind the bytes that were read of it.
#[derive(Debug)]
pub(crate) struct Prefixed<T: Stream> {
    stream: T,
    prefix: [u8; PREFACE.len()],
    /// Which bytes of the prefix were not read again yet.
    from: usize,
    to: usize,
    stall: Stall,
    doing: Arc<Doing>,
    /// On HTTP/2.
    streams: Option<Streams>,
    /// On HTTP/2, at a stop, or when the client leaves: what is in flight has to arrive.
    lets_arrive: bool,
    arriving: Stall,
    /// How many bytes had arrived by the last look.
    arrived: u64,
    /// And when all is written.
    leaving: Option<Leaving>,
    /// Also when the connection is upgraded, until its end.
    #[expect(dead_code, reason = "for its drop")]
    place: Place,
}

/// Which HTTP a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

impl<T: Stream> Prefixed<T> {
    /// A stream of which nothing was read.
    pub(crate) fn new(
        stream: T,
        place: Place,
        stall_timeout: Option<Duration>,
        doing: Arc<Doing>,
    ) -> Prefixed<T> {
        Prefixed {
            stream,
            prefix: [0; PREFACE.len()],
            from: 0,
            to: 0,
            stall: Stall::new(stall_timeout),
            doing,
            streams: None,
            lets_arrive: false,
            arriving: Stall::new(stall_timeout),
            arrived: 0,
            leaving: None,
            place,
        }
    }

    /// It speaks HTTP/2: from the first frame on it is seen which streams there are; the client may have so many at once.
    pub(crate) fn see_streams(&mut self, at_most: u32) {
        self.streams = Some(Streams::new(at_most));
    }

    /// So many of these bytes were written.
    fn wrote<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>, mut len: usize) {
        let Some(streams) = &mut self.streams else {
            return;
        };
        for piece in pieces {
            let written = piece.len().min(len);
            streams.wrote(&piece[..written]);
            len -= written;
        }
        self.doing.has_open(streams.open());
    }

    /// Reads until it is known which HTTP the client speaks. None: it has ended before.
    pub(crate) async fn find_version(&mut self) -> io::Result<Option<Version>> {
        loop {
            let read = self.stream.read(&mut self.prefix[self.to..]).await?;
            if read == 0 {
                return Ok(None);
            }
            self.to += read;
            self.doing.begins();
            if self.prefix[..self.to] != PREFACE[..self.to] {
                return Ok(Some(Version::One));
            }
            if self.to == PREFACE.len() {
                return Ok(Some(Version::Two));
            }
        }
    }

    /// To be called before something is written at a stop of HTTP/2: who has everything by then has all of its answers.
    fn look_at_stop(&mut self) {
        let Some(streams) = &mut self.streams else {
            return;
        };
        if self.lets_arrive || !self.doing.is_at(Stage::Begun) {
            return;
        }
        self.lets_arrive = true;
        if self.doing.writes_nothing() && self.stream.unacknowledged() == Some(0) {
            streams.answers_have_arrived();
        }
    }

    /// On HTTP/2: looks at how far the client is, if that was asked.
    fn look_at_taking(&self) {
        let Some(streams) = &self.streams else {
            return;
        };
        self.doing.is_to_tell_taken(|| {
            // Where it is not known, as on Windows, nothing of it is seen.
            let unacknowledged = self.stream.unacknowledged().unwrap_or(0);
            let is_behind = unacknowledged > 0;
            Taken::new(
                streams.arrived(unacknowledged),
                is_behind,
                streams.allowed(),
            )
        });
    }

    /// Where it has to: looks at what has arrived. Ready: the peer takes nothing of an answer.
    fn poll_arrivals(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(streams) = self.streams.as_ref().filter(|_| self.lets_arrive) else {
            return Poll::Pending;
        };
        // Where it is not known, as on Windows, all has arrived.
        let unacknowledged = self.stream.unacknowledged().unwrap_or(0);
        let is_in_flight = streams.is_in_flight(unacknowledged);
        let is_told = streams.is_told(unacknowledged);
        self.doing.arrives(is_in_flight, is_told);
        // More may be written meanwhile, so that what has not arrived need not be less.
        let so_far = streams.arrived(unacknowledged);
        if so_far > mem::replace(&mut self.arrived, so_far) {
            self.arriving.begin_anew();
        }
        let arrived = match is_in_flight {
            true => Poll::Pending,
            false => Poll::Ready(Ok(())),
        };
        let judged = self.arriving.judge(&self.stream, context, arrived);
        match is_in_flight {
            true => judged,
            false => Poll::Pending,
        }
    }

    /// When all is written, and has to arrive: reads what the client says until it ends, or has had its time to read.
    fn poll_leave(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.lets_arrive {
            return Poll::Ready(Ok(()));
        }
        let mut memory = [0; 1 << 10];
        loop {
            let mut memory = ReadBuf::new(&mut memory);
            match Pin::new(&mut self.stream).poll_read(context, &mut memory) {
                Poll::Ready(Ok(())) if !memory.filled().is_empty() => {
                    if let Some(streams) = &mut self.streams {
                        streams.read(memory.filled(), false);
                    }
                }
                Poll::Ready(_ended) => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
        }
        if let Poll::Ready(stalled) = self.poll_arrivals(context) {
            return Poll::Ready(stalled);
        }
        let allowed = self.streams.as_ref().map_or(0, Streams::allowed);
        let leaving = self
            .leaving
            .get_or_insert_with(|| Leaving::new(self.stall.timeout(), allowed));
        ready!(leaving.poll(context, self.doing.is_in_flight(), allowed));
        Poll::Ready(Ok(()))
    }

    /// Writes, and judges whether the peer takes anything.
    fn write<R>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let this = self.get_mut();
        this.look_at_stop();
        let written = write(Pin::new(&mut this.stream), context);
        this.doing.writes(written.is_pending());
        this.stall.judge(&this.stream, context, written)
    }
}

impl<T: Stream> Drop for Prefixed<T> {
    fn drop(&mut self) {
        if self.doing.is_cut() {
            self.stream.reset();
        }
    }
}

impl<T: Stream> Read for Prefixed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.from < self.to {
            let len = cursor.remaining().min(self.to - self.from);
            let from = self.from;
            cursor.put_slice(&self.prefix[from..from + len]);
            self.from += len;
            return Poll::Ready(Ok(()));
        }
        let this = self.get_mut();
        this.look_at_stop();
        if this.doing.is_at(Stage::Over) {
            // As if the client had ended: h2 ends the connection in order, then.
            return Poll::Ready(Ok(()));
        }
        let counts = !this.doing.is_at(Stage::Late);
        let (stream, streams) = (&mut this.stream, &mut this.streams);
        // It makes hyper's memory tokio's, which safe code can't.
        let mut stream = TokioIo::new(Seen {
            stream,
            streams,
            counts,
        });
        let read = Read::poll_read(Pin::new(&mut stream), context, cursor);
        if let Some(streams) = &this.streams {
            this.doing.has_open(streams.open());
        }
        match read {
            Poll::Pending => {
                this.look_at_taking();
                this.poll_arrivals(context)
            }
            read => read,
        }
    }
}

/// A stream whose frames are seen as they are read.
struct Seen<'a, T> {
    stream: &'a mut T,
    streams: &'a mut Option<Streams>,
    /// Whether requests that begin are waited for.
    counts: bool,
}

impl<T: Stream> AsyncRead for Seen<'_, T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        memory: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = memory.filled().len();
        let read = Pin::new(&mut *this.stream).poll_read(context, memory);
        if let Some(streams) = this.streams {
            streams.read(&memory.filled()[before..], this.counts);
        }
        read
    }
}

impl<T: Stream> Write for Prefixed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let writing = self.as_mut();
        let written = writing.write(context, |stream, context| stream.poll_write(context, bytes));
        if let Poll::Ready(Ok(len)) = written {
            self.wrote([bytes], len);
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.as_mut().write(context, |stream, context| {
            stream.poll_write_vectored(context, pieces)
        });
        if let Poll::Ready(Ok(len)) = written {
            self.wrote(pieces.iter().map(|piece| &piece[..]), len);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(context, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().write(context, AsyncWrite::poll_shutdown))?;
        self.lets_arrive |= self.streams.as_ref().is_some_and(Streams::leaves);
        self.poll_leave(context)
    }
}
