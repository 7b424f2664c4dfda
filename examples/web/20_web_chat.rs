//! A chat on WebSockets, with its page. What a member says goes to all; one that is too slow misses some, and is told how many.
//!
//! `cargo run -p wharf-examples-web --example web_chat -- --listen 127.0.0.1:21020`, which is the default; then open
//! `http://127.0.0.1:21020/?name=me` in two windows. A line on its standard input, or the end of it, stops it.

use std::error::Error;

use axum::{
    Router,
    extract::{Query, State, ws::Message},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::{any, get},
};
use serde::Deserialize;
use tokio::sync::broadcast::{self, error::RecvError};
use wharf_axum::ws::{WebSocket, WebSocketUpgrade};

const NAME_BYTES_MAX: usize = 32;
const LINE_BYTES_MAX: usize = 4 << 10;
/// A member may be so many lines behind.
const BEHIND_MAX: usize = 256;

/// What is said, to all members.
type Room = broadcast::Sender<String>;

#[derive(Debug, Deserialize)]
struct Member {
    name: String,
}

/// What has no control characters in it, so that no line looks like another member's.
fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

async fn enter(
    upgrade: WebSocketUpgrade,
    Query(Member { name }): Query<Member>,
    State(room): State<Room>,
) -> Response {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !is_plain(&name) {
        let text = format!("a name has 1 to {NAME_BYTES_MAX} bytes, and no control characters");
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    upgrade
        .max_message_size(LINE_BYTES_MAX)
        .on_upgrade(move |socket| take_part(socket, name, room))
}

async fn take_part(mut socket: WebSocket, name: String, room: Room) {
    let mut said = room.subscribe();
    // Nobody hears it where nobody else is there.
    let say = |line: String| drop(room.send(line));
    say(format!("* {name} is here"));
    loop {
        let line = tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) if is_plain(&text) => {
                    say(format!("{name}: {text}"));
                    continue;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                _ => break,
            },
            line = said.recv() => match line {
                Ok(line) => line,
                Err(RecvError::Lagged(lines)) => format!("* you have missed {lines} lines"),
                Err(RecvError::Closed) => break,
            },
        };
        if socket.send(line.into()).await.is_err() {
            break;
        }
    }
    say(format!("* {name} has gone"));
}

fn main() -> Result<(), Box<dyn Error>> {
    let listen = wharf_examples::address("--listen", "127.0.0.1:21020")?;
    let router = Router::new()
        .route("/", get(|| async { Html(include_str!("web_chat.html")) }))
        .route("/chat", any(enter))
        .with_state(broadcast::channel(BEHIND_MAX).0);
    wharf_examples_web::serve(listen, router)
}
