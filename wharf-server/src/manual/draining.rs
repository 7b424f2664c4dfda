//! Stop and drain: how a server behind a balancer is replaced, and no client notices.
//!
//! A balancer sends new clients to each server that is ready. To know which servers are, it asks each by HTTP, at the
//! [`health`](crate::Settings::health) address; the answer is 200 or 503. An orderly stop then has these steps:
//!
//! 1. The server is asked to stop: [`Server::stop`](crate::Server::stop), a signal, a [`Stopper`](crate::Stopper). From now on the answer is 503.
//! 2. For the [`drain_delay`](crate::Settings::drain_delay) it goes on as before: new clients are accepted and served, since the balancer does
//!    not know yet.
//! 3. It stops listening, and closes its clients in order.
//!
//! ```
//! use std::{io::{Read, Write}, net::TcpStream, time::Duration};
//! use wharf_server::Server;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder()
//!     .listen("127.0.0.1:0".parse()?)
//!     .health("127.0.0.1:0".parse::<wharf_server::Listen>()?)
//!     .drain_delay(Duration::from_millis(10))
//!     .serve(|client, bytes| client.send(bytes))?;
//! let health = server.health_addrs()[0].tcp().unwrap();
//! let ask = || -> std::io::Result<String> {
//!     let mut balancer = TcpStream::connect(health)?;
//!     balancer.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
//!     let mut answer = String::new();
//!     balancer.read_to_string(&mut answer)?;
//!     Ok(answer)
//! };
//! assert!(ask()?.starts_with("HTTP/1.1 200 "));
//! // A server may also be taken out of service for a while, and then stop.
//! server.stopper().drain();
//! assert!(ask()?.starts_with("HTTP/1.1 503 "));
//! server.stop(Duration::from_secs(10));
//! # Ok(())
//! # }
//! ```
//!
//! The `drain_delay` must be longer than the balancer takes to notice: the time between two checks, multiplied by the number of failed checks
//! that it waits for plus one. With HAProxy's `check inter 1s fall 2` that is 3 s. A client that stays connected for longer than that is
//! closed in step 3. A protocol whose clients stay for long tells them to go elsewhere: [`Handler::stopping`](crate::Handler::stopping)
//! may send them a last message, and they connect again, through the balancer, to another server.
//!
//! # HAProxy
//!
//! ```text
//! backend game
//!     option httpchk GET /
//!     server a 192.0.2.10:21000 check port 21001 inter 1s fall 2
//!     server b 192.0.2.11:21000 check port 21001 inter 1s fall 2
//! ```
//!
//! and on each machine `wharf serve --listen 0.0.0.0:21000 --health 0.0.0.0:21001 --drain-delay 3s`. By default, systemd waits 90 s
//! for a stop (`TimeoutStopSec=`): longer than the delay and `--stop-timeout` together.
