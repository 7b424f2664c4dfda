//! Statement 9: a thread that blocks in its handler stops counting, and another has its place; one that computes keeps
//! it.

use std::{
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use wharf::{CompletionPort, WorkerState, Workers};

use crate::harness::*;

/// A port, and workers whose handlers each tell their key and then sleep until they are told to go.
struct Sleepers {
    port: CompletionPort<usize>,
    workers: Option<Workers>,
    begun: Receiver<usize>,
    go: Sender<()>,
}

impl Sleepers {
    fn new(driver: Driver, concurrency: usize, threads: impl Into<wharf::Threads>) -> Self {
        let port = port(driver, concurrency);
        let (begin, begun) = mpsc::channel();
        let (go, may_go) = mpsc::channel();
        let may_go = Mutex::new(may_go);
        let workers = Workers::start(&port, threads, move |_, completion| {
            let _ = begin.send(completion.key);
            let _ = may_go.lock().expect("no panic").recv();
        });
        Sleepers {
            port,
            workers: Some(workers.expect("workers")),
            begun,
            go,
        }
    }

    fn post(&self, packets: std::ops::Range<usize>) {
        for packet in packets {
            self.port.post(packet, 0).expect("a post");
        }
    }

    /// So many handlers have begun, and not in vain.
    #[track_caller]
    fn expect_begun(&self, handlers: usize) {
        for _ in 0..handlers {
            told(&self.begun);
        }
    }

    #[track_caller]
    fn expect_none_begins(&self) {
        if let Ok(key) = self.begun.recv_timeout(QUIET) {
            panic!("nobody is left to handle {key}");
        }
    }

    fn let_go(&self, handlers: usize) {
        for _ in 0..handlers {
            // Nobody listens any more once all workers have ended.
            let _ = self.go.send(());
        }
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        self.port.close();
        self.let_go(100);
        if let Some(workers) = self.workers.take() {
            workers.join();
        }
    }
}

pub fn s09_a_thread_that_blocks_gives_its_place_to_another(driver: Driver) {
    for concurrency in [1, 2] {
        let sleepers = Sleepers::new(driver, concurrency, 8);
        sleepers.post(0..8);
        sleepers.expect_begun(8);
        // The kernel of Windows keeps that to itself.
        let releases = sleepers.port.counts().releases;
        assert!(driver == Driver::Windows || releases >= 8 - concurrency as u64);
    }
}

pub fn s09_a_thread_that_computes_keeps_its_place(driver: Driver) {
    let port = port(driver, 1);
    let (begin, begun) = mpsc::channel();
    let free = Arc::new(AtomicBool::new(false));
    let computes = free.clone();
    let workers = Workers::start(&port, 3..=4, move |_, completion| {
        let _ = begin.send(completion.key);
        while !computes.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
    });
    (0..2).for_each(|key| port.post(key, 0).expect("a post"));
    assert_eq!(told(&begun), 0);
    assert!(begun.recv_timeout(QUIET).is_err(), "one may run, and does");
    let counts = port.counts();
    assert_eq!((counts.running, counts.blocked), (1, 0));
    let queued = usize::from(driver != Driver::Windows);
    assert_eq!((counts.queued, counts.releases), (queued, 0));
    free.store(true, Ordering::SeqCst);
    assert_eq!(told(&begun), 1);
    port.close();
    workers.expect("workers").join();
}

pub fn s09_a_thread_that_says_that_it_blocks_needs_not_be_found_out(driver: Driver) {
    let port = port(driver, 1);
    let met = Barrier::new(2);
    let (done, all_done) = mpsc::channel();
    let workers = Workers::start(&port, 2, move |_, completion| {
        // Each waits for the other, and at most one of them may run.
        let leads = wharf::blocking(|| met.wait()).is_leader();
        let _ = done.send((completion.key, leads));
    });
    for round in 0..100 {
        (0..2).for_each(|_| port.post(round, 0).expect("a post"));
        let (first, second) = (told(&all_done), told(&all_done));
        assert_eq!((first.0, second.0), (round, round));
        assert!(first.1 != second.1);
    }
    port.close();
    workers.expect("workers").join();
    assert_eq!(port.counts().blocked, 0);
}

pub fn s09_to_say_that_one_blocks_is_harmless_where_one_does_not_run(driver: Driver) {
    assert_eq!(wharf::blocking(|| 7), 7);
    let port = port::<u32>(driver, 1);
    port.post(1, 0).expect("a post");
    let _running = next(&port);
    // In a handler; twice, one in the other; and with a wait in it.
    let inner = wharf::blocking(|| {
        assert_eq!(port.counts().blocked, 1);
        wharf::blocking(|| assert_eq!(port.counts().blocked, 1));
        port.post(2, 0).expect("a post");
        next(&port).key
    });
    assert_eq!(inner, 2);
    assert_eq!((port.counts().running, port.counts().blocked), (1, 0));
    // A panic passes, and leaves nothing behind.
    let panicked = std::panic::catch_unwind(|| wharf::blocking(|| std::panic::panic_any(7)));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&7));
    assert_eq!((port.counts().running, port.counts().blocked), (1, 0));
}

pub fn s09_the_overshoot_ends_when_a_thread_next_waits(driver: Driver) {
    let port = port(driver, 1);
    let (begin, begun) = mpsc::channel();
    let (wake, sleep) = mpsc::channel::<()>();
    let sleep = Mutex::new(sleep);
    let free = Arc::new(AtomicUsize::new(0));
    let free_until = free.clone();
    let workers = Workers::start(&port, 3, move |_, completion: wharf::Completion<usize>| {
        if completion.key == 0 {
            let _ = sleep.lock().expect("no panic").recv();
        }
        let _ = begin.send(completion.key);
        while free_until.load(Ordering::SeqCst) <= completion.key {
            std::hint::spin_loop();
        }
    });
    (0..4).for_each(|key| port.post(key, 0).expect("a post"));
    assert_eq!(told(&begun), 1, "the first sleeps");
    wake.send(()).expect("it sleeps");
    assert_eq!(told(&begun), 0, "nobody takes its processor away");
    eventually("both count", || port.counts().running == 2);
    assert_eq!(port.counts().running_max, 2);
    // The first that comes back waits, since the other still runs.
    free.store(1, Ordering::SeqCst);
    eventually("it waits", || port.counts().running == 1);
    assert!(begun.recv_timeout(QUIET).is_err(), "one may run, and does");
    free.store(2, Ordering::SeqCst);
    assert_eq!(told(&begun), 2);
    free.store(9, Ordering::SeqCst);
    assert_eq!(told(&begun), 3);
    port.close();
    workers.expect("workers").join();
    assert_eq!(port.counts().running_max, 2, "never more than that");
}

pub fn s09_a_pool_grows_while_all_are_blocked_and_no_further_than_it_may(driver: Driver) {
    let sleepers = Sleepers::new(driver, 2, 1..=5);
    sleepers.post(0..7);
    sleepers.expect_begun(5);
    sleepers.expect_none_begins();
    assert_eq!(sleepers.port.snapshot().workers.len(), 5);
    // As many as are let go are followed by others.
    sleepers.let_go(2);
    sleepers.expect_begun(2);
    assert_eq!(sleepers.port.snapshot().workers.len(), 5);
}

pub fn s09_a_pool_that_grew_shrinks_again(driver: Driver) {
    let sleepers = Sleepers::new(driver, 1, 1..=4);
    for _ in 0..2 {
        sleepers.post(0..4);
        sleepers.expect_begun(4);
        assert_eq!(sleepers.port.snapshot().workers.len(), 4);
        sleepers.let_go(4);
        eventually("those that were started have left", || {
            sleepers.port.snapshot().workers.len() == 1
        });
    }
}

pub fn s09_a_pool_that_is_busy_does_not_grow(driver: Driver) {
    const PACKETS: usize = 20_000;
    let port = port(driver, 1);
    let (done, all_done) = mpsc::channel();
    // Before there is a worker: else they would wait for each other's locks now and then.
    for key in 0..PACKETS {
        port.post(key, 0).expect("a post");
    }
    let workers = Workers::start(
        &port,
        1..=8,
        move |_, completion: wharf::Completion<usize>| {
            if completion.key + 1 == PACKETS {
                let _ = done.send(());
            }
        },
    );
    told(&all_done);
    // One is found asleep where it waits for a lock of the system's, now and then; that it was makes the count of places
    // given away. That comes before another is started, so the workers are looked at first.
    let grown = port.snapshot().workers.len();
    let workers_max = 1 + port.counts().releases;
    assert!(
        grown as u64 <= workers_max,
        "a long queue is no reason: {grown} workers"
    );
    port.close();
    workers.expect("workers").join();
}

pub fn s09_what_a_blocked_thread_had_found_ready_is_served_by_others(driver: Driver) {
    const SOCKETS: usize = 8;
    let port = port(driver, 1);
    let mut pairs: Vec<_> = (0..SOCKETS).map(|key| pair(&port, key)).collect();
    for (socket, peer) in &mut pairs {
        socket
            .receive(wharf::Buffer::with_capacity(8))
            .expect("a start");
        std::io::Write::write_all(peer, b"ahoy").expect("a write");
    }
    let (begin, begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let first = AtomicBool::new(true);
    let workers = Workers::start(&port, 2, move |_, completion| {
        let _ = begin.send(completion.key);
        if first.swap(false, Ordering::SeqCst) {
            let _ = may_go.lock().expect("no panic").recv();
        }
    });
    let mut keys: Vec<_> = (0..SOCKETS).map(|_| told(&begun)).collect();
    keys.sort_unstable();
    assert!(keys.into_iter().eq(0..SOCKETS));
    drop(go);
    port.close();
    workers.expect("workers").join();
}

pub fn s09_a_snapshot_tells_who_is_blocked_since_when_and_what_waits(driver: Driver) {
    let sleepers = Sleepers::new(driver, 2, 3);
    eventually("all wait", || sleepers.port.counts().parked == 3);
    let snapshot = sleepers.port.snapshot();
    assert_eq!((snapshot.counts.queued, snapshot.oldest), (0, None));
    sleepers.post(0..5);
    sleepers.expect_begun(3);
    thread::sleep(2 * QUIET);
    let snapshot = sleepers.port.snapshot();
    let counts = snapshot.counts;
    assert_eq!((counts.blocked, counts.running, counts.queued), (3, 0, 2));
    // The clock is coarse.
    let about = QUIET..GUARD;
    assert!(
        snapshot
            .oldest
            .is_some_and(|oldest| about.contains(&oldest))
    );
    let mut names: Vec<_> = snapshot
        .workers
        .iter()
        .map(|worker| &*worker.name)
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["wharf-0", "wharf-1", "wharf-2"]);
    for worker in &snapshot.workers {
        assert_eq!((worker.state, worker.packets), (WorkerState::Blocked, 1));
        assert!(about.contains(&worker.since));
    }
    sleepers.let_go(5);
    sleepers.expect_begun(2);
    eventually("all wait again", || sleepers.port.counts().parked == 3);
    let snapshot = sleepers.port.snapshot();
    let packets: u64 = snapshot.workers.iter().map(|worker| worker.packets).sum();
    assert_eq!(
        (packets, snapshot.counts.blocked, snapshot.oldest),
        (5, 0, None)
    );
    let waits = |state| matches!(state, WorkerState::Polling | WorkerState::Parked);
    assert!(snapshot.workers.iter().all(|worker| waits(worker.state)));
}

pub fn s09_one_that_is_blocked_for_good_costs_a_close_nothing(driver: Driver) {
    let sleepers = Sleepers::new(driver, 1, 1..=2);
    sleepers.post(0..5);
    sleepers.expect_begun(2);
    eventually("both are known to be blocked", || {
        let counts = sleepers.port.snapshot().counts;
        // Windows counts them as running.
        match driver {
            Driver::Windows => counts.running == 2,
            _ => counts.blocked == 2,
        }
    });
    assert_eq!(sleepers.port.close().len(), 3, "what nobody came for");
}

pub fn s09_the_gate_holds_for_those_that_block_now_and_then(driver: Driver) {
    const PACKETS: usize = 4_000;
    const CONCURRENCY: usize = 2;
    let port = port(driver, CONCURRENCY);
    let (done, all_done) = mpsc::channel();
    let workers = Workers::start(
        &port,
        4..=16,
        move |_, completion: wharf::Completion<usize>| {
            match completion.key % 50 {
                0 => thread::sleep(Duration::from_millis(2)),
                1 => wharf::blocking(|| thread::sleep(Duration::from_millis(1))),
                _ => {}
            }
            let _ = done.send(completion.key);
        },
    );
    for key in 0..PACKETS {
        port.post(key, 0).expect("a post");
    }
    let mut served: Vec<_> = (0..PACKETS).map(|_| told(&all_done)).collect();
    served.sort_unstable();
    assert!(
        served.into_iter().eq(0..PACKETS),
        "each packet is served once"
    );
    eventually("nobody is left running or blocked", || {
        let counts = port.counts();
        counts.running == 0 && counts.blocked == 0
    });
    port.close();
    workers.expect("workers").join();
}

pub fn s09_a_thread_that_blocks_hides_nothing_that_comes_meanwhile(driver: Driver) {
    // While as many are in their handlers as may run, nobody polls the kernel: what comes then is found nevertheless.
    let port = port(driver, 2);
    let mut pairs: Vec<_> = (0..6).map(|key| pair(&port, key)).collect();
    let (begin, begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let workers = Workers::start(&port, 2..=6, move |_, completion| {
        let _ = begin.send(completion.key);
        let _ = may_go.lock().expect("no panic").recv();
    });
    for (key, (socket, peer)) in pairs.iter_mut().enumerate() {
        socket
            .receive(wharf::Buffer::with_capacity(8))
            .expect("a start");
        std::io::Write::write_all(peer, b"ahoy").expect("a write");
        assert_eq!(told(&begun), key);
    }
    assert_eq!(port.counts().blocked + port.counts().running, 6);
    drop(go);
    port.close();
    workers.expect("workers").join();
}
