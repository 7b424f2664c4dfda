//! Choosing keys and contexts: which of the program's own values come back with a completion.
//!
//! | | key | context |
//! |---|---|---|
//! | belongs to | a handle: a socket, a listener, a file | one operation |
//! | on Windows | the completion key | what a program puts behind its `OVERLAPPED` |
//! | type | `K`, one for the whole [port](crate::CompletionPort) | any type that is `Send`, another for each operation |
//! | given | when the handle is [associated](crate::CompletionPort::associate) | when the operation is started: `socket.with(value)` |
//! | comes back | as a clone, with each completion of the handle: `completion.key` | itself, once: [`take_context`](crate::Completion::take_context), [`context`](crate::Completion::context) |
//! | costs | a clone for each completion; none for a timer and a posted packet, which give back the key itself | no memory if it is no larger than an address: an `Arc`, a box, a number |
//!
//! Neither is needed for what a completion says anyway: which kind of operation it was, its handle and its memory
//! ([`Finished`](crate::Finished)), its result, and its [id](crate::OperationId).
//!
//! # The key
//!
//! The key tells a handler whose completion it has. It is cloned for each completion, so make it cheap to clone:
//! a number, or an [`Arc`](std::sync::Arc) of whatever is larger. Where several kinds of handles are on one port, the key is an
//! enum.
//!
//! ```
//! use std::sync::{Arc, atomic::AtomicU64};
//!
//! struct Client {
//!     name: String,
//!     requests: AtomicU64,
//! }
//!
//! #[derive(Clone)]
//! enum Key {
//!     Listener,
//!     Client(Arc<Client>),
//!     /// Of a timer.
//!     EverySecond,
//! }
//! # let port = wharf::CompletionPort::<Key>::new(0)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! **A key must not own its socket.** The socket holds its key, so that would be a reference cycle, and neither would ever be
//! dropped. A handler needs no socket in the key: the completion brings it, and
//! [`completion.socket()`](crate::Completion::socket) lends it. A program that sends to clients at other times keeps their sockets
//! in a table of its own, and takes a client out when it has gone:
//!
//! ```
//! use std::{collections::HashMap, io::Read, net::{TcpListener, TcpStream}, sync::Mutex};
//! use wharf::{CompletionPort, Socket};
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<u64>::new(0)?;
//! let sockets: Mutex<HashMap<u64, Socket<u64>>> = Mutex::default();
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let mut peer = TcpStream::connect(listener.local_addr()?)?;
//! let (stream, _) = listener.accept()?;
//! let socket = port.associate(stream, 7)?;
//! sockets.lock().unwrap().insert(*socket.key(), socket);
//!
//! // From any thread, at any time:
//! for socket in sockets.lock().unwrap().values() {
//!     socket.send_quietly(b"ahoy")?;
//! }
//! let mut said = [0; 4];
//! peer.read_exact(&mut said)?;
//! assert_eq!(&said, b"ahoy");
//!
//! // When client 7 has gone. The socket closes when nothing has it any more.
//! sockets.lock().unwrap().remove(&7);
//! # Ok(())
//! # }
//! ```
//!
//! Two rules for the code of a key, since the port calls it:
//!
//! - Its `Drop` must not block. The last clone may be dropped within a wait, or on a thread of the port's own.
//! - A `Clone` that panics loses the completion that it was for, and nothing else.
//!
//! # Which key comes with what
//!
//! | completion of | key |
//! |---|---|
//! | an operation on a socket, listener or file | that of the handle |
//! | [`accept`](crate::Listener::accept) | the listener's; the new connection gets its own when it is associated |
//! | [`connect`](crate::CompletionPort::connect) | the one given to `connect`; the new socket has it from then on |
//! | [`timer`](crate::CompletionPort::timer), [`post`](crate::CompletionPort::post) | the one given there: it belongs to no handle |
//!
//! # The context
//!
//! A context is for what one operation means, where several are under way on one handle: the step of a protocol, the request
//! that a write belongs to, a counter that is done when the last of a group has ended. [`Context`](crate::Context) has the
//! example with the steps. Every method that starts an operation is there after `with`, on handles and on the port:
//! `socket.with(step).receive(buffer)`, `port.with(job).post(key, 0)`, `port.with(reason).timer(delay, key)`.
//!
//! [`take_context::<C>()`](crate::Completion::take_context) returns the value if there is one and it is a `C`. One of another
//! type stays where it is, so a handler that expects several types asks for one after the other.
//!
//! # A thread that waits for one operation
//!
//! A completion goes to any thread of the port. Where a thread outside of the pool waits for one operation, the context is
//! the way to reach that thread: the handler passes the completion on.
//!
//! ```
//! use std::{io::Read, net::{TcpListener, TcpStream}, sync::mpsc::{self, Sender}};
//! use wharf::{CompletionPort, Completion, Workers};
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<()>::new(0)?;
//! let workers = Workers::start(&port, 2, |_, mut completion: Completion<()>| {
//!     if let Some(waiter) = completion.take_context::<Sender<Completion<()>>>() {
//!         let _ = waiter.send(completion);
//!     }
//! })?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let mut peer = TcpStream::connect(listener.local_addr()?)?;
//! let socket = port.associate(listener.accept()?.0, ())?;
//!
//! let (sender, completed) = mpsc::channel::<Completion<()>>();
//! socket.with(sender).send(b"ahoy")?;
//! let completion = completed.recv().expect("the handler passes it on");
//! assert_eq!(completion.result?, 4);
//! # peer.read_exact(&mut [0; 4])?;
//! # port.close();
//! # workers.join();
//! # Ok(())
//! # }
//! ```
//!
//! # Ids
//!
//! Each start returns an [`OperationId`](crate::OperationId), and the completion has the same. It can be copied, compared and
//! hashed, and it never names another operation of the same port. It is for [cancelling](crate::CompletionPort::cancel). A posted
//! packet has no id that can be cancelled.
//!
//! **Another thread may have the completion before the call that started the operation has returned.** So a table by id, filled
//! after the start, may be filled too late. What a handler needs to find goes into the context.
//!
//! # What comes back when
//!
//! | what happened | what comes back, and where |
//! |---|---|
//! | the operation succeeded, failed or was cancelled | handle, memory, key and context, with its completion |
//! | it was refused when it was started | memory and context, in the [`Refused`](crate::Refused) that the call returns; an error made of it with `?` drops them |
//! | it ended within a call of [`skip_port`](crate::Socket::skip_port) | all, in [`Started::Completed`](crate::Started::Completed) |
//! | a [quiet send](crate::Socket::send_quietly) succeeded | nothing: payload and context are dropped, by the thread that finds it out |
//! | the port was closed | all that no thread had taken, from [`close`](crate::CompletionPort::close) |
//! | the last clone of the port was dropped | nothing: all of it is dropped then |
//! | a handler panicked | nothing: what it had is dropped, and the pool goes on |
