//! axum 0.8 on Wharf, after the documentation of `wharf-axum`: the other side of `peer-axum`, whose routes it has, from the same file. It
//! is no peer, but one of what is measured.

#[path = "../../axum/src/routes.rs"]
mod routes;

use std::{io, net::SocketAddr, ops::RangeInclusive, path::PathBuf, process::ExitCode};

use clap::Parser;
use wharf::DriverChoice;
use wharf_async::{Runtime, net::TcpListener};
use wharf_axum::{
    tls,
    ws::{WebSocket, WebSocketUpgrade},
};

/// axum on Wharf
#[derive(Debug, Parser)]
struct Arguments {
    /// Address and port to listen on; port 0 is any free one
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,

    /// Threads that serve, and how many there may be while handlers block
    #[arg(long, value_name = "MIN..=MAX", default_value = "1..=64", value_parser = range)]
    threads: RangeInclusive<usize>,

    /// The most threads that run at once
    #[arg(long, value_name = "N", default_value = "1")]
    concurrency: usize,

    /// readiness or uring
    #[arg(long, value_parser = driver)]
    driver: DriverChoice,

    /// The chain of certificates, to serve over TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Its key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// No handler needs one.
#[derive(Debug, Clone, Copy)]
struct Remedy;

impl Remedy {
    async fn run(self, work: impl FnOnce() + Send + 'static) {
        work();
    }
}

/// What is wrong with it is the runtime's to say.
fn range(text: &str) -> Result<RangeInclusive<usize>, String> {
    let ends = text.split_once("..=");
    let ends = ends.and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)));
    let (min, max) = ends.ok_or_else(|| format!("`{text}` is no range, as 1..=64 is"))?;
    Ok(min..=max)
}

fn driver(text: &str) -> Result<DriverChoice, String> {
    match text {
        "readiness" => Ok(DriverChoice::Readiness),
        "uring" => Ok(DriverChoice::Uring),
        _ => Err(format!("`{text}` is no driver: readiness or uring")),
    }
}

fn main() -> ExitCode {
    peer_common::run(|arguments: Arguments| {
        let files = arguments.tls_cert.zip(arguments.tls_key);
        let tls = files.map(|(cert, key)| {
            let identity = tls::Identity::files(cert, key);
            tls::Server::builder(identity).build()
        });
        let tls = tls.transpose().map_err(io::Error::other)?;
        let runtime = Runtime::builder()
            .concurrency(arguments.concurrency)
            .threads(arguments.threads)
            .driver(arguments.driver)
            .build()
            .map_err(io::Error::other)?;
        let listener = peer_common::listen(arguments.listen)?;
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener)?;
            let router = routes::router(Remedy);
            match tls {
                Some(tls) => wharf_axum::serve_tls(listener, tls, router).await,
                None => wharf_axum::serve(listener, router).await,
            }
        })
    })
}
