//! HTTP/1.1 on the toolkit: keep-alive and pipelining, in thirty lines.
//!
//! A request without a body ends with an empty line, which is the mark of the [`Delimited`] codec. Requests that come in one
//! piece are answered in one piece. A request with a body, or of an unknown kind, is answered and ends its connection.
//!
//! `cargo run -p wharf-examples --example http`, then `curl http://127.0.0.1:21005/any/path`. A line on its standard input, or
//! the end of it, stops it.

use std::{error::Error, io, time::Duration};

use wharf_server::{Client, Handler, Result, Server, codec::Delimited};

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let server = Server::builder()
        .listen(wharf_examples::address("--listen", "127.0.0.1:21005")?)
        .frame_bytes_max(8 << 10)
        .frame_timeout(Duration::from_secs(10))
        .idle_timeout(Duration::from_secs(60))
        .start(Http)?;
    println!("listening on {}", server.local_addr());
    let _ = io::stdin().read_line(&mut String::new());
    let report = server.stop(Duration::from_secs(10));
    println!("stopped: {} clients", report.clients);
    Ok(())
}

struct Http;

impl Handler for Http {
    type Session = ();
    type Codec = Delimited;
    type Message = ();

    fn codec(&self) -> Delimited {
        Delimited::new(b"\r\n\r\n")
    }

    fn connected(&self, _: &Client) -> Result {
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), request: &[u8]) -> Result {
        let request = String::from_utf8_lossy(request);
        let headers = request.to_ascii_lowercase().replace(' ', "");
        let has = |header: &str| headers.lines().any(|line| line.starts_with(header));
        let mut words = request.lines().next().unwrap_or_default().split(' ');
        let (status, text) = match (words.next(), words.next()) {
            (Some("GET"), Some(path)) => ("200 OK", format!("You asked for {path}\n")),
            _ => ("501 Not Implemented", "Only GET is known here\n".into()),
        };
        let ends = has("connection:close")
            || words.next() != Some("HTTP/1.1")
            || !status.starts_with("200")
            || has("content-length")
            || has("transfer-encoding");
        let connection = if ends { "Connection: close\r\n" } else { "" };
        let length = text.len();
        client.send(format!(
            "HTTP/1.1 {status}\r\n{connection}Content-Length: {length}\r\n\r\n{text}"
        ))?;
        if ends {
            client.close();
        }
        Ok(())
    }
}
