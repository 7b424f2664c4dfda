//! One run: a port on a simulated kernel, workers, peers, and threads that start operations of every kind.

use std::{
    cell::RefCell,
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
    Buffer, BufferPool, Completion, CompletionPort, DatagramSocket, File, Finished, Listener,
    OperationId, Payload, Socket, Started, Transmit, Wait, Workers,
    simulated::{Kernel, Stream},
    sync,
};

use crate::ledger::{Ledger, Note, POOLED};

/// A worker that waits so often for nothing waits for something that never comes.
const IN_VAIN_MAX: usize = 2000;

/// What varies from seed to seed, beside the faults.
#[derive(Debug, Clone)]
struct Plan {
    concurrency: usize,
    workers: usize,
    /// A pool, rather than threads that wait by themselves; so many it may grow by.
    pool: Option<usize>,
    sockets: usize,
    actors: usize,
    actions: usize,
    /// Handlers sleep now and then.
    sleeps: bool,
    /// The port is closed under everything.
    closes: bool,
    /// Which kinds of operations: from the first to before the last, of those that [`World::act`] lists.
    theme: (u8, u8),
    /// So little room is between the ends of the streams.
    room: usize,
}

impl Plan {
    fn draw(random: &mut Rng) -> Plan {
        Plan {
            concurrency: random.usize(1..=3),
            workers: random.usize(1..=4),
            pool: random.bool().then(|| random.usize(0..=2)),
            sockets: random.usize(1..=3),
            actors: random.usize(1..=2),
            actions: random.usize(4..=24),
            sleeps: random.u8(..4) == 0,
            closes: random.u8(..4) == 0,
            theme: [(0, 24), (0, 14), (11, 17), (17, 24), (0, 6)][random.usize(..5)],
            room: [1 << 16, 300, 17][random.usize(..3)],
        }
    }
}

/// A socket of the port, and what has its order.
struct Line {
    socket: Socket<u32>,
    /// How many receives were started. Locked while one is: so their order is known.
    receives: Mutex<usize>,
    /// How many sends, and how many bytes they have.
    sends: Mutex<(usize, usize)>,
}

struct World {
    kernel: Kernel,
    port: CompletionPort<u32>,
    plan: Plan,
    ledger: Ledger,
    pool: BufferPool,
    lines: Vec<Line>,
    listener: Listener<u32>,
    datagrams: Vec<DatagramSocket<u32>>,
    file: File<u32>,
    /// Operations of streams, which end by themselves when their peers do; and others, which may wait for ever.
    of_streams: Mutex<Vec<OperationId>>,
    others: Mutex<Vec<OperationId>>,
    /// Those of the others that are timers.
    timers: Mutex<Vec<OperationId>>,
    kept: Mutex<Option<Buffer>>,
    posts: AtomicUsize,
    calls_to_handlers: AtomicUsize,
    healed: AtomicBool,
}

thread_local! {
    static TRACE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// What happened in the last run of this thread of the system.
pub fn last_trace() -> Vec<u64> {
    TRACE.take()
}

/// A byte that tells its place in the stream.
fn pattern(socket: usize, place: usize) -> u8 {
    (place % 251) as u8 ^ (place / 251) as u8 ^ (socket as u8).wrapping_mul(89)
}

fn patterned(socket: usize, from: usize, len: usize) -> Vec<u8> {
    (from..from + len)
        .map(|place| pattern(socket, place))
        .collect()
}

/// It panics if a promise is broken.
pub fn live(kernel: &Kernel, random: &mut Rng) {
    let (world, peers) = World::make(kernel, Plan::draw(random));
    let workers = start_workers(&world);
    let start_peer = |(number, peer)| {
        let (world, random) = (world.clone(), random.fork());
        thread::spawn(move || be_peer(&world, number, peer, random))
    };
    let peers: Vec<_> = peers.into_iter().enumerate().map(start_peer).collect();
    let mut threads = Vec::new();
    for _ in 0..world.plan.actors {
        let (world, random) = (world.clone(), random.fork());
        threads.push(thread::spawn(move || world.act(random)));
    }
    if world.plan.closes {
        let (world, mut random) = (world.clone(), random.fork());
        threads.push(thread::spawn(move || {
            match random.bool() {
                true => (0..random.usize(..40)).for_each(|_| thread::yield_now()),
                // In steps of the monitor's: time stands still while threads run.
                false => sync::sleep(Duration::from_micros(100 * random.u64(..20))),
            }
            world.close();
        }));
    }
    threads
        .into_iter()
        .for_each(|thread| thread.join().expect("no panic"));
    kernel.heal();
    world.healed.store(true, Ordering::SeqCst);
    let peers = peers.into_iter().map(|peer| peer.join().expect("no panic"));
    world.drain(peers.collect());
    if !world.plan.sleeps {
        let counts = world.port.counts();
        assert!(
            counts.running_max <= world.plan.concurrency,
            "{counts:?} on {}",
            world.plan.concurrency
        );
    }
    world.close();
    workers.into_iter().for_each(|join| join());
    world.kept.lock().expect("no panic").take();
    assert_eq!(world.pool.in_use(), 0, "buffers stay behind");
    let trace = world.ledger.balance();
    TRACE.with_borrow_mut(|last| *last = trace);
    assert_eq!(Arc::strong_count(&world), 1, "something holds the world");
}

impl World {
    fn make(kernel: &Kernel, plan: Plan) -> (Arc<World>, Vec<Stream>) {
        let builder = CompletionPort::builder().simulated(kernel);
        let port: CompletionPort<u32> = builder
            .concurrency(plan.concurrency)
            .build()
            .expect("a port");
        let (mut lines, mut peers) = (Vec::new(), Vec::new());
        for number in 0..plan.sockets {
            let (ours, mut peer) = kernel.streams();
            ours.set_room(plan.room);
            peer.set_room(plan.room);
            peer.set_timeout(Some(Duration::from_millis(5)));
            lines.push(Line {
                socket: port.associate(ours, number as u32).expect("an association"),
                receives: Mutex::new(0),
                sends: Mutex::new((0, 0)),
            });
            peers.push(peer);
        }
        let listener = port
            .associate(kernel.listen(), 100)
            .expect("an association");
        let datagrams = (0..2).map(|number| {
            port.associate(kernel.datagrams(), 200 + number)
                .expect("an association")
        });
        let datagrams = datagrams.collect();
        let file = port
            .associate(kernel.file(patterned(0, 0, 500)), 300)
            .expect("an association");
        let world = World {
            kernel: kernel.clone(),
            port,
            plan,
            ledger: Ledger::default(),
            pool: BufferPool::with_limit(POOLED, 2),
            lines,
            listener,
            datagrams,
            file,
            of_streams: Mutex::default(),
            others: Mutex::default(),
            timers: Mutex::default(),
            kept: Mutex::default(),
            posts: AtomicUsize::new(0),
            calls_to_handlers: AtomicUsize::new(0),
            healed: AtomicBool::new(false),
        };
        (Arc::new(world), peers)
    }

    /// Handles a completion.
    fn handle(&self, completion: Completion<u32>) {
        let call = self.calls_to_handlers.fetch_add(1, Ordering::SeqCst);
        let key = completion.key;
        let answers = matches!(completion.what, Finished::Posted | Finished::Timer);
        let kept = self.ledger.ends(&self.kernel, completion);
        // A handler may keep its buffer for a while, and others wait for it.
        let last = kept.and_then(|buffer| self.kept.lock().expect("no panic").replace(buffer));
        if self.plan.sleeps && call % 3 == 0 {
            match call % 2 {
                0 => sync::sleep(Duration::from_micros(700)),
                _ => wharf::blocking(|| sync::sleep(Duration::from_micros(700))),
            }
        }
        drop(last);
        // Some start the next from their handler, as servers do.
        let healed = self.healed.load(Ordering::SeqCst);
        if !healed && call.is_multiple_of(2) {
            let line = &self.lines[key as usize % self.lines.len()];
            match answers {
                true => self.receive(
                    line,
                    key as usize % self.lines.len(),
                    &mut Rng::with_seed(1),
                ),
                false => self.send(key as usize % self.lines.len(), 20, 0),
            }
        }
    }

    fn act(&self, mut random: Rng) {
        for _ in 0..self.plan.actions {
            let number = random.usize(..self.lines.len());
            let line = &self.lines[number];
            let (from, to) = self.plan.theme;
            match random.u8(from..to) {
                0..5 => self.receive(line, number, &mut random),
                5..9 => self.send(number, random.usize(..400), random.u8(..4)),
                9 => self.transmit(number),
                10 => drop(line.socket.cancel_receives()),
                11 | 12 => self.cancel_one(&mut random),
                13 => self.end_one(line, &mut random),
                14..17 => self.connect(&mut random),
                17..19 => self.send_datagrams(&mut random),
                19..21 => self.use_file(&mut random),
                21 => self.post(),
                22 => self.time(&mut random),
                // Who looks brings in what stands ready.
                _ => drop(self.port.snapshot()),
            }
        }
    }

    fn note<E>(&self, started: Result<OperationId, E>, note: Note) {
        let ids = match note {
            Note::Other => &self.others,
            _ => &self.of_streams,
        };
        let id = self.ledger.note(started, note);
        ids.lock().expect("no panic").extend(id);
    }

    fn receive(&self, line: &Line, number: usize, random: &mut Rng) {
        let mut receives = line.receives.lock().expect("no panic");
        let len = [0, 1, 16, 300][random.usize(..4)];
        let kind = random.u8(..5);
        let note = Note::Receive {
            socket: number,
            place: *receives,
            asks: kind == 3 || (len == 0 && matches!(kind, 0 | 4)),
        };
        *receives += 1;
        let buffer = || Buffer::with_capacity(len);
        let started = match kind {
            0 => line.socket.receive(buffer()).map_err(drop),
            1 => line.socket.receive_from(&self.pool).map_err(drop),
            2 => {
                let buffers = vec![buffer(), Buffer::with_capacity(7)];
                line.socket.receive_vectored(buffers).map_err(drop)
            }
            3 => line.socket.readable().map_err(drop),
            _ => {
                return self.direct(
                    line.socket.skip_port().receive(buffer()).map_err(drop),
                    note,
                );
            }
        };
        self.note(started, note);
    }

    /// Notes what was started directly, which may have ended.
    fn direct(&self, started: Result<Started<u32>, ()>, note: Note) {
        match started {
            Ok(Started::Completed(completion)) => {
                self.ledger.note(Ok::<_, ()>(completion.operation), note);
                drop(self.ledger.ends(&self.kernel, completion));
            }
            Ok(Started::Pending(id)) => self.note(Ok::<_, ()>(id), note),
            Err(()) => drop(self.ledger.note(Err(()), note)),
        }
    }

    fn send(&self, number: usize, len: usize, how: u8) {
        let line = &self.lines[number];
        let mut sends = line.sends.lock().expect("no panic");
        let (place, from) = *sends;
        let bytes = patterned(number, from, len);
        *sends = (place + 1, from + len);
        let note = Note::Send {
            socket: number,
            place,
            bytes: bytes.clone(),
            quiet: how == 1,
        };
        let started = match how {
            0 => line.socket.send(bytes).map_err(drop),
            1 => line.socket.send_quietly(bytes).map_err(drop),
            2 => {
                let (front, back) = bytes.split_at(len / 3);
                let payloads = [front, back].map(|part| Payload::from(part.to_vec()));
                line.socket.send_vectored(payloads.into()).map_err(drop)
            }
            _ => return self.direct(line.socket.skip_port().send(bytes).map_err(drop), note),
        };
        self.note(started, note);
    }

    fn transmit(&self, number: usize) {
        let line = &self.lines[number];
        let mut sends = line.sends.lock().expect("no panic");
        let (place, from) = *sends;
        let bytes = patterned(number, from, 90);
        *sends = (place + 1, from + 90);
        let file = Arc::new(self.kernel.file(&bytes[10..80]).into());
        let transmit = Transmit::new(file, 0..70)
            .with_head(bytes[..10].to_vec())
            .with_tail(bytes[80..].to_vec());
        let note = Note::Send {
            socket: number,
            place,
            bytes,
            quiet: false,
        };
        self.note(line.socket.transmit(transmit), note);
    }

    fn cancel_one(&self, random: &mut Rng) {
        let id = {
            let ids = match random.bool() {
                true => self.of_streams.lock().expect("no panic"),
                false => self.others.lock().expect("no panic"),
            };
            (!ids.is_empty()).then(|| ids[random.usize(..ids.len())])
        };
        // It may have ended: then it is not found.
        id.map(|id| self.port.cancel(id).is_ok());
    }

    fn end_one(&self, line: &Line, random: &mut Rng) {
        match random.u8(..8) {
            0 => drop(line.socket.close()),
            1 => drop(line.socket.reset()),
            2 => drop(self.listener.cancel_all()),
            3 => drop(line.socket.cancel_all()),
            4 => drop(self.listener.close()),
            _ => {
                // It stands among the sends, and has no bytes.
                let _sends = line.sends.lock().expect("no panic");
                self.note(line.socket.shutdown(), Note::End);
            }
        }
    }

    fn post(&self) {
        let number = self.posts.fetch_add(1, Ordering::SeqCst);
        self.ledger
            .note_post(number, self.port.post(400, number).is_ok());
    }

    fn time(&self, random: &mut Rng) {
        let delay = Duration::from_micros(random.u64(..2000));
        let timer = self.port.timer(delay, 500);
        self.timers
            .lock()
            .expect("no panic")
            .extend(timer.as_ref().ok());
        self.note(timer, Note::Other);
        if random.bool() {
            self.cancel_timer_quietly(random);
        }
    }

    fn cancel_timer_quietly(&self, random: &mut Rng) {
        let id = {
            let timers = self.timers.lock().expect("no panic");
            (!timers.is_empty()).then(|| timers[random.usize(..timers.len())])
        };
        let Some(id) = id else { return };
        if let Ok(timer) = self.port.cancel_timer_quietly(id) {
            assert_eq!(timer.key, 500);
            self.ledger.ends_without_a_packet(id);
        }
    }

    fn send_datagrams(&self, random: &mut Rng) {
        let from = random.usize(..2);
        let (here, there) = (&self.datagrams[from], &self.datagrams[1 - from]);
        let started = match random.u8(..3) {
            0 => here.receive(Buffer::with_capacity(30)).map_err(drop),
            1 => here.receive_from(&self.pool).map_err(drop),
            _ => {
                let Ok(address) = there.local_addr() else {
                    return;
                };
                let bytes = patterned(9, 0, random.usize(..60));
                here.send_to(bytes, address).map_err(drop)
            }
        };
        self.note(started, Note::Other);
    }

    fn use_file(&self, random: &mut Rng) {
        let offset = random.u64(..600);
        let started = match random.u8(..3) {
            0 => {
                let buffer = Buffer::with_capacity(random.usize(..200));
                self.file.read_at(buffer, offset).map_err(drop)
            }
            1 => {
                let bytes = patterned(0, 0, random.usize(..200));
                self.file.write_at(bytes, offset).map_err(drop)
            }
            _ => self.file.flush().map_err(drop),
        };
        self.note(started, Note::Other);
    }

    fn connect(&self, random: &mut Rng) {
        let address = self.listener.local_addr();
        let started = match random.u8(..4) {
            0 => self.listener.accept().map_err(drop),
            1 => {
                let buffer = Buffer::with_capacity(20);
                self.listener.accept_receive(buffer).map_err(drop)
            }
            2 => self.port.connect(address, 600).map_err(drop),
            _ => {
                let payload = patterned(7, 0, 30);
                self.port.connect_send(address, payload, 600).map_err(drop)
            }
        };
        self.note(started, Note::Other);
    }

    /// Everything that is under way ends by itself, but for what waits for nobody: that is cancelled.
    fn drain(self: &Arc<Self>, peers: Vec<Option<Stream>>) {
        self.datagrams.iter().for_each(|socket| {
            socket.cancel_all();
        });
        self.listener.cancel_all();
        let others = std::mem::take(&mut *self.others.lock().expect("no panic"));
        others.into_iter().for_each(|id| drop(self.port.cancel(id)));
        // The peers end their sides, and read what is sent to them.
        let read = |(number, peer): (usize, Option<Stream>)| {
            let (world, peer) = (self.clone(), peer?);
            Some(thread::spawn(move || world.read_to_the_end(number, peer)))
        };
        let readers: Vec<_> = peers.into_iter().enumerate().filter_map(read).collect();
        self.kept.lock().expect("no panic").take();
        self.ledger.settle();
        for (number, line) in self.lines.iter().enumerate() {
            self.receive_to_the_end(number, line);
        }
        readers
            .into_iter()
            .for_each(|reader| reader.join().expect("no panic"));
    }

    fn read_to_the_end(&self, number: usize, mut peer: Stream) {
        peer.set_timeout(None);
        let _ = peer.shutdown();
        let mut memory = [0; 100];
        while let Ok(count @ 1..) = peer.read(&mut memory) {
            self.ledger.peer_read(number, &memory[..count]);
        }
    }

    /// What the peer wrote is there to the last byte, and behind it the end; or a failure is.
    fn receive_to_the_end(&self, number: usize, line: &Line) {
        loop {
            let mut receives = line.receives.lock().expect("no panic");
            let started = line.socket.receive_from(&self.pool);
            let Ok(id) = started else { break };
            let note = Note::Receive {
                socket: number,
                place: *receives,
                asks: false,
            };
            *receives += 1;
            drop(receives);
            self.ledger.note(Ok::<_, ()>(id), note);
            self.ledger.settle();
            if self.ledger.received_nothing(id) {
                break;
            }
        }
        line.socket.close();
    }

    fn close(&self) {
        for completion in self.port.close() {
            drop(self.ledger.ends(&self.kernel, completion));
        }
    }
}

fn start_workers(world: &Arc<World>) -> Vec<Box<dyn FnOnce()>> {
    let plan = &world.plan;
    if let Some(growth) = plan.pool {
        let handler = world.clone();
        let workers = Workers::start(
            &world.port,
            plan.workers..=plan.workers + growth,
            move |_, completion| handler.handle(completion),
        );
        let workers = workers.expect("threads");
        return vec![Box::new(move || workers.join())];
    }
    let wait = |number: usize| {
        let world = world.clone();
        let thread = thread::spawn(move || {
            let mut many = Vec::new();
            let mut in_vain = 0;
            loop {
                if number == 0 {
                    match world.port.wait(None).expect("a wait") {
                        Wait::Completed(completion) => world.handle(completion),
                        Wait::Task(task) => task.run(),
                        Wait::TimedOut => panic!("it waits for ever"),
                        Wait::Closed => return,
                    }
                } else {
                    let some = Duration::from_millis(3);
                    match world.port.wait_many(&mut many, 3, some).expect("a wait") {
                        wharf::WaitMany::Closed => return,
                        wharf::WaitMany::TimedOut => {
                            in_vain += 1;
                            let unsettled = world.ledger.unsettled();
                            assert!(in_vain < IN_VAIN_MAX, "it never ends: {unsettled:?}");
                        }
                        wharf::WaitMany::Packets(_) => {
                            many.drain(..).for_each(|it| world.handle(it))
                        }
                    }
                }
            }
        });
        Box::new(move || thread.join().expect("no panic")) as Box<dyn FnOnce()>
    };
    (0..plan.workers).map(wait).collect()
}

/// The other end of a stream: writes, reads, and goes in one way or another, or stays.
fn be_peer(world: &World, number: usize, mut peer: Stream, mut random: Rng) -> Option<Stream> {
    let mut written = 0;
    for _ in 0..random.usize(1..12) {
        if random.bool() {
            let bytes = patterned(number, written, random.usize(1..200));
            match peer.write(&bytes) {
                Ok(count) => {
                    world.ledger.peer_wrote(number, &bytes[..count]);
                    written += count;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        } else {
            let mut memory = [0; 100];
            match peer.read(&mut memory) {
                Ok(0) => break,
                Ok(count) => world.ledger.peer_read(number, &memory[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    }
    match random.u8(..6) {
        0 => peer.reset(),
        1 => drop(peer),
        _ => return Some(peer),
    }
    None
}
