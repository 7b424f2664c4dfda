//! The TLS that [`wharf-server`](https://docs.rs/wharf-server) and [`wharf-axum`](https://docs.rs/wharf-axum) share, by
//! [rustls](https://docs.rs/rustls) with `ring`. Programs use it through those two crates: their modules `tls` have all of this, each with a
//! `Server` of its own.
//!
//! This crate knows no socket: it reads certificates and keys ([`Pem`], [`Identity`]), says what is wrong with them ([`Error`]), makes rustls'
//! configuration of a server from them, and says what a handshake has agreed on ([`Agreed`]). Items that only the two crates need are not
//! documented, and may change with every version. The two crates use them like this, here with the peers' bytes in memory:
//!
//! ```
//! use std::sync::Arc;
//! use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection, crypto::ring};
//! use wharf_tls::{Agreed, Identity, Pem, Recipe, Version};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let made = rcgen::generate_simple_self_signed(["example.com".to_owned()])?;
//! let identity = Identity::new(
//!     Pem::memory(made.cert.pem()),
//!     Pem::memory(made.signing_key.serialize_pem()),
//! );
//! let mut recipe = Recipe::new(identity);
//! recipe.alpn = vec![b"echo".to_vec()];
//! let server = recipe.configure()?;
//! // Those that connect from then on get what the files hold now.
//! server.reload()?;
//! let mut ours = ServerConnection::new(server.config())?;
//!
//! // A client that trusts it.
//! let mut roots = RootCertStore::empty();
//! roots.add(made.cert.der().clone())?;
//! let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
//!     .with_safe_default_protocol_versions()?
//!     .with_root_certificates(roots)
//!     .with_no_client_auth();
//! config.alpn_protocols = vec![b"echo".to_vec()];
//! let mut theirs = ClientConnection::new(Arc::new(config), "example.com".try_into()?)?;
//!
//! while theirs.is_handshaking() || ours.is_handshaking() {
//!     let (mut there, mut back) = (Vec::new(), Vec::new());
//!     theirs.write_tls(&mut there)?;
//!     ours.read_tls(&mut &there[..])?;
//!     ours.process_new_packets()?;
//!     while ours.wants_write() {
//!         ours.write_tls(&mut back)?;
//!     }
//!     theirs.read_tls(&mut &back[..])?;
//!     theirs.process_new_packets()?;
//! }
//! let name = ours.server_name().map(str::to_owned);
//! let agreed = Agreed::of(&ours, name).expect("the handshake is done");
//! assert_eq!(agreed.version, Version::Tls13);
//! assert_eq!(agreed.alpn.as_deref(), Some(&b"echo"[..]));
//! assert_eq!(agreed.server_name.as_deref(), Some("example.com"));
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod agreed;
mod error;
mod pem;
mod server;

#[doc(hidden)]
pub use self::server::{Configured, Recipe, check_alpn};
pub use self::{
    agreed::{Agreed, Version},
    error::Error,
    pem::{Identity, Pem},
    server::ClientCertificates,
};
