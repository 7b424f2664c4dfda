//! A TCP connection.

use std::{
    fmt,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wharf::{Associate, Buffer, BufferPool, Payload, Socket};

use super::{
    StreamState, ToTarget, Unsent, connect, split,
    traits::{reads, writes},
};
use crate::shared::{Key, Shared};

/// What the halves of a stream share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(super) socket: Socket<Key>,
    pub(super) state: Arc<StreamState>,
    pub(super) buffers: BufferPool,
    /// Where it is listed, if it is dropped with unsent bytes.
    pub(super) unsent: Arc<Unsent>,
    /// Its linger is zero: dropped, it is reset at once.
    is_to_reset: AtomicBool,
}

impl Inner {
    pub(super) fn new(shared: &Shared, socket: Socket<Key>, state: Arc<StreamState>) -> Inner {
        Inner {
            socket,
            state,
            buffers: shared.buffers.clone(),
            unsent: shared.unsent.clone(),
            is_to_reset: AtomicBool::new(false),
        }
    }

    /// Takes a stream into the runtime that this thread works for.
    pub(crate) fn associate(
        stream: impl Associate<Associated<Key> = Socket<Key>>,
    ) -> io::Result<Inner> {
        crate::context::with_current(|shared| Inner::associate_with(shared, stream))
    }

    /// Takes a stream into a runtime.
    pub(super) fn associate_with(
        shared: &Shared,
        stream: impl Associate<Associated<Key> = Socket<Key>>,
    ) -> io::Result<Inner> {
        let state = Arc::new(StreamState::default());
        let socket = shared.port.associate(stream, Key::Stream(state.clone()))?;
        Ok(Inner::new(shared, socket, state))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if *self.is_to_reset.get_mut() {
            // Else the sends would keep the socket open, for as long as a peer that does not read likes.
            self.socket.reset();
            return;
        }
        // Else it would keep the socket open. What was written still goes out, and the socket closes after it.
        self.socket.cancel_receives();
        if self.socket.unsent() > 0 {
            self.linger();
        }
    }
}

/// A TCP connection, for tasks of one runtime.
///
/// Small reads come through a buffer of a pool, and an idle connection holds none; large reads go straight into the memory of the
/// caller. Writes go straight from that memory, if the system takes the bytes at once; small writes are copied while the port has more to do
/// and gains from batches (io_uring), and so are bytes that the system does not take. [`receive`](Self::receive) and [`send`](Self::send),
/// with memory that the operation owns, spare the copy also for few bytes.
///
/// A write is complete when the runtime has the bytes; a later failure is reported by the next write, flush or
/// shutdown. If the system had no memory for the bytes, the connection is reset, and a read reports it, too. While more than 64 KiB or 128
/// writes wait to be sent, writers wait. A stream that is dropped still sends what was written, for
/// [30 seconds](crate::Builder::unsent_timeout) at most, and then closes; if the time is over before, it is reset. A
/// [stop](crate::Runtime::stop) waits for such streams.
///
/// Cancel-safe: a future of it that is dropped at any await loses no byte. A write of a part returns how much it has written, as
/// ever.
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt}; // tokio's feature io-util
/// use wharf_async::{Runtime, net::{TcpListener, TcpStream}};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::new()?;
/// runtime.block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr();
///     let echoes = wharf_async::spawn(async move {
///         let (mut stream, _peer) = listener.accept().await?;
///         let mut bytes = [0; 4];
///         stream.read_exact(&mut bytes).await?;
///         stream.write_all(&bytes).await
///     });
///     let mut stream = TcpStream::connect(address).await?;
///     stream.write_all(b"ahoy").await?;
///     let mut echo = String::new();
///     stream.read_to_string(&mut echo).await?;
///     assert_eq!(echo, "ahoy");
///     echoes.await?
/// })
/// # }
/// ```
pub struct TcpStream {
    pub(crate) inner: Arc<Inner>,
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("TcpStream");
        debug.field("peer", &self.peer_addr().ok());
        debug.finish_non_exhaustive()
    }
}

impl TcpStream {
    /// Connects to an address, or to a name and a port, as `"localhost:80"`. The addresses of a name are found by the system, on
    /// threads of their own, within [ten seconds](wharf::names::TIMEOUT). The next address is tried when one has failed, or after a quarter of a
    /// second ([`wharf::names`]).
    ///
    /// # Errors
    /// [`ConnectError`](super::ConnectError), inside an [`io::Error`]: no address could be connected to; it lists them, with the error of
    /// each. [`InvalidInput`](io::ErrorKind::InvalidInput) if what is given is neither address nor name with a port.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub async fn connect(target: impl ToTarget) -> io::Result<TcpStream> {
        connect::connect(target.to_target()?).await
    }

    /// As [`connect`](Self::connect), within `timeout` for all addresses together, and for finding them.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect); [`TimedOut`](io::ErrorKind::TimedOut).
    ///
    /// # Panics
    /// As [`connect`](Self::connect).
    pub async fn connect_timeout(
        target: impl ToTarget,
        timeout: Duration,
    ) -> io::Result<TcpStream> {
        let target = target.to_target()?;
        let name = target.to_string();
        let connecting = crate::time::timeout(timeout, connect::connect(target));
        connecting.await.unwrap_or_else(|_| {
            let what = format!("no connection to {name} within {timeout:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, what))
        })
    }

    /// Takes a connection of the standard library's into the runtime that this thread works for.
    ///
    /// # Errors
    /// The system's: it can't be made non-blocking or be registered.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        Inner::associate(stream).map(TcpStream::new)
    }

    /// Takes one end of a simulated kernel's stream into the runtime that this thread works for, which must be on that kernel; see
    /// [`Builder::simulated`](crate::Builder::simulated).
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): it is another kernel's.
    ///
    /// # Panics
    /// The thread works for no runtime.
    #[cfg(all(unix, feature = "simulated"))]
    pub fn from_simulated(stream: wharf::simulated::Stream) -> io::Result<TcpStream> {
        Inner::associate(stream).map(TcpStream::new)
    }

    /// The address of the peer.
    ///
    /// # Errors
    /// The system's: it is not connected any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.socket.peer_addr()
    }

    /// The stream's own address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.socket.local_addr()
    }

    /// Sends small segments at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// The system's.
    pub fn set_nodelay(&self, at_once: bool) -> io::Result<()> {
        self.inner.socket.set_nodelay(at_once)
    }

    /// Whether small segments are sent at once.
    ///
    /// # Errors
    /// The system's.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.option(|socket| socket.tcp_nodelay())
    }

    /// What happens to bytes that are unsent when the connection closes (`SO_LINGER`). None, the default: they are sent, and the
    /// descriptor is kept until then, for the [time](crate::Builder::unsent_timeout) at most that the runtime gives a stream that is dropped. Zero: the connection is reset when the stream is
    /// dropped, and they are lost; use it to be rid of a peer that does not read. A longer time would make a worker wait
    /// at the close, so it is refused.
    ///
    /// # Errors
    /// The system's; [`InvalidInput`](io::ErrorKind::InvalidInput) for a time that is not zero.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        if let Some(time) = linger.filter(|time| !time.is_zero()) {
            let what = format!(
                "a linger of {time:?} would block the thread that closes; zero or none do not"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        self.option(|socket| socket.set_linger(linger))?;
        let is_to_reset = linger.is_some();
        self.inner.is_to_reset.store(is_to_reset, Ordering::Relaxed);
        Ok(())
    }

    /// The time to live of its packets.
    ///
    /// # Errors
    /// The system's.
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.option(|socket| socket.set_ttl_v4(hops))
    }
}

/// What each kind of stream has, whose field `inner` is an [`Inner`].
macro_rules! stream {
    ($stream:ident) => {
        impl $stream {
            pub(super) fn new(inner: Inner) -> $stream {
                $stream {
                    inner: Arc::new(inner),
                }
            }

            /// Sets any other option, by socket2.
            ///
            /// # Errors
            /// The system's, or the function's.
            pub fn option<T>(&self, set: impl FnOnce(SockRef<'_>) -> io::Result<T>) -> io::Result<T> {
                let socket = &self.inner.socket;
                socket.with_descriptor(|descriptor| set(SockRef::from(&descriptor)))
            }

            /// Bytes that were written and that the peer's system has not acknowledged. The number falls while the peer reads, if only little
            /// by little. On a local socket: bytes that the peer has not read; Linux counts its own memory for them as well.
            ///
            /// # Errors
            /// The system's; on Windows it is not known ([`Unsupported`](io::ErrorKind::Unsupported)).
            pub fn unacknowledged(&self) -> io::Result<u64> {
                let unsent = self.inner.socket.unsent() as u64;
                Ok(self.inner.socket.unacknowledged()? + unsent)
            }

            /// Waits for bytes, copies some of the first of them, and leaves them to the next read. 0 is the end of the stream. One task at a
            /// time peeks or reads, so that each is woken.
            ///
            /// # Errors
            /// The connection has failed.
            pub async fn peek(&mut self, memory: &mut [u8]) -> io::Result<usize> {
                self.inner.peek(memory).await
            }

            /// Receives at least one byte into a buffer that the operation owns, from its front; 0 is the end of the stream, or the buffer has
            /// no room. Nothing is copied, unless bytes were received before by a read.
            ///
            /// If the future is dropped, its buffer is lost, but no byte: the next read has the bytes.
            ///
            /// # Errors
            /// In the first part of the result: the connection has failed.
            pub async fn receive(&mut self, buffer: Buffer) -> (io::Result<usize>, Buffer) {
                self.inner.receive(buffer).await
            }

            /// Sends a payload whole, after all that was written; it is complete when the system has the bytes. The payload comes back.
            ///
            /// If the future is dropped, the payload is sent all the same. Only the port bounds how much is sent in this way at once.
            ///
            /// # Errors
            /// In the first part of the result: the connection has failed.
            pub async fn send(&self, payload: impl Into<Payload>) -> (io::Result<usize>, Payload) {
                self.inner.send(payload.into()).await
            }

            /// Two halves, for one task.
            pub fn split(&mut self) -> (split::ReadHalf<'_>, split::WriteHalf<'_>) {
                split::split(&self.inner)
            }

            /// Two halves, for two tasks. If the writing half is dropped, the stream ends after what was written.
            pub fn into_split(self) -> (
                split::OwnedReadHalf<Self>,
                split::OwnedWriteHalf<Self>,
            ) {
                split::into_split(self.inner)
            }
        }

        impl split::Whole for $stream {
            fn whole(inner: split::Shares) -> $stream {
                $stream { inner: inner.0 }
            }
        }

        reads!([] $stream, inner);
        writes!([] AsyncWrite, $stream, inner);
    };
}

#[cfg(unix)]
pub(super) use stream;

stream!(TcpStream);
