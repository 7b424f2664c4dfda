//! What is served on tokio, and by `peers/wharf-axum`, which is built with this file. Wharf's example `axum`, of rows 13 to 19, has a copy of
//! its own, without WebSockets. What a handler does has to be the same there and here (where a body's memory comes from, whether it is read
//! whole), or it is the handlers that the lab compares.
//!
//! What differs is of each `main.rs`: `Remedy`, and where `WebSocketUpgrade` is from.
//!
//! | route | answer |
//! |---|---|
//! | `GET /hello` | `hello` |
//! | `GET /sleep/{ms}` | `slept`, once the thread has been blocked for so long |
//! | `GET /spin/{ms}` | `spun`, once so much processor time was used |
//! | `POST /echo` | the body, piece by piece as it comes |
//! | `GET /bytes/{n}` | so many bytes |
//! | `POST /count` | how many bytes the body has |
//! | `GET /ws` | a WebSocket, which sends back each message |

use std::{fmt, thread, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path},
    http::StatusCode,
    response::Response,
    routing::{any, get, post},
};
use peer_common::work::Request;

use crate::{Remedy, WebSocket, WebSocketUpgrade};

/// No handler may block or compute for longer: a mistake would hold a thread for days.
const SERVICE_MS_MAX: u64 = 60_000;

/// No body is longer.
const BYTES_MAX: usize = 64 << 20;

/// A request that can't be served, and why.
type Refusal = (StatusCode, String);

pub fn router(remedy: Remedy) -> Router {
    let sleep = async move |Path(ms): Path<u64>| {
        let service = service(ms)?;
        remedy.run(move || thread::sleep(service)).await;
        Ok::<_, Refusal>("slept")
    };
    let spin = async move |Path(ms): Path<u64>| {
        let service = service(ms)?;
        remedy.run(move || Request::Spin(service).serve()).await;
        Ok::<_, Refusal>("spun")
    };
    Router::new()
        .route("/hello", get(async || "hello"))
        .route("/sleep/{ms}", get(sleep))
        .route("/spin/{ms}", get(spin))
        .route("/echo", post(async |body: Body| body))
        .route("/bytes/{n}", get(bytes))
        .route("/count", post(async |body: Bytes| body.len().to_string()))
        .route(
            "/ws",
            any(async |upgrade: WebSocketUpgrade| web_socket(upgrade)),
        )
        .layer(DefaultBodyLimit::max(BYTES_MAX))
}

fn web_socket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(echo)
}

/// Until the client ends it, or fails.
async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn bytes(Path(count): Path<usize>) -> Result<Vec<u8>, Refusal> {
    if count > BYTES_MAX {
        return Err(too_much(count, "bytes", BYTES_MAX));
    }
    Ok(vec![b'x'; count])
}

fn service(ms: u64) -> Result<Duration, Refusal> {
    if ms > SERVICE_MS_MAX {
        return Err(too_much(ms, "ms", SERVICE_MS_MAX));
    }
    Ok(Duration::from_millis(ms))
}

fn too_much<N: fmt::Display>(asked: N, unit: &str, most: N) -> Refusal {
    let message = format!("{asked} {unit} are too many: there may be {most}\n");
    (StatusCode::BAD_REQUEST, message)
}
