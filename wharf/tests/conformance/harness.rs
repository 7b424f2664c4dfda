//! What the chapters share: ports, connected pairs, threads that wait when told to, and guards that fail a test where
//! a broken port would hang it.

use std::{
    fmt::Debug,
    fs, io,
    net::{SocketAddr, TcpListener, TcpStream},
    panic::resume_unwind,
    sync::{
        OnceLock,
        mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use socket2::SockRef;
use wharf::{Buffer, Completion, CompletionPort, Done, DriverChoice, Payload, Socket, Wait};

/// The drivers that everything runs on. A new one is added here and in [`on_every_driver`].
pub const DRIVERS: [DriverChoice; 2] = [DriverChoice::Readiness, DriverChoice::Uring];

/// Makes a module of tests for each driver, from a macro that makes them for one.
macro_rules! on_every_driver {
    ($suite:ident) => {
        mod readiness {
            $suite!(wharf::DriverChoice::Readiness);
        }
        mod uring {
            $suite!(wharf::DriverChoice::Uring);
        }
    };
}

/// Makes a test of each function named, on one driver.
macro_rules! tests {
    ($driver:expr; $($chapter:ident { $($statement:ident)* })*) => {
        $($(
            #[test]
            fn $statement() {
                if crate::harness::can_be_tested($driver) {
                    crate::harness::guarded(|| crate::$chapter::$statement($driver));
                }
            }
        )*)*
    };
}

/// Whether a driver is there to be tested. A container may forbid io_uring; then the tests on it say so and judge
/// nothing, but where `WHARF_REQUIRE_URING` is set, as in CI, that is a failure.
pub fn can_be_tested(driver: DriverChoice) -> bool {
    // Asked once, before any test begins: asking takes a descriptor for a moment, and a test may have them run out.
    static FORBIDDEN: OnceLock<Option<String>> = OnceLock::new();
    let forbidden = FORBIDDEN.get_or_init(|| {
        let error = wharf::uring_available().err()?;
        let forbids = [io::ErrorKind::PermissionDenied, io::ErrorKind::Unsupported];
        forbids.contains(&error.kind()).then(|| error.to_string())
    });
    match forbidden {
        Some(error) if driver == DriverChoice::Uring => {
            let required = std::env::var_os("WHARF_REQUIRE_URING").is_some();
            assert!(!required, "{error}");
            eprintln!("NOT JUDGED: {error}");
            false
        }
        _ => true,
    }
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
pub fn port<K: Key>(driver: DriverChoice, concurrency: usize) -> CompletionPort<K> {
    let builder = CompletionPort::builder().driver(driver);
    builder
        .concurrency(concurrency)
        .build()
        .expect("the driver is available here")
}

/// Two connected streams.
pub fn streams() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let peer = connect(listener.local_addr().expect("an address"));
    let (ours, _) = listener.accept().expect("a connection");
    (ours, peer)
}

/// A peer that connects. What it waits for has a guard, too.
#[track_caller]
pub fn connect(address: SocketAddr) -> TcpStream {
    let peer = TcpStream::connect(address).expect("a connection");
    peer.set_read_timeout(Some(GUARD)).expect("a time-out");
    peer.set_write_timeout(Some(GUARD)).expect("a time-out");
    peer
}

/// A socket on the port, and its peer.
pub fn pair<K: Key>(port: &CompletionPort<K>, key: K) -> (Socket<K>, TcpStream) {
    let (ours, peer) = streams();
    (port.associate(ours, key).expect("an association"), peer)
}

/// A pair with so little room between its ends that a send of [`BIG`] bytes needs the peer to read.
pub fn narrow_pair<K: Key>(port: &CompletionPort<K>, key: K) -> (Socket<K>, TcpStream) {
    let (ours, peer) = streams();
    SockRef::from(&ours)
        .set_send_buffer_size(32 << 10)
        .expect("a size");
    SockRef::from(&peer)
        .set_recv_buffer_size(32 << 10)
        .expect("a size");
    (port.associate(ours, key).expect("an association"), peer)
}

/// Resets the connection, as a peer does that crashes.
pub fn reset(peer: TcpStream) {
    SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .expect("an option");
}

/// Waits until the reset of a peer has arrived, without an operation that would notice it.
#[track_caller]
pub fn until_reset<K: Key>(socket: &Socket<K>) {
    eventually("the reset arrives", || socket.peer_addr().is_err());
}

/// Waits until so many bytes can be received.
#[track_caller]
pub fn until_arrived<K: Key>(socket: &Socket<K>, bytes: usize) {
    eventually("the bytes arrive", || {
        socket.unread().expect("an open socket") == bytes as u64
    });
}

/// Waits for what no event tells of.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + GUARD;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came about that {what}");
        thread::sleep(Duration::from_millis(1));
    }
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
    let Done::Received { buffer, .. } = completion.done else {
        panic!("a receive is due, it was {:?}", completion.done);
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
    let Done::Sent { payload, .. } = completion.done else {
        panic!("a send is due, it was {:?}", completion.done);
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
pub struct Crew<K> {
    port: CompletionPort<K>,
    threads: Vec<Option<Member<K>>>,
    reports: Receiver<(usize, Wait<K>)>,
}

struct Member<K> {
    id: rustix::thread::Pid,
    /// Where to wait next; the thread ends when this is dropped.
    orders: Sender<CompletionPort<K>>,
    thread: JoinHandle<()>,
}

impl<K: Key> Crew<K> {
    pub fn new(port: &CompletionPort<K>, count: usize) -> Self {
        let (sender, reports) = mpsc::channel();
        let member = |who| {
            let (orders, told_to) = mpsc::channel::<CompletionPort<K>>();
            let (reports, (tell_id, id)) = (sender.clone(), mpsc::channel());
            let thread = thread::spawn(move || {
                let _ = tell_id.send(rustix::thread::gettid());
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
        Crew {
            port: port.clone(),
            threads: (0..count).map(member).collect(),
            reports,
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
            self.port.counts().parked == parked && sleeps(id)
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

    /// Whoever is told next that the port is closed.
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

/// Whether a thread of this process sleeps in the kernel.
fn sleeps(id: rustix::thread::Pid) -> bool {
    let path = format!("/proc/self/task/{}/stat", id.as_raw_nonzero());
    let stat = fs::read_to_string(path).expect("a thread that has not ended");
    // The state follows the name, which is in parentheses and may hold anything.
    stat.rsplit(')')
        .next()
        .expect("a state")
        .trim_start()
        .starts_with('S')
}
