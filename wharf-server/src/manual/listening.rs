//! Listeners: what a server listens on.
//!
//! [`listen`](crate::ServerBuilder::listen) may be called several times; each call adds something to listen on. Clients that come by
//! different listeners are alike: they have the same handler, and one limit for all.
//!
//! | to listen on | write |
//! |---|---|
//! | an address | `"192.0.2.1:21000".parse()?` |
//! | all addresses of this machine, IPv4 and IPv6 by one socket | `"[::]:21000".parse()?` |
//! | IPv4 and IPv6 by two sockets | `"0.0.0.0:21000".parse()?`, and `"[::]:21000".parse()?` beside it |
//! | a name | [`Listen::any_of`](crate::Listen::any_of), with the addresses that a look-up has brought |
//! | a local (Unix) socket | `"unix:/run/wharf.sock".parse()?`, or [`Listen::local`](crate::Listen) with a path |
//! | sockets of systemd's | each of `Listen::inherited()?` |
//! | a socket that is there already | `listener.into()` |
//!
//! If one of them can't be bound, the server does not start; of the addresses of a name, one is enough.
//! [`local_addrs`](crate::Server::local_addrs) says where the server listens.
//!
//! ```
//! use std::{io::{Read, Write}, net::TcpStream};
//! use wharf_server::{Listen, ListenAddress, Server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder()
//!     .listen("127.0.0.1:0".parse()?)
//!     .listen(Listen::any_of(["192.0.2.1:0".parse()?, "127.0.0.1:0".parse()?]))
//!     .serve(|client, _| client.send(format!("you are {}\n", client.peer())))?;
//! for address in server.local_addrs().iter().filter_map(ListenAddress::tcp) {
//!     let mut peer = TcpStream::connect(address)?;
//!     peer.write_all(b"?")?;
//!     let mut answer = [0; 7];
//!     peer.read_exact(&mut answer)?;
//!     assert_eq!(&answer, b"you are");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Local sockets
//!
//! The peer of a client that comes by a local socket is [`Peer::Local`](crate::Peer::Local), and has no limit per address. Who may
//! connect is decided by the permissions of the socket's folder: make one for the service, as `RuntimeDirectory=` of systemd does. A
//! server that was killed leaves the file of its socket behind; the next one finds that no process listens there, and replaces it. The
//! system can say which process is at the other end: [`Client::with_descriptor`](crate::Client::with_descriptor).
//!
//! # systemd
//!
//! With a socket unit, systemd listens, and starts the server when a client connects; a server that is started again gets the same
//! sockets, and no connection is refused meanwhile. The service has `ExecStart=... --listen systemd`, or in your own program
//! `for listen in Listen::inherited()? { builder = builder.listen(listen); }`; the socket unit has `Accept=no`, which is the default.
//!
//! # A port for several servers
//!
//! With [`reuse_port`](crate::Listen::reuse_port) several processes listen at one address, and the kernel shares the connections out by
//! the addresses of both ends. When one of them ends, connections in its backlog are reset: to replace a server without that, let
//! systemd keep the socket, or a balancer see the [drain](super::draining).
//!
//! # Options
//!
//! TCP sockets have no delay for small sends (`TCP_NODELAY`), and notice at some time that a peer has vanished (`SO_KEEPALIVE`).
//! [`Listen::options`](crate::Listen::options) sets others, on the listening socket before it is bound;
//! [`Client::with_descriptor`](crate::Client::with_descriptor) sets them on one client's socket. Both lend the system's socket for one call, for
//! example to the crate `socket2`.
