//! TLS: certificates, reload, clients with certificates, dials; what a program sees of it. With the feature `tls`.
//!
//! A server speaks TLS 1.2 and 1.3, by [rustls](https://docs.rs/rustls), on everything that it listens on
//! ([`Settings::tls`](crate::Settings::tls)), or where it is asked to ([`Listen::tls`](crate::Listen::tls)); and with what it dials
//! ([`Dial::tls`](crate::Dial::tls)). Its handler is the same as without: it gets what was opened, and what it sends is sealed.
//!
//! ```no_run
//! use wharf_server::{Server, tls};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let identity = tls::Identity::files("/etc/wharf/chain.pem", "/etc/wharf/key.pem");
//! let tls = tls::Server::builder(identity).alpn(["echo"]).build()?;
//! let server = Server::builder().tls(tls.clone()).serve(|client, bytes| -> wharf_server::Result {
//!     let agreed = client.tls().ok_or("it speaks TLS")?;
//!     client.send(format!("{}, {} bytes\n", agreed.version, bytes.len()))?;
//!     Ok(())
//! })?;
//! # drop(server);
//! # Ok(())
//! # }
//! ```
//!
//! | to | do |
//! |---|---|
//! | use new certificates without a stop | [`tls::Server::reload`](crate::tls::Server::reload), when the program sees fit: at a signal, as `wharf serve` does at SIGHUP, or once an hour. Files that are wrong change nothing |
//! | have several names on one address | [`ServerBuilder::name`](crate::tls::ServerBuilder::name): the client says which it wants (SNI) |
//! | agree on a protocol | [`ServerBuilder::alpn`](crate::tls::ServerBuilder::alpn), and [`Agreed::alpn`](crate::tls::Agreed::alpn) in the handler |
//! | let in only whom an authority vouches for | [`ClientCertificates::Required`](crate::tls::ClientCertificates::Required), and [`Agreed::peer_certificates`](crate::tls::Agreed::peer_certificates) |
//! | serve both, with and without | two [listeners](crate::Settings::listen), of which one has [TLS](crate::Listen::tls); [`Client::tls`](crate::Client::tls) tells them apart |
//! | dial a server | [`tls::Client`](crate::tls::Client) with the roots that are trusted. Those of the system are a file on most: `/etc/ssl/certs/ca-certificates.crt` |
//!
//! # Before the conversation
//!
//! [`connected`](crate::Handler::connected) is called when the handshake is done, and behind a [PROXY header](super::proxies), which comes
//! before it. Until then a client has its place among [`clients_max`](crate::Settings::clients_max), and is not among the
//! [`Clients`](crate::Clients). One whose handshake fails, or is not done [in time](crate::Settings::tls_handshake_timeout), is closed
//! ([`Ended::NotBegun`](crate::Ended::NotBegun)); the log tells why, at the level of information, and no handler is told. For a dial that is
//! an attempt that has failed ([`dial_failed`](crate::Handler::dial_failed)). No more handshakes are under way than
//! [may](crate::Settings::handshakes_at_most): each costs a signature, some 100 us for a key of ECDSA and 1 ms for RSA.
//! [`Clients::handshakes`](crate::Clients::handshakes) counts them. Above that number the oldest ends for each newer one, so peers that
//! begin handshakes and say no more keep nobody out, unless so many come within the time that an honest handshake takes. A bound on the
//! clients of one address ([`clients_per_address_max`](crate::Settings::clients_per_address_max)) keeps one address from that.
//!
//! # The end
//!
//! A peer that ends in order says so (`close_notify`): that is the end of its side, as without TLS. If the connection ends without it, bytes
//! may be missing, and somebody else may have cut them off: that is [`Ended::Truncated`](crate::Ended::Truncated), and
//! [`peer_ended`](crate::Handler::peer_ended) is not called. What was sent to the client still goes. Many programs just close, as some
//! browsers do: a protocol that says by itself how long a message is need not mind. The server says its own end whenever it closes in
//! order.
//!
//! # What is different
//!
//! - Bytes of several sends from one memory ([`broadcast`](crate::Clients::broadcast)) are shared as long as they wait; each client gets a
//!   sealed copy of its own when they go.
//! - [`Client::traffic`](crate::Client::traffic) and [`Client::unsent`](crate::Client::unsent) count what is on its way as it is there: sealed.
//! - [`Settings::receive_rate`](crate::Settings::receive_rate) likewise.
//! - A receive buffer has 16,645 bytes at least, so that the longest record lies whole in it and is opened where it lies.
//! - A session takes some 5 KiB while it is idle, and up to 100 KiB in the worst case: a record that has come in part, records that were
//!   opened and not handed out. In its handshake it may keep 256 KiB, as far as its peer sends so much.
//!   [`Settings::memory_bytes_max`](crate::Settings::memory_bytes_max) has both, for what is listened on.
//! - A renegotiation (TLS 1.2) is refused, early data (0-RTT) is not taken, and a session is taken up again by a ticket that the client
//!   keeps.
