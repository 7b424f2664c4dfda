//! What a port can be associated with on Windows.

use std::{
    fs::File,
    io,
    net::{TcpListener, TcpStream, UdpSocket},
    os::windows::io::{AsRawHandle, AsRawSocket, OwnedHandle, OwnedSocket},
};

use super::calls::reopened;

/// How the system names a socket or file: a `SOCKET` or `HANDLE`, as a number.
pub type RawDescriptor = usize;

/// What the system's sockets are, without their kind.
pub type SystemSocket = OwnedSocket;

/// A socket or file that is open, and is closed when this is dropped. Made from the system's types by `into`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Descriptor {
    /// A socket.
    Socket(OwnedSocket),
    /// A file.
    File(OwnedHandle),
    /// A file that was opened for overlapped calls (`FILE_FLAG_OVERLAPPED`).
    OverlappedFile(OwnedHandle),
}

impl Descriptor {
    /// The system's socket.
    ///
    /// # Errors
    /// It is a file.
    pub fn into_system(self) -> io::Result<SystemSocket> {
        match self {
            Descriptor::Socket(socket) => Ok(socket),
            Descriptor::File(_) | Descriptor::OverlappedFile(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is a file, and no socket",
            )),
        }
    }

    /// A file as one for overlapped calls, if the system lets it be opened so; any other handle as it is.
    pub(crate) fn prepared(self) -> Descriptor {
        match &self {
            Descriptor::File(file) => reopened(file).map_or(self, Descriptor::OverlappedFile),
            _ => self,
        }
    }

    /// Whether its calls wait.
    pub(crate) fn waits(&self) -> bool {
        matches!(self, Descriptor::File(_))
    }

    /// How the kernel names it, for as long as it is open.
    pub(crate) fn number(&self) -> RawDescriptor {
        match self {
            Descriptor::Socket(socket) => socket.as_raw_socket() as usize,
            Descriptor::File(file) | Descriptor::OverlappedFile(file) => {
                file.as_raw_handle() as usize
            }
        }
    }
}

impl From<OwnedSocket> for Descriptor {
    fn from(socket: OwnedSocket) -> Self {
        Descriptor::Socket(socket)
    }
}

impl From<socket2::Socket> for Descriptor {
    fn from(socket: socket2::Socket) -> Self {
        Descriptor::Socket(socket.into())
    }
}

impl From<TcpStream> for Descriptor {
    fn from(stream: TcpStream) -> Self {
        Descriptor::Socket(stream.into())
    }
}

impl From<TcpListener> for Descriptor {
    fn from(listener: TcpListener) -> Self {
        Descriptor::Socket(listener.into())
    }
}

impl From<UdpSocket> for Descriptor {
    fn from(socket: UdpSocket) -> Self {
        Descriptor::Socket(socket.into())
    }
}

impl From<File> for Descriptor {
    fn from(file: File) -> Self {
        Descriptor::File(file.into())
    }
}
