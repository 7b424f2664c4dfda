//! What a server listens on: TCP addresses, local (Unix) sockets, sockets that it was started with.

#[cfg(unix)]
mod inherited;
#[cfg(unix)]
mod local;

#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(windows)]
use std::os::windows::io::{AsSocket, BorrowedSocket};
#[cfg(unix)]
use std::path::PathBuf;
use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use wharf::user_code::log;

#[cfg(unix)]
pub(crate) use self::local::{LocalSocket, SocketFile};
use crate::StartError;

/// What a server listens on: one of its [`Settings::listen`](crate::Settings::listen).
///
/// ```
/// use wharf_server::{Listen, Server};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let builder = Server::builder().listen("127.0.0.1:0".parse()?).listen("127.0.0.1:0".parse()?);
/// let server = builder.serve(|client, bytes| client.send(bytes))?;
/// assert_eq!(server.local_addrs().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Listen {
    place: Place,
    reuse_port: bool,
    options: Vec<Options>,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::Server>,
}

/// A socket, borrowed to set options.
#[cfg(unix)]
type Borrowed<'a> = BorrowedFd<'a>;
#[cfg(windows)]
type Borrowed<'a> = BorrowedSocket<'a>;

/// Options that the program sets.
#[derive(Clone)]
struct Options(Arc<dyn Fn(Borrowed<'_>) -> io::Result<()> + Send + Sync>);

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Options")
    }
}

#[derive(Debug, Clone)]
enum Place {
    Nothing,
    /// Each of them that can be bound.
    Addresses(Vec<SocketAddr>),
    #[cfg(unix)]
    Local(PathBuf),
    Made(Made),
}

/// A socket that is there already, until a server takes it.
#[derive(Debug, Clone)]
struct Made(Arc<Mutex<Option<Bound>>>);

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListenAddress {
    /// A TCP address, with the real port.
    Tcp(SocketAddr),
    /// The path of a local socket; empty if it has none.
    #[cfg(unix)]
    Local(PathBuf),
}

/// A listening socket that no port knows yet.
#[derive(Debug)]
pub(crate) enum Bound {
    Tcp(TcpListener),
    #[cfg(unix)]
    Local(LocalSocket),
}

impl Listen {
    /// The addresses of one name: each that can be bound is listened on, and at least one has to be. If the port is 0, all of them
    /// have the same free one.
    pub fn any_of(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self::at(Place::Addresses(addresses.into_iter().collect()))
    }

    /// Nothing: for a server whose clients are all [dialled](crate::Clients::dial).
    pub fn nothing() -> Self {
        Self::at(Place::Nothing)
    }

    /// A local (Unix) socket with this path. A socket that is there already is replaced if nobody listens on it; it is removed when
    /// the server stops. Who may connect is decided by the permissions of its folder, and by the umask of the process.
    #[cfg(unix)]
    pub fn local(path: impl Into<PathBuf>) -> Self {
        Self::at(Place::Local(path.into()))
    }

    fn at(place: Place) -> Self {
        Listen {
            place,
            reuse_port: false,
            options: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Has those that connect here speak TLS, in place of the server's [setting](crate::Settings::tls).
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::tls::Server) -> Self {
        self.tls = Some(tls);
        self
    }

    #[cfg(feature = "tls")]
    pub(crate) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The TLS of those that connect here, where the server has none.
    #[cfg(feature = "tls")]
    pub(crate) fn own_tls(&self) -> Option<&crate::tls::Server> {
        self.tls.as_ref()
    }

    /// Whether other servers may listen at the same TCP address, if they allow it too (`SO_REUSEPORT`): the system shares out the
    /// connections. Another way to replace a running server is to hand its [socket](Listen::from) on.
    ///
    /// On Windows there is no such option, and the server does not start.
    #[must_use]
    pub fn reuse_port(mut self, reuse_port: bool) -> Self {
        self.reuse_port = reuse_port;
        self
    }

    /// Has options set on each listening socket, which is borrowed for the call: before it is bound, so that all options have their effect,
    /// and accepted connections inherit those that can be inherited. An error of the call is one of the server's start. Sockets that
    /// the program [has made](Self::from) itself come with their options.
    ///
    /// ```
    /// use socket2::SockRef;
    /// use wharf_server::{Listen, Server};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let listen: Listen = "127.0.0.1:0".parse()?;
    /// let listen = listen.options(|socket| SockRef::from(&socket).set_recv_buffer_size(1 << 20));
    /// let server = Server::builder().listen(listen).serve(|client, bytes| client.send(bytes))?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn options(
        mut self,
        set: impl Fn(Borrowed<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.options.push(Options(Arc::new(set)));
        self
    }

    fn set_options(&self, socket: &Socket) -> io::Result<()> {
        #[cfg(unix)]
        let borrowed = socket.as_fd();
        #[cfg(windows)]
        let borrowed = socket.as_socket();
        self.options
            .iter()
            .try_for_each(|options| options.0(borrowed))
    }

    /// Whether only this machine can connect.
    pub(crate) fn is_of_this_machine(&self) -> bool {
        let is_loopback = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        match &self.place {
            Place::Nothing => true,
            Place::Addresses(addresses) => addresses.iter().all(is_loopback),
            #[cfg(unix)]
            Place::Local(_) => true,
            Place::Made(made) => match &*made.lock() {
                Some(Bound::Tcp(listener)) => listener
                    .local_addr()
                    .is_ok_and(|address| is_loopback(&address)),
                #[cfg(unix)]
                Some(Bound::Local(_)) => true,
                None => false,
            },
        }
    }

    /// Whether it has an IPv4 address with this port.
    fn has_v4(&self, port: u16) -> bool {
        match &self.place {
            Place::Addresses(addresses) => has_v4(addresses, port),
            _ => false,
        }
    }

    /// Makes the sockets, and listens; `all` is everything that the server listens on.
    pub(crate) fn bind(&self, all: &[Listen], backlog: i32) -> Result<Vec<Bound>, StartError> {
        match &self.place {
            Place::Nothing => Ok(Vec::new()),
            Place::Addresses(addresses) => self.bind_each(addresses, all, backlog),
            #[cfg(unix)]
            Place::Local(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)
                    .and_then(|socket| self.set_options(&socket).map(|()| socket))
                    .map_err(StartError::Socket)?;
                let socket = LocalSocket::bind(socket, path, backlog).map_err(|error| {
                    StartError::Bind(ListenAddress::Local(path.clone()), error)
                })?;
                Ok(vec![Bound::Local(socket)])
            }
            Place::Made(made) => match made.lock().take() {
                Some(bound) => Ok(vec![bound]),
                None => Err(StartError::Settings(
                    "a listening socket that was given to a server can't be given to another: make a new one".to_owned(),
                )),
            },
        }
    }

    fn bind_each(
        &self,
        addresses: &[SocketAddr],
        all: &[Listen],
        backlog: i32,
    ) -> Result<Vec<Bound>, StartError> {
        let (mut bound, mut port, mut failed) = (Vec::new(), None, Vec::new());
        for address in addresses {
            let mut address = *address;
            // The others of this name have the same port, also if it is a free one.
            let has_v4 = has_v4(addresses, address.port())
                || address.port() != 0 && all.iter().any(|listen| listen.has_v4(address.port()));
            if address.port() == 0 {
                address.set_port(port.unwrap_or(0));
            }
            match self.bind_one(address, has_v4, backlog) {
                Ok(listener) => {
                    port = port.or_else(|| Some(listener.local_addr().ok()?.port()));
                    bound.push(Bound::Tcp(listener));
                }
                Err(error @ StartError::Bind(..)) => failed.push(error),
                Err(error) => return Err(error),
            }
        }
        let last = match bound.is_empty() {
            true => failed.pop(),
            false => None,
        };
        for error in failed {
            log(|| tracing::info!("{error}; it has other addresses"));
        }
        match last {
            Some(error) => Err(error),
            None if bound.is_empty() => Err(StartError::Settings(
                "there is no address to listen at: give at least one".to_owned(),
            )),
            None => Ok(bound),
        }
    }

    /// Accepted connections inherit the options that are set here, so there is no call for each.
    fn bind_one(
        &self,
        address: SocketAddr,
        has_v4: bool,
        backlog: i32,
    ) -> Result<TcpListener, StartError> {
        let make = || -> io::Result<Socket> {
            let domain = Domain::for_address(address);
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            // A server that is started again need not wait for the connections of the last one to be forgotten.
            // On Windows this would let others listen at the same address.
            #[cfg(unix)]
            socket.set_reuse_address(true)?;
            if self.reuse_port {
                set_reuse_port(&socket)?;
            }
            if address.is_ipv6() && address.ip().is_unspecified() {
                // All addresses of this machine are IPv4's too, whatever the system's default; unless those are bound separately.
                socket.set_only_v6(has_v4)?;
            }
            set_options(SockRef::from(&socket))?;
            self.set_options(&socket)?;
            Ok(socket)
        };
        let socket = make().map_err(StartError::Socket)?;
        socket
            .bind(&address.into())
            .map_err(|error| StartError::Bind(ListenAddress::Tcp(address), error))?;
        socket.listen(backlog).map_err(|error| {
            // Of two that bind at the same moment, the system refuses one only now.
            let text = format!("{address}: {error}");
            StartError::Listen(io::Error::new(error.kind(), text))
        })?;
        Ok(socket.into())
    }
}

/// Whether one of them is of IPv4, and has this port.
fn has_v4(addresses: &[SocketAddr], port: u16) -> bool {
    let is_such = |address: &SocketAddr| address.is_ipv4() && address.port() == port;
    addresses.iter().any(is_such)
}

/// The options of every TCP listener.
fn set_options(socket: SockRef<'_>) -> io::Result<()> {
    // A reply leaves at once; a handler that has more to send makes it one send.
    socket.set_tcp_nodelay(true)?;
    // A peer that vanished is noticed at some time, even without an idle time-out.
    socket.set_keepalive(true)
}

#[cfg(unix)]
fn set_reuse_port(socket: &Socket) -> io::Result<()> {
    rustix::net::sockopt::set_socket_reuseport(socket, true).map_err(io::Error::from)
}

#[cfg(windows)]
fn set_reuse_port(_: &Socket) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "Windows can't share a port among servers (reuse_port)",
    ))
}

impl Made {
    fn new(bound: Bound) -> Self {
        Made(Arc::new(Mutex::new(Some(bound))))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Bound>> {
        // Nothing under the lock can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bound {
    /// Where it listens.
    pub(crate) fn address(&self) -> io::Result<ListenAddress> {
        match self {
            Bound::Tcp(listener) => Ok(ListenAddress::Tcp(listener.local_addr()?)),
            #[cfg(unix)]
            Bound::Local(socket) => socket.address(),
        }
    }
}

impl Default for Listen {
    /// Port 21000 of this machine, for this machine alone.
    fn default() -> Self {
        SocketAddr::from(([127, 0, 0, 1], 21_000)).into()
    }
}

impl From<SocketAddr> for Listen {
    /// A TCP address; port 0 is any free one. `[::]` is all addresses of this machine, those of IPv4 too, unless an IPv4 address with
    /// the same port is listened at besides.
    fn from(address: SocketAddr) -> Self {
        Listen::any_of([address])
    }
}

impl From<TcpListener> for Listen {
    /// A socket that the program has made, with whatever options. One server takes it: clones of this are the same.
    fn from(listener: TcpListener) -> Self {
        Self::at(Place::Made(Made::new(Bound::Tcp(listener))))
    }
}

#[cfg(unix)]
impl From<std::os::unix::net::UnixListener> for Listen {
    /// A local socket that the program has made. One server takes it: clones of this are the same. Its path is not removed.
    fn from(listener: std::os::unix::net::UnixListener) -> Self {
        Self::at(Place::Made(Made::new(Bound::Local(listener.into()))))
    }
}

/// A text that is nothing to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenError(String);

impl fmt::Display for ListenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ListenError {}

impl From<ListenAddress> for Listen {
    /// [Bound](Listen::any_of) when the server starts.
    fn from(address: ListenAddress) -> Self {
        match address {
            ListenAddress::Tcp(address) => address.into(),
            #[cfg(unix)]
            ListenAddress::Local(path) => Listen::local(path),
        }
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    /// As [`ListenAddress`] is read. A name is to be looked up by the program, which may take long: [`any_of`](Self::any_of) takes its
    /// addresses.
    fn from_str(text: &str) -> Result<Self, ListenError> {
        text.parse::<ListenAddress>().map(Listen::from)
    }
}

impl FromStr for ListenAddress {
    type Err = ListenError;

    /// An address and a port, as in `127.0.0.1:21000` and `[::]:0`; on Unix also `unix:PATH`.
    fn from_str(text: &str) -> Result<Self, ListenError> {
        #[cfg(unix)]
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.is_empty() {
                true => Err(ListenError(
                    "`unix:` lacks the path of the socket; use unix:/run/wharf.sock".to_owned(),
                )),
                false => Ok(ListenAddress::Local(path.into())),
            };
        }
        let address = text.parse::<SocketAddr>().map_err(|_| {
            ListenError(format!(
                "`{text}` is no address to listen at; use 127.0.0.1:21000, [::]:21000 or unix:PATH"
            ))
        });
        address.map(ListenAddress::Tcp)
    }
}

impl ListenAddress {
    /// The TCP address; none for a local socket.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            ListenAddress::Tcp(address) => Some(*address),
            #[cfg(unix)]
            ListenAddress::Local(_) => None,
        }
    }
}

impl fmt::Display for ListenAddress {
    /// As it is read.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(formatter),
            #[cfg(unix)]
            ListenAddress::Local(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}
