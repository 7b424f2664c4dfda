//! Datagrams of local (Unix) sockets. The port has no operations for them: the system is tried, and waited for while it would block.

use std::{
    fmt, io,
    os::{
        fd::AsFd,
        unix::net::{self, SocketAddr},
    },
    path::Path,
    sync::Arc,
};

use socket2::{SockRef, Socket, Type};

use super::unix::{PAUSES, address, told};
use crate::{context, shared::Shared, time::sleep, watch::Side};

/// A local (Unix) datagram socket, for tasks of one runtime. Any number of tasks may send and receive on it at once.
///
/// Cancel-safe: a future that is dropped has received nothing and sent nothing. The part of a datagram that
/// does not fit into the memory is lost.
///
/// ```
/// use wharf_async::{Runtime, net::UnixDatagram};
///
/// # fn main() -> std::io::Result<()> {
/// Runtime::new()?.block_on(async {
///     let (near, far) = UnixDatagram::pair()?;
///     near.send(b"ahoy").await?;
///     let mut bytes = [0; 16];
///     assert_eq!(far.recv(&mut bytes).await?, 4);
///     Ok(())
/// })
/// # }
/// ```
pub struct UnixDatagram {
    std: net::UnixDatagram,
    shared: Arc<Shared>,
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("UnixDatagram");
        debug.field("address", &self.local_addr().ok());
        debug.finish_non_exhaustive()
    }
}

impl UnixDatagram {
    /// A socket at a path, which it makes, and which stays when the socket is dropped. On Linux a path that begins with a zero byte is
    /// a name in the abstract namespace.
    ///
    /// # Errors
    /// The system's: the path is there already ([`AddrInUse`](io::ErrorKind::AddrInUse)), for example; a program that has ended leaves its
    /// path behind. [`InvalidInput`](io::ErrorKind::InvalidInput): the path is longer than such an address may be, or it is no
    /// name in that namespace and has a zero byte.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        let path = path.as_ref();
        let bind = || {
            let socket = Socket::new(socket2::Domain::UNIX, Type::DGRAM, None)?;
            socket.bind(&address(path)?)?;
            Ok(socket)
        };
        let socket = bind().map_err(|error| told("bind to", path, error))?;
        UnixDatagram::from_std(std::os::fd::OwnedFd::from(socket).into())
    }

    /// A socket without an address: it sends, and no other socket can send to it unless it is connected.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub fn unbound() -> io::Result<UnixDatagram> {
        UnixDatagram::from_std(net::UnixDatagram::unbound()?)
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = net::UnixDatagram::pair()?;
        let one = UnixDatagram::from_std(one)?;
        Ok((one, UnixDatagram::from_std(other)?))
    }

    /// Takes a socket of the standard library's into the runtime that this thread works for.
    ///
    /// # Errors
    /// The system's: it can't be made non-blocking.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub fn from_std(std: net::UnixDatagram) -> io::Result<UnixDatagram> {
        std.set_nonblocking(true)?;
        context::with_current(|shared| {
            Ok(UnixDatagram {
                std,
                shared: Arc::clone(shared),
            })
        })
    }

    /// Connects the socket: it sends to this path, and the system takes datagrams only from there.
    ///
    /// # Errors
    /// The system's: there is no socket, for example.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let connected = address(path).and_then(|it| SockRef::from(&self.std).connect(&it));
        connected.map_err(|error| told("connect to", path, error))
    }

    /// Sends one datagram to the socket that this one is connected to. It waits while the other socket has no room.
    ///
    /// # Errors
    /// The system's: the datagram is too long, for example. [`NotConnected`](io::ErrorKind::NotConnected).
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let attempt = || self.std.send(bytes);
        Side::write()
            .attempt(&self.shared, self.std.as_fd(), attempt)
            .await
    }

    /// Sends one datagram to the socket at a path. It waits while the other socket has no room.
    ///
    /// # Errors
    /// The system's: the datagram is too long, for example, or there is no socket.
    pub async fn send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        let failed = |error| told("send to", path, error);
        let address = address(path).map_err(failed)?;
        let [mut pause, longest] = PAUSES;
        loop {
            match SockRef::from(&self.std).send_to(bytes, &address) {
                // The system tells nobody when a socket that this one is not connected to has room.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(pause).await,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
                sent => return sent,
            }
            pause = longest.min(pause * 2);
        }
    }

    /// Receives one datagram.
    ///
    /// # Errors
    /// The system's.
    pub async fn recv(&self, memory: &mut [u8]) -> io::Result<usize> {
        let attempt = || self.std.recv(memory);
        Side::read()
            .attempt(&self.shared, self.std.as_fd(), attempt)
            .await
    }

    /// As [`recv`](Self::recv); with it comes the address of the sender, which has none unless its socket was bound.
    ///
    /// # Errors
    /// The system's.
    pub async fn recv_from(&self, memory: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let attempt = || self.std.recv_from(memory);
        Side::read()
            .attempt(&self.shared, self.std.as_fd(), attempt)
            .await
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.std.local_addr()
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    /// The system's; [`NotConnected`](io::ErrorKind::NotConnected).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.std.peer_addr()
    }
}
