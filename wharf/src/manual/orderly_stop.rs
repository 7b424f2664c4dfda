//! Stopping in order: let what was begun finish, until a deadline, and lose nothing without knowing it.
//!
//! # What closing the port does
//!
//! [`CompletionPort::close`](crate::CompletionPort::close) is the end, not the orderly part. It
//!
//! 1. refuses everything that is started from now on, and answers every wait with [`Wait::Closed`](crate::Wait::Closed);
//! 2. cancels all operations and timers, and closes all handles;
//! 3. waits for transfers under way: those of sockets end soon, since they never block; a read or write of a *file* that has begun is
//!    waited for. On Windows, while as many handlers compute as may run, it waits for one of them;
//! 4. returns what no wait has picked up: a [`Completion`](crate::Completion) for each operation, timer and packet, with its key,
//!    its buffer, its context, and what it had transferred.
//!
//! So every operation still completes once: by a wait before, or in the list that `close` returns. Nothing is freed under an
//! operation. `close` may be called from a handler and more than once; only the first call returns anything. It does not wait for
//! handlers. When the last clone of the port is dropped, it closes too, and the list is dropped with it. The threads of
//! [`Workers`](crate::Workers) hold the port, so a port with a pool has to be closed.
//!
//! For a program that owes nothing to its clients, that is all:
//!
//! ```
//! use std::time::Duration;
//! use wharf::{CompletionPort, Finished, Workers};
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<&str>::new(0)?;
//! let workers = Workers::start(&port, 2, |_port, _completion| {})?;
//! port.timer(Duration::from_secs(3600), "hourly")?;
//!
//! let left = port.close();
//! workers.join();
//! assert_eq!((left.len(), left[0].key), (1, "hourly"));
//! assert!(matches!(left[0].what, Finished::Timer) && left[0].is_cancelled());
//! # Ok(())
//! # }
//! ```
//!
//! # In order
//!
//! A server that wants its clients to have what was sent to them does this:
//!
//! | step | call | what completes |
//! |---|---|---|
//! | 1. stop accepting | [`Listener::close`](crate::Listener::close) | accepts, as cancelled; connections that were not accepted are reset |
//! | 2. start nothing new for a client | a flag of the program, and [`Socket::cancel_receives`](crate::Socket::cancel_receives) | its receives, as cancelled; its sends go on |
//! | 3. end our side, behind all that was sent | [`Socket::shutdown`](crate::Socket::shutdown) | [`Finished::Shutdown`](crate::Finished::Shutdown), when the sends before it are out |
//! | 4. wait for the peer's end | [`Socket::receive`](crate::Socket::receive), until it brings 0 bytes | the receives; then drop the socket |
//! | 5. a deadline for all of it | a wait of the stopping thread | |
//! | 6. cut the rest | [`CompletionPort::close`](crate::CompletionPort::close) | comes back as a list |
//! | 7. join the threads | [`Workers::join_timeout`](crate::Workers::join_timeout) | names of threads whose handlers do not return |
//!
//! **Why step 4:** a socket that is closed while received bytes are unread makes the system reset the connection, and the
//! peer may then lose what it has not read yet. So read until the peer ends its side too, and throw away what comes.
//! Instead of step 4, when the sending side of a socket is shut down, [`Socket::is_delivered`](crate::Socket::is_delivered) says whether
//! the peer's system has everything (not on Windows before 10 (1703)).
//!
//! **A peer that has ended its side already** (a receive brought 0 bytes) needs neither step 3 nor step 4:
//! [`Socket::close_if_sent`](crate::Socket::close_if_sent) closes the socket at once if no send or shutdown is under way, in one
//! step, so that a send that another thread starts in that moment is either under way before or refused. If it answers `None`,
//! start the shutdown; its completion is the time to close.
//!
//! **The flag and the cancel:** a handler that starts a receive must look at the flag *after* it started it, and cancel if the flag
//! is set. If it looked only before, the stopping thread could set the flag in between and find nothing to cancel; the new receive
//! would wait until the deadline.
//!
//! # A whole server
//!
//! An echo server that stops in order. A client's key holds a clone of a channel's sender, for nothing but its drop: when the
//! last client is gone, the stopping thread's `recv_timeout` finds the channel disconnected.
//!
//! ```
//! use std::{
//!     collections::HashMap,
//!     io::{Read, Write},
//!     net::{TcpListener, TcpStream},
//!     sync::{Arc, Mutex, mpsc},
//!     time::Duration,
//! };
//! use wharf::{BufferPool, Completion, CompletionPort, Connection, Finished, Listener, Socket, Workers};
//!
//! const ACCEPT_AGAIN: Duration = Duration::from_secs(1);
//!
//! #[derive(Clone)]
//! enum Key {
//!     Listener,
//!     Client { id: u64, _gone: mpsc::Sender<()> },
//! }
//!
//! /// The context of a receive that is started after our side has ended.
//! struct Ended;
//!
//! struct Server {
//!     buffers: BufferPool,
//!     clients: Mutex<Clients>,
//! }
//!
//! struct Clients {
//!     last_id: u64,
//!     sockets: HashMap<u64, Socket<Key>>,
//!     /// None once the server stops.
//!     gone: Option<mpsc::Sender<()>>,
//! }
//!
//! impl Server {
//!     fn serve(&self, port: &CompletionPort<Key>, mut completion: Completion<Key>) {
//!         let our_side_has_ended = completion.take_context::<Ended>().is_some();
//!         let to_accept_on = completion.take_context::<Listener<Key>>();
//!         let Completion { key, result, what, .. } = completion;
//!         let goes_on = match what {
//!             Finished::Accepted { listener, connection: Some(connection) } => {
//!                 self.admit(port, connection);
//!                 let _ = listener.accept();
//!                 return;
//!             }
//!             // Out of descriptors, say: not at once again, which would only fail again.
//!             Finished::Accepted { listener, .. } => {
//!                 if !self.is_stopping() {
//!                     let _ = port.with(listener).timer(ACCEPT_AGAIN, Key::Listener);
//!                 }
//!                 return;
//!             }
//!             Finished::Timer => {
//!                 let _ = to_accept_on.map(|listener| listener.accept());
//!                 return;
//!             }
//!             // What comes now is thrown away, up to the peer's end.
//!             Finished::Received { socket, buffer } if our_side_has_ended => {
//!                 !buffer.is_empty() && self.receive_the_rest(&socket)
//!             }
//!             Finished::Received { socket, buffer } => match result {
//!                 Ok(0) => false,
//!                 Ok(_) => socket.send(buffer).is_ok(),
//!                 // Cancelled, since the server stops; or it failed, and then this is refused.
//!                 Err(_) => self.is_stopping() && socket.shutdown().is_ok(),
//!             },
//!             Finished::Sent { socket, .. } if result.is_ok() => self.receive(&socket),
//!             Finished::Shutdown { socket } if result.is_ok() => self.receive_the_rest(&socket),
//!             _ => false,
//!         };
//!         if let (Key::Client { id, .. }, false) = (&key, goes_on) {
//!             let socket = self.clients().sockets.remove(id);
//!             drop(socket); // Not under the lock.
//!         }
//!     }
//!
//!     fn admit(&self, port: &CompletionPort<Key>, connection: Box<Connection>) {
//!         let mut clients = self.clients();
//!         let Some(gone) = clients.gone.clone() else { return };
//!         clients.last_id += 1;
//!         let id = clients.last_id;
//!         if let Ok(socket) = port.associate(connection, Key::Client { id, _gone: gone }) {
//!             clients.sockets.insert(id, socket.clone());
//!             drop(clients);
//!             if !self.receive(&socket) {
//!                 self.clients().sockets.remove(&id);
//!             }
//!         }
//!     }
//!
//!     fn receive(&self, socket: &Socket<Key>) -> bool {
//!         let started = socket.receive_from(&self.buffers).is_ok();
//!         // After it was started: the stopping thread may have cancelled before.
//!         if self.is_stopping() {
//!             socket.cancel_receives();
//!         }
//!         started
//!     }
//!
//!     fn receive_the_rest(&self, socket: &Socket<Key>) -> bool {
//!         socket.with(Ended).receive_from(&self.buffers).is_ok()
//!     }
//!
//!     fn is_stopping(&self) -> bool {
//!         self.clients().gone.is_none()
//!     }
//!
//!     fn clients(&self) -> std::sync::MutexGuard<'_, Clients> {
//!         self.clients.lock().expect("nothing panics under the lock")
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     let port = CompletionPort::<Key>::new(0)?;
//!     let (gone, all_gone) = mpsc::channel::<()>();
//!     let clients = Clients { last_id: 0, sockets: HashMap::new(), gone: Some(gone) };
//!     let server = Arc::new(Server { buffers: BufferPool::new(4096), clients: Mutex::new(clients) });
//!     let workers = Workers::start(&port, 2..=16, {
//!         let server = server.clone();
//!         move |port, completion| server.serve(port, completion)
//!     })?;
//!     let listener = port.associate(TcpListener::bind("127.0.0.1:0")?, Key::Listener)?;
//!     listener.accept()?;
//!     let mut peer = TcpStream::connect(listener.local_addr())?;
//!     peer.write_all(b"ahoy")?;
//!     let mut echo = [0; 4];
//!     peer.read_exact(&mut echo)?;
//!     # let peer = std::thread::spawn(move || peer.read(&mut [0]));
//!
//!     // The stop.
//!     drop(server.clients().gone.take()); // From now on it is stopping.
//!     listener.close();
//!     let sockets: Vec<_> = server.clients().sockets.drain().map(|(_, socket)| socket).collect();
//!     for socket in sockets {
//!         socket.cancel_receives();
//!     }
//!     # // The peer reads the end, and closes.
//!     # assert_eq!(peer.join().expect("it ends")?, 0);
//!     let ended = all_gone.recv_timeout(Duration::from_secs(10));
//!     assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected), "else some are left, and are cut");
//!     let cut = port.close();
//!     assert!(cut.is_empty());
//!     let held = workers.join_timeout(Duration::from_secs(1));
//!     assert!(held.is_empty(), "these handlers do not return: {held:?}");
//!     Ok(())
//! }
//! ```
//!
//! # What `close` returns
//!
//! Look through the list for what the program still owes: a payload of a failed [`Sent`](crate::Finished::Sent) was not (or not
//! wholly) sent, [`transferred`](crate::Completion::transferred) says how much was; a
//! [`Written`](crate::Finished::Written) may be there with its result, if it came too late for a worker; a
//! [`Posted`](crate::Finished::Posted) packet is work that was not done. Where nothing is owed, drop the list: that gives back the
//! buffers, and what the keys and contexts hold.
//!
//! A *quiet* send that the close ends is a failed `Sent` in the list, too.
//!
//! # Threads whose handlers do not return
//!
//! [`join`](crate::Workers::join) waits for all handlers. [`join_timeout`](crate::Workers::join_timeout) gives up after a time, and
//! names the threads that are still in their handlers; they end when the handlers return, or with the process. A blocked handler does not
//! hold up `close`.
//!
//! Threads of the program's own that wait on the port see [`Wait::Closed`](crate::Wait::Closed), and return.
//!
//! # When to stop
//!
//! The library handles no signals. A thread of the program that waits for one (with the crate `signal-hook`, say), or for a line
//! on standard input, does the steps above. A *handler* may close the port, but must not join: `join` in a worker does not wait for that
//! worker itself, yet it holds up whatever else the handler was to do.
//!
//! # With the toolkit
//!
//! `wharf_server::Server::stop(timeout)` does all of it, and returns a `Report` with the numbers of clients and bytes, how many
//! clients were cut, and the names of threads that were left in their handlers:
//!
//! 1. It stops listening; connections that were not accepted are reset.
//! 2. Each client is closed: a handler that is at work finishes, what was sent arrives, the end follows.
//! 3. Clients that have not finished after `timeout` are cut.
//! 4. The port is closed, and the workers end. One whose handler does not return after the deadline (or half a second, if that is
//!    later) is left, and named.
//!
//! A `Server` that is dropped without `stop` cuts its clients and ends at once.
