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
//! # What is here
//!
//! - [`serve`](serve()), with several listeners ([`Serve::and`]), a graceful stop, time-outs for clients that are silent or take nothing, and
//!   `ConnectInfo`. [`Listener`] is the trait for a program's own kind of listener.
//! - `serve_tls` and the module `tls`, with the feature `tls`.
//! - `ws`, with the feature of that name: WebSockets whose sessions may block.
//! - [`sse`]: a keep-alive for server-sent events.
//! - tonic's services, as they are: `serve` takes what `tonic::service::Routes::into_axum_router` makes.
//!
//! # Limits
//!
//! The limits are for clients that mean harm or are gone; each has a default, which its method of [`Serve`] names. There are time-outs for a
//! [head](Serve::header_timeout), a [body](Serve::body_timeout) and [an answer that is not taken](Serve::stall_timeout), and limits on the
//! [connections](Serve::connections_at_most) and the [requests of one connection](Serve::requests_at_most). Handlers have no time-out.
//! tower-http's `TimeoutLayer` gives them one, which ends a handler that waits at an await; nothing can end a handler while it blocks.
//!
//! A handler that blocks holds a thread for as long. When as many handlers block as the runtime may have threads
//! ([`Builder::threads`](wharf_async::Builder::threads)), no request is served, and one client of HTTP/2 may start a hundred of them on each
//! of its connections. Allow more threads than a client can hold, or bound such a handler by tower's `ConcurrencyLimitLayer`, with
//! `LoadShedLayer` to refuse what is beyond: a request that waits for its turn holds no thread.
//!
//! # What needs tokio's runtime
//!
//! Handlers and layers run on `wharf-async`. Those that ask for tokio's runtime, such as tower-http's `TimeoutLayer` and the keep-alive of
//! axum's server-sent events, panic ("there is no reactor running") unless `wharf-async` has its feature `tokio`. Tasks that such a
//! crate *spawns* by tokio run on one thread beside the workers, where they must not block. The manual of `wharf-async`,
//! [from tokio](wharf_async::manual::from_tokio), lists what works.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod answer;
mod answering;
mod connection;
mod frames;
mod front;
mod leaving;
mod listener;
mod make;
mod patience;
mod prefixed;
mod request_body;
mod room;
mod serve;
pub mod sse;
mod stall;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "ws")]
pub mod ws;

pub use listener::{Listener, Stream};
pub use make::{Accepted, MakeService};
#[cfg(feature = "tls")]
pub use serve::serve_tls;
pub use serve::{Serve, serve};

/// The package's README: its program is compiled like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
