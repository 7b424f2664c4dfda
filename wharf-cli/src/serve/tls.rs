//! TLS of `serve`, from its options to what it tells at a reload.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use wharf_server::{
    Settings,
    tls::{ClientCertificates, Error, Identity, Pem, Server},
};

use super::duration;

// As the others of `serve`. The group would have the name of theirs.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Arguments {
    /// Speak TLS (1.2 and 1.3) with this certificate: a file of PEM, the server's own first, then those that vouch for it
    ///
    /// On Unix, the signal SIGHUP has this file and the others of TLS read again: clients that come from then on get what is in them. If
    /// one of them is wrong, the log says so, and everything stays as it was. --health has no TLS.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// With --tls-cert: its private key, a file of PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// With --tls-cert: refuse clients without a certificate that one of those in this file vouches for
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,

    /// With --tls-cert: a protocol that clients may ask for (ALPN), such as echo [default: any]
    ///
    /// May be given several times, the best first. A client that asks for others only is refused.
    #[arg(long, value_name = "NAME", requires = "tls_cert")]
    tls_alpn: Vec<String>,

    /// With --tls-cert: close a client whose handshake is not done after this long [default: 10s]
    ///
    /// However it comes, and up to half of the time later.
    #[arg(long, value_name = "DURATION", requires = "tls_cert", value_parser = duration)]
    tls_handshake_timeout: Option<Duration>,

    /// With --tls-cert: most handshakes under way; above that, the oldest ends for each newer one [default: 1000]
    #[arg(long, value_name = "N", requires = "tls_cert", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    max_handshakes: Option<u32>,
}

impl Arguments {
    /// What the parser can't see.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |name: &&String| !(1..=255).contains(&name.len());
        match self.tls_alpn.iter().find(wrong) {
            Some(name) => Err(format!(
                "--tls-alpn has a name of {} bytes; use 1 to 255",
                name.len()
            )),
            None => Ok(()),
        }
    }

    pub fn add_to(&self, settings: &mut Settings) {
        if let Some(timeout) = self.tls_handshake_timeout {
            settings.tls_handshake_timeout = timeout;
        }
        if let Some(most) = self.max_handshakes {
            settings.handshakes_at_most = most as usize;
        }
    }

    /// The server's side of TLS, if there is to be one.
    pub fn server(&self) -> Result<Option<Server>, Error> {
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Ok(None);
        };
        let clients = match &self.tls_client_ca {
            Some(roots) => ClientCertificates::Required(Pem::file(roots)),
            None => ClientCertificates::None,
        };
        let builder = Server::builder(Identity::files(certificate, key))
            .alpn(self.tls_alpn.iter().map(String::as_bytes))
            .client_certificates(clients);
        builder.build().map(Some)
    }
}

/// Reads the files again, and says what came of it.
#[cfg(unix)]
pub fn reload(server: &Server) {
    match server.reload() {
        Ok(()) => tracing::info!("SIGHUP: the files of TLS were read again"),
        Err(error) => {
            tracing::error!("SIGHUP: {error}; the certificates stay as they were");
        }
    }
}
