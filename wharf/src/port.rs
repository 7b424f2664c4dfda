//! The completion port: create, associate, wait, close. The operations are in `operation`.

use std::{
    fmt, io,
    marker::PhantomData,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use crate::{
    Counts, DriverChoice, DriverInfo, Snapshot,
    handle::{Associate, Key, Origin},
    operation::{Completion, OperationId, Wait},
    raw::{self, End, Options, Queued, Task, ThreadPool, WaitMany},
    record::Records,
    sync::now,
    user_code::contain,
};

/// An I/O completion port (IOCP): operations are started on the sockets and files that are associated with it, and any thread
/// that [waits](Self::wait) picks up what completed. It is work-conserving: no thread sleeps while a completion is queued and
/// fewer threads run than its [concurrency](Self::concurrency) allows; but for [quiet posts](Self::post_quietly), which wait some
/// milliseconds at most.
///
/// `K` is the key: a value that tells a handler whose completion it has, often an `Arc` of a client. It is given
/// when a socket is associated, and a clone comes back with each of its completions. A key must not own its socket: that is a
/// reference cycle, and neither would ever be freed. The completion brings the socket; for sending at other times, keep the
/// sockets in a table of their own. The last clone of a key may be dropped within a wait, or on a thread of the port's, where a
/// [quiet send](crate::Socket::send_quietly) was the last to hold it: its `Drop` must not block. If it panics there, the log
/// says so, and nothing else happens; it may close the port.
///
/// The port is a handle; clones are the same port. It closes when the last of them is dropped, or with
/// [`close`](Self::close); sockets and operations do not keep it open.
///
/// ```
/// use std::{io::{Read, Write}, net::{TcpListener, TcpStream}};
/// use wharf::{Buffer, CompletionPort, Finished, Wait};
///
/// # fn main() -> std::io::Result<()> {
/// let port = CompletionPort::<&str>::new(0)?;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let mut peer = TcpStream::connect(listener.local_addr()?)?;
/// let socket = port.associate(listener.accept()?.0, "the only client")?;
///
/// socket.receive(Buffer::with_capacity(64))?;
/// peer.write_all(b"ahoy")?;
/// let Wait::Completed(completion) = port.wait(None)? else { panic!("neither closed nor timed out") };
/// assert_eq!((completion.key, completion.result?), ("the only client", 4));
/// let Finished::Received { socket, buffer } = completion.what else { panic!("it was a receive") };
/// assert_eq!(&buffer[..], b"ahoy");
///
/// socket.send(buffer)?;
/// let mut echo = [0; 4];
/// peer.read_exact(&mut echo)?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "IOCP")]
#[doc(alias = "proactor")]
#[derive(Debug)]
pub struct CompletionPort<K>(Arc<Open<K>>);

/// Closes the port when the last handle to it is dropped. Separate from the records, which sockets hold too.
#[derive(Debug)]
struct Open<K> {
    records: Arc<Records<Origin<K>>>,
    close: fn(&Records<Origin<K>>),
}

impl<K> Drop for Open<K> {
    fn drop(&mut self) {
        (self.close)(&self.records);
    }
}

impl<K> Clone for CompletionPort<K> {
    fn clone(&self) -> Self {
        CompletionPort(self.0.clone())
    }
}

impl<K> PartialEq for CompletionPort<K> {
    /// Whether they are the same port.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<K> Eq for CompletionPort<K> {}

/// Makes a [`CompletionPort`] with other than the default settings. See [`CompletionPort::builder`].
#[must_use = "nothing is made before `build`"]
pub struct PortBuilder<K> {
    options: Options,
    key: PhantomData<fn() -> K>,
}

impl<K> Clone for PortBuilder<K> {
    fn clone(&self) -> Self {
        PortBuilder {
            options: self.options.clone(),
            key: PhantomData,
        }
    }
}

impl<K> Default for PortBuilder<K> {
    fn default() -> Self {
        PortBuilder {
            options: Options::default(),
            key: PhantomData,
        }
    }
}

impl<K> fmt::Debug for PortBuilder<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PortBuilder")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<K> PortBuilder<K> {
    /// The most threads that run at once. A thread runs from when it took a completion until it comes back for the next. 0, the
    /// default, is as many as the processors that this process may use.
    #[doc(alias = "NumberOfConcurrentThreads")]
    pub fn concurrency(mut self, threads: usize) -> Self {
        self.options.concurrency = threads;
        self
    }

    /// Which driver to use; the default is the best that the kernel allows.
    pub fn driver(mut self, choice: DriverChoice) -> Self {
        self.options.driver = choice;
        self
    }

    /// Puts the port on a simulated kernel, in the place of the system's.
    #[cfg(all(unix, feature = "simulated"))]
    pub fn simulated(mut self, kernel: &crate::simulated::Kernel) -> Self {
        self.options.kernel = Some(kernel.clone());
        self
    }

    /// The most operations, timers and posted packets that may be under way at once; more are refused when they are
    /// started, which is backpressure for the part of the program that starts them. A quiet send that has begun when the limit is
    /// reached goes on, so for each thread that sends there may be one more. The default is 4,194,304.
    pub fn operations_max(mut self, operations: usize) -> Self {
        self.options.operations_max = operations;
        self
    }

    /// Makes the port.
    ///
    /// # Errors
    /// The system's, if it gives no descriptors or no memory; with [`DriverChoice::Uring`], its refusal of io_uring,
    /// with the remedy.
    pub fn build(self) -> io::Result<CompletionPort<K>>
    where
        K: Key,
    {
        let records = Arc::new(Records::new(raw::Port::new(&self.options)?));
        let close = |records: &Records<Origin<K>>| {
            for completion in drain(records) {
                // Each is dropped by itself, since each may panic.
                let Completion {
                    key, what, context, ..
                } = completion;
                contain("the drop of a context", || drop(context));
                contain("the drop of a key", || drop(key));
                contain("the drop of a completion", || drop(what));
            }
        };
        Ok(CompletionPort(Arc::new(Open { records, close })))
    }
}

fn drain<K: Key>(records: &Records<Origin<K>>) -> Vec<Completion<K>> {
    let queued = records.raw().close_queue();
    let completions = queued.into_iter().filter_map(|packet| {
        let packet = records.pass_time_out(packet)?;
        match contain("the `Clone` of a key", || Completion::new(records, packet))? {
            Ok(completion) => Some(completion),
            Err(task) => {
                contain("the discard of a task", || drop(task));
                None
            }
        }
    });
    completions.collect()
}

/// Packets that are handed out to one thread, on their way into its list.
struct Unpacking<'a, K: Key> {
    records: &'a Records<Origin<K>>,
    packets: std::vec::Drain<'a, Queued>,
    into: &'a mut Vec<Completion<K>>,
    tasks: &'a mut Vec<Task>,
}

impl<K: Key> Unpacking<'_, K> {
    fn run(mut self) {
        self.into.reserve(self.packets.len());
        for packet in self.packets.by_ref() {
            let Some(packet) = self.records.pass_time_out(packet) else {
                continue;
            };
            match Completion::new(self.records, packet) {
                Ok(completion) => self.into.push(completion),
                Err(task) => self.tasks.push(task),
            }
        }
    }
}

impl<K: Key> Drop for Unpacking<'_, K> {
    /// After a panic, the packets that are left are handed out all the same.
    fn drop(&mut self) {
        for packet in self.packets.by_ref() {
            let Some(packet) = self.records.pass_time_out(packet) else {
                continue;
            };
            let completion = contain("the `Clone` of a key", || {
                Completion::new(self.records, packet)
            });
            match completion {
                Some(Ok(completion)) => self.into.push(completion),
                Some(Err(task)) => self.tasks.push(task),
                None => {}
            }
        }
    }
}

/// How long to wait still.
#[cold]
fn rest_of(timeout: Option<Duration>, deadline: &mut Option<Instant>) -> Option<Duration> {
    // Where the first time-out was set during the wait, it is not known when the wait began.
    let deadline =
        *deadline.get_or_insert_with(|| raw::deadline_after(timeout.unwrap_or_default()));
    timeout.map(|_| deadline.saturating_duration_since(now()))
}

/// Tasks that a thread took together with completions. They run when the wait is over, or a panic ended it.
struct Tasks(Vec<Task>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in self.0.drain(..) {
            contain("a task", || task.run());
        }
    }
}

impl<K> CompletionPort<K> {
    /// Makes a port on which up to `concurrency` threads run at once; 0 is as many as the processors that this
    /// process may use. [`builder`](CompletionPort::builder) has more to set.
    ///
    /// # Errors
    /// The system's, if it gives no descriptors or no memory.
    #[doc(alias = "CreateIoCompletionPort")]
    pub fn new(concurrency: usize) -> io::Result<Self>
    where
        K: Key,
    {
        Self::builder().concurrency(concurrency).build()
    }

    /// Starts to make a port with other than the default settings. The key's type is named here, or found by what the port is
    /// used for.
    ///
    /// ```
    /// use wharf::CompletionPort;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let port = CompletionPort::<u64>::builder().concurrency(2).build()?;
    /// assert_eq!(port.concurrency(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> PortBuilder<K>
    where
        K: Key,
    {
        PortBuilder::default()
    }

    /// Associates a socket, a listener or a file with the port, under a key that comes back with each of its completions
    /// (`CreateIoCompletionPort` with a handle, on Windows). The handle is made non-blocking.
    ///
    /// # Errors
    /// The port is closed or has as many handles as it takes, or the system can't register the handle. The handle is
    /// closed then. [`InvalidInput`](io::ErrorKind::InvalidInput): it is a `UdpSocket` that is a stream; or, with the feature
    /// `simulated`, a handle of another kernel than the port's.
    #[doc(alias = "CreateIoCompletionPort")]
    pub fn associate<H: Associate>(&self, handle: H, key: K) -> io::Result<H::Associated<K>>
    where
        K: Key,
    {
        handle.associate_with(self, key)
    }

    pub(crate) fn records(&self) -> &Arc<Records<Origin<K>>> {
        &self.0.records
    }

    fn raw(&self) -> &Arc<raw::Port> {
        self.0.records.raw()
    }

    /// The most threads that run at once.
    pub fn concurrency(&self) -> usize {
        self.raw().concurrency()
    }

    /// How many descriptors the port has open for itself, beside those of [associated](Self::associate) handles: 3, and one
    /// more for each thread that may run at once where io_uring is used. Always the same; on Windows 0, where they are not
    /// limited.
    ///
    /// Each thread that waits on a port has one more open from its first wait until it ends, by which the system tells whether
    /// the thread sleeps. [`Workers::descriptors`](crate::Workers::descriptors) counts those of a pool, with those for the
    /// threads that it may start later.
    pub fn descriptors(&self) -> usize {
        self.raw().descriptors()
    }

    /// The driver that was chosen, and why.
    pub fn driver(&self) -> &DriverInfo {
        self.raw().driver()
    }

    /// How many threads are running, parked and blocked, and how many packets are queued (they wait for a thread).
    pub fn counts(&self) -> Counts {
        self.raw().counts()
    }

    /// The state of the port and of each of its threads. It asks the system about each thread that is in a handler, which takes
    /// some microseconds a thread: call it now and then, or once a second.
    pub fn snapshot(&self) -> Snapshot {
        self.raw().snapshot()
    }

    /// How long the oldest entry of the queue has waited: [`Snapshot::oldest`] alone. It asks the system about no thread and takes no
    /// memory, so it may be called often.
    pub fn oldest(&self) -> Option<Duration> {
        self.raw().oldest()
    }

    /// From now on the port asks this thread pool for a thread when all are blocked: a pool of the program's, in the place of
    /// [`Workers`](crate::Workers) or beside them. [`ThreadPool`] has an example, and tells what else such a pool calls. The port
    /// does not own the pool.
    pub fn add_pool(&self, pool: Weak<dyn ThreadPool>) {
        self.raw().add_pool(pool);
    }

    /// Starts the port's own thread that finds out which workers are blocked (`wharf-monitor`, on Linux only), so that it is
    /// there when the system has no thread left to give. A program with a pool of its [own](ThreadPool) calls this before it
    /// starts the pool's threads; without the call, the monitor starts when it is first needed, if the system has a thread for
    /// it then.
    ///
    /// # Errors
    /// The system's: it has no thread for the monitor.
    pub fn prepare(&self) -> io::Result<()> {
        self.raw().prepare()
    }

    /// To be called by a thread that a [pool](ThreadPool) started when it was asked, once its first wait has returned, with
    /// whichever answer.
    pub fn worker_started(&self) {
        self.raw().worker_started();
    }

    /// To be called when a [pool](ThreadPool) that was [full](crate::Spawned::Full) is no longer full: one of its threads has
    /// ended, or its limit was raised. The port's pools are asked again.
    pub fn can_spawn(&self) {
        self.raw().can_spawn();
    }

    /// Whether the port is closed.
    pub fn is_closed(&self) -> bool {
        self.raw().is_closed()
    }

    /// Cancels an operation or a timer. Its completion follows: as [cancelled](Completion::is_cancelled), or with its
    /// result if that came first. For a timer, [`cancel_timer_quietly`](Self::cancel_timer_quietly) spares the completion.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound): it has completed already, and nothing changes.
    #[doc(alias = "CancelIoEx")]
    pub fn cancel(&self, operation: OperationId) -> io::Result<()> {
        self.raw().cancel(operation)
    }
}

impl<K: Key> CompletionPort<K> {
    /// Waits for one completion, for `timeout` at most: `None` is for ever, zero only looks. The wait is never shorter
    /// than asked, and no signal ends it.
    ///
    /// This is `GetQueuedCompletionStatus` of Windows' IOCP; [`wait_many`](Self::wait_many) is `GetQueuedCompletionStatusEx`.
    ///
    /// The thread counts as running from the completion on until it waits again, on this port or on another, or ends.
    /// Completions leave the queue first in, first out (FIFO). Threads that wait are released last in, first out (LIFO), so
    /// that the processor's caches are still warm; at most [`concurrency`](Self::concurrency) run. A thread that blocks in its
    /// handler stops counting as soon as the port notices, which it does when other threads would have to wait for this one; or
    /// at once, where the thread says so ([`blocking`](crate::blocking)).
    ///
    /// # Errors
    /// The system can't wait. None is known to happen.
    ///
    /// # Panics
    /// If the key's `Clone` does: its completion is lost then, as with a handler that panics, and nothing else.
    #[doc(alias = "GetQueuedCompletionStatus")]
    pub fn wait(&self, timeout: impl Into<Option<Duration>>) -> io::Result<Wait<K>> {
        self.wait_one(timeout.into())
    }

    /// Never inlined, and each answer is spelled out, so that the answer is written directly where the caller wants it. Else it
    /// would be copied there, more than once, and it is large.
    #[inline(never)]
    fn wait_one(&self, mut timeout: Option<Duration>) -> io::Result<Wait<K>> {
        let mut deadline = self.deadline_if_striking(timeout);
        loop {
            let packet = match self.raw().claim() {
                Some((packet, claim)) => match self.records().take_carried(packet) {
                    // Written first, and then the claim is noted.
                    Ok((key, number)) => {
                        return Ok(Wait::Completed(Completion::posted(key, number)));
                    }
                    Err(packet) => {
                        drop(claim);
                        Ok(packet)
                    }
                },
                None => self.raw().wait_one(timeout)?,
            };
            let packet = match packet {
                Ok(packet) => packet,
                Err(End::TimedOut) => return Ok(Wait::TimedOut),
                Err(End::Closed) => return Ok(Wait::Closed),
            };
            // The end of a time-out is nothing for the caller.
            if let Some(packet) = self.records().pass_time_out(packet) {
                return self.records().take(
                    packet,
                    |finished| Ok(Wait::Completed(Completion::of_operation(finished))),
                    |key, number| Ok(Wait::Completed(Completion::posted(key, number))),
                    |task| Ok(Wait::Task(task)),
                );
            }
            timeout = rest_of(timeout, &mut deadline);
        }
    }

    /// When a wait that begins now ends, if the ends of time-outs may come into it.
    #[inline(always)]
    fn deadline_if_striking(&self, timeout: Option<Duration>) -> Option<Instant> {
        match timeout {
            Some(timeout) if self.records().has_time_outs() => Some(raw::deadline_after(timeout)),
            _ => None,
        }
    }

    /// Waits for up to `max` completions, at least one, and appends them to `into`, in queue order; for `timeout` at most, as
    /// [`wait`](Self::wait). The thread has them all to itself: no other thread can take a completion that this one has taken and
    /// not begun to handle. This is `GetQueuedCompletionStatusEx`; on Windows one call takes 64 at most.
    ///
    /// [Tasks](Self::post_task) that are among them run here, last, and count as packets in the answer, as the ends of
    /// [time-outs](crate::Socket::with_timeout) do; so `into` may have got none. A panic of a task is caught and logged.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `max` is 0.
    ///
    /// # Panics
    /// If the key's `Clone` does: its completion is lost then. All the others that were taken are in `into`.
    #[doc(alias = "GetQueuedCompletionStatusEx")]
    pub fn wait_many(
        &self,
        into: &mut Vec<Completion<K>>,
        max: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> io::Result<WaitMany> {
        let mut tasks = Tasks(Vec::new());
        self.raw().wait_each(max, timeout.into(), |packets| {
            let unpacking = Unpacking {
                records: self.records(),
                packets,
                into,
                tasks: &mut tasks.0,
            };
            unpacking.run();
        })
    }

    /// Closes the port, and gives back what was under way.
    ///
    /// Every thread that waits, now or later, is answered [`Wait::Closed`]; all handles of the port are
    /// closed; their operations are cancelled, and returned here with all completions that no thread has picked up: each
    /// operation still completes once. May be called from a handler, and more than once; only the first call returns anything.
    /// A completion whose key panics when it is cloned is lost, and the log says so. A [task](Self::post_task) that was not
    /// picked up is discarded.
    pub fn close(&self) -> Vec<Completion<K>> {
        drain(self.records())
    }
}
