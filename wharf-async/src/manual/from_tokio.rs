//! From tokio: which crates work, what to change, what works as it is, what panics without tokio's context, and what does not work.
//!
//! # Which crates work
//!
//! "As it is": only the crate's stream or server comes from here. "By feature": with the named feature of this crate. Each line is checked
//! by the test, or the example, beside it.
//!
//! | crate | | checked by |
//! |---|---|---|
//! | tokio: `sync`, `select!`, `join!` | as it is | `wharf-async/tests/from_tokio.rs` `channels`, `locks`, `select_and_join` |
//! | tokio: `io` | as it is | `wharf-async/tests/from_tokio.rs` `readers_writers_and_pipes`, `copies_both_ways` |
//! | tokio: `net`, `fs`, `signal`, `process` | those of this crate, with the same names | `wharf-async/tests/from_tokio.rs` `sockets_files_signals_and_processes_have_the_names_of_tokios` |
//! | tokio: `spawn`, `time`, `net` | by feature `tokio`; on its own thread, not on the workers | `wharf-async/tests/tokio_context.rs` `timers_tasks_and_sockets_of_tokios_work_in_a_task` |
//! | tokio: `#[tokio::main]`, `#[tokio::test]`, `Runtime` | not: `#[wharf_async::main]`, `#[wharf_async::test]` | `wharf-async/tests/macros.rs` |
//! | tokio: `time::pause` | not: `simulation` | `wharf-async/tests/simulated.rs` `time_is_simulated_and_is_that_of_each_timer_in_its_order` |
//! | tokio-util: codecs, `CancellationToken` | as it is | `wharf-async/tests/from_tokio.rs` `codecs`, `cancellation_tokens` |
//! | futures | as it is; its I/O traits by feature `futures-io` | `wharf-async/tests/futures_io.rs` |
//! | hyper | by feature `hyper` | `wharf-axum/tests/from_tokio.rs` `clients_of_hyper_work_over_streams` |
//! | axum: routers, handlers, extractors | as it is, by `wharf_axum::serve` | `wharf-axum/tests/from_tokio.rs` `extractors_and_layers_without_timers_work` |
//! | axum: `serve` | not: `wharf_axum::serve`. By feature `tokio` it serves, with all handlers on tokio's thread | `wharf-axum/tests/from_tokio.rs` `axums_own_serve_needs_tokios_context` |
//! | axum: WebSockets | `wharf_axum::ws`, with the same API. axum's own by feature `tokio`, on tokio's thread | `wharf-axum/tests/ws.rs` `a_session_may_block`; `wharf-axum/tests/from_tokio.rs` `axums_web_sockets_work_with_tokios_context` |
//! | axum: server-sent events | as it is; their keep-alive by feature `tokio`, or that of `wharf_axum::sse` | `wharf-axum/tests/from_tokio.rs` `events_are_kept_alive` |
//! | tower; tower-http: `TraceLayer`, `CorsLayer` | as it is | `wharf-axum/tests/from_tokio.rs` `extractors_and_layers_without_timers_work` |
//! | tower-http: `TimeoutLayer`, `ServeDir`; tower: `timeout`, `buffer`, `limit::rate` | by feature `tokio` | `wharf-axum/tests/from_tokio.rs` `layers_with_timers_work_with_tokios_context` |
//! | tokio-rustls | as it is; `wharf_axum::serve_tls` is on it | `wharf-axum/tests/tls.rs` |
//! | tokio-tungstenite | as it is, over our streams | `wharf-axum/tests/from_tokio.rs` `tungstenite_works_over_streams` |
//! | tonic: services | as it is, by `wharf_axum::serve` | `examples/web/19_grpc.rs`, `wharf-axum/tests/tonic.rs` `services_answer_tonics_client_while_one_blocks` |
//! | tonic: clients | by feature `tokio` | `wharf-axum/tests/tonic.rs` `services_answer_tonics_client_while_one_blocks` |
//! | reqwest, sqlx | by feature `tokio` | `examples/web/21_postgres.rs` |
//! | what blocks: rusqlite, `std::fs`, a lock | as it is, in any task | `examples/12_sqlite.rs` |
//! | what computes for long: argon2, bcrypt, pictures | in [`spawn_blocking`](crate::spawn_blocking), as on tokio | `wharf-async/tests/from_tokio.rs` `what_computes_in_spawn_blocking_shares_the_processors` |
//! | crates that only add routes, extractors, or layers without timers to axum (axum-extra, utoipa), or compute for a moment (jsonwebtoken, validator) | as it is | `wharf-axum/tests/from_tokio.rs` `extractors_and_layers_without_timers_work` |
//! | tokio-console, metrics | as it is; by feature `metrics` | `wharf-async/tests/metrics.rs` |
//!
//! # What to change
//!
//! | tokio | here |
//! |---|---|
//! | `#[tokio::main]`, `#[tokio::test]` | `#[wharf_async::main]`, `#[wharf_async::test]`; or [`Runtime::new`](crate::Runtime::new) and [`block_on`](crate::Runtime::block_on), in a plain `main` |
//! | `runtime::Builder::worker_threads(n)` | [`concurrency(n)`](crate::Builder::concurrency): how many run at once; [`threads(n..=512)`](crate::Builder::threads): how many there are |
//! | `max_blocking_threads(n)` | the end of that range |
//! | `on_thread_start`, `on_thread_stop` | [`Builder::around`](crate::Builder::around) |
//! | `tokio::spawn`, `JoinHandle`, `JoinError`, `AbortHandle` | [`spawn`](crate::spawn), [`JoinHandle`](crate::JoinHandle), [`JoinError`](crate::JoinError), [`AbortHandle`](crate::AbortHandle) |
//! | `tokio::task::JoinSet` | [`JoinSet`](crate::JoinSet) |
//! | `tokio::task::spawn_blocking`, `block_in_place`, of what blocks | nothing: call the function |
//! | `tokio::task::spawn_blocking` of what computes for long | [`spawn_blocking`](crate::spawn_blocking): a task that computes keeps its place ([why](super#tasks-that-compute)) |
//! | `tokio::task::spawn_local`, `LocalSet` | [`spawn_local`](crate::spawn_local), within `block_on` |
//! | `Handle::current()`, `Handle::try_current()` | [`Handle::current`](crate::Handle::current): an `Option` |
//! | `Handle::block_on` | [`Handle::block_on`](crate::Handle::block_on); it works in a task, too |
//! | `tokio::time::{sleep, timeout, interval}` | [`time`](crate::time), with the same names; the moments are `std::time::Instant` |
//! | `tokio::net`: `TcpListener`, `TcpStream`, `UdpSocket`, `UnixListener`, `UnixStream`, `UnixDatagram`, and their halves | [`net`](crate::net), with the same names |
//! | `listener.local_addr()?` of a `TcpListener` | `listener.local_addr()`: an address, not a `Result` |
//! | `tokio::net::lookup_host` | `std::net::ToSocketAddrs`, which may block |
//! | `tokio::fs` | [`fs`](crate::fs), with the same names, or `std::fs`, which may block |
//! | `tokio::process` | on Unix `wharf_async::process`, with the same names; on Windows `std::process`, which may block |
//! | `tokio::signal::ctrl_c`, `tokio::signal::unix` | [`signal`](crate::signal), with the same names |
//! | `hyper_util::rt::{TokioExecutor, TokioTimer, TokioIo}` | `hyper::Executor`, `hyper::Timer` of this crate, with the feature `hyper`; streams have hyper's traits themselves |
//! | `axum::serve`, `axum-server` with rustls | `wharf_axum::serve`, `wharf_axum::serve_tls` |
//! | `axum::extract::ws::{WebSocketUpgrade, WebSocket}` | `wharf_axum::ws`, with the same names |
//! | `axum::response::Sse::keep_alive` | `wharf_axum::sse::KeepAlive`; or as it is, with the feature `tokio` |
//! | `tonic::transport::Server` | `Routes::into_axum_router` of tonic's, and `wharf_axum::serve` |
//! | `#[tokio::test(start_paused = true)]`, `time::advance` | `simulation::Simulation`, with the feature `simulated`: the clock goes on by itself when all tasks wait |
//! | `Runtime::shutdown_timeout` | [`Runtime::stop`](crate::Runtime::stop) |
//!
//! A program, changed:
//!
//! ```no_run
//! # #[cfg(feature = "macros")]
//! # mod program {
//! use tokio::io::{AsyncReadExt, AsyncWriteExt}; // as before; the feature io-util is enough
//! use wharf_async::net::TcpListener;
//!
//! // #[tokio::main]
//! #[wharf_async::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:21001").await?;
//!     loop {
//!         let (mut stream, _peer) = listener.accept().await?;
//!         // tokio::spawn(async move {
//!         let session = wharf_async::spawn(async move {
//!             let mut bytes = [0; 4096];
//!             loop {
//!                 let len = stream.read(&mut bytes).await?;
//!                 if len == 0 {
//!                     return std::io::Result::Ok(());
//!                 }
//!                 stream.write_all(&bytes[..len]).await?;
//!             }
//!         });
//!         session.detach(); // to drop the handle does the same
//!     }
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! A program with axum and sqlx changes three lines, and a fourth if it listens to signals. In `Cargo.toml`, beside what is there (axum and tokio may keep their features):
//!
//! ```toml
//! wharf-async = { version = "0.1", features = ["tokio"] } # for sqlx
//! wharf-axum = "0.1"
//! ```
//!
//! And in the program:
//!
//! ```text
//! #[wharf_async::main]                                   // #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     let pool = PgPool::connect(&url).await?;           // as before
//!     let listener = wharf_async::net::TcpListener::bind("0.0.0.0:8080").await?;
//!     wharf_axum::serve(listener, router(pool))          // axum::serve
//!         .with_graceful_shutdown(stop())                // as before; it has no bound of its own
//!         .await?;
//!     Ok(())                                             // what is left then has five seconds
//! }
//! ```
//!
//! `stop` waits for [`ctrl_c`](crate::ctrl_c), or for the signal that containers send, by `signal::unix` with the names of tokio's: a function that
//! does so on tokio stays, with `use wharf_async::signal` in place of `use tokio::signal`.
//!
//! # A program that was ported
//!
//! This page alone was enough to port `realworld-axum-sqlx`, by milovanovmaksim on GitHub. It has axum 0.8, sqlx and PostgreSQL, bcrypt, jsonwebtoken,
//! validator, utoipa with its Swagger UI, and two layers of tower-http. Of its 2,469 lines of Rust **three changed**: the attribute of `main`, the
//! listener, and `axum::serve`. `Cargo.toml` got the two lines above, and kept all others. The program compiled at once.
//!
//! - 39 requests by curl, from a sign-up to a body that is too long, get the same answers, except one: a request in HTTP/2 is answered now.
//! - The program listens to no signal, and SIGTERM, Ctrl-C and SIGHUP end it as before. With the function of axum's own example of a graceful stop, a
//!   login that is under way gets its answer, and the program then ends with success: on tokio, and here with the one line more.
//! - A login computes: bcrypt is called in its handler. That holds up the others as on tokio, and the remedy is the same. While eight clients
//!   logged in all the time, a `GET` of one query took the better part of a second on both runtimes (the median), and some 5 ms on both with
//!   bcrypt in [`spawn_blocking`](crate::spawn_blocking), which is nine lines. Other work shared the two processors: the figures compare the two
//!   ways, and not the two runtimes.
//!
//! In each of five of axum's own examples (todos, key-value-store, sse, graceful-shutdown, and tokio-postgres with bb8) four to nine lines changed:
//! the three above, `listener.local_addr()`, and the names of tokio's that they use.
//!
//! # What works as it is
//!
//! Code that only waits for another task, or only has tokio's I/O traits, needs no runtime of tokio's. Use it as before: it wakes tasks
//! of this crate. Of tokio's features it needs `sync`, `macros` and `io-util`, and `rt` for the names in `tokio::task`.
//!
//! | what | |
//! |---|---|
//! | `tokio::sync`: `mpsc`, `oneshot`, `broadcast`, `watch`, `Mutex`, `RwLock`, `Semaphore`, `Notify`, `Barrier`, `OnceCell` | within [`time::timeout`](crate::time::timeout) of this crate as well |
//! | `tokio::select!`, `join!`, `try_join!`, `pin!` | |
//! | `tokio::task_local!`, `tokio::task::yield_now`, `unconstrained`, `consume_budget` | the last two do nothing |
//! | `tokio::io`: `AsyncReadExt`, `AsyncWriteExt`, `BufReader`, `lines`, `copy`, `copy_bidirectional`, `split`, `duplex` | over the streams of [`net`](crate::net) and their halves, a [`File`](crate::fs::File), the pipes of a child process |
//! | tokio-util: codecs with `Framed`, `CancellationToken` | |
//! | the `futures` crates: streams, sinks, `FuturesUnordered`, channels | they know no runtime; their I/O traits are those of our streams with the feature `futures-io` |
//! | hyper, client and server | with the feature `hyper` |
//! | h2 | over tokio's traits; hyper's HTTP/2 is built on it |
//! | axum: routers, handlers, extractors, `State`, `ConnectInfo`, bodies, server-sent events without keep-alive | by `wharf_axum::serve` |
//! | tower: `ServiceBuilder`, `concurrency_limit`, `load_shed`, `service_fn`; tower-http: `TraceLayer`, `CorsLayer` | any layer without a time or a task of its own |
//! | tokio-tungstenite: `accept_async`, `client_async` | over a [`TcpStream`](crate::net::TcpStream); its `connect_async` has a stream of tokio's |
//! | tokio-rustls | over a [`TcpStream`](crate::net::TcpStream): of tokio it uses the I/O traits only |
//! | `tokio::task::block_in_place` | it just runs the function |
//! | `tokio::task::LocalSet` with `run_until` | within [`block_on`](crate::Runtime::block_on); on one thread, as ever |
//!
//! ```
//! use futures_util::{SinkExt, StreamExt};
//! use tokio::sync::mpsc;
//! use tokio_util::codec::{Framed, LinesCodec};
//! use wharf_async::{Runtime, net::{TcpListener, TcpStream}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! Runtime::new()?.block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let mut client = Framed::new(TcpStream::connect(listener.local_addr()).await?, LinesCodec::new());
//!     let (stream, _) = listener.accept().await?;
//!     let (sender, mut lines) = mpsc::channel(16);
//!     wharf_async::spawn(async move {
//!         let mut frames = Framed::new(stream, LinesCodec::new());
//!         while let Some(Ok(line)) = frames.next().await {
//!             // Here a task of tokio's would hold its worker.
//!             std::thread::sleep(std::time::Duration::from_millis(1));
//!             if sender.send(line).await.is_err() {
//!                 break;
//!             }
//!         }
//!     })
//!     .detach();
//!     client.send("ahoy").await?;
//!     assert_eq!(lines.recv().await.as_deref(), Some("ahoy"));
//!     Ok(())
//! })
//! # }
//! ```
//!
//! # What panics without tokio's context
//!
//! These ask for the runtime of tokio's that the thread is in, and a worker here is in none. They compile, and then panic, most of them with
//! "there is no reactor running, must be called from the context of a Tokio 1.x runtime". In a task the panic is the result of its
//! [`JoinHandle`](crate::JoinHandle); a connection of `wharf_axum` ends with it.
//!
//! With the [feature `tokio`](#a-runtime-of-tokios-beside-it) a worker is in tokio's context, and all of these work ("a context" in the table).
//!
//! | what | instead |
//! |---|---|
//! | `tokio::spawn`, `JoinSet`, `spawn_blocking` | those of this crate |
//! | `tokio::time`, `tokio::net`, `tokio::signal`, `tokio::fs`, `tokio::process` | as in the first table |
//! | `tokio::io::stdin`, `stdout`, `stderr` | `std::io`, which may block |
//! | `axum::serve` | `wharf_axum::serve` |
//! | tower-http's `TimeoutLayer`; tower's `timeout`, `rate_limit`, `hedge`, back-off | [`time::timeout`](crate::time::timeout) in the handler or in a layer of one's own, or a context |
//! | tower's `buffer`, `spawn_ready` | a context |
//! | tower-http's `ServeDir` and `ServeFile` | [`fs`](crate::fs) in a handler, or a context |
//! | axum's WebSockets (feature `ws`) | `wharf_axum::ws`, where a session may block; with a context they run on tokio's thread |
//! | the keep-alive of axum's server-sent events | `wharf_axum::sse::KeepAlive`, or a context |
//! | reqwest, tonic's `Channel`, sqlx with `runtime-tokio` | a context; or a client that blocks |
//!
//! # A runtime of tokio's beside it
//!
//! A task of ours that awaits something of tokio's (a query of sqlx, a request of reqwest) stays where it is: a handler runs on the workers, and may
//! block. On tokio's side are the tasks that those libraries have spawned, their sockets and their timers.
//!
//! **A task that `tokio::spawn` has spawned runs on one thread of tokio's. If it blocks there, all other tasks on that thread wait, and so
//! do all timers and sockets of tokio's.** That holds for the tasks that a library spawns by itself, such as the callback of
//! axum's own `WebSocketUpgrade::on_upgrade` and the connections of reqwest; with `axum::serve` it would hold for all handlers, which is why
//! `wharf_axum::serve` takes its place. A task of this crate may block and compute, whatever of tokio's it awaits. On Linux the log says once
//! that a task has blocked there for 100 ms or more.
//!
//! With the feature `tokio`, a [`Runtime`](crate::Runtime) has a *side runtime* of tokio's, with its timers, its reactor and one thread; each
//! worker is in its context from the start to the end, and so is the thread of [`block_on`](crate::Runtime::block_on). Nothing else has to be done:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # #[cfg(feature = "tokio")] {
//! use std::{thread, time::Duration};
//! use wharf_async::Runtime;
//!
//! let runtime = Runtime::builder().concurrency(1).threads(1..=8).build()?;
//! // It blocks the only worker that runs; another one takes its place.
//! runtime.spawn(async { thread::sleep(Duration::from_millis(100)) }).detach();
//! let task = runtime.spawn(async {
//!     // tokio's timer wakes this task, which goes on on a worker.
//!     tokio::time::sleep(Duration::from_millis(1)).await;
//!     // This runs on tokio's thread. To block there would halt all that is spawned there ...
//!     let spawned = tokio::spawn(async {
//!         // ... and this is a task of ours, which may block.
//!         wharf_async::spawn(async { thread::sleep(Duration::from_millis(1)); 42 }).await
//!     });
//!     spawned.await.expect("no panic")
//! });
//! assert_eq!(runtime.block_on(task)??, 42);
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! | question | answer |
//! |---|---|
//! | What does it cost? | A thread with tokio's reactor: some descriptors and a stack. A task that waits for a `tokio::time` or a `tokio::net` is woken from that thread |
//! | May a task that is spawned there use this crate? | Yes: [`spawn`](crate::spawn), [`time`](crate::time) and [`net`](crate::net) work there, and on the threads of `tokio::task::spawn_blocking`. [`spawn_local`](crate::spawn_local) does not |
//! | `tokio::runtime::Handle::block_on`, `block_in_place` in a task | work: a worker is in the context of tokio's runtime, but is not driven by it |
//! | Which context counts, if the program has a runtime of tokio's too? | The innermost: within [`block_on`](crate::Runtime::block_on) that of the side runtime |
//! | When does it end? | At the [stop](crate::Runtime::stop), after the workers and within the same time. Threads that are left are [counted](crate::StopReport) |
//! | How is it turned off? | `Builder::tokio_context(false)`. On a simulated kernel it is off |
//!
//! Without the feature, a program may make a runtime of tokio's itself, and have each worker enter it by [`Builder::around`](crate::Builder::around).
//!
//! # What does not work
//!
//! - **`#[tokio::main]` and `#[tokio::test]`** run the function on a runtime of tokio's. `#[wharf_async::main]` and `#[wharf_async::test]`
//!   take their place.
//! - **A program whose libraries call `tokio::spawn`** and block in the tasks that they spawn: nothing here changes where these run.
//! - **Tasks that are not `Send` on workers.** They are for the thread of a `block_on` alone ([`spawn_local`](crate::spawn_local)), and while
//!   that thread blocks they wait. There is no runtime of one thread (`current_thread`).
//! - **Time that a test stops, on real sockets** (`tokio::time::pause`): a test whose time is simulated has a simulated network, too
//!   (the feature `simulated`, `wharf_async::simulation`).
//! - **Descriptors of other kinds** (`AsyncFd`, `tokio::net::unix::pipe`, named pipes of Windows), and **processes on Windows**, as futures.
//!   Those of the standard library block, which is allowed here; a time-out around such a call does not end it.
//!
//! # What differs
//!
//! | | tokio, multi-thread | here |
//! |---|---|---|
//! | a task that blocks | holds its worker, and with it what is in that worker's slot | its place goes to another worker; see [the manual](super#tasks-that-block) |
//! | a task that computes | holds its worker until its next await | the same; see [there](super#tasks-that-compute) |
//! | `axum::serve` and `wharf_axum::serve` | no time-outs; small segments wait (Nagle) unless the listener says otherwise; HTTP/2 if axum has that feature | a client has 30 s for a head, and an idle connection of HTTP/1 as long; 60 s to take something; small segments go at once; HTTP/2 always. Each is a method of `Serve` |
//! | threads | as many workers as processors, and up to 512 more for `spawn_blocking` | one pool, from the concurrency up to 512; `spawn_blocking` has no queue of its own |
//! | what runs at once | all of them | as many as the concurrency, and those that block beside them |
//! | `block_on` in a task | panics | works; the worker gives its place away meanwhile |
//! | a `JoinHandle` that is dropped | detaches its task | the same, and [`detach`](crate::JoinHandle::detach) says it: a bare `spawn(..);` does so, too, and the compiler warns of it |
//! | `abort` | takes effect at the next await | the same: a worker drops the future at the task's next turn. A task that blocks comes to the end of its poll first |
//! | a `JoinSet` that is dropped | aborts its tasks | the same |
//! | a panic in a task | is the result of its handle | the same. A panic in the *drop* of a future is logged |
//! | the runtime is dropped | waits for what blocks, without a limit | waits 200 ms for its workers at most, and leaves alone what is still in a poll |
//! | `shutdown_timeout` | says nothing | [`stop`](crate::Runtime::stop) returns a [`StopReport`](crate::StopReport): where the tasks that are left were spawned, and which workers they hold |
//! | the budget of a task | 128 results in a poll, of tokio's futures | 128 results in a poll, of this crate's futures. Those of tokio's are not counted here: a loop over a channel that is never empty needs a [`yield_now`](crate::yield_now()) |
//! | order | a task that another one wakes may go first (a slot of the worker's) | one queue, first in, first out; a task that an I/O completion wakes is polled at once |
//! | timers | up to a millisecond late | a fraction of a millisecond late on Linux, up to 16 ms on Windows. None fires early |
//! | a write that succeeds | the system has the bytes | the runtime has the bytes: those that the system does not take at once, and on io_uring small writes, are copied and sent without a report. A later failure is the error of the next write, flush or shutdown. An error after the last of these is lost, except when memory runs out: then a read reports it as well, and the peer gets a reset |
//! | `flush` | does nothing | reports such an error, and does not wait |
//! | `shutdown` | ends the sending side | the same, after all that was written; it waits until the system has the bytes |
//! | a `TcpStream` that is dropped | closes | sends what was written, and then closes |
//! | `set_linger` | any time | none or zero: any other would block the thread that closes, and is refused |
//! | `accept` from several tasks | one of them gets a connection | the same; all that wait are woken for each |
//! | `readable`, `try_read`, `writable`, `try_write` | there | not there; [`TcpStream::receive`](crate::net::TcpStream::receive) and [`send`](crate::net::TcpStream::send) have memory that the operation owns, and [`peek`](crate::net::TcpStream::peek) waits for bytes; it takes `&mut self` |
//! | a read that is cancelled | loses no byte | the same, and so is an accept |
//! | a UDP datagram whose `send_to` is cancelled | is not sent | may have been sent |
//! | `UnixStream::connect` while the backlog is full | fails | waits |
//! | `tokio::fs` | calls on a pool of threads; a time-out ends the wait | calls on this thread, which is given back when they end; only [`read_at`](crate::fs::File::read_at) and [`write_at`](crate::fs::File::write_at), which are not tokio's, wait in the port |
//! | a write to a `File` | the runtime has the bytes, until a flush | the system has the bytes |
//! | a child process that is dropped | is waited for at some time | a task waits for its end |
//! | `ChildStdin::shutdown` | does nothing | closes it |
