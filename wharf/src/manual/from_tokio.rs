//! From tokio, and other async runtimes: what corresponds to what, and when to take which.
//!
//! This page is for programs that are rewritten as handlers on the port. A program that stays `async` has a runtime on
//! the port, in the crate `wharf-async`: its own page "from tokio" (`wharf_async::manual::from_tokio`) says what changes there.
//!
//! # The difference
//!
//! An async runtime is told when a socket is *ready*, and polls the task that waits for it; the task then moves the bytes. A
//! completion port is told what to *do*, and brings the result: the bytes are in the buffer when the handler is called (a
//! *proactor*). The more important difference is which thread runs the code that follows:
//!
//! | | tokio, multi-thread | Wharf |
//! |---|---|---|
//! | the unit that is scheduled | a task (a future), polled again and again | a packet: one completed operation, handled once |
//! | its state between | in the future, written by the compiler | in the key and the context, written by you |
//! | where it runs | on a worker of the runtime, from that worker's own queue; idle workers steal from it | on whichever thread is free; nothing belongs to a thread |
//! | how many threads | as many workers as processors; up to 512 more for `spawn_blocking` | as many as the pool has; as many *run* as the concurrency |
//! | code that blocks | holds its worker, unless it was marked (`spawn_blocking`, `block_in_place`) | its place goes to another thread, unmarked |
//! | code that computes | holds its worker until its next `.await` | holds its place until it returns; other threads serve the rest |
//! | buffers | are lent for a call (`&mut [u8]`) | belong to the operation until it completes |
//! | to cancel | drop the future | [`cancel`](crate::CompletionPort::cancel); a completion follows all the same |
//!
//! # What corresponds to what
//!
//! | tokio | Wharf |
//! |---|---|
//! | `Runtime`, `Builder` | [`CompletionPort`](crate::CompletionPort) and [`Workers`](crate::Workers) |
//! | `worker_threads(n)` | [`PortBuilder::concurrency(n)`](crate::PortBuilder::concurrency): how many run; and [`threads(4..=64)`](crate::WorkersBuilder::threads): how many there are |
//! | a task | a [key](super::keys_and_contexts) or context with the state, and the handler |
//! | `tokio::spawn(future)` | [`post`](crate::CompletionPort::post) a packet; see below |
//! | `.await` on an operation | start it, and return; the handler goes on when its completion comes |
//! | `spawn_blocking`, `block_in_place` | nothing to mark; [`blocking`](crate::blocking) where the port should know at once |
//! | `TcpListener::accept().await` | [`Listener::accept`](crate::Listener::accept): one accept, one completion |
//! | `TcpStream::connect().await` | [`CompletionPort::connect`](crate::CompletionPort::connect) |
//! | `AsyncRead::read` | [`Socket::receive`](crate::Socket::receive), or [`receive_from`](crate::Socket::receive_from) a pool |
//! | `read_exact`, `lines`, codecs | not there: the handler puts together what the network has split |
//! | `AsyncWrite::write_all` | [`Socket::send`](crate::Socket::send): always whole, in the order of the calls, from any thread |
//! | `split`, `into_split` | not needed: a [`Socket`](crate::Socket) is a handle, and clones of it send and receive at once |
//! | `shutdown().await` | [`Socket::shutdown`](crate::Socket::shutdown) |
//! | `try_read`, `try_write`, `readable()` | [`try_receive`](crate::Socket::try_receive), [`try_send`](crate::Socket::try_send), [`readable`](crate::Socket::readable) |
//! | `time::sleep` | [`timer`](crate::CompletionPort::timer) |
//! | `time::timeout`, `select!` with a sleep | a timer that cancels the operation; see [`patterns`](super::patterns) |
//! | `time::interval` | a timer that sets the next one; see [`patterns`](super::patterns) |
//! | `select!` over several sources | nothing to write: whatever completes first comes first |
//! | `mpsc::Sender::send().await` (waits for room) | a send is *refused* above a limit; see [`backpressure`](super::backpressure) |
//! | `mpsc` to a task | [`post`](crate::CompletionPort::post), with the message as the [context](crate::Context) |
//! | `Notify`, `oneshot` | `post` |
//! | `join!`, `JoinSet` | a counter in a shared state; the handler that takes it to zero goes on |
//! | `Mutex` of tokio, held over `.await` | `std::sync::Mutex`, held within one handler; it may block |
//! | `fs::read`, by `spawn_blocking` | [`File::read_at`](crate::File::read_at), or `std::fs` in the handler |
//! | `JoinHandle::abort`, drop | [`Socket::close`](crate::Socket::close), [`cancel`](crate::CompletionPort::cancel) |
//! | `CancellationToken`, graceful shutdown | [`orderly_stop`](super::orderly_stop) |
//! | `Runtime::shutdown_timeout` | [`close`](crate::CompletionPort::close), then [`join_timeout`](crate::Workers::join_timeout) |
//! | `Runtime::metrics`, tokio-console | [`snapshot`](crate::CompletionPort::snapshot) |
//! | `task::yield_now` | post to oneself; see [`blocking`](super::blocking#handlers-that-compute) |
//! | `Send` bounds on futures | `Send + Sync` on the key, `Send` on the context |
//!
//! # spawn: a function as a packet
//!
//! A context may be of any type, so also a function:
//!
//! ```
//! use std::sync::mpsc;
//! use wharf::{Completion, CompletionPort, Workers};
//!
//! type Job = Box<dyn FnOnce(&CompletionPort<()>) + Send>;
//!
//! fn spawn(port: &CompletionPort<()>, job: impl FnOnce(&CompletionPort<()>) + Send + 'static) -> std::io::Result<()> {
//!     let job: Job = Box::new(job);
//!     port.with(job).post((), 0)?;
//!     Ok(())
//! }
//!
//! fn handle(port: &CompletionPort<()>, mut completion: Completion<()>) {
//!     if let Some(job) = completion.take_context::<Job>() {
//!         job(port);
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<()>::new(0)?;
//! let workers = Workers::start(&port, 2..=16, handle)?;
//! let (sender, results) = mpsc::channel();
//! spawn(&port, move |port| {
//!     // On any worker. It may block, and it may spawn.
//!     let _ = spawn(port, move |_| drop(sender.send(42)));
//! })?;
//! assert_eq!(results.recv(), Ok(42));
//! port.close();
//! workers.join();
//! # Ok(())
//! # }
//! ```
//!
//! The same works for operations: give a receive a boxed function as its context, and the handler calls it with the completion.
//!
//! # An async function as a handler
//!
//! Code with one `.await` below the other becomes steps: each `.await` is the end of a step, and local variables that
//! live across it go into a context. This is a session that reads a name, and answers with a greeting:
//!
//! ```
//! use std::{io::{Read, Write}, net::{TcpListener, TcpStream}};
//! use wharf::{Buffer, Completion, CompletionPort, Finished, Workers};
//!
//! /// Where a session stands: what an async function would have as its state.
//! enum Session {
//!     ReadsName { so_far: Vec<u8> },
//!     SendsGreeting,
//! }
//!
//! const NAME_MAX: usize = 1000;
//!
//! // async fn session(mut stream: TcpStream) -> io::Result<()> {
//! fn step(completion: &mut Completion<()>) -> std::io::Result<()> {
//!     let Some(socket) = completion.socket().cloned() else { return Ok(()) };
//!     let Some(session) = completion.take_context::<Session>() else { return Ok(()) };
//!     match (session, &completion.what) {
//!         // let line = stream.read_line(&mut name).await?;
//!         (Session::ReadsName { mut so_far }, Finished::Received { buffer, .. }) if !buffer.is_empty() => {
//!             so_far.extend_from_slice(buffer);
//!             if so_far.ends_with(b"\n") {
//!                 // stream.write_all(greeting.as_bytes()).await?;
//!                 let greeting = format!("Hello, {}", String::from_utf8_lossy(&so_far));
//!                 socket.with(Session::SendsGreeting).send(greeting)?;
//!             } else if so_far.len() <= NAME_MAX {
//!                 socket.with(Session::ReadsName { so_far }).receive(Buffer::with_capacity(256))?;
//!             }
//!             Ok(())
//!         }
//!         // The end of the function, or of the stream: nothing is started, the socket is dropped, and it closes.
//!         _ => Ok(()),
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<()>::new(0)?;
//! let workers = Workers::start(&port, 2..=16, |_port, mut completion| {
//!     if let Err(error) = step(&mut completion) {
//!         eprintln!("a session failed: {error}");
//!     }
//! })?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let mut peer = TcpStream::connect(listener.local_addr()?)?;
//! // tokio::spawn(session(stream));
//! let socket = port.associate(listener.accept()?.0, ())?;
//! socket.with(Session::ReadsName { so_far: Vec::new() }).receive(Buffer::with_capacity(256))?;
//! drop(socket); // The operation has it.
//!
//! peer.write_all(b"Ada\n")?;
//! let mut greeting = String::new();
//! peer.read_to_string(&mut greeting)?;
//! assert_eq!(greeting, "Hello, Ada\n");
//! port.close();
//! workers.join();
//! # Ok(())
//! # }
//! ```
//!
//! Common mistakes of new users of ports:
//!
//! - **A completion may come before the call that started the operation has returned**, on another worker. So put everything that the
//!   handler of the completion needs in place before the start: in the key, in the context, in a table.
//! - **Two operations of one socket may complete at the same moment**, on two workers. A task is polled by one thread at a time; the
//!   completions of a key may be handled at the same time. Either have one operation of a connection under way at a time (as above), or lock its state. The
//!   toolkit (`wharf-server`) does the former for you.
//! - **Nothing ends by being dropped.** An operation that is under way completes, and keeps its socket open until then. To end a
//!   connection, [close](crate::Socket::close) it.
//! - **A handler must not wait for another completion of the port**, as `block_on` must not be called in a task; see
//!   [`blocking`](super::blocking#what-a-handler-must-not-do).
//!
//! # When tokio is the better choice
//!
//! - The program needs libraries that are written for tokio: HTTP, TLS, gRPC, database drivers. None of these is here;
//!   names of hosts are resolved by [`names`](crate::names). On `wharf-async` there are hyper, axum and other libraries that need only tokio's I/O traits; those that ask for tokio's
//!   runtime need one beside it.
//! - Sessions have many steps. With `.await` they are read from top to bottom, on tokio as on `wharf-async`; as a handler they are a
//!   state machine by hand.
//! - The program has to run on macOS or a BSD. Wharf runs on Linux, and on Windows (so far tried under Wine only).
//! - All of its code is async already and blocks nowhere, or seldom enough to mark it.
//! - It needs a runtime that many programs have used for years. Wharf is new.
//!
//! # When Wharf is the better choice
//!
//! - Handlers block in too many places to mark them all: libraries that are not async, locks, logs, disks, databases. With 64
//!   clients, handlers that sleep for 10 ms, and no more than two of them running at once, a pool of up to 128 threads served 6,132
//!   requests a second. tokio with two workers served 198 unmarked, and 6,054 with each request in `spawn_blocking`. (A pool of
//!   Wharf's that may not grow served 198: it is the pool that makes the difference, and it needs no mark.)
//! - Some handlers compute, and the others must not wait behind them: at 1,000 requests a second beside one handler that computes,
//!   with two threads, the p99 was 0.83 ms with Wharf, and 10.9 ms with tokio.
//! - Memory and load have to be bounded by construction, and a limit should refuse in one place.
//! - The code comes from Windows' completion ports, or has to run on them; see [`from_windows`](super::from_windows).
//! - A session is a few steps: a proxy, a broker, a cache, a game's server, a gateway.
//!
//! The numbers are of one small virtual machine with two processors. `lab/report.md` in the repository has all of them, also those
//! in which tokio is ahead.
//!
//! # Together
//!
//! The port itself has no executor, no `Future` for an operation and no `AsyncRead`. The crate `wharf-async` has them: a runtime whose tasks run
//! on the threads of a port, and may block. Another executor can be built on the same parts:
//! [`post_task`](crate::CompletionPort::post_task) for a task to run on the port's threads,
//! [`PostPlace::post_quietly`](crate::raw::PostPlace::post_quietly) for a task that wakes another and returns,
//! [`try_receive`](crate::Socket::try_receive) and [`ready_to_receive`](crate::Socket::ready_to_receive) for poll-based reads,
//! [`around`](crate::WorkersBuilder::around) for what each thread must enter.
//!
//! A program may have both, each with its threads. From a handler to a task, send on a channel of tokio's (`try_send`,
//! `blocking_send`); from a task to a handler, [`post`](crate::CompletionPort::post), which never waits. To have `tokio::spawn` and
//! `Handle::current` work within handlers, enter the runtime around each worker: `Workers::builder(&port).around(move |life| { let
//! _guard = runtime.enter(); life() })`, with `runtime` a `tokio::runtime::Handle`.
