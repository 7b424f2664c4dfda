//! The answers to a wait: completions, and what each kind of operation gives back.

use std::{io, net::SocketAddr};

use super::{Connection, Context, OperationId, accept};
#[cfg(unix)]
use crate::handle::{LocalConnection, LocalListener};
use crate::{
    buffer::{Buffer, Payload, Transmit},
    driver::codes,
    handle::{DatagramSocket, File, Key, Listener, Origin, Socket},
    raw::{Queued, Request, Task, is_cancelled},
    record::{Memory, Owned, Records, Returned},
};

/// The answer to a wait for one packet.
// A loop is to answer each of them.
#[allow(clippy::exhaustive_enums)]
#[derive(Debug)]
pub enum Wait<K> {
    /// An operation completed, well or not, or a packet was posted.
    Completed(Completion<K>),
    /// A task was [posted](crate::CompletionPort::post_task), for this thread to [run](Task::run). If it is dropped instead, it
    /// is discarded and not run.
    Task(Task),
    /// The time is over, and nothing has completed.
    TimedOut,
    /// The port is closed.
    Closed,
}

/// One completed operation, or one posted packet.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "a completion gives back the buffer and the socket; dropped, the connection may close"]
pub struct Completion<K> {
    /// The key of the socket or listener; or the one that a timer or a posted packet carries.
    pub key: K,
    /// The bytes that were moved, or why the operation failed: the system's own error. For a receive, 0 is the end
    /// of the stream.
    pub result: io::Result<usize>,
    /// The bytes that were moved, also by an operation that failed: a send may fail after it has sent a part.
    pub transferred: usize,
    /// The id of the operation, as it was returned when the operation was started.
    pub operation: OperationId,
    /// Which kind of operation has finished, and what it gives back.
    pub what: Finished<K>,
    /// The [context](Context) that was given with the operation.
    pub context: Option<Context>,
}

/// The kind of a completed operation, and what it gives back.
#[derive(Debug)]
#[non_exhaustive]
pub enum Finished<K> {
    /// [`Socket::receive`] or [`Socket::receive_from`].
    Received {
        /// Where it was started.
        socket: Socket<K>,
        /// The buffer, with the received bytes in use. Empty, without memory, where a receive from a pool failed or found the
        /// end.
        buffer: Buffer,
    },
    /// [`Socket::receive_vectored`].
    ReceivedVectored {
        /// Where it was started.
        socket: Socket<K>,
        /// The buffers, filled one after the other.
        buffers: Vec<Buffer>,
    },
    /// [`Socket::readable`]: there is something to receive, or the end. [`Socket::ready_to_receive`]: there may be.
    Readable {
        /// Where it was started.
        socket: Socket<K>,
    },
    /// [`Socket::send`], or a [`Socket::send_quietly`] that failed.
    Sent {
        /// Where it was started.
        socket: Socket<K>,
        /// As it was given.
        payload: Payload,
    },
    /// [`Socket::send_vectored`].
    SentVectored {
        /// Where it was started.
        socket: Socket<K>,
        /// As they were given.
        payloads: Vec<Payload>,
    },
    /// [`Socket::shutdown`]: all earlier sends are out, and the end of the stream behind them.
    Shutdown {
        /// Where it was started.
        socket: Socket<K>,
    },
    /// [`Socket::disconnect`].
    #[cfg(windows)]
    Disconnected {
        /// Where it was started. If the operation succeeded, it can be connected again.
        socket: Socket<K>,
    },
    /// [`Listener::accept`].
    Accepted {
        /// Where it was started.
        listener: Listener<K>,
        /// The new connection; none if the accept failed. In a box, or it would make every completion larger.
        connection: Option<Box<Connection>>,
    },
    /// [`Listener::accept_receive`].
    AcceptedReceived {
        /// Where it was started.
        listener: Listener<K>,
        /// The new connection; none if the operation failed.
        connection: Option<Box<Connection>>,
        /// The buffer, with the first bytes in use.
        buffer: Buffer,
    },
    /// [`LocalListener::accept`].
    #[cfg(unix)]
    AcceptedLocal {
        /// Where it was started.
        listener: LocalListener<K>,
        /// The new connection; none if the accept failed.
        connection: Option<LocalConnection>,
    },
    /// [`CompletionPort::connect_send`](crate::CompletionPort::connect_send).
    ConnectedSent {
        /// The new socket, connected if the operation succeeded. It closes when it is dropped.
        socket: Socket<K>,
        /// As it was given.
        payload: Payload,
    },
    /// [`DatagramSocket::receive`] or [`DatagramSocket::receive_from`].
    ReceivedDatagram {
        /// Where it was started.
        socket: DatagramSocket<K>,
        /// The buffer, with the datagram's bytes in use. Empty, without memory, where a receive from a pool failed.
        buffer: Buffer,
        /// The address of the sender; none if the operation failed.
        peer: Option<SocketAddr>,
    },
    /// [`DatagramSocket::send_to`], or a [`DatagramSocket::send_to_quietly`] that failed.
    SentDatagram {
        /// Where it was started.
        socket: DatagramSocket<K>,
        /// As it was given.
        payload: Payload,
    },
    /// [`Socket::transmit`].
    Transmitted {
        /// Where it was started.
        socket: Socket<K>,
        /// As it was given.
        transmit: Box<Transmit>,
    },
    /// [`File::read_at`].
    Read {
        /// Where it was started.
        file: File<K>,
        /// The buffer, with the bytes that were read in use.
        buffer: Buffer,
    },
    /// [`File::write_at`].
    Written {
        /// Where it was started.
        file: File<K>,
        /// As it was given.
        payload: Payload,
    },
    /// [`File::flush`].
    Flushed {
        /// Where it was started.
        file: File<K>,
    },
    /// [`CompletionPort::connect`](crate::CompletionPort::connect), on Unix `connect_local`, or on Windows
    /// `Socket::connect_again`.
    Connected {
        /// The new socket, connected if the operation succeeded. It closes when it is dropped.
        socket: Socket<K>,
    },
    /// A timer: its time has come, or it was cancelled.
    Timer,
    /// A posted packet; its number is in `result`.
    Posted,
}

impl<K> Completion<K> {
    /// Whether the operation was cancelled, by [`cancel`](crate::CompletionPort::cancel), by closing its socket, or
    /// with the port.
    pub fn is_cancelled(&self) -> bool {
        self.result.as_ref().is_err_and(is_cancelled)
    }

    /// The stream socket that the operation was started on, or that it connected; none if it was an operation of another kind
    /// of handle, a timer or a posted packet.
    pub fn socket(&self) -> Option<&Socket<K>> {
        match &self.what {
            Finished::Received { socket, .. }
            | Finished::ReceivedVectored { socket, .. }
            | Finished::Readable { socket }
            | Finished::Sent { socket, .. }
            | Finished::SentVectored { socket, .. }
            | Finished::Shutdown { socket }
            | Finished::ConnectedSent { socket, .. }
            | Finished::Transmitted { socket, .. }
            | Finished::Connected { socket } => Some(socket),
            #[cfg(windows)]
            Finished::Disconnected { socket } => Some(socket),
            _ => None,
        }
    }

    /// Whether it received a datagram that was longer than its buffer, and was truncated: only the part that fitted is here.
    pub fn is_truncated(&self) -> bool {
        let is_datagram = matches!(self.what, Finished::ReceivedDatagram { .. });
        let error = self.result.as_ref().err();
        is_datagram && error.and_then(io::Error::raw_os_error) == Some(codes::CUT)
    }
}

impl<K: Key> Completion<K> {
    /// The completion that a packet brings, if the packet is no task.
    #[inline]
    pub(crate) fn new(records: &Records<Origin<K>>, packet: Queued) -> Result<Self, Task> {
        records.take(
            packet,
            |finished| Ok(Self::of_operation(finished)),
            |key, number| Ok(Self::posted(key, number)),
            Err,
        )
    }

    #[inline]
    pub(crate) fn posted(key: K, number: usize) -> Self {
        Completion {
            key,
            result: Ok(number),
            transferred: number,
            operation: OperationId::NONE,
            what: Finished::Posted,
            context: None,
        }
    }

    #[inline(always)] // It is large, and would be copied.
    pub(crate) fn of_operation(finished: Returned<Origin<K>>) -> Self {
        let Returned {
            owned,
            operation,
            transferred,
            error,
            mut request,
        } = finished;
        let mut result = error.map_or(Ok(transferred), Err);
        let Owned {
            source,
            memory,
            context,
        } = owned;
        // The most frequent by itself, so that it is written where it is wanted.
        if let (Origin::Socket(_), Memory::ReceiveLent(_)) = (&source, &memory) {
            let (Origin::Socket(socket), Memory::ReceiveLent(mut buffer)) = (source, memory) else {
                unreachable!("it was so just now");
            };
            buffer.set_len(transferred);
            return Completion {
                key: socket.key().clone(),
                result,
                transferred,
                operation,
                what: Finished::Received { socket, buffer },
                context,
            };
        }
        let (key, what) = Self::apart(source, memory, &mut request, &mut result, transferred);
        Completion {
            key,
            result,
            transferred,
            operation,
            what,
            context,
        }
    }

    /// The key of an operation, and what it gives back.
    #[inline(never)]
    fn apart(
        source: Origin<K>,
        memory: Memory,
        request: &mut Request,
        result: &mut io::Result<usize>,
        transferred: usize,
    ) -> (K, Finished<K>) {
        match source {
            Origin::Own(key) => (key, Finished::on_nothing(request)),
            Origin::TimeOut(_) => unreachable!("the end of a time-out is no completion"),
            Origin::Listener(listener) => {
                let connection = accept::accepted(&listener, request.take_accepted(), result);
                let key = listener.key().clone();
                let what = Finished::on_listener(listener, memory, connection, transferred);
                (key, what)
            }
            #[cfg(unix)]
            Origin::LocalListener(listener) => {
                let key = listener.key().clone();
                (key, Finished::on_local_listener(listener, request))
            }
            Origin::Socket(socket) => {
                let key = socket.key().clone();
                let what = Finished::on_socket(socket, memory, request, transferred);
                (key, what)
            }
            Origin::Datagrams(socket) => {
                let key = socket.key().clone();
                let what = Finished::of_datagram(socket, memory, request, transferred);
                (key, what)
            }
            Origin::File(file) => {
                let key = file.key().clone();
                (key, Finished::on_file(file, memory, transferred))
            }
        }
    }
}

impl<K> Finished<K> {
    fn on_nothing(request: &Request) -> Self {
        match request {
            Request::Posted => Finished::Posted,
            _ => Finished::Timer,
        }
    }

    fn on_listener(
        listener: Listener<K>,
        memory: Memory,
        connection: Option<Box<Connection>>,
        transferred: usize,
    ) -> Self {
        match memory {
            Memory::Receive(mut buffer) => {
                buffer.set_len(transferred);
                Finished::AcceptedReceived {
                    listener,
                    connection,
                    buffer,
                }
            }
            _ => Finished::Accepted {
                listener,
                connection,
            },
        }
    }

    #[cfg(unix)]
    fn on_local_listener(listener: LocalListener<K>, request: &mut Request) -> Self {
        let accepted = request.take_accepted();
        Finished::AcceptedLocal {
            listener,
            connection: accepted.map(|accepted| LocalConnection(accepted.socket)),
        }
    }

    fn on_socket(socket: Socket<K>, memory: Memory, request: &Request, transferred: usize) -> Self {
        match memory {
            Memory::Receive(mut buffer) | Memory::ReceiveLent(mut buffer) => {
                buffer.set_len(transferred);
                Finished::Received { socket, buffer }
            }
            Memory::ReceiveFrom(..) => {
                let buffer = Buffer::default();
                Finished::Received { socket, buffer }
            }
            Memory::ReceiveVectored(many) => {
                let mut buffers = many.buffers;
                let mut rest = transferred;
                for buffer in &mut buffers {
                    let len = rest.min(buffer.capacity());
                    buffer.set_len(len);
                    rest -= len;
                }
                Finished::ReceivedVectored { socket, buffers }
            }
            Memory::Send(payload) => match request {
                Request::ConnectSend(_) => Finished::ConnectedSent { socket, payload },
                _ => Finished::Sent { socket, payload },
            },
            Memory::Transmit(transmit) => Finished::Transmitted { socket, transmit },
            Memory::SendVectored(many) => Finished::SentVectored {
                socket,
                payloads: many.buffers,
            },
            Memory::None => match request {
                Request::Shutdown => Finished::Shutdown { socket },
                Request::Connect(_) => Finished::Connected { socket },
                #[cfg(windows)]
                Request::Disconnect => Finished::Disconnected { socket },
                #[cfg(unix)]
                Request::ConnectLocal(_) => Finished::Connected { socket },
                _ => Finished::Readable { socket },
            },
        }
    }

    fn of_datagram(
        socket: DatagramSocket<K>,
        memory: Memory,
        request: &Request,
        transferred: usize,
    ) -> Self {
        let peer = match request {
            Request::ReceiveFrom(datagram) => datagram.peer,
            _ => None,
        };
        match memory {
            Memory::Send(payload) => Finished::SentDatagram { socket, payload },
            Memory::Receive(mut buffer) | Memory::ReceiveLent(mut buffer) => {
                buffer.set_len(transferred);
                Finished::ReceivedDatagram {
                    socket,
                    buffer,
                    peer,
                }
            }
            _ => Finished::ReceivedDatagram {
                socket,
                buffer: Buffer::default(),
                peer,
            },
        }
    }

    fn on_file(file: File<K>, memory: Memory, transferred: usize) -> Self {
        match memory {
            Memory::Receive(mut buffer) => {
                buffer.set_len(transferred);
                Finished::Read { file, buffer }
            }
            Memory::Send(payload) => Finished::Written { file, payload },
            _ => Finished::Flushed { file },
        }
    }
}
