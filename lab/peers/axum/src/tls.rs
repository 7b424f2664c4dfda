//! axum's routers over TLS: tokio-rustls below, and above it what `axum::serve` has too.

#[path = "../../tokio-rustls/src/acceptor.rs"]
mod acceptor;

use std::{io, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

pub use acceptor::acceptor;

const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

pub async fn serve(listener: TcpListener, acceptor: TlsAcceptor, router: Router) -> io::Result<()> {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve_connection(stream, acceptor.clone(), router.clone()));
            }
            Err(error) => sleep(peer_common::pause_after(&error)).await,
        }
    }
}

/// A client's error ends its connection, and nobody waits to hear of it.
async fn serve_connection(stream: TcpStream, acceptor: TlsAcceptor, router: Router) {
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await else {
        return;
    };
    let mut builder = Builder::new(TokioExecutor::new());
    // As `axum::serve` has it, for WebSockets.
    builder.http2().enable_connect_protocol();
    let service = TowerToHyperService::new(router);
    let _ = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}
