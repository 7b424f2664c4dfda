//! Statement 9 where the system has nothing left to give: a thread that blocks gives its place to another also when there is no
//! descriptor to be had, and threads that could not be had are had as soon as they can be. The process is short of all of
//! it then, so these run one at a time, apart from the others.

#![cfg(unix)]

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, unused_macros, reason = "the chapters use all of it")]
mod harness;

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    ops::RangeInclusive,
    ptr::NonNull,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate as shortages;
use harness::*;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wharf::{
    CompletionPort, DescriptorReserve, Spawned, ThreadPool, Wait, WorkerState, Workers,
    raw::{self, Answer, Kind, OperationId, Overlapped, Packet, RawBuffer, Request},
};

static TURN: Mutex<()> = Mutex::new(());

macro_rules! suite {
    ($driver:expr) => {
        alone! {
            $driver;
            shortages {
                s09_out_of_descriptors_a_thread_that_blocks_is_noticed_and_replaced
                s09_out_of_descriptors_a_pool_that_shrank_grows_again
                s09_out_of_descriptors_a_pool_of_ones_own_is_noticed_and_grows
                s09_a_thread_of_which_nothing_can_be_found_out_is_told_as_unknown
                s09_out_of_threads_a_pool_grows_once_there_are_some
                s09_out_of_threads_a_thread_that_blocks_is_noticed_once_there_are_some
                s09_a_pool_keeps_aside_no_more_than_its_part_and_nothing_once_it_is_closed
                out_of_descriptors_an_accept_that_waits_is_tried_again_by_itself
                out_of_descriptors_an_accept_that_waits_goes_on_at_a_resume
                out_of_descriptors_an_accept_that_waits_can_be_cancelled_and_closed
            }
        }
    };
}

on_every_driver!(suite);

/// A limit of the system's, as it was before; it is so again when this goes.
struct Limit(Resource, Rlimit);

impl Limit {
    fn set(resource: Resource, most: u64) -> Limit {
        let before = getrlimit(resource);
        let current = Some(most);
        setrlimit(resource, Rlimit { current, ..before }).expect("a lower limit");
        Limit(resource, before)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        setrlimit(self.0, self.1).expect("the limit as it was");
    }
}

/// While this is there, no descriptor can be had.
struct NoDescriptors {
    _files: Vec<File>,
    _limit: Limit,
}

impl NoDescriptors {
    fn left() -> NoDescriptors {
        let limit = Limit::set(Resource::Nofile, 256);
        let open = || File::open("/dev/null");
        NoDescriptors {
            _files: std::iter::from_fn(|| open().ok()).collect(),
            _limit: limit,
        }
    }
}

/// While this is there, no thread can be had: there is no room in memory for its stack.
struct NoThreads {
    limit: Option<Limit>,
    others: Vec<JoinHandle<()>>,
    go: Option<Sender<()>>,
}

impl NoThreads {
    fn left() -> NoThreads {
        const SPARE: u64 = 1024 * 1024;
        let status = fs::read_to_string("/proc/self/status").expect("its own");
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
        let used_kb = size.and_then(|size| size.trim().strip_suffix(" kB"));
        let used_kb: u64 = used_kb.and_then(|it| it.parse().ok()).expect("a size");
        let limit = Limit::set(Resource::As, used_kb * 1024 + SPARE);
        let (go, may_go) = mpsc::channel::<()>();
        let may_go = Arc::new(Mutex::new(may_go));
        // For some there is room yet: that of threads which have ended.
        let another = || {
            let may_go = may_go.clone();
            let wait = move || while may_go.lock().expect("no panic").recv().is_ok() {};
            thread::Builder::new().spawn(wait).ok()
        };
        NoThreads {
            others: std::iter::from_fn(another).collect(),
            limit: Some(limit),
            go: Some(go),
        }
    }
}

impl Drop for NoThreads {
    fn drop(&mut self) {
        drop((self.limit.take(), self.go.take()));
        self.others
            .drain(..)
            .for_each(|it| it.join().expect("no panic"));
    }
}

/// Handlers that tell their key, and sleep until they may go on.
#[derive(Clone)]
struct Sleepers {
    begin: Sender<usize>,
    may_go: Arc<Mutex<Receiver<()>>>,
}

impl Sleepers {
    fn new() -> (Sleepers, Receiver<usize>, Sender<()>) {
        let (begin, begun) = mpsc::channel();
        let (go, may_go) = mpsc::channel();
        let may_go = Arc::new(Mutex::new(may_go));
        (Sleepers { begin, may_go }, begun, go)
    }

    fn handle(&self, key: usize) {
        let _ = self.begin.send(key);
        let _ = self.may_go.lock().expect("no panic").recv();
    }
}

/// A pool of sleepers on a port that lets one run.
struct Pool {
    port: CompletionPort<usize>,
    workers: Workers,
    begun: Receiver<usize>,
    go: Sender<()>,
}

impl Pool {
    /// Those that are there from the start wait already.
    fn start(driver: Driver, threads: RangeInclusive<usize>) -> Pool {
        let port = port(driver, 1);
        let (sleepers, begun, go) = Sleepers::new();
        let least = *threads.start();
        let workers = Workers::start(&port, threads, move |_, completion| {
            sleepers.handle(completion.key);
        })
        .expect("workers");
        eventually("those that are there from the start wait", || {
            port.counts().parked == least
        });
        Pool {
            port,
            workers,
            begun,
            go,
        }
    }

    /// Posts so many packets, of which each makes one more thread run that blocks.
    fn grow_to(&self, count: usize) {
        post(&self.port, count);
        (0..count).for_each(|key| assert_eq!(told(&self.begun), key));
        eventually("all are known to be blocked", || {
            states(&self.port) == vec![WorkerState::Blocked; count]
        });
    }

    /// Lets all go on, and ends it.
    fn end(self) {
        drop(self.go);
        self.port.close();
        self.workers.join();
    }
}

fn post(port: &CompletionPort<usize>, count: usize) {
    (0..count).for_each(|key| port.post(key, 0).expect("a post"));
}

/// Of three packets, one is handled while no thread can be had to find out that its handler sleeps, or to take its place; the
/// others are, once there are threads.
fn only_one_begins_while(
    nothing_left: NoThreads,
    begun: &Receiver<usize>,
    meanwhile: impl FnOnce(),
) {
    assert_eq!(told(begun), 0);
    assert!(begun.recv_timeout(2 * QUIET).is_err(), "there is no thread");
    meanwhile();
    drop(nothing_left);
    // Nobody comes by meanwhile.
    assert_eq!(told(begun), 1);
    assert_eq!(told(begun), 2);
}

fn states(port: &CompletionPort<usize>) -> Vec<WorkerState> {
    let workers = port.snapshot().workers;
    workers.iter().map(|worker| worker.state).collect()
}

fn s09_out_of_descriptors_a_thread_that_blocks_is_noticed_and_replaced(driver: Driver) {
    let pool = Pool::start(driver, 2..=5);
    let nothing_left = NoDescriptors::left();
    // One that runs, one that waited, and three that are started.
    pool.grow_to(5);
    let said = wharf::thread_states_available()
        .expect_err("this asks for one more")
        .to_string();
    assert!(
        said.contains("ulimit -n") && !said.contains("mount"),
        "{said}"
    );
    drop(nothing_left);
    pool.end();
}

fn s09_out_of_descriptors_a_pool_that_shrank_grows_again(driver: Driver) {
    let pool = Pool::start(driver, 1..=3);
    let nothing_left = NoDescriptors::left();
    pool.grow_to(3);
    (0..3).for_each(|_| pool.go.send(()).expect("they sleep"));
    eventually("those that were started have left", || {
        states(&pool.port).len() == 1
    });
    pool.grow_to(3);
    drop(nothing_left);
    pool.end();
}

/// A pool of one's own on a safe port: of three threads at most.
struct OwnPool {
    own: Weak<OwnPool>,
    port: CompletionPort<usize>,
    reserve: DescriptorReserve,
    sleepers: Sleepers,
    arriving: AtomicUsize,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl OwnPool {
    fn start(&self, helps: bool) {
        let pool = self.own.upgrade().expect("it is there");
        self.arriving.fetch_add(1, Ordering::SeqCst);
        let thread = thread::spawn(move || pool.serve(helps));
        self.threads.lock().expect("no panic").push(thread);
    }

    fn serve(&self, helps: bool) {
        let lent = helps.then(|| self.reserve.lend());
        if lent.is_none() {
            self.reserve.enter();
        }
        let first = self.port.wait(None);
        self.arriving.fetch_sub(1, Ordering::SeqCst);
        self.port.worker_started();
        let mut answer = first.expect("a wait");
        while let Wait::Completed(completion) = answer {
            self.sleepers.handle(completion.key);
            answer = self.port.wait(None).expect("a wait");
        }
    }
}

impl ThreadPool for OwnPool {
    fn spawn(&self) -> Spawned {
        if self.arriving.load(Ordering::SeqCst) > 0 {
            return Spawned::OnTheWay;
        }
        if self.threads.lock().expect("no panic").len() == 3 {
            return Spawned::Full;
        }
        self.start(true);
        Spawned::Started
    }
}

fn s09_out_of_descriptors_a_pool_of_ones_own_is_noticed_and_grows(driver: Driver) {
    let port = port(driver, 1);
    let (sleepers, begun, go) = Sleepers::new();
    port.prepare().expect("a monitor");
    let pool = Arc::new_cyclic(|own| OwnPool {
        own: own.clone(),
        port: port.clone(),
        reserve: DescriptorReserve::new(2),
        sleepers,
        arriving: AtomicUsize::new(0),
        threads: Mutex::default(),
    });
    pool.start(false);
    port.add_pool(Arc::<OwnPool>::downgrade(&pool));
    eventually("it waits", || port.counts().parked == 1);

    let nothing_left = NoDescriptors::left();
    (0..3).for_each(|key| port.post(key, 0).expect("a post"));
    (0..3).for_each(|key| assert_eq!(told(&begun), key));
    eventually("all are known to be blocked", || {
        states(&port) == [WorkerState::Blocked; 3]
    });
    drop((nothing_left, go));
    port.close();
    let threads = std::mem::take(&mut *pool.threads.lock().expect("no panic"));
    threads
        .into_iter()
        .for_each(|thread| thread.join().expect("no panic"));
    assert_eq!(pool.reserve.descriptors(), 2);
    pool.reserve.close();
    assert_eq!(pool.reserve.descriptors(), 0);
}

fn s09_a_thread_of_which_nothing_can_be_found_out_is_told_as_unknown(driver: Driver) {
    let port = port(driver, 1);
    let (sleepers, begun, go) = Sleepers::new();
    let nothing_left = NoDescriptors::left();
    // Of no pool: nothing was kept aside for it.
    let thread = {
        let port = port.clone();
        thread::spawn(move || {
            let key = next(&port).key;
            sleepers.handle(key);
        })
    };
    port.post(7, 0).expect("a post");
    assert_eq!(told(&begun), 7);
    assert_eq!(states(&port), [WorkerState::Unknown]);
    assert_eq!((port.counts().running, port.counts().blocked), (1, 0));
    drop(nothing_left);
    eventually("it can be found out", || {
        states(&port) == [WorkerState::Blocked]
    });
    drop(go);
    thread.join().expect("no panic");
    assert_eq!(states(&port), []);
}

fn s09_out_of_threads_a_pool_grows_once_there_are_some(driver: Driver) {
    let pool = Pool::start(driver, 1..=3);
    let nothing_left = NoThreads::left();
    post(&pool.port, 3);
    only_one_begins_while(nothing_left, &pool.begun, || {});
    pool.end();
}

fn s09_out_of_threads_a_thread_that_blocks_is_noticed_once_there_are_some(driver: Driver) {
    let port = port(driver, 1);
    let (sleepers, begun, go) = Sleepers::new();
    // Of no pool, so that the monitor was not started with it.
    let threads = [0; 3].map(|_| {
        let (port, sleepers) = (port.clone(), sleepers.clone());
        thread::spawn(move || {
            while let Ok(Wait::Completed(completion)) = port.wait(None) {
                sleepers.handle(completion.key);
            }
        })
    });
    eventually("all wait", || port.counts().parked == 3);
    let nothing_left = NoThreads::left();
    post(&port, 3);
    only_one_begins_while(nothing_left, &begun, || {
        // A pool says so when it is started.
        let refused = Workers::start(&port, 1, |_, _| {}).map(drop);
        assert_eq!(
            refused.expect_err("no thread").kind(),
            std::io::ErrorKind::WouldBlock
        );
    });
    drop(go);
    port.close();
    for thread in threads {
        thread.join().expect("no panic");
    }
}

fn s09_a_pool_keeps_aside_no_more_than_its_part_and_nothing_once_it_is_closed(driver: Driver) {
    let before = descriptors();
    let limit = Limit::set(Resource::Nofile, 256);
    let ports = [0; 2].map(|_| port::<usize>(driver, 1));
    assert_eq!(descriptors() - before, 2 * ports[0].descriptors());
    // A quarter of the limit, for both of them.
    let workers = ports.each_ref().map(|port| {
        let workers = Workers::start(port, 1..=50, |_, _| {}).expect("workers");
        eventually("it waits", || port.counts().parked == 1);
        workers
    });
    assert_eq!(
        workers.each_ref().map(Workers::descriptors),
        [50, 1 + 64 - 49]
    );
    let ours = ports.iter().map(CompletionPort::descriptors).sum::<usize>();
    assert_eq!(descriptors() - before, ours + 50 + 16);
    drop(limit);
    ports.iter().for_each(|port| drop(port.close()));
    // Before anybody joins them: their threads find it out.
    eventually("only the ports' own are left", || {
        descriptors() - before == ours
    });
    workers.into_iter().for_each(Workers::join);
    // Nor where it was before.
    let workers = Workers::start(&ports[0], 3..=20, |_, _| {}).expect("threads");
    workers.join();
    assert_eq!(descriptors() - before, ours);
    drop(ports);
    assert_eq!(descriptors(), before);
}

/// A listener of a raw port with two connections that wait, and accepts that wait for descriptors.
struct Short {
    port: Arc<raw::Port>,
    listener: raw::Handle,
    _clients: [TcpStream; 2],
    /// How often accepts were told to wait.
    refused: Box<AtomicUsize>,
    nothing_left: Option<NoDescriptors>,
}

impl Short {
    fn new(driver: Driver) -> Short {
        let mut options = driver.options();
        options.concurrency = 1;
        let port = raw::Port::new(&options).expect("the driver is available here");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let clients = [(); 2].map(|()| TcpStream::connect(address).expect("a connection"));
        let listener = port.associate(listener, 7, Kind::Listener);
        Short {
            port,
            listener: listener.expect("an association"),
            _clients: clients,
            refused: Box::default(),
            nothing_left: Some(NoDescriptors::left()),
        }
    }

    /// Starts an accept that is freed by whoever gets its packet.
    fn accept(&self) -> OperationId {
        /// # Safety
        /// The token is the address of a number.
        unsafe fn waits(operation: NonNull<Overlapped>) -> Option<RawBuffer> {
            // SAFETY: the token does not change while it is under way.
            let token = unsafe { (&raw const (*operation.as_ptr()).token).read() };
            // SAFETY: passed on to the caller.
            let count =
                unsafe { &*std::ptr::with_exposed_provenance::<AtomicUsize>(token as usize) };
            count.fetch_add(1, Ordering::SeqCst);
            None
        }
        let token = (&raw const *self.refused).expose_provenance() as u64;
        let mut operation = Box::new(Overlapped::new(token, Request::Accept(None)));
        operation.waits = Some(waits);
        let operation = NonNull::from(Box::leak(operation));
        // SAFETY: it is in place until its packet is here.
        unsafe { self.port.start(self.listener, operation) }.expect("a start")
    }

    /// The next packet, if it comes in this time, and its operation.
    fn packet(&self, within: Duration) -> Option<(Packet, Box<Overlapped>)> {
        let Answer::Packet(mut packet) = self.port.wait(Some(within)).expect("a wait") else {
            return None;
        };
        let operation = packet.operation.take().expect("of an operation");
        // SAFETY: it was in a box, and the port has handed it out.
        Some((packet, unsafe { Box::from_raw(operation.as_ptr()) }))
    }

    /// The accepts wait, and are tried again now and then.
    fn expect_refused(&self) {
        let start = Instant::now();
        assert!(self.packet(Duration::from_millis(120)).is_none());
        let (refused, passed) = (self.refused.swap(0, Ordering::SeqCst), start.elapsed());
        let most = passed.as_millis() / 50 + 3;
        assert!(
            (1..=most).contains(&(refused as u128)),
            "{refused} times in {passed:?}"
        );
    }

    fn expect_accepted(&self) {
        let (packet, mut operation) = self.packet(GUARD).expect("a connection");
        assert!(packet.error.is_none(), "{packet:?}");
        assert!(operation.take_accepted().is_some());
    }

    fn end(self) {
        assert!(self.port.close().is_empty());
    }
}

fn out_of_descriptors_an_accept_that_waits_is_tried_again_by_itself(driver: Driver) {
    let mut short = Short::new(driver);
    short.accept();
    short.accept();
    short.expect_refused();
    short.nothing_left = None;
    short.expect_accepted();
    short.expect_accepted();
    short.end();
}

fn out_of_descriptors_an_accept_that_waits_goes_on_at_a_resume(driver: Driver) {
    let mut short = Short::new(driver);
    short.accept();
    short.expect_refused();
    short.nothing_left = None;
    assert!(short.port.resume(short.listener));
    // Not only when its time has come.
    assert!(short.packet(Duration::ZERO).is_some());
    assert!(!short.port.resume(short.listener));
    short.end();
}

fn out_of_descriptors_an_accept_that_waits_can_be_cancelled_and_closed(driver: Driver) {
    let mut short = Short::new(driver);
    let (first, _) = (short.accept(), short.accept());
    short.expect_refused();
    short.port.cancel(first).expect("it is under way");
    let (packet, _) = short.packet(GUARD).expect("its packet");
    assert!(packet.error.is_some_and(|error| raw::is_cancelled(&error)));
    short.expect_refused();
    let mut packets = short.port.close();
    assert_eq!(packets.len(), 1);
    let operation = packets[0].operation.take().expect("of an operation");
    // SAFETY: it was in a box, and the port has handed it out.
    drop(unsafe { Box::from_raw(operation.as_ptr()) });
    short.nothing_left = None;
}
