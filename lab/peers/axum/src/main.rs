//! axum 0.8 on tokio's multi-thread runtime, after axum's example `hello-world` and the documentation of `axum::serve`.
//!
//! As with `#[tokio::main]`, the main thread accepts, next to the N workers that serve. What is special: handlers that block or
//! compute do so as they are written, or by one of the two remedies that tokio's documentation gives.

mod routes;

use std::{io, net, num::NonZeroUsize, process::ExitCode};

use axum::serve::ListenerExt;
use clap::Parser;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Builder,
};

use routes::Remedy;

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
}

fn main() -> ExitCode {
    peer_common::run(|arguments: Arguments| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(arguments.threads.get())
            .enable_all()
            .build()?;
        let listener = peer_common::listen(arguments.listen)?;
        runtime.block_on(serve(listener, arguments.remedy))
    })
}

async fn serve(listener: net::TcpListener, remedy: Remedy) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?.tap_io(set_nodelay);
    axum::serve(listener, routes::router(remedy)).await
}

fn set_nodelay(stream: &mut TcpStream) {
    // A client that has gone again already is found out by the first read.
    let _ = stream.set_nodelay(true);
}
