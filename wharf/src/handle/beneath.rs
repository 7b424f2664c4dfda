//! What the system has beneath a handle: borrowed, to set options that the handle has not.

use std::io;
#[cfg(unix)]
use std::os::fd::BorrowedFd;
#[cfg(windows)]
use std::os::windows::io::{BorrowedHandle, BorrowedSocket};

#[cfg(unix)]
use super::LocalListener;
use super::{DatagramSocket, File, Listener, Socket};

/// Gives a handle the way to what is beneath it, by a method of the raw port.
macro_rules! beneath {
    ($handle:ident, $borrowed:ident, $method:ident) => {
        impl<K> $handle<K> {
            /// Calls `with` with what the system has beneath, borrowed for the call, and returns what it returns: to read or set an
            /// option, with the crate `socket2`, say. It stays open meanwhile, whatever other threads close.
            ///
            /// What moves bytes behind the port's back, or ends the connection, is missed by what is started on the handle. The
            /// blocking mode may be changed: the port's calls do not go by it, or put it back.
            ///
            /// On Windows the handle is locked meanwhile: `with` must not use it, nor wait for a thread that does.
            ///
            /// # Errors
            /// The handle is closed; or what `with` returns. [`Unsupported`](io::ErrorKind::Unsupported): it is of a simulated
            /// kernel.
            ///
            /// ```
            /// # use std::net::{TcpListener, TcpStream};
            /// # use wharf::CompletionPort;
            /// use socket2::SockRef;
            ///
            /// # fn main() -> std::io::Result<()> {
            /// # let port = CompletionPort::<()>::new(0)?;
            /// # let listener = TcpListener::bind("127.0.0.1:0")?;
            /// # let stream = TcpStream::connect(listener.local_addr()?)?;
            /// let socket = port.associate(stream, ())?;
            /// socket.with_descriptor(|beneath| SockRef::from(&beneath).set_keepalive(true))?;
            /// assert!(socket.with_descriptor(|beneath| SockRef::from(&beneath).keepalive())?);
            /// # Ok(())
            /// # }
            /// ```
            pub fn with_descriptor<T>(
                &self,
                with: impl FnOnce($borrowed<'_>) -> io::Result<T>,
            ) -> io::Result<T> {
                let association = self.association();
                association.raw().$method(association.handle, with)
            }
        }
    };
}

#[cfg(unix)]
mod system {
    use super::*;

    beneath!(Socket, BorrowedFd, with_borrowed);
    beneath!(Listener, BorrowedFd, with_borrowed);
    beneath!(LocalListener, BorrowedFd, with_borrowed);
    beneath!(DatagramSocket, BorrowedFd, with_borrowed);
    beneath!(File, BorrowedFd, with_borrowed);
}

#[cfg(windows)]
mod system {
    use super::*;

    beneath!(Socket, BorrowedSocket, with_borrowed_socket);
    beneath!(Listener, BorrowedSocket, with_borrowed_socket);
    beneath!(DatagramSocket, BorrowedSocket, with_borrowed_socket);
    beneath!(File, BorrowedHandle, with_borrowed_file);
}
