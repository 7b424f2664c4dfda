//! A server's side of TLS: who it is, and what it asks of its clients.

use std::{
    fmt, mem,
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::DnsName,
    server::{
        ClientHello, NoClientAuth, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier,
        danger::ClientCertVerifier,
    },
    sign::CertifiedKey,
};

use crate::{Error, Identity, Pem};

/// Whether clients have to show certificates.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// They are not asked for.
    #[default]
    None,
    /// They are asked for; one that is shown has to be vouched for by these roots.
    Optional(Pem),
    /// A client without one that these roots vouch for is refused.
    Required(Pem),
}

/// What a server's configuration is read from, each time anew.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Who it is for those that give no name, or one that is not among the others.
    pub identity: Identity,
    /// Who it is for those that ask for it by these names; `*.` before one stands for one part more.
    pub named: Vec<(String, Identity)>,
    /// What it speaks, the one that it likes best first.
    pub alpn: Vec<Vec<u8>>,
    /// What it asks of its clients.
    pub clients: ClientCertificates,
}

/// A server's configuration, as it was read last.
pub struct Configured {
    recipe: Recipe,
    current: RwLock<Arc<ServerConfig>>,
}

impl Recipe {
    /// A server that is this for all, speaks whatever it is asked for, and asks for no certificates.
    pub fn new(identity: Identity) -> Self {
        Recipe {
            identity,
            named: Vec::new(),
            alpn: Vec::new(),
            clients: ClientCertificates::default(),
        }
    }

    /// Reads everything.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn configure(self) -> Result<Configured, Error> {
        let current = RwLock::new(self.read()?);
        Ok(Configured {
            recipe: self,
            current,
        })
    }

    fn read(&self) -> Result<Arc<ServerConfig>, Error> {
        let other = |error: rustls::Error| Error::Other(error.to_string());
        check_alpn(&self.alpn)?;
        let provider = Arc::new(ring::default_provider());
        let names = self.read_names(&provider)?;
        let verifier = self.read_verifier(&provider)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(other)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(names));
        config.alpn_protocols.clone_from(&self.alpn);
        // Its clients keep what is needed to come again: no memory here, and nothing of it outlives a reload.
        config.ticketer = ring::Ticketer::new().map_err(other)?;
        Ok(Arc::new(config))
    }

    fn read_names(&self, provider: &CryptoProvider) -> Result<Names, Error> {
        let mut names = Names {
            named: Vec::new(),
            otherwise: self.identity.read(provider)?,
        };
        for (name, identity) in &self.named {
            let host = name.strip_prefix("*.").unwrap_or(name);
            DnsName::try_from(host).map_err(|_| Error::Name(name.clone()))?;
            let name = name.to_ascii_lowercase();
            names.named.push((name, identity.read(provider)?));
        }
        Ok(names)
    }

    fn read_verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Error> {
        let wrong = |error: VerifierBuilderError| Error::Other(error.to_string());
        let verifier = |roots: &Pem| {
            let roots = roots.roots()?;
            let provider = provider.clone();
            Ok(WebPkiClientVerifier::builder_with_provider(roots, provider))
        };
        Ok(match &self.clients {
            ClientCertificates::None => Arc::new(NoClientAuth),
            ClientCertificates::Optional(roots) => {
                let builder = verifier(roots)?.allow_unauthenticated();
                builder.build().map_err(wrong)?
            }
            ClientCertificates::Required(roots) => verifier(roots)?.build().map_err(wrong)?,
        })
    }
}

impl Configured {
    /// Reads all files again.
    ///
    /// # Errors
    /// What is wrong with which file; everything is as it was.
    pub fn reload(&self) -> Result<(), Error> {
        let read = self.recipe.read()?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let before = mem::replace(&mut *current, read);
        drop(current);
        drop(before);
        Ok(())
    }

    /// For connections that begin now.
    pub fn config(&self) -> Arc<ServerConfig> {
        let current = self.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Configured {
    /// What it is read from; in what was read are keys.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.recipe.fmt(formatter)
    }
}

/// Finds names that can't be sent.
///
/// # Errors
/// The first of them.
pub fn check_alpn(protocols: &[Vec<u8>]) -> Result<(), Error> {
    let wrong = protocols
        .iter()
        .find(|name| !(1..=255).contains(&name.len()));
    wrong.map_or(Ok(()), |name| Err(Error::Alpn(name.len())))
}

/// Who a server is, by the name that it is asked for by.
#[derive(Debug)]
struct Names {
    /// In small letters.
    named: Vec<(String, Arc<CertifiedKey>)>,
    otherwise: Arc<CertifiedKey>,
}

impl Names {
    fn find(&self, asked: &str) -> Option<&Arc<CertifiedKey>> {
        let asked = asked.to_ascii_lowercase();
        let exact = self.named.iter().find(|(name, _)| *name == asked);
        let under = || {
            let (_, above) = asked.split_once('.')?;
            let is_above = |name: &str| name.strip_prefix("*.") == Some(above);
            self.named.iter().find(|(name, _)| is_above(name))
        };
        exact.or_else(under).map(|(_, key)| key)
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|asked| self.find(asked));
        Some(named.unwrap_or(&self.otherwise).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Identity::new(
            Pem::memory(made.cert.pem()),
            Pem::memory(made.signing_key.serialize_pem()),
        )
    }

    #[test]
    fn a_name_is_found_in_any_letters_and_an_asterisk_stands_for_one_part() {
        let mut recipe = Recipe::new(identity());
        for name in ["*.Example.com", "www.example.com", "example.org"] {
            recipe.named.push((name.to_owned(), identity()));
        }
        let names = recipe.read_names(&ring::default_provider()).unwrap();
        let place = |asked| {
            let found = names.find(asked)?;
            let is_it = |(_, key): &(String, Arc<CertifiedKey>)| Arc::ptr_eq(key, found);
            names.named.iter().position(is_it)
        };
        assert_eq!(place("mail.example.com"), Some(0));
        assert_eq!(place("WWW.Example.com"), Some(1));
        assert_eq!(place("example.org"), Some(2));
        for other in ["example.com", "a.mail.example.com", "www.example.org", ""] {
            assert_eq!(place(other), None, "{other}");
        }
    }

    #[test]
    fn what_can_not_be_is_said_before_anything_is_served() {
        let with = |change: fn(&mut Recipe)| {
            let mut recipe = Recipe::new(identity());
            change(&mut recipe);
            recipe.configure().map(drop)
        };
        let long = with(|recipe| recipe.alpn = vec![vec![b'h'; 255], vec![b'h'; 256]]);
        assert!(matches!(long, Err(Error::Alpn(256))), "{long:?}");
        let named = with(|recipe| recipe.named = vec![("*.a.*".to_owned(), identity())]);
        assert!(matches!(&named, Err(Error::Name(name)) if name == "*.a.*"));
        let keyless = with(|recipe| {
            let roots = Pem::memory("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
            recipe.clients = ClientCertificates::Required(roots);
        });
        assert!(
            matches!(keyless, Err(Error::Certificate { .. })),
            "{keyless:?}"
        );
    }
}
