//! How a server on tokio is set up for TLS; `peer-axum` is built with this file too.

use std::{io, path::Path, sync::Arc};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// One with this chain of certificates and its key. It speaks these protocols (ALPN), the one that it likes best first.
pub fn acceptor(cert: &Path, key: &Path, protocols: &[&str]) -> io::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(cert).map_err(io::Error::other)?;
    let chain = chain.collect::<Result<_, _>>().map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(chain, key);
    let mut config = config.map_err(io::Error::other)?;
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().into()).collect();
    Ok(Arc::new(config).into())
}
