//! Behind a proxy: the address of a client, by the PROXY protocol.
//!
//! A balancer that passes on a TCP connection is its peer. To pass on the client's address too, it may send a header before the client's
//! bytes: the PROXY protocol, which HAProxy has defined, and nginx, Envoy and the balancers of cloud providers speak. The server
//! must know which peers send such headers; any other peer could claim any address.
//!
//! ```
//! use std::{io::{Read, Write}, net::TcpStream};
//! use wharf_server::Server;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder()
//!     .listen("127.0.0.1:0".parse()?)
//!     .proxy_protocol_from(vec!["127.0.0.0/8".parse()?])
//!     .serve(|client, _| client.send(format!("you are {}\n", client.peer())))?;
//! let mut proxy = TcpStream::connect(server.local_addr())?;
//! proxy.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 21000\r\n?")?;
//! let mut answer = [0; 23];
//! proxy.read_exact(&mut answer)?;
//! assert_eq!(&answer, b"you are 192.0.2.7:4000\n");
//! # Ok(())
//! # }
//! ```
//!
//! | a connection | what happens |
//! |---|---|
//! | from a [proxy](crate::Settings::proxy_protocol_from), with a header of version 1 or 2 | [`connected`](crate::Handler::connected) is called after the header; [`Client::peer`](crate::Client::peer) is the address in it, by which the client is counted ([`clients_per_address_max`](crate::Settings::clients_per_address_max)) |
//! | from a proxy, with a header that tells no address (`LOCAL`, `UNKNOWN`, a local socket's) | the client keeps the address of the proxy, and is not counted by it: health checks send such headers |
//! | from a proxy, without a header, with a wrong one, or one that is longer than 4 KiB | it is closed, and the handler is told nothing |
//! | from a proxy, whose header is not there within [5 s](crate::Settings::proxy_header_timeout) | likewise |
//! | from elsewhere, with a header | it is closed as soon as the first 6 or 12 bytes of the header are seen; fewer of them, if they came alone, went to the handler |
//! | from elsewhere, without | a client like any other |
//!
//! A proxy on the same machine may connect by a local socket: [`proxy_protocol_from_local`](crate::Settings::proxy_protocol_from_local).
//!
//! A client whose header is awaited has a place among [`clients_max`](crate::Settings::clients_max), but is not among the
//! [`Clients`](crate::Clients): no broadcast gets to it. The log says why such a client was closed, at the level of information.
//!
//! # HAProxy
//!
//! ```text
//! backend game
//!     server a 192.0.2.10:21000 send-proxy-v2 check check-send-proxy
//! ```
//!
//! and `wharf serve --listen 192.0.2.10:21000 --proxy-protocol-from 192.0.2.1`, where 192.0.2.1 is HAProxy's address. A check without
//! `check-send-proxy` is closed after 5 s, or when HAProxy ends it, which is at once: it shows no more than that the server accepts.
