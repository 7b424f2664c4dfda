//! What code of the user's may do inside of the library, and what it can't: a key's `Clone` and `Drop`, the `Drop` of a payload's
//! owner, a handler's, a thread-local's, and the subscriber that takes the log, which panics here at every line.

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, reason = "the chapters use all of it")]
mod harness;

use std::{
    any::Any,
    cell::RefCell,
    fmt,
    io::{Read, Write},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate as user_code;
use bytes::Bytes;
use harness::*;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use wharf::{Buffer, Completion, CompletionPort, Finished, Wait, WaitMany, Workers};

macro_rules! suite {
    ($driver:expr) => {
        tests! {
            $driver;
            user_code {
                a_clone_that_panics_in_a_wait_costs_its_own_completion
                a_clone_that_panics_in_a_wait_for_many_costs_its_own_completion
                a_clone_that_panics_in_a_close_costs_its_own_completion
                a_pool_loses_no_worker_to_a_clone_that_panics
                a_pool_loses_no_worker_to_a_handler_or_a_log_that_panics
                a_pool_loses_no_worker_to_a_completion_that_panics_when_it_is_dropped
                a_pool_loses_no_worker_to_what_it_runs_within_if_that_panics
                a_payload_that_panics_when_it_is_dropped_is_told_of_and_no_more
                a_payload_that_had_to_wait_and_panics_when_it_is_dropped_costs_no_worker
                a_context_that_panics_when_it_is_dropped_is_told_of_and_no_more
                a_context_that_panics_when_the_port_goes_costs_no_other
                a_context_may_close_the_port_when_it_is_dropped
                a_payload_may_close_the_port_when_it_is_dropped
                a_payload_that_had_to_wait_may_close_the_port_when_it_is_dropped
                a_thread_that_ends_may_wait_and_close
                a_time_that_no_clock_reaches_is_a_long_one
            }
        }
    };
}

on_every_driver!(suite);

/// Panics as `panic!` does, but for the hook: what is meant to panic prints nothing.
fn panics(why: &str) -> ! {
    resume_unwind(Box::new(why.to_owned()))
}

fn said(panic: &(dyn Any + Send)) -> &str {
    wharf::user_code::panic_message(panic)
}

/// Takes a line, uses the ports that it knows, and panics.
struct Hostile;

/// A thread that calls the log has no lock that these would wait for.
static KNOWN: Mutex<Vec<CompletionPort<Key>>> = Mutex::new(Vec::new());

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Subscriber for Hostile {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let known = KNOWN.lock().expect("the ports").clone();
        for port in known {
            port.snapshot();
            let late = port.timer(GUARD, Key::new(0));
            late.into_iter().for_each(|late| drop(port.cancel(late)));
        }
        LINES.lock().expect("the lines").push(line.0);
        panics("the log");
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        use fmt::Write;
        let _ = write!(self.0, "{value:?} ");
    }
}

/// How many lines of the log say so.
fn lines(what: &str) -> usize {
    let lines = LINES.lock().expect("the lines");
    lines.iter().filter(|line| line.contains(what)).count()
}

fn hostile_log() {
    static SET: Once = Once::new();
    SET.call_once(|| tracing::subscriber::set_global_default(Hostile).expect("the first"));
}

/// A key whose next `Clone` panics once it is told so.
#[derive(Debug, Default)]
struct Key(Arc<(usize, AtomicBool)>);

impl Key {
    fn new(number: usize) -> Key {
        Key(Arc::new((number, AtomicBool::new(false))))
    }

    fn number(&self) -> usize {
        self.0.0
    }

    /// The same, of which nothing is told.
    fn again(&self) -> Key {
        Key(self.0.clone())
    }

    fn panics_next(&self) {
        self.0.1.store(true, Ordering::SeqCst);
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        if self.0.1.swap(false, Ordering::SeqCst) {
            panics(&format!("the clone of key {}", self.number()));
        }
        self.again()
    }
}

pub fn a_clone_that_panics_in_a_wait_costs_its_own_completion(driver: Driver) {
    let port = port::<Key>(driver, 1);
    let key = Key::new(1);
    let (socket, mut peer) = pair(&port, key.again());
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    peer.write_all(b"x").expect("a write");
    key.panics_next();
    let wait = catch_unwind(AssertUnwindSafe(|| port.wait(GUARD)));
    let panic = wait.expect_err("it is the caller's own");
    assert_eq!(said(&*panic), "the clone of key 1");

    socket.receive(Buffer::with_capacity(8)).expect("a start");
    peer.write_all(b"y").expect("a write");
    assert_eq!(&received(&port)[..], b"y", "the port and the socket go on");
    assert!(port.close().is_empty());
}

pub fn a_clone_that_panics_in_a_wait_for_many_costs_its_own_completion(driver: Driver) {
    const SOCKETS: usize = 8;
    let port = port::<Key>(driver, 1);
    let keys: Vec<_> = (0..SOCKETS).map(Key::new).collect();
    let pairs: Vec<_> = keys.iter().map(|key| pair(&port, key.again())).collect();
    for (socket, _) in &pairs {
        socket.shutdown().expect("a start");
    }
    // They are queued one after the other, in some order: so all are, before any is waited for.
    port.post(Key::new(SOCKETS), 0).expect("a post");
    keys[3].panics_next();
    keys[5].panics_next();
    let (mut into, mut panicked) = (Vec::new(), 0);
    while into.len() < SOCKETS + 1 - 2 {
        let wait = catch_unwind(AssertUnwindSafe(|| port.wait_many(&mut into, 100, GUARD)));
        match wait {
            Ok(answer) => assert!(matches!(answer, Ok(WaitMany::Packets(_))), "{answer:?}"),
            Err(panic) => {
                assert!(said(&*panic).starts_with("the clone of key "));
                panicked += 1;
            }
        }
    }
    assert!(
        (1..=2).contains(&panicked),
        "one panic comes through a wait"
    );
    let mut came: Vec<_> = into.iter().map(|it| it.key.number()).collect();
    came.sort_unstable();
    assert_eq!(came, [0, 1, 2, 4, 6, 7, 8]);
    assert!(port.close().is_empty(), "each was handed out once");
}

pub fn a_clone_that_panics_in_a_close_costs_its_own_completion(driver: Driver) {
    hostile_log();
    let port = port::<Key>(driver, 1);
    let keys: Vec<_> = (100..104).map(Key::new).collect();
    let pairs: Vec<_> = keys.iter().map(|key| pair(&port, key.again())).collect();
    for (socket, _) in &pairs {
        socket.receive(Buffer::with_capacity(8)).expect("a start");
    }
    keys[1].panics_next();
    let mut left: Vec<_> = port.close().iter().map(|it| it.key.number()).collect();
    left.sort_unstable();
    assert_eq!(left, [100, 102, 103]);
    assert!(lines("the clone of key 101") > 0);
}

/// A pool that tells of each receive.
fn pool(port: &CompletionPort<Key>, threads: usize) -> (Workers, mpsc::Receiver<usize>) {
    KNOWN.lock().expect("the ports").push(port.clone());
    let (tell, told) = mpsc::channel();
    let workers = Workers::start(port, threads, move |_, completion: Completion<Key>| {
        if let Finished::Received { socket, buffer } = completion.what {
            if buffer.first() == Some(&b'!') {
                panics("a handler that is told to");
            }
            let _ = socket.send_quietly(buffer);
            let _ = tell.send(completion.key.number());
        }
    });
    (workers.expect("a pool"), told)
}

/// Has a client served that has nothing to do with the others.
#[track_caller]
fn serve_another(port: &CompletionPort<Key>, told_of: &mpsc::Receiver<usize>) {
    let (socket, mut peer) = pair(port, Key::new(77));
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    peer.write_all(b"ahoy").expect("a write");
    assert_eq!(told(told_of), 77);
    let mut echo = [0; 4];
    peer.read_exact(&mut echo).expect("the echo");
}

#[track_caller]
fn ends_with_all(port: &CompletionPort<Key>, workers: Workers, threads: usize) {
    assert_eq!(port.snapshot().workers.len(), threads, "it lost none");
    port.close();
    assert!(workers.join_timeout(GUARD).is_empty());
}

pub fn a_pool_loses_no_worker_to_a_clone_that_panics(driver: Driver) {
    hostile_log();
    let port = port::<Key>(driver, 1);
    let (workers, told_of) = pool(&port, 1);
    let number = 1000 + driver as usize;
    let key = Key::new(number);
    let (socket, mut peer) = pair(&port, key.again());
    key.panics_next();
    socket.shutdown().expect("a start");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    peer.write_all(b"x").expect("a write");
    let line = format!("the clone of key {number}");
    eventually("it is told", || lines(&line) == 1);
    assert_eq!(told(&told_of), number, "its socket goes on");
    serve_another(&port, &told_of);
    ends_with_all(&port, workers, 1);
    assert_eq!(lines(&line), 1, "it is told once");
}

pub fn a_pool_loses_no_worker_to_a_handler_or_a_log_that_panics(driver: Driver) {
    hostile_log();
    let port = port::<Key>(driver, 1);
    let (workers, told_of) = pool(&port, 2);
    for _ in 0..4 {
        let before = lines("a handler that is told to");
        let (socket, mut peer) = pair(&port, Key::new(1));
        socket.receive(Buffer::with_capacity(8)).expect("a start");
        peer.write_all(b"!").expect("a write");
        eventually("it is told", || lines("a handler that is told to") > before);
    }
    serve_another(&port, &told_of);
    ends_with_all(&port, workers, 2);
}

pub fn a_pool_loses_no_worker_to_what_it_runs_within_if_that_panics(driver: Driver) {
    hostile_log();
    let port = port::<Key>(driver, 1);
    let (early, late) = (
        format!("before a worker's life, {driver:?}"),
        format!("after a worker's life, {driver:?}"),
    );
    let calls = AtomicUsize::new(0);
    let (tell, told_of) = mpsc::channel();
    let said = (early.clone(), late.clone());
    let workers = Workers::builder(&port)
        .threads(2)
        .around(move |life| {
            if calls.fetch_add(1, Ordering::SeqCst) == 0 {
                panics(&said.0);
            }
            life();
            panics(&said.1);
        })
        .start(move |_, completion| {
            if let Finished::Received { socket, buffer } = completion.what {
                let _ = socket.send_quietly(buffer);
                let _ = tell.send(completion.key.number());
            }
        })
        .expect("a pool");
    eventually("the first is told of", || lines(&early) == 1);
    serve_another(&port, &told_of);
    eventually("both wait", || port.snapshot().workers.len() == 2);
    ends_with_all(&port, workers, 2);
    assert_eq!((lines(&early), lines(&late)), (1, 1));
}

/// A key that panics when the last of it goes.
#[derive(Debug, Clone)]
struct Bomb(#[expect(dead_code, reason = "it only has to go")] Arc<Fuse>);

#[derive(Debug)]
struct Fuse(mpsc::Sender<()>);

impl Drop for Fuse {
    fn drop(&mut self) {
        let _ = self.0.send(());
        panics("a bomb");
    }
}

pub fn a_pool_loses_no_worker_to_a_completion_that_panics_when_it_is_dropped(driver: Driver) {
    hostile_log();
    let port = port::<Bomb>(driver, 1);
    let workers = Workers::start(&port, 1, |_, completion| drop(completion)).expect("a pool");
    let (went, gone) = mpsc::channel();
    for _ in 0..4 {
        port.post(Bomb(Arc::new(Fuse(went.clone()))), 0)
            .expect("a post");
        told(&gone);
    }
    // What the last handle to a port drops may panic as well, each by itself.
    assert_eq!(port.snapshot().workers.len(), 1);
    port.close();
    assert!(workers.join_timeout(GUARD).is_empty());
    let port = user_code::port::<Bomb>(driver, 1);
    for _ in 0..2 {
        port.post(Bomb(Arc::new(Fuse(went.clone()))), 0)
            .expect("a post");
    }
    drop(port);
    told(&gone);
    told(&gone);
}

/// A payload that does something when it goes.
struct Owner<F: Fn() + Send + Sync>(Vec<u8>, F);

impl<F: Fn() + Send + Sync> AsRef<[u8]> for Owner<F> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<F: Fn() + Send + Sync> Drop for Owner<F> {
    fn drop(&mut self) {
        (self.1)();
    }
}

fn payload(bytes: usize, goes: impl Fn() + Send + Sync + 'static) -> Bytes {
    Bytes::from_owner(Owner(pattern(bytes), goes))
}

pub fn a_payload_that_panics_when_it_is_dropped_is_told_of_and_no_more(driver: Driver) {
    hostile_log();
    let port = port::<Key>(driver, 1);
    let (socket, mut peer) = pair(&port, Key::new(1));
    let why = format!("a payload on {}", driver.name());
    for _ in 0..3 {
        let why = why.clone();
        let sent = catch_unwind(AssertUnwindSafe(|| {
            socket.send_quietly(payload(4, move || panics(&why)))
        }));
        sent.expect("no panic comes through").expect("it is sent");
        peer.read_exact(&mut [0; 4]).expect("the bytes");
    }
    // On Windows a wait finds out that it is done.
    if cfg!(unix) {
        assert_eq!(lines(&why), 3);
    }
    assert!(port.close().is_empty());
    assert_eq!(lines(&why), 3);
}

pub fn a_payload_that_had_to_wait_and_panics_when_it_is_dropped_costs_no_worker(driver: Driver) {
    hostile_log();
    let port = port::<Key>(driver, 2);
    let (workers, told_of) = pool(&port, 2);
    let why = format!("a long payload on {}", driver.name());
    for round in 1..=3 {
        let (socket, mut peer) = narrow_pair(&port, Key::new(round));
        let why_now = why.clone();
        let started = socket.send_quietly(payload(BIG, move || panics(&why_now)));
        started.expect("a start");
        peer.read_exact(&mut vec![0; BIG]).expect("all of it");
        eventually("it is told", || lines(&why) == round);
    }
    serve_another(&port, &told_of);
    ends_with_all(&port, workers, 2);
    assert_eq!(lines(&why), 3);
}

/// A context that does something when it goes.
struct Goes<F: Fn()>(F);

impl<F: Fn()> Drop for Goes<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

pub fn a_context_that_panics_when_it_is_dropped_is_told_of_and_no_more(driver: Driver) {
    hostile_log();
    let port = port::<Key>(driver, 1);
    let (socket, mut peer) = pair(&port, Key::new(1));
    let name = driver.name();
    let (of_context, of_payload) = (
        format!("a context on {name}"),
        format!("its payload on {name}"),
    );
    for _ in 0..3 {
        let (why, why_too) = (of_context.clone(), of_payload.clone());
        let context = Goes(move || panics(&why));
        // Each by itself: the payload panics as well.
        let sent = catch_unwind(AssertUnwindSafe(|| {
            let payload = payload(4, move || panics(&why_too));
            socket.with(context).send_quietly(payload)
        }));
        sent.expect("no panic comes through").expect("it is sent");
        peer.read_exact(&mut [0; 4]).expect("the bytes");
    }
    // On Windows a wait finds out that it is done.
    assert!(port.close().is_empty());
    assert_eq!((lines(&of_context), lines(&of_payload)), (3, 3));
}

pub fn a_context_that_panics_when_the_port_goes_costs_no_other(driver: Driver) {
    hostile_log();
    let port = port::<Key>(driver, 1);
    let (socket, _peer) = pair(&port, Key::new(1));
    let why = format!("a context that nobody took on {}", driver.name());
    for _ in 0..3 {
        let why = why.clone();
        let context = Goes(move || panics(&why));
        let buffer = Buffer::with_capacity(8);
        socket.with(context).receive(buffer).expect("a start");
    }
    catch_unwind(AssertUnwindSafe(|| drop(port))).expect("no panic comes through");
    assert_eq!(lines(&why), 3);
}

pub fn a_context_may_close_the_port_when_it_is_dropped(driver: Driver) {
    let port = port::<Key>(driver, 1);
    let (socket, mut peer) = pair(&port, Key::new(1));
    // What is under way beside it is cancelled, and comes back with the close.
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    let (closes, closed) = mpsc::channel();
    let of_context = port.clone();
    let context = Goes(move || {
        let _ = closes.send(of_context.close().len());
    });
    let _ = socket.with(context).send_quietly(b"ahoy");
    peer.read_exact(&mut [0; 4]).expect("the bytes");
    let answer = port.wait(GUARD).expect("a wait");
    assert!(matches!(answer, Wait::Closed), "{answer:?}");
    assert_eq!(told(&closed), 1);
}

pub fn a_payload_may_close_the_port_when_it_is_dropped(driver: Driver) {
    let port = port::<Key>(driver, 1);
    let (socket, mut peer) = pair(&port, Key::new(1));
    // What is under way beside it is cancelled, and comes back with the close.
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    let (closes, closed) = mpsc::channel();
    let of_payload = port.clone();
    let bytes = payload(4, move || {
        let _ = closes.send(of_payload.close().len());
    });
    let _ = socket.send_quietly(bytes);
    peer.read_exact(&mut [0; 4]).expect("the bytes");
    let answer = port.wait(GUARD).expect("a wait");
    assert!(matches!(answer, Wait::Closed), "{answer:?}");
    assert_eq!(told(&closed), 1);
}

pub fn a_payload_that_had_to_wait_may_close_the_port_when_it_is_dropped(driver: Driver) {
    let port = port::<Key>(driver, 1);
    let (socket, mut peer) = narrow_pair(&port, Key::new(1));
    let others: Vec<_> = (2..6).map(|number| pair(&port, Key::new(number))).collect();
    let (closes, closed) = mpsc::channel();
    let of_payload = port.clone();
    let bytes = payload(BIG, move || {
        let _ = closes.send(of_payload.close().len());
    });
    socket.send_quietly(bytes).expect("a start");
    let reads = thread::spawn(move || {
        peer.read_exact(&mut vec![0; BIG]).expect("all of it");
        peer
    });
    // A thread of the port's own may carry out the end of the send, or the thread that waits here, with other packets taken.
    let mut came = 0;
    for (other, _) in &others {
        other.shutdown().expect("a start");
    }
    let mut into = Vec::new();
    while let WaitMany::Packets(count) = port.wait_many(&mut into, 2, GUARD).expect("a wait") {
        came += count;
    }
    came += told(&closed);
    assert_eq!(came, others.len(), "each once: {into:?}");
    reads.join().expect("no panic");
}

/// Waits when its thread ends, and closes.
struct Late(Option<(CompletionPort<Key>, mpsc::Sender<usize>)>);

impl Drop for Late {
    fn drop(&mut self) {
        if let Some((port, tell)) = self.0.take() {
            port.post(Key::new(3), 0).expect("a post");
            let number = completed(port.wait(GUARD).expect("a wait")).key.number();
            let mut many = Vec::new();
            port.post(Key::new(4), 0).expect("a post");
            port.wait_many(&mut many, 2, GUARD).expect("a wait");
            let both = number * 10 + wharf::blocking(|| many[0].key.number());
            assert!(port.close().is_empty());
            let _ = tell.send(both);
        }
    }
}

thread_local! {
    static LATE: RefCell<Late> = const { RefCell::new(Late(None)) };
}

pub fn a_thread_that_ends_may_wait_and_close(driver: Driver) {
    // A thread-local goes before those that are older: so both orders.
    for is_older in [false, true] {
        let port = port::<Key>(driver, 1);
        let (counts, (tell, result)) = (port.clone(), mpsc::channel());
        let ends = thread::spawn(move || {
            let set = || LATE.with(|late| late.borrow_mut().0 = Some((port.clone(), tell.clone())));
            if is_older {
                set();
            }
            let answer = port.wait(Duration::ZERO).expect("a wait");
            assert!(matches!(answer, Wait::TimedOut));
            if !is_older {
                set();
            }
        });
        ends.join().expect("no panic");
        assert_eq!(told(&result), 34);
        assert_eq!(counts.counts().running, 0, "it gave its place back");
    }
}

pub fn a_time_that_no_clock_reaches_is_a_long_one(driver: Driver) {
    static HANDLED: AtomicUsize = AtomicUsize::new(0);
    let port = port::<Key>(driver, 1);
    port.timer(Duration::MAX, Key::new(1)).expect("a timer");
    let workers = Workers::start(&port, 1, |port, _| {
        HANDLED.fetch_add(1, Ordering::SeqCst);
        port.close();
    });
    port.post(Key::new(2), 0).expect("a post");
    let answer = port.wait(Duration::MAX);
    assert!(
        matches!(answer, Ok(Wait::Completed(_) | Wait::Closed)),
        "{answer:?}"
    );
    port.close();
    assert!(
        workers
            .expect("a pool")
            .join_timeout(Duration::MAX)
            .is_empty()
    );
    assert!(
        wharf::raw::deadline_after(Duration::MAX)
            > wharf::raw::deadline_after(Duration::from_secs(1))
    );
}
