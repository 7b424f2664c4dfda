//! Backpressure: everything is bounded, and what happens at each limit.
//!
//! A program that takes in more than it can pass on needs memory without end. There are two answers to that: *refuse* what
//! is too much, or *stop taking in*, so that the network holds back the peer (TCP's own backpressure). Wharf has both.
//!
//! # Nothing comes that was not asked for
//!
//! A receive is an operation: bytes come only where one is under way. A program that starts the next receive when it is done
//! with the last one's bytes has backpressure without more code. The echo on the [front page](crate) is such a program: it
//! receives, sends, and receives again once that send has completed. A peer that does not read holds one buffer of the program, and no more.
//!
//! The same is true of connections: one comes for each accept that is under way, and the others wait in the listener's backlog.
//!
//! So limits are needed in these cases:
//!
//! - one connection's bytes go to others, as in a chat: its own reading then says nothing about theirs;
//! - answers are larger than questions, and many questions are read before the answers are sent;
//! - there are so many connections that one buffer for each is too much.
//!
//! # The limits of a port
//!
//! | limit | set by | at first | at the limit |
//! |---|---|---|---|
//! | operations, timers and posted packets under way | [`operations_max`](crate::PortBuilder::operations_max) | 4,194,304 | refused: [`PortError::TooManyOperations`](crate::PortError::TooManyOperations) |
//! | handles of a port | [`HANDLES_MAX`](crate::HANDLES_MAX), fixed | 1,048,576 | refused: [`PortError::TooManyHandles`](crate::PortError::TooManyHandles) |
//! | bytes that wait to be sent on a socket | [`set_unsent_max`](crate::Socket::set_unsent_max) | none | refused: [`PortError::TooManyUnsent`](crate::PortError::TooManyUnsent) |
//! | sends under way on a socket | [`set_sends_max`](crate::Socket::set_sends_max) | none | refused: [`PortError::TooManySends`](crate::PortError::TooManySends) |
//! | buffers of a pool | [`BufferPool::with_limit`](crate::BufferPool::with_limit) | none | receives wait in line; [`get`](crate::BufferPool::get) gives none |
//! | buffers of a pool for one connection | [`BufferPool::share`](crate::BufferPool::share) | none | only that connection's receives wait |
//! | receiving on a socket | [`pause_receiving`](crate::Socket::pause_receiving) | on | its receives wait, and the system holds back the peer |
//! | threads of a pool | [`Workers::start(&port, 4..=64, ...)`](crate::Workers::start) | the concurrency | work waits in the queue; see [`blocking`](super::blocking) |
//!
//! Two things are *not* limited at first, and a server that strangers can reach should limit them: what waits to be sent on a
//! socket, and the buffers of a pool.
//!
//! # Refusals
//!
//! What can run out is refused when an operation is *started*. What has been started completes, once, whatever runs out later: a
//! packet has its place in the queue from the start. So a program deals with limits where it calls `send` or `receive`, and never
//! where an operation completes.
//!
//! An operation that is refused gives no completion. Everything that was given to it comes back in a [`Refused`](crate::Refused): the
//! payload or buffer in `given`, the context in `context`, the reason in `error`. Where these are not needed any more, the `?` operator
//! makes an [`io::Error`](std::io::Error) of it. [`PortError::of`](crate::PortError::of)
//! finds the reasons of the table below in an `io::Error`. It answers `None` for an error of the system, for what can't be
//! used with a port at all (a handle of another kind or another kernel), and for `try_receive` and `try_send`, which answer with
//! the bare kind [`WouldBlock`](std::io::ErrorKind::WouldBlock) so that they allocate nothing.
//!
//! ```
//! use wharf::{CompletionPort, PortError};
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<String>::builder().operations_max(1).build()?;
//! port.post("first".to_owned(), 0)?;
//! let refused = port.post("second".to_owned(), 0).expect_err("one packet is under way");
//! assert_eq!(refused.given, "second");
//! assert!(matches!(PortError::of(&refused.error), Some(PortError::TooManyOperations { max: 1 })));
//!
//! // What is handed out makes room.
//! port.wait(None)?;
//! port.post(refused.given, 0)?;
//! # Ok(())
//! # }
//! ```
//!
//! All handles of a port share its operations. A connection that can have any number of them under way can use them up for all
//! others: that is what `set_sends_max` is for. An operation counts until its completion is handed out by a wait; a quiet send
//! until it has succeeded.
//!
//! # What waits to be sent
//!
//! [`send`](crate::Socket::send) never waits. Where the peer reads more slowly than the program sends, payloads wait in the
//! socket's line, in memory. [`unsent`](crate::Socket::unsent) tells how many bytes those are: bytes of started sends that the
//! *system* has not taken yet. The system's own send buffer is not counted; sysctl `net.ipv4.tcp_wmem` bounds that on Linux.
//!
//! With a limit, a send that would pass it is refused as [`WouldBlock`](std::io::ErrorKind::WouldBlock), and the payload comes
//! back. One send may be larger than the limit, if nothing else waits: so the limit stops no sender for ever. To learn when to go
//! on, send an *empty* payload: it completes when everything before it is out.
//!
//! ```
//! use std::{io, net::{TcpListener, TcpStream}, thread};
//! use wharf::{CompletionPort, Finished, Payload, PortError, Wait};
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<()>::new(0)?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let mut peer = TcpStream::connect(listener.local_addr()?)?;
//! let socket = port.associate(listener.accept()?.0, ())?;
//! socket.set_unsent_max(256 << 10)?;
//!
//! // The peer does not read. So much fits into the system's buffers and our limit, and no more:
//! let refused = loop {
//!     if let Err(refused) = socket.send_quietly(vec![0; 64 << 10]) {
//!         break refused;
//!     }
//! };
//! assert!(matches!(PortError::of(&refused.error), Some(PortError::TooManyUnsent { .. })));
//! assert!(socket.unsent() <= 256 << 10);
//! let kept: Payload = refused.given;
//!
//! // "When all of it is out":
//! socket.send(b"")?;
//! let reader = thread::spawn(move || io::copy(&mut peer, &mut io::sink()));
//! let Wait::Completed(completion) = port.wait(None)? else { panic!("neither closed nor timed out") };
//! assert!(matches!(completion.what, Finished::Sent { .. }) && socket.unsent() == 0);
//! socket.send(kept)?;
//! # drop(completion);
//! # drop(port.wait(None)?);
//! # drop(socket);
//! # reader.join().expect("it ends with the connection")?;
//! # Ok(())
//! # }
//! ```
//!
//! A program that is refused has three choices: keep the payload until there is room (and then stop reading from where it comes,
//! see below), leave it out (a chat's "who is typing"), or end the connection. A [quiet send](crate::Socket::send_quietly) that
//! has to wait does not keep a buffer of a pool: its bytes move to other memory, which only these limits bound.
//!
//! # Memory to receive into
//!
//! [`receive_from`](crate::Socket::receive_from) takes a buffer of a [`BufferPool`](crate::BufferPool) when data is *there*, not
//! when the receive is started, so that idle connections have none. With a limit, the receive waits for a buffer that comes back:
//! first come, first served. No receive fails for lack of a buffer. The data stays with the system meanwhile, and the
//! peer is held back. A receive that waits still completes when the peer ends or resets the connection (on Windows, the end is seen when
//! its turn comes).
//!
//! ```
//! use std::{io::Write, net::{TcpListener, TcpStream}};
//! use wharf::{BufferPool, CompletionPort, Finished, Wait};
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<u32>::new(0)?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let pool = BufferPool::with_limit(4096, 1);
//! let mut peers = Vec::new();
//! for key in 0..2 {
//!     let mut peer = TcpStream::connect(listener.local_addr()?)?;
//!     peer.write_all(b"ahoy")?;
//!     peers.push(peer);
//!     port.associate(listener.accept()?.0, key)?.receive_from(&pool)?;
//! }
//! for _ in 0..2 {
//!     let Wait::Completed(completion) = port.wait(None)? else { panic!("neither closed nor timed out") };
//!     assert!(matches!(&completion.what, Finished::Received { buffer, .. } if buffer[..] == *b"ahoy"));
//!     assert_eq!(pool.in_use(), 1);
//!     drop(completion); // The buffer goes back, and the other receive gets it.
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A buffer that a handler keeps is missing for all other receives: copy data that is to be kept. And where peers are not trusted, give
//! each connection a [`share`](crate::BufferPool::share) of the pool, such as two buffers: then one peer can't use up the pool, and
//! a connection that waits for its own share keeps no other waiting. Use the share in place of the pool, for that connection's
//! receives.
//!
//! # Stop reading
//!
//! To stop taking in bytes on one connection, do not start its next receive. If one is under way already, there are two ways:
//!
//! - [`pause_receiving`](crate::Socket::pause_receiving): receives that are under way wait, as if nothing came, until
//!   [`resume_receiving`](crate::Socket::resume_receiving). Nothing completes. Meanwhile neither the end nor a failure of the
//!   connection is seen by a receive.
//! - [`cancel_receives`](crate::Socket::cancel_receives): they complete as cancelled, having taken nothing, and the program
//!   starts others later.
//!
//! The system's receive buffer then fills, and TCP tells the peer to stop.
//!
//! A proxy does this between two connections: it starts the next receive on one side when the send on the other has completed.
//! The example `4_proxy.rs` of the repository is that program.
//!
//! # Work for the workers
//!
//! There is no limit on the length of the queue, apart from `operations_max`: its packets are of operations that the program
//! started, so the program chooses how many there are. [`Snapshot::oldest`](crate::Snapshot::oldest) tells how long the head of the queue
//! has waited, and [`Counts::queued`](crate::Counts::queued) how much waits. (On Windows neither is known.) A program that posts
//! packets for what comes from outside bounds them itself, as it would bound a channel: by a count that the handler decreases
//! again, or by pausing its reads.
//!
//! # The toolkit's limits
//!
//! A server on `wharf_server::Server` has all of these, each with a default; its `Settings`, or `Server::builder()`, change them:
//!
//! | setting | default | at the limit |
//! |---|---|---|
//! | `clients_max` | 16,384 | accepting pauses; others wait in the backlog |
//! | `clients_per_address_max` | a sixteenth of `clients_max`; none on loopback | one more from that address is closed at once |
//! | `backlog` | 1,024 | the system's: it refuses or ignores connections |
//! | open files (the system's limit) | | accepting pauses until a client goes, or for a moment |
//! | `buffers_per_client`, of `buffer_bytes` | 2, of 15,000 | only this client's receives wait |
//! | `buffers_bytes_max` | all shares together | receives wait in line |
//! | `unsent_bytes_max` | 1 MiB | `Client::send` is refused, and the payload comes back |
//! | unsent bytes above one buffer | `buffer_bytes` | the client is not read from until all of it is out |
//! | `stall_timeout` | 60 s | a client that takes nothing of what waits for it is cut |
//! | `idle_timeout` | none | a client that sends and takes nothing is cut |
//! | `workers_max` | 64 | work waits until a handler returns |
//!
//! The port's operations are as many as all of these can need, and 1,024 more, so that no client uses them up.
//! `Client::pause_reading` and `resume_reading` stop and resume reading one client, from any thread.
//! `Settings::memory_bytes_max` adds up what clients can pin.
//!
//! # What the library can't bound
//!
//! The system's socket buffers (sysctl `net.ipv4.tcp_rmem`, `tcp_wmem`, `tcp_mem`), the limit of open files (`ulimit -n`), and
//! what handlers keep.
