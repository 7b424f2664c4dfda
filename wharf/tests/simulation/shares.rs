//! Clients that take what they can of a pool, beside one that is polite: no client holds more than its share, and the polite
//! one is served within so many steps, whatever the others do. A step is a call of the handler: there is no clock in it.

use std::{
    io::{Read, Write},
    sync::Arc,
    time::Duration,
};

use fastrand::Rng;
use shuttle::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};
use wharf::{
    Buffer, BufferPool, Completion, CompletionPort, Finished, Socket, Wait,
    simulated::{Kernel, Stream},
    sync,
};

/// What each client that is not polite says, a byte at a time.
const SAYS: usize = 60;

/// How often the polite one asks.
const ASKS: usize = 4;

/// The polite one is served before the others have been so often, since it asked. Of what stands on the queue before it, each
/// of the others has one receive and its sends; the rest is for what the kernel delays. The most of 10,000
/// seeds was 12.
const STEPS_MAX: usize = 40;

/// As many sends of a client may wait; more are refused.
const SENDS_MAX: u32 = 4;

struct World {
    port: CompletionPort<usize>,
    pool: BufferPool,
    share: usize,
    clients: Vec<Client>,
    steps: AtomicUsize,
    /// At which step the polite one asked.
    asked_at: AtomicUsize,
    steps_worst: AtomicUsize,
    over: AtomicBool,
}

struct Client {
    socket: Socket<usize>,
    buffers: BufferPool,
    /// What its handler keeps.
    kept: Mutex<Vec<Buffer>>,
}

/// The polite one's number.
const POLITE: usize = 0;

/// The most steps that the polite one waited. Panics if a promise is broken.
pub fn live(kernel: &Kernel, random: &mut Rng) {
    let (world, mut peers) = World::make(kernel, random);
    let workers: Vec<_> = (0..2).map(|_| spawn(&world, World::work)).collect();
    let greedy: Vec<_> = peers
        .drain(1..)
        .map(|peer| thread::spawn(move || say(peer)))
        .collect();
    let polite = peers.remove(POLITE);
    let keeper = spawn(&world, World::give_back);
    world.ask(polite);
    // Those whose peers are gone end by themselves; what they sent is of no interest.
    greedy
        .into_iter()
        .for_each(|thread| drop(thread.join().expect("no panic")));
    world.over.store(true, Ordering::SeqCst);
    keeper.join().expect("no panic");
    drop(world.port.close());
    workers
        .into_iter()
        .for_each(|thread| thread.join().expect("no panic"));
    world
        .clients
        .iter()
        .for_each(|client| client.kept.lock().expect("no panic").clear());
    assert_eq!(world.pool.in_use(), 0, "buffers stay behind");
    WORST.fetch_max(
        world.steps_worst.load(Ordering::SeqCst),
        std::sync::atomic::Ordering::SeqCst,
    );
}

/// The most steps of all runs of this process.
pub static WORST: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

fn spawn(world: &Arc<World>, what: fn(&World)) -> thread::JoinHandle<()> {
    let world = world.clone();
    thread::spawn(move || what(&world))
}

/// Says single bytes, and reads nothing.
fn say(mut peer: Stream) -> Stream {
    for _ in 0..SAYS {
        if peer.write_all(b"x").is_err() {
            break;
        }
    }
    peer
}

impl World {
    fn make(kernel: &Kernel, random: &mut Rng) -> (Arc<World>, Vec<Stream>) {
        let builder = CompletionPort::builder().simulated(kernel);
        let port: CompletionPort<usize> = builder
            .concurrency(random.usize(1..=2))
            .build()
            .expect("a port");
        let share = random.usize(1..=2);
        let count = random.usize(2..=4);
        // Each has what it may, and no more.
        let pool = BufferPool::with_limit(1, share * count);
        let (mut clients, mut peers) = (Vec::new(), Vec::new());
        for number in 0..count {
            let (ours, peer) = kernel.streams();
            // Answers that are not read soon have to wait.
            ours.set_room(17);
            let socket = port.associate(ours, number).expect("an association");
            socket.set_sends_max(SENDS_MAX).expect("an open socket");
            clients.push(Client {
                socket,
                buffers: pool.share(share),
                kept: Mutex::default(),
            });
            peers.push(peer);
        }
        for client in &clients {
            client.receive();
        }
        let world = World {
            port,
            pool,
            share,
            clients,
            steps: AtomicUsize::new(0),
            asked_at: AtomicUsize::new(0),
            steps_worst: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        };
        (Arc::new(world), peers)
    }

    fn work(&self) {
        while let Wait::Completed(completion) = self.port.wait(None).expect("a wait") {
            self.handle(completion);
        }
    }

    fn handle(&self, completion: Completion<usize>) {
        let (number, result) = (completion.key, completion.result);
        let step = self.steps.fetch_add(1, Ordering::SeqCst);
        let client = &self.clients[number];
        let (Finished::Received { buffer, .. }, Ok(1)) = (completion.what, result) else {
            // A fault of the kernel's, or the end: the side that waits for an answer is told.
            client.socket.close();
            return;
        };
        if number == POLITE {
            let waited = step.saturating_sub(self.asked_at.load(Ordering::SeqCst));
            assert!(
                waited <= STEPS_MAX,
                "the polite one waited for {waited} steps"
            );
            self.steps_worst.fetch_max(waited, Ordering::SeqCst);
            drop(client.socket.send_quietly(buffer));
        } else if step.is_multiple_of(3) {
            drop(client.socket.send_quietly(buffer));
        } else {
            let mut kept = client.kept.lock().expect("no panic");
            kept.push(buffer);
            assert!(kept.len() <= self.share, "more than its share");
        }
        client.receive();
    }

    /// Gives back what handlers keep, now and then.
    fn give_back(&self) {
        while !self.over.load(Ordering::SeqCst) {
            for client in &self.clients {
                let buffer = client.kept.lock().expect("no panic").pop();
                drop(buffer);
                // Time stands still while threads run.
                sync::sleep(Duration::from_micros(20));
            }
        }
    }

    /// Asks, and waits for each answer.
    fn ask(&self, mut peer: Stream) {
        for _ in 0..ASKS {
            self.asked_at
                .store(self.steps.load(Ordering::SeqCst), Ordering::SeqCst);
            let mut answer = [0];
            if peer.write_all(b"?").is_err() || peer.read_exact(&mut answer).is_err() {
                // A fault of the kernel's has ended it.
                return;
            }
        }
    }
}

impl Client {
    fn receive(&self) {
        // Refused where a fault has broken the connection.
        let _ = self.socket.receive_from(&self.buffers);
    }
}
