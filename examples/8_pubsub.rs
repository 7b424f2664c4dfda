//! Publish and subscribe on the toolkit: `sub TOPIC`, `unsub TOPIC`, `pub TOPIC TEXT`, a line each.
//!
//! A subscriber that reads too slowly misses the oldest of what is sent to it, and delays no other. All subscribers of a message share its
//! memory.
//!
//! `cargo run -p wharf-examples --example pubsub`, then `nc 127.0.0.1 21008` in two terminals. A line on its standard input, or
//! the end of it, stops it.

use std::error::Error;

use wharf_server::{Client, Groups, Handler, Result, Server, SlowReader, codec::Lines};

/// One client's, so that it can't fill the memory with names.
const TOPICS_MAX: usize = 100;

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let server = Server::builder()
        .listen(wharf_examples::address("--listen", "127.0.0.1:21008")?.into())
        .frame_bytes_max(4_096)
        .unsent_max(1_000)
        .slow_reader(SlowReader::DropOldest)
        .start(Topics::default())?;
    wharf_examples::run(server);
    Ok(())
}

/// The subscribers of each topic. One that is gone is none any more.
#[derive(Default)]
struct Topics(Groups<String>);

impl Handler for Topics {
    /// How many topics it has subscribed to.
    type Session = usize;
    type Codec = Lines;
    type Message = ();

    fn codec(&self) -> Lines {
        Lines::new()
    }

    fn connected(&self, _: &Client) -> Result<usize> {
        Ok(0)
    }

    fn received(&self, client: &Client, topics: &mut usize, line: &str) -> Result {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("sub"), Some(topic), None) if *topics < TOPICS_MAX => {
                *topics += usize::from(self.0.join(topic, client));
                client.send("ok\n")?;
            }
            (Some("unsub"), Some(topic), None) => {
                *topics -= usize::from(self.0.leave(topic, client));
                client.send("ok\n")?;
            }
            (Some("pub"), Some(topic), Some(text)) => {
                let count = self.0.send(topic, format!("{topic} {text}\n"));
                client.send(format!("sent to {count}\n"))?;
            }
            _ => client.send("sub TOPIC (100 at most), unsub TOPIC, or pub TOPIC TEXT\n")?,
        }
        Ok(())
    }
}
