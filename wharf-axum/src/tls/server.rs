//! A server's side of TLS: who it is, and what it asks of its clients.

use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use wharf_tls::{Configured, Recipe};

use super::{ClientCertificates, Error, Identity};

/// What is spoken, the one that is liked best first.
const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

/// A server's side of TLS, for [`serve_tls`](crate::serve_tls). Clones are the same: keep one to [reload](Self::reload).
#[derive(Debug, Clone)]
pub struct Server(Arc<Configured>);

/// Sets up a [`Server`].
#[derive(Debug, Clone)]
#[must_use = "nothing is read before `build`"]
pub struct ServerBuilder(Recipe);

impl Server {
    /// A server with this identity, whatever name a client asks for.
    pub fn builder(identity: Identity) -> ServerBuilder {
        ServerBuilder(Recipe::new(identity)).alpn(PROTOCOLS)
    }

    /// Reads all files again: handshakes that begin from now on use what is in them. Connections that are there do not change.
    ///
    /// # Errors
    /// What is wrong with which file; everything is as it was.
    pub fn reload(&self) -> Result<(), Error> {
        self.0.reload()
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.0.config()
    }
}

impl ServerBuilder {
    /// The identity for clients that ask for this name (SNI): `example.com`, or `*.example.com` for all names with one part more. All
    /// others, and those that give no name, get the identity that the builder was made with. May be called several times.
    pub fn name(mut self, name: impl Into<String>, identity: Identity) -> Self {
        self.0.named.push((name.into(), identity));
        self
    }

    /// The protocols that it speaks (ALPN), the preferred one first; by default `h2` and `http/1.1`. A client that names only other
    /// protocols is refused. With none, whatever a client names does not matter.
    pub fn alpn(mut self, protocols: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        self.0.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Whether clients have to show certificates. By default they are not asked for.
    pub fn client_certificates(mut self, clients: ClientCertificates) -> Self {
        self.0.clients = clients;
        self
    }

    /// Reads everything.
    ///
    /// # Errors
    /// What is wrong with which file; or a protocol's name for ALPN is neither `h2` nor `http/1.1` nor `http/1.0`.
    pub fn build(self) -> Result<Server, Error> {
        check_alpn(&self.0.alpn)?;
        self.0.configure().map(|it| Server(Arc::new(it)))
    }
}

/// Finds names of protocols that are not spoken here.
fn check_alpn(protocols: &[Vec<u8>]) -> Result<(), Error> {
    let is_spoken = |name: &[u8]| matches!(name, b"h2" | b"http/1.1" | b"http/1.0");
    let wrong = protocols.iter().find(|name| !is_spoken(name));
    let wrong = wrong.map(|name| String::from_utf8_lossy(name).into_owned());
    wrong.map_or(Ok(()), |name| Err(Error::AlpnNotSpoken(name)))
}
