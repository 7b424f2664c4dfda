//! An echo over TLS on tokio 1.54 and tokio-rustls 0.26, after the latter's documentation (`TlsAcceptor`) and its example of a server.
//!
//! As `peer-tokio`: `pool` is the multi-thread runtime with N workers, beside the main thread, which accepts; `one` is the
//! current-thread runtime. A handshake has ten seconds.

mod acceptor;

use std::{io, net, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};
use peer_common::{App, BUFFER_BYTES};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use acceptor::acceptor;

const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    common: peer_common::Arguments,

    /// How the work is spread over threads
    #[arg(long, value_enum, default_value_t = Flavour::Pool)]
    flavour: Flavour,

    /// The chain of certificates
    #[arg(long, value_name = "FILE")]
    tls_cert: PathBuf,

    /// Its key
    #[arg(long, value_name = "FILE")]
    tls_key: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Flavour {
    /// The multi-thread runtime, with N workers
    Pool,
    /// The current-thread runtime
    One,
}

fn main() -> ExitCode {
    peer_common::run(|arguments: Arguments| {
        let threads = arguments.common.threads.get();
        if arguments.common.app != App::Echo {
            peer_common::refuse::<Arguments>("over TLS there is no other --app than echo");
        }
        let mut builder = match arguments.flavour {
            Flavour::One if threads > 1 => {
                peer_common::refuse::<Arguments>("--flavour one has one thread: no other --threads")
            }
            Flavour::One => Builder::new_current_thread(),
            Flavour::Pool => Builder::new_multi_thread(),
        };
        let acceptor = acceptor(&arguments.tls_cert, &arguments.tls_key, &[])?;
        // The current-thread runtime does not look at this.
        let runtime = builder.worker_threads(threads).enable_all().build()?;
        let listener = peer_common::listen(arguments.common.listen)?;
        runtime.block_on(accept(listener, acceptor))
    })
}

async fn accept(listener: net::TcpListener, acceptor: TlsAcceptor) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            // A client's error ends its connection, and nobody waits to hear of it.
            Ok((stream, _)) => drop(tokio::spawn(echo(stream, acceptor.clone()))),
            Err(error) => sleep(peer_common::pause_after(&error)).await,
        }
    }
}

async fn echo(stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await??;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return stream.shutdown().await;
        }
        stream.write_all(&buffer[..count]).await?;
        stream.flush().await?;
    }
}
