//! Packets that handlers post quietly, whatever the handlers do next: each is taken once, and none is left for ever.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use shuttle::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};
use wharf::{CompletionPort, Wait, simulated::Kernel, sync};

/// So many packets in all.
const PACKETS: usize = 40;

struct World {
    port: CompletionPort<usize>,
    made: AtomicUsize,
    taken: [AtomicBool; PACKETS],
    left: AtomicUsize,
    /// A handler does not end before another thread has its packet. One at a time, so that there is another thread.
    stays: AtomicBool,
    /// That one may compute meanwhile: another may run beside it.
    may_compute: bool,
}

/// Panics if a packet comes twice; if one never comes, no thread can go on, which the simulation finds.
pub fn are_taken_whatever_their_posters_do(kernel: &Kernel, random: &mut Rng) {
    let concurrency = random.usize(1..4);
    let builder = CompletionPort::builder().simulated(kernel);
    let port = builder.concurrency(concurrency).build().expect("a port");
    let world = Arc::new(World {
        port,
        made: AtomicUsize::new(0),
        taken: std::array::from_fn(|_| AtomicBool::new(false)),
        left: AtomicUsize::new(PACKETS),
        stays: AtomicBool::new(false),
        may_compute: concurrency > 1,
    });
    let threads: Vec<_> = (0..random.usize(2..5))
        .map(|_| {
            let (world, random) = (world.clone(), random.fork());
            thread::spawn(move || world.serve(random))
        })
        .collect();
    for _ in 0..random.usize(1..4) {
        let packet = world.make().expect("there are more");
        world.port.post(packet, 0).expect("a post");
    }
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert_eq!(world.left.load(Ordering::SeqCst), 0);
    assert_eq!(world.port.snapshot().operations, 0);
}

impl World {
    /// The next packet, if there are to be more.
    fn make(&self) -> Option<usize> {
        let packet = self.made.fetch_add(1, Ordering::SeqCst);
        (packet < PACKETS).then_some(packet)
    }

    fn serve(&self, mut random: Rng) {
        loop {
            let timeout = (random.u8(..4) == 0).then(|| Duration::from_micros(random.u64(..3_000)));
            match self.port.wait(timeout).expect("a wait") {
                Wait::Completed(completion) => self.handle(completion.key, &mut random),
                Wait::TimedOut => {}
                _ => return,
            }
        }
    }

    fn handle(&self, packet: usize, random: &mut Rng) {
        let before = self.taken[packet].swap(true, Ordering::SeqCst);
        assert!(!before, "packet {packet} came twice");
        if let Some(next) = self.make() {
            self.port.post_quietly(next, 0).expect("it is open");
            self.go_on_after(next, random);
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            drop(self.port.close());
        }
    }

    /// What the handler does after it has posted this packet.
    fn go_on_after(&self, posted: usize, random: &mut Rng) {
        match random.u8(..8) {
            0 => (0..random.u32(..200)).for_each(|_| thread::yield_now()),
            1 => sync::sleep(Duration::from_micros(random.u64(..5_000))),
            2 => {
                if let Some(next) = self.make() {
                    let _ = match random.bool() {
                        true => self.port.post(next, 0),
                        false => self.port.post_quietly(next, 0),
                    };
                }
            }
            3 | 4 if self.may_compute => {
                self.stay(|| self.until_taken(posted, thread::yield_now));
            }
            5 => self.stay(|| {
                let sleep = || sync::sleep(Duration::from_micros(100));
                wharf::blocking(|| self.until_taken(posted, sleep));
            }),
            _ => {}
        }
    }

    fn stay(&self, until: impl FnOnce()) {
        if !self.stays.swap(true, Ordering::SeqCst) {
            until();
            self.stays.store(false, Ordering::SeqCst);
        }
    }

    fn until_taken(&self, packet: usize, pause: impl Fn()) {
        while !self.taken[packet].load(Ordering::SeqCst) {
            pause();
        }
    }
}
