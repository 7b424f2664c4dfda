//! Statement 49: a packet that a handler posts quietly releases no thread at first, since the handler's own thread comes back for
//! it. It is on the queue like any other; and another thread is released for it when the poster leaves it behind, posts again or
//! blocks, and within some milliseconds in any case.

use std::{
    io::ErrorKind,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use wharf::{CompletionPort, PortError, Wait, Workers};

use crate::harness::*;

/// What is promised of a poster that computes. A machine that is busy may be later, but not always.
const LATEST: Duration = Duration::from_micros(2_500);

/// Two threads that may run at once, and a handler that is given the port and the key.
struct Pair {
    port: CompletionPort<u32>,
    workers: Option<Workers>,
}

impl Pair {
    fn new(
        driver: Driver,
        handler: impl Fn(&CompletionPort<u32>, u32) + Send + Sync + 'static,
    ) -> Pair {
        let port = port(driver, 2);
        let handlers = port.clone();
        let workers = Workers::start(&port, 2, move |_, completion| {
            handler(&handlers, completion.key);
        });
        Pair {
            port,
            workers: Some(workers.expect("workers")),
        }
    }

    /// Has a handler begin, while the other thread sleeps.
    fn begin(&self) {
        eventually("both wait", || self.port.counts().parked == 2);
        self.port.post(0, 0).expect("a post");
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.port.close();
        if let Some(workers) = self.workers.take() {
            workers.join();
        }
    }
}

fn post_quietly(port: &CompletionPort<u32>, key: u32) {
    port.post_quietly(key, 0).expect("a post");
}

/// What a handler waits for, and another brings.
struct Meeting {
    bring: mpsc::Sender<ThreadId>,
    brought: Mutex<Receiver<ThreadId>>,
}

impl Meeting {
    fn new() -> Meeting {
        let (bring, brought) = mpsc::channel();
        Meeting {
            bring,
            brought: Mutex::new(brought),
        }
    }

    fn bring(&self) {
        let _ = self.bring.send(thread::current().id());
    }

    /// Waits asleep.
    fn sleep(&self) {
        told(&self.brought.lock().expect("no panic"));
    }

    /// Computes until it is there.
    fn compute(&self) {
        let brought = self.brought.lock().expect("no panic");
        let start = Instant::now();
        while brought.try_recv().is_err() {
            assert!(start.elapsed() < GUARD, "the other handler has not begun");
            std::hint::spin_loop();
        }
    }
}

/// A handler posts packet 1 quietly, then does what `then` says, which ends when the handler of packet 1 has begun. So often.
fn meet(driver: Driver, rounds: usize, then: fn(&CompletionPort<u32>, &Meeting)) -> Vec<Duration> {
    let (done, all_done) = mpsc::channel();
    let meeting = Meeting::new();
    let pair = Pair::new(driver, move |port, key| match key {
        0 => {
            let start = Instant::now();
            post_quietly(port, 1);
            then(port, &meeting);
            let _ = done.send(start.elapsed());
        }
        1 => meeting.bring(),
        _ => {}
    });
    let round = |round: usize| {
        // Some in a burst, and some after a while in which there was none.
        if round % 8 == 0 {
            thread::sleep(Duration::from_millis(20));
        }
        pair.begin();
        told(&all_done)
    };
    (0..rounds).map(round).collect()
}

pub fn s49_the_thread_that_posts_quietly_goes_on_with_the_packet(driver: Driver) {
    const PACKETS: usize = 4_000;
    let (done, all_done) = mpsc::channel();
    let threads = Mutex::new(Vec::with_capacity(PACKETS));
    let pair = Pair::new(driver, move |port, key| {
        let mut threads = threads.lock().expect("no panic");
        threads.push(thread::current().id());
        match threads.len() == PACKETS {
            true => drop(done.send(std::mem::take(&mut *threads))),
            false => post_quietly(port, key + 1),
        }
    });
    pair.begin();
    let threads = told(&all_done);
    let changes = threads.windows(2).filter(|two| two[0] != two[1]).count();
    // A thread that loses its processor between its post and its return loses its packet too.
    assert!(changes < PACKETS / 4, "{changes} of {PACKETS}");
}

pub fn s49_a_quiet_post_reaches_another_thread_while_its_poster_computes(driver: Driver) {
    let delays = meet(driver, 32, |_, meeting| meeting.compute());
    let least = delays.iter().min().expect("some rounds");
    assert!(*least <= LATEST, "the quickest of all: {least:?}");
}

pub fn s49_a_quiet_post_reaches_another_thread_when_its_poster_posts_again(driver: Driver) {
    meet(driver, 32, |port, meeting| {
        post_quietly(port, 2);
        meeting.compute();
    });
    meet(driver, 32, |port, meeting| {
        port.post(2, 0).expect("a post");
        meeting.compute();
    });
}

pub fn s49_a_quiet_post_reaches_another_thread_when_its_poster_blocks(driver: Driver) {
    meet(driver, 32, |_, meeting| {
        wharf::blocking(|| meeting.sleep());
    });
    meet(driver, 32, |_, meeting| meeting.sleep());
    // Within what is said to block, a quiet post is an ordinary one.
    meet(driver, 32, |port, meeting| {
        wharf::blocking(|| {
            post_quietly(port, 1);
            meeting.sleep();
            meeting.sleep();
        });
    });
}

pub fn s49_a_quiet_post_outlives_its_handler_that_panics(driver: Driver) {
    let (done, all_done) = mpsc::channel();
    let pair = Pair::new(driver, move |port, key| {
        if key == 0 {
            post_quietly(port, 1);
            panic!("a handler that is told to");
        }
        let _ = done.send(key);
    });
    for _ in 0..8 {
        pair.begin();
        assert_eq!(told(&all_done), 1);
    }
}

/// A thread takes a packet, posts another quietly, and does something else: this one gets it.
fn leave_behind(driver: Driver, then: fn(Driver)) {
    let port = port(driver, 2);
    let (take, taken) = mpsc::channel();
    port.post(0, 0).expect("a post");
    let poster = {
        let port = port.clone();
        thread::spawn(move || {
            assert_eq!(next(&port).key, 0);
            take.send(()).expect("it is awaited");
            post_quietly(&port, 1);
            then(driver);
        })
    };
    told(&taken);
    assert_eq!(next(&port).key, 1);
    poster.join().expect("it ends well");
}

pub fn s49_a_quiet_post_is_left_by_a_thread_that_ends_or_waits_elsewhere(driver: Driver) {
    for _ in 0..8 {
        leave_behind(driver, |_| {});
        leave_behind(driver, |driver| {
            expect_nothing(&crate::harness::port::<u32>(driver, 1));
        });
    }
}

pub fn s49_outside_of_a_handler_of_the_port_it_is_an_ordinary_post(driver: Driver) {
    let port = port(driver, 2);
    let threads = Threads::new(&port, 2);
    threads.park(0);
    threads.park(1);
    port.post_quietly("by none", 0).expect("a post");
    let first = threads.released(&"by none");
    // In a handler of another port.
    let other = crate::harness::port::<u32>(driver, 1);
    other.post(1, 0).expect("a post");
    assert_eq!(next(&other).key, 1);
    port.post_quietly("by another", 0).expect("a post");
    assert_eq!(threads.released(&"by another"), 1 - first);
}

pub fn s49_quiet_posts_have_their_turn_among_all_posts(driver: Driver) {
    let port = port(driver, 1);
    port.post(0, 0).expect("a post");
    assert_eq!(next(&port).key, 0);
    for key in 1..1_000 {
        match key % 3 {
            0 => port.post(key, 0).expect("a post"),
            _ => post_quietly(&port, key),
        }
    }
    for key in 1..1_000 {
        assert_eq!(next(&port).key, key);
    }
    expect_nothing(&port);
}

pub fn s49_a_quiet_post_is_refused_as_any_post_is(driver: Driver) {
    let builder = driver.builder().operations_max(1);
    let port: CompletionPort<u32> = builder.build().expect("the driver is available here");
    post_quietly(&port, 1);
    let refused = port.post_quietly(2, 0).expect_err("one too many");
    assert_eq!(
        (refused.error.kind(), refused.given),
        (ErrorKind::QuotaExceeded, 2)
    );
    assert_eq!(next(&port).key, 1);
    post_quietly(&port, 3);
    assert_eq!(port.close().len(), 1);
    let refused = port.post_quietly(4, 0).expect_err("it is closed");
    assert_eq!(PortError::of(&refused.error), Some(&PortError::Closed));
    assert!(matches!(port.wait(None), Ok(Wait::Closed)));
}

pub fn s49_each_packet_that_is_posted_quietly_is_taken_once(driver: Driver) {
    const PACKETS: usize = 100_000;
    let (made, taken) = (AtomicUsize::new(1), Arc::new(AtomicUsize::new(0)));
    let (done, all_done) = mpsc::channel();
    let count = taken.clone();
    let pair = Pair::new(driver, move |port, key| {
        // Each makes none, one or two more, but no more than there are to be.
        for _ in 0..1 + key % 2 {
            let next = made.fetch_add(1, Ordering::SeqCst);
            if next < PACKETS {
                post_quietly(port, next as u32);
            }
        }
        if count.fetch_add(1, Ordering::SeqCst) + 1 == PACKETS {
            let _ = done.send(());
        }
    });
    pair.begin();
    told(&all_done);
    drop(pair);
    assert_eq!(taken.load(Ordering::SeqCst), PACKETS);
}
