//! What the chapters share: ports, connected pairs, threads that wait when told to, and guards that fail a test where
//! a broken port would hang it.

use std::{
    fmt::Debug,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    panic::resume_unwind,
    sync::{
        OnceLock,
        mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use socket2::SockRef;
#[cfg(unix)]
use wharf::simulated::{self, Kernel};
use wharf::{
    Buffer, Completion, CompletionPort, DatagramSocket, Descriptor, DriverChoice, File, Finished,
    Listener, Payload, PortBuilder, Socket, Traffic, Wait,
    raw::{self, Options},
};

#[path = "platform.rs"]
pub mod platform;

#[allow(unused_imports, reason = "each test target uses some of it")]
pub use platform::{descriptors, threads};
use platform::{sleeps, this_thread};

/// What a port can be made on. A new one is added here, and in [`on_every_driver`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Driver {
    Readiness,
    Uring,
    /// A kernel in memory, on which nothing goes wrong. What does is for `tests/simulation`.
    Simulated,
    /// The kernel's own port.
    Windows,
}

impl Driver {
    pub const ALL: [Driver; 4] = [
        Driver::Readiness,
        Driver::Uring,
        Driver::Simulated,
        Driver::Windows,
    ];

    /// Those that this system has.
    pub fn here() -> impl Iterator<Item = Driver> {
        let is_here = |driver: &Driver| cfg!(windows) == (*driver == Driver::Windows);
        Driver::ALL.into_iter().filter(is_here)
    }

    pub fn name(self) -> &'static str {
        match self {
            Driver::Readiness => "readiness",
            Driver::Uring => "uring",
            Driver::Simulated => "simulated",
            Driver::Windows => "windows",
        }
    }

    /// A port's options on it.
    pub fn options(self) -> Options {
        let mut options = Options::default();
        match self {
            Driver::Readiness => options.driver = DriverChoice::Readiness,
            Driver::Uring => options.driver = DriverChoice::Uring,
            #[cfg(unix)]
            Driver::Simulated => options.kernel = Some(kernel().clone()),
            #[cfg(windows)]
            Driver::Simulated => unreachable!("it is not here"),
            Driver::Windows => options.driver = DriverChoice::Windows,
        }
        options
    }

    /// A port that is to be made on it.
    pub fn builder<K: Key>(self) -> PortBuilder<K> {
        let builder = CompletionPort::builder();
        match self {
            Driver::Readiness => builder.driver(DriverChoice::Readiness),
            Driver::Uring => builder.driver(DriverChoice::Uring),
            #[cfg(unix)]
            Driver::Simulated => builder.simulated(kernel()),
            #[cfg(windows)]
            Driver::Simulated => unreachable!("it is not here"),
            Driver::Windows => builder.driver(DriverChoice::Windows),
        }
    }
}

/// The kernel of all simulated ports.
#[cfg(unix)]
fn kernel() -> &'static Kernel {
    static KERNEL: std::sync::LazyLock<Kernel> = std::sync::LazyLock::new(Kernel::new);
    &KERNEL
}

/// Makes a module of tests for each of the system's drivers, from a macro that makes them for one.
macro_rules! on_every_driver {
    ($suite:ident) => {
        #[cfg(unix)]
        mod readiness {
            $suite!(crate::harness::Driver::Readiness);
        }
        #[cfg(unix)]
        mod uring {
            $suite!(crate::harness::Driver::Uring);
        }
        #[cfg(windows)]
        mod windows {
            $suite!(crate::harness::Driver::Windows);
        }
    };
}

/// Makes a test of each function named, on one driver.
macro_rules! tests {
    ($driver:expr; $($chapter:ident { $($(#[$meta:meta])* $statement:ident)* })*) => {
        $($(
            $(#[$meta])*
            #[test]
            fn $statement() {
                match crate::harness::unavailable($driver) {
                    Some(reason) => eprintln!("NOT JUDGED: {reason}"),
                    None => crate::harness::guarded(|| crate::$chapter::$statement($driver)),
                }
            }
        )*)*
    };
}

/// As `tests!`, for those that change the whole process: one at a time, by the lock `TURN` of the target. The next begins when
/// the threads of the one before have ended, and what they had open is closed.
#[allow(unused_macros)] // Not every target that has this file has such tests.
macro_rules! alone {
    ($driver:expr; $($chapter:ident { $($statement:ident)* })*) => {
        $($(
            #[test]
            fn $statement() {
                let _turn = crate::TURN.lock();
                match crate::harness::unavailable($driver) {
                    Some(reason) => eprintln!("NOT JUDGED: {reason}"),
                    None => crate::harness::guarded(|| crate::$chapter::$statement($driver)),
                }
            }
        )*)*
    };
}

/// Why a driver is not there to be tested. A container may forbid io_uring; then the tests on it say so and judge nothing,
/// but where `WHARF_REQUIRE_URING` is set, as in CI, that is a failure.
pub fn unavailable(driver: Driver) -> Option<&'static str> {
    // Asked once, before any test begins: asking takes a descriptor for a moment, and a test may have them run out.
    static FORBIDDEN: OnceLock<Option<String>> = OnceLock::new();
    let forbidden = FORBIDDEN.get_or_init(|| {
        let error = wharf::uring_available().err()?;
        let forbids = [io::ErrorKind::PermissionDenied, io::ErrorKind::Unsupported];
        forbids.contains(&error.kind()).then(|| error.to_string())
    });
    let reason = forbidden.as_deref().filter(|_| driver == Driver::Uring)?;
    let required = std::env::var_os("WHARF_REQUIRE_URING").is_some();
    assert!(!required, "{reason}");
    Some(reason)
}

/// How long to wait for what must come. Generous: it is only ever reached by a test that fails.
pub const GUARD: Duration = Duration::from_secs(20);

/// How long to look for what must not come.
pub const QUIET: Duration = Duration::from_millis(60);

/// How long a whole test may take.
const TEST_MAX: Duration = Duration::from_secs(90);

/// More than the buffers of a [`narrow_pair`] take.
pub const BIG: usize = 4 << 20;

/// What a key has to be.
pub trait Key: Clone + Debug + Send + Sync + 'static {}

impl<T: Clone + Debug + Send + Sync + 'static> Key for T {}

/// Runs a test on a thread of its own, and fails it if it does not end.
pub fn guarded(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel::<()>();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let body = thread::Builder::new().name(name).spawn(move || {
        let _done = done;
        test();
    });
    let body = body.expect("a thread");
    if let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(TEST_MAX) {
        panic!("the test hangs: it has not ended within {TEST_MAX:?}");
    }
    if let Err(panic) = body.join() {
        resume_unwind(panic);
    }
}

/// A port on which at most `concurrency` threads run.
#[track_caller]
pub fn port<K: Key>(driver: Driver, concurrency: usize) -> CompletionPort<K> {
    let builder = driver.builder().concurrency(concurrency);
    builder.build().expect("the driver is available here")
}

/// One end of a stream, on whichever kernel. What a peer waits for has a guard.
#[derive(Debug)]
pub enum Stream {
    System(TcpStream),
    #[cfg(unix)]
    Simulated(simulated::Stream),
}

/// Does the same with either kind of stream.
macro_rules! either {
    ($stream:expr, $inner:ident => $what:expr) => {
        match $stream {
            Stream::System($inner) => $what,
            #[cfg(unix)]
            Stream::Simulated($inner) => $what,
        }
    };
}

impl Stream {
    pub fn local_addr(&self) -> SocketAddr {
        either!(self, stream => stream.local_addr()).expect("an address")
    }

    /// Ends its sending side.
    pub fn shutdown(&self) {
        match self {
            Stream::System(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Stream::Simulated(stream) => stream.shutdown(),
        }
        .expect("a shutdown");
    }

    /// Whether it waits for what is not there.
    pub fn set_blocking(&mut self, blocks: bool) {
        match self {
            Stream::System(stream) => stream.set_nonblocking(!blocks).expect("a mode"),
            #[cfg(unix)]
            Stream::Simulated(stream) => {
                stream.set_timeout(Some(if blocks { GUARD } else { Duration::ZERO }));
            }
        }
    }

    pub fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => stream.peek(into))
    }

    /// Leaves little room on the way to the other end. Not the other way about: a kernel that has no room for what comes in
    /// drops acknowledgements with it.
    fn make_narrow(&self, other: &Stream) {
        match (self, other) {
            (Stream::System(ours), Stream::System(other)) => {
                let ours = SockRef::from(ours);
                ours.set_send_buffer_size(32 << 10).expect("a size");
                let other = SockRef::from(other);
                other.set_recv_buffer_size(32 << 10).expect("a size");
            }
            #[cfg(unix)]
            (_, Stream::Simulated(other)) => other.set_room(32 << 10),
            #[cfg(unix)]
            (_, Stream::System(_)) => unreachable!("both ends are on one kernel"),
        }
    }

    pub fn associate<K: Key>(self, port: &CompletionPort<K>, key: K) -> io::Result<Socket<K>> {
        either!(self, stream => port.associate(stream, key))
    }

    /// Associates it with a port of the raw layer.
    pub fn associate_raw(self, port: &raw::Port, key: usize) -> io::Result<raw::Handle> {
        match self {
            Stream::System(stream) => {
                stream.set_nonblocking(true)?;
                port.associate(stream, key, raw::Kind::Stream)
            }
            #[cfg(unix)]
            Stream::Simulated(stream) => port.associate(stream, key, raw::Kind::Stream),
        }
    }
}

impl Read for &Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => (&*stream).read(into))
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, stream => (&*stream).write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (&*self).read(into)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A listener that no port has, on whichever kernel.
#[derive(Debug)]
pub enum Listening {
    System(TcpListener),
    #[cfg(unix)]
    Simulated(simulated::Listener),
}

impl Listening {
    pub fn on(driver: Driver) -> Self {
        match driver {
            #[cfg(unix)]
            Driver::Simulated => Listening::Simulated(kernel().listen()),
            _ => Listening::System(TcpListener::bind("127.0.0.1:0").expect("a listener")),
        }
    }

    pub fn address(&self) -> SocketAddr {
        match self {
            Listening::System(listener) => listener.local_addr(),
            #[cfg(unix)]
            Listening::Simulated(listener) => listener.local_addr(),
        }
        .expect("an address")
    }

    pub fn accept(&self) -> (Stream, SocketAddr) {
        match self {
            Listening::System(listener) => {
                let (stream, peer) = listener.accept().expect("a connection");
                (Stream::System(stream), peer)
            }
            #[cfg(unix)]
            Listening::Simulated(listener) => {
                let (stream, peer) = listener.accept().expect("a connection");
                (Stream::Simulated(stream), peer)
            }
        }
    }
}

/// An address where nobody listens for as long as what is beside it is kept: it is bound, so that no other test gets
/// the port.
pub fn nobody(driver: Driver) -> (Option<socket2::Socket>, SocketAddr) {
    #[cfg(unix)]
    if driver == Driver::Simulated {
        return (None, Listening::on(driver).address());
    }
    let _ = driver;
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a free port");
    let address = socket.local_addr().expect("it is bound").as_socket();
    (Some(socket), address.expect("it is of IPv4"))
}

/// Two connected streams.
pub fn streams(driver: Driver) -> (Stream, Stream) {
    #[cfg(unix)]
    if driver == Driver::Simulated {
        let (ours, mut peer) = kernel().streams();
        peer.set_timeout(Some(GUARD));
        return (Stream::Simulated(ours), Stream::Simulated(peer));
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let peer = connect(driver, listener.local_addr().expect("an address"));
    let (ours, _) = listener.accept().expect("a connection");
    (Stream::System(ours), peer)
}

/// A peer that connects.
#[track_caller]
pub fn connect(driver: Driver, address: SocketAddr) -> Stream {
    try_to_connect(driver, address).expect("a connection")
}

/// A peer that tries to connect.
#[cfg_attr(windows, allow(unused_variables))]
pub fn try_to_connect(driver: Driver, address: SocketAddr) -> io::Result<Stream> {
    #[cfg(unix)]
    if driver == Driver::Simulated {
        let mut peer = kernel().connect(address)?;
        peer.set_timeout(Some(GUARD));
        return Ok(Stream::Simulated(peer));
    }
    let peer = TcpStream::connect(address)?;
    peer.set_read_timeout(Some(GUARD)).expect("a time-out");
    peer.set_write_timeout(Some(GUARD)).expect("a time-out");
    Ok(Stream::System(peer))
}

/// On which driver a port is.
pub fn driver_of<K>(port: &CompletionPort<K>) -> Driver {
    let name = port.driver().name;
    let driver = Driver::ALL.into_iter().find(|driver| driver.name() == name);
    driver.expect("one of them")
}

/// A listener on the port, with an address of its own.
#[track_caller]
pub fn listen<K: Key>(port: &CompletionPort<K>, key: K) -> Listener<K> {
    let listener = match driver_of(port) {
        #[cfg(unix)]
        Driver::Simulated => port.associate(kernel().listen(), key),
        _ => port.associate(TcpListener::bind("127.0.0.1:0").expect("a listener"), key),
    };
    listener.expect("an association")
}

/// A datagram socket on the port, and its address.
#[track_caller]
pub fn datagrams<K: Key>(port: &CompletionPort<K>, key: K) -> (DatagramSocket<K>, SocketAddr) {
    let socket = match driver_of(port) {
        #[cfg(unix)]
        Driver::Simulated => port.associate(kernel().datagrams(), key),
        _ => port.associate(UdpSocket::bind("127.0.0.1:0").expect("a socket"), key),
    };
    let socket = socket.expect("an association");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

/// A new file with this content, on whichever kernel; to be read and written. The system has it under no name.
#[cfg_attr(windows, allow(unused_variables))]
pub fn file(driver: Driver, content: &[u8]) -> Descriptor {
    #[cfg(unix)]
    if driver == Driver::Simulated {
        return kernel().file(content).into();
    }
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(content).expect("a write");
    file.into()
}

/// A file on the port with this content.
#[track_caller]
pub fn file_on<K: Key>(port: &CompletionPort<K>, content: &[u8], key: K) -> File<K> {
    let file = match driver_of(port) {
        #[cfg(unix)]
        Driver::Simulated => port.associate(kernel().file(content), key),
        _ => {
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(content).expect("a write");
            port.associate(file, key)
        }
    };
    file.expect("an association")
}

/// A socket on the port, and its peer.
pub fn pair<K: Key>(port: &CompletionPort<K>, key: K) -> (Socket<K>, Stream) {
    let (ours, peer) = streams(driver_of(port));
    (ours.associate(port, key).expect("an association"), peer)
}

/// A pair with so little room between its ends that a send of [`BIG`] bytes needs the peer to read.
pub fn narrow_pair<K: Key>(port: &CompletionPort<K>, key: K) -> (Socket<K>, Stream) {
    let (ours, peer) = streams(driver_of(port));
    ours.make_narrow(&peer);
    (ours.associate(port, key).expect("an association"), peer)
}

/// Resets the connection, as a peer does that crashes.
pub fn reset(peer: Stream) {
    match peer {
        Stream::System(peer) => {
            let socket = SockRef::from(&peer);
            let at_once = Some(Duration::ZERO);
            socket.set_linger(at_once).expect("an option");
        }
        #[cfg(unix)]
        Stream::Simulated(peer) => peer.reset(),
    }
}

/// Waits until the reset of a peer has arrived, without an operation that would notice it.
#[track_caller]
pub fn until_reset<K: Key>(socket: &Socket<K>) {
    eventually("the reset arrives", || socket.peer_addr().is_err());
}

/// Waits until so many bytes can be received.
#[track_caller]
pub fn until_arrived<K: Key>(socket: &Socket<K>, bytes: usize) {
    if cfg!(windows) {
        // A receive that waits has them as soon as they come, and nothing but its packet tells.
        let deadline = Instant::now() + QUIET;
        while socket.unread().expect("an open socket") != bytes as u64 && Instant::now() < deadline
        {
            thread::yield_now();
        }
        return;
    }
    eventually("the bytes arrive", || {
        socket.unread().expect("an open socket") == bytes as u64
    });
}

/// Waits for what no event tells of.
#[track_caller]
pub fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    eventually_or(|| format!("it never came about that {what}"), is_so);
}

/// As [`eventually`], with a complaint of its own.
#[track_caller]
pub fn eventually_or(complaint: impl FnOnce() -> String, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + GUARD;
    while !is_so() {
        if Instant::now() >= deadline {
            panic!("{}", complaint());
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// What a socket has received and sent, in bytes.
pub fn moved(traffic: Traffic) -> (u64, u64) {
    (traffic.received_bytes, traffic.sent_bytes)
}

/// A receive with a guard.
#[track_caller]
pub fn told<T>(receiver: &Receiver<T>) -> T {
    receiver
        .recv_timeout(GUARD)
        .expect("another thread tells of it")
}

/// The completion in an answer.
#[track_caller]
pub fn completed<K: Key>(answer: Wait<K>) -> Completion<K> {
    match answer {
        Wait::Completed(completion) => completion,
        other => panic!("a completion is due, the answer is {other:?}"),
    }
}

/// The next completion, which is due.
#[track_caller]
pub fn next<K: Key>(port: &CompletionPort<K>) -> Completion<K> {
    completed(port.wait(GUARD).expect("a wait"))
}

/// Looks for a while, and fails if anything comes.
#[track_caller]
pub fn expect_nothing<K: Key>(port: &CompletionPort<K>) {
    let answer = port.wait(QUIET).expect("a wait");
    assert!(
        matches!(answer, Wait::TimedOut),
        "nothing is due, the answer is {answer:?}"
    );
}

/// What a receive brought that is due next and succeeds.
#[track_caller]
pub fn received<K: Key>(port: &CompletionPort<K>) -> Buffer {
    let completion = next(port);
    let bytes = *completion.result.as_ref().expect("the receive succeeds");
    let Finished::Received { buffer, .. } = completion.what else {
        panic!("a receive is due, it was {:?}", completion.what);
    };
    assert_eq!(
        bytes,
        buffer.len(),
        "the result is what is in use of the buffer"
    );
    buffer
}

/// The payload of a send that is due next and succeeds.
#[track_caller]
pub fn sent<K: Key>(port: &CompletionPort<K>) -> Payload {
    let completion = next(port);
    let bytes = *completion.result.as_ref().expect("the send succeeds");
    let Finished::Sent { payload, .. } = completion.what else {
        panic!("a send is due, it was {:?}", completion.what);
    };
    assert_eq!(bytes, payload.len(), "all of it is sent");
    payload
}

/// Drops the completion, which must be a cancelled one.
#[track_caller]
pub fn cancelled<K: Key>(completion: Completion<K>) {
    assert!(
        completion.is_cancelled(),
        "cancelled is due, it was {completion:?}"
    );
}

/// The kind of error that an operation failed with.
#[track_caller]
pub fn failed<K: Key>(completion: &Completion<K>) -> io::ErrorKind {
    match &completion.result {
        Err(error) => error.kind(),
        Ok(_) => panic!("a failure is due, it was {completion:?}"),
    }
}

/// Bytes in which no two places close to each other look alike.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|index| (index % 251) as u8 ^ (index / 251) as u8)
        .collect()
}

/// Threads that each wait when told to, tell what they got, and compute until they are told to wait again.
pub struct Threads<K> {
    port: CompletionPort<K>,
    threads: Vec<Option<Member<K>>>,
    reports: Receiver<(usize, Wait<K>)>,
    close: fn(&CompletionPort<K>),
}

struct Member<K> {
    id: platform::ThreadId,
    /// Where to wait next; the thread ends when this is dropped.
    orders: Sender<CompletionPort<K>>,
    thread: JoinHandle<()>,
}

impl<K: Key> Threads<K> {
    pub fn new(port: &CompletionPort<K>, count: usize) -> Self {
        let (sender, reports) = mpsc::channel();
        let member = |who| {
            let (orders, told_to) = mpsc::channel::<CompletionPort<K>>();
            let (reports, (tell_id, id)) = (sender.clone(), mpsc::channel());
            let thread = thread::spawn(move || {
                let _ = tell_id.send(this_thread());
                let mut runs = false;
                while let Some(port) = next_order(&told_to, runs) {
                    let answer = port.wait(None).expect("a wait");
                    runs = matches!(answer, Wait::Completed(_));
                    let _ = reports.send((who, answer));
                }
            });
            Some(Member {
                id: told(&id),
                orders,
                thread,
            })
        };
        Threads {
            port: port.clone(),
            threads: (0..count).map(member).collect(),
            reports,
            close: |port| drop(port.close()),
        }
    }

    /// Has a thread wait on the port.
    pub fn wait(&self, who: usize) {
        self.wait_on(who, &self.port);
    }

    /// Has a thread wait on some port.
    pub fn wait_on(&self, who: usize, port: &CompletionPort<K>) {
        let member = self.threads[who]
            .as_ref()
            .expect("a thread that has not ended");
        member
            .orders
            .send(port.clone())
            .expect("a thread that has not ended");
    }

    /// Has a thread wait on the port, and returns once it is asleep.
    #[track_caller]
    pub fn park(&self, who: usize) {
        let parked = self.port.counts().parked + 1;
        self.wait(who);
        let id = self.threads[who]
            .as_ref()
            .expect("a thread that has not ended")
            .id;
        eventually("the thread waits", || {
            self.port.counts().parked >= parked && sleeps(id)
        });
    }

    /// The next report: which thread, and what it got. The thread counts as running from then on.
    #[track_caller]
    pub fn report(&self) -> (usize, Completion<K>) {
        let (who, answer) = told(&self.reports);
        (who, completed(answer))
    }

    /// Which thread was released next, for the packet with this key.
    #[track_caller]
    pub fn released(&self, key: &K) -> usize
    where
        K: PartialEq,
    {
        let (who, completion) = self.report();
        assert_eq!(&completion.key, key);
        who
    }

    /// The waiter that is told next that the port is closed.
    #[track_caller]
    pub fn closed(&self) -> usize {
        match told(&self.reports) {
            (who, Wait::Closed) => who,
            (_, answer) => panic!("closed is due, the answer is {answer:?}"),
        }
    }

    /// Looks for a while, and fails if any thread comes out of its wait.
    #[track_caller]
    pub fn expect_no_report(&self) {
        if let Ok(report) = self.reports.recv_timeout(QUIET) {
            panic!("no thread is to be released, this was: {report:?}");
        }
    }

    /// Ends a thread that is not waiting.
    pub fn end(&mut self, who: usize) {
        let member = self.threads[who]
            .take()
            .expect("a thread that has not ended");
        drop(member.orders);
        member.thread.join().expect("the thread ends well");
    }
}

impl<K> Drop for Threads<K> {
    /// Those that still wait are not left behind.
    fn drop(&mut self) {
        (self.close)(&self.port);
    }
}

/// Where to wait next; none at the end. A thread that `runs` computes meanwhile, as a handler does that does not block:
/// else its place would be another's.
fn next_order<K: Key>(
    told_to: &Receiver<CompletionPort<K>>,
    runs: bool,
) -> Option<CompletionPort<K>> {
    if !runs {
        return told_to.recv().ok();
    }
    loop {
        match told_to.try_recv() {
            Ok(port) => return Some(port),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => thread::yield_now(),
        }
    }
}
