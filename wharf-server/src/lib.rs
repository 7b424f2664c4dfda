//! What every server on a completion port writes again, written once.
//!
//! A [`Server`] listens, keeps a registry of its [`Client`]s, and calls a [`Handler`] with each client's bytes, on
//! any free worker of its pool. What goes wrong in the real world is dealt with here:
//!
//! - A client is handled by one worker at a time, so its bytes come in order; different clients run in parallel.
//! - Sends go to any client, from any thread. What waits to be sent is bounded, and a client that does not read is
//!   not read from, so memory stays bounded; after a time it goes by itself.
//! - Each client has a share of what all of them use: receive buffers, bytes and operations that wait to be sent, places
//!   in the table. What one of them does takes nothing from the others ([`Settings::memory_bytes_max`] says how much
//!   memory all of them can pin).
//! - A handler with much to do [takes turns](Client::call_again) with those of other clients.
//! - A handler that panics ends its own client and nothing else.
//! - Out of descriptors, or at the limit of clients, accepting pauses, and resumes when there is room.
//! - [`Server::stop`] stops accepting, lets what is in flight finish until a deadline, and then cuts.
//!
//! ```
//! use std::{io::{Read, Write}, net::TcpStream, time::Duration};
//! use wharf_server::{Client, Server, Settings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut settings = Settings::default();
//! settings.listen = "127.0.0.1:0".parse()?;
//! let server = Server::start(&settings, |client: &Client, bytes: wharf::Buffer| {
//!     let _ = client.send(bytes);
//! })?;
//! let mut peer = TcpStream::connect(server.local_addr())?;
//! peer.write_all(b"ahoy")?;
//! let mut echo = [0; 4];
//! peer.read_exact(&mut echo)?;
//! assert_eq!(&echo, b"ahoy");
//! drop(peer);
//! let report = server.stop(Duration::from_secs(10));
//! assert_eq!((report.clients, report.received, report.sent, report.cut), (1, 4, 4, 0));
//! # Ok(())
//! # }
//! ```

mod accepting;
mod addresses;
mod admission;
mod client;
mod conversation;
mod limits;
mod outbox;
mod patience;
mod registry;
mod rounds;
mod server;
mod settings;
mod shared;

pub use client::{Client, Ended};
pub use ipnet::IpNet;
pub use limits::{OpenFiles, raise_open_files};
pub use registry::Clients;
pub use server::{Report, Server};
pub use settings::{Settings, StartError};
use wharf::Buffer;

/// What a server does with its clients. Called by any worker; by one at a time for each client.
///
/// Any `Fn(&Client, Buffer)` is a handler that only receives.
pub trait Handler: Send + Sync + 'static {
    /// A client has connected; nothing has been received from it yet.
    fn connected(&self, client: &Client) {
        let _ = client;
    }

    /// Bytes have arrived: at least one, at most a buffer full, cut wherever the network cut them.
    ///
    /// The next bytes of this client are received once this has returned. Meanwhile it holds a worker, and neither the end
    /// of this client nor an orderly stop is seen: a handler that has long work to do does a piece of it, and asks to be
    /// [called again](Client::call_again) for the rest.
    fn received(&self, client: &Client, bytes: Buffer);

    /// A call for this client has [asked for another](Client::call_again). Other clients have had their turns meanwhile.
    fn resumed(&self, client: &Client) {
        let _ = client;
    }

    /// The client is gone: the last call for it.
    fn disconnected(&self, client: &Client, ended: &Ended) {
        let _ = (client, ended);
    }

    /// The server can't accept any more, and not for want of resources: no client will come after this.
    fn failed(&self, error: &std::io::Error) {
        let _ = error;
    }
}

impl<F: Fn(&Client, Buffer) + Send + Sync + 'static> Handler for F {
    fn received(&self, client: &Client, bytes: Buffer) {
        self(client, bytes);
    }
}
