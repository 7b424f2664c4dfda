//! Certificates and keys, from PEM.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, InconsistentKeys, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};

use crate::Error;

/// PEM, in a file or in memory. A file is read each time when it is needed: at the start, and when a server reloads.
#[derive(Clone)]
pub struct Pem(Source);

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Memory(Arc<[u8]>),
}

impl Pem {
    /// A file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Pem(Source::File(path.into()))
    }

    /// What such a file would hold.
    pub fn memory(pem: impl AsRef<[u8]>) -> Self {
        Pem(Source::Memory(pem.as_ref().into()))
    }

    /// In a word or two: its file.
    fn name(&self) -> String {
        match &self.0 {
            Source::File(file) => file.display().to_string(),
            Source::Memory(_) => "the PEM that was given".to_owned(),
        }
    }

    fn read(&self) -> Result<Vec<u8>, Error> {
        match &self.0 {
            Source::File(file) => fs::read(file).map_err(|error| Error::Read {
                file: file.clone(),
                error,
            }),
            Source::Memory(pem) => Ok(pem.to_vec()),
        }
    }

    /// All certificates; at least one.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let pem = self.read()?;
        let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.map_err(|error| self.wrong(&error))?;
        match certificates.is_empty() {
            true => Err(Error::NoCertificate { from: self.name() }),
            false => Ok(certificates),
        }
    }

    /// The first private key.
    fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        match PrivateKeyDer::from_pem_slice(&self.read()?) {
            Ok(key) => Ok(key),
            Err(pem::Error::NoItemsFound) => Err(Error::NoKey { from: self.name() }),
            Err(error) => Err(self.wrong(&error)),
        }
    }

    /// All certificates, as those that are trusted.
    ///
    /// # Errors
    /// What is wrong with them.
    #[doc(hidden)]
    pub fn roots(&self) -> Result<Arc<RootCertStore>, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots
                .add(certificate)
                .map_err(|error| self.unusable(&error))?;
        }
        Ok(Arc::new(roots))
    }

    fn wrong(&self, error: &pem::Error) -> Error {
        Error::Pem {
            from: self.name(),
            wrong: error.to_string(),
        }
    }

    fn unusable(&self, error: &rustls::Error) -> Error {
        Error::Certificate {
            from: self.name(),
            wrong: error.to_string(),
        }
    }
}

impl fmt::Debug for Pem {
    /// Without what is in it, which may be a private key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Pem").field(&self.name()).finish()
    }
}

impl From<&Path> for Pem {
    fn from(path: &Path) -> Self {
        Pem::file(path)
    }
}

/// Who a server, or a client, is: its certificate, with those that vouch for it, and its private key.
#[derive(Debug, Clone)]
pub struct Identity {
    chain: Pem,
    key: Pem,
}

impl Identity {
    /// The chain begins with its own certificate; the root may be left out. Both may be the same.
    pub fn new(chain: Pem, key: Pem) -> Self {
        Identity { chain, key }
    }

    /// Files of PEM.
    pub fn files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Identity::new(Pem::file(chain), Pem::file(key))
    }

    /// Reads it, and finds what can't work.
    ///
    /// # Errors
    /// What is wrong with which file.
    #[doc(hidden)]
    pub fn read(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Error> {
        let (chain, key) = (self.chain.certificates()?, self.key.key()?);
        match CertifiedKey::from_der(chain, key, provider) {
            Ok(read) => Ok(Arc::new(read)),
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err(Error::Mismatch {
                    certificate: self.chain.name(),
                    key: self.key.name(),
                })
            }
            Err(error @ rustls::Error::InvalidCertificate(CertificateError::BadEncoding)) => {
                Err(self.chain.unusable(&error))
            }
            Err(error) => Err(Error::Key {
                from: self.key.name(),
                wrong: error.to_string(),
            }),
        }
    }
}
