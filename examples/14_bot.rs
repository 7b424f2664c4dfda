//! A bot in the chat (`3_chat.rs`): a client that comes back when the chat is started again. It says how long it has been there to who
//! asks `bot, how long?`.
//!
//! The toolkit is a client here, and listens on nothing: the same handler, lines and time-outs as a server's.
//!
//! `cargo run -p wharf-examples --example bot -- 127.0.0.1:21003`: an address, or a name and a port. A line on its standard input, or
//! the end of it, stops it.

use std::{
    error::Error,
    io,
    time::{Duration, Instant},
};

use wharf_server::{
    Client, Clients, Dial, DialFailed, Ended, Handler, Listen, Result, Server, codec::Lines,
};

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let target = std::env::args().nth(1);
    let target = target.unwrap_or_else(|| "127.0.0.1:21003".into());
    let server = Server::builder()
        .listen(Listen::nothing())
        .workers_max(2)
        .clients_max(1)
        // One that takes the connection and says nothing is no chat.
        .first_bytes_timeout(Duration::from_secs(10))
        .start(Bot)?;
    let dial = Dial::to(target)?
        .attempts(None)
        .backoff(Duration::from_millis(50), Duration::from_secs(5))
        .reconnect(true);
    server.dial(dial)?;
    io::stdin().read_line(&mut String::new())?;
    server.stop(Duration::from_secs(10));
    Ok(())
}

struct Bot;

impl Handler for Bot {
    /// Since when it has been there.
    type Session = Instant;
    type Codec = Lines;
    type Message = ();

    fn codec(&self) -> Lines {
        Lines::new()
    }

    fn connected(&self, client: &Client) -> Result<Instant> {
        println!("connected to {}", client.peer());
        client.send("bot\n")?;
        Ok(Instant::now())
    }

    fn received(&self, client: &Client, since: &mut Instant, line: &str) -> Result {
        // Its own words do not come back: so it does not answer itself.
        if line.ends_with(": bot, how long?") {
            client.send(format!("for {} seconds\n", since.elapsed().as_secs()))?;
        }
        Ok(())
    }

    fn disconnected(&self, _: &Client, _: &mut Instant, ended: &Ended) {
        println!("gone: {ended:?}");
    }

    fn dial_failed(&self, _: &Clients, failed: &DialFailed<'_>) {
        println!("{}; attempt {}", failed.error, failed.failures);
    }
}
