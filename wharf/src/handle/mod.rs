//! Handles: sockets, listeners and files that are associated with a port, and on which operations are started.

mod beneath;
mod datagram;
mod file;
mod key;
mod listener;
#[cfg(unix)]
mod local;
#[cfg(all(unix, feature = "simulated"))]
mod simulated;
mod socket;

use std::{io, sync::Arc};

pub use datagram::DatagramSocket;
pub use file::File;
pub use key::Key;
pub use listener::Listener;
#[cfg(unix)]
pub use local::{LocalConnection, LocalListener, PeerProcess};
pub use socket::Socket;

use crate::{
    CompletionPort,
    driver::Descriptor,
    raw::{Handle, Kind, Port},
    record::{Records, Source, TimeOut},
};

/// A handle that a port can be associated with, and what it becomes:
///
/// | handle | becomes |
/// |---|---|
/// | [`TcpStream`](std::net::TcpStream), connected; on Unix also `UnixStream` | [`Socket`] |
/// | [`Connection`](crate::Connection), accepted; on Unix also `LocalConnection` | [`Socket`] |
/// | [`TcpListener`](std::net::TcpListener) | [`Listener`] |
/// | `UnixListener`, on Unix | `LocalListener` |
/// | [`UdpSocket`](std::net::UdpSocket) | [`DatagramSocket`] |
/// | [`File`](std::fs::File) | [`File`] |
///
/// The association takes the handle, so that it can't be associated twice, nor used without the port's knowledge. A duplicate
/// (`try_clone`, or one in another process) still can be used: the port does not get what the duplicate receives or accepts. On
/// Unix a duplicate shares the non-blocking mode, which the port needs: if it is made blocking, the port makes it non-blocking
/// again.
pub trait Associate: sealed::Sealed {
    /// What it becomes.
    type Associated<K>;

    #[doc(hidden)]
    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<Self::Associated<K>>
    where
        K: Key;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for std::net::TcpStream {}
    impl Sealed for std::net::TcpListener {}
    impl Sealed for std::net::UdpSocket {}
    #[cfg(unix)]
    impl Sealed for std::os::unix::net::UnixStream {}
    #[cfg(unix)]
    impl Sealed for std::os::unix::net::UnixListener {}
    impl Sealed for std::fs::File {}
    impl Sealed for crate::Connection {}
    impl Sealed for Box<crate::Connection> {}
    #[cfg(unix)]
    impl Sealed for crate::LocalConnection {}
    #[cfg(all(unix, feature = "simulated"))]
    mod simulated {
        use crate::simulated::{Datagrams, File, Listener, Stream};
        impl super::Sealed for Stream {}
        impl super::Sealed for Listener {}
        impl super::Sealed for Datagrams {}
        impl super::Sealed for File {}
    }
}

/// The thing that an operation is started on, and keeps until it completes.
#[derive(Debug)]
pub(crate) enum Origin<K> {
    Socket(Socket<K>),
    Listener(Listener<K>),
    #[cfg(unix)]
    LocalListener(LocalListener<K>),
    Datagrams(DatagramSocket<K>),
    File(File<K>),
    /// Nothing: a timer, with a key of its own.
    Own(K),
    /// Nothing: the timer of a time-out.
    TimeOut(Arc<TimeOut>),
}

impl<K: Key> Source for Origin<K> {
    type Key = K;
    type Stream = Association<K>;

    fn on_stream(stream: Arc<Association<K>>) -> Self {
        Origin::Socket(Socket::of(stream))
    }

    fn of_time_out(time_out: Arc<TimeOut>) -> Self {
        Origin::TimeOut(time_out)
    }

    fn time_out(&self) -> Option<&TimeOut> {
        match self {
            Origin::TimeOut(time_out) => Some(time_out),
            _ => None,
        }
    }

    fn records(&self) -> &Arc<Records<Self>> {
        match self {
            Origin::Socket(socket) => &socket.association().records,
            Origin::Listener(listener) => &listener.association().records,
            #[cfg(unix)]
            Origin::LocalListener(listener) => &listener.association().records,
            Origin::Datagrams(socket) => &socket.association().records,
            Origin::File(file) => &file.association().records,
            Origin::Own(_) | Origin::TimeOut(_) => unreachable!("a timer moves no memory"),
        }
    }
}

/// An association: the handle, and the port and key that it belongs to. The handle is closed with the last of them.
#[derive(Debug)]
pub(crate) struct Association<K> {
    pub(crate) records: Arc<Records<Origin<K>>>,
    pub(crate) handle: Handle,
    pub(crate) key: K,
}

impl<K> Association<K> {
    pub(crate) fn new(
        port: &CompletionPort<K>,
        descriptor: impl Into<Descriptor>,
        key: K,
        kind: Kind,
    ) -> io::Result<Self> {
        Self::new_as(port, descriptor, key, kind, None)
    }

    /// As [`new`](Self::new). `is_tcp`: whether a stream is, if that is known.
    pub(crate) fn new_as(
        port: &CompletionPort<K>,
        descriptor: impl Into<Descriptor>,
        key: K,
        kind: Kind,
        is_tcp: Option<bool>,
    ) -> io::Result<Self> {
        let raw = port.records().raw();
        let handle = raw.associate_as(descriptor.into(), 0, kind, is_tcp)?;
        Ok(Association {
            records: port.records().clone(),
            handle,
            key,
        })
    }

    pub(crate) fn raw(&self) -> &Arc<Port> {
        self.records.raw()
    }
}

impl<K> Drop for Association<K> {
    fn drop(&mut self) {
        self.records.raw().close_handle(self.handle);
    }
}

/// The methods that every handle has under the same names. The handle is a tuple whose first field is an `Arc` of its
/// [`Association`], or of what gives it.
macro_rules! handle {
    ($handle:ident) => {
        impl<K> Clone for $handle<K> {
            fn clone(&self) -> Self {
                $handle(self.0.clone())
            }
        }

        impl<K> PartialEq for $handle<K> {
            /// Whether they are the same handle, not only equal ones.
            fn eq(&self, other: &Self) -> bool {
                std::sync::Arc::ptr_eq(&self.0, &other.0)
            }
        }

        impl<K> Eq for $handle<K> {}

        impl<K> $handle<K> {
            /// The key that it was associated with.
            pub fn key(&self) -> &K {
                &self.association().key
            }

            /// Cancels one operation. Its completion follows: as
            /// [cancelled](crate::Completion::is_cancelled), or with its result if that came first.
            ///
            /// # Errors
            /// [`NotFound`](std::io::ErrorKind::NotFound): it has completed already.
            pub fn cancel(&self, operation: crate::OperationId) -> std::io::Result<()> {
                self.association().raw().cancel(operation)
            }

            /// Cancels all operations; says how many there were.
            pub fn cancel_all(&self) -> usize {
                let association = self.association();
                association.raw().cancel_all(association.handle)
            }
        }
    };
}
pub(crate) use handle;
