//! Operations that return their result from the call itself when they end at once, instead of by a packet.

use std::io;

use super::{
    Completion, OperationId, Refused, With, context::Startable, datagram::receive_from_pool,
};
#[cfg(unix)]
use crate::LocalListener;
use crate::{
    buffer::{Buffer, BufferPool, Payload},
    handle::{Association, DatagramSocket, Key, Listener, Origin, Socket},
    raw::Request,
    record::{Memory, Owned, Records},
};

/// The state of an operation that was started through [`skip_port`](Socket::skip_port), when the call returns.
// There is no third way.
#[allow(clippy::exhaustive_enums)]
#[derive(Debug)]
#[must_use = "what is done comes back here, and nowhere else"]
pub enum Started<K> {
    /// It ended within the call, with success or not: this is its completion, and none follows through the port.
    Completed(Completion<K>),
    /// Its completion follows through the port.
    Pending(OperationId),
}

/// A socket whose operations skip the port where they end within the call that starts them.
///
/// This saves the way through the queue, and gives up the use of the queue: another worker could have taken the completion. An
/// operation that is started like this is in order with all others of the socket; the calling thread carries it out at once if
/// no other is before it and the system is ready. On Windows this is a mode of the handle
/// (`FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`); here it is chosen for each operation.
///
/// ```
/// use std::net::{TcpListener, TcpStream};
/// use wharf::{CompletionPort, Started};
///
/// # fn main() -> std::io::Result<()> {
/// let port = CompletionPort::<()>::new(0)?;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let socket = port.associate(TcpStream::connect(listener.local_addr()?)?, ())?;
/// let Started::Completed(completion) = socket.skip_port().send(b"ahoy")? else { panic!("there is room") };
/// assert_eq!(completion.result?, 4);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SkipPort<'a, K>(&'a Socket<K>);

impl<K> Socket<K> {
    /// To start operations that skip the port if they end at once.
    #[doc(alias = "SetFileCompletionNotificationModes")]
    #[doc(alias = "FILE_SKIP_COMPLETION_PORT_ON_SUCCESS")]
    pub fn skip_port(&self) -> SkipPort<'_, K> {
        SkipPort(self)
    }
}

impl<K: Key> Listener<K> {
    /// Accepts one connection, as [`accept`](Self::accept) does; but one that is known to be in the backlog comes back from this call,
    /// and not through the port. So a program that accepts one after the other has all that have come before anything else.
    ///
    /// # Errors
    /// As there.
    pub fn accept_skip_port(&self) -> io::Result<Started<K>> {
        accept(self)
    }
}

#[cfg(unix)]
impl<K: Key> LocalListener<K> {
    /// As [`Listener::accept_skip_port`].
    ///
    /// # Errors
    /// As there.
    pub fn accept_skip_port(&self) -> io::Result<Started<K>> {
        accept(self)
    }
}

impl<K: Key> DatagramSocket<K> {
    /// Receives one datagram, as [`receive_from`](Self::receive_from) does; but one that is known to be there comes back from this
    /// call, and not through the port.
    ///
    /// # Errors
    /// As there.
    pub fn receive_from_skip_port(&self, pool: &BufferPool) -> io::Result<Started<K>> {
        let memory = Memory::ReceiveFrom(pool.clone(), None);
        begin(self, memory, receive_from_pool::<K>())
    }
}

fn accept<H: Startable>(listener: &H) -> io::Result<Started<H::Key>> {
    begin(listener, Memory::None, Request::Accept(None))
}

/// Starts what gives nothing back if it is refused.
fn begin<H: Startable>(on: &H, memory: Memory, request: Request) -> io::Result<Started<H::Key>> {
    let owned = Owned {
        source: on.origin(),
        memory,
        context: None,
    };
    Ok(start(on.association(), owned, request, |_| Some(()))?)
}

/// # Errors
/// As for the operations of the [`Socket`].
impl<K: Key> SkipPort<'_, K> {
    /// As [`Socket::receive`].
    ///
    /// # Errors
    /// As there.
    pub fn receive(&self, buffer: Buffer) -> Result<Started<K>, Refused<Buffer>> {
        self.plain().receive(buffer)
    }

    /// As [`Socket::receive_from`].
    ///
    /// # Errors
    /// As there.
    pub fn receive_from(&self, pool: &BufferPool) -> io::Result<Started<K>> {
        Ok(self.plain().receive_from(pool)?)
    }

    /// As [`Socket::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send(&self, payload: impl Into<Payload>) -> Result<Started<K>, Refused<Payload>> {
        self.plain().send(payload)
    }
}

impl<K: Key> With<'_, SkipPort<'_, K>> {
    /// As [`SkipPort::receive`].
    ///
    /// # Errors
    /// As there; the buffer and the context come back.
    pub fn receive(self, buffer: Buffer) -> Result<Started<K>, Refused<Buffer>> {
        self.start_skip_port(Memory::Receive(buffer), Memory::into_buffer)
    }

    /// As [`SkipPort::receive_from`].
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn receive_from(self, pool: &BufferPool) -> Result<Started<K>, Refused<()>> {
        let memory = Memory::ReceiveFrom(pool.clone(), None);
        self.start_skip_port(memory, |_| Some(()))
    }

    /// As [`SkipPort::send`].
    ///
    /// # Errors
    /// As there; the payload and the context come back.
    pub fn send(self, payload: impl Into<Payload>) -> Result<Started<K>, Refused<Payload>> {
        self.start_skip_port(Memory::Send(payload.into()), Memory::into_payload)
    }

    fn start_skip_port<T>(
        self,
        mut memory: Memory,
        given: fn(Memory) -> Option<T>,
    ) -> Result<Started<K>, Refused<T>> {
        if self.timeout.is_some() {
            let given = given(memory).expect("it comes back as it was given");
            return Err(self.refuse_time_out(given));
        }
        let socket = self.on.0;
        let request = Records::<Origin<K>>::request_for(&mut memory);
        let owned = Owned {
            source: Origin::Socket(socket.clone()),
            memory,
            context: self.context,
        };
        start(socket.association(), owned, request, given)
    }
}

/// Starts an operation, and returns its completion if it ended within the call.
fn start<K: Key, T>(
    association: &Association<K>,
    owned: Owned<Origin<K>>,
    request: Request,
    given: fn(Memory) -> Option<T>,
) -> Result<Started<K>, Refused<T>> {
    let (records, handle) = (&association.records, association.handle);
    match records.start_skip_port(handle, owned, request) {
        Ok(Ok(finished)) => Ok(Started::Completed(Completion::of_operation(finished))),
        Ok(Err(id)) => Ok(Started::Pending(id)),
        Err((error, owned)) => Err(Refused::of_owned(error, owned, given)),
    }
}
