//! Patterns: time-out, retry, request and response, broadcast, a periodic tick, accepting after a shortage.
//!
//! The port has few parts: operations, timers, posted packets, [`cancel`](crate::CompletionPort::cancel). This page puts them
//! together. The stop of a whole server has a page of its own, [`orderly_stop`](super::orderly_stop).
//!
//! # Time-out of an operation
//!
//! [`with_timeout`](crate::Socket::with_timeout) gives an operation a time-out. (That of [`wait`](crate::CompletionPort::wait) is how long
//! the *thread* waits.) The port keeps the timer, cancels the operation when the time is over, and says so in its completion.
//!
//! ```
//! use std::{io::ErrorKind, net::{TcpListener, TcpStream}, time::Duration};
//! use wharf::{Buffer, CompletionPort, Wait};
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<()>::new(0)?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let _silent_peer = TcpStream::connect(listener.local_addr()?)?;
//! let socket = port.associate(listener.accept()?.0, ())?;
//!
//! socket.with_timeout(Duration::from_millis(20)).receive(Buffer::with_capacity(64))?;
//! let Wait::Completed(completion) = port.wait(None)? else { panic!("neither closed nor timed out") };
//! match completion.result {
//!     Ok(bytes) => println!("{bytes} bytes came in time"),
//!     Err(error) if error.kind() == ErrorKind::TimedOut => println!("no byte came in time"),
//!     Err(error) => return Err(error),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Such a time-out, set and taken back, makes no system call and wakes no thread, so each request may have its own. A time-out for several
//! operations together is a timer of the program's own, as in the next pattern.
//!
//! ## The race
//!
//! Bytes may arrive at the moment when the time is over. Then three things can happen, and one rule is for all of them:
//!
//! | the time-out | the completion of the receive |
//! |---|---|
//! | cancels the receive | has the error [`TimedOut`](std::io::ErrorKind::TimedOut) |
//! | cancels the receive | has its result, since that came first |
//! | comes too late | has its result; it is in the queue, or another worker is handling it |
//!
//! **The completion of the operation decides, and nothing else.** There is always exactly one. If it says `TimedOut`, the
//! operation took nothing: the bytes are still in the socket, and the next receive gets them. (A send that has timed out may have
//! sent a part; [`transferred`](crate::Completion::transferred) tells how much.)
//!
//! It is the same where a program cancels with a timer of its own, by [`cancel`](crate::CompletionPort::cancel): the timer's
//! handler cancels, ignores the answer, and does no more. All that follows is done where the operation completes. An
//! [`OperationId`](crate::OperationId) never names another operation of the same port, so a timer that comes late, even by
//! hours, cancels nothing else.
//!
//! Operations also complete as cancelled when the socket is [closed](crate::Socket::close). A program that both cancels and closes, and
//! must tell the two apart, notes which it did.
//!
//! ## The timer that is left over
//!
//! When an operation has ended in time, the program's own timer for it still runs. Leaving it is right where time-outs are short or
//! operations few: it fires, finds nothing, and is gone. Until then it counts against
//! [`operations_max`](crate::PortBuilder::operations_max): 10,000 requests a second with a time-out of 30 seconds are 300,000 timers.
//!
//! A timer that is [cancelled quietly](crate::CompletionPort::cancel_timer_quietly) has no completion: its key and context come
//! back from the call. [`cancel`](crate::CompletionPort::cancel) is for a program that wants the completion, as cancelled, in its
//! handler. For a timer, `Ok` from either call does say that it does not fire. `NotFound` says that it had ended already: its time had
//! come, it was cancelled before, or the port is closed.
//!
//! # Retry with delays: a complete client
//!
//! A client asks a server a question of one line, and gets an answer of one line. Each attempt has a time-out, for connecting,
//! asking and all of the answer together. After a failed attempt it waits, twice as long each time, and tries again on a new
//! connection. In this example the server leaves the first connection without an answer.
//!
//! ```
//! use std::{
//!     io::{self, BufRead, BufReader, ErrorKind, Write},
//!     net::{SocketAddr, TcpListener},
//!     sync::{Arc, mpsc},
//!     thread,
//!     time::{Duration, Instant},
//! };
//! use wharf::{Buffer, Completion, CompletionPort, Finished, OperationId, Socket, Workers};
//!
//! const TIMEOUT: Duration = Duration::from_millis(200); // seconds, in a real program
//! const FIRST_DELAY: Duration = Duration::from_millis(10);
//! const ATTEMPTS_MAX: u32 = 8;
//! const ANSWER_MAX: usize = 1024;
//!
//! struct Question {
//!     server: SocketAddr,
//!     text: &'static str,
//!     answer: mpsc::Sender<io::Result<Vec<u8>>>,
//! }
//!
//! /// The key of all that belongs to one attempt: its connection and its timers.
//! #[derive(Clone)]
//! struct Attempt {
//!     question: Arc<Question>,
//!     number: u32,
//!     deadline: Instant,
//! }
//!
//! /// The context of a timer: what is to be done when its time has come.
//! enum OnTime {
//!     Cancel(OperationId),
//!     Start,
//! }
//!
//! /// Called by any worker.
//! fn serve(port: &CompletionPort<Attempt>, mut completion: Completion<Attempt>) {
//!     let on_time = completion.take_context::<OnTime>();
//!     let so_far = completion.take_context::<Vec<u8>>().unwrap_or_default();
//!     let is_cancelled = completion.is_cancelled();
//!     let attempt = completion.key;
//!     let next = match (completion.what, completion.result) {
//!         (Finished::Timer, _) => match on_time {
//!             Some(OnTime::Cancel(operation)) => {
//!                 let _ = port.cancel(operation);
//!                 Ok(())
//!             }
//!             Some(OnTime::Start) => attempt.start(port),
//!             None => Ok(()),
//!         },
//!         // The only thing here that cancels is a deadline.
//!         (_, Err(_)) if is_cancelled => Err(ErrorKind::TimedOut.into()),
//!         (_, Err(error)) => Err(error),
//!         (Finished::ConnectedSent { socket, .. }, Ok(_)) => attempt.receive(port, &socket, so_far),
//!         (Finished::Received { .. }, Ok(0)) => Err(ErrorKind::UnexpectedEof.into()),
//!         (Finished::Received { socket, buffer }, Ok(_)) => attempt.received(port, &socket, so_far, &buffer),
//!         _ => unreachable!("nothing else was started"),
//!     };
//!     // The socket is dropped where nothing was started on it, and the connection closes.
//!     if let Err(error) = next {
//!         attempt.failed(port, error);
//!     }
//! }
//!
//! impl Attempt {
//!     fn start(&self, port: &CompletionPort<Attempt>) -> io::Result<()> {
//!         let attempt = Attempt { deadline: Instant::now() + TIMEOUT, ..self.clone() };
//!         let question = attempt.question.clone();
//!         let operation = port.connect_send(question.server, question.text, attempt.clone())?;
//!         attempt.cancel_in_time(port, operation);
//!         Ok(())
//!     }
//!
//!     fn receive(&self, port: &CompletionPort<Attempt>, socket: &Socket<Attempt>, so_far: Vec<u8>) -> io::Result<()> {
//!         let operation = socket.with(so_far).receive(Buffer::with_capacity(512))?;
//!         self.cancel_in_time(port, operation);
//!         Ok(())
//!     }
//!
//!     /// The network may have cut the answer anywhere.
//!     fn received(
//!         &self,
//!         port: &CompletionPort<Attempt>,
//!         socket: &Socket<Attempt>,
//!         mut so_far: Vec<u8>,
//!         bytes: &[u8],
//!     ) -> io::Result<()> {
//!         so_far.extend_from_slice(bytes);
//!         if so_far.ends_with(b"\n") {
//!             let _ = self.question.answer.send(Ok(so_far));
//!             return Ok(());
//!         }
//!         if so_far.len() > ANSWER_MAX {
//!             return Err(ErrorKind::InvalidData.into());
//!         }
//!         self.receive(port, socket, so_far)
//!     }
//!
//!     fn cancel_in_time(&self, port: &CompletionPort<Attempt>, operation: OperationId) {
//!         let timer = port.with(OnTime::Cancel(operation)).timer_at(self.deadline, self.clone());
//!         if timer.is_err() {
//!             // Without a timer it might never end. It completes as cancelled, and that is dealt with.
//!             let _ = port.cancel(operation);
//!         }
//!     }
//!
//!     fn failed(&self, port: &CompletionPort<Attempt>, error: io::Error) {
//!         let next = Attempt { number: self.number + 1, ..self.clone() };
//!         let delay = FIRST_DELAY * 2_u32.pow(self.number);
//!         let goes_on = next.number < ATTEMPTS_MAX && port.with(OnTime::Start).timer(delay, next).is_ok();
//!         if !goes_on {
//!             let _ = self.question.answer.send(Err(error));
//!         }
//!     }
//! }
//!
//! fn main() -> io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let server = listener.local_addr()?;
//!     thread::spawn(move || -> io::Result<()> {
//!         let _silent = listener.accept()?;
//!         for stream in listener.incoming() {
//!             let mut stream = BufReader::new(stream?);
//!             let mut question = String::new();
//!             stream.read_line(&mut question)?;
//!             let _ = stream.get_mut().write_all(b"42\n");
//!         }
//!         Ok(())
//!     });
//!
//!     let port = CompletionPort::<Attempt>::new(0)?;
//!     let workers = Workers::start(&port, 2, serve)?;
//!     let (answer, answered) = mpsc::channel();
//!     let question = Arc::new(Question { server, text: "how many?\n", answer });
//!     let first = Attempt { question, number: 0, deadline: Instant::now() };
//!     if let Err(error) = first.start(&port) {
//!         first.failed(&port, error);
//!     }
//!     let answer = answered.recv().expect("there is an answer, or an error")?;
//!     assert_eq!(answer, b"42\n");
//!
//!     port.close(); // The timers that are left come back here.
//!     workers.join();
//!     Ok(())
//! }
//! ```
//!
//! What to copy from it:
//!
//! - **One deadline for an attempt**, not a new time-out for each receive: else a peer that sends a byte now and then holds the
//!   client for ever.
//! - **One way for failures:** a refusal at the start, a failed operation and a time-out all come to `failed`.
//! - **No thread sleeps** for a delay or a time-out. The delay is a timer that starts the next attempt.
//! - A retry repeats the question. The server may have acted on the first, and only its answer was lost; so retry only what may be
//!   done twice.
//! - Many clients that lost the same server retry at the same moments. Add a random part to the delay.
//!
//! **Connect with a time-out**, by itself. The system's own time-out for an address that does not answer is long (some two minutes
//! on Linux), so that a client needs one. A connect that times out gives its socket back, which closes when it is dropped.
//!
//! ```
//! use std::{net::{SocketAddr, TcpListener}, time::Duration};
//! use wharf::{CompletionPort, Finished, Socket, Wait};
//!
//! /// The port is this function's alone.
//! fn connect(port: &CompletionPort<()>, to: SocketAddr, time: Duration) -> std::io::Result<Socket<()>> {
//!     port.with_timeout(time).connect(to, ())?;
//!     let Wait::Completed(completion) = port.wait(None)? else { panic!("the port was closed") };
//!     let Finished::Connected { socket } = completion.what else { panic!("nothing else is under way") };
//!     completion.result.map(|_| socket)
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let server = TcpListener::bind("127.0.0.1:0")?;
//! let port = CompletionPort::new(1)?;
//! connect(&port, server.local_addr()?, Duration::from_secs(10))?;
//! # Ok(())
//! # }
//! ```
//!
//! # Request and response on one connection
//!
//! For one request after the other, keep the connection, and start the next request when the answer to the last is complete.
//! After a time-out, **close the connection**, even if the protocol would let it go on: the answer may still come, and would be
//! taken for the answer to the next request.
//!
//! With several requests under way on one connection, each has an id that the answer repeats, or answers come in the order of the
//! requests. Then the requests that wait for an answer are in a table beside the socket (a map by id, or a queue), under a lock;
//! one receive is under way for all of them; and a request's timer takes it out of the table, in place of cancelling the receive.
//! Whichever takes it out first, the answer or the timer, has it: that decides the race here. A request must be in the table
//! before it is sent, since its answer may be handled on another worker before the send returns.
//!
//! # Broadcast
//!
//! [`Payload`](crate::Payload) holds shared bytes (`bytes::Bytes`): the same message goes to many sockets without a copy. Send it
//! [quietly](crate::Socket::send_quietly), so that each success costs no packet, and bound what may wait for a receiver that does
//! not read. A send above the bound is refused, and the program chooses: leave the message out, or drop the receiver.
//!
//! ```
//! use std::{io::Read, net::{TcpListener, TcpStream}};
//! use bytes::Bytes;
//! use wharf::{CompletionPort, Socket};
//!
//! fn broadcast<K: wharf::Key>(receivers: &mut Vec<Socket<K>>, message: &Bytes) {
//!     // One that is refused is gone, or reads too slowly. Out of the table, it closes.
//!     receivers.retain(|receiver| receiver.send_quietly(message.clone()).is_ok());
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<u32>::new(0)?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let (mut receivers, mut peers) = (Vec::new(), Vec::new());
//! for key in 0..3 {
//!     peers.push(TcpStream::connect(listener.local_addr()?)?);
//!     let socket = port.associate(listener.accept()?.0, key)?;
//!     socket.set_unsent_max(64 << 10)?;
//!     receivers.push(socket);
//! }
//! broadcast(&mut receivers, &Bytes::from_static(b"ahoy"));
//! for peer in &mut peers {
//!     let mut message = [0; 4];
//!     peer.read_exact(&mut message)?;
//!     assert_eq!(&message, b"ahoy");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Where several threads broadcast, each receiver gets whole messages. All get them in the same order only if the program sends
//! under one lock.
//!
//! # A periodic tick
//!
//! Each tick sets the timer of the next: at the last deadline plus a period, not at now plus a period, so that the ticks do not
//! drift. A handler that was late by more than a period leaves out the ticks that it missed.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use wharf::{CompletionPort, Wait};
//!
//! const PERIOD: Duration = Duration::from_millis(5);
//!
//! # fn main() -> std::io::Result<()> {
//! let port = CompletionPort::<&str>::new(0)?;
//! let start = Instant::now();
//! port.with(start + PERIOD).timer_at(start + PERIOD, "tick")?;
//! for _ in 0..3 {
//!     let Wait::Completed(mut completion) = port.wait(None)? else { panic!("neither closed nor timed out") };
//!     let mut deadline = completion.take_context::<Instant>().expect("each tick has one");
//!     assert!(Instant::now() >= deadline, "never early");
//!     // ... what is to be done at each tick
//!     while deadline <= Instant::now() {
//!         deadline += PERIOD;
//!     }
//!     port.with(deadline).timer_at(deadline, "tick")?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Since the next timer is set by the handler of the last, two ticks never run at once. On Windows, timers come with the tick of the
//! system's clock, some 16 ms.
//!
//! # Accept again, after a shortage
//!
//! An accept fails where the process or the system has no descriptor left (`EMFILE`, `ENFILE`); the connection stays in the backlog.
//! An accept that is started again at once fails again at once, and a worker does nothing else any more. So the next one waits for a
//! timer, which has the listener as its context:
//!
//! ```
//! # use std::net::TcpListener;
//! use std::time::Duration;
//! use wharf::{Completion, CompletionPort, Finished, Listener};
//!
//! const ACCEPT_AGAIN: Duration = Duration::from_secs(1);
//!
//! fn serve(port: &CompletionPort<()>, mut completion: Completion<()>) -> std::io::Result<()> {
//!     let to_accept_on = completion.take_context::<Listener<()>>();
//!     match completion.what {
//!         Finished::Accepted { listener, connection: Some(_connection) } => {
//!             listener.accept()?;
//!             // ... associate the connection, and start its first receive
//!         }
//!         // Where the listener is closed, the accept that follows is refused.
//!         Finished::Accepted { listener, .. } => drop(port.with(listener).timer(ACCEPT_AGAIN, ())?),
//!         Finished::Timer => {
//!             if let Some(listener) = to_accept_on {
//!                 listener.accept()?;
//!             }
//!         }
//!         _ => {}
//!     }
//!     Ok(())
//! }
//! # fn main() -> std::io::Result<()> {
//! # let port = CompletionPort::<()>::new(0)?;
//! # let listener = port.associate(TcpListener::bind("127.0.0.1:0")?, ())?;
//! # listener.accept()?;
//! # let _peer = std::net::TcpStream::connect(listener.local_addr())?;
//! # let wharf::Wait::Completed(completion) = port.wait(None)? else { panic!("neither closed nor timed out") };
//! # serve(&port, completion)?;
//! # // An accept that fails: cancelled, here.
//! # assert_eq!(listener.cancel_all(), 1);
//! # let wharf::Wait::Completed(completion) = port.wait(None)? else { panic!("neither closed nor timed out") };
//! # serve(&port, completion)?;
//! # let left = port.close();
//! # assert_eq!(left.len(), 1);
//! # for completion in left {
//! #     assert!(serve(&port, completion).is_err(), "the timer had the listener, which is closed");
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! # Post to oneself
//!
//! [`post`](crate::CompletionPort::post) queues a packet of the program's own, with a key, a number, and by
//! [`with`](crate::CompletionPort::with) a context of any type: to hand work to any free worker, to wake a waiting thread from
//! outside, or to split a long computation into turns (see [`blocking`](super::blocking)). Packets that one thread posts leave the
//! queue in the order in which they were posted.
//!
//! A post releases a waiting thread, if one may run. Where a handler posts and then ends, that wake is not needed: its own thread is
//! back in a moment. [`post_quietly`](crate::CompletionPort::post_quietly) is for the last act of a handler: it releases no thread
//! at first, and the thread goes on with the packet itself. If it does not come back soon, another has the packet within 2.5 ms.
