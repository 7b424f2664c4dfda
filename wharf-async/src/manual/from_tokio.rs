//! From tokio: what to change, what works as it is, what panics for want of tokio's context, and what does not work.
//!
//! # What to change
//!
//! | tokio | here |
//! |---|---|
//! | `#[tokio::main]` | [`Runtime::new`](crate::Runtime::new) and [`block_on`](crate::Runtime::block_on), in a plain `main` |
//! | `runtime::Builder::worker_threads(n)` | [`concurrency(n)`](crate::Builder::concurrency): how many run at once; [`threads(n..=512)`](crate::Builder::threads): how many there are |
//! | `max_blocking_threads(n)` | the end of that range |
//! | `on_thread_start`, `on_thread_stop` | [`Builder::around`](crate::Builder::around) |
//! | `tokio::spawn`, `JoinHandle`, `JoinError`, `AbortHandle` | [`spawn`](crate::spawn), [`JoinHandle`](crate::JoinHandle), [`JoinError`](crate::JoinError), [`AbortHandle`](crate::AbortHandle) |
//! | `tokio::task::JoinSet` | [`JoinSet`](crate::JoinSet) |
//! | `tokio::task::spawn_blocking`, `block_in_place` | nothing: call the function. [`spawn_blocking`](crate::spawn_blocking) is there by name |
//! | `tokio::task::spawn_local`, `LocalSet` | [`spawn_local`](crate::spawn_local), within `block_on` |
//! | `Handle::current().block_on(..)` | [`Handle::block_on`](crate::Handle::block_on); it works in a task, too |
//! | `tokio::time::{sleep, timeout, interval}` | [`time`](crate::time), with the same names; the moments are `std::time::Instant` |
//! | `tokio::net::{TcpListener, TcpStream}` | [`net`](crate::net), with the same names |
//! | `tokio::net::lookup_host` | `std::net::ToSocketAddrs`, which may block |
//! | `tokio::fs`, `tokio::process` | `std::fs`, `std::process`, which may block |
//! | `tokio::signal::ctrl_c` | [`ctrl_c`](crate::ctrl_c) |
//! | `hyper_util::rt::{TokioExecutor, TokioTimer, TokioIo}` | `hyper::Executor`, `hyper::Timer` of this crate, with the feature `hyper`; streams have hyper's traits themselves |
//! | `axum::serve` | `wharf_axum::serve` |
//! | `Runtime::shutdown_timeout` | [`Runtime::stop`](crate::Runtime::stop) |
//!
//! A program, changed:
//!
//! ```no_run
//! use tokio::io::{AsyncReadExt, AsyncWriteExt}; // as before; the feature io-util is enough
//! use wharf_async::{Runtime, net::TcpListener};
//!
//! // #[tokio::main]
//! // async fn main() -> std::io::Result<()> {
//! fn main() -> std::io::Result<()> {
//!     Runtime::new()?.block_on(async {
//!         let listener = TcpListener::bind("127.0.0.1:21001").await?;
//!         loop {
//!             let (mut stream, _peer) = listener.accept().await?;
//!             // tokio::spawn(async move {
//!             let session = wharf_async::spawn(async move {
//!                 let mut bytes = [0; 4096];
//!                 loop {
//!                     let len = stream.read(&mut bytes).await?;
//!                     if len == 0 {
//!                         return std::io::Result::Ok(());
//!                     }
//!                     stream.write_all(&bytes[..len]).await?;
//!                 }
//!             });
//!             session.detach(); // to drop the handle does the same
//!         }
//!     })
//! }
//! ```
//!
//! # What works as it is
//!
//! What only waits for another task, or only has tokio's I/O traits, needs no runtime of tokio's. It is used as before, and a task
//! of this crate is woken by it. Of tokio's features it needs `sync`, `macros` and `io-util`, and `rt` for the names in `tokio::task`.
//!
//! | what | |
//! |---|---|
//! | `tokio::sync`: `mpsc`, `oneshot`, `broadcast`, `watch`, `Mutex`, `RwLock`, `Semaphore`, `Notify`, `Barrier`, `OnceCell` | within [`time::timeout`](crate::time::timeout) of this crate as well |
//! | `tokio::select!`, `join!`, `try_join!`, `pin!` | |
//! | `tokio::task_local!`, `tokio::task::yield_now`, `unconstrained`, `consume_budget` | the last two do nothing |
//! | `tokio::io`: `AsyncReadExt`, `AsyncWriteExt`, `BufReader`, `lines`, `copy_bidirectional`, `split`, `duplex` | over [`TcpStream`](crate::net::TcpStream) and its halves |
//! | tokio-util: codecs with `Framed`, `CancellationToken` | |
//! | the `futures` crates: streams, sinks, `FuturesUnordered`, channels | they know no runtime |
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
//! # What panics for want of tokio's context
//!
//! These ask for the runtime of tokio's that the thread is in, and a worker here is in none. They compile, and then panic, most of them with
//! "there is no reactor running, must be called from the context of a Tokio 1.x runtime". In a task the panic is the result of its
//! [`JoinHandle`](crate::JoinHandle); a connection of `wharf_axum` ends with it.
//!
//! | what | instead |
//! |---|---|
//! | `tokio::spawn`, `JoinSet`, `spawn_blocking` | those of this crate |
//! | `tokio::time`, `tokio::net`, `tokio::signal`, `tokio::fs`, `tokio::process` | as in the first table |
//! | `tokio::io::stdin`, `stdout`, `stderr` | `std::io`, which may block |
//! | `axum::serve` | `wharf_axum::serve` |
//! | tower-http's `TimeoutLayer`; tower's `timeout`, `rate_limit`, `hedge`, back-off | [`time::timeout`](crate::time::timeout) in the handler or in a layer of one's own, or a context |
//! | tower's `buffer`, `spawn_ready` | a context |
//! | tower-http's `ServeDir` and `ServeFile` | `std::fs` in a handler, or a context |
//! | axum's WebSockets (feature `ws`), the keep-alive of its server-sent events | a context; or tokio-tungstenite |
//! | reqwest, tonic's `transport`, sqlx with `runtime-tokio` | a context; or a client that blocks |
//!
//! # A runtime of tokio's beside it
//!
//! A library that asks for tokio's context gets one if each worker *enters* a runtime of tokio's when it starts:
//!
//! ```
//! use std::time::Duration;
//! use wharf_async::Runtime;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
//! let handle = tokio.handle().clone();
//! let runtime = Runtime::builder()
//!     .around(move |life| {
//!         let _context = handle.enter();
//!         life();
//!     })
//!     .build()?;
//!
//! let task = runtime.spawn(async {
//!     // tokio's timer wakes this task, which goes on on a worker of ours.
//!     tokio::time::sleep(Duration::from_millis(1)).await;
//!     // This runs on tokio's thread: to block there halts all that is spawned there.
//!     tokio::spawn(async { 42 }).await
//! });
//! assert_eq!(runtime.block_on(task)??, 42);
//!
//! // The thread of `block_on` is no worker: it enters by itself.
//! let _context = tokio.enter();
//! runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
//! # Ok(())
//! # }
//! ```
//!
//! What follows from it:
//!
//! - **What is `tokio::spawn`ed runs on tokio's threads**, and blocking stalls there as ever. That holds for the tasks that a library spawns,
//!   such as the callback of `WebSocketUpgrade::on_upgrade` and the connections of reqwest; with `axum::serve` it would hold for all handlers,
//!   which is why `wharf_axum::serve` takes its place.
//! - A task of this crate may block, and compute, whatever of tokio's it awaits.
//! - `tokio::runtime::Handle::block_on` works in a task: to enter a runtime is not to be driven by it.
//! - What is spawned there is outside of this runtime: [`spawn`](crate::spawn) and [`time`](crate::time) panic there. A
//!   [`Handle`](crate::Handle) that is taken along spawns from anywhere.
//! - It costs a thread with tokio's reactor, and what waits for a `tokio::time` or a `tokio::net` is woken from that thread.
//! - The runtime of tokio's has to live as long as this one: drop it after [`stop`](crate::Runtime::stop).
//!
//! # What does not work
//!
//! - **`#[tokio::main]` and `#[tokio::test]`** run the function on a runtime of tokio's. Write `main` as above, and a test as
//!   `Runtime::new()?.block_on(async { .. })`.
//! - **A program whose libraries call `tokio::spawn`** and block in what they spawn: nothing here changes where that runs.
//! - **Tasks that are not `Send` on workers.** They are for the thread of a `block_on` alone ([`spawn_local`](crate::spawn_local)), and while
//!   that thread blocks they wait. A runtime of one thread (`current_thread`) is not there.
//! - **Time that a test stops** (`tokio::time::pause`): nothing corresponds to it but the simulated kernel (feature `simulated`).
//! - **UDP, Unix sockets, files, processes, and signals other than Ctrl-C** as futures: not there yet. The standard library's sockets,
//!   files and processes block, as they may here; [`wharf`] has the first three as operations of a port.
//!
//! # What differs
//!
//! | | tokio, multi-thread | here |
//! |---|---|---|
//! | a task that blocks | holds its worker, and with it what is in that worker's slot | its place goes to another worker; see [the manual](super#tasks-that-block) |
//! | a task that computes | holds its worker until its next await | the same; see [there](super#tasks-that-compute) |
//! | threads | as many workers as processors, and up to 512 more for `spawn_blocking` | one pool, from the concurrency up to 512; `spawn_blocking` has no queue of its own |
//! | what runs at once | all of them | as many as the concurrency, and those that block beside them |
//! | `block_on` in a task | panics | works; the worker gives its place away meanwhile |
//! | a `JoinHandle` that is dropped | detaches its task | the same, and [`detach`](crate::JoinHandle::detach) says it |
//! | `abort` | takes effect at the next await | the same: a worker drops the future at the task's next turn. A task that blocks comes to the end of its poll first |
//! | a `JoinSet` that is dropped | aborts its tasks | the same |
//! | a panic in a task | is the result of its handle | the same. A panic in the *drop* of a future is logged |
//! | the runtime is dropped | waits for what blocks, without a limit | waits 200 ms for its workers at most, and leaves alone what is still in a poll |
//! | `shutdown_timeout` | says nothing | [`stop`](crate::Runtime::stop) returns a [`StopReport`](crate::StopReport): where the tasks that are left were spawned, and which workers they hold |
//! | the budget of a task | 128 results in a poll, of tokio's futures | 128 results in a poll, of this crate's futures. Those of tokio's are not counted here: a loop over a channel that is never empty needs a [`yield_now`](crate::yield_now()) |
//! | order | a task that another one wakes may go first (a slot of the worker's) | one queue, first in, first out; a task that an I/O completion wakes is polled at once |
//! | timers | up to a millisecond late | a fraction of a millisecond late on Linux, up to 16 ms on Windows. None fires early |
//! | a write that succeeds | the system has the bytes | the runtime has the bytes: what the system does not take at once, and on io_uring small writes, is copied and sent without a report. What fails after that is the error of the next write, flush or shutdown; an error that comes after the last of these is lost |
//! | `flush` | does nothing | tells such an error, and does not wait |
//! | `shutdown` | ends the sending side | the same, behind all that was written; it waits until the system has the bytes |
//! | a `TcpStream` that is dropped | closes | sends what was written, and then closes |
//! | `set_linger` | any time | none or zero: any other would block the thread that closes, and is refused |
//! | `TcpListener::local_addr` | `io::Result` | an address |
//! | `accept` from several tasks | one of them gets a connection | the same; all that wait are woken for each |
//! | `readable`, `try_read`, `writable`, `try_write` | there | not there; [`TcpStream::receive`](crate::net::TcpStream::receive) and [`send`](crate::net::TcpStream::send) have memory that the operation owns, and [`peek`](crate::net::TcpStream::peek) waits for bytes; it takes `&mut self` |
//! | a read that is cancelled | loses no byte | the same, and so is an accept |
