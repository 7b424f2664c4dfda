//! axum 0.8 on tokio's multi-thread runtime, after axum's example `hello-world` and the documentation of `axum::serve`.
//!
//! Over TLS it is served after axum's example `low-level-rustls`, since `axum::serve` has none.
//!
//! As with `#[tokio::main]`, the main thread accepts, next to the N workers that serve. What is special: handlers that block or
//! compute do so as they are written, or by one of the two remedies that tokio's documentation gives.

mod remedy;
mod routes;
mod tls;

use std::{io, net, num::NonZeroUsize, path::PathBuf, process::ExitCode};

use axum::{
    Router,
    extract::ws::{WebSocket, WebSocketUpgrade},
    serve::ListenerExt,
};
use clap::Parser;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Builder,
};
use tokio_rustls::TlsAcceptor;

use remedy::Remedy;

/// axum on tokio, which Wharf is measured against
#[derive(Debug, Parser)]
struct Arguments {
    /// Address and port to listen on; port 0 is any free one
    #[arg(long, value_name = "ADDRESS")]
    listen: net::SocketAddr,

    /// Workers that serve
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,

    /// How handlers block and compute
    #[arg(long, value_enum, default_value_t = Remedy::None)]
    remedy: Remedy,

    /// The chain of certificates, to serve over TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Its key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

fn main() -> ExitCode {
    peer_common::run(|arguments: Arguments| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(arguments.threads.get())
            .enable_all()
            .build()?;
        let files = arguments.tls_cert.zip(arguments.tls_key);
        let acceptor = files.map(|(cert, key)| tls::acceptor(&cert, &key, &["h2", "http/1.1"]));
        let acceptor = acceptor.transpose()?;
        let listener = peer_common::listen(arguments.listen)?;
        runtime.block_on(serve(listener, acceptor, routes::router(arguments.remedy)))
    })
}

async fn serve(
    listener: net::TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    match acceptor {
        Some(acceptor) => tls::serve(listener, acceptor, router).await,
        None => axum::serve(listener.tap_io(set_nodelay), router).await,
    }
}

fn set_nodelay(stream: &mut TcpStream) {
    // A client that has gone again already is found out by the first read.
    let _ = stream.set_nodelay(true);
}
