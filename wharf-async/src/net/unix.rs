//! Local (Unix) sockets: listeners and streams. They are [`UnixListener`] and [`UnixStream`] in [`net`](super) as well; here are, under
//! tokio's path, their halves and addresses.

use std::{
    ffi::OsStr,
    fmt,
    io::{self, IoSlice},
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, net},
    },
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

pub use std::os::unix::net::SocketAddr;

use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wharf::{Buffer, Finished, LocalConnection, LocalListener, Payload, PeerProcess};

use super::{
    Arrivals,
    arrivals::Arrival,
    listener::{BACKLOG, brought},
    split,
    stream::{Inner, stream},
    traits::{reads, writes},
};
use crate::{
    context,
    shared::{Key, Shared},
    time::sleep,
};

pub use super::{ReadHalf, WriteHalf};

/// The reading half of a [`UnixStream`].
pub type OwnedReadHalf = super::OwnedReadHalf<UnixStream>;

/// The writing half of a [`UnixStream`].
pub type OwnedWriteHalf = super::OwnedWriteHalf<UnixStream>;

/// Two halves that are not of the same [`UnixStream`].
pub type ReuniteError = super::ReuniteError<UnixStream>;

/// The pauses between two attempts while a socket has no room that nobody can wait for, as a full backlog: the first, and the longest.
pub(super) const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(64)];

/// A local (Unix) stream, for tasks of one runtime.
///
/// What [`TcpStream`](super::TcpStream) says of reads, writes, futures that are dropped and the end of a stream holds for this one as well. But
/// a local stream can't be reset: if not all bytes of a dropped stream go out in time, its peer sees the end after those that did.
///
/// Descriptors that a peer passes along are closed.
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt}; // tokio's feature io-util
/// use wharf_async::{Runtime, net::{UnixListener, UnixStream}};
///
/// # fn main() -> std::io::Result<()> {
/// let path = std::env::temp_dir().join(format!("wharf-async-{}", std::process::id()));
/// # let _ = std::fs::remove_file(&path);
/// Runtime::new()?.block_on(async {
///     let listener = UnixListener::bind(&path)?;
///     let mut near = UnixStream::connect(&path).await?;
///     let (mut far, _address) = listener.accept().await?;
///     near.write_all(b"ahoy").await?;
///     drop(near);
///     let mut text = String::new();
///     far.read_to_string(&mut text).await?;
///     assert_eq!(text, "ahoy");
///     // The path stays, until somebody removes it.
///     std::fs::remove_file(&path)
/// })
/// # }
/// ```
pub struct UnixStream {
    pub(crate) inner: Arc<Inner>,
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("UnixStream");
        debug.field("peer", &self.peer_addr().ok());
        debug.finish_non_exhaustive()
    }
}

stream!(UnixStream);

impl UnixStream {
    /// Connects to a path. On Linux one that begins with a zero byte is a name in the abstract namespace. While the backlog of the
    /// listener is full, it waits.
    ///
    /// # Errors
    /// The system's: no process listens there, for example. [`InvalidInput`](io::ErrorKind::InvalidInput): the path is longer than such an address may be, or it is no
    /// name in that namespace and has a zero byte.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<UnixStream> {
        let path = path.as_ref().to_owned();
        let failed = |error| told("connect to", &path, error);
        let address = address(&path).map_err(failed)?;
        let [mut pause, longest] = PAUSES;
        loop {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            match socket.connect(&address) {
                Ok(()) => return UnixStream::from_std(OwnedFd::from(socket).into()),
                // The system tells nobody when there is room in a backlog.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(pause).await,
                Err(error) => return Err(failed(error)),
            }
            pause = longest.min(pause * 2);
        }
    }

    /// Two streams that are connected to each other.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = net::UnixStream::pair()?;
        Ok((UnixStream::from_std(one)?, UnixStream::from_std(other)?))
    }

    /// Takes a stream of the standard library's into the runtime that this thread works for.
    ///
    /// # Errors
    /// The system's: it can't be made non-blocking or be registered.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub fn from_std(stream: net::UnixStream) -> io::Result<UnixStream> {
        Inner::associate(stream).map(UnixStream::new)
    }

    /// The address of the peer, which has none if it was not bound to one.
    ///
    /// # Errors
    /// The system's: it is not connected any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.socket.peer_addr_unix()
    }

    /// The stream's own address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.socket.local_addr_unix()
    }

    /// Which process is at the other end, and whose it is: as it was when the stream was connected, or when the listener began to listen.
    ///
    /// # Errors
    /// The system's.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        self.inner.socket.peer_process().map(UCred)
    }
}

/// A process at the other end of a stream; see [`UnixStream::peer_cred`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UCred(PeerProcess);

impl UCred {
    /// The id of its user (UID).
    pub fn uid(&self) -> u32 {
        self.0.user
    }

    /// The id of its group (GID).
    pub fn gid(&self) -> u32 {
        self.0.group
    }

    /// The id of the process (PID); by now the process may have ended, and the id be that of another. None if it is in a namespace that this
    /// process can't see, such as one outside of its container.
    pub fn pid(&self) -> Option<i32> {
        self.0.process
    }
}

/// Accepts local (Unix) connections, for tasks of one runtime. Several tasks may accept at once.
///
/// Cancel-safe: a future that is dropped loses no connection. A listener that is dropped leaves its path in the file system.
pub struct UnixListener {
    listener: LocalListener<Key>,
    state: Arc<Arrivals<LocalConnection>>,
    shared: Arc<Shared>,
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("UnixListener");
        debug.field("address", &self.local_addr().ok());
        debug.finish_non_exhaustive()
    }
}

impl UnixListener {
    /// Listens at a path, and makes it. On Linux one that begins with a zero byte is a name in the abstract namespace.
    ///
    /// # Errors
    /// The system's: the path is there already ([`AddrInUse`](io::ErrorKind::AddrInUse)), for example; a program that has ended leaves its
    /// path behind. [`InvalidInput`](io::ErrorKind::InvalidInput): the path is longer than such an address may be, or it is no
    /// name in that namespace and has a zero byte.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        let path = path.as_ref();
        let listen = || {
            let address = address(path)?;
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.bind(&address)?;
            socket.listen(BACKLOG)?;
            Ok(socket)
        };
        let listener = listen().map_err(|error| told("listen at", path, error))?;
        UnixListener::from_std(OwnedFd::from(listener).into())
    }

    /// Takes a listener of the standard library's into the runtime that this thread works for.
    ///
    /// # Errors
    /// The system's: it can't be made non-blocking or be registered.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub fn from_std(listener: net::UnixListener) -> io::Result<UnixListener> {
        context::with_current(|shared| {
            let state = Arc::new(Arrivals::default());
            let key = Key::LocalListener(state.clone());
            Ok(UnixListener {
                listener: shared.port.associate(listener, key)?,
                state,
                shared: Arc::clone(shared),
            })
        })
    }

    /// The address that it listens at.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts a connection; with it comes the address of the peer, which has none if it was not bound to one.
    ///
    /// # Errors
    /// As for [`TcpListener::accept`](super::TcpListener::accept).
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let start = || self.listener.accept_skip_port();
        let accepted = self.state.next(start, Option::take).await?;
        self.stream(accepted?)
    }

    /// As [`accept`](Self::accept), for a future of the caller's own. Of such futures, the 64 that polled last are woken.
    pub fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let start = || self.listener.accept_skip_port();
        let accepted = ready!(self.state.poll_next(context, start, Option::take))?;
        Poll::Ready(self.stream(accepted?))
    }

    fn stream(&self, connection: LocalConnection) -> io::Result<(UnixStream, SocketAddr)> {
        // A peer that has gone has no address any more.
        let peer = connection.peer_addr();
        let peer = peer.or_else(|_| SocketAddr::from_pathname(""))?;
        let inner = Inner::associate_with(&self.shared, connection)?;
        Ok((UnixStream::new(inner), peer))
    }
}

impl Drop for UnixListener {
    fn drop(&mut self) {
        // The accept that is under way would keep it open.
        self.listener.close();
    }
}

impl Arrival for LocalConnection {
    fn of(result: io::Result<usize>, what: Finished<Key>) -> Option<io::Result<Self>> {
        match what {
            Finished::AcceptedLocal { connection, .. } => Some(brought(result, connection)),
            _ => None,
        }
    }
}

/// The address of a path, or of a name in the abstract namespace, which alone may have zero bytes.
pub(super) fn address(path: &Path) -> io::Result<SockAddr> {
    let bytes = path.as_os_str().as_bytes();
    if let Some(at) = bytes
        .iter()
        .position(|&byte| byte == 0)
        .filter(|&at| at > 0)
    {
        // The system would take what is before it for the path.
        let what = format!("the byte {at} of the path is zero; use a path without zero bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    SockAddr::unix(path)
}

/// An error, with what could not be done.
pub(super) fn told(what: &str, path: &Path, error: io::Error) -> io::Error {
    let name = match path.as_os_str().as_bytes() {
        [0, name @ ..] => PathBuf::from(OsStr::from_bytes(&[b"@", name].concat())),
        _ => path.to_owned(),
    };
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => "; if no program listens there any more, remove it first",
        _ => "",
    };
    let text = format!("can't {what} {}: {error}{remedy}", name.display());
    io::Error::new(error.kind(), text)
}
