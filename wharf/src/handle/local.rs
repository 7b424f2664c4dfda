//! Local (Unix) stream sockets: connected, they are [`Socket`]s like any other.

#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::{
    io,
    os::{
        fd::OwnedFd,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    path::Path,
    sync::Arc,
};

use socket2::{Domain, SockAddr, SockRef};

use super::{Associate, Association, Key, Socket, handle};
use crate::{
    CompletionPort,
    driver::{Descriptor, peer_process},
    raw::Kind,
};

/// A local (Unix) listening socket, associated with a port. Its path stays in the file system when it is closed.
#[derive(Debug)]
pub struct LocalListener<K>(Arc<Association<K>>);

handle!(LocalListener);

/// A local connection that was accepted, not yet associated with any port.
#[derive(Debug)]
pub struct LocalConnection(pub(crate) Descriptor);

impl LocalConnection {
    /// The system's stream, non-blocking, to be used without a port, or to ask the system which process is at the other end.
    ///
    /// # Errors
    /// The connection is of a simulated kernel, and no stream of the system's.
    pub fn into_stream(self) -> io::Result<UnixStream> {
        let descriptor: OwnedFd = self.0.into_system()?;
        Ok(descriptor.into())
    }
}

impl LocalConnection {
    /// The socket's own address: that of the listener.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.ask(|socket| socket.local_addr())
    }

    /// The address of the peer, which is unnamed in most programs.
    ///
    /// # Errors
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.ask(|socket| socket.peer_addr())
    }

    fn ask(&self, ask: impl FnOnce(SockRef<'_>) -> io::Result<SockAddr>) -> io::Result<SocketAddr> {
        match &self.0 {
            Descriptor::System(descriptor) => address(&ask(SockRef::from(descriptor))?),
            _ => Err(no_local_address()),
        }
    }
}

impl<K> Socket<K> {
    /// The own address of a local (Unix) socket.
    ///
    /// # Errors
    /// The system's: the socket is closed. [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable): it is not a local one, but has a
    /// [`local_addr`](Self::local_addr).
    pub fn local_addr_unix(&self) -> io::Result<SocketAddr> {
        self.with_descriptor(|beneath| address(&SockRef::from(&beneath).local_addr()?))
    }

    /// The address of a local (Unix) socket's peer, which has none if it was not bound to one.
    ///
    /// # Errors
    /// As for [`local_addr_unix`](Self::local_addr_unix); or the socket is not connected any more.
    pub fn peer_addr_unix(&self) -> io::Result<SocketAddr> {
        self.with_descriptor(|beneath| address(&SockRef::from(&beneath).peer_addr()?))
    }

    /// Which process is at the other end of a local (Unix) stream, and whose it is: as it was when the stream was connected, or when the
    /// listener began to listen.
    ///
    /// # Errors
    /// The system's: the socket is closed, for one.
    pub fn peer_process(&self) -> io::Result<PeerProcess> {
        let (process, user, group) = self.with_descriptor(peer_process)?;
        Ok(PeerProcess {
            process: Some(process).filter(|&process| process != 0),
            user,
            group,
        })
    }
}

/// A process at the other end of a local stream; see [`Socket::peer_process`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PeerProcess {
    /// Its number. None: it is in a namespace of which this process sees nothing (pid_namespaces(7)), as one outside of a container is.
    pub process: Option<i32>,
    /// The number of its user.
    pub user: u32,
    /// The number of its group.
    pub group: u32,
}

/// Converts a local address from the system's form to that of the standard library.
fn address(address: &SockAddr) -> io::Result<SocketAddr> {
    if address.domain() != Domain::UNIX {
        return Err(no_local_address());
    }
    #[cfg(target_os = "linux")]
    if let Some(name) = address.as_abstract_namespace() {
        return SocketAddr::from_abstract_name(name);
    }
    // An address without a path is unnamed; the standard library makes that from an empty path.
    SocketAddr::from_pathname(address.as_pathname().unwrap_or(Path::new("")))
}

fn no_local_address() -> io::Error {
    io::Error::new(
        io::ErrorKind::AddrNotAvailable,
        "the socket is not a local (Unix) one; ask for its Internet address",
    )
}

impl Associate for UnixListener {
    type Associated<K> = LocalListener<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<LocalListener<K>>
    where
        K: Key,
    {
        self.set_nonblocking(true)?;
        let association = Association::new_as(port, self, key, Kind::Listener, Some(false))?;
        Ok(LocalListener(Arc::new(association)))
    }
}

impl Associate for UnixStream {
    type Associated<K> = Socket<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<Socket<K>>
    where
        K: Key,
    {
        self.set_nonblocking(true)?;
        Socket::associate(self, port, key, Some(false))
    }
}

impl Associate for LocalConnection {
    type Associated<K> = Socket<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<Socket<K>>
    where
        K: Key,
    {
        // It was accepted as non-blocking.
        Socket::associate(self.0, port, key, Some(false))
    }
}

impl<K> LocalListener<K> {
    pub(crate) fn association(&self) -> &Association<K> {
        &self.0
    }

    /// The address that it listens at.
    ///
    /// # Errors
    /// The system's: the listener is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with_descriptor(|beneath| address(&SockRef::from(&beneath).local_addr()?))
    }

    /// Stops listening: accepts complete as cancelled. Returns whether it was open.
    pub fn close(&self) -> bool {
        self.0.raw().close_handle(self.0.handle)
    }
}
