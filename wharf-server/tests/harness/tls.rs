//! Certificates that are made for a test, and rustls' own client over a plain socket.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use wharf_server::tls::{Identity, Pem};

/// Who vouches for the others.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub struct Certified {
    pub certificate: String,
    pub key: String,
}

impl Certified {
    pub fn identity(&self) -> Identity {
        Identity::new(Pem::memory(&self.certificate), Pem::memory(&self.key))
    }
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub fn pem(&self) -> Pem {
        Pem::memory(self.0.pem())
    }

    /// Vouches for somebody with this name.
    pub fn certify(&self, name: &str) -> Certified {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Certified {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A client that trusts it, speaks these protocols, and may have a certificate.
    pub fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
        own: Option<&Certified>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![chain], key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// A peer that speaks TLS.
pub type Peer<S = TcpStream> = StreamOwned<ClientConnection, S>;

/// A peer that asks for a name; its handshake has not begun.
pub fn peer<S: Read + Write>(config: &Arc<ClientConfig>, name: &'static str, stream: S) -> Peer<S> {
    let name = ServerName::try_from(name).unwrap();
    let connection = ClientConnection::new(config.clone(), name).unwrap();
    StreamOwned::new(connection, stream)
}

/// The other side, for what a server dials: it has this certificate, and its handshake has not begun.
pub fn server_peer<S: Read + Write>(
    own: &Certified,
    stream: S,
) -> StreamOwned<ServerConnection, S> {
    let chain = CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    let config = builder.with_single_cert(vec![chain], key).unwrap();
    let connection = ServerConnection::new(Arc::new(config)).unwrap();
    StreamOwned::new(connection, stream)
}

/// Sends bytes, and gets the same.
pub fn echoed<S: Read + Write>(peer: &mut Peer<S>, bytes: &[u8]) {
    peer.write_all(bytes).unwrap();
    peer.flush().unwrap();
    let mut received = vec![0; bytes.len()];
    peer.read_exact(&mut received).unwrap();
    assert!(received == bytes, "other bytes than were sent");
}

/// A stream to which each byte goes by itself.
pub struct ByByte(pub TcpStream);

impl Read for ByByte {
    fn read(&mut self, memory: &mut [u8]) -> io::Result<usize> {
        self.0.read(memory)
    }
}

impl Write for ByByte {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..1])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
