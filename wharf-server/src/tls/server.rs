//! A server's side of TLS: who it is, and what it asks of its clients.

use std::sync::{Arc, OnceLock};

use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert, UnbufferedServerConnection},
    sign::CertifiedKey,
};
use wharf_tls::{Configured, Recipe};

use super::{
    ClientCertificates, Error, Handshake, Identity,
    session::{Connection, Pools, Session},
};

/// A server's side of TLS, for [`Settings::tls`](crate::Settings::tls) or [`Listen::tls`](crate::Listen::tls). Clones are the same.
#[derive(Debug, Clone)]
pub struct Server(Arc<Configured>);

/// The name that a client asks for (SNI), once it has.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked(Arc<OnceLock<String>>);

impl Asked {
    pub(super) fn name(&self) -> Option<String> {
        self.0.get().cloned()
    }
}

/// Sets up a [`Server`].
#[derive(Debug, Clone)]
#[must_use = "nothing is read before `build`"]
pub struct ServerBuilder(Recipe);

impl Server {
    /// A server that is this, whatever name it is asked for by.
    ///
    /// ```no_run
    /// use wharf_server::{Server, tls};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let tls = tls::Server::builder(tls::Identity::files("server.pem", "server.key")).build()?;
    /// let server = Server::builder().tls(tls.clone()).serve(|client, bytes| client.send(bytes))?;
    /// // Later, when the files are others:
    /// tls.reload()?;
    /// # drop(server);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(identity: Identity) -> ServerBuilder {
        ServerBuilder(Recipe::new(identity))
    }

    /// Reads all files again: handshakes that begin from now on are with what is in them. Clients that are there are not concerned.
    ///
    /// # Errors
    /// What is wrong with which file; everything is as it was.
    pub fn reload(&self) -> Result<(), Error> {
        self.0.reload()
    }

    /// The session of a client that has come.
    pub(crate) fn session(
        &self,
        pools: &Pools,
        handshake: Handshake,
    ) -> Result<Session, rustls::Error> {
        // rustls tells the name that a client asks for to the one who chooses the certificate, and to nobody else: so each session has
        // one of its own.
        let asked = Asked::default();
        let mut config = ServerConfig::clone(&self.0.config());
        config.cert_resolver = Arc::new(Noting {
            asked: asked.clone(),
            beneath: config.cert_resolver,
        });
        let connection = UnbufferedServerConnection::new(Arc::new(config))?;
        Ok(Session::new(
            Connection::Server(connection, asked),
            pools.clone(),
            handshake,
        ))
    }
}

impl ServerBuilder {
    /// Who it is for those that ask for it by this name (SNI): `example.com`, or `*.example.com` for all names with one part more. All
    /// others, and those that give no name, get the identity that it was begun with. May be called several times.
    pub fn name(mut self, name: impl Into<String>, identity: Identity) -> Self {
        self.0.named.push((name.into(), identity));
        self
    }

    /// The protocols that it speaks (ALPN), the one that it likes best first. A client that names protocols, none of which is among
    /// them, is refused; by default none are named, and whatever a client names does not matter.
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
    /// What is wrong with which file.
    pub fn build(self) -> Result<Server, Error> {
        self.0.configure().map(|it| Server(Arc::new(it)))
    }
}

/// Notes the name that one client asks for, and has its certificate chosen.
#[derive(Debug)]
struct Noting {
    asked: Asked,
    beneath: Arc<dyn ResolvesServerCert>,
}

impl ResolvesServerCert for Noting {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = hello.server_name() {
            // It may say hello twice; the name is the same.
            let _ = self.asked.0.set(name.to_owned());
        }
        self.beneath.resolve(hello)
    }
}
