//! A value of the caller's that goes with an operation.

use std::{any::Any, fmt};

use crate::raw::Erased;

/// A value of any type that goes with one operation: what programs in C put behind their `OVERLAPPED`.
///
/// It is given to an operation by `with` ([`Socket::with`](crate::Socket::with), for one), and comes back with its [`Completion`](crate::Completion), or with what was
/// [refused](crate::Refused). One that is no larger than an address, such as an `Arc`, a box or a number, needs no memory of its own.
///
/// ```
/// use std::{io::Write, net::{TcpListener, TcpStream}};
/// use wharf::{Buffer, CompletionPort, Wait};
///
/// /// What a receive is for.
/// #[derive(Debug, PartialEq)]
/// enum Step { Header, Body }
///
/// # fn main() -> std::io::Result<()> {
/// let port = CompletionPort::<()>::new(0)?;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let mut peer = TcpStream::connect(listener.local_addr()?)?;
/// let socket = port.associate(listener.accept()?.0, ())?;
///
/// socket.with(Step::Header).receive(Buffer::with_capacity(4))?;
/// socket.with(Step::Body).receive(Buffer::with_capacity(64))?;
/// peer.write_all(b"sizebody")?;
/// for step in [Step::Header, Step::Body] {
///     let Wait::Completed(mut completion) = port.wait(None)? else { panic!("neither closed nor timed out") };
///     assert_eq!(completion.take_context(), Some(step));
/// }
/// # Ok(())
/// # }
/// ```
pub struct Context(Erased);

impl Context {
    /// Takes the value. One that is a context already stays that one.
    pub fn new<C: Send + 'static>(value: C) -> Self {
        let mut value = Some(value);
        let itself = (&mut value as &mut dyn Any).downcast_mut::<Option<Context>>();
        if let Some(context) = itself.and_then(Option::take) {
            return context;
        }
        Context(Erased::new(value.expect("it was not taken")))
    }

    /// The value, if it is a `C`.
    pub fn get<C: Sync + 'static>(&self) -> Option<&C> {
        self.0.get()
    }

    /// The value, if it is a `C`.
    ///
    /// # Errors
    /// It is of another type, and comes back.
    pub fn into<C: 'static>(self) -> Result<C, Self> {
        self.0.take().map_err(Context)
    }

    /// Takes the value out of its place, if it is a `C`.
    pub(crate) fn take_from<C: 'static>(place: &mut Option<Context>) -> Option<C> {
        match place.take()?.into() {
            Ok(value) => Some(value),
            Err(another) => {
                *place = Some(another);
                None
            }
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Context(..)")
    }
}
