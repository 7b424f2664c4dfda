//! HTTP/1.1 on the toolkit: keep-alive and pipelining, in thirty lines.
//!
//! A request without a body ends with an empty line, which is the mark of the [`Delimited`] codec; so the handler is a closure, or a
//! function. Requests that come in one piece are answered in one piece. A request with a body, or of an unknown kind, is answered and
//! ends its connection.
//!
//! `cargo run -p wharf-examples --example http`, then `curl http://127.0.0.1:21005/any/path`. A line on its standard input, or
//! the end of it, stops it.

use std::{error::Error, io, time::Duration};

use wharf_server::{Client, Server, codec::Delimited};

/// Headers after which nothing that follows is understood, or is to be.
const LAST: [&str; 3] = ["connection:close", "content-length", "transfer-encoding"];

fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder()
        .listen(wharf_examples::address("--listen", "127.0.0.1:21005")?.into())
        .frame_bytes_max(8 << 10)
        .frame_timeout(Duration::from_secs(10))
        .idle_timeout(Duration::from_secs(60))
        .serve_frames(Delimited::new(b"\r\n\r\n"), answer)?;
    wharf_examples::run(server);
    Ok(())
}

fn answer(client: &Client, request: &[u8]) -> io::Result<()> {
    let request = String::from_utf8_lossy(request);
    let mut words = request.lines().next().unwrap_or_default().split(' ');
    let (status, text) = match (words.next(), words.next()) {
        (Some("GET"), Some(path)) => ("200 OK", format!("You asked for {path}\n")),
        _ => ("501 Not Implemented", "Only GET is known here\n".into()),
    };
    let headers = request.to_ascii_lowercase().replace(' ', "");
    let is_last = |line: &str| LAST.iter().any(|header| line.starts_with(header));
    let is_known = status == "200 OK" && words.next() == Some("HTTP/1.1");
    let ends = !is_known || headers.lines().any(is_last);
    let connection = if ends { "Connection: close\r\n" } else { "" };
    let length = text.len();
    let head = format!("HTTP/1.1 {status}\r\n{connection}Content-Length: {length}\r\n\r\n");
    client.send(head + &text)?;
    if ends {
        client.close();
    }
    Ok(())
}
