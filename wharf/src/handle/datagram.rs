//! A datagram socket. The methods that start its operations are in [`operation`](crate::operation).

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
};

use socket2::{SockRef, Type};

use super::{Associate, Association, Key, handle};
use crate::{CompletionPort, driver::Descriptor, raw::Kind};

/// A datagram (UDP) socket, associated with a port. Like a [`Socket`](super::Socket), it stays open for as long as a clone
/// of it is held or an operation is under way.
///
/// ```
/// use std::net::UdpSocket;
/// use wharf::{Buffer, CompletionPort, Finished, Wait};
///
/// # fn main() -> std::io::Result<()> {
/// let port = CompletionPort::<()>::new(0)?;
/// let socket = port.associate(UdpSocket::bind("127.0.0.1:0")?, ())?;
/// let peer = UdpSocket::bind("127.0.0.1:0")?;
///
/// socket.receive(Buffer::with_capacity(1500))?;
/// peer.send_to(b"ahoy", socket.local_addr()?)?;
/// let Wait::Completed(completion) = port.wait(None)? else { panic!("neither closed nor timed out") };
/// let Finished::ReceivedDatagram { socket, buffer, peer: Some(from) } = completion.what else { panic!("it was a receive") };
/// socket.send_to(buffer, from)?;
///
/// let mut echo = [0; 16];
/// assert_eq!(peer.recv(&mut echo)?, 4);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DatagramSocket<K>(Arc<Association<K>>);

handle!(DatagramSocket);

impl Associate for UdpSocket {
    type Associated<K> = DatagramSocket<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<DatagramSocket<K>>
    where
        K: Key,
    {
        check_type(&self)?;
        self.set_nonblocking(true)?;
        DatagramSocket::associate(self, port, key)
    }
}

/// Refuses a stream, which can be made a `UdpSocket` by way of its descriptor: the calls that receive datagrams have a TCP
/// socket throw bytes away, and count them as received.
fn check_type(socket: &UdpSocket) -> io::Result<()> {
    match SockRef::from(socket).r#type()? {
        Type::STREAM => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the socket is a stream, not a datagram socket; associate it as a `TcpStream`",
        )),
        _ => Ok(()),
    }
}

impl<K> DatagramSocket<K> {
    /// `socket` is non-blocking.
    pub(crate) fn associate(
        socket: impl Into<Descriptor>,
        port: &CompletionPort<K>,
        key: K,
    ) -> io::Result<Self> {
        let association = Association::new(port, socket, key, Kind::Datagram)?;
        Ok(DatagramSocket(Arc::new(association)))
    }

    pub(crate) fn association(&self) -> &Association<K> {
        &self.0
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// The system's: the socket is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.raw().local_addr(self.0.handle)
    }

    /// Bytes of started sends that the system has not taken yet. 0 once it is closed.
    pub fn unsent(&self) -> usize {
        self.0.raw().unsent(self.0.handle)
    }

    /// Sets the most bytes that may wait to be sent: backpressure for the sender. A send that would pass the limit is refused
    /// with [`WouldBlock`](io::ErrorKind::WouldBlock), unless nothing waits. No limit is set at first.
    ///
    /// # Errors
    /// The socket is closed.
    pub fn set_unsent_max(&self, bytes: usize) -> io::Result<()> {
        self.0.raw().set_unsent_max(self.0.handle, bytes)
    }

    /// Closes the socket: its operations complete as cancelled. Says whether it was open.
    pub fn close(&self) -> bool {
        self.0.raw().close_handle(self.0.handle)
    }
}
