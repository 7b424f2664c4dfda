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
//!   wait, no more than that run at once. So a pool may be large, and yet threads do not take turns on the processors.
//! - **It knows which threads block.** A thread that sleeps in its handler, on a lock, a disk or a database, no longer counts as
//!   running, and another thread takes its place. So one slow handler does not hold up the others.
//!
//! No connection belongs to a thread. Nothing has to be marked as blocking, moved to another pool, or awaited: a handler is an
//! ordinary function. Windows has had such ports in its kernel since NT 3.5 (I/O completion ports, IOCP), and there Wharf is a
//! safe layer over them. On Linux the port is Wharf's own, on epoll and, where the kernel allows it, io_uring.
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
//! The [front page](crate) has a whole program, [`CompletionPort`](crate::CompletionPort) shows one step of it by hand, and the folder
//! `examples` in the repository has larger programs.
//!
//! # An order to read in
//!
//! First, the page for where you come from:
//!
//! 1. [`from_windows`]: from completion ports in C or C++: each Win32 call and its counterpart.
//! 2. [`from_tokio`]: from tokio and `async` Rust.
//!
//! Then what each program decides:
//!
//! 3. [`keys_and_contexts`]: what comes back with a completion, and what to put there.
//! 4. [`threads`]: how many threads, and which of them runs.
//! 5. [`blocking`](mod@blocking): handlers that block or compute.
//! 6. [`backpressure`]: what is bounded, and what happens at each limit.
//! 7. [`orderly_stop`]: let what was begun finish, until a deadline.
//!
//! To copy from:
//!
//! 8. [`patterns`]: time-out, retry, request and response, broadcast, a periodic tick.
//!
//! To look things up:
//!
//! 9. [`promises`]: what is promised, the limits, and what differs by system.
//! 10. [`writing_a_driver`]: to bring Wharf to another system.
//!
//! Each method's own page says when it is refused and what its completion brings. The operations are listed with the types that start
//! them: [`Socket`](crate::Socket), [`Listener`](crate::Listener), [`DatagramSocket`](crate::DatagramSocket),
//! [`File`](crate::File), [`CompletionPort`](crate::CompletionPort).

pub mod backpressure;
pub mod blocking;
pub mod from_tokio;
pub mod from_windows;
pub mod keys_and_contexts;
pub mod orderly_stop;
pub mod patterns;
pub mod promises;
pub mod threads;
pub mod writing_a_driver;
