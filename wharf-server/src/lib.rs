//! A server on a completion port, over TCP and local sockets: the parts that every such server needs, written once.
//!
//! A [`Server`] listens, keeps a registry of its [`Client`]s, and calls a [`Handler`] with each client's bytes, on
//! any free worker of its thread pool. It deals with the failures that every server meets:
//!
//! - A client is handled by one worker at a time, so its bytes come in order, and its [session](Handler::Session) needs no lock;
//!   different clients run in parallel.
//! - Bytes are split into [frames](codec): lines, lengths, marks, or a codec of the program's own.
//! - A client gets [messages](Client::tell) of other threads, and its [timers](Client::set_timer), in its turn. The server
//!   [ticks](Handler::tick).
//! - Sends go to any client, from any thread; [broadcasts](Clients::broadcast), and sends to [groups](Groups), share their memory. The unsent bytes of a client
//!   are limited, and a client that does not read is not read from (backpressure), so memory stays limited. A
//!   [setting](SlowReader) decides about further messages to such a client, and after a time it is cut.
//! - Each client has a share of everything that clients use: receive buffers, unsent bytes, operations, places
//!   in the table. So one client takes nothing from the others ([`Settings::memory_bytes_max`] says how much
//!   memory all of them can occupy).
//! - A peer that has ended its sending side is not taken for one that is gone: it [may be sent more](Handler::peer_ended).
//! - A handler that can't take more for now [pauses reading](Client::pause_reading), and TCP's flow control stops the peer; each
//!   client may have a [rate](Settings::receive_rate).
//! - A handler with much to do [takes turns](Client::call_again) with those of other clients.
//! - The server [dials](Clients::dial) others: a connection that it makes, with retries, is a client like any other; a [pool](Pool) keeps some.
//! - A handler that panics, or returns an error, ends its own client and nothing else.
//! - Accepting pauses when descriptors run out or the limit of clients is reached, and resumes when there is room.
//! - It [listens](manual::listening) on several addresses, local sockets, and sockets of systemd's; behind a [proxy](manual::proxies) it knows
//!   its clients' own addresses; and a balancer sees when it [drains](manual::draining).
//! - With the feature `tls` it speaks TLS, with clients that connect and servers that it dials; certificates are reloaded without a stop.
//! - It reports [metrics](manual::metrics) to the program's recorder, and gives each client a span.
//! - [`Server::stop`] stops accepting, lets clients finish until a deadline, and then cuts the rest; [`Server::wait_for_signal`]
//!   does so at a signal.
//!
//! The simplest handler is a closure, as here. A [`Handler`] has sessions and frames; the [manual] builds one step by step.
//!
//! ```
//! use std::{io::{Read, Write}, net::TcpStream, time::Duration};
//! use wharf_server::Server;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let builder = Server::builder().listen("127.0.0.1:0".parse()?).idle_timeout(Duration::from_secs(60));
//! let server = builder.serve(|client, bytes| client.send(bytes))?;
//! let mut peer = TcpStream::connect(server.local_addr())?;
//! peer.write_all(b"ahoy")?;
//! let mut echo = [0; 4];
//! peer.read_exact(&mut echo)?;
//! assert_eq!(&echo, b"ahoy");
//! drop(peer);
//! let report = server.stop(Duration::from_secs(10));
//! assert_eq!((report.clients, report.received_bytes, report.sent_bytes, report.cut), (1, 4, 4, 0));
//! # Ok(())
//! # }
//! ```
// What is public may grow.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod accepting;
mod addresses;
mod admission;
mod answers;
mod builder;
mod calls;
mod client;
pub mod codec;
mod conversation;
mod dial;
mod dialling;
mod dropped;
mod frames;
mod groups;
mod handler;
mod header;
mod health;
mod limits;
mod listen;
mod mailbox;
pub mod manual;
mod marks;
mod metrics;
mod outbox;
mod outgoing;
mod pace;
mod patience;
mod peer;
mod pool;
mod prelude;
mod present;
mod proxy;
mod reading;
mod registry;
mod rounds;
mod sealed;
mod server;
mod settings;
mod shared;
#[cfg(feature = "signals")]
mod signals;
mod span;
mod stopper;
mod ticker;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls/off.rs"]
mod tls;

#[doc(hidden)]
pub use answers::{Answer, Answers};
pub use builder::ServerBuilder;
pub use client::{Client, Ended};
pub use dial::{Dial, DialFailed, Dialled};
pub use groups::Groups;
pub use handler::{AfterEnd, Failure, Handler, Outcome, Result, Tick};
pub use ipnet::IpNet;
pub use limits::{OpenFiles, raise_open_files};
pub use listen::{Listen, ListenAddress, ListenError};
pub use mailbox::ClientTimer;
pub use outbox::SlowReader;
pub use outgoing::Outgoing;
pub use peer::Peer;
pub use pool::{Lease, Pool, PoolCounts, PoolLimits};
pub use registry::Clients;
pub use server::{Report, Server};
pub use settings::{Settings, StartError};
pub use stopper::Stopper;

/// The package's README: its program is compiled like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
