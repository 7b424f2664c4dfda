//! axum behind TLS, over HTTP/1.1 and HTTP/2, with certificates that are read again at SIGHUP: what certbot's hook sends after a renewal.
//!
//! `cargo run -p wharf-examples-web --example axum_tls -- --listen 127.0.0.1:21018`, which is the default. `TLS_CERT` and `TLS_KEY` name
//! its files of PEM, both or neither; without them it makes a certificate, and prints that to standard error. A line on its standard
//! input, or the end of it, stops it.

use std::{env, error::Error, sync::Arc};

use axum::{Extension, Router, routing::get};
use wharf_async::{Runtime, net::TcpListener};
use wharf_axum::tls;

/// Who it is: by its files, or by a certificate that is made.
fn identity() -> Result<tls::Identity, Box<dyn Error>> {
    match (env::var_os("TLS_CERT"), env::var_os("TLS_KEY")) {
        (Some(chain), Some(key)) => return Ok(tls::Identity::files(chain, key)),
        (Some(_), None) => {
            return Err("TLS_CERT is set and TLS_KEY is not: name the key's file, too".into());
        }
        (None, Some(_)) => {
            return Err(
                "TLS_KEY is set and TLS_CERT is not: name the certificates' file, too".into(),
            );
        }
        (None, None) => {}
    }
    let (chain, key) = wharf_examples::self_signed()?;
    eprint!("{chain}");
    Ok(tls::Identity::new(
        tls::Pem::memory(chain),
        tls::Pem::memory(key),
    ))
}

/// Takes new certificates from the files whenever the signal comes, from now on.
#[cfg(unix)]
fn reload_at_sighup(tls: tls::Server) -> std::io::Result<()> {
    use wharf_async::signal::unix::{SignalKind, signal};

    let mut hangups = signal(SignalKind::hangup())?;
    let reload = async move {
        while hangups.recv().await.is_some() {
            match tls.reload() {
                Ok(()) => eprintln!("the certificates are new"),
                Err(error) => eprintln!("the certificates stay as they are: {error}"),
            }
        }
    };
    wharf_async::spawn(reload).detach();
    Ok(())
}

fn router() -> Router {
    let agreed = |Extension(agreed): Extension<Arc<tls::Agreed>>| async move {
        let alpn = agreed.alpn.as_deref().unwrap_or_default();
        let alpn = String::from_utf8_lossy(alpn);
        format!("{}, {}, {alpn}\n", agreed.version, agreed.cipher_suite)
    };
    Router::new().route("/", get(agreed))
}

fn main() -> Result<(), Box<dyn Error>> {
    let listen = wharf_examples::address("--listen", "127.0.0.1:21018")?;
    let tls = tls::Server::builder(identity()?).build()?;
    Runtime::new()?.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        #[cfg(unix)]
        reload_at_sighup(tls.clone())?;
        println!("listening on {}", listener.local_addr());
        wharf_axum::serve_tls(listener, tls, router())
            .with_graceful_shutdown(wharf_examples_web::stopped())
            .await
    })?;
    println!("stopped");
    Ok(())
}
