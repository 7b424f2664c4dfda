//! A UDP socket.

use std::{
    fmt,
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::io::ReadBuf;
use wharf::{Associate, Buffer, DatagramSocket, Finished, OperationId, Payload, Started};

use super::{Arrivals, Slot, Target, ToTarget, arrivals::Arrival, connect};
use crate::{
    budget, context,
    shared::{Key, Shared},
    sync::{Mutex, lock},
};

/// A datagram, whole, and where it is from.
pub(crate) type Datagram = (Buffer, SocketAddr);

/// A UDP socket, for tasks of one runtime. Any number of tasks may send and receive on it at once.
///
/// Cancel-safe: a future that is dropped loses no datagram that has arrived. A send that is dropped may have sent its datagram or not.
///
/// ```
/// use wharf_async::{Runtime, net::UdpSocket};
///
/// # fn main() -> std::io::Result<()> {
/// Runtime::new()?.block_on(async {
///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
///     let peer = UdpSocket::bind("127.0.0.1:0").await?;
///     peer.send_to(b"ahoy", socket.local_addr()?).await?;
///     let mut bytes = [0; 1500];
///     let (len, from) = socket.recv_from(&mut bytes).await?;
///     assert_eq!((&bytes[..len], from), (&b"ahoy"[..], peer.local_addr()?));
///     Ok(())
/// })
/// # }
/// ```
pub struct UdpSocket {
    socket: DatagramSocket<Key>,
    state: Arc<Arrivals<Datagram>>,
    shared: Arc<Shared>,
    /// Whom it is connected to.
    peer: Mutex<Option<SocketAddr>>,
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("UdpSocket");
        debug.field("address", &self.local_addr().ok());
        debug.finish_non_exhaustive()
    }
}

impl UdpSocket {
    /// Binds a new socket to an address, or to the first address of a name that it can be bound to; port 0 is any that is free.
    ///
    /// # Errors
    /// The system's: the address is in use, or not of this machine. [`InvalidInput`](io::ErrorKind::InvalidInput) if what is given is
    /// neither address nor name with a port.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub async fn bind(target: impl ToTarget) -> io::Result<UdpSocket> {
        let target = target.to_target()?;
        let name = target.to_string();
        let addresses = connect::resolve(target).await?;
        let refused = |error: io::Error| {
            io::Error::new(error.kind(), format!("can't bind to {name}: {error}"))
        };
        #[cfg(all(unix, feature = "simulated"))]
        if let Some(kernel) = context::with_current(|runtime| runtime.kernel()) {
            let address = addresses.first().ok_or(io::ErrorKind::InvalidInput)?;
            let socket = kernel.datagrams_on(*address).map_err(refused)?;
            return UdpSocket::from_simulated(socket);
        }
        let socket = std::net::UdpSocket::bind(&addresses[..]).map_err(refused)?;
        UdpSocket::from_std(socket)
    }

    /// Takes a socket of the standard library's into the runtime that this thread works for. One that is connected stays so.
    ///
    /// # Errors
    /// The system's: it can't be made non-blocking or be registered.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        let peer = socket.peer_addr().ok();
        UdpSocket::associate(socket, peer)
    }

    /// Takes a simulated kernel's socket into the runtime that this thread works for, which must be on that kernel; see
    /// [`Builder::simulated`](crate::Builder::simulated).
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): it is another kernel's.
    ///
    /// # Panics
    /// The thread works for no runtime.
    #[cfg(all(unix, feature = "simulated"))]
    pub fn from_simulated(socket: wharf::simulated::Datagrams) -> io::Result<UdpSocket> {
        UdpSocket::associate(socket, None)
    }

    fn associate(
        socket: impl Associate<Associated<Key> = DatagramSocket<Key>>,
        peer: Option<SocketAddr>,
    ) -> io::Result<UdpSocket> {
        context::with_current(|shared| {
            let state = Arc::new(Arrivals::default());
            let socket = shared
                .port
                .associate(socket, Key::Datagrams(state.clone()))?;
            Ok(UdpSocket {
                socket,
                state,
                shared: Arc::clone(shared),
                peer: Mutex::new(peer),
            })
        })
    }

    /// Connects the socket: it sends to this address, and the system takes datagrams only from there. Those that have arrived before are
    /// still received. For a name, the first address that can be connected to is taken.
    ///
    /// # Errors
    /// The system's: there is no way to the address. [`InvalidInput`](io::ErrorKind::InvalidInput) if what is given is
    /// neither address nor name with a port.
    pub async fn connect(&self, target: impl ToTarget) -> io::Result<()> {
        let target = target.to_target()?;
        let name = target.to_string();
        let mut failed = None;
        for address in connect::resolve(target).await? {
            match self.option(|socket| socket.connect(&address.into())) {
                Ok(()) => {
                    *lock(&self.peer) = Some(address);
                    return Ok(());
                }
                Err(error) => failed = Some(error),
            }
        }
        let error = failed.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into());
        let text = format!("can't connect to {name}: {error}");
        Err(io::Error::new(error.kind(), text))
    }

    /// Sends one datagram to an address, or to the first address of a name that is of the family of the socket's own. Returns the number of
    /// bytes sent, which is all of them.
    ///
    /// # Errors
    /// The system's: the datagram is too long, for example, or there is no way to the address.
    pub async fn send_to(&self, bytes: &[u8], target: impl ToTarget) -> io::Result<usize> {
        let target = target.to_target()?;
        let peer = match &target {
            Target::Addresses(addresses) if addresses.len() == 1 => addresses[0],
            _ => self.choose(target).await?,
        };
        self.send_one(bytes, peer).await
    }

    /// Sends one datagram to the address that the socket is [connected](Self::connect) to.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to); also that an earlier datagram was refused by the peer's machine.
    /// [`NotConnected`](io::ErrorKind::NotConnected).
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send_one(bytes, self.peer_addr()?).await
    }

    async fn choose(&self, target: Target) -> io::Result<SocketAddr> {
        let name = target.to_string();
        let is_ipv4 = self.local_addr()?.is_ipv4();
        let addresses = connect::resolve(target).await?;
        let of_its_kind = addresses.iter().find(|it| it.is_ipv4() == is_ipv4);
        let address = of_its_kind.or(addresses.first()).copied();
        address.ok_or_else(|| {
            let text = format!("`{name}` is no address to send to");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })
    }

    async fn send_one(&self, bytes: &[u8], peer: SocketAddr) -> io::Result<usize> {
        poll_fn(|context| budget::poll_left(context)).await;
        let slot = Slot::default();
        let payload = match self.shared.buffers.get() {
            Some(mut buffer) if bytes.len() <= buffer.capacity() => {
                buffer.memory_mut()[..bytes.len()].copy_from_slice(bytes);
                buffer.set_len(bytes.len());
                Payload::from(buffer)
            }
            _ => Payload::from(bytes.to_vec()),
        };
        let started = self.socket.with(slot.clone()).send_to(payload, peer);
        let _sending = Sending {
            socket: &self.socket,
            operation: started.map_err(|refused| refused.error)?,
        };
        let (result, _) = poll_fn(|context| slot.poll(context)).await;
        budget::spend();
        result
    }

    /// Receives one datagram, and returns where it is from. Bytes that do not fit into `memory` are lost: see [`receive`](Self::receive).
    ///
    /// # Errors
    /// The system's. The socket goes on.
    pub async fn recv_from(&self, memory: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (datagram, from) = self.receive().await?;
        let len = datagram.len().min(memory.len());
        memory[..len].copy_from_slice(&datagram[..len]);
        Ok((len, from))
    }

    /// As [`recv_from`](Self::recv_from), for a socket that is [connected](Self::connect).
    ///
    /// # Errors
    /// As there; also that a datagram of ours was refused by the peer's machine
    /// ([`ConnectionRefused`](io::ErrorKind::ConnectionRefused)).
    pub async fn recv(&self, memory: &mut [u8]) -> io::Result<usize> {
        Ok(self.recv_from(memory).await?.0)
    }

    /// Receives one datagram, whole, however long it is: in memory of the runtime's, which is used again when it is dropped.
    ///
    /// # Errors
    /// As for [`recv_from`](Self::recv_from).
    pub async fn receive(&self) -> io::Result<(Buffer, SocketAddr)> {
        self.state.next(|| self.start(), Option::take).await?
    }

    /// As [`recv_from`](Self::recv_from), for a future of the caller's own. Of such futures, the 64 that polled last are woken.
    pub fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        memory: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let arrived = self.state.poll_next(context, || self.start(), Option::take);
        let (datagram, from) = ready!(arrived)??;
        let len = datagram.len().min(memory.remaining());
        memory.put_slice(&datagram[..len]);
        Poll::Ready(Ok(from))
    }

    /// Waits for a datagram, copies as much of it as fits, and leaves it to the next receive. Returns where it is from.
    ///
    /// # Errors
    /// As for [`recv_from`](Self::recv_from).
    pub async fn peek_from(&self, memory: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let look = |arrived: &mut Option<io::Result<Datagram>>| match arrived.as_ref()? {
            Err(_) => arrived
                .take()
                .map(|failed| failed.map(|(_, from)| (0, from))),
            Ok((datagram, from)) => {
                let len = datagram.len().min(memory.len());
                memory[..len].copy_from_slice(&datagram[..len]);
                Some(Ok((len, *from)))
            }
        };
        self.state.next(|| self.start(), look).await?
    }

    fn start(&self) -> io::Result<Started<Key>> {
        self.socket.receive_from_skip_port(&self.shared.datagrams)
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The address that it is [connected](Self::connect) to.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected): `connect` was not called.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        lock(&self.peer).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Lets it send to broadcast addresses.
    ///
    /// # Errors
    /// The system's.
    pub fn set_broadcast(&self, may: bool) -> io::Result<()> {
        self.option(|socket| socket.set_broadcast(may))
    }

    /// Sets any other option, by socket2: groups that it joins, a time to live.
    ///
    /// # Errors
    /// The system's, or the function's.
    ///
    /// ```
    /// # use wharf_async::{Runtime, net::UdpSocket};
    /// # fn main() -> std::io::Result<()> {
    /// # Runtime::new()?.block_on(async {
    /// use std::net::Ipv4Addr;
    ///
    /// let socket = UdpSocket::bind("0.0.0.0:0").await?;
    /// socket.option(|it| it.join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 251), &Ipv4Addr::LOCALHOST))
    /// # })
    /// # }
    /// ```
    pub fn option<T>(&self, set: impl FnOnce(SockRef<'_>) -> io::Result<T>) -> io::Result<T> {
        self.socket
            .with_descriptor(|descriptor| set(SockRef::from(&descriptor)))
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        // The receive that is under way would keep it open.
        self.socket.close();
    }
}

/// A send that its future waits for: dropped, the future has it cancelled.
struct Sending<'a> {
    socket: &'a DatagramSocket<Key>,
    operation: OperationId,
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        // It has ended, as a rule.
        let _ = self.socket.cancel(self.operation);
    }
}

impl Arrival for Datagram {
    fn of(result: io::Result<usize>, what: Finished<Key>) -> Option<io::Result<Self>> {
        let Finished::ReceivedDatagram { buffer, peer, .. } = what else {
            return None;
        };
        Some(result.and_then(|_| {
            let from = peer.ok_or_else(|| io::Error::other("the datagram is from nowhere"))?;
            Ok((buffer, from))
        }))
    }
}
