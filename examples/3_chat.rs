//! A chat on the toolkit: each line goes to all clients.
//!
//! What a broadcast has to get right: a line may arrive in pieces, or many in one piece; all receivers share one copy
//! of the line; all see the lines in the same order; and a client that does not read delays no other client, and does
//! not fill the server's memory.
//!
//! `cargo run -p wharf-examples --example chat`, then `nc 127.0.0.1 21003` in two terminals. A line on its standard
//! input, or the end of it, stops it.

use std::{
    collections::HashMap,
    error::Error,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use wharf::Buffer;
use wharf_server::{Client, Ended, Handler, Server};

/// The longest line, in bytes with its end. A client that never ends its line would fill the server's memory.
const LINE_MAX: usize = 1_000;

/// The longest name, in characters.
const NAME_MAX: usize = 20;

/// A client is dropped when so much waits to be sent to it, beyond what the system holds on both sides.
const UNSENT_MAX: usize = 64 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:21003".into());
    let server = Server::builder()
        .listen(address.parse()?)
        .unsent_bytes_max(UNSENT_MAX)
        .start(Chat::default())?;
    println!("listening on {}", server.local_addr());

    let _ = io::stdin().read_line(&mut String::new());
    let report = server.stop(Duration::from_secs(10));
    println!("stopped: {} clients, {} cut", report.clients, report.cut);
    Ok(())
}

/// The handler. A worker holds the lock while it sends a line to all clients, so all of them see the same order.
/// The lock is not held for long: a send never waits for its receiver.
#[derive(Default)]
struct Chat(Mutex<Room>);

impl Chat {
    fn room(&self) -> MutexGuard<'_, Room> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Chat {
    fn connected(&self, client: &Client) {
        say(client, "* Your name?\n");
        self.room().enter(client);
    }

    fn received(&self, client: &Client, bytes: Buffer) {
        let mut room = self.room();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            room.hear(client, piece);
        }
    }

    fn disconnected(&self, client: &Client, ended: &Ended) {
        let how = match ended {
            Ended::ByPeer | Ended::ByServer => "has left",
            Ended::Aborted => "does not read, and was dropped",
            _ => "is gone",
        };
        self.room().leave(client, how);
    }
}

/// The connected clients, by number.
#[derive(Default)]
struct Room(HashMap<u64, Member>);

struct Member {
    client: Client,
    /// None until the client has sent its name, by which it joins.
    name: Option<String>,
    /// The part of its next line that has arrived.
    line: Vec<u8>,
}

impl Room {
    fn enter(&mut self, client: &Client) {
        let member = Member {
            client: client.clone(),
            name: None,
            line: Vec::new(),
        };
        self.0.insert(client.id(), member);
    }

    fn leave(&mut self, client: &Client, how: &str) {
        let member = self.0.remove(&client.id());
        if let Some(name) = member.and_then(|member| member.name) {
            self.tell(client, format!("* {name} {how}.\n"));
        }
    }

    /// A line, or a piece of one: the network cuts where it likes.
    fn hear(&mut self, client: &Client, piece: &[u8]) {
        // It is gone if its line was too long with the piece before this one.
        let Some(member) = self.0.get_mut(&client.id()) else {
            return;
        };
        if member.line.len() + piece.len() > LINE_MAX {
            say(client, &format!("* A line is {LINE_MAX} bytes at most.\n"));
            // In order: it still gets the bytes that were sent before.
            client.close();
            self.leave(client, "said too much, and was dropped");
            return;
        }
        member.line.extend_from_slice(piece);
        if member.line.last() == Some(&b'\n') {
            let line = text(&member.line);
            member.line.clear();
            match &member.name {
                Some(name) => {
                    let text = format!("{name}: {line}\n");
                    self.tell(client, text);
                }
                None => self.join(client, line.trim()),
            }
        }
    }

    fn join(&mut self, client: &Client, name: &str) {
        let mut names = self.0.values().filter_map(|member| member.name.as_deref());
        if name.is_empty() || name.chars().count() > NAME_MAX {
            say(
                client,
                &format!("* 1 to {NAME_MAX} characters. Your name?\n"),
            );
        } else if names.any(|taken| taken == name) {
            say(client, &format!("* {name} is here already. Your name?\n"));
        } else if let Some(member) = self.0.get_mut(&client.id()) {
            member.name = Some(name.into());
            say(client, &format!("* Welcome, {name}.\n"));
            self.tell(client, format!("* {name} has joined.\n"));
        }
    }

    /// Sends a line to all clients that have joined, except for its sender.
    fn tell(&self, except: &Client, text: String) {
        // One piece of memory for all: a clone only counts, and the last send that completes frees the memory.
        let text = Bytes::from(text);
        for Member { client, name, .. } in self.0.values() {
            if name.is_none() || client == except {
                continue;
            }
            let refused = client.send(text.clone()).err();
            if refused.is_some_and(|refused| refused.error.kind() == io::ErrorKind::WouldBlock) {
                // Too many bytes wait for it. Without some of the lines it would see a wrong conversation, and if all lines
                // were kept, a slow client would decide how much memory the server needs. The others are told when it is gone.
                client.abort();
            }
            // Any other refusal means that it is closing, or gone.
        }
    }
}

/// Sends text to one client. If that is refused, the client is gone, and nothing has to be done.
fn say(client: &Client, text: &str) {
    let _ = client.send(text.as_bytes().to_vec());
}

/// A line as text, without its end, and without the control characters that would let one client write all over
/// another's terminal.
fn text(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    line.chars()
        .filter(|character| !character.is_control())
        .collect()
}
