//! A value of the caller's that goes with an operation, and comes back with its completion: what Windows programs put behind
//! the `OVERLAPPED` of a call.

use std::time::Duration;

use super::{Completion, OperationId, Refused, SkipPort};
#[cfg(unix)]
use crate::handle::LocalListener;
use crate::{
    CompletionPort,
    handle::{Association, DatagramSocket, File, Key, Listener, Origin, Socket},
    raw::Request,
    record::{Context, Manner, Memory, Owned, Records},
};

impl<K> Completion<K> {
    /// The value that went with the operation, if there is one and it is a `C`.
    pub fn context<C: Sync + 'static>(&self) -> Option<&C> {
        self.context.as_ref()?.get()
    }

    /// Takes the value that went with the operation, if there is one and it is a `C`; one of another type stays.
    pub fn take_context<C: 'static>(&mut self) -> Option<C> {
        Context::take_from(&mut self.context)
    }
}

impl<T> Refused<T> {
    /// Takes the value that was to go with the operation, if there is one and it is a `C`; one of another type stays.
    pub fn take_context<C: 'static>(&mut self) -> Option<C> {
        Context::take_from(&mut self.context)
    }
}

/// A handle or port, with a [context](Context) for the one operation that is started through it.
///
/// It has the methods of the handle or port that start operations, under the same names. Where a method of the handle returns
/// no more than an error when the operation is refused, the method here returns a [`Refused`], which gives the context back;
/// `?` converts both to an error.
#[derive(Debug)]
#[must_use = "nothing is started yet, and the context is dropped"]
pub struct With<'a, H> {
    pub(super) on: &'a H,
    pub(super) context: Option<Context>,
    pub(super) timeout: Option<Duration>,
}

impl<'a, H> With<'a, H> {
    fn new<C: Send + 'static>(on: &'a H, context: C) -> Self {
        With {
            on,
            context: Some(Context::new(context)),
            timeout: None,
        }
    }

    /// Without a context: this is how the operations are started that have none.
    fn none(on: &'a H) -> Self {
        With {
            on,
            context: None,
            timeout: None,
        }
    }

    /// Cancels the operation if it has not ended after `timeout`, as [`Socket::with_timeout`](crate::Socket::with_timeout).
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Refuses a time-out that was given to what has none.
    pub(super) fn refuse_time_out<T>(self, given: T) -> Refused<T> {
        let error = std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "a time-out was given to what has none: a timer, a post, a quiet send, or what skips the port",
        );
        self.refuse(error, given)
    }

    /// Gives back what was given to a refused operation.
    pub(super) fn refuse<T>(self, error: std::io::Error, given: T) -> Refused<T> {
        Refused::of(error, given, self.context)
    }
}

/// A handle or port, on which operations are started.
pub(crate) trait Startable {
    type Key: Key;

    fn association(&self) -> &Association<Self::Key>;

    /// The handle itself, for an operation to keep.
    fn origin(&self) -> Origin<Self::Key>;
}

/// Lets operations be started on a type: by its own methods, and with a context.
macro_rules! startable {
    ($handle:ident, $origin:ident) => {
        impl<K: Key> Startable for $handle<K> {
            type Key = K;

            fn association(&self) -> &Association<K> {
                $handle::association(self)
            }

            fn origin(&self) -> Origin<K> {
                Origin::$origin(self.clone())
            }
        }

        contextual!($handle<K>);
        timed!($handle<K>);
    };
}

/// Lets operations have a time-out.
macro_rules! timed {
    ($handle:ty) => {
        impl<K> $handle {
            /// Starts an operation that ends within `timeout`, or is cancelled by the port: its completion has the error
            /// [`TimedOut`](std::io::ErrorKind::TimedOut) then, unless its own result came first. What it was given comes back
            /// as ever, and what it has moved until then is told. The port keeps the timer; it gives no completion, and is gone
            /// with the operation. It counts as one of the [operations](crate::PortBuilder::operations_max).
            ///
            /// It can't be given to what does not report its success, nor to timers and posts: they are refused
            /// ([`InvalidInput`](std::io::ErrorKind::InvalidInput)).
            ///
            /// ```
            /// use std::{io, net::{TcpListener, TcpStream}, time::Duration};
            /// use wharf::{Buffer, CompletionPort, Wait};
            ///
            /// # fn main() -> io::Result<()> {
            /// let port = CompletionPort::<()>::new(0)?;
            /// let listener = TcpListener::bind("127.0.0.1:0")?;
            /// let silent = TcpStream::connect(listener.local_addr()?)?;
            /// let socket = port.associate(listener.accept()?.0, ())?;
            /// socket.with_timeout(Duration::from_millis(10)).receive(Buffer::with_capacity(64))?;
            /// let Wait::Completed(completion) = port.wait(None)? else { panic!("neither closed nor timed out") };
            /// assert_eq!(completion.result.unwrap_err().kind(), io::ErrorKind::TimedOut);
            /// # drop(silent);
            /// # Ok(())
            /// # }
            /// ```
            pub fn with_timeout(&self, timeout: std::time::Duration) -> With<'_, Self> {
                With::none(self).with_timeout(timeout)
            }
        }
    };
}

macro_rules! contextual {
    ($handle:ty) => {
        impl<K> $handle {
            /// Starts an operation that `context` goes with: it comes back with the completion. See [`Context`].
            pub fn with<C: Send + 'static>(&self, context: C) -> With<'_, Self> {
                With::new(self, context)
            }

            pub(super) fn plain(&self) -> With<'_, Self> {
                With::none(self)
            }
        }
    };
}

startable!(Socket, Socket);
startable!(Listener, Listener);
#[cfg(unix)]
startable!(LocalListener, LocalListener);
startable!(DatagramSocket, Datagrams);
startable!(File, File);
contextual!(CompletionPort<K>);
timed!(CompletionPort<K>);
contextual!(SkipPort<'_, K>);

#[expect(private_bounds, reason = "its methods are the crate's own")]
impl<H: Startable> With<'_, H> {
    /// Starts an operation; `given` finds in its memory what comes back if it is refused.
    #[inline]
    pub(super) fn start<T>(
        self,
        memory: Memory,
        request: Request,
        manner: Manner,
        given: fn(Memory) -> Option<T>,
    ) -> Result<OperationId, Refused<T>> {
        if let Some(timeout) = self.timeout {
            return self.start_timed(timeout, memory, request, manner, given);
        }
        let association = self.on.association();
        let owned = Owned {
            source: self.on.origin(),
            memory,
            context: self.context,
        };
        let (records, handle) = (&association.records, association.handle);
        let started = records.start(handle, owned, request, manner);
        started.map_err(|(error, owned)| Refused::of_owned(error, owned, given))
    }

    /// As [`start`](Self::start), with a time-out.
    #[inline(never)]
    fn start_timed<T>(
        self,
        timeout: Duration,
        memory: Memory,
        request: Request,
        manner: Manner,
        given: fn(Memory) -> Option<T>,
    ) -> Result<OperationId, Refused<T>> {
        let association = self.on.association();
        let (records, handle) = (&association.records, association.handle);
        let source = self.on.origin();
        let owned = |context| Owned {
            source,
            memory,
            context,
        };
        let (set, context) = match records.set_time_out(timeout, self.context) {
            Ok(set) => set,
            Err((error, context)) => return Err(Refused::of_owned(error, owned(context), given)),
        };
        match records.start(handle, owned(Some(context)), request, manner) {
            Ok(operation) => {
                records.begin_time_out(set, operation);
                Ok(operation)
            }
            Err((error, mut owned)) => {
                records.end_time_out(&mut owned.context);
                Err(Refused::of_owned(error, owned, given))
            }
        }
    }

    /// Starts an operation that moves memory from or to a stream.
    #[inline]
    pub(super) fn start_stream<T>(
        self,
        mut memory: Memory,
        manner: Manner,
        given: fn(Memory) -> Option<T>,
    ) -> Result<OperationId, Refused<T>> {
        let request = Records::<Origin<H::Key>>::request_for(&mut memory);
        self.start(memory, request, manner, given)
    }

    /// Starts an operation that moves none of the caller's memory.
    pub(super) fn start_request(self, request: Request) -> Result<OperationId, Refused<()>> {
        self.start(Memory::None, request, Manner::Reported, |_| Some(()))
    }
}
