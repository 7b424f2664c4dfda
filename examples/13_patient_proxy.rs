//! A TCP proxy on the toolkit, whose clients wait while the server behind it is started again: each client that comes has a
//! connection dialled for it, with retries, and the bytes of one go to the other. The handler is in `patient.rs`.
//!
//! To be read beside the proxy on the bare port (`4_proxy.rs`), which needs a quarter of the memory for a session, and does not retry.
//!
//! `cargo run -p wharf-examples --example patient_proxy -- --listen 127.0.0.1:21013 --target 127.0.0.1:21001`, which are the defaults.
//! A line on its standard input, or the end of it, stops it.

use std::{error::Error, time::Duration};

use wharf_examples::patient::Proxy;
use wharf_server::{Dial, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let listen = wharf_examples::address("--listen", "127.0.0.1:21013")?;
    let target = wharf_examples::address("--target", "127.0.0.1:21001")?;
    // Some ten seconds of attempts.
    let dial = Dial::to(target)?
        .attempts(20)
        .backoff(Duration::from_millis(20), Duration::from_secs(1));
    let server = Server::builder()
        .listen(listen.into())
        .clients_max(1_000)
        .dials_max(1_000)
        .start(Proxy { dial })?;
    wharf_examples::run(server);
    Ok(())
}
