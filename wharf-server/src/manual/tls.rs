//! TLS: certificates, reload, clients with certificates, dials; what a program sees of it. With the feature `tls`.
//!
//! A server speaks TLS 1.2 and 1.3, by [rustls](https://docs.rs/rustls), on everything that it listens on
//! ([`Settings::tls`](crate::Settings::tls)), or where it is asked to ([`Listen::tls`](crate::Listen::tls)); and with what it dials
//! ([`Dial::tls`](crate::Dial::tls)). The handler is the same as without TLS: it gets decrypted bytes, and what it sends is encrypted.
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
//! | let in only clients with a certificate of an authority | [`ClientCertificates::Required`](crate::tls::ClientCertificates::Required), and [`Agreed::peer_certificates`](crate::tls::Agreed::peer_certificates) |
//! | serve both, with and without | two [listeners](crate::Settings::listen), one of them with [TLS](crate::Listen::tls); [`Client::tls`](crate::Client::tls) tells them apart |
//! | dial a server | [`tls::Client`](crate::tls::Client) with the roots that are trusted. On most systems, the system's roots are a file: `/etc/ssl/certs/ca-certificates.crt` |
//!
//! # Before the conversation
//!
//! [`connected`](crate::Handler::connected) is called when the handshake is done. A [PROXY header](super::proxies) comes before the
//! handshake. Until then a client has its place among [`clients_max`](crate::Settings::clients_max), and is not among the
//! [`Clients`](crate::Clients). A client whose handshake fails, or is not done [in time](crate::Settings::tls_handshake_timeout), is closed
//! ([`Ended::NotBegun`](crate::Ended::NotBegun)); the log says why, at the level of information, and no handler is told. For a dial, this is
//! a failed attempt ([`dial_failed`](crate::Handler::dial_failed)). The number of handshakes under way is
//! [limited](crate::Settings::handshakes_at_most): each costs a signature, some 100 us for a key of ECDSA and 1 ms for RSA.
//! [`Clients::handshakes`](crate::Clients::handshakes) counts them. At the limit, each new handshake ends the oldest one. So peers that
//! begin handshakes and then send nothing keep no other client out, unless that many come within the time of one honest handshake. A limit on
//! the clients of one address ([`clients_per_address_max`](crate::Settings::clients_per_address_max)) keeps one address from this.
//!
//! # The end
//!
//! A peer that closes in order says so (`close_notify`): that is the end of its side, as without TLS. If the connection ends without it, bytes
//! may be missing, and an attacker may have removed them: that is [`Ended::Truncated`](crate::Ended::Truncated), and
//! [`peer_ended`](crate::Handler::peer_ended) is not called. What was sent to the client still goes out. Many programs just close, as some
//! browsers do; a protocol whose messages have their length can ignore this. The server sends `close_notify` whenever it closes in
//! order.
//!
//! # What is different
//!
//! - Bytes that several sends share ([`broadcast`](crate::Clients::broadcast)) are shared as long as they wait; each client gets an
//!   encrypted copy of its own when they go out.
//! - [`Client::traffic`](crate::Client::traffic) and [`Client::unsent`](crate::Client::unsent) count bytes on their way as they are there: encrypted.
//! - [`Settings::receive_rate`](crate::Settings::receive_rate) likewise.
//! - A receive buffer has 16,645 bytes at least, so that the longest record fits into it and is decrypted in place.
//! - A session takes some 5 KiB while it is idle, and up to 100 KiB in the worst case: a record that has come in part, records that were
//!   decrypted and not handed out. In its handshake it may keep 256 KiB, if its peer sends that much.
//!   [`Settings::memory_bytes_max`](crate::Settings::memory_bytes_max) includes both, for what is listened on.
//! - A renegotiation (TLS 1.2) is refused, early data (0-RTT) is not accepted, and a session is resumed by a ticket that the client
//!   keeps.
