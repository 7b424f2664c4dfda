//! axum on Wharf: handlers that block or compute as they like, and nothing is marked.
//!
//! `cargo run -p wharf-examples --example axum`, then `curl http://127.0.0.1:21011/hello`. While `/sleep/1000` blocks a thread for a
//! second, all the others are served; so are they while a thousand such requests do, if `--threads` has room for them. A line on its
//! standard input, or the end of it, stops it in order.

use std::{
    error::Error,
    hint, io,
    num::ParseIntError,
    ops::RangeInclusive,
    thread,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path},
    http::StatusCode,
    routing::{get, post},
};
use clap::Parser;
use wharf::DriverChoice;
use wharf_async::{Runtime, net::TcpListener};

/// No handler blocks or computes for longer, and no answer is larger.
const MS_MAX: u64 = 60_000;
const BYTES_MAX: usize = 64 << 20;

#[derive(Parser)]
struct Arguments {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:21011")]
    listen: String,

    /// How many threads, and up to how many while handlers block, as 2..=64
    #[arg(long, default_value = "2..=64", value_parser = range)]
    threads: RangeInclusive<usize>,

    /// The most threads that run at once; 0 is as many as there are processors
    #[arg(long, default_value = "0")]
    concurrency: usize,

    /// readiness or uring [default: the best that the kernel allows]
    #[arg(long, value_parser = driver)]
    driver: Option<DriverChoice>,
}

/// A range of numbers of threads, or one number.
fn range(text: &str) -> Result<RangeInclusive<usize>, String> {
    let wrong = |_: ParseIntError| format!("`{text}` is no range of threads, as 2..=64");
    let (min, max) = text.split_once("..=").unwrap_or((text, text));
    let range = min.parse().map_err(wrong)?..=max.parse().map_err(wrong)?;
    match range.start() {
        0 => Err("there must be a thread: 1..=64, say".into()),
        _ if range.is_empty() => Err(format!("`{text}` has more threads at first than at most")),
        _ => Ok(range),
    }
}

fn driver(text: &str) -> Result<DriverChoice, String> {
    match text {
        "readiness" => Ok(DriverChoice::Readiness),
        "uring" => Ok(DriverChoice::Uring),
        _ => Err(format!("`{text}` is no driver: readiness or uring")),
    }
}

fn within<T: PartialOrd>(asked: T, max: T) -> Result<T, StatusCode> {
    match asked <= max {
        true => Ok(asked),
        false => Err(StatusCode::BAD_REQUEST),
    }
}

/// Blocks its thread, as a database's driver does.
async fn sleep(Path(ms): Path<u64>) -> Result<String, StatusCode> {
    thread::sleep(Duration::from_millis(within(ms, MS_MAX)?));
    Ok(format!("slept for {ms} ms"))
}

/// Computes.
async fn spin(Path(ms): Path<u64>) -> Result<String, StatusCode> {
    let end = Instant::now() + Duration::from_millis(within(ms, MS_MAX)?);
    while Instant::now() < end {
        hint::spin_loop();
    }
    Ok(format!("computed for {ms} ms"))
}

async fn bytes(Path(len): Path<usize>) -> Result<Vec<u8>, StatusCode> {
    Ok(vec![b'w'; within(len, BYTES_MAX)?])
}

fn router() -> Router {
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/sleep/{ms}", get(sleep))
        .route("/spin/{ms}", get(spin))
        .route("/bytes/{len}", get(bytes))
        // As it comes, piece by piece.
        .route("/echo", post(|body: Body| async { body }))
        .route(
            "/count",
            post(|body: Bytes| async move { body.len().to_string() }),
        )
        .layer(DefaultBodyLimit::max(BYTES_MAX))
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let runtime = Runtime::builder()
        .concurrency(arguments.concurrency)
        .threads(arguments.threads)
        .driver(arguments.driver.unwrap_or_default())
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(arguments.listen).await?;
        println!("listening on {}", listener.local_addr());
        let stop = async {
            // It blocks its thread for as long as the server runs.
            let line = wharf_async::spawn(async { io::stdin().read_line(&mut String::new()) });
            let _ = line.await;
        };
        wharf_axum::serve(listener, router())
            .with_graceful_shutdown(stop)
            .await
    })?;
    let report = runtime.stop(Duration::from_secs(10));
    println!("stopped; {} tasks left", report.tasks_left.len());
    Ok(())
}
