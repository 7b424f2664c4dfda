//! Publish and subscribe on the toolkit: `sub TOPIC`, `unsub TOPIC`, `pub TOPIC TEXT`, a line each.
//!
//! A subscriber that reads too slowly misses the oldest of what is sent to it, and delays no other. All subscribers of a message share its
//! memory.
//!
//! `cargo run -p wharf-examples --example pubsub`, then `nc 127.0.0.1 21008` in two terminals. A line on its standard input, or
//! the end of it, stops it.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use bytes::Bytes;
use wharf_server::{Client, Ended, Handler, Result, Server, SlowReader, codec::Lines};

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let server = Server::builder()
        .listen(wharf_examples::address("--listen", "127.0.0.1:21008")?)
        .frame_bytes_max(4_096)
        .unsent_max(1_000)
        .slow_reader(SlowReader::DropOldest)
        .start(Topics::default())?;
    println!("listening on {}", server.local_addr());
    let _ = io::stdin().read_line(&mut String::new());
    let report = server.stop(Duration::from_secs(10));
    println!("stopped: {} clients", report.clients);
    Ok(())
}

/// The subscribers of each topic, by their numbers.
#[derive(Default)]
struct Topics(RwLock<BTreeMap<String, BTreeMap<u64, Client>>>);

impl Topics {
    fn unsubscribe(&self, client: &Client, topic: &str) {
        let mut topics = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(subscribers) = topics.get_mut(topic) {
            subscribers.remove(&client.id());
            if subscribers.is_empty() {
                topics.remove(topic);
            }
        }
    }
}

impl Handler for Topics {
    /// What it has subscribed to.
    type Session = BTreeSet<String>;
    type Codec = Lines;
    type Message = ();

    fn codec(&self) -> Lines {
        Lines::new()
    }

    fn connected(&self, _: &Client) -> Result<BTreeSet<String>> {
        Ok(BTreeSet::new())
    }

    fn received(&self, client: &Client, session: &mut BTreeSet<String>, line: &str) -> Result {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("sub"), Some(topic), None) if session.len() < 100 => {
                let mut topics = self.0.write().unwrap_or_else(PoisonError::into_inner);
                let subscribers = topics.entry(topic.into()).or_default();
                subscribers.insert(client.id(), client.clone());
                drop(topics);
                session.insert(topic.into());
                client.send("ok\n")?;
            }
            (Some("unsub"), Some(topic), None) => {
                session.remove(topic);
                self.unsubscribe(client, topic);
                client.send("ok\n")?;
            }
            (Some("pub"), Some(topic), Some(text)) => {
                let message = Bytes::from(format!("{topic} {text}\n"));
                let topics = self.0.read().unwrap_or_else(PoisonError::into_inner);
                let subscribers = topics.get(topic).into_iter().flatten();
                // A refusal means that it is closing, or gone.
                let sent = subscribers.filter(|(_, it)| it.send(&message).is_ok());
                let count = sent.count();
                drop(topics);
                client.send(format!("sent to {count}\n"))?;
            }
            _ => client.send("sub TOPIC (100 at most), unsub TOPIC, or pub TOPIC TEXT\n")?,
        }
        Ok(())
    }

    fn disconnected(&self, client: &Client, session: &mut BTreeSet<String>, _: &Ended) {
        for topic in &*session {
            self.unsubscribe(client, topic);
        }
    }
}
