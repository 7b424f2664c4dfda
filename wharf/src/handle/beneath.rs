//! The system's descriptor or socket beneath a handle: borrowed, to set options for which the handle has no method.

use std::io;
#[cfg(unix)]
use std::os::fd::BorrowedFd;
#[cfg(windows)]
use std::os::windows::io::{BorrowedHandle, BorrowedSocket};

#[cfg(unix)]
use super::LocalListener;
use super::{DatagramSocket, File, Listener, Socket};

/// Gives a handle its method, on Unix and on Windows. `$with`: that of the raw port there.
macro_rules! beneath {
    ($(#[$example:meta])* $handle:ident: $of_windows:ident, $with:ident) => {
        lent!($(#[$example])* cfg(unix), $handle: BorrowedFd, with_borrowed);
        lent!($(#[$example])* cfg(windows), $handle: $of_windows, $with);
    };
}

macro_rules! lent {
    ($(#[$example:meta])* $system:meta, $handle:ident: $borrowed:ident, $with:ident) => {
        #[$system]
        impl<K> $handle<K> {
            /// Calls `with` with the system's own descriptor or socket, borrowed for the call, and returns what `with` returns:
            /// to read or set an option, with the crate `socket2`, say. It stays open meanwhile, even if another thread closes
            /// the handle.
            ///
            /// Do not move bytes or end the connection through it: operations that are started on the handle would miss those
            /// bytes. A duplicate of it keeps the connection open when the handle is closed: keep none. The blocking mode may
            /// be changed: the port's calls do not depend on it, or put it back.
            ///
            /// On Windows the handle is locked meanwhile: `with` must not use it, nor wait for a thread that does.
            ///
            /// # Errors
            /// The handle is closed; or what `with` returns. [`Unsupported`](io::ErrorKind::Unsupported): it is of a simulated
            /// kernel.
            $(#[$example])*
            pub fn with_descriptor<T>(
                &self,
                with: impl FnOnce($borrowed<'_>) -> io::Result<T>,
            ) -> io::Result<T> {
                let association = self.association();
                association.raw().$with(association.handle, with)
            }
        }
    };
}

beneath! {
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
    Socket: BorrowedSocket, with_borrowed_socket
}
beneath!(Listener: BorrowedSocket, with_borrowed_socket);
lent!(cfg(unix), LocalListener: BorrowedFd, with_borrowed);
beneath!(DatagramSocket: BorrowedSocket, with_borrowed_socket);
beneath!(File: BorrowedHandle, with_borrowed_file);
