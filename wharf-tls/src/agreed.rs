//! What a handshake has agreed on.

use std::fmt;

use rustls::{CommonState, ProtocolVersion};

/// A version of the protocol. Older ones are not spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Version::Tls12 => "TLS 1.2",
            Version::Tls13 => "TLS 1.3",
        })
    }
}

/// What a client and the server have agreed on in their handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreed {
    /// The version.
    pub version: Version,
    /// How what is sent is sealed, by its name in the standard.
    pub cipher_suite: String,
    /// The protocol that both speak (ALPN), if they have agreed on one.
    pub alpn: Option<Vec<u8>>,
    /// The name by which the peer has asked for the server (SNI); none where the peer was dialled.
    pub server_name: Option<String>,
    /// The peer's certificates, each in DER, its own first; they were checked. Empty if it has shown none.
    pub peer_certificates: Vec<Vec<u8>>,
}

impl Agreed {
    /// None before the handshake is done. The name is not among what both sides of a connection have, so it is given.
    #[doc(hidden)]
    pub fn of(state: &CommonState, server_name: Option<String>) -> Option<Self> {
        let version = match state.protocol_version()? {
            ProtocolVersion::TLSv1_2 => Version::Tls12,
            _ => Version::Tls13,
        };
        let suite = state.negotiated_cipher_suite()?.suite();
        let certificates = state.peer_certificates().unwrap_or_default();
        Some(Agreed {
            version,
            cipher_suite: suite.as_str().unwrap_or("unknown").to_owned(),
            alpn: state.alpn_protocol().map(<[u8]>::to_vec),
            server_name,
            peer_certificates: certificates.iter().map(|it| it.to_vec()).collect(),
        })
    }
}
