//! A chat with rooms, on the toolkit: each line goes to all clients of the same room.
//!
//! What the toolkit does: it cuts the bytes into lines, bounds them, keeps a session for each client, gives all receivers the same
//! copy of a line, and cuts a client that does not read, so that it delays no other client and does not fill the server's
//! memory.
//!
//! `cargo run -p wharf-examples --example chat`, then `nc 127.0.0.1 21003` in two terminals: the first line is a name, and
//! `/join ROOM` changes the room. A line on its standard input, or the end of it, stops it.

use std::error::Error;

use wharf_server::{
    Client, Ended, Groups, Handler, Result, Server, SlowReader,
    codec::{FrameError, Lines},
};

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let server = Server::builder()
        .listen(wharf_examples::address("--listen", "127.0.0.1:21003")?.into())
        .frame_bytes_max(1_000)
        .unsent_bytes_max(64 << 10)
        .slow_reader(SlowReader::Cut)
        .start(Chat::default())?;
    wharf_examples::run(server);
    Ok(())
}

/// The rooms.
#[derive(Default)]
struct Chat(Groups<String>);

/// A client that has given its name.
struct Member {
    name: String,
    room: String,
}

impl Chat {
    /// Tells all others in the member's room.
    fn tell(&self, client: &Client, member: &Member, text: &str) {
        self.0.send_from(&member.room, client, format!("{text}\n"));
    }

    fn enter(&self, client: &Client, member: &Member) {
        self.0.join(&member.room, client);
        self.tell(client, member, &format!("* {} has joined.", member.name));
    }
}

impl Handler for Chat {
    type Session = Option<Member>;
    type Codec = Lines;
    type Message = ();

    fn codec(&self) -> Lines {
        Lines::new()
    }

    fn connected(&self, client: &Client) -> Result<Option<Member>> {
        client.send("* Your name?\n")?;
        Ok(None)
    }

    fn received(&self, client: &Client, session: &mut Option<Member>, line: &str) -> Result {
        // Without the control characters that would let one client write all over another's terminal.
        let line: String = line.chars().filter(|sign| !sign.is_control()).collect();
        match (session, line.strip_prefix("/join ")) {
            (Some(member), Some(room)) => {
                let old = std::mem::replace(&mut member.room, room.into());
                self.0.leave(&old, client);
                self.enter(client, member);
                let gone = format!("* {} has gone to {room}.\n", member.name);
                self.0.send_from(&old, client, gone);
            }
            (Some(member), None) => {
                self.tell(client, member, &format!("{}: {line}", member.name));
            }
            (session, _) if (1..=20).contains(&line.chars().count()) => {
                let room = "hall".into();
                let member = session.insert(Member { name: line, room });
                self.enter(client, member);
                // When it reads this it is there, and misses nothing.
                client.send(format!("* Welcome, {}.\n", member.name))?;
            }
            _ => client.send("* 1 to 20 characters. Your name?\n")?,
        }
        Ok(())
    }

    fn bad_frame(&self, client: &Client, _: &mut Option<Member>, error: &FrameError) {
        let _ = client.send(format!("* {error}.\n"));
    }

    fn disconnected(&self, client: &Client, session: &mut Option<Member>, ended: &Ended) {
        let how = match ended {
            Ended::ByPeer | Ended::ByServer => "has left",
            Ended::TooSlow => "does not read, and was dropped",
            _ => "was dropped",
        };
        if let Some(member) = session {
            self.tell(client, member, &format!("* {} {how}.", member.name));
        }
    }
}
