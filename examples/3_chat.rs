//! A chat with rooms, on the toolkit: each line goes to all clients of the same room.
//!
//! What the toolkit does: it cuts the bytes into lines, bounds them, keeps a session for each client, gives all receivers the same
//! copy of a line, and cuts a client that does not read, so that it delays no other client and does not fill the server's
//! memory.
//!
//! `cargo run -p wharf-examples --example chat`, then `nc 127.0.0.1 21003` in two terminals: the first line is a name, and
//! `/join ROOM` changes the room. A line on its standard input, or the end of it, stops it.

use std::{collections::HashMap, error::Error, io, sync::Mutex, time::Duration};

use bytes::Bytes;
use wharf_examples::lock;
use wharf_server::{
    Client, Ended, Handler, Result, Server, SlowReader,
    codec::{FrameError, Lines},
};

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let server = Server::builder()
        .listen(wharf_examples::address("--listen", "127.0.0.1:21003")?)
        .frame_bytes_max(1_000)
        .unsent_bytes_max(64 << 10)
        .slow_reader(SlowReader::Cut)
        .start(Chat::default())?;
    println!("listening on {}", server.local_addr());
    let _ = io::stdin().read_line(&mut String::new());
    let report = server.stop(Duration::from_secs(10));
    println!("stopped: {} clients, {} cut", report.clients, report.cut);
    Ok(())
}

/// Each client with the room that it is in, by its name.
type Members = HashMap<String, (Client, String)>;

/// The lock is held while a line is sent to all of a room, so all see the same order; it is not held for long, since a send never
/// waits for its receiver.
#[derive(Default)]
struct Chat(Mutex<Members>);

/// Sends a line to all others in the room of the client with this name.
fn say(members: &Members, name: &str, line: &str) {
    let Some((speaker, room)) = members.get(name) else {
        return;
    };
    let line = Bytes::from(format!("{line}\n"));
    for (client, there) in members.values() {
        if client != speaker && there == room {
            // A refusal means that it is closing, or gone; its end is told.
            let _ = client.send(&line);
        }
    }
}

/// The first line of a client is its name. Returns it, if it can be had.
fn join(members: &mut Members, client: &Client, name: &str) -> Result<Option<String>> {
    if name.is_empty() || name.chars().count() > 20 {
        client.send("* 1 to 20 characters. Your name?\n")?;
    } else if members.contains_key(name) {
        client.send(format!("* {name} is here already. Your name?\n"))?;
    } else {
        client.send(format!("* Welcome, {name}.\n"))?;
        members.insert(name.into(), (client.clone(), "hall".into()));
        say(members, name, &format!("* {name} has joined."));
        return Ok(Some(name.into()));
    }
    Ok(None)
}

impl Handler for Chat {
    /// Its name, once it has one.
    type Session = Option<String>;
    type Codec = Lines;
    type Message = ();

    fn codec(&self) -> Lines {
        Lines::new()
    }

    fn connected(&self, client: &Client) -> Result<Option<String>> {
        client.send("* Your name?\n")?;
        Ok(None)
    }

    fn received(&self, client: &Client, session: &mut Option<String>, line: &str) -> Result {
        // Without the control characters that would let one client write all over another's terminal.
        let line: String = line.chars().filter(|sign| !sign.is_control()).collect();
        let members = &mut lock(&self.0);
        match (&*session, line.strip_prefix("/join ")) {
            (None, _) => *session = join(members, client, line.trim())?,
            (Some(name), Some(room)) => {
                say(members, name, &format!("* {name} has gone to {room}."));
                members.insert(name.clone(), (client.clone(), room.into()));
                say(members, name, &format!("* {name} has joined."));
            }
            (Some(name), None) => say(members, name, &format!("{name}: {line}")),
        }
        Ok(())
    }

    fn bad_frame(&self, client: &Client, _: &mut Option<String>, error: &FrameError) {
        let _ = client.send(format!("* {error}.\n"));
    }

    fn disconnected(&self, _: &Client, session: &mut Option<String>, ended: &Ended) {
        let how = match ended {
            Ended::ByPeer | Ended::ByServer => "has left",
            Ended::TooSlow => "does not read, and was dropped",
            _ => "was dropped",
        };
        if let Some(name) = session {
            let mut members = lock(&self.0);
            say(&members, name, &format!("* {name} {how}."));
            members.remove(name);
        }
    }
}
