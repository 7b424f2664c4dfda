//! A proxy that ends TLS: its clients speak TLS with it, and it speaks plain TCP with the server behind it, as the patient proxy does. The
//! handler is that one's (`patient.rs`).
//!
//! `cargo run -p wharf-examples --example tls_proxy -- --listen 127.0.0.1:21016 --target 127.0.0.1:21001`, which are the defaults. Its
//! certificate is as that of the server before it (`15_tls_echo.rs`). A line on its standard input, or the end of it, stops it.

use std::{error::Error, time::Duration};

use wharf_examples::patient::Proxy;
use wharf_server::{Dial, Server, tls};

fn main() -> Result<(), Box<dyn Error>> {
    let listen = wharf_examples::address("--listen", "127.0.0.1:21016")?;
    let target = wharf_examples::address("--target", "127.0.0.1:21001")?;
    let identity = wharf_examples::identity()?;
    let dial = Dial::to(target)?
        .attempts(20)
        .backoff(Duration::from_millis(20), Duration::from_secs(1));
    let server = Server::builder()
        .listen(listen.into())
        .tls(tls::Server::builder(identity).build()?)
        .clients_max(1_000)
        .dials_max(1_000)
        .start(Proxy { dial })?;
    wharf_examples::run(server);
    Ok(())
}
