//! A pool of one's own on a raw port, which the port asks for a thread when all are blocked in their handlers.

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, unused_macros, reason = "the chapters use all of it")]
mod harness;

use std::{
    io, mem,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle, ThreadId},
};

use crate as raw_pool;
use harness::*;
use wharf::raw::{Answer, DescriptorReserve, Port, Spawned, ThreadPool};

macro_rules! suite {
    ($driver:expr) => {
        tests! {
            $driver;
            raw_pool {
                a_packet_that_comes_while_all_are_blocked_is_served_by_a_thread_that_was_asked_for
                a_full_pool_is_not_asked_again_until_it_can_spawn
                a_thread_that_was_refused_is_asked_for_again
                a_pool_that_is_gone_is_not_asked_and_hides_no_other
            }
        }
    };
}

on_every_driver!(suite);

/// What a handler tells when it begins: the token of its packet, and its thread.
type Begun = (u64, ThreadId);

/// A pool whose handlers tell that they have begun, and then sleep until they are told to go.
struct Sleepers {
    own: Weak<Sleepers>,
    port: Arc<Port>,
    reserve: DescriptorReserve,
    max: AtomicUsize,
    /// So many starts are still to be refused.
    refusals: AtomicUsize,
    asked: AtomicUsize,
    arriving: AtomicUsize,
    threads: Mutex<Vec<JoinHandle<()>>>,
    begin: Sender<Begun>,
    may_go: Mutex<Receiver<()>>,
}

impl ThreadPool for Sleepers {
    fn spawn(&self) -> Spawned {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // Under one lock: on Windows several threads may ask at once.
        let mut threads = self.threads.lock().expect("no panic");
        if self.arriving.load(Ordering::SeqCst) > 0 {
            return Spawned::OnTheWay;
        }
        if threads.len() == self.max.load(Ordering::SeqCst) {
            return Spawned::Full;
        }
        if self.refusals.load(Ordering::SeqCst) > 0 {
            self.refusals.fetch_sub(1, Ordering::SeqCst);
            return Spawned::Refused(Some(io::Error::other("a test refuses it")));
        }
        self.start(&mut threads);
        Spawned::Started
    }
}

impl Sleepers {
    fn start(&self, threads: &mut Vec<JoinHandle<()>>) {
        self.arriving.fetch_add(1, Ordering::SeqCst);
        let pool = self.own.upgrade().expect("it is there");
        threads.push(thread::spawn(move || pool.serve()));
    }

    fn serve(&self) {
        let _lent = self.reserve.lend();
        let mut arrives = true;
        loop {
            let answer = self.port.wait(None).expect("a wait");
            if mem::take(&mut arrives) {
                self.arriving.fetch_sub(1, Ordering::SeqCst);
                self.port.worker_started();
            }
            let Answer::Packet(packet) = answer else {
                return;
            };
            let _ = self.begin.send((packet.token, thread::current().id()));
            let _ = self.may_go.lock().expect("no panic").recv();
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A port on which one thread may run, and a pool on it that has one thread.
struct Rig {
    port: Arc<Port>,
    pool: Arc<Sleepers>,
    begun: Receiver<Begun>,
    go: Sender<()>,
}

impl Rig {
    fn new(driver: Driver, max: usize, refusals: usize) -> Rig {
        let mut options = driver.options();
        options.concurrency = 1;
        let port = Port::new(&options).expect("the driver is available here");
        port.prepare().expect("a monitor");
        let (begin, begun) = mpsc::channel();
        let (go, may_go) = mpsc::channel();
        let pool = Arc::new_cyclic(|own| Sleepers {
            own: own.clone(),
            port: port.clone(),
            reserve: DescriptorReserve::new(max),
            max: AtomicUsize::new(max),
            refusals: AtomicUsize::new(refusals),
            asked: AtomicUsize::new(0),
            arriving: AtomicUsize::new(0),
            threads: Mutex::default(),
            begin,
            may_go: Mutex::new(may_go),
        });
        pool.start(&mut pool.threads.lock().expect("no panic"));
        port.add_pool(Arc::<Sleepers>::downgrade(&pool));
        Rig {
            port,
            pool,
            begun,
            go,
        }
    }

    fn post(&self, tokens: std::ops::Range<u64>) {
        for token in tokens {
            self.port.post(0, 0, token).expect("a post");
        }
    }

    #[track_caller]
    fn expect_begun(&self, token: u64) -> ThreadId {
        let (begun, thread) = told(&self.begun);
        assert_eq!(begun, token);
        thread
    }

    #[track_caller]
    fn expect_none_begins(&self) {
        if let Ok((token, _)) = self.begun.recv_timeout(QUIET) {
            panic!("nobody is left to handle {token}");
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.port.close();
        // Nobody listens any more once all threads have ended.
        (0..100).for_each(|_| {
            let _ = self.go.send(());
        });
        let threads = mem::take(&mut *self.pool.threads.lock().expect("no panic"));
        for thread in threads {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking());
        }
    }
}

fn a_packet_that_comes_while_all_are_blocked_is_served_by_a_thread_that_was_asked_for(
    driver: Driver,
) {
    let rig = Rig::new(driver, 3, 0);
    let mut threads = Vec::new();
    for token in 0..3 {
        // As many as are there are in their handlers.
        rig.post(token..token + 1);
        let thread = rig.expect_begun(token);
        assert!(!threads.contains(&thread), "each has its own");
        threads.push(thread);
    }
    rig.post(3..4);
    rig.expect_none_begins();
    rig.go.send(()).expect("they sleep");
    let thread = rig.expect_begun(3);
    assert!(threads.contains(&thread), "there are three at most");
}

fn a_full_pool_is_not_asked_again_until_it_can_spawn(driver: Driver) {
    let rig = Rig::new(driver, 1, 0);
    rig.post(0..2);
    let first = rig.expect_begun(0);
    eventually("it is asked, and full", || {
        rig.pool.arriving.load(Ordering::SeqCst) == 0 && rig.pool.asked() > 0
    });
    rig.expect_none_begins();
    let asked = rig.pool.asked();
    // It may have more, but has not said so.
    rig.pool.max.store(2, Ordering::SeqCst);
    rig.expect_none_begins();
    assert_eq!(rig.pool.asked(), asked, "nor was it asked");
    rig.port.can_spawn();
    assert_ne!(rig.expect_begun(1), first);
}

fn a_thread_that_was_refused_is_asked_for_again(driver: Driver) {
    const REFUSALS: usize = 3;
    let rig = Rig::new(driver, 2, REFUSALS);
    // On Windows a thread asks when it has taken a packet, and elsewhere one that has nothing else to do.
    let before = match driver {
        Driver::Windows => REFUSALS as u64,
        _ => 0,
    };
    rig.post(0..before + 2);
    let first = rig.expect_begun(0);
    for token in 1..=before {
        rig.go.send(()).expect("it sleeps");
        assert_eq!(rig.expect_begun(token), first);
    }
    assert_ne!(rig.expect_begun(before + 1), first);
    assert_eq!(rig.pool.refusals.load(Ordering::SeqCst), 0);
    assert!(rig.pool.asked() > REFUSALS);
}

fn a_pool_that_is_gone_is_not_asked_and_hides_no_other(driver: Driver) {
    struct Gone;
    impl ThreadPool for Gone {
        fn spawn(&self) -> Spawned {
            unreachable!("it is gone")
        }
    }
    let rig = Rig::new(driver, 1, 0);
    rig.port.add_pool(Weak::<Gone>::new());
    let gone = Arc::new(Gone);
    rig.port.add_pool(Arc::<Gone>::downgrade(&gone));
    drop(gone);
    rig.pool.max.store(2, Ordering::SeqCst);
    rig.post(0..2);
    let first = rig.expect_begun(0);
    assert_ne!(rig.expect_begun(1), first);
}
