//! Patterns: session, broadcast, tick, stop.
//!
//! The examples of the repository are whole programs of each: a chat with rooms, HTTP with pipelining, a game's world, a server of the
//! Redis protocol, publish and subscribe.
//!
//! # Session
//!
//! A session is what a server knows of one client. It is the client's own, so it needs no lock; and it goes with the client, so
//! nothing has to be removed from a table. Data that others must find is in the handler, and refers to the client, not to the session.
//!
//! - **A protocol with states** (greeting, login, commands) is an `enum` as session; `received` matches on it.
//! - **Work in pieces.** The session keeps what is left to be done; after [`call_again`](crate::Client::call_again) the server calls
//!   [`resumed`](crate::Handler::resumed) when the others have had their turns.
//! - **A resource of the client's** (a file, a connection to a database) is a field. It is dropped with the session: after
//!   [`disconnected`](crate::Handler::disconnected), or at once after a panic.
//!
//! # Broadcast
//!
//! [`Clients::broadcast`](crate::Clients::broadcast) sends to all clients. [`Groups`](crate::Groups), such as rooms or topics, are for some: a
//! client joins a group by its name, and leaves it at the latest when the client is gone. All members share the memory of a message, and get
//! messages in the same order.
//!
//! ```
//! use wharf_server::{Client, Groups};
//!
//! fn enter(rooms: &Groups<String>, room: &str, client: &Client, name: &str) {
//!     rooms.join(room, client);
//!     rooms.send_from(room, client, format!("{name} has joined.\n"));
//! }
//! ```
//!
//! To choose the receivers in another way, make the bytes once as `bytes::Bytes`, and send clones, which share their memory; under one lock,
//! if all are to see the same order. A send never waits for its receiver, so the lock is not held for long.
//!
//! [`SlowReader`](crate::SlowReader) says what a member that reads too slowly loses, for the whole server or for one client: the
//! newest messages (refuse), the oldest, or its connection. Where some messages may be lost and others may not, send the
//! former only while [`unsent`](crate::Client::unsent) is small.
//!
//! # Tick
//!
//! A world that moves at 20 Hz is moved in [`Handler::tick`](crate::Handler::tick), by one worker at a time; what clients send meanwhile is
//! noted by `received`, and applied by the next tick. Ticks do not drift, and a tick that takes too long is followed by the next at
//! its own time, with the number of those that were [missed](crate::Tick::missed).
//!
//! ```
//! use std::{sync::Mutex, time::Duration};
//! use wharf_server::{Client, Clients, Handler, Result, Server, SlowReader, Tick, codec::Lines};
//!
//! #[derive(Default)]
//! struct World(Mutex<Vec<String>>);
//!
//! impl Handler for World {
//!     type Session = ();
//!     type Codec = Lines;
//!     type Message = ();
//!
//!     fn codec(&self) -> Lines {
//!         Lines::new()
//!     }
//!
//!     fn connected(&self, _: &Client) -> Result {
//!         Ok(())
//!     }
//!
//!     fn received(&self, _: &Client, (): &mut (), action: &str) -> Result {
//!         self.0.lock().map_err(|_| "the world is broken")?.push(action.to_owned());
//!         Ok(())
//!     }
//!
//!     fn tick(&self, clients: &Clients, tick: Tick) {
//!         let actions = self.0.lock().map(|mut actions| std::mem::take(&mut *actions)).unwrap_or_default();
//!         clients.broadcast(format!("{}: {}\n", tick.number, actions.join(" ")));
//!     }
//! }
//!
//! # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//! let builder = Server::builder().listen("127.0.0.1:0".parse()?).tick(Duration::from_millis(50));
//! // A player that does not keep up misses old worlds, not the last one.
//! let server = builder.slow_reader(SlowReader::DropOldest).unsent_max(2).start(World::default())?;
//! # server.stop(Duration::from_secs(10));
//! # Ok(())
//! # }
//! ```
//!
//! # End of one side
//!
//! A peer that ends its side is not gone: [`peer_ended`](crate::Handler::peer_ended) says whether it is still sent to. The other way
//! round, [`end_sending`](crate::Client::end_sending) ends our side after all that was sent, and the client may go on sending.
//!
//! # Stop
//!
//! | who stops it | how |
//! |---|---|
//! | a signal | [`Server::wait_for_signal`](crate::Server::wait_for_signal) |
//! | the thread that started it | [`Server::stop`](crate::Server::stop) |
//! | another thread | [`Server::stopper`](crate::Server::stopper), and [`Server::wait`](crate::Server::wait) where it was started |
//! | a handler, at a client's command | `client.clients().stopper().stop()`, likewise |
//!
//! A stop is orderly: no new client is accepted; [`stopping`](crate::Handler::stopping) is called, and can send a farewell; each client
//! is closed after what was sent to it; clients that are left at the deadline are cut. Ticks go on until then. [`stopped`](crate::Handler::stopped) gets the
//! [`Report`](crate::Report). A handler that is at work is waited for, until the deadline.
