//! Serves axum's routers on [`wharf_async`]: HTTP/1 and HTTP/2 on a completion port, where handlers may block.
//!
//! The router, the handlers, the extractors and the layers are the same as on tokio. [`serve`](serve()) takes the place of `axum::serve`.
//!
//! ```
//! use std::time::Duration;
//! use axum::{Router, extract::Path, routing::get};
//! use wharf_async::{Runtime, net::TcpListener};
//!
//! # fn main() -> std::io::Result<()> {
//! let app = Router::new()
//!     .route("/hello", get(|| async { "hello" }))
//!     // It blocks its thread, as a database's driver would. Another worker goes on.
//!     .route("/sleep/{ms}", get(|Path(ms): Path<u64>| async move {
//!         std::thread::sleep(Duration::from_millis(ms));
//!     }));
//! let runtime = Runtime::new()?;
//! runtime.block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let stop = async { wharf_async::time::sleep(Duration::from_millis(10)).await };
//!     wharf_axum::serve(listener, app).with_graceful_shutdown(stop).await
//! })
//! # }
//! ```
//!
//! # What needs tokio's runtime
//!
//! Handlers and layers run on `wharf-async`. Those that ask for tokio's runtime panic ("there is no reactor running"): tower-http's
//! `TimeoutLayer`, axum's WebSockets and the keep-alive of its server-sent events among them. The manual of `wharf-async`,
//! [from tokio](wharf_async::manual::from_tokio), lists what works, and shows how a runtime of tokio's beside this one makes the
//! rest work.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod connection;
mod make;
mod prefixed;
mod serve;
mod stall;

pub use make::{Accepted, MakeService};
pub use serve::{Serve, serve};

/// The package's README: its program is compiled like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
