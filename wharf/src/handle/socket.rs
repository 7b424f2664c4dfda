//! A connected stream socket. The methods that start its operations are in [`operation`](crate::operation).

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use bytes::BufMut;

use super::{Associate, Association, Key, handle};
use crate::{
    CompletionPort, Traffic,
    driver::Descriptor,
    operation::Connection,
    raw::{Kind, Port},
};

/// A connected stream socket, associated with a port.
///
/// It is a handle: clones are the same socket, and any thread may start operations on it. Each operation holds the
/// socket until it has completed, and its completion gives it back. So a connection stays open for as long as a clone of its
/// socket is held or an operation is under way on it, and closes by itself after that; [`close`](Self::close)
/// ends it at once.
///
/// Sends go out in the order in which they were started and whole, receives are filled in the order in which they
/// were started, whichever threads start them.
#[derive(Debug)]
pub struct Socket<K>(Arc<Association<K>>);

handle!(Socket);

impl Associate for TcpStream {
    type Associated<K> = Socket<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<Socket<K>>
    where
        K: Key,
    {
        self.set_nonblocking(true)?;
        // Most are TCP, but the type can be made of any descriptor, and of MPTCP's without meaning to.
        Socket::associate(self, port, key, None)
    }
}

impl Associate for Box<Connection> {
    type Associated<K> = Socket<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<Socket<K>>
    where
        K: Key,
    {
        (*self).associate_with(port, key)
    }
}

impl Associate for Connection {
    type Associated<K> = Socket<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<Socket<K>>
    where
        K: Key,
    {
        // It was accepted as non-blocking.
        Socket::associate(self.socket, port, key, self.is_tcp)
    }
}

impl<K> Socket<K> {
    /// `stream` is non-blocking; `is_tcp`: whether it is TCP, if that is known.
    pub(crate) fn associate(
        stream: impl Into<Descriptor>,
        port: &CompletionPort<K>,
        key: K,
        is_tcp: Option<bool>,
    ) -> io::Result<Self> {
        let association = Association::new_as(port, stream, key, Kind::Stream, is_tcp)?;
        Ok(Self::from_association(association))
    }

    pub(crate) fn from_association(association: Association<K>) -> Self {
        Socket(Arc::new(association))
    }

    pub(crate) fn of(association: Arc<Association<K>>) -> Self {
        Socket(association)
    }

    pub(crate) fn shared(&self) -> &Arc<Association<K>> {
        &self.0
    }

    pub(crate) fn association(&self) -> &Association<K> {
        &self.0
    }

    fn raw(&self) -> &Arc<Port> {
        self.0.records.raw()
    }

    /// Bytes of started sends that the system has not taken yet. 0 once it is closed.
    pub fn unsent(&self) -> usize {
        self.raw().unsent(self.0.handle)
    }

    /// Sets the most bytes that may wait to be sent: backpressure for the sender, where a peer reads too slowly. A send that
    /// would pass the limit is refused with [`WouldBlock`](io::ErrorKind::WouldBlock), unless nothing waits. No limit is set at
    /// first.
    ///
    /// # Errors
    /// The socket is closed.
    pub fn set_unsent_max(&self, bytes: usize) -> io::Result<()> {
        self.raw().set_unsent_max(self.0.handle, bytes)
    }

    /// Sets the most sends that may be under way at once, however few bytes they have. One more is refused with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock). No limit is set at first, and all sockets share the port's
    /// [operations](crate::PortBuilder::operations_max).
    ///
    /// # Errors
    /// The socket is closed.
    pub fn set_sends_max(&self, sends: u32) -> io::Result<()> {
        self.raw().set_sends_max(self.0.handle, sends)
    }

    /// Bytes received and sent so far. None once it is closed.
    pub fn traffic(&self) -> Option<Traffic> {
        self.raw().traffic(self.0.handle)
    }

    /// The address of the peer.
    ///
    /// # Errors
    /// The system's: the socket is closed or not connected any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.raw().peer_addr(self.0.handle)
    }

    /// The socket's own address.
    ///
    /// # Errors
    /// The system's: the socket is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.raw().local_addr(self.0.handle)
    }

    /// Sends small segments at once (`TCP_NODELAY`), instead of waiting for the last to be acknowledged.
    ///
    /// # Errors
    /// The system's: the socket is closed.
    pub fn set_nodelay(&self, at_once: bool) -> io::Result<()> {
        self.raw().set_nodelay(self.0.handle, at_once)
    }

    /// Bytes that have arrived and were not received yet.
    ///
    /// # Errors
    /// The system's: the socket is closed.
    pub fn unread(&self) -> io::Result<u64> {
        self.raw().unread(self.0.handle)
    }

    /// Bytes that the system has taken to send and the peer's system has not acknowledged. A peer that reads makes it less, if little by
    /// little, also while the system takes no more.
    ///
    /// # Errors
    /// The system's: the socket is closed. On Windows it is not known ([`Unsupported`](io::ErrorKind::Unsupported)).
    pub fn unacknowledged(&self) -> io::Result<u64> {
        self.raw().unacknowledged(self.0.handle)
    }

    /// For a socket whose sending side was [shut down](Self::shutdown): whether the peer's system has all that was sent before.
    ///
    /// If a socket is closed while received bytes are unread, the connection is reset, and the peer may lose bytes that it has
    /// not received. Once this method returns true, it can't lose any.
    ///
    /// # Errors
    /// The system's: the socket is closed; or it can't tell, as Windows before 10 (1703) and Wine can't.
    pub fn is_delivered(&self) -> io::Result<bool> {
        self.raw().is_delivered(self.0.handle)
    }

    /// Receives the bytes that are there, if there are any, into memory that is lent for the call; never waits, and no
    /// completion follows. Returns how many bytes of `memory`, from its front, were written: 0 is the end of the stream, or
    /// `memory` is empty.
    ///
    /// Together with [`ready_to_receive`](Self::ready_to_receive) it is for layers that have memory only while they are called,
    /// such as an async runtime's `poll_read`.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): there is nothing, or a receive is under way, which comes first. The socket or its
    /// port is closed, or the connection has failed.
    ///
    /// ```
    /// use std::{io::Write, net::{TcpListener, TcpStream}};
    /// use std::mem::MaybeUninit;
    /// use wharf::{CompletionPort, Finished, Wait};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let port = CompletionPort::<()>::new(0)?;
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut peer = TcpStream::connect(listener.local_addr()?)?;
    /// let socket = port.associate(listener.accept()?.0, ())?;
    ///
    /// let mut memory = [MaybeUninit::uninit(); 64];
    /// peer.write_all(b"ahoy")?;
    /// let received = loop {
    ///     socket.ready_to_receive()?;
    ///     let Wait::Completed(completion) = port.wait(None)? else { panic!("neither closed nor timed out") };
    ///     assert!(matches!(completion.what, Finished::Readable { .. }));
    ///     match socket.try_receive(&mut memory) {
    ///         Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
    ///         received => break received?,
    ///     }
    /// };
    /// assert_eq!(received, 4);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_receive(&self, memory: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        self.raw().try_receive(self.0.handle, memory)
    }

    /// As [`try_receive`](Self::try_receive), into the free space of a buffer of the `bytes` crate's kind (of its next piece), and
    /// counts what came as filled.
    ///
    /// # Errors
    /// As for [`try_receive`](Self::try_receive).
    pub fn try_receive_into(&self, into: &mut impl BufMut) -> io::Result<usize> {
        self.raw().try_receive_into(self.0.handle, into)
    }

    /// Sends as many of `bytes` as the system takes now; never waits, and no completion follows. Returns how many it took.
    /// They do not count as [`unsent`](Self::unsent).
    ///
    /// To learn when to try again, [send](Self::send) an empty payload: it completes when everything before it is out.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): the system takes none now, or a send or a shutdown is under way, which has to
    /// go before these bytes. The socket or its port is closed, or the connection has failed.
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.raw().try_send(self.0.handle, bytes)
    }

    /// Whether a send that this thread starts now is made together with others, in one call: more work is queued, and the driver
    /// gains from batches, as io_uring does. Then a [quiet send](Self::send_quietly) costs less than
    /// [`try_send`](Self::try_send). A hint.
    pub fn batches_sends(&self) -> bool {
        self.raw().batches_sends()
    }

    /// As [`try_send`](Self::try_send), of several pieces, one after the other; of the first 64 at most.
    ///
    /// # Errors
    /// As for [`try_send`](Self::try_send).
    pub fn try_send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.raw().try_send_vectored(self.0.handle, pieces)
    }

    /// Backpressure for the peer: from now on no receive of this socket begins. Receives that are started wait, as if there
    /// were nothing to receive, and TCP's flow control stops the peer once the system's memory is full. A receive that is in
    /// transfer still ends; on Windows, where the kernel has them, so do all that were begun.
    /// [`try_receive`](Self::try_receive) is not held back.
    ///
    /// While this lasts, receives see neither the end of the stream nor its failure.
    ///
    /// # Errors
    /// The socket is closed.
    pub fn pause_receiving(&self) -> io::Result<()> {
        self.raw().pause_receives(self.0.handle)
    }

    /// Ends the [pause](Self::pause_receiving): receives begin again.
    ///
    /// # Errors
    /// The socket is closed.
    pub fn resume_receiving(&self) -> io::Result<()> {
        self.raw().resume_receives(self.0.handle)
    }

    /// Whether the peer is known to have ended its sending side in order. That says nothing of its receiving side: it may still
    /// take what is sent to it. The end is known once a receive has found it; on Linux also once the system reported it, while
    /// there are unread bytes before it.
    ///
    /// # Errors
    /// The socket is closed.
    pub fn peer_has_ended(&self) -> io::Result<bool> {
        self.raw().peer_has_ended(self.0.handle)
    }

    /// Cancels the receives of this socket; returns how many there were. Sends go on.
    pub fn cancel_receives(&self) -> usize {
        self.raw().cancel_receives(self.0.handle)
    }

    /// Closes the socket as [`close`](Self::close) does, but resets the connection: bytes that the system has taken to send and
    /// the peer has not received are lost, and the peer sees a failure (a reset) instead of an orderly end. Returns whether the
    /// socket was open.
    pub fn reset(&self) -> bool {
        // Where it can't be set, the socket is gone.
        let _ = self.raw().reset_on_close(self.0.handle);
        self.close()
    }

    /// Closes the socket as [`close`](Self::close) does, unless a send or a shutdown is under way, or a thread is receiving
    /// just now. This is one step: an operation that another thread starts at the same time is under way before, or refused.
    /// Returns the bytes received and sent in all; none if this call did not close the socket: then a completion follows. Where
    /// the peer has ended its side, this makes the shutdown of our side unnecessary.
    pub fn close_if_sent(&self) -> Option<Traffic> {
        self.raw().close_handle_if_sent(self.0.handle)
    }

    /// Closes the socket: its operations complete as cancelled, and no operation can be started on it any more. Returns
    /// whether it was open. Bytes that the system has taken are still sent; if received bytes are unread, the connection is
    /// reset.
    pub fn close(&self) -> bool {
        self.raw().close_handle(self.0.handle)
    }
}
