//! The manual: what a completion port is, and a page for each thing that a program has to decide.
//!
//! # What a completion port is
//!
//! A program *starts* operations: receive, send, accept, connect, read, write, a timer. The call returns at once. When the
//! operation has ended, a *packet* with its result joins one queue, the port's. Threads *wait* on the port; each packet goes to
//! one of them, whichever is free, and that thread *handles* it: it looks at the result, and starts what comes next.
//!
//! ```text
//!    start                                       wait
//!  ---------> operations ---> queue of packets --------> at most `concurrency` threads run;
//!             under way       first in, first out        the others wait, last in, first out
//! ```
//!
//! Two things make it more than a queue:
//!
//! - **It bounds how many threads run.** A port has a *concurrency*, as a rule the number of processors. However many threads
//!   wait, no more than that are let run at once. So a pool may be large, and yet threads do not take turns on the processors.
//! - **It knows which threads block.** A thread that sleeps in its handler, on a lock, a disk or a database, no longer counts as
//!   running, and another has its place. So one slow handler holds up nobody.
//!
//! No connection belongs to a thread. Nothing has to be marked as blocking, moved to another pool, or awaited: a handler is an
//! ordinary function. Windows has had such ports in its kernel since NT 3.5 (I/O completion ports, IOCP), and there Wharf is a
//! safe skin over them. On Linux the port is Wharf's own, on epoll and, where the kernel allows it, io_uring.
//!
//! The words that the pages use:
//!
//! | word | is |
//! |---|---|
//! | port | a [`CompletionPort`](crate::CompletionPort) |
//! | handle | a socket, listener or file that is associated with a port: [`Socket`](crate::Socket), [`Listener`](crate::Listener), [`DatagramSocket`](crate::DatagramSocket), [`File`](crate::File) |
//! | operation | what is started on a handle or a port; it owns its memory until it completes |
//! | packet, completion | the end of one operation, as a wait brings it: a [`Completion`](crate::Completion) |
//! | key | what a handle was associated with; a clone comes back with each of its completions |
//! | context | a value that goes with one operation, and comes back with its completion: a [`Context`](crate::Context) |
//! | worker | a thread of a pool that waits on a port and calls a handler: [`Workers`](crate::Workers) |
//! | concurrency | the most threads that run at once |
//!
//! # The smallest program
//!
//! A server that sends back what it receives, with a pool of workers:
//!
//! ```
//! use std::{io::{Read, Write}, net::{TcpListener, TcpStream}};
//! use wharf::{BufferPool, CompletionPort, Finished, Workers};
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<()>::new(0)?;
//! let pool = BufferPool::new(4096);
//! let workers = Workers::start(&port, 2..=16, move |port, completion| match completion.what {
//!     Finished::Accepted { listener, connection: Some(connection) } => {
//!         let _ = listener.accept();
//!         if let Ok(socket) = port.associate(connection, ()) {
//!             let _ = socket.receive_from(&pool);
//!         }
//!     }
//!     Finished::Received { socket, buffer } if !buffer.is_empty() => drop(socket.send(buffer)),
//!     Finished::Sent { socket, .. } => drop(socket.receive_from(&pool)),
//!     _ => {} // The end or a failure. Nothing has the socket any more, so it closes.
//! })?;
//! let listener = port.associate(TcpListener::bind("127.0.0.1:0")?, ())?;
//! listener.accept()?;
//!
//! let mut peer = TcpStream::connect(listener.local_addr())?;
//! peer.write_all(b"ahoy")?;
//! let mut echo = [0; 4];
//! peer.read_exact(&mut echo)?;
//! assert_eq!(&echo, b"ahoy");
//!
//! port.close();
//! workers.join();
//! # Ok(())
//! # }
//! ```
//!
//! A failed send completes as [`Finished::Sent`](crate::Finished::Sent) too; then the next receive is refused, or fails. A
//! program that must know looks at [`completion.result`](crate::Completion::result) first.
//!
//! # An order to read in
//!
//! First, the page for where you come from:
//!
//! 1. [`from_windows`]: from completion ports in C or C++: each Win32 call and its counterpart.
//!
//! Then what each program decides:
//!
//! 2. [`keys_and_contexts`]: what comes back with a completion, and what to put there.
//! 3. [`threads`]: how many threads, and which of them runs.
//!
//! To look things up:
//!
//! 4. [`promises`]: what is promised, the limits, and what differs by system.
//! 5. [`writing_a_driver`]: for those who bring Wharf to another system.
//!
//! Each method's own page says when it is refused and what its completion brings. The operations stand with what they are started
//! on: [`Socket`](crate::Socket), [`Listener`](crate::Listener), [`DatagramSocket`](crate::DatagramSocket),
//! [`File`](crate::File), [`CompletionPort`](crate::CompletionPort).

pub mod from_windows;
pub mod keys_and_contexts;
pub mod promises;
pub mod threads;
pub mod writing_a_driver;
