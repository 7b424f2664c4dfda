//! A server in an afternoon: a lobby where players meet, from the first line to the orderly stop.
//!
//! Each step is a program that runs. Try each with `nc 127.0.0.1 21000`.
//!
//! # 1. A closure
//!
//! The smallest server gets each client's bytes as they arrive. It listens, serves on a pool of threads, and stops in order at
//! Ctrl-C or `kill`.
//!
//! ```no_run
//! use std::time::Duration;
//! use wharf_server::Server;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = Server::builder()
//!         .listen("127.0.0.1:21000".parse()?)
//!         .serve(|client, bytes| client.send(bytes))?;
//!     println!("listening on {}", server.local_addr());
//!     server.wait_for_signal(Duration::from_secs(10))?;
//!     Ok(())
//! }
//! ```
//!
//! The closure may return nothing or a `Result`; an error ends the client, and is logged. The log is written by the crate
//! `tracing`: `tracing_subscriber::fmt::init()` at the start of `main` prints it.
//!
//! A closure may also get lines, or other frames, in place of bytes: [`serve_frames`](crate::ServerBuilder::serve_frames).
//!
//! # 2. A handler: frames and sessions
//!
//! The network may split the bytes anywhere. A [`Handler`](crate::Handler) names a [codec](crate::codec), which makes frames of them,
//! and a session, which the server keeps for each client. [`connected`](crate::Handler::connected) makes the session, and the other methods
//! get it as `&mut`: one worker at a time handles a client, so no lock is needed.
//!
//! ```
//! use wharf_server::{Client, Handler, Result, codec::Lines};
//!
//! struct Lobby;
//!
//! /// What the lobby knows of a player.
//! #[derive(Default)]
//! struct Player {
//!     name: Option<String>,
//! }
//!
//! impl Handler for Lobby {
//!     type Session = Player;
//!     type Codec = Lines;
//!     type Message = ();
//!
//!     fn codec(&self) -> Lines {
//!         Lines::new()
//!     }
//!
//!     fn connected(&self, client: &Client) -> Result<Player> {
//!         client.send("Your name?\n")?;
//!         Ok(Player::default())
//!     }
//!
//!     fn received(&self, client: &Client, player: &mut Player, line: &str) -> Result {
//!         match &player.name {
//!             None => player.name = Some(line.to_owned()),
//!             Some(name) => client.send(format!("{name}, you said {line}\n"))?,
//!         }
//!         Ok(())
//!     }
//! }
//! # let builder = wharf_server::Server::builder().listen("127.0.0.1:0".parse().unwrap());
//! # drop(builder.start(Lobby).unwrap());
//! ```
//!
//! `builder.start(Lobby)` starts the server, in place of `serve`. The three types are always named: `()` where there is no session,
//! or no message. A method's `?` takes any error; so its last line is `Ok(client.send(..)?)`, or `Ok(())`.
//!
//! # 3. Others: what clients share, and what they are told
//!
//! What all clients share is in the handler, behind a lock of its own, since different clients are served at the same time. A
//! [`Client`](crate::Client) can be kept and sent to from anywhere; [`Clients::broadcast`](crate::Clients::broadcast) sends to all.
//!
//! A session belongs to its client alone. Other threads reach it by a message: after [`Client::tell`](crate::Client::tell) the server calls
//! [`told`](crate::Handler::told) in that client's turn, with its session.
//!
//! ```
//! use std::{collections::BTreeMap, sync::{Mutex, MutexGuard, PoisonError}};
//! use wharf_server::{Client, Ended, Handler, Result, codec::Lines};
//!
//! /// One player challenges another.
//! #[derive(Debug)]
//! struct Challenge {
//!     by: String,
//! }
//!
//! #[derive(Default)]
//! struct Lobby(Mutex<BTreeMap<String, Client<Challenge>>>);
//!
//! impl Lobby {
//!     fn players(&self) -> MutexGuard<'_, BTreeMap<String, Client<Challenge>>> {
//!         // A handler that panics ends its own client; the others go on with what is there.
//!         self.0.lock().unwrap_or_else(PoisonError::into_inner)
//!     }
//! }
//!
//! #[derive(Default)]
//! struct Player {
//!     name: Option<String>,
//!     challenged_by: Vec<String>,
//! }
//!
//! impl Handler for Lobby {
//!     type Session = Player;
//!     type Codec = Lines;
//!     type Message = Challenge;
//!
//!     fn codec(&self) -> Lines {
//!         Lines::new()
//!     }
//!
//!     fn connected(&self, _: &Client<Challenge>) -> Result<Player> {
//!         Ok(Player::default())
//!     }
//!
//!     fn received(&self, client: &Client<Challenge>, player: &mut Player, line: &str) -> Result {
//!         let Some(name) = &player.name else {
//!             let mut players = self.players();
//!             if players.contains_key(line) {
//!                 return Ok(client.send("that name is taken\n")?);
//!             }
//!             players.insert(line.into(), client.clone());
//!             player.name = Some(line.into());
//!             return Ok(());
//!         };
//!         let other = self.players().get(line).cloned();
//!         match other {
//!             Some(other) if other.tell(Challenge { by: name.clone() }).is_ok() => client.send("challenged\n")?,
//!             _ => client.send("no such player\n")?,
//!         }
//!         Ok(())
//!     }
//!
//!     fn told(&self, client: &Client<Challenge>, player: &mut Player, challenge: Challenge) -> Result {
//!         client.send(format!("{} challenges you\n", challenge.by))?;
//!         player.challenged_by.push(challenge.by);
//!         Ok(())
//!     }
//!
//!     fn disconnected(&self, _: &Client<Challenge>, player: &mut Player, _: &Ended) {
//!         if let Some(name) = &player.name {
//!             self.players().remove(name);
//!         }
//!     }
//!
//!     /// After a panic the session is gone, and `disconnected` is not called.
//!     fn panicked(&self, client: &Client<Challenge>, _: &str) {
//!         self.players().retain(|_, player| player != client);
//!     }
//! }
//! # let builder = wharf_server::Server::builder().listen("127.0.0.1:0".parse().unwrap());
//! # drop(builder.start(Lobby::default()).unwrap());
//! ```
//!
//! A lock that all clients share is held for a moment only: no handler waits for anything else while it has it.
//!
//! [`disconnected`](crate::Handler::disconnected) is called when the peer has got all that was sent to it, or is cut. A server that ends a
//! client by itself, and frees its name at once, frees the name where it calls [`close`](crate::Client::close).
//!
//! # 4. Time
//!
//! | what | how |
//! |---|---|
//! | something for one client, later | [`Client::set_timer`](crate::Client::set_timer); [`timer`](crate::Handler::timer) is called in its turn; it ends with the client |
//! | something for all, again and again | [`tick`](crate::Settings::tick); [`Handler::tick`](crate::Handler::tick) |
//! | a client that sends nothing at first | [`first_bytes_timeout`](crate::Settings::first_bytes_timeout) |
//! | a client that sends half a frame | [`frame_timeout`](crate::Settings::frame_timeout) |
//! | a client that does nothing, and to which nothing is sent | [`idle_timeout`](crate::Settings::idle_timeout); for a client that gets news all the time, a timer of its own that is set anew with each frame |
//! | a client that takes nothing | [`stall_timeout`](crate::Settings::stall_timeout), on by default |
//! | a stop that takes too long | the time that [`wait_for_signal`](crate::Server::wait_for_signal) is given |
//!
//! Timers and messages come also to a client that does not read; sends to it may then be refused. Each time-out cuts the client after its
//! time at the earliest, and after one and a half times that at the latest.
//!
//! A handler may block, in a database for instance: another worker serves the other clients meanwhile, up to
//! [`workers_max`](crate::Settings::workers_max).
//!
//! # 5. Limits
//!
//! Every limit has a default under which no client can take what others need. These are the ones to think about:
//!
//! | setting | ask |
//! |---|---|
//! | [`frame_bytes_max`](crate::Settings::frame_bytes_max) | How long is the longest valid frame? |
//! | [`clients_max`](crate::Settings::clients_max) | For how many clients is the memory enough ([`memory_bytes_max`](crate::Settings::memory_bytes_max))? |
//! | [`unsent_bytes_max`](crate::Settings::unsent_bytes_max), [`slow_reader`](crate::Settings::slow_reader) | What happens to a client that does not read: refuse, drop the oldest, cut? |
//! | [`receive_rate`](crate::Settings::receive_rate) | How fast may one client send? |
//! | [`messages_max`](crate::Settings::messages_max) | How much may a client be told before its turn comes? |
//!
//! # 6. What goes wrong
//!
//! | what | what follows |
//! |---|---|
//! | a method returns an error | its client is gone ([`Ended::ByHandler`](crate::Ended::ByHandler)), and the log has the text |
//! | a method panics | its client is gone, its session is dropped, and [`panicked`](crate::Handler::panicked) is called; all others go on. A tick that panics is logged, and the next one comes |
//! | bytes are no frame | [`bad_frame`](crate::Handler::bad_frame) may say so to the client; then it is gone ([`Ended::BadFrame`](crate::Ended::BadFrame)) |
//! | a send is refused | `Err` with [`WouldBlock`](std::io::ErrorKind::WouldBlock): the client does not read; with another error it is closing, or gone. `?` ends the client |
//! | the connection fails | [`disconnected`](crate::Handler::disconnected) with [`Ended::Failed`](crate::Ended::Failed) |
//!
//! # 7. Try it
//!
//! A server listens on a free port if it is given port 0, so a test needs nothing but the server itself:
//!
//! ```
//! use std::{io::{BufRead, BufReader, Write}, net::TcpStream, time::Duration};
//! use wharf_server::Server;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder().listen("127.0.0.1:0".parse()?).serve(|client, bytes| client.send(bytes))?;
//! let mut peer = TcpStream::connect(server.local_addr())?;
//! peer.write_all(b"ahoy\n")?;
//! let mut line = String::new();
//! BufReader::new(&peer).read_line(&mut line)?;
//! assert_eq!(line, "ahoy\n");
//! drop(peer);
//! assert_eq!(server.stop(Duration::from_secs(10)).cut, 0);
//! # Ok(())
//! # }
//! ```
