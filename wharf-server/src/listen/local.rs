//! Local (Unix) sockets to listen on, and their files.

use std::{
    io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            fs::{FileTypeExt, MetadataExt},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};

use super::ListenAddress;

/// A local listening socket.
#[derive(Debug)]
pub(crate) struct LocalSocket {
    /// Its file, if the server has made it. The first to be dropped, as it has to be.
    pub(crate) file: Option<SocketFile>,
    pub(crate) listener: UnixListener,
}

/// The file of a local socket, which is removed with this; unless another has taken its place. It has to be dropped before the socket
/// is closed: until then, no other file has its number.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl From<UnixListener> for LocalSocket {
    fn from(listener: UnixListener) -> Self {
        LocalSocket {
            listener,
            file: None,
        }
    }
}

impl LocalSocket {
    /// Listens at a path. A socket there that nobody listens on any more is replaced.
    pub(super) fn bind(socket: Socket, path: &Path, backlog: i32) -> io::Result<Self> {
        let address = address(path)?;
        match socket.bind(&address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_behind(path) => {
                std::fs::remove_file(path)?;
                socket.bind(&address)?;
            }
            bound => bound?,
        }
        let file = SocketFile::of(path)?;
        socket.listen(backlog)?;
        Ok(LocalSocket {
            listener: OwnedFd::from(socket).into(),
            file: Some(file),
        })
    }

    pub(super) fn address(&self) -> io::Result<ListenAddress> {
        let address = self.listener.local_addr()?;
        let path = address.as_pathname().map(Path::to_path_buf);
        Ok(ListenAddress::Local(path.unwrap_or_default()))
    }
}

/// The address of a path. One with a zero byte is refused: the system would take what is before it for the path.
fn address(path: &Path) -> io::Result<SockAddr> {
    if path.as_os_str().as_bytes().contains(&0) {
        let what = format!(
            "{} is no path for a local socket; use one without zero bytes",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    SockAddr::unix(path)
}

/// Whether this is a socket on which nobody listens: its server has ended without removing it.
fn is_left_behind(path: &Path) -> bool {
    let is_socket =
        std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    is_socket
        && try_to_connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Does not wait: who listens may have a full backlog, and be stuck.
fn try_to_connect(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::symlink_metadata(path)?;
        Ok(SocketFile {
            path: path.to_path_buf(),
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = std::fs::symlink_metadata(&self.path).is_ok_and(|metadata| {
            metadata.file_type().is_socket()
                && (metadata.dev(), metadata.ino()) == (self.device, self.inode)
        });
        if is_ours {
            // Where it fails, the next server finds that nobody listens on it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
