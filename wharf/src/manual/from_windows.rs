//! Coming from Windows: each call of its completion ports (IOCP), and its counterpart here.
//!
//! On Windows, Wharf is built on these calls and on the kernel's own completion port. On Linux the port is Wharf's own, and keeps
//! the same [promises](super::promises). The tables go by the Win32 name. Three things are different everywhere:
//!
//! - **An operation owns its memory.** The buffer is moved into the call that starts the operation, and comes back with the
//!   completion. It can't be freed or written to in between.
//! - **A start is `Ok` or `Err`, and nothing else.** `Ok` with an [`OperationId`](crate::OperationId): one completion follows on
//!   the port, also if the operation ended within the call. `Err`: nothing was started, no completion follows, and what was
//!   given comes back ([`Refused`](crate::Refused)). There is no `WSA_IO_PENDING` to tell from a failure.
//! - **A completion says everything about one operation**: [key, result, bytes, kind, memory, handle](crate::Completion).
//!
//! # The port
//!
//! | Win32 | Wharf | what is different |
//! |---|---|---|
//! | `CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, n)` | [`CompletionPort::new(n)`](crate::CompletionPort::new), [`builder`](crate::CompletionPort::builder) | The port has a type for its keys. Clones are the same port; it closes with the last of them. |
//! | `NumberOfConcurrentThreads` | `n` above, [`concurrency`](crate::PortBuilder::concurrency) | 0 is the number of processors that this process may use. See [`threads`](super::threads). |
//! | `CreateIoCompletionPort(handle, port, key, 0)` | [`port.associate(handle, key)`](crate::CompletionPort::associate) | It takes the standard library's handle and returns a [`Socket`](crate::Socket), [`Listener`](crate::Listener), [`DatagramSocket`](crate::DatagramSocket) or [`File`](crate::File), on which operations are started. A second association of the same value does not compile, nor does an operation on a handle that has none. The handle is made non-blocking, and is closed if it can't be associated. |
//! | completion key (`ULONG_PTR`) | `K`, any type that is `Clone + Send + Sync + 'static` | No cast: `Arc<Client>` in the place of a pointer. See [`keys_and_contexts`](super::keys_and_contexts). |
//! | `GetQueuedCompletionStatus` | [`port.wait(timeout)`](crate::CompletionPort::wait) | One answer for each case, [below](#what-a-wait-answers). |
//! | `GetQueuedCompletionStatusEx` | [`port.wait_many(&mut list, max, timeout)`](crate::CompletionPort::wait_many) | Each completion in the list has its own result. There is no alertable wait. On Windows a call takes 64 at most. |
//! | `INFINITE`, 0 milliseconds | `None`, [`Duration::ZERO`](std::time::Duration::ZERO) | A wait never ends before its time. On Windows it may end a tick of the clock later (some 16 ms). |
//! | `PostQueuedCompletionStatus` | [`port.post(key, number)`](crate::CompletionPort::post) | The pointer that goes with it is a context: `port.with(value).post(key, number)`. |
//! | `CloseHandle(port)` | [`port.close()`](crate::CompletionPort::close) | It also closes all handles of the port, cancels all operations, and returns every completion that no thread has taken. `CloseHandle` does none of these. |
//! | one posted packet for each thread, to end the pool | `port.close()`, then [`workers.join()`](crate::Workers::join) | Every wait, and every later one, answers [`Wait::Closed`](crate::Wait::Closed). See [`orderly_stop`](super::orderly_stop). |
//!
//! # Operations
//!
//! | Win32 | Wharf | what is different |
//! |---|---|---|
//! | `OVERLAPPED` | not visible | The port makes it, keeps it and frees it. The operation's name is its [`OperationId`](crate::OperationId). |
//! | a structure around `OVERLAPPED`, `CONTAINING_RECORD` | [`Context`](crate::Context): `socket.with(value).receive(buffer)`, then [`completion.take_context()`](crate::Completion::take_context) | Kind, buffer and socket need no place in it: [`completion.what`](crate::Finished) has them. |
//! | `Offset`, `OffsetHigh` | an argument of [`read_at`](crate::File::read_at) and [`write_at`](crate::File::write_at) | |
//! | `Internal`, `InternalHigh` | `completion.result`, `completion.transferred` | On Windows an error has the number that the call itself would have given: a reset is `WSAECONNRESET`, never `ERROR_NETNAME_DELETED`. |
//! | `WSARecv` | [`receive(buffer)`](crate::Socket::receive), [`receive_vectored`](crate::Socket::receive_vectored), [`receive_from(&pool)`](crate::Socket::receive_from) | No flags. 0 bytes is the end of the stream, as there. |
//! | zero-byte receive | [`receive_from(&pool)`](crate::Socket::receive_from), [`readable()`](crate::Socket::readable) | `receive_from` does both steps: it takes a buffer when there is something to receive. |
//! | `WSASend` | [`send(payload)`](crate::Socket::send), [`send_vectored`](crate::Socket::send_vectored) | Sends leave whole and in the order in which they were started, also from several threads. |
//! | `WSARecvFrom`, `WSASendTo` | [`DatagramSocket::receive`](crate::DatagramSocket::receive), [`send_to`](crate::DatagramSocket::send_to) | The sender's address comes with the completion. A datagram that does not fit (`WSAEMSGSIZE`): [`is_truncated`](crate::Completion::is_truncated). |
//! | `AcceptEx`, `GetAcceptExSockaddrs`, `SO_UPDATE_ACCEPT_CONTEXT` | [`accept()`](crate::Listener::accept); with first bytes [`accept_receive(buffer)`](crate::Listener::accept_receive) | The new socket is made by the operation, and comes as a [`Connection`](crate::Connection) with both addresses. It is associated with a key of its own. |
//! | `bind`, `ConnectEx`, `SO_UPDATE_CONNECT_CONTEXT` | [`connect(address, key)`](crate::CompletionPort::connect), [`connect_from`](crate::CompletionPort::connect_from), [`connect_send`](crate::CompletionPort::connect_send) | A method of the port: the operation makes the socket, and its completion brings it. |
//! | `shutdown(s, SD_SEND)` | [`shutdown()`](crate::Socket::shutdown) | An operation with a completion. It follows the sends that were started before it. |
//! | `DisconnectEx`, `TF_REUSE_SOCKET` | `Socket::disconnect`, `Socket::connect_again` | On Windows only. Elsewhere: close, and connect anew. |
//! | `closesocket` | [`close()`](crate::Socket::close), or drop the last clone when nothing is under way | What is under way completes as [cancelled](crate::Completion::is_cancelled). Whatever is started later is refused, also if the system has given the number to another socket. |
//! | `closesocket` with `SO_LINGER` of 0 | [`reset()`](crate::Socket::reset) | |
//! | `TransmitFile` | [`transmit(Transmit)`](crate::Socket::transmit): head, range of a file, tail | One send, in its place among the others. No `TF_DISCONNECT`. |
//! | `ReadFile`, `WriteFile`, `FlushFileBuffers` | [`read_at`](crate::File::read_at), [`write_at`](crate::File::write_at), [`flush`](crate::File::flush) | The end of a file is 0 bytes, not `ERROR_HANDLE_EOF`. A flush is an operation too. |
//! | `CancelIoEx(handle, &overlapped)` | [`port.cancel(id)`](crate::CompletionPort::cancel), [`socket.cancel(id)`](crate::Socket::cancel) | `ERROR_NOT_FOUND` is an error of the kind [`NotFound`](std::io::ErrorKind::NotFound). A completion still follows, as there. |
//! | `CancelIoEx(handle, NULL)` | [`cancel_all()`](crate::Socket::cancel_all), [`cancel_receives()`](crate::Socket::cancel_receives) | They return how many there were. |
//! | `CancelIo` | none | An operation belongs to no thread. It also goes on when the thread that started it ends. |
//! | `SetFileCompletionNotificationModes`, `FILE_SKIP_COMPLETION_PORT_ON_SUCCESS` | [`socket.skip_port()`](crate::Socket::skip_port), [`send_quietly`](crate::Socket::send_quietly) | See [below](#skipping-the-port). |
//! | `setsockopt`, `WSAIoctl` | [`set_nodelay`](crate::Socket::set_nodelay); the rest by [`with_descriptor`](crate::Socket::with_descriptor) | |
//! | `WSAStartup`, `WSACleanup` | none | The standard library does it. |
//!
//! # Threads and their pools
//!
//! | Win32 | Wharf | what is different |
//! |---|---|---|
//! | `CreateThread` for each worker | [`Workers::start(&port, threads, handler)`](crate::Workers::start), or threads of your own that call [`wait`](crate::CompletionPort::wait) | |
//! | `BindIoCompletionCallback`, `CreateThreadpoolIo` | `Workers::start`: the handler is the callback | One handler for the whole port; the key says whose completion it is. |
//! | `StartThreadpoolIo`, `CancelThreadpoolIo` | none | The port counts its operations itself. |
//! | `WaitForThreadpoolIoCallbacks`, `CloseThreadpoolIo` | `port.close()`, [`workers.join()`](crate::Workers::join) or [`join_timeout`](crate::Workers::join_timeout) | |
//! | `SetThreadpoolThreadMinimum`, `...Maximum` | [`threads(4..=64)`](crate::WorkersBuilder::threads) | |
//! | `CallbackMayRunLong`, `WT_EXECUTELONGFUNCTION` | [`blocking(\|\| ...)`](crate::blocking) | Seldom needed: a thread that blocks is detected. |
//! | `QueueUserWorkItem`, `SubmitThreadpoolWork` | [`post`](crate::CompletionPort::post) with a context | |
//! | `SetThreadpoolTimer`, `CreateTimerQueueTimer` | [`port.timer(delay, key)`](crate::CompletionPort::timer) | A timer is an operation: one completion, and it can be cancelled. |
//! | `SetThreadpoolTimer` with `NULL`, `DeleteTimerQueueTimer` | [`port.cancel_timer_quietly(timer)`](crate::CompletionPort::cancel_timer_quietly) | Key and context come back from the call, and no completion follows. A timer that has fired is not found; its completion comes. |
//!
//! # What a wait answers
//!
//! | `GetQueuedCompletionStatus` | [`port.wait`](crate::CompletionPort::wait) |
//! |---|---|
//! | `TRUE`, an `OVERLAPPED` | [`Wait::Completed`](crate::Wait::Completed), `result` is `Ok(bytes)` |
//! | `FALSE`, an `OVERLAPPED`: an operation failed | [`Wait::Completed`](crate::Wait::Completed), `result` is `Err`; socket and memory come back all the same |
//! | `TRUE` with what was posted | [`Wait::Completed`](crate::Wait::Completed), `what` is [`Finished::Posted`](crate::Finished::Posted) |
//! | `FALSE`, no `OVERLAPPED`, `WAIT_TIMEOUT` | [`Wait::TimedOut`](crate::Wait::TimedOut) |
//! | `FALSE`, no `OVERLAPPED`, `ERROR_ABANDONED_WAIT_0` | [`Wait::Closed`](crate::Wait::Closed) |
//! | `FALSE`, no `OVERLAPPED`, any other error | `Err`; none is known to happen |
//!
//! The second row is the one that programs in C forget: they take `FALSE` for a failed wait, and lose the operation and its
//! memory. A fourth answer, [`Wait::Task`](crate::Wait::Task), comes only where something on the port
//! [posts tasks](crate::CompletionPort::post_task), as an executor does.
//!
//! # Skipping the port
//!
//! On Windows, `SetFileCompletionNotificationModes` changes the handle for good: from then on an operation that succeeds at once
//! queues no packet, and all code that starts operations has to know this. Here it is chosen for each operation:
//!
//! - [`socket.skip_port().receive(buffer)`](crate::SkipPort::receive) returns [`Started`](crate::Started): either
//!   `Started::Completed` with the completion, and no packet follows, or `Started::Pending`, and it follows through the port.
//! - [`listener.accept_skip_port()`](crate::Listener::accept_skip_port) does so for an accept.
//! - [`socket.send_quietly(payload)`](crate::Socket::send_quietly) has no completion if it succeeds, at once or later; a failure
//!   has one. It suits most sends, since their success says little.
//!
//! On Windows the mode is set for every handle that can have it, and Wharf itself queues the packet of an operation that ended at once.
//! `FILE_SKIP_SET_EVENT_ON_HANDLE` is always set.
//!
//! # The echo loop, in C and here
//!
//! In C, a worker thread of the classic server:
//!
//! ```c
//! for (;;) {
//!     BOOL ok = GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE);
//!     if (!ok && overlapped == NULL)
//!         return 0;                               /* the port is closed */
//!     struct client *client = (struct client *)key;
//!     struct io *io = CONTAINING_RECORD(overlapped, struct io, overlapped);
//!     if (!ok || bytes == 0) {                    /* a failure, or the end */
//!         closesocket(client->socket);
//!         free(io);
//!         free(client);
//!         continue;
//!     }
//!     memset(&io->overlapped, 0, sizeof io->overlapped);
//!     io->kind = io->kind == RECEIVE ? SEND : RECEIVE;
//!     io->wsabuf.len = io->kind == SEND ? bytes : sizeof io->memory;
//!     int failed = io->kind == SEND
//!         ? WSASend(client->socket, &io->wsabuf, 1, NULL, 0, &io->overlapped, NULL)
//!         : WSARecv(client->socket, &io->wsabuf, 1, NULL, &flags, &io->overlapped, NULL);
//!     if (failed && WSAGetLastError() != WSA_IO_PENDING) {
//!         closesocket(client->socket);
//!         free(io);
//!         free(client);
//!     }
//! }
//! ```
//!
//! The same here, with a peer to try it:
//!
//! ```
//! use std::io::{self, Read, Write};
//! use std::{net::{SocketAddr, TcpListener, TcpStream}, sync::Arc, thread};
//! use wharf::{BufferPool, CompletionPort, Finished, Wait};
//!
//! struct Client {
//!     address: SocketAddr,
//! }
//!
//! fn worker(port: &CompletionPort<Arc<Client>>, pool: &BufferPool) -> io::Result<()> {
//!     while let Wait::Completed(completion) = port.wait(None)? {
//!         match (completion.what, completion.result) {
//!             (_, Err(error)) => eprintln!("{}: {error}", completion.key.address),
//!             (Finished::Received { .. }, Ok(0)) => {} // the end
//!             (Finished::Received { socket, buffer }, Ok(_)) => drop(socket.send(buffer)),
//!             (Finished::Sent { socket, .. }, Ok(_)) => drop(socket.receive_from(pool)),
//!             _ => unreachable!("nothing else was started"),
//!         }
//!         // A socket that nothing holds any more closes here.
//!     }
//!     Ok(())
//! }
//!
//! fn main() -> io::Result<()> {
//!     let port = CompletionPort::new(0)?;
//!     let pool = BufferPool::new(4096);
//!     let start = |_| {
//!         let (port, pool) = (port.clone(), pool.clone());
//!         thread::spawn(move || worker(&port, &pool))
//!     };
//!     let threads: Vec<_> = (0..port.concurrency() + 1).map(start).collect();
//!
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let mut peer = TcpStream::connect(listener.local_addr()?)?;
//!     let (stream, address) = listener.accept()?;
//!     port.associate(stream, Arc::new(Client { address }))?.receive_from(&pool)?;
//!
//!     peer.write_all(b"ahoy")?;
//!     let mut echo = [0; 4];
//!     peer.read_exact(&mut echo)?;
//!     assert_eq!(&echo, b"ahoy");
//!
//!     port.close(); // cancels the receive, closes the socket, ends the workers
//!     for thread in threads {
//!         thread.join().expect("no panic")?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! What the C program must get right by hand, and what has no counterpart here:
//!
//! - *Free after the packet, never before.* Memory and socket go with the operation, and are freed when nothing has them.
//! - *Free once.* With a receive and a send under way at once, the C program needs a reference count. Here each operation holds the socket.
//! - *A send of a part.* Here a send completes when all of its bytes are taken, or fails, with the bytes that did move.
//! - *A listener that is out of sockets.* An [accept](crate::Listener::accept) that fails leaves the connection in the backlog.
//! - *The idle client's buffer.* A receive from a pool owns none until data is there.
//!
//! # What is different on Linux
//!
//! - Errors are Linux's (`ECONNRESET`, not `WSAECONNRESET`). [`ErrorKind`](std::io::ErrorKind) is the same on both.
//! - A thread that blocks is detected by asking the system, from 0.1 to some milliseconds after it began, and only while work
//!   waits; see [`threads`](super::threads). On Windows the kernel knows at once.
//! - Files are read and written by up to eight threads of the port's own.
//! - Local (Unix) sockets are there: [`Associate`](crate::Associate) has the list of handles.
//!
//! # What is not there
//!
//! - Registered I/O (RIO). On Linux, transfers that are ready at the same time go through io_uring together, where the kernel
//!   allows it, without a change to the program.
//! - Named pipes, mailslots, consoles, devices, and any handle that is not in [`Associate`](crate::Associate)'s list.
//! - Events and waits for one operation: `hEvent`, `GetOverlappedResult`, `WaitForSingleObject`. Where a thread is to wait for
//!   one operation, give it a channel as [context](super::keys_and_contexts#a-thread-that-waits-for-one-operation).
//! - Completion routines and other APCs. The layer beneath can call a function at an operation's end
//!   ([`raw::OnEnd`](crate::raw::OnEnd)).
//! - Flags of receives (`MSG_PEEK`, `MSG_WAITALL`; the layer beneath has a receive that fills its memory,
//!   [`ReceiveAll`](crate::raw::Request::ReceiveAll)), `WSARecvMsg`, `WSASendMsg`, `TransmitPackets`.
//! - An accept onto a socket that was disconnected, and moving a handle to another port.
//!
//! A program that must keep its own memory and its own operation structures, as a C program does, can have them in the unsafe
//! layer: [`raw`](crate::raw) has an [`Overlapped`](crate::raw::Overlapped) that the caller owns, a key and a token that are
//! numbers, and a [packet](crate::raw::Packet) that brings them back.
