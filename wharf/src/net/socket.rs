//! A connected stream socket that starts operations on its port.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use rustix::net::sockopt;

use super::{Associate, Association, internet};
use crate::{
    CompletionPort,
    buffer::{Buffer, Payload, Pool},
    operation::{Connection, OperationId, Refused},
    raw::{
        Kind, Port, Request,
        record::{Cargo, Memory, Records, Source},
    },
};

/// A connected stream socket, associated with a port.
///
/// It is a handle: clones are the same socket, and any thread may start operations on it. Each operation holds the
/// socket until it has completed, and its completion gives it back. So a connection lives for as long as somebody
/// holds its socket or something is under way on it, and closes by itself when neither is so; [`close`](Self::close)
/// ends it at once.
///
/// Sends go out in the order in which they were started and whole, receives are filled in the order in which they
/// were started, whichever threads start them.
#[derive(Debug)]
pub struct Socket<K>(Arc<Association<K>>);

impl<K> Clone for Socket<K> {
    fn clone(&self) -> Self {
        Socket(self.0.clone())
    }
}

impl<K> PartialEq for Socket<K> {
    /// Whether they are the same socket.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<K> Eq for Socket<K> {}

impl Associate for TcpStream {
    type Associated<K> = Socket<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<Socket<K>>
    where
        K: Clone + Send + Sync + 'static,
    {
        self.set_nonblocking(true)?;
        Socket::associate(self, port, key)
    }
}

impl Associate for Connection {
    type Associated<K> = Socket<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<Socket<K>>
    where
        K: Clone + Send + Sync + 'static,
    {
        // It was accepted as non-blocking.
        Socket::associate(self.stream, port, key)
    }
}

impl<K> Socket<K> {
    fn associate(stream: TcpStream, port: &CompletionPort<K>, key: K) -> io::Result<Self> {
        let handle = port.records().raw().associate(stream.into(), 0, Kind::Stream)?;
        Ok(Self::from_association(Association {
            records: port.records().clone(),
            handle,
            key,
        }))
    }

    pub(crate) fn from_association(association: Association<K>) -> Self {
        Socket(Arc::new(association))
    }

    /// The key that it was associated with.
    pub fn key(&self) -> &K {
        &self.0.key
    }

    pub(crate) fn records(&self) -> &Records<K> {
        &self.0.records
    }

    fn raw(&self) -> &Arc<Port> {
        self.0.records.raw()
    }

    /// Bytes of started sends that the system has not taken yet. 0 once it is closed.
    pub fn unsent(&self) -> usize {
        self.raw().unsent(self.0.handle)
    }

    /// Sets the most bytes that may wait to be sent. A send that would pass it is refused with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), unless nothing waits. No limit is set at first.
    ///
    /// # Errors
    /// The socket is closed.
    pub fn set_unsent_max(&self, bytes: usize) -> io::Result<()> {
        self.raw().set_unsent_max(self.0.handle, bytes)
    }

    /// Bytes received and sent so far. None once it is closed.
    pub fn traffic(&self) -> Option<(u64, u64)> {
        self.raw().traffic(self.0.handle)
    }

    /// The address of the peer.
    ///
    /// # Errors
    /// The system's: the socket is closed or not connected any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        let address = self.0.with_descriptor(|descriptor| Ok(rustix::net::getpeername(descriptor)?))?;
        address.map_or_else(|| Err(io::ErrorKind::NotConnected.into()), internet)
    }

    /// The socket's own address.
    ///
    /// # Errors
    /// The system's: the socket is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.0.with_descriptor(|descriptor| Ok(rustix::net::getsockname(descriptor)?))?;
        internet(address)
    }

    /// Sends small segments at once (`TCP_NODELAY`), instead of waiting for the last to be acknowledged.
    ///
    /// # Errors
    /// The system's: the socket is closed.
    pub fn set_nodelay(&self, at_once: bool) -> io::Result<()> {
        self.0.with_descriptor(|descriptor| Ok(sockopt::set_tcp_nodelay(descriptor, at_once)?))
    }

    /// Bytes that have arrived and were not received yet.
    ///
    /// # Errors
    /// The system's: the socket is closed.
    pub fn unread(&self) -> io::Result<u64> {
        self.0.with_descriptor(|descriptor| Ok(rustix::io::ioctl_fionread(descriptor)?))
    }

    /// Bytes that the system has taken to send and the peer has not acknowledged yet.
    ///
    /// # Errors
    /// The system's: the socket is closed.
    pub fn unacknowledged(&self) -> io::Result<u64> {
        self.0.with_descriptor(crate::driver::unacknowledged)
    }

    /// Cancels one operation. Its completion follows: as
    /// [cancelled](crate::Completion::is_cancelled), or with its result if that came first.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound): it has completed already.
    pub fn cancel(&self, operation: OperationId) -> io::Result<()> {
        self.raw().cancel(operation)
    }

    /// Cancels all operations of this socket; says how many there were.
    pub fn cancel_all(&self) -> usize {
        self.raw().cancel_all(self.0.handle)
    }

    /// Cancels the receives of this socket; says how many there were. Sends go on.
    pub fn cancel_receives(&self) -> usize {
        self.raw().cancel_receives(self.0.handle)
    }

    /// Closes the socket: its operations complete as cancelled, and nothing can be started on it any more. Says
    /// whether it was open. What the system has taken is still sent; with received bytes unread, the peer is reset.
    pub fn close(&self) -> bool {
        self.raw().close_handle(self.0.handle)
    }
}

/// # Starting operations
///
/// Each gives one [`Completion`](crate::Completion) on the port, whenever it is done; the id that it returns names
/// it, for cancelling.
///
/// # Errors
/// All of these are refused, with what was given to them, if the socket or its port is closed, if the connection is
/// known to have failed (a reset, for one), or if too many operations are under way.
impl<K: Clone + Send + Sync + 'static> Socket<K> {
    /// Receives at least 1 byte into the buffer, from its front; 0 is the end of the stream. A buffer of capacity 0
    /// is a question: it completes when there is something to receive, or the end, and takes nothing.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn receive(&self, buffer: Buffer) -> Result<OperationId, Refused<Buffer>> {
        self.start(Memory::Receive(buffer), false).map_err(|(error, memory)| match memory {
            Memory::Receive(given) => Refused { error, given },
            _ => unreachable!("it comes back as it was given"),
        })
    }

    /// Receives into a buffer of the pool, which is taken when there is something to receive. Until then the
    /// operation owns none.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn receive_from(&self, pool: &Pool) -> io::Result<OperationId> {
        let memory = Memory::ReceiveFrom(pool.clone(), None);
        self.start(memory, false).map_err(|(error, _)| error)
    }

    /// Receives into several buffers, filled one after the other: one operation.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn receive_many(
        &self,
        buffers: Vec<Buffer>,
    ) -> Result<OperationId, Refused<Vec<Buffer>>> {
        let memory = Memory::receive_many(buffers);
        self.start(memory, false).map_err(|(error, memory)| match memory {
            Memory::ReceiveMany(given, _) => Refused { error, given },
            _ => unreachable!("it comes back as it was given"),
        })
    }

    /// Completes when there is something to receive, or the end, and takes nothing.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn readable(&self) -> io::Result<OperationId> {
        self.start(Memory::None, false).map_err(|(error, _)| error)
    }

    /// Sends all of the payload. Completes when the system has taken the last byte, over as many writes as that
    /// needs.
    ///
    /// # Errors
    /// As [above](Self#errors); also if the sending side is shut down, or if too much
    /// [waits](Self::set_unsent_max) to be sent.
    pub fn send(&self, payload: impl Into<Payload>) -> Result<OperationId, Refused<Payload>> {
        self.send_payload(payload.into(), false)
    }

    /// Sends all of the payload, and completes only if that fails: success has no packet, and costs none. The
    /// payload is dropped when the system has taken it.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_quietly(
        &self,
        payload: impl Into<Payload>,
    ) -> Result<OperationId, Refused<Payload>> {
        self.send_payload(payload.into(), true)
    }

    fn send_payload(
        &self,
        payload: Payload,
        quiet: bool,
    ) -> Result<OperationId, Refused<Payload>> {
        self.start(Memory::Send(payload), quiet).map_err(|(error, memory)| match memory {
            Memory::Send(given) => Refused { error, given },
            _ => unreachable!("it comes back as it was given"),
        })
    }

    /// Sends several payloads, one after the other: one operation.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_many(
        &self,
        payloads: Vec<Payload>,
    ) -> Result<OperationId, Refused<Vec<Payload>>> {
        let memory = Memory::send_many(payloads);
        self.start(memory, false).map_err(|(error, memory)| match memory {
            Memory::SendMany(given, _) => Refused { error, given },
            _ => unreachable!("it comes back as it was given"),
        })
    }

    /// Ends the sending side, once all sends that were started before are out. Receiving goes on.
    ///
    /// # Errors
    /// As [above](Self#errors); also if the sending side is shut down already.
    pub fn shutdown(&self) -> io::Result<OperationId> {
        self.start_request(Request::Shutdown)
    }

    pub(crate) fn start_request(&self, request: Request) -> io::Result<OperationId> {
        let cargo = self.cargo(Memory::None);
        let started = self.0.records.start_request(self.0.handle, cargo, request, false);
        started.map_err(|(error, _)| error)
    }

    fn start(&self, memory: Memory, quiet: bool) -> Result<OperationId, (io::Error, Memory)> {
        let started = self.0.records.start(self.0.handle, self.cargo(memory), quiet);
        started.map_err(|(error, cargo)| (error, cargo.memory))
    }

    fn cargo(&self, memory: Memory) -> Cargo<K> {
        Cargo {
            source: Source::Socket(self.clone()),
            memory,
        }
    }
}
