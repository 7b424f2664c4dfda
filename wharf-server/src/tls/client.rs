//! A client's side of TLS: for what a server dials.

use std::{fmt, net::IpAddr, sync::Arc};

use rustls::{
    ClientConfig,
    client::ResolvesClientCert,
    client::UnbufferedClientConnection,
    crypto::ring,
    pki_types::ServerName,
    sign::{CertifiedKey, SingleCertAndKey},
};

use wharf_tls::check_alpn;

use super::{
    Error, Handshake, Identity, Pem,
    session::{Connection, Pools, Session},
};

/// A client's side of TLS, for [`Dial::tls`](crate::Dial::tls): whom it trusts, and who it is itself. Clones are the same.
#[derive(Clone)]
pub struct Client {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

/// Sets up a [`Client`].
#[derive(Debug, Clone)]
#[must_use = "nothing is read before `build`"]
pub struct ClientBuilder {
    roots: Vec<Pem>,
    identity: Option<Identity>,
    alpn: Vec<Vec<u8>>,
    name: Option<String>,
}

impl Client {
    /// A client that trusts the servers that these roots vouch for.
    pub fn builder(roots: Pem) -> ClientBuilder {
        ClientBuilder {
            roots: vec![roots],
            identity: None,
            alpn: Vec::new(),
            name: None,
        }
    }

    /// The session with a server that was dialled by its name, or by its address.
    pub(crate) fn session(
        &self,
        name: Option<&str>,
        address: Option<IpAddr>,
        pools: &Pools,
        handshake: Handshake,
    ) -> Result<Session, Error> {
        let dialled = || match (name, address) {
            (Some(name), _) => host(name),
            (None, Some(address)) => Ok(ServerName::IpAddress(address.into())),
            (None, None) => Err(Error::Name(String::new())),
        };
        let name = self.name.clone().map_or_else(dialled, Ok)?;
        let connection = UnbufferedClientConnection::new(self.config.clone(), name);
        let connection = connection.map_err(|error| Error::Other(error.to_string()))?;
        Ok(Session::new(
            Connection::Client(connection),
            pools.clone(),
            handshake,
        ))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// Trusts these roots too.
    pub fn roots(mut self, roots: Pem) -> Self {
        self.roots.push(roots);
        self
    }

    /// Who it is, where a server asks for that.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The protocols that it speaks (ALPN), the one that it likes best first; none by default.
    pub fn alpn(mut self, protocols: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// The name, or IP address, that the server's certificate has to be for. By default that by which it was dialled.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Reads everything.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn build(self) -> Result<Client, Error> {
        check_alpn(&self.alpn)?;
        let provider = Arc::new(ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        for pem in &self.roots {
            let read = pem.roots()?;
            roots.extend(read.roots.iter().cloned());
        }
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Other(error.to_string()))?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = CertifiedKey::clone(&*identity.read(&provider)?);
                let resolver: Arc<dyn ResolvesClientCert> = Arc::new(SingleCertAndKey::from(key));
                builder.with_client_cert_resolver(resolver)
            }
        };
        config.alpn_protocols = self.alpn;
        Ok(Client {
            config: Arc::new(config),
            name: self.name.as_deref().map(host).transpose()?,
        })
    }
}

/// The name of a host.
fn host(name: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(name.to_owned()).map_err(|_| Error::Name(name.to_owned()))
}
