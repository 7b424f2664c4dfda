//! What is promised, and where each promise ends.
//!
//! Each promise is written as numbered statements, and each statement is a test that runs on every driver: statement 20 is the
//! tests `s20_...` in `wharf/tests/conformance`. Statements that a driver can't keep are listed there, with the reason. There
//! are also a simulated kernel, random sequences on the real one, and on Linux a test that makes every system call fail once with each
//! of its errors. `docs/reliability.md` in the repository says which of these keeps which promise, and how to see a failure again.
//!
//! # The nine promises
//!
//! | | promise | statements |
//! |---|---|---|
//! | 1 | **Exactly once.** Each operation that was accepted gives one completion: success, failure, cancelled, or handed back by a close. Never none, never two. | 11 to 18, 28, 37, 38, 48, 50 |
//! | 2 | **Ownership.** Nothing touches an operation's memory after its completion is queued, and nothing frees it before. | 18, 28, 38 |
//! | 3 | **Work-conserving.** When work waits, a thread waits, and fewer run than the concurrency allows, one is released at once; after a [quiet post](crate::CompletionPort::post_quietly), later. Any thread serves any completion. | 6 to 10, 49 |
//! | 4 | **Concurrency.** No more threads run than the concurrency. One that blocks in its handler stops counting, and another has its place. | 7, 9 |
//! | 5 | **Order.** Packets leave the queue first in, first out; threads that wait are released last in, first out. | 5, 6 |
//! | 6 | **Stream order.** On one socket, sends leave whole and in the order in which they were started; receives are filled in that order. | 19 to 26 |
//! | 7 | **Close.** Closing the port releases every thread that waits, cancels and hands back what was under way, and leaves no thread, descriptor or memory behind. | 14, 27, 38, 39 |
//! | 8 | **Room is reserved at the start.** What can run out is refused when an operation is started. Completing can't fail. | 18 |
//! | 9 | **Errors stay themselves.** A result is a number of bytes, or the system's own error. A reset is a reset, not an end. | 13, 20, 30 |
//!
//! # Where each ends
//!
//! **1, exactly once.** Some operations have no packet, because the program asked for that: a [quiet send](crate::Socket::send_quietly)
//! that succeeds, an operation whose completion [`skip_port`](crate::Socket::skip_port) or
//! [`accept_skip_port`](crate::Listener::accept_skip_port) returns from the call itself, and a timer that is
//! [cancelled quietly](crate::CompletionPort::cancel_timer_quietly), which has ended when that call returns (statement 48). A
//! completion that a handler has when it panics, or whose key panics in `Clone`, is lost with what it owns.
//!
//! **3 and 4, work-conserving and concurrency.** When a thread that was blocked comes back, more run than the concurrency until one
//! of them next waits. A thread that computes for long keeps its place, and others wait for it. What [`wait_many`](crate::CompletionPort::wait_many)
//! has taken belongs to that thread alone. On Linux a thread that blocks is detected from 0.1 to some milliseconds after it
//! began, only while work waits, and only where `/proc` can be read. A packet that a handler
//! [posts quietly](crate::CompletionPort::post_quietly) waits for that handler's thread although other threads wait: until the thread
//! comes back, posts again or says that it blocks, and for 2.5 ms at most. This is the exception to statement 7, and is statement 49.
//!
//! **5, order.** First in, first out is the order of the queue. Packets that one thread posts leave in its order; when several
//! threads take them, the handlers may still overtake each other. Nothing is promised of the order of completions of different
//! sockets, of the two directions of one socket, or of operations on a file. On Linux, data that arrives goes to the thread that
//! came last to wait in the kernel; at most as many wait there as may run at once, and the others are woken for what is queued.
//!
//! **6, stream order.** The order is that of the calls that start the operations. Calls that two threads make at the
//! same time have no order. Two receives that are filled in order may be handled at the same time, by two threads: keep one
//! receive under way for each socket where that matters.
//!
//! **7, close.** A handler that runs is not stopped; [`Workers::join`](crate::Workers::join) waits for it. A file's operation that
//! has begun can't be taken back, so a close waits for the disk. On Windows the kernel's last packets are waited for, and while as
//! many handlers compute as may run at once, the close waits for one of them.
//!
//! **8, room.** If the system refuses memory to the process itself, a Rust program ends.
//!
//! **9, errors.** An operation that is refused since its port or handle is closed, or a limit is reached, is refused by Wharf and
//! not by the system: the [`io::Error`](std::io::Error) has a [`PortError`](crate::PortError) inside, which
//! [`PortError::of`](crate::PortError::of) finds. A failure of the system is never one of these.
//!
//! # Limits
//!
//! The page about [`backpressure`](super::backpressure) says what to do at each of them.
//!
//! | what | how many | what happens then |
//! |---|---|---|
//! | handles of a port | 1,048,576 ([`HANDLES_MAX`](crate::HANDLES_MAX)) | the association is refused ([`TooManyHandles`](crate::PortError::TooManyHandles)), and the handle is closed |
//! | operations, timers and posted packets that are under way on a port | 4,194,304, or [`operations_max`](crate::PortBuilder::operations_max) | the start is refused ([`TooManyOperations`](crate::PortError::TooManyOperations)); what was given comes back |
//! | bytes that wait to be sent on a socket | no limit, or [`set_unsent_max`](crate::Socket::set_unsent_max) | the send is refused ([`TooManyUnsent`](crate::PortError::TooManyUnsent), of the kind `WouldBlock`) |
//! | sends that are under way on a socket | no limit, or [`set_sends_max`](crate::Socket::set_sends_max) | likewise ([`TooManySends`](crate::PortError::TooManySends)) |
//! | buffers of a pool | no limit, or [`with_limit`](crate::BufferPool::with_limit), [`share`](crate::BufferPool::share) | receives from it wait for a buffer to come back |
//! | threads of a pool | what it was made with | work waits while all are blocked |
//! | threads for files, on Linux | 8 | further operations wait in their order |
//! | descriptors | the system's limit | an accept fails with the system's error, and the connection stays in the backlog |
//!
//! # What differs by system and driver
//!
//! | | Linux, `readiness` | Linux, `uring` | Windows | Windows programs on Wine 8 |
//! |---|---|---|---|---|
//! | the concurrency is kept | yes | yes | the kernel does it | no: Wine ignores it |
//! | threads are released last in, first out | yes | yes | the kernel does it | no: first in, first out |
//! | a blocked thread is detected | by `/proc`, in 0.1 to some ms | the same | the kernel does it | not needed: all run |
//! | a pool grows | when all are blocked and work waits | the same | as soon as all are in handlers: one more waits for the first that blocks | the same |
//! | a snapshot says which threads are blocked, and how much waits | yes | yes | no | no |
//! | timers and waits, which are never early, may be late by | what the system's timers are | the same | a tick of the clock, some 16 ms | not measured |
//! | a receive after a reset fails with the reset | yes | yes | yes | not when it is started later: it finds an end |
//! | a socket is disconnected for reuse | no | no | yes | no |
//! | a receive that waits for a buffer sees the end | yes | yes | when its turn comes | the same |
//! | the end of a port interrupts a call elsewhere | no | it may, once: `EINTR` | no | no |
//!
//! The library has not been run on Windows itself so far, but under Wine; the parts that Wine can't judge follow Microsoft's
//! documentation. `docs/reliability.md` lists them.
//!
//! # What is not promised
//!
//! - **How soon a blocked thread is detected** on Linux, beyond the figures above. Where the states of threads can't be read, only
//!   [`blocking`](crate::blocking) reports it.
//! - **Fairness between sockets**, beyond the order of the queue and the [shares](crate::BufferPool::share) of a pool.
//! - **`EINTR` elsewhere.** When a port with io_uring is freed, the kernel may interrupt one call of a thread that worked for the port,
//!   such as an `epoll_wait` of its own, once. No wait on a port is affected, and the `readiness` driver never causes it.
//! - **A panic that can't be caught**: one in a `Drop` while another panic unwinds, and any in a program built with
//!   `panic = "abort"`.
//! - **The use of a port in a forked child.** A fork leaves the parent whole, and a child that closes its copies takes nothing from
//!   the parent. The child has none of the port's threads.
//! - **What a duplicate of a descriptor does.** The port misses what the duplicate receives.
//! - **Other systems.** Other Unixes do not build yet; [`writing_a_driver`](super::writing_a_driver) says what a new system needs.
//!
//! Signals, threads that end while their operations are under way, and children that are started change nothing: no wait ends
//! early, and no `SIGPIPE` is raised.
