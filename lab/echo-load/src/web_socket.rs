//! WebSockets (RFC 6455), as much of them as a client needs that sends messages of one length: its frames are made once, before the load.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::Stream;

/// The key of the standard's own example (section 1.3), and the answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// No head of an answer is longer.
const HEAD_BYTES_MAX: usize = 4 * 1024;

/// A whole message of bytes.
const FIN_BINARY: u8 = 0x82;
/// In the byte of the length.
const MASKED: u8 = 0x80;

/// Asks for a WebSocket at this path.
pub async fn upgrade(stream: &mut impl Stream, path: &str) -> io::Result<()> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: lab\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: {KEY}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    // Nothing follows the head before there is a message.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > HEAD_BYTES_MAX || stream.read_buf(&mut head).await? == 0 {
            return Err(io::Error::other("no head of an answer came"));
        }
    }
    let head = String::from_utf8_lossy(&head);
    let is_accepted = head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT);
    match is_accepted {
        true => Ok(()),
        false => {
            let line = head.lines().next().unwrap_or_default();
            Err(io::Error::other(format!("no WebSocket: {line}")))
        }
    }
}

/// The frame of a message as a client sends it, with this mask.
pub fn sent(message: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = head(message.len(), MASKED);
    frame.extend(mask);
    let masked = message.iter().zip(mask.iter().cycle());
    frame.extend(masked.map(|(byte, mask)| byte ^ mask));
    frame
}

/// The frame of a message as a server sends it.
pub fn received(message: &[u8]) -> Vec<u8> {
    [head(message.len(), 0), message.into()].concat()
}

fn head(length: usize, masked: u8) -> Vec<u8> {
    // Where the first does not fit, the number that it holds is that of a longer one.
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => vec![FIN_BINARY, masked | short],
        (_, Ok(longer)) => [&[FIN_BINARY, masked | 126][..], &longer.to_be_bytes()].concat(),
        _ => {
            let length = length as u64;
            [&[FIN_BINARY, masked | 127][..], &length.to_be_bytes()].concat()
        }
    }
}
