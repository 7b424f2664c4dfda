//! Why TLS can't be set up.

use std::{fmt, io, path::PathBuf};

/// Why TLS can't be set up: with which file, or memory, it is, and what would do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file can't be read.
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is no PEM.
    Pem {
        /// The file, or which memory.
        from: String,
        /// What is wrong with it.
        wrong: String,
    },
    /// There is no certificate in it.
    NoCertificate {
        /// The file, or which memory.
        from: String,
    },
    /// There is no private key in it.
    NoKey {
        /// The file, or which memory.
        from: String,
    },
    /// A certificate can't be used.
    Certificate {
        /// The file, or which memory.
        from: String,
        /// What is wrong with it.
        wrong: String,
    },
    /// A private key can't be used.
    Key {
        /// The file, or which memory.
        from: String,
        /// What is wrong with it.
        wrong: String,
    },
    /// A private key is not that of the certificate.
    Mismatch {
        /// Where the certificate is from.
        certificate: String,
        /// Where the key is from.
        key: String,
    },
    /// It is no name of a host.
    Name(String),
    /// A protocol's name for ALPN has to have 1 to 255 bytes, and this has so many.
    Alpn(usize),
    /// It is the name (ALPN) of no protocol that `wharf-axum` speaks.
    AlpnNotSpoken(String),
    /// What rustls refuses besides.
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Read { file, error } => {
                write!(formatter, "{} can't be read: {error}", file.display())
            }
            Error::Pem { from, wrong } => write!(
                formatter,
                "{from} is no PEM: {wrong}; use a file that begins with -----BEGIN ...-----"
            ),
            Error::NoCertificate { from } => write!(
                formatter,
                "there is no certificate in {from}; it needs a section -----BEGIN CERTIFICATE-----"
            ),
            Error::NoKey { from } => write!(
                formatter,
                "there is no private key in {from}; it needs a section -----BEGIN PRIVATE KEY-----, which is not encrypted"
            ),
            Error::Certificate { from, wrong } => {
                write!(
                    formatter,
                    "the certificate in {from} can't be used: {wrong}"
                )
            }
            Error::Key { from, wrong } => write!(
                formatter,
                "the private key in {from} can't be used: {wrong}; use one of RSA (2,048 bits or more), ECDSA or Ed25519"
            ),
            Error::Mismatch { certificate, key } => write!(
                formatter,
                "the private key in {key} is not that of the first certificate in {certificate}; use those that belong together"
            ),
            Error::Name(name) => write!(
                formatter,
                "`{name}` is no name of a host; write example.com, *.example.com for a server's, or an IP address for a client's"
            ),
            Error::Alpn(bytes) => write!(
                formatter,
                "a protocol's name for ALPN has {bytes} bytes; use 1 to 255"
            ),
            Error::AlpnNotSpoken(name) => write!(
                formatter,
                "the protocol `{name}` is not spoken here; offer h2, http/1.1 or both (ALPN)"
            ),
            Error::Other(wrong) => formatter.write_str(wrong),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Read { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<Error> for io::Error {
    /// With the error's text, and of the system's kind where a file can't be read.
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Read { error, .. } => error.kind(),
            _ => io::ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}
