//! Outgoing connections: clients that the server dials.
//!
//! A server is often a client of other servers: of a database, of the server behind a proxy, of a chat that its bot is in. Such a
//! connection needs what the server's own clients have: frames, a session, time-outs, backpressure, an orderly end. So a connection that
//! a server [makes](crate::Clients::dial) is a [`Client`](crate::Client) of it, with the same [`Handler`](crate::Handler), and
//! [`Client::dialled`](crate::Client::dialled) says which one it is.
//!
//! # To dial
//!
//! ```no_run
//! use std::time::Duration;
//! use wharf_server::{Dial, Server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder().serve(|client, bytes| client.send(bytes))?;
//! let dial = Dial::to("db.example:5432")?
//!     .tag(1) // told back by `client.dialled()`
//!     .attempts(None) // for as long as it takes
//!     .backoff(Duration::from_millis(100), Duration::from_secs(30))
//!     .timeout(Duration::from_secs(5)) // of each attempt: the look-up, and all addresses
//!     .reconnect(true);
//! let dialled = server.dial(dial)?; // in a handler: `client.clients().dial(dial)`
//! # drop(dialled);
//! # Ok(())
//! # }
//! ```
//!
//! The handler learns what comes of a dial:
//!
//! | what happens | the handler is called |
//! |---|---|
//! | it is connected | [`connected`](crate::Handler::connected), as for any client |
//! | an attempt fails: no such name, no address that can be connected to, no time left | [`dial_failed`](crate::Handler::dial_failed), with an error that lists what was tried, and whether there will be another attempt |
//! | the client ends | [`disconnected`](crate::Handler::disconnected); with [`reconnect`](crate::Dial::reconnect), a pause and an attempt follow, unless the program has ended the client |
//! | a connection is made time and again, and never lasts | `dial_failed`, when as many attempts in a row have failed as [allowed](crate::Dial::attempts) |
//! | the server stops | for the end of the clients only: dials under way are given up |
//!
//! A server that only dials [listens on nothing](crate::Listen::nothing).
//!
//! # Names
//!
//! The system looks up names, which may take half a minute and can't be cancelled. So threads of their own do it, at most eight
//! for the whole process, and no worker waits for them. Several look-ups of the same name are done as one. Even when all these threads hang,
//! the time-outs of the dials are kept ([`wharf::names::Names`]). All addresses of a name are tried, by the rules of RFC 8305: the address
//! families by turns, the next address after a quarter of a second or when one has failed; the first connection is used. So a dead first
//! address costs 250 ms. (The two queries of the RFC to the name server, one for each family, are left to the system.)
//!
//! # Limits
//!
//! - [`dials_max`](crate::Settings::dials_max): the most dials at once; each counts from its first attempt to the end of its last client.
//!   They have places of their own: a crowd of peers prevents no outgoing connection, and the other way round.
//! - The time-outs of the [settings](crate::Settings) hold for dialled clients as well. A server that is slow, silent or hostile is
//!   cut by them: set [`first_bytes_timeout`](crate::Settings::first_bytes_timeout) where the server speaks first.
//! - At most eight attempts of a dial are under way at once, and it tries 64 addresses at most.
//! - A server that accepts and closes at once is called no more often than one that is down: a connection that did not last for the longest
//!   pause counts as an attempt that has failed.
//!
//! # A pool
//!
//! Where many clients need a connection for a moment, a [`Pool`](crate::Pool) keeps some: [`take`](crate::Pool::take) calls a function with
//! a [`Lease`](crate::Lease) when a connection is free, within a time; dropping the lease gives the connection back.
//!
//! The answer comes to the session of the client that was taken. So the usual way is to give that client the lease along with the
//! question, as a message, and to drop the lease when the answer is complete:
//!
//! ```
//! # use std::{io::{BufRead, BufReader, Write}, net::{TcpListener, TcpStream}, thread, time::Duration};
//! use wharf_server::{Client, Dial, Handler, Lease, Pool, PoolLimits, Result, Server, codec::Lines};
//!
//! /// A question of a client's, and the connection that was taken for it.
//! struct Ask {
//!     question: String,
//!     from: Client<Ask>,
//!     lease: Lease<Ask>,
//! }
//!
//! struct Front(std::sync::OnceLock<Pool<Ask>>);
//!
//! impl Handler for Front {
//!     /// Of a dialled client: who has asked, while an answer is to come.
//!     type Session = Option<Ask>;
//!     type Codec = Lines;
//!     type Message = Ask;
//! #   fn codec(&self) -> Lines { Lines::new() }
//! #   fn connected(&self, _: &Client<Ask>) -> Result<Option<Ask>> { Ok(None) }
//!
//!     fn received(&self, client: &Client<Ask>, asked: &mut Option<Ask>, line: &str) -> Result {
//!         if client.dialled().is_some() {
//!             // The answer. The lease ends here, and the next one has the connection.
//!             let ask = asked.take().ok_or("an answer that nobody asked for")?;
//!             ask.from.send(format!("{line}\n"))?;
//!             return Ok(());
//!         }
//!         let (from, question) = (client.clone(), line.to_owned());
//!         let pool = self.0.get().ok_or("not yet")?;
//!         pool.take(Duration::from_secs(5), move |lease| match lease {
//!             Ok(lease) => {
//!                 let back = lease.client().clone();
//!                 let _ = back.tell(Ask { question, from, lease });
//!             }
//!             Err(error) => drop(from.send(format!("sorry: {error}\n"))),
//!         });
//!         Ok(())
//!     }
//!
//!     fn told(&self, client: &Client<Ask>, asked: &mut Option<Ask>, ask: Ask) -> Result {
//!         client.send(format!("{}\n", ask.question))?;
//!         *asked = Some(ask);
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//! # // Another program, which answers each line with its length.
//! # let listener = TcpListener::bind("127.0.0.1:0")?;
//! # let behind = listener.local_addr()?;
//! # thread::spawn(move || for stream in listener.incoming().flatten() {
//! #     thread::spawn(move || for line in BufReader::new(&stream).lines().map_while(std::io::Result::ok) {
//! #         let _ = (&stream).write_all(format!("{}\n", line.len()).as_bytes());
//! #     });
//! # });
//! let front = std::sync::Arc::new(Front(Default::default()));
//! # struct Shared(std::sync::Arc<Front>);
//! # impl Handler for Shared {
//! #     type Session = Option<Ask>;
//! #     type Codec = Lines;
//! #     type Message = Ask;
//! #     fn codec(&self) -> Lines { self.0.codec() }
//! #     fn connected(&self, client: &Client<Ask>) -> Result<Option<Ask>> { self.0.connected(client) }
//! #     fn received(&self, client: &Client<Ask>, asked: &mut Option<Ask>, line: &str) -> Result { self.0.received(client, asked, line) }
//! #     fn told(&self, client: &Client<Ask>, asked: &mut Option<Ask>, ask: Ask) -> Result { self.0.told(client, asked, ask) }
//! # }
//! # let handler = Shared(front.clone());
//! let server = Server::builder().listen("127.0.0.1:0".parse()?).start(handler)?;
//! let pool = Pool::new(server.clients(), Dial::to(behind)?, PoolLimits::default())?;
//! front.0.set(pool).ok();
//! # let mut peer = TcpStream::connect(server.local_addr())?;
//! # peer.write_all(b"ahoy\n")?;
//! # let mut answer = String::new();
//! # BufReader::new(peer).read_line(&mut answer)?;
//! # assert_eq!(answer, "4\n");
//! # server.stop(Duration::from_secs(10));
//! # Ok(())
//! # }
//! ```
